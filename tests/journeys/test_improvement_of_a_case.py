"""An improvement is opened out of a follow-up's case, with what is known of it filled in (rows A10, D8)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from justhtml import JustHTML
from sqlalchemy import update

from models.surveys import Survey
from tests.conftest import Backend
from tests.small_world import HERS, HIS, World, small_world

pytestmark = pytest.mark.anyio


async def _measured(world: World, **given: Any) -> str:
    """The case has reached its customer and has a measure; gives its id."""
    ident = world.his["followup"]
    await world.desk.api(
        "POST", f"/followups/{ident}/contact", by="AM001", json={"text": "said sorry", "reached": True}
    )
    body = {
        "cause": "tool",
        "term": "long",
        "department": "Operations",
        "measure": "Warn before it ends, ask 13800005678",
        "due_at": (world.desk.clock.now() + timedelta(days=9)).isoformat().replace("+00:00", "Z"),
        **given,
    }
    await world.desk.api("POST", f"/followups/{ident}/measure", by="AM001", json=body)
    return ident.replace("-", "")


def _filled(page: str) -> dict[str, str]:
    """What the fields of the form hold."""
    form = page.partition('action="/console/improvements/new"')[2].partition("</form>")[0]
    held = dict(re.findall(r'<input[^>]*name="(\w+)"[^>]*value="([^"]*)"', form))
    held |= dict(re.findall(r'<textarea[^>]*name="(\w+)"[^>]*>\n?([^<]*)<', form))
    for name, options in re.findall(r'<select[^>]*name="(\w+)"[^>]*>(.*?)</select>', form, re.S):
        chosen = re.search(r'value="([^"]*)" selected', options)
        held[name] = chosen[1] if chosen else ""
    return held


async def test_a_case_leads_to_an_improvement_with_its_facts_filled_in(backend: Backend) -> None:
    async with small_world(backend) as world:
        ident = await _measured(world, owner="AM001")
        lead, agent = await world.browser("AM001"), await world.browser(HIS)
        case, new = f"/console/followups/{ident}", f"/console/improvements/new?followup={ident}"
        page = (await lead.get(f"{case}?lang=en")).text
        assert f'href="{new}"' in page
        assert "Open an improvement out of this case" in page
        assert "improvements/new" not in (await agent.get(case)).text, "agents open none"

        shown = await lead.get(new)
        assert JustHTML(shown.text, collect_errors=True).errors == []
        held = _filled(shown.text)
        day = (world.desk.clock.now() + timedelta(days=9)).date().isoformat()
        assert {name: held[name] for name in ("cause", "department", "owner", "due_on", "figure")} == {
            "cause": "tool",
            "department": "Operations",
            "owner": "AM001",
            "due_on": day,
            "figure": "csat_overall",
        }
        assert held["measure"].startswith("Warn before it ends")
        assert "13800005678" not in shown.text, "masked as everywhere"
        assert held["scope_category"] == (await _survey(world)).category.value
        assert held["followup"] == ident
        assert f'href="{case}"' in shown.text, "it says what it is about"

        assert held["kind"] == "", "what nobody knows yet is to be chosen"
        sent = {**held, "act": "new", "kind": "tool"}
        wrong = await lead.post(new.partition("?")[0], data={**sent, "due_on": "2020-01-01"})
        assert wrong.status_code == 422
        assert _filled(wrong.text)["due_on"] == "2020-01-01", "what was typed stays"
        made = await lead.post(new.partition("?")[0], data=sent)
        assert made.status_code == 303, made.text[-800:]
        number = re.findall(r"IM\d+", made.headers["location"])[0]
        detail = (await world.desk.api("GET", f"/improvements/{number}", by="AM001")).json()
        assert (detail["followup_id"], detail["cause"], detail["figure"]) == (ident, "tool", "csat_overall")
        assert number in (await lead.get(case)).text
        assert number not in (await agent.get(case)).text
        assert (await lead.get("/console/improvements/new?followup=" + "0" * 32)).status_code == 404
        for web in (lead, agent):
            await web.aclose()


async def test_whom_the_score_rates_is_no_owner_and_sees_no_words(backend: Backend) -> None:
    async with small_world(backend) as world:
        ident = await _measured(world, owner=HERS)
        new = f"/console/improvements/new?followup={ident}"
        async with await world.browser("AM001") as lead:
            held = _filled((await lead.get(new)).text)
            assert (held["owner"], held.get("figure", "")) == (HERS, ""), "agents see no scores"
            async with world.desk.workshop.begin() as uow:
                sue = (await _person(uow, "AM001")).id
                await uow.session.execute(update(Survey).values(staff_id=sue))
            held = _filled((await lead.get(new)).text)
            assert held["measure"] == "", "the words may tell of the score"
        async with await world.browser("AM002") as other:
            async with world.desk.workshop.begin() as uow:
                hers = (await _person(uow, HERS)).id
                await uow.session.execute(update(Survey).values(staff_id=hers))
            assert _filled((await other.get(new)).text)["owner"] in (HIS, "AM002")


async def _person(uow: Any, number: str) -> Any:
    from workers.directory import staff_by_number

    return await staff_by_number(uow, number)


async def _survey(world: World) -> Survey:
    async with world.desk.workshop.read() as uow:
        found = await uow.session.get(Survey, (await _case(world, uow)).survey_id)
        assert found is not None
        return found


async def _case(world: World, uow: Any) -> Any:
    from uuid import UUID

    from models.surveys import Followup

    return await uow.session.get(Followup, UUID(world.his["followup"]))
