"""Which mail providers' webhooks are understood, and the accounts of an installation at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from workers.errors import BadSignature, InvalidInput, NotFound, SettingsError, Unavailable
from workers.intake.outside import Outside
from workers.intake.providers.calls import HookRequest
from workers.intake.providers.mail.account import MailAccount, parse_account
from workers.intake.providers.mail.brevo import Brevo
from workers.intake.providers.mail.mailgun import Mailgun
from workers.intake.providers.mail.mailjet import Mailjet
from workers.intake.providers.mail.mandrill import Mandrill
from workers.intake.providers.mail.port import MailProvider
from workers.intake.providers.mail.postmark import Postmark
from workers.intake.providers.mail.proof import Stale
from workers.intake.providers.mail.resend import Resend
from workers.intake.providers.mail.sendgrid import SendGrid
from workers.intake.providers.mail.ses import Ses
from workers.intake.providers.mail.sparkpost import SparkPost

PROVIDERS: Mapping[str, MailProvider] = MappingProxyType(
    {
        each.name: each
        for each in (
            Mailgun(),
            SendGrid(),
            Postmark(),
            Ses(),
            Mandrill(),
            Brevo(),
            SparkPost(),
            Resend(),
            Mailjet(),
        )
    }
)


def check_accounts(urls: Sequence[str]) -> None:
    """Raises SettingsError for the first URL of CLOSELOOP_EMAIL_HOOKS by which nothing could be proved."""
    for place, url in enumerate(urls, start=1):
        account = parse_account(url)
        provider = PROVIDERS.get(account.provider)
        try:
            if provider is None:
                known = ", ".join(f"{each}://…" for each in PROVIDERS)
                raise SettingsError(f"there is no mail provider {account.provider}", f"known are {known}")
            account.number("window", 0)
            provider.check(account)
        except SettingsError as error:
            where = f"CLOSELOOP_EMAIL_HOOKS (number {place}): {error.message}"
            raise SettingsError(where, error.hint) from error


def accounts_at(name: str, urls: Sequence[str]) -> tuple[MailAccount, ...]:
    """The installation's accounts at a provider, in the order of CLOSELOOP_EMAIL_HOOKS."""
    found = (parse_account(url) for url in urls)
    return tuple(account for account in found if account.provider == name)


def need_accounts(name: str, urls: Sequence[str]) -> tuple[MailProvider, tuple[MailAccount, ...]]:
    """A provider and the accounts at it. Raises NotFound when there is none of them."""
    provider = PROVIDERS.get(name)
    if provider is None:
        known = ", ".join(f"/hooks/email/{each}" for each in ("raw", *PROVIDERS))
        raise NotFound(f"there is no mail provider {name[:24]}", f"known are {known}")
    accounts = accounts_at(name, urls)
    if not accounts:
        raise NotFound(f"{name} is not set up here", f"set CLOSELOOP_EMAIL_HOOKS to {provider.expected}")
    return provider, accounts


def proved_by(
    provider: MailProvider, call: HookRequest, accounts: Sequence[MailAccount], outside: Outside
) -> MailAccount:
    """The account that proves the call; every one is tried, so that an old and a new secret are both valid.

    Raises the error of the account that came nearest: BadSignature, of it rather `Stale`, or Unavailable.
    """
    errors: list[Exception] = []
    for account in accounts:
        try:
            provider.verify(call, account, outside)
        except (BadSignature, Unavailable) as error:
            errors.append(error)
        except InvalidInput as error:  # a stranger's nonsense must not be taken for an account's, and kept
            errors.append(BadSignature(error.message, error.hint))
        else:
            return account
    raise max(errors, key=lambda error: (isinstance(error, Unavailable), isinstance(error, Stale)))
