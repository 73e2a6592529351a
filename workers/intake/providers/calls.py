"""A webhook's call as it came, what proves it, and the answer: the same for SMS and mail providers."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from workers.errors import BadSignature, InvalidInput
from workers.intake.charset import scrub

MOST_FIELDS = 500


class BrokenBody(InvalidInput):
    """The body is not in its format: it was cut off on its way, or never was in it."""


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

    def json(self, most: int | None = None) -> Any:
        """The body as JSON. Raises BrokenBody; InvalidInput beyond `most` bytes, for what is read before
        it is proved: as objects it is thirty times as large.
        """
        if most is not None and len(self.body) > most:
            raise InvalidInput(f"the body has more than {most} bytes")
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise BrokenBody("the body is no JSON") from error

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
class HookAnswer:
    """What the provider wants to hear when all is stored; anything else makes it try again."""

    status: int = 200
    media_type: str = "text/plain"
    body: bytes = b""


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


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise InvalidInput("the fields are no urlencoded form in UTF-8") from error


def _bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8", "replace") if isinstance(value, str) else value
