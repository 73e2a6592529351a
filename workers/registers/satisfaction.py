"""The satisfaction record 客户满意度记录: who was rated by whom for what, in whose words (row D5)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from models.people import Staff
from models.surveys import Survey, SurveyAnswer
from models.tickets import Ticket
from models.vocabulary import Dimension, Role
from workers.registers.cells import customer_cell, type_cell
from workers.registers.pages import Told, answers_of, by_ids, may_see, told_of
from workers.registers.port import Rows, Span, Titles
from workers.registers.wording import Wording
from workers.surveys import answer_of
from workers.text import mask_free_text
from workers.unit_of_work import UnitOfWork, Workshop

PAGE = 200
SUMMARY = 200
ANSWERED = "answered"
TITLES: Titles = {
    "number": ("记录编号", "Record number", "编号", "问卷编号"),
    "customer": ("客户信息", "Customer", "客户", "客户编号", "客户ID", "客户姓名", "联系方式"),
    "group": ("客户群", "Customer group", "客户分组", "客户类型"),
    "type": ("服务类型", "Service type", "类型", "问题类型"),
    "staff_number": ("客服工号", "Staff number", "工号", "服务人员工号"),
    "staff_name": ("客服姓名", "Staff name", "客服", "服务人员", "处理人"),
    "service_at": ("服务时间", "Service time", "日期", "服务日期", "评价时间"),
    "summary": ("服务内容摘要", "Summary", "服务内容", "摘要", "问题描述"),
    "overall": ("整体满意度", "Overall", "总体满意度", "满意度", "评分"),
    "attitude": ("服务态度", "Attitude", "态度"),
    "competence": ("专业能力", "Competence", "专业度"),
    "speed": ("响应速度", "Speed", "速度"),
    "convenience": ("流程便捷性", "Convenience", "便捷性"),
    "solved": ("问题解决效果", "Solved", "解决效果"),
    "words": ("客户原话", "In the customer's words", "客户反馈", "客户意见", "反馈内容", "建议"),
    "followup": ("跟进记录", "Follow-up", "跟进情况", "改进措施"),
    "note": ("备注", "Note"),
    "ticket": ("工单编号", "Ticket number", "问题编号", "工单号"),
    "order": ("订单编号", "Order number", "订单号"),
}
"""For each column its title in Chinese and in English, and what else an import understands."""


async def rows(workshop: Workshop, span: Span, reader: Staff | None, wording: Wording) -> Rows:
    """All answered surveys by their numbers' ids, oldest first. Agents see none of them."""
    last: UUID | None = None
    while reader is None or reader.role is not Role.AGENT:
        async with workshop.read() as uow:
            query = select(Survey).where(Survey.state == ANSWERED).order_by(Survey.id).limit(PAGE)
            if span.since is not None:
                query = query.where(Survey.service_at >= span.since)
            if span.until is not None:
                query = query.where(Survey.service_at < span.until)
            if last is not None:
                query = query.where(Survey.id > last)
            found = list(await uow.session.scalars(query))
            page = await _page(uow, found, reader, wording)
        if page:
            yield page
        if len(found) < PAGE:
            return
        last = found[-1].id


async def _page(
    uow: UnitOfWork, found: Sequence[Survey], reader: Staff | None, wording: Wording
) -> list[list[str]]:
    tickets = await by_ids(uow, Ticket, {row.ticket_id for row in found})
    told = {each.ticket.id: each for each in await told_of(uow, list(tickets.values()), reader)}
    staff = await by_ids(uow, Staff, {row.staff_id for row in found if row.staff_id})
    answers = await answers_of(uow, [row.id for row in found if may_see(reader, row)])
    return [await _cells(uow, row, answers.get(row.id), told[row.ticket_id], staff, wording) for row in found]


async def _cells(
    uow: UnitOfWork,
    row: Survey,
    given: SurveyAnswer | None,
    told: Told,
    staff: dict[UUID, Staff],
    wording: Wording,
) -> list[str]:
    """A row; `given` is its answer, None for whoever may not see it and for a fully anonymous one."""
    person = staff.get(row.staff_id) if row.staff_id else None
    said = await answer_of(uow, given) if given is not None else None
    words = [said.comment, *said.open_answers.values()] if said else []
    scores = given.scores if given is not None else {}
    brought = told.brought
    return [
        row.number,
        customer_cell(told),
        row.customer_group or "",
        type_cell(uow, told, wording),
        person.number if person else brought.get("staff_number", ""),
        person.name if person else brought.get("staff_name", ""),
        wording.moment(row.service_at),
        " ".join(told.description.split())[:SUMMARY],
        *(str(scores.get(each.value, "")) for each in Dimension),
        mask_free_text("\n".join(text for text in words if text), names=told.names),
        _followup(told, wording) if given is not None else "",
        _note(row, told, wording),
        told.ticket.number,
        told.ticket.order_number or "",
    ]


def _followup(told: Told, wording: Wording) -> str:
    """Where the follow-up stands, its cause and measure, and until when."""
    row = told.followup
    if row is None:
        return told.brought.get("followup", "")
    parts = [wording.word("followup_state", row.state.value), wording.word("cause", row.cause)]
    parts += [row.department or "", told.measure, wording.moment(row.due_at)]
    return " · ".join(part for part in parts if part)


def _note(row: Survey, told: Told, wording: Wording) -> str:
    parts = []
    if row.reason == "imported":
        parts.append(("补录", "late entry")[wording.place])
    if row.anonymous:
        parts.append(("完全匿名", "fully anonymous")[wording.place])
    return "\n".join([*parts, *filter(None, [told.brought.get("note", "")])])
