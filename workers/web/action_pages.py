"""What staff do by a link from a mail: the page says what will happen, the button does it, once."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from models.links import Link
from models.notifications import Notification
from models.people import Staff
from models.tickets import Ticket, TicketEntry
from workers import escalations, links, tickets
from workers.directory import known_names
from workers.errors import Forbidden, NotFound
from workers.followups import followup_by_id, name_owner
from workers.notifications import staff_ticket_facts
from workers.text import mask_free_text
from workers.unit_of_work import UnitOfWork
from workers.web import accept_form, digest_pages, followup_pages, outcome_page
from workers.web.accept_form import Refused
from workers.web.pages import form_fields, own_url, page
from workers.web.parts import Parts, WebParts

router = APIRouter(include_in_schema=False)

ACTIONS = {
    "accept": "accept",
    "acknowledge": "acknowledge",
    "approve": "approve",
    "decline": "decline",
    "take_back": "take_back",
    "take_followup": "take",
}
PAGES = (digest_pages.PURPOSE, followup_pages.PURPOSE, outcome_page.PURPOSE)
"""Links with pages of their own."""
GONE = 410
LONGEST_NOTE = 2_000
NOTHING: Mapping[str, str] = MappingProxyType({})


@router.api_route("/t/{token}", methods=["GET", "HEAD"])
async def show(request: Request, parts: Parts, token: str) -> Response:
    """What this link would do, and to which ticket. Nothing is written, however often it is opened."""
    async with parts.workshop.read() as uow:
        link = await links.find(uow, token, [*ACTIONS, *PAGES])
        person = await _person(uow, link)
        if link.purpose == digest_pages.PURPOSE:
            return await digest_pages.show(uow, request, link, person)
        if link.purpose == followup_pages.PURPOSE:
            return await followup_pages.show(uow, request, link, person)
        if link.purpose == outcome_page.PURPOSE:
            return await outcome_page.show(uow, request, link, person)
        ticket = await tickets.ticket_by_id(uow, _ticket_id(link), hold=False)
        try:
            links.check(uow, link)
        except links.LinkUsed:
            return _done(request, link, ticket, person, already=True, status=GONE)
        except links.LinkExpired:
            return page(request, "error", {"code": "conflict"}, locale=person.locale, status=GONE)
        facts = await _facts(uow, request, link, ticket)
    return page(request, "action", facts, locale=person.locale)


@router.post("/t/{token}")
async def act(request: Request, parts: Parts, token: str) -> Response:
    """Do it, and use the link up, in one transaction. What no longer applies leaves the link as it was."""
    given = await form_fields(request)
    async with parts.workshop.read() as uow:
        link = await links.find(uow, token, [*ACTIONS, *PAGES])
        person = await _person(uow, link)
    if link.purpose == digest_pages.PURPOSE:
        return await digest_pages.act(parts, request, token, person)
    if link.purpose == followup_pages.PURPOSE:
        return await followup_pages.act(parts, request, link, person, given)
    if link.purpose == outcome_page.PURPOSE:
        return await outcome_page.act(parts, request, link, person, given)
    async with parts.workshop.read() as uow:
        ticket = await tickets.ticket_by_id(uow, _ticket_id(link), hold=False)
    try:
        _check(parts, link, given)
        async with parts.workshop.begin() as uow:
            used = await links.use(uow, token, ACTIONS)
            done = await _do(uow, used, given)
    except Refused as refused:
        async with parts.workshop.read() as uow:
            ticket = await tickets.ticket_by_id(uow, ticket.id, hold=False)
            facts = await _facts(uow, request, link, ticket, given, refused)
        return page(request, "action", facts, locale=person.locale, status=422)
    except links.LinkUsed:
        return _done(request, link, ticket, person, already=True, status=GONE)
    except links.LinkExpired:
        return page(request, "error", {"code": "conflict"}, locale=person.locale, status=GONE)
    return _done(request, link, ticket, person, already=not done)


async def _do(uow: UnitOfWork, link: Link, given: Mapping[str, str]) -> bool:
    """The act itself, by the person the link was given to; gives False when there was nothing left to do."""
    person = await _person(uow, link)
    if link.purpose == "take_followup":
        followup, ticket = await followup_by_id(uow, _subject(link))
        await name_owner(uow, followup, ticket, person, person)
        return True
    ticket = await tickets.ticket_by_id(uow, _ticket_id(link))
    if link.purpose == "accept":
        await accept_form.accept(uow, ticket, person, given)
    elif link.purpose == "acknowledge":
        return await escalations.acknowledge(uow, ticket, person) > 0
    elif link.purpose == "take_back":
        message = await uow.session.get_one(Notification, _subject(link))
        await tickets.take_back(uow, ticket, person, message)
    else:
        note = given.get("note", "").strip()[:LONGEST_NOTE]
        approved = link.purpose == "approve"
        await tickets.decide_request(uow, ticket, person, _subject(link), approved=approved, note=note)
    return True


async def _person(uow: UnitOfWork, link: Link) -> Staff:
    person = await uow.session.get(Staff, link.staff_id) if link.staff_id else None
    if person is None or not person.active:
        raise Forbidden("the member of staff whom this link was given to works here no more")
    return person


def _ticket_id(link: Link) -> UUID:
    if link.ticket_id is None:
        raise NotFound("this link belongs to no ticket")
    return link.ticket_id


def _subject(link: Link) -> UUID:
    if link.subject_id is None:
        raise NotFound("this link is about nothing")
    return link.subject_id


def _check(parts: WebParts, link: Link, given: Mapping[str, str]) -> None:
    """What the form lets its reader correct; the rules themselves are the steps'. Raises Refused."""
    if link.purpose == "accept":
        accept_form.check(parts.workshop.clock.now(), given)
    elif len(given.get("note", "")) > LONGEST_NOTE:
        raise Refused({"note": "too_long"})


def _done(
    request: Request, link: Link, ticket: Ticket, person: Staff, *, already: bool, status: int = 200
) -> Response:
    facts = {"action": ACTIONS[link.purpose], "ticket_number": ticket.number, "already": already}
    return page(request, "action_done", facts, locale=person.locale, status=status)


async def _facts(
    uow: UnitOfWork,
    request: Request,
    link: Link,
    ticket: Ticket,
    given: Mapping[str, str] = NOTHING,
    refused: Refused | None = None,
) -> dict[str, Any]:
    """What the page shows; `given` and `refused`: what was sent before, and what was wrong with it."""
    known = await staff_ticket_facts(uow, ticket)
    deciding = link.purpose in ("approve", "decline")
    facts = {
        "ticket": known["ticket"],
        "action": ACTIONS[link.purpose],
        "action_url": own_url(request),
        "details": await _request_details(uow, link, ticket) if deciding else [],
        "note_wanted": deciding,
        "note": given.get("note", ""),
        "errors": refused.errors if refused else {},
    }
    if link.purpose == "accept":
        facts |= await accept_form.facts(uow, ticket, given, refused.latest if refused else None)
    return facts


async def _request_details(uow: UnitOfWork, link: Link, ticket: Ticket) -> list[dict[str, str]]:
    """Who asks for what, as the supervisor has to decide on it."""
    entry = await uow.session.get(TicketEntry, _subject(link))
    if entry is None:
        raise NotFound("there is no such escalation request")
    sealer = await uow.vault.sealer(uow.session, ticket.data_key_id)
    words: dict[str, str] = sealer.json(entry.words_sealed, "ticket_entries.words") or {}
    names = await known_names(uow, ticket.customer_id)
    asker = await uow.session.get(Staff, entry.staff_id) if entry.staff_id else None
    rows = {
        "requested_by": asker.name if asker else "",
        "reason": mask_free_text(words.get("reason", ""), names=names),
        "resources": mask_free_text(words.get("resources", ""), names=names),
    }
    return [{"name": name, "value": value} for name, value in rows.items() if value]
