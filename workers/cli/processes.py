"""Commands that run closeloop: everything in one process (`up`), or its processes one by one."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.aside import aside
from workers.cli.opening import find_settings, make_settings, must_be_migrated
from workers.cli.output import DataOption, JsonOption, console, print_json

if TYPE_CHECKING:
    from workers.boot import Doors, Installation
    from workers.settings import Settings

HttpOption = Annotated[
    str, typer.Option("--http", metavar="HOST:PORT", help="Where pages, API and webhooks are served.")
]
SmtpOption = Annotated[
    str,
    typer.Option(
        "--smtp-intake",
        metavar="HOST:PORT",
        help="Listen for forwarded mail there (default: CLOSELOOP_SMTP_INTAKE, or not at all).",
        show_default=False,
    ),
]


def up(
    http: HttpOption = "127.0.0.1:8000",
    smtp_intake: SmtpOption = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run everything in one process on embedded defaults: nothing else is needed.

    Makes the secrets it lacks into the data folder and brings the database up to date.
    """
    doors = _doors(http, smtp_intake)
    settings = make_settings(data, PUBLIC_URL=_url(doors))
    if settings.smtp_intake and not smtp_intake:
        doors = replace(doors, smtp=_address(settings.smtp_intake, "CLOSELOOP_SMTP_INTAKE"))
    _set_up(settings)
    from models.session import migrate as bring_up_to_date

    aside(partial(bring_up_to_date, settings.database_url))  # it loads 9 MB
    must_be_migrated(settings)  # it may be that of a newer version
    from workers.boot import run_up

    installation = _installation(settings)
    facts = _ready_facts(settings, doors)

    def ready() -> None:
        if installation.other_policy:
            facts["policy"] = (
                f"{installation.other_policy}; it counts, not CLOSELOOP_POLICY={settings.policy}"
            )
        if as_json:
            print_json(facts, indent=None)
        else:
            _welcome(facts)
        _flush()

    asyncio.run(run_up(installation, doors, ready=ready))


def web(http: HttpOption = "127.0.0.1:8000", data: DataOption = None) -> None:
    """Run the web process alone: pages, API, webhooks."""
    doors = _doors(http, "")
    settings = _separate("web", data, PUBLIC_URL=_url(doors))
    from workers.boot import run_web, web_loop

    with asyncio.Runner(loop_factory=web_loop()) as runner:
        runner.run(run_web(_installation(settings), doors))


def smtpd(smtp_intake: SmtpOption = "", data: DataOption = None) -> None:
    """Run the SMTP intake alone, where a mailbox forwards its mail to; at 127.0.0.1:8025 by default."""
    from workers.boot import Doors, run_smtpd

    settings = _separate("smtpd", data)
    address = _address(smtp_intake or settings.smtp_intake or "127.0.0.1:8025", "--smtp-intake")
    asyncio.run(run_smtpd(_installation(settings), Doors(http=None, smtp=address)))


def imap(data: DataOption = None) -> None:
    """Fetch the mailboxes of CLOSELOOP_IMAP_URL alone. Several may run: each mailbox is one's at a time."""
    from workers.errors import SettingsError

    settings = _separate("imap", data)
    if not settings.imap_url:
        raise SettingsError(
            "there is no mailbox to fetch", hint="set CLOSELOOP_IMAP_URL=imaps://user:password@host"
        )
    from workers.boot import run_imap

    asyncio.run(run_imap(_installation(settings)))


def worker(
    lane: Annotated[
        list[str] | None,
        typer.Option("--lane", help="Only this lane (urgent, normal, bulk); may be given several times."),
    ] = None,
    data: DataOption = None,
) -> None:
    """Run a worker: reads what came in, keeps deadlines, sends."""
    from models.vocabulary import Lane
    from workers.errors import InvalidInput

    names = lane or [each.value for each in Lane]
    if unknown := sorted(set(names) - {each.value for each in Lane}):
        raise InvalidInput(f"there is no lane {', '.join(unknown)}", hint="there are urgent, normal and bulk")
    settings = _separate("worker", data)
    from workers.boot import run_worker

    asyncio.run(run_worker(_installation(settings), {Lane(name) for name in names}))


def scheduler(data: DataOption = None) -> None:
    """Run the scheduler: rings for what gets due. Several may run."""
    settings = _separate("scheduler", data)
    from workers.boot import run_scheduler

    asyncio.run(run_scheduler(_installation(settings)))


def _set_up(settings: Settings) -> None:
    from workers.cli.logs import set_up_logs

    set_up_logs(settings.log_level)


def _separate(process: str, data: Path | None, **defaults: str) -> Settings:
    """Settings for a process that shares database and broker with others."""
    settings = find_settings(data, **defaults)
    from workers.boot import need_broker

    need_broker(settings, process)
    must_be_migrated(settings)
    _set_up(settings)
    return settings


def _installation(settings: Settings) -> Installation:
    from workers.boot import Installation

    return Installation(settings)


def _address(text: str, option: str) -> tuple[str, int]:
    """HOST:PORT as a pair; port 0 becomes a free one. Raises InvalidInput."""
    from workers.errors import InvalidInput

    host, colon, port = text.rpartition(":")
    host = host.strip("[]")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise InvalidInput(f"{option} {text} is no address", hint="give HOST:PORT, such as 127.0.0.1:8000")
    return host, int(port) or _free_port(host)


def _free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _doors(http: str, smtp: str) -> Doors:
    from workers.boot import Doors

    return Doors(_address(http, "--http"), _address(smtp, "--smtp-intake") if smtp else None)


def _url(doors: Doors) -> str:
    """Where people on this machine reach the pages, for when no public URL is set."""
    assert doors.http is not None
    host, port = doors.http
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host  # noqa: S104 - only compared
    return f"http://{shown}:{port}"


def _ready_facts(settings: Settings, doors: Doors) -> dict[str, object]:
    from sqlalchemy import make_url

    from workers.settings.own_secrets import FILE_NAME

    return {
        "event": "ready",
        "url": settings.public_url,
        "listening": _url(doors),
        "mailboxes": [box.name for box in settings.imap_url],
        "smtp_intake": ":".join(str(part) for part in doors.smtp) if doors.smtp else None,
        "mode": settings.mode,
        "policy": settings.policy,
        "data": str(settings.data),
        "secrets": str(settings.data / FILE_NAME),
        "database": make_url(settings.database_url).render_as_string(hide_password=True),
        "sends_mail": bool(settings.smtp_url),
        "sends_sms": bool(settings.sms_url),
        "administrator": bool(settings.admin),
    }


def _welcome(facts: dict[str, object]) -> None:
    """One block that says where everything is and what to do next."""
    from rich.markup import escape

    out = console()
    url = facts["listening"]
    mailboxes = facts["mailboxes"]
    assert isinstance(mailboxes, list)
    rows = {
        "open": f"{url}/console   {url}/readyz   {url}/openapi.json   {url}/metrics",
        "mail in": f"POST {url}/hooks/email/raw"
        + (f", or by SMTP to {facts['smtp_intake']}" if facts["smtp_intake"] else "")
        + "".join(f", fetched from {name}" for name in mailboxes),
        "secrets": f"{facts['secrets']} (hook token, API key, data keys: back it up)",
        "database": facts["database"],
        "policy": facts["policy"],
        "mode": "live: messages leave"
        if facts["mode"] == "live"
        else "test: messages to customers are held, those to staff are sent",
    }
    out.print("[bold green]closeloop is ready[/]  (stop it with Ctrl-C)")
    for name, value in rows.items():
        out.print(f"[dim]{name:<9}[/] {escape(str(value))}")
    for number, step in enumerate(_next_steps(facts), start=1):
        out.print(f"{'next' if number == 1 else '':<9} {number}. {escape(step)}")


def _next_steps(facts: dict[str, object]) -> list[str]:
    steps = []
    if not facts["administrator"]:
        steps.append("say who you are and where mail comes from: closeloop init")
    elif not facts["sends_mail"]:
        steps.append("name a mail relay: closeloop init, or CLOSELOOP_SMTP_URL")
    else:
        steps.append(f"sign in at {facts['listening']}/console: the link comes by mail")
    steps.append("send a mail to it, and follow it: closeloop explain CS…")
    if facts["mode"] == "test":
        steps.append("when all looks right: closeloop go-live")
    return steps


def _flush() -> None:
    import sys

    sys.stdout.flush()
