"""From the URLs of an installation to the channel that sends its text messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from workers.channels.sms.aliyun import AliyunSms
from workers.channels.sms.bird import BirdSms
from workers.channels.sms.generic import GenericSms
from workers.channels.sms.http import HttpSms
from workers.channels.sms.plivo import PlivoSms
from workers.channels.sms.registry import TemplateBook
from workers.channels.sms.several import SeveralSms
from workers.channels.sms.tencent import TencentSms
from workers.channels.sms.twilio import TwilioSms
from workers.channels.sms.url import TwilioAccount, parse_sms_url
from workers.channels.sms.vonage import VonageSms
from workers.clock import Clock
from workers.metrics import Metrics

_Plain = type[VonageSms] | type[PlivoSms] | type[BirdSms] | type[GenericSms]
_PLAIN: Mapping[str, _Plain] = MappingProxyType(
    {"vonage": VonageSms, "plivo": PlivoSms, "bird": BirdSms, "http": GenericSms}
)
_TEMPLATED: Mapping[str, type[AliyunSms] | type[TencentSms]] = MappingProxyType(
    {"aliyun": AliyunSms, "tencent": TencentSms}
)


def sms_channel(
    url: str,
    clock: Clock,
    status_callback: str | None = None,
    *,
    templates: TemplateBook | None = None,
    timeout: float = 20,
    connections: int = 4,
) -> HttpSms:
    """The channel for the provider named in `url` (see `parse_sms_url`).

    `status_callback` is the URL that receipts are asked for at, for providers that are told it with each
    message. `templates` serves the providers of approved templates. `timeout`: seconds for one message,
    `connections`: how many are sent at a time. Raises SettingsError.
    """
    account = parse_sms_url(url, status_callback=status_callback)
    if isinstance(account, TwilioAccount):
        return TwilioSms(account, clock, timeout=timeout, connections=connections)
    if account.provider in _TEMPLATED:
        book = templates or TemplateBook()
        return _TEMPLATED[account.provider](account, clock, book, timeout=timeout, connections=connections)
    return _PLAIN[account.provider](account, clock, timeout=timeout, connections=connections)


def sms_channels(
    urls: Sequence[str],
    clock: Clock,
    hooks: str,
    *,
    templates: TemplateBook | None = None,
    timeout: float = 20,
    connections: int = 4,
    metrics: Metrics | None = None,
) -> SeveralSms:
    """One channel over the providers named in `urls`, first choice first.

    `hooks` is the address below which each provider's receipts are asked for. Raises SettingsError.
    """
    providers = [
        sms_channel(
            url, clock, f"{hooks}/{parse_sms_url(url).provider}", templates=templates, timeout=timeout,
            connections=connections,
        )
        for url in urls
    ]  # fmt: skip # packed, to be read at a glance
    return SeveralSms(providers, timeout=timeout, connections=connections, metrics=metrics)
