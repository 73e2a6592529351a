"""Endpoints of other systems on pages: entered, tested, renewed, told what they missed, deleted."""

from __future__ import annotations

import re

import httpx
import pytest
from sqlalchemy import update

from models.webhooks import WebhookDelivery, WebhookEndpoint
from tests.callers import CAROL, LILEI
from tests.conftest import Backend
from tests.fakes_webhooks import LOOPBACK, FakeEndpoint, webhook_server
from tests.house import ADMIN, House, open_house
from tests.journeys.test_sign_in import browser, proof, signed_in
from workers.posting import verdicts

pytestmark = pytest.mark.anyio

PAGES = "/console/webhooks"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]+")


async def press(web: httpx.AsyncClient, where: str, act: str, **fields: str) -> httpx.Response:
    """Send one form of a page: its hidden fields as they stand there, and what was typed."""
    page = await web.get(where)
    found = re.search(
        rf'id="act-{act}"(?: open)?>.*?<form method="post" action="([^"]+)".*?</form>', page.text, re.S
    )
    assert found, f"no form to {act} on {where}"
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', found[0]))
    return await web.post(found[1], data={**hidden, **fields})


async def entered(web: httpx.AsyncClient, mine: FakeEndpoint, name: str = "desk") -> str:
    """An endpoint that hears of openings; gives the address of its page."""
    fields = {"name": name, "url": mine.url(), "event_ticket.opened": "1", "team": ""}
    answer = await press(web, PAGES, "add", **fields)
    assert answer.status_code == 200, answer.text
    mine.secrets = SECRET.findall(answer.text)
    assert len(mine.secrets) == 1
    assert "no-store" in answer.headers["cache-control"]
    listed = (await web.get(PAGES)).text
    assert not SECRET.search(listed)
    found = re.search(rf'href="({PAGES}/[0-9a-f]{{32}})">{name}<', listed)
    assert found
    return found[1]


async def _log(web: httpx.AsyncClient, page: str) -> list[str]:
    return re.findall(rf'href="({page}/deliveries/[0-9a-f]{{32}})"', (await web.get(page)).text)


async def test_an_endpoint_is_entered_tested_renewed_told_what_it_missed_and_deleted(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "PAUSES", (3600, 3600))  # no try comes while it is looked at
    async with (
        webhook_server() as mine,
        open_house(backend, settings=dict(LOOPBACK)) as house,
        browser(house) as web,
    ):
        await signed_in(house, web, ADMIN)
        page = await entered(web, mine)
        await _tested(house, web, mine, page)
        await house.mail(LILEI, "One", subject="One")
        assert mine.types() == ["test", "ticket.opened"]

        assert (await press(web, page, "off")).status_code == 303
        await house.mail("han@163.example", "Two", subject="Two")
        assert (await press(web, page, "on")).status_code == 303
        assert mine.types() == ["test", "ticket.opened"]
        span = {"since": "2026-03-02T09:00", "until": "2026-03-02T23:00"}
        wrong = await press(web, page, "again", **{**span, "since": "soon"})
        assert wrong.status_code == 422
        assert (await press(web, page, "again", **span)).status_code == 303
        await house.settle()
        assert mine.types() == ["test", "ticket.opened", "ticket.opened"], "the one it missed, and no other"

        renewed = await press(web, page, "secret", keep="0")
        (new,) = SECRET.findall(renewed.text)
        assert new not in mine.secrets
        mine.secrets = [new]
        await press(web, page, "test")
        await house.settle()
        assert (mine.types()[-1], mine.refused) == ("test", [])

        change = {"name": "desk 2", "url": mine.url("/other"), "event_ticket.closed": "1", "team": "support"}
        assert (await press(web, page, "change", **change)).status_code == 303
        (shown,) = (await house.api("GET", "/webhooks"))["items"]
        assert (shown["name"], shown["events"], shown["team"]) == ("desk 2", ["ticket.closed"], "support")
        assert (
            (await press(web, page, "delete")).headers["location"].startswith(f"{PAGES}?done=webhook_delete.")
        )
        assert (await house.api("GET", "/webhooks"))["items"] == []
        assert (await web.get(page)).status_code == 404
        for lang, said in (("en", "Enter an endpoint"), ("zh_CN", "新增端点")):
            assert said in (await web.get(f"{PAGES}?lang={lang}")).text


async def _tested(house: House, web: httpx.AsyncClient, mine: FakeEndpoint, page: str) -> None:
    """A test that fails is tried again and arrives; its own page tells of both tries."""
    mine.answers[""] = [503]
    await press(web, page, "test")
    await house.settle()
    (delivery,) = await _log(web, page)
    assert "tried again later" in (await web.get(f"{page}?lang=en")).text
    async with house.workshop.begin() as uow:  # as if the pause were over, of this try and of the endpoint
        await uow.session.execute(update(WebhookDelivery).values(free_at=None))
        await uow.session.execute(update(WebhookEndpoint).values(resting_until=None))
    await house.settle()
    assert len(mine.heard) == 2
    mine.heard.pop()
    shown = (await web.get(f"{delivery}?lang=en")).text
    assert shown.count('<tr role="row">') == 3, "a head and two tries"
    assert "its server failed" in shown
    assert "503" in shown
    for reason, said in (("gave_up_server_error", "given up: its server failed"), (None, "delivered")):
        async with house.workshop.begin() as uow:  # as if no try were left, and back again
            await uow.session.execute(update(WebhookDelivery).values(reason=reason))
        assert said in (await web.get(f"{delivery}?lang=en")).text.lower()


async def test_what_must_not_be_called_or_was_changed_meanwhile_is_refused_with_what_was_typed(
    backend: Backend,
) -> None:
    async with webhook_server() as mine, open_house(backend) as house, browser(house) as web:
        await signed_in(house, web, ADMIN)
        for wrong in (
            {"url": mine.url()},
            {"url": "https://10.0.0.8/hook"},
            {"name": "a/b"},
            {"team": "nobody"},
        ):
            fields = {
                "name": "typed",
                "url": "https://hooks.example.com/x",
                "event_ticket.opened": "1",
                **wrong,
            }
            answer = await press(web, PAGES, "add", **fields)
            assert answer.status_code == 422, wrong
            assert 'role="alert"' in answer.text
            assert f'value="{fields["url"]}"' in answer.text, "what was typed is still there"
        assert (
            await press(web, PAGES, "add", name="x", url="https://hooks.example.com/x")
        ).status_code == 422
        assert (await house.api("GET", "/webhooks"))["items"] == []

        fields = {"name": "far", "url": "https://hooks.example.com/x", "event_ticket.opened": "1"}
        assert (await press(web, PAGES, "add", **fields)).status_code == 200
        (shown,) = (await house.api("GET", "/webhooks"))["items"]
        page = f"{PAGES}/{shown['id'].replace('-', '')}"
        form = {"form": proof(await web.get(page)), "version": str(shown["version"])}
        for what in ("change", "delete", "off", "secret"):
            await house.api("PATCH", "/webhooks/far", {"push": what in ("change", "off")})
            answer = await web.post(f"{page}/{what}", data={**form, **fields, "keep": "0"})
            assert answer.status_code == 409, what
        assert (await web.post(f"{page}/explode", data=form)).status_code == 404
        assert (await web.post(f"{page}/delete", data={"version": "1"})).status_code == 403, "no proof"
        assert len((await house.api("GET", "/webhooks"))["items"]) == 1


async def test_only_administrators_come_near_and_what_they_did_is_in_the_audit_log(backend: Backend) -> None:
    async with (
        webhook_server() as mine,
        open_house(backend, settings=dict(LOOPBACK)) as house,
        browser(house) as lead,
        browser(house) as web,
    ):
        await signed_in(house, web, ADMIN)
        page = await entered(web, mine)
        await signed_in(house, lead, CAROL)
        shown = await lead.get("/console/attention")
        assert shown.status_code == 200, (shown.status_code, shown.headers)
        form = {"form": proof(shown), "name": "x", "version": "1"}
        assert (await lead.get(PAGES)).status_code == 403
        assert (await lead.get(page)).status_code == 403
        for where in (PAGES, f"{page}/delete", f"{page}/secret"):
            assert (await lead.post(where, data=form)).status_code == 403
        assert "/console/webhooks" not in (await lead.get("/console")).text
        noted = await house.api("GET", "/audit?kind=change")
        actions = [each["action"] for each in noted["items"]]
        assert f"POST {PAGES}" in actions
