"""The renderer: one object per process, templates compiled once, mistakes told with the template's name."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, product
from pathlib import Path
from typing import Any

from jinja2 import TemplateNotFound, TemplateRuntimeError, TemplateSyntaxError, UndefinedError
from jinja2.exceptions import SecurityError

from workers.errors import TemplateError
from workers.rendering import filters
from workers.rendering.environment import LOCALES, build_environment, shipped_folder
from workers.rendering.images import Images, InlineImage
from workers.rendering.styles import inline_document
from workers.text import one_line

_SUBJECT_LIMIT = 200
_SMS_LIMIT = 1_000
_CHAT_LIMIT = 4_000
_BODY_LIMIT = 1_000_000
_BASE_SAMPLE = "email/_base/sample.json"
_MISTAKES = (
    TypeError,
    ValueError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RecursionError,
    TemplateRuntimeError,
)
_AT_ONCE = 200
_CSP_REST = "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n)+")


@dataclass(frozen=True, slots=True)
class RenderedMail:
    """What a mail says: the subject on one line, the text and its HTML twin with the images it shows."""

    subject: str
    text: str
    html: str
    images: tuple[InlineImage, ...] = ()


class Renderer:
    """Renders mails, SMS, posts to chat groups and pages.

    `overrides` is the operator's folder, laid out like `templates/`; each file in it shadows the shipped file
    of the same path. Facts are plain JSON-like values; a missing one raises TemplateError naming the template
    and the variable. Unknown locales fall back: zh* to zh_CN, all else to en.
    """

    def __init__(self, overrides: Path | None = None) -> None:
        self._overrides = overrides
        self._images = Images(overrides / "images" if overrides is not None else None)
        self._environment = build_environment(overrides, self._images)
        self._inline_each = overrides is not None and _brings_styles(overrides)

    def warm(self) -> None:
        """Render all mails from their samples (1.5 s, 7 MB): the first of a kind keeps nobody waiting then.

        A template with a mistake is left for whoever renders it to tell.
        """
        for message, locale in product(self.messages(), LOCALES):
            with suppress(TemplateError, ValueError):  # told when it is sent, and by `check`
                self.render_mail(message, locale, self.sample(message, locale))

    def render_mail(self, message: str, locale: str, facts: Mapping[str, Any]) -> RenderedMail:
        """Render one mail. `message` is one of `messages()`, `facts` as its sample shows them."""
        locale = fall_back(locale)
        folder = f"email/{message}/{locale}"
        subject = one_line(self._render(f"{folder}/subject.txt", locale, facts), _SUBJECT_LIMIT)
        text = self._render(f"{folder}/body.txt", locale, facts).strip("\n") + "\n"
        html = self._render(f"{folder}/body.html", locale, facts)
        if self._inline_each:
            html = inline_document(html)
        return RenderedMail(subject, text, html, self._shown(f"{folder}/body.html", html))

    def render_sms(self, message: str, locale: str, facts: Mapping[str, Any]) -> str:
        """Render one SMS: one line, no longer than 1,000 characters (TemplateError beyond)."""
        locale = fall_back(locale)
        return one_line(self._render(f"sms/{message}/{locale}.txt", locale, facts, _SMS_LIMIT))

    def render_chat(self, message: str, locale: str, facts: Mapping[str, Any]) -> str:
        """Render one post: lines of plain text, at most 4,000 characters (TemplateError beyond)."""
        locale = fall_back(locale)
        text = self._render(f"chat/{message}/{locale}.txt", locale, facts, _CHAT_LIMIT)
        return _BLANK_LINES.sub("\n", text).strip()

    def render_push(self, message: str, locale: str, facts: Mapping[str, Any]) -> str:
        """Render one message to an app: plain text, at most 4,000 characters (TemplateError beyond).

        What has no words of its own for apps says what its SMS says.
        """
        if message not in self.push_messages():
            return self.render_sms(message, locale, facts)
        text = self._render(f"push/{message}/{fall_back(locale)}.txt", locale, facts, _CHAT_LIMIT)
        return _BLANK_LINES.sub("\n", text).strip()

    def render_page(self, name: str, locale: str, facts: Mapping[str, Any]) -> str:
        """Render the page `templates/web/<name>.html`; `page_csp` is the header that goes with it."""
        locale = fall_back(locale)
        return self._render(f"web/{name}.html", locale, {"other_locale_url": None, **facts})

    def reason_words(self, code: str | None, locale: str) -> str | None:
        """What a reason of the ledger means, in words; one that has none reads as its code. None for None."""
        if code is None:
            return None
        words = self._environment.labels[fall_back(locale)]["reason"]
        return filters.reason_words(words, code) or code.replace("_", " ")

    def word(self, code: str, group: str, locale: str) -> str:
        """The words for a code of this group of labels; the code where it has none."""
        return self._environment.labels[fall_back(locale)][group].get(code, code)

    def codes(self, group: str, locale: str) -> list[str]:
        """The codes of a group of labels, in the order of their words."""
        words = self._environment.labels[fall_back(locale)][group]
        return sorted(words, key=lambda code: words[code].casefold())

    @cached_property
    def page_csp(self) -> str:
        """Content-Security-Policy for the pages: no script, nothing from outside, our stylesheet by hash."""
        return f"default-src 'none'; style-src {self._style_hash('closeloop')}; {_CSP_REST}"

    @cached_property
    def console_csp(self) -> str:
        """As `page_csp`, with the console's stylesheet and its one script, which asks nobody but us."""
        styles = f"{self._style_hash('closeloop')} {self._style_hash('console')}"
        return f"default-src 'none'; style-src {styles}; script-src 'self'; connect-src 'self'; {_CSP_REST}"

    def _style_hash(self, name: str) -> str:
        css = self._render(f"web/static/{name}.css", "en", {})
        return f"'sha256-{base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()}'"

    def messages(self) -> list[str]:
        """Names of all mails, sorted."""
        return sorted(_folders(self._shadowed("email")))

    def sms_messages(self) -> list[str]:
        """Names of the messages that also exist as SMS, sorted."""
        return sorted(_folders(self._shadowed("sms")))

    def chat_messages(self) -> list[str]:
        """Names of the posts to chat groups, sorted."""
        return sorted(_folders(self._shadowed("chat")))

    def push_messages(self) -> list[str]:
        """Names of the messages that have words of their own for customers' apps, sorted."""
        return sorted(_folders(self._shadowed("push")))

    def pages(self) -> list[str]:
        """Names of all pages, sorted."""
        return sorted(p.stem for p in (shipped_folder() / "web").glob("*.html") if not p.name.startswith("_"))

    def sample(self, message: str, locale: str = "zh_CN") -> dict[str, Any]:
        """Facts for a preview of `message`, worded for `locale` where that matters."""
        folder = "email" if message in self.messages() else "sms"
        return self._sample((_BASE_SAMPLE, f"{folder}/{message}/sample.json"), locale)

    def chat_sample(self, message: str, locale: str = "zh_CN") -> dict[str, Any]:
        """Facts for a preview of a post."""
        return self._sample((_BASE_SAMPLE, f"chat/{message}/sample.json"), locale)

    def page_sample(self, name: str, locale: str = "zh_CN") -> dict[str, Any]:
        """Facts for a preview of a page."""
        names = ["web/samples/_base.json", f"web/samples/{name}.json"]
        if name.startswith("console_"):
            names.insert(1, "web/samples/_console.json")
        return self._sample(tuple(names), locale)

    def check(self) -> list[str]:
        """Render everything in every locale with its sample; one sentence for each thing that fails."""
        return list(self._problems())

    def _problems(self) -> Iterator[str]:
        for locale in LOCALES:
            for message in self.messages():
                yield from self._problem(self.render_mail, message, locale, self.sample(message, locale))
            for message in self.sms_messages():
                yield from self._problem(self.render_sms, message, locale, self.sample(message, locale))
            for message in self.push_messages():
                yield from self._problem(self.render_push, message, locale, self.sample(message, locale))
            for message in self.chat_messages():
                yield from self._problem(self.render_chat, message, locale, self.chat_sample(message, locale))
            for page in self.pages():
                yield from self._problem(self.render_page, page, locale, self.page_sample(page, locale))

    def _problem(self, render: Any, name: str, locale: str, facts: Mapping[str, Any]) -> Iterator[str]:
        try:
            render(name, locale, facts)
        except TemplateError as error:
            yield str(error)

    def _render(self, name: str, locale: str, facts: Mapping[str, Any], limit: int = _BODY_LIMIT) -> str:
        try:
            template = self._environment.whole(name)
            context = template.new_context({**facts, "locale": locale})
            return _within(template.root_render_func(context), limit, name)
        except TemplateError as error:
            if error.message.startswith(name):
                raise
            raise TemplateError(f"{name}: {error.message}", error.hint) from error
        except UndefinedError as error:
            raise TemplateError(f"{name}: {error.message}", "add the fact or correct its name") from error
        except TemplateNotFound as error:
            raise TemplateError(f"there is no template {error.name}") from error
        except TemplateSyntaxError as error:
            where = error.name or name
            raise TemplateError(f"{where}, line {error.lineno}: {error.message}") from error
        except SecurityError as error:
            raise TemplateError(f"{name}: refused by the sandbox: {error}") from error
        except _MISTAKES as error:
            # Their texts may quote facts, that is a customer's data: only the kind is told.
            raise TemplateError(f"{name}: {type(error).__name__} while rendering") from error

    def _shown(self, name: str, html: str) -> tuple[InlineImage, ...]:
        try:
            return self._images.shown_in(html)
        except TemplateError as error:
            raise TemplateError(f"{name}: {error.message}", error.hint) from error

    def _shadowed(self, kind: str) -> list[Path]:
        roots = (shipped_folder(), self._overrides)
        return [root / kind for root in roots if root is not None and (root / kind).is_dir()]

    def _sample(self, names: tuple[str, ...], locale: str) -> dict[str, Any]:
        facts: dict[str, Any] = {}
        for name in names:
            facts = _merge(facts, self._read_json(name))
        return _merge(facts, facts.pop("in", {}).get(fall_back(locale), {}))

    def _read_json(self, name: str) -> dict[str, Any]:
        for root in (self._overrides, shipped_folder()):
            if root is not None and (root / name).is_file():
                content: dict[str, Any] = json.loads((root / name).read_text("utf-8"))
                return content
        raise TemplateError(f"there is no {name}", "a preview needs a sample.json beside the templates")


def preview(message: str, locale: str, overrides: Path | None = None) -> RenderedMail:
    """Render a mail from its sample facts, as `closeloop preview` shows it. Raises TemplateError."""
    renderer = Renderer(overrides)
    return renderer.render_mail(message, locale, renderer.sample(message, locale))


def fall_back(locale: str) -> str:
    """The locale there are templates for: zh* is zh_CN, all else en."""
    return "zh_CN" if locale.lower().startswith("zh") else "en"


def _within(chunks: Iterator[str], limit: int, name: str) -> str:
    text = ""
    while piece := list(islice(chunks, _AT_ONCE)):  # most texts in one go, and none without an end
        text += "".join(piece)
        if len(text) > limit:
            raise TemplateError(f"{name}: the output is longer than {limit} characters")
    return text


def _brings_styles(overrides: Path) -> bool:
    """Whether an operator's mail template has a stylesheet of its own, to be inlined mail by mail."""
    paths = (overrides / "email").rglob("*.html")
    return any("<style" in path.read_text("utf-8", "replace") for path in paths)


def _folders(roots: list[Path]) -> set[str]:
    return {p.name for root in roots for p in root.iterdir() if p.is_dir() and not p.name.startswith("_")}


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        known = merged.get(key)
        merged[key] = _merge(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged
