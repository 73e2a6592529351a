"""A database full of receipts that wait to be sent: customers with keys of their own, tickets, messages."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert

from models.base import Base, new_id
from models.crypto import Sealer, new_key
from models.keys import DataKey
from models.notifications import Notification
from models.people import Customer
from models.session import make_engine, migrate
from models.tickets import Ticket
from models.vocabulary import Category, Lane, Medium, NotificationState, Priority, TicketState
from workers.clock import SystemClock
from workers.policy import load_policy
from workers.settings import Settings
from workers.unit_of_work import UnitOfWork, Vault, Workshop

CHUNK = 1_000
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


def seed(settings: Settings, count: int, *, lane: Lane = Lane.NORMAL, kind: str = "receipt") -> None:
    """Migrate the settings' database and put `count` mails into it, one customer each.

    Every other is in Chinese. They are `queued` but not promised yet: the start signal sets `due_at`.
    """
    migrate(settings.database_url)
    asyncio.run(_fill(settings, count, lane, kind))


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
    tables: dict[type[Base], list[dict[str, Any]]] = {DataKey: [], Customer: [], Ticket: [], Notification: []}
    for place in places:
        story = Story(place, ("en", "zh_CN")[place % 2], datetime.now(UTC))
        data_key = new_key()
        ring_key, wrapped = uow.settings.secret_keys.wrap(data_key)
        key = {"id": new_id(), "ring_key": ring_key, "wrapped": wrapped}
        sealer = Sealer(data_key)
        customer = _customer(uow, story, sealer) | {"data_key_id": key["id"]}
        ticket = _ticket(uow, story, sealer) | {"data_key_id": key["id"], "customer_id": customer["id"]}
        notice = _notification(uow, story, sealer, kind)
        notice |= {"data_key_id": key["id"], "customer_id": customer["id"], "ticket_id": ticket["id"]}
        rows = (key, customer, ticket, notice | {"lane": lane})
        for table, row in zip(tables, rows, strict=True):
            tables[table].append(row)
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
    """As `workers.notifications.facts.ticket_facts` and the receipt's step make them."""
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
        "promised_at": (story.now + timedelta(hours=4)).isoformat(),
        "recipient": {"name": name, "kind": "customer"},
    }


def _address(story: Story) -> str:
    return f"customer.{story.place:06}@example.net"


def _thread(story: Story) -> str:
    return f"<CAF{story.place:06}=b7Gq0x1Vh2dKpJmZ@mail.example.net>"


def _number(story: Story) -> str:
    return f"CS{story.now:%Y%m%d}{story.place:04}"
