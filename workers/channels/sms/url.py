"""Where text messages go out: one URL names the provider, the account, its secret and the sender."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from workers.errors import SettingsError

TWILIO_API = "https://api.twilio.com"

_NUMBER = r"\+[1-9]\d{4,14}|\d{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}"
_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_SIGNATURE = r"[^\s【】\[\]/]{2,20}"
_API = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(?:/[A-Za-z0-9._/-]*)?")
_WEB = ("http", "https")


@dataclass(frozen=True, slots=True)
class TwilioAccount:
    """An account and its sender: a number (E.164), a short code, an alphanumeric name, or a messaging
    service.

    `api` is the base URL; `status_callback` the URL that receipts are asked for at, None to ask for none;
    `previous` the former token while it is being replaced: webhooks signed with it are still let in.
    """

    provider: ClassVar[str] = "twilio"
    sid: str
    token: str = field(repr=False)
    sender: str
    api: str = TWILIO_API
    status_callback: str | None = None
    previous: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class SmsAccount:
    """An account at any other provider: `key` and `token` are what it calls them (key and secret, id and
    token, workspace and access key, user and password), `sender` is a number, a name, a channel, a signature
    or an application.

    `api` is the base URL, "" for the provider's own; `options` are those of the URL, some of them secret.
    """

    provider: str
    key: str
    token: str = field(repr=False)
    sender: str
    api: str = field(default="", repr=False)
    status_callback: str | None = None
    options: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class _Form:
    """How the URL of a provider looks."""

    expected: str
    sender: str
    options: frozenset[str] = frozenset()
    needed: frozenset[str] = frozenset()


_FORMS: Mapping[str, _Form] = MappingProxyType(
    {
        "twilio": _Form(
            "twilio://ACCOUNT_SID:AUTH_TOKEN@/+15550100 or …@/MG… for a messaging service",
            rf"MG[0-9a-fA-F]{{32}}|{_NUMBER}",
            frozenset({"previous"}),
        ),
        "vonage": _Form(
            "vonage://API_KEY:API_SECRET@/SENDER?signature=SIGNATURE_SECRET&method=sha256",
            rf"{_NUMBER}|\d{{9,15}}",
            frozenset({"signature", "method", "previous"}),
        ),
        "plivo": _Form(
            "plivo://AUTH_ID:AUTH_TOKEN@/+15550100 or …@/UUID for a powerpack",
            rf"{_UUID}|{_NUMBER}|\d{{9,15}}",
            frozenset({"previous"}),
        ),
        "bird": _Form(
            "bird://WORKSPACE_ID:ACCESS_KEY@/CHANNEL_ID?signing=SIGNING_KEY",
            _UUID,
            frozenset({"signing", "previous"}),
        ),
        "aliyun": _Form(
            "aliyun://ACCESS_KEY_ID:SECRET@/签名?region=cn-hangzhou", _SIGNATURE, frozenset({"region"})
        ),
        "tencent": _Form(
            "tencent://SECRET_ID:SECRET_KEY@/SMS_SDK_APP_ID?sign=签名",
            r"\d{6,16}",
            frozenset({"sign", "region"}),
            frozenset({"sign"}),
        ),
    }
)
_EXPECTED = ", ".join(f"{name}://…" for name in _FORMS) + " or the http(s):// address of a gateway"
_CHECKED: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "region": re.compile(r"[a-z0-9-]{2,30}"),
        "sign": re.compile(_SIGNATURE),
        "method": re.compile(r"md5hash|md5|sha1|sha256|sha512"),
    }
)
_GATEWAY_OPTIONS = frozenset({"_to", "_text", "_from", "_sender", "_format", "_id", "_ok"})


def parse_sms_url(url: str, *, status_callback: str | None = None) -> TwilioAccount | SmsAccount:
    """Return the account named in `url`; ops/docs/sms.md lists the forms and options.

    `api=URL` among the options is for a proxy or a test server. Raises SettingsError; its message never
    contains a secret.
    """
    try:
        parts = urlsplit(url.strip())
        key, token = unquote(parts.username or ""), unquote(parts.password or "")
        options = _options(parts.query)
    except ValueError as error:
        raise SettingsError("SMS URL: not a URL", _EXPECTED) from error
    if parts.scheme in _WEB:
        return _gateway(parts, key, token, options)
    form = _FORMS.get(parts.scheme)
    if form is None:
        raise SettingsError("SMS URL: the provider is not known", _EXPECTED)
    if not key or not token:
        raise SettingsError("SMS URL: the account and its secret are needed", form.expected)
    if not re.fullmatch(r"[A-Za-z0-9-]+", key):
        raise SettingsError("SMS URL: the account has letters and digits only", form.expected)
    sender = unquote(parts.path.lstrip("/"))
    if not re.fullmatch(form.sender, sender):
        raise SettingsError("SMS URL: no usable sender after the slash", form.expected)
    _check_options(form, options)
    api = options.pop("api", "").rstrip("/")
    if parts.scheme == "twilio":
        previous = options.get("previous", "")
        return TwilioAccount(key, token, sender, api or TWILIO_API, status_callback, previous)
    return SmsAccount(parts.scheme, key, token, sender, api, status_callback, options)


def needs_templates(url: str) -> bool:
    """Whether the provider in `url` takes approved templates instead of words."""
    return url.strip().startswith(("aliyun://", "tencent://"))


def _options(query: str) -> dict[str, str]:
    return dict(parse_qsl(query, keep_blank_values=True))


def _check_options(form: _Form, options: Mapping[str, str]) -> None:
    known = form.options | {"api"}
    if unknown := sorted(set(options) - known):
        named = ", ".join(sorted(known))
        raise SettingsError(f"SMS URL: unknown option {', '.join(unknown)}", f"known are {named}")
    if missing := sorted(name for name in form.needed if not options.get(name)):
        raise SettingsError(f"SMS URL: the option {missing[0]} is needed", form.expected)
    if "api" in options and not _API.fullmatch(options["api"].rstrip("/")):
        raise SettingsError("SMS URL: api must be an http or https URL")
    for name, pattern in _CHECKED.items():
        if name in options and not pattern.fullmatch(options[name]):
            raise SettingsError(f"SMS URL: the option {name} cannot be read", form.expected)


def _gateway(parts: SplitResult, key: str, token: str, options: dict[str, str]) -> SmsAccount:
    """Options that begin with an underscore are ours; the others stay in the gateway's address."""
    if not parts.hostname:
        raise SettingsError("SMS URL: the gateway's host is missing", _EXPECTED)
    ours = {name: value for name, value in options.items() if name.startswith("_")}
    if unknown := sorted(
        name for name in ours if name not in _GATEWAY_OPTIONS and not name.startswith("_field.")
    ):
        raise SettingsError(
            f"SMS URL: unknown option {', '.join(unknown)}",
            f"known are {', '.join(sorted(_GATEWAY_OPTIONS))} and _field.NAME",
        )
    if ours.get("_format", "json") not in ("json", "form"):
        raise SettingsError("SMS URL: _format is json or form")
    theirs = urlencode([(name, value) for name, value in options.items() if not name.startswith("_")])
    host = parts.netloc.rpartition("@")[2]
    address = f"{parts.scheme}://{host}{parts.path or '/'}" + (f"?{theirs}" if theirs else "")
    return SmsAccount("http", key, token, ours.get("_sender", ""), address, None, ours)
