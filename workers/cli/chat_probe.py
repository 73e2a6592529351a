"""The chat half of `closeloop doctor`: one test post to each configured group."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from workers.cli.output import verdict

if TYPE_CHECKING:
    from workers.channels.port import Outcome
    from workers.settings import Settings

HINTS = {
    "url_not_understood": "closeloop check says which; ops/docs/chat.md shows how each is written",
    "refused_by_chat": "is the token right, and do the group's security settings (keyword, IP …) let it in?",
    "redirect_refused": "is the host right? An answer that sends us elsewhere is not followed",
    "connection_failed": "is the host right, and does a firewall or proxy let you out?",
    "throttled": "the chat system wants fewer posts: try again in a minute",
}


def examine_chats(settings: Settings, *, quiet: bool) -> list[dict[str, Any]]:
    """Post to every group and tell what came of it (unless `quiet`). Raises SettingsError without a group."""
    from workers.errors import SettingsError

    if not settings.chat_urls:
        raise SettingsError("no chat group is configured", hint="set CLOSELOOP_CHAT_URLS=feishu://TOKEN")
    schemes = {group.name: group.scheme for group in settings.chat_urls}
    found = []
    for name, outcome in asyncio.run(_posted(settings)):
        good = outcome.verdict == "sent"
        words = {"reason": outcome.reason, "code": outcome.code, "text": outcome.text}
        found.append({"group": name, "scheme": schemes[name], "ok": good, "host": outcome.host, **words})
        if not quiet:
            shown = " ".join(str(word) for word in (outcome.reason, outcome.code, outcome.text) if word)
            hint = "look into the group" if good else HINTS.get(outcome.reason, "see the words above")
            verdict("good" if good else "bad", f"chat {name} ({schemes[name]}): {shown}", hint)
    return found


async def _posted(settings: Settings) -> list[tuple[str, Outcome]]:
    from workers.channels.chat.channel import ChatChannel
    from workers.channels.port import Outgoing
    from workers.clock import SystemClock

    text = _test_words(settings)
    names = {uuid4(): group.name for group in settings.chat_urls}
    outcomes: dict[UUID, Outcome] = {}

    async def report(outcome: Outcome) -> None:
        outcomes[outcome.id] = outcome

    channel = ChatChannel(settings.chat_urls, SystemClock())
    try:
        batch = [Outgoing(ident, name, "", text.encode()) for ident, name in names.items()]
        await channel.deliver(batch, report, until=time.monotonic() + channel.timeout * (len(batch) + 1))
    finally:
        await channel.aclose()
    return [(name, outcomes[ident]) for ident, name in names.items()]


def _test_words(settings: Settings) -> str:
    from workers.rendering import Renderer

    overrides = settings.data / "templates"
    renderer = Renderer(overrides if overrides.is_dir() else None)
    facts = renderer.chat_sample("chat_test", settings.locale)
    facts["team"]["name"] = settings.mail_from_name or "closeloop"
    return renderer.render_chat("chat_test", settings.locale, facts)
