"""`closeloop send-test`: one real mail through the configured relay, told step by step."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID, uuid4

import typer

from workers.cli.opening import find_settings
from workers.cli.output import DataOption, JsonOption, print_json, verdict

if TYPE_CHECKING:
    from workers.channels.port import Outcome
    from workers.channels.smtp_url import Relay
    from workers.settings import Settings

PATIENCE = 10.0
WHOLE = 40.0


def send_test(
    address: Annotated[str, typer.Argument(help="Whom to send it to.")],
    message: Annotated[str, typer.Option("--message", help="Which message's sample to send.")] = "receipt",
    locale: Annotated[str, typer.Option("--locale", help="en or zh_CN (default: the team's).")] = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send one real mail, a message's sample, through each configured relay. Works in test mode too."""
    from workers.directory import normal_email
    from workers.errors import SettingsError

    settings = find_settings(data)
    if not settings.smtp_url:
        raise SettingsError(
            "no mail relay is configured", hint="set CLOSELOOP_SMTP_URL=smtp://user:password@host:587"
        )
    to = normal_email(address)
    steps = asyncio.run(_all_steps(settings, to, message, locale or settings.locale, quiet=as_json))
    good = all(step["result"] != "bad" for step in steps)
    if as_json:
        print_json({"ok": good, "steps": steps})
    if not good:
        raise typer.Exit(1)


async def _all_steps(
    settings: Settings, to: str, message: str, locale: str, *, quiet: bool
) -> list[dict[str, Any]]:
    from workers.channels.smtp_url import parse_smtp_urls

    payload = _sample_mail(settings, to, message, locale)
    steps = []
    for relay in parse_smtp_urls(" ".join(settings.smtp_url)):
        async for result, words, hint, facts in _steps(settings, relay, to, payload):
            steps.append({"relay": f"{relay.host}:{relay.port}", "result": result, "words": words, **facts})
            if not quiet:
                verdict(result, f"{relay.host}:{relay.port} {words}", hint)
    return steps


_Step = tuple[str, str, str, dict[str, Any]]


async def _steps(settings: Settings, relay: Relay, to: str, payload: bytes) -> AsyncIterator[_Step]:
    """Connect, secure, log in; then the mail itself. Each step is (result, words, hint, facts)."""
    from workers.channels.smtp import SmtpChannel
    from workers.channels.smtp_open import CannotConnect, open_session, relay_context
    from workers.clock import SystemClock

    clock = SystemClock()
    began = time.monotonic()
    try:
        context = relay_context(relay)
        session = await open_session(
            relay, clock.now, context=context, ehlo=settings.mail_domain, patience=PATIENCE
        )
    except (CannotConnect, OSError) as error:
        reason = getattr(error, "reason", "trust_store_unreadable")
        words = " ".join(
            str(part) for part in (getattr(error, "code", None), getattr(error, "text", "")) if part
        )
        yield "bad", f"no connection: {reason} {words}".strip(), relay_hint(reason), {"reason": reason}
        return
    session.abort()
    secured = f"secured ({relay.tls})" if session.tls else "in clear"
    login = f", logged in as {relay.user}" if relay.user else ", without login"
    facts: dict[str, Any] = {"tls": session.tls, "seconds": round(time.monotonic() - began, 3)}
    yield "good", f"connected, {secured}{login}, {facts['seconds']} s", "", facts
    channel = SmtpChannel((relay,), clock, ehlo=settings.mail_domain, timeout=WHOLE)
    try:
        outcome = await _send(channel, settings.mail_from, to, payload)
    finally:
        await channel.aclose()
    result = {"sent": "good", "unknown": "warning"}.get(outcome.verdict, "bad")
    words = f"{outcome.verdict}: {outcome.reason} {outcome.code or ''} {outcome.text}".strip()
    known = {"verdict": outcome.verdict.value, "reason": outcome.reason, "code": outcome.code}
    hint = (
        "look into the inbox (and the spam folder) of the recipient"
        if result == "good"
        else relay_hint(outcome.reason)
    )
    yield result, words, hint, {**known, "seconds": round(outcome.seconds, 3)}


async def _send(channel: Any, sender: str, to: str, payload: bytes) -> Outcome:
    from workers.channels.port import Outgoing

    outcomes: list[Outcome] = []

    async def report(outcome: Outcome) -> None:
        outcomes.append(outcome)

    item = Outgoing(id=uuid4(), recipient=to, sender=sender, payload=payload)
    await channel.deliver([item], report, until=time.monotonic() + WHOLE + 1)
    return outcomes[0]


def _sample_mail(settings: Settings, to: str, message: str, locale: str) -> bytes:
    from workers.delivery.compose import MailParts, compose
    from workers.rendering import Renderer

    overrides = settings.data / "templates"
    renderer = Renderer(overrides if overrides.is_dir() else None)
    facts = renderer.sample(message, locale)
    mail = renderer.render_mail(message, locale, facts)
    ident: UUID = uuid4()
    return compose(
        MailParts(
            from_name=settings.mail_from_name or "closeloop",
            from_address=settings.mail_from,
            to_address=to,
            subject=f"[test] {mail.subject}",
            text=mail.text,
            html=mail.html,
            images=mail.images,
            message_id=f"<{ident.hex}@{settings.mail_domain}>",
            date=datetime.now(UTC),
        )
    )


def relay_hint(reason: str) -> str:
    """What to do about a relay that refuses for this reason."""
    return {
        "authentication_failed": "are user and password right, percent-encoded in CLOSELOOP_SMTP_URL? "
        "Many providers want an app password 授权码",
        "tls_failed": "does the port fit tls=? 587 is start, 465 implicit; a private CA needs ca=/path.pem",
        "connection_failed": "are host and port right, and does a firewall let you out?",
        "sender_rejected": "CLOSELOOP_MAIL_FROM must be an address this relay may send for",
    }.get(reason, "see the relay's words above")
