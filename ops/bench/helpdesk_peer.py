"""A peer: django-helpdesk's import of the same mails (peers/django_helpdesk), in a database of its own."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ops.bench.arena import LIMIT_SECONDS, Arena
from ops.bench.meter import Meter, settle
from ops.bench.peer_tools import PYTHON, install_python, python_versions
from ops.bench.processes import ROOT, clean_environ, started, wait_until

MODULE = "ops.bench.peers.django_helpdesk"
DATABASE = "helpdesk"
LAST = "SELECT max(pg_xact_commit_timestamp(xmin)) AS last_commit FROM helpdesk_followup"


def race(arena: Arena, mails: Sequence[bytes], *, silent: bool) -> dict[str, Any]:
    """One round. All mails wait as files of its local mailbox; the time runs from the start signal.

    `silent`: it renders no mails, as ours does not within this time.
    """
    install_python()
    mailbox = arena.folder / "mailbox"
    mailbox.mkdir(exist_ok=True)
    for number, raw in enumerate(mails):
        (mailbox / f"{number:06}.eml").write_bytes(raw)
    with arena.empty_database(DATABASE) as database:
        environ = arena.peer_environ(database) | {"PEER_MEDIA": str(arena.folder / "media")}
        environ |= {"PEER_SILENT": "yes"} if silent else {}
        _run("fill", mailbox, environ)
        arena.make_lasting(database)
        command: list[str | Path] = [PYTHON, "-m", MODULE, "take", mailbox]
        with started(command, arena.folder / "helpdesk.log", environ) as process:
            settle([process.pid])
            meter = Meter(arena, [process.pid])
            began = datetime.now(UTC)
            process.send_signal(signal.SIGUSR1)
            _await_end(arena, process, mailbox)
            meter.stop()
            last = arena.postgres.rows(database, LAST)[0]["last_commit"]
            figures = meter.figures(len(mails), (last - began).total_seconds())
        made = json.loads(_run("count", mailbox, environ))
    if made["Ticket"] != len(mails):
        raise AssertionError(f"tickets: {made['Ticket']} instead of {len(mails)}")
    kept = {name: value for name, value in figures.items() if not name.startswith(("sink", "helper", "all_"))}
    return kept | {"versions": python_versions("django", "django_helpdesk", "psycopg"), "made": made}


def _await_end(arena: Arena, process: subprocess.Popen[bytes], mailbox: Path) -> None:
    """Return when the mailbox is empty: it deletes each file whose ticket has been made."""

    def empty() -> bool:
        arena.must_live(process)
        return not any(mailbox.iterdir())

    wait_until(empty, "an empty mailbox", seconds=LIMIT_SECONDS)


def _run(work: str, mailbox: Path, environ: dict[str, str]) -> str:
    """What one short command of the peer prints. Raises CalledProcessError."""
    words = [str(mailbox)] if work == "fill" else []
    command: list[str | Path] = [PYTHON, "-m", MODULE, work, *words]
    done = subprocess.run(
        command, cwd=ROOT, env={**clean_environ(), **environ}, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout
