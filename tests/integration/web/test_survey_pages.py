"""The survey page: looked at by any number of scanners, answered once, by anybody with any browser."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from html import unescape

import pytest

from models.links import Link
from models.notifications import Notification, Suppression
from models.surveys import Followup, Survey, SurveyAnswer
from models.tickets import Ticket
from tests.factories import Desk, all_of, count_rows, make_link, make_survey, make_ticket
from workers import tickets

pytestmark = pytest.mark.anyio

HAPPY = {"overall": "5", "attitude": "5", "comment": "很好"}


async def asked(desk: Desk) -> tuple[Survey, str]:
    ticket = await make_ticket(desk.workshop)
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
            gets = [desk.web.request(method, f"{path}{score}") for _ in range(5)]
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
    assert ticket.rated_at == desk.clock.now()


async def test_two_windows_answer_at_once_and_one_of_them_counts(desk: Desk) -> None:
    _, path = await asked(desk)
    got = await asyncio.gather(*(desk.web.post(path, data={"overall": str(n)}) for n in (1, 2, 3, 4, 5)))
    assert sorted(answer.status_code for answer in got) == [200, 410, 410, 410, 410]
    assert len(await answers(desk)) == 1


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
    (link,) = alert.links.values()
    assert link["purpose"] == "take_followup"


async def test_a_fully_anonymous_answer_leaves_no_way_back(desk: Desk) -> None:
    survey, path = await asked(desk)
    assert (await desk.web.post(path, data={"overall": "1", "anonymous": "1"})).status_code == 200
    (answer,) = await answers(desk)
    assert (answer.survey_id, answer.at.hour, answer.at.minute) == (None, 0, 0)
    assert await all_of(desk.workshop, Followup) == []
    shown = (await desk.api("GET", f"/surveys/{survey.number}")).json()
    assert (shown["anonymous"], shown["scores"]) == (True, None)


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
