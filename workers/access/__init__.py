"""Who comes in: what roles and keys may, sessions of browsers, keys of the API, which tickets one sees."""

from workers.access.keys import (
    KeyGiven,
    add_key,
    every_key,
    key_of,
    needs_noting,
    note_use,
    revoke_key,
    revoke_keys_of,
)
from workers.access.scopes import Scope
from workers.access.seeing import agent_may, entries_seen_by, seen_by, seen_rows, talks_seen_by
from workers.access.sessions import LONGEST as LONGEST_SESSION
from workers.access.sessions import (
    end_own,
    end_session,
    end_sessions,
    note_seen,
    open_session,
    open_sessions,
    session_of,
)
from workers.access.sessions import living as living_sessions
from workers.access.sessions import needs_noting as session_needs_noting

__all__ = [
    "LONGEST_SESSION",
    "KeyGiven",
    "Scope",
    "add_key",
    "agent_may",
    "end_own",
    "end_session",
    "end_sessions",
    "entries_seen_by",
    "every_key",
    "key_of",
    "living_sessions",
    "needs_noting",
    "note_seen",
    "note_use",
    "open_session",
    "open_sessions",
    "revoke_key",
    "revoke_keys_of",
    "seen_by",
    "seen_rows",
    "session_needs_noting",
    "session_of",
    "talks_seen_by",
]
