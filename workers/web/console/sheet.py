"""Pages made of tables, pairs and forms: what a section holds, in words that the template says.

A word is a small dict, so that the page can be shown in the reader's language and zone: `label` (a code of a
group of the labels), `text`, `moment` (UTC), `link`, `badge`, `words` (several), `lines` (of a customer).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import Request
from starlette.responses import Response

from workers.errors import CloseloopError, Conflict, InvalidInput
from workers.web.api.values import within_a_lifetime
from workers.web.console.door import Visit
from workers.web.console.frame import show
from workers.web.problems import ChangedMeanwhile

Word = dict[str, Any]
UNPROCESSABLE = 422
CONFLICT = 409


def label(code: str, group: str = "sheet", **values: object) -> Word:
    """The words for a code of a group of labels."""
    return {"label": code, "group": group, "values": values}


def text(words: object) -> Word:
    """Words as they are; nothing for None."""
    return {"text": "" if words is None else str(words)}


def moment(at: datetime | None) -> Word:
    """A moment in the team's zone."""
    return {"moment": at.isoformat()} if at is not None else text("")


def link(url: str, words: Word) -> Word:
    """Words that lead somewhere in the console."""
    return {"link": url, "word": words}


def badge(words: Word, kind: str = "plain") -> Word:
    """Words in a frame: plain, good or bad."""
    return {"badge": words, "kind": kind}


def both(*parts: Word) -> Word:
    """Several words, one after the other."""
    return {"words": list(parts)}


def lines(words: str) -> Word:
    """Words of several lines, as somebody wrote them."""
    return {"lines": words}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a form. `kind`: line, area, select, check, date, moment or hidden.

    `options` are pairs of a value and its word.
    """

    name: str
    label: Word | None = None
    kind: str = "line"
    value: str = ""
    options: Sequence[tuple[str, Word]] = ()
    need: bool = False
    limit: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form that is posted; `asks` is said before its button."""

    name: str
    url: str
    title: Word
    button: Word
    fields: Sequence[Field] = ()
    asks: Word | None = None
    danger: bool = False
    opened: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of cells under heads; `acts` has the forms of each row."""

    caption: Word
    heads: Sequence[Word]
    rows: Sequence[Sequence[Word]]
    acts: Sequence[Sequence[Form]] = ()
    empty: Word = field(default_factory=lambda: label("empty"))
    live: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a page, in this order: words, pairs, table, forms."""

    title: Word | None = None
    intro: Sequence[Word] = ()
    pairs: Sequence[tuple[Word, Word]] = ()
    table: Table | None = None
    forms: Sequence[Form] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A page: title, filters (fields of a GET form at `url`), sections, and where the list goes on."""

    title: Word
    url: str
    sections: Sequence[Section]
    filters: Sequence[Field] = ()
    back: tuple[str, Word] | None = None
    tools: Sequence[Word] = ()
    cursor: str | None = None
    paged: bool = False


def show_sheet(
    request: Request, visit: Visit, sheet: Sheet, *, refused: CloseloopError | None = None
) -> Response:
    """The page; with `refused` it says what was wrong, and what was typed is still there."""
    given = dict(request.query_params)
    facts: dict[str, Any] = asdict(sheet)
    for each in facts["sections"]:
        each["pairs"] = [pair for pair in each["pairs"] if pair[1] != text("")]
    facts["filtered"] = any(given.get(each.name) for each in sheet.filters)
    facts["next_url"] = _address(sheet.url, {**given, "cursor": sheet.cursor}) if sheet.cursor else None
    first = {name: value for name, value in given.items() if name != "cursor"}
    facts["first_url"] = _address(sheet.url, first) if "cursor" in given else None
    facts["refused"] = None
    if refused is not None:
        facts["refused"] = {"message": refused.message, "hint": refused.hint}
        facts["sections"] = _with_typed(facts["sections"], visit.fields)
        if isinstance(refused, ChangedMeanwhile):
            facts["stale"] = True
    status = 200 if refused is None else CONFLICT if isinstance(refused, Conflict) else UNPROCESSABLE
    return show(request, visit, "console_sheet", facts, status=status)


def _address(url: str, query: Mapping[str, Any]) -> str:
    kept = [(name, value) for name, value in query.items() if value and name not in ("done", "lang")]
    return f"{url}?{urlencode(kept)}" if kept else url


def _with_typed(sections: Iterable[dict[str, Any]], typed: Mapping[str, str]) -> list[dict[str, Any]]:
    """The form that was sent is open again, and holds what was typed."""
    found = list(sections)
    which = typed.get("act", "")
    for section in found:
        for form in section["forms"]:
            if form["name"] != which:
                continue
            form["opened"] = True
            for each in form["fields"]:
                if each["kind"] != "hidden":
                    each["value"] = typed.get(each["name"], "")
    return found


def day(typed: str, zone: ZoneInfo) -> datetime | None:
    """The beginning of a day in the team's zone; None where none was typed. Raises InvalidInput."""
    if not typed:
        return None
    try:
        return within_a_lifetime(datetime.strptime(typed, "%Y-%m-%d").replace(tzinfo=zone))
    except ValueError as error:
        raise InvalidInput("this is no day", hint="write 2026-05-20") from error


def options(group: str, codes: Iterable[str], *, first: str = "any") -> list[tuple[str, Word]]:
    """Choices with the words of a group of labels; the first one means none of them."""
    return [("", label(first)), *((str(code), label(str(code), group)) for code in codes)]
