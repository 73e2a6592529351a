"""What stands before each page of the console: the right host, a proven form, a living session, the role."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import Depends, Request

from models.access import StaffSession
from models.people import Staff
from models.vocabulary import Role
from workers.access import agent_may, note_seen, session_needs_noting, session_of
from workers.errors import CloseloopError, Forbidden, NotFound
from workers.vault import Vault
from workers.web.auditing import QUIET, reached
from workers.web.console.cookies import BROWSER, SESSION, read_cookie
from workers.web.pages import form_fields
from workers.web.parts import Parts, WebParts
from workers.web.rules import Rule, rule_of

HOME = "/console"
SIGN_IN = "/console/sign-in"
PROOF = "form"
"""The header of the script that refreshes pages: nobody sits there, so it does not keep a session alive."""
_SAFE_NEXT = re.compile(r"/console(?:/[A-Za-z0-9_-]+)*(?:\?[A-Za-z0-9_=&%.-]*)?")
_OWN_SITE = frozenset({"same-origin", "none"})


class SignInNeeded(CloseloopError):
    """Nobody is signed in; `next_path` is where they wanted to go."""

    def __init__(self, next_path: str) -> None:
        super().__init__("sign in first")
        self.next_path = next_path


@dataclass(frozen=True, slots=True)
class Visit:
    """Who comes with what: the fields of a proven form and, behind the sign-in, whose session it is."""

    secret: str
    form_token: str
    fields: Mapping[str, str] = field(default_factory=dict)
    who: tuple[StaffSession, Staff] | None = None

    @property
    def session(self) -> StaffSession:
        """The session. Raises SignInNeeded."""
        return self._known()[0]

    @property
    def person(self) -> Staff:
        """The member of staff. Raises SignInNeeded."""
        return self._known()[1]

    def _known(self) -> tuple[StaffSession, Staff]:
        if self.who is None:
            raise SignInNeeded(HOME)
        return self.who


async def enter(request: Request, parts: Parts) -> Visit:
    """A dependency of all console routes. Raises Forbidden or SignInNeeded."""
    _check_host(request, parts)
    if "\0" in request.scope["path"] or "%00" in request.url.query:
        raise NotFound("there is no such page")  # no database keeps such a character
    notes = reached(request)
    rule = rule_of(request.method, request.scope["route"].path)
    what = BROWSER if rule.roles is None else SESSION
    secret = read_cookie(request, parts.settings, what)
    unattended = QUIET in request.headers
    who = await _signed_in(parts, secret, unattended) if what == SESSION else None
    if what == SESSION and who is None:
        raise SignInNeeded(request.url.path if request.method == "GET" else HOME)
    token = form_token(parts.workshop.vault, secret) if secret else ""
    fields = await _proven_fields(request, token) if request.method == "POST" else {}
    if who is not None:
        notes.staff_id = who[1].id
        await _check_role(request, parts, who[1], rule)
    return Visit(secret, token, fields, who)


Visiting = Annotated[Visit, Depends(enter)]


def form_token(vault: Vault, secret: str) -> str:
    """What a form carries to prove that our own page sent it: bound to the cookie, no help to guess it."""
    return vault.lookup("form", secret).hex()


def safe_next(path: str) -> str:
    """The path if it is a page of the console, else the start page: never another host's."""
    return path if len(path) <= 200 and _SAFE_NEXT.fullmatch(path) else HOME


def sign_in_url(next_path: str) -> str:
    """Where to sign in, on the way to a page."""
    wanted = safe_next(next_path)
    return SIGN_IN if wanted == HOME else f"{SIGN_IN}?next={quote(wanted, safe='')}"


async def _check_role(request: Request, parts: WebParts, person: Staff, rule: Rule) -> None:
    """The table of rules, as for the API: the role, and for an agent whose the thing is (row A11)."""
    if rule.roles is not None and person.role not in rule.roles:
        raise Forbidden(f"this page is not for the role {person.role.value}")
    if person.role is not Role.AGENT or rule.owns is None:
        return
    name = next(iter(request.path_params.values()))
    async with parts.workshop.read() as uow:
        if not await agent_may(uow, person, rule.owns.value, name):
            raise Forbidden("agents see their own tickets only")


async def _signed_in(parts: WebParts, secret: str, unattended: bool) -> tuple[StaffSession, Staff] | None:
    async with parts.workshop.read() as uow:
        who = await session_of(uow, secret)
        noting = who is not None and not unattended and session_needs_noting(uow, who[0])
    if who is not None and noting:
        async with parts.workshop.begin() as uow:
            await note_seen(uow, who[0].id)
    return who


async def _proven_fields(request: Request, token: str) -> Mapping[str, str]:
    """The form's fields. Raises Forbidden unless our own page sent them.

    Browsers say by Sec-Fetch-Site where a form comes from; the token proves it for those that do not.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in _OWN_SITE:
        raise Forbidden("this form was sent by another site")
    fields = await form_fields(request)
    given = fields.get(PROOF, "")
    if not token or not hmac.compare_digest(given.encode(), token.encode()):
        raise Forbidden("this form is not ours, or too old", hint="open the page again")
    return fields


def _check_host(request: Request, parts: WebParts) -> None:
    """Against names that somebody else points at this server (DNS rebinding)."""
    own = urlsplit(parts.settings.public_url)
    try:
        given = urlsplit(f"//{request.headers.get('host', '')}").hostname
    except ValueError:  # half an IPv6 address
        given = None
    if (given or "") != (own.hostname or ""):
        raise Forbidden("the console has another address", hint=f"open {parts.settings.public_url}{HOME}")
