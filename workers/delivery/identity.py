"""As whom a mail goes out, and how what comes back finds its way: return path, reply address, subject tag."""

from __future__ import annotations

import re
from collections.abc import Iterable
from uuid import UUID

from workers.channels.smtp_url import Profile, parse_smtp_urls
from workers.errors import SettingsError
from workers.links import reply_token
from workers.settings import Settings
from workers.vault import Vault

BOUNCE = "bounce"
"""What the ids in return paths are signed for."""
LONGEST_LOCAL = 64

TAG = re.compile(r"\[(?P<number>[A-Z]{2,8}\d{6,24}) #(?P<tag>[a-z2-7]{8})\]", re.IGNORECASE)
"""`[CS202405200001 #k3f9q2ab]` in a subject: the ticket, and 40 bits that only its one holder was given."""


def needs_same_sender(settings: Settings) -> bool:
    """Whether a relay lets nothing through but mail from its login: then there are no plus addresses either.

    True if any relay is of that profile, since a mail is composed before it is known which one will take it.
    Raises SettingsError when CLOSELOOP_MAIL_FROM is not that relay's login.
    """
    relays = parse_smtp_urls(" ".join(settings.smtp_url)) if settings.smtp_url else ()
    strict = [relay for relay in relays if relay.profile is Profile.SAME_SENDER]
    sender = settings.mail_from.lower()
    for relay in strict:
        if (relay.user or "").lower() not in (sender, sender.partition("@")[0]):
            wrong = f"{relay.host} is same-sender, but CLOSELOOP_MAIL_FROM is not its login"
            raise SettingsError(wrong, "set CLOSELOOP_MAIL_FROM to the address that logs in there")
    return bool(strict)


def reply_address(vault: Vault, settings: Settings, ticket_id: UUID, person: UUID) -> str:
    """The plus address whose mail belongs to this ticket, given to this person alone."""
    return plus_address(settings, reply_token(vault, ticket_id, person))


def plus_address(settings: Settings, token: str) -> str:
    """CLOSELOOP_MAIL_FROM with a token: it leads to the same mailbox, wherever that is forwarded to."""
    return f"{_local(settings)}+{token}@{settings.mail_domain}"


def subject_tag(vault: Vault, ticket_id: UUID, person: UUID) -> str:
    """What stands for the reply address where there are no plus addresses; it counts only with the From of
    the person it was given to, since it is short.
    """
    return vault.reply_token(f"tag:{ticket_id.hex}:{person.hex}")[:8]


def tagged(subject: str, number: str, tag: str) -> str:
    """A subject with the tag behind the ticket's number, or at its end if it does not name the number."""
    plain, mark = f"[{number}]", f"[{number} #{tag}]"
    return subject.replace(plain, mark, 1) if plain in subject else f"{subject} {mark}".strip()


def return_path(vault: Vault, settings: Settings, notification_id: UUID) -> str:
    """The envelope sender of one notification's mail (VERP): any bounce of it names it, and proves it.

    A plus address of the mailbox itself, so that bounces come in wherever replies do. Where its local part
    would be longer than RFC 5321 §4.5.3.1.1 allows, CLOSELOOP_MAIL_FROM as it is.
    """
    address = plus_address(settings, vault.signed_id(BOUNCE, notification_id))
    return address if address.index("@") <= LONGEST_LOCAL else settings.mail_from


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


def _local(settings: Settings) -> str:
    return settings.mail_from.partition("@")[0].partition("+")[0]


def _pattern(settings: Settings) -> re.Pattern[str]:
    local, domain = re.escape(_local(settings)), re.escape(settings.mail_domain)
    return re.compile(rf"(?<![\w.+-]){local}\+(?P<token>[a-z2-7]{{42}})@{domain}(?![\w.-])", re.IGNORECASE)
