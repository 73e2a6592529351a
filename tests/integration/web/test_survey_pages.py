"""The survey page: looked at by any number of scanners, answered once, by anybody with any browser."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from models.links import Link
from models.notifications import Notification, Suppression
from models.surveys import AnonymousAnswer, Followup, Survey, SurveyAnswer, SurveyDraft
from models.tables import Base
from models.tickets import Ticket
from tests.factories import Desk, all_of, count_rows, make_link, make_survey, make_ticket
from workers import tickets

pytestmark = pytest.mark.anyio

SCANNERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Barracuda Sentinel (EE)",
    "Mozilla/5.0 (compatible; ProofpointURLDefense/1.0)",
    "Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; Trident/5.0) SafeLinks",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "WhatsApp/2.23.20.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) MicroMessenger/8.0.40(0x18002831) NetType/WIFI",
    "facebookexternalhit/1.1",
    "",
)
AHEAD = (
    {"Purpose": "prefetch"},
    {"Sec-Purpose": "prefetch;prerender"},
    {"X-Moz": "prefetch"},
    {"X-Purpose": "preview", "Range": "bytes=0-1023"},
)
HAPPY = {"overall": "5", "attitude": "5", "comment": "很好"}


async def asked(desk: Desk, email: str = "li.na@customer.example") -> tuple[Survey, str]:
    ticket = await make_ticket(desk.workshop, email=email)
    survey = await make_survey(desk.workshop, desk.clock, ticket)
    path = await make_link(desk.workshop, "survey", survey.id, ticket=ticket, hours=240, single_use=False)
    return survey, path


async def answers(desk: Desk) -> list[SurveyAnswer]:
    return await all_of(desk.workshop, SurveyAnswer)


async def test_a_storm_of_scanners_opens_the_page_and_writes_nothing(desk: Desk) -> None:
    _, path = await asked(desk)
    before = await count_rows(desk.workshop)
    links = await all_of(desk.workshop, Link)
    for method in ("GET", "HEAD"):
        for score in ("", "?score=1", "?score=5&lang=en"):
            asked_by = [*({"User-Agent": agent} for agent in SCANNERS), *AHEAD]
            gets = [desk.web.request(method, f"{path}{score}", headers=by) for by in asked_by]
            assert {answer.status_code for answer in await asyncio.gather(*gets)} == {200}
    assert await count_rows(desk.workshop) == before
    assert {link.used_at for link in await all_of(desk.workshop, Link)} == {link.used_at for link in links}
    (survey,) = await all_of(desk.workshop, Survey)
    assert (survey.state, survey.answered_at) == ("invited", None)


async def test_the_page_is_in_the_customers_language_and_marks_the_tapped_score(desk: Desk) -> None:
    _, path = await asked(desk)
    page = await desk.web.get(f"{path}?score=4")
    assert '<html lang="zh-CN">' in page.text
    assert 'value="4" checked' in page.text
    assert page.text.count('" checked') == 1
    english = await desk.web.get(f"{path}?lang=en&score=9")
    assert '<html lang="en">' in english.text
    assert '" checked' not in english.text
    assert f'action="{path}?lang=en"' in english.text
    assert "<script" not in english.text


async def test_the_page_lets_nothing_in_and_nothing_out(desk: Desk) -> None:
    _, path = await asked(desk)
    headers = (await desk.web.get(path)).headers
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy


async def test_one_answer_counts_and_a_second_one_changes_nothing(desk: Desk) -> None:
    survey, path = await asked(desk)
    first = await desk.web.post(path, data={**HAPPY, "answer_q1": "流程"})
    assert first.status_code == 200
    assert "感谢" in first.text
    twice = await desk.web.post(path, data={**HAPPY, "answer_q1": "流程"})
    assert twice.status_code == 200, "the button pressed twice is no second answer"
    desk.clock.advance(timedelta(hours=24))
    again = await desk.web.post(path, data={"overall": "1"})
    assert again.status_code == 410
    assert (await desk.web.get(path)).status_code == 410
    (answer,) = await answers(desk)
    assert (answer.scores, answer.survey_id, answer.source) == (
        {"overall": 5, "attitude": 5},
        survey.id,
        "page",
    )
    shown = (await desk.api("GET", f"/surveys/{survey.number}")).json()
    assert shown["words"] == {"comment": "很好", "q1": "流程"}
    (ticket,) = await all_of(desk.workshop, Ticket)
    assert ticket.rated_at == desk.clock.now() - timedelta(hours=24)


async def test_windows_that_answer_at_once_are_versions_in_a_row_and_one_case(desk: Desk) -> None:
    survey, path = await asked(desk)
    got = await asyncio.gather(*(desk.web.post(path, data={"overall": str(n)}) for n in (1, 2, 3, 1, 2)))
    assert [answer.status_code for answer in got] == [200] * 5
    rows = sorted(await answers(desk), key=lambda row: row.version)
    assert [row.version for row in rows] == list(range(1, len(rows) + 1))
    (case,) = await all_of(desk.workshop, Followup)
    assert case.scores == rows[-1].scores
    shown = (await desk.api("GET", f"/surveys/{survey.number}")).json()
    assert shown["scores"] == rows[-1].scores


async def test_what_was_begun_is_kept_and_counts_once_it_is_complete(desk: Desk) -> None:
    survey, path = await asked(desk)
    begun = await desk.web.post(path, data={"speed": "1", "comment": "等了三天"})
    assert (begun.status_code, "已保留" in begun.text) == (422, True)
    (ticket,) = await all_of(desk.workshop, Ticket)
    assert ticket.rated_at is None
    assert await all_of(desk.workshop, Followup) == []
    later = await desk.web.get(f"{path}?score=4")
    assert 'name="speed" id="speed-1" value="1" checked' in later.text
    assert 'name="overall" id="overall-4" value="4" checked' in later.text
    assert "等了三天" in later.text
    done = await desk.web.post(path, data={"overall": "4", "speed": "1", "comment": "等了三天"})
    assert done.status_code == 200
    shown = (await desk.api("GET", f"/surveys/{survey.number}")).json()
    assert [(one["version"], one["final"]) for one in shown["history"]] == [(1, False), (2, True)]
    assert shown["scores"] == {"overall": 4, "speed": 1}


async def test_beginnings_are_one_row_that_is_read_once_nobody_can_complete_it(desk: Desk) -> None:
    survey, path = await asked(desk)
    for n in range(3):
        assert (await desk.web.post(path, data={"speed": "2", "comment": f"{n}"})).status_code == 422
    (draft,) = await all_of(desk.workshop, SurveyDraft)
    assert (draft.survey_id, await answers(desk)) == (survey.id, [])
    assert (await desk.api("GET", f"/surveys/{survey.number}")).json()["history"] == []
    desk.clock.set(survey.expires_at + timedelta(seconds=1))
    (shown,) = (await desk.api("GET", f"/surveys/{survey.number}")).json()["history"]
    assert (shown["final"], shown["scores"]) == (False, {"speed": 2})


async def dump_of(desk: Desk, survey: Survey) -> dict[str, list[Any]]:
    """Each row of the database that names the survey, its ticket or its customer: which columns hold what
    kind of value.
    """
    idents = {survey.id, survey.ticket_id, survey.customer_id}
    found: dict[str, list[Any]] = {}
    async with desk.workshop.read() as uow:
        for table in Base.metadata.sorted_tables:
            for row in (await uow.session.execute(select(table))).mappings():
                if idents & {value for value in row.values() if isinstance(value, UUID)}:
                    shape = [(name, type(value).__name__) for name, value in row.items()]
                    found.setdefault(table.name, []).append(shape)
    return {name: sorted(rows) for name, rows in found.items()}


async def test_who_began_under_their_name_and_ends_anonymously_leaves_what_others_leave(desk: Desk) -> None:
    begun, path = await asked(desk)
    started = {"speed": "1", "comment": "der blaue Wagen"}
    assert (await desk.web.post(path, data=started)).status_code == 422
    assert "survey_drafts" in await dump_of(desk, begun)
    # ticked on a page that still lacks the overall score, it is gone at once
    await desk.web.post(path, data={**started, "anonymous": "1"})
    assert await all_of(desk.workshop, SurveyDraft) == []
    assert "der blaue Wagen" not in (await desk.web.get(path)).text
    assert (await desk.web.post(path, data=started)).status_code == 422
    at_once, other = await asked(desk, "wu.na@customer.example")
    for way in (path, other):
        given = await desk.web.post(way, data={**started, "overall": "2", "anonymous": "1"})
        assert (given.status_code, "完全匿名" in given.text) == (200, True)
        assert (await desk.web.post(way, data={"overall": "5"})).status_code == 410
    assert await dump_of(desk, begun) == await dump_of(desk, at_once)
    assert [row.scores for row in await all_of(desk.workshop, AnonymousAnswer)] == 2 * [
        {"overall": 2, "speed": 1}
    ]
    assert (await desk.api("GET", f"/surveys/{begun.number}")).json()["history"] == []


async def test_an_answer_may_be_changed_for_a_day_and_what_it_was_stays(desk: Desk) -> None:
    survey, path = await asked(desk)
    page = await desk.web.post(path, data=HAPPY)
    assert "修改评价" in page.text
    (ticket,) = await all_of(desk.workshop, Ticket)
    assert ticket.confirmed_at is not None, "who rates well confirms the result"
    again = await desk.web.get(path)
    assert ("很好" in again.text, 'name="anonymous"' in again.text) == (True, False)
    seen = "主管和质检已可看到您的评价", "已发邮件通知"
    assert [each in again.text for each in seen] == [True, False]
    desk.clock.advance(timedelta(hours=23))
    # 完全匿名 cannot be chosen afterwards: the answer is known already
    changed = await desk.web.post(path, data={"overall": "2", "comment": "又坏了", "anonymous": "1"})
    assert (changed.status_code, "48" in changed.text) == (200, True)
    told = (await desk.web.get(path)).text
    assert [each in told for each in seen] == [True, True], "what was mailed cannot be taken back"
    (case,) = await all_of(desk.workshop, Followup)
    assert case.scores == {"overall": 2}
    assert (await desk.web.post(path, data={"overall": "4"})).status_code == 200
    (case,) = await all_of(desk.workshop, Followup)
    assert (case.scores, case.state.value) == ({"overall": 4}, "open"), (
        "somebody still calls, and knows better"
    )
    shown = (await desk.api("GET", f"/surveys/{survey.number}")).json()
    assert [one["scores"]["overall"] for one in shown["history"]] == [5, 2, 4]
    log = (await desk.api("GET", f"/tickets/{ticket.number}")).json()["log"]
    assert [entry["kind"] for entry in log].count("rating_changed") == 2
    # staff cannot: what they enter is an answer, and there is one
    await desk.api("POST", f"/surveys/{survey.number}/answer", json={"scores": {"overall": 5}}, expect=409)
    desk.clock.advance(timedelta(hours=2))
    late = await desk.web.post(path, data={"overall": "1"})
    assert late.status_code == 410


async def test_what_is_lacking_is_said_and_what_was_typed_is_kept(desk: Desk) -> None:
    _, path = await asked(desk)
    typed = {
        "attitude": "2",
        "comment": "</textarea><b>再想想</b>",
        "anonymous": "1",
        "answer_q1": "等得太久",
    }
    answer = await desk.web.post(path, data=typed)
    assert answer.status_code == 422
    assert "</textarea><b>" not in answer.text
    text = unescape(answer.text)
    assert "</textarea><b>再想想</b>" in text
    assert "等得太久" in text
    assert 'name="attitude" id="attitude-2" value="2" checked' in text
    assert 'name="anonymous" value="1" checked' in text
    assert 'id="overall-error"' in text
    for wrong in ({"overall": "6"}, {"overall": "5", "speed": "x"}, {"overall": "5", "comment": "长" * 4001}):
        assert (await desk.web.post(path, data=wrong)).status_code == 422
    assert await answers(desk) == []
    assert (await desk.web.post(path, data={"overall": "5", "comment": "长\r\n" * 1300})).status_code == 200


async def test_a_low_score_opens_the_follow_up_and_alerts_the_supervisor(desk: Desk) -> None:
    _, path = await asked(desk)
    page = await desk.web.post(path, data={"overall": "2", "comment": "还是不行"})
    assert "48" in page.text
    (followup,) = await all_of(desk.workshop, Followup)
    assert followup.start_by == desk.clock.now() + timedelta(hours=48)
    (alert,) = await all_of(desk.workshop, Notification, Notification.kind == "low_score_alert")
    assert {link["purpose"] for link in alert.links.values()} == {"take_followup", "followup"}


async def test_a_fully_anonymous_answer_leaves_no_way_back(desk: Desk) -> None:
    survey, path = await asked(desk)
    assert (await desk.web.post(path, data={"overall": "1", "anonymous": "1"})).status_code == 200
    assert await answers(desk) == []
    assert (await desk.web.post(path, data={"overall": "5"})).status_code == 410, "nor can it be given twice"
    assert await all_of(desk.workshop, Followup) == []
    shown = (await desk.api("GET", f"/surveys/{survey.number}")).json()
    assert (shown["anonymous"], shown["scores"], shown["history"]) == (True, None, [])


async def test_anonymous_answers_leave_the_box_together_in_no_order(desk: Desk) -> None:
    surveys = []
    for n in range(6):
        ticket = await make_ticket(desk.workshop, email=f"c{n}@customer.example")
        survey = await make_survey(desk.workshop, desk.clock, ticket)
        path = await make_link(desk.workshop, "survey", survey.id, ticket=ticket, single_use=False)
        given = {"overall": str(1 + n % 5), "comment": f"wort {n}", "anonymous": "1"}
        assert (await desk.web.post(path, data=given)).status_code == 200
        surveys.append(survey)
        if n == 3:
            assert await answers(desk) == [], "four of a kind are too few"
    out = await answers(desk)
    assert sorted(row.scores["overall"] for row in out) == [1, 2, 3, 4, 5]
    assert len(await all_of(desk.workshop, AnonymousAnswer)) == 1
    midnight = desk.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    assert {(row.survey_id, row.at, row.source, row.id.version) for row in out} == {
        (None, midnight, "anonymous", 4)
    }
    async with desk.workshop.read() as uow:
        found = [str(row.id) for row in surveys] + [str(row.customer_id) for row in surveys]
        sealer = uow.vault.system_sealer()
        kept = [f"{vars(row)}{sealer.json(row.words_sealed, 'survey_answers.words')}" for row in out]
    assert not [ident for ident in found for row in kept if ident in row]


async def test_who_comes_too_late_can_still_write_and_not_without_end(desk: Desk) -> None:
    survey, path = await asked(desk)
    desk.clock.set(survey.expires_at + timedelta(seconds=1))
    page = await desk.web.get(path)
    assert f'action="{path}/message"' in page.text
    assert (await desk.web.post(f"{path}/message", data={"message": " "})).status_code == 422
    written = await desk.web.post(f"{path}/message", data={"message": "打印机又不行了"})
    assert (written.status_code, "感谢您的留言" in written.text) == (200, True)
    (ticket,) = await all_of(desk.workshop, Ticket)
    assert ticket.opening == 2, "who writes that it does not work has the request taken up again"
    for n in range(4):
        assert (await desk.web.post(f"{path}/message", data={"message": f"{n}"})).status_code == 200
    assert (await desk.web.post(f"{path}/message", data={"message": "mehr"})).status_code == 422
    assert (await desk.web.post(f"{path}x/message", data={"message": "mehr"})).status_code == 404


async def test_a_survey_whose_time_is_over_says_so(desk: Desk) -> None:
    survey, path = await asked(desk)
    desk.clock.set(survey.expires_at + timedelta(seconds=1))
    for answer in (await desk.web.get(path), await desk.web.post(path, data=HAPPY)):
        assert answer.status_code == 410
        assert "mailto:support@help.example" in answer.text
    assert await answers(desk) == []


async def test_a_survey_withdrawn_because_work_goes_on_takes_no_answer(desk: Desk) -> None:
    survey, path = await asked(desk)
    async with desk.workshop.begin() as uow:
        ticket = await tickets.ticket_by_id(uow, survey.ticket_id)
        await tickets.reopen(uow, ticket, "customer_wrote")
    for answer in (await desk.web.get(path), await desk.web.post(path, data=HAPPY)):
        assert answer.status_code == 410
    assert await answers(desk) == []


async def test_an_unknown_link_is_a_friendly_page_in_the_browsers_language(desk: Desk) -> None:
    _, path = await asked(desk)
    for stray in ("/s/nothing", f"{path}x", path.replace("/s/", "/u/"), path.replace("/s/", "/t/")):
        for method in ("GET", "POST"):
            answer = await desk.web.request(method, stray, headers={"Accept-Language": "en-GB,en;q=0.9"})
            assert (answer.status_code, '<html lang="en">' in answer.text) == (404, True)
    assert (await desk.web.get(path.upper().replace("/S/", "/s/"))).status_code == 200


async def test_a_form_that_is_too_much_gets_a_page_too(desk: Desk) -> None:
    _, path = await asked(desk)
    large = await desk.web.post(path, content=b"comment=" + b"x" * 1024 * 1024)
    assert (large.status_code, "<html" in large.text) == (413, True)
    many = await desk.web.post(path, content="&".join(f"f{n}=1" for n in range(200)))
    assert (many.status_code, "<html" in many.text) == (400, True)


async def test_unsubscribing_takes_a_button_or_the_mail_programs_one_click(desk: Desk) -> None:
    survey, _ = await asked(desk)
    (ticket,) = await all_of(desk.workshop, Ticket)
    path = await make_link(desk.workshop, "unsubscribe", survey.id, ticket=ticket, single_use=False)
    before = await count_rows(desk.workshop)
    page = await desk.web.get(path)
    assert (page.status_code, "l***@customer.example" in page.text) == (200, True)
    assert await count_rows(desk.workshop) == before
    one_click = {"List-Unsubscribe": "One-Click"}
    assert (await desk.web.post(path, data=one_click)).status_code == 200
    assert (await desk.web.post(path, files={"List-Unsubscribe": (None, "One-Click")})).status_code == 200
    (suppressed,) = await all_of(desk.workshop, Suppression)
    assert (suppressed.scope, suppressed.reason) == ("surveys", "opted_out")
    (invitation,) = await all_of(desk.workshop, Notification, Notification.kind == "csat_invitation")
    assert (invitation.state.value, invitation.reason) == ("suppressed", "opted_out")
