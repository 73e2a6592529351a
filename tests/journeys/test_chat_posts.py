"""Row E4: each request is in the team's chat group within ten minutes, naming who is responsible."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from models.base import Base
from models.crypto import Sealer
from models.notifications import Notification
from models.vocabulary import DeadlineState, NotificationState
from tests.conftest import Backend
from tests.fakes_chat import FakeChat
from tests.house import House, open_house, text_of
from workers import promises
from workers.policy import load_policy
from workers.settings.chat import parse_chat_urls

pytestmark = pytest.mark.anyio

TOKEN = "hushtoken0123456789"
LILEI = "lilei@163.example"
CAROL = "carol@help.example"
LATE = "chat_not_posted"


@asynccontextmanager
async def house_with(
    backend: Backend, chat: FakeChat, urls: str = "", **options: Any
) -> AsyncIterator[House]:
    groups = parse_chat_urls(urls or chat.url(TOKEN))
    async with open_house(backend, settings={"chat_urls": groups, "locale": "en"}, **options) as house:
        yield house


async def new_request(house: House) -> str:
    """Somebody asks; gives the ticket's number."""
    words = "My phone is 13800005678, my order never came."
    await house.mail(LILEI, words, subject="Order", name="Li Lei")
    return (await house.ticket()).number


async def post_of(house: House) -> Notification:
    """The only post there is."""
    (row,) = await house.notifications("chat_new_request")
    return row


@pytest.fixture(autouse=True)
def pauses_end_when_a_story_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a busy machine takes, no try comes by itself."""
    monkeypatch.setattr(promises, "FIRST_PAUSE", 3600.0)


async def try_again_now(house: House) -> None:
    """Let the pause between two tries be over."""
    posts = update(Notification).where(Notification.kind == "chat_new_request")
    async with house.workshop.begin() as uow:
        await uow.session.execute(posts.values(free_at=None))
    await house.settle()


async def everything_stored(house: House) -> str:
    """All tables as text, and what is sealed in the ledger opened."""
    told: list[str] = []
    async with house.workshop.read() as uow:
        for table in Base.metadata.sorted_tables:
            told += [repr(tuple(row)) for row in await uow.session.execute(select(table))]
        for row in await uow.session.scalars(select(Notification)):
            sealer: Sealer = await uow.vault.sealer(uow.session, row.data_key_id)
            told.append(sealer.text(row.recipient_sealed, "notifications.recipient"))
            told.append(repr(sealer.json(row.facts_sealed, "notifications.facts")))
    return "\n".join(told)


async def test_a_request_by_mail_is_posted_at_once_and_names_its_handler(backend: Backend) -> None:
    with FakeChat() as chat:
        async with house_with(backend, chat) as house:
            number = await new_request(house)
            (post,) = chat.posts
            handler = (await house.mail_of("assignment")).message["To"]
            lines = post.text.splitlines()
            assert lines[0] == f"New request {number} · Medium · Other"
            assert lines[2] == f"Handler: {str(handler).partition(' <')[0]}"
            limit = (await house.deadlines())["first_response"].limit_at
            assert limit is not None
            assert lines[3].startswith("First response by: ")
            for secret in ("Li Lei", "lilei", "13800005678", "0000", "order never came"):
                assert secret not in post.text
            row, clock = await post_of(house), (await house.deadlines())["chat_post"]
            assert (row.state, row.staff_id, row.customer_id) == (NotificationState.SENT, None, None)
            assert clock.limit_at == clock.started_at + timedelta(minutes=10)
            assert (clock.state, clock.met_at) == (DeadlineState.MET, row.sent_at)
            await house.pass_time(timedelta(minutes=11))
            assert await house.notifications(LATE) == []
            assert (await house.ticket()).first_response_at is None, "a post is no answer"


async def test_staff_are_told_in_test_mode_too(backend: Backend) -> None:
    with FakeChat() as chat:
        async with house_with(backend, chat, mode="test") as house:
            await new_request(house)
            assert [post.path for post in chat.posts] == [f"/{TOKEN}"]
            (receipt,) = await house.notifications("receipt")
            assert receipt.state is NotificationState.HELD


async def test_a_team_is_told_in_all_its_own_groups_and_in_no_other(backend: Backend) -> None:
    team = load_policy("support-response").default_team
    with FakeChat() as chat:
        urls = (
            f"{chat.url('all')} {team}={chat.url('one')} {team}={chat.url('two')} sales={chat.url('sales')}"
        )
        async with house_with(backend, chat, urls) as house:
            chat.answer(500, path="/two", times=1)
            await new_request(house)
            assert sorted({post.path for post in chat.posts}) == ["/one", "/two"]
            assert (await house.deadlines())["chat_post"].state is DeadlineState.RUNNING, "one still lacks it"
            await try_again_now(house)
            assert (await house.deadlines())["chat_post"].state is DeadlineState.MET
            assert [post.path for post in chat.posts].count("/one") == 1


async def test_a_chat_that_is_away_is_tried_again_and_then_the_supervisor_hears_of_it_once(
    backend: Backend,
) -> None:
    with FakeChat() as chat:
        async with house_with(backend, chat) as house:
            chat.close_door()
            number = await new_request(house)
            row = await post_of(house)
            assert (row.state, row.reason) == (NotificationState.RETRYING, "connection_failed")
            await try_again_now(house)
            assert (await post_of(house)).tries >= 2
            assert await house.notifications(LATE) == []
            await house.pass_time(timedelta(minutes=10))
            mail = await house.mail_of(LATE, to=CAROL)
            assert "no connection to the chat system" in text_of(mail)
            assert "everybody#1" in text_of(mail)
            assert "still being tried" in text_of(mail)
            attention = await house.api("GET", "/attention")
            (item,) = [each for each in attention["items"] if each["kind"] == "chat_new_request"]
            assert (item["what"], item["ticket"], item["reason"]) == (
                "broken_rung",
                number,
                "connection_failed",
            )
            assert item["passed_on_to"] == ["SV001"]
            await house.pass_time(timedelta(minutes=1))
            chat.open_door()
            await try_again_now(house)
            assert len(chat.posts) == 1, "late, but it still comes"
            clock = (await house.deadlines())["chat_post"]
            assert (clock.state, clock.ended_reason) == (DeadlineState.BREACHED, "met_late")
            await house.pass_time(timedelta(hours=1))
            assert len(await house.notifications(LATE)) == 1


async def test_a_post_that_may_have_arrived_is_not_doubled_and_somebody_looks(backend: Backend) -> None:
    with FakeChat() as chat:
        async with house_with(backend, chat) as house:
            chat.answer(504)
            await new_request(house)
            row = await post_of(house)
            assert (row.state, row.due_at) == (NotificationState.UNKNOWN, None)
            await house.pass_time(timedelta(minutes=10))
            assert len(chat.posts) == 1
            told = text_of(await house.mail_of(LATE, to=CAROL))
            assert "it may have arrived" in told
            assert "still being tried" not in told


async def test_a_request_that_nobody_can_take_names_the_team(backend: Backend) -> None:
    with FakeChat() as chat:
        async with house_with(backend, chat) as house:
            away = (house.clock.now() + timedelta(days=3)).isoformat()
            for number in ("CS001", "CS002", "SV001", "HD001", "AD001"):
                await house.api("PATCH", f"/staff/{number}", {"absent_until": away})
            await new_request(house)
            assert (await house.ticket()).handler_id is None
            (post,) = chat.posts
            assert "Nobody has it yet. Who takes it? root, Alice, Bob, Dora, Carol" in post.text


async def test_without_a_chat_group_nothing_is_promised(backend: Backend) -> None:
    async with open_house(backend) as house:
        await new_request(house)
        assert await house.notifications("chat_new_request") == []
        assert "chat_post" not in await house.deadlines()


async def test_the_token_is_nowhere_in_the_database_the_log_or_the_api(
    backend: Backend, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    with FakeChat() as chat:
        async with house_with(backend, chat) as house:
            chat.answer(401, {"error": f"there is no {TOKEN} here"}, times=1)
            await new_request(house)
            row = await post_of(house)
            shown = await house.api("GET", f"/notifications/{row.id}/timeline")
            (attempt,) = [each["facts"] for each in shown["moments"] if each["what"] == "attempt"]
            assert (attempt["reason"], attempt["text"]) == ("refused_by_chat", "there is no *** here")
            assert (shown["to"], shown["notification"]["to"]) == ("everybody#1", "chat")
            await try_again_now(house)
            assert (await post_of(house)).state is NotificationState.SENT
            told = f"{await everything_stored(house)}{shown}{caplog.text}{capfd.readouterr()}"
    assert TOKEN not in told
    assert base64.b64encode(TOKEN.encode()).decode() not in told


async def test_staff_may_post_again_what_is_unknown(backend: Backend) -> None:
    with FakeChat() as chat:
        async with house_with(backend, chat) as house:
            chat.answer(504, times=1)
            await new_request(house)
            row = await post_of(house)
            await house.api("POST", f"/notifications/{row.id}/retry", {}, by="carol@help.example")
            assert (await post_of(house)).state is NotificationState.SENT
            assert (await house.deadlines())["chat_post"].state is DeadlineState.MET
