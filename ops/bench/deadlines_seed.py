"""A desk with a month of deadlines before it: staff, customers with keys, tickets, and what gets due when.

Rows go in by COPY, with everything a real ticket has; foreign keys hold, but are not checked one by one.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from models.base import new_id
from models.session import migrate
from models.tables import Base
from models.vocabulary import Category, DeadlineKind, Medium, Priority, TicketState
from ops.bench.deadlines_people import Desk, people
from ops.bench.servers import Postgres
from workers.settings import Settings

PER_TICKET = 3
MOST_TICKETS = 350_000
"""With more than three deadlines for each of these, further ones are later generations on them."""
SOONEST, LATEST = timedelta(hours=1), timedelta(days=30)
KINDS = (DeadlineKind.FIRST_RESPONSE, DeadlineKind.PLAN, DeadlineKind.RESOLUTION)
GOLDEN = 0.6180339887498949
"""Multiples of it modulo 1 lie evenly, in no order: due times are not those of the rows."""
# Without them a million foreign keys would be looked up, and each block written to the log, twice.
QUICKLY = "SET session_replication_role = replica; SET synchronous_commit = off"

Rows = Iterator[dict[str, Any]]


def seed_desk(
    postgres: Postgres, settings: Settings, database: str, tickets: int, *, open_every: int = 1
) -> list[UUID]:
    """Migrate `database` and put staff, customers and `tickets` tickets into it; the tickets' ids.

    One in `open_every` is in progress; the others were closed within the last year.
    """
    migrate(settings.database_url)
    desk, tables = asyncio.run(people(settings))
    idents = [new_id() for _ in range(tickets)]
    for name, rows in tables.items():
        _copy(postgres, database, name, rows)
    made = (
        _ticket(desk, place, ident) | _past(desk, place, open_every) for place, ident in enumerate(idents)
    )
    _copy(postgres, database, "tickets", made)
    return idents


def add_pending(
    postgres: Postgres,
    database: str,
    tickets: Sequence[UUID],
    have: int,
    want: int,
    *,
    spread: timedelta = LATEST,
) -> None:
    """Put deadlines number `have` to `want` into `database`, due between SOONEST and `spread` from now."""
    policy = postgres.rows(database, "SELECT id FROM policy_versions")[0]["id"]
    now = datetime.now(UTC)

    def rows() -> Rows:
        for place in range(have, want):
            ticket = tickets[place // PER_TICKET % len(tickets)]
            kind = KINDS[place % PER_TICKET]
            generation = 2 + place // (PER_TICKET * len(tickets))
            at = now + SOONEST + (spread - SOONEST) * (place * GOLDEN % 1)
            yield _deadline(policy, ticket, kind, generation, at, breach=False)

    indexes = postgres.rows(database, INDEXES) if want - have > MOST_TICKETS else []
    for index in indexes:
        postgres.run(database, f'DROP INDEX "{index["name"]}"')
    _copy(postgres, database, "deadlines", rows())
    for index in indexes:
        postgres.run(database, str(index["made_by"]))


# Those that belong to no constraint: built at the end they take a third of the time.
INDEXES = """
    SELECT indexname AS name, indexdef AS made_by FROM pg_indexes
    WHERE tablename = 'deadlines' AND indexname LIKE 'ix%'
"""


def add_due(
    postgres: Postgres, database: str, tickets: Sequence[UUID], start: datetime, rate: float, breaches: float
) -> None:
    """One deadline for each of `tickets`, `rate` a second from `start` on, evenly.

    `breaches` (0–1) of them are breaches, the rest warnings. The table `bench_due` keeps their
    place, id, ticket and due time.
    """
    policy = postgres.rows(database, "SELECT id FROM policy_versions")[0]["id"]
    rows = []
    for place, ticket in enumerate(tickets):
        at = start + timedelta(seconds=place / rate)
        breach = place * GOLDEN % 1 < breaches
        rows.append(_deadline(policy, ticket, DeadlineKind.FIRST_RESPONSE, 1, at, breach=breach))
    columns = "place int, deadline_id uuid PRIMARY KEY, ticket_id uuid, at timestamptz"
    postgres.run(database, f"CREATE TABLE bench_due ({columns})")
    due = ((place, row["id"], row["ticket_id"], row["due_at"]) for place, row in enumerate(rows))
    postgres.copy_in(database, "bench_due", ["place", "deadline_id", "ticket_id", "at"], due, QUICKLY)
    _copy(postgres, database, "deadlines", rows)


def _copy(postgres: Postgres, database: str, table: str, rows: Iterable[dict[str, Any]]) -> None:
    """COPY rows that are all of one shape; what they leave out takes the model's default."""
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        return
    more = _defaults(table, first)
    records = ((*row.values(), *more.values()) for row in itertools.chain([first], rows))
    postgres.copy_in(database, table, [*first, *more], records, QUICKLY)


def _defaults(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column in Base.metadata.tables[table].columns:
        default: Any = column.default
        if column.name not in row and default is not None:
            value = default.arg(None) if default.is_callable else default.arg
            is_json = isinstance(value, list | dict)
            found[column.name] = json.dumps(value) if is_json else getattr(value, "value", value)
    return found


def _deadline(
    policy: UUID, ticket: UUID, kind: DeadlineKind, generation: int, at: datetime, *, breach: bool
) -> dict[str, Any]:
    """A clock whose warning, or with `breach` whose limit, comes at `at`."""
    limit = at if breach else at + timedelta(minutes=30)
    ident = new_id()
    return {
        "id": ident,
        "lane": "normal",
        "due_at": at,
        "key": f"{kind.value}:{ticket.hex}:{generation}",
        "kind": kind.value,
        "generation": generation,
        "state": "running",
        "ticket_id": ticket,
        "started_at": limit - timedelta(hours=8),
        "limit_at": limit,
        "alarms": json.dumps(
            [
                _alarm(limit - timedelta(minutes=30), "warning", ["handler"]),
                _alarm(limit, "breach", ["handler", "supervisor"]),
            ]
        ),
        "alarm_no": int(breach),
        "policy_version_id": policy,
    }


def _alarm(at: datetime, step: str, roles: list[str]) -> dict[str, Any]:
    return {"at": at.isoformat(), "step": step, "roles": roles, "level": 0}


def _past(desk: Desk, place: int, open_every: int) -> dict[str, Any]:
    """What a ticket's state is, and when all of it was."""
    if place % open_every == 0:
        return {"state": TicketState.IN_PROGRESS.value, "closed_at": None}
    at = desk.now - timedelta(days=365 * (1 - place * GOLDEN % 1))
    when = dict.fromkeys(("received_at", "opened_at", "assigned_at"), at)
    return {"state": TicketState.CLOSED.value, **when, "closed_at": at + timedelta(days=2)}


def _ticket(desk: Desk, place: int, ident: UUID) -> dict[str, Any]:
    key, customer, subject, description, thread = desk.customers[place % len(desk.customers)]
    team = desk.teams[place % len(desk.teams)]
    return {
        "id": ident,
        "number": f"CS{desk.now:%Y%m%d}{place:07}",
        "state": TicketState.IN_PROGRESS.value,
        "priority": Priority.MEDIUM.value,
        "category": Category.AFTER_SALES_TECHNICAL.value,
        "channel": Medium.EMAIL.value,
        "locale": ("en", "zh_CN")[place % 2],
        "customer_id": customer,
        "data_key_id": key,
        "subject_sealed": subject,
        "description_sealed": description,
        "thread_sealed": thread,
        "policy_version_id": desk.policy_version_id,
        "team_id": team,
        "first_team_id": team,
        "handler_id": desk.agents[place % len(desk.agents)],
        "received_at": desk.now,
        "opened_at": desk.now,
        "assigned_at": desk.now,
    }
