"""Who comes in: what roles and keys may, sessions of browsers, keys of the API, which tickets one sees."""

from workers.access.keys import KeyGiven, add_key, every_key, key_of, note_use, revoke_key
from workers.access.scopes import Scope
from workers.access.seeing import may_see, must_see, seen_by
from workers.access.sessions import (
    end_own,
    end_session,
    end_sessions,
    note_seen,
    open_session,
    open_sessions,
    session_of,
)

__all__ = [
    "KeyGiven",
    "Scope",
    "add_key",
    "end_own",
    "end_session",
    "end_sessions",
    "every_key",
    "key_of",
    "may_see",
    "must_see",
    "note_seen",
    "note_use",
    "open_session",
    "open_sessions",
    "revoke_key",
    "seen_by",
    "session_of",
]
