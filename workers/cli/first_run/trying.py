"""Each way in and out is tried for real before it is written down: what was found, and what to do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from workers.channels.smtp_session import Answer
    from workers.channels.smtp_url import Relay
    from workers.settings import Settings

PATIENCE = 10.0


class Tried(NamedTuple):
    """What came of one try: good, warning or bad, in words, and what to do."""

    what: str
    result: str
    words: str
    hint: str = ""


def try_out(settings: Settings, changed: Collection[str]) -> Iterator[Tried]:
    """Try what these settings (names without CLOSELOOP_) lead to. Nothing is changed anywhere.

    The mailbox is logged in to and its mails counted, the relay asked for an envelope without a mail, the
    port of the SMTP intake opened, a test posted to the chat groups.
    """
    if "IMAP_URL" in changed and settings.imap_url:
        yield from _mailboxes(settings)
    if "SMTP_INTAKE" in changed and settings.smtp_intake:
        yield _port(settings.smtp_intake)
    if {"SMTP_URL", "MAIL_FROM"} & set(changed) and settings.smtp_url:
        yield from _relays(settings)
    if "CHAT_URLS" in changed and settings.chat_urls:
        yield from _chats(settings)


def _mailboxes(settings: Settings) -> Iterator[Tried]:
    from workers.imap.probe import examine

    for box in settings.imap_url:
        found = examine(box)
        if found.fault:
            yield Tried("mailbox", "bad", f"{found.mailbox} {found.fault}: {found.words}", found.hint)
        elif found.missing:
            there = ", ".join(sorted(found.folders))
            lacking = ", ".join(found.missing)
            hint = f"there are: {there}; name them percent-encoded in the URL"
            yield Tried("mailbox", "bad", f"{found.mailbox} has no folder {lacking}", hint)
        else:
            held = ", ".join(f"{name} {found.folders.get(name, '?')}" for name in box.folders)
            yield Tried("mailbox", "good", f"{found.mailbox} logged in; mails: {held}")


def _port(address: str) -> Tried:
    """Whether the port can be opened here, or is open and answers as ours does."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    place = (host, int(port))
    try:
        with socket.create_server(place, family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return Tried("mail intake", "good", f"{address} can be opened; closeloop up listens there")
    except OSError as error:
        failed = error.strerror or str(error)
    # Who does not greet is no SMTP door of ours: what failed first is told.
    with contextlib.suppress(OSError), socket.create_connection(place, PATIENCE) as asked:
        asked.settimeout(PATIENCE)
        if asked.recv(256).startswith(b"220"):
            return Tried("mail intake", "good", f"{address} is open and greets")
    hint = "choose another port, or stop what holds it; ports below 1024 need rights"
    return Tried("mail intake", "bad", f"{address} cannot be opened: {failed}", hint)


def _relays(settings: Settings) -> Iterator[Tried]:
    from workers.channels.smtp_url import parse_smtp_urls

    for relay in parse_smtp_urls(" ".join(settings.smtp_url)):
        yield asyncio.run(_relay(settings, relay))


async def _relay(settings: Settings, relay: Relay) -> Tried:
    """Connect, secure, log in, and ask whether it takes a mail from us to the administrator."""
    from workers.channels.smtp_link import SessionLost
    from workers.channels.smtp_open import CannotConnect, open_session, relay_context
    from workers.channels.smtp_url import Profile
    from workers.cli.sending import relay_hint
    from workers.clock import SystemClock

    try:
        session = await open_session(
            relay,
            SystemClock().now,
            context=relay_context(relay),
            ehlo=settings.mail_domain,
            patience=PATIENCE,
        )
    except (CannotConnect, OSError) as error:
        reason = getattr(error, "reason", "trust_store_unreadable")
        words = f"{getattr(error, 'code', None) or ''} {getattr(error, 'text', '')}".strip()
        return Tried("relay", "bad", f"{relay.name} {reason} {words}".strip(), relay_hint(reason))
    secured = "encrypted" if session.tls else "in clear"
    login = "logged in" if relay.user else "without login"
    same = relay.profile is Profile.SAME_SENDER and relay.user and "@" in relay.user
    sender = relay.user if same and relay.user else settings.mail_from
    refused: Answer | None
    try:
        async with asyncio.timeout(PATIENCE):
            refused = await session.would_take(sender, settings.admin or settings.mail_from)
    except (SessionLost, TimeoutError):
        return Tried("relay", "bad", f"{relay.name} hung up when it was asked for a mail", relay_hint(""))
    finally:
        session.abort()
    if refused is not None:
        hint = relay_hint("sender_rejected" if refused.step.name == "MAIL" else "")
        words = f"{refused.step.name} was refused: {refused.reply.code} {refused.reply.text[:200]}"
        return Tried("relay", "bad", f"{relay.name} {secured}, {login}; {words}", hint)
    return Tried("relay", "good", f"{relay.name} {secured}, {login}; it would take a mail from {sender}")


def _chats(settings: Settings) -> Iterator[Tried]:
    from workers.cli.chat_probe import HINTS, examine_chats

    for one in examine_chats(settings, quiet=True):
        good = one["ok"]
        words = f"{one['group']} ({one['scheme']}): " + ("a test was posted" if good else str(one["reason"]))
        yield Tried("chat", "good" if good else "bad", words, "" if good else HINTS.get(one["reason"], ""))
