"""Who signs a message: the company as it was set up, else the team as the policy calls it; never its code."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.conftest import Backend
from tests.factories import make_desk, make_ticket
from workers.notifications.facts import house_facts, staff_ticket_facts, ticket_facts

pytestmark = pytest.mark.anyio


async def test_customers_read_the_companys_name_and_staff_the_teams(backend: Backend) -> None:
    async with make_desk(backend) as desk:
        ticket = await make_ticket(desk.workshop, email="li.na@customer.example")
        async with desk.workshop.read() as uow:
            title = uow.policy.teams[uow.policy.default_team]
            without = replace(uow.settings, mail_from_name="")
            uow.settings = replace(without, locale="zh_CN")
            assert (await ticket_facts(uow, ticket))["team"]["name"] == title.for_locale(ticket.locale)
            assert (await staff_ticket_facts(uow, ticket))["team"]["name"] == title.zh
            assert house_facts(uow, "en")["team"]["name"] == title.en
            uow.settings = replace(without, locale="en", mail_from_name="示例科技")
            assert (await ticket_facts(uow, ticket))["team"]["name"] == "示例科技"
            assert house_facts(uow, "zh_CN")["team"]["name"] == "示例科技"
            assert (await staff_ticket_facts(uow, ticket))["team"]["name"] == title.en
