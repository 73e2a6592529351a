"""What every SMS provider's webhooks become: proved requests, received messages, fates of sent ones.

A provider is one object without state. The web edge hands it the request as it came, stores one event for
each message or status under its key, and gives the provider's answer; the desk reads the event's envelope
back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from workers.errors import InvalidInput
from workers.intake.providers.calls import Credentials, HookAnswer, HookRequest

LONGEST_TEXT = 4_000
LONGEST_ID = 96
MOST_PARTS = 40
"""Of one long message: 2,680 Chinese characters. Phones write ten at most, networks could number 255."""


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

    @property
    def message(self) -> str:
        """What all parts of one long message have in common; "" for a message that came whole, or says to be
        of more parts than are waited for.
        """
        if not self.group or not 2 <= self.parts <= MOST_PARTS:
            return ""
        return "\0".join((self.sender, self.recipient, self.group, str(self.parts)))

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

    @property
    def message(self) -> str:
        """A status is never a part of anything."""
        return ""

    def envelope(self) -> dict[str, Any]:
        """All of it, fit for JSON."""
        return asdict(self)


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


def international(number: str) -> str:
    """A number of digits with country code as E.164; names and short codes stay as they are."""
    bare = number.strip().rpartition(":")[2][:40]
    return f"+{bare}" if bare.isascii() and bare.isdigit() and 7 <= len(bare) <= 15 else bare
