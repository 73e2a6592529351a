"""Which SMS providers' webhooks are understood, and what proves them for an installation's account."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from workers.channels.sms.url import TwilioAccount, parse_sms_url
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


def credentials_for(name: str, sms_url: str, hook_token: str) -> Credentials:
    """What proves a call of provider `name` to the account in `sms_url`.

    Raises NotFound when the installation's account is at another provider: nobody else may call then.
    """
    try:
        account = parse_sms_url(sms_url)
    except SettingsError as error:
        raise NotFound(f"{name} is not set up here", "set CLOSELOOP_SMS_URL") from error
    if account.provider != name:
        raise NotFound(f"{name} is not set up here", f"CLOSELOOP_SMS_URL names {account.provider}")
    if isinstance(account, TwilioAccount):
        return Credentials((account.token, account.previous) if account.previous else (account.token,))
    option = _SIGNED_WITH.get(name)
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
