"""Hostile words in every page, mail and SMS: they stay words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.fakes import MONDAY_MORNING
from workers.delivery.compose import MailParts, compose
from workers.errors import CloseloopError
from workers.rendering import Renderer

HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>'><svg/onload=alert(1)>",
    "</textarea></title></style></a><iframe src=//evil.example>",
    "javascript:alert(1)",
    "{{ 7*7 }}{% include 'x' %}${7*7}",
    "&lt;script&gt;&#60;script&#62;&#x6a;avascript:alert(1)",
    "a\u202eb\u2028<base href=//evil.example>\u2029<!--",
    "' onmouseover='alert(1)' style='x:expression(alert(1))",
)
TIME = re.compile(r"\d{4}-\d\d-\d\dT")
KEPT = {"zone", "locale", "locales", "links", "url", "kind", "channel", "label", "group", "parts"}
OUR_SCRIPT = re.compile(r'<script src="/console/live\.js\?v=[0-9a-f]+" defer></script>')
RENDERER = Renderer()
ALL = [(name, locale) for name in RENDERER.messages() for locale in ("en", "zh_CN")]
PAGES = [(name, locale) for name in RENDERER.pages() for locale in ("en", "zh_CN")]


class Elements(HTMLParser):
    """Which elements and attributes a document has, and where its links lead."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.urls: list[str] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.update({tag, *(f"{tag}.{name}" for name, _ in attrs)})
        self.urls += [value or "" for name, value in attrs if name in ("href", "src", "action", "background")]


def _is_ours(value: Any) -> bool:
    """An address of ours: a route, with tokens."""
    return isinstance(value, str) and re.match(r"/[a-z]", value) is not None


def poisoned(value: Any, words: str, name: str = "") -> Any:
    """The sample with `words` in the place of everything that a person may have written."""
    if name in KEPT or name.endswith("_url") or _is_ours(value):
        return value
    if isinstance(value, Mapping):
        return {key: poisoned(each, words, key) for key, each in value.items()}
    if isinstance(value, list):
        return [poisoned(each, words, name) for each in value]
    return words if isinstance(value, str) and value and not TIME.match(value) else value


def is_harmless(html: str, benign: str) -> None:
    hostile, usual = Elements(html), Elements(benign)
    assert not any("." in each and each.partition(".")[2].startswith("on") for each in hostile.found)
    # A code without words, or a text of several lines, may use other elements of ours than the sample does.
    assert hostile.found - usual.found <= {
        "br",
        "input.required",
        "span",
        "span.class",
        "div",
        "div.class",
        "p",
        "p.class",
        "strong",
    }
    for url in hostile.urls:
        assert url.startswith(("https://", "mailto:", "#", "?", "/")), url
        assert not url.startswith("//")
        assert "evil.example" not in url or url.startswith(("mailto:", "/console/"))
    assert "<script" not in OUR_SCRIPT.sub("", html).lower()
    assert "49" not in re.sub(r"[#&]\w+", "", html) or "49" in benign


@pytest.mark.parametrize(("name", "locale"), PAGES)
def test_hostile_words_stay_words_on_every_page(name: str, locale: str) -> None:
    sample = RENDERER.page_sample(name, locale)
    benign = RENDERER.render_page(name, locale, sample)
    for words in HOSTILE:
        is_harmless(RENDERER.render_page(name, locale, poisoned(sample, words)), benign)


@pytest.mark.parametrize(("name", "locale"), ALL)
def test_hostile_words_stay_words_in_every_mail(name: str, locale: str) -> None:
    sample = RENDERER.sample(name, locale)
    benign = RENDERER.render_mail(name, locale, sample)
    for words in HOSTILE:
        mail = RENDERER.render_mail(name, locale, poisoned(sample, words))
        is_harmless(mail.html, benign.html)
        assert not re.search(r"[\r\n\0\u2028\u2029]", mail.subject)


BREAKS = (
    "\r\nBcc: victim@else.example",
    "\nX: y",
    "\rX: y",
    "x\0y",
    "\u2028Bcc: v@e.example",
    "\x85Bcc: v@e.example",
)


def headers_of(**parts: Any) -> list[str]:
    usual: dict[str, Any] = {
        "from_name": "Support",
        "from_address": "support@help.example",
        "to_address": "li.na@customer.example",
        "subject": "Help",
        "text": "Hello",
        "message_id": "<1@help.example>",
        "date": MONDAY_MORNING,
    }
    raw = compose(MailParts(**{**usual, **parts}))
    head = raw.partition(b"\r\n\r\n")[0]
    assert b"\n" not in head.replace(b"\r\n", b"")
    assert b"\r" not in head.replace(b"\r\n", b"")
    return [line.partition(":")[0].lower() for line in head.decode("ascii").split("\r\n") if line[:1] != " "]


@pytest.mark.parametrize("breaking", BREAKS)
def test_no_field_of_a_mail_begins_another_header(breaking: str) -> None:
    usual = headers_of(to_name="Li Na", reply_to="a@help.example", in_reply_to="<2@x>", references=("<2@x>",))
    for field in (
        {"subject": f"Help{breaking}"},
        {"to_name": f"Li{breaking}"},
        {"from_name": f"Li{breaking}"},
        {"to_address": f"li@customer.example{breaking}"},
        {"reply_to": f"a@help.example{breaking}"},
        {"in_reply_to": f"<2@x>{breaking}"},
        {"references": (f"<2@x{breaking}>",)},
        {"message_id": f"<1@help.example{breaking}>"},
        {"list_unsubscribe_url": f"https://help.example/u/x{breaking}"},
        {"headers": (("X-Closeloop", breaking),)},
        {"headers": ((f"X-Closeloop{breaking}", "x"),)},
    ):
        try:
            written = headers_of(**field)
        except CloseloopError:
            continue
        assert set(written) <= {*usual, "list-unsubscribe", "list-unsubscribe-post", "x-closeloop"}
        assert len(written) == len(set(written))


@pytest.mark.parametrize(
    "address",
    [
        "a@b.example>\r\nRCPT TO:<victim@else.example",
        "a@b.example> SIZE=1",
        "a@b.example,victim@else.example",
        "a@b.example;victim@else.example",
        "@relay.example:a@b.example",
        "<a@b.example>",
        "a b@c.example",
        "a@b.example\n",
        "a@[1.2.3.4] x",
        "\ud800@b.example",
        "a" * 300 + "@b.example",
        "a@" + "b" * 300,
    ],
)
def test_an_address_is_one_address_or_none(address: str) -> None:
    with pytest.raises(CloseloopError):
        headers_of(to_address=address)
