"""From a notification's facts to the bytes that go out. Pure but for the random tokens of its links."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from models.crypto import Sealer
from models.links import Link
from models.notifications import Notification
from models.vocabulary import HUMAN_MESSAGES, Medium
from workers.channels.sms.payload import sms_payload
from workers.delivery.compose import MailParts, compose
from workers.delivery.digests import Lines
from workers.delivery.dkim import Signer
from workers.delivery.echoes import echo_headers
from workers.delivery.enclosures import NOTHING, Enclosed
from workers.delivery.identity import needs_same_sender, reply_address, subject_tag, tagged
from workers.links import Holder, code_page, mint, status_token
from workers.rendering import RenderedMail, Renderer
from workers.settings import Settings
from workers.unit_of_work import Vault
from workers.webhooks import BODY_VERSION, PUSH, moment

LOOP_HEADER = "X-Closeloop"
LOOKED_UP = frozenset({"receipt", "lookup"})
"""Messages that show their customer the way to where the ticket stands."""
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
    """Renders, composes and signs; holds what all messages of an installation share. Raises SettingsError."""

    def __init__(self, renderer: Renderer, settings: Settings, vault: Vault) -> None:
        self._renderer = renderer
        self._settings = settings
        self._vault = vault
        self._same_sender = needs_same_sender(settings)
        domain = settings.mail_from.rpartition("@")[2]
        self._signer = Signer.load(settings.dkim, domain) if settings.dkim else None

    def prepare(
        self,
        row: Notification,
        sealer: Sealer,
        now: datetime,
        lines: Lines | None = None,
        enclosed: Enclosed = NOTHING,
    ) -> Ready:
        """Render `row` with its sealed facts, a digest with its `lines`, a mail with what is `enclosed`.

        Raises TemplateError, InvalidInput or a sealer's error.
        """
        recipient = sealer.text(row.recipient_sealed, "notifications.recipient")
        facts = sealer.json(row.facts_sealed, "notifications.facts")
        holder = Holder(row.ticket_id, row.staff_id, row.customer_id)
        minted = {
            name: mint(self._vault, self._settings.public_url, now, wanted, holder)
            for name, wanted in row.links.items()
            if wanted is not None and "page" not in wanted
        }
        facts["locale"] = row.locale
        facts["links"] = {**dict.fromkeys(row.links), **{name: url for name, (url, _) in minted.items()}}
        facts["links"] |= self._pages(row)
        if row.kind in LOOKED_UP and row.ticket_id is not None and row.customer_id is not None:
            token = status_token(self._vault, row.ticket_id, row.customer_id)
            number = facts["ticket"]["number"]
            facts["links"]["lookup"] = f"{self._settings.public_url.rstrip('/')}/q/{number}/{token}"
        if "survey_code" in row.links:
            facts["links"]["code_page"] = code_page(self._settings.public_url)
        if lines is not None:
            facts.update(lines.facts)
            facts["links"].update(lines.urls)
        facts.update(enclosed.facts)
        if row.channel is Medium.CHAT:
            payload = self._renderer.render_chat(row.kind, row.locale, facts).encode()
        elif row.channel is Medium.SMS:
            text = self._renderer.render_sms(row.kind, row.locale, facts)
            payload = sms_payload(self._settings.sms_url, text, row.kind, row.locale, facts)
        elif row.channel is Medium.PUSH:
            payload = self._push(row, facts, now)
        else:
            payload = self._mail(row, facts, recipient, now, enclosed)
        links = [link for _, link in minted.values()]
        return Ready(payload, recipient, links=[*links, *(lines.links if lines else ())])

    def _pages(self, row: Notification) -> dict[str, str]:
        """Links to pages behind the sign-in: they carry no token."""
        public = self._settings.public_url.rstrip("/")
        wanted = {name: each["page"] for name, each in row.links.items() if each and "page" in each}
        return {name: f"{public}{page}" for name, page in wanted.items() if public}

    def _push(self, row: Notification, facts: Mapping[str, Any], now: datetime) -> bytes:
        """The event that a push endpoint gets; whom it is for is added when it is sent."""
        ticket = facts.get("ticket") or {}
        data = {
            "message": row.kind,
            "locale": row.locale,
            "text": self._renderer.render_push(row.kind, row.locale, facts),
            "links": {name: url for name, url in facts["links"].items() if url},
            "ticket": ticket.get("number"),
        }
        event = {"type": PUSH, "version": BODY_VERSION, "timestamp": moment(now), "data": data}
        return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()

    def _mail(
        self,
        row: Notification,
        facts: Mapping[str, Any],
        recipient: str,
        now: datetime,
        enclosed: Enclosed,
    ) -> bytes:
        rendered = self._rendered(row, facts)
        thread = self._thread(row, facts)
        human = row.kind in HUMAN_MESSAGES
        answers = row.kind == "receipt" and bool(thread)  # to one mail, by a machine: RFC 3834 §5
        assert row.message_id is not None
        mail = compose(
            MailParts(
                from_name=self._sender_name(facts),
                from_address=self._settings.mail_from,
                to_name=facts["recipient"]["name"],
                to_address=recipient,
                reply_to=self._reply_address(row),
                subject=rendered.subject,
                text=rendered.text,
                html=rendered.html,
                images=(*rendered.images, *enclosed.images),
                files=enclosed.files,
                message_id=row.message_id,
                in_reply_to=thread[-1] if thread else None,
                references=thread,
                date=now,
                headers=((LOOP_HEADER, row.id.hex), *echo_headers(self._settings.email_hooks, row.id)),
                list_unsubscribe_url=facts["links"].get("unsubscribe") if row.kind in SURVEY_KINDS else None,
                auto_submitted=None if human else "auto-replied" if answers else "auto-generated",
            )
        )
        return self._signer.sign(mail) if self._signer else mail

    def _rendered(self, row: Notification, facts: Mapping[str, Any]) -> RenderedMail:
        """Subject and bodies; with a tag for the answer where the relay allows no reply address."""
        mail = self._renderer.render_mail(row.kind, row.locale, facts)
        person = row.staff_id or row.customer_id
        if not self._same_sender or row.ticket_id is None or person is None:
            return mail
        number = facts["ticket"]["number"]
        tag = subject_tag(self._vault, row.ticket_id, person)
        mail = replace(mail, subject=tagged(mail.subject, number, tag))
        if row.staff_id is None:
            return mail
        # So that an answer whose quotation was not cut is known by it, as by the reply address elsewhere.
        mark = f"[{number} #{tag}]"
        html = mail.html.replace("</body>", f"<p>{mark}</p></body>", 1) if mail.html else mail.html
        return replace(mail, text=f"{mail.text.rstrip()}\n\n{mark}\n", html=html)

    def _sender_name(self, facts: Mapping[str, Any]) -> str:
        team = self._settings.mail_from_name or facts["team"]["name"]
        person = facts.get("from_name")
        return f"{person} · {team}" if person else str(team)

    def _reply_address(self, row: Notification) -> str | None:
        person = row.staff_id or row.customer_id
        if self._same_sender or row.ticket_id is None or person is None:
            return None
        return reply_address(self._vault, self._settings, row.ticket_id, person)

    def _thread(self, row: Notification, facts: Mapping[str, Any]) -> tuple[str, ...]:
        """The customer's own ids, so that it stands in their thread; for staff one made-up root a ticket."""
        if row.staff_id is not None and row.ticket_id is not None:
            return (f"<ticket.{row.ticket_id.hex}@{self._settings.mail_domain}>",)
        return tuple(facts.get("thread", ()))
