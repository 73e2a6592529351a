"""A ledger's past: SQL that fills `notifications` and `delivery_attempts` with what has long been settled.

Each old notification is a copy of a seeded one (so that its sizes are real) under an id, a key and times of
its own. Of a hundred, 85 were sent, 4 delivered, 2 bounced, 2 failed, 4 suppressed, 1 expired, 1 merged and 1
held; a few wait: reminders of the days to come, and retries that pause. 93 of a hundred have an attempt, 7 a
second one before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

OLDEST_DAYS = 400
TRIED = 93
RETRIED = 7
PER_CUSTOMER = 10

# RFC 9562 §5.7: the time in front, so that old ids lie below new ones and their index grows at its end, as in
# life. Keys hold such ids too, and Postfix's long queue ids begin with the time as well.
_FUNCTION = """
    CREATE FUNCTION bench_id(at timestamptz, salt text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
        SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')
                || '7' || substr(md5(salt), 1, 3) || '8' || substr(md5(salt), 4, 15))::uuid
    $$;
    CREATE FUNCTION bench_at(place bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
        SELECT timestamptz '{oldest}'
            + (timestamptz '{newest}' - timestamptz '{oldest}') * (place::float8 / {count})
    $$;
    CREATE FUNCTION bench_queued(at timestamptz, place bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
        SELECT upper(to_hex((extract(epoch FROM at) * 1000)::bigint) || substr(md5('q' || place), 1, 5))
    $$;
    CREATE TABLE bench_sample AS
        SELECT (row_number() OVER (ORDER BY id) - 1)::bigint AS place, *
        FROM (SELECT * FROM notifications ORDER BY id OFFSET {fresh}) AS spare;
    ANALYZE bench_sample
"""

_NOTIFICATIONS = """
    SET session_replication_role = replica;
    SET synchronous_commit = off;
    INSERT INTO notifications (
        id, lane, due_at, free_at, tries, key, kind, channel, state, reason, created_at, sent_at, ticket_id,
        customer_id, data_key_id, recipient_sealed, recipient_hash, locale, facts_sealed, links, message_id)
    SELECT bench_id(bench_at(g), 'n' || g), s.lane,
           CASE WHEN g % 5000 = 0 THEN now() + interval '1 day' * (1 + 30 * random())
                WHEN g % 20000 = 1 THEN now() - interval '1 hour' END,
           CASE WHEN g % 20000 = 1 THEN now() + interval '6 hours' END,
           CASE WHEN g % 100 < {tried} THEN 1 ELSE 0 END,
           'receipt:' || bench_id(bench_at(g), 'k' || g) || ':1:0:' || s.place || ':email', s.kind, s.channel,
           CASE WHEN g % 5000 = 0 THEN 'queued' WHEN g % 20000 = 1 THEN 'retrying'
                WHEN g % 100 < 85 THEN 'sent' WHEN g % 100 < 89 THEN 'delivered'
                WHEN g % 100 < 91 THEN 'bounced' WHEN g % 100 < {tried} THEN 'failed'
                WHEN g % 100 < 97 THEN 'suppressed' WHEN g % 100 = 97 THEN 'expired'
                WHEN g % 100 = 98 THEN 'merged' ELSE 'held' END,
           CASE WHEN g % 100 < 91 THEN NULL WHEN g % 100 < {tried} THEN 'unknown_recipient'
                WHEN g % 100 < 97 THEN 'suppressed_opted_out' WHEN g % 100 = 97 THEN 'too_late'
                WHEN g % 100 = 98 THEN 'told_just_now' ELSE 'test_mode' END,
           bench_at(g), CASE WHEN g % 100 < 91 THEN bench_at(g) + interval '2 seconds' END, s.ticket_id,
           s.customer_id, s.data_key_id, s.recipient_sealed,
           sha256(convert_to('customer' || g % {customers}, 'UTF8')), s.locale, s.facts_sealed,
           s.links, '<' || md5('m' || g) || '@bench.example.com>'
    FROM generate_series(1, {count}::bigint) AS g
    JOIN bench_sample s ON s.place = g % (SELECT count(*) FROM bench_sample)
    ORDER BY g
"""

_ATTEMPTS = """
    SET session_replication_role = replica;
    SET synchronous_commit = off;
    INSERT INTO delivery_attempts (
        id, notification_id, lease_token, started_at, finished_at, outcome, reason, code, text, host, tls,
        provider_id, seconds)
    SELECT bench_id(bench_at(g) + number * interval '1 second', 'a' || number || g),
           bench_id(bench_at(g), 'n' || g), gen_random_uuid(), bench_at(g) + number * interval '1 second',
           bench_at(g) + number * interval '1 second' + interval '40 ms',
           CASE WHEN number = 0 THEN 'retry' WHEN g % 100 < 91 THEN 'sent' ELSE 'rejected' END,
           CASE WHEN number = 0 THEN 'greylisted' WHEN g % 100 < 91 THEN 'accepted'
                ELSE 'unknown_recipient' END,
           CASE WHEN number = 0 THEN 451 WHEN g % 100 < 91 THEN 250 ELSE 550 END,
           '2.0.0 Ok: queued as ' || bench_queued(bench_at(g), g), 'relay.example.com:587', true,
           bench_queued(bench_at(g), g), 0.04
    FROM generate_series(1, {count}::bigint) AS g, generate_series(0, 1) AS number
    WHERE g % 100 < {tried} AND (number = 1 OR g % 100 < {retried})
    ORDER BY g, number
"""

_TIDY = """
    DROP TABLE bench_sample;
    DROP FUNCTION bench_id(timestamptz, text);
    DROP FUNCTION bench_at(bigint);
    DROP FUNCTION bench_queued(timestamptz, bigint)
"""


def statements(count: int, fresh: int, oldest: datetime, newest: datetime) -> Iterator[tuple[str, str]]:
    """(what is there when it has run, statements) for `count` notifications and as many attempts, in order.

    They copy what was seeded behind the first `fresh` rows, so that a race has no past. Their times
    lie evenly between `oldest` and `newest`. For the owner of the server: foreign keys are not checked, which
    for five million rows would take longer than all else; they do hold.
    """
    customers = max(1, count // PER_CUSTOMER)
    numbers = {
        "count": count,
        "fresh": fresh,
        "customers": customers,
        "tried": TRIED,
        "retried": RETRIED,
    }
    times = {"oldest": oldest.isoformat(), "newest": newest.isoformat()}
    yield "patterns", _FUNCTION.format(**numbers, **times)
    yield f"{count} notifications", _NOTIFICATIONS.format(**numbers)
    yield f"{count} attempts", _ATTEMPTS.format(**numbers)
    yield "tidied up", _TIDY
