"""Ratings come in from a satisfaction record: marked, never changed again, and without any consequence."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select

from models.base import new_id
from models.people import Customer, Staff
from models.surveys import Survey, SurveyAnswer
from models.tickets import ImportedRow, Ticket
from models.vocabulary import Dimension, Medium
from workers.errors import CloseloopError, Conflict, InvalidInput
from workers.history import record
from workers.importing import Columns, Places, RowResult, in_batches, told_of
from workers.locks import held
from workers.registers import reading
from workers.registers.numbers import own_shape, reserve
from workers.registers.satisfaction import ANSWERED, TITLES
from workers.registers.whom import Colleagues, customer_of
from workers.surveys.drafts import Answer, sealed
from workers.tickets import IMPORTED, Past, take_in
from workers.unit_of_work import UnitOfWork, Workshop

REGISTER = "satisfaction"
LONGEST = 20_000
COLUMNS = Columns(
    TITLES,
    needed=("service_at", "overall"),
    one_of=(("customer", "ticket"),),
    fits="closeloop tables export satisfaction FILE writes a table that fits",
)


@dataclass(slots=True)
class _Run:
    """One import: where its columns stand, and what it has seen so far."""

    places: Places
    dry_run: bool
    colleagues: Colleagues = field(default_factory=Colleagues)
    seen: dict[bytes, int] = field(default_factory=dict)
    rated: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Rating:
    """What a row says."""

    at: datetime
    answer: Answer
    staff: Staff | None
    number: str | None
    words: Mapping[str, str]


async def take_scores(
    workshop: Workshop,
    table: Iterable[tuple[int, list[str]]],
    *,
    dry_run: bool,
    tick: Callable[[int], None],
) -> AsyncIterator[RowResult]:
    """Take in a satisfaction record; each row is answered for, and taken in once."""
    rows = iter(table)
    run = _Run(COLUMNS.find(next(rows, (1, []))[1]), dry_run)

    async def work(batch: list[tuple[int, list[str]]]) -> list[RowResult]:
        return await _batch(workshop, run, batch)

    async for each in in_batches(rows, work, tick):
        yield each


async def _batch(workshop: Workshop, run: _Run, batch: list[tuple[int, list[str]]]) -> list[RowResult]:
    """Some rows in one transaction. A row that is wrong has written nothing when that is found."""
    if not run.dry_run:
        given = (run.places.named(cells).get("number", "") for _, cells in batch)
        await reserve(workshop, filter(None, (own_shape(text, "CSAT") for text in given)))
    run.colleagues.by_word.clear()
    async with workshop.read() if run.dry_run else workshop.begin() as uow:
        return [await _row(uow, run, line, cells) for line, cells in batch]


async def _row(uow: UnitOfWork, run: _Run, line: int, cells: list[str]) -> RowResult:
    named, rest = run.places.named(cells), run.places.others(cells)
    try:
        key = _key(uow, named, rest)
        if key in run.seen:
            return RowResult(line, "known", words=f"the same as line {run.seen[key]}")
        known = await _known(uow, named, key)
        if known:
            return RowResult(line, "known", known)
        rating, warnings = await _rating(uow, run, named, rest)
        ticket = await _past_ticket(uow, run, named)
        if ticket is None and not named.get("customer"):
            raise InvalidInput("the customer is missing", hint="a code, a contact, or its last four digits")
        run.seen[key] = line
        if run.dry_run:
            return RowResult(line, "added", rating.number or "", "; ".join(warnings))
        survey = await _write(uow, named, rating, ticket)
        uow.add_later(ImportedRow(row_key=key, number=survey.number))
    except CloseloopError as error:
        return RowResult(line, "wrong", words=told_of(error))
    return RowResult(line, "added", survey.number, "; ".join(warnings))


def _key(uow: UnitOfWork, named: Mapping[str, str], rest: Mapping[str, str]) -> bytes:
    number = named.get("number", "").upper()
    text = f"number\x1f{number}" if number else "\x1f".join((*named.values(), *rest.values()))
    return uow.vault.lookup("survey-row", text)


async def _known(uow: UnitOfWork, named: Mapping[str, str], key: bytes) -> str:
    """The number of what was made of this row, or of our own survey that it tells of; '' for none."""
    row = await uow.session.get(ImportedRow, key)
    if row is not None:
        return row.number
    number = own_shape(named.get("number", ""), "CSAT")
    if number is None:
        return ""
    return await uow.session.scalar(select(Survey.number).where(Survey.number == number)) or ""


async def _rating(
    uow: UnitOfWork, run: _Run, named: Mapping[str, str], rest: Mapping[str, str]
) -> tuple[_Rating, list[str]]:
    at = reading.moment(uow, named, "service_at", TITLES["service_at"][0])
    if at is None:
        raise InvalidInput(f"{TITLES['service_at'][0]} is missing", hint="say when the service was")
    found = {each: reading.score_of(named.get(each.value, ""), each) for each in Dimension}
    scores = {each.value: score for each, score in found.items() if score is not None}
    if Dimension.OVERALL.value not in scores:
        raise InvalidInput(f"{TITLES['overall'][0]} is missing", hint="1 to 5; without it nothing was rated")
    text = named.get("staff_number", "") or named.get("staff_name", "")
    person = await run.colleagues.find(uow, text) if text else None
    warnings = [f"staff {text[:32]!r} does not work here: kept as a note"] if text and person is None else []
    warnings += [f"kept as a note: {', '.join(rest)}"] if rest else []
    number = own_shape(named.get("number", ""), "CSAT")
    answer = Answer(scores, named.get("words", "")[:LONGEST], source=IMPORTED)
    return _Rating(at, answer, person, number, _words(named, rest, number, person)), warnings


def _words(
    named: Mapping[str, str], rest: Mapping[str, str], number: str | None, person: Staff | None
) -> dict[str, str]:
    """What has no field of its own, under its name."""
    found = {"followup": named["followup"][:LONGEST]} if named.get("followup") else {}
    if person is None:
        found |= {name: named[name][:200] for name in ("staff_number", "staff_name") if named.get(name)}
    note = [named.get("note", ""), *(f"{title}: {text}" for title, text in rest.items())]
    if named.get("number") and number is None:
        note.append(f"原编号: {named['number']}")
    if told := "\n".join(each for each in note if each):
        found["note"] = told[:LONGEST]
    return found


async def _past_ticket(uow: UnitOfWork, run: _Run, named: Mapping[str, str]) -> Ticket | None:
    """The imported request that is rated; None: there is none yet.

    Raises Conflict for one of our own, whose customers rate it themselves (row D9), and for one rated twice.
    """
    number = named.get("ticket", "").strip().upper()
    if not number:
        return None
    query = select(Ticket).where(Ticket.number == number)
    ticket = await uow.session.scalar(query if run.dry_run else held(query))
    if ticket is None:
        key = uow.vault.lookup("ticket-row", f"number\x1f{number}")
        row = await uow.session.get(ImportedRow, key)
        if row is None:
            return None
        ticket = await uow.session.scalar(select(Ticket).where(Ticket.number == row.number))
    if ticket is None:
        return None
    if ticket.close_reason != IMPORTED:
        raise Conflict(
            f"{ticket.number} is a request of this installation: its rating is the customer's own",
            hint="an answer by telephone is entered on the page of its survey",
        )
    if ticket.rated_at is not None or ticket.number in run.rated:
        raise Conflict(f"{ticket.number} has a rating already", hint="scores are never changed")
    run.rated.add(ticket.number)
    return ticket


async def _write(uow: UnitOfWork, named: Mapping[str, str], rating: _Rating, ticket: Ticket | None) -> Survey:
    category, kind, _ = reading.category_of(uow, named.get("type", ""))
    if ticket is None:
        customer = await customer_of(uow, named["customer"])
        past = Past(
            register=REGISTER,
            number=own_shape(named.get("ticket", ""), "CS"),
            received_at=rating.at,
            resolved_at=rating.at,
            description=named.get("summary", "")[:LONGEST] or "补录评价",
            category=category,
            subkind=kind,
            handler=rating.staff,
            order_number=named.get("order", "")[:64] or None,
            words=rating.words,
        )
        ticket = await take_in(uow, past, customer)
    else:
        customer = await uow.session.get_one(Customer, ticket.customer_id)
        await record(uow, ticket, IMPORTED, facts={"register": REGISTER}, words=dict(rating.words))
    ticket.rated_at, ticket.unrated_reason = rating.at, None
    survey = await _survey(uow, named, rating, ticket, customer)
    uow.add_later(
        SurveyAnswer(
            id=new_id(),
            survey_id=survey.id,
            version=1,
            final=True,
            at=rating.at,
            category=ticket.category,
            scores=dict(rating.answer.scores),
            source=IMPORTED,
            data_key_id=ticket.data_key_id,
            words_sealed=await sealed(uow, ticket, rating.answer),
        )
    )
    return survey


async def _survey(
    uow: UnitOfWork, named: Mapping[str, str], rating: _Rating, ticket: Ticket, customer: Customer
) -> Survey:
    """The invitation that belongs to it, answered and over: nobody can answer it again."""
    survey = Survey(
        id=new_id(),
        number=rating.number or await _free_number(uow, rating.at),
        ticket_id=ticket.id,
        opening=ticket.opening,
        customer_id=ticket.customer_id,
        staff_id=rating.staff.id if rating.staff else ticket.credited_id,
        team_id=rating.staff.team_id if rating.staff else ticket.credited_team_id,
        category=ticket.category,
        customer_group=named.get("group", "")[:24] or customer.customer_group,
        channel=Medium.PHONE,
        locale=ticket.locale,
        state=ANSWERED,
        service_at=rating.at,
        invited_at=rating.at,
        expires_at=rating.at,
        answered_at=rating.at,
        anonymous=False,
        reason=IMPORTED,
        policy_version_id=ticket.policy_version_id,
    )
    await uow.add(survey)
    return survey


async def _free_number(uow: UnitOfWork, at: datetime) -> str:
    """The next number of the day that no table has brought along."""
    day = uow.policy.calendar.local_date(at).strftime("%Y%m%d")
    while True:
        number = await uow.draw_number(f"CSAT{day}", 3)
        if await uow.session.scalar(select(Survey.id).where(Survey.number == number)) is None:
            return number
