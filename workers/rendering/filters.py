"""Jinja filters: times, durations and codes in the reader's language, customers' words made safe to show."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import Environment, Undefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from workers.errors import TemplateError
from workers.text import bare_subject, duration_words, excerpt, mask_free_text, one_line

Labels = Mapping[str, Mapping[str, Mapping[str, str]]]
"""locale -> group -> code -> words."""

_NAMED_SCOPES = ("category", "priority", "channel")  # a team has its own name for itself
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def install(environment: Environment, labels: Labels) -> None:
    """Give `environment` the filters of this module; `labels` are the words for codes."""
    environment.filters.update(
        moment=moment,
        duration=duration,
        label=_label_filter(labels),
        scope=_scope_filter(labels),
        lines=lines,
        quoted=quoted,
        excerpt=excerpt,
        one_line=one_line,
        topic=bare_subject,
        masked=masked,
    )


@pass_context
def moment(context: Context, value: str | datetime, offset: bool = False) -> str:
    """An instant in the team's zone: 5月20日 14:30, 20 May 14:30; with `offset`, 20 May 14:30 (UTC+8).

    `value` is ISO 8601 with an offset (or an aware datetime); the zone's name is the fact `zone`. Readers in
    other countries get `offset`, as "14:30" alone would promise them another time. Raises TemplateError.
    """
    _refuse_missing(value)
    return _moment_words(value, _fact(context, "zone"), _fact(context, "locale").startswith("zh"), offset)


@lru_cache(maxsize=256)  # a mail says the same few times in its text, its HTML and its preview line
def _moment_words(value: str | datetime, zone: str, chinese: bool, offset: bool) -> str:
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise TemplateError("a time is not in ISO 8601", "give e.g. 2024-05-20T06:30:00+00:00") from None
    if at.tzinfo is None:
        raise TemplateError("a time has no zone", "give UTC, e.g. 2024-05-20T06:30:00+00:00")
    local = at.astimezone(_zone(zone))
    clock = f"{local.hour:02}:{local.minute:02}"  # a third of what strftime takes
    if chinese:
        text = f"{local.month}月{local.day}日 {clock}"
    else:
        text = f"{local.day} {_MONTHS[local.month - 1]} {clock}"
    return f"{text} ({_offset(local)})" if offset else text


def _offset(local: datetime) -> str:
    shift = local.utcoffset()
    minutes = int(shift.total_seconds()) // 60 if shift else 0
    hours, rest = divmod(abs(minutes), 60)
    sign = "-" if minutes < 0 else "+"
    return f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "") if minutes else "UTC"


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise TemplateError("the fact `zone` names no time zone", "use e.g. Asia/Shanghai") from None


@pass_context
def duration(context: Context, seconds: float) -> str:
    """Elapsed seconds in words of the reader's language: 3分22秒, 1 h 20 min."""
    _refuse_missing(seconds)
    if not isinstance(seconds, int | float):
        raise TemplateError("a duration is not a number of seconds")
    return duration_words(seconds, _fact(context, "locale"))


def _label_filter(labels: Labels) -> Callable[..., str]:
    @pass_context
    def label(context: Context, code: Any, group: str, **values: object) -> str:
        """The words for a code of `group`; `{name}` in them is filled from `values`.

        A code without words (a team's own category, a relay's rare reason) is shown as it is: a mail with an
        untranslated word is better than none. An unknown group is a mistake of the template: TemplateError.
        """
        _refuse_missing(code)
        text = _words_of(labels, _fact(context, "locale"), group, str(code))
        for name, value in values.items():
            _refuse_missing(value)
            text = text.replace("{" + name + "}", str(value))
        return text

    return label


def _words_of(labels: Labels, locale: str, group: str, code: str) -> str:
    words = labels[locale].get(group)
    if words is None:
        raise TemplateError(f"there is no group of labels named {group!r}")
    text = reason_words(words, code) if group == "reason" else words.get(code)
    return code.replace("_", " ") if text is None else text


def _scope_filter(labels: Labels) -> Callable[..., str]:
    @pass_context
    def scope(context: Context, value: str | Mapping[str, str]) -> str:
        """Which requests a figure is about, as {"team": code, "category": code …}, in the reader's words."""
        _refuse_missing(value)
        if isinstance(value, str):
            return value
        locale = _fact(context, "locale")
        return " · ".join(
            _words_of(labels, locale, name, code) if name in _NAMED_SCOPES else code
            for name, code in value.items()
        )

    return scope


def reason_words(words: Mapping[str, str], code: str) -> str | None:
    """What a reason of the ledger means; None if `words`, the group of reasons, does not know it.

    Why it was given up is the reason of the last try.
    """
    text = words.get(code)
    if text is None and code.startswith("gave_up_"):
        last = code.removeprefix("gave_up_")
        text = words["gave_up"].replace("{reason}", words.get(last, last.replace("_", " ")))
    return text


def lines(value: str) -> Markup:
    """A person's words for HTML: escaped, line breaks and leading blanks kept."""
    _refuse_missing(value)
    return Markup("<br>\n").join(_indent(line) for line in value.splitlines())


def _indent(line: str) -> Markup:
    stripped = line.lstrip(" \t")
    blanks = min(len(line) - len(stripped), 16)
    return Markup("&nbsp;") * blanks + escape(stripped)


def quoted(value: str) -> str:
    """A person's words for plain text, each line behind a bar, so that they never pass for ours."""
    _refuse_missing(value)
    return "\n".join(f"| {line}".rstrip() for line in value.splitlines()) or "|"


def masked(value: str, limit: int = 4_000) -> str:
    """A customer's words as staff mail may show them: personal data masked, at most `limit` characters."""
    _refuse_missing(value)
    # Masked before it is cut: half a phone number is no longer seen as one. Twice the limit bounds the work.
    return excerpt(mask_free_text(value[: 2 * limit]), limit)


def _fact(context: Context, name: str) -> str:
    value = context.resolve(name)
    _refuse_missing(value)
    return str(value)


def _refuse_missing(value: object) -> None:
    if isinstance(value, Undefined):
        str(value)  # StrictUndefined raises here, naming the variable


def merge_labels(base: dict[str, dict[str, str]], over: Iterable[tuple[str, dict[str, str]]]) -> None:
    """Lay an operator's words over the shipped ones, group by group."""
    for group, words in over:
        base[group] = {**base.get(group, {}), **words}
