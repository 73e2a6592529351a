"""All commands under one name, and what becomes of an error: what is wrong, what to do, and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from workers import __version__
from workers.cli import (
    audit_commands,
    backup_commands,
    checking,
    communication_commands,
    customer_commands,
    doctor,
    duty_commands,
    erasing,
    explaining,
    improvement_commands,
    intake,
    key_commands,
    knowledge_commands,
    loop_commands,
    migrating,
    moving,
    policy_commands,
    preview,
    processes,
    purging,
    report_commands,
    report_periods,
    restoring,
    ring_commands,
    roster_commands,
    search_commands,
    sending,
    survey_commands,
    table_commands,
    verdicts,
    weak_link_commands,
    webhook_commands,
)
from workers.cli.audited import audited
from workers.cli.first_run import command as first_run
from workers.cli.first_run import live
from workers.cli.output import complain, is_machine_trouble

WRONG_USE = 2
FAILED = 1
INTERRUPTED = 130
MAY_NOT = "run closeloop as whoever owns the data folder, and name files where that user may read and write"

RUN, LOOK, PEOPLE, IN = "Run it", "Look and check", "People", "What came in"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave: exit code 0, 1 for a failure, 2 for wrong use, settings, policy or input.

    Expected errors are told in two lines on standard error, never as a traceback.
    """
    try:
        make_app()(args=list(arguments) if arguments is not None else None)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:
        code = _told(error)
        if code is None:
            raise
        sys.exit(code)


def make_app() -> typer.Typer:
    """The application with all its commands; nothing is read or opened before one of them runs."""
    app = typer.Typer(
        name="closeloop",
        help="Nobody is forgotten: mail and SMS in, deadlines kept, results told, ratings followed up.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for panel, commands in _commands():
        for name, command in commands.items():
            app.command(name, rich_help_panel=panel)(audited(name, command))
    for name, help_text, panel, group in (
        ("policy", "The SLA policy: check, compare, change while running.", LOOK, policy_commands.POLICY),
        (
            "staff",
            "Who works here: add, list, import, absent, sign-out.",
            PEOPLE,
            {
                **roster_commands.STAFF,
                "absent": duty_commands.staff_absent,
                **key_commands.STAFF,
            },
        ),
        ("duty", "Who is on duty 值班 at night and on holidays.", PEOPLE, duty_commands.DUTY),
        ("team", "Teams and whom their escalations climb to.", PEOPLE, roster_commands.TEAM),
        ("key", "Keys of the API: add, list, revoke.", PEOPLE, key_commands.KEY),
        ("webhook", "Endpoints of other systems: add, list, log, replay.", LOOK, webhook_commands.WEBHOOK),
        ("backup", "Take a backup now; verify, list, key.", RUN, backup_commands.BACKUP),
        ("keys", "Master keys that wrap customers' data keys: rotate, status.", RUN, ring_commands.KEYS),
        ("audit", "Who saw and changed what: list, export, verify.", LOOK, audit_commands.AUDIT),
        (
            "report",
            "Figures about a period.",
            LOOK,
            {
                **report_commands.REPORT,
                **report_periods.PERIODS,
                **weak_link_commands.WEAK_LINKS,
                "problems": search_commands.problems,
            },
        ),
        ("targets", "From X to Y by a day: list, add, progress, withdraw.", LOOK, loop_commands.TARGETS),
        (
            "improvements",
            "Improvement measures 改进措施: open, evaluate, list, due.",
            LOOK,
            improvement_commands.IMPROVEMENTS,
        ),
        ("index", "The index by which words are found: rebuild.", RUN, search_commands.INDEX),
        ("knowledge", "Knowledge entries: export, import.", IN, knowledge_commands.KNOWLEDGE),
        (
            "communications",
            "Communication records 沟通记录: export, import.",
            IN,
            communication_commands.COMMUNICATIONS,
        ),
        ("customer", "The customer master: export, import.", IN, customer_commands.CUSTOMER),
        ("tables", "The four tables of the practices: export, import.", IN, table_commands.TABLES),
        ("survey", "Ratings: ask about what was resolved.", LOOK, survey_commands.SURVEY),
        ("intake", "What came in: read a file, list, show, run again.", IN, intake.INTAKE),
    ):
        itself = group.get("")  # what the name alone does, where it does something
        sub = typer.Typer(
            help=help_text, no_args_is_help=itself is None, invoke_without_command=itself is not None
        )
        if itself is not None:
            sub.callback()(audited(name, itself))
        for command_name, command in group.items():
            if command_name:
                sub.command(command_name)(audited(f"{name} {command_name}", command))
        app.add_typer(sub, name=name, rich_help_panel=panel)
    return app


def _commands() -> tuple[tuple[str, dict[str, Callable[..., Any]]], ...]:
    return (
        (
            RUN,
            {
                "init": first_run.init,
                "up": processes.up,
                "go-live": live.go_live,
                "held": live.held,
                "web": processes.web,
                "worker": processes.worker,
                "scheduler": processes.scheduler,
                "smtpd": processes.smtpd,
                "imap": processes.imap,
                "migrate": migrating.migrate,
                "restore": restoring.restore,
                "move": moving.move,
                "purge": purging.purge,
                "erase": erasing.erase,
                "erasures": erasing.erasures,
            },
        ),
        (
            LOOK,
            {
                "check": checking.check,
                "send-test": sending.send_test,
                "doctor": doctor.doctor,
                "preview": preview.preview,
                "explain": explaining.explain,
                "search": search_commands.search,
                "verdicts": verdicts.verdicts,
            },
        ),
    )


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"closeloop {__version__}\n")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """Nobody is forgotten: mail and SMS in, deadlines kept, results told, ratings followed up."""


def _told(error: Exception) -> int | None:
    """Tell an expected error and give its exit code; None for one that nobody expected."""
    from workers.errors import CloseloopError, InvalidInput, PolicyError, SettingsError, TooLarge

    if isinstance(error, CloseloopError):
        complain(error.message, error.hint)
        return (
            WRONG_USE if isinstance(error, SettingsError | PolicyError | InvalidInput | TooLarge) else FAILED
        )
    if isinstance(error, OSError) and (error.filename or error.errno):
        where = f": {error.filename}" if error.filename else ""
        hint = MAY_NOT if isinstance(error, PermissionError) else ""
        complain(f"{error.strerror or error}{where}", hint)
        return FAILED
    if trouble := is_machine_trouble(error):
        complain(*trouble)
        return FAILED
    return None
