"""What an erasure does, room by room: the one list. Who adds a table with customers' data adds it here.

A test holds the list against the tables there are: each one that can lead to a customer is emptied by a part,
or stands in `STAYS` with its reason.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from workers.privacy.erasing.closing import end_communications, end_followups, end_surveys, end_tickets
from workers.privacy.erasing.removing import (
    forget_accounts,
    forget_arrivals,
    forget_contacts,
    forget_customer,
    forget_index,
    forget_links,
    forget_messages,
    forget_orders,
    forget_threads,
    forget_waiting_arrivals,
)
from workers.privacy.erasing.subject import Counts, Subject
from workers.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Part:
    """One room's part: which tables it empties or ends something in, and how."""

    tables: frozenset[str]
    work: Callable[[UnitOfWork, Subject], Awaitable[Counts]]


PARTS: Sequence[Part] = (
    Part(frozenset({"tickets", "deadlines"}), end_tickets),
    Part(frozenset({"surveys", "survey_drafts"}), end_surveys),
    Part(frozenset({"followups"}), end_followups),
    Part(frozenset({"communications"}), end_communications),
    Part(
        frozenset({"notifications", "notification_bodies", "delivery_attempts"}),
        forget_messages,
    ),
    Part(frozenset({"links"}), forget_links),
    Part(frozenset({"ticket_messages"}), forget_threads),
    Part(frozenset({"intake_events", "intake_bodies"}), forget_arrivals),
    Part(frozenset({"intake_events", "intake_bodies"}), forget_waiting_arrivals),
    Part(frozenset({"search_documents", "search_buckets", "search_lists", "search_tasks"}), forget_index),
    Part(frozenset({"app_accounts"}), forget_accounts),
    Part(frozenset({"customer_orders"}), forget_orders),
    Part(frozenset({"suppressions", "blocked_senders"}), forget_contacts),
    Part(frozenset({"customers", "data_keys"}), forget_customer),
)
"""In this order: what runs is ended first, the key is destroyed last."""

STAYS: Mapping[str, str] = {
    "ticket_entries": "who did what when; words are unreadable with their key",
    "survey_answers": "scores without words and without a name",
    "anonymous_answers": "nobody can tell whose they are",
    "communication_entries": "when staff talked with somebody; words are unreadable with their key",
    "receipts": "that messages had been delivered, without an address",
    "staff_sessions": "of staff only",
    "sign_ins": "of staff only",
    "api_keys": "of staff and systems only",
    "mailboxes": "of the team only",
    "webhook_endpoints": "of the team's own systems",
    "webhook_secrets": "of the team's own systems",
    "webhook_events": "numbers, codes, states and times, without words",
    "customer_changes": "who changed which field when, without what stood there",
    "knowledge_entries": "the team's own words",
    "knowledge_texts": "the team's own words",
    "targets": "the team's own aims and words",
    "improvements": "the team's own words, under a key of their own; the ticket's number stays readable",
    "loop_entries": "the team's own words",
    "period_reports": "figures about many, ticket numbers and members of staff, no customer",
    "period_report_sends": "which mail brought which report",
    "erasures": "this certificate",
    "audit_entries": "which member of staff saw or changed what, by codes and numbers",
}
"""Tables that lead to a customer, or hold sealed or hashed values, and are left as they are, and why."""
