"""The life of a ticket, from received to closed. Each step happens in the caller's transaction."""

from models.vocabulary import IMPORTED
from workers.tickets.accepting import TooLate, accept, latest_resolution
from workers.tickets.assigning import assign, assignment_alarm, name_cooperation, transfer, triage
from workers.tickets.changing_policy import Applied, apply_policy, try_policy
from workers.tickets.chatting import chat_alarm
from workers.tickets.choosing import next_handler
from workers.tickets.collecting import first_of_same
from workers.tickets.completing import complete
from workers.tickets.confirming import (
    Unconfirmed,
    chase_confirmation,
    confirm_until,
    confirmation_links,
    note_unconfirmed,
    outcome_link,
    waits_for_confirmation,
    who_rings_up,
)
from workers.tickets.customer import begins_anew, collect, customer_wrote
from workers.tickets.dismissing import dismiss, undo_dismissal
from workers.tickets.extending import decide_request, extend, promised_time, request_escalation
from workers.tickets.finishing import (
    NotComplete,
    close,
    confirm,
    missing_for_closing,
    phone_feedback,
    reopen,
    resolve,
    try_close,
)
from workers.tickets.first_response import record_first_response
from workers.tickets.from_page import wrote_from_page, wrote_lately
from workers.tickets.handing_on import hand_on
from workers.tickets.informing import progress_alarm
from workers.tickets.loading import goes_on_in, remember_message, ticket_by_id, ticket_by_number
from workers.tickets.merging import hold_two, merge, split, undo_merge
from workers.tickets.noting import note, tell_commands
from workers.tickets.opening import Request, language_of, open_ticket
from workers.tickets.replanning import Replanned, replan_batch
from workers.tickets.responding import (
    answer,
    message_accepted,
    message_bounced,
    progress,
    take_back,
    tell_not_sent,
)
from workers.tickets.retiming import follow_case
from workers.tickets.served import service_of
from workers.tickets.shifts import Shift
from workers.tickets.taking_in import Past, take_in
from workers.tickets.triaging import NeedsTriage, to_look_over
from workers.tickets.unasked import ASKING_TO_RATE
from workers.tickets.waiting import resume, wait, waiting_alarm

__all__ = [
    "ASKING_TO_RATE",
    "IMPORTED",
    "Applied",
    "NeedsTriage",
    "NotComplete",
    "Past",
    "Replanned",
    "Request",
    "Shift",
    "TooLate",
    "Unconfirmed",
    "accept",
    "answer",
    "apply_policy",
    "assign",
    "assignment_alarm",
    "begins_anew",
    "chase_confirmation",
    "chat_alarm",
    "close",
    "collect",
    "complete",
    "confirm",
    "confirm_until",
    "confirmation_links",
    "customer_wrote",
    "decide_request",
    "dismiss",
    "extend",
    "first_of_same",
    "follow_case",
    "goes_on_in",
    "hand_on",
    "hold_two",
    "language_of",
    "latest_resolution",
    "merge",
    "message_accepted",
    "message_bounced",
    "missing_for_closing",
    "name_cooperation",
    "next_handler",
    "note",
    "note_unconfirmed",
    "open_ticket",
    "outcome_link",
    "phone_feedback",
    "progress",
    "progress_alarm",
    "promised_time",
    "record_first_response",
    "remember_message",
    "reopen",
    "replan_batch",
    "request_escalation",
    "resolve",
    "resume",
    "service_of",
    "split",
    "take_back",
    "take_in",
    "tell_commands",
    "tell_not_sent",
    "ticket_by_id",
    "ticket_by_number",
    "to_look_over",
    "transfer",
    "triage",
    "try_close",
    "try_policy",
    "undo_dismissal",
    "undo_merge",
    "wait",
    "waiting_alarm",
    "waits_for_confirmation",
    "who_rings_up",
    "wrote_from_page",
    "wrote_lately",
]
