"""All that a digest of breaches lists, acknowledged with one button: the link in the mail only shows it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from models.links import Link
from models.people import Staff
from workers import escalations, links
from workers.errors import NotFound
from workers.notifications import staff_ticket_facts
from workers.tickets import ticket_by_id
from workers.unit_of_work import UnitOfWork
from workers.web.pages import own_url, page
from workers.web.parts import WebParts

PURPOSE = "acknowledge_all"
MOST_SHOWN = 50
GONE = 410


async def show(uow: UnitOfWork, request: Request, link: Link, person: Staff) -> Response:
    """The tickets whose ladders still climb, and the button. Nothing is written."""
    try:
        links.check(uow, link)
    except links.LinkExpired:
        return _expired(request, person)
    climbing = await escalations.climbing(uow, _digest(link))
    if not climbing:
        return page(request, "digest_done", {"numbers": []}, locale=person.locale, status=GONE)
    items: list[dict[str, Any]] = []
    for ladder in climbing[:MOST_SHOWN]:
        source = await escalations.breached_deadline(uow, ladder)
        ticket = await ticket_by_id(uow, ladder.ticket_id, hold=False)
        facts = await staff_ticket_facts(uow, ticket)
        kind = source.kind if source else ladder.kind
        items.append({"ticket": facts["ticket"], "clock": kind.value})
    facts = {"items": items, "action_url": own_url(request)}
    return page(request, "digest", facts, locale=person.locale)


async def act(parts: WebParts, request: Request, token: str, person: Staff) -> Response:
    """Stop the ladders of all lines that still climb, in one transaction."""
    try:
        async with parts.workshop.begin() as uow:
            link = await links.use(uow, token, [PURPOSE])
            by = await uow.session.get_one(Staff, person.id)
            numbers = await escalations.acknowledge_digest(uow, _digest(link), by)
    except links.LinkExpired:
        return _expired(request, person)
    return page(request, "digest_done", {"numbers": numbers}, locale=person.locale)


def _digest(link: Link) -> UUID:
    if link.subject_id is None:
        raise NotFound("this link is about nothing")
    return link.subject_id


def _expired(request: Request, person: Staff) -> Response:
    return page(request, "error", {"code": "conflict"}, locale=person.locale, status=GONE)
