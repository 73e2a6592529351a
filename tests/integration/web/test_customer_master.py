"""The customer master: found by contact, changed, taken in, written out, merged and parted again."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from models.notifications import Suppression
from models.people import Customer
from models.surveys import Survey
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, Medium
from tests.factories import Desk, all_of, make_survey, make_ticket
from workers import deadlines
from workers.communications import Talk, record_talk
from workers.customers import Wanted, Wording, rows
from workers.directory import staff_by_number, writes_from
from workers.in_force import put_in_force
from workers.policy import load_policy, parse_policy
from workers.suppressions import suppress

pytestmark = pytest.mark.anyio

VIP = """
[[limits_for]]
customer_level = "vip"
first_response = { urgent = "10m", high = "20m", medium = "30m", low = "40m" }
"""
CSV = {"Content-Type": "text/csv"}


async def limit(desk: Desk, ticket: Ticket) -> float:
    """Minutes from the ticket's opening to the limit of its first response."""
    async with desk.workshop.read() as uow:
        (row,) = await deadlines.open_ones(uow, ticket, [DeadlineKind.FIRST_RESPONSE])
        assert row.limit_at is not None
        return (row.limit_at - ticket.opened_at).total_seconds() / 60


async def codes(desk: Desk, by: str = "", **filters: Any) -> list[str]:
    """Codes of the customers that the list gives."""
    answer = await desk.api("GET", "/customers", by=by, params=filters)
    return [item["code"] for item in answer.json()["items"]]


async def test_a_customer_is_found_by_contact_and_a_new_level_moves_the_limits(desk: Desk) -> None:
    policy = parse_policy(load_policy("support-response").version_text + VIP)
    async with desk.workshop.begin() as uow:
        await put_in_force(uow.session, policy, uow.clock, made_by=None, reason=None)
        await desk.workshop.policies.follow(uow.session)
    ticket = await make_ticket(desk.workshop, email="li.na@customer.example", phone="13800005678")
    (code,) = await codes(desk, contact="Li.Na@customer.example")
    assert await codes(desk, contact="+86 138 0000 5678") == [code] == await codes(desk)
    assert await codes(desk, contact="li.na@customer.exampl") == [] == await codes(desk, level="vip")
    seen = await desk.api("GET", f"/customers/{code}")
    assert await limit(desk, ticket) == 480

    body = {"level": "vip", "orders": ["A-1", "A-2"], "industry": "retail"}
    stale = {"If-Match": '"7"'}
    await desk.api("PATCH", f"/customers/{code}", by="AM001", json=body, headers=stale, expect=412)
    known = {"If-Match": seen.headers["etag"]}
    changed = (await desk.api("PATCH", f"/customers/{code}", by="AM001", json=body, headers=known)).json()
    assert (changed["level"], changed["orders"], changed["version"]) == ("vip", ["A-1", "A-2"], 2)
    assert changed["history"][0] | {"at": ""} == {
        "at": "",
        "kind": "changed",
        "by": "AM001",
        "facts": {"fields": ["industry", "level", "orders"]},
    }
    assert await limit(desk, ticket) == 30
    log = (await desk.api("GET", f"/tickets/{ticket.number}")).json()["log"]
    assert [line["facts"]["because"] for line in log if line["kind"] == "replanned"] == ["customer_level"]
    assert await codes(desk, order="A-2") == [code] == await codes(desk, level="vip")

    other = {"email": "wang@customer.example", "name": "王伟", "orders": ["B-1"]}
    made = await desk.api("POST", "/customers", by="AM001", json=other, expect=201)
    assert "王伟" not in made.text
    assert "wang@" not in made.text
    await desk.api("POST", "/customers", by="AM001", json=other, expect=409)
    for wrong, status in (
        ({"email": "wang@customer.example"}, 409),
        ({"orders": ["B-1"]}, 409),
        ({"email": None, "phone": None}, 422),
        ({"locale": "xx"}, 422),
        ({"level": "x" * 25}, 422),
    ):
        await desk.api("PATCH", f"/customers/{code}", by="AM001", json=wrong, expect=status)
    await desk.api("PATCH", f"/customers/{code}", by="CS001", json={"level": "x"}, expect=403)

    handler = "CS001" if await codes(desk, by="CS001") else "CS002"
    stranger = {"CS001": "CS002", "CS002": "CS001"}[handler]
    assert await codes(desk, by=handler) == [code]
    assert await codes(desk, by=stranger, contact="li.na@customer.example") == []
    assert await codes(desk, by=stranger, order="B-1") == []
    mine = (await desk.api("GET", f"/customers/{code}", by=handler)).json()
    assert (mine["history"], mine["latest_tickets"]) == ([], [ticket.number])
    await desk.api("GET", f"/customers/{code}", by=stranger, expect=403)
    await desk.api("GET", "/customers/export", by=handler, expect=403)


async def test_a_table_goes_in_with_an_answer_for_each_row_and_out_without_formulas(
    desk: Desk, tmp_path: Path
) -> None:
    known = await make_ticket(desk.workshop)
    (customer,) = await all_of(desk.workshop, Customer)
    table = (
        "客户编号,姓名,邮箱,手机,等级,首选渠道,订单编号\n"
        f"{customer.code},*娜,l***@customer.example,,vip,短信,O-1; O-2\n"
        ",=HYPERLINK(1),new@customer.example,,,,O-3\n"
        ",,new@customer.example,,,,\n"
        ",王伟,,138x,,,\n"
        ",,zhao@customer.example,,,传真,\n"
        "C999,,,,,,\n"
        ",*伟,w***@x.example,,,,\n"
    ).encode()

    async def imported(table: bytes, *, dry: bool) -> dict[str, Any]:
        path = f"/customers/import?dry_run={str(dry).lower()}"
        answer = await desk.api("POST", path, by="AM001", content=table, headers=CSV)
        found: dict[str, Any] = answer.json()
        return found

    tried = await imported(table, dry=True)
    assert len(await all_of(desk.workshop, Customer)) == 1
    done = await imported(table, dry=False)
    told = [(row["line"], row["outcome"]) for row in done["rows"]]
    assert told == [(2, "changed"), (3, "added"), *((line, "wrong") for line in range(4, 9))]
    assert [(row["line"], row["outcome"]) for row in tried["rows"]] == told
    assert "line 3" in done["rows"][2]["words"]
    again = await imported(table, dry=False)
    assert (again["added"], again["changed"], again["known"], again["wrong"]) == (0, 0, 2, 5)
    (after,) = await all_of(desk.workshop, Customer, Customer.id == customer.id)
    assert (after.level, after.preferred_channel, after.email_hash) == ("vip", "sms", customer.email_hash)
    assert await codes(desk, order="O-2") == [customer.code]
    await desk.api("POST", "/customers/import", by="AM001", content=b"a,b\n1,2", headers=CSV, expect=422)
    await desk.api("POST", "/customers/import", by="CS001", content=table, headers=CSV, expect=403)

    out = (await desk.api("GET", "/customers/export?lang=zh_CN", by="QA001")).content.decode("utf-8-sig")
    lines = list(csv.DictReader(io.StringIO(out)))
    assert (lines[0]["客户编号"], lines[0]["订单编号"], lines[0]["等级"]) == (after.code, "O-1; O-2", "vip")
    assert "new@customer" not in out
    assert "李娜" not in out
    assert "HYPERLINK" not in out
    assert (await desk.api("GET", "/customers/export?format=xlsx", by="AM001")).content[:2] == b"PK"
    clear = [each async for each in rows(desk.workshop, Wanted(), None, Wording("en", "Asia/Shanghai", True))]
    assert clear[0][1][1:3] == ["=HYPERLINK(1)", "new@customer.example"]
    assert known.customer_id == after.id


async def test_two_customers_become_one_and_two_again(desk: Desk) -> None:
    mail = await make_ticket(desk.workshop, email="li.na@customer.example", name=None)
    await make_ticket(desk.workshop, email="li.na@customer.example")
    sms = await make_ticket(desk.workshop, email=None, phone="13800005678", channel=Medium.SMS)
    survey = await make_survey(desk.workshop, desk.clock, sms)
    kept, gone = await all_of(desk.workshop, Customer)
    async with desk.workshop.begin() as uow:
        agent = await staff_by_number(uow, "CS001")
        talk = Talk(
            channel=Medium.PHONE,
            happened_at=desk.clock.now(),
            closed=True,
            description="问进度",
            summary="已答复",
            solution="已答复客户",
        )
        theirs = await uow.session.get_one(Customer, gone.id)
        await record_talk(uow, talk, by=agent, handler=agent, customer=theirs, ticket=None)
        await suppress(uow, kept.email_hash, Medium.EMAIL, "opted_out")
    await desk.api("PATCH", f"/customers/{gone.code}", json={"orders": ["S-1"], "level": "vip"})
    body = {"other": gone.code, "reason": "同一人"}
    await desk.api("POST", f"/customers/{kept.code}/merge", by="CS001", json=body, expect=403)
    await desk.api("POST", f"/customers/{kept.code}/merge", json={**body, "other": kept.code}, expect=422)
    merged = (await desk.api("POST", f"/customers/{kept.code}/merge", by="AM001", json=body)).json()
    assert (merged["tickets"], merged["orders"], merged["level"]) == (3, ["S-1"], "vip")
    assert merged["masked"].endswith("138****5678")
    await desk.api("POST", f"/customers/{kept.code}/merge", json=body, expect=409)
    await desk.api("PATCH", f"/customers/{gone.code}", json={"level": "x"}, expect=409)
    assert (await desk.api("GET", f"/customers/{gone.code}")).json()["merged_into"] == kept.code
    assert await codes(desk) == [kept.code] == await codes(desk, contact="13800005678")
    shown = (await desk.api("GET", f"/tickets/{sms.number}")).json()
    assert (shown["customer"]["code"], shown["description"][:3]) == (kept.code, "点击付")
    assert shown["log"][-1]["kind"] in ("customer_merged", "replanned")
    new = await make_ticket(desk.workshop, email=None, phone="13800005678", channel=Medium.SMS)
    assert new.customer_id == kept.id
    records = (await desk.api("GET", "/communications", params={"customer": kept.code})).json()["items"]
    assert [each["description"] for each in records] == ["问进度"]

    third = (await desk.api("POST", "/customers", json={"email": "na@customer.example"}, expect=201)).json()
    later = {"other": kept.code, "reason": "又一个邮箱"}
    await desk.api("POST", f"/customers/{third['code']}/merge", json=later)
    assert await codes(desk, contact="13800005678") == [third["code"]] == await codes(desk, order="S-1")
    why = {"reason": "是父女两人"}
    await desk.api("POST", f"/customers/{gone.code}/unmerge", json=why, expect=409)
    await desk.api("POST", f"/customers/{kept.code}/unmerge", json=why)
    assert await codes(desk, contact="13800005678") == [kept.code]
    parted = (await desk.api("POST", f"/customers/{gone.code}/unmerge", by="AM001", json=why)).json()
    assert (parted["merged_into"], parted["tickets"], parted["orders"]) == (None, 1, ["S-1"])
    back = (await desk.api("GET", f"/customers/{kept.code}")).json()
    assert (back["tickets"], back["orders"], back["level"]) == (3, [], None)
    assert "138" not in back["masked"]
    assert [line["kind"] for line in back["history"]][-1] == "merged"
    assert await codes(desk, contact="13800005678") == [gone.code]
    assert (await all_of(desk.workshop, Survey, Survey.id == survey.id))[0].customer_id == gone.id
    await desk.api("POST", f"/customers/{gone.code}/unmerge", json=why, expect=409)
    assert len(await all_of(desk.workshop, Suppression)) == 2, "refused at one, refused at all"
    async with desk.workshop.read() as uow:
        assert await writes_from(uow, kept, "LI.NA@customer.example")
        assert not await writes_from(uow, gone, "li.na@customer.example")
    assert mail.customer_id == kept.id
