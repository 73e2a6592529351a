"""Data keys in use: made, unwrapped, remembered for a short while; and the installation's own three keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from models.base import new_id
from models.bulk import among
from models.crypto import Erased, KeyRing, Sealer, Tampered, UnknownKey, keyed_hash, new_key
from models.keys import DataKey, RingKey
from workers.errors import NotFound, SettingsError

LOOKUP, REPLY, SYSTEM, AUDIT = "lookup", "reply", "system", "audit"
OWN_KEYS = (LOOKUP, REPLY, SYSTEM, AUDIT)
REMEMBERED = 4096
MEMORY_SECONDS = 60.0
TOKEN_BYTES = 16
SIGNATURE_BYTES = 10


class Vault:
    """Gives out sealers. One per process; safe to use from several event loops.

    Unwrapped keys are remembered for a minute at most, so that an erasure in one process takes hold in
    all others soon. `load` must have been awaited before `lookup`, `reply_token` and `system_*` work.
    `lost` names keys of the ring that exist no more: what they wrapped stays unreadable.
    """

    def __init__(
        self, ring: KeyRing, *, lost: Collection[str] = (), steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._ring = ring
        self._lost = frozenset(lost)
        self._steady = steady
        self._lock = threading.Lock()
        self._remembered: OrderedDict[UUID, tuple[float, Sealer]] = OrderedDict()
        self._own: dict[str, tuple[UUID, bytes]] = {}

    async def sealer(self, session: AsyncSession, data_key_id: UUID) -> Sealer:
        """The sealer of a data key. Raises NotFound, and Erased, UnknownKey or Tampered (models.crypto)."""
        known = self._recall(data_key_id)
        if known is not None:
            return known
        found = await session.execute(
            select(DataKey.id, DataKey.ring_key, DataKey.wrapped).where(DataKey.id == data_key_id)
        )
        row = found.one_or_none()
        if row is None:
            raise NotFound("there is no such data key")
        return self._unwrap(*row)

    async def warm(self, session: AsyncSession, data_key_ids: Collection[UUID]) -> None:
        """Unwrap many data keys by one query, before a batch asks for them one by one.

        Skips erased ones and those that cannot be unwrapped: `sealer` says why, to whom it concerns.
        """
        lacking = [key for key in set(data_key_ids) if self._recall(key) is None]
        if not lacking:
            return
        found = await session.execute(
            select(DataKey.id, DataKey.ring_key, DataKey.wrapped).where(
                among(session, DataKey.id, lacking), DataKey.wrapped.is_not(None)
            )
        )
        for row in found:
            with suppress(UnknownKey, Tampered):  # told when somebody asks for this one
                self._unwrap(*row)

    async def new_key(self, session: AsyncSession) -> UUID:
        """Make a data key in the session's transaction; its id."""
        row, _ = self.fresh_key()
        session.add(row)
        return row.id

    def fresh_key(self) -> tuple[DataKey, Sealer]:
        """A new data key that the caller inserts, and its sealer, which is remembered."""
        values, sealer = self.make_key()
        row = DataKey(**values)
        self._remember(row.id, sealer)
        return row, sealer

    def make_key(self) -> tuple[dict[str, Any], Sealer]:
        """A new data key as the columns of a `data_keys` row that the caller inserts, and its sealer."""
        data_key = new_key()
        ring_key, wrapped = self._ring.wrap(data_key)
        return {"id": new_id(), "ring_key": ring_key, "wrapped": wrapped}, Sealer(data_key)

    def forget(self, data_key_id: UUID) -> None:
        """Drop a key from this process's memory (after it was erased)."""
        with self._lock:
            self._remembered.pop(data_key_id, None)

    async def load(self, session: AsyncSession) -> None:
        """Load the installation's keys, making those that are lacking. Safe when several processes start.

        Raises SettingsError while the ring lacks a key by which something is still wrapped.
        """
        await self._check_ring(session)
        rows = await self._own_rows(session)
        lacking = [purpose for purpose in OWN_KEYS if purpose not in rows]
        if lacking:
            await self._make_own(session, lacking)
            rows = await self._own_rows(session)
        own = {
            purpose: (row.id, self._ring.unwrap(row.ring_key, row.wrapped or b""))
            for purpose, row in rows.items()
        }
        with self._lock:
            self._own = own

    async def _check_ring(self, session: AsyncSession) -> None:
        """The ring's newest key is on record, and none that is needed was taken out of the ring."""
        known = set(await session.scalars(select(RingKey.name)))
        if self._ring.newest not in known:
            made = _dialect(session).insert(RingKey).values(name=self._ring.newest)
            await session.execute(made.on_conflict_do_nothing())
        for name in sorted(known - {*self._ring.ids, *self._lost}):
            wrapped = select(DataKey.id).where(DataKey.ring_key == name, DataKey.wrapped.is_not(None))
            if await session.scalar(wrapped.limit(1)) is not None:
                raise SettingsError(
                    f"the key ring lacks '{name}', by which data keys are still wrapped",
                    hint=f"put '{name}' back behind the newest key in CLOSELOOP_SECRET_KEYS and run closeloop"
                    " keys rotate; if it is lost for good, name it in CLOSELOOP_LOST_KEYS",
                )
            await session.execute(delete(RingKey).where(RingKey.name == name))

    async def _own_rows(self, session: AsyncSession) -> dict[str, DataKey]:
        found = await session.scalars(select(DataKey).where(DataKey.purpose.in_(OWN_KEYS)))
        return {str(row.purpose): row for row in found}

    async def _make_own(self, session: AsyncSession, purposes: list[str]) -> None:
        for purpose in purposes:
            ring_key, wrapped = self._ring.wrap(new_key())
            made = (
                _dialect(session)
                .insert(DataKey)
                .values(id=new_id(), purpose=purpose, ring_key=ring_key, wrapped=wrapped)
            )
            await session.execute(made.on_conflict_do_nothing())

    def lookup(self, kind: str, text: str) -> bytes:
        """32 bytes by which `text`, already in canonical form, is found again. `kind`: email, phone, …"""
        return keyed_hash(self._own_key(LOOKUP)[1], kind, text)

    def word_hashes(self, words: Iterable[str]) -> list[int]:
        """A 32-bit number (signed) for each word, by a key of the search's own: BLAKE2b, RFC 7693 §2.9.

        Few bits, for the index stays small by it: of the words of an installation hardly two share a number.
        """
        key = keyed_hash(self._own_key(LOOKUP)[1], "subkey", "search")
        return [
            int.from_bytes(
                hashlib.blake2b(word.encode(), digest_size=4, key=key).digest(), "big", signed=True
            )
            for word in words
        ]

    def audit_hash(self, kind: str, text: str) -> bytes:
        """32 bytes that only this installation can make of `text`, by which the audit log is sealed."""
        return keyed_hash(self._own_key(AUDIT)[1], kind, text)

    def reply_token(self, parts: str) -> str:
        """26 lower-case base32 characters that only this installation can make for `parts`."""
        return _base32(keyed_hash(self._own_key(REPLY)[1], REPLY, parts)[:TOKEN_BYTES])

    def signed_id(self, purpose: str, ident: UUID) -> str:
        """`ident` itself with 80 bits of signature, as 42 lower-case base32 characters: needs no storing."""
        return _base32(ident.bytes + self._signature(purpose, ident))

    def read_signed_id(self, purpose: str, token: str) -> UUID | None:
        """The id in a token that `signed_id` made for the same purpose; None for any other text."""
        try:
            raw = base64.b32decode(token.upper() + "=" * (-len(token) % 8))
        except ValueError:
            return None
        if len(raw) != 16 + SIGNATURE_BYTES or _base32(raw) != token.lower():
            return None
        ident = UUID(bytes=raw[:16])
        return ident if hmac.compare_digest(raw[16:], self._signature(purpose, ident)) else None

    def _signature(self, purpose: str, ident: UUID) -> bytes:
        return keyed_hash(self._own_key(REPLY)[1], f"signed-{purpose}", ident.hex)[:SIGNATURE_BYTES]

    def new_token(self) -> str:
        """A random 128-bit token as 26 lower-case base32 characters (mail systems fold case)."""
        return _base32(secrets.token_bytes(TOKEN_BYTES))

    def token_hash(self, token: str) -> bytes:
        """SHA-256 of a token in lower case. Needs no key: a random token cannot be guessed back."""
        return hashlib.sha256(token.strip().lower().encode()).digest()

    @property
    def system_key_id(self) -> UUID:
        """The data key for what belongs to no customer (raw events of unknown senders, staff messages)."""
        return self._own_key(SYSTEM)[0]

    def system_sealer(self) -> Sealer:
        """The sealer of `system_key_id`."""
        return Sealer(self._own_key(SYSTEM)[1])

    def _own_key(self, purpose: str) -> tuple[UUID, bytes]:
        try:
            return self._own[purpose]
        except KeyError:
            raise RuntimeError("the vault has not been loaded yet") from None

    def _unwrap(self, key_id: UUID, ring_key: str, wrapped: bytes | None) -> Sealer:
        if wrapped is None:
            self.forget(key_id)
            raise Erased("this data was erased")
        sealer = Sealer(self._ring.unwrap(ring_key, wrapped))
        self._remember(key_id, sealer)
        return sealer

    def _recall(self, key_id: UUID) -> Sealer | None:
        with self._lock:
            entry = self._remembered.get(key_id)
            if entry is None or entry[0] <= self._steady():
                return None
            self._remembered.move_to_end(key_id)
            return entry[1]

    def _remember(self, key_id: UUID, sealer: Sealer) -> None:
        with self._lock:
            self._remembered[key_id] = (self._steady() + MEMORY_SECONDS, sealer)
            self._remembered.move_to_end(key_id)
            while len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)


def _dialect(session: AsyncSession) -> Any:
    """The module of this database's own INSERT."""
    return postgresql if session.get_bind().dialect.name == "postgresql" else sqlite


def _base32(raw: bytes) -> str:
    """RFC 4648 §6 in lower case and without padding; a third of the time of `base64.b32encode`.

    The bits are one big number, whose halves are moved apart until each five bits have a byte of their own.
    """
    letters = -(-8 * len(raw) // 5)
    width = 1 << (letters - 1).bit_length()
    bits = int.from_bytes(raw, "big") << (5 * width - 8 * len(raw))
    for upper, distance, lower in _halvings(width):
        bits = (bits & upper) << distance | bits & lower
    return bits.to_bytes(width, "big").translate(_LETTERS)[:letters].decode("ascii")


_LETTERS = b"abcdefghijklmnopqrstuvwxyz234567" * 8


@cache  # for the few widths that there are
def _halvings(width: int) -> list[tuple[int, int, int]]:
    """What moves, by how many bits, and what stays, for `width` fives in as many bytes."""
    found = []
    size = width
    while size > 1:
        half = size // 2
        cells = [8 * size * cell for cell in range(width // size)]
        lower = sum(((1 << 5 * half) - 1) << cell for cell in cells)
        found.append((lower << 5 * half, 3 * half, lower))
        size = half
    return found
