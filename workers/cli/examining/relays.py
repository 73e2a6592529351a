"""Whether each mail relay lets us in: name, connection, encryption, login. No mail is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from workers.cli.output import Finding

if TYPE_CHECKING:
    from workers.channels.smtp_url import Relay
    from workers.settings import Settings

PATIENCE = 10.0
WHAT_TO_DO = {
    "authentication_failed": "is the password, or the authorization code 授权码, still good?",
    "connection_refused": "is the port right (587 with tls=start, 465 with tls=implicit) and open from here?",
    "timeout_before_data": "is port 587 or 465 open from here?",
    "name_not_found": "is the host's name right?",
}


def relay_findings(settings: Settings) -> Iterator[Finding]:
    """One finding for each relay."""
    from workers.channels.smtp_url import parse_smtp_urls

    if not settings.smtp_url:
        yield Finding("relay", "warning", "none: mails only show on the console", "set CLOSELOOP_SMTP_URL")
        return
    for relay in parse_smtp_urls(" ".join(settings.smtp_url)):
        yield asyncio.run(_tried(settings, relay))


async def _tried(settings: Settings, relay: Relay) -> Finding:
    from workers.channels.smtp_open import CannotConnect, open_session, relay_context
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
        reason = str(getattr(error, "reason", "trust_store_unreadable"))
        words = f"{getattr(error, 'code', None) or ''} {getattr(error, 'text', '')}".strip()
        hint = WHAT_TO_DO.get(reason, "see ops/runbook.md, CloseloopRelayDown")
        return Finding("relay", "bad", f"{relay.name}: {reason} {words}".rstrip(), hint)
    session.abort()
    clear = not session.tls and relay.password is not None
    login = "logged in" if relay.user else "without login"
    words = f"{relay.name}: connected, {'encrypted' if session.tls else 'in clear'}, {login}"
    hint = "the password goes in clear: use tls=start or tls=implicit" if clear else ""
    return Finding("relay", "warning" if clear else "good", words, hint)
