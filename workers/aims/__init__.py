"""What targets and improvements share: a figure over a window, its words, the log, and whom to tell."""

from workers.aims.log import Written, history_of, note
from workers.aims.looking import FEWEST, Look, look, measure_named, window_before, window_of
from workers.aims.scope import SCOPE, kept_scope, narrowing_for, shown_scope
from workers.aims.telling import owner_or_stand_in, team_supervisor, tell
from workers.aims.wording import measure_name, value_words

__all__ = [
    "FEWEST",
    "SCOPE",
    "Look",
    "Written",
    "history_of",
    "kept_scope",
    "look",
    "measure_name",
    "measure_named",
    "narrowing_for",
    "note",
    "owner_or_stand_in",
    "shown_scope",
    "team_supervisor",
    "tell",
    "value_words",
    "window_before",
    "window_of",
]
