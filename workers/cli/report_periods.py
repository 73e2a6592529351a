"""`closeloop report weekly|monthly|quarterly`: the report of a period, in every form, and sent."""

from __future__ import annotations

import asyncio
import csv
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, console, print_json

if TYPE_CHECKING:
    from workers.rendering import RenderedMail
    from workers.reports import Press, Report
    from workers.settings import Settings

FileOption = Annotated[Path | None, typer.Option(show_default=False, help="Write this file.")]


def _command(kind: str) -> Callable[..., None]:
    def report_period(
        supervisor: Annotated[
            str,
            typer.Option("--for", help="The teams of this supervisor (staff number); default: all teams."),
        ] = "",
        team: Annotated[str, typer.Option("--team", help="One team by its name.")] = "",
        day: Annotated[
            str,
            typer.Option("--date", help="A day of it, as 2026-05-20 (default: the last one that is over)."),
        ] = "",
        locale: Annotated[str, typer.Option("--locale", help="en or zh_CN (default: the team's).")] = "",
        as_csv: Annotated[bool, typer.Option("--csv", help="Print all tables as one CSV.")] = False,
        html: FileOption = None,
        xlsx: FileOption = None,
        pdf: FileOption = None,
        send: Annotated[bool, typer.Option("--send", help="Send it to those who read it, once.")] = False,
        data: DataOption = None,
        as_json: JsonOption = False,
    ) -> None:
        settings = find_settings(data)
        chosen = locale or settings.locale
        if send:
            _send(settings, kind, supervisor, team, day, as_json=as_json)
            return
        report, press = asyncio.run(_made(settings, kind, supervisor, team, day))
        files = {"html": html, "xlsx": xlsx, "pdf": pdf}
        for form, path in files.items():
            if path is not None:
                _write(path, form, press, report, chosen)
        if as_json:
            from workers.reports import as_json as plain

            print_json(plain(report))
        elif as_csv:
            csv.writer(sys.stdout).writerows(_rows(report, press, chosen))
        elif not any(files.values()):
            sys.stdout.write(_mail(press, report, chosen).text)

    report_period.__doc__ = f"The {kind} report: what changed, what is worst, what to do, and the figures."
    return report_period


PERIODS: Mapping[str, Callable[..., Any]] = {
    kind: _command(kind) for kind in ("weekly", "monthly", "quarterly")
}


def _day(text: str) -> date | None:
    from workers.errors import InvalidInput

    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise InvalidInput(f"--date {text} is no day", hint="write 2026-05-20") from None


async def _made(settings: Settings, kind: str, supervisor: str, team: str, day: str) -> tuple[Report, Press]:
    from workers.rendering import Renderer
    from workers.reports import FONTS, Press, wish

    overrides = settings.data / "templates"
    renderer = Renderer(overrides if overrides.is_dir() else None)
    press = Press(renderer, settings.public_url, (settings.data / FONTS,))
    async with workshop_of(settings) as workshop, workshop.read() as uow:
        asked = await wish(uow, kind, supervisor=supervisor, team=team, day=_day(day))
        return await asked.made(uow), press


def _mail(press: Press, report: Report, locale: str) -> RenderedMail:
    """The report as its mail reads, without the links that only a reader of the mail has."""
    from dataclasses import replace

    from workers.reports import as_json

    enclosed = press.enclose({"document": as_json(report)}, locale)
    facts = {
        "zone": report.zone,
        "team": {"name": press.saying(report, locale).scope(report), "hours": "", "address": ""},
        "recipient": {"name": "", "kind": "staff"},
        "instead_of": "",
        "links": {"report": None},
    }
    mail = press.renderer.render_mail("period_report", locale, {**facts, **enclosed.facts})
    return replace(mail, images=enclosed.images)


def _write(path: Path, form: str, press: Press, report: Report, locale: str) -> None:
    from workers.errors import InvalidInput
    from workers.rendering import for_browser

    if form == "html":
        mail = _mail(press, report, locale)
        path.write_text(for_browser(mail.html, mail.images), encoding="utf-8")
        return
    file = press.file(report, locale, form)
    if file is None:
        raise InvalidInput(
            "this machine has no font with Chinese characters, which the PDF needs",
            hint="install fonts-noto-cjk, put a font into the folder fonts of the data, or use --locale en",
        )
    path.write_bytes(file.content)


def _rows(report: Report, press: Press, locale: str) -> Iterator[list[str]]:
    """Each table with a line of its team and name, its heads, and its rows; an empty line behind it."""
    from workers.tables import harmless

    saying = press.saying(report, locale)
    for team, table in report.tables():
        told = saying.table(table)
        yield [harmless(each) for each in (told["title"], team) if each]
        yield [harmless(head["text"]) for head in told["heads"]]
        for row in told["rows"]:
            yield [harmless(cell["text"]) for cell in row["cells"]]
        yield []


def _send(settings: Settings, kind: str, supervisor: str, team: str, day: str, *, as_json: bool) -> None:
    sent = asyncio.run(_sent(settings, kind, supervisor, team, day))
    if as_json:
        print_json(sent)
        return
    for each in sent:
        said = "already sent" if each["before"] and not each["mails"] else f"{each['mails']} mails written"
        console().print(f"{each['kind']} {each['first_day']} – {each['last_day']}, {each['about']}: {said}")


async def _sent(settings: Settings, kind: str, supervisor: str, team: str, day: str) -> list[dict[str, Any]]:
    from workers.errors import InvalidInput
    from workers.reports import scopes, send_report, wish

    if team:
        raise InvalidInput("reports are sent to those who lead", hint="use --for with a supervisor's number")
    found = []
    async with workshop_of(settings) as workshop:
        async with workshop.read() as uow:
            numbers = [supervisor] if supervisor else [
                each.supervisor.number if each.supervisor else "" for each in await scopes(uow)
            ]  # fmt: skip # packed, to be read at a glance
        for number in numbers:
            async with workshop.read() as uow:
                asked = await wish(uow, kind, supervisor=number, day=_day(day))
                if uow.clock.now() < asked.period.last:
                    raise InvalidInput("this period is not over yet", hint="leave --send out to look at it")
                report = await asked.made(uow)
            async with workshop.begin() as uow:
                sent = await send_report(uow, report, asked.scope)
            found.append(
                {
                    "kind": kind,
                    "first_day": report.first_day,
                    "last_day": report.last_day,
                    "about": ", ".join(report.teams) or "all teams",
                    "mails": sent.mails,
                    "before": sent.before,
                }
            )
    return found
