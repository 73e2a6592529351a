"""A supervisor downloads a table and takes in a spreadsheet in the browser: tried first, then done, once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from models.tickets import Ticket
from tests.callers import CAROL, new_request
from tests.conftest import Backend
from tests.house import open_house
from tests.journeys.test_sign_in import ALICE, browser, signed_in
from tests.journeys.test_supervisors_day import page, press

pytestmark = pytest.mark.anyio

ROWS = "接收时间\t客户\t问题\n2024/5/20 9:03\t尾号8000\t打不开\n昨天\t尾号8000\t打不开\n"
TAKE = ("tables", "tables/response-tracking/import", 200)


async def test_rows_are_tried_first_and_taken_in_on_the_second_press(backend: Backend) -> None:
    async with open_house(backend) as house, browser(house) as web, browser(house) as agent:
        number = await new_request(house)
        await house.pass_time(timedelta(minutes=5))
        await signed_in(house, web, CAROL)
        shown = await page(web, "tables")
        for name in ("response-tracking", "response-record", "communications", "satisfaction"):
            assert f"/console/tables/{name}/export?format=xlsx" in shown
        tried = await press(web, *TAKE, rows=ROWS)
        assert ("What would be done" in tried.text, "昨天" in tried.text) == (True, True)
        async with house.workshop.read() as uow:
            assert list(await uow.session.scalars(select(Ticket.number))) == [number]
        await press(web, *TAKE, rows=ROWS, really="1")
        await press(web, *TAKE, rows=ROWS, really="1")
        async with house.workshop.read() as uow:
            assert len(list(await uow.session.scalars(select(Ticket.number)))) == 2
        assert "first row lacks" in (await press(web, *TAKE[:2], 422, rows="a\tb\n1\t2\n")).text
        table = await web.get(
            "/console/tables/response-tracking/export?lang=zh_CN&from=2024-05-20&to=2024-05-21"
        )
        lines = table.content.decode("utf-8-sig").splitlines()
        assert (table.status_code, len(lines), "打不开" in lines[1]) == (200, 2, True)
        assert (await web.get("/console/tables/x/export")).status_code == 404
        await signed_in(house, agent, ALICE)
        assert (await agent.get("/console/tables")).status_code == 403
        assert "/console/tables" not in await page(agent, "tickets")
