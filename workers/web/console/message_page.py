"""One message of the ledger: why it was made, its tries and receipts, and what staff can do about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.responses import Response

from models.notifications import Notification
from models.vocabulary import Medium, NotificationState, Role
from workers.errors import CloseloopError, InvalidInput, NotFound
from workers.ledger import (
    CANCELLABLE,
    RETRYABLE,
    cancel,
    hold,
    retry,
    stories,
)
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import uuid_of
from workers.web.console import sheet
from workers.web.console.door import Visit, Visiting
from workers.web.console.frame import done
from workers.web.console.message_pages import MESSAGES, state_badge
from workers.web.console.sheet import (
    Field,
    Form,
    Section,
    Sheet,
    Table,
    Word,
    label,
    link,
    moment,
    text,
)
from workers.web.parts import Parts

router = APIRouter(include_in_schema=False)


@router.api_route(f"{MESSAGES}/{{ident}}", methods=["GET", "HEAD"])
async def message(request: Request, ident: str, parts: Parts, visit: Visiting) -> Response:
    """Why it was made, each try and receipt, and what can be done about it."""
    async with parts.workshop.read() as uow:
        page = await _one(uow, visit, ident)
    return sheet.show_sheet(request, visit, page)


@router.post(f"{MESSAGES}/{{ident}}/{{what}}")
async def act(request: Request, ident: str, what: str, parts: Parts, visit: Visiting) -> Response:
    """Send it again or stop it; what cannot be is said with its reason."""
    try:
        async with parts.workshop.begin() as uow:
            row = await hold(uow, uuid_of(ident, "message"))
            if what == "retry":
                await retry(uow, row, visit.person, confirm=visit.fields.get("confirm") == "1")
            elif what == "cancel":
                await cancel(uow, row, visit.person)
            else:
                raise NotFound("there is no such act")
    except (InvalidInput, NotFound):
        raise
    except CloseloopError as error:
        async with parts.workshop.read() as uow:
            page = await _one(uow, visit, ident)
        return sheet.show_sheet(request, visit, page, refused=error)
    return done(parts, visit, f"{MESSAGES}/{ident}", f"message_{what}")


async def _one(uow: UnitOfWork, visit: Visit, ident: str) -> Sheet:
    found: UUID = uuid_of(ident, "message")
    row = await uow.session.scalar(select(Notification).where(Notification.id == found))
    if row is None:
        raise NotFound("there is no such notification")
    (story,) = await stories(uow, [row])
    number = story.ticket
    pairs = [
        (label("state"), state_badge(row)),
        (label("why"), label(row.reason, "reason") if row.reason else text("")),
        (label("to"), text(story.to)),
        (label("by_channel"), label(row.channel.value, "medium")),
        (label("ticket"), link(f"/console/tickets/{number}", text(number)) if number else text("")),
        (label("made"), moment(row.created_at)),
        (label("due"), moment(row.due_at)),
        (label("expires"), moment(row.expires_at)),
        (label("tries"), text(row.tries)),
    ]
    table = Table(
        caption=label("story"),
        heads=[label(head) for head in ("when", "what", "outcome", "why", "said")],
        rows=[_moment(each.at, each.what, each.facts) for each in story.moments],
    )
    acts = [] if visit.person.role is Role.QUALITY else _acts(row)
    return Sheet(
        title=label(row.kind, "message_kind"),
        url=f"{MESSAGES}/{row.id.hex}",
        back=(MESSAGES, label("messages")),
        sections=[Section(pairs=pairs, forms=acts), Section(title=label("story"), table=table)],
    )


def _moment(at: datetime, what: str, facts: Mapping[str, Any]) -> list[Word]:
    code = f"{facts['code']} " if facts.get("code") else ""
    return [
        moment(at),
        label(what, "story"),
        _outcome(what, facts),
        label(facts["reason"], "reason") if facts.get("reason") else text(""),
        text(f"{code}{facts.get('text') or ''}".strip()),
    ]


def _outcome(what: str, facts: Mapping[str, Any]) -> Word:
    if what == "noted":
        return label(facts["entry"], "log")
    told = {"attempt": "outcome", "receipt": "kind"}.get(what)
    return label(facts[told], "story") if told else text("")


def _acts(row: Notification) -> list[Form]:
    """Release, send again or discard, each asked back."""
    url = f"{MESSAGES}/{row.id.hex}"
    held = row.state is NotificationState.HELD
    forms = []
    if row.state in RETRYABLE:
        unknown_sms = row.state is NotificationState.UNKNOWN and row.channel is Medium.SMS
        box = [Field(name="confirm", label=label("not_arrived"), kind="check")] if unknown_sms else []
        name = "release" if held else "retry"
        asks = label(f"{name}_asks")
        forms.append(
            Form(name=name, url=f"{url}/retry", title=label(name), button=label(name), fields=box, asks=asks)
        )
    if row.state in CANCELLABLE:
        name = "discard" if held else "cancel"
        forms.append(
            Form(
                name=name,
                url=f"{url}/cancel",
                title=label(name),
                button=label(name),
                asks=label(f"{name}_asks"),
                danger=True,
            )
        )
    return forms
