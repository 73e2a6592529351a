"""`closeloop intake`: read mail files as the service would, and look after the events it has stored."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, console, print_json, print_table

if TYPE_CHECKING:
    from workers.intake.store import Event
    from workers.settings import Settings


def parse(
    files: Annotated[
        list[str],
        typer.Argument(help="RFC 5322 files (.eml), folders of them, or - for standard input."),
    ],
    own: Annotated[
        list[str] | None,
        typer.Option("--own", help="An address of ours, to tell loops (default: CLOSELOOP_MAIL_FROM)."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read mail files as the service reads them. Touches no database and needs no settings.

    With --json one JSON line for each file, in the order given (folders sorted by name, with all below):
    file, kind, reason, from_email, from_name, to/cc/reply_to as [{name, email}], subject, date, text, html
    (as sent), html_safe (to show), reply, message_id, in_reply_to, references (ids in angle brackets),
    attachments [{name, content_type, size, sha256}], bounce {status, action, recipient, reason, …} or null,
    complaint or null, forwarded or null, warnings.

    kind: person, reply, auto_reply, out_of_office, list, machine, bounce, complaint, read_receipt, own,
    forward_confirmation, junk, or unreadable (reason says why). Exit code 1 only if a file cannot be opened.
    """
    from workers.cli.reading import every_file, opened_all, views

    addresses = own or [os.environ.get("CLOSELOOP_MAIL_FROM") or "support@closeloop.localhost"]
    found = every_file(files)
    for facts in views(found, addresses):
        if as_json:
            print_json(facts, indent=None)
        else:
            _show_mail(facts)
    if not opened_all(found):
        raise typer.Exit(1)


def list_events(
    state: Annotated[str, typer.Option(help="Only received, done, rejected or poison.")] = "",
    kind: Annotated[str, typer.Option(help="Only of this kind: junk, blocked, person, reply …")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, newest first.")] = 50,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List stored events, newest first."""
    from models.vocabulary import EventState
    from workers.errors import InvalidInput

    if state and state not in set(EventState):
        raise InvalidInput(f"there is no state {state}", hint=f"there are {', '.join(EventState)}")
    rows = asyncio.run(_listed(find_settings(data), state, kind, limit))
    if as_json:
        print_json(rows)
        return
    names = ("id", "received_at", "source", "kind", "state", "reason", "ticket")
    print_table(names, [[row[name] for name in names] for row in rows], "nothing came in yet")


def show(
    event: Annotated[str, typer.Argument(help="The event's id, as `list` shows it.")],
    raw: Annotated[
        bool, typer.Option("--raw", help="Write the bytes as they came (a customer's words!).")
    ] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one stored event; what it says is masked unless --raw is given."""
    facts, body = asyncio.run(_one(find_settings(data), identifier(event)))
    if raw:
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()
    elif as_json:
        print_json(facts)
    else:
        lines = [(name, value) for name, value in facts.items() if name != "mail"]
        said = facts.get("mail") or {}
        lines += [(f"mail: {name}", value) for name, value in said.items() if value not in ("", [], None)]
        print_table(("", ""), lines, "")


def retry(
    events: Annotated[list[str] | None, typer.Argument(help="Ids of poisoned events.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that are poison.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run poisoned events again: they are kept as they came."""
    from workers.errors import InvalidInput

    if bool(events) == every:
        raise InvalidInput("say which events: their ids, or --all")
    chosen = [identifier(event) for event in events or ()]
    count = asyncio.run(_again(find_settings(data), chosen))
    if as_json:
        print_json({"again": count})
    else:
        console().print(f"{count} events will be read again, within a second if closeloop runs")


def wanted(
    events: Annotated[list[str], typer.Argument(help="Ids of events that were turned away.")],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """This is no junk: take in what was filed as junk, advertisement or blocked, as received when it came."""
    count = asyncio.run(_taken_in(find_settings(data), [identifier(event) for event in events]))
    if as_json:
        print_json({"again": count})
    else:
        console().print(f"{count} events will be read again, within a second if closeloop runs")


INTAKE: Mapping[str, Callable[..., Any]] = {
    "parse": parse,
    "list": list_events,
    "show": show,
    "retry": retry,
    "wanted": wanted,
}


def identifier(text: str) -> UUID:
    """An id as typed, with or without hyphens. Raises InvalidInput."""
    from workers.errors import InvalidInput

    try:
        return UUID(text.strip())
    except ValueError as error:
        raise InvalidInput(f"{text[:40]} is no id", hint="ids look like 0196e1f0-…") from error


def _show_mail(facts: Mapping[str, Any]) -> None:
    out = console()
    out.print(f"[bold]{Path(facts['file']).name}[/]  {facts['kind']}")
    if facts["kind"] == "unreadable":
        out.print(f"  {facts['reason']}", markup=False)
        return
    for name in ("from_name", "from_email", "subject", "message_id", "in_reply_to"):
        if facts[name]:
            out.print(f"  {name}: {facts[name]}", markup=False)
    for attachment in facts["attachments"]:
        out.print(f"  attached: {attachment['name']}, {attachment['size']} bytes", markup=False)
    for line in facts["reply"].splitlines():
        out.print(f"  │ {line}", markup=False)


async def _listed(settings: Settings, state: str, kind: str, limit: int) -> list[dict[str, Any]]:
    from sqlalchemy import select

    from models.intake import IntakeEvent
    from workers.cli.dossier import event_facts

    async with workshop_of(settings) as workshop, workshop.read() as uow:
        query = (
            select(IntakeEvent).order_by(IntakeEvent.received_at.desc(), IntakeEvent.id.desc()).limit(limit)
        )
        if state:
            query = query.where(IntakeEvent.state == state)
        if kind:
            query = query.where(IntakeEvent.kind == kind)
        rows = list(await uow.session.scalars(query))
        return [await event_facts(uow, row) for row in rows]


async def _one(settings: Settings, ident: UUID) -> tuple[dict[str, Any], bytes]:
    from models.intake import IntakeEvent
    from workers.cli.dossier import event_facts
    from workers.errors import NotFound
    from workers.intake.store import load

    async with workshop_of(settings) as workshop, workshop.read() as uow:
        row = await uow.session.get(IntakeEvent, ident)
        if row is None:
            raise NotFound("there is no such event")
        facts = await event_facts(uow, row)
        if row.source == "delivery":
            return facts, b""
        event = await load(uow, row)
        own = [uow.settings.mail_from]
    facts["bytes"] = len(event.raw)
    if event.envelope.get("verdicts"):
        facts["verdicts"] = event.envelope["verdicts"]
    if event.kind == "mail":
        facts |= _mail_facts(event, settings.email_hooks, own)
    return facts, event.raw


def _mail_facts(event: Event, hooks: Sequence[str], own: list[str]) -> dict[str, Any]:
    """The record that `parse` prints, masked; of a mail that asks to confirm a forwarding, its code, too."""
    from workers.errors import CloseloopError
    from workers.intake.confirmations import read_confirmation
    from workers.intake.mail import parse_mail
    from workers.intake.provider_mail import bytes_at_hand
    from workers.intake.view import masked_view, unreadable_view, view_of

    try:
        mail = parse_mail(bytes_at_hand(event, hooks))
    except CloseloopError as error:
        return {"mail": unreadable_view(error.message)}
    facts: dict[str, Any] = {
        "mail": masked_view(view_of(mail, own, envelope_from=event.envelope.get("from")))
    }
    asked = read_confirmation(mail)
    if asked is not None:
        facts["confirmation"] = {"provider": asked.provider, "code": asked.code, "link": asked.link}
    return facts


async def _again(settings: Settings, chosen: list[UUID]) -> int:
    from sqlalchemy import select

    from models.intake import IntakeEvent
    from models.vocabulary import EventState
    from workers.errors import Conflict

    async with workshop_of(settings) as workshop, workshop.begin() as uow:
        query = select(IntakeEvent).where(IntakeEvent.state == EventState.POISON)
        if chosen:
            query = query.where(IntakeEvent.id.in_(chosen))
        rows = list(await uow.session.scalars(query))
        if len(rows) < len(set(chosen)):
            raise Conflict(
                "not all of these events are poison; nothing was done", hint="closeloop intake list"
            )
        for row in rows:
            row.state, row.reason, row.tries = EventState.RECEIVED, None, 0
            row.due_at, row.free_at, row.lease_token = uow.clock.now(), None, None
        return len(rows)


async def _taken_in(settings: Settings, chosen: list[UUID]) -> int:
    from models.intake import IntakeEvent
    from workers.errors import NotFound
    from workers.intake.turned_away import take_in

    async with workshop_of(settings) as workshop, workshop.begin() as uow:
        for ident in chosen:
            row = await uow.session.get(IntakeEvent, ident, with_for_update=True)
            if row is None:
                raise NotFound(f"there is no event {ident}", hint="closeloop intake list --kind junk")
            await take_in(uow, row)
        return len(chosen)
