"""What runs for a customer who is erased comes to its end, with the reason."""

from __future__ import annotations

from sqlalchemy import delete, select, update

from models.communications import Communication
from models.deadlines import Deadline
from models.surveys import Followup, Survey, SurveyDraft
from models.tickets import Ticket
from models.vocabulary import CommunicationState, DeadlineState, FollowupState, TicketState
from workers import deadlines
from workers.history import record
from workers.privacy.erasing.subject import REASON, Counts, Subject, blank, run
from workers.unit_of_work import UnitOfWork


async def end_tickets(uow: UnitOfWork, subject: Subject) -> Counts:
    """Every deadline is withdrawn (a breach stays one), open tickets are closed, each log says why."""
    ended = closed = 0
    for ticket in subject.tickets:
        rows = await deadlines.open_ones(uow, ticket)
        for row in rows:
            _judge(row, subject)
        ended += len(await deadlines.withdraw_rows(uow, rows, REASON))
        if ticket.state is not TicketState.CLOSED:
            ticket.state, ticket.closed_at, ticket.close_reason = TicketState.CLOSED, subject.at, REASON
            ticket.waiting_since = None
            closed += 1
        ticket.attention = False
        await record(uow, ticket, REASON, by=subject.by)
    await uow.session.flush()
    emptied = await blank(
        uow,
        Ticket,
        subject.on_tickets(uow, Ticket.id),
        background_sealed=None,
        thread_sealed=None,
        subject_hash=None,
        order_number=None,
    )
    return {"deadlines": ended, "tickets (closed)": closed, **emptied}


def _judge(row: Deadline, subject: Subject) -> None:
    """What had passed its limit before its check came round to it was a breach all the same."""
    passed = row.limit_at is not None and row.limit_at <= subject.at
    if passed and row.state is DeadlineState.RUNNING and any(one["step"] == "breach" for one in row.alarms):
        row.state, row.breached_at = DeadlineState.BREACHED, row.limit_at


async def end_surveys(uow: UnitOfWork, subject: Subject) -> Counts:
    """Nobody is asked any more; what was begun and not sent is deleted. Given scores stay."""
    mine = select(Survey.id).where(subject.theirs(Survey.customer_id))
    drafts = await run(uow, delete(SurveyDraft).where(SurveyDraft.survey_id.in_(mine)))
    ended = await run(
        uow,
        update(Survey)
        .where(subject.theirs(Survey.customer_id), Survey.state == "invited")
        .values(state="withdrawn", reason=REASON),
    )
    return {"surveys (ended)": ended, "survey_drafts": drafts}


async def end_followups(uow: UnitOfWork, subject: Subject) -> Counts:
    """Cases that run end without a verdict; their scores, cause and terms stay."""
    over = (FollowupState.MET, FollowupState.ENDED)
    ended = await run(
        uow,
        update(Followup)
        .where(subject.theirs(Followup.customer_id), Followup.state.not_in(over))
        .values(state=FollowupState.ENDED, version=Followup.version + 1),
    )
    return {"followups (ended)": ended}


async def end_communications(uow: UnitOfWork, subject: Subject) -> Counts:
    """Records are closed: their reminders find nothing left to say."""
    mine = subject.theirs(Communication.customer_id)
    closed = await run(
        uow,
        update(Communication)
        .where(mine, Communication.state == CommunicationState.OPEN)
        .values(
            state=CommunicationState.CLOSED,
            closed_at=subject.at,
            next_at=None,
            shared_at=subject.at,
            version=Communication.version + 1,
        ),
    )
    return {
        "communications (closed)": closed,
        **await blank(uow, Communication, mine, row_key=None),
    }
