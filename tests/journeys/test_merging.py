"""Stories of two tickets that become one, and of one that becomes two; their clocks stay honest."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from models.vocabulary import DeadlineState, NotificationState, TicketState
from tests.conftest import Backend
from tests.house import House, open_house
from workers.tickets.auditing import audit_batch

pytestmark = pytest.mark.anyio

LILEI, HAN = "lilei@163.example", "han@163.example"


async def asked(house: House, words: str, subject: str, sender: str = LILEI) -> str:
    """A customer writes a new mail; gives the ticket's number."""
    await house.mail(sender, words, subject=subject)
    return (await house.ticket()).number


async def handler_of(house: House, number: str) -> str:
    return str((await house.api("GET", f"/tickets/{number}"))["handler"])


async def merge(house: House, number: str, into: str, expect: int = 200, by: str = "SV001") -> Any:
    return await house.api("POST", f"/tickets/{number}/merge", {"into": into}, by=by, expect=expect)


async def recounted(house: House) -> None:
    """What the clocks say comes out once more from the logs alone."""
    async with house.workshop.read() as uow:
        audited = await audit_batch(uow)
    assert audited
    assert [each.differences for each in audited if each.differences] == []


async def test_the_later_ticket_goes_on_in_the_earlier_one_and_the_customers_words_with_it(
    backend: Backend,
) -> None:
    async with open_house(backend) as house:
        first = await asked(house, "My order is late.", "Order")
        await house.pass_time(timedelta(minutes=20))
        second = await asked(house, "Still nothing here, call 13800138000.", "Where is it")
        receipt = await house.mail_of("receipt")
        other = await asked(house, "Another question.", "Bill", sender=HAN)

        await merge(house, first, second, 422)
        await merge(house, second, second, 422)
        await merge(house, second, other, 409)
        await merge(house, second, "CS209901010001", 404)
        hers = await handler_of(house, second)
        assert hers != await handler_of(house, first)
        await merge(house, second, first, 403, by=hers)
        shown = await merge(house, second, first)
        assert (shown["state"], shown["close_reason"], shown["merged_into"]) == ("closed", "merged", first)
        assert shown["missing_for_closing"] == []
        await merge(house, second, first, 409)

        clocks = await house.deadlines(second)
        assert {row.state for row in clocks.values()} == {DeadlineState.WITHDRAWN}
        assert all(row.due_at is None for row in clocks.values())
        kept = await house.deadlines(first)
        assert kept["first_response"].state is DeadlineState.RUNNING
        (line,) = [
            each
            for each in (await house.api("GET", f"/tickets/{first}"))["log"]
            if each["kind"] == "merged_in"
        ]
        assert line["facts"] == {"from": second}
        assert "138****8000" in line["words"]["text"], "masked like everything"

        await house.mail(LILEI, "It has come now.", answers=receipt)
        assert "customer_wrote" in await house.log_kinds(first)
        assert "customer_wrote" not in await house.log_kinds(second)

        await house.pass_time(timedelta(hours=30))
        assert (await house.ticket(second)).overdue_count == 0, "nothing is waited for there"
        assert (await house.ticket(first)).overdue_count >= 1, "the earlier one's clocks have run on"
        await recounted(house)

        shown = await house.api("POST", f"/tickets/{second}/merge/undo", by="SV001")
        assert (shown["state"], shown["merged_into"], shown["closed_at"]) == ("in_progress", None, None)
        await house.settle()
        assert (await house.ticket(second)).overdue_count >= 1, "its clocks have never stopped"
        await recounted(house)
        await house.api("POST", f"/tickets/{second}/merge/undo", by="SV001", expect=409)


@pytest.mark.parametrize("merged_late", [False, True], ids=["before-the-limit", "after-the-limit"])
async def test_a_limit_that_passes_around_a_merge_that_is_undone_is_missed_once(
    backend: Backend, merged_late: bool
) -> None:
    async with open_house(backend) as house:
        first = await asked(house, "My order is late.", "Order")
        await house.pass_time(timedelta(minutes=5))
        second = await asked(house, "Where is it?", "Order again")
        row = (await house.deadlines(second))["first_response"]
        assert row.limit_at
        left = row.limit_at - house.clock.now()
        if not merged_late:
            await merge(house, second, first)
        house.clock.advance(left + timedelta(seconds=1))  # the alarm has not come round to it yet
        if merged_late:
            await merge(house, second, first)
        await house.api("POST", f"/tickets/{second}/merge/undo", by="SV001")
        await house.settle()
        ticket = await house.ticket(second)
        assert (ticket.overdue_count, ticket.attention) == (1, True)
        breaches = [line for line in await house.log(second) if line.kind == "breached"]
        assert [line.facts["clock"] for line in breaches] == ["first_response"]
        until = (house.clock.now() + timedelta(minutes=1)).isoformat().replace("+00:00", "Z")
        counts = (await house.api("GET", f"/reports/overdue?until={until}"))["items"]
        shown = {each["staff"]: each["total"] for each in counts if second in each["tickets"]}
        assert shown == {await handler_of(house, second): 1}
        assert house.mails_to("carol@help.example", f"[{second}] 首次响应已超时"), (
            "its supervisor hears of it"
        )
        await recounted(house)


@pytest.mark.parametrize("wrote", ["before", "since", "again"])
async def test_a_customer_who_wrote_on_the_other_ticket_is_waited_for_no_more(
    backend: Backend, wrote: str
) -> None:
    async with open_house(backend) as house:
        first = await asked(house, "It came in the wrong colour.", "Order")
        handler = await handler_of(house, first)
        await house.api("POST", f"/tickets/{first}/accept", by=handler)
        if wrote != "since":
            second = await asked(house, "My bill is wrong, too.", "Bill")
            receipt = await house.mail_of("receipt")
            await house.pass_time(timedelta(minutes=5))
        await house.api("POST", f"/tickets/{first}/wait", {"question": "Which colour?"}, by=handler)
        await house.pass_time(timedelta(minutes=30))
        if wrote == "since":
            second = await asked(house, "The blue one.", "My answer")
        elif wrote == "again":
            await house.mail(LILEI, "And the blue one, please.", answers=receipt)
        await merge(house, second, first)
        resolution = (await house.deadlines(first))["resolution"]
        waits = wrote == "before"
        assert resolution.state is (DeadlineState.PAUSED if waits else DeadlineState.RUNNING)
        await house.pass_time(timedelta(hours=25, minutes=30))
        assert bool(await house.notifications("waiting_reminder")) is waits, "asked again, or not"
        await recounted(house)


async def test_a_persons_words_leave_still_and_automatic_ones_of_the_merged_ticket_do_not(
    backend: Backend,
) -> None:
    async with open_house(backend) as house:
        first = await asked(house, "My order is late.", "Order")
        second = await asked(house, "Where is it?", "Order again")
        by = await handler_of(house, second)
        await house.api("POST", f"/tickets/{second}/answer", {"text": "We are looking."}, by=by)
        await merge(house, second, first)
        await house.pass_time(timedelta(minutes=10))
        (sent,) = await house.notifications("reply_to_customer")
        assert sent.state is NotificationState.SENT
        assert (await house.ticket(second)).first_response_at is not None
        assert (await house.ticket(first)).first_response_at is None, "that was no answer to the earlier one"
        result = {"cause": "a jam", "solution": "sent anew"}
        await house.api("POST", f"/tickets/{first}/resolve", result, by="SV001")
        third = await asked(house, "One more thing.", "Third")
        await merge(house, third, first, 200)
        assert (await house.ticket(third)).state is TicketState.CLOSED
        assert {row.ticket_id for row in await house.notifications("csat_invitation")} <= {
            (await house.ticket(first)).id
        }


async def test_a_message_becomes_a_ticket_of_its_own_with_clocks_from_when_it_came_in(
    backend: Backend,
) -> None:
    async with open_house(backend) as house:
        first = await asked(house, "My order is late.", "Order")
        receipt = await house.mail_of("receipt")
        await house.mail(LILEI, "And my bill is wrong.", answers=receipt)
        written = house.clock.now()
        await house.pass_time(timedelta(hours=30))
        log = (await house.api("GET", f"/tickets/{first}"))["log"]
        (line,) = [each for each in log if each["kind"] == "customer_wrote"]
        given = {"entry": line["id"], "subject": "Wrong bill"}
        await house.api("POST", f"/tickets/{first}/split", {"entry": log[0]["id"]}, by="SV001", expect=404)
        made = await house.api("POST", f"/tickets/{first}/split", given, by="SV001", expect=201)
        await house.settle()
        await house.api("POST", f"/tickets/{first}/split", given, by="SV001", expect=409)
        ticket = await house.ticket(made["number"])
        assert made["number"] != first
        assert ticket.received_at == written
        assert ticket.overdue_count >= 1, "honestly late"
        assert (made["description"], made["subject"]) == ("And my bill is wrong.", "Wrong bill")
        assert len([m for m in house.mails_to(LILEI) if made["number"] in str(m.message["subject"])]) == 1
        assert "split_off" in await house.log_kinds(first)
        assert "split_from" in await house.log_kinds(made["number"])
        shown = await merge(house, made["number"], first)
        assert shown["merged_into"] == first, "and back again"
        await recounted(house)
