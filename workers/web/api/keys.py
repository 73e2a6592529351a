"""Keys of the API, for administrators."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from models.access import ApiKey
from models.people import Staff
from workers.access import KeyGiven, Scope, add_key, every_key, revoke_key
from workers.web.api.common import Calling, Given, acting, picked
from workers.web.api.resource import Resource
from workers.web.api.values import Moment
from workers.web.parts import Parts

router = Resource("/keys", "keys")


class KeyWanted(Given):
    """A new key."""

    name: str = Field(min_length=1, max_length=64, examples=["help-desk"])
    scopes: list[Scope] = Field(min_length=1, max_length=len(Scope), examples=[["read", "write"]])
    staff: str | None = Field(
        default=None, max_length=24, description="Number of whom it belongs to; none: a system's"
    )
    expires_at: Moment | None = Field(default=None, description="From then on it opens nothing")


class KeyShown(BaseModel):
    """A key, without its words."""

    name: str
    hint: str = Field(description="How it begins", examples=["clk_7m2q"])
    scopes: list[Scope]
    staff: str | None
    made_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute")


class KeyMade(KeyShown):
    """A new key with its words, which are shown this once."""

    key: str


class KeyList(BaseModel):
    """All keys, the newest first."""

    items: list[KeyShown]


@router.get("", summary="List the keys of the API")
async def list_keys(parts: Parts) -> KeyList:
    """Revoked ones too, the newest first."""
    async with parts.workshop.read() as uow:
        return KeyList(items=[_shown(key, owner) for key, owner in await every_key(uow)])


@router.post("", status_code=201, summary="Make a key")
async def make_key(given: KeyWanted, parts: Parts, calling: Calling) -> KeyMade:
    """Its words are in this answer and nowhere else."""
    async with parts.workshop.begin() as uow:
        by = await acting(uow, calling.staff)
        wanted = KeyGiven(
            name=given.name, scopes=given.scopes, staff=given.staff, expires_at=given.expires_at
        )
        words, key = await add_key(uow, wanted, by)
        owner = await uow.session.get(Staff, key.staff_id) if key.staff_id else None
    return KeyMade(**_shown(key, owner).model_dump(), key=words)


@router.delete("/{name}", summary="Revoke a key")
async def end_key(name: str, parts: Parts) -> KeyShown:
    """From now on it opens nothing; it stays in the list."""
    async with parts.workshop.begin() as uow:
        key = await revoke_key(uow, name)
        owner = await uow.session.get(Staff, key.staff_id) if key.staff_id else None
    return _shown(key, owner)


def _shown(key: ApiKey, owner: Staff | None) -> KeyShown:
    copied = picked(key, "name hint scopes made_at expires_at revoked_at last_used_at")
    return KeyShown(**copied, staff=owner.number if owner else None)
