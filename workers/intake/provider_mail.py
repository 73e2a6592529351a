"""What a mail provider's stored events are at the desk: a mail's bytes, or an address to be confirmed."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from urllib.parse import urlsplit

from workers.errors import Forbidden, InvalidInput, Unavailable
from workers.intake.fetching import FetchRefused
from workers.intake.filed import NotYet
from workers.intake.outside import Outside
from workers.intake.providers.mail.registry import PROVIDERS, accounts_at
from workers.intake.store import Event

CONFIRMATION_CAP = 256 * 1024
FETCHED = frozenset({"brevo", "resend"})
"""Whose mails, or their attachments, are fetched when they are read: that may take its time."""


def mail_bytes(event: Event, urls: Sequence[str], outside: Outside) -> bytes:
    """The RFC 5322 bytes of a stored mail, whoever sent it in; `urls` are CLOSELOOP_EMAIL_HOOKS.

    Blocks, since some providers keep the mail until it is fetched. Raises InvalidInput, FetchRefused, and
    NotYet while it cannot be fetched.
    """
    provider = PROVIDERS.get(event.source)
    if provider is None:
        return event.raw
    details = event.envelope.get("details")
    if not isinstance(details, dict):
        raise InvalidInput("the envelope does not say how the mail is to be read")
    try:
        return provider.mime(event.raw, details, accounts_at(event.source, urls), outside)
    except Unavailable as error:
        raise NotYet(error.message, error.hint) from error


class _Closed(Outside):
    """Fetches nothing."""

    def __init__(self) -> None:
        pass

    def get(
        self, url: str, *, hosts: Collection[str], cap: int, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """Raises FetchRefused."""
        raise FetchRefused("nothing is fetched to be looked at")


def bytes_at_hand(event: Event, urls: Sequence[str]) -> bytes:
    """As `mail_bytes`, from what is stored alone, for who only looks. Raises InvalidInput, FetchRefused."""
    try:
        return mail_bytes(event, urls, _Closed())
    except NotYet as error:
        told = "the provider still has it: it is fetched when the event is worked off"
        raise FetchRefused(told) from error


def confirm(event: Event, outside: Outside) -> None:
    """Fetch the address by which the provider makes sure that its calls are wanted. Blocks.

    Raises Forbidden for an address elsewhere, FetchRefused, Unavailable.
    """
    url, hosts = str(event.envelope.get("url", "")), str(event.envelope.get("hosts", ""))
    host = (urlsplit(url).hostname or "").lower()
    if not hosts or not re.fullmatch(hosts, host):
        raise Forbidden("the confirmation leads to somebody else than the provider")
    outside.get(url, hosts={host}, cap=CONFIRMATION_CAP)
