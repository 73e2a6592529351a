"""The ledger's answers: which messages there are, what became of each, and sending or stopping them again."""

from workers.ledger.deciding import (
    CANCELLABLE,
    RETRYABLE,
    Decided,
    cancel,
    cancel_many,
    hold,
    retry,
    retry_many,
)
from workers.ledger.finding import RARE, UNSETTLED, Wanted, is_walked, matching
from workers.ledger.story import Moment, Story, stories

__all__ = [
    "CANCELLABLE",
    "RARE",
    "RETRYABLE",
    "UNSETTLED",
    "Decided",
    "Moment",
    "Story",
    "Wanted",
    "cancel",
    "cancel_many",
    "hold",
    "is_walked",
    "matching",
    "retry",
    "retry_many",
    "stories",
]
