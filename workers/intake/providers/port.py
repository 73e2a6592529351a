"""What every SMS provider's webhooks become: proved requests, received messages, fates of sent ones.

A provider is one object without state. The web edge hands it the request as it came, stores one event for
each message or status under its key, and gives the provider's answer; the desk reads the event's envelope
back.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from workers.errors import BadSignature, InvalidInput
from workers.intake.charset import scrub

LONGEST_TEXT = 4_000
LONGEST_ID = 96
MOST_FIELDS = 500


@dataclass(frozen=True, slots=True)
class HookRequest:
    """A webhook call. `url` is the public address as the provider called it, with its query; `headers` have
    lower-case names; `body` is untouched; `at` the machine time (UTC) it came in, for replay windows.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    at: datetime

    def query(self) -> list[tuple[str, str]]:
        """The fields of the query, blank ones too. Raises InvalidInput."""
        return _pairs(urlsplit(self.url).query)

    def form(self) -> list[tuple[str, str]]:
        """The fields of an urlencoded body, blank ones too. Raises InvalidInput."""
        try:
            return _pairs(self.body.decode("ascii"))
        except UnicodeDecodeError as error:
            raise InvalidInput("the body is no urlencoded form in UTF-8") from error

    def json(self) -> Any:
        """The body as JSON. Raises InvalidInput."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise InvalidInput("the body is no JSON") from error

    def fields(self) -> dict[str, str]:
        """Query and body (a form or a flat JSON object) together, as text; the first value of each name
        counts. Raises InvalidInput.
        """
        found = dict(reversed(self.query()))
        if not self.body:
            return found
        if "json" not in self.headers.get("content-type", "") and not self.body.lstrip().startswith(b"{"):
            return found | dict(reversed(self.form()))
        whole = self.json()
        if not isinstance(whole, dict):
            raise InvalidInput("the body is no JSON object")
        return found | {str(name): as_text(value) for name, value in whole.items()}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What proves a request: `secrets` of the account, the new one first, each of them valid (an old one
    while it is being replaced); `hook_token` for providers that sign nothing; `options` of the account's URL.
    """

    secrets: tuple[str, ...] = field(default=(), repr=False)
    hook_token: str = field(default="", repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class InboundSms:
    """One received SMS: numbers in E.164 form where the provider tells the country, else as it gives them;
    `external_id` its id there, `media` the URLs of an MMS's files. A part of a longer message names its
    `group` and place: part `part` of `parts`, from 1.
    """

    sender: str
    recipient: str
    text: str
    external_id: str
    media: tuple[str, ...] = ()
    group: str = ""
    part: int = 1
    parts: int = 1

    @property
    def key(self) -> str:
        """What makes the event unique at this provider."""
        return self.external_id

    def envelope(self) -> dict[str, Any]:
        """All of it, fit for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class SmsStatus:
    """What became of an SMS we sent.

    `state` is one of queued, sent, delivered, undelivered, failed, read (or the provider's own word where
    none of these fits), `error_code` the provider's, or empty.
    """

    external_id: str
    state: str
    error_code: str = ""

    @property
    def key(self) -> str:
        """What makes the event unique at this provider: a message passes through several states."""
        return f"{self.external_id}:{self.state}"

    def envelope(self) -> dict[str, Any]:
        """All of it, fit for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class HookAnswer:
    """What the provider wants to hear when all is stored; anything else makes it try again."""

    status: int = 200
    media_type: str = "text/plain"
    body: bytes = b""


class SmsProvider(Protocol):
    """The webhooks of one provider."""

    name: str

    def verify(self, request: HookRequest, credentials: Credentials) -> None:
        """Raises BadSignature unless the request comes from the provider, for this account, now."""
        ...

    def inbound(self, request: HookRequest) -> list[InboundSms]:
        """The received messages in a proved request. Raises InvalidInput when it cannot be read."""
        ...

    def statuses(self, request: HookRequest) -> list[SmsStatus]:
        """The fates in a proved request. Raises InvalidInput when it cannot be read."""
        ...

    def answer(self) -> HookAnswer:
        """What to say when everything is stored."""
        ...


def inbound_of(envelope: Mapping[str, Any]) -> InboundSms:
    """The message that `InboundSms.envelope` wrote. Raises InvalidInput."""
    try:
        whole = {**envelope, "media": tuple(envelope.get("media", ()))}
        return InboundSms(**whole)
    except TypeError as error:
        raise InvalidInput("the envelope holds no SMS") from error


def status_of(envelope: Mapping[str, Any]) -> SmsStatus:
    """The status that `SmsStatus.envelope` wrote. Raises InvalidInput."""
    try:
        return SmsStatus(**envelope)
    except TypeError as error:
        raise InvalidInput("the envelope holds no status") from error


def join_parts(parts: Sequence[InboundSms]) -> InboundSms | None:
    """One message out of its parts, in whatever order they came; None while some are missing."""
    by_place = {part.part: part for part in parts}
    if not parts or set(by_place) != set(range(1, parts[0].parts + 1)):
        return None
    first = by_place[1]
    text = "".join(by_place[place].text for place in sorted(by_place))
    return InboundSms(first.sender, first.recipient, text, first.external_id, first.media)


def same(given: str | bytes, wanted: str | bytes) -> bool:
    """Whether two texts are equal, in constant time."""
    return hmac.compare_digest(_bytes(given), _bytes(wanted))


def need_token(request: HookRequest, credentials: Credentials) -> None:
    """For providers that sign nothing: their webhook address carries `?token=<hook token>`.

    Raises BadSignature.
    """
    given = next((value for name, value in request.query() if name == "token"), "")
    if not credentials.hook_token or not given or not same(given, credentials.hook_token):
        raise BadSignature(
            "the hook token is missing or wrong",
            hint="give the provider the webhook address with ?token=<CLOSELOOP_HOOK_TOKEN>",
        )


def as_text(value: object) -> str:
    """A JSON scalar as the text a form would carry; storable."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return scrub(str(value)) if isinstance(value, str | int | float) else ""


def international(number: str) -> str:
    """A number of digits with country code as E.164; names and short codes stay as they are."""
    bare = number.strip().rpartition(":")[2][:40]
    return f"+{bare}" if bare.isascii() and bare.isdigit() and 7 <= len(bare) <= 15 else bare


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise InvalidInput("the fields are no urlencoded form in UTF-8") from error


def _bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8", "replace") if isinstance(value, str) else value
