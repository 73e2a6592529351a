"""A code to type, for customers whose SMS may hold no address: found in any spelling, and not by trying."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from models.links import Link
from models.surveys import Survey
from tests.factories import PUBLIC, Desk, all_of, count_rows, make_survey, make_ticket
from workers import escalations, links

pytestmark = pytest.mark.anyio


async def _code(desk: Desk) -> str:
    ticket = await make_ticket(desk.workshop)
    survey = await make_survey(desk.workshop, desk.clock, ticket)
    link = escalations.link("survey", survey.id, hours=240, single_use=False)
    wanted: Mapping[str, Any] = {**link, "typed": True}
    holder = links.Holder(ticket.id, None, ticket.customer_id)
    async with desk.workshop.begin() as uow:
        code, row = links.mint(uow.vault, PUBLIC, uow.clock.now(), wanted, holder)
        uow.session.add(row)
    return code


async def test_a_code_in_any_spelling_leads_to_its_survey(desk: Desk) -> None:
    code = await _code(desk)
    before = await count_rows(desk.workshop)
    page = await desk.web.get("/p", headers={"Accept-Language": "zh-CN"})
    assert (page.status_code, "输入短信中的代码" in page.text) == (200, True)
    for typed in (code, code.lower(), code.replace("-", ""), f" {code[:3]} {code[3:]} "):
        there = await desk.web.post("/p?lang=en", data={"code": typed})
        assert there.status_code == 303
        assert there.headers["location"] == f"/s/{code.replace('-', '').lower()}?lang=en"
    assert await count_rows(desk.workshop) == before, "typing a code is no answer"
    path = there.headers["location"]
    assert (await desk.web.post(path, data={"overall": "5"})).status_code == 200
    (survey,) = await all_of(desk.workshop, Survey)
    assert survey.state == "answered"


async def test_what_is_no_code_is_told_and_trying_comes_to_an_end(desk: Desk) -> None:
    code = await _code(desk)
    for typed in ("", "short", "<b>7KQ4M2XPWN", "0123456789", "https://help.example/s/x"):
        answer = await desk.web.post("/p?lang=en", data={"code": typed})
        assert (answer.status_code, "ten letters and digits" in answer.text) == (422, True)
        assert "<b>" not in answer.text
    answer = await desk.web.post("/p?lang=en", data={"code": "ABCDEFGHJK"})
    assert (answer.status_code, "This code is unknown" in answer.text) == (422, True)
    for _ in range(14):
        await desk.web.post("/p", data={"code": "ABCDEFGHJK"})
    blocked = await desk.web.post("/p?lang=en", data={"code": code})
    assert (blocked.status_code, "try again in some minutes" in blocked.text) == (429, True)


async def test_a_copy_of_the_table_does_not_give_codes_away(desk: Desk) -> None:
    code = (await _code(desk)).replace("-", "").lower()
    kept = {link.token_hash for link in await all_of(desk.workshop, Link)}
    async with desk.workshop.read() as uow:
        assert uow.vault.token_hash(code) not in kept
        assert uow.vault.lookup("link_code", code) in kept
