"""`closeloop doctor --mailbox`: what a fetched mailbox can do, what it holds, what is likely wrong."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from workers.cli.output import print_table, verdict

if TYPE_CHECKING:
    from workers.imap.probe import Examined
    from workers.settings import Settings


def examine_mailboxes(settings: Settings, *, quiet: bool) -> list[dict[str, Any]]:
    """What was found out about each mailbox, told unless `quiet`. Raises SettingsError without any."""
    from workers.errors import SettingsError

    if not settings.imap_url:
        raise SettingsError(
            "no mailbox is configured", hint="set CLOSELOOP_IMAP_URL=imaps://user:password@host"
        )
    from workers.imap.probe import examine  # IMAPClient, which nobody else needs

    found = [examine(box) for box in settings.imap_url]
    if not quiet:
        for one in found:
            _tell(one)
    return [{"ok": one.ok, **asdict(one)} for one in found]


def _tell(found: Examined) -> None:
    if found.fault:
        verdict("bad", f"{found.mailbox} {found.fault}: {found.words}".rstrip(": "), found.hint)
        return
    verdict("good", f"{found.mailbox} connected and logged in")
    for name, words in (
        ("IDLE", "tells of new mail at once"),
        ("ID", "wants to know who we are"),
        ("MOVE", "moves mails in one step"),
    ):
        has = found.offers.get(name, False)
        verdict(
            "good" if has else "warning", f"{name}: {words if has else 'not offered, closeloop does without'}"
        )
    print_table(
        ("folder", "mails"),
        [(name, count if count >= 0 else "?") for name, count in sorted(found.folders.items())],
        "there are no folders",
    )
    for folder in found.missing:
        verdict(
            "bad", f"folder {folder} cannot be opened", "name one of the above, percent-encoded, in the URL"
        )
