"""Which SMS providers' webhooks are understood, and what proves them for an installation's account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from workers.channels.sms.url import SmsAccount, TwilioAccount, parse_sms_url
from workers.errors import NotFound, SettingsError
from workers.intake.providers.calls import Credentials
from workers.intake.providers.sms import twilio
from workers.intake.providers.sms.aliyun import Aliyun
from workers.intake.providers.sms.bird import Bird
from workers.intake.providers.sms.plivo import Plivo
from workers.intake.providers.sms.port import InboundSms, SmsProvider, SmsStatus, inbound_of, status_of
from workers.intake.providers.sms.tencent import Tencent
from workers.intake.providers.sms.vonage import Vonage

PROVIDERS: Mapping[str, SmsProvider] = MappingProxyType(
    {each.name: each for each in (twilio.Twilio(), Vonage(), Plivo(), Bird(), Aliyun(), Tencent())}
)

_SIGNED_WITH: Mapping[str, str] = MappingProxyType({"vonage": "signature", "bird": "signing"})
"""Where the secret of webhooks is not the one of sending: the option of the URL that holds it."""


def credentials_for(name: str, sms_urls: Sequence[str], hook_token: str) -> tuple[Credentials, ...]:
    """What proves a call of provider `name`: one for each account there, any of them counts.

    Raises NotFound when the installation has no account there: nobody else may call then.
    """
    accounts = [account for url in sms_urls if (account := _account(url)) is not None]
    found = tuple(_credentials(account, hook_token) for account in accounts if account.provider == name)
    if not found:
        named = ", ".join(account.provider for account in accounts)
        hint = f"CLOSELOOP_SMS_URL names {named}" if named else "set CLOSELOOP_SMS_URL"
        raise NotFound(f"{name} is not set up here", hint)
    return found


def _account(url: str) -> TwilioAccount | SmsAccount | None:
    try:
        return parse_sms_url(url)
    except SettingsError:
        return None


def _credentials(account: TwilioAccount | SmsAccount, hook_token: str) -> Credentials:
    if isinstance(account, TwilioAccount):
        return Credentials((account.token, account.previous) if account.previous else (account.token,))
    option = _SIGNED_WITH.get(account.provider)
    newest = account.options.get(option, "") if option else account.token
    secrets = tuple(secret for secret in (newest, account.options.get("previous", "")) if secret)
    return Credentials(secrets, hook_token, account.options)


def read_inbound(source: str, envelope: Mapping[str, Any]) -> InboundSms:
    """The SMS in a stored event. Twilio's events hold its own fields. Raises InvalidInput."""
    if source == "twilio" and "external_id" not in envelope:
        return twilio.parse_inbound(list(envelope.items()))
    return inbound_of(envelope)


def read_status(source: str, envelope: Mapping[str, Any]) -> SmsStatus:
    """The status in a stored event. Twilio's events hold its own fields. Raises InvalidInput."""
    if source == "twilio" and "external_id" not in envelope:
        return twilio.parse_status(list(envelope.items()))
    return status_of(envelope)
