"""A ticket's clocks and verdicts, recomputed from the lines of its log and the policies alone. Pure.

Written apart from the steps that keep the clocks: what these have stored must come out here once more. All
moments are aware UTC. A clock whose limit passed unmet is breached, whenever its check came round to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from models.vocabulary import MERGED
from workers.policy import Policy, SlaClock
from workers.tickets.counted import (
    ACCEPTANCE,
    BREACHED,
    FIRST,
    MET,
    NOT_A_TICKET,
    OPENING,
    PLAN,
    RESOLUTION,
    RUNNING,
    WITHDRAWN,
    Clocks,
    Counted,
    Line,
    NotEnoughHistory,
    PolicyOf,
)
from workers.tickets.pauses import pauses_in


def recount(lines: Sequence[Line], policy_of: PolicyOf, now: datetime) -> list[Counted]:
    """All clocks of a ticket in the order in which they began, judged as of `now`.

    `policy_of` gives a policy version by its id as text. Raises NotEnoughHistory for a log that was begun
    without naming its policy, and what `policy_of` raises.
    """
    replay = _Replay(lines, policy_of)
    for line in lines:
        replay.take(line)
    for each in replay.clocks:
        if each.state is RUNNING and each.breaks and each.limit_at <= now:
            each.state = BREACHED
    return replay.clocks


class _Replay(Clocks):
    """Each kind of line and what it does to the clocks."""

    def take(self, line: Line) -> None:
        """One more line; kinds that move no clock are passed over."""
        self._seen.append((line.kind, line.at))
        step = getattr(self, f"_on_{line.kind}", None)
        if step is not None:
            step(line)

    # -- what the log tells --------------------------------------------------------------------------------

    def _on_received(self, line: Line) -> None:
        if "case" not in line.facts:
            raise NotEnoughHistory
        self._opened_at = line.at
        self._judge_by(line)
        self._start(OPENING, line.at)

    def _on_replanned(self, line: Line) -> None:
        before = self._case.priority
        self._judge_by(line)
        if "because" in line.facts:
            self._awake(line, self._follow_case)
        else:
            # Until here it was another priority, whatever else it has turned out to be.
            self._case = replace(self._case, priority=before)
            self._awake(line, self._change_priority)

    def _on_triaged(self, line: Line) -> None:
        if "case" in line.facts:
            self._judge_by(line)

    _on_cooperation_named = _on_triaged

    def _on_accepted(self, line: Line) -> None:
        def accept(line: Line) -> None:
            self._meet(ACCEPTANCE, line.at)
            self._expected = datetime.fromisoformat(line.facts["expected_resolution_at"])
            self._promise(self._expected, line.at, "accepted")
            self._promised = True

        self._awake(line, accept)

    def _on_transferred(self, line: Line) -> None:
        if "case" in line.facts:  # what earlier versions handed on for an absence stayed the same case
            self._judge_by(line)
        if self._first_response is None:
            self._replace([ACCEPTANCE], line.at, "transferred")
            self._start([ACCEPTANCE], line.at)

    def _on_first_response(self, line: Line) -> None:
        again = "opening" in line.facts
        earlier = self._first_response is not None and not again
        if not again:
            self._first_response = line.at
        if earlier:
            self._meet_earlier(FIRST, line.at)
        else:
            self._meet(FIRST, line.at)
        self._meet(ACCEPTANCE, line.at)

    def _on_first_response_undone(self, line: Line) -> None:
        undone = self._by_id[line.corrects] if line.corrects else None
        if undone is not None and self._first_response == undone.at:
            self._first_response = None
        newest = max(self._of(FIRST), key=lambda each: each.generation, default=None)
        if newest is None or newest.met_at is None:
            return
        newest.met_at, newest.ended_reason = None, "bounced"
        if newest.state is MET:
            newest.state = WITHDRAWN
        if not self._closed:
            self._arm(FIRST, newest.started_at, newest.limit_at)

    def _on_plan_given(self, line: Line) -> None:
        self._planned = self._planned or line.at
        self._awake(line, lambda line: self._meet(PLAN, line.at))

    def _on_resolved(self, line: Line) -> None:
        self._resolved = True
        for clock in (PLAN, RESOLUTION, ACCEPTANCE):
            self._meet(clock, line.at)

    def _on_reopened(self, line: Line) -> None:
        unanswered = self._dismissed and self._first_response is None
        for each in self.clocks:
            if each.ended_reason == NOT_A_TICKET:
                each.ended_reason = "reopened"
        self._resolved = self._closed = self._dismissed = False
        self._opening, self._opened_at = line.facts["opening"], line.at
        self._judge_by(line)
        again = [SlaClock(name) for name in self.policy.reopening_clocks]
        again = [clock for clock in again if clock is not FIRST or not self._open_ones([FIRST])]
        limits = self._start(OPENING if unanswered else again, line.at)
        self._expected, self._promised = limits.get(RESOLUTION), False
        if self._expected is None:
            self._expected = self.policy.expected_resolution(self._case_at(line.at), line.at)
            self._arm(RESOLUTION, line.at, self._expected)

    def _on_escalation_decided(self, line: Line) -> None:
        asked = self._by_id[UUID(line.facts["request"])].facts["new_expected_at"]
        if not line.facts["approved"] or not asked or self._resolved:
            return

        def extend(line: Line) -> None:
            self._expected = datetime.fromisoformat(asked)
            self._promise(self._expected, line.at, "extended")
            self._promised = True

        self._awake(line, extend)

    def _on_policy_changed(self, line: Line) -> None:
        self._awake(line, self._change_policy)

    def _on_waiting(self, line: Line) -> None:
        self._waits = True
        self._pause(line.at)

    def _on_resumed(self, line: Line) -> None:
        if "case" in line.facts:
            self._judge_by(line)
        self._run(line.at)
        self._waits = False

    def _on_closed(self, line: Line) -> None:
        self._closed = True

    def _on_dismissed(self, line: Line) -> None:
        self._closed = self._dismissed = True
        for each in self._open_ones(OPENING):
            each.state, each.ended_reason = WITHDRAWN, NOT_A_TICKET

    def _on_customer_erased(self, line: Line) -> None:
        self._closed = True
        self._replace(OPENING, line.at, line.kind)

    def _on_merged(self, line: Line) -> None:
        self._closed = True
        self._replace(OPENING, line.at, MERGED)

    def _on_merge_undone(self, line: Line) -> None:
        if not self._closed:
            return  # the line of the ticket that the other one had gone on in
        self._closed = False
        for each in self.clocks:
            if each.ended_reason == MERGED:
                each.state, each.ended_reason = RUNNING if each.state is WITHDRAWN else each.state, None
        if self._first_response is not None:
            self._meet(FIRST, self._first_response)
            self._meet(ACCEPTANCE, self._first_response)

    def _on_dismissal_undone(self, line: Line) -> None:
        self._closed = self._dismissed = False
        for each in self.clocks:
            if each.ended_reason == NOT_A_TICKET:
                each.state, each.ended_reason = RUNNING, None
        if self._first_response is not None:
            self._meet(FIRST, self._first_response)
            self._meet(ACCEPTANCE, self._first_response)

    # -- planning anew -------------------------------------------------------------------------------------

    def _change_priority(self, line: Line) -> None:
        self._judge_by(line)
        before = line.facts.get("limits_before")
        changed = OPENING if before is None else [SlaClock(name) for name in before]
        same_start = "same_start" in line.facts  # earlier versions began anew from the opening
        for each in self._replace(changed, line.at, "replanned"):
            expected = self._expected if each.clock is RESOLUTION else None
            if expected is not None and (self._promised or not same_start):
                self._arm(RESOLUTION, each.started_at, expected)
                continue
            start = each.started_at if same_start else self._opened_at
            limits = self._start([each.clock], start)
            if expected is not None:
                self._expected = limits.get(RESOLUTION) or self._expect(start, line.at)

    def _expect(self, start: datetime, now: datetime) -> datetime:
        """A re-opened ticket is expected to be resolved in time, also where no limit asks for it."""
        case = self._case_at(start)
        expected = self.policy.expected_resolution(case, start)
        pauses = pauses_in(self._seen, now)
        expected = self.policy.after_pauses(RESOLUTION, case, start, expected, pauses)
        self._arm(RESOLUTION, start, expected)
        return expected

    def _follow_case(self, line: Line) -> None:
        for each in self._still_running(line.at):
            limit = self._limit(each.clock, each.started_at, line.at)
            if self._is_promised(each) or limit == each.limit_at or (limit and limit <= line.at):
                continue
            self._succeed(each, limit, "replanned")

    def _change_policy(self, line: Line) -> None:
        old = self.policy
        awaited = {each.clock for each in self.clocks if each.open}
        running = self._still_running(line.at)
        self._judge_by(line)
        told_anew = {shift["clock"] for shift in line.facts["clocks"] if shift["what"] == "alarms"}
        for each in running:
            promised = self._is_promised(each)
            limit = each.limit_at if promised else self._limit(each.clock, each.started_at, line.at)
            moved = limit != each.limit_at or each.clock.value in told_anew
            if limit is None or (limit > line.at and moved):
                self._succeed(each, limit, "policy_changed")
        added = {shift["clock"] for shift in line.facts["clocks"] if shift["what"] == "added"}
        for clock in (PLAN, RESOLUTION):
            again = self._opening == 1 or clock.value in self.policy.reopening_clocks
            # Earlier versions added what a re-opening does not start, too.
            if clock not in awaited and (again or clock.value in added):
                self._add(clock, old, line.at)

    def _add(self, clock: SlaClock, old: Policy, now: datetime) -> None:
        """A clock that only the new policy knows, if what it times has not happened yet."""
        limit = self._limit(clock, self._opened_at, now)
        planned = clock is PLAN and self._planned is not None and self._planned >= self._opened_at
        known = old.limit_for(clock, self._case_at(self._opened_at), self._opened_at) is not None
        if limit is not None and limit > now and not (known or planned or self._resolved):
            self._arm(clock, self._opened_at, limit)
