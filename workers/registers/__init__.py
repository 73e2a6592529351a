"""The four tables of the practices: response tracking, response record, communications, satisfaction."""

from collections.abc import Mapping

from workers import communications
from workers.registers import response_record, satisfaction, talks, tracking
from workers.registers.port import Register, Span
from workers.registers.taking_scores import take_scores
from workers.registers.taking_tickets import take_record, take_tracking
from workers.registers.wording import Wording

REGISTERS: Mapping[str, Register] = {
    each.name: each
    for each in (
        Register("response-tracking", tracking.TITLES, tracking.rows, take_tracking),
        Register("response-record", response_record.TITLES, response_record.rows, take_record),
        Register("communications", communications.TITLES, talks.rows, talks.take_in),
        Register("satisfaction", satisfaction.TITLES, satisfaction.rows, take_scores),
    )
}
"""By the name that commands and addresses use."""

__all__ = ["REGISTERS", "Register", "Span", "Wording"]
