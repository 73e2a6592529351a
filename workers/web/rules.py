"""Who may go where: one table for every route of API and pages. What it does not name stays shut.

A role bounds people, a scope bounds keys of the API, and `owns` says by what a route belongs to a ticket: an
agent passes only where that ticket is theirs (row A11). A test holds the table against the routes there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from models.vocabulary import Role
from workers.access import Scope
from workers.policy.report_parts import KINDS
from workers.web.loop_rules import BY_ALL, BY_LEADS, ON_ALL_PAGES, ON_LEADS_PAGES, READ_BY_ALL, REPORTED
from workers.web.open_routes import OPEN
from workers.web.webhook_rules import ON_PAGES, WEBHOOKS

ALL = frozenset(Role)
LEAD = ALL - {Role.AGENT}
DECIDE = frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR})
ADMIN = frozenset({Role.ADMINISTRATOR})
AUDITORS = frozenset({Role.ADMINISTRATOR, Role.QUALITY})
API = "/api/v1"


class Owns(StrEnum):
    """What the address names; each belongs to a ticket, or to a person."""

    TICKET = "ticket"
    NOTIFICATION = "notification"
    SURVEY = "survey"
    FOLLOWUP = "followup"
    CUSTOMER = "customer"


@dataclass(frozen=True, slots=True)
class Rule:
    """Which roles may, and with which scope a key may. `roles` None: anybody, for the address proves itself.

    That is so for links (their token), webhooks (their signature), sign-in, and what is no secret.
    """

    roles: frozenset[Role] | None
    scope: Scope | None = None
    owns: Owns | None = None


SHUT = Rule(ADMIN, Scope.ADMINISTER)
"""For a route that the table does not name."""
ANYBODY = Rule(None)
_READ, _WRITE = Scope.READ, Scope.WRITE
_TICKET_ACTS = (
    "accept",
    "acknowledge",
    "answer",
    "close",
    "confirm",
    "cooperation",
    "escalate",
    "escalate/{request_id}/approve",
    "escalate/{request_id}/decline",
    "extend",
    "feedback",
    "first-response",
    "merge",
    "merge/undo",
    "not-a-ticket",
    "not-a-ticket/undo",
    "note",
    "progress",
    "resolve",
    "resume",
    "split",
    "transfer",
    "unconfirmed",
    "wait",
)

_OF_API: dict[str, Rule] = {
    "POST /tickets": Rule(ALL, Scope.INTAKE),
    "GET /tickets": Rule(ALL, _READ),
    "GET /tickets/{number}": Rule(ALL, _READ, Owns.TICKET),
    "PATCH /tickets/{number}": Rule(ALL, _WRITE, Owns.TICKET),
    **{f"POST /tickets/{{number}}/{act}": Rule(ALL, _WRITE, Owns.TICKET) for act in _TICKET_ACTS},
    "GET /tickets/{number}/similar": Rule(ALL, _READ, Owns.TICKET),
    "GET /tickets/{number}/pass-on": Rule(ALL, _READ, Owns.TICKET),
    "POST /tickets/{number}/pass-on": Rule(ALL, _WRITE, Owns.TICKET),
    "POST /tickets/{number}/knowledge": Rule(ALL, _WRITE, Owns.TICKET),
    "GET /search": Rule(ALL, _READ),
    "GET /knowledge": Rule(ALL, _READ),
    "POST /knowledge": Rule(ALL, _WRITE),
    "GET /knowledge/export": Rule(ALL, _READ),
    "GET /knowledge/{number}": Rule(ALL, _READ),
    "PATCH /knowledge/{number}": Rule(ALL, _WRITE),
    "POST /knowledge/{number}/publish": Rule(LEAD, _WRITE),
    "POST /knowledge/{number}/retire": Rule(LEAD, _WRITE),
    "POST /notifications/retry": Rule(DECIDE, _WRITE),
    "POST /notifications/cancel": Rule(DECIDE, _WRITE),
    "POST /notifications/{ident}/retry": Rule(ALL, _WRITE, Owns.NOTIFICATION),
    "POST /notifications/{ident}/cancel": Rule(ALL, _WRITE, Owns.NOTIFICATION),
    "GET /notifications": Rule(ALL, _READ),
    "GET /notifications/{ident}": Rule(ALL, _READ, Owns.NOTIFICATION),
    "GET /notifications/{ident}/timeline": Rule(ALL, _READ, Owns.NOTIFICATION),
    "GET /suppressions": Rule(LEAD, _READ),
    "POST /suppressions": Rule(DECIDE, _WRITE),
    "DELETE /suppressions/{ident}": Rule(DECIDE, _WRITE),
    "GET /blocked-senders": Rule(LEAD, _READ),
    "POST /blocked-senders": Rule(DECIDE, _WRITE),
    "DELETE /blocked-senders/{ident}": Rule(DECIDE, _WRITE),
    "GET /intake": Rule(LEAD, _READ),
    "POST /intake/{ident}/take-in": Rule(LEAD, _WRITE),
    "GET /attention": Rule(ALL, _READ),
    "GET /deadlines": Rule(ALL, _READ),
    "POST /surveys": Rule(LEAD, _WRITE),
    "GET /surveys": Rule(ALL, _READ),
    "GET /surveys/{number}": Rule(ALL, _READ, Owns.SURVEY),
    "POST /surveys/{number}/answer": Rule(ALL, _WRITE, Owns.SURVEY),
    "GET /followups": Rule(ALL, _READ),
    "GET /followups/{ident}": Rule(ALL, _READ, Owns.FOLLOWUP),
    "POST /followups/{ident}/owner": Rule(LEAD, _WRITE),
    "POST /followups/{ident}/contact": Rule(ALL, _WRITE, Owns.FOLLOWUP),
    "POST /followups/{ident}/measure": Rule(ALL, _WRITE, Owns.FOLLOWUP),
    "POST /followups/{ident}/evaluate": Rule(ALL, _WRITE, Owns.FOLLOWUP),
    "POST /communications": Rule(ALL, _WRITE),
    "GET /communications": Rule(ALL, _READ),
    "GET /communications/export": Rule(ALL, _READ),
    "GET /communications/{number}": Rule(ALL, _READ),
    "PATCH /communications/{number}": Rule(ALL, _WRITE),
    "POST /communications/{number}/close": Rule(ALL, _WRITE),
    "POST /communications/{number}/reopen": Rule(ALL, _WRITE),
    "POST /communications/{number}/share": Rule(ALL, _WRITE),
    "GET /customers": Rule(ALL, _READ),
    "POST /customers": Rule(DECIDE, _WRITE),
    "POST /customers/import": Rule(DECIDE, _WRITE),
    "GET /customers/export": Rule(LEAD, _READ),
    "GET /tables/{name}/export": Rule(LEAD, _READ),
    "POST /tables/{name}/import": Rule(DECIDE, _WRITE),
    "GET /customers/{code}": Rule(ALL, _READ, Owns.CUSTOMER),
    "POST /customers/{code}/erase": Rule(ADMIN, Scope.ADMINISTER),
    "GET /audit": Rule(AUDITORS, Scope.ADMINISTER),
    "GET /audit/verify": Rule(AUDITORS, Scope.ADMINISTER),
    "GET /erasures": Rule(ADMIN, Scope.ADMINISTER),
    "GET /erasures/{number}": Rule(ADMIN, Scope.ADMINISTER),
    "PATCH /customers/{code}": Rule(DECIDE, _WRITE),
    "PUT /customers/{code}/app-account": Rule(DECIDE, _WRITE),
    "POST /customers/{code}/merge": Rule(DECIDE, _WRITE),
    "POST /customers/{code}/unmerge": Rule(DECIDE, _WRITE),
    "GET /staff": Rule(ALL, _READ),
    "POST /staff": Rule(ADMIN, Scope.ADMINISTER),
    "GET /staff/{number}": Rule(ALL, _READ),
    "PATCH /staff/{number}": Rule(ADMIN, Scope.ADMINISTER),
    "GET /staff/{number}/absences": Rule(ALL, _READ),
    "POST /staff/{number}/absences": Rule(DECIDE, _WRITE),
    "DELETE /staff/{number}/absences/{ident}": Rule(DECIDE, _WRITE),
    "GET /duties": Rule(ALL, _READ),
    "POST /duties": Rule(DECIDE, _WRITE),
    "DELETE /duties/{ident}": Rule(DECIDE, _WRITE),
    "GET /teams": Rule(ALL, _READ),
    "POST /teams": Rule(ADMIN, Scope.ADMINISTER),
    "GET /teams/{name}": Rule(ALL, _READ),
    "PATCH /teams/{name}": Rule(ADMIN, Scope.ADMINISTER),
    "GET /policy": Rule(ALL, _READ),
    "GET /reports/overdue": Rule(ALL, Scope.REPORTS),
    **{f"GET /reports/{kind}": Rule(LEAD, Scope.REPORTS) for kind in KINDS},
    "GET /reports/catalogue": Rule(ALL, Scope.REPORTS),
    "GET /reports/figures": Rule(ALL, Scope.REPORTS),
    "GET /reports/worst-overdue": Rule(ALL, Scope.REPORTS),
    **dict.fromkeys(REPORTED, Rule(LEAD, Scope.REPORTS)),
    **dict.fromkeys(READ_BY_ALL, Rule(ALL, _READ)),
    **dict.fromkeys(BY_ALL, Rule(ALL, _WRITE)),
    **dict.fromkeys(BY_LEADS, Rule(LEAD, _WRITE)),
    "GET /keys": Rule(ADMIN, Scope.ADMINISTER),
    "POST /keys": Rule(ADMIN, Scope.ADMINISTER),
    "DELETE /keys/{name}": Rule(ADMIN, Scope.ADMINISTER),
    **dict.fromkeys(WEBHOOKS, Rule(ADMIN, Scope.ADMINISTER)),
}

_OF_LEAD_PAGES: dict[str, Rule] = {
    "GET /console/attention": Rule(ALL),
    "GET /console/followups": Rule(ALL),
    "GET /console/followups/{ident}": Rule(ALL, owns=Owns.FOLLOWUP),
    "POST /console/followups/{ident}": Rule(ALL, owns=Owns.FOLLOWUP),
    "GET /console/messages": Rule(ALL),
    "GET /console/messages/{ident}": Rule(ALL, owns=Owns.NOTIFICATION),
    "POST /console/messages/many": Rule(DECIDE),
    "POST /console/messages/{ident}/{what}": Rule(ALL - {Role.QUALITY}, owns=Owns.NOTIFICATION),
    "GET /console/customers": Rule(ALL),
    "GET /console/customers/{code}": Rule(ALL, owns=Owns.CUSTOMER),
    "GET /console/customers/export": Rule(LEAD),
    "POST /console/customers": Rule(DECIDE),
    "POST /console/customers/import": Rule(DECIDE),
    "POST /console/customers/{code}/{what}": Rule(DECIDE),
    "GET /console/tables": Rule(LEAD),
    "GET /console/tables/{name}/export": Rule(LEAD),
    "POST /console/tables/{name}/import": Rule(DECIDE),
    "GET /console/suppressions": Rule(LEAD),
    "POST /console/suppressions": Rule(DECIDE),
    "POST /console/suppressions/lift": Rule(DECIDE),
    "GET /console/blocked-senders": Rule(LEAD),
    "POST /console/blocked-senders": Rule(DECIDE),
    "POST /console/blocked-senders/lift": Rule(DECIDE),
    "GET /console/intake": Rule(LEAD),
    "GET /console/intake/{ident}": Rule(LEAD),
    "POST /console/intake/{ident}/{what}": Rule(LEAD),
    "GET /console/staff": Rule(LEAD),
    "GET /console/staff/{number}": Rule(LEAD),
    "POST /console/staff": Rule(ADMIN),
    "POST /console/staff/{number}/change": Rule(ADMIN),
    "POST /console/staff/{number}/sign-out": Rule(ADMIN),
    "POST /console/staff/{number}/absences": Rule(DECIDE),
    "POST /console/staff/{number}/absences/cancel": Rule(DECIDE),
    "GET /console/duties": Rule(LEAD),
    "POST /console/duties": Rule(DECIDE),
    "POST /console/duties/cancel": Rule(DECIDE),
    "GET /console/teams": Rule(LEAD),
    "POST /console/teams": Rule(ADMIN),
    "POST /console/teams/change": Rule(ADMIN),
    **dict.fromkeys(ON_ALL_PAGES, Rule(ALL)),
    **dict.fromkeys(ON_LEADS_PAGES, Rule(LEAD)),
    "GET /console/policy": Rule(LEAD),
    "GET /console/policy/{number}": Rule(LEAD),
    "GET /console/audit": Rule(AUDITORS),
    "POST /console/audit/verify": Rule(AUDITORS),
    **dict.fromkeys((*ON_PAGES, "GET /console/access", "POST /console/access/sessions/end"), Rule(ADMIN)),
    "POST /console/access/keys": Rule(ADMIN),
    "POST /console/access/keys/revoke": Rule(ADMIN),
}

_OF_PAGES: dict[str, Rule] = {
    **dict.fromkeys(OPEN, ANYBODY),
    "GET /console": Rule(ALL),
    "GET /console/live.js": Rule(ALL),
    "GET /console/live": Rule(ALL),
    "GET /console/dashboard": Rule(ALL),
    **dict.fromkeys((f"GET /console/reports{path}" for path in ("", "/now", "/{ident}")), Rule(LEAD)),
    "GET /console/communications": Rule(ALL),
    "GET /console/communications/export": Rule(ALL),
    "GET /console/communications/import": Rule(DECIDE),
    "POST /console/communications/import": Rule(DECIDE),
    "GET /console/communications/new": Rule(ALL),
    "POST /console/communications/new": Rule(ALL),
    "GET /console/communications/{number}": Rule(ALL),
    "POST /console/communications/{number}/{act}": Rule(ALL),
    "GET /console/tickets": Rule(ALL),
    "GET /console/tickets/{number}": Rule(ALL, owns=Owns.TICKET),
    "POST /console/tickets/{number}/{act}": Rule(ALL, owns=Owns.TICKET),
    "GET /console/sessions": Rule(ALL),
    "POST /console/sessions/end": Rule(ALL),
    "POST /console/sign-out": Rule(ALL),
    "GET /console/search": Rule(ALL),
    "GET /console/knowledge": Rule(ALL),
    "GET /console/knowledge/new": Rule(ALL),
    "POST /console/knowledge/new": Rule(ALL),
    "GET /console/knowledge/{number}": Rule(ALL),
    "GET /console/knowledge/{number}/edit": Rule(ALL),
    "POST /console/knowledge/{number}/edit": Rule(ALL),
    "POST /console/knowledge/{number}/publish": Rule(LEAD),
    "POST /console/knowledge/{number}/retire": Rule(LEAD),
    "GET /console/tickets/{number}/pass-on": Rule(ALL, owns=Owns.TICKET),
    "POST /console/tickets/{number}/pass-on": Rule(ALL, owns=Owns.TICKET),
    "POST /console/tickets/{number}/write-up": Rule(ALL, owns=Owns.TICKET),
}

RULES: Mapping[str, Rule] = {
    **_OF_PAGES,
    **_OF_LEAD_PAGES,
    **{
        f"{method} {API}{path}": rule
        for (method, path), rule in ((k.split(" "), r) for k, r in _OF_API.items())
    },
}
"""By method and path as the route spells it; HEAD goes with GET unless it is named."""


def rule_of(method: str, path: str) -> Rule:
    """The rule of a route, by its method and the path with its parameters' names."""
    known = RULES.get(f"{method} {path}")
    if known is None and method == "HEAD":
        known = RULES.get(f"GET {path}")
    return known or SHUT
