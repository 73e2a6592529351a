"""What must really have happened, each proved from the database and from what was caught outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ops.demo_play.ledger import Ledger
from ops.demo_play.parts import HEAD, LOW_COMMENT, PARTS, SUPERVISOR
from ops.demo_play.post_office import Caught, CaughtSms

SOURCES = {"webhook": "raw", "smtp": "smtp", "twilio": "twilio"}
REQUESTS = sum(part.plot != "none" for part in PARTS)
NEVER_TOLD = ("#note", "内部", "磁盘满了")
UNHAPPY_ENDS = "('failed', 'bounced', 'complained', 'unknown', 'retrying', 'held')"


@dataclass(frozen=True, slots=True)
class Evidence:
    """All there is to look at."""

    ledger: Ledger
    mails: list[Caught]
    sms: list[CaughtSms]

    def told(self, kind: str, to: str = "", words: str = "") -> int:
        """How many mails of a kind were caught, to a person and with words in subject or text, if given."""
        return sum(
            self.ledger.kind_of(mail.notification) == kind and to in mail.recipient and words in mail.words
            for mail in self.mails
        )

    def count(self, table_and_where: str, *values: object) -> int:
        """How many rows there are (`tickets WHERE …`)."""
        return int(self.ledger.value(f"SELECT count(*) FROM {table_and_where}", *values))

    def logged(self, kind: str, words: str = "") -> int:
        """How many log lines of a kind there are, with `words` among their facts."""
        return self.count("ticket_entries WHERE kind = ? AND facts LIKE ?", kind, f"%{words}%")

    def rated(self, score: int, source: str) -> int:
        """How many answers gave this overall score by this way (page, mail, sms)."""
        where = "survey_answers WHERE json_extract(scores, '$.overall') = ? AND source = ?"
        return self.count(where, score, source)

    def clocks(self, kind: str, where: str) -> int:
        """How many deadlines of a kind there are of which `where` holds."""
        return self.count(f"deadlines WHERE kind = ? AND {where}", kind)


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that must have happened."""

    name: str
    proved: Callable[[Evidence], bool]


def all_facts() -> tuple[Fact, ...]:
    """The checklist, in the order of the story."""
    groups = (_came_in(), _answered(), _escalated(), _finished(), _followed_up(), _booked())
    return tuple(Fact(name, proved) for group in groups for name, proved in group.items())


Facts = dict[str, Callable[[Evidence], bool]]


def _came_in() -> Facts:
    doors = {door: sum(part.door == door for part in PARTS) for door in SOURCES}
    return {
        f"received: {doors['webhook']} mails by webhook": lambda e: _from(e, "webhook") == doors["webhook"],
        f"received: {doors['smtp']} mails by SMTP": lambda e: _from(e, "smtp") >= doors["smtp"],
        f"received: {doors['twilio']} SMS by signed webhook": lambda e: _from(e, "twilio") >= doors["twilio"],
        f"{REQUESTS} tickets, one for each request": lambda e: e.count("tickets") == REQUESTS,
        "each customer was told the number at once": lambda e: (
            e.told("receipt", words="CS2024")
            + e.count("notifications WHERE kind='receipt' AND channel='sms'")
            == REQUESTS
        ),
        "the GBK mail reads right": lambda e: e.told("receipt", "chenjianguo@", "咨询企业版价格和试用") == 1,
        "the raw GB18030 subject reads right": lambda e: (
            e.told("receipt", "@shunda", "问题三天没人处理") == 1
        ),
        "out-of-office and newsletter: taken in, no ticket, no answer": _set_aside,
        "the reply found its ticket, and its agent": lambda e: (
            e.told("customer_reply", words="packed for another customer") == 1
        ),
    }


def _from(e: Evidence, door: str) -> int:
    return e.count("intake_events WHERE source = ?", SOURCES[door])


def _set_aside(e: Evidence) -> bool:
    quiet = [row for row in e.ledger.events() if row["kind"] in ("auto_reply", "out_of_office", "list")]
    settled = all(row["state"] in ("done", "rejected") and row["ticket"] is None for row in quiet)
    answered = any(name in mail.recipient for mail in e.mails for name in ("marco.bianchi", "campaigns"))
    return len(quiet) == 2 and settled and not answered


def _answered() -> Facts:
    return {
        "answered: agents' mails went on to their customers": lambda e: e.told("reply_to_customer") >= 8,
        "no internal note left, no quotation, no colleague's address": _nothing_internal,
        "first responses met in time": lambda e: e.clocks("first_response", "state = 'met'") == REQUESTS - 1,
        "accepted by the signed link": lambda e: e.logged("accepted") == 1,
        "handed over, with its reason": lambda e: e.logged("transferred") == 1 and e.told("transfer") == 1,
        "the plan was told to the customer": lambda e: e.told("progress_notice") == 1,
        "more time: asked for, approved by link, and told": lambda e: (
            e.logged("escalation_decided", '"approved": true') == 1 and e.told("escalation_decided") == 1
        ),
    }


def _nothing_internal(e: Evidence) -> bool:
    relayed = [mail for mail in e.mails if e.ledger.kind_of(mail.notification) == "reply_to_customer"]
    leaked = (*NEVER_TOLD, "wang.fang@", "li.qiang@", "sarah.miller@", "/t/")
    return bool(relayed) and not any(words in mail.text for mail in relayed for words in leaked)


def _escalated() -> Facts:
    return {
        "warned before the limit, handler and supervisor": lambda e: (
            e.told("first_response_warning") == 2 and e.told("first_response_warning", SUPERVISOR.email) == 1
        ),
        "breached: the supervisor was told": lambda e: (
            e.logged("breached", "first_response") == 1 and e.told("breach", SUPERVISOR.email) >= 1
        ),
        "escalated, level by level, to the head of department": lambda e: (
            e.logged("escalated", "first_response") >= 2 and e.told("breach", HEAD.email) >= 1
        ),
        "acknowledged by the signed link: the ladder stopped": lambda e: (
            e.clocks("escalation", "ended_reason = 'acknowledged'") >= 1
        ),
        "answered late, and recorded as late": lambda e: (
            e.clocks("first_response", "ended_reason = 'met_late'") == 1
        ),
    }


def _finished() -> Facts:
    return {
        "resolved: the customer was told the result": lambda e: e.told("result_feedback") >= 10,
        "confirmed by the customer's own link or words": lambda e: (
            e.count("tickets WHERE confirmed_by = 'customer'") >= 8
        ),
        "asked to rate, by mail and by SMS": lambda e: (
            e.told("csat_invitation") >= 10
            and e.count("notifications WHERE kind = 'csat_invitation' AND channel = 'sms'") == 2
        ),
        "rated 5 on the page": lambda e: e.rated(5, "page") == 1,
        "rated 5 by answering the mail": lambda e: e.rated(5, "mail") == 1,
        "rated 5 by SMS": lambda e: e.rated(5, "sms") == 1,
        "rated low: 2 on the page": lambda e: e.rated(2, "page") == 1,
        "not rated: reminded on working day 2, a task on day 3": lambda e: (
            e.told("csat_reminder") >= 3 and e.told("survey_task") >= 3
        ),
        "closed: answered, resolved, confirmed and rated": lambda e: (
            e.count("tickets WHERE state = 'closed'") >= 6
        ),
    }


def _followed_up() -> Facts:
    return {
        "the supervisor was alerted, in the customer's own words": lambda e: (
            e.told("low_score_alert", SUPERVISOR.email, LOW_COMMENT) == 1
        ),
        "reminded after 24 and 44 hours": lambda e: e.told("followup_reminder", SUPERVISOR.email) == 2,
        "48 hours missed": lambda e: e.clocks("followup_start", "breached_at IS NOT NULL") == 1,
        "escalated: supervisor and head were told": lambda e: (
            all(e.told("followup_overdue", person.email) for person in (SUPERVISOR, HEAD))
            and e.logged("escalated", "followup_start") >= 1
        ),
        "taken by link, and the customer reached": lambda e: (
            e.logged("followup_owner") == 1 and e.clocks("followup_start", "ended_reason = 'met_late'") == 1
        ),
        "measure set, re-evaluated: 已达标": lambda e: (
            e.logged("followup_measure") == 1 and e.count("followups WHERE state = 'met'") == 1
        ),
    }


def _booked() -> Facts:
    return {
        "every SMS was reported delivered": lambda e: (
            len(e.sms) == e.count("notifications WHERE channel = 'sms' AND state = 'delivered'") > 0
        ),
        "every mail stands in the ledger and was caught exactly once": _once_each,
        "nothing failed, bounced, hung or stayed unread": lambda e: (
            e.count(f"notifications WHERE state IN {UNHAPPY_ENDS}") == 0
            and e.count("intake_events WHERE state = 'poison'") == 0
        ),
    }


def _once_each(e: Evidence) -> bool:
    idents = [mail.notification for mail in e.mails]
    sent = e.ledger.rows("SELECT id FROM notifications WHERE channel = 'email' AND state = 'sent'")
    return len(idents) == len(set(idents)) and {row["id"] for row in sent} == set(idents) != set()
