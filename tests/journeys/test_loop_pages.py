"""Targets, improvements and weak links on the pages of the console, and on the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from tests.command_line import CommandLine
from tests.conftest import Backend
from tests.small_world import HIS, IMPROVEMENT, small_world
from workers.aims import measure_name

pytestmark = pytest.mark.anyio


async def _press(web: httpx.AsyncClient, page: str, act: str, fields: Mapping[str, str]) -> httpx.Response:
    """Fill in a form of a page as it stands, and send it."""
    shown = await web.get(page)
    assert shown.status_code == 200, shown.text[:500]
    proof = re.findall(r'name="form" value="([0-9a-f]+)"', shown.text)[0]
    version = dict(re.findall(r'name="(version)" value="(\d+)"', shown.text))
    return await web.post(act, data={"form": proof, **version, **fields})


async def test_a_supervisor_sets_and_judges_on_pages_what_its_owner_reports(backend: Backend) -> None:
    async with small_world(backend) as world:
        lead, agent = await world.browser("AM001"), await world.browser(HIS)
        new = "/console/targets/new"
        aim = {
            "act": "new",
            "title": "Answer complaints sooner",
            "measure": "first_response_mean",
            "goal": "30",
            "months": "3",
            "owner": HIS,
            "scope_category": "complaint",
        }
        few = await _press(lead, new, new, aim)
        assert few.status_code == 422
        assert "案例太少" in few.text
        assert "Answer complaints sooner" in few.text, "what was typed is still there"
        made = await _press(lead, new, new, {**aim, "start": "60"})
        assert made.status_code == 303, made.text[-800:]
        number = re.findall(r"TG\d+", made.headers["location"])[0]
        page = f"/console/targets/{number}"
        shown = (await lead.get(f"{page}?lang=en")).text
        figure = measure_name("first_response_mean", "en")
        for words in ("1 h", "30 min", "Too few cases", "(0 cases)", "Complaint or suggestion", figure):
            assert words in shown, words
        await lead.get(f"{page}?lang=zh_CN")
        assert number in (await agent.get("/console/targets")).text
        told = await _press(agent, page, f"{page}/progress", {"act": "progress", "text": "new script"})
        assert told.status_code == 303
        assert "new script" in (await lead.get(page)).text
        hers = await world.browser("CS002")
        assert (await hers.get(page)).status_code == 404
        assert "TG" not in (await hers.get("/console/targets")).text
        assert (await hers.get(new)).status_code == 403
        change = {"act": "change", "goal": "20", "last_day": "2026-07-01", "owner": "CS002"}
        assert (await _press(lead, page, f"{page}/change", change)).status_code == 303
        stale = await _press(lead, page, f"{page}/change", {**change, "version": "1"})
        assert stale.status_code == 409
        detail = (await world.desk.api("GET", f"/targets/{number}")).json()
        assert (detail["goal_value"], detail["last_day"], detail["owner"]) == (1200, "2026-07-01", "CS002")
        assert "20分" in (await hers.get(page)).text
        out = {"act": "withdraw", "text": "no longer wanted"}
        assert (await _press(lead, page, f"{page}/withdraw", out)).status_code == 303
        assert (await world.desk.api("GET", f"/targets/{number}")).json()["state"] == "withdrawn"

        ticket = world.his["ticket"]
        assert (
            f"/console/improvements/new?ticket={ticket}"
            in (await lead.get(f"/console/tickets/{ticket}")).text
        )
        assert "improvements/new" not in (await agent.get(f"/console/tickets/{ticket}")).text
        new = f"/console/improvements/new?ticket={ticket}"
        plan = {
            "act": "new",
            "ticket": ticket,
            "measure": "Tell how it goes, call 13800005678",
            "kind": "script",
            "cause": "process",
            "department": "support",
            "owner": HIS,
            "due_on": "2026-03-20",
            "cycle_days": "14",
            "figure": "first_response_mean",
        }
        assert (await _press(lead, new, new, {**plan, "due_on": "2020-01-01"})).status_code == 422
        made = await _press(lead, new, new, plan)
        assert made.status_code == 303, made.text[-800:]
        number = re.findall(r"IM\d+", made.headers["location"])[0]
        page = f"/console/improvements/{number}"
        for web in (lead, agent):
            on_ticket = (await web.get(f"/console/tickets/{ticket}")).text
            assert number in on_ticket
            assert "13800005678" not in on_ticket
        assert (await _press(agent, page, f"{page}/carried-out", {"act": "carried-out"})).status_code == 303
        own = await _press(agent, page, f"{page}/evaluate", {"act": "evaluate", "met": "1", "version": "2"})
        assert own.status_code == 422
        open_still = await _press(lead, page, f"{page}/evaluate", {"act": "evaluate", "met": ""})
        assert open_still.status_code == 422, "nothing is taken for 未达标 that nobody has chosen"
        no = {"act": "evaluate", "met": "0", "text": "not yet"}
        assert (await _press(lead, page, f"{page}/evaluate", no)).status_code == 303
        review = {**plan, "act": "review", "report": "nobody used it", "kind": "training"}
        assert (await _press(agent, page, f"{page}/review", review)).status_code == 303
        shown = (await lead.get(f"{page}?lang=en")).text
        for words in ("nobody used it", "To verify", "Training", "Before and after", "Judged from 20 cases"):
            assert words in shown, words
        assert "Tell how it goes" in (await lead.get("/console/improvements?state=to_verify")).text

        case = {key: value for key, value in IMPROVEMENT.items() if key != "theme"}
        about = {**case, "followup": world.his["followup"]}
        number = (await world.desk.api("POST", "/improvements", json=about, expect=201)).json()["number"]
        found = (await world.desk.api("GET", f"/improvements?followup={world.his['followup']}")).json()
        assert [each["number"] for each in found["items"]] == [number]
        of_case = (await lead.get(f"/console/improvements/{number}")).text
        assert world.his["followup"].replace("-", "") in of_case
        seen = (await agent.get(f"/console/tickets/{ticket}")).text
        assert number not in seen, "whoever was rated does not learn of it"

        world.desk.clock.advance(timedelta(minutes=9))
        links = (await lead.get("/console/weak-links?lang=en")).text
        assert "Waiting for confirmation" in links
        assert ticket in links
        assert (await lead.get("/console/weak-links?since=2026-05-01&until=2026-04-01")).status_code == 422
        assert (await agent.get("/console/weak-links")).status_code == 403
        drafted = await _press(lead, "/console/weak-links", "/console/weak-links/draft", {"tickets": ticket})
        assert drafted.status_code == 303
        assert "/console/knowledge/KB" in drafted.headers["location"]
        for web in (lead, agent, hers):
            await web.aclose()


def test_targets_and_weak_links_are_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closeloop = CommandLine(tmp_path / "data", monkeypatch, capsys)
    closeloop("migrate")
    closeloop("staff", "add", "AM001", "Sue", "sue@help.example", "--role", "supervisor")
    assert "no target is set" in closeloop("targets", "list").out
    given = ("--measure", "first_response_mean", "--goal", "1800", "--owner", "AM001", "--by", "AM001")
    few = closeloop("targets", "add", "Sooner", *given)
    assert few.code == 2
    assert "too few cases" in few.err
    made = closeloop("targets", "add", "Sooner", *given, "--start", "3600", "--months", "1", "--json")
    assert made.code == 0, made.err
    number = made.json["number"]
    assert closeloop("targets", "progress", number, "a new script", "--by", "AM001").code == 0
    (listed,) = closeloop("targets", "list", "--json").json
    assert (listed["number"], listed["stand"], listed["cases"]) == (number, "too_few", 0)
    assert closeloop("targets", "withdraw", number, "wrong", "--by", "AM001").code == 0
    assert closeloop("targets", "list", "--state", "running", "--json").json == []
    assert closeloop("targets", "list", "--state", "lost").code == 2
    assert "no improvement is open" in closeloop("improvements", "list").out
    assert closeloop("improvements", "due", "--json").json == []
    report = closeloop("report", "weak-links", "--json")
    assert (report.json["all"]["tickets"], report.json["problems"]) == (0, [])
    assert "nothing came in" in closeloop("report", "weak-links").out
