"""An improvement is opened: about a ticket, a follow-up's case, a category or any theme (row A10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from models.base import new_id
from models.improving import Improvement
from models.people import Staff
from models.surveys import Followup
from models.tickets import Ticket
from models.vocabulary import Category, ImprovementState, Role
from workers import history
from workers.aims import kept_scope, measure_named, note
from workers.errors import Forbidden, InvalidInput
from workers.followups import CAUSES
from workers.improvements import reminding
from workers.improvements.finding import PLACE
from workers.unit_of_work import UnitOfWork

KINDS = ("script", "knowledge", "cross_team", "tool", "training", "other")
"""What is changed: 话术, 知识库, 跨部门流程, 工具, 培训, 其他."""
LONGEST, LONGEST_THEME, LONGEST_NAME = 20_000, 200, 64
MOST_CYCLE = 366


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A measure: what is changed, what caused it (process 流程, people 人员, tool 工具), which department and
    who answers for it, until when it is carried out (UTC) and how many days after that it is verified.

    `figure` (a key of the catalogue, "": none) is compared before and after, narrowed to `scope` as people
    name it.
    """

    measure: str
    kind: str
    cause: str
    department: str
    owner: Staff
    due_at: datetime
    cycle_days: int
    figure: str = ""
    scope: Mapping[str, str | None] = field(default_factory=dict)


async def open_improvement(
    uow: UnitOfWork,
    by: Staff,
    plan: Plan,
    *,
    theme: str = "",
    ticket: Ticket | None = None,
    followup: Followup | None = None,
    category: Category | None = None,
) -> Improvement:
    """Open it, about one thing: a ticket that is held, a follow-up, or a theme (with a category or none).

    Raises Forbidden for agents, InvalidInput, NotFound for the scope.
    """
    must_lead(by)
    if (ticket is not None) + (followup is not None) + bool(theme.strip()) != 1:
        raise InvalidInput("an improvement is about one thing", hint="a ticket, a follow-up, or a theme")
    now = uow.clock.now()
    row = Improvement(
        id=new_id(),
        number=await uow.draw_number("IM", 4),
        version=1,
        state=ImprovementState.TO_VERIFY,
        round=1,
        ticket_id=ticket.id if ticket else None,
        followup_id=followup.id if followup else None,
        category=category or (ticket.category if ticket else None),
        made_by_id=by.id,
        made_at=now,
        done_at=None,
        evaluated_at=None,
        report_by=None,
        data_key_id=await uow.vault.new_key(uow.session),
        **await planned(uow, plan),
        words_sealed=None,
    )
    await seal(uow, row, theme, plan.measure)
    await uow.add(row)
    await note(uow, row, "opened", by=by, facts=plan_facts(row, plan.owner), words={"measure": plan.measure})
    if ticket is not None:
        facts = {"improvement": row.number, "kind": row.kind, "cycle_days": row.cycle_days}
        await history.record(uow, ticket, "improvement_opened", by=by, facts=facts)
    await reminding.arm(uow, row)
    return row


def must_lead(by: Staff) -> None:
    """Raises Forbidden for agents."""
    if by.role is Role.AGENT:
        raise Forbidden("improvements are opened and judged by those who lead", hint="report what you did")


async def planned(uow: UnitOfWork, plan: Plan) -> dict[str, Any]:
    """The columns that a plan fills. Raises InvalidInput, and NotFound for the scope."""
    if plan.kind not in KINDS or plan.cause not in CAUSES:
        raise InvalidInput("choose what is changed, and what the cause was")
    department = " ".join(plan.department.split())
    if not department or len(department) > LONGEST_NAME:
        raise InvalidInput(f"a department's name has 1 to {LONGEST_NAME} characters")
    if plan.due_at <= uow.clock.now():
        raise InvalidInput("a measure needs a due date in the future")
    if not 1 <= plan.cycle_days <= MOST_CYCLE:
        raise InvalidInput(f"a verification cycle has 1 to {MOST_CYCLE} days")
    if plan.figure:
        measure = measure_named(plan.figure)
        if plan.owner.role is Role.AGENT and not measure.for_agents:
            raise InvalidInput("agents see no scores", hint="name an owner who leads")
    return {
        "kind": plan.kind,
        "cause": plan.cause,
        "department": department,
        "owner_id": plan.owner.id,
        "due_at": plan.due_at,
        "cycle_days": plan.cycle_days,
        "verify_at": verified_at(uow, plan.due_at, plan.cycle_days),
        "measure": plan.figure or None,
        "scope": await kept_scope(uow, plan.scope),
    }


def verified_at(uow: UnitOfWork, start: datetime, cycle_days: int) -> datetime:
    """When a measure is verified that is carried out at `start`: its cycle later, in opening hours."""
    return uow.policy.calendar.next_opening(start + timedelta(days=cycle_days))


async def seal(uow: UnitOfWork, row: Improvement, theme: str, measure: str) -> None:
    """Keep its words. Raises InvalidInput."""
    kept = " ".join(theme.split())
    if len(kept) > LONGEST_THEME:
        raise InvalidInput(f"a theme has at most {LONGEST_THEME} characters")
    if not measure.strip() or len(measure) > LONGEST:
        raise InvalidInput(f"a measure needs words, at most {LONGEST} characters")
    sealer = await uow.vault.sealer(uow.session, row.data_key_id)
    row.words_sealed = sealer.seal_json({"theme": kept, "measure": measure.strip()}, PLACE)


def plan_facts(row: Improvement, owner: Staff) -> dict[str, Any]:
    """What the log keeps of a plan."""
    return {
        "round": row.round,
        "kind": row.kind,
        "cause": row.cause,
        "department": row.department,
        "owner": owner.number,
        "due_at": row.due_at.isoformat(),
        "verify_at": row.verify_at.isoformat(),
        "cycle_days": row.cycle_days,
    }
