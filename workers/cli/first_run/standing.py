"""What stands already, without its secrets, and what to do next."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from workers.cli.first_run.wording import say

if TYPE_CHECKING:
    from workers.settings import Settings

SHOWN = (
    "MAIL_FROM",
    "ADMIN",
    "TIMEZONE",
    "LOCALE",
    "PUBLIC_URL",
    "IMAP_URL",
    "SMTP_INTAKE",
    "SMTP_URL",
    "CHAT_URLS",
    "POLICY",
    "MODE",
)
SECRET = frozenset({"IMAP_URL", "SMTP_URL", "CHAT_URLS"})
"""Settings that hold passwords or tokens: of these only the host is shown."""


def standing(folder: Path) -> list[tuple[str, str, str]]:
    """Each setting of a first run that is set: its name, its value without secrets, and where it stands."""
    return list(_standing(folder))


def _standing(folder: Path) -> Iterator[tuple[str, str, str]]:
    from workers.settings import known_settings
    from workers.settings.own_settings import FILE_NAME

    kept = known_settings(folder)
    for name in SHOWN:
        full = f"CLOSELOOP_{name}"
        if os.environ.get(f"{full}_FILE") or f"{full}_FILE" in kept:
            yield full, "in a file of its own", "the environment" if f"{full}_FILE" not in kept else FILE_NAME
        elif said := os.environ.get(full):
            yield full, shown(name, said), "the environment"
        elif said := kept.get(full, ""):
            yield full, shown(name, said), FILE_NAME


def shown(name: str, value: str) -> str:
    """A setting's value for people: URLs by scheme and host alone."""
    if name not in SECRET:
        return value
    found = []
    for url in value.split():
        before, _, bare = url.rpartition("=") if "=" in url.split("://", 1)[0] else ("", "", url)
        try:
            parts = urlsplit(bare)
            where = f"{parts.hostname}" + (f":{parts.port}" if parts.port else "") if parts.hostname else "…"
        except ValueError:
            parts, where = urlsplit(""), "…"
        where = "…" if name == "CHAT_URLS" else where  # the host of a chat URL is its token
        found.append(f"{before}={parts.scheme}://{where}" if before else f"{parts.scheme}://{where}")
    return " ".join(found)


def next_steps(folder: Path, settings: Settings, in_force: str) -> list[str]:
    """What to run now, in this order; each is a command, or names one."""
    from workers.policy import load_policy
    from workers.settings.load import DEFAULT_PUBLIC_URL

    data = "" if folder == Path("data").absolute() else f" --data {shlex.quote(str(folder))}"
    wanted = load_policy(settings.policy, zone=settings.timezone, locale=settings.locale).name
    steps = []
    if not settings.admin:
        steps.append(say("to_admin", command=f"closeloop init --admin you@company{data}"))
    if in_force != wanted:
        command = f"closeloop policy apply {settings.policy}{data}"
        steps.append(say("to_apply", command=command, in_force=in_force))
    steps.append(say("to_open", command=f"closeloop up{data}", url=f"{settings.public_url}/console"))
    if settings.admin and settings.smtp_url:
        steps.append(say("to_sign_in", address=settings.admin))
    if settings.imap_url:
        steps.append(say("to_wait"))
    elif settings.smtp_intake:
        steps.append(say("to_forward", address=settings.smtp_intake))
    else:
        steps.append(say("to_let_in", command=f"closeloop init --imap …{data}"))
    if not settings.smtp_url:
        steps.append(say("to_relay", command=f"closeloop init --relay smtp://…{data}"))
    if settings.mode == "test":
        if settings.public_url == DEFAULT_PUBLIC_URL:
            steps.append(say("to_publish", command=f"closeloop init --public-url https://…{data}"))
        steps.append(say("to_look", held=f"closeloop held{data}", live=f"closeloop go-live{data}"))
    return steps


def curl_example(folder: Path, address: str) -> str:
    """A mail to `address` posted to the webhook with its proof; the token is read from its file and never
    shown.
    """
    from workers.settings.own_secrets import FILE_NAME

    path = shlex.quote(str(folder / FILE_NAME))
    to = shlex.quote(f"To: {address}")
    return (
        f"TOKEN=$(sed -n 's/^CLOSELOOP_HOOK_TOKEN=//p' {path})\n"
        f"printf '%s\\n' 'From: you@example.com' {to} 'Subject: hello' '' 'It works.' |\n"
        '  curl -H "Authorization: Bearer $TOKEN" --data-binary @- http://127.0.0.1:8000/hooks/email/raw'
    )
