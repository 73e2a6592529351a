"""The one seam of the audit log: notes what each request of staff and keys came to, by the table of rules.

Doors write into the request's `Notes` who comes; what was asked for and what became of it is known here.
Views wait for the next writing, changes are written before their answer goes out. Tokens are never noted.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workers.audit import Noted
from workers.audit.entries import subject_of
from workers.policy.report_parts import KINDS
from workers.web.attempts import caller_of
from workers.web.parts import WebParts
from workers.web.rules import API

NOTES = "closeloop.audit"
QUIET = "X-Quiet-Refresh"
"""The header by which an open page refreshes itself: nobody looks anew."""
CONSOLE = "/console"
SIGN_IN = "/console/sign-in"
_READS = frozenset({"GET", "HEAD"})
LOOKS = frozenset({"/console/audit/verify"})
"""Forms that only look, however much: posted, so that no scanner and no reload sets them off."""
_REFUSED = frozenset({401, 403})
_AT_ONCE = frozenset({"change", "export", "sign_in"})
_NAMED = ("number", "code", "ident", "name")
"""Parameters of addresses that name a thing; any other may be a secret."""
PLAIN = frozenset(
    {
        *(API + path for path in ("/staff", "/staff/{number}", "/staff/{number}/absences", "/duties")),
        *(API + path for path in ("/teams", "/teams/{name}", "/policy", "/reports/overdue")),
        *(API + path for path in ("/reports/catalogue", "/reports/figures", "/reports/worst-overdue")),
        *(f"{API}/reports/{kind}" for kind in KINDS),
        *(f"/console/reports{path}" for path in ("", "/now", "/{ident}")),
        "/console/live.js",
        "/console/sessions",
    }
)
"""Addresses that show nothing of customers: who looks there is not noted in the audit log."""


@dataclass(slots=True)
class Notes:
    """What doors and routes know of one request: who comes by which key, which route, what it named."""

    staff_id: UUID | None = None
    key_id: UUID | None = None
    path: str = ""
    subject: str | None = None
    noted: bool = False


def reached(request: Request) -> Notes:
    """A door tells which route is behind it; gives the request's notes, to be written into."""
    notes: Notes = request.scope.setdefault(NOTES, Notes())
    notes.path = request.scope["route"].path
    names = [str(value) for name, value in request.path_params.items() if name in _NAMED]
    notes.subject = subject_of(names[0]) if names else None
    return notes


def about(request: Request, subject: str) -> None:
    """A route says what it was about, where its address does not: what was searched for, what came out."""
    notes: Notes = request.scope.setdefault(NOTES, Notes())
    notes.subject = subject_of(subject) if subject else None


class AuditSeam:
    """Notes requests to API and console, once their status is known."""

    def __init__(self, app: ASGIApp, *, parts: WebParts) -> None:
        self._app = app
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if scope["type"] != "http" or not path.startswith((API, CONSOLE)):
            await self._app(scope, receive, send)
            return
        notes = Notes()  # by reference: what is inside may go on with a copy of the scope

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start" and not notes.noted:
                notes.noted = True
                await self._note(scope, notes, message["status"])
            await send(message)

        await self._app({**scope, NOTES: notes}, receive, send_noted)

    async def _note(self, scope: Scope, notes: Notes, status: int) -> None:
        request = Request(scope)
        kind = kind_of(scope["method"], notes, status)
        if kind is None or (kind == "view" and QUIET in request.headers):
            return
        details = {"from": caller_of(request)}
        if kind == "sign_in":
            details["browser"] = request.headers.get("user-agent", "")[:120]
        self._parts.trail.note(
            Noted(
                at=self._parts.workshop.clock.now(),
                kind=kind,
                action=f"{scope['method']} {notes.path or API}",
                subject=notes.subject,
                staff_id=notes.staff_id,
                key_id=notes.key_id,
                status=status,
                details=details,
            )
        )
        if kind in _AT_ONCE:
            await self._parts.trail.flush()


def kind_of(method: str, notes: Notes, status: int) -> str | None:
    """What kind of entry a request makes; None: none."""
    reads, path = method in _READS, notes.path
    if status in _REFUSED:
        return "denied"
    if not path or status >= 400 or (reads and path in PLAIN):
        return None
    if path.startswith(SIGN_IN):
        return "sign_in" if notes.staff_id is not None and not reads else None
    if not reads and path not in LOOKS:
        return "change"
    return "export" if path.endswith("/export") else "view"
