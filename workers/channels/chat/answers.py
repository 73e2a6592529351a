"""What the answers of a chat system mean: posted, for later, never, or nobody knows."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote

from workers.channels.port import Verdict

LONGEST_WAIT = 3600.0
LATER = frozenset({408, 425, 429})
CONTENT = frozenset({400, 413, 415, 422})
TOO_FAST = frozenset({"130101", "410100", "45009", "11232", "11233"})
"""钉钉 130101 and 410100, 企业微信 45009, 飞书 11232 and 11233: posts came too fast."""
OWN_CODE = {"dingtalk": "errcode", "wecombot": "errcode", "feishu": "code", "lark": "code"}
"""Where these write their own code; 0 is the only yes. Sources: open.dingtalk.com 自定义机器人接入,
developer.work.weixin.qq.com 群机器人配置说明, open.feishu.cn 自定义机器人使用指南.
"""
_WORDS = ("errmsg", "msg", "message", "error", "description")
_SHORTEST_SECRET = 5


class Seen(Protocol):
    """The part of an exchange that is judged (see `wire.Exchange`)."""

    connected: bool
    timed_out: bool
    status: int | None
    body: bytes
    retry_after: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is known after a post; `text` is the other side's words, `wait` seconds it asked for."""

    verdict: Verdict
    reason: str
    code: int | None = None
    text: str = ""
    wait: float | None = None


def judge(scheme: str, said_yes: bool, exchanges: Sequence[Seen]) -> Judgement:
    """What became of a post, by the last of its requests. `said_yes` is the plug-in's own opinion.

    A refusal that concerns the URL (a wrong token, a keyword that the group demands) comes back when it is
    mended, so it is for later; only what is said of the post itself is final.
    """
    if not exchanges:
        return Judgement(Verdict.RETRY, "nothing_sent")
    last = exchanges[-1]
    if last.status is None:
        return _unanswered(last)
    content = _object(last.body)
    verdict, reason = _by_status(last.status)
    if verdict is Verdict.SENT:
        own = str(content.get(OWN_CODE.get(scheme, ""), "0"))
        if own in TOO_FAST:
            verdict, reason = Verdict.RETRY, "throttled"
        elif own != "0" or not said_yes:
            verdict, reason = Verdict.RETRY, "refused_by_chat"
    sent = verdict is Verdict.SENT
    words = "" if sent else _words(content, last.body)
    return Judgement(verdict, reason, last.status, words, None if sent else _wait(last.retry_after))


def without_secrets(text: str, url: str) -> str:
    """`text` without any part of a group's URL: hosts, tokens, paths and options may all be secrets."""
    for part in sorted(set(re.split(r"[/@:?&=#]+", url)) | {unquote(url)}, key=len, reverse=True):
        for spelling in {part, unquote(part)}:
            if len(spelling) >= _SHORTEST_SECRET:
                text = text.replace(spelling, "***")
    return text


def _unanswered(last: Seen) -> Judgement:
    if last.connected:
        return Judgement(Verdict.UNKNOWN, "timeout_after_data" if last.timed_out else "lost_after_data")
    return Judgement(Verdict.RETRY, "timeout_before_data" if last.timed_out else "connection_failed")


def _by_status(status: int) -> tuple[Verdict, str]:
    """504 says that somebody on the way got no answer in time (RFC 9110 §15.6.5): it may have been posted."""
    if 200 <= status < 300:
        return Verdict.SENT, "accepted"
    if status == 504:
        return Verdict.UNKNOWN, "timeout_after_data"
    if status in LATER:
        return Verdict.RETRY, "throttled" if status == 429 else "server_error"
    if 300 <= status < 400:
        return Verdict.RETRY, "redirect_refused"
    if status in CONTENT:
        return Verdict.REJECTED, "content_rejected"
    return Verdict.RETRY, "server_error" if status >= 500 else "refused_by_chat"


def _object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except ValueError:  # not JSON, or not even text
        return {}
    return content if isinstance(content, dict) else {}


def _words(content: dict[str, Any], body: bytes) -> str:
    for name in _WORDS:
        if isinstance(content.get(name), str):
            return str(content[name])
    plain = body.decode("utf-8", "replace").strip()
    return "" if content or plain.startswith("<") else plain


def _wait(value: str) -> float | None:
    """Seconds of Retry-After; a date is not used by chat systems and is passed over."""
    return min(float(value), LONGEST_WAIT) if re.fullmatch(r"\d{1,9}", value.strip(), re.ASCII) else None
