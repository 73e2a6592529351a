"""Tokens of every kind, changed, used up, or of another kind: refused alike, and after the same work.

Time is not measured, which would fail on a slow machine and prove nothing on a fast one. Instead the
statements are compared that a request asks of the database: where these are the same, and no other work
hangs on what they found, an answer's time tells no more than its words. So it is with sign-in (whether an
address is of the staff is found out by an errand, after the answer), /q (likewise), links, sessions and keys
(one look-up by a keyed hash). What is asked by the clock, whoever calls, is left out.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import event, select

from models.access import SignIn, StaffSession
from models.people import Staff
from models.surveys import Survey
from models.tickets import Ticket
from tests.conftest import Backend
from tests.factories import PUBLIC, Desk, all_of, count_rows, make_link
from tests.journeys.test_sign_in import proof
from tests.small_world import COOKIE, World, small_world
from workers.links import status_token

pytestmark = pytest.mark.anyio

Call = tuple[str, str, dict[str, Any]]
"""Method, path, and what else is sent."""
SIGN_IN = "/console/sign-in"
NONE = "a" * 26
"""No token."""
TURNS = ("BEGIN", "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK")
BY_THE_CLOCK = re.compile(r"\b(FROM|INTO|UPDATE) (policy_|audit_)")
"""What is asked when its time has come, whoever calls: the policy in force, a batch of the audit log."""
HOSTS = ("evil.example", "help.example.evil.example", "help.example@evil.example", "[", "[::1", "x y", "")


@pytest.fixture
async def world(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr("workers.vault.MEMORY_SECONDS", 3600.0)  # no key is asked for anew between two calls
    async with small_world(backend) as world:
        yield world


async def links_of_each_kind(desk: Desk) -> dict[str, str]:
    """A living link for each door of the house, by its purpose."""
    ticket = (await all_of(desk.workshop, Ticket))[0]
    survey = (await all_of(desk.workshop, Survey, Survey.ticket_id == ticket.id))[0]
    found = {
        purpose: await make_link(desk.workshop, purpose, survey.id, ticket=ticket)
        for purpose in ("survey", "unsubscribe")
    }
    found["confirm"] = await make_link(desk.workshop, "confirm", ticket.id, ticket=ticket)
    for purpose, subject in (("accept", ticket.id), ("phone_survey", survey.id)):
        found[purpose] = await make_link(desk.workshop, purpose, subject, ticket=ticket, staff="CS001")
    found["sign_in"] = await make_link(desk.workshop, "sign_in", await asked_to_sign_in(desk), staff="AD001")
    async with desk.workshop.read() as uow:
        found["status"] = f"/q/{ticket.number}/{status_token(uow.vault, ticket.id, ticket.customer_id)}"
    return found


async def asked_to_sign_in(desk: Desk) -> Any:
    """AD001 has asked, and the errand has found who that is; the id of the row."""
    async with browser(desk) as web:
        await ask(web, "ad001@help.example")
    async with desk.workshop.begin() as uow:
        row = (await uow.session.scalars(select(SignIn))).one()
        row.staff_id = (await uow.session.scalars(select(Staff.id).where(Staff.number == "AD001"))).one()
        return row.id


def browser(desk: Desk) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=desk.web._transport, base_url=PUBLIC)


async def ask(web: httpx.AsyncClient, address: str) -> httpx.Response:
    form = proof(await web.get(SIGN_IN))
    return await web.post(SIGN_IN, data={"form": form, "email": address})


def changed(token: str) -> Iterator[str]:
    """The token with a character changed here and there, cut, and drawn out."""
    for at in (0, len(token) // 2, len(token) - 1):
        yield token[:at] + ("b" if token[at] != "b" else "c") + token[at + 1 :]
    yield from (token[:-1], token[1:], token + "a", token[::-1], token + "%0d%0aX-Evil:1", token + "%00")


async def test_a_changed_token_and_one_of_another_kind_are_unknown_links(world: World) -> None:
    desk = world.desk
    made = await links_of_each_kind(desk)
    async with browser(desk) as web:
        for purpose, path in made.items():
            known = 410 if purpose == "phone_survey" else 200  # it was answered by mail
            assert (await web.get(path)).status_code == known, purpose
        before = await count_rows(desk.workshop)
        for purpose, path in made.items():
            door, _, token = path.rpartition("/")
            unknown = (await web.get(f"{door}/{NONE}", headers={"X-N": "1"})).text.replace(NONE, "")
            others = [each.rpartition("/")[2] for name, each in made.items() if name != purpose]
            for wrong in (*changed(token), *others):
                for method in ("GET",) if purpose in ("status", "sign_in") else ("GET", "POST"):
                    form = {"overall": "1"} if method == "POST" else None
                    answer = await web.request(method, f"{door}/{wrong}", data=form)
                    assert answer.status_code == 404, (purpose, method, wrong)
                    assert "x-evil" not in answer.headers
                    if method == "GET" and "%" not in wrong:
                        assert answer.text.replace(wrong, "") == unknown, (purpose, wrong)
        assert await count_rows(desk.workshop) == before


async def test_a_link_is_over_after_its_use_and_after_its_time(world: World) -> None:
    desk = world.desk
    made = await links_of_each_kind(desk)
    async with browser(desk) as web, browser(desk) as thief:
        form = proof(await web.get(made["sign_in"]))
        stolen = await thief.post(made["sign_in"], data={"form": form})
        assert stolen.status_code == 403, "a form's proof is of one browser"
        assert (await web.post(made["sign_in"], data={"form": form})).status_code == 303
        again = proof(await thief.get(SIGN_IN))
        used = await thief.post(made["sign_in"], data={"form": again})
        assert used.status_code == (await thief.get(made["sign_in"])).status_code == 410
        other = await make_link(
            desk.workshop, "sign_in", (await all_of(desk.workshop, SignIn))[0].id, hours=1
        )
        desk.clock.advance(timedelta(hours=80))
        late = await thief.post(other, data={"form": again})
        assert (late.status_code, late.text) == (410, used.text), "used or late: the same words"
        assert COOKIE not in thief.cookies
        for purpose in ("accept", "confirm"):
            assert (await web.post(made[purpose], data={"answer": "confirmed"})).status_code == 410, purpose


async def test_a_session_and_its_forms_are_of_one_browser_and_end(world: World) -> None:
    his, hers = await world.browser("AD001"), await world.browser("AM001")
    async with his, hers, world.unknown_browser() as nobody:
        token = str(his.cookies[COOKIE])
        for wrong in (*changed(token), "", token + token):
            header = {"Cookie": f"{COOKIE}={wrong}"}
            answer = await nobody.get("/console/access", headers=header)
            assert (answer.status_code, answer.text) == (303, ""), wrong
        form = proof(await his.get("/console/sessions"))
        foreign = proof(await hers.get("/console/sessions"))
        for wrong in (*changed(form), foreign, "", form.upper() + "0"):
            answer = await his.post("/console/sign-out", data={"form": wrong})
            assert answer.status_code == 403, wrong
        for site in ("cross-site", "same-site"):
            headers = {"Sec-Fetch-Site": site}
            assert (
                await his.post("/console/sign-out", data={"form": form}, headers=headers)
            ).status_code == 403
        for host in HOSTS:
            answer = await his.get("/console", headers={"Host": host, "X-Forwarded-Host": "help.example"})
            assert answer.status_code in (400, 403), host
            for path in ("/q", "/p", "/s/x", "/t/x", "/healthz", "/api/v1/tickets", "/hooks/sms/twilio"):
                for method in ("GET", "POST"):
                    answer = await nobody.request(method, path, headers={"Host": host})
                    assert answer.status_code < 500, (method, path, host)
                    assert "evil.example" not in answer.text, (method, path, host)
        headers = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http", "Forwarded": "host=evil"}
        headers |= {"Accept-Language": "en\x1b[31m, <xss>, ../../etc/passwd", "X-Original-URL": "/metrics"}
        page = await his.get("/console/sessions", headers=headers)
        assert (page.status_code, "evil" in page.text, "<xss" in page.text) == (200, False, False)
        assert (await his.post("/console/sign-out", data={"form": form})).status_code == 303
        late = await nobody.get("/console", headers={"Cookie": f"{COOKIE}={token}"})
        assert late.status_code == 303, "the token of an ended session opens nothing"
        assert late.headers["location"] == SIGN_IN


@contextmanager
def asked_of(desk: Desk) -> Iterator[list[str]]:
    """The statements that are asked of the database meanwhile."""
    asked: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        if statement not in TURNS and not BY_THE_CLOCK.search(statement):
            asked.append(statement)

    engine = desk.workshop.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def work_of(world: World, *calls: Call) -> list[tuple[str, ...]]:
    """What each call asks of the database, and how it is answered."""
    done = []
    async with browser(world.desk) as web:
        for method, path, given in calls:
            with asked_of(world.desk) as asked:
                answer = await web.request(method, path, **given)
            told = answer.headers.get("location", "")
            done.append((str(answer.status_code), told, *asked))
    return done


async def test_what_exists_costs_the_same_work_as_what_does_not(world: World) -> None:
    desk, number = world.desk, world.his["ticket"]
    made = await links_of_each_kind(desk)
    async with browser(desk) as web:
        form = proof(await web.get(SIGN_IN))
        cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in web.cookies.items())}
    await work_of(world, ("GET", "/s/" + NONE, {}))  # what is done once for a connection

    def sign_in(address: str) -> Call:
        return "POST", SIGN_IN, {"data": {"form": form, "email": address}, "headers": cookie}

    def look_up(name: str, contact: str) -> Call:
        return "POST", "/q", {"data": {"number": name, "contact": contact}}

    def key(words: str) -> Call:
        return "GET", "/api/v1/tickets", {"headers": {"Authorization": f"Bearer {words}"}}

    def session(token: str) -> Call:
        return "GET", "/console", {"headers": {"Cookie": f"{COOKIE}={token}"}}

    await desk.api("DELETE", "/keys/read")
    over = await world.browser("AM001")
    ended = str(over.cookies[COOKIE])
    await over.aclose()
    async with desk.workshop.begin() as uow:
        for row in await uow.session.scalars(select(StaffSession)):
            row.ended_at = uow.clock.now()
    elsewhere = made["survey"].rpartition("/")[2]
    cases: dict[str, list[Call]] = {
        "sign-in": [sign_in("am001@help.example"), sign_in("nobody@help.example")],
        "lookup": [
            look_up(number, "li.na@customer.example"),
            look_up(number, "wang.wu@customer.example"),
            look_up("CS999999999999", "li.na@customer.example"),
            look_up("no number", "nobody@customer.example"),
        ],
        "status": [("GET", f"/q/{number}/{NONE}", {}), ("GET", f"/q/CS999999999999/{NONE}", {})],
        "keys": [key(world.keys["read"]), key("clk_" + "a" * 52)],
        "sessions": [session(ended), session(NONE)],
        **{
            door: [("GET", f"/{door}/{elsewhere}", {}), ("GET", f"/{door}/{NONE}", {})]
            for door in ("t", "c", "u", "a", "console/sign-in")
        },
        "s": [("GET", "/s/" + made["confirm"].rpartition("/")[2], {}), ("GET", f"/s/{NONE}", {})],
    }
    for what, calls in cases.items():
        done = await work_of(world, *calls)
        assert len(done[0]) > 2, f"{what} asks nothing of the database: {done[0]}"
        for each in done[1:]:
            assert each == done[0], what
