"""Whose mail is taken: the team's address, its plus addresses, and the domain of the reply addresses."""

from __future__ import annotations

from workers.settings import Settings


def own_addresses(settings: Settings) -> frozenset[tuple[str, str]]:
    """The (local part, domain) pairs that mail is taken for: the team's address, and the reply addresses'."""
    local, _, domain = settings.mail_from.lower().rpartition("@")
    base = local.partition("+")[0]
    return frozenset({(local, domain), (base, domain), (base, settings.mail_domain.lower())})


def is_own(address: str, own: frozenset[tuple[str, str]]) -> bool:
    """Whether an envelope recipient is one of `own`, with or without a +tag, case ignored."""
    local, _, domain = address.strip().strip("<>").lower().rpartition("@")
    return (local, domain) in own or (local.partition("+")[0], domain) in own
