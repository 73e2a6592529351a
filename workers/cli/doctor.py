"""`closeloop doctor`: is all well here? And if asked: which senders relays let through, do chats work."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from workers.cli.opening import find_settings
from workers.cli.output import DataOption, JsonOption, print_json, verdict

if TYPE_CHECKING:
    from workers.channels.port import Outcome
    from workers.channels.smtp_url import Profile, Relay
    from workers.settings import Settings

PATIENCE = 10.0
WHOLE = 40.0


def doctor(
    relay: Annotated[
        bool, typer.Option("--relay", help="Examine the mail relays; sends up to three mails to yourself.")
    ] = False,
    chat: Annotated[bool, typer.Option("--chat", help="Post a test to each configured chat group.")] = False,
    mailbox: Annotated[
        bool,
        typer.Option("--mailbox", help="Look into the mailboxes that are fetched; changes nothing there."),
    ] = False,
    nameserver: Annotated[
        str, typer.Option("--nameserver", metavar="IP[:PORT]", help="Ask this one, not the system's.")
    ] = "",
    ntp: Annotated[str, typer.Option("--ntp", help="Compare the clock with this time server.")] = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Examine disk, keys, database, broker, clock, rows, processes, relays and DNS. Sends nothing.

    With --relay, --chat or --mailbox these alone are examined, in earnest: what relays offer and which
    profile= fits (the only mails go to CLOSELOOP_ADMIN), a post to each chat group, a look into mailboxes.
    What calendars lack (a year without published holidays), gaps in the duty roster and what should have
    been purged and was not are said each time. Exit code 1 when something is bad.
    """
    from workers.cli.chat_probe import examine_chats
    from workers.cli.kept import examine_backups
    from workers.cli.mailbox import examine_mailboxes
    from workers.cli.purging import examine_retention

    settings = find_settings(data)
    whole = not (relay or chat or mailbox)
    findings = _examine_all(settings, nameserver, ntp, quiet=as_json) if whole else []
    mailbox = mailbox or (whole and bool(settings.imap_url))
    relays = _examine_relays(settings, quiet=as_json) if relay else []
    chats = examine_chats(settings, quiet=as_json) if chat else []
    boxes = examine_mailboxes(settings, quiet=as_json) if mailbox else []
    calendar = _examine_calendar(settings, quiet=as_json)
    roster = _examine_roster(settings, quiet=as_json)
    retention = examine_retention(settings, quiet=as_json)
    backups = examine_backups(settings, quiet=as_json)
    good = all(one["ok"] for one in (*relays, *chats, *boxes))
    good = good and all(one["result"] != "bad" for one in findings)
    if as_json:
        found = {"relays": relays, "chats": chats, "mailboxes": boxes, "calendar": calendar}
        found |= {"duty_roster": roster, "findings": findings}
        print_json({"ok": good, **found, "retention": retention, "backups": backups})
    if not good:
        raise typer.Exit(1)


def _examine_all(settings: Settings, nameserver: str, ntp: str, *, quiet: bool) -> list[dict[str, Any]]:
    """What was found of each part, told one by one unless `quiet`."""
    from workers.cli.examining import examine_all

    found: list[dict[str, Any]] = []
    for each in examine_all(settings, nameserver=nameserver, ntp=ntp):
        found.append(each._asdict())
        if not quiet:
            verdict(each.result, f"{each.about}: {each.words}", each.hint)
    return found


def _examine_calendar(settings: Settings, *, quiet: bool) -> list[str]:
    """What the policy's calendar does not know (years whose holidays are not published), told as well unless
    `quiet`. It fails nothing: limits are computed without guessing at moved days.
    """
    from workers.cli.checking import DECREE
    from workers.policy import load_policy

    policy = load_policy(settings.policy, zone=settings.timezone, locale=settings.locale)
    year = datetime.now(UTC).year
    notices = list(policy.notices(year, year + 1))
    for notice in notices if not quiet else ():
        verdict("warning", f"calendar: {notice}", DECREE)
    return notices


def _examine_roster(settings: Settings, *, quiet: bool) -> list[str]:
    """Where nobody is on duty in the next two weeks, told as well unless `quiet`; it fails nothing.

    Relays can be examined before there is a database: then there is no roster to look at.
    """
    from workers.cli.checking import duty_findings
    from workers.cli.opening import must_be_migrated
    from workers.cli.output import is_machine_trouble
    from workers.errors import CloseloopError

    try:
        must_be_migrated(settings)
        found = list(duty_findings(settings))
    except CloseloopError:
        return []
    except Exception as error:
        if (trouble := is_machine_trouble(error)) is None:
            raise
        if not quiet:
            verdict("warning", f"duty roster: {trouble[0]}", trouble[1])
        return []
    for one in found if not quiet else ():
        verdict("warning", f"duty roster: {one.words}", one.hint)
    return [one.words for one in found]


def _examine_relays(settings: Settings, *, quiet: bool) -> list[dict[str, Any]]:
    """What was found out about each relay, told as well unless `quiet`."""
    from workers.channels.smtp_url import parse_smtp_urls
    from workers.errors import SettingsError

    if not settings.smtp_url:
        raise SettingsError("no mail relay is configured", hint="set CLOSELOOP_SMTP_URL")
    if not settings.admin:
        raise SettingsError(
            "there is nobody to send the probes to", hint="set CLOSELOOP_ADMIN to your address"
        )
    relays = parse_smtp_urls(" ".join(settings.smtp_url))
    found = [asyncio.run(_examined(settings, one)) for one in relays]
    for one in found if not quiet else ():
        _tell(one)
    return found


async def _examined(settings: Settings, relay: Relay) -> dict[str, Any]:
    """All that was found out about one relay; `fits` is the profile to configure, None if none works."""
    from workers.channels.smtp_open import CannotConnect, open_session, relay_context
    from workers.channels.smtp_url import Profile
    from workers.clock import SystemClock

    found: dict[str, Any] = {"relay": relay.name, "profile": relay.profile.value, "ok": False, "fits": None}
    try:
        context = relay_context(relay)
        session = await open_session(
            relay, SystemClock().now, context=context, ehlo=settings.mail_domain, patience=PATIENCE
        )
    except (CannotConnect, OSError) as error:
        reason = getattr(error, "reason", "trust_store_unreadable")
        words = {"code": getattr(error, "code", None), "text": str(getattr(error, "text", ""))}
        return {**found, "connection": {"reason": reason, **words}}
    found["connection"] = {"reason": "accepted", "tls": session.tls, "login": relay.user is not None}
    found["offers"] = {
        "pipelining": session.pipelining,
        "8bitmime": session.eight_bit,
        "size_limit": session.size_limit or None,
    }
    session.abort()
    found["probes"] = {profile.value: _told(await _probe(settings, relay, profile)) for profile in Profile}
    taken = [profile for profile in Profile if found["probes"][profile.value]["verdict"] == "sent"]
    return {**found, "fits": taken[0].value if taken else None, "ok": relay.profile in taken}


async def _probe(settings: Settings, relay: Relay, profile: Profile) -> Outcome:
    """Send one mail to the administrator as this profile would."""
    from workers.channels.port import Outgoing
    from workers.channels.smtp import SmtpChannel
    from workers.channels.smtp_url import Profile
    from workers.clock import SystemClock
    from workers.delivery.compose import MailParts, compose
    from workers.delivery.identity import plus_address

    login = relay.user if relay.user and "@" in relay.user else settings.mail_from
    author = login if profile is Profile.SAME_SENDER else settings.mail_from
    token = (uuid4().hex + uuid4().hex).translate(str.maketrans("0189", "abcd"))[:42]
    envelope = plus_address(settings, token) if profile is Profile.VERP else author
    mail = compose(
        MailParts(
            from_name=settings.mail_from_name or "closeloop",
            from_address=author,
            to_address=settings.admin,
            subject=f"[test] closeloop doctor: profile={profile.value}",
            text=f"{relay.name} took this mail from the envelope sender {envelope}.\n",
            message_id=f"<{uuid4().hex}@{settings.mail_domain}>",
            date=datetime.now(UTC),
        )
    )
    outcomes: list[Outcome] = []

    async def report(outcome: Outcome) -> None:
        outcomes.append(outcome)

    # As an ordinary relay without limits: here the envelope sender is chosen by the probe.
    plain = replace(relay, profile=Profile.VERP, rate=0.0, per_domain=0.0, quota=0)
    channel = SmtpChannel((plain,), SystemClock(), ehlo=settings.mail_domain, timeout=WHOLE)
    try:
        item = Outgoing(id=uuid4(), recipient=settings.admin, sender=envelope, payload=mail)
        await channel.deliver([item], report, until=time.monotonic() + WHOLE + 1)
    finally:
        await channel.aclose()
    return outcomes[0]


def _told(outcome: Outcome) -> dict[str, Any]:
    return {
        "verdict": outcome.verdict.value,
        "reason": outcome.reason,
        "code": outcome.code,
        "text": outcome.text,
        "seconds": round(outcome.seconds, 3),
    }


def _tell(found: dict[str, Any]) -> None:
    name, connection = found["relay"], found["connection"]
    if connection["reason"] != "accepted":
        words = f"{connection['code'] or ''} {connection['text']}".strip()
        verdict("bad", f"{name} no connection: {connection['reason']} {words}".strip())
        return
    secured = "encrypted" if connection["tls"] else "in clear"
    login = "logged in" if connection["login"] else "without login"
    offers = ", ".join(f"{key} {value}" for key, value in found["offers"].items() if value)
    verdict("good", f"{name} connected, {secured}, {login}; offers {offers or 'nothing more'}")
    for profile, told in found["probes"].items():
        words = f"{name} profile={profile}: {told['reason']} {told['code'] or ''} {told['text']}"
        verdict("good" if told["verdict"] == "sent" else "warning", words.strip())
    if found["ok"]:
        verdict("good", f"{name} takes mail as configured (profile={found['profile']})")
    elif found["fits"]:
        verdict(
            "bad",
            f"{name} does not take profile={found['profile']}",
            f"put profile={found['fits']} behind the ? of its URL in CLOSELOOP_SMTP_URL",
        )
    else:
        verdict("bad", f"{name} takes no mail from us", "see its words above")
