"""Cells that several of the tables have: the customer, the type, the log, the reason, the measure."""

from __future__ import annotations

from datetime import timedelta

from models.tickets import TicketEntry
from workers.registers.pages import Told
from workers.registers.whom import is_label
from workers.registers.wording import Wording
from workers.tickets import IMPORTED
from workers.unit_of_work import UnitOfWork

QUIET = frozenset({"nobody_to_tell", "rung_broken", "policy_changed", "replanned"})
"""Lines of the log that tell of our machinery, not of the request."""


def customer_cell(told: Told) -> str:
    """The customer's code; of one of whom only a masked contact is known, that (row A2)."""
    return told.customer.masked if is_label(told.customer.code) else told.customer.code


def type_cell(uow: UnitOfWork, told: Told, wording: Wording) -> str:
    """The primary type, technical faults with their kind: 售后技术 / 软件."""
    part = uow.policy.categories.get(told.ticket.category)
    name = (
        part.label.for_locale(wording.locale)
        if part is not None
        else wording.word("category", told.ticket.category.value)
    )
    kind = told.ticket.subkind
    return f"{name} / {wording.word('technical_kind', kind)}" if kind else name


def handler_cell(told: Told) -> str:
    """Name and staff number, as an import understands it; of a past one what the table said."""
    if told.handler is None:
        return told.brought.get("handler", "")
    return f"{told.handler.number} {told.handler.name}"


def log_cell(told: Told, wording: Wording, staff: dict[str, str]) -> str:
    """The log, a line for each node: time, who, what, and what was said. `staff`: names by id."""
    lines = []
    for entry in told.entries:
        if entry.kind == IMPORTED:
            lines += [told.said.get(entry.id, {}).get("log", "")]
        elif entry.kind not in QUIET:
            lines.append(_line(told, entry, wording, staff))
    return "\n".join(line for line in lines if line)


def _line(told: Told, entry: TicketEntry, wording: Wording, staff: dict[str, str]) -> str:
    who = staff.get(str(entry.staff_id), "") if entry.staff_id else wording.word("actor", entry.actor)
    said = "; ".join(text for text in told.said.get(entry.id, {}).values() if text)
    what = wording.word("log", entry.kind) + (f": {said}" if said else "")
    return f"{wording.moment(entry.at)} {who} {what}"


def reason_cell(told: Told, wording: Wording) -> str:
    """Why it is not confirmed: in the words of the table it came from, else of our code."""
    if told.ticket.confirmed_at is not None:
        return ""
    return told.brought.get("reason", "") or wording.word("unconfirmed", told.ticket.unconfirmed_reason)


def measure_cell(told: Told) -> str:
    """The improvement measure 改进措施."""
    return told.measure or told.brought.get("measure", "")


def cycle_cell(told: Told, wording: Wording) -> str:
    """The verification cycle 验证周期: days from carrying it out, and how it went."""
    row = told.improvement
    if row is None:
        return told.brought.get("cycle", "")
    days = wording.span(row.made_at, row.made_at + timedelta(days=row.cycle_days))
    return f"{days} · {wording.word('improvement_state', row.state.value)}"


def note_cell(told: Told, wording: Wording) -> str:
    """What the table said beyond our columns, and that the row was brought from elsewhere (补录)."""
    brought = told.brought
    if not brought and told.ticket.close_reason != IMPORTED:
        return ""
    parts = ("补录", "late entry")[wording.place], brought.get("note", "")
    return "\n".join(part for part in parts if part)
