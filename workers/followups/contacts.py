"""Who calls back, and what came of it: the first contact that reached the customer starts the follow-up."""

from __future__ import annotations

from datetime import datetime

from models.people import Staff
from models.surveys import Followup
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, FollowupState
from workers import deadlines, escalations
from workers.directory import people_for
from workers.errors import InvalidInput
from workers.followups.alarms import due_facts
from workers.followups.finding import must_run, rated_person
from workers.followups.measures import wait_for
from workers.followups.telling import name_of, remind, tell
from workers.history import record
from workers.unit_of_work import UnitOfWork

NAMED = 100
"""Rungs from here on tell somebody that they were named; those below remind."""
NAMED_LATER = 1_000_000
"""The same for what is due once a case has started: below are 100 rungs for each version of it."""


async def name_owner(uow: UnitOfWork, followup: Followup, ticket: Ticket, owner: Staff, by: Staff) -> None:
    """The supervisor names the person who calls back (row B10), who hears of it; or somebody takes it on.

    The customer is not told a name: who calls may change, and they were promised a call within 48 hours.
    """
    must_run(followup)
    followup.owner_id = owner.id
    followup.version += 1
    if owner.id != by.id:
        await _tell_named(uow, ticket, followup, owner)
    await record(uow, ticket, "followup_owner", by=by, facts={"owner": owner.number}, followup_id=followup.id)


async def _tell_named(uow: UnitOfWork, ticket: Ticket, followup: Followup, owner: Staff) -> None:
    """To be rung up, or, once the customer was, what the case waits for next and until when."""
    if followup.started_at is None:
        await remind(uow, ticket, followup, [owner], rung=NAMED + followup.version)
    elif followup.due_at is not None:
        hidden = owner.id == await rated_person(uow, followup)
        extra = await due_facts(uow, followup, "soon", followup.due_at, hidden=hidden)
        rung = NAMED_LATER + followup.version
        await tell(
            uow,
            ticket,
            followup,
            "followup_due",
            {**extra, "owner": owner.name},
            [owner],
            rung=rung,
            take=False,
        )


async def record_contact(
    uow: UnitOfWork,
    followup: Followup,
    ticket: Ticket,
    by: Staff,
    text: str,
    *,
    reached: bool,
    suggestions: str = "",
) -> bool:
    """Log a call or message to the customer; the first one *starts* the follow-up. Gives whether in time.

    A try that did not reach the customer is logged and starts nothing; after every few of them (policy:
    `unreached_tries`) the supervisor hears. `suggestions` is what the customer would have us do better.
    """
    must_run(followup)
    if not text.strip():
        raise InvalidInput("a follow-up contact needs words: what was said or tried")
    followup.version += 1
    followup.owner_id = followup.owner_id or by.id
    kind = "followup_contact" if reached else "followup_try"
    words = {"text": text, **({"suggestions": suggestions} if suggestions.strip() else {})}
    facts = {"started": True} if reached and followup.started_at is None else None
    await record(uow, ticket, kind, by=by, facts=facts, words=words, followup_id=followup.id)
    if followup.started_at is None:
        await (_start(uow, followup, ticket) if reached else _missed(uow, followup, ticket))
    return followup.started_at is not None and followup.started_at <= followup.start_by


async def _start(uow: UnitOfWork, followup: Followup, ticket: Ticket) -> None:
    now = uow.clock.now()
    followup.started_at, followup.state = now, FollowupState.STARTED
    await _meet_start(uow, ticket, followup, now)
    policy = await uow.policy_of(ticket.policy_version_id)
    await wait_for(uow, followup, ticket, policy.followup.measure_by(now))


async def _missed(uow: UnitOfWork, followup: Followup, ticket: Ticket) -> None:
    """Nobody was reached, again: the supervisor decides whether to try another way."""
    followup.tries += 1
    policy = await uow.policy_of(ticket.policy_version_id)
    if followup.tries % policy.followup.rules.unreached_tries:
        return
    extra = {
        "tries": followup.tries,
        "start_by": followup.start_by.isoformat(),
        "owner": await name_of(uow, followup.owner_id),
    }
    people = await people_for(uow, ticket, ["supervisor"])
    await tell(uow, ticket, followup, "followup_unreached", extra, people, rung=followup.tries)


async def _meet_start(uow: UnitOfWork, ticket: Ticket, followup: Followup, at: datetime) -> None:
    verdict = await deadlines.meet(uow, ticket, DeadlineKind.FOLLOWUP_START, at, followup_id=followup.id)
    if verdict is None:
        return
    await escalations.settle_late(uow, ticket, verdict.deadline, "met" if verdict.in_time else "met_late")
