"""`closeloop go-live` and `closeloop held`: what test mode keeps back, and leaving it on purpose."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.opening import data_folder, environ, find_settings
from workers.cli.output import DataOption, JsonOption, complain, console, print_json, print_table, verdict

if TYPE_CHECKING:
    from workers.settings import Settings

MODE = "CLOSELOOP_MODE"
WRONG = 2
MOST = 1000


def go_live(
    back: Annotated[bool, typer.Option("--back", help="Back to test mode: nothing leaves any more.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it, without asking.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Leave test mode: says first what will change. What was held until now is never sent; it ends for good.

    The running processes go on as they are until they are started again.
    """
    from workers.cli.first_run.leaving import dns_warnings, end_held, look
    from workers.cli.first_run.trying import try_out

    folder, wanted = data_folder(data), "test" if back else "live"
    settings = find_settings(data)
    _refuse_overruled(wanted)
    after = _as_it_will_be(folder, wanted)
    tried = [] if back else list(try_out(after, {"SMTP_URL"}))
    warnings = [] if back else dns_warnings(after)
    facts: dict[str, Any] = {"from": settings.mode, "to": wanted, **asyncio.run(look(settings))}
    facts |= {"tried": [each._asdict() for each in tried], "warnings": warnings, "done": False}
    if not as_json:
        _tell(facts, tried, warnings)
    if any(each.result == "bad" for each in tried):
        if as_json:
            print_json(facts)
        complain("no mail would leave: nothing was changed", "closeloop init --relay … puts the relay right")
        raise typer.Exit(1)
    if not yes and not _agreed(wanted, as_json=as_json):
        if as_json:
            print_json(facts)
        complain("nothing was changed", f"closeloop go-live{' --back' if back else ''} --yes does it")
        raise typer.Exit(WRONG)
    ended = asyncio.run(end_held(settings)) if not back else 0
    _switch(folder, data, wanted)
    if as_json:
        print_json({**facts, "done": True, "ended": ended})
        return
    if not back:
        verdict("good", f"{ended} messages held in test mode have ended; their reason says why")
    verdict("good", f"mode {wanted} is written; start closeloop again for it to count")


def held(
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="How many, newest first.")] = 50,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the messages that test mode holds back: what would have gone to whom (masked), and when."""
    from workers.cli.first_run.leaving import held_messages

    rows = asyncio.run(held_messages(find_settings(data), limit))
    if as_json:
        print_json(rows)
        return
    shown = [(row["made"], row["ticket"], row["message"], row["channel"], row["to"]) for row in rows]
    print_table(("made", "ticket", "message", "by", "to"), shown, "nothing is held")


def _refuse_overruled(wanted: str) -> None:
    from workers.errors import InvalidInput

    said = os.environ.get(MODE) or os.environ.get(f"{MODE}_FILE")
    if said and said != wanted:
        raise InvalidInput(
            f"{MODE} is set in the environment, which wins over what is written here",
            hint=f"take it out there, or set it to {wanted} there",
        )


def _as_it_will_be(folder: Path, wanted: str) -> Settings:
    """The settings with the other mode. Raises SettingsError that lists what live mode needs."""
    from workers.errors import SettingsError
    from workers.settings import known_secrets, known_settings, load_settings

    kept = {**known_settings(folder), MODE: wanted}
    try:
        return load_settings(environ(known_secrets(folder), kept, {}), folder)
    except SettingsError as error:
        hint = (
            "write down what lacks: closeloop init --relay smtp://… --public-url https://… --mail support@…"
        )
        raise SettingsError(error.message, hint=hint) from error


def _tell(facts: dict[str, Any], tried: list[Any], warnings: list[str]) -> None:
    out = console()
    out.print(f"mode: {facts['from']} → {facts['to']}")
    if facts["to"] == "live":
        out.print(f"{facts['held']} messages to customers are held: they will NOT be sent, now or later")
        out.print(
            f"from then on mails go to the customers of {facts['open_tickets']} open tickets as things "
            f"happen to them, and to whoever writes; {facts['staff']} members of staff get theirs already"
        )
    else:
        out.print("messages to customers are held from then on; what has left has left")
    for each in tried:
        verdict(each.result, f"{each.what}: {each.words}", each.hint)
    for words in warnings:
        verdict("warning", words)


def _agreed(wanted: str, *, as_json: bool) -> bool:
    if as_json or not sys.stdin.isatty():
        return False
    return typer.confirm(f"Switch to {wanted} mode?", default=False)


def _switch(folder: Path, data: Path | None, wanted: str) -> None:
    from workers.cli.audited import note
    from workers.settings import write_settings

    write_settings(folder, {MODE: wanted})
    asyncio.run(note("go-live" if wanted == "live" else "go-live --back", {"data": data}))
