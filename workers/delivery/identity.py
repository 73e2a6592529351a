"""As whom a mail goes out: its return path, where bounces find the way back to the notification."""

from __future__ import annotations

import re
from collections.abc import Iterable
from uuid import UUID

from workers.settings import Settings
from workers.vault import Vault

BOUNCE = "bounce"
"""Local part of all return paths; `bounce+<token>@<mail domain>` must lead to the same door as replies."""


def return_path(vault: Vault, settings: Settings, notification_id: UUID) -> str:
    """The envelope sender of one notification's mail (VERP): any bounce of it names it, and proves it.

    49 characters before the @ of the 64 that RFC 5321 §4.5.3.1.1 allows.
    """
    return f"{BOUNCE}+{vault.signed_id(BOUNCE, notification_id)}@{settings.mail_domain}"


def is_return_path(address: str, settings: Settings) -> bool:
    """Whether an envelope recipient looks like one of our return paths; its signature is not checked."""
    return _pattern(settings).fullmatch(address.strip().strip("<>")) is not None


def returned_notification(vault: Vault, settings: Settings, addresses: Iterable[str]) -> UUID | None:
    """The notification whose return path is among `addresses` (or header texts that hold addresses)."""
    pattern = _pattern(settings)
    for address in addresses:
        for found in pattern.finditer(address[:2000]):
            ident = vault.read_signed_id(BOUNCE, found["token"])
            if ident is not None:
                return ident
    return None


def _pattern(settings: Settings) -> re.Pattern[str]:
    domain = re.escape(settings.mail_domain)
    return re.compile(rf"(?<![\w.+-]){BOUNCE}\+(?P<token>[a-z2-7]{{42}})@{domain}(?![\w.-])", re.IGNORECASE)
