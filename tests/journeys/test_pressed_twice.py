"""A button of the console that is pressed twice makes one thing; a form asked for anew makes another."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

import httpx
import pytest

from tests.conftest import Backend
from tests.small_world import HIS, World, small_world

pytestmark = pytest.mark.anyio

TARGET = {
    "act": "new",
    "title": "Answer complaints sooner",
    "measure": "first_response_mean",
    "start": "60",
    "goal": "30",
    "months": "3",
    "owner": HIS,
}
IMPROVEMENT = {
    "act": "new",
    "theme": "Refunds",
    "measure": "Tell how they go",
    "kind": "script",
    "cause": "process",
    "department": "support",
    "owner": HIS,
    "due_on": "2090-01-01",
    "cycle_days": "14",
}
SPAN = {"starts_at": "2026-06-01 09:00", "ends_at": "2026-06-02 18:00"}


async def _form(web: httpx.AsyncClient, page: str, act: str) -> dict[str, str]:
    """The hidden fields of a page's form, as a browser sends them."""
    shown = await web.get(page)
    assert shown.status_code == 200, shown.text[:500]
    (form,) = re.findall(rf'<form method="post" action="{re.escape(act)}".*?</form>', shown.text, re.DOTALL)
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form))


async def _counted(world: World, what: str) -> int:
    if what.endswith("/log"):
        shown = (await world.desk.api("GET", what.removesuffix("/log"))).json()
        return sum(line["kind"] == "progress" for line in shown["log"])
    return len((await world.desk.api("GET", what)).json()["items"])


def _where(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.headers.get("location", "")


async def _press_twice(
    world: World, web: httpx.AsyncClient, page: str, act: str, fields: Mapping[str, str], what: str
) -> None:
    before = await _counted(world, what)
    form = {**await _form(web, page, act), **fields}
    first, second = await asyncio.gather(web.post(act, data=form), web.post(act, data=form))
    assert _where(first) == _where(second), (first.text[-500:], second.text[-500:])
    assert first.status_code == 303, first.text[-800:]
    assert _where(await web.post(act, data=form)) == _where(first)
    assert await _counted(world, what) == before + 1, what

    anew = {**await _form(web, page, act), **fields}
    assert anew["once"] != form["once"]
    again = await web.post(act, data=anew)
    assert again.status_code == 303
    assert await _counted(world, what) == before + 2, what


async def test_a_button_that_is_pressed_twice_makes_one_thing(backend: Backend) -> None:
    async with small_world(backend) as world:
        common = world.common
        target, improvement = common["target"], common["improvement"]
        web = await world.browser("AM001")
        said = {"act": "progress", "text": "a new script"}
        entry = {"title_en": "The printer is offline", "solution_en": "Install the driver"}
        forms: list[tuple[str, str, Mapping[str, str], str]] = [
            ("/console/targets/new", "/console/targets/new", TARGET, "/targets"),
            ("/console/improvements/new", "/console/improvements/new", IMPROVEMENT, "/improvements"),
            ("/console/knowledge/new", "/console/knowledge/new", entry, "/knowledge"),
            (f"/console/staff/{HIS}", f"/console/staff/{HIS}/absences", SPAN, f"/staff/{HIS}/absences"),
            ("/console/duties", "/console/duties", {**SPAN, "staff": HIS}, "/duties"),
            (
                f"/console/targets/{target}",
                f"/console/targets/{target}/progress",
                said,
                f"/targets/{target}/log",
            ),
            (
                f"/console/improvements/{improvement}",
                f"/console/improvements/{improvement}/progress",
                said,
                f"/improvements/{improvement}/log",
            ),
        ]
        for page, act, fields, what in forms:
            await _press_twice(world, web, page, act, fields, what)
        await web.aclose()

        admin, endpoint = await world.browser("AD001"), common["webhook"].replace("-", "")
        page = f"/console/webhooks/{endpoint}"
        await _press_twice(
            world, admin, page, f"{page}/test", {"act": "test"}, f"/webhooks/{endpoint}/deliveries"
        )
        await admin.aclose()


async def test_who_goes_back_and_changes_a_word_or_is_another_person_makes_another(backend: Backend) -> None:
    async with small_world(backend) as world:
        web, other = await world.browser("AM001"), await world.browser("AD001")
        new = "/console/targets/new"
        form = {**await _form(web, new, new), **TARGET}
        first = await web.post(new, data={**form, "goal": "a lot"})
        assert first.status_code == 422, "what was refused is not taken in"
        before = await _counted(world, "/targets")
        places = {_where(await web.post(new, data=form)), _where(await web.post(new, data=form))}
        assert len(places) == 1
        assert await _counted(world, "/targets") == before + 1
        changed = await web.post(new, data={**form, "title": "Answer all sooner"})
        assert _where(changed) not in places
        hers = {**await _form(other, new, new), **TARGET, "once": form["once"]}
        assert _where(await other.post(new, data=hers)) not in places
        assert await _counted(world, "/targets") == before + 3
        await web.aclose()
        await other.aclose()
