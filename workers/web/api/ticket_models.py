"""How a ticket looks from outside: every customer only as code and mask, every free text masked."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from models.vocabulary import Category, DeadlineKind, DeadlineState, Medium, Priority, Role, TicketState
from workers.web.api.common import Page


class CustomerShown(BaseModel):
    """A customer as staff see them."""

    code: str = Field(examples=["C202405001"])
    masked: str = Field(description="Masked name and contact", examples=["*女士 138****5678"])
    group: str | None = Field(description="新 / 老 / 高价值, as the team calls it", examples=["高价值"])
    level: str | None = Field(examples=["vip"])
    industry: str | None = Field(examples=["retail"])
    preferred_channel: Medium | None


class StaffShown(BaseModel):
    """A colleague."""

    number: str = Field(examples=["CS001"])
    name: str = Field(examples=["王芳"])
    role: Role


class Duration(BaseModel):
    """Elapsed time."""

    seconds: int = Field(examples=[202])
    words: str = Field(examples=["3分22秒"])


class Durations(BaseModel):
    """Elapsed times since the request was received; null while they run."""

    response: Duration | None = Field(description="响应时长: first response − received")
    result: Duration | None = Field(description="Result given − received")
    resolution: Duration | None = Field(
        description="解决时长: confirmed − received; of a result nobody confirmed, as `result`"
    )


class DeadlineShown(BaseModel):
    """One clock of a ticket."""

    id: UUID
    kind: DeadlineKind
    generation: int = Field(description="Rises when the clock is started anew (re-planned, re-opened)")
    state: DeadlineState
    started_at: datetime
    limit_at: datetime | None
    next_alarm_at: datetime | None = Field(description="When it is looked at next")
    paused_at: datetime | None = Field(description="Since when it stands still, waiting for the customer")
    left: Duration | None = Field(
        description="Time on the clock to the limit; while it stands still, as much as when it stopped; "
        "null once it is over or ended"
    )
    met_at: datetime | None
    breached_at: datetime | None
    in_time: bool | None = Field(description="null while undecided")
    overdue: Duration | None = Field(description="By how much it was missed, up to now if still unmet")
    ended_reason: str | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None = Field(description="Staff number")


class EntryShown(BaseModel):
    """One line of the append-only log."""

    id: UUID
    at: datetime
    kind: str = Field(examples=["transferred"])
    actor: str = Field(description="Staff number, `customer` or `system`", examples=["CS001"])
    facts: dict[str, Any] = Field(description="Codes, ids and times")
    words: dict[str, str] = Field(description="What was written, personal data masked")
    evidence: str | None = Field(description="Reference to a call record or message")
    corrects: UUID | None = Field(description="The line that this one corrects")
    notification: UUID | None


class RequestShown(BaseModel):
    """An escalation request 升级申请."""

    id: UUID
    at: datetime
    by: str = Field(description="Staff number")
    reason: str
    resources: str
    new_expected_at: datetime | None
    decision: str | None = Field(description="approved, declined, or null while open")


class TicketSummary(BaseModel):
    """A ticket in a list."""

    number: str = Field(examples=["CS202405200001"])
    version: int
    state: TicketState
    priority: Priority
    category: Category
    subkind: str | None
    channel: Medium
    subject: str = Field(description="Personal data masked")
    customer: CustomerShown
    handler: str | None = Field(description="Staff number", examples=["CS001"])
    received_at: datetime
    first_response_at: datetime | None
    resolved_at: datetime | None
    closed_at: datetime | None
    attention: bool = Field(description="关注项: something is overdue and nobody has closed it")
    overdue_count: int
    needs_triage: bool = Field(description="Core fields lack: no result can be given yet (row B2)")
    urged_count: int = Field(description="催单")
    response: Duration | None = Field(description="响应时长")


class TicketList(Page):
    """Tickets, newest first."""

    items: list[TicketSummary]


class TicketShown(TicketSummary):
    """A ticket with its clocks and its log."""

    opening: int = Field(description="1, and one more for each time it was opened again")
    further_categories: list[str]
    locale: str
    description: str = Field(description="Personal data masked")
    background: str
    special_period: str | None
    order_number: str | None
    team: str | None
    first_team: str | None = Field(description="首问负责: the team it came to first")
    cooperating: list[str]
    handled_by: StaffShown | None
    occurred_at: datetime | None
    opened_at: datetime
    triaged_at: datetime | None
    assigned_at: datetime | None
    accepted_at: datetime | None = Field(description="接单时间")
    expected_resolution_at: datetime | None = Field(description="预计解决时间")
    transferred_at: datetime | None = Field(description="转接时间")
    planned_at: datetime | None
    feedback_at: datetime | None = Field(description="客户反馈时间")
    confirmed_at: datetime | None
    confirmed_by: str | None
    unconfirmed_reason: str | None = Field(description="未确认原因")
    rated_at: datetime | None
    unrated_reason: str | None
    waiting_since: datetime | None = Field(description="挂起: since when the customer is waited for")
    close_reason: str | None = Field(description="not_a_ticket where staff dismissed it, merged; else null")
    earlier: str | None = Field(description="Number of the closed ticket that this one takes further")
    merged_into: str | None = Field(description="Number of the ticket that this one goes on in")
    missing_for_closing: list[str]
    missing_core_fields: list[str] = Field(
        description="What triage has to complete: fields of the policy's [triage]"
    )
    durations: Durations
    limits: dict[str, datetime | None] = Field(description="The limits that still run, by clock")
    deadlines: list[DeadlineShown]
    escalation_requests: list[RequestShown]
    log: list[EntryShown]
