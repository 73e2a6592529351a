"""What an answer of a chat system means, and what never leaves or gets written down."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import pytest

from tests.fakes_chat import FakeChat
from workers.channels.chat.answers import without_secrets
from workers.channels.chat.channel import BURST, ChatChannel
from workers.channels.limits import LocalLimiter
from workers.channels.port import Outcome, Outgoing, Verdict
from workers.clock import SystemClock
from workers.settings.chat import parse_chat_urls

pytestmark = pytest.mark.anyio

TOKEN = "hushtoken0123456789"


@asynccontextmanager
async def channel_to(urls: str, **options: Any) -> AsyncIterator[ChatChannel]:
    channel = ChatChannel(parse_chat_urls(urls), SystemClock(), **options)
    try:
        yield channel
    finally:
        await channel.aclose()


async def posted(channel: ChatChannel, text: str = "新工单 CS1", count: int = 1) -> list[Outcome]:
    outcomes: list[Outcome] = []

    async def report(outcome: Outcome) -> None:
        outcomes.append(outcome)

    batch = [Outgoing(uuid4(), "everybody#1", "", text.encode()) for _ in range(count)]
    await channel.deliver(batch, report, until=time.monotonic() + 120)
    return outcomes


async def once(chat: FakeChat, url: str = "", **options: Any) -> Outcome:
    async with channel_to(url or chat.url(TOKEN), **options) as channel:
        (outcome,) = await posted(channel)
    return outcome


ROBOTS = {
    "feishu": ("NotifyFeishu", "http://127.0.0.1:{port}/{{token}}", f"feishu://{TOKEN}"),
    "lark": ("NotifyLark", "http://127.0.0.1:{port}/", f"lark://{TOKEN}"),
    "dingtalk": ("NotifyDingTalk", "http://127.0.0.1:{port}/?t={{token}}", f"dingtalk://{TOKEN}"),
    "wecombot": ("NotifyWeComBot", "http://127.0.0.1:{port}/?k={{key}}", f"wecombot://{TOKEN}"),
}


def at_home(monkeypatch: pytest.MonkeyPatch, robot: str, chat: FakeChat) -> str:
    """Let the plug-in of a robot speak to `chat`; gives its URL."""
    kind, address, url = ROBOTS[robot]
    monkeypatch.setattr(f"apprise.plugins.{robot}.{kind}.notify_url", address.format(port=chat.port))
    return url


@pytest.mark.parametrize(
    ("robot", "body", "reason"),
    [
        ("feishu", {"code": 19024, "msg": "Key Words Not Found", "data": {}}, "refused_by_chat"),
        ("feishu", {"code": 11232, "msg": "frequency limited"}, "throttled"),
        ("dingtalk", {"errcode": 310000, "errmsg": "keywords not in content"}, "refused_by_chat"),
        ("dingtalk", {"errcode": 130101, "errmsg": "send too fast"}, "throttled"),
        ("wecombot", {"errcode": 93000, "errmsg": "invalid webhook url"}, "refused_by_chat"),
        ("wecombot", {"errcode": 45009, "errmsg": "api freq out of limit"}, "throttled"),
    ],
)
async def test_a_no_in_an_answer_with_status_200_is_no_yes(
    monkeypatch: pytest.MonkeyPatch, robot: str, body: dict[str, Any], reason: str
) -> None:
    with FakeChat() as chat:
        url = at_home(monkeypatch, robot, chat)
        chat.answer(200, body, times=1)
        async with channel_to(url) as channel:
            (refused,), (good,) = await posted(channel), await posted(channel)
    assert (refused.verdict, refused.reason, refused.code) == (Verdict.RETRY, reason, 200)
    assert refused.text == (body.get("msg") or body.get("errmsg"))
    assert (good.verdict, good.text) == (Verdict.SENT, "")
    assert "新工单 CS1" in str(chat.posts[-1].body)


async def test_a_signature_of_dingtalk_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeChat() as chat:
        at_home(monkeypatch, "dingtalk", chat)
        outcome = await once(chat, f"dingtalk://SECsecret@{TOKEN}")
    assert outcome.verdict is Verdict.SENT
    (signature,) = parse_qs(chat.posts[0].target.partition("?")[2])["sign"]
    assert len(signature) == 44, "32 bytes in base64"
    assert signature.endswith("=")


@pytest.mark.parametrize(
    ("status", "verdict", "reason"),
    [
        (201, Verdict.SENT, "accepted"),
        (302, Verdict.RETRY, "redirect_refused"),
        (400, Verdict.REJECTED, "content_rejected"),
        (401, Verdict.RETRY, "refused_by_chat"),
        (404, Verdict.RETRY, "refused_by_chat"),
        (410, Verdict.RETRY, "refused_by_chat"),
        (429, Verdict.RETRY, "throttled"),
        (500, Verdict.RETRY, "server_error"),
        (504, Verdict.UNKNOWN, "timeout_after_data"),
    ],
)
async def test_each_status_has_its_meaning(status: int, verdict: Verdict, reason: str) -> None:
    with FakeChat() as chat:
        chat.answer(status, headers={"Location": chat.url("elsewhere").replace("json", "http")})
        outcome = await once(chat)
    assert (outcome.verdict, outcome.reason, outcome.code) == (verdict, reason, status)
    assert [post.path for post in chat.posts] == [f"/{TOKEN}"], "nothing is asked elsewhere, nothing twice"


async def test_options_of_an_url_neither_follow_redirects_nor_retry_nor_hide_a_failure() -> None:
    with FakeChat() as chat:
        chat.answer(302, headers={"Location": f"http://127.0.0.1:{chat.port}/elsewhere"})
        outcome = await once(
            chat, f"{chat.url(TOKEN)}?redirect=yes&retry=3&wait=0&optional=yes&rto=99&cto=99"
        )
    assert outcome.reason == "redirect_refused"
    assert len(chat.posts) == 1


async def test_the_other_side_may_ask_for_a_pause() -> None:
    with FakeChat() as chat:
        chat.answer(429, headers={"Retry-After": "77"})
        assert (await once(chat)).retry_after == 77


async def test_posts_to_one_group_keep_to_twenty_a_minute() -> None:
    with FakeChat() as chat:
        async with channel_to(chat.url(TOKEN), limiter=LocalLimiter(lambda: 0.0)) as channel:
            outcomes = await posted(channel, count=BURST + 3)
    assert len(chat.posts) == BURST
    waiting = [outcome for outcome in outcomes if outcome.verdict is Verdict.NOT_STARTED]
    assert {outcome.reason for outcome in waiting} == {"throttled"}
    assert all(0 < (outcome.retry_after or 0) <= 6 for outcome in waiting)


async def test_a_huge_answer_is_not_taken_in() -> None:
    with FakeChat() as chat:
        chat.answer(500, b"x" * 3_000_000)
        outcome = await once(chat)
    assert outcome.reason == "server_error"
    assert len(outcome.text) <= 500


async def test_no_part_of_the_url_gets_into_a_report_or_a_log(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with FakeChat() as chat:
        url = f"json://user:hushpassword@127.0.0.1:{chat.port}/{TOKEN}?+X-Key=hush%2Fkey"
        chat.answer(401, {"message": f"hushpassword, {TOKEN} and hush/key are wrong"})
        refused = await once(chat, url)
        chat.close_door()
        away = await once(chat, url)
    assert refused.text == "***, *** and *** are wrong"
    assert away.reason == "connection_failed"
    told = f"{refused}{away}{caplog.text}{capfd.readouterr()}"
    assert TOKEN not in told
    assert "hush" not in told
    assert "CS1" not in told


def test_secrets_are_found_in_either_spelling() -> None:
    url = "slack://T1JJ3T3L2/A1BRTD4JD/TIia%2Fjkd?x=%E5%AF%86%E7%A0%81%E5%AF%86%E7%A0%81"
    assert without_secrets("T1JJ3T3L2 TIia/jkd TIia%2Fjkd 密码密码 no", url) == "*** *** *** 密码密码 no"


async def test_text_that_no_plug_in_may_read_as_markup_arrives_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "<!channel> *bold* & {x} \\n\n第二行 :smile:"
    with FakeChat() as chat:
        async with channel_to(chat.url(TOKEN)) as channel:
            await posted(channel, text)
        url = at_home(monkeypatch, "feishu", chat)
        async with channel_to(url) as channel:
            await posted(channel, text)
    assert chat.posts[0].text == text
    assert chat.posts[1].body["content"]["text"] == text


async def test_leaving_does_not_wait_for_an_answer_that_does_not_come() -> None:
    with FakeChat() as chat:
        chat.answer(-1)
        began = time.monotonic()
        async with channel_to(chat.url(TOKEN), timeout=25) as channel:
            task = asyncio.create_task(posted(channel))
            while not chat.posts:  # noqa: ASYNC110 - another thread's list
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    assert time.monotonic() - began < 20
