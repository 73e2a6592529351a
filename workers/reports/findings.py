"""The short words of a report: what changed, what is worst, what to do. Each sentence has its figure.

Nothing is called a change that chance alone may have made: the rule is that of improvement measures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from workers.improvements.comparing import Verdict, judge
from workers.improvements.due import Reevaluation
from workers.measures import CATALOGUE, Figure, Overdue
from workers.reports.document import Finding, Kind, Value
from workers.reports.overdue import OverdueCount
from workers.reports.ratings import DIMENSIONS
from workers.reports.tables import COMPARED, started_of, state_of
from workers.targets import Stand, Standing
from workers.weak_links import Link, Phase, WeakLinks

WORST = 3
"""How many of a kind are named."""
MUCH_TIME = 0.2
"""A phase without work that takes less of the time is not worth a change."""
FEWEST_IN_PHASE = 5
FEWEST_MISSED = 3
"""From so many missed limits on one person's share is worth a talk."""
UNSENT = frozenset({"failed", "bounced", "expired", "unknown"})
PLACES = {
    Phase.ASSIGNMENT: "/console/duties",
    Phase.ACCEPTANCE: "/console/staff",
    Phase.TRANSFER: "/console/policy",
    Phase.OTHER_TEAMS: "/console/attention",
    Phase.CUSTOMER: "/console/policy",
    Phase.CONFIRMATION: "/console/policy",
}
"""Where somebody changes what makes requests wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """All that the findings of a chapter are made of."""

    now: Mapping[str, Figure]
    before: Mapping[str, Figure]
    missed: Sequence[Overdue]
    links: WeakLinks
    people: Sequence[OverdueCount]
    due: Sequence[Reevaluation]
    sends: Sequence[tuple[str, str, int]]
    standings: Sequence[tuple[str, Standing]]


def verdicts(counted: Counted) -> dict[str, str]:
    """What the two periods say of each compared measure, by its key."""
    return {key: judge(key, counted.before, counted.now)[0].value for key in COMPARED}


def changed(counted: Counted, said: Mapping[str, str]) -> list[Finding]:
    """How many requests there were, what got better or worse; and where it cannot be said, that it cannot."""
    requests = (counted.now["requests"], counted.before["requests"])
    found = [Finding("requests", {"now": _count(requests[0].value), "before": _count(requests[1].value)})]
    overdue = counted.now["overdue_first_response"]
    if overdue.value is not None:
        missed = round(overdue.value * overdue.cases)
        values = {
            "missed": _count(missed),
            "of": _count(overdue.cases),
            "share": Value(overdue.value, Kind.SHARE),
        }
        found.append(Finding("missed_share", values, bad=missed > 0))
    judged = [key for key in COMPARED if said[key] in (Verdict.BETTER, Verdict.WORSE)]
    found += [_moved(key, counted, said[key]) for key in judged]
    if judged:
        return found
    if all(said[key] in (Verdict.TOO_FEW, Verdict.NOT_JUDGED) for key in COMPARED):
        return [*found, Finding("too_few_to_compare")]
    return [*found, Finding("no_clear_change")]


def _moved(key: str, counted: Counted, verdict: str) -> Finding:
    now, before = counted.now[key], counted.before[key]
    kind = Kind(now.unit.value)
    values = {
        "measure": Value(key, Kind.MEASURE),
        "now": Value(now.value, kind),
        "before": Value(before.value, kind),
        "cases": _count(now.cases),
    }
    return Finding(verdict, values, bad=verdict == Verdict.WORSE)


def worst(counted: Counted) -> list[Finding]:
    """The worst missed limits, the dimension with most low scores, the weakest link."""
    found = [_missed("worst_missed", each) for each in counted.missed[:WORST]]
    dimension = _lowest(counted.now)
    if dimension is not None:
        low = counted.now[f"low_{dimension}"]
        found.append(Finding("worst_dimension", _rated(dimension, low), bad=low.highlighted))
    link = _weakest(counted.links)
    if link is not None:
        found.append(Finding("weakest_link", _spent(link), bad=link.share >= MUCH_TIME))
    return found or [Finding("nothing_bad")]


def todo(counted: Counted) -> list[Finding]:
    """What somebody can do about it now, and where."""
    return list(_todo(counted)) or [Finding("nothing_to_do")]


def _todo(counted: Counted) -> Iterator[Finding]:
    for each in [each for each in counted.missed if each.met_at is None][:WORST]:
        yield _missed("step_in", each)
    dimension = _lowest(counted.now)
    if dimension is not None and counted.now[f"low_{dimension}"].highlighted:
        values = _rated(dimension, counted.now[f"low_{dimension}"])
        yield Finding("improve_dimension", values, page="/console/improvements")
    link = _weakest(counted.links)
    if link is not None and link.share >= MUCH_TIME and link.tickets >= FEWEST_IN_PHASE:
        yield Finding(f"shorten_{link.phase.value}", _spent(link), page=PLACES[link.phase])
    started = started_of(counted.now)
    if started.late:
        values = {"count": _count(started.late), "opened": _count(started.opened)}
        yield Finding("start_followups", values, page="/console/followups")
    late = [each for each in counted.due if each.overdue]
    if late:
        yield Finding("re_evaluate", {"count": _count(len(late))}, page=late[0].page)
    first = next((each for each in counted.people if each.staff), None)
    if first is not None and first.total >= FEWEST_MISSED:
        values = {
            "name": Value(first.name),
            "count": _count(first.total),
            "total": _count(sum(each.total for each in counted.people)),
        }
        yield Finding("talk_with", values, page=f"/console/staff/{first.staff}")
    for title, target in counted.standings:
        if target.stand is Stand.BEHIND:
            kind = Kind(CATALOGUE[target.target.measure].unit.value)
            values = {
                "target": Value(title),
                "now": Value(target.current, kind),
                "expected": Value(target.expected, kind),
            }
            yield Finding("help_target", values, page=f"/console/targets/{target.target.number}")
    unsent = sum(count for state, _, count in counted.sends if state in UNSENT)
    if unsent:
        yield Finding("look_at_messages", {"count": _count(unsent)}, page="/console/messages")


def _missed(code: str, each: Overdue) -> Finding:
    values = {
        "ticket": Value(each.ticket),
        "clock": Value(each.clock, Kind.CODE, "clock"),
        "late": Value(each.late, Kind.SECONDS),
        "handler": Value(each.staff),
        "state": Value(state_of(each), Kind.CODE, "report_met"),
    }
    return Finding(code, values, bad=True, page=f"/console/tickets/{each.ticket}")


def _lowest(now: Mapping[str, Figure]) -> str | None:
    """The dimension with the largest share of low scores, of those that enough people have scored."""
    told = [(now[f"low_{name}"].value or 0.0, name) for name in DIMENSIONS if now[f"low_{name}"].value]
    return max(told)[1] if told else None


def _rated(dimension: str, low: Figure) -> dict[str, Value]:
    return {
        "dimension": Value(dimension, Kind.CODE, "dimension"),
        "share": Value(low.value, Kind.SHARE),
        "answers": _count(low.cases),
    }


def _weakest(links: WeakLinks) -> Link | None:
    found = links.all.links
    return next((each for each in found if each.phase is not Phase.WORK and each.seconds > 0), None)


def _spent(link: Link) -> dict[str, Value]:
    return {
        "phase": Value(link.phase.value, Kind.CODE, "report_phase"),
        "share": Value(link.share, Kind.SHARE),
        "mean": Value(link.mean_seconds, Kind.SECONDS),
        "count": _count(link.tickets),
    }


def _count(value: float | None) -> Value:
    return Value(value or 0, Kind.COUNT)
