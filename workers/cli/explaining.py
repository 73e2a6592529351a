"""`closeloop explain`: the full story of a ticket, message or event, for whoever asks what happened."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, console, print_json, print_table

if TYPE_CHECKING:
    from workers.settings import Settings


def explain(
    wanted: Annotated[
        str,
        typer.Argument(
            metavar="NUMBER|ID", help="A ticket (CS…), a survey (CSAT…), or a message's or event's id."
        ),
    ],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell everything about a ticket, message or event: log, deadlines, verdicts, attempts, receipts.

    Customers are masked; times are those of the team's zone.
    """
    known = asyncio.run(_dossier(find_settings(data), wanted))
    if as_json:
        print_json(known)
    elif "notification" in known:
        _facts({"ticket": known["ticket"], **known["notification"]})
        _story(list(_message_lines(known["notification"])))
    elif "event" in known:
        _facts(known["event"])
    else:
        _ticket(known)


async def _dossier(settings: Settings, wanted: str) -> dict[str, Any]:
    from workers.cli.dossier import find_dossier

    async with workshop_of(settings) as workshop, workshop.read() as uow:
        return await find_dossier(uow, wanted)


def _ticket(known: Mapping[str, Any]) -> None:
    _facts({name: value for name, value in known["ticket"].items() if not name.endswith("_at")})
    console().print("\n[bold]What happened[/]")
    lines = [
        (
            event["received_at"],
            "came in",
            f"{event['source']} {event['kind']} → {event['state']} {event['reason'] or ''}",
        )
        for event in known["events"]
    ]
    lines += [(entry["at"], entry["kind"], _entry_words(entry)) for entry in known["entries"]]
    for message in known["notifications"]:
        lines += _message_lines(message)
    _story(lines)
    console().print("\n[bold]Deadlines[/]")
    titles = ("deadline", "verdict", "started", "limit", "met", "why ended", "acknowledged by")
    names = ("kind", "verdict", "started_at", "limit_at", "met_at", "ended_reason", "acknowledged_by")
    print_table(titles, [[row[name] for name in names] for row in known["deadlines"]], "none")
    for title in ("surveys", "followups"):
        if known[title]:
            console().print(f"\n[bold]{title.capitalize()}[/]")
            print_table(tuple(known[title][0]), [row.values() for row in known[title]], "")


def _facts(facts: Mapping[str, Any]) -> None:
    shown = [
        (name, value) for name, value in facts.items() if not isinstance(value, list) and value is not None
    ]
    print_table(("", ""), shown, "")


def _story(lines: list[tuple[str, str, str]]) -> None:
    lines.sort(key=_when)
    print_table(("when", "what", "details"), lines, "nothing yet")


def _when(line: tuple[str, str, str]) -> str:
    return line[0]


def _entry_words(entry: Mapping[str, Any]) -> str:
    facts = ", ".join(
        f"{name} {value}" for name, value in entry["facts"].items() if value not in (None, "", [])
    )
    words = " / ".join(" ".join(text.split()) for text in entry["words"].values())
    return " · ".join(part for part in (f"by {entry['by']}", facts, words[:160]) if part)


def _message_lines(message: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    why = f" ({message['reason']})" if message["reason"] else ""
    told = f"{message['kind']} to {message['to']} by {message['channel']}: {message['state']}{why}"
    yield message["created_at"], "message", told
    for attempt in message["attempts"]:
        answer = " ".join(str(part) for part in (attempt["code"], attempt["text"]) if part)
        where = attempt["host"] or ""
        words = f"{message['kind']}: {attempt['outcome']}, {attempt['reason'] or ''} {answer} {where}"
        yield attempt["started_at"], "  attempt", " ".join(words.split())
    for receipt in message["receipts"]:
        yield (
            receipt["at"],
            "  receipt",
            f"{message['kind']}: {receipt['kind']} {receipt['reason'] or ''}".strip(),
        )
