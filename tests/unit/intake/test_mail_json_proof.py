"""Brevo, SparkPost, Resend, Mailjet: who may call, and what is no call that says anything."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.mail_hooks_json import (
    RESEND_KEY,
    URLS,
    USER,
    Call,
    brevo,
    brevo_event,
    brevo_item,
    login,
    mailjet,
    mailjet_event,
    mailjet_mail,
    resend,
    resend_event,
    resend_received,
    resend_signed,
    sparkpost,
    sparkpost_event,
    sparkpost_relay,
)
from tests.mail_hooks_reading import (
    NOTHING,
    NOW,
    PROVIDERS,
    RAW,
    account_of,
    items_in,
)
from workers.errors import BadSignature, InvalidInput, SettingsError, Unavailable
from workers.intake.mail import parse_mail
from workers.intake.providers.mail.account import parse_account
from workers.intake.providers.mail.brevo import Brevo
from workers.intake.providers.mail.port import IncomingMail
from workers.intake.providers.mail.proof import Stale
from workers.intake.providers.mail.resend import Resend
from workers.intake.providers.mail.sparkpost import SparkPost

SAMPLES = [
    brevo({"items": [brevo_item()]}),
    sparkpost([sparkpost_relay(RAW)]),
    resend(resend_received(), at=NOW),
    mailjet(mailjet_mail()),
]


@pytest.mark.parametrize("call", SAMPLES, ids=lambda call: call.provider)
def test_a_call_proves_itself_and_a_forged_one_does_not(call: Call) -> None:
    provider, account = PROVIDERS[call.provider], account_of(call.provider)
    provider.check(account)
    provider.verify(call.request(NOW), account, NOTHING)
    foreign = {name: ("x" + value)[:-1] for name, value in call.headers.items() if name != "content-type"}
    for headers in ({}, foreign, {"authorization": "Basic !"}, {"authorization": "Bearer "}):
        with pytest.raises(BadSignature):
            provider.verify(replace(call, headers=headers).request(NOW), account, NOTHING)


@pytest.mark.parametrize("name", ["brevo", "sparkpost", "mailjet"])
def test_a_login_does_wherever_nothing_is_signed(name: str) -> None:
    account = account_of(name)
    PROVIDERS[name].verify(Call(name, b"{}", {"authorization": login()}).request(NOW), account, NOTHING)
    for wrong in (login(password="wrong"), login(user=""), login(user="", password="")):
        with pytest.raises(BadSignature):
            PROVIDERS[name].verify(Call(name, b"{}", {"authorization": wrong}).request(NOW), account, NOTHING)


def test_brevo_may_show_a_bearer_token() -> None:
    account = account_of("brevo")
    token = account.option("token")
    Brevo().verify(Call("brevo", b"{}", {"authorization": f"Bearer {token}"}).request(NOW), account, NOTHING)
    bare = parse_account(f"brevo://{USER}:a-long-password-of-the-tests@")
    for given in ("Bearer ", f"Bearer {token}", f"bearer {token}x"):
        with pytest.raises(BadSignature):
            Brevo().verify(Call("brevo", b"{}", {"authorization": given}).request(NOW), bare, NOTHING)


@pytest.mark.parametrize(
    "url",
    [
        "brevo://@",
        "brevo://@?token=short",
        f"brevo://{USER}:short@",
        "mailjet://@?tokken=aaaaaaaaaaaaaaaaaaaaaaaaaa",
        "sparkpost://user@",
        "resend://@?key=abc",
        "resend://:whsec_dG9vIHNob3J0@",
        "resend://:no base64@",
    ],
)
def test_an_account_that_could_prove_nothing_is_refused_at_the_start(url: str) -> None:
    account = parse_account(url)
    with pytest.raises(SettingsError) as raised:
        PROVIDERS[account.provider].check(account)
    assert PROVIDERS[account.provider].name in str(raised.value)
    assert "dG9v" not in str(raised.value)


def test_resends_signature_is_over_id_time_and_body() -> None:
    call, account = resend(resend_received(), at=NOW), account_of("resend")
    changed = [
        replace(call, body=call.body[:-1]),
        replace(call, body=call.body + b" "),
        replace(call, headers={**call.headers, "svix-id": "msg_other"}),
        replace(call, headers={**call.headers, "svix-timestamp": str(int(NOW.timestamp()) + 1)}),
        replace(call, headers={**call.headers, "svix-signature": "v2" + call.headers["svix-signature"][2:]}),
        replace(call, headers={**call.headers, "svix-signature": call.headers["svix-signature"][3:]}),
        resend_signed(call.body, "msg_1", NOW, keys=[b"the key of somebody else, really"]),
    ]
    for each in changed:
        with pytest.raises(BadSignature):
            Resend().verify(each.request(NOW), account, NOTHING)


def test_resend_signs_with_two_secrets_while_one_is_replaced() -> None:
    body = b'{"type":"x","data":{}}'
    both = resend_signed(body, "msg_1", NOW, keys=[b"a new key that we do not yet know", RESEND_KEY])
    Resend().verify(both.request(NOW), account_of("resend"), NOTHING)
    unbranded = {name.replace("svix-", "webhook-"): value for name, value in both.headers.items()}
    Resend().verify(replace(both, headers=unbranded).request(NOW), account_of("resend"), NOTHING)


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_call_that_was_signed_too_long_ago_or_ahead_is_stale(minutes: int) -> None:
    call = resend(resend_received(), at=NOW + timedelta(minutes=minutes))
    with pytest.raises(Stale):
        Resend().verify(call.request(NOW), account_of("resend"), NOTHING)
    wider = parse_account(URLS["resend"] + "&window=10")
    Resend().verify(call.request(NOW), wider, NOTHING)


def test_svix_own_example_is_signed_as_they_say() -> None:
    """The vector of docs.svix.com/receiving/verifying-payloads/how-manual."""
    secret, body = "whsec_plJ3nmyCDGBKInavdOK15jsl", b'{"event_type":"ping","data":{"success":true}}'
    headers = {
        "svix-id": "msg_loFOjxBNrRLzqYUf",
        "svix-timestamp": "1731705121",
        "svix-signature": "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
    }
    request = Call("resend", body, headers).request(datetime.fromtimestamp(1731705121, UTC))
    Resend().verify(request, parse_account(f"resend://:{secret}@"), NOTHING)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'[{"msys":{}}]', b'[{"msys":{}},{}]', b"  "])
def test_sparkposts_ping_holds_nothing(body: bytes) -> None:
    assert (
        list(SparkPost().read(replace(sparkpost([]), body=body).request(NOW), account_of("sparkpost"))) == []
    )


@pytest.mark.parametrize(
    "call",
    [
        brevo([]),
        brevo({"items": []}),
        brevo(brevo_event("unique_opened")),
        brevo(brevo_event("click")),
        brevo(brevo_event("request")),
        sparkpost([sparkpost_event("injection"), sparkpost_event("open", family="track_event")]),
        resend(resend_event("email.opened"), at=NOW),
        resend({"type": "contact.created", "data": {}}, at=NOW),
        mailjet([]),
        mailjet([mailjet_event("open"), mailjet_event("click")]),
    ],
    ids=lambda call: call.provider,
)
def test_what_nobody_waits_for_is_no_item(call: Call) -> None:
    assert items_in(call) == []


@pytest.mark.parametrize("name", list(PROVIDERS))
@pytest.mark.parametrize("body", [b"{", b'"text"', b"17", b"null", b"\xff\xfe", b"[" * 100_000, b'{"a":1}'])
def test_a_call_without_meaning_is_said_to_be_so(name: str, body: bytes) -> None:
    request = Call(name, body, {}).request(NOW)
    if name == "sparkpost" and body == b'{"a":1}':
        assert list(PROVIDERS[name].read(request, account_of(name))) == []
        return
    with pytest.raises(InvalidInput):
        PROVIDERS[name].read(request, account_of(name))


JUNK: list[Any] = [None, 0, True, "x", [], {}, [None], [[]], {"a": None}, "\ud800", 1e300, {"": {"": []}}]


@pytest.mark.parametrize("name", list(PROVIDERS))
@pytest.mark.parametrize("junk", JUNK, ids=repr)
def test_a_field_of_another_type_breaks_nothing(name: str, junk: Any) -> None:
    samples: dict[str, list[Any]] = {
        "brevo": [brevo_item(), brevo_event("hard_bounce", reason="x")],
        "sparkpost": [sparkpost_relay(RAW)["msys"]["relay_message"], sparkpost_event("bounce")["msys"]],
        "resend": [resend_received()["data"], resend_event("email.bounced", bounce={"type": "x"})["data"]],
        "mailjet": [mailjet_mail(), mailjet_event("bounce", error="x")],
    }
    wraps: dict[str, list[Any]] = {
        "brevo": [lambda x: {"items": [x]}, lambda x: x],
        "sparkpost": [lambda x: [{"msys": {"relay_message": x}}], lambda x: [{"msys": x}]],
        "resend": [
            lambda x: {"type": "email.received", "data": x},
            lambda x: {"type": "email.bounced", "data": x},
        ],
        "mailjet": [lambda x: x, lambda x: [x]],
    }
    provider = PROVIDERS[name]
    for sample, wrap in zip(samples[name], wraps[name], strict=True):
        for field in sample:
            body = json.dumps(wrap({**sample, field: junk})).encode()
            try:
                items = provider.read(Call(name, body, {"svix-id": "m1"}).request(NOW), account_of(name))
                for item in items:
                    json.dumps(item.envelope())
                    assert 0 < len(item.key) <= 128
                    if isinstance(item, IncomingMail):
                        details = item.envelope()["details"]
                        parse_mail(provider.mime(item.raw or body, details, [account_of(name)], NOTHING))
            except (InvalidInput, Unavailable):
                continue
