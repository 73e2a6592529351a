"""Lists of staff from CSV, as support leads keep them: Chinese or English titles, errors told row by row."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from models.vocabulary import Role
from workers.directory import normal_email, normal_phone
from workers.errors import CloseloopError, InvalidInput
from workers.people import Person
from workers.text import one_line

TITLES = {
    "number": ("工号", "员工编号", "编号", "number", "staff number", "no"),
    "name": ("姓名", "名字", "name"),
    "email": ("邮箱", "电子邮箱", "邮件", "email", "e-mail", "mail"),
    "phone": ("手机", "手机号", "电话", "phone", "mobile"),
    "role": ("角色", "职务", "role"),
    "team": ("组", "组别", "团队", "部门", "team"),
    "skills": ("技能", "skills"),
    "locale": ("语言", "locale", "language"),
    "senior": ("资深", "senior"),
    "open_limit": ("在办上限", "open limit", "open_limit"),
}
NEEDED = ("number", "name", "email")
ROLES = {
    "agent": Role.AGENT, "客服": Role.AGENT, "客服专员": Role.AGENT, "坐席": Role.AGENT, "": Role.AGENT,
    "supervisor": Role.SUPERVISOR, "主管": Role.SUPERVISOR, "组长": Role.SUPERVISOR,
    "quality": Role.QUALITY, "质检": Role.QUALITY, "质检员": Role.QUALITY,
    "administrator": Role.ADMINISTRATOR, "admin": Role.ADMINISTRATOR, "管理员": Role.ADMINISTRATOR,
}  # fmt: skip # packed, to be read at a glance
LOCALES = {
    "": None,
    "en": "en",
    "english": "en",
    "英文": "en",
    "zh": "zh_CN",
    "zh_cn": "zh_CN",
    "中文": "zh_CN",
}
YES = frozenset({"yes", "y", "true", "1", "是", "资深", "senior"})
NO = frozenset({"", "no", "n", "false", "0", "否"})
NUMBER = re.compile(r"[A-Za-z]{1,6}\d{1,8}|\d{1,8}")
TICKET_NUMBER = re.compile(r"CS(?:AT)?\d{11,}", re.IGNORECASE)
LARGEST = 5_000_000
ENCODINGS = ("utf-8-sig", "gb18030")


@dataclass(frozen=True, slots=True)
class Roster:
    """What a file says: people, and for each wrong row its line and what is wrong with it."""

    people: tuple[Person, ...]
    mistakes: tuple[tuple[int, str], ...] = field(default=())


def read_roster(raw: bytes, *, region: str, domains: Collection[str] = ()) -> Roster:
    """Read a CSV (UTF-8 or GB18030, as spreadsheets save it) with a row of titles.

    `region` (ISO 3166) is assumed for numbers without country code; `domains`, if any, are the only ones that
    staff addresses may have. Raises InvalidInput when it is no such table at all.
    """
    if len(raw) > LARGEST:
        raise InvalidInput(f"the file is larger than {LARGEST} bytes")
    rows = csv.reader(io.StringIO(text_of(raw), newline=""))
    titles = _titles(next(rows, []))
    people: list[Person] = []
    mistakes: list[tuple[int, str]] = []
    seen: dict[tuple[str, str], int] = {}
    for cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        line = rows.line_num
        values = {name: one_line(cells[place]) for name, place in titles.items() if place < len(cells)}
        try:
            person = make_person(values, region=region, domains=domains)
        except CloseloopError as error:
            mistakes.append((line, str(error)))
            continue
        doubles = list(_doubles(person, seen, line))
        mistakes.extend((line, words) for words in doubles)
        if not doubles:
            people.append(person)
    return Roster(tuple(people), tuple(mistakes))


def make_person(values: dict[str, str], *, region: str, domains: Collection[str] = ()) -> Person:
    """A person from texts by field (number, name, email, phone, role, team, skills,
    locale, senior, open_limit).

    Raises InvalidInput naming the field that is wrong.
    """
    for name in NEEDED:
        if not values.get(name):
            raise InvalidInput(f"the {name} is missing")
    number = values["number"]
    if not NUMBER.fullmatch(number) or TICKET_NUMBER.fullmatch(number):
        raise InvalidInput(f"{number[:24]} is no staff number", hint="letters and then digits, such as CS001")
    role = ROLES.get(values.get("role", "").lower())
    if role is None:
        raise InvalidInput(
            f"{values['role'][:24]} is no role", hint="agent, supervisor, quality, administrator"
        )
    locale = values.get("locale", "").lower().replace("-", "_")
    if locale not in LOCALES:
        raise InvalidInput(f"{locale[:24]} is no language we have", hint="en or zh_CN")
    email = normal_email(values["email"])
    if domains and email.rpartition("@")[2] not in domains:
        raise InvalidInput(
            "the address is not of the company", hint=f"allowed are {', '.join(sorted(domains))}"
        )
    return Person(
        number=number,
        name=values["name"][:64],
        email=email,
        phone=normal_phone(values["phone"], region) if values.get("phone") else None,
        role=role,
        team=values.get("team") or None,
        skills=tuple(re.split(r"[\s,;，；、/]+", values["skills"])) if values.get("skills") else (),
        locale=LOCALES[locale],
        senior=_yes(values.get("senior", "")),
        open_limit=_open_limit(values.get("open_limit", "")),
    )


def _yes(text: str) -> bool:
    if text.lower() not in YES | NO:
        raise InvalidInput(f"{text[:24]} says neither that they are senior nor that not", hint="yes or no")
    return text.lower() in YES


def _open_limit(text: str) -> int | None:
    if text and not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 1000):
        raise InvalidInput(
            f"{text[:24]} is no limit of open tickets", hint="a number from 1 to 1000, or nothing"
        )
    return int(text) if text else None


def text_of(raw: bytes) -> str:
    """A file as text, in UTF-8 or GB18030, as spreadsheets save it. Raises InvalidInput."""
    for encoding in ENCODINGS:
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InvalidInput("the file is no text in UTF-8 or GB18030", hint="save it as CSV UTF-8")


def _titles(cells: list[str]) -> dict[str, int]:
    known = {title: name for name, titles in TITLES.items() for title in titles}
    found: dict[str, int] = {}
    for place, cell in enumerate(cells):
        name = known.get(cell.strip().lower())
        if name is not None:
            found.setdefault(name, place)
    missing = [f"{TITLES[name][0]} ({name})" for name in NEEDED if name not in found]
    if missing:
        raise InvalidInput(
            f"the first row lacks {', '.join(missing)}",
            hint="titles are 工号,姓名,邮箱,手机,角色,组 or number,name,email,phone,role,team",
        )
    return found


def _doubles(person: Person, seen: dict[tuple[str, str], int], line: int) -> Iterator[str]:
    for kind, value in (("number", person.number.upper()), ("email", person.email)):
        if (kind, value) in seen:
            yield f"the same {kind} stands in line {seen[kind, value]}"
        seen.setdefault((kind, value), line)
