"""What is to be set, from options or answers: settings by name, and people; checked with all the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from email.utils import formataddr
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from workers.errors import InvalidInput

if TYPE_CHECKING:
    from workers.people import Person
    from workers.settings import Settings

NAMES = {
    "admin": "ADMIN",
    "timezone": "TIMEZONE",
    "locale": "LOCALE",
    "public_url": "PUBLIC_URL",
    "imap": "IMAP_URL",
    "smtp_intake": "SMTP_INTAKE",
    "relay": "SMTP_URL",
    "chat": "CHAT_URLS",
    "policy": "POLICY",
}
"""Options that are a setting each."""
FARTHEST = 3650
_DAYS = re.compile(r"([1-9]\d{0,3})d", re.ASCII)


@dataclass(frozen=True)
class Given:
    """Settings to change (names without CLOSELOOP_, values as they are written) and people to enter."""

    changes: Mapping[str, str] = field(default_factory=dict, repr=False)
    admin_name: str = ""
    staff: Path | None = None
    persons: tuple[str, ...] = ()
    webhook: bool = False
    """Whether mail is to be posted, so that a call which does it is shown."""

    @property
    def people_named(self) -> bool:
        """Whether people are to be entered."""
        return bool(self.admin_name or self.staff or self.persons)

    def with_people(self, admin_name: str, staff: Path | None, persons: list[str]) -> Given:
        """The same, and these people: a CSV, and texts NUMBER,NAME,MAIL[,ROLE[,TEAM]]."""
        return replace(self, admin_name=admin_name, staff=staff, persons=tuple(persons))

    def settings(self, folder: Path) -> Settings:
        """All settings as they will be. Raises SettingsError that lists every mistake."""
        from workers.cli.opening import environ
        from workers.settings import known_secrets, known_settings, load_settings
        from workers.settings.own_secrets import MAKERS

        kept = {**known_settings(folder), **{f"CLOSELOOP_{k}": v for k, v in self.changes.items()}}
        kept = {name: value for name, value in kept.items() if value}
        lacking = {name: make() for name, make in MAKERS.items()}
        self._refuse_overruled()
        return load_settings(environ({**lacking, **known_secrets(folder)}, kept, {}), folder)

    def _refuse_overruled(self) -> None:
        import os

        for name, value in self.changes.items():
            said = os.environ.get(f"CLOSELOOP_{name}") or os.environ.get(f"CLOSELOOP_{name}_FILE")
            if said and said != value:
                raise InvalidInput(
                    f"CLOSELOOP_{name} is set in the environment, which would win over what you say here",
                    hint="take it out of the environment, or change it there",
                )

    def roster(self, settings: Settings) -> list[Person]:
        """The people, checked row by row. Raises InvalidInput that lists every wrong row."""
        from workers.cli.roster import make_person, read_roster
        from workers.directory import region_of

        region, people = region_of(settings.timezone), []
        for text in self.persons:
            cells = [cell.strip() for cell in re.split(r"[,，]", text)]
            values = dict(zip(("number", "name", "email", "role", "team"), cells, strict=False))
            people.append(make_person(values, region=region, domains=settings.staff_domains))
        if self.staff is not None:
            found = read_roster(self.staff.read_bytes(), region=region, domains=settings.staff_domains)
            if found.mistakes:
                told = "\n".join(f"line {line}: {words}" for line, words in found.mistakes)
                raise InvalidInput(
                    f"{len(found.mistakes)} rows of {self.staff.name} are wrong; nothing was written\n{told}",
                    hint="put them right, and give the file again",
                )
            people += found.people
        return people


def given_by(folder: Path, options: Mapping[str, str]) -> Given:
    """The settings that options ask for; `@FILE` stands for what the file holds. Raises InvalidInput."""
    changes = {NAMES[name]: _read(text) for name, text in options.items() if name in NAMES and text}
    if options.get("company") or options.get("mail"):
        changes["MAIL_FROM"] = _sender(folder, options.get("company", ""), options.get("mail", ""))
    if options.get("since"):
        zone = changes.get("TIMEZONE") or _kept(folder, "TIMEZONE") or "Asia/Shanghai"
        url = changes.get("IMAP_URL") or _kept(folder, "IMAP_URL")
        if not url:
            raise InvalidInput("--since belongs to a mailbox that is fetched", hint="give --imap, too")
        changes["IMAP_URL"] = with_since(url, options["since"], zone)
    policy = changes.get("POLICY", "")
    if policy and Path(policy).is_file():
        changes["POLICY"] = str(Path(policy).absolute())
    return Given(changes)


def _read(text: str) -> str:
    if not text.startswith("@"):
        return text.strip()
    try:
        return " ".join(Path(text[1:]).expanduser().read_text("utf-8").split())
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise InvalidInput(
            f"{text[1:]} cannot be read: {reason}", hint="after @ comes a file's path"
        ) from error


def _kept(folder: Path, name: str) -> str:
    import os

    from workers.settings import known_settings

    full = f"CLOSELOOP_{name}"
    return os.environ.get(full) or known_settings(folder).get(full, "")


def _sender(folder: Path, company: str, mail: str) -> str:
    """`Company <address>`: what is not said stays as it stands."""
    from email.utils import parseaddr

    name, address = parseaddr(_kept(folder, "MAIL_FROM"))
    address = mail.strip() or address
    if not address:
        raise InvalidInput("the company has no support address yet", hint="give --mail support@…, too")
    name = " ".join((company or name).split())
    return (
        formataddr((name, address), charset="utf-8") if name.isascii() else f'"{_quoted(name)}" <{address}>'
    )


def _quoted(name: str) -> str:
    return name.replace("\\", "").replace('"', "")


def with_since(url: str, since: str, zone: str) -> str:
    """The mailbox URLs with `since=` so many days that the whole of the named day is fetched."""
    days = _days_back(since, zone)
    return " ".join(_with_option(each, f"since={days}d") for each in url.split())


def _days_back(text: str, zone: str) -> int:
    today = datetime.now(_zone(zone)).date()
    if found := _DAYS.fullmatch(text):
        return int(found[1])
    try:
        day = today - timedelta(1) if text == "yesterday" else date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{text[:32]} is no day", hint="write 2026-05-20, yesterday or 7d") from error
    if not 0 <= (today - day).days < FARTHEST:
        raise InvalidInput(f"{text[:32]} lies in the future, or too far back", hint="name a day gone by")
    return (today - day).days + 1


def _zone(name: str) -> tzinfo:
    """The zone; UTC for a wrong name, of which the settings tell when all of them are checked."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return UTC


def _with_option(url: str, option: str) -> str:
    base, _, query = url.partition("?")
    kept = [each for each in query.split("&") if each and not each.startswith(option.partition("=")[0] + "=")]
    return f"{base}?{'&'.join([*kept, option])}"


def settings_told(changes: Mapping[str, Any]) -> list[str]:
    """The names of what is changed, as they stand in the file; never a value."""
    return sorted(f"CLOSELOOP_{name}" for name in changes)
