"""The door for SparkPost, Resend, Brevo and Mailjet: what is stored, what is not, and what they are told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from models.vocabulary import EventState
from tests.conftest import Backend
from tests.house import House, open_house
from tests.mail_hooks_json import (
    URLS,
    Call,
    brevo,
    brevo_event,
    brevo_item,
    mailjet,
    mailjet_event,
    mailjet_mail,
    resend,
    resend_received,
    resend_signed,
    sparkpost,
    sparkpost_event,
    sparkpost_relay,
)
from tests.mail_hooks_reading import NOW, RAW, Shelf
from workers.intake.store import store

pytestmark = pytest.mark.anyio

ALL = {"email_hooks": tuple(URLS.values())}
REFUSED = {"brevo": 429, "sparkpost": 401, "resend": 401, "mailjet": 401}


def samples() -> list[Call]:
    return [
        brevo({"items": [brevo_item()]}),
        sparkpost([sparkpost_relay(RAW)]),
        resend(resend_received()),
        mailjet(mailjet_mail()),
    ]


async def post(house: House, call: Call, *, to: str = "") -> tuple[int, dict[str, Any] | None]:
    answer = await house.web.post(to or call.path, content=call.body, headers=dict(call.headers))
    is_problem = answer.headers.get("content-type", "") == "application/problem+json"
    return answer.status_code, answer.json() if is_problem else None


async def test_each_provider_is_taken_in_once_at_either_address(backend: Backend) -> None:
    async with open_house(backend, settings=ALL, fetch=Shelf()) as house:
        for call in samples():
            assert (await post(house, call))[0] == 200
            assert (await post(house, call, to=f"/hooks/receipts/{call.provider}"))[0] == 200
        events = await house.events()
        assert sorted(event.source for event in events) == sorted(URLS)
        assert {event.received_at for event in events} == {house.clock.now()}


async def test_what_is_not_proved_is_refused_and_leaves_nothing(backend: Backend) -> None:
    async with open_house(backend, settings=ALL) as house:
        stale = resend_signed(samples()[2].body, "msg_9", NOW)
        for call in [replace(each, headers={}) for each in samples()] + [stale]:
            status, problem = await post(house, call)
            assert status == REFUSED[call.provider]
            assert problem is not None
            assert problem["hint"]
        cut = replace(samples()[2], body=samples()[2].body[:-1])
        assert (await post(house, cut))[0] == 401
        assert await house.events() == []


async def test_a_provider_that_is_not_set_up_is_not_there(backend: Backend) -> None:
    async with open_house(backend, settings={"email_hooks": (URLS["mailjet"],)}) as house:
        status, problem = await post(house, sparkpost([sparkpost_relay(RAW)]))
        assert status == 404
        assert problem is not None
        assert "CLOSELOOP_EMAIL_HOOKS" in problem["hint"]
        assert await house.events() == []


async def test_a_ping_is_answered_and_leaves_nothing(backend: Backend) -> None:
    async with open_house(backend, settings=ALL) as house:
        for call in (sparkpost({}), sparkpost([{"msys": {}}]), mailjet([]), brevo({"items": []})):
            assert (await post(house, call))[0] == 200
        assert await house.events() == []


async def test_a_proved_call_without_meaning_is_kept(backend: Backend) -> None:
    async with open_house(backend, settings=ALL) as house:
        statuses = [(await post(house, make("no object")))[0] for make in (brevo, sparkpost, resend, mailjet)]
        assert statuses == [400, 400, 200, 400]
        await house.settle()
        events = await house.events()
        assert {event.state for event in events} == {EventState.REJECTED}
        assert len(events) == 4
        assert all(event.reason for event in events)


async def test_a_batch_is_stored_as_a_whole_or_not_at_all(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = 0

    async def third_fails(*arguments: Any) -> bool:
        nonlocal seen
        seen += 1
        if seen == 3:
            raise OperationalError("insert", {}, RuntimeError("gone"))
        return await store(*arguments)

    events = [sparkpost_event("delivery", event_id=str(number)) for number in range(4)]
    async with open_house(backend, settings=ALL) as house:
        with monkeypatch.context() as patch:
            patch.setattr("workers.web.mail_hooks.store", third_fails)
            assert (await post(house, sparkpost(events)))[0] == 503
        assert await house.events() == []
        assert (await post(house, sparkpost(events)))[0] == 200
        assert len(await house.events()) == 4


async def test_our_own_trouble_makes_every_one_of_them_come_again(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: Any) -> bool:
        raise OperationalError("insert", {}, RuntimeError("gone"))

    async with open_house(backend, settings=ALL) as house:
        with monkeypatch.context() as patch:
            patch.setattr("workers.web.mail_hooks.store", fails)
            statuses = {call.provider: (await post(house, call))[0] for call in samples()}
        assert statuses == {"brevo": 429, "sparkpost": 503, "resend": 503, "mailjet": 503}


async def test_receipts_of_mail_that_is_not_ours_change_nothing_and_wait_for_nothing(
    backend: Backend,
) -> None:
    calls = [brevo(brevo_event("hard_bounce")), mailjet(mailjet_event("spam", "something of theirs"))]
    async with open_house(backend, settings=ALL) as house:
        for call in calls:
            assert (await post(house, call))[0] == 200
        await house.settle()
        assert {(event.state, event.reason) for event in await house.events()} == {
            (EventState.DONE, "of_no_known_message")
        }
