"""What staff and customers do by a link: the page explains, the button acts, once, as the right person."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from models.deadlines import Deadline
from models.links import Link
from models.notifications import Notification
from models.people import Staff
from models.surveys import Followup
from models.tickets import Ticket, TicketEntry
from models.vocabulary import DeadlineKind, Priority
from tests.factories import (
    Desk,
    all_of,
    count_rows,
    make_link,
    make_survey,
    make_ticket,
    resolve_ticket,
)
from workers import deadlines, escalations, surveys, tickets
from workers.policy import Alarm

pytestmark = pytest.mark.anyio


async def handler_of(desk: Desk, ticket: Ticket) -> str:
    (person,) = await all_of(desk.workshop, Staff, Staff.id == ticket.handler_id)
    number: str = person.number
    return number


async def now(desk: Desk, ticket: Ticket) -> Ticket:
    (fresh,) = await all_of(desk.workshop, Ticket, Ticket.id == ticket.id)
    assert isinstance(fresh, Ticket)
    return fresh


async def accept_link(desk: Desk, priority: Priority = Priority.MEDIUM) -> tuple[Ticket, str]:
    ticket = await make_ticket(desk.workshop, priority=priority)
    handler = await handler_of(desk, ticket)
    return ticket, await make_link(desk.workshop, "accept", ticket.id, ticket=ticket, staff=handler)


async def untriaged_link(desk: Desk) -> tuple[Ticket, str]:
    ticket = await make_ticket(desk.workshop, category=None)
    handler = await handler_of(desk, ticket)
    return ticket, await make_link(desk.workshop, "accept", ticket.id, ticket=ticket, staff=handler)


async def test_opening_a_staff_link_any_number_of_times_does_nothing(desk: Desk) -> None:
    ticket, path = await accept_link(desk)
    before = await count_rows(desk.workshop)
    gets = [desk.web.request(method, path) for method in ("GET", "HEAD") for _ in range(10)]
    assert {answer.status_code for answer in await asyncio.gather(*gets)} == {200}
    assert await count_rows(desk.workshop) == before
    assert all(link.used_at is None for link in await all_of(desk.workshop, Link))
    assert (await now(desk, ticket)).accepted_at is None


async def test_the_page_shows_the_ticket_masked_and_which_times_can_be_promised(desk: Desk) -> None:
    ticket, path = await accept_link(desk)
    page = (await desk.web.get(path)).text
    assert ticket.number in page
    assert "李娜" not in page
    assert "13800005678" not in page
    assert page.count('name="expected_at"') == 4
    assert 'value="2026-03-05T10:00:00+00:00" checked' in page  # 3 working days: the policy's own time


async def test_accepting_with_a_chosen_time_works_once(desk: Desk) -> None:
    ticket, path = await accept_link(desk)
    chosen = "2026-03-03T10:00:00+00:00"
    answer = await desk.web.post(path, data={"expected_at": chosen})
    assert answer.status_code == 200
    accepted = await now(desk, ticket)
    assert accepted.expected_resolution_at is not None
    assert accepted.expected_resolution_at.isoformat() == chosen
    again = await desk.web.post(path, data={"expected_at": "2026-03-04T10:00:00+00:00"})
    assert (again.status_code, (await desk.web.get(path)).status_code) == (410, 410)
    assert (await now(desk, ticket)).expected_resolution_at == accepted.expected_resolution_at


async def test_a_press_on_the_button_alone_promises_the_policys_time(desk: Desk) -> None:
    ticket, path = await accept_link(desk, Priority.URGENT)
    assert (await desk.web.post(path)).status_code == 200
    accepted = await now(desk, ticket)
    assert accepted.expected_resolution_at == desk.clock.now() + timedelta(hours=24)


async def test_a_time_that_has_passed_meanwhile_can_be_chosen_anew(desk: Desk) -> None:
    ticket, path = await accept_link(desk)
    desk.clock.advance(timedelta(days=1))
    for wrong in ("2026-03-02T10:00:00+00:00", "yesterday", "2026-03-04T10:00:00"):
        answer = await desk.web.post(path, data={"expected_at": wrong})
        assert answer.status_code in (422,)
    assert (await now(desk, ticket)).accepted_at is None
    beyond = await desk.web.post(path, data={"expected_at": "2030-01-01T00:00:00+00:00"})
    assert beyond.status_code == 422
    assert (await desk.web.post(path)).status_code == 200


async def test_priority_and_category_are_corrected_while_accepting(desk: Desk) -> None:
    ticket, path = await untriaged_link(desk)
    page = (await desk.web.get(path)).text
    assert '<label for="priority">' in page
    assert '<option value="medium" selected>' in page
    assert '<option value="other" selected>' in page
    wrong = await desk.web.post(path, data={"priority": "huge", "category": "complaint"})
    assert wrong.status_code == 422
    assert 'aria-describedby="priority-error looked-over"' in wrong.text
    assert '<option value="complaint" selected>' in wrong.text
    assert (await desk.web.post(path, data={"priority": "low", "category": "complaint"})).status_code == 200
    accepted = await now(desk, ticket)
    assert (accepted.priority.value, accepted.category.value) == ("low", "complaint")
    assert None not in (accepted.triaged_at, accepted.accepted_at)
    again = await desk.web.post(path, data={"priority": "high"})
    assert (again.status_code, (await now(desk, ticket)).priority.value) == (410, "low")


async def test_a_higher_priority_offers_its_own_times_before_it_is_promised(desk: Desk) -> None:
    ticket, path = await untriaged_link(desk)
    late, sooner = "2026-03-05T10:00:00+00:00", (desk.clock.now() + timedelta(hours=24)).isoformat()
    fields = {"expected_at": late, "priority": "urgent", "category": "complaint"}
    answer = await desk.web.post(path, data=fields)
    assert (answer.status_code, 'id="expected_at-error"' in answer.text) == (422, True)
    assert f'value="{sooner}" checked' in answer.text
    assert late not in answer.text
    assert '<option value="urgent" selected>' in answer.text
    kept = await now(desk, ticket)
    assert (kept.accepted_at, kept.triaged_at, kept.priority) == (None, None, Priority.MEDIUM)
    assert (await desk.web.post(path, data={**fields, "expected_at": sooner})).status_code == 200
    accepted = await now(desk, ticket)
    assert (accepted.priority, accepted.category.value) == (Priority.URGENT, "complaint")
    assert accepted.expected_resolution_at is not None
    assert accepted.expected_resolution_at.isoformat() == sooner


async def test_a_page_that_lay_open_does_not_put_back_what_somebody_has_confirmed(desk: Desk) -> None:
    ticket, path = await untriaged_link(desk)
    confirmed = {"priority": "high", "category": "complaint"}
    await desk.api("PATCH", f"/tickets/{ticket.number}", json=confirmed)
    answer = await desk.web.post(path, data={"priority": "medium", "category": "other"})
    assert (answer.status_code, "<select" in answer.text) == (422, False)
    assert (await now(desk, ticket)).accepted_at is None
    assert (await desk.web.post(path, data=confirmed)).status_code == 200
    accepted = await now(desk, ticket)
    assert (accepted.priority.value, accepted.category.value) == ("high", "complaint")


async def test_two_presses_at_once_are_one_acceptance(desk: Desk) -> None:
    ticket, path = await accept_link(desk)
    answers = await asyncio.gather(*(desk.web.post(path) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 410, 410, 410]
    entries = await all_of(desk.workshop, TicketEntry, TicketEntry.kind == "accepted")
    assert len(entries) == 1
    assert entries[0].ticket_id == ticket.id


async def test_a_link_outlives_neither_its_time_nor_its_holder(desk: Desk) -> None:
    ticket, path = await accept_link(desk)
    handler = await handler_of(desk, ticket)
    await desk.api("PATCH", f"/staff/{handler}", json={"active": False})
    for answer in (await desk.web.get(path), await desk.web.post(path)):
        assert (answer.status_code, "<html" in answer.text) == (403, True)
    await desk.api("PATCH", f"/staff/{handler}", json={"active": True})
    desk.clock.advance(timedelta(hours=73))
    for answer in (await desk.web.get(path), await desk.web.post(path)):
        assert (answer.status_code, "<html" in answer.text) == (410, True)
    assert (await now(desk, ticket)).accepted_at is None


async def test_what_no_longer_applies_leaves_the_link_unused(desk: Desk) -> None:
    ticket, path = await accept_link(desk)
    handler = await handler_of(desk, ticket)
    other = "CS002" if handler == "CS001" else "CS001"
    await desk.api("POST", f"/tickets/{ticket.number}/transfer", json={"to": other, "reason": "忙"})
    answer = await desk.web.post(path)
    assert (answer.status_code, "<html" in answer.text) == (409, True)
    (link,) = await all_of(desk.workshop, Link, Link.purpose == "accept")
    assert link.used_at is None


async def test_acknowledging_stops_the_ladder_and_doing_so_again_harms_nobody(desk: Desk) -> None:
    ticket = await make_ticket(desk.workshop)
    desk.clock.advance(timedelta(days=1))
    async with desk.workshop.begin() as uow:
        held = await tickets.ticket_by_id(uow, ticket.id)
        (row,) = await deadlines.open_ones(uow, held, [DeadlineKind.FIRST_RESPONSE])
        await escalations.breach(uow, row, Alarm(desk.clock.now(), "breach", ("supervisor",)))
    path = await make_link(
        desk.workshop, "acknowledge", ticket.id, ticket=ticket, staff="AM001", single_use=False
    )
    for _ in range(2):
        assert (await desk.web.post(path)).status_code == 200
    (ladder,) = await all_of(desk.workshop, Deadline, Deadline.kind == DeadlineKind.ESCALATION)
    (sue,) = await all_of(desk.workshop, Staff, Staff.number == "AM001")
    assert (ladder.acknowledged_by, ladder.ended_reason) == (sue.id, "acknowledged")
    assert len(await all_of(desk.workshop, TicketEntry, TicketEntry.kind == "acknowledged")) == 1


@pytest.mark.parametrize(("purpose", "decision"), [("approve", "approved"), ("decline", "declined")])
async def test_a_request_is_read_and_decided_by_link(desk: Desk, purpose: str, decision: str) -> None:
    ticket = await make_ticket(desk.workshop)
    handler = await handler_of(desk, ticket)
    base = f"/tickets/{ticket.number}"
    await desk.api("POST", f"{base}/accept", by=handler)
    asked = {"reason": "等待 13800005678 回电", "resources": "DBA", "until": "2026-03-20T02:00:00Z"}
    made = (await desk.api("POST", f"{base}/escalate", by=handler, json=asked, expect=201)).json()
    (entry,) = await all_of(desk.workshop, TicketEntry, TicketEntry.kind == "escalation_requested")
    paths = {
        name: await make_link(desk.workshop, name, entry.id, ticket=ticket, staff="AM001")
        for name in ("approve", "decline")
    }
    page = (await desk.web.get(paths[purpose])).text
    assert "DBA" in page
    assert "13800005678" not in page
    assert 'name="note"' in page
    answer = await desk.web.post(paths[purpose], data={"note": "长" * 2001})
    assert (answer.status_code, "长" * 2001 in answer.text) == (422, True)
    assert (await desk.web.post(paths[purpose], data={"note": "知道了"})).status_code == 200
    shown = (await desk.api("GET", base)).json()
    assert shown["escalation_requests"][0]["decision"] == decision
    moved = shown["expected_resolution_at"] != made["expected_resolution_at"]
    assert moved == (purpose == "approve")
    other = paths["decline" if purpose == "approve" else "approve"]
    assert (await desk.web.post(other)).status_code == 409


async def test_an_answer_is_taken_back_while_it_is_held_and_not_later(desk: Desk) -> None:
    ticket = await make_ticket(desk.workshop)
    handler = await handler_of(desk, ticket)
    for text in ("第一", "第二"):
        await desk.api("POST", f"/tickets/{ticket.number}/answer", by=handler, json={"text": text})
    first, second = await all_of(desk.workshop, Notification, Notification.kind == "reply_to_customer")
    paths = [
        await make_link(desk.workshop, "take_back", row.id, ticket=ticket, staff=handler)
        for row in (first, second)
    ]
    assert (await desk.web.post(paths[0])).status_code == 200
    async with desk.workshop.begin() as uow:
        leaving = await uow.session.get_one(Notification, second.id)
        leaving.state = type(leaving.state).SENDING
    assert (await desk.web.post(paths[1])).status_code == 409
    states = {row.id: (row.state.value, row.reason) for row in await all_of(desk.workshop, Notification)}
    assert states[first.id] == ("suppressed", "taken_back")
    assert states[second.id][0] == "sending"


async def test_whoever_takes_a_follow_up_is_its_owner(desk: Desk) -> None:
    ticket = await make_ticket(desk.workshop)
    survey = await make_survey(desk.workshop, desk.clock, ticket)
    async with desk.workshop.begin() as uow:
        held, its_ticket = await surveys.survey_by_id(uow, survey.id)
        await surveys.answer(uow, held, its_ticket, surveys.Answer({"overall": 1}))
    (followup,) = await all_of(desk.workshop, Followup)
    path = await make_link(desk.workshop, "take_followup", followup.id, ticket=ticket, staff="AM001")
    assert (await desk.web.get(path)).status_code == 200
    assert (await desk.web.post(path)).status_code == 200
    (taken,) = await all_of(desk.workshop, Followup)
    (sue,) = await all_of(desk.workshop, Staff, Staff.number == "AM001")
    assert taken.owner_id == sue.id


async def confirm_links(desk: Desk) -> tuple[Ticket, str, str]:
    ticket = await make_ticket(desk.workshop)
    await resolve_ticket(desk.workshop, ticket)
    yes, no = [
        await make_link(desk.workshop, purpose, ticket.id, ticket=ticket, single_use=False)
        for purpose in ("confirm", "not_resolved")
    ]
    return ticket, yes, no


async def test_the_customer_sees_the_result_and_confirms_it(desk: Desk) -> None:
    ticket, yes, no = await confirm_links(desk)
    before = await count_rows(desk.workshop)
    page = await desk.web.get(yes)
    assert "已更换证书" in page.text
    assert "结账页面无法付款" in page.text
    assert (await desk.web.get(no)).status_code == 200
    assert await count_rows(desk.workshop) == before
    for _ in range(2):
        assert (await desk.web.post(yes, data={"answer": "confirmed"})).status_code == 200
    confirmed = await now(desk, ticket)
    assert (confirmed.state.value, confirmed.confirmed_by) == ("resolved", "customer")
    assert len(await all_of(desk.workshop, TicketEntry, TicketEntry.kind == "confirmed")) == 1
    assert (await desk.web.get(yes)).status_code == 200


async def test_not_resolved_opens_the_ticket_again_once_and_tells_the_handler(desk: Desk) -> None:
    ticket, yes, no = await confirm_links(desk)
    long = await desk.web.post(no, data={"answer": "not_resolved", "text": "错" * 4001})
    assert (long.status_code, "错" * 4001 in long.text) == (422, True)
    for _ in range(2):
        assert (await desk.web.post(no, data={"text": "还是报错"})).status_code == 200
    reopened = await now(desk, ticket)
    assert (reopened.state.value, reopened.opening) == ("in_progress", 2)
    (told,) = await all_of(desk.workshop, Notification, Notification.kind == "customer_reply")
    assert told.staff_id == ticket.handler_id
    late = await desk.web.post(yes, data={"answer": "confirmed"})
    assert late.status_code == 410
    assert (await now(desk, ticket)).confirmed_at is None
