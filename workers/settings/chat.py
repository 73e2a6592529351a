"""The chat groups of an installation: read from CLOSELOOP_CHAT_URLS, without loading what posts to them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote, urlsplit

SERVICES: Mapping[str, str] = MappingProxyType(
    {
        "feishu": "feishu",
        "lark": "lark",
        "dingtalk": "dingtalk",
        "wecombot": "wecombot",
        "slack": "slack",
        "workflow": "workflows",
        "workflows": "workflows",
        "discord": "discord",
        "mmost": "mattermost",
        "mmosts": "mattermost",
        "rocket": "rocketchat",
        "rockets": "rocketchat",
        "gchat": "google_chat",
        "webex": "webexteams",
        "wxteams": "webexteams",
        "zulip": "zulip",
        "tgram": "telegram",
        "line": "line",
        "nctalk": "nextcloudtalk",
        "nctalks": "nextcloudtalk",
        "synology": "synology",
        "synologys": "synology",
        "flock": "flock",
        "ryver": "ryver",
        "stackfield": "stackfield",
        "kook": "kook",
        "chime": "chime",
        "groupme": "groupme",
        "zoom": "zoom",
        "json": "custom_json",
        "jsons": "custom_json",
        "form": "custom_form",
        "forms": "custom_form",
    }
)
"""URL scheme → Apprise's plug-in of it (`apprise.plugins.…`). Only chat systems that are reached by HTTP, and
`json`, `form` for a receiver of one's own: what would start programs, write files or the system's log, or
send mail and SMS behind the ledger's back is not among them.
"""

READS_FILES = frozenset({"template", "attach"})
"""Options by which a plug-in would read a file or fetch an address."""

_ENTRY = re.compile(r"(?:(?P<team>[^=:/?#@\s]+)=)?(?P<url>(?P<scheme>[a-z]{2,16})://\S+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ChatGroup:
    """A group that requests are posted to. `team` "" serves the teams that have no group of their own.

    `name` is how the ledger calls it: the team and its number among the team's own. The URL may change (a new
    token) while the name stays.
    """

    team: str
    number: int
    scheme: str
    url: str = field(repr=False)

    @property
    def name(self) -> str:
        """What stands for the URL wherever somebody may read it."""
        return f"{self.team or 'everybody'}#{self.number}"


def parse_chat_urls(text: str) -> tuple[ChatGroup, ...]:
    """Groups in the order they are written: `URL` or `team=URL`, separated by blanks.

    In a team's name blanks and signs are percent-encoded. Raises ValueError that ends a sentence begun by the
    setting's name and never quotes an entry.
    """
    groups: list[ChatGroup] = []
    counts: Counter[str] = Counter()
    for place, entry in enumerate(text.split(), start=1):
        found = _ENTRY.fullmatch(entry)
        if found is None:
            raise ValueError(f"(number {place}) must look like feishu://TOKEN or team=feishu://TOKEN")
        scheme, team = found["scheme"].lower(), unquote(found["team"] or "")
        _check(place, scheme, found["url"])
        counts[team] += 1
        groups.append(ChatGroup(team, counts[team], scheme, found["url"]))
    return tuple(groups)


def groups_of(groups: Sequence[ChatGroup], team: str) -> tuple[ChatGroup, ...]:
    """The groups of a team: its own, else those of everybody."""
    own = tuple(group for group in groups if team and group.team == team)
    return own or tuple(group for group in groups if not group.team)


def _check(place: int, scheme: str, url: str) -> None:
    if scheme in ("http", "https"):
        raise ValueError(
            f"(number {place}) is a web address: write it as Apprise does, e.g. feishu://TOKEN, "
            "slack://A/B/C, or json(s)://host/path for a receiver of your own"
        )
    if scheme not in SERVICES:
        raise ValueError(
            f"(number {place}) begins with {scheme}://, which is no chat system closeloop posts to (nothing "
            f"that runs programs, writes files or sends mail may be named); use one of {', '.join(SERVICES)}"
        )
    try:
        options = {name.lower() for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)}
    except ValueError:
        raise ValueError(f"(number {place}) cannot be read as a URL") from None
    if refused := sorted(options & READS_FILES):
        raise ValueError(f"(number {place}) must not have {refused[0]}=: closeloop reads no files for a post")
