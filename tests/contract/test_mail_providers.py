"""The contract of the mail providers' port: what each of them must take, refuse, and take only once."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.intake import IntakeEvent
from tests import mail_hooks_json as plain
from tests import mail_hooks_signed as signed
from tests.conftest import Backend
from tests.factories import all_of, make_workshop
from tests.fakes import MONDAY_MORNING, ManualClock
from tests.mail_hooks_json import PUBLIC, SUPPORT, Call
from tests.mail_hooks_reading import Shelf
from workers.errors import CloseloopError
from workers.intake.outside import Outside
from workers.intake.providers.mail.account import parse_account
from workers.intake.providers.mail.port import IncomingMail, Item
from workers.intake.providers.mail.registry import PROVIDERS, check_accounts, need_accounts, proved_by
from workers.intake.providers.sms.registry import PROVIDERS as SMS_PROVIDERS
from workers.metrics import Metrics
from workers.rendering import Renderer
from workers.settings.values import EMAIL_HOOK_SCHEMES
from workers.unit_of_work import Workshop
from workers.web.app import WebParts, make_app

pytestmark = pytest.mark.anyio

OTHER = "a-second-long-password-of-the-tests"
OTHER_RESEND = b"thirty-two bytes of another key!"
RAW = signed.RAW


def _login(call: Call, key: int) -> Call:
    """The call of the first account, or the same one of the second."""
    if key == 0:
        return call
    shown = {name: value for name, value in call.headers.items() if "token" not in name}
    return replace(call, headers={**shown, "authorization": plain.login(plain.USER, OTHER)})


def _resend(at: datetime, key: int) -> Call:
    body = json.dumps(plain.resend_received()).encode()
    keys = [plain.RESEND_KEY, OTHER_RESEND]
    return plain.resend_signed(body, "msg_2W2D3qXLS5fOaPja1GDg7rF2CwB", at, keys=[keys[key]])


@dataclass(frozen=True, slots=True)
class Case:
    """One provider: two accounts, a mail and an event as it calls with them (moment, which account).

    `refused` is its status for a forged call. `window`: after how many minutes a signature is stale, None
    where no moment is signed. `covers`: what the signature proves (the `body`, or only the `fields` in it
    that sign), or that there is none (`login`).
    """

    urls: tuple[str, str]
    mail: Callable[[datetime, int], Call]
    event: Callable[[datetime, int], Call]
    covers: str
    refused: int = 401
    window: int | None = None


def _second(name: str) -> tuple[str, str]:
    return plain.URLS[name], f"{name}://{plain.USER}:{OTHER}@"


CASES: Mapping[str, Case] = {
    "mailgun": Case(
        signed.urls()["mailgun"],
        lambda at, key: signed.mailgun_mime(at, key=key),
        lambda at, key: signed.mailgun_event(at, "delivered", key=key),
        "fields",
        406,
        15,
    ),
    "sendgrid": Case(
        signed.urls()["sendgrid"],
        lambda at, key: signed.sendgrid_raw(at, key=key),
        lambda at, key: signed.sendgrid_events(at, {"event": "delivered", "sg_event_id": "e1"}, key=key),
        "body",
        window=15,
    ),
    "postmark": Case(
        signed.urls()["postmark"],
        lambda at, key: signed.postmark_mail(key=key),
        lambda at, key: signed.postmark_event("Delivery", key=key, DeliveredAt="2026-03-02T01:00:00Z"),
        "login",
        403,
    ),
    "ses": Case(
        signed.urls()["ses"],
        lambda at, key: signed.ses(at, signed.ses_mail(), key=key),
        lambda at, key: signed.ses(at, signed.ses_event("Delivery", delivery={}), key=key, ident="e1"),
        "body",
        window=70,
    ),
    "mandrill": Case(
        signed.urls()["mandrill"],
        lambda at, key: signed.mandrill_call(signed.mandrill_mail(), key=key),
        lambda at, key: signed.mandrill_call(signed.mandrill_event("delivered"), key=key),
        "body",
    ),
    "brevo": Case(
        _second("brevo"),
        lambda at, key: _login(plain.brevo({"items": [plain.brevo_item()]}), key),
        lambda at, key: _login(plain.brevo(plain.brevo_event("delivered")), key),
        "login",
        429,
    ),
    "sparkpost": Case(
        _second("sparkpost"),
        lambda at, key: _login(plain.sparkpost([plain.sparkpost_relay(RAW)]), key),
        lambda at, key: _login(plain.sparkpost([plain.sparkpost_event("delivery")]), key),
        "login",
    ),
    "resend": Case(
        (plain.URLS["resend"], f"resend://:whsec_{base64.b64encode(OTHER_RESEND).decode()}@?key=api-key-2"),
        _resend,
        lambda at, key: plain.resend_signed(
            json.dumps(plain.resend_event("email.delivered")).encode(),
            "msg_delivered",
            at,
            keys=[[plain.RESEND_KEY, OTHER_RESEND][key]],
        ),
        "body",
        window=5,
    ),
    "mailjet": Case(
        _second("mailjet"),
        lambda at, key: _login(plain.mailjet(plain.mailjet_mail()), key),
        lambda at, key: _login(plain.mailjet(plain.mailjet_event("sent")), key),
        "login",
    ),
}
ALL_URLS = tuple(url for case in CASES.values() for url in case.urls)
each = pytest.mark.parametrize("name", list(CASES))


def _outside() -> Outside:
    return Outside(Shelf(**{signed.CERTIFICATE_URL: signed.certificate()}))


@dataclass(frozen=True, slots=True)
class Door:
    """The web door of an installation where all providers are set up."""

    workshop: Workshop
    clock: ManualClock
    web: httpx.AsyncClient

    async def post(self, call: Call, path: str = "") -> httpx.Response:
        """The provider calls."""
        return await self.web.post(path or call.path, content=call.body, headers=dict(call.headers))

    async def events(self) -> list[IntakeEvent]:
        """What is stored."""
        return await all_of(self.workshop, IntakeEvent)


@asynccontextmanager
async def _door(backend: Backend, hooks: Sequence[str] = ALL_URLS) -> AsyncIterator[Door]:
    clock = ManualClock()
    async with make_workshop(backend, clock, email_hooks=tuple(hooks)) as workshop:
        parts = WebParts(workshop, Renderer(), workshop.settings, Metrics(), outside=_outside())
        transport = httpx.ASGITransport(make_app(parts))
        async with httpx.AsyncClient(transport=transport, base_url="http://inside:8000") as web:
            yield Door(workshop, clock, web)


@pytest.fixture
async def door(backend: Backend) -> AsyncIterator[Door]:
    async with _door(backend) as opened:
        yield opened


def test_every_provider_is_under_contract_and_its_name_is_its_own() -> None:
    assert set(CASES) == set(PROVIDERS) == set(EMAIL_HOOK_SCHEMES)
    assert not set(PROVIDERS) & set(SMS_PROVIDERS), "both have receipts at /hooks/receipts/<name>"
    check_accounts(ALL_URLS)


@each
async def test_an_authentic_call_is_stored_once_however_often_it_comes(door: Door, name: str) -> None:
    case, now = CASES[name], door.clock.machine()
    for call in (case.mail(now, 0), case.event(now, 0)):
        answers = [await door.post(call) for _ in range(3)]
        assert {answer.status_code for answer in answers} <= {200, 204}
    assert [(row.source, row.kind) for row in await door.events()] == [(name, "mail"), (name, "receipt")]


@each
async def test_the_old_secret_and_a_second_account_are_valid_too(door: Door, name: str) -> None:
    case, now = CASES[name], door.clock.machine()
    assert (await door.post(case.mail(now, 1))).status_code in (200, 204)
    (row,) = await door.events()
    assert (row.source, row.kind) == (name, "mail")


@each
async def test_mail_and_receipts_are_taken_at_either_address(door: Door, name: str) -> None:
    case, now = CASES[name], door.clock.machine()
    other = f"/hooks/receipts/{name}"
    call = case.event(now, 0)
    if name == "mandrill":  # it signs the address
        call = signed.mandrill_call(signed.mandrill_event("delivered"), path=other)
    assert (await door.post(call, other)).status_code in (200, 204)
    assert [row.kind for row in await door.events()] == ["receipt"]


@each
async def test_without_its_account_nobody_is_let_in(backend: Backend, name: str) -> None:
    others = [url for url in ALL_URLS if not url.startswith(f"{name}://")]
    async with _door(backend, others) as door:
        answer = await door.post(CASES[name].mail(door.clock.machine(), 0))
        assert answer.status_code == 404
        assert "CLOSELOOP_EMAIL_HOOKS" in answer.json()["hint"]
        assert await door.events() == []


@each
async def test_a_stranger_is_refused_with_the_status_that_the_provider_obeys(
    backend: Backend, name: str
) -> None:
    """Signed with a secret that is not (or no longer) one of this installation."""
    case = CASES[name]
    async with _door(backend, case.urls[:1]) as door:
        now = door.clock.machine()
        calls = [case.mail(now, 1), case.event(now, 1)]
        bare = case.mail(now, 0)
        shown = {key: value for key, value in bare.headers.items() if key == "content-type"}
        # Without anything that proves: the headers gone, or the fields of the body.
        calls.append(replace(bare, headers=shown, body=bare.body.replace(b"ignature", b"onature")))
        for call in calls:
            answer = await door.post(call)
            assert answer.status_code == case.refused, answer.text
            assert answer.headers["content-type"] == "application/problem+json"
        assert await door.events() == []


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.window])
async def test_a_replay_is_refused_after_its_window_and_one_from_the_future_too(
    door: Door, name: str
) -> None:
    case, now = CASES[name], door.clock.machine()
    window = timedelta(minutes=case.window or 0)
    for off in (window + timedelta(minutes=1), -window - timedelta(minutes=1), timedelta(days=400)):
        answer = await door.post(case.mail(now - off, 0))
        assert answer.status_code == 401, "a clock may be wrong: a later try may pass"
    assert await door.events() == []
    assert (await door.post(case.mail(now - window + timedelta(minutes=1), 0))).status_code in (200, 204)


async def test_a_call_that_is_cut_off_is_refused(door: Door) -> None:
    now = door.clock.machine()
    for name, case in CASES.items():
        for whole in (case.mail(now, 0), case.event(now, 0)):
            # Mailgun signs three fields: with those, and without all of the last one, it is a mail.
            for part in (0.01, 0.3, 0.7, 0.97) if name != "mailgun" else (0.01, 0.3, 0.5):
                cut = replace(whole, body=whole.body[: int(len(whole.body) * part)])
                answer = await door.post(cut)
                assert 400 <= answer.status_code < 500, (name, part, answer.text)
    assert {row.kind for row in await door.events()} <= {"unreadable"}


GARBAGE = (
    *(b"", b"\x00\xff\xfe" * 99, b"[]", b"{}", b"null", b"[[[[", b"{" * 9_999),
    *(b"a=b&" * 9_999, b'{"Type":[]}', b"--x\r\n\r\n\r\n--x--", b'{"signature":7,"event-data":[]}'),
)
KINDS = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "?", "")


async def test_garbage_is_a_clean_refusal(door: Door) -> None:
    for name, case in CASES.items():
        for number, body in enumerate(GARBAGE):
            kind = KINDS[number % len(KINDS)]
            answer = await door.web.post(f"/hooks/email/{name}", content=body, headers={"content-type": kind})
            assert answer.status_code == case.refused, (name, body[:20])
    assert await door.events() == []


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.covers != "body"])
async def test_garbage_with_a_valid_proof_is_kept_once(door: Door, name: str) -> None:
    """Where the signature covers the body, nobody but the provider could make such a call."""
    case, now = CASES[name], door.clock.machine()
    call = case.mail(now, 0)
    if case.covers == "fields":
        proof = b"&".join(one for one in call.body.split(b"&") if one.startswith((b"tim", b"tok", b"sig")))
        call = replace(call, body=proof)
    else:
        call = replace(call, body=b'{"what": ["is", "this"')
    answers = [await door.post(call) for _ in range(2)]
    assert {answer.status_code for answer in answers} == {406 if name == "mailgun" else 400}
    assert [row.kind for row in await door.events()] == ["unreadable"]


async def test_what_is_too_large_is_refused_before_it_is_read(door: Door) -> None:
    for case in CASES.values():
        call = case.mail(door.clock.machine(), 0)
        headers = {**call.headers, "content-length": str(37 * 1024 * 1024)}
        answer = await door.web.post(call.path, content=b"", headers=headers)
        assert answer.status_code == 413


def _items(name: str, call: Call) -> Sequence[Item]:
    """What a call says to the installation, after it has proved itself. Raises CloseloopError."""
    provider, accounts = need_accounts(name, CASES[name].urls)
    request = call.request(MONDAY_MORNING)
    return provider.read(request, proved_by(provider, request, accounts, OUTSIDE))


OUTSIDE = _outside()


@each
@given(data=st.data())
def test_a_changed_byte_is_refused_or_changes_nothing(name: str, data: st.DataObject) -> None:
    """Whatever a signature covers cannot be changed; whatever it does not cover must not matter."""
    case = CASES[name]
    call = data.draw(st.sampled_from([case.mail(MONDAY_MORNING, 0), case.event(MONDAY_MORNING, 0)]))
    said = _items(name, call)
    changed = _changed(case, call, data)
    try:
        found = _items(name, changed)
    except CloseloopError:
        return
    assert [one.key for one in found] == [one.key for one in said]
    assert [one.envelope() for one in found] == [one.envelope() for one in said]
    if case.covers == "body":
        assert _contents(name, changed, found) == _contents(name, call, said)


def _changed(case: Case, call: Call, data: st.DataObject) -> Call:
    where = call.headers["authorization"].encode() if "authorization" in call.headers else call.body
    if case.covers == "fields":
        names = [name for name in (b"timestamp", b"token", b"signature") if name in call.body]
        start = call.body.index(data.draw(st.sampled_from(names)) + b'"' * (call.body[:1] == b"{"))
        places = range(start, min(start + 30, len(call.body)))
    elif case.covers == "login":
        if "authorization" not in call.headers:
            name = next(name for name in call.headers if "token" in name)
            token = call.headers[name]
            return replace(
                call, headers={**call.headers, name: _flip(token.encode(), data, 0).decode("latin-1")}
            )
        return replace(
            call, headers={**call.headers, "authorization": _flip(where, data, 6).decode("latin-1")}
        )
    else:
        places = range(len(call.body))
    place = data.draw(st.sampled_from(places))
    bit = 1 << data.draw(st.integers(0, 7))
    body = call.body
    return replace(call, body=body[:place] + bytes([body[place] ^ bit]) + body[place + 1 :])


def _shown(call: Call, name: str, value: bytes) -> Call:
    return replace(call, headers={**call.headers, name: value.decode("latin-1")})


def _flip(value: bytes, data: st.DataObject, first: int) -> bytes:
    place = data.draw(st.integers(first, len(value) - 1))
    return value[:place] + bytes([value[place] ^ 1]) + value[place + 1 :]


def _contents(name: str, call: Call, items: Sequence[Item]) -> list[bytes]:
    if name == "resend":
        return [call.body]
    provider = PROVIDERS[name]
    return [
        provider.mime(one.raw or call.body, one.envelope()["details"], [], OUTSIDE)
        for one in items
        if isinstance(one, IncomingMail)
    ]


@each
def test_an_account_that_could_prove_nothing_is_refused_at_the_start(name: str) -> None:
    for url in (f"{name}://", f"{name}://user@", f"{name}://?nothing=1", f"{name}://:@"):
        with pytest.raises(CloseloopError):
            check_accounts([url])
    case = CASES[name]
    assert all(parse_account(url).provider == name for url in case.urls)
    assert PUBLIC not in repr([parse_account(url) for url in case.urls])


@each
def test_its_mail_says_from_whom_and_to_whom(name: str) -> None:
    (item,) = _items(name, CASES[name].mail(MONDAY_MORNING, 0))
    assert isinstance(item, IncomingMail)
    assert item.recipients == (SUPPORT,)
    assert item.sender in (None, plain.CUSTOMER)
