"""`closeloop check`: settings, ways out, policy, templates and database, before anybody relies on them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from workers.cli.opening import data_folder, find_settings
from workers.cli.output import DataOption, Finding, JsonOption, print_json, verdict

if TYPE_CHECKING:
    from workers.settings import Settings


DECREE = "enter them under [calendar.days] when the government has decided, and list the year"


def check(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Check settings, policy, templates (yours too) and the database. Exit code 1 when something is bad."""
    findings = list(_findings(data))
    if as_json:
        good = all(each.result != "bad" for each in findings)
        print_json({"ok": good, "findings": [each._asdict() for each in findings]})
    else:
        for each in findings:
            verdict(each.result, f"{each.about}: {each.words}", each.hint)
    if any(each.result == "bad" for each in findings):
        raise typer.Exit(1)


def _findings(data: Path | None) -> Iterator[Finding]:
    from workers.errors import CloseloopError

    settings: Settings | None = None
    try:
        settings, made_up = _settings(data)
        yield Finding("settings", "good", f"complete, mode {settings.mode}, data in {settings.data}")
        if made_up:
            alone = not settings.broker_url
            hint = (
                "closeloop up makes them" if alone else "closeloop web, worker … need CLOSELOOP_SECRET_KEYS"
            )
            yield Finding("secrets", "warning" if alone else "bad", "there are none yet", hint)
    except CloseloopError as error:
        for line in error.message.splitlines():
            yield Finding("settings", "bad", line)
    parts: list[Callable[[], Iterator[Finding]]] = []
    if settings is not None:
        known = settings
        parts = [lambda: _ways_out(known), lambda: _database(known), lambda: _broker(known)]
    policy = settings.policy if settings else os.environ.get("CLOSELOOP_POLICY") or "support-response"
    zone = settings.timezone if settings else ""
    parts += [
        lambda: _policy(policy, zone),
        lambda: _templates(settings.data if settings else data_folder(data)),
    ]
    for part in parts:
        try:
            yield from part()
        except CloseloopError as error:
            yield Finding(part.__name__.strip("_<>"), "bad", error.message, error.hint)


def _settings(data: Path | None) -> tuple[Settings, bool]:
    """The settings, with a throw-away key where none was made yet (True): all else can be checked already."""
    from workers.settings import known_secrets
    from workers.settings.own_secrets import MAKERS

    name = "CLOSELOOP_SECRET_KEYS"
    folder = data_folder(data)
    lacking = not (os.environ.get(name) or os.environ.get(f"{name}_FILE") or known_secrets(folder).get(name))
    spare = {"SECRET_KEYS": MAKERS[name]()} if lacking else {}
    return find_settings(data, **spare), lacking


def _ways_out(settings: Settings) -> Iterator[Finding]:
    from workers.channels.sms.url import parse_sms_url
    from workers.channels.smtp_url import Tls, parse_smtp_urls
    from workers.errors import CloseloopError

    try:
        for relay in parse_smtp_urls(" ".join(settings.smtp_url)) if settings.smtp_url else ():
            clear = relay.tls is Tls.NONE and relay.password is not None
            yield Finding(
                "mail",
                "warning" if clear else "good",
                f"relay {relay.host}:{relay.port}, tls={relay.tls}",
                "the password goes in clear: use tls=start or tls=implicit" if clear else "",
            )
    except CloseloopError as error:
        yield Finding("mail", "bad", error.message, error.hint)
    if not settings.smtp_url:
        yield Finding("mail", "warning", "no relay: mails only show on the console", "set CLOSELOOP_SMTP_URL")
    for url in settings.sms_url:
        try:
            account = parse_sms_url(url)
            yield Finding("sms", "good", f"{account.provider} sends as {account.sender}")
        except CloseloopError as error:
            yield Finding("sms", "bad", error.message, error.hint)
    yield from _chats(settings)
    for box in settings.imap_url:
        clear = box.tls == "none"
        hint = "the password goes in clear: use imaps, or tls=start" if clear else ""
        yield Finding("mailbox", "warning" if clear else "good", f"fetched from {box.name}, {box.mode}", hint)


def _chats(settings: Settings) -> Iterator[Finding]:
    if not settings.chat_urls:
        return
    from workers.channels.chat.plugin import open_plugin
    from workers.errors import CloseloopError

    for group in settings.chat_urls:
        try:
            open_plugin(group)
            yield Finding("chat", "good", f"{group.name} is posted to by {group.scheme}")
        except CloseloopError as error:
            yield Finding("chat", "bad", error.message, error.hint)


def _database(settings: Settings) -> Iterator[Finding]:
    from models.session import head_revision
    from workers.cli.opening import must_be_migrated
    from workers.cli.output import is_machine_trouble
    from workers.cli.staff_checking import staff_findings
    from workers.errors import CloseloopError

    try:
        must_be_migrated(settings)
        yield Finding("database", "good", f"at schema {head_revision()}")
        yield from duty_findings(settings)
        yield from staff_findings(settings)
    except CloseloopError as error:
        yield Finding("database", "warning", error.message, error.hint)
    except Exception as error:
        words, hint = is_machine_trouble(error) or (f"cannot be reached ({type(error).__name__})", "")
        yield Finding("database", "bad", words, hint or "is CLOSELOOP_DATABASE_URL right?")


def _broker(settings: Settings) -> Iterator[Finding]:
    from workers.cli.broker_checking import broker_findings

    yield from broker_findings(settings)


def duty_findings(settings: Settings) -> Iterator[Finding]:
    """Where a team that keeps a duty roster has nobody on it in the next two weeks."""
    import asyncio
    from dataclasses import asdict
    from datetime import timedelta

    from workers.cli.duty_commands import span_of
    from workers.cli.opening import workshop_of
    from workers.rosters import duty_gaps

    async def gaps() -> list[dict[str, object]]:
        async with workshop_of(settings) as workshop, workshop.read() as uow:
            now = uow.clock.now()
            found = await duty_gaps(uow, now, now + timedelta(days=14))
            return [asdict(gap) for gap in found]

    hint = "closeloop duty add …; until then what happens goes up the ladder as in opening hours"
    for gap in asyncio.run(gaps()):
        first, last = span_of(gap, settings)
        yield Finding("duty roster", "warning", f"nobody for {gap['team']} from {first} to {last}", hint)


def _policy(name: str, zone: str) -> Iterator[Finding]:
    from workers.errors import PolicyError
    from workers.policy import load_policy

    try:
        policy = load_policy(name)
    except PolicyError as error:
        yield Finding("policy", "bad", error.message, error.hint)
        return
    yield Finding("policy", "good", f"{policy.name}, {policy.calendar.hours_text('en')}, {policy.zone}")
    if zone and policy.zone != zone:
        yield Finding(
            "policy",
            "warning",
            f"it is read in {zone}, not in its own zone {policy.zone}",
            "set CLOSELOOP_TIMEZONE",
        )
    year = datetime.now(UTC).year
    # Public holidays are those of the zone in which the policy is read, not of the one it was written in.
    read_in = load_policy(name, zone=zone) if zone else policy
    for notice in read_in.notices(year, year + 1):
        yield Finding("policy", "warning", notice, DECREE)


def _templates(folder: Path) -> Iterator[Finding]:
    from workers.rendering import Renderer

    overrides = folder / "templates"
    renderer = Renderer(overrides if overrides.is_dir() else None)
    problems = renderer.check()
    for problem in problems:
        yield Finding("templates", "bad", problem, f"files in {overrides} win over ours: correct them there")
    if not problems:
        own = sum(1 for path in overrides.rglob("*") if path.is_file()) if overrides.is_dir() else 0
        kinds = (renderer.messages, renderer.sms_messages, renderer.chat_messages, renderer.pages)
        count = sum(len(names()) for names in kinds)
        yield Finding(
            "templates",
            "good",
            f"{count} messages and pages render in both languages, {own} files of your own",
        )
