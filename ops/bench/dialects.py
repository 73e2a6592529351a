"""closeloop's mail templates in the peers' template languages, so that all render the same words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from workers.rendering import Renderer
from workers.rendering.environment import shipped_folder
from workers.rendering.styles import Styles

KIND = "receipt"
SHARED = ("email/_base", f"email/{KIND}")

_TITLE_USED = "{{ self.title() }}"
_TITLE = re.compile(r"{% block title %}(.*?){% endblock %}", re.DOTALL)
_REQUIRED = re.compile(r"({% block \w+) required %}")
_FOR_IF = re.compile(r"({% for [\w, ]+ in \w+) if (.+?) %}(.*?){% endfor %}", re.DOTALL)


def nunjucks(source: str) -> str:
    """A Jinja template as nunjucks takes it: without `required`, `self.title()` and `for … if`.

    The title's block is written twice instead: nunjucks cannot say a block again.
    """
    source = _REQUIRED.sub(r"\1 %}", source)
    source = _FOR_IF.sub(r"\1 %}{% if \2 %}\3{% endif %}{% endfor %}", source)
    if _TITLE_USED in source:
        return source.replace(_TITLE_USED, "{% block head_title %}{% endblock %}")
    title = _TITLE.search(source)
    return source + f"\n{{% block head_title %}}{title[1]}{{% endblock %}}" if title else source


def write_nunjucks(folder: Path) -> None:
    """Put what a receipt takes into `folder`, the stylesheet written into the elements as in ours."""
    shipped = shipped_folder()
    styles = Styles((shipped / "email/_base/mail.css").read_text("utf-8"))
    for part in SHARED:
        for path in (shipped / part).rglob("*"):
            if path.suffix not in (".html", ".txt", ".css"):
                continue
            target = folder / path.relative_to(shipped)
            target.parent.mkdir(parents=True, exist_ok=True)
            # Jinja drops the newline at the end of a file, nunjucks does not.
            source = path.read_text("utf-8").removesuffix("\n")
            styled = styles.apply(source) if path.suffix == ".html" else source
            target.write_text(nunjucks(styled), "utf-8")
    for labels in shipped.glob("labels.*.json"):
        (folder / labels.name).write_bytes(labels.read_bytes())


def django(locale: str) -> dict[str, str]:
    """The receipt in Django's template language: `subject`, `text` and `html`, each in one flat piece.

    They are what ours render from names instead of facts, so there is nothing left to include or to decide:
    the least work that this mail can be. Times go through a filter `moment`, as in ours.
    """
    rendered = Renderer().render_mail(KIND, locale, _names())
    return {
        "subject": _with_moments(rendered.subject, locale),
        "text": _with_moments(rendered.text, locale),
        "html": _with_moments(rendered.html, locale),
    }


_RECEIVED = ("2001-02-03T04:05:00+00:00", {"en": "3 Feb 04:05", "zh_CN": "2月3日 04:05"})
_PROMISED = ("2001-03-04T05:06:00+00:00", {"en": "4 Mar 05:06", "zh_CN": "3月4日 05:06"})


def _names() -> dict[str, Any]:
    return {
        "zone": "UTC",
        "team": {name: f"{{{{ team.{name} }}}}" for name in ("name", "hours", "address")},
        "ticket": {
            "number": "{{ ticket.number }}",
            "subject": "{{ ticket.subject }}",
            "category": "other",
            "received_at": _RECEIVED[0],
        },
        "promised_at": _PROMISED[0],
        "recipient": {"name": "{{ recipient.name }}", "kind": "customer"},
        "links": {},
    }


def _with_moments(text: str, locale: str) -> str:
    for name, (_, words) in (("ticket.received_at", _RECEIVED), ("promised_at", _PROMISED)):
        offset = f"{words[locale]} (UTC)"
        text = text.replace(offset, f"{{{{ {name}|moment:'{locale} offset' }}}}")
        text = text.replace(words[locale], f"{{{{ {name}|moment:'{locale}' }}}}")
    return text
