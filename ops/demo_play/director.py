"""Runs the play: Monday morning, then the 48 hours in which nobody calls back, then the reckoning."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime

from ops.demo_play.acts import Acts, CannotAct
from ops.demo_play.customers import Customers
from ops.demo_play.facts import Evidence, all_facts
from ops.demo_play.ledger import Ledger, moment
from ops.demo_play.outside import outside
from ops.demo_play.parts import ADMINISTRATOR, DAY_SPEED, HEAD, MONDAY, PARTS, STAFF, SUPERVISOR, WAIT_SPEED
from ops.demo_play.people import People
from ops.demo_play.post_office import MailCatcher, SmsProvider
from ops.demo_play.stage import Stage, StageFailure, free_port
from ops.demo_play.team import Team
from ops.demo_play.telling import Telling, details_of, kind_of

WHOLE_SECONDS = 180
DAY_SECONDS = 75
WAIT_SECONDS = 60
SETTLE_SECONDS = 15
LOOK_EVERY = 0.25


@dataclass
class Play:
    """All that takes part."""

    stage: Stage
    ledger: Ledger
    mails: MailCatcher
    sms: SmsProvider
    people: People
    telling: Telling
    mail_port: int = 0
    side_port: int = 0
    shown_events: set[str] = field(default_factory=set)
    ready_seconds: float = 0.0

    @property
    def seen(self) -> Evidence:
        """What there is to look at now."""
        return Evidence(self.ledger, self.mails.mails, self.sms.messages)


def make_play(stage: Stage) -> Play:
    """The play on a stage, nothing started yet."""
    ledger = Ledger(stage.database)
    mails = MailCatcher(stage.folder / "caught", lambda: stage.clock.now())
    sms = SmsProvider(lambda: stage.clock.now())
    people = People(Acts(stage, ledger, sms))
    Team(people)
    mails.on_mail, sms.on_sms = people.got_mail, Customers(people).got_sms
    return Play(stage, ledger, mails, sms, people, Telling(len(all_facts())))


async def perform(play: Play, *, once: bool) -> list[str]:
    """Play it all; gives what did not happen (nothing: all is well). Without `once` it stays until cancelled.

    Raises StageFailure when the service does not start.
    """
    async with AsyncExitStack() as stack:
        play.side_port = free_port()
        play.mail_port = await play.mails.start()
        stack.callback(play.mails.stop)
        stack.callback(play.ledger.close)
        stack.push_async_callback(play.stage.stop)
        await stack.enter_async_context(outside(play.mails, play.sms, play.side_port))
        stack.push_async_callback(play.people.stop)
        play.telling.begin()
        stack.callback(play.telling.end)
        try:
            async with asyncio.timeout(WHOLE_SECONDS):
                await _story(play)
        except TimeoutError:
            play.telling.say(f"[red]The story did not end within {WHOLE_SECONDS} s.[/]")
        play.telling.end()
        missing = _reckon(play)
        if not once:
            await _stay(play)
        return missing


async def _story(play: Play) -> None:
    play.ready_seconds = await _start(play, MONDAY, DAY_SPEED)
    await _enter_staff(play.stage)
    while play.stage.clock.now() <= MONDAY:  # noqa: ASYNC110 - a clock tells nobody that it has begun to run
        await asyncio.sleep(0.05)
    began = time.monotonic()
    posting = asyncio.create_task(_post_all(play, began))
    try:
        await _watch(play, lambda: posting.done() and _day_is_done(play), DAY_SECONDS)
    finally:
        posting.cancel()
        await asyncio.gather(posting, return_exceptions=True)
    await _restart(play, WAIT_SPEED, "starts again in the middle of it all; now 3 h a second")
    await _watch(play, lambda: _proved(play) == len(all_facts()), WAIT_SECONDS)


async def _start(play: Play, at: datetime, speed: float) -> float:
    return await play.stage.start(at, speed, mail_port=play.mail_port, side_port=play.side_port)


async def _restart(play: Play, speed: float, words: str) -> None:
    """Stop and start the service; its clock goes on where it stood. People wait meanwhile."""
    play.people.hold.clear()
    await asyncio.sleep(0.3)
    at = play.stage.clock.now()
    await play.stage.stop()
    _show_news(play)
    await _start(play, at, speed)
    play.telling.line(at, "service", "", words)
    play.people.hold.set()


async def _enter_staff(stage: Stage) -> None:
    for person in STAFF:
        given = {name: getattr(person, name) for name in ("number", "name", "email", "role", "locale")}
        await stage.api("POST", "/staff", {**given, "skills": list(person.skills), "team": "support"})
    team = {"supervisor": SUPERVISOR.number, "head": HEAD.number}
    await stage.api("PATCH", "/teams/support", team)
    # The administrator looks after the service and takes no tickets.
    await stage.api("PATCH", f"/staff/{ADMINISTRATOR.number}", {"name": ADMINISTRATOR.name, "team": None})


async def _post_all(play: Play, began: float) -> None:
    for part in sorted(PARTS, key=lambda part: part.minute):
        wait = part.minute * 60 / DAY_SPEED - (time.monotonic() - began)
        await asyncio.sleep(max(0.0, wait))
        try:
            await play.people.acts.post(part)
        except (OSError, CannotAct) as error:
            play.people.failures.append(f"{part.file}: {error}")


def _day_is_done(play: Play) -> bool:
    """Monday's work: all are resolved, the urgent one late, all ratings given, the follow-up opened."""
    seen = play.seen
    unresolved = seen.count("tickets WHERE resolved_at IS NULL")
    rated = seen.count("survey_answers")
    wanted = sum(part.rating != "no" for part in PARTS)
    return not unresolved and rated >= wanted and seen.count("followups") == 1


async def _watch(play: Play, done: Callable[[], bool], seconds: float) -> None:
    """Show what happens until `done`, at most so many seconds."""
    until = time.monotonic() + seconds
    look = proved = 0
    while time.monotonic() < until:
        if not play.stage.alive():
            words = play.stage.last_words()
            raise StageFailure(f"closeloop ended by itself ({play.stage.exit_code}):\n{words}")
        _show_news(play)
        if look % 4 == 0:
            proved = _proved(play)
            if done():
                return
        play.telling.tick(play.stage.clock.now(), proved, play.stage.clock.speed)
        look += 1
        await asyncio.sleep(LOOK_EVERY)


def _show_news(play: Play) -> None:
    entries = list(play.ledger.new_entries())
    lows = {entry.ticket for entry in entries if entry.kind == "followup_opened"}
    for entry in entries:
        part = play.people.acts.part_of(entry.ticket)
        title = part.title if part else ""
        play.telling.line(
            entry.at, kind_of(entry, entry.ticket in lows), entry.ticket, title, details_of(entry)
        )
    for event in play.ledger.events():
        if event["id"] not in play.shown_events and event["state"] != "received":
            play.shown_events.add(event["id"])
            if event["ticket"] is None:
                why = f"{event['kind']}: no ticket, no answer"
                play.telling.line(moment(event["received_at"]), "set_aside", "", why)


def _proved(play: Play) -> int:
    return sum(fact.proved(play.seen) for fact in all_facts())


def _reckon(play: Play) -> list[str]:
    """Table, checklist and links; gives what is missing."""
    _show_news(play)
    out, stage = play.telling.console, play.stage
    play.telling.messages(play.seen)
    missing = play.telling.checklist(all_facts(), play.seen)
    for failure in play.people.failures:
        out.print(f"  [red]✗[/] somebody could not do what they wanted: {failure}", markup=True)
    missing += play.people.failures
    caught = f"{len(play.mails.mails)} mails and {len(play.sms.messages)} SMS caught"
    out.print(f"\nready after {play.ready_seconds:.1f} s; {caught}")
    pages = [
        url
        for mail in play.mails.mails
        if play.ledger.kind_of(mail.notification) == "csat_reminder"
        for token, url in mail.links().items()
        if play.ledger.purpose_of(token) == "survey"
    ]
    for name, url in (
        ("caught mails", f"http://127.0.0.1:{play.side_port}/"),
        ("a survey page", pages[0] if pages else "(none was sent)"),
        ("API", f"{stage.url}/openapi.json (key in {stage.folder / 'secrets.env'})"),
        ("health", f"{stage.url}/readyz"),
        ("data folder", str(stage.folder)),
    ):
        out.print(f"  {name:<14} {url}")
    if missing:
        out.print(f"\n[red]✗ {len(missing)} things did not happen.[/] The service's log: {stage.log_file}")
    else:
        out.print("\n[green]✓ The whole loop ran.[/]")
    return missing


async def _stay(play: Play) -> None:
    """Let people look around, at the pace of real life."""
    await _restart(play, 1, "goes on at normal speed")
    play.telling.console.print("\nLook around; Ctrl-C ends it.")
    while True:
        _show_news(play)
        await asyncio.sleep(1)
