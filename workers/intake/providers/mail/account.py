"""Which mail providers may call: one URL of CLOSELOOP_EMAIL_HOOKS names one account and its secret."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from workers.errors import SettingsError

_SCHEME = re.compile(r"[a-z][a-z0-9]{1,23}")
SHORTEST_TOKEN = 16


@dataclass(frozen=True, slots=True)
class MailAccount:
    """An account at a provider: `user` and `secret` as they stand before the @ of its URL (each may be ""),
    `options` those behind its ?; an option may be given several times.

    Several accounts of one provider are several URLs; so are an old and a new secret of one account.
    """

    provider: str
    user: str = ""
    secret: str = field(default="", repr=False)
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    def option(self, name: str, default: str = "") -> str:
        """The last value given for an option."""
        return next(reversed(self.options.get(name, (default,))), default)

    def number(self, name: str, default: int) -> int:
        """An option that is a whole number. Raises SettingsError."""
        given = self.option(name)
        if not given:
            return default
        if not re.fullmatch(r"[0-9]{1,6}", given):
            raise SettingsError(f"{self.provider}: the option {name} is a whole number")
        return int(given)


def parse_account(url: str) -> MailAccount:
    """The account in `provider://user:secret@?option=value`.

    Keys in Base64 may stand as they are (`/`, `+` and `=` need no percent-encoding); a ? or % in a secret
    does. Raises SettingsError, whose message never contains a secret.
    """
    scheme, colon, rest = url.strip().partition("://")
    if not colon or not _SCHEME.fullmatch(scheme):
        raise SettingsError("mail provider: must look like provider://user:secret@?option=value")
    login, _, query = rest.partition("?")
    login, at, host = login.rpartition("@")
    if host.strip("/") or (not at and login):
        raise SettingsError(f"{scheme}: nothing stands between the @ and the ?")
    user, _, secret = login.partition(":")
    options: dict[str, tuple[str, ...]] = {}
    # A plus sign is one (keys in Base64), never a blank.
    for name, value in parse_qsl(query.replace("+", "%2B"), keep_blank_values=True):
        options[name] = (*options.get(name, ()), value)
    return MailAccount(scheme, unquote(user), unquote(secret), options)


def need_known(account: MailAccount, known: Iterable[str], expected: str) -> None:
    """Raises SettingsError for an option that the provider does not have."""
    if unknown := sorted(set(account.options) - set(known)):
        raise SettingsError(f"{account.provider}: unknown option {', '.join(unknown)}", expected)


def need_login(account: MailAccount, expected: str) -> None:
    """For providers that sign nothing: user and password, or ?token=, long enough not to be guessed.

    Raises SettingsError.
    """
    token = account.option("token")
    if not token and not (account.user and account.secret):
        raise SettingsError(f"{account.provider}: user and password, or a token, are needed", expected)
    shown = (token, account.secret if account.user else "")
    if any(0 < len(each) < SHORTEST_TOKEN for each in shown):
        raise SettingsError(
            f"{account.provider}: the password or token is too short to be safe: "
            f"at least {SHORTEST_TOKEN} characters",
            expected,
        )
