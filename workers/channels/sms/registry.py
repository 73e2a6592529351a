"""The approved templates of 阿里云 and 腾讯云: which message goes out under which code, with what.

`sms_templates.toml` in the data folder; ops/docs/sms.md shows one. A message that could not pass is refused
here, with its reason, before a request is made: tencentcloud.com/document/product/382/40659 (no link and no
signature in variables, the opt-out rule), help.aliyun.com/document_detail/101346.html
(isv.PARAM_NOT_SUPPORT_URL, isv.PARAM_LENGTH_LIMIT).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from workers.channels.sms.http import Refused
from workers.channels.sms.payload import SmsPayload
from workers.channels.sms.segments import Segments, count_characters
from workers.errors import SettingsError

FILE = "sms_templates.toml"
OPT_OUT = "拒收请回复R"
LONGEST_VARIABLE = 35
"""Characters of one variable that 阿里云 takes unless a longer limit was granted; `longest` in the entry."""

_LINK = re.compile(
    r"(?i)https?:|\bwww\.|(?:\d{1,3}\.){3}\d{1,3}"
    r"|[a-z0-9-]+\.(?:com|cn|net|org|io|co|cc|me|top|info|xyz|vip|club|shop|app|dev|link|site)\b"
)
_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}|\{(\d+)\}")
_OPTED = re.compile(r"拒收请回复\s*R|退订回\s*T")


class TemplateKind(StrEnum):
    """What a template was approved as; each has its own opt-out rule."""

    NOTICE = "notice"
    MARKETING = "marketing"
    SURVEY = "survey"


class Approval(StrEnum):
    """What the provider has decided about a template."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Template:
    """One entry: `variables` gives, in the template's order, the fact that fills each of them. `text` is the
    approved wording without signature ("" when not given), `sign` another signature than the account's.
    """

    message: str
    locale: str
    code: str
    kind: TemplateKind
    state: Approval
    variables: Mapping[str, str]
    text: str = ""
    sign: str = ""
    longest: int = LONGEST_VARIABLE

    def problem(self) -> tuple[str, str] | None:
        """Why this template can never pass, as reason and words; None when nothing is known against it."""
        opted = _OPTED.search(self.text) is not None
        if self.text and self.kind is TemplateKind.MARKETING and not opted:
            return "opt_out_missing", f"a marketing template must end with {OPT_OUT}"
        if self.text and self.kind is not TemplateKind.MARKETING and opted:
            return "opt_out_forbidden", f"{OPT_OUT} is for marketing only"
        if "【" in self.text or "】" in self.text:
            return "signature_in_text", "the provider puts the signature 【…】 before the text by itself"
        named = [name or number for name, number in _PLACEHOLDER.findall(self.text)]
        if self.text and not _same_names(named, list(self.variables)):
            return "variable_missing", "text and variables do not name the same variables"
        return None


@dataclass(frozen=True, slots=True)
class Filled:
    """A template with its values, in order, ready to be sent; `cost` where the wording is known."""

    template: Template
    sign: str
    values: Mapping[str, str]
    cost: Segments | None


@dataclass(frozen=True, slots=True)
class TemplateBook:
    """All entries, by message and locale. An installation without the file has an empty one."""

    entries: Mapping[tuple[str, str], Template] = field(default_factory=dict)

    def problems(self) -> list[str]:
        """What `closeloop check` should say: one line for each entry that will be refused."""
        lines = []
        for (message, locale), template in self.entries.items():
            if found := template.problem():
                lines.append(f"{message} ({locale}): {found[1]}")
            elif template.state is not Approval.APPROVED:
                lines.append(f"{message} ({locale}): template {template.code} is {template.state}")
        return lines

    def fill(self, payload: SmsPayload, sign: str) -> Filled:
        """The template for this message with its values. Raises Refused: template_missing,
        template_not_approved, link_in_variable, variable_missing, variable_too_long, opt_out_missing,
        opt_out_forbidden, signature_in_text.
        """
        template = self._find(payload.message, payload.locale)
        if template is None:
            named = f"{payload.message or '(no name)'}, {payload.locale or '(no locale)'}"
            raise Refused("template_missing", f"no entry in {FILE} for {named}")
        if found := template.problem():
            raise Refused(*found)
        if template.state is not Approval.APPROVED:
            raise Refused("template_not_approved", f"template {template.code} is {template.state}")
        values = {name: _value(template, name, fact, payload) for name, fact in template.variables.items()}
        return Filled(template, template.sign or sign, values, _cost(template, sign, values))

    def _find(self, message: str, locale: str) -> Template | None:
        near = ("zh_CN",) if locale.startswith("zh") else ()
        return next(
            (self.entries[message, each] for each in (locale, *near) if (message, each) in self.entries), None
        )


def load_templates(data: Path) -> TemplateBook:
    """Read `sms_templates.toml` in the data folder; without the file the book is empty.

    Raises SettingsError naming every entry that cannot be read.
    """
    path = data / FILE
    try:
        whole = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return TemplateBook()
    except (OSError, ValueError) as error:
        raise SettingsError(f"{FILE} cannot be read: {error}") from error
    return parse_templates(whole)


def parse_templates(whole: Mapping[str, Any]) -> TemplateBook:
    """The book in a decoded TOML document. Raises SettingsError naming every entry that is wrong."""
    entries: dict[tuple[str, str], Template] = {}
    wrong: list[str] = []
    raw = whole.get("template", [])
    for number, entry in enumerate(raw if isinstance(raw, list) else [raw], 1):
        try:
            template = _template(entry)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            wrong.append(f"entry {number}: {_said(error)}")
            continue
        if (template.message, template.locale) in entries:
            wrong.append(f"entry {number}: {template.message} ({template.locale}) stands there twice")
        entries[template.message, template.locale] = template
    if wrong:
        raise SettingsError(f"{FILE}: {'; '.join(wrong)}", "ops/docs/sms.md shows an entry")
    return TemplateBook(entries)


def _template(entry: Mapping[str, Any]) -> Template:
    if unknown := sorted(set(entry) - set(Template.__dataclass_fields__)):
        raise ValueError(f"unknown field {', '.join(unknown)}")
    return Template(
        message=_text(entry["message"]),
        locale=_text(entry.get("locale", "zh_CN")),
        code=_text(entry["code"]),
        kind=TemplateKind(entry["kind"]),
        state=Approval(entry["state"]),
        variables={str(name): _text(fact) for name, fact in dict(entry.get("variables", {})).items()},
        text=str(entry.get("text", "")),
        sign=str(entry.get("sign", "")).strip("【】"),
        longest=int(entry.get("longest", LONGEST_VARIABLE)),
    )


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a text is missing, or is no text")
    return value


def _said(error: Exception) -> str:
    return f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)


def _same_names(named: list[str], known: list[str]) -> bool:
    # 腾讯云 numbers its variables: {1}, {2} … stand for the first, the second.
    numbers = [str(number) for number in range(1, len(known) + 1)]
    return set(named) == set(known) or (all(each.isdigit() for each in named) and set(named) == set(numbers))


def _value(template: Template, name: str, fact: str, payload: SmsPayload) -> str:
    value = " ".join(payload.facts.get(fact, "").split())
    if not value:
        raise Refused("variable_missing", f"variable {name}: the message has no fact {fact}")
    if _LINK.search(value):
        raise Refused("link_in_variable", f"variable {name} holds a link or an address")
    if len(value) > template.longest:
        raise Refused("variable_too_long", f"variable {name} has more than {template.longest} characters")
    return value


def _cost(template: Template, sign: str, values: Mapping[str, str]) -> Segments | None:
    if not template.text:
        return None
    in_order = list(values.values())
    return count_characters("".join(_pieces(template.text, values, in_order)), template.sign or sign)


def _pieces(text: str, values: Mapping[str, str], in_order: list[str]) -> Iterator[str]:
    end = 0
    for found in _PLACEHOLDER.finditer(text):
        yield text[end : found.start()]
        name = found[1] if found[1] is not None else found[2]
        yield values[name] if name in values else in_order[int(name) - 1]
        end = found.end()
    yield text[end:]
