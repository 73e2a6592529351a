"""The dashboard in the console: its figures are those of the measures, for each filter and each reader."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest
from justhtml import JustHTML
from sqlalchemy import update

from models.deadlines import Deadline
from models.vocabulary import Category, DeadlineState, Priority
from tests.conftest import Backend
from tests.factories import Desk, make_desk, make_survey, make_ticket
from tests.journeys.test_console_live import browser, given_to
from tests.many_figures import Workings, go_round
from workers.charts import Unit, words_of
from workers.directory import staff_by_number
from workers.measures import (
    ALL,
    CATALOGUE,
    EVERYTHING,
    Figure,
    Narrowing,
    Viewer,
    figures,
    kept_once,
    named_period,
    narrowing_of,
    viewer_of,
)

pytestmark = pytest.mark.anyio
DASHBOARD = "/console/dashboard"
SCORES = (5, 5, 4, 2, 1, 4)
FIRST = "first_response_median"
FEW = "too few answers"


async def a_week(desk: Desk, answers: tuple[int, ...] = SCORES) -> list[str]:
    """Requests that were answered sooner or later, two never; each result was rated. Gives their numbers."""
    numbers = []
    for place, score in enumerate(answers):
        ticket = await make_ticket(desk.workshop, email=f"c{place}@c.example", category=_category(place))
        numbers.append(await given_to(desk, ticket, "CS001" if place % 2 else "CS002"))
        desk.clock.advance(timedelta(minutes=7 * (place + 1)))
        survey = await make_survey(desk.workshop, desk.clock, ticket)
        await desk.api(
            "POST", f"/surveys/{survey.number}/answer", by="AM001", json={"scores": {"overall": score}}
        )
    for place in range(2):
        late = await make_ticket(desk.workshop, email=f"l{place}@c.example", priority=Priority.URGENT)
        numbers.append(await given_to(desk, late, "CS001"))
    desk.clock.advance(timedelta(hours=5))
    return numbers


def _category(place: int) -> Category:
    return (Category.COMPLAINT, Category.PRE_SALES, Category.OTHER)[place % 3]


def cells(page: str, caption: str) -> list[list[str]]:
    """The rows of a table as the words of its cells."""
    found = re.search(rf'<caption class="unseen">{re.escape(caption)}</caption>(.*?)</table>', page, re.S)
    assert found, caption
    rows = re.findall(r'<tr role="row">(.*?)</tr>', found[1], re.S)[1:]
    value = r'<span class="value">(.*?)</span></td>'
    return [[_words(cell) for cell in re.findall(value, row, re.S)] for row in rows]


def _words(cell: str) -> str:
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", cell).split()))


async def seen(web: httpx.AsyncClient, query: str = "", status: int = 200) -> str:
    """A part of the dashboard; it is correct HTML and brings no script or style of its own."""
    answer = await web.get(f"{DASHBOARD}?{query}")
    assert answer.status_code == status, answer.text[-2000:]
    body = answer.text.partition("<main")[2]
    assert not re.search(r"<script|\sstyle=|<style|javascript:|\bon\w+=", body)
    assert JustHTML(answer.text, collect_errors=True).errors == []
    return answer.text


def tiles(page: str) -> dict[str, str]:
    """The figures of the overview by their names."""
    found = re.findall(
        r"<dt>(.*?)</dt>\s*<dd[^>]*>(.*?)</dd>", page.partition('class="tiles')[2].partition("</dl>")[0], re.S
    )
    return {_words(name): _words(value) for name, value in found}


async def known(desk: Desk, viewer: Viewer = EVERYTHING, narrowing: Narrowing = ALL) -> dict[str, str]:
    """Some measures of the usual period in the words of the page, by their names."""
    keys = (
        "requests",
        "first_response_median",
        "resolution_p90",
        "one_contact",
        "csat_overall",
        "low_overall",
    )
    async with desk.workshop.read() as uow:
        period = named_period("last-3-months", uow.clock.now(), ZoneInfo("Asia/Shanghai"))
        found = await figures(uow, viewer, period, narrowing, keys)
    words = {key: _said(each) for key, each in found.items.items()}
    return {CATALOGUE[key].words("en").name: said for key, said in words.items()}


def _said(figure: Figure) -> str:
    units = {"share": Unit.PERCENT, "score": Unit.SCORE, "seconds": Unit.SECONDS, "count": Unit.COUNT}
    mark = " 15 % or more" if figure.highlighted else ""
    return "–" if figure.value is None else words_of(figure.value, units[figure.unit], "en") + mark


async def test_the_figures_are_those_of_the_measures(backend: Backend) -> None:
    async with make_desk(backend) as desk:
        numbers = await a_week(desk)
        all_of_them = await known(desk)
        assert all_of_them["Requests received"] == str(len(numbers))
        async with desk.workshop.read() as uow:
            complaints = await narrowing_of(uow, category="complaint")
            alice = await staff_by_number(uow, "CS001")
        async with await browser(desk, "QA001") as quality, await browser(desk, "CS001") as agent:
            page = await seen(quality)
            shown = tiles(page)
            assert {name: shown[name] for name in all_of_them} == all_of_them
            assert "n = 6, 95 %: 1.78 – 5.00" in _words(page), "a mean tells of how many, and its interval"
            narrowed = await known(desk, narrowing=complaints)
            assert narrowed["Requests received"] == "2"
            shown = tiles(await seen(quality, "category=complaint&team=*"))
            assert shown["Requests received"] == "2"
            assert (
                shown["First response, elapsed time: median"]
                == narrowed["First response, elapsed time: median"]
            )
            assert shown["Satisfaction: overall"] == "too few answers"

            own = tiles(await seen(agent))
            mine = await known(desk, viewer_of(alice))
            assert own["Requests received"] == mine["Requests received"] == "5"
            assert "Satisfaction: overall" not in own
            for query in ("view=ratings", "view=groups&by=staff", "view=groups&by=team"):
                assert "Bob" not in await seen(agent, query, 422), query
            assert tiles(await seen(agent, "staff=CS002"))["Requests received"] == "0"


async def test_charts_tell_what_the_tables_tell_and_low_shares_stand_out(backend: Backend) -> None:
    async with make_desk(backend) as desk:
        await a_week(desk)
        async with await browser(desk, "QA001") as quality:
            page = await seen(quality, "view=ratings&by=category")
            assert cells(page, "Share of scores 1–2")[0] == [
                "Overall satisfaction",
                "33.3 %",
                "n = 6, 95 %: 9.7 % – 70 %",
            ]
            assert 'class="reactive marked"' in page
            assert "33.3 % !" in page
            groups = {row[0]: row[1:3] for row in cells(page, "The figures behind it")}
            assert groups["Complaint or suggestion too few to compare"] == [
                "too few answers",
                "too few answers",
            ]
            assert "There is nothing to draw in this period." in page, "nobody is ranked by two answers"

            few = await seen(quality, "view=ratings&category=complaint")
            assert "There is nothing to draw in this period." in few
            assert cells(few, "Mean scores")[0] == ["Overall satisfaction", FEW, ""]

            page = await seen(quality, "view=groups&by=staff")
            rows = {row[0]: row[1] for row in cells(page, "The figures behind it")}
            assert rows == {"Alice CS001": "5", "Bob CS002": "3"}
            assert cells(page, "Requests received") == [["Alice CS001", "5"], ["Bob CS002", "3"]]

            page = await seen(quality, "view=trend&period=week&step=day")
            days = cells(page, "Requests received")
            assert len(days) == 7
            assert sum(int(count) for _, count in days) == 8


async def test_the_worst_overdue_come_first_and_lead_to_their_tickets(backend: Backend) -> None:
    async with make_desk(backend) as desk:
        first = await make_ticket(desk.workshop, email="a@c.example", priority=Priority.URGENT)
        await given_to(desk, first, "CS001")
        desk.clock.advance(timedelta(hours=6))
        second = await make_ticket(desk.workshop, email="b@c.example", priority=Priority.URGENT)
        await given_to(desk, second, "CS002")
        desk.clock.advance(timedelta(hours=6))
        await breached(desk)
        async with await browser(desk, "AD001") as admin, await browser(desk, "CS002") as bob:
            page = await seen(admin, "view=overdue")
            rows = cells(page, "Worst overdue")
            assert rows[0][0] == first.number
            assert {row[0] for row in rows} == {first.number, second.number}
            assert "still open" in rows[0][1]
            assert f'href="/console/tickets/{first.number}"' in page
            own = {row[0] for row in cells(await seen(bob, "view=overdue"), "Worst overdue")}
            assert own == {second.number}


async def breached(desk: Desk) -> None:
    """What has passed is noted as a breach, as the alarm does."""
    async with desk.workshop.begin() as uow:
        passed = Deadline.limit_at <= uow.clock.now()
        open_ones = (Deadline.met_at.is_(None), Deadline.state == DeadlineState.RUNNING)
        noted = {"state": DeadlineState.BREACHED, "breached_at": Deadline.limit_at}
        await uow.session.execute(update(Deadline).where(passed, *open_ones).values(noted))


@pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True)
async def test_a_wrong_filter_is_named_beside_its_field(backend: Backend) -> None:
    async with make_desk(backend) as desk, await browser(desk, "AM001") as lead:
        wrong = {
            "team=nowhere": ("team", "There is no such team"),
            "staff=XX999": ("staff", "Nobody has this number"),
            "category=weather": ("category", "Please choose one of these"),
            "priority=9": ("priority", "Please choose one of these"),
            "channel=pigeon": ("channel", "Please choose one of these"),
            "customer_group=" + "x" * 60: ("customer_group", "Please choose one of these"),
            "policy_version=zz": ("policy_version", "There is no such version"),
            "special=maybe": ("special", "Please choose one of these"),
            "period=yesteryear": ("period", "Please choose one of these"),
            "since=2026-02-30": ("since", "Write a day like"),
            "since=2026-03-02&until=2026-03-01": ("since", "The first day lies after"),
            "since=0001-01-01": ("since", "The first day lies after"),
            "view=groups&by=weather": ("by", "Please choose one of these"),
            "view=trend&step=hour": ("step", "Please choose one of these"),
            "category=%3Cscript%3E": ("category", "Please choose one of these"),
        }
        for query, (name, words) in wrong.items():
            page = await seen(lead, query, 422)
            said = re.search(rf'<span class="wrong" id="{name}-error">([^<]*)</span>', page)
            assert said, query
            assert words in said[1], query
            assert f'aria-describedby="{name}-error"' in page, query
        assert 'value="support" selected' in await seen(lead), "a supervisor looks at the own team first"
        await seen(lead, "view=trend&step=day&since=2010-01-01&until=2026-01-01")
        assert (await lead.get(f"{DASHBOARD}?category=%00")).status_code == 404
        assert (await lead.head(DASHBOARD)).status_code == 200


async def test_names_are_words_in_charts_and_tables(backend: Backend) -> None:
    evil = "</text><script>x"
    async with make_desk(backend) as desk:
        await given_to(desk, await make_ticket(desk.workshop), "CS001")
        await desk.api("PATCH", "/staff/CS001", json={"name": evil})
        async with await browser(desk, "AD001") as admin:
            page = await seen(admin, "view=groups&by=staff")
            assert "&lt;/text&gt;&lt;script" in page
            assert page.count("<script") == 1, "our own"
            assert "script-src 'self'" in (await admin.get(DASHBOARD)).headers["content-security-policy"]


async def test_figures_that_are_kept_say_from_when_they_are(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_once, "MANY", 1)
    monkeypatch.setattr(kept_once, "SLOW", 0.0)
    async with make_desk(backend) as desk:
        await a_week(desk)
        async with await browser(desk, "QA001") as quality, await browser(desk, "CS001") as agent:
            first = await seen(quality)
            assert "Figures as of" not in first, "worked out for this page"
            at = desk.clock.now().astimezone(ZoneInfo(desk.workshop.settings.timezone))
            await make_ticket(desk.workshop, email="new@c.example")
            desk.clock.advance(timedelta(minutes=1))
            page = await seen(quality)
            assert f"Figures as of {at.day} {at:%b %H:%M}." in _words(page)
            assert tiles(page) == tiles(first)
            for part in ("trend", "groups", "ratings"):
                assert "Figures as of" not in await seen(quality, f"view={part}")
                assert "Figures as of" in await seen(quality, f"view={part}")
            own = await seen(agent)
            assert "Figures as of" not in own, "nobody sees what was worked out for somebody else"
            assert tiles(own) != tiles(first)
            desk.clock.advance(timedelta(minutes=30))
            anew = tiles(await seen(quality))
            assert int(anew["Requests received"]) == int(tiles(first)["Requests received"]) + 1


async def test_a_dashboard_opens_with_what_a_worker_has_worked_out(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_once, "MANY", 1)
    monkeypatch.setattr(kept_once, "SLOW", 0.0)
    workings = Workings()
    async with make_desk(backend) as desk:
        await a_week(desk)
        async with await browser(desk, "QA001") as quality, await browser(desk, "AM001") as lead:
            await seen(quality, "view=trend")
            await go_round(desk.workshop, desk.clock)
            workings.watch(monkeypatch)
            for reader in (quality, lead):
                for period in ("", "period=month", "period=quarter"):
                    page = await seen(reader, period)
                    assert "Figures as of" in _words(page)
                    assert tiles(page)["Requests received"] == "8"
        assert workings.begun == []
