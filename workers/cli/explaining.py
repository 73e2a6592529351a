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
    settings = find_settings(data)
    known = asyncio.run(_dossier(settings, wanted))
    _in_words(known, settings)
    if as_json:
        print_json(known)
    elif "notification" in known:
        _facts({"ticket": known["ticket"], **known["notification"]})
        _story(list(_message_lines(known["notification"], notes=True)))
    elif "event" in known:
        _facts(known["event"])
    else:
        _ticket(known)


async def _dossier(settings: Settings, wanted: str) -> dict[str, Any]:
    from workers.cli.dossier import find_dossier

    async with workshop_of(settings) as workshop, workshop.read() as uow:
        return await find_dossier(uow, wanted)


def _in_words(known: dict[str, Any], settings: Settings) -> None:
    """Put `reason_text` beside each reason of a message, attempt and receipt, in words of the team."""
    from workers.rendering import Renderer

    overrides = settings.data / "templates"
    renderer = Renderer(overrides if overrides.is_dir() else None)
    messages = known.get("notifications") or [known[name] for name in ("notification",) if name in known]
    for message in messages:
        moments = (each["facts"] for each in message["timeline"])
        for facts in (message, *message["attempts"], *message["receipts"], *moments):
            if "reason" in facts:
                facts["reason_text"] = renderer.reason_words(facts["reason"], settings.locale)


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
    titles = ("deadline", "verdict", "started", "limit", "waits since", "met", "why ended", "acknowledged by")
    names = (
        "kind",
        "verdict",
        "started_at",
        "limit_at",
        "paused_at",
        "met_at",
        "ended_reason",
        "acknowledged_by",
    )
    print_table(titles, [[row[name] for name in names] for row in known["deadlines"]], "none")
    for title in ("surveys", "followups"):
        if known[title]:
            console().print(f"\n[bold]{title.capitalize()}[/]")
            print_table(tuple(known[title][0]), [row.values() for row in known[title]], "")


def _facts(facts: Mapping[str, Any]) -> None:
    shown = [
        (name, value)
        for name, value in facts.items()
        if not isinstance(value, list | dict) and value is not None
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


def _message_lines(message: Mapping[str, Any], *, notes: bool = False) -> Iterator[tuple[str, str, str]]:
    """The story of a message; `notes`: with the lines of the ticket's log that are about it."""
    for moment in message["timeline"]:
        facts = moment["facts"]
        if moment["what"] == "made":
            because = f" ({_reason(message)})" if message["reason"] else ""
            words = f"to {message['to']} by {message['channel']}: {message['state']}{because}; {_why(facts)}"
            yield moment["at"], "message", f"{message['kind']} {words}"
        elif moment["what"] == "attempt":
            yield moment["at"], "  attempt", f"{message['kind']}: {_attempt_words(facts)}"
        elif moment["what"] == "receipt":
            words = f"{facts['kind']} {_reason(facts)} (by {facts['source']})"
            yield moment["at"], "  receipt", f"{message['kind']}: {' '.join(words.split())}"
        elif notes:
            yield moment["at"], facts["entry"], f"by {facts['by']}"


def _reason(facts: Mapping[str, Any]) -> str:
    """The code, by which others are found, and what it means."""
    code, text = facts["reason"], facts["reason_text"]
    return f"{code}: {text}" if code and text != code.replace("_", " ") else code or ""


def _why(facts: Mapping[str, Any]) -> str:
    """Why a message was made: its deadline, survey, or the fact behind it, and which time this is."""
    about = facts["deadline"] or facts["survey"] or "what happened"
    limit = f", limit {facts['limit_at']}" if facts["limit_at"] else ""
    again = f", time {facts['generation']}" if facts["generation"] > 1 else ""
    return f"because of {about}{limit}{again}"


def _attempt_words(facts: Mapping[str, Any]) -> str:
    told = " ".join(str(part) for part in (facts["code"], facts["text"]) if part)
    where = f"at {facts['host']}" if facts["host"] else ""
    tls = {True: "with TLS", False: "without TLS", None: ""}[facts["tls"]]
    took = f"in {facts['seconds']:.2f} s" if facts["seconds"] is not None else ""
    words = f"{facts['outcome']}, {_reason(facts)} {told} {where} {tls} {took}"
    return " ".join(words.split())
