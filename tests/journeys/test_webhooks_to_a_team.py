"""A ticket's life as a team's own system hears of it: signed, once per fact, without a customer's data."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.conftest import Backend
from tests.fakes_webhooks import LOOPBACK, webhook_server
from tests.house import link_in, open_house

pytestmark = pytest.mark.anyio

LINA = "li.na@customer.example"


async def test_a_teams_own_system_hears_a_tickets_life(backend: Backend) -> None:
    async with webhook_server() as mine, open_house(backend, settings=dict(LOOPBACK)) as house:
        wanted = {"name": "desk", "url": mine.url(), "events": ["*"]}
        made = await house.api("POST", "/webhooks", wanted)
        mine.secrets = [made["secret"]]
        few = await house.api(
            "POST",
            "/webhooks",
            {**wanted, "name": "few", "url": mine.url("/few"), "events": ["ticket.closed"]},
        )
        mine.secrets.append(few["secret"])
        await house.mail(LINA, "付款失败,请打 13800005678 找李娜", subject="结账失败")
        ticket = await house.ticket()
        assert sorted(mine.types()) == ["ticket.assigned", "ticket.opened"], "in no promised order"
        (opened,) = [each.body for each in mine.heard if each.type == "ticket.opened"]
        assert opened["data"]["ticket"]["number"] == ticket.number
        assert opened["data"]["ticket"]["state"] == "in_progress", "as the transaction left it"
        assert opened["version"] == 1
        handler = opened["data"]["ticket"]["handler"]
        for _ in range(2):
            limit = (await house.deadlines(ticket.number))["first_response"].due_at
            await house.pass_time(until=limit)
        assert {"ticket.warned", "ticket.breached"} <= set(mine.types())
        await house.api("POST", f"/tickets/{ticket.number}/answer", {"text": "正在查"}, by=handler)
        await house.pass_time(timedelta(minutes=5))
        assert mine.types().count("ticket.answered") == 1
        result = {"cause": "证书过期", "solution": "已更换"}
        await house.api("POST", f"/tickets/{ticket.number}/resolve", result, by=handler)
        await house.pass_time(timedelta(hours=24))
        invitation = await house.mail_of("csat_invitation", to=LINA)
        await house.tap(link_in(invitation, "s"), {"overall": "2"})
        heard = mine.types()
        assert heard.index("survey.invited") < heard.index("survey.rated")
        assert "followup.opened" in heard
        await house.pass_time(timedelta(days=2))
        every = [each.raw.decode() for each in mine.heard]
        assert not any(word in text for text in every for word in ("li.na", "5678", "李娜", "结账", "证书"))
        assert len({each.ident for each in mine.heard}) == len(mine.heard), "each fact once"
        assert [each.type for each in mine.heard if each.path == "/few"] == heard.count("ticket.closed") * [
            "ticket.closed"
        ]
        assert mine.refused == []
        log = await house.api("GET", "/webhooks/desk/deliveries?limit=100")
        assert {each["state"] for each in log["items"]} == {"delivered"}
