"""A story of communication records in the console: made once, seen by whom they concern, imported."""

from __future__ import annotations

import html
import re

import httpx
import pytest

from tests.conftest import Backend
from tests.house import House, open_house
from tests.journeys.test_console_tickets import CAROL, two_tickets
from tests.journeys.test_sign_in import browser, signed_in
from workers import communications

pytestmark = pytest.mark.anyio

TALKS = "/console/communications"
TABLE = """沟通时间,沟通渠道,客户ID,沟通内容,处理人,状态,解决方案
2026-03-01 09:00,电话,{code},问价格,CS001,关闭,已答复
2026-03-01,信鸽,{code},x,CS001,关闭,y"""


def hidden(page: httpx.Response, action: str) -> dict[str, str]:
    """What a page's form to `action` carries besides its own fields."""
    found = re.search(rf'action="[^"]*{action}".*?</form>', page.text, re.S)
    assert found, action
    return {str(k): str(v) for k, v in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', found[0])}


async def others(house: House, handler: str) -> str:
    """The address of the agent who is not this one."""
    return "bob@help.example" if handler.startswith("alice") else "alice@help.example"


async def test_a_record_is_made_once_and_seen_by_whom_it_concerns(backend: Backend) -> None:
    async with (
        open_house(backend) as house,
        browser(house) as agent,
        browser(house) as other,
        browser(house) as lead,
    ):
        number, handler, foreign = await two_tickets(house)
        await signed_in(house, agent, handler)
        await signed_in(house, other, await others(house, handler))
        await signed_in(house, lead, CAROL)

        page = await agent.get(f"{TALKS}/new?ticket={number}")
        assert f'value="{number}"' in page.text
        fields = {**hidden(page, "/new"), "channel": "phone", "description": "Rang: call 13800138000 back"}
        back = await agent.post(f"{TALKS}/new", data={**fields, "ticket": number, "next_action": ""})
        assert back.status_code == 422
        assert 'id="next_action-error"' in back.text
        assert "call 13800138000 back" in back.text, "what was typed stays"
        fields |= {"next_action": "within 24 hours", "reached": "1"}
        assert (await agent.post(f"{TALKS}/new", data={**fields, "ticket": foreign})).status_code == 409
        made = [await agent.post(f"{TALKS}/new", data={**fields, "ticket": number}) for _ in range(2)]
        assert [each.status_code for each in made] == [303, 303]
        assert made[0].headers["location"] == made[1].headers["location"], "sent twice, made once"
        path = made[0].headers["location"].partition("?")[0]
        record = path.rpartition("/")[2]
        assert (await house.ticket(number)).first_response_at is not None

        shown = await agent.get(path)
        assert "138****8000" in shown.text
        assert record in (await agent.get(f"/console/tickets/{number}")).text
        assert record in (await agent.get(f"{TALKS}?channel=phone&ticket={number}")).text
        assert record not in (await other.get(TALKS)).text
        assert (await other.get(path)).status_code == 404
        assert record not in (await other.get(f"{TALKS}/export")).text
        stolen = {**hidden(await other.get(f"{TALKS}/new"), "/new"), "version": "1", "solution": "x"}
        assert (await other.post(f"{path}/close", data=stolen)).status_code == 404

        await _put_right(house, agent, path)
        shown = await agent.get(path)
        name = "CS002" if (await others(house, handler)).startswith("bob") else "CS001"
        share = {**hidden(shown, "/share"), "staff": name}
        assert (await agent.post(f"{path}/share", data=share)).status_code == 303
        assert (await other.get(path)).status_code == 200, "shared with them"
        stale = await agent.post(f"{path}/close", data={**hidden(shown, "/close"), "solution": "sent anew"})
        assert stale.status_code == 409
        assert "sent anew" in stale.text
        anew = {**hidden(stale, "/close"), "solution": "sent anew"}
        assert (await agent.post(f"{path}/close", data=anew)).status_code == 303
        page = await agent.get(path)
        reopened = {**hidden(page, "/reopen"), "next_action": "within 48 hours", "next_at": ""}
        assert (await agent.post(f"{path}/reopen", data=reopened)).status_code == 303

        assert (await agent.get(f"{TALKS}/import")).status_code == 403
        code = (await house.api("GET", f"/tickets/{number}"))["customer"]["code"]
        form = hidden(await lead.get(f"{TALKS}/import"), "/import") | {"rows": TABLE.format(code=code)}
        tried = await lead.post(f"{TALKS}/import", data={**form, "step": "try"})
        assert tried.status_code == 200, tried.text
        assert len(re.findall(r"<tr", tried.text)) == 3
        assert (await lead.get(TALKS)).text.count(f'<a href="{TALKS}/CR') == 1, "nothing is written yet"
        await lead.post(f"{TALKS}/import", data={**form, "step": "import"})
        await lead.post(f"{TALKS}/import", data={**form, "step": "import"})
        assert (await lead.get(TALKS)).text.count(f'<a href="{TALKS}/CR') == 2
        for none in ("a,b\n1,2", "a,b\n" + "x" * 140_000):
            assert (await lead.post(f"{TALKS}/import", data={**form, "rows": none})).status_code == 422
        table = await lead.get(f"{TALKS}/export?format=csv&handler=CS001")
        assert table.headers["content-type"].startswith("text/csv")
        assert "问价格" in table.text
        assert (await lead.get(f"{TALKS}/export?format=xlsx")).content.startswith(b"PK")


def typed(page: httpx.Response) -> dict[str, str]:
    """All that the form to change a record would send if nobody touched it."""
    form = page.text.split('id="act-change"')[1].split("</form>")[0]
    lines = dict(re.findall(r'name="(\w+)" type="[^"]+" value="([^"]*)"', form))
    areas = dict(re.findall(r'<textarea[^>]* name="(\w+)"[^>]*>\n([^<]*)</textarea>', form))
    (channel,) = re.findall(r'<option value="(\w+)" selected', form)
    fields = {**lines, **areas, "channel": channel, **hidden(page, "/change")}
    return {name: html.unescape(text) for name, text in fields.items()}


async def _put_right(house: House, agent: httpx.AsyncClient, path: str) -> None:
    """What was typed over is changed, what is hidden is never lost, and nobody's change undoes another's."""
    first = await agent.get(path)
    as_it_is = typed(first)
    await agent.post(f"{path}/change", data=as_it_is)
    words = {"description": "Rang: call 138****8000 back at noon"}
    for name, wrong in {
        "description": words["description"],
        "happened_at": "soon",
        "handler": "CS999",
        "next_at": "never",
        "next_action": "",
        "channel": "pigeon",
        "summary": "x" * 501,
    }.items():
        back = await agent.post(f"{path}/change", data={**as_it_is, name: wrong})
        assert (back.status_code, f'id="change-{name}-error"' in back.text) == (422, True), name
        assert wrong in back.text or name == "channel", "what was typed stays"
    async with house.workshop.read() as uow:
        row = await communications.record_by_number(uow, path.rpartition("/")[2], None)
        assert (await communications.own_words(uow, row))["description"] == "Rang: call 13800138000 back"
        assert row.version == int(as_it_is["version"]), "nothing was touched, nothing was changed"
    assert (await agent.post(f"{path}/change", data={**as_it_is, "summary": "price"})).status_code == 303
    stale = await agent.post(f"{path}/change", data={**as_it_is, "channel": "email"})
    assert stale.status_code == 409
    anew = typed(stale)
    assert (anew["summary"], anew["channel"]) == ("price", "email"), "theirs is kept, mine is still typed"
    assert (await agent.post(f"{path}/change", data=anew)).status_code == 303
    async with house.workshop.read() as uow:
        row = await communications.record_by_number(uow, path.rpartition("/")[2], None)
        kept = await communications.own_words(uow, row)
    assert (row.channel, kept["summary"]) == ("email", "price")
    assert kept["description"] == "Rang: call 13800138000 back", "nobody touched it"
