"""The four tables of the practices: out with their own columns, in as history, once, and nobody is told."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError

from models.deadlines import Deadline
from models.notifications import Notification
from models.surveys import Followup, Survey, SurveyAnswer
from models.tickets import Ticket
from models.vocabulary import Medium, TicketState
from tests.factories import Desk, all_of, make_ticket
from workers import tickets
from workers.directory import Contact, staff_by_number
from workers.importing import RowResult
from workers.registers import REGISTERS, Span, Wording
from workers.surveys.looking_back import Wanted, not_asked_yet
from workers.tables import read_table

pytestmark = pytest.mark.anyio

SIXTEEN = "序号,问题编号,客户信息,问题描述,问题类型,接收时间,首次响应时间,响应时长,转接时间,处理人,处理日志"
SIXTEEN += ",解决时间,解决时长,未确认原因,改进措施,验证周期"
CSV = {"Content-Type": "text/csv"}
OWN = """登记时间,编号,客户,问题,类型,首次响应时间,响应时长,责任人,处理记录,解决时间,解决时长,\
未确认原因,改进措施,验证周期,大区
2024/5/20 9:03,CS202405200007,138****5678,打不开 13800138000,技术故障(软件),2024/5/20 9:06,3分22秒,\
Alice,9:06 已回电,2024年5月20日 10:23,1小时20分,,完善知识库,7天,华东
2024年5月20日 下午3点05分,Q-17,*女士,=HYPERLINK(1),投诉类,,15分30秒,老张,,,,系统维护中,,,
昨天,Q-18,尾号8000,退货,售后请求,,,,,,,,,,
2024/5/21 10:00,Q-19,尾号8000,退货,售后请求,2024/5/21 9:00,,,,,,,,,
2024/5/21,Q-20,,退货,售后请求,,,,,,,,,,
2099-01-01,Q-21,尾号8000,退货,,,,,,,,,,,
2024/5/20 9:03,cs202405200007,尾号8000,又一次,,,,,,,,,,,
"""


async def taken(desk: Desk, name: str, table: str | bytes, *, dry: bool = False) -> dict[str, Any]:
    body = table.encode() if isinstance(table, str) else table
    path = f"/tables/{name}/import?dry_run={str(dry).lower()}"
    answer = await desk.api("POST", path, by="AM001", content=body, headers=CSV)
    found: dict[str, Any] = answer.json()
    return found


async def table_of(desk: Desk, name: str, by: str = "AM001", query: str = "") -> list[dict[str, str]]:
    answer = await desk.api("GET", f"/tables/{name}/export?lang=zh_CN{query}", by=by)
    assert answer.content.startswith(b"\xef\xbb\xbf")  # by which Excel knows Chinese
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


async def test_a_teams_own_tracking_table_comes_in_once_and_goes_out_in_sixteen_columns(desk: Desk) -> None:
    before = len(await all_of(desk.workshop, Notification))
    tried = await taken(desk, "response-tracking", OWN, dry=True)
    assert await all_of(desk.workshop, Ticket) == []
    done = await taken(desk, "response-tracking", OWN)
    assert [done[each] for each in ("added", "known", "wrong")] == [2, 1, 4]
    assert [row["outcome"] for row in tried["rows"]] == [row["outcome"] for row in done["rows"]]
    words = {row["line"]: row["words"] for row in done["rows"]}
    assert "大区" in words[2]
    assert "老张" in words[3]
    assert "昨天" in words[4]
    assert "before the request was received" in words[5]
    assert "customer is missing" in words[6]
    assert "future" in words[7]
    again = await taken(desk, "response-tracking", OWN)
    assert [again[each] for each in ("added", "known", "wrong")] == [0, 3, 4]

    rows = await table_of(desk, "response-tracking")
    assert ",".join(rows[0]) == SIXTEEN
    first, second = rows
    assert (first["序号"], first["问题编号"], first["客户信息"]) == ("1", "CS202405200007", "138****5678")
    assert (first["接收时间"], first["首次响应时间"]) == ("2024-05-20 09:03:00", "2024-05-20 09:06:22")
    assert (first["响应时长"], first["解决时长"]) == ("3分22秒", "1小时20分")
    assert (first["问题类型"], first["处理日志"]) == ("售后技术 / 软件", "9:06 已回电")
    assert (first["改进措施"], first["验证周期"]) == ("完善知识库", "7天")
    assert "13800138000" not in str(rows)
    assert (second["客户信息"], second["处理人"], second["响应时长"]) == ("*女士", "老张", "15分30秒")
    assert (second["未确认原因"], second["解决时间"]) == ("系统维护中", "")
    assert second["问题描述"] == "'=HYPERLINK(1)"  # a spreadsheet calculates nothing of it
    record = await table_of(desk, "response-record")
    assert "大区: 华东" in record[0]["备注"]
    assert "原编号: Q-17" in record[1]["备注"]
    assert all(row["备注"].startswith("补录") for row in record)

    assert len(await all_of(desk.workshop, Notification)) == before
    assert await all_of(desk.workshop, Deadline) == []
    for row in await all_of(desk.workshop, Ticket):
        assert (row.state, row.close_reason, row.overdue_count) == (TicketState.CLOSED, "imported", 0)
    async with desk.workshop.read() as uow:
        assert await not_asked_yet(uow, Wanted(within=timedelta(days=9999))) == []


async def test_what_went_out_comes_in_again_as_known_also_as_xlsx(desk: Desk) -> None:
    ours = await make_ticket(desk.workshop, email="li.na@customer.example")
    await taken(desk, "response-tracking", OWN)
    for name in ("response-tracking", "response-record"):
        for kind in ("csv", "xlsx"):
            out = await desk.api("GET", f"/tables/{name}/export?lang=zh_CN&format={kind}", by="AM001")
            back = await taken(desk, name, out.content)
            assert [back[each] for each in ("added", "known", "wrong")] == [0, 3, 0]
    english = await desk.api("GET", "/tables/response-record/export?lang=en", by="AM001")
    assert (await taken(desk, "response-record", english.content))["known"] == 3
    assert ours.number in {row["问题编号"] for row in await table_of(desk, "response-tracking")}
    later = await table_of(desk, "response-tracking", query="&from=2024-05-20T10:00:00Z")
    assert "CS202405200007" not in {row["问题编号"] for row in later}


async def test_a_number_that_came_along_is_never_drawn_again(desk: Desk) -> None:
    await taken(desk, "response-tracking", OWN)
    async with desk.workshop.begin() as uow:
        request = tickets.Request(
            contact=Contact(email="wang@customer.example"),
            channel=Medium.EMAIL,
            subject="late",
            description="a mail of that day",
            received_at=datetime(2024, 5, 20, 4, tzinfo=UTC),
        )
        ticket = await tickets.open_ticket(uow, request)
    assert ticket.number == "CS202405200009"  # 0007 came along, 0008 was drawn for Q-17


RATINGS = """日期,客户,服务类型,工号,服务内容,满意度,态度,专业度,客户反馈,跟进情况,工单编号,门店
2024-05-20,*女士,投诉类,CS001,退款太慢,1,2分,一般,太慢了，请改进,已回电,CS202405200007,上海
2024年5月21日,尾号8000,售后请求,AM999,换货,非常满意,5,5,很好,,,
2024-05-22,尾号8000,售后请求,CS001,换货,6,,,,,,
2024-05-22,尾号8000,售后请求,CS001,换货,,,,,,,
2024-05-23,尾号8000,售后请求,CS001,换货,5,,,,,CS202405200007,
"""


async def test_ratings_of_the_past_are_marked_and_stay_as_they_are(desk: Desk) -> None:
    await taken(desk, "response-tracking", OWN)
    before = len(await all_of(desk.workshop, Notification))
    done = await taken(desk, "satisfaction", RATINGS)
    assert [done[each] for each in ("added", "known", "wrong")] == [2, 0, 3]
    words = {row["line"]: row["words"] for row in done["rows"]}
    assert "no score" in words[4]
    assert "missing" in words[5]
    assert "has a rating already" in words[6]
    assert (await taken(desk, "satisfaction", RATINGS))["known"] == 2
    low, high = await table_of(desk, "satisfaction")
    assert (low["工单编号"], low["整体满意度"], low["服务态度"], low["专业能力"]) == (
        "CS202405200007",
        "1",
        "2",
        "3",
    )
    assert (low["客户原话"], low["跟进记录"], low["客服工号"]) == ("太慢了，请改进", "已回电", "CS001")
    assert (high["整体满意度"], high["客服工号"], high["服务内容摘要"]) == ("5", "AM999", "换货")
    assert low["记录编号"].startswith("CSAT20240520")
    assert low["备注"].startswith("补录")
    (first, _) = sorted(await all_of(desk.workshop, SurveyAnswer), key=lambda row: row.at)
    assert first.source == "imported"
    async with desk.workshop.begin() as uow:
        better = update(SurveyAnswer).where(SurveyAnswer.id == first.id).values(scores={"overall": 5})
        with pytest.raises(DBAPIError):
            await uow.session.execute(better)
        await uow.session.rollback()
    assert await all_of(desk.workshop, Followup) == []
    assert len(await all_of(desk.workshop, Notification)) == before
    out = await desk.api("GET", "/tables/satisfaction/export?format=xlsx", by="AM001")
    assert (await taken(desk, "satisfaction", out.content))["known"] == 2
    live = await make_ticket(desk.workshop, email="li.na@customer.example")
    cheating = f"日期,工单编号,满意度\n2024-05-20,{live.number},5\n"
    assert "the customer's own" in (await taken(desk, "satisfaction", cheating))["rows"][0]["words"]


async def test_agents_get_no_tables_and_who_was_rated_no_scores(desk: Desk) -> None:
    await taken(desk, "response-tracking", OWN)
    await taken(desk, "satisfaction", RATINGS)
    await desk.api("GET", "/tables/satisfaction/export", by="CS001", expect=403)
    await desk.api("POST", "/tables/satisfaction/import", by="QA001", content=b"x", headers=CSV, expect=403)
    await desk.api("GET", "/tables/nonsense/export", by="AM001", expect=404)
    await desk.api(
        "POST", "/tables/satisfaction/import", by="AM001", content=b"a,b\n1,2", headers=CSV, expect=422
    )
    async with desk.workshop.begin() as uow:
        survey = (await uow.session.scalars(select(Survey).order_by(Survey.service_at))).first()
        assert survey is not None
        survey.staff_id = (await staff_by_number(uow, "AM001")).id
    low, high = await table_of(desk, "satisfaction", by="AM001")
    assert (low["整体满意度"], low["客户原话"], high["整体满意度"]) == ("", "", "5")


async def test_records_of_talks_are_one_of_the_four(desk: Desk) -> None:
    table = "沟通时间,客户ID,沟通渠道,沟通内容,处理人,解决方案\n"
    table += "2024年1月5日 10:00,13800005678,电话,问发票,CS001,已开\n"
    assert (await taken(desk, "communications", table))["added"] == 1
    (row,) = await table_of(desk, "communications")
    assert (row["沟通时间"], row["补录"]) == ("2024-01-05 10:00:00", "补录")


@pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True)
async def test_a_long_table_is_never_held_as_a_whole(desk: Desk, tmp_path: Path) -> None:
    """Rows are read while their batches are written, and answers come out as they are found."""
    lines = ["接收时间,客户,问题\n", *(f"2024-05-20,尾号{each % 7:04},问题{each}\n" for each in range(450))]
    path = tmp_path / "long.csv"
    path.write_text("".join(lines), "utf-8")
    read, ahead, held = 0, 0, 0

    def rows() -> Any:
        nonlocal read
        for each in read_table(path):
            read += 1
            yield each

    ticks: list[int] = []
    register = REGISTERS["response-tracking"]
    answers = register.take_in(desk.workshop, rows(), dry_run=False, tick=ticks.append)
    async for each in answers:
        assert isinstance(each, RowResult)
        held += 1
        ahead = max(ahead, read - held)
    assert (held, ticks, ahead <= 102) == (450, [100, 200, 300, 400, 450], True)
    pages = [
        len(page)
        async for page in register.rows(desk.workshop, Span(), None, Wording("zh_CN", "Asia/Shanghai"))
    ]
    assert pages == [200, 200, 50]
    async with desk.workshop.read() as uow:
        assert await uow.session.scalar(select(func.count()).select_from(Ticket)) == 450
