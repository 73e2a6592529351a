"""The ledger, deadlines, surveys, follow-ups and people by the API, and the API's own description."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from models.base import new_id
from models.notifications import DeliveryAttempt, Notification, Receipt
from models.surveys import Survey
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, Medium
from tests.conftest import Backend
from tests.factories import Desk, all_of, make_desk, make_survey, make_ticket
from workers import deadlines, escalations, rungs, surveys, tickets
from workers.policy import Alarm

pytestmark = pytest.mark.anyio


async def items(desk: Desk, path: str, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await desk.api("GET", path, params=params)).json()["items"]
    return found


async def test_messages_are_found_by_kind_state_ticket_and_recipient(desk: Desk) -> None:
    ticket = await make_ticket(desk.workshop, phone="13800005678")
    await make_ticket(desk.workshop, email="bob@customer.example", name=None)
    (receipt,) = await items(desk, "/notifications", ticket=ticket.number, kind="receipt")
    assert (receipt["recipient"], receipt["to"]) == ("l***@customer.example", "customer")
    by_address = await items(desk, "/notifications", recipient="LI.NA@customer.example")
    assert [row["id"] for row in by_address] == [receipt["id"]]
    assert await items(desk, "/notifications", recipient="+86 138 0000 5678") == []
    assert len(await items(desk, "/notifications", state="queued", channel="email")) == 4
    assert await items(desk, "/notifications", channel="sms") == []
    await desk.api("GET", "/notifications", params={"recipient": "nobody"}, expect=422)
    page = (await desk.api("GET", "/notifications", params={"limit": 3})).json()
    rest = await items(desk, "/notifications", cursor=page["next_cursor"])
    assert len(page["items"]) + len(rest) == 4


async def test_a_message_shows_its_attempts_and_receipts_without_addresses(desk: Desk) -> None:
    await make_ticket(desk.workshop)
    (row,) = await all_of(desk.workshop, Notification, Notification.kind == "receipt")
    now = desk.clock.now()
    async with desk.workshop.begin() as uow:
        uow.session.add(
            DeliveryAttempt(
                id=new_id(), notification_id=row.id, lease_token=new_id(), started_at=now, finished_at=now,
                outcome="rejected", reason="unknown_recipient", code=550, host="mx.customer.example",
                text="5.1.1 <li.na@customer.example> unknown", tls=True, seconds=0.2,
            )
        )  # fmt: skip # packed, to be read at a glance
        uow.session.add(
            Receipt(source="bounce", external_id="b1", notification_id=row.id, at=now, kind="bounced")
        )
    answer = await desk.api("GET", f"/notifications/{row.id}")
    (attempt,) = answer.json()["attempts"]
    assert (attempt["code"], attempt["host"]) == (550, "mx.customer.example")
    assert "li.na@" not in answer.text.replace(str(row.message_id), "")
    assert [receipt["kind"] for receipt in answer.json()["receipts"]] == ["bounced"]
    await desk.api("GET", f"/notifications/{new_id()}", expect=404)
    await desk.api("GET", "/notifications/x", expect=422)


async def test_deadlines_are_found_by_kind_state_and_next_alarm(desk: Desk) -> None:
    ticket = await make_ticket(desk.workshop)
    desk.clock.advance(timedelta(days=1))
    async with desk.workshop.begin() as uow:
        held = await tickets.ticket_by_id(uow, ticket.id)
        (row,) = await deadlines.open_ones(uow, held, [DeadlineKind.FIRST_RESPONSE])
        await escalations.breach(uow, row, Alarm(desk.clock.now(), "breach", ("supervisor",)))
    await desk.api("POST", f"/tickets/{ticket.number}/acknowledge", by="AM001")
    (breached,) = await items(desk, "/deadlines", state="breached", ticket=ticket.number)
    assert (breached["kind"], breached["in_time"]) == ("first_response", False)
    assert breached["overdue"]["words"] == "16小时"
    (ladder,) = await items(desk, "/deadlines", kind="escalation")
    assert (ladder["acknowledged_by"], ladder["state"]) == ("AM001", "withdrawn")
    due = await items(desk, "/deadlines", due_before="2026-03-03T00:00:00Z")
    assert {row["kind"] for row in due} == {"first_response", "acceptance"}
    shown = (await desk.api("GET", f"/tickets/{ticket.number}")).json()
    assert (shown["attention"], shown["overdue_count"]) == (True, 1)


async def rated(desk: Desk, overall: int) -> Survey:
    survey = await make_survey(desk.workshop, desk.clock, await make_ticket(desk.workshop))
    async with desk.workshop.begin() as uow:
        held, ticket = await surveys.survey_by_id(uow, survey.id)
        said = surveys.Answer({"overall": overall}, comment="李娜觉得太慢,13800005678")
        await surveys.answer(uow, held, ticket, said)
    return survey


async def test_scores_are_for_those_who_did_not_handle_the_request(desk: Desk) -> None:
    survey = await rated(desk, 2)
    path = f"/surveys/{survey.number}"
    handler = (await desk.api("GET", path)).json()["staff"]
    for by in ("", "AM001", "QA001", "AD001"):
        shown = (await desk.api("GET", path, by=by)).json()
        assert (shown["scores"], shown["source"]) == ({"overall": 2}, "page")
        assert shown["words"]["comment"] == "李*觉得太慢,138****5678"
    shown = (await desk.api("GET", path, by=handler)).json()
    assert (shown["scores"], shown["words"], shown["verdict"], shown["followup"]) == (None, None, None, None)
    (other,) = {"CS001", "CS002"} - {handler}
    await desk.api("GET", path, by=other, expect=403)
    assert "scores" not in (await items(desk, "/surveys", state="answered"))[0]
    await desk.api("GET", "/surveys/CSAT1", expect=404)


async def test_whoever_is_rated_reads_nothing_of_the_verdict_in_the_log_of_their_ticket(desk: Desk) -> None:
    survey = await rated(desk, 1)
    shown = (await desk.api("GET", f"/surveys/{survey.number}")).json()
    path, handler = f"/tickets/{shown['ticket']}", shown["staff"]
    (case,) = await items(desk, "/followups")
    told = {"text": "客户说客服很不耐烦", "reached": True}
    await desk.api("POST", f"/followups/{case['id']}/contact", by="AM001", json=told)

    for by, sees in ((handler, False), ("AM001", True), ("", True)):
        looked = await desk.api("GET", path, by=by)
        acted = await desk.api("POST", f"{path}/note", by=by, json={"text": "已归档"})
        for answer in (looked, acted):
            lines = {line["kind"] for line in answer.json()["log"]}
            clocks = {clock["kind"] for clock in answer.json()["deadlines"]}
            assert ({"followup_opened", "followup_contact"} <= lines) is sees, by
            assert ("followup_start" in clocks) is sees, by
            assert ("不耐烦" in answer.text) is sees, by
            assert {"rated", "resolved"} <= lines, by


async def test_that_an_alert_of_a_low_score_came_back_is_not_told_to_whom_it_is_about(desk: Desk) -> None:
    shown = (await desk.api("GET", f"/surveys/{(await rated(desk, 1)).number}")).json()
    path, handler = f"/tickets/{shown['ticket']}", shown["staff"]
    alert, *_ = await all_of(desk.workshop, Notification, Notification.kind == "low_score_alert")
    async with desk.workshop.begin() as uow:
        ticket = await uow.session.get_one(Ticket, alert.ticket_id)
        await rungs.rung_broken(uow, ticket, await uow.session.get_one(Notification, alert.id), "bounced")

    for by, sees in ((handler, False), ("AM001", True), ("", True)):
        log = (await desk.api("GET", path, by=by)).json()["log"]
        assert ("rung_broken" in {line["kind"] for line in log}) is sees, by
        seen = (await desk.api("GET", "/attention", by=by)).json()
        assert bool(seen["counts"].get("broken_rung")) is sees, by
        assert ("low_score_alert" in {item["kind"] for item in seen["items"]}) is sees, by


async def test_an_answer_given_on_the_phone_is_entered_once(desk: Desk) -> None:
    survey = await make_survey(desk.workshop, desk.clock, await make_ticket(desk.workshop))
    path = f"/surveys/{survey.number}/answer"
    await desk.api("POST", path, json={"scores": {"speed": 4}}, expect=422)
    await desk.api("POST", path, json={"scores": {"overall": 6}}, expect=422)
    await desk.api("POST", path, json={"scores": {"mood": 3}}, expect=422)
    said = {"scores": {"overall": 3, "speed": 2}, "comment": "一般"}
    assert (await desk.api("POST", path, by="AM001", json=said)).json()["followup_opened"] is True
    await desk.api("POST", path, by="AM001", json={"scores": {"overall": 5}}, expect=409)
    shown = (await desk.api("GET", f"/surveys/{survey.number}")).json()
    assert (shown["scores"], shown["source"]) == ({"overall": 3, "speed": 2}, "phone")
    log = (await desk.api("GET", f"/tickets/{shown['ticket']}")).json()["log"]
    assert ("rating_entered", "AM001") in {(entry["kind"], entry["actor"]) for entry in log}


async def test_a_follow_up_is_led_from_its_owner_to_its_re_evaluation(desk: Desk) -> None:
    survey = await rated(desk, 1)
    (case,) = await items(desk, "/followups", state="open")
    path = f"/followups/{case['id']}"
    measure = {
        "cause": "process", "measure": "证书到期前提醒", "term": "long", "department": "运维",
        "due_at": "2026-04-01T02:00:00Z",
    }  # fmt: skip # packed, to be read at a glance
    await desk.api("POST", f"{path}/owner", by="AM001", json={"staff": "QA001"})
    assert [row["id"] for row in await items(desk, "/followups", owner="QA001")] == [case["id"]]
    await desk.api("POST", f"{path}/measure", by="QA001", json=measure, expect=409)
    tried = {"text": "无人接听", "reached": False}
    assert (await desk.api("POST", f"{path}/contact", by="QA001", json=tried)).json()["started_at"] is None
    seen = await desk.api("POST", f"{path}/contact", by="QA001", json={"text": "已致歉", "reached": True})
    assert (seen.json()["state"], seen.json()["started_in_time"]) == ("started", True)
    stale = {"If-Match": '"1"'}
    await desk.api("POST", f"{path}/measure", by="QA001", json=measure, headers=stale, expect=412)
    fresh = {"If-Match": seen.headers["etag"]}
    await desk.api("POST", f"{path}/measure", by="QA001", json=measure, headers=fresh)
    await desk.api("POST", f"{path}/measure", json={**measure, "cause": "weather"}, expect=422)
    await desk.api("POST", f"{path}/evaluate", json={"met": False, "note": "仍有投诉"}, expect=422)
    failed = {"met": False, "note": "仍有投诉", "review_report": "提醒未送达"}
    assert (await desk.api("POST", f"{path}/evaluate", json=failed)).json()["round"] == 2
    await desk.api("POST", f"{path}/measure", by="QA001", json=measure)
    done = (await desk.api("POST", f"{path}/evaluate", json={"met": True})).json()
    assert (done["state"], done["scores"]) == ("met", {"overall": 1})
    assert [entry["kind"] for entry in done["log"]].count("followup_evaluated") == 2
    await desk.api("POST", f"{path}/contact", json={"text": "x", "reached": True}, expect=409)
    handler = (await desk.api("GET", f"/surveys/{survey.number}")).json()["staff"]
    assert (await desk.api("GET", path, by=handler)).json()["scores"] is None
    await desk.api("GET", f"/followups/{new_id()}", expect=404)


async def test_people_come_go_and_fall_ill(desk: Desk) -> None:
    new = {
        "number": "CS003",
        "name": "Carol",
        "email": "Carol@Help.Example",
        "team": "support",
        "phone": "13900001111",
    }
    shown = (await desk.api("POST", "/staff", json=new, expect=201)).json()
    assert (shown["email"], shown["phone"], shown["role"]) == (
        "carol@help.example",
        "+8613900001111",
        "agent",
    )
    await desk.api("POST", "/staff", json=new, expect=409)
    await desk.api("POST", "/staff", json={**new, "number": "CS202405200001"}, expect=422)
    await desk.api("POST", "/staff", json={**new, "number": "CS004", "email": "x"}, expect=422)
    await desk.api("POST", "/staff", json={**new, "number": "CS004", "team": "nobody's"}, expect=404)
    ill = {"absent_until": "2026-03-09T00:00:00Z", "skills": ["software"]}
    assert (await desk.api("PATCH", "/staff/CS003", json=ill)).json()["skills"] == ["software"]
    await desk.api("PATCH", "/staff/CS003", json={"email": "cs001@help.example"}, expect=409)
    await desk.api("PATCH", "/staff/CS003", json={"number": "CS009"}, expect=422)
    await desk.api("PATCH", "/staff/CS003", json={"role": None}, expect=422)
    await desk.api("PATCH", "/staff/CS003", json={}, expect=422)
    await desk.api("PATCH", "/staff/CS003", json={"active": False, "team": None})
    assert (await desk.api("GET", "/staff/CS003")).json()["team"] is None
    assert [row["number"] for row in await items(desk, "/staff", active=False)] == ["CS003"]
    assert {row["number"] for row in await items(desk, "/staff", team="support", role="agent")} == {
        "CS001", "CS002",
    }  # fmt: skip # packed, to be read at a glance
    await desk.api("PATCH", "/staff/AD001", json={"active": False}, expect=409)
    await desk.api("GET", "/staff/CS404", expect=404)


async def test_teams_name_the_people_an_escalation_climbs_to(desk: Desk) -> None:
    made = (
        await desk.api("POST", "/teams", json={"name": "software", "supervisor": "AM002"}, expect=201)
    ).json()
    assert made == {"name": "software", "supervisor": "AM002", "substitute": None, "head": None}
    await desk.api("POST", "/teams", json={"name": "software"}, expect=409)
    await desk.api("POST", "/teams", json={"name": "hardware", "head": "CS404"}, expect=404)
    changed = (await desk.api("PATCH", "/teams/software", json={"supervisor": None, "head": "HD001"})).json()
    assert (changed["supervisor"], changed["head"]) == (None, "HD001")
    await desk.api("PATCH", "/teams/software", json={"name": "support"}, expect=409)
    await desk.api("PATCH", "/teams/software", json={"name": "product"})
    await desk.api("GET", "/teams/software", expect=404)
    assert {row["name"] for row in await items(desk, "/teams")} == {"product", "support"}


async def test_the_first_supervisor_of_a_team_leads_it_and_the_second_does_not(desk: Desk) -> None:
    await desk.api("POST", "/teams", json={"name": "night"}, expect=201)
    for number in ("SV801", "SV802"):
        body = {"number": number, "name": number, "email": f"{number}@help.example", "role": "supervisor"}
        await desk.api("POST", "/staff", json={**body, "team": "night"}, expect=201)
    teams = {team["name"]: team for team in (await desk.api("GET", "/teams")).json()["items"]}
    assert teams["night"]["supervisor"] == "SV801"


async def test_staff_addresses_outside_the_company_are_refused(backend: Backend) -> None:
    async with make_desk(backend, staff_domains=("help.example",)) as desk:
        stranger = {"number": "CS009", "name": "Eve", "email": "eve@mailbox.example"}
        problem = (await desk.api("POST", "/staff", json=stranger, expect=422)).json()
        assert problem["hint"] == "allowed domains: help.example"
        change = {"email": "cs001@mailbox.example"}
        await desk.api("PATCH", "/staff/CS001", json=change, expect=422)


async def test_a_customer_is_shown_by_code_and_mask(desk: Desk) -> None:
    first = await make_ticket(desk.workshop)
    second = await make_ticket(desk.workshop)
    code = (await desk.api("GET", f"/tickets/{first.number}")).json()["customer"]["code"]
    shown = (await desk.api("GET", f"/customers/{code.lower()}")).json()
    assert (shown["masked"], shown["tickets"], shown["open_tickets"]) == ("李* l***@customer.example", 2, 2)
    assert shown["latest_tickets"] == [second.number, first.number]
    await desk.api("GET", "/customers/C1", expect=404)


async def test_a_customer_known_by_code_asks_again_by_phone(desk: Desk) -> None:
    ticket = await make_ticket(desk.workshop, email=None, phone="13800005678", channel=Medium.PHONE)
    code = (await desk.api("GET", f"/tickets/{ticket.number}")).json()["customer"]["code"]
    again = {"contact": {"code": code}, "description": "again", "channel": "phone"}
    assert (await desk.api("POST", "/tickets", json=again, expect=201)).json()["customer"]["code"] == code


async def test_the_description_of_the_api_is_complete(desk: Desk) -> None:
    described = (await desk.web.get("/openapi.json")).json()
    operations = {
        f"{method} {path}": operation
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }
    assert all(operation["tags"] and operation["summary"] for operation in operations.values())
    assert all(operation["description"] for operation in operations.values())
    assert "post /api/v1/tickets/{number}/first-response" in operations
    api = {name: operation for name, operation in operations.items() if "/api/v1" in name}
    assert all({"401", "503"} <= set(operation["responses"]) for operation in api.values())
    assert all(operation["security"] for operation in api.values())
    fields = described["components"]["schemas"]["FirstResponse"]["properties"]
    assert not {"at", "time", "responded_at"} & set(fields)
