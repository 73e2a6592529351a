"""All settings, CLOSELOOP_*, checked once: every mistake is listed, none is found by running into it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from email.utils import parseaddr
from pathlib import Path
from typing import Any, TypeVar

from models.crypto import KeyRing
from workers.errors import SettingsError
from workers.settings import backups, values
from workers.settings.broker_url import parse_broker_url, parse_limits_url
from workers.settings.chat import ChatGroup, parse_chat_urls
from workers.settings.imap_url import MailboxUrl, parse_imap_urls

PREFIX = "CLOSELOOP_"
NO_SETTINGS = frozenset({"mail_from_name", "texts"})
"""Fields that are found in others."""
DEFAULT_SENDER = "support@closeloop.localhost"
DEFAULT_PUBLIC_URL = "http://127.0.0.1:8000"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the operator decided; each field is the CLOSELOOP_* variable of its name in capitals.

    URLs that may carry a password and all keys stay out of `repr`. Empty `hook_token` or `api_key`
    close the door that they would open.
    """

    secret_keys: KeyRing = field(repr=False)
    database_url: str = field(repr=False)
    data: Path
    lost_keys: tuple[str, ...] = ()
    broker_url: str = field(default="", repr=False)
    limits_url: str = field(default="", repr=False)
    smtp_url: tuple[str, ...] = field(default=(), repr=False)
    sms_url: tuple[str, ...] = field(default=(), repr=False)
    email_hooks: tuple[str, ...] = field(default=(), repr=False)
    chat_urls: tuple[ChatGroup, ...] = ()
    imap_url: tuple[MailboxUrl, ...] = field(default=(), repr=False)
    smtp_intake: str = ""
    smtp_intake_cert: Path | None = None
    smtp_intake_key: Path | None = None
    public_url: str = DEFAULT_PUBLIC_URL
    mail_from: str = DEFAULT_SENDER
    mail_from_name: str = ""
    mail_domain: str = "closeloop.localhost"
    dkim: str = ""
    policy: str = "support-response"
    hook_token: str = field(default="", repr=False)
    api_key: str = field(default="", repr=False)
    admin: str = ""
    mode: values.Mode = "test"
    timezone: str = "Asia/Shanghai"
    locale: str = "zh_CN"
    staff_domains: tuple[str, ...] = ()
    auth_servers: tuple[str, ...] = ()
    clock_speed: float = 1.0
    clock_start: values.ClockStart | None = None
    keep_bodies_days: int = 90
    keep_raw_days: int = 30
    keep_communications_days: int = 1095
    keep_backups_days: int = 30
    keep_audit_days: int = 1095
    keep_audit_details_days: int = 180
    audit_heads: Path | None = None
    keep_customers_days: int | None = None
    purge_communications_days: int = 7
    log_level: str = "info"
    send_timeout: int = 30
    lease: int = 120
    webhook_http: bool = False
    webhook_networks: tuple[values.Network, ...] = ()
    backup_dir: Path | None = None
    backup_hours: int = 24
    backup_keep: int = 14
    backup_passphrase: str = field(default="", repr=False)
    backup_key: str = ""
    texts: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """What was set, by name, as it was written: for a backup of the settings themselves."""
    metrics: tuple[str, int] | None = None
    heartbeat_url: str = field(default="", repr=False)
    otel: str = field(default="", repr=False)


def load_settings(environ: Mapping[str, str], data: Path | None = None) -> Settings:
    """Settings from environment variables; `data` overrides CLOSELOOP_DATA.

    Any NAME may be given as NAME_FILE, the path of a file that holds the value (container secrets).
    Raises SettingsError that lists all mistakes, one a line, never showing a secret.
    """
    return _Reader(environ).settings(data)


class _Reader:
    """Reads values and collects mistakes instead of stopping at the first."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
        self._collector = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
        self._mistakes: list[str] = []
        self._texts: dict[str, str] = {}

    def settings(self, data: Path | None) -> Settings:
        self._refuse_unknown()
        folder = (data or Path(self._value("DATA") or "data")).expanduser().absolute()
        name, sender = self._sender()
        found: dict[str, Any] = {
            "secret_keys": self._parsed("SECRET_KEYS", "", self._key_ring),
            "database_url": self._parsed(
                "DATABASE_URL", f"sqlite+aiosqlite:///{folder}/closeloop.db", values.database
            ),
            "data": folder,
            "lost_keys": self._parsed("LOST_KEYS", "", values.names),
            "broker_url": self._parsed("BROKER_URL", "", parse_broker_url),
            "limits_url": self._parsed("LIMITS_URL", "", parse_limits_url),
            "smtp_url": self._parsed("SMTP_URL", "", values.smtp_urls),
            "sms_url": self._parsed("SMS_URL", "", values.sms_urls),
            "email_hooks": self._parsed("EMAIL_HOOKS", "", values.email_hooks),
            "chat_urls": self._parsed("CHAT_URLS", "", parse_chat_urls),
            "imap_url": self._parsed("IMAP_URL", "", parse_imap_urls),
            "smtp_intake": self._parsed("SMTP_INTAKE", "", values.listening),
            "smtp_intake_cert": self._parsed("SMTP_INTAKE_CERT", "", values.path),
            "smtp_intake_key": self._parsed("SMTP_INTAKE_KEY", "", values.path),
            "public_url": self._parsed("PUBLIC_URL", DEFAULT_PUBLIC_URL, values.public_url),
            "mail_from": sender,
            "mail_from_name": name,
            "mail_domain": self._parsed("MAIL_DOMAIN", sender.rpartition("@")[2], values.domain),
            "dkim": self._parsed("DKIM", "", values.dkim),
            "policy": self._value("POLICY") or "support-response",
            "hook_token": self._parsed("HOOK_TOKEN", "", values.secret),
            "api_key": self._parsed("API_KEY", "", values.secret),
            "admin": self._parsed("ADMIN", "", values.address),
            "mode": self._parsed("MODE", "test", values.mode),
            "timezone": self._parsed("TIMEZONE", "Asia/Shanghai", values.zone),
            "locale": self._parsed("LOCALE", "zh_CN", values.locale),
            "staff_domains": self._parsed("STAFF_DOMAINS", "", values.domains),
            "auth_servers": self._parsed("AUTH_SERVERS", "", values.domains),
            "clock_speed": self._parsed("CLOCK_SPEED", "1", values.speed),
            "clock_start": self._parsed("CLOCK_START", "", values.clock_start),
            "keep_bodies_days": self._parsed("KEEP_BODIES_DAYS", "90", values.days),
            "keep_raw_days": self._parsed("KEEP_RAW_DAYS", "30", values.days),
            "keep_communications_days": self._parsed("KEEP_COMMUNICATIONS_DAYS", "1095", values.days),
            "keep_customers_days": self._parsed("KEEP_CUSTOMERS_DAYS", "", values.days_or_ever),
            "keep_audit_days": self._parsed("KEEP_AUDIT_DAYS", "1095", values.days),
            "keep_audit_details_days": self._parsed("KEEP_AUDIT_DETAILS_DAYS", "180", values.days),
            "audit_heads": self._parsed("AUDIT_HEADS", "", values.path),
            "keep_backups_days": self._parsed("KEEP_BACKUPS_DAYS", "30", values.days),
            "purge_communications_days": self._parsed("PURGE_COMMUNICATIONS_DAYS", "7", values.days),
            "log_level": self._parsed("LOG_LEVEL", "info", values.log_level),
            "send_timeout": self._parsed("SEND_TIMEOUT", "30", values.seconds),
            "lease": self._parsed("LEASE", "120", values.seconds),
            "webhook_http": self._parsed("WEBHOOK_HTTP", "no", values.yes_no),
            "webhook_networks": self._parsed("WEBHOOK_NETWORKS", "", values.networks),
            "backup_dir": self._parsed("BACKUP_DIR", "", values.path),
            "backup_hours": self._parsed("BACKUP_HOURS", "24", backups.hours),
            "backup_keep": self._parsed("BACKUP_KEEP", "14", backups.copies),
            "backup_passphrase": self._parsed("BACKUP_PASSPHRASE", "", backups.passphrase),
            "backup_key": self._parsed("BACKUP_KEY", "", backups.public_key),
            "metrics": self._parsed("METRICS", "", values.host_and_port),
            "heartbeat_url": self._parsed("HEARTBEAT_URL", "", values.heartbeat_url),
            "otel": self._parsed("OTEL", self._collector, values.collector_url),
        }
        self._check_together(found)
        if self._mistakes:
            raise SettingsError("\n".join(self._mistakes), hint="see ops/docs, or run `closeloop check`")
        return Settings(**found, texts=tuple(sorted(self._texts.items())))

    def _refuse_unknown(self) -> None:
        known = [PREFIX + item.name.upper() for item in fields(Settings) if item.name not in NO_SETTINGS]
        for name in sorted(self._environ):
            if name.removesuffix("_FILE") in known:
                continue
            near = difflib.get_close_matches(name, known, n=1)
            self._mistakes.append(f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else ""))

    def _value(self, name: str) -> str:
        text = self._given(name)
        if text:
            self._texts[name] = text
        return text

    def _given(self, name: str) -> str:
        full = PREFIX + name
        given, path = self._environ.get(full, ""), self._environ.get(f"{full}_FILE", "")
        if not path:
            return given.strip()
        if given:
            self._mistakes.append(f"{full} and {full}_FILE are both set: keep one")
        try:
            return Path(path).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            self._mistakes.append(
                f"{full}_FILE cannot be read: {getattr(error, 'strerror', None) or 'not text'}"
            )
            return ""

    def _parsed(self, name: str, default: str, parse: Callable[[str], T]) -> T | None:
        try:
            return parse(self._value(name) or default)
        except ValueError as error:
            self._mistakes.append(f"{PREFIX}{name} {error}")
            return None

    def _key_ring(self, text: str) -> KeyRing:
        if not text:
            raise ValueError("is needed: id:base64-of-32-bytes (`closeloop up` makes one by itself)")
        try:
            return KeyRing.parse(text)
        except ValueError as error:
            raise ValueError(f"is wrong: {error}") from None

    def _sender(self) -> tuple[str, str]:
        name, address = parseaddr(self._value("MAIL_FROM") or DEFAULT_SENDER)
        if not values.MAIL_ADDRESS.fullmatch(address) or any(ord(letter) < 32 for letter in name):
            self._mistakes.append(f"{PREFIX}MAIL_FROM is not a mail address, nor Name <address>")
            return "", DEFAULT_SENDER
        return name, address

    def _check_together(self, found: Mapping[str, Any]) -> None:
        if found["lease"] and found["send_timeout"] and found["lease"] <= found["send_timeout"]:
            self._mistakes.append(
                f"{PREFIX}LEASE must be longer than {PREFIX}SEND_TIMEOUT: a worker begins nothing that might "
                "outlast its lease, so nothing would ever be sent"
            )
        if (found["smtp_intake_cert"] is None) != (found["smtp_intake_key"] is None):
            self._mistakes.append(
                f"{PREFIX}SMTP_INTAKE_CERT and {PREFIX}SMTP_INTAKE_KEY belong together: set both, or none"
            )
        if found["mode"] != "live":
            return
        for name, why in (
            ("SMTP_URL", "messages have no other way out"),
            ("MAIL_FROM", "customers answer to it"),
            ("PUBLIC_URL", "links in messages lead there"),
        ):
            if not self._environ.get(PREFIX + name) and not self._environ.get(f"{PREFIX}{name}_FILE"):
                self._mistakes.append(f"{PREFIX}{name} is needed in live mode: {why}")
        ways_out = (found["smtp_url"] or (), found["sms_url"] or (), found["chat_urls"] or ())
        if ways_out[0] and values.stays_here(*ways_out):
            return  # a demonstration with a mail catcher: nobody outside hears of its hasty clock
        if found["clock_speed"] not in (None, 1.0):
            self._mistakes.append(f"{PREFIX}CLOCK_SPEED must stay 1 in live mode")
        if found["clock_start"] is not None:
            self._mistakes.append(f"{PREFIX}CLOCK_START must stay empty in live mode")
