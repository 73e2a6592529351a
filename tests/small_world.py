"""One of everything that an address can name, for tests that call every route."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
from sqlalchemy import select

from models.people import Staff
from models.surveys import Followup
from models.tickets import Ticket
from models.webhooks import WebhookDelivery
from tests.conftest import Backend
from tests.factories import HOOK_TOKEN, PUBLIC, Desk, all_of, make_desk, make_survey, make_ticket
from workers.access import Scope, open_session
from workers.reports import send_report, wish

HIS, HERS = "CS001", "CS002"
COOKIE = "__Host-closeloop-session"
ONES_OWN = ("ticket", "notification", "survey", "followup", "customer")
"""Kinds of which there is one for each of the two agents."""
ENDPOINT: dict[str, Any] = {"name": "ours", "url": "https://hooks.example/in", "events": ["ticket.opened"]}
TARGET = {
    "title": "Answer sooner",
    "measure": "first_response_mean",
    "start": 3600,
    "goal": 1800,
    "months": 3,
    "owner": "AM001",
}
IMPROVEMENT: dict[str, Any] = {
    "theme": "Refunds",
    "measure": "Tell how they go",
    "kind": "script",
    "cause": "process",
    "department": "support",
    "owner": "AM001",
    "due_at": "2090-01-01T00:00:00Z",
}
ACTS = {
    "tickets": "note",
    "communications": "close",
    "messages": "retry",
    "customers": "change",
    "intake": "take-in",
    "webhooks": "test",
    "targets": "progress",
    "improvements": "progress",
}
"""What a form of the console does: each that its route's rule allows to all whom it lets in."""
PLACES = {
    "tickets": "ticket",
    "notifications": "notification",
    "messages": "notification",
    "surveys": "survey",
    "followups": "followup",
    "customers": "customer",
    "communications": "communication",
    "knowledge": "knowledge",
    "suppressions": "suppression",
    "blocked-senders": "blocked",
    "intake": "intake",
    "staff": "staff",
    "absences": "absence",
    "duties": "duty",
    "teams": "team",
    "webhooks": "webhook",
    "targets": "target",
    "improvements": "improvement",
    "reports": "report",
}
"""The kind of thing that an address names after this part of it."""
_MAIL = (
    b"From: wang@customer.example\r\nTo: support@help.example\r\nSubject: hi\r\nMessage-ID: <w@x>\r\n\r\nhi"
)


@dataclass(frozen=True)
class World:
    """A desk and what there is on it: `his` and `hers` by kind, `common` for what is of no ticket.

    `keys` are the words of keys by their only scope.
    """

    desk: Desk
    his: Mapping[str, str]
    hers: Mapping[str, str]
    common: Mapping[str, str]
    keys: Mapping[str, str]

    def named(self, path: str, parameter: str, whose: Mapping[str, str] | None = None) -> str | None:
        """What this parameter of a route's path may name, of `whose` (the first agent's); None: nothing."""
        if parameter in ("delivery", "request_id"):
            return self.common.get(parameter)
        if parameter in ("what", "act"):
            return ACTS[path.split("/")[2]]
        before = path.partition(f"/{{{parameter}}}")[0].rpartition("/")[2]
        kind = "absence" if before == "absences" else PLACES.get(before, "")
        return (whose or self.his).get(kind) or self.common.get(kind)

    async def browser(self, number: str) -> httpx.AsyncClient:
        """A browser in which this member of staff is signed in; the caller closes it."""
        async with self.desk.workshop.begin() as uow:
            person = (await uow.session.scalars(select(Staff).where(Staff.number == number))).one()
            token, _ = await open_session(uow, person, "tests")
        return self.unknown_browser({COOKIE: token})

    def unknown_browser(self, cookies: Mapping[str, str] | None = None) -> httpx.AsyncClient:
        """A browser in which nobody is signed in; the caller closes it."""
        return httpx.AsyncClient(
            transport=self.desk.web._transport, base_url=PUBLIC, cookies=dict(cookies or {})
        )


@asynccontextmanager
async def small_world(backend: Backend, **settings: Any) -> AsyncIterator[World]:
    """The team of `make_team`; each agent has a ticket with all that belongs to one."""
    async with make_desk(backend, **settings) as desk:
        endpoint = await _made(desk, "/webhooks", ENDPOINT)
        owned = {}
        for number, email in ((HIS, "li.na@customer.example"), (HERS, "wang.wu@customer.example")):
            owned[number] = await _of_an_agent(desk, number, email)
        common = await _common(desk, owned[HIS]) | {"webhook": endpoint}
        yield World(desk, owned[HIS], owned[HERS], common, await _keys(desk))


async def _of_an_agent(desk: Desk, number: str, email: str) -> dict[str, str]:
    ticket = await make_ticket(desk.workshop, email=email)
    async with desk.workshop.begin() as uow:
        held = await uow.session.get_one(Ticket, ticket.id)
        handler = (await uow.session.scalars(select(Staff).where(Staff.number == number))).one()
        held.handler_id = handler.id
    survey = await make_survey(desk.workshop, desk.clock, ticket)
    await desk.api("POST", f"/surveys/{survey.number}/answer", by="AM001", json={"scores": {"overall": 1}})
    (case,) = await all_of(desk.workshop, Followup, Followup.ticket_id == ticket.id)
    async with desk.workshop.begin() as uow:
        (await uow.session.get_one(Followup, case.id)).owner_id = handler.id
    notices = (await desk.api("GET", f"/notifications?ticket={ticket.number}")).json()["items"]
    to_customer = next(each for each in notices if each["kind"] == "receipt")
    shown = (await desk.api("GET", f"/tickets/{ticket.number}")).json()
    return {
        "ticket": ticket.number,
        "notification": to_customer["id"],
        "survey": survey.number,
        "followup": str(case.id),
        "customer": re.findall(r"C\w+", str(shown["customer"]))[0],
    }


async def _common(desk: Desk, his: Mapping[str, str]) -> dict[str, str]:
    now = desk.clock.now()
    span = {"starts_at": f"{now + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"}
    span["ends_at"] = f"{now + timedelta(days=2):%Y-%m-%dT%H:%M:%SZ}"
    entry = {"texts": {"en": {"title": "Cache", "problem": "no cache", "solution": "clear it"}}}
    talk = {
        "channel": "phone",
        "description": "said hello",
        "ticket": his["ticket"],
        "closed": True,
        "solution": "told",
    }
    made = {
        "staff": "CS002",
        "team": "support",
        "absence": await _made(desk, "/staff/CS002/absences", span),
        "duty": await _made(desk, "/duties", {"staff": "AM002", **span}),
        "suppression": await _made(desk, "/suppressions", {"address": "no@customer.example"}),
        "blocked": await _made(desk, "/blocked-senders", {"sender": "junk@spam.example"}),
        "delivery": str((await all_of(desk.workshop, WebhookDelivery))[0].id),
        "knowledge": await _made(desk, "/knowledge", entry),
        "communication": await _made(desk, "/communications", talk),
        "target": await _made(desk, "/targets", TARGET),
        "improvement": await _made(desk, "/improvements", IMPROVEMENT),
    }
    made["report"] = await _report(desk)
    headers = {"Authorization": f"Bearer {HOOK_TOKEN}", "X-Envelope-To": "support@help.example"}
    answer = await desk.web.post("/hooks/email/raw", content=_MAIL, headers=headers)
    assert answer.status_code == 200
    made["intake"] = (await desk.api("GET", "/intake?state=received")).json()["items"][0]["id"]
    return made


async def _report(desk: Desk) -> str:
    async with desk.workshop.begin() as uow:
        asked = await wish(uow, "weekly")
        sent = await send_report(uow, await asked.made(uow), asked.scope)
        return sent.report.id.hex


async def _made(desk: Desk, path: str, body: Mapping[str, Any]) -> str:
    answer = await desk.api("POST", path, json=body, expect=201)
    shown = answer.json()
    return str(shown.get("id") or shown["number"])


async def _keys(desk: Desk) -> dict[str, str]:
    return {
        scope.value: (
            await desk.api("POST", "/keys", json={"name": scope.value, "scopes": [scope.value]}, expect=201)
        ).json()["key"]
        for scope in Scope
    }
