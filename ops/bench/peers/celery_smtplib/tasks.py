"""The peer: Celery with one task per mail, smtplib, psycopg; the whole job of a mail, one by one.

It works on the same tables as closeloop and renders the same templates, in the way a good Celery project
would: kept connections, statements prepared by the driver, no result backend. It stores neither bodies nor
attempts before sending, and it cannot tell a lost answer from a refusal: it does less than closeloop.
"""

from __future__ import annotations

import os
import smtplib
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from functools import cache
from typing import Any
from uuid import uuid4

import psycopg  # type: ignore[import-not-found,unused-ignore]  # installed for the benchmark only
from celery import Celery  # type: ignore[import-not-found,import-untyped,unused-ignore]  # installed for the benchmark only

from models.crypto import KeyRing, Sealer
from workers.rendering import Renderer

SENDER = "support@closeloop.localhost"
CLAIM = """
    UPDATE notifications n SET state = 'sending', tries = n.tries + 1 FROM data_keys k
    WHERE n.id = %s AND n.state = 'queued' AND k.id = n.data_key_id
    RETURNING n.kind, n.locale, n.recipient_sealed, n.facts_sealed, n.message_id, k.ring_key, k.wrapped
"""
ATTEMPT = """
    INSERT INTO delivery_attempts
        (id, notification_id, lease_token, started_at, finished_at, outcome, reason, code, text, host, tls)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, false)
"""
OUTCOME = "UPDATE notifications SET state = %s, reason = %s, sent_at = %s, due_at = NULL WHERE id = %s"

app = Celery("celery_smtplib", broker=os.environ.get("PEER_BROKER_URL", ""))
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=64,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    task_serializer="json",
)


@dataclass(slots=True)
class Hands:
    """What one worker process keeps: a database connection, a relay connection, keys, templates."""

    database: Any
    relay: smtplib.SMTP
    ring: KeyRing
    renderer: Renderer


@cache
def hands() -> Hands:
    """Made at the process's first task, after the fork."""
    host, port = os.environ["PEER_SMTP"].split(":")
    return Hands(
        psycopg.connect(os.environ["PEER_DATABASE_URL"]),
        smtplib.SMTP(host, int(port)),
        KeyRing.parse(os.environ["PEER_SECRET_KEYS"]),
        Renderer(),
    )


def deliver(ident: str) -> None:
    """Claim the row, render, compose, send, record."""
    tools = hands()
    started = datetime.now(UTC)
    with tools.database.transaction():
        row = tools.database.execute(CLAIM, (ident,)).fetchone()
    if row is None:
        return
    kind, locale, recipient_sealed, facts_sealed, message_id, ring_key, wrapped = row
    sealer = Sealer(tools.ring.unwrap(ring_key, bytes(wrapped)))
    recipient = sealer.text(bytes(recipient_sealed), "notifications.recipient")
    facts = sealer.json(bytes(facts_sealed), "notifications.facts")
    mail = compose(tools.renderer, kind, locale, recipient, facts, message_id)
    state, reason, code, words = send(tools.relay, recipient, mail)
    now = datetime.now(UTC)
    with tools.database.transaction(), tools.database.pipeline():
        tools.database.execute(OUTCOME, (state, reason, now if state == "sent" else None, ident))
        attempt = (uuid4(), ident, uuid4(), started, now, state, reason or "accepted", code, words)
        tools.database.execute(ATTEMPT, (*attempt, os.environ["PEER_SMTP"]))


def compose(
    renderer: Renderer, kind: str, locale: str, recipient: str, facts: dict[str, Any], message_id: str
) -> bytes:
    """The mail as bytes, by the standard library."""
    facts |= {"locale": locale, "links": {}}
    rendered = renderer.render_mail(kind, locale, facts)
    mail = EmailMessage()
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["From"] = f"{facts['team']['name']} <{SENDER}>"
    mail["To"] = f"{facts['recipient']['name']} <{recipient}>"
    mail["Subject"] = rendered.subject
    mail["Message-ID"] = message_id
    mail["In-Reply-To"] = facts["thread"][-1]
    mail["References"] = " ".join(facts["thread"])
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(rendered.text)
    mail.add_alternative(rendered.html, subtype="html")
    return mail.as_bytes()


def send(relay: smtplib.SMTP, recipient: str, mail: bytes) -> tuple[str, str | None, int, str]:
    """One transaction on the kept connection: (state, reason, code, text)."""
    try:
        relay.sendmail(SENDER, [recipient], mail)
    except smtplib.SMTPResponseException as error:
        return "failed", "refused", error.smtp_code, str(error.smtp_error)[:500]
    except smtplib.SMTPRecipientsRefused:
        return "failed", "unknown_recipient", 550, ""
    return "sent", None, 250, "Ok"


task = app.task(deliver, name="deliver", ignore_result=True)


def enqueue(idents: list[str]) -> None:
    """One message per row, over one connection."""
    with app.producer_pool.acquire(block=True) as producer:
        for ident in idents:
            task.apply_async((ident,), producer=producer)


if __name__ == "__main__":
    with psycopg.connect(os.environ["PEER_DATABASE_URL"]) as database:
        enqueue([str(row[0]) for row in database.execute("SELECT id FROM notifications ORDER BY id")])
