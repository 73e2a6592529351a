"""Questions and results by the team's app, and the next way where one has failed: told as stories."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from models.vocabulary import Medium, NotificationState
from tests.bounces import bounce_of
from tests.callers import CAROL
from tests.conftest import Backend
from tests.fakes_smtp import refuse
from tests.fakes_webhooks import LOOPBACK, FakeEndpoint, webhook_server
from tests.house import SUPPORT, House, open_house
from tests.journeys.test_sign_in import browser, signed_in
from workers.policy import Policy, load_policy, parse_policy

pytestmark = pytest.mark.anyio

LINA = "li.na@customer.example"
PHONE = "+8613800005678"
RULES = """
[[survey.ask]]
customer_level = "vip"
ways = ["push", "email", "sms", "phone"]
"""


def policy() -> Policy:
    return parse_policy(f"{load_policy('support-response').version_text}\n{RULES}")


async def opened(house: House, app: FakeEndpoint, **customer: Any) -> str:
    """Li Na, whom the app knows, has a request that Alice or Bob has answered; gives its number."""
    endpoint = {"name": "app", "url": app.url("/app"), "events": [], "push": True}
    app.secrets = [(await house.api("POST", "/webhooks", endpoint))["secret"]]
    contact = {"email": LINA, "phone": PHONE, "name": "李娜"}
    body = {
        "contact": contact,
        "subject": "请求",
        "description": "说明",
        "priority": "medium",
        "category": "after_sales_technical",
    }
    made = await house.api("POST", "/tickets", body)
    code = made["customer"]["code"]
    kept = await house.api("PUT", f"/customers/{code}/app-account", {"account": "openid-7"})
    assert kept == {"code": code, "has_account": True, "can_push": True}
    await house.api("PATCH", f"/customers/{code}", customer, by="SV001")
    answer = {"channel": "phone"}
    await house.api("POST", f"/tickets/{made['number']}/first-response", answer, by=made["handler"])
    return str(made["number"])


async def resolve(house: House, number: str) -> None:
    handler = (await house.api("GET", f"/tickets/{number}"))["handler"]
    result = {"cause": "缺纸", "solution": "已补纸"}
    await house.api("POST", f"/tickets/{number}/resolve", result, by=handler)


async def invitations(house: House) -> list[tuple[Medium, NotificationState]]:
    return [(row.channel, row.state) for row in await house.notifications("csat_invitation")]


async def ways_that_failed(house: House, number: str) -> list[dict[str, Any]]:
    return [entry.facts for entry in await house.log(number) if entry.kind == "survey_way_failed"]


async def test_whoever_prefers_the_app_hears_the_result_and_rates_there(backend: Backend) -> None:
    async with webhook_server() as app, open_house(backend, settings=dict(LOOPBACK)) as house:
        number = await opened(house, app, preferred_channel="push")
        await resolve(house, number)
        result = next(each for each in app.heard if each.body["data"]["message"] == "result_feedback")
        assert "已补纸" in result.body["data"]["text"]
        assert result.body["data"]["to"] == "openid-7"
        assert result.body["data"]["links"].keys() >= {"confirm", "not_resolved"}
        assert (await house.ticket(number)).feedback_at is not None
        await house.pass_time(timedelta(hours=24))
        asked = app.heard[-1].body
        assert (asked["type"], asked["data"]["message"]) == ("message.push", "csat_invitation")
        assert asked["data"]["links"]["survey"] in asked["data"]["text"]
        assert "回复数字" not in asked["data"]["text"], "an app has no reply"
        await house.tap(asked["data"]["links"]["survey"], {"overall": "5"})
        assert (await house.ticket(number)).rated_at is not None
        assert await invitations(house) == [(Medium.PUSH, NotificationState.SENT)]
        assert house.mails_to(LINA, "满意") == []


async def test_each_way_that_fails_hands_on_to_the_next_one_once(backend: Backend) -> None:
    settings = dict(LOOPBACK)
    async with webhook_server() as app, open_house(backend, settings=settings, policy=policy()) as house:
        number = await opened(house, app, level="vip")
        await resolve(house, number)
        app.answers["openid-7"] = [400]
        house.relay.script.on("rcpt", refuse("550 5.1.1 unknown"), recipient=LINA)
        house.sms_provider.fail(400, 21211, "not valid", to=PHONE)
        await house.pass_time(timedelta(hours=24))
        assert await invitations(house) == [
            (Medium.PUSH, NotificationState.FAILED),
            (Medium.EMAIL, NotificationState.FAILED),
            (Medium.SMS, NotificationState.FAILED),
        ]
        assert [
            (each["from"], each["to"], each["reason"]) for each in await ways_that_failed(house, number)
        ] == [
            ("push", "email", "content_rejected"),
            ("email", "sms", "unknown_recipient"),
            ("sms", "phone", "invalid_recipient"),
        ]
        assert (await house.log_kinds(number)).count("survey_task") == 1, "in the end a person asks"
        async with browser(house) as web:
            await signed_in(house, web, CAROL)
            log = await web.get(f"/console/tickets/{number}", params={"lang": "zh_CN"})
            assert "<strong>改用其他方式邀请评价</strong> 短信 → 电话" in log.text
        shown = (await house.api("GET", "/surveys"))["items"][0]
        assert (shown["channel"], shown["state"]) == ("phone", "invited")
        await house.pass_time(timedelta(days=5))
        assert len(await invitations(house)) == 3
        assert (await house.log_kinds(number)).count("survey_task") == 1


async def test_a_mail_that_comes_back_is_followed_by_an_sms(backend: Backend) -> None:
    settings = dict(LOOPBACK)
    async with webhook_server() as app, open_house(backend, settings=settings, policy=policy()) as house:
        number = await opened(house, app, level="vip")
        (endpoint,) = (await house.api("GET", "/webhooks"))["items"]
        await house.api("DELETE", f"/webhooks/{endpoint['id']}")
        await resolve(house, number)
        await house.pass_time(timedelta(hours=24))
        mail = await house.mail_of("csat_invitation", to=LINA)
        for _ in range(2):
            await house.post_mail(bounce_of(mail.message_id, LINA), sender="", to=SUPPORT)
            await house.settle()
        assert [medium for medium, _ in await invitations(house)] == [Medium.EMAIL, Medium.SMS]
        (told,) = await ways_that_failed(house, number)
        assert (told["from"], told["to"]) == ("email", "sms")
        assert (await invitations(house))[1][1] is NotificationState.SENT, "no cap holds the same question"
        (first, _) = await house.notifications("csat_invitation")
        await house.api("POST", f"/notifications/{first.id}/retry", {}, by="SV001")
        await house.settle()
        assert len(await ways_that_failed(house, number)) == 1, "a way given up fails, and counts no more"
        shown = (await house.api("GET", "/surveys"))["items"][0]
        assert (shown["channel"], shown["state"]) == ("sms", "invited")
        assert "survey_task" not in await house.log_kinds(number)
