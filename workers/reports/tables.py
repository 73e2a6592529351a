"""The tables of a report, from what was counted. Each says why where it has nothing to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from workers.improvements.due import Reevaluation
from workers.measures import UNKNOWN_CAUSE, Figure, GroupFigures, Overdue
from workers.reports.document import Column, Kind, Plain, Table
from workers.reports.overdue import OverdueCount
from workers.targets import Standing
from workers.weak_links import WeakLinks

MOST = 20
"""Rows of a list; all of it stands in the console."""
TICKET = "/console/tickets/{}"
PERSON = "/console/staff/{}"
COMPARED = (
    "requests",
    "first_response_median",
    "first_response_p90",
    "resolution_median",
    "resolution_p90",
    "one_contact",
    "overdue_first_response",
    "overdue_resolution",
    "urgings",
    "csat_overall",
    "csat_speed",
    "low_overall",
)
"""What is compared with the period before."""
CASES = Column("cases", Kind.COUNT)


def figures_table(now: Mapping[str, Figure], before: Mapping[str, Figure], said: Mapping[str, str]) -> Table:
    """Each compared measure: this period, the one before, from how many cases, and what the two say."""
    columns = (
        Column("measure", Kind.MEASURE),
        Column("now", Kind.FIGURE),
        Column("before", Kind.FIGURE),
        CASES,
        Column("verdict", Kind.CODE, "report_verdict"),
    )
    rows = [
        (key, now[key].value, before[key].value, now[key].cases, said[key])
        for key in COMPARED
        if now[key].value is not None or before[key].value is not None
    ]
    marked = [place for place, row in enumerate(rows) if row[4] == "worse"]
    return _table("figures", columns, rows, marked=marked)


def response_times(now: Mapping[str, Figure]) -> Table:
    """How long first responses took: how many in each range of time."""
    columns = (Column("range", Kind.CODE, "report_range"), CASES, Column("share", Kind.SHARE))
    parts = now["first_response_distribution"].parts
    rows = [(part.key, part.cases, part.share) for part in parts]
    return _table("response_times", columns, rows, empty="none_answered")


def missed_table(worst: Sequence[Overdue]) -> Table:
    """The worst of the missed limits."""
    columns = (
        Column("ticket", page=TICKET),
        Column("clock", Kind.CODE, "clock"),
        Column("late", Kind.SECONDS),
        Column("state", Kind.CODE, "report_met"),
        Column("category", Kind.CODE, "category"),
        Column("priority", Kind.CODE, "priority"),
        Column("handler", page=PERSON),
        Column("special"),
    )
    rows: list[tuple[Plain, ...]] = [
        (
            each.ticket,
            each.clock,
            each.late,
            state_of(each),
            each.category,
            each.priority,
            each.staff,
            each.special_period,
        )
        for each in worst[:MOST]
    ]
    marked = [place for place, each in enumerate(worst[:MOST]) if each.met_at is None]
    found = _table("missed", columns, rows, empty="none_missed", marked=marked, page="/console/attention")
    return replace(found, more=max(0, len(worst) - MOST))


def state_of(each: Overdue) -> str:
    """Whether a limit that was missed has been met since."""
    return "open" if each.met_at is None else "late"


def types_table(now: Sequence[GroupFigures], before: Sequence[GroupFigures]) -> Table:
    """Requests by type, most first, with the period before."""
    earlier = {row.key: row["requests"].value or 0 for row in before}
    columns = (
        Column("category", Kind.CODE, "category"),
        Column("requests", Kind.COUNT),
        Column("before", Kind.COUNT),
        Column("median", Kind.SECONDS),
        Column("p90", Kind.SECONDS),
    )
    rows = [
        (
            row.key,
            row["requests"].value or 0,
            earlier.get(row.key, 0),
            row["first_response_median"].value,
            row["first_response_p90"].value,
        )
        for row in now
    ]
    rows.sort(key=lambda row: (-float(row[1] or 0), str(row[0])))
    return _table("types", columns, rows)


def links_table(found: WeakLinks) -> Table:
    """Where the time of requests went besides work; that of a sample, where there are very many."""
    columns = (
        Column("phase", Kind.CODE, "report_phase"),
        Column("share_of_time", Kind.SHARE),
        Column("requests", Kind.COUNT),
        Column("mean_time", Kind.SECONDS),
        Column("worst_ticket", page=TICKET),
    )
    links = found.all
    rows = [
        (each.phase.value, each.share, each.tickets, each.mean_seconds, each.worst[0] if each.worst else "")
        for each in links.links
    ]
    table = _table("weak_links", columns, rows if links.tickets else [])
    return replace(table, note="sampled") if links.tickets < found.requests else table


def people_table(counts: Sequence[OverdueCount]) -> Table:
    """Missed limits by who had the request when they passed."""
    columns = (
        Column("staff", page=PERSON),
        Column("name"),
        Column("missed", Kind.COUNT),
        Column("first_responses", Kind.COUNT),
        Column("plans", Kind.COUNT),
        Column("resolutions", Kind.COUNT),
    )
    rows = [
        (
            each.staff,
            each.name,
            each.total,
            each.clocks["first_response"],
            each.clocks["plan"],
            each.clocks["resolution"],
        )
        for each in counts[:MOST]
    ]
    found = _table("overdue_people", columns, rows, empty="none_missed")
    return replace(found, more=max(0, len(counts) - MOST))


@dataclass(frozen=True, slots=True)
class Started:
    """Follow-ups of a period: how many were opened, started in time, or late; the others have time left."""

    opened: int
    in_time: int
    late: int


def started_of(now: Mapping[str, Figure]) -> Started:
    """How the follow-ups were started, from the measures."""
    judged = now["followups_in_time"]
    in_time = round((judged.value or 0) * judged.cases)
    return Started(int(now["followups"].value or 0), in_time, judged.cases - in_time)


def started_table(now: Mapping[str, Figure]) -> Table:
    """How the follow-ups of low scores were started."""
    columns = (
        Column("opened", Kind.COUNT),
        Column("in_time", Kind.COUNT),
        Column("too_late", Kind.COUNT),
        Column("waiting", Kind.COUNT),
        Column("share_in_time", Kind.SHARE),
    )
    told = started_of(now)
    waiting = told.opened - told.in_time - told.late
    row = (told.opened, told.in_time, told.late, waiting, now["followups_in_time"].value)
    rows = [row] if told.opened else []
    return _table("followups", columns, rows, empty="no_followups", page="/console/followups")


def causes_table(now: Mapping[str, Figure], before: Mapping[str, Figure]) -> Table:
    """What caused the low scores of a period, most frequent first; those that nobody has named come last."""
    columns = (
        Column("cause", Kind.CODE, "cause"),
        CASES,
        Column("before", Kind.COUNT),
        Column("share", Kind.SHARE),
    )
    earlier = {part.key: part.cases for part in before["followup_causes"].parts}
    parts = sorted(now["followup_causes"].parts, key=lambda part: (part.key == UNKNOWN_CAUSE, -part.cases))
    rows = [(part.key, part.cases, earlier.get(part.key, 0), part.share) for part in parts]
    return _table("causes", columns, rows, empty="no_followups", page="/console/followups")


def reevaluations_table(due: Sequence[Reevaluation]) -> Table:
    """Measures that wait for their verdict."""
    columns = (
        Column("number"),
        Column("of", Kind.CODE, "report_of"),
        Column("round", Kind.COUNT),
        Column("owner"),
        Column("due", Kind.MOMENT),
        Column("state", Kind.CODE, "report_due"),
    )
    rows = [
        (
            each.number,
            each.of,
            each.round,
            each.owner,
            each.due_at.isoformat(),
            "late" if each.overdue else "open",
        )
        for each in due[:MOST]
    ]
    marked = [place for place, each in enumerate(due[:MOST]) if each.overdue]
    found = _table("reevaluations", columns, rows, empty="none_due", marked=marked)
    return replace(found, more=max(0, len(due) - MOST))


def sends_table(rows: Sequence[tuple[str, str, int]]) -> Table:
    """Messages by what became of them, and why."""
    columns = (
        Column("message_state", Kind.CODE, "notification_state"),
        Column("reason", Kind.CODE, "reason"),
        Column("messages", Kind.COUNT),
    )
    found = _table("sends", columns, rows[:MOST], empty="no_messages", page="/console/messages")
    return replace(found, more=max(0, len(rows) - MOST))


def targets_table(standings: Sequence[tuple[str, Standing]]) -> Table:
    """Where each running target stands, by its title."""
    columns = (
        Column("measure", Kind.MEASURE),
        Column("target"),
        Column("now", Kind.FIGURE),
        Column("expected", Kind.FIGURE),
        Column("goal", Kind.FIGURE),
        CASES,
        Column("standing", Kind.CODE, "report_stand"),
    )
    rows = [
        (
            each.target.measure,
            title,
            each.current,
            each.expected,
            each.target.goal_value,
            each.cases,
            each.stand.value,
        )
        for title, each in standings[:MOST]
    ]
    marked = [place for place, row in enumerate(rows) if row[6] in ("behind", "missed")]
    return _table("targets", columns, rows, empty="no_targets", marked=marked)


def _table(
    code: str,
    columns: Sequence[Column],
    rows: Sequence[Sequence[Plain]],
    *,
    empty: str = "no_cases",
    marked: Sequence[int] = (),
    page: str = "",
) -> Table:
    return Table(code, columns, rows, note="" if rows else empty, marked=marked, page=page)
