"""What callers send and see of communication records."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from models.vocabulary import CommunicationState, Medium
from workers.web.api.common import Given, Page
from workers.web.api.values import Moment

WORDS = 20_000
LINE = 500


class RecordGiven(Given):
    """A talk with a customer, on a ticket or with a customer alone."""

    ticket: str | None = Field(default=None, max_length=24, examples=["CS202405200001"])
    customer: str | None = Field(
        default=None, max_length=24, description="Code; not needed with a ticket", examples=["C202405001"]
    )
    channel: Medium = Field(examples=["phone"], description="phone 电话, email 邮件, chat 在线聊天 or sms")
    description: str = Field(
        min_length=1, max_length=WORDS, description="More than 200 characters are warned of"
    )
    summary: str = Field(default="", max_length=LINE)
    solution: str = Field(default="", max_length=WORDS, description="What was done; needed when closed")
    next_action: str = Field(default="", max_length=LINE, examples=["24小时内回访"])
    next_at: str = Field(
        default="",
        max_length=64,
        description="When, if the action does not say: ISO 8601, `48小时内`, `within 2 days`",
    )
    happened_at: Moment | None = Field(
        default=None,
        description="Default: now. Over five minutes ago is a late entry 补录: it meets no limit",
    )
    closed: bool = False
    reached: bool = Field(
        default=False, description="The customer was on the line: on a ticket, may be the first response, now"
    )
    evidence: str | None = Field(
        default=None, max_length=128, description="Call record", examples=["call-88213"]
    )
    handler: str | None = Field(default=None, description="Staff number or address; default: who acts")


class RecordChanged(Given):
    """What is put right; what is left out stays."""

    channel: Medium | None = None
    description: str | None = Field(default=None, min_length=1, max_length=WORDS)
    summary: str | None = Field(default=None, max_length=LINE)
    solution: str | None = Field(default=None, max_length=WORDS)
    next_action: str | None = Field(default=None, max_length=LINE)
    next_at: str = Field(default="", max_length=64)
    happened_at: Moment | None = None
    handler: str | None = Field(default=None, description="Who takes it on")


class Closing(Given):
    """What was done."""

    solution: str = Field(default="", max_length=WORDS, description="Not needed if the record has one")


class Reopening(Given):
    """What is done next, and when."""

    next_action: str = Field(max_length=LINE)
    next_at: str = Field(default="", max_length=64)


class Sharing(Given):
    """With whom; neither: with the handler's supervisor."""

    team: str | None = Field(default=None, max_length=64)
    staff: str | None = Field(default=None, description="Number or mail address")
    note: str = Field(default="", max_length=LINE)


class RecordShown(BaseModel):
    """One record; all words masked."""

    number: str = Field(examples=["CR001"])
    version: int
    state: CommunicationState
    channel: Medium
    happened_at: datetime
    recorded_at: datetime
    late_entry: bool = Field(description="补录")
    customer: str = Field(description="Masked customer ID", examples=["C20240500*"])
    ticket: str | None
    handler: str = Field(description="Staff number")
    description: str
    summary: str
    solution: str
    next_action: str
    next_at: datetime | None
    overdue: bool = Field(description="Open, and the time of its next action has passed")
    shared_at: datetime | None
    closed_at: datetime | None


class RecordEntry(BaseModel):
    """One line of a record's history."""

    at: datetime
    kind: str = Field(examples=["recorded", "changed", "closed", "reopened", "shared"])
    staff: str | None
    facts: dict[str, Any]
    words: dict[str, str]


class RecordDetail(RecordShown):
    """A record with its history, and what its writer should know."""

    history: list[RecordEntry]
    warnings: list[str] = Field(
        default=[], description="late_entry, description_long, late_entry_meets_no_limit"
    )


class RecordList(Page):
    """Records, newest first."""

    items: list[RecordShown]
