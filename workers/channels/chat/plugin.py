"""One plug-in of Apprise, opened for one group. Nothing else of Apprise is loaded: no other plug-in, no
configuration, no attachments.
"""

from __future__ import annotations

import logging
from importlib import import_module
from types import ModuleType
from typing import Any
from urllib.parse import unquote

from apprise import Apprise, AppriseAsset, NotifyFormat
from apprise.plugins.base import NotifyBase

from workers.channels.chat.wire import Wire, Witness, seen_by
from workers.errors import SettingsError
from workers.settings.chat import SERVICES, ChatGroup

TALKATIVE = ("apprise", "urllib3")
"""Their finer logs hold tokens and the words of posts; what they tell is told by the attempt's outcome."""


def post(group: ChatGroup, text: str, witness: Witness) -> bool:
    """Post plain `text`; gives what the plug-in says of it. Blocks: for a thread of its own.

    A fresh plug-in for each post: they are cheap, keep no connection, and remember between posts only what
    they would wait for. Raises SettingsError for a URL that the plug-in does not understand.
    """
    with seen_by(witness):
        plugin = open_plugin(group)
        service = Apprise(asset=plugin.asset)
        service.add(plugin)
        return bool(service.notify(text, body_format=NotifyFormat.TEXT))


def open_plugin(group: ChatGroup) -> NotifyBase:
    """The plug-in behind a group's URL. Raises SettingsError, which does not quote the URL."""
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    module = import_module(f"apprise.plugins.{SERVICES[group.scheme]}")
    vars(module)["requests"] = Wire()
    plugin: NotifyBase | None = None
    try:
        kind = _kind(module, group.scheme)
        understood: dict[str, Any] | None = kind.parse_url(
            group.url.replace("/#", "/%23")
        )  # a channel, no fragment
        if understood:
            plugin = kind(**{**understood, "asset": _asset()})
    except (TypeError, ValueError, KeyError, AttributeError):
        plugin = None  # their messages quote the token
    if plugin is None or not plugin.enabled:
        raise SettingsError(
            f"the chat URL of {group.name} is not understood",
            f"ops/docs/chat.md shows how a {group.scheme}:// URL is written",
        )
    # Whether and when it is tried again is decided by the delivery, and a failure is never hidden.
    plugin.retry, plugin.optional = 0, False
    return plugin


def _kind(module: ModuleType, scheme: str) -> type[NotifyBase]:
    """The class in a plug-in's module that serves a scheme."""
    for thing in vars(module).values():
        if isinstance(thing, type) and issubclass(thing, NotifyBase) and scheme in _schemes(thing):
            return _SignedOnce.of(thing) if scheme == "dingtalk" else thing
    raise AttributeError(scheme)


def _schemes(kind: type[NotifyBase]) -> set[str]:
    found: set[str] = set()
    for named in (vars(kind).get("protocol"), vars(kind).get("secure_protocol")):
        found.update((named,) if isinstance(named, str) else named or ())
    return found


class _SignedOnce:
    """钉钉 wants its signature percent-encoded once (open.dingtalk.com, 自定义机器人安全设置).

    Apprise 1.13 encodes it and hands it to requests, which encodes it again: it would never match.
    """

    @staticmethod
    def of(kind: Any) -> type[NotifyBase]:
        """The plug-in's class, giving the signature as it is; requests encodes it."""

        class DingTalk(kind):  # type: ignore[misc]  # a class that is only known when it is loaded
            def get_signature(self) -> tuple[str, str]:
                moment, signature = super().get_signature()
                return moment, unquote(signature)

        return DingTalk


def _asset() -> AppriseAsset:
    return AppriseAsset(
        app_id="closeloop",
        app_desc="closeloop",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        async_mode=False,
        http_redirects=False,
        interpret_emojis=False,
        pgp_autogen=False,
        pem_autogen=False,
        secure_logging=True,
    )
