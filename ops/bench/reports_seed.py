"""A year of a support team for the figures: requests in the order they came, and all that belongs to them.

People and some tickets go in as in `deadlines_seed`; all others have the people and words of one of these.
What happened when is drawn by SQL, as the rest is.
"""

from __future__ import annotations

import asyncio

from sqlalchemy import func, insert, select

from models.session import make_engine, migrate
from models.tables import Base
from models.tickets import Ticket
from ops.bench.arena import Arena
from ops.bench.deadlines_seed import seed_desk
from ops.bench.report import say
from workers.settings import Settings

RATED = 0.3
"""So many of the tickets are rated."""
AT_ONCE = 1_000

_BUILDING = "SET maintenance_work_mem = '256MB'; SET statement_timeout = 0"
_QUICKLY = "SET session_replication_role = replica; SET synchronous_commit = off; SET statement_timeout = 0;"
TEMPLATES = 4_000
"""Tickets whose people and sealed words all others have again: each customer in both languages."""
# An id as `models.base.new_id` makes it at this moment, so that indexes lie as they do in earnest.
_ID = """
    (lpad(to_hex((extract(epoch FROM {at}) * 1000)::bigint), 12, '0') || '7'
     || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid
"""
_DRAWN = """
    CREATE UNLOGGED TABLE bench_drawn AS
    SELECT n, now() - interval '365 days' * (1 - n::float / {tickets}) AS at,
           random() AS r, random() AS p, random() AS c,
           interval '1 minute' * (1 - 60 * ln(1 - random())) AS answered,
           interval '1 minute' * (61 - 1440 * ln(1 - random())) AS settled
    FROM generate_series(1, {tickets}) AS n;
    CREATE UNLOGGED TABLE bench_templates AS
    SELECT row_number() OVER (ORDER BY id) - 1 AS place, * FROM tickets;
    CREATE UNIQUE INDEX ON bench_templates (place);
    TRUNCATE tickets CASCADE
"""
_TICKETS = {
    "id": _ID.format(at="d.at"),
    "number": "'CS' || to_char(d.at, 'YYYYMMDD') || lpad(d.n::text, 7, '0')",
    "received_at": "d.at",
    "opened_at": "d.at",
    "assigned_at": "d.at + interval '1 minute'",
    "first_response_at": "CASE WHEN d.r < 0.97 THEN d.at + d.answered END",
    "accepted_at": "CASE WHEN d.r < 0.97 THEN d.at + d.answered END",
    "resolved_at": "CASE WHEN over.has THEN d.at + d.settled END",
    "credited_id": "CASE WHEN over.has THEN t.handler_id END",
    "credited_team_id": "CASE WHEN over.has THEN t.team_id END",
    "closed_at": "CASE WHEN over.has THEN d.at + d.settled END",
    "state": "CASE WHEN over.has THEN 'closed' ELSE 'in_progress' END",
    "close_reason": "CASE WHEN d.r < 0.02 THEN 'not_a_ticket' WHEN d.r < 0.03 THEN 'merged' END",
    "opening": "CASE WHEN d.r BETWEEN 0.1 AND 0.15 THEN 2 ELSE 1 END",
    "overdue_count": "CASE WHEN d.r BETWEEN 0.2 AND 0.28 THEN 1 ELSE 0 END",
    "urged_count": "CASE WHEN d.r BETWEEN 0.3 AND 0.36 THEN 1 ELSE 0 END",
    "transferred_at": "CASE WHEN d.r BETWEEN 0.4 AND 0.5 THEN d.at + interval '1 hour' END",
    "special_period": "CASE WHEN extract(doy FROM d.at) BETWEEN 310 AND 316 THEN 'festival' END",
    "priority": """(ARRAY['urgent', 'high', 'medium', 'medium', 'medium', 'low'])[1 + floor(d.p * 6)::int]""",
    "category": """(ARRAY['pre_sales', 'after_sales_technical', 'after_sales_request', 'complaint',
                          'other'])[1 + floor(d.c * 5)::int]""",
    "channel": "(ARRAY['email', 'email', 'sms', 'phone'])[1 + floor(d.p * d.c * 4)::int]",
}
"""What differs from the template, by column: `d` is what was drawn, `t` the template."""
_FROM_TEMPLATES = """
    INSERT INTO tickets ({columns}) SELECT {values}
    FROM bench_drawn d JOIN bench_templates t ON t.place = d.n % (SELECT count(*) FROM bench_templates),
         LATERAL (SELECT d.r < 0.93 AND d.at + d.settled < now() AS has) AS over ORDER BY d.n;
    DROP TABLE bench_drawn, bench_templates
"""
_ENTRIES = """
    INSERT INTO ticket_entries (id, ticket_id, at, kind, actor, facts)
    SELECT {entry_id}, t.id, t.received_at + g * interval '20 minutes', kinds.kind, 'system', '{{}}'
    FROM tickets t, generate_series(1, 5) AS g,
         LATERAL (SELECT (ARRAY['received', 'assigned', 'accepted',
                  CASE WHEN right(t.number, 1) < '3' THEN 'customer_wrote' ELSE 'progress' END,
                  CASE WHEN t.transferred_at IS NOT NULL THEN 'transferred' ELSE 'resolved' END])[g]
                  AS kind) AS kinds
"""
_DEADLINES = """
    INSERT INTO deadlines (
        id, lane, tries, key, kind, generation, state, ticket_id, started_at, limit_at, alarms, alarm_no,
        met_at, breached_at, ended_reason, policy_version_id)
    SELECT {deadline_id}, 'normal', 0, k.kind || ':' || t.id || ':1', k.kind, 1,
           CASE WHEN k.met IS NOT NULL AND k.met <= k.limit_at THEN 'met'
                WHEN k.limit_at < now() THEN 'breached' ELSE 'running' END,
           t.id, t.received_at, k.limit_at, '[]', 0, k.met,
           CASE WHEN coalesce(k.met, now()) > k.limit_at THEN k.limit_at END,
           CASE WHEN k.met IS NOT NULL THEN 'met' END, t.policy_version_id
    FROM tickets t, LATERAL (VALUES
        ('first_response', t.first_response_at, t.received_at + interval '4 hours'),
        ('plan', t.first_response_at, t.received_at + interval '8 hours'),
        ('resolution', t.resolved_at, t.received_at + interval '72 hours')) AS k(kind, met, limit_at)
"""
_SURVEYS = """
    INSERT INTO surveys (
        id, number, ticket_id, opening, customer_id, staff_id, team_id, category, customer_group, channel,
        locale, state, service_at, invited_at, expires_at, answered_at, anonymous, policy_version_id)
    SELECT {survey_id}, 'CSAT' || row_number() OVER (ORDER BY t.id), t.id, t.opening, t.customer_id,
           t.credited_id, t.credited_team_id, t.category,
           (ARRAY['new', 'old', 'high_value'])[1 + floor(random() * 3)::int], 'email', t.locale,
           CASE WHEN random() < {rated} / 0.6 THEN 'answered' ELSE 'invited' END, t.resolved_at,
           t.resolved_at + interval '1 hour', t.resolved_at + interval '30 days',
           t.resolved_at + interval '9 hours', false, t.policy_version_id
    FROM tickets t WHERE t.resolved_at IS NOT NULL AND t.close_reason IS NULL AND random() < 0.7;
    UPDATE surveys SET answered_at = NULL WHERE state = 'invited'
"""
_ANSWERS = """
    INSERT INTO survey_answers (id, survey_id, version, final, at, category, scores, source, data_key_id)
    SELECT {answer_id}, s.id, 1, true, s.answered_at, s.category,
           json_build_object('overall', 5 - floor(random() * random() * 5)::int,
                             'attitude', 5 - floor(random() * random() * 5)::int,
                             'speed', 5 - floor(random() * random() * 5)::int), 'page', t.data_key_id
    FROM surveys s JOIN tickets t ON t.id = s.ticket_id WHERE s.answered_at IS NOT NULL
"""
_FOLLOWUPS = """
    INSERT INTO followups (
        id, survey_id, ticket_id, customer_id, data_key_id, state, round, version, scores, opened_at,
        start_by, started_at, cause, plan, tries)
    SELECT {answer_id}, s.id, s.ticket_id, s.customer_id, a.data_key_id, 'started', 1, 1, a.scores,
           s.answered_at, s.answered_at + interval '48 hours', s.answered_at + interval '64 hours' * random(),
           (ARRAY['process', 'people', 'tool'])[1 + floor(random() * 3)::int], '{{}}', 1
    FROM surveys s JOIN survey_answers a ON a.survey_id = s.id WHERE (a.scores->>'overall')::int <= 3
"""
_MESSAGES = """
    INSERT INTO notifications (
        id, lane, tries, key, kind, channel, state, reason, created_at, sent_at, ticket_id, customer_id,
        data_key_id, recipient_sealed, recipient_hash, locale, facts_sealed, links)
    SELECT {message_id}, 'normal', 1, 'receipt:' || t.id || ':1:' || g || ':bench:email', 'receipt',
           'email',
           CASE WHEN right(t.number, 2) = '07' THEN 'failed' ELSE 'sent' END,
           CASE WHEN right(t.number, 2) = '07' THEN 'unknown_recipient' END,
           t.received_at + g * interval '1 hour',
           t.received_at + g * interval '1 hour' + interval '3 seconds' * random(),
           t.id, t.customer_id, t.data_key_id, sha256('recipient'), sha256(t.number::bytea), t.locale,
           sha256('facts') || sha256('more') || sha256('still more'), '{{}}'
    FROM tickets t, generate_series(1, 3) AS g
"""


_IDS = {
    "entry_id": _ID.format(at="t.received_at + g * interval '20 minutes'"),
    "deadline_id": _ID.format(at="t.received_at"),
    "survey_id": _ID.format(at="t.resolved_at"),
    "answer_id": _ID.format(at="s.answered_at"),
    "message_id": _ID.format(at="t.received_at + g * interval '1 hour'"),
}
# Built once all rows are there they take a tenth of the time.
_INDEXES = """
    SELECT indexname AS name, indexdef AS made_by FROM pg_indexes
    WHERE tablename IN ('tickets', 'ticket_entries', 'deadlines', 'surveys', 'survey_answers', 'followups',
                        'notifications')
          AND indexname LIKE 'ix%'
"""
_STEPS = {
    "log": _ENTRIES,
    "deadlines": _DEADLINES,
    "surveys": _SURVEYS,
    "answers": _ANSWERS,
    "followups": _FOLLOWUPS,
    "messages": _MESSAGES,
}


def fill(arena: Arena, settings: Settings, database: str, tickets: int) -> None:
    """Fill `database` with so many tickets of one year and all that belongs to them, in order of time."""
    seed_desk(arena.postgres, settings, database, min(TEMPLATES, tickets))
    indexes = arena.postgres.rows(database, _INDEXES)
    arena.postgres.run(database, "".join(f'DROP INDEX "{index["name"]}";' for index in indexes))
    arena.postgres.run(database, _QUICKLY + _DRAWN.format(tickets=tickets) + ";" + _tickets())
    for name, statement in _STEPS.items():
        arena.postgres.run(database, _QUICKLY + statement.format(rated=RATED, **_IDS))
        say(f"{name} of {tickets} tickets")
    for index in indexes:
        arena.postgres.run(database, f"{_BUILDING}; {index['made_by']}")
    say(f"indexes of {tickets} tickets")
    arena.make_lasting(database)


def _tickets() -> str:
    columns = [column.name for column in Ticket.__table__.columns]
    values = [_TICKETS.get(name, f"t.{name}") for name in columns]
    return _FROM_TEMPLATES.format(columns=", ".join(columns), values=", ".join(values))


def copy_to_sqlite(source: str, target: str) -> int:
    """The same rows in a fresh SQLite file (both URLs); gives their number."""
    migrate(target)
    return asyncio.run(_copy(source, target))


async def _copy(source: str, target: str) -> int:
    engines = make_engine(source), make_engine(target)
    rows = 0
    try:
        async with engines[0].connect() as read, engines[1].begin() as write:
            await write.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
            for table in Base.metadata.sorted_tables:
                if await write.scalar(select(func.count()).select_from(table)):
                    await write.execute(table.delete())
                found = await read.stream(select(table))
                async for some in found.partitions(AT_ONCE):
                    await write.execute(insert(table), [dict(row._mapping) for row in some])
                    rows += len(some)
    finally:
        for engine in engines:
            await engine.dispose()
    return rows
