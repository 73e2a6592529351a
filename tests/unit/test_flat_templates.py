"""Templates are put together when they are compiled: they say what Jinja says of them as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workers.errors import TemplateError
from workers.rendering import LOCALES, Renderer
from workers.rendering.environment import build_environment

HOSTILE = "<b>&\"'{{ 7 * 7 }}\n.\r\n行"
NAMES = ("subject.txt", "body.txt", "body.html")


def jinjas_own(overrides: Path | None = None) -> Renderer:
    """A renderer whose templates are as they stand in their files."""
    plain = Renderer(overrides)
    # One of its own: the tests' renderers share one.
    plain._environment = build_environment(overrides, plain._images)
    plain._environment.whole = plain._environment.get_template  # type: ignore[method-assign]  # plain Jinja, to compare with
    return plain


def variants(facts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The sample, and what can be otherwise: each fact missing, empty, or a stranger's words."""
    yield facts
    for name, value in facts.items():
        yield {left: kept for left, kept in facts.items() if left != name}
        yield {**facts, name: None}
        if isinstance(value, dict):
            yield {**facts, name: dict.fromkeys(value)}
            yield {
                **facts,
                name: {key: word if key.endswith("_at") else HOSTILE for key, word in value.items()},
            }
        else:
            yield {**facts, name: HOSTILE}
    yield {**facts, "ticket": {**facts["ticket"], "category": "complaint", "description": ""}}
    yield {**facts, "recipient": {"name": "", "kind": "staff"}}


def said(render: Any, *args: Any) -> Any:
    try:
        return render(*args)
    except TemplateError as error:
        return str(error)


@pytest.mark.parametrize("locale", LOCALES)
def test_every_mail_is_the_same_byte_for_byte(locale: str) -> None:
    flat, plain = Renderer(), jinjas_own()
    for message in flat.messages():
        for facts in variants(flat.sample(message, locale)):
            assert said(flat.render_mail, message, locale, facts) == said(
                plain.render_mail, message, locale, facts
            )
        for name in NAMES:
            whole = flat._environment.whole(f"email/{message}/{locale}/{name}")
            assert whole.blocks == {}, f"{whole.name} is still made of pieces"


@pytest.mark.parametrize("locale", LOCALES)
def test_every_sms_post_and_page_is_the_same(locale: str) -> None:
    flat, plain = Renderer(), jinjas_own()
    for kind, names, sample in (
        ("render_sms", flat.sms_messages(), flat.sample),
        ("render_chat", flat.chat_messages(), flat.chat_sample),
        ("render_page", flat.pages(), flat.page_sample),
    ):
        for name in names:
            facts = sample(name, locale)
            for one in (facts, *({**facts, key: HOSTILE} for key in facts)):
                assert said(getattr(flat, kind), name, locale, one) == said(
                    getattr(plain, kind), name, locale, one
                )


LAYOUT = (
    "{% set team = 'mine' %}<{% block a %}A {{ team }}{% endblock %}|{{ self.a() }}|"
    "{% for n in [1, 2] %}{{ n }}{% endfor %}{% block b %}{% endblock %}>"
)
TRICKS = {
    "a layout's parts": "{% extends 'email/x.html' %}{% block b %}{{ team }}{% endblock %}",
    "super": "{% extends 'email/x.html' %}{% block a %}[{{ super() }}]{% endblock %}",
    "a block without a layout": "{% set n = 5 %}{% block a %}{{ n }}{% endblock %}",
    "a block in a loop": "{% for n in [1, 2] %}{% block a %}{{ n }}{% endblock %}{% endfor %}",
    "a scoped block": "{% for n in [1, 2] %}{% block a scoped %}{{ n }}{% endblock %}{% endfor %}",
    "a name that a block makes": "{% block a %}{% set m = 1 %}{{ m }}{% endblock %}{{ m is defined }}",
    "a block's own name": "{% block a %}{{ self.a is defined }}{{ self }}{% endblock %}",
    "an include that makes names": "{% include 'email/names.txt' %}{{ m is defined }}{{ 'x'|upper }}",
    "an include that may be missing": "{% include 'email/none.txt' ignore missing %}.",
    "an include that is missing": "{% if ticket.number == 'x' %}{% include 'email/none.txt' %}{% endif %}.",
    "one of several includes": "{% include ['email/none.txt', 'email/names.txt'] %}",
    "an include without facts": "{% include 'email/names.txt' without context %}",
    "an include with a layout": "{% include 'email/y.html' %}",
    "an include of itself": "{% include 'email/receipt/en/body.html' %}",
    "text that is not escaped": "{% include 'email/plain.txt' %}{{ recipient.name }}",
    "an include in a macro": "{% macro m(team) %}{% include 'email/plain.txt' %}{% endmacro %}{{ m('<') }}",
    "a layout by a fact": "{% extends locale ~ '.html' %}",
    "two layouts": "{% extends 'email/x.html' %}{% extends 'email/x.html' %}",
    "a layout chosen": "{% if locale %}{% extends 'email/x.html' %}{% endif %}{% block a %}1{% endblock %}",
    "text before a layout": "text{% extends 'email/x.html' %}",
    "a name beside blocks": "{% extends 'email/x.html' %}{% set n = 1 %}{% block b %}{{ n }}{% endblock %}",
    "a macro beside blocks": (
        "{% extends 'email/x.html' %}{% macro m(n) %}{{ n }}<{% endmacro %}"
        "{% block b %}{{ m(team) }}{% endblock %}"
    ),
    "a required block": "{% block a required %}{% endblock %}",
    "a locale of its own": "{% set locale = 'zh_CN' %}{{ 'ticket'|label('word') }}",
    "words for a code": "{{ 'ticket'|label('word') }}{{ 'no'|label('word') }}{{ 'on'|label('word')|upper }}",
    "words of no group": "{{ 'ticket'|label('nothing') }}",
    "a broken include": "{% include 'email/broken.txt' %}",
    "an autoescape of its own": "{% autoescape false %}{{ recipient.name }}{% endautoescape %}",
}


@pytest.mark.parametrize("trick", TRICKS)
def test_an_operators_template_means_what_jinja_says(trick: str, tmp_path: Path) -> None:
    files = {
        "email/receipt/en/body.html": TRICKS[trick],
        "email/x.html": LAYOUT,
        "email/y.html": "{% extends 'email/x.html' %}{% block a %}{{ locale }}{% endblock %}",
        "email/names.txt": "{% set m = 2 %}{% macro two() %}{{ m }}{{ locale }}{% endmacro %}{{ two() }}",
        "email/plain.txt": "{{ recipient.name }} {{ team }}",
        "email/broken.txt": "{% if %}",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    flat = Renderer(tmp_path)
    facts = {**flat.sample("receipt", "en"), "recipient": {"name": HOSTILE, "kind": "customer"}}
    assert said(flat.render_mail, "receipt", "en", facts) == said(
        jinjas_own(tmp_path).render_mail, "receipt", "en", facts
    )
