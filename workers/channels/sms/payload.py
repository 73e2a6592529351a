"""What travels in `Outgoing.payload` for a text message: words, or words with the facts that fill a template.

Most providers take words. 阿里云 and 腾讯云 take the code of an approved template and its variables; for
them the payload is one JSON text of a sequence (RFC 7464: a record separator leads it), which no rendered
message can be mistaken for. Every channel reads both, so a message may still go out through another kind of
provider.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from workers.channels.sms.url import needs_templates

RECORD_SEPARATOR = "\x1e"
LONGEST_FACT = 500
"""Characters; no text message of these providers is longer, so nothing longer can be a variable."""


@dataclass(frozen=True, slots=True)
class SmsPayload:
    """`text` is the message in words. `message` is its name ("receipt", "" when not given), `locale` its
    language, `facts` what variables may be filled with, by dotted name ("ticket.number").
    """

    text: str
    message: str = ""
    locale: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


def sms_payload(
    sms_urls: Collection[str], text: str, message: str, locale: str, facts: Mapping[str, Any]
) -> bytes:
    """The bytes to send `text` with through the providers named in `sms_urls`.

    If one of them takes approved templates the facts go along: each text, number and time of them under its
    dotted name; times, ISO 8601 with an offset, as people read them in the zone of the fact `zone`.
    """
    if not any(needs_templates(url) for url in sms_urls):
        return text.encode()
    zone = facts.get("zone")
    flat = dict(_flat(facts, "", zone if isinstance(zone, str) else "UTC", locale))
    whole = {"text": text, "message": message, "locale": locale, "facts": flat}
    return (RECORD_SEPARATOR + json.dumps(whole, ensure_ascii=False, separators=(",", ":"))).encode()


def read_payload(payload: bytes) -> SmsPayload:
    """What `sms_payload` wrote; plain words are taken as they are. Raises UnicodeDecodeError."""
    text = payload.decode("utf-8")
    if not text.startswith(RECORD_SEPARATOR):
        return SmsPayload(text)
    try:
        whole = json.loads(text[1:])
        return SmsPayload(
            str(whole["text"]),
            str(whole["message"]),
            str(whole["locale"]),
            {str(name): str(value) for name, value in whole["facts"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return SmsPayload(text[1:])


def _flat(facts: Mapping[str, Any], above: str, zone: str, locale: str) -> Iterator[tuple[str, str]]:
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.", zone, locale)
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            words = _shown(str(value), zone, locale)
            if len(words) <= LONGEST_FACT:
                yield f"{above}{name}", words


def _shown(value: str, zone: str, locale: str) -> str:
    if not (value[:4].isdigit() and "T" in value[:11]):
        return value
    try:
        at = datetime.fromisoformat(value)
        local = at.astimezone(ZoneInfo(zone))
    except (ValueError, ZoneInfoNotFoundError):
        return value
    if at.tzinfo is None:
        return value
    if locale.startswith("zh"):
        return f"{local.month}月{local.day}日 {local:%H:%M}"
    return f"{local:%Y-%m-%d %H:%M}"
