"""The record of a request 客户服务支持响应记录: all its fields (row B2)."""

from __future__ import annotations

from models.people import Staff
from models.vocabulary import Dimension
from workers.registers.cells import customer_cell, handler_cell, log_cell, note_cell, type_cell
from workers.registers.pages import Told, told_in_pages
from workers.registers.port import Rows, Span, Titles
from workers.registers.tracking import learn_names
from workers.registers.whom import is_label
from workers.registers.wording import Wording
from workers.unit_of_work import UnitOfWork, Workshop

TITLES: Titles = {
    "number": ("工单编号", "Ticket number", "问题编号", "编号", "工单号"),
    "customer": ("客户名称/编号", "Customer", "客户", "客户名称", "客户编号", "客户ID", "客户信息"),
    "industry": ("客户行业", "Industry", "行业"),
    "contact": ("联系方式", "Contact", "联系电话", "电话", "手机", "邮箱"),
    "type": ("问题类别", "Category", "问题类型", "类型", "类别", "分类"),
    "further": ("其他类别", "Further categories"),
    "priority": ("优先级", "Priority", "紧急程度"),
    "occurred_at": ("发生时间", "Occurred", "问题发生时间"),
    "received_at": ("接收时间", "Received", "受理时间", "登记时间", "提交时间"),
    "background": ("问题背景", "Background", "背景"),
    "description": ("问题描述", "Description", "描述", "问题内容", "问题"),
    "handler": ("处理人", "Handler", "责任人", "接单人", "处理人员"),
    "accepted_at": ("接单时间", "Accepted"),
    "expected_at": ("预计解决时间", "Expected resolution", "预计完成时间"),
    "first_response_at": ("首次响应时间", "First response", "响应时间"),
    "log": ("处理过程", "Handling log", "处理日志", "处理记录", "处理进展"),
    "solution": ("解决方案", "Solution", "处理结果"),
    "feedback_at": ("客户反馈时间", "Feedback", "反馈时间"),
    "satisfaction": ("满意度", "Satisfaction", "客户满意度"),
    "note": ("备注", "Note"),
    "state": ("状态", "State", "工单状态"),
    "closed_at": ("关闭时间", "Closed", "完成时间"),
}
VERDICTS = (("不满意", "dissatisfied"), ("一般", "fair"), ("满意", "satisfied"))


async def rows(workshop: Workshop, span: Span, reader: Staff | None, wording: Wording) -> Rows:
    """The table, oldest request first."""
    names: dict[str, str] = {}

    async def cells(uow: UnitOfWork, told: Told) -> list[str]:
        await learn_names(uow, told, names)
        return _cells(uow, told, wording, names)

    async for page in told_in_pages(workshop, span, reader, cells):
        yield page


def _cells(uow: UnitOfWork, told: Told, wording: Wording, names: dict[str, str]) -> list[str]:
    row = told.ticket
    return [
        row.number,
        customer_cell(told),
        told.customer.industry or told.brought.get("industry", ""),
        "" if is_label(told.customer.code) else told.customer.masked,
        type_cell(uow, told, wording),
        "; ".join(wording.word("category", each) for each in row.further_categories or ()),
        wording.word("priority", row.priority.value),
        wording.moment(row.occurred_at),
        wording.moment(row.received_at),
        told.background,
        told.description,
        handler_cell(told),
        wording.moment(row.accepted_at),
        wording.moment(row.expected_resolution_at),
        wording.moment(row.first_response_at),
        log_cell(told, wording, names),
        _solution(told),
        wording.moment(row.feedback_at),
        _satisfaction(told, wording),
        note_cell(told, wording),
        wording.word("state", row.state.value),
        wording.moment(row.closed_at),
    ]


def _solution(told: Told) -> str:
    """What the customer was told at the end: cause, solution, precautions."""
    results = [entry for entry in told.entries if entry.kind == "resolved"]
    if not results:
        return told.brought.get("solution", "")
    return "\n".join(text for text in told.said.get(results[-1].id, {}).values() if text)


def _satisfaction(told: Told, wording: Wording) -> str:
    """满意 = 4–5, 一般 = 3, 不满意 = 1–2; nothing for whoever may not see scores."""
    overall = told.answer.scores.get(Dimension.OVERALL.value) if told.answer else None
    if overall is None:
        return told.brought.get("satisfaction", "")
    return VERDICTS[0 if overall <= 2 else 1 if overall == 3 else 2][wording.place]
