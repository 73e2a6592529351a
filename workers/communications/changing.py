"""Put right what was recorded, close a record with what was done, take it up again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from models.communications import Communication
from models.people import Staff
from models.vocabulary import CommunicationState, Medium, Role
from workers.communications import reminding
from workers.communications.entries import facts_of, note
from workers.communications.recording import PROMPT, Talk, check, due_time, must_be_definite
from workers.communications.words import PLACE, own_words
from workers.errors import Conflict, Forbidden, InvalidInput
from workers.unit_of_work import UnitOfWork


def may_change(row: Communication, by: Staff) -> None:
    """Raises Forbidden unless it is their own record, or they lead."""
    if by.id != row.handler_id and by.role not in (Role.SUPERVISOR, Role.ADMINISTRATOR):
        raise Forbidden("this record belongs to somebody else", hint="its handler or a supervisor changes it")


async def change(
    uow: UnitOfWork,
    row: Communication,
    by: Staff,
    words: Mapping[str, str],
    *,
    channel: Medium | None = None,
    happened_at: datetime | None = None,
    next_at: str = "",
    handler: Staff | None = None,
) -> tuple[str, ...]:
    """Put right what was recorded; the history keeps what stood there before. Gives warnings as codes.

    Raises InvalidInput, Forbidden, and Conflict for the next action of a closed record.
    """
    may_change(row, by)
    closed = row.state is CommunicationState.CLOSED
    if closed and ("next_action" in words or next_at):
        raise Conflict("a closed record has no next action", hint="reopen it first")
    before = await own_words(uow, row)
    after = {**before, **{part: text.strip() for part, text in words.items()}}
    moment = (happened_at or row.happened_at).astimezone(UTC)
    kept = Talk(
        channel=channel or row.channel,
        description=after["description"],
        solution=after["solution"] if closed else "still open",
        happened_at=moment,
        closed=True,
    )
    checked = check(uow, kept)
    due = row.next_at
    if next_at or "next_action" in words:
        due = due_time(uow, after["next_action"], next_at, uow.clock.now())
    was = facts_of(row)
    row.channel, row.happened_at = kept.channel, moment
    row.late_entry = moment < row.recorded_at - PROMPT
    if handler is not None:
        row.handler_id = handler.id
    if due != row.next_at:
        row.next_at = future(uow, due)
        await reminding.arm(uow, row)
    changed = {f"{part}_before": before[part] for part in after if after[part] != before[part]}
    changed |= {part: after[part] for part in after if after[part] != before[part]}
    await _seal(uow, row, after)
    await note(uow, row, "changed", by, facts={"before": was, **facts_of(row)}, words=changed)
    return tuple(each for each in checked.warnings if each == "description_long")


def future(uow: UnitOfWork, at: datetime | None) -> datetime | None:
    """The moment, unless it is over: InvalidInput."""
    if at is not None and at <= uow.clock.now():
        raise InvalidInput("the next action lies in the past", hint="give a time that is still to come")
    return at


async def close(uow: UnitOfWork, row: Communication, by: Staff, solution: str) -> None:
    """Close a record with what was done; its reminders are withdrawn. Raises InvalidInput, Conflict."""
    may_change(row, by)
    if row.state is CommunicationState.CLOSED:
        raise Conflict(f"{row.number} is closed already")
    words = await own_words(uow, row)
    must_be_definite(solution or words["solution"])
    words["solution"] = solution.strip() or words["solution"]
    row.state, row.closed_at, row.next_at = CommunicationState.CLOSED, uow.clock.now(), None
    await reminding.disarm(uow, row)
    await _seal(uow, row, words)
    await note(uow, row, "closed", by, facts=facts_of(row), words={"solution": words["solution"]})


async def reopen(uow: UnitOfWork, row: Communication, by: Staff, action: str, when: str) -> None:
    """Take a closed record up again, with what is done next and when. Raises InvalidInput, Conflict."""
    may_change(row, by)
    if row.state is CommunicationState.OPEN:
        raise Conflict(f"{row.number} is open")
    next_at = future(uow, due_time(uow, action, when, uow.clock.now()))
    words = {**await own_words(uow, row), "next_action": action.strip()}
    row.state, row.closed_at, row.next_at = CommunicationState.OPEN, None, next_at
    await reminding.arm(uow, row)
    await _seal(uow, row, words)
    await note(uow, row, "reopened", by, facts=facts_of(row), words={"next_action": action.strip()})


async def _seal(uow: UnitOfWork, row: Communication, words: Mapping[str, str]) -> None:
    sealer = await uow.vault.sealer(uow.session, row.data_key_id)
    row.words_sealed = sealer.seal_json(dict(words), PLACE)
    row.version += 1
    uow.words_changed("communication", row.id)
