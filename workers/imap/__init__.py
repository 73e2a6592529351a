"""The door of a mailbox: fetches it where nothing can be forwarded (IMAP4rev1, RFC 3501)."""

from workers.imap.fetcher import Fetching

__all__ = ["Fetching"]
