"""HTML bodies: to plain text, without their quotations, and sanitised for display.

Both HTML engines take quadratic time on very deep nesting (100,000 nested <div>: 25 s) and on floods of
character references (2,000,000 "&": 47 s). No mailer produces either; such bodies lose their tags one by one.
"""

import re
from collections import Counter
from html import escape, unescape
from typing import Any, NamedTuple

import nh3
from selectolax.lexbor import LexborHTMLParser

from workers.intake import marks
from workers.intake.charset import scrub

_MAX_DEPTH = 300
_MAX_REFERENCES = 50_000
_MAX_LENGTH = 2 * 1024 * 1024
_MAX_SHOWN = 512 * 1024
_MAX_NODES = 100_000
_MAX_WORK = 12_000_000
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:]{0,40})([^<>]*)>")
_LONG_TAG = re.compile(r"<[a-zA-Z][^<>]{8000,}")
_ANY_TAG = re.compile(r"<[^<>]*>")
# Elements that have no end tag or whose end the parser infers: they do not pile up.
_SHALLOW = frozenset(
    [
        "p",
        "li",
        "td",
        "tr",
        "th",
        "dd",
        "dt",
        "option",
        "br",
        "img",
        "hr",
        "input",
        "meta",
        "link",
        "base",
        "col",
        "wbr",
        "area",
        "source",
    ]
)
_SILENT = frozenset(
    [
        "head",
        "style",
        "script",
        "title",
        "noscript",
        "template",
        "object",
        "embed",
        "iframe",
        "select",
        "button",
        "svg",
    ]
)
_BLOCKS = frozenset(
    [
        "div",
        "p",
        "br",
        "tr",
        "table",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "blockquote",
        "pre",
        "hr",
        "section",
        "article",
        "header",
        "footer",
        "address",
        "center",
        "form",
        "fieldset",
        "main",
        "aside",
        "nav",
        "figure",
        "includetail",
    ]
)
_SPACED = frozenset(["p", "ul", "ol", "table", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre"])
_SPACES = re.compile(r"[ \t\r\n\f\u200b]+")
_GAPS = re.compile(r"\n{3,}")


class Plain(NamedTuple):
    """Text of an HTML body, and whether a marked quotation was left out of it."""

    text: str
    cut: bool


def to_text(html: str, *, quotations: bool = True) -> Plain:
    """Readable plain text of an HTML body, paragraphs apart, without style and script.

    With `quotations=False`, what the mail program marked as the quoted mail is left out, unless the mark
    wraps a forwarded message, which is the matter itself.
    """
    html = html[:_MAX_LENGTH]
    if _is_hostile(html):
        return Plain(_tidy(_without_tags(html)), False)
    body = LexborHTMLParser(html).body
    if body is None:
        return Plain("", False)
    pieces: list[str] = []
    cut = _collect(body, pieces, quotations)
    return Plain(_tidy("".join(pieces)), cut)


def sanitise(html: str) -> str:
    """HTML that is safe to show inside a page: no script, no style sheets, no forms, no remote images (they
    tell the sender when the mail is read); links open without a referrer.
    """
    html = html[:_MAX_SHOWN]
    if _is_hostile(html):
        return f"<pre>{escape(_tidy(_without_tags(html)))}</pre>"
    return nh3.clean(
        html,
        tags=nh3.ALLOWED_TAGS - {"img", "map", "area"},
        url_schemes={"http", "https", "mailto", "tel"},
        link_rel="noopener noreferrer nofollow",
    )


def _is_hostile(html: str) -> bool:
    """Whether elements pile up deeper than any mailer nests them, or one tag is a page long.

    Where elements are out of place the engines walk up through all that are open, so the sum of depths is
    capped, too.
    """
    if _LONG_TAG.search(html) or html.count("&") > _MAX_REFERENCES:
        return True
    open_now: Counter[str] = Counter()
    depth = work = 0
    for found in _TAG.finditer(html):
        name = found[2].lower()
        work += depth
        if work > _MAX_WORK:
            return True
        if name in _SHALLOW:
            continue
        if not found[1]:
            open_now[name] += 1
            depth += 1
            if depth > _MAX_DEPTH:
                return True
        elif open_now[name] > 0:
            open_now[name] -= 1
            depth -= 1
    return False


def _without_tags(html: str) -> str:
    pieces = []
    at = 0
    lowered = html.lower()
    for name in ("style", "script"):
        if len(lowered) != len(html):
            break
        while (start := lowered.find(f"<{name}", at)) >= 0:
            end = lowered.find(f"</{name}", start)
            pieces.append(html[at:start])
            at = end if end >= 0 else len(html)
        html, at, pieces = "".join((*pieces, html[at:])), 0, []
        lowered = html.lower()
    return unescape(_ANY_TAG.sub(" ", html))


def _collect(body: Any, pieces: list[str], quotations: bool) -> bool:
    """Walks the tree without recursion and appends the text; True when a quotation was skipped."""
    cut = False
    preformatted = 0
    stack: list[tuple[Any, bool]] = [(body, False)]
    nodes = 0
    while stack and nodes < _MAX_NODES:
        node, leaving = stack.pop()
        nodes += 1
        name = node.tag
        if leaving:
            preformatted -= name == "pre"
            if name in _BLOCKS:
                pieces.append("\n\n" if name in _SPACED else "\n")
            continue
        if node is not body and node.next is not None:
            stack.append((node.next, False))
        if name == "-text":
            _append_text(pieces, node.text_content or "", preformatted > 0)
            continue
        if not name or name.startswith(("-", "!", "_")) or name in _SILENT:
            continue
        if (
            not quotations
            and (mark := _quote_mark(node))
            and not marks.FORWARDED_IN_HTML.search(node.text()[:600])
        ):
            cut = True
            if mark == "rest" and node.next is not None:
                stack.pop()
            continue
        _open(name, pieces)
        preformatted += name == "pre"
        stack.append((node, True))
        if node.first_child is not None:
            stack.append((node.first_child, False))
    return cut


def _open(name: str, pieces: list[str]) -> None:
    if name in _BLOCKS and name != "br" and pieces and not pieces[-1].endswith("\n"):
        pieces.append("\n")
    if name in _SPACED and pieces and not pieces[-1].endswith("\n\n"):
        pieces.append("\n")
    if name == "li":
        pieces.append("- ")
    elif name in ("td", "th") and pieces and not pieces[-1].endswith("\n"):
        pieces.append(" ")


def _append_text(pieces: list[str], text: str, preformatted: bool) -> None:
    if not preformatted:
        text = _SPACES.sub(" ", text)
        if text.startswith(" ") and (not pieces or pieces[-1].endswith(("\n", " "))):
            text = text[1:]
    if text:
        pieces.append(text)


def _quote_mark(node: Any) -> str:
    """How an element marks a quotation: "this" is it, "rest" opens one with all siblings after it."""
    attributes = node.attributes
    if not attributes:
        return "this" if node.tag == "includetail" else ""
    identity = (attributes.get("id") or "").lower().removeprefix("x_")
    if identity in marks.QUOTE_IDS:
        return "rest" if identity in marks.QUOTE_OPENERS else "this"
    classes = {one.removeprefix("x_") for one in (attributes.get("class") or "").lower().split()}
    if classes & marks.QUOTE_CLASSES or identity.startswith("yahoo_quoted"):
        return "this"
    if node.tag == "blockquote" and (attributes.get("type") or "").lower() == "cite":
        return "this"
    if node.tag == "div" and marks.OUTLOOK_RULE.search((attributes.get("style") or "")[:500]):
        return "rest"
    return ""


def _tidy(text: str) -> str:
    text = "\n".join(line.rstrip() for line in scrub(text).replace("\xa0", " ").split("\n"))
    return _GAPS.sub("\n\n", text).strip()
