"""What other systems can be told: each type of event, and the line of a ticket's log that it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BODY_VERSION = 1
TEST = "test"
PUSH = "message.push"
"""A message to a customer's app: sent to push endpoints only, whatever events they hear."""


@dataclass(frozen=True, slots=True)
class EventType:
    """A type of event. `line` is the kind of the log's line that it comes from, with `when` only if the line
    has that fact. `example` is the part of `data` beside the ticket, as in the documents.
    """

    name: str
    line: str
    says: str
    example: Mapping[str, Any]
    when: str = ""

    @property
    def facts(self) -> frozenset[str]:
        """The names of the line's facts that are told."""
        return frozenset(self.example)


_CLOCK = {"clock": "first_response", "limit_at": "2026-03-02T10:00:00+00:00"}
_SURVEY = {"survey": "CSAT20260302001"}
_FOLLOWUP = {"followup": "019cacf0-6c3e-7d3b-9c53-6a6c5d3a1e11"}

EVENTS: tuple[EventType, ...] = (
    EventType("ticket.opened", "received", "A request came in and has its number", {"channel": "email"}),
    EventType("ticket.assigned", "assigned", "Somebody handles it", {"to": "CS001", "team": "support"}),
    EventType("ticket.accepted", "accepted", "The handler has accepted it", {}),
    EventType(
        "ticket.transferred", "transferred", "It went to another person", {"from": "CS001", "to": "CS002"}
    ),
    EventType("ticket.warned", "warned", "A limit comes near", _CLOCK),
    EventType("ticket.breached", "breached", "A limit has passed unmet", _CLOCK),
    EventType(
        "ticket.breach_undone",
        "breach_undone",
        "A breach proved to have been met in time",
        {"clock": "first_response"},
    ),
    EventType(
        "ticket.escalated",
        "escalated",
        "A breach has climbed one level",
        {"clock": "first_response", "level": 1},
    ),
    EventType("ticket.acknowledged", "acknowledged", "Somebody takes care of a breach", {}),
    EventType(
        "ticket.answered",
        "first_response",
        "The first response reached the customer",
        {"channel": "email", "in_time": True},
    ),
    EventType(
        "ticket.answer_undone",
        "first_response_undone",
        "The first response came back: there was none",
        {},
    ),
    EventType("ticket.resolved", "resolved", "The result was given", {}),
    EventType("ticket.confirmed", "confirmed", "The customer has confirmed the result", {}),
    EventType("ticket.reopened", "reopened", "It was opened again", {}),
    EventType("ticket.dismissed", "dismissed", "It proved to be no request", {}),
    EventType("ticket.closed", "closed", "It is closed", {"rated": True}),
    EventType(
        "survey.invited",
        "survey_invited",
        "The customer is asked for a rating",
        {**_SURVEY, "channel": "email", "touchpoint": "after_sales"},
    ),
    EventType(
        "survey.rated",
        "rated",
        "The customer has rated; fully anonymous: nothing but that",
        {**_SURVEY, "anonymous": False},
    ),
    EventType("survey.changed", "rating_changed", "The customer has changed the rating", _SURVEY),
    EventType("survey.unrated", "unrated", "There will be no rating", {**_SURVEY, "reason": "followed_up"}),
    EventType("followup.opened", "followup_opened", "A low score has opened a follow-up", _FOLLOWUP),
    EventType(
        "followup.assigned",
        "followup_owner",
        "A person was named who calls back",
        {**_FOLLOWUP, "owner": "CS002"},
    ),
    EventType("followup.started", "followup_contact", "The customer was reached first", _FOLLOWUP, "started"),
    EventType("followup.measured", "followup_measure", "A measure was set", _FOLLOWUP),
    EventType(
        "followup.evaluated",
        "followup_evaluated",
        "The measure was evaluated",
        {**_FOLLOWUP, "met": True, "round": 1},
    ),
)

BY_NAME: Mapping[str, EventType] = {each.name: each for each in EVENTS}
BY_LINE: Mapping[str, EventType] = {each.line: each for each in EVENTS}

TICKET: Mapping[str, Any] = {
    "number": "CS202603020001",
    "version": 7,
    "opening": 1,
    "state": "in_progress",
    "priority": "medium",
    "category": "after_sales_technical",
    "team": "support",
    "handler": "CS001",
    "customer": "C20260300*",
}
"""A ticket as events show it, for the documents."""


def example_of(each: EventType) -> dict[str, Any]:
    """A whole event of this type, for the documents."""
    return {
        "type": each.name,
        "version": BODY_VERSION,
        "timestamp": "2026-03-02T02:00:00Z",
        "data": {"ticket": dict(TICKET), **each.example},
    }
