"""Stories in which a rating or its case meets something: a merge, a night, an absence, another request."""

from __future__ import annotations

from datetime import timedelta

import pytest

from models.vocabulary import DeadlineState, NotificationState, TicketState
from tests.conftest import Backend
from tests.fakes_smtp import refuse
from tests.house import House, link_in, open_house, text_of
from workers.policy import load_policy, parse_policy
from workers.surveys.looking_back import Wanted, not_asked_yet
from workers.tickets.auditing import audit_batch

pytestmark = pytest.mark.anyio

LILEI, LI = "lilei@163.example", "+8613912345678"
CAROL, DORA = "carol@help.example", "dora@help.example"
RESULT = {"cause": "缺纸", "solution": "已补纸"}


async def asked(house: House, subject: str = "Order") -> str:
    """A customer writes a new mail; gives the ticket's number."""
    await house.mail(LILEI, "My order is late.", subject=subject)
    return (await house.ticket()).number


async def resolved(house: House, number: str) -> str:
    """The whole work on a ticket up to its result; gives who did it."""
    by = str((await house.api("GET", f"/tickets/{number}"))["handler"])
    await house.api("POST", f"/tickets/{number}/first-response", {"channel": "phone"}, by=by)
    await house.api("POST", f"/tickets/{number}/resolve", RESULT, by=by)
    return by


async def survey_link(house: House, path: str = "s") -> str:
    """The question for a rating has come; gives a link in it."""
    await house.pass_time(timedelta(hours=2))
    return link_in(await house.mail_of("csat_invitation", to=LILEI), path)


async def rated_low(house: House, number: str) -> None:
    await resolved(house, number)
    await house.tap(await survey_link(house), {"overall": "1", "comment": "too late"})


async def not_solved(house: House, number: str) -> None:
    await house.api("POST", f"/tickets/{number}/confirm", {"solved": False, "note": "still not here"})


# -- the case of a low rating ------------------------------------------------------------------------------


async def test_a_case_runs_on_though_its_ticket_was_opened_again_and_merged(backend: Backend) -> None:
    async with open_house(backend) as house:
        first = await asked(house)
        await house.pass_time(timedelta(minutes=20))
        second = await asked(house, "Where is it")
        await rated_low(house, second)
        await not_solved(house, second)
        await house.api("POST", f"/tickets/{second}/merge", {"into": first}, by="SV001")
        assert {row.ended_reason for row in (await house.deadlines(second)).values() if not row.met_at} == {
            "merged", "reopened", None,
        }  # fmt: skip # packed, to be read at a glance
        start = (await house.deadlines(second))["followup_start"]
        assert (start.state, start.due_at is not None) == (DeadlineState.RUNNING, True)
        assert start.limit_at is not None

        await house.pass_time(until=start.limit_at - timedelta(hours=4))
        assert len(await house.notifications("followup_reminder")) == 2, "at 24 and at 44 hours"
        await house.pass_time(until=start.limit_at)
        assert (await house.mail_of("followup_overdue", to=CAROL)).recipient == CAROL
        assert (await house.ticket(second)).state is TicketState.CLOSED
        ladder = (await house.deadlines(second))["escalation"]
        assert (ladder.followup_id, ladder.due_at is not None) == (start.followup_id, True)
        async with house.workshop.read() as uow:
            assert [each.differences for each in await audit_batch(uow) if each.differences] == []


async def test_who_rated_a_request_before_it_was_opened_again_is_not_dismissed(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await asked(house)
        await rated_low(house, number)
        await not_solved(house, number)
        assert (await house.ticket()).rated_at is None
        await house.api("POST", f"/tickets/{number}/not-a-ticket", {}, by="SV001", expect=409)
        assert (await house.deadlines())["followup_start"].state is DeadlineState.RUNNING


async def test_a_case_that_is_late_is_passed_on_though_its_ticket_is_closed(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await asked(house)
        await rated_low(house, number)
        await house.api("POST", f"/tickets/{number}/confirm", {"solved": True, "by": "customer"})
        assert (await house.ticket()).state is TicketState.CLOSED
        house.relay.script.on("rcpt", refuse("554 5.7.1 not wanted here"), recipient=CAROL)
        limit = (await house.deadlines())["followup_start"].limit_at
        assert limit is not None
        await house.pass_time(until=limit)
        (told,) = [
            entry.facts
            for entry in await house.log(number)
            if entry.kind == "rung_broken" and entry.facts["notification"] == "followup_overdue"
        ]
        assert told["passed_on_to"], "at once, not with the next rung"


async def test_a_supervisor_who_was_rated_is_not_told_how(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await asked(house)
        by = (await house.api("GET", f"/tickets/{number}"))["handler"]
        await house.api("POST", f"/tickets/{number}/transfer", {"to": "SV001", "reason": "hard"}, by=by)
        await resolved(house, number)
        link = await survey_link(house)
        for overall in ("1", "2"):
            await house.tap(link, {"overall": overall, "comment": f"too late {overall}"})
            assert f"too late {overall}" in text_of(await house.mail_of("low_score_alert", to=DORA))
        assert not [mail for mail in house.mails_to(CAROL) if "too late" in text_of(mail)]
        (case,) = (await house.api("GET", "/followups"))["items"]
        assert case["state"] == "open"


# -- asked no more -----------------------------------------------------------------------------------------


async def test_a_request_that_is_opened_again_at_night_is_not_asked_about_in_the_morning(
    backend: Backend,
) -> None:
    async with open_house(backend) as house:
        number = await asked(house)
        await house.pass_time(until=house.clock.now().replace(hour=13, minute=30))  # 21:30 in Shanghai
        await resolved(house, number)
        await house.pass_time(timedelta(hours=1))
        (waits,) = await house.notifications("csat_invitation")
        assert waits.state is NotificationState.QUEUED
        await not_solved(house, number)
        await house.pass_time(timedelta(hours=12))
        (dropped,) = await house.notifications("csat_invitation")
        assert (dropped.state, dropped.reason) == (NotificationState.SUPPRESSED, "reopened")


async def test_whoever_wants_no_more_surveys_is_not_rung_up_instead(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await asked(house)
        await resolved(house, number)
        assert (await house.web.post(await survey_link(house, "u"))).status_code == 200
        await house.pass_time(timedelta(days=4))
        assert await house.notifications("survey_task") == []
        assert await house.notifications("confirmation_task"), "whether it is solved is no survey"
        await house.pass_time(timedelta(days=10))
        closed = await house.ticket()
        assert (closed.state, closed.unrated_reason) == (TicketState.CLOSED, "not_asked"), (
            "nobody has followed it up"
        )


async def test_a_score_counts_that_comes_after_all(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await asked(house)
        await resolved(house, number)
        assert (await house.web.post(await survey_link(house, "u"))).status_code == 200
        await house.mail(LILEI, "2", answers=await house.mail_of("csat_invitation"))
        (survey,) = (await house.api("GET", "/surveys"))["items"]
        assert survey["state"] == "answered"
        assert (await house.ticket()).rated_at is not None
        assert len((await house.api("GET", "/followups"))["items"]) == 1


# -- words from the page of a survey -----------------------------------------------------------------------


async def test_words_from_the_page_go_on_in_the_ticket_that_the_request_was_merged_into(
    backend: Backend,
) -> None:
    async with open_house(backend) as house:
        first = await asked(house)
        await house.pass_time(timedelta(minutes=20))
        second = await asked(house, "Where is it")
        await resolved(house, second)
        link = await survey_link(house)
        await not_solved(house, second)
        await house.api("POST", f"/tickets/{second}/merge", {"into": first}, by="SV001")
        for _ in range(6):
            written = await house.web.post(f"{link}/message", data={"message": "And the bill?"})
        assert written.status_code == 422, "and not without end"
        await house.settle()
        assert (await house.ticket(second)).state is TicketState.CLOSED
        assert (await house.log_kinds(first)).count("customer_wrote") == 5


async def test_words_from_the_page_long_after_closing_are_a_request_of_their_own(backend: Backend) -> None:
    async with open_house(backend) as house:
        old = await asked(house)
        await resolved(house, old)
        link = await survey_link(house)
        await house.tap(link, {"overall": "5"})
        await house.pass_time(timedelta(days=200))
        for _ in range(6):
            written = await house.web.post(f"{link}/message", data={"message": "It is broken again."})
        assert written.status_code == 422, "and not without end"
        await house.settle()
        assert (await house.ticket(old)).state is TicketState.CLOSED
        shown = await house.api("GET", f"/tickets/{(await house.ticket()).number}")
        assert (shown["earlier"], shown["description"]) == (old, "It is broken again.")
        assert (await house.log_kinds(old)).count("taken_further") == 1, "pressed twice it is one request"
        assert (await house.log_kinds(shown["number"])).count("customer_wrote") == 4


async def test_what_was_dismissed_or_erased_is_not_asked_about_looking_back(backend: Backend) -> None:
    async with open_house(backend) as house:
        erased = await asked(house)
        await resolved(house, erased)
        code = (await house.api("GET", f"/tickets/{erased}"))["customer"]["code"]
        await house.api("POST", f"/customers/{code}/erase", {"confirm": True})
        await house.api("POST", "/surveys", {"ticket": erased}, expect=409)
        dismissed = await asked(house)
        await resolved(house, dismissed)
        await house.api("POST", f"/tickets/{dismissed}/not-a-ticket", {}, by="SV001")
        await house.api("POST", "/surveys", {"ticket": dismissed}, expect=409)
        async with house.workshop.read() as uow:
            assert await not_asked_yet(uow, Wanted(timedelta(days=30))) == []


# -- who rings up ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("why", ["left", "away"])
@pytest.mark.parametrize("task", ["survey_task", "confirmation_task"])
async def test_the_task_to_ring_up_goes_to_somebody_who_is_there(
    backend: Backend, task: str, why: str
) -> None:
    async with open_house(backend) as house:
        number = await asked(house)
        by = await resolved(house, number)
        link = await survey_link(house)
        if task == "confirmation_task":
            await house.tap(link, {"overall": "4", "anonymous": "1"})
        if why == "left":
            await house.api("PATCH", f"/staff/{by}", {"active": False})
        else:
            now = house.clock.now()
            away = {"starts_at": now.isoformat(), "ends_at": (now + timedelta(days=30)).isoformat()}
            await house.api("POST", f"/staff/{by}/absences", {**away, "substitute": "SV001"})
        await house.pass_time(timedelta(days=4))
        (told,) = await house.notifications(task)
        assert (await house.mail_of(task)).recipient == CAROL
        assert told.state is NotificationState.SENT


# -- scores by reply ---------------------------------------------------------------------------------------


async def test_an_sms_rates_what_was_asked_and_not_what_is_to_be_asked_in_the_morning(
    backend: Backend,
) -> None:
    often = load_policy("support-response").version_text.replace("fatigue_cap = 1 ", "fatigue_cap = 9 ")
    async with open_house(backend, policy=parse_policy(often)) as house:
        numbers = []
        for subject in ("one", "two"):
            request = {"contact": {"phone": LI}, "subject": subject, "description": "说明", "channel": "sms"}
            number = (await house.api("POST", "/tickets", {**request, "category": "other"}))["number"]
            await resolved(house, number)
            await house.pass_time(timedelta(hours=2))
            numbers.append(number)
            await house.pass_time(until=house.clock.now().replace(hour=13, minute=30))  # 21:30 in Shanghai
        waits = (await house.notifications("csat_invitation"))[-1]
        assert waits.state is NotificationState.QUEUED, "the second question waits for the morning"
        await house.sms(LI, "2")
        states = {each["ticket"]: each["state"] for each in (await house.api("GET", "/surveys"))["items"]}
        assert states == {numbers[0]: "answered", numbers[1]: "invited"}


@pytest.mark.parametrize("way", ["sms", "mail"])
async def test_the_same_score_once_more_opens_nothing(backend: Backend, way: str) -> None:
    async with open_house(backend) as house:
        if way == "sms":
            await house.sms(LI, "打印机坏了")
        else:
            await asked(house)
        number = (await house.ticket()).number
        await resolved(house, number)
        await house.pass_time(timedelta(hours=2))
        for _ in range(2):
            if way == "sms":
                await house.sms(LI, "5")
            else:
                await house.mail(LILEI, "5", answers=await house.mail_of("csat_invitation"))
        assert (await house.ticket()).number == number
        assert (await house.ticket()).state is TicketState.CLOSED
        assert (await house.log_kinds()).count("rating_repeated") == 1
        if way == "mail":
            await house.mail(LILEI, "1", answers=await house.mail_of("csat_invitation"))
            assert (await house.ticket()).state is TicketState.IN_PROGRESS, "another one is read by a person"
