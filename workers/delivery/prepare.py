"""From a notification's facts to the bytes that go out. Pure but for the random tokens of its links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from models.crypto import Sealer
from models.links import Link
from models.notifications import Notification
from models.vocabulary import HUMAN_MESSAGES, Medium
from workers.channels.sms.payload import sms_payload
from workers.delivery.compose import MailParts, compose
from workers.links import Holder, mint
from workers.rendering import Renderer
from workers.settings import Settings
from workers.unit_of_work import Vault

LOOP_HEADER = "X-Closeloop"
SURVEY_KINDS = frozenset({"csat_invitation", "csat_reminder"})


@dataclass(frozen=True, slots=True)
class Ready:
    """A rendered message: its bytes, whom it is for, and the links that were minted for it.

    `kept` says that these bytes were stored by an earlier try.
    """

    payload: bytes
    recipient: str
    kept: bool = False
    links: list[Link] = field(default_factory=list)


class Preparer:
    """Renders and composes; holds what all messages of an installation share."""

    def __init__(self, renderer: Renderer, settings: Settings, vault: Vault) -> None:
        self._renderer = renderer
        self._settings = settings
        self._vault = vault

    def prepare(self, row: Notification, sealer: Sealer, now: datetime) -> Ready:
        """Render `row` with its sealed facts. Raises TemplateError, InvalidInput or a sealer's error."""
        recipient = sealer.text(row.recipient_sealed, "notifications.recipient")
        facts = sealer.json(row.facts_sealed, "notifications.facts")
        holder = Holder(row.ticket_id, row.staff_id, row.customer_id)
        minted = {
            name: mint(self._vault, self._settings.public_url, now, wanted, holder)
            for name, wanted in row.links.items()
        }
        facts["locale"] = row.locale
        facts["links"] = {name: url for name, (url, _) in minted.items()}
        if row.channel is Medium.SMS:
            text = self._renderer.render_sms(row.kind, row.locale, facts)
            payload = sms_payload(self._settings.sms_url, text, row.kind, row.locale, facts)
        else:
            payload = self._mail(row, facts, recipient, now)
        return Ready(payload, recipient, links=[link for _, link in minted.values()])

    def _mail(self, row: Notification, facts: Mapping[str, Any], recipient: str, now: datetime) -> bytes:
        rendered = self._renderer.render_mail(row.kind, row.locale, facts)
        thread = self._thread(row, facts)
        human = row.kind in HUMAN_MESSAGES
        answers = row.kind == "receipt" and bool(thread)  # to one mail, by a machine: RFC 3834 §5
        assert row.message_id is not None
        return compose(
            MailParts(
                from_name=self._sender_name(facts),
                from_address=self._settings.mail_from,
                to_name=facts["recipient"]["name"],
                to_address=recipient,
                reply_to=self._reply_address(row),
                subject=rendered.subject,
                text=rendered.text,
                html=rendered.html,
                message_id=row.message_id,
                in_reply_to=thread[-1] if thread else None,
                references=thread,
                date=now,
                headers=((LOOP_HEADER, row.id.hex),),
                list_unsubscribe_url=facts["links"].get("unsubscribe") if row.kind in SURVEY_KINDS else None,
                auto_submitted=None if human else "auto-replied" if answers else "auto-generated",
            )
        )

    def _sender_name(self, facts: Mapping[str, Any]) -> str:
        team = self._settings.mail_from_name or facts["team"]["name"]
        person = facts.get("from_name")
        return f"{person} · {team}" if person else str(team)

    def _reply_address(self, row: Notification) -> str | None:
        person = row.staff_id or row.customer_id
        if row.ticket_id is None or person is None:
            return None
        token = self._vault.reply_token(f"{row.ticket_id.hex}:{person.hex}")
        local = self._settings.mail_from.partition("@")[0].partition("+")[0]
        return f"{local}+{token}@{self._settings.mail_domain}"

    def _thread(self, row: Notification, facts: Mapping[str, Any]) -> tuple[str, ...]:
        """The customer's own ids, so that it stands in their thread; for staff one made-up root a ticket."""
        if row.staff_id is not None and row.ticket_id is not None:
            return (f"<ticket.{row.ticket_id.hex}@{self._settings.mail_domain}>",)
        return tuple(facts.get("thread", ()))
