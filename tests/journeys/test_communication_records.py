"""Talks with customers are on record: reminded of, shared, closed, exported, imported, purged."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from sqlalchemy import delete, select, update
from sqlalchemy.exc import DBAPIError

from models.communications import Communication, CommunicationEntry
from tests.conftest import Backend
from tests.house import API_KEY, House, open_house, text_of
from workers.communications import import_rows, read_table
from workers.communications.times import time_in
from workers.purge import expired_before, purge

ALICE, CAROL, DORA = (f"{name}@help.example" for name in ("alice", "carol", "dora"))
COLUMNS = (
    "记录编号 沟通时间 客户ID 沟通渠道 沟通内容 摘要 处理人 解决方案 下一步行动 下一步时间 状态 补录 工单编号"
)
NAME, PHONE = "李雷明", "13800005678"
NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)


async def _ticket(house: House) -> dict[str, Any]:
    body = {
        "contact": {"email": "lilei@shop.example", "name": NAME},
        "subject": "付款",
        "description": "无法付款",
        "priority": "medium",
        "category": "other",
    }
    made: dict[str, Any] = await house.api("POST", "/tickets", body)
    return made


async def _export(house: House, format: str, by: str = "SV001", **filters: str) -> bytes:
    headers = {"Authorization": f"Bearer {API_KEY}", "X-Acting-Staff": by, "Accept-Language": "zh-CN"}
    params = {"format": format, **filters}
    answer = await house.web.get("/api/v1/communications/export", params=params, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"] == f'attachment; filename="communications.{format}"'
    return answer.content


@pytest.mark.anyio
async def test_a_call_is_recorded_reminded_of_shared_and_closed(backend: Backend) -> None:
    async with open_house(backend) as house:
        ticket = await _ticket(house)
        handler = ticket["handler"]
        other = {"CS001": "CS002", "CS002": "CS001"}[handler]
        mail = {"CS001": ALICE, "CS002": "bob@help.example"}[handler]

        # A late entry is kept, marked, and is no first response; an open one needs an action with a time.
        call = {
            "ticket": ticket["number"],
            "channel": "phone",
            "description": f"{NAME} {PHONE} 来电" + "。" * 190,
        }
        late = {**call, "happened_at": (house.clock.now() - timedelta(hours=1)).isoformat(), "reached": True}
        done = {**late, "closed": True, "solution": "已指导客户重新付款"}
        first = await house.api("POST", "/communications", done, by=handler)
        assert first["number"] == "CR001"
        assert first["late_entry"]
        assert set(first["warnings"]) == {"late_entry", "description_long", "late_entry_meets_no_limit"}
        assert (await house.ticket()).first_response_at is None
        assert PHONE not in first["description"]
        assert NAME not in first["description"]
        assert first["customer"].endswith("*")
        for body in (
            call,
            {**call, "next_action": "待定"},
            {**call, "next_action": "回访"},
            {**call, "closed": True, "solution": "待定。"},
        ):
            await house.api("POST", "/communications", body, by=handler, expect=422)
        await house.api(
            "POST", "/communications", {**call, "next_action": "1小时内回访"}, by=other, expect=403
        )

        # The next one reached the customer just now: it is the first response, and is reminded of.
        body = {
            **call,
            "summary": "付款失败",
            "next_action": "24小时内回访",
            "reached": True,
            "evidence": "call-7",
        }
        second = await house.api("POST", "/communications", body, by=handler)
        number = second["number"]
        assert (await house.ticket()).first_response_at == house.clock.now()
        assert datetime.fromisoformat(second["next_at"]) == house.clock.now() + timedelta(hours=24)
        assert {"communication", "first_response"} <= set(await house.log_kinds())
        await house.api(
            "POST", f"/tickets/{ticket['number']}/not-a-ticket", {"reason": "test"}, by="SV001"
        )  # its own clocks have no part in this story
        subjects = [number, "CR001"]
        await house.pass_time(timedelta(hours=20))
        told = [
            m
            for m in house.mails_to(mail)
            if any(f"共享沟通记录 {each}" in str(m.message["Subject"]) for each in subjects)
        ]
        assert len(told) == 2
        assert NAME not in text_of(told[0]) + text_of(told[1])

        # Guessing does not help a colleague; what is shared with them does.
        await house.api("GET", f"/communications/{number}", by=other, expect=404)
        assert (await house.api("GET", "/communications", by=other))["items"] == []
        await house.api(
            "POST", f"/communications/{number}/share", {"staff": other, "note": "请协助"}, by=handler
        )
        shared = await house.api("POST", f"/communications/{number}/share", {}, by=handler)
        assert shared["history"][-1]["facts"]["in_time"] is True
        assert shared["history"][-1]["facts"]["shared_with"] == "SV001"
        assert NAME not in text_of(house.mails_to(CAROL, f"共享沟通记录 {number}")[0])
        await house.api("GET", f"/communications/{number}", by=other)
        await house.api("POST", f"/communications/{number}/close", {"solution": "退款"}, by=other, expect=403)

        # Before, at, and four hours after its time, when the supervisor hears; a new time silences the old.
        await house.pass_time(timedelta(hours=3))
        assert len(house.mails_to(mail, f"{number} 的下一步行动将于")) == 1
        await house.pass_time(timedelta(hours=1))
        assert len(house.mails_to(mail, f"{number} 的下一步行动已到期")) == 1
        assert [r["number"] for r in (await house.api("GET", "/communications?overdue=true"))["items"]] == []
        await house.pass_time(timedelta(hours=4))
        assert len(house.mails_to(CAROL, f"{number} 的下一步行动已超时")) == 1
        assert [r["number"] for r in (await house.api("GET", "/communications?overdue=true"))["items"]] == [
            number
        ]
        past = {"next_at": (house.clock.now() - timedelta(minutes=1)).isoformat()}
        await house.api("PATCH", f"/communications/{number}", past, by=handler, expect=422)
        change = {"next_action": "再次回访", "next_at": (house.clock.now() + timedelta(hours=8)).isoformat()}
        changed = await house.api("PATCH", f"/communications/{number}", change, by=handler)
        assert changed["history"][-1]["words"]["next_action_before"] == "24小时内回访"
        assert not changed["overdue"]

        # Closing needs what was done, and withdraws the rest.
        await house.api("POST", f"/communications/{number}/close", {}, by=handler, expect=422)
        closed = await house.api(
            "POST", f"/communications/{number}/close", {"solution": "已退款"}, by=handler
        )
        assert closed["state"] == "closed"
        count = len(house.relay.mails)
        await house.pass_time(timedelta(hours=12))
        assert len(house.mails_to(mail, f"{number} 的下一步行动")) == 2
        assert not [m for m in house.relay.mails[count:] if number in str(m.message["Subject"])]

        # The history cannot be changed; nothing stands in clear.
        line = CommunicationEntry
        for statement in (update(line).values(kind="x"), delete(line)):
            with pytest.raises(DBAPIError):
                async with house.workshop.begin() as uow:
                    await uow.session.execute(statement)
        async with house.workshop.read() as uow:
            rows = list(await uow.session.scalars(select(Communication)))
            lines = list(await uow.session.scalars(select(CommunicationEntry)))
        kept = b"".join([r.words_sealed for r in rows] + [each.words_sealed or b"" for each in lines])
        assert NAME.encode() not in kept
        assert PHONE.encode() not in kept


@pytest.mark.anyio
async def test_tables_go_out_and_come_in_whole_and_once(backend: Backend, tmp_path: Path) -> None:
    async with open_house(backend) as house:
        ticket = await _ticket(house)
        code = (await house.ticket()).number
        talk = {
            "ticket": code,
            "channel": "chat",
            "description": f'=HYPERLINK("http://evil.example")\n{NAME} 说, "好"',
            "summary": "@sum",
            "closed": True,
            "solution": "-1 已处理",
        }
        for _ in range(2):
            headers = {
                "Authorization": f"Bearer {API_KEY}",
                "X-Acting-Staff": ticket["handler"],
                "Idempotency-Key": "k",
            }
            answer = await house.web.post("/api/v1/communications", json=talk, headers=headers)
        assert answer.status_code == 200

        raw = await _export(house, "csv")
        assert raw.startswith(b"\xef\xbb\xbf")
        titles, row = csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline=""))
        assert titles == COLUMNS.split()
        cells = dict(zip(titles, row, strict=True))
        assert cells["沟通内容"].startswith("'=HYPERLINK")
        assert (cells["摘要"], cells["解决方案"]) == ("'@sum", "'-1 已处理")
        assert NAME not in raw.decode()
        xlsx = tmp_path / "out.xlsx"
        xlsx.write_bytes(await _export(house, "xlsx"))
        sheet = load_workbook(xlsx).worksheets[0]
        assert sheet["E2"].data_type == "s"
        assert sheet["E2"].value.startswith("=HYPERLINK")
        assert sheet["E2"].value.endswith('"好"')
        stranger = {"CS001": "CS002", "CS002": "CS001"}[ticket["handler"]]
        assert len((await _export(house, "csv", by=stranger)).splitlines()) == 1
        assert len((await _export(house, "csv", channel="phone")).splitlines()) == 1

        # Our own export comes back as known, foreign rows are added, wrong ones told by line, none twice.
        own = [each async for each in _imported(house, xlsx)]
        assert [(each.outcome, each.number) for each in own] == [("known", "CR001")]
        file = tmp_path / "in.csv"
        table = [
            [
                "Record ID",
                "Date and time",
                "Customer ID",
                "Channel",
                "Description",
                "Handler",
                "Solution",
                "Next action",
                "State",
            ],
            ["A1", "2021-05-20 15:00", PHONE, "电话", "问发票", "CS001", "已开发票", "", "关闭"],
            ["A2", "yesterday", PHONE, "电话", "问发票", "CS001", "已开发票", "", "关闭"],
            ["A3", "2021-05-20 15:00", PHONE, "fax", "问发票", "CS001", "已开发票", "", "关闭"],
            ["A4", "2021-05-20 15:00", "C20240500*", "SMS", "问发票", "CS001", "已开发票", "", "关闭"],
            ["A5", "2021-05-20 15:00", PHONE, "SMS", "问物流", "CS999", "已告知", "", "关闭"],
            ["", "2021-05-21 15:00", PHONE, "SMS", "问物流", "CS002", "", "24小时内回访", "开放"],
            ["A1", "2021-05-20 15:00", PHONE, "电话", "问发票", "CS001", "已开发票", "", "关闭"],
        ]
        file.write_text("\n".join(",".join(row) for row in table), "gb18030")
        expected = ["added", "wrong", "wrong", "wrong", "wrong", "added", "known"]
        dry = [each async for each in _imported(house, file, dry_run=True)]
        assert [each.outcome for each in dry] == expected
        assert [each.line for each in dry] == list(range(2, 9))
        assert "channel" in dry[2].words
        assert len((await house.api("GET", "/communications"))["items"]) == 1
        assert [each.outcome async for each in _imported(house, file)] == expected
        before = len(house.relay.mails)
        twice = [each.outcome async for each in _imported(house, file)]
        assert twice == ["known", *expected[1:5], "known", "known"]
        page = await house.api("GET", "/communications?limit=2")
        rest = await house.api("GET", f"/communications?limit=2&cursor={page['next_cursor']}")
        assert len(page["items"]) == 2
        assert len(rest["items"]) == 1
        assert all(each["late_entry"] for each in page["items"])
        await house.settle()
        assert len(house.relay.mails) == before

        # What was closed long ago goes once a week with its history; what is open stays however old.
        assert (await purge(house.workshop, dry_run=True)).communications == 1
        assert (await purge(house.workshop)).communications == 1
        left = {each["number"] for each in (await house.api("GET", "/communications"))["items"]}
        assert len(left) == 2
        async with house.workshop.read() as uow:
            assert (
                len({e.communication_id for e in await uow.session.scalars(select(CommunicationEntry))}) == 2
            )


async def _imported(house: House, file: Path, *, dry_run: bool = False) -> Any:
    for each in await import_rows(house.workshop, read_table(file), dry_run=dry_run, tick=lambda done: None):
        yield each


WRITTEN = (
    ("24小时内回访", 24),
    ("48 小时内解决", 48),
    ("两天内答复客户", 48),
    ("半小时内回电", 0.5),
    ("二十四小时内", 24),
    ("within 2 days", 48),
    ("call back in 90 minutes", 1.5),
    ("PT36H", 36),
    ("P1DT12H", 36),
    ("2026-03-02 12:00 回电", 2),
    ("2026-03-02T12:00:00+08:00", 2),
    ("3 days ago", None),
    ("三天前", None),
    ("尽快", None),
    ("9999天内", None),
)


def test_the_time_of_an_action_is_read_as_people_write_it() -> None:
    found = {text: time_in(text, NOW, "Asia/Shanghai") for text, _ in WRITTEN}
    wanted = {text: NOW + timedelta(hours=hours) if hours else None for text, hours in WRITTEN}
    assert found == wanted


def test_records_expire_once_a_period() -> None:
    monday = datetime(2026, 3, 2, tzinfo=UTC)
    assert {expired_before(monday + timedelta(hours=h), 30, 7) for h in range(7 * 24)} == {
        monday - timedelta(days=30)
    }
    assert expired_before(monday + timedelta(days=7), 30, 7) == monday - timedelta(days=23)
