"""Reports are planned day by day, made outside of any writing transaction, kept as they were, and sent once.

An errand of each day plans what is due until the end of the next one. That of a report counts first, which
may take seconds, and then writes the report and its mails in one short transaction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from models.base import new_id
from models.deadlines import Errand
from models.people import Staff
from models.reports import PeriodReport, PeriodReportSend
from models.vocabulary import Lane
from workers.measures import Period
from workers.measures.period import midnight
from workers.notifications import Notice, Recipient, house_facts, notify, staff_recipient
from workers.policy.report_parts import ReportKind
from workers.reports.document import Report, as_json, from_json
from workers.reports.making import make_report
from workers.reports.periods import Due, dues, kind_of, period_with
from workers.reports.readers import Scope, instead_of, readers, scope_of, scopes
from workers.unit_of_work import UnitOfWork, Workshop

REPORT_DAY = "report_day"
REPORT = "report"
MAIL = "period_report"
ABSENT = "absent_passed_on"
DAY = timedelta(days=1)
AHEAD = 2 * DAY
"""What is due within this time is planned each day, so that teams west and east of the policy's zone get
theirs in time."""
SEALED = "period_reports.document"
Step = Callable[[UnitOfWork, Errand], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a report: mails that were written now, and whether it had been sent before."""

    report: PeriodReport
    mails: int
    before: bool


# -- planning ----------------------------------------------------------------------------------------------


async def ensure_reports(uow: UnitOfWork) -> None:
    """A process starts: see that reports are planned. A new installation begins with what is yet to come."""
    waiting = select(Errand.id).where(Errand.kind == REPORT_DAY, Errand.due_at.is_not(None)).limit(1)
    if await uow.session.scalar(waiting) is None:
        await _plan(uow, uow.clock.now())
        await _next_day(uow)


async def report_day(uow: UnitOfWork, errand: Errand) -> None:
    """A day begins: plan what is due from then on, also what an outage has kept from being planned."""
    zone = ZoneInfo(uow.policy.zone)
    await _plan(uow, midnight(date.fromisoformat(errand.key.partition(":")[2]), zone))
    await _next_day(uow)


async def _next_day(uow: UnitOfWork) -> None:
    zone = ZoneInfo(uow.policy.zone)
    day = uow.clock.now().astimezone(zone).date() + DAY
    due = datetime.combine(day, time(), zone).astimezone(UTC)
    row = Errand(
        id=new_id(), key=f"{REPORT_DAY}:{day.isoformat()}", kind=REPORT_DAY, lane=Lane.BULK, due_at=due
    )
    if await uow.insert_new(row):
        uow.ring("errands", row.lane, due)


async def _plan(uow: UnitOfWork, since: datetime) -> None:
    """An errand for each report that is due from `since` (UTC) until the day after tomorrow, each once.

    Of those that an outage has kept back, the newest of each kind: nobody reads ten weeks in one morning.
    """
    now = uow.clock.now()
    for scope in await scopes(uow):
        found = dues(uow.policy.document.reports, scope.calendar(uow), since, now + AHEAD)
        for due in _worth_reading(found, now):
            at = max(due.at, now)
            row = Errand(
                id=new_id(),
                key=f"{REPORT}:{_key(due.kind, due.period, scope)}",
                kind=REPORT,
                lane=Lane.BULK,
                due_at=at,
                subject_id=scope.supervisor.id if scope.supervisor else None,
            )
            if await uow.insert_new(row):
                uow.ring("errands", row.lane, at)


def _worth_reading(found: Iterable[Due], now: datetime) -> Iterator[Due]:
    late: dict[ReportKind, Due] = {}
    for due in found:
        if due.at > now:
            yield due
        else:
            late[due.kind] = due
    yield from late.values()


def _key(kind: ReportKind, period: Period, scope: Scope) -> str:
    return f"{kind}:{period.first_day.isoformat()}:{scope.code}"


# -- making and sending ------------------------------------------------------------------------------------


async def prepare_report(workshop: Workshop, errand: Errand) -> Step:
    """Count what the errand's report says, without keeping anybody from writing; gives the step that sends.

    Nobody may want it any more by now: then nothing is counted and nothing sent.
    """
    _, kind_name, first_day, _ = errand.key.split(":")
    kind = kind_of(kind_name)
    async with workshop.read() as uow:
        scope = await scope_of(uow, errand.subject_id)
        if scope is None or not await readers(uow, scope, kind):
            return _nobody
        period = period_with(kind, date.fromisoformat(first_day), scope.calendar(uow).zone)
        report = await make_report(uow, kind, period, scope)

    async def send(uow: UnitOfWork, _: Errand) -> None:
        await send_report(uow, report, scope)

    return send


async def _nobody(uow: UnitOfWork, errand: Errand) -> None:
    """A report that nobody wants."""


async def send_report(uow: UnitOfWork, report: Report, scope: Scope) -> Sent:
    """Keep the report and write its mails. One that was kept before stays as it was; nobody gets it twice."""
    key = _key(report.kind, report.period, scope)
    known = await uow.session.scalar(select(PeriodReport).where(PeriodReport.key == key))
    row = known or await _keep(uow, key, report, scope)
    told = await kept_report(uow, row)
    mails = 0
    for person in await readers(uow, scope, report.kind):
        other = await instead_of(uow, scope, person)
        mails += await _mail(uow, row, told, person, passed_on=other is not None)
        if other is not None:
            mails += await _mail(uow, row, told, other, instead=person)
    return Sent(row, mails, known is not None)


async def _keep(uow: UnitOfWork, key: str, report: Report, scope: Scope) -> PeriodReport:
    sealer = await uow.vault.sealer(uow.session, uow.vault.system_key_id)
    row = PeriodReport(
        id=new_id(),
        key=key,
        kind=report.kind,
        first_day=report.first_day,
        last_day=report.last_day,
        zone=report.zone,
        staff_id=scope.supervisor.id if scope.supervisor else None,
        teams=list(scope.names),
        made_at=report.made_at,
        data_key_id=uow.vault.system_key_id,
        document_sealed=sealer.seal_json(as_json(report), SEALED),
    )
    if await uow.insert_new(row):
        return row
    return (await uow.session.scalars(select(PeriodReport).where(PeriodReport.key == key))).one()


async def kept_report(uow: UnitOfWork, row: PeriodReport) -> Report:
    """The report as it was when it was made."""
    sealer = await uow.vault.sealer(uow.session, row.data_key_id)
    return from_json(sealer.json(row.document_sealed, SEALED))


async def _mail(
    uow: UnitOfWork,
    row: PeriodReport,
    report: Report,
    person: Staff,
    *,
    instead: Staff | None = None,
    passed_on: bool = False,
) -> bool:
    """One mail to one person, once for this report; of whoever is away only that it was passed on."""
    to = _recipient(uow, person)
    notice = Notice(
        kind=MAIL,
        fact=row.key + (f":{instead.number}" if instead else ""),
        ticket=None,
        facts=_facts(uow, row, report, person, to.locale, instead),
        links={"report": {"page": f"/console/reports/{row.id.hex}"}},
        lane=Lane.BULK,
        data_key_id=uow.vault.system_key_id,
        silenced=ABSENT if passed_on else None,
    )
    written = await notify(uow, to, notice)
    if written is None:
        return False
    uow.session.add(
        PeriodReportSend(
            notification_id=written.id, report_id=row.id, instead_of_id=instead.id if instead else None
        )
    )
    return not passed_on


def _recipient(uow: UnitOfWork, person: Staff) -> Recipient:
    to = staff_recipient(uow, person)
    chosen = uow.policy.document.reports.locale_for(person.number)
    return replace(to, locale=chosen) if chosen else to


def _facts(
    uow: UnitOfWork, row: PeriodReport, report: Report, person: Staff, locale: str, instead: Staff | None
) -> dict[str, Any]:
    return {
        **house_facts(uow, locale),
        "zone": report.zone,
        "document": as_json(report),
        "report_id": row.id.hex,
        "attach": uow.policy.document.reports.attach_for(person.number),
        "instead_of": instead.name if instead else "",
    }
