"""Why a command was not carried out, as a code that has its words in both languages."""

from __future__ import annotations

from models.tickets import Ticket
from models.vocabulary import TicketState
from workers.errors import CloseloopError, Forbidden


class Refused(CloseloopError):
    """A command that cannot be carried out. `code` is a label of the group `command_refused`; `name` and `at`
    (ISO 8601) are filled into its words.
    """

    def __init__(self, code: str, *, name: str = "", at: str | None = None) -> None:
        super().__init__(code)
        self.code, self.name, self.at = code, name, at


def refusal_of(command: str, error: CloseloopError, ticket: Ticket) -> Refused:
    """The code for what a step refused. The rules are the step's; this only finds the words for them."""
    if ticket.state in (TicketState.RESOLVED, TicketState.CLOSED) and command in _OPEN_ONLY:
        return Refused("finished")
    if isinstance(error, Refused):
        return error
    if isinstance(error, Forbidden):
        return Refused("not_allowed")
    if command in ("accept", "resolve", "wait") and ticket.resolved_at is not None:
        return Refused("result_given")
    return Refused(_REFUSED.get((command, type(error).__name__), "not_possible"))


_OPEN_ONLY = frozenset(
    {"accept", "extend", "transfer", "escalate", "resolve", "priority", "category", "wait"}
)
_REFUSED = {
    ("accept", "Conflict"): "other_handler",
    ("extend", "InvalidInput"): "needs_reason",
    ("transfer", "InvalidInput"): "needs_reason",
    ("escalate", "InvalidInput"): "needs_reason",
    ("progress", "InvalidInput"): "needs_words",
    ("inform", "InvalidInput"): "needs_words",
    ("plan", "InvalidInput"): "needs_words",
    ("resolve", "InvalidInput"): "needs_result",
    ("phone", "Conflict"): "answered_already",
    ("wait", "Conflict"): "waits_already",
    ("resume", "Conflict"): "does_not_wait",
    ("junk", "Conflict"): "not_dismissible",
    ("ticket", "Conflict"): "not_dismissed",
    ("unconfirmed", "Conflict"): "nothing_to_confirm",
    ("unconfirmed", "InvalidInput"): "needs_reason",
}
