"""The ticket API: a ticket's life from outside, who may see it, and what is refused."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from models.intake import IntakeEvent
from models.notifications import Notification
from models.tickets import Ticket
from tests.factories import Desk, all_of, count_rows, make_ticket, resolve_ticket

pytestmark = pytest.mark.anyio

ASKED = {
    "contact": {"email": "li.na@customer.example", "name": "李娜"},
    "subject": "结账页面无法付款",
    "description": "李娜说:点击付款后报错 502,电话 13800005678,邮箱 li.na@customer.example。",
    "priority": "紧急",
    "category": "技术故障",
    "subkind": "software",
}


async def test_a_request_taken_down_by_phone_becomes_a_ticket_with_its_clocks_and_receipt(desk: Desk) -> None:
    answer = await desk.api("POST", "/tickets", json=ASKED, expect=201)
    ticket = answer.json()
    assert answer.headers["location"] == f"/api/v1/tickets/{ticket['number']}"
    assert (ticket["priority"], ticket["category"], ticket["state"]) == (
        "urgent", "after_sales_technical", "in_progress",
    )  # fmt: skip # packed, to be read at a glance
    assert {row["kind"] for row in ticket["deadlines"]} == {"first_response", "acceptance", "plan"}
    assert ticket["limits"]["first_response"] == "2026-03-02T04:00:00Z"
    assert [entry["kind"] for entry in ticket["log"]] == ["received", "assigned"]
    kinds = {row.kind for row in await all_of(desk.workshop, Notification)}
    assert kinds == {"receipt", "assignment"}


async def test_nothing_that_names_the_customer_leaves_by_the_api(desk: Desk) -> None:
    opened = await desk.api("POST", "/tickets", json=ASKED, expect=201)
    number = opened.json()["number"]
    await desk.api("POST", f"/tickets/{number}/progress", json={"text": "李娜 13800005678 已联系"})
    texts = [opened.text]
    for path in (f"/tickets/{number}", "/tickets", "/notifications", f"/customers/{customer_of(opened)}"):
        texts.append((await desk.api("GET", path)).text)
    for said in ("李娜", "13800005678", "li.na@"):
        assert not any(said in text for text in texts), said
    assert "报错 502" in texts[0]
    assert "138****5678" in texts[0]


def customer_of(answer: Any) -> str:
    code: str = answer.json()["customer"]["code"]
    return code


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"contact": {}}, "body.contact"),
        ({"description": ""}, "body.description"),
        ({"received_at": "2020-01-01T00:00:00Z"}, "body.received_at"),
        ({"occurred_at": "2020-01-01T00:00:00"}, "body.occurred_at"),
    ],
    ids=["nobody asks", "nothing is asked", "dated back", "a time without a zone"],
)
async def test_what_is_not_as_described_is_refused_without_repeating_it(
    desk: Desk, change: dict[str, Any], where: str
) -> None:
    answer = await desk.api("POST", "/tickets", json={**ASKED, **change}, expect=422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert where in [error["where"] for error in answer.json()["errors"]]
    assert "13800005678" not in answer.text


async def test_words_that_mean_nothing_are_refused_with_the_codes_that_do(desk: Desk) -> None:
    answer = await desk.api("POST", "/tickets", json={**ASKED, "priority": "soonish"}, expect=422)
    assert "urgent, high, medium, low" in answer.json()["hint"]
    answer = await desk.api("POST", "/tickets", json={**ASKED, "contact": {"email": "nobody"}}, expect=422)
    answer = await desk.api("POST", "/tickets", json={**ASKED, "contact": {"code": "C1"}}, expect=404)
    answer = await desk.api("POST", "/tickets", content=b"{not json", expect=422)
    assert await all_of(desk.workshop, Ticket) == []


async def test_one_idempotency_key_is_one_ticket_also_when_all_come_at_once(desk: Desk) -> None:
    headers = {"Idempotency-Key": "call-88213"}
    answers = await asyncio.gather(
        *(
            desk.web.post("/api/v1/tickets", json=ASKED, headers={**headers, "X-API-Key": KEY_OF_ALL})
            for _ in range(6)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert len({answer.json()["number"] for answer in answers}) == 1
    (event,) = await all_of(desk.workshop, IntakeEvent)
    (ticket,) = await all_of(desk.workshop, Ticket)
    assert (event.source, event.state.value, event.ticket_id, event.due_at) == (
        "api",
        "done",
        ticket.id,
        None,
    )
    other = {**ASKED, "subject": "something else"}
    await desk.api("POST", "/tickets", json=other, headers=headers, expect=422)


KEY_OF_ALL = "api-key-of-the-tests-0123456789"


async def test_a_refused_request_leaves_its_key_free(desk: Desk) -> None:
    headers = {"Idempotency-Key": "k1"}
    await desk.api("POST", "/tickets", json={**ASKED, "priority": "?"}, headers=headers, expect=422)
    await desk.api("POST", "/tickets", json=ASKED, headers=headers, expect=201)


async def test_lists_are_filtered_and_walked_by_cursor(desk: Desk) -> None:
    numbers = []
    for place in range(5):
        ticket = await make_ticket(desk.workshop, email=f"c{place}@customer.example", name=None)
        numbers.append(ticket.number)
        desk.clock.advance(timedelta(hours=1))
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = (await desk.api("GET", "/tickets", params=query)).json()
        seen += [item["number"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == numbers[::-1]

    async def found(**params: Any) -> list[str]:
        return [item["number"] for item in (await desk.api("GET", "/tickets", params=params)).json()["items"]]

    assert await found(received_from="2026-03-02T04:00:00Z", received_to="2026-03-02T06:00:00Z") == seen[1:3]
    assert set(await found(handler="CS001")) | set(await found(handler="cs002@help.example")) == set(seen)
    assert await found(handler="CS001") != []
    assert await found(category="投诉类") == []
    assert await found(state="closed", attention=True) == []
    assert await found(category="技术故障", priority="medium", attention=False) == seen
    await desk.api("GET", "/tickets", params={"cursor": "x"}, expect=422)
    await desk.api("GET", "/tickets", params={"limit": 1000}, expect=422)
    await desk.api("GET", "/tickets", params={"state": "lost"}, expect=422)


async def test_an_agent_sees_only_their_own_tickets(desk: Desk) -> None:
    ticket = await make_ticket(desk.workshop)
    shown = (await desk.api("GET", f"/tickets/{ticket.number}")).json()
    own, other = ("CS001", "CS002") if shown["handler"] == "CS001" else ("CS002", "CS001")
    assert len((await desk.api("GET", "/tickets", by=own)).json()["items"]) == 1
    assert (await desk.api("GET", "/tickets", by=other)).json()["items"] == []
    await desk.api("GET", f"/tickets/{ticket.number}", by=other, expect=403)
    for by in (own, "QA001", "AM001"):
        await desk.api("GET", f"/tickets/{ticket.number}", by=by)
    await desk.api("GET", "/tickets", by="CS999", expect=403)


async def test_looking_writes_nothing(desk: Desk) -> None:
    ticket = await make_ticket(desk.workshop)
    before = await count_rows(desk.workshop)
    for path in (
        "/tickets",
        f"/tickets/{ticket.number}",
        "/notifications",
        "/deadlines",
        "/surveys",
        "/staff",
    ):
        await desk.api("GET", path)
    assert await count_rows(desk.workshop) == before


async def test_two_people_who_saw_the_same_version_do_not_overwrite_each_other(desk: Desk) -> None:
    ticket = await make_ticket(desk.workshop)
    path = f"/tickets/{ticket.number}"
    seen = (await desk.api("GET", path)).headers["etag"]
    first = await desk.api("POST", f"{path}/progress", json={"text": "第一"}, headers={"If-Match": seen})
    assert first.headers["etag"] != seen
    late = await desk.api(
        "POST", f"{path}/progress", json={"text": "第二"}, headers={"If-Match": seen}, expect=412
    )
    assert late.json()["title"] == "Precondition Failed"
    await desk.api("POST", f"{path}/progress", json={"text": "第二"}, headers={"If-Match": "*"})


async def test_triage_replans_the_clocks_and_describes_the_customer(desk: Desk) -> None:
    ticket = await make_ticket(desk.workshop)
    shown = (
        await desk.api(
            "PATCH",
            f"/tickets/{ticket.number}",
            by="AM001",
            json={
                "priority": "高",
                "category": "投诉类",
                "customer": {
                    "name": "王小明",
                    "group": "高价值",
                    "level": "vip",
                    "preferred_channel": "phone",
                },
            },
        )
    ).json()
    assert (shown["priority"], shown["category"]) == ("high", "complaint")
    assert shown["customer"] == {
        "code": shown["customer"]["code"],
        "masked": "王** l***@customer.example",
        "group": "高价值",
        "level": "vip",
        "industry": None,
        "preferred_channel": "phone",
    }
    generations = [row["generation"] for row in shown["deadlines"] if row["kind"] == "first_response"]
    assert generations == [1, 2]
    triaged = next(entry for entry in shown["log"] if entry["kind"] == "triaged")
    assert (triaged["actor"], triaged["facts"]["before"]["priority"]) == ("AM001", "medium")
    await desk.api("PATCH", f"/tickets/{ticket.number}", json={}, expect=422)
    await desk.api("PATCH", f"/tickets/{ticket.number}", json={"state": "closed"}, expect=422)


async def test_a_tickets_life_from_acceptance_to_closing(desk: Desk) -> None:
    ticket = await make_ticket(desk.workshop)
    path = f"/tickets/{ticket.number}"
    handler = (await desk.api("GET", path)).json()["handler"]
    other = "CS002" if handler == "CS001" else "CS001"

    desk.clock.advance(timedelta(minutes=3, seconds=22))
    call = {"channel": "phone", "evidence": "call-1", "note": "已告知客户"}
    shown = (await desk.api("POST", f"{path}/first-response", by=handler, json=call)).json()
    assert shown["durations"]["response"] == {"seconds": 202, "words": "3分22秒"}
    first = next(row for row in shown["deadlines"] if row["kind"] == "first_response")
    assert (first["in_time"], first["overdue"]) == (True, None)
    await desk.api("POST", f"{path}/first-response", by=handler, json=call, expect=409)
    dated_back = {**call, "at": "2026-03-02T02:00:01Z"}
    await desk.api("POST", f"{path}/first-response", by=handler, json=dated_back, expect=422)

    await desk.api("POST", f"{path}/accept", by=other, expect=403)
    shown = (await desk.api("POST", f"{path}/accept", by=handler)).json()
    assert shown["expected_resolution_at"] == shown["limits"]["resolution"]
    hand_over = {"to": other, "reason": "涉及支付网关"}
    shown = (await desk.api("POST", f"{path}/transfer", by=handler, json=hand_over)).json()
    assert (shown["handler"], shown["transferred_at"]) == (other, "2026-03-02T02:03:22Z")
    await desk.api("POST", f"{path}/transfer", by=other, json={**hand_over, "reason": " "}, expect=422)
    await desk.api("POST", f"{path}/transfer", by=other, json={**hand_over, "to": "CS999"}, expect=404)

    plan = {"text": "重新签发证书", "plan": True, "tell_customer": True}
    shown = (await desk.api("POST", f"{path}/progress", by=other, json=plan)).json()
    assert shown["planned_at"] is not None
    lead = {"lead": "support", "cooperating": ["support"]}
    await desk.api("POST", f"{path}/cooperation", by=other, json=lead, expect=403)
    shown = (await desk.api("POST", f"{path}/cooperation", by="AM001", json=lead)).json()
    assert shown["cooperating"] == ["support"]

    await desk.api("POST", f"{path}/close", by=other, expect=409)
    result = {"cause": "证书过期", "solution": "已更换"}
    shown = (await desk.api("POST", f"{path}/resolve", by=other, json=result)).json()
    assert (shown["state"], shown["missing_for_closing"]) == ("awaiting_feedback", ["confirmation", "rating"])
    shown = (await desk.api("POST", f"{path}/feedback", by=other, json={"evidence": "call-2"})).json()
    assert shown["feedback_at"] is not None
    shown = (await desk.api("POST", f"{path}/confirm", json={"solved": False, "note": "还是不行"})).json()
    assert (shown["state"], shown["opening"]) == ("in_progress", 2)
    await desk.api("POST", f"{path}/confirm", json={"solved": True}, expect=409)
    await desk.api("POST", f"{path}/resolve", by=other, json=result)
    desk.clock.advance(timedelta(minutes=10))
    shown = (await desk.api("POST", f"{path}/confirm", json={"solved": True, "by": "system"})).json()
    assert (shown["state"], shown["confirmed_by"]) == ("resolved", "system")
    assert shown["durations"]["resolution"]["words"] == "13分22秒"
    missing = await desk.api("POST", f"{path}/close", expect=409)
    assert "rating" in missing.json()["detail"]


async def test_an_answer_by_the_api_goes_out_to_the_customer_after_its_hold(desk: Desk) -> None:
    ticket = await make_ticket(desk.workshop)
    handler = (await desk.api("GET", f"/tickets/{ticket.number}")).json()["handler"]
    path = f"/tickets/{ticket.number}/answer"
    await desk.api("POST", path, by=handler, json={"text": "您好,正在处理。"})
    (queued,) = await all_of(desk.workshop, Notification, Notification.kind == "reply_to_customer")
    assert queued.due_at == desk.clock.now() + timedelta(minutes=2)
    await desk.api("POST", path, by=handler, json={"text": "  "}, expect=422)


async def test_a_request_for_more_time_is_decided_once_by_a_supervisor(desk: Desk) -> None:
    ticket = await make_ticket(desk.workshop)
    path = f"/tickets/{ticket.number}"
    handler = (await desk.api("POST", f"{path}/accept", by="AM001", expect=409)).json()
    handler = (await desk.api("GET", path)).json()["handler"]
    shown = (await desk.api("POST", f"{path}/accept", by=handler)).json()
    later = "2026-03-20T02:00:00Z"
    asked = {"reason": "等待银行", "resources": "DBA", "until": later}
    answer = await desk.api("POST", f"{path}/escalate", by=handler, json=asked, expect=201)
    (request,) = answer.json()["escalation_requests"]
    assert (request["by"], request["decision"], request["resources"]) == (handler, None, "DBA")
    decide = answer.headers["location"].removeprefix("/api/v1")
    await desk.api("POST", f"{decide}/approve", by=handler, expect=403)
    shown = (await desk.api("POST", f"{decide}/approve", by="AM001", json={"note": "可以"})).json()
    assert shown["expected_resolution_at"] == shown["limits"]["resolution"] == later
    assert shown["escalation_requests"][0]["decision"] == "approved"
    await desk.api("POST", f"{decide}/decline", by="AM001", expect=409)
    nowhere = decide.rpartition("/")[0] + "/00000000-0000-0000-0000-000000000000"
    await desk.api("POST", f"{nowhere}/decline", by="AM001", expect=404)

    more = {"reason": "银行休息", "until": "2026-03-25T02:00:00Z"}
    shown = (await desk.api("POST", f"{path}/extend", by="AM001", json=more)).json()
    assert shown["expected_resolution_at"] == more["until"]
    await desk.api("POST", f"{path}/extend", by=handler, json={**more, "reason": ""}, expect=422)


async def test_what_is_over_is_over(desk: Desk) -> None:
    ticket = await make_ticket(desk.workshop)
    await resolve_ticket(desk.workshop, ticket)
    path = f"/tickets/{ticket.number}"
    await desk.api("POST", f"{path}/confirm", json={"solved": True})
    for action, body in (("answer", {"text": "x"}), ("resolve", {"cause": "x", "solution": "y"})):
        problem = (await desk.api("POST", f"{path}/{action}", json=body, expect=409)).json()
        assert "re-open" in problem["hint"]
    await desk.api("GET", "/tickets/CS202001010001", expect=404)
    await desk.api("POST", f"{path}/acknowledge")


async def test_the_key_is_asked_for_before_anything_is_read(desk: Desk) -> None:
    for headers in ({}, {"X-API-Key": "wrong"}, {"Authorization": "Bearer wrong"}):
        answer = await desk.web.post("/api/v1/tickets", content=b"{broken", headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"][:6]) == (401, "Bearer")
    assert (await desk.web.get("/api/v1/nowhere")).status_code == 401
    assert (await desk.web.get("/api/v1/nowhere", headers={"X-API-Key": KEY_OF_ALL})).status_code == 404
    large = await desk.api("POST", "/tickets", content=b"x" * (1024 * 1024 + 1), expect=413)
    assert large.headers["content-type"] == "application/problem+json"
