"""The peer: django-post_office with its own tables, its own templates and its own `send_queued_mail`.

    python -m ops.bench.peers.django_post_office fill ROWS    tables, templates, one queued mail per line
    python -m ops.bench.peers.django_post_office send LOCK    waits for SIGUSR1, then sends what is queued
    python -m ops.bench.peers.django_post_office show ROWS    the first two mails, rendered, as JSON lines

ROWS has templates in its first line, then a mail per line (JSON). Mails are rendered when they are sent
(`render_on_delivery`), from facts that stand in the row. There is nothing to decrypt, no row is claimed (a
lock file keeps a second sender away), and what was sent is only recorded at the end of its batch: it does
less than closeloop.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django

PROCESSES = 2
CHUNK = 1_000
SENDER = "support@closeloop.localhost"


def main(work: str, place: str) -> None:
    """Do one of the three."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "ops.bench.peers.django_post_office.settings"
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    django.setup()
    {"fill": fill, "send": send, "show": show}[work](Path(place))


def fill(rows: Path) -> None:
    """Make the tables and queue the mails."""
    from django.core.management import call_command
    from post_office import mail
    from post_office.models import EmailTemplate

    call_command("migrate", verbosity=0)
    lines = rows.open(encoding="utf-8")
    templates = {
        locale: EmailTemplate.objects.create(
            name=f"receipt_{locale}",
            subject=_plain(parts["subject"]),
            content=_plain(parts["text"]),
            html_content=parts["html"],
        )
        for locale, parts in json.loads(next(lines)).items()
    }
    waiting = [_arguments(json.loads(line), templates) for line in lines]
    for start in range(0, len(waiting), CHUNK):
        mail.send_many(waiting[start : start + CHUNK])


def send(lock: Path) -> None:
    """Wait for the start signal, send all with the command that its documentation recommends, stay."""
    import post_office.mail  # noqa: F401 - loaded before the clock runs
    from django.core.management import call_command

    signal.sigwait({signal.SIGUSR1})
    call_command("send_queued_mail", processes=PROCESSES, lockfile=str(lock))
    signal.pause()


def show(rows: Path) -> None:
    """Print what the first mail of each language says."""
    from django.template import engines

    lines = rows.open(encoding="utf-8")
    templates = json.loads(next(lines))
    for row in (json.loads(next(lines)) for _ in templates):
        parts = templates[row["locale"]]
        sources = {**parts, "subject": _plain(parts["subject"]), "text": _plain(parts["text"])}
        said = {
            name: engines["django"].from_string(text).render(row["facts"]) for name, text in sources.items()
        }
        print(json.dumps({"locale": row["locale"], **said}))


def _plain(source: str) -> str:
    return "{% autoescape off %}" + source + "{% endautoescape %}"


def _arguments(row: dict[str, Any], templates: dict[str, Any]) -> dict[str, Any]:
    facts = row["facts"]
    return {
        "sender": f"{facts['team']['name']} <{SENDER}>",
        "recipients": [f"{facts['recipient']['name']} <{row['recipient']}>"],
        "template": templates[row["locale"]],
        "context": facts,
        "render_on_delivery": True,
        "headers": dict(_headers(row)),
    }


def _headers(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    thread = row["facts"]["thread"]
    yield "Message-ID", row["message_id"]
    yield "In-Reply-To", thread[-1]
    yield "References", " ".join(thread)
    yield "Auto-Submitted", "auto-generated"


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
