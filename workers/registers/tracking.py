"""The response tracking table 客户服务响应时间跟踪表: its sixteen columns in their order (row A13)."""

from __future__ import annotations

from uuid import UUID

from models.people import Staff
from workers.registers.cells import (
    customer_cell,
    cycle_cell,
    handler_cell,
    log_cell,
    measure_cell,
    reason_cell,
    type_cell,
)
from workers.registers.pages import Told, by_ids, told_in_pages
from workers.registers.port import Rows, Span, Titles
from workers.registers.wording import Wording
from workers.unit_of_work import UnitOfWork, Workshop

TITLES: Titles = {
    "index": ("序号", "No."),
    "number": ("问题编号", "Request number", "工单编号", "编号", "工单号"),
    "customer": ("客户信息", "Customer", "客户", "客户编号", "客户ID", "联系方式"),
    "description": ("问题描述", "Description", "描述", "问题", "问题内容"),
    "type": ("问题类型", "Type", "类型", "问题类别", "分类"),
    "received_at": ("接收时间", "Received", "受理时间", "登记时间", "收到时间"),
    "first_response_at": ("首次响应时间", "First response", "响应时间", "首响时间"),
    "response": ("响应时长", "Response duration", "首次响应时长"),
    "transferred_at": ("转接时间", "Transferred", "转派时间"),
    "handler": ("处理人", "Handler", "责任人", "跟进人", "处理人员", "客服"),
    "log": ("处理日志", "Handling log", "处理记录", "处理过程", "日志"),
    "resolved_at": ("解决时间", "Resolved", "完成时间"),
    "resolution": ("解决时长", "Resolution duration", "处理时长"),
    "reason": ("未确认原因", "Reason not confirmed", "未解决原因"),
    "measure": ("改进措施", "Improvement measure"),
    "cycle": ("验证周期", "Verification cycle"),
}
"""For each column its title in Chinese and in English, and what else an import understands."""


async def rows(workshop: Workshop, span: Span, reader: Staff | None, wording: Wording) -> Rows:
    """The table, oldest request first."""
    count = 0
    names: dict[str, str] = {}

    async def cells(uow: UnitOfWork, told: Told) -> list[str]:
        nonlocal count
        count += 1
        await learn_names(uow, told, names)
        return _cells(uow, told, wording, count, names)

    async for page in told_in_pages(workshop, span, reader, cells):
        yield page


async def learn_names(uow: UnitOfWork, told: Told, names: dict[str, str]) -> None:
    """Names of the staff who stand in a log, by id; a team is small, so they are kept."""
    lacking: set[UUID] = {
        each.staff_id for each in told.entries if each.staff_id and str(each.staff_id) not in names
    }
    for ident, person in (await by_ids(uow, Staff, lacking)).items():
        names[str(ident)] = f"{person.number} {person.name}"


def _cells(uow: UnitOfWork, told: Told, wording: Wording, count: int, names: dict[str, str]) -> list[str]:
    row = told.ticket
    # Resolved is what the customer confirmed; what was closed without that has its reason (row A8).
    resolved = row.confirmed_at or (None if row.unconfirmed_reason else row.resolved_at)
    return [
        str(count),
        row.number,
        customer_cell(told),
        told.description,
        type_cell(uow, told, wording),
        wording.moment(row.received_at),
        wording.moment(row.first_response_at),
        wording.span(row.received_at, row.first_response_at),
        wording.moment(row.transferred_at),
        handler_cell(told),
        log_cell(told, wording, names),
        wording.moment(resolved),
        wording.span(row.received_at, resolved),
        reason_cell(told, wording),
        measure_cell(told),
        cycle_cell(told, wording),
    ]
