"""A database full of receipts that wait to be sent: customers with keys of their own, tickets, messages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert

from models.base import Base, new_id
from models.crypto import Sealer, new_key
from models.keys import DataKey
from models.notifications import Notification
from models.people import Customer
from models.session import make_engine, migrate
from models.surveys import Survey
from models.tickets import Ticket
from models.vocabulary import Category, Lane, Medium, NotificationState, Priority, TicketState
from workers.clock import SystemClock
from workers.policy import load_policy
from workers.settings import Settings
from workers.unit_of_work import UnitOfWork, Vault, Workshop

CHUNK = 1_000
RECEIPT = "receipt"
SURVEY = "csat_invitation"
SURVEY_TIME = timedelta(days=7)
WORDS = {
    "en": (
        "Payment page does not load",
        "Ms Wang",
        "Hello,\nsince this morning the payment page keeps loading and then shows ERR_PAY_504.\n"
        "Another browser does the same, and our customers are waiting.",
        "Mon–Fri 09:00–18:00",
        "Cloudsail Support",
    ),
    "zh_CN": (
        "结账页面无法付款",
        "王女士",
        "您好，今天上午开始，结账页面点“付款”后一直转圈，\n"
        "提示 ERR_PAY_504。换了浏览器也一样，客户在等，请尽快帮忙看看。",
        "周一至周五 09:00–18:00",
        "云帆科技客服",
    ),
}


@dataclass(frozen=True, slots=True)
class Story:
    """What the rows of one mail share."""

    place: int
    locale: str
    now: datetime


def seed(settings: Settings, count: int, *, lane: Lane = Lane.NORMAL, kind: str = RECEIPT) -> None:
    """Migrate the settings' database and put `count` mails into it, one customer each.

    `kind` is RECEIPT or SURVEY. Every other is in Chinese. They are `queued` but not promised yet: the start
    signal sets `due_at`.
    """
    migrate(settings.database_url)
    asyncio.run(_fill(settings, count, lane, kind))


def plain_rows(count: int) -> Iterator[dict[str, Any]]:
    """The same mails for a peer with tables of its own: recipient, locale, facts and message_id, in clear."""
    for place in range(count):
        story = Story(place, _locale(place), datetime.now(UTC))
        yield {
            "recipient": _address(story),
            "locale": story.locale,
            "facts": _facts(story),
            "message_id": f"<{new_id().hex}@bench.example.com>",
        }


async def _fill(settings: Settings, count: int, lane: Lane, kind: str) -> None:
    engine = make_engine(settings.database_url)
    policy = load_policy(settings.policy)
    vault = Vault(settings.secret_keys)
    workshop = Workshop(engine, None, SystemClock(), vault, settings, policy, lambda bells: None)
    try:
        for start in range(0, count, CHUNK):
            async with workshop.begin() as uow:
                await _chunk(uow, range(start, min(count, start + CHUNK)), lane, kind)
    finally:
        await engine.dispose()


async def _chunk(uow: UnitOfWork, places: range, lane: Lane, kind: str) -> None:
    tables: dict[type[Base], list[dict[str, Any]]] = {}
    for place in places:
        story = Story(place, _locale(place), datetime.now(UTC))
        data_key = new_key()
        ring_key, wrapped = uow.settings.secret_keys.wrap(data_key)
        key = {"id": new_id(), "ring_key": ring_key, "wrapped": wrapped}
        sealer = Sealer(data_key)
        customer = _customer(uow, story, sealer) | {"data_key_id": key["id"]}
        ticket = _ticket(uow, story, sealer) | {"data_key_id": key["id"], "customer_id": customer["id"]}
        notice = _notification(uow, story, sealer, kind) | {"lane": lane}
        notice |= {"data_key_id": key["id"], "customer_id": customer["id"], "ticket_id": ticket["id"]}
        rows = {DataKey: key, Customer: customer, Ticket: ticket, Notification: notice}
        if kind == SURVEY:
            survey = rows[Survey] = _survey(uow, story, ticket)
            notice |= {"survey_id": survey["id"], "expires_at": survey["expires_at"]}
            notice["links"] = _survey_links(survey["id"])
        for table, row in rows.items():
            tables.setdefault(table, []).append(row)
    for table, made in tables.items():
        await uow.session.execute(insert(table), made)


def _customer(uow: UnitOfWork, story: Story, sealer: Sealer) -> dict[str, Any]:
    return {
        "id": new_id(),
        "code": f"C{story.place:06}",
        "created_at": story.now,
        "name_sealed": sealer.seal(WORDS[story.locale][1], "customers.name"),
        "email_sealed": sealer.seal(_address(story), "customers.email"),
        "email_hash": uow.vault.lookup("email", _address(story)),
        "masked": "Ms * (5678)",
        "locale": story.locale,
    }


def _ticket(uow: UnitOfWork, story: Story, sealer: Sealer) -> dict[str, Any]:
    subject, _, description, _, _ = WORDS[story.locale]
    return {
        "id": new_id(),
        "number": _number(story),
        "state": TicketState.TO_ASSIGN,
        "priority": Priority.HIGH,
        "category": Category.AFTER_SALES_TECHNICAL,
        "channel": Medium.EMAIL,
        "locale": story.locale,
        "subject_sealed": sealer.seal(subject, "tickets.subject"),
        "description_sealed": sealer.seal(description, "tickets.description"),
        "thread_sealed": sealer.seal(json.dumps([_thread(story)]), "tickets.thread"),
        "policy_version_id": uow.policy_version_id,
        "received_at": story.now,
        "opened_at": story.now,
    }


def _survey(uow: UnitOfWork, story: Story, ticket: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": new_id(),
        "number": f"CSAT{story.now:%Y%m%d}{story.place:05}",
        "ticket_id": ticket["id"],
        "opening": 1,
        "customer_id": ticket["customer_id"],
        "category": ticket["category"],
        "channel": Medium.EMAIL,
        "locale": story.locale,
        "state": "invited",
        "service_at": story.now,
        "invited_at": story.now,
        "expires_at": story.now + SURVEY_TIME,
        "policy_version_id": uow.policy_version_id,
    }


def _survey_links(survey: UUID) -> dict[str, Any]:
    """As `workers.surveys` asks for them: both are minted when the mail is rendered."""
    hours = {"survey": SURVEY_TIME // timedelta(hours=1), "unsubscribe": 24 * 365}
    return {
        purpose: {"purpose": purpose, "subject": str(survey), "hours": time, "single_use": False}
        for purpose, time in hours.items()
    }


def _notification(uow: UnitOfWork, story: Story, sealer: Sealer, kind: str) -> dict[str, Any]:
    ident = new_id()
    return {
        "id": ident,
        "key": f"{kind}:{ident.hex}:1:0:{story.place}:email",
        "kind": kind,
        "channel": Medium.EMAIL,
        "state": NotificationState.QUEUED,
        "created_at": story.now,
        "recipient_sealed": sealer.seal(_address(story), "notifications.recipient"),
        "recipient_hash": uow.vault.lookup("email", _address(story)),
        "locale": story.locale,
        "facts_sealed": sealer.seal_json(_facts(story), "notifications.facts"),
        "links": {},
        "message_id": f"<{ident.hex}@{uow.settings.mail_domain}>",
    }


def _facts(story: Story) -> dict[str, Any]:
    """As `workers.notifications.facts.ticket_facts` and the steps of receipt and survey make them."""
    subject, name, description, hours, team = WORDS[story.locale]
    return {
        "zone": "Asia/Shanghai",
        "team": {"name": team, "hours": hours, "address": "support@example.com"},
        "ticket": {
            "number": _number(story),
            "subject": subject,
            "customer": "Ms * (5678)",
            "priority": Priority.HIGH.value,
            "category": Category.AFTER_SALES_TECHNICAL.value,
            "state": TicketState.TO_ASSIGN.value,
            "received_at": story.now.isoformat(),
            "description": description,
        },
        "thread": [_thread(story)],
        "expires_at": (story.now + SURVEY_TIME).isoformat(),
        "promised_at": (story.now + timedelta(hours=4)).isoformat(),
        "recipient": {"name": name, "kind": "customer"},
    }


def _locale(place: int) -> str:
    return ("en", "zh_CN")[place % 2]


def _address(story: Story) -> str:
    return f"customer.{story.place:06}@example.net"


def _thread(story: Story) -> str:
    return f"<CAF{story.place:06}=b7Gq0x1Vh2dKpJmZ@mail.example.net>"


def _number(story: Story) -> str:
    return f"CS{story.now:%Y%m%d}{story.place:05}"
