"""A monthly report with something in each of its tables, for looking at it in every form."""

from __future__ import annotations

from datetime import UTC, date, datetime

from workers.reports.document import Chapter, Column, Finding, Kind, Plain, Report, Table, Value
from workers.reports.ratings import ANSWERS
from workers.reports.tables import CASES, PERSON, TICKET

LOW = 0.24
LATE = 9_840.0


def sample_report(name: str = "陈静", target: str = "半小时内答复") -> Report:
    """The report of May 2024 about two teams' work; `name` is a member of staff, `target` a title."""
    return Report(
        kind="monthly",
        first_day=date(2024, 5, 1),
        last_day=date(2024, 5, 31),
        zone="Asia/Shanghai",
        made_at=datetime(2024, 6, 3, 1, 0, tzinfo=UTC),
        chapters=[Chapter("", _changed(), _worst(), _todo(name), _tables(name, target))],
        teams=("support",),
        supervisor="SV001",
        special={"618": 42},
    )


def _count(value: int) -> Value:
    return Value(value, Kind.COUNT)


def _changed() -> list[Finding]:
    measure = Value("first_response_median", Kind.MEASURE)
    values = {"measure": measure, "now": Value(840.0, Kind.SECONDS), "before": Value(1_320.0, Kind.SECONDS)}
    return [
        Finding("requests", {"now": _count(486), "before": _count(431)}),
        Finding(
            "missed_share",
            {"missed": _count(31), "of": _count(470), "share": Value(31 / 470, Kind.SHARE)},
            bad=True,
        ),
        Finding("better", {**values, "cases": _count(470)}),
    ]


def _worst() -> list[Finding]:
    low = {
        "dimension": Value("speed", Kind.CODE, "dimension"),
        "share": Value(LOW, Kind.SHARE),
        "answers": _count(75),
    }
    return [
        _late("worst_missed"),
        Finding("worst_dimension", low, bad=True),
        Finding("weakest_link", _spent(), bad=True),
    ]


def _todo(name: str) -> list[Finding]:
    talk = {"name": Value(name), "count": _count(12), "total": _count(31)}
    return [
        _late("step_in"),
        Finding("shorten_other_teams", _spent(), page="/console/attention"),
        Finding("talk_with", talk, page="/console/staff/CS001"),
    ]


def _late(code: str) -> Finding:
    values = {
        "ticket": Value("CS202405200001"),
        "clock": Value("first_response", Kind.CODE, "clock"),
        "late": Value(LATE, Kind.SECONDS),
        "handler": Value("CS001"),
        "state": Value("open", Kind.CODE, "report_met"),
    }
    return Finding(code, values, bad=True, page="/console/tickets/CS202405200001")


def _spent() -> dict[str, Value]:
    return {
        "phase": Value("other_teams", Kind.CODE, "report_phase"),
        "share": Value(0.31, Kind.SHARE),
        "mean": Value(15_000.0, Kind.SECONDS),
        "count": _count(64),
    }


def _tables(name: str, target: str) -> list[Table]:
    ranges = (
        ("10m", 120),
        ("30m", 190),
        ("1h", 80),
        ("2h", 42),
        ("4h", 21),
        ("8h", 9),
        ("24h", 6),
        ("over", 2),
    )
    return [
        Table("figures", FIGURES, FIGURE_ROWS),
        Table("response_times", RANGES, [(key, count, count / 470) for key, count in ranges]),
        Table("missed", MISSED, MISSED_ROWS, more=11, marked=(0,), page="/console/attention"),
        Table("types", TYPES, TYPE_ROWS),
        Table("weak_links", LINKS, LINK_ROWS),
        Table("overdue_people", PEOPLE, [("CS001", name, 12, 7, 3, 2), ("CS002", "Han", 5, 5, 0, 0)]),
        Table("csat_dimensions", DIMENSIONS, DIMENSION_ROWS, note="some_too_few", marked=(1,)),
        Table("csat_staff", STAFF, [("CS001", name, 31, 3.9, 3.5, 4.3, 0.16)], marked=(0,)),
        Table("csat_groups", GROUPS, [], note="too_few_answers"),
        Table("followups", STARTED, [(9, 7, 1, 1, 0.875)], page="/console/followups"),
        Table("causes", CAUSES, CAUSE_ROWS, page="/console/followups"),
        Table(
            "reevaluations", DUE, [("IM0007", "improvement", 2, name, "2024-06-05T02:00:00+00:00", "open")]
        ),
        Table(
            "sends", SENDS, [("delivered", "", 912), ("failed", "mailbox_full", 3)], page="/console/messages"
        ),
        Table(
            "targets",
            TARGETS,
            [("first_response_median", target, 840.0, 900.0, 600.0, 470, "on_track")],
        ),
    ]


FIGURES = (
    Column("measure", Kind.MEASURE),
    Column("now", Kind.FIGURE),
    Column("before", Kind.FIGURE),
    CASES,
    Column("verdict", Kind.CODE, "report_verdict"),
)
FIGURE_ROWS: list[tuple[Plain, ...]] = [
    ("requests", 486.0, 431.0, 486, "not_judged"),
    ("first_response_median", 840.0, 1_320.0, 470, "better"),
    ("low_overall", 0.11, 0.09, 75, "no_change"),
]
RANGES = (Column("range", Kind.CODE, "report_range"), CASES, Column("share", Kind.SHARE))
MISSED = (
    Column("ticket", page=TICKET),
    Column("clock", Kind.CODE, "clock"),
    Column("late", Kind.SECONDS),
    Column("state", Kind.CODE, "report_met"),
    Column("category", Kind.CODE, "category"),
    Column("priority", Kind.CODE, "priority"),
    Column("handler", page=PERSON),
    Column("special"),
)
MISSED_ROWS: list[tuple[Plain, ...]] = [
    ("CS202405200001", "first_response", LATE, "open", "after_sales_technical", "high", "CS001", ""),
    ("CS202405210014", "resolution", 5_400.0, "late", "complaint", "urgent", "CS002", "618"),
]
TYPES = (
    Column("category", Kind.CODE, "category"),
    Column("requests", Kind.COUNT),
    Column("before", Kind.COUNT),
    Column("median", Kind.SECONDS),
    Column("p90", Kind.SECONDS),
)
TYPE_ROWS: list[tuple[Plain, ...]] = [
    ("after_sales_technical", 260, 210, 900.0, 7_200.0),
    ("complaint", 48, 61, 300.0, 1_800.0),
]
LINKS = (
    Column("phase", Kind.CODE, "report_phase"),
    Column("share_of_time", Kind.SHARE),
    Column("requests", Kind.COUNT),
    Column("mean_time", Kind.SECONDS),
    Column("worst_ticket", page=TICKET),
)
LINK_ROWS: list[tuple[Plain, ...]] = [
    ("other_teams", 0.31, 64, 15_000.0, "CS202405210014"),
    ("acceptance", 0.12, 301, 2_100.0, "CS202405200001"),
    ("work", 0.57, 470, 9_000.0, ""),
]
PEOPLE = (
    Column("staff", page=PERSON),
    Column("name"),
    Column("missed", Kind.COUNT),
    Column("first_responses", Kind.COUNT),
    Column("plans", Kind.COUNT),
    Column("resolutions", Kind.COUNT),
)
DIMENSIONS = (Column("dimension", Kind.CODE, "dimension"), *ANSWERS)
DIMENSION_ROWS: list[tuple[Plain, ...]] = [
    ("overall", 75, 4.21, 4.02, 4.4, 0.11),
    ("speed", 75, 3.62, 3.3, 3.94, LOW),
    ("attitude", 71, 4.63, 4.45, 4.81, 0.04),
]
STAFF = (Column("staff", page=PERSON), Column("name"), *ANSWERS)
GROUPS = (Column("customer_group"), *ANSWERS)
STARTED = (
    Column("opened", Kind.COUNT),
    Column("in_time", Kind.COUNT),
    Column("too_late", Kind.COUNT),
    Column("waiting", Kind.COUNT),
    Column("share_in_time", Kind.SHARE),
)
CAUSES = (
    Column("cause", Kind.CODE, "cause"),
    CASES,
    Column("before", Kind.COUNT),
    Column("share", Kind.SHARE),
)
CAUSE_ROWS: list[tuple[Plain, ...]] = [
    ("process", 5, 3, 5 / 9),
    ("people", 2, 2, 2 / 9),
    ("tool", 1, 0, 1 / 9),
    ("unknown", 1, 0, 1 / 9),
]
DUE = (
    Column("number"),
    Column("of", Kind.CODE, "report_of"),
    Column("round", Kind.COUNT),
    Column("owner"),
    Column("due", Kind.MOMENT),
    Column("state", Kind.CODE, "report_due"),
)
SENDS = (
    Column("message_state", Kind.CODE, "notification_state"),
    Column("reason", Kind.CODE, "reason"),
    Column("messages", Kind.COUNT),
)
TARGETS = (
    Column("measure", Kind.MEASURE),
    Column("target"),
    Column("now", Kind.FIGURE),
    Column("expected", Kind.FIGURE),
    Column("goal", Kind.FIGURE),
    CASES,
    Column("standing", Kind.CODE, "report_stand"),
)
