"""Senders of text messages: what they ask, what they make of each documented answer, whose URL is whose."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from tests.fakes_sms_providers import CHANNEL, PROVIDERS, SECRET, FakeProvider
from workers.channels.port import Channel, Outcome, Outgoing, Verdict
from workers.channels.sms.aliyun import acs3_authorization, canonical_query
from workers.channels.sms.factory import sms_channel
from workers.channels.sms.payload import sms_payload
from workers.channels.sms.registry import parse_templates
from workers.channels.sms.tencent import tc3_authorization
from workers.channels.sms.url import SmsAccount, parse_sms_url
from workers.clock import SystemClock
from workers.errors import SettingsError

pytestmark = pytest.mark.anyio

BOB = "+8613800000001"
FACTS = {"ticket": {"number": "CS0001 & = ~*/"}}
BOOK = parse_templates(
    {
        "template": [
            {
                "message": "receipt",
                "code": "SMS_1",
                "kind": "notice",
                "state": "approved",
                "variables": {"number": "ticket.number"},
            },
            {"message": "csat_invitation", "code": "SMS_2", "kind": "survey", "state": "pending"},
        ]
    }
)


@asynccontextmanager
async def channel_to(side: FakeProvider, callback: str | None = None) -> AsyncIterator[Channel]:
    channel = sms_channel(side.url, SystemClock(), callback, templates=BOOK, timeout=20)
    try:
        yield channel
    finally:
        await channel.aclose()


async def send(channel: Channel, side: FakeProvider, message: str = "receipt", **more: Any) -> Outcome:
    outcomes: list[Outcome] = []

    async def report(outcome: Outcome) -> None:
        outcomes.append(outcome)

    payload = sms_payload([side.url], "您好 & = €", message, "zh_CN", FACTS)
    item = Outgoing(uuid4(), more.get("to", BOB), more.get("sender", ""), more.get("payload", payload))
    await channel.deliver([item], report, until=time.monotonic() + 120)
    (only,) = outcomes
    return only


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_message_arrives_whole(name: str) -> None:
    async with FakeProvider(name) as side, channel_to(side, "https://desk.example/hooks") as channel:
        outcome = await send(channel, side)
    (caught,) = side.messages
    assert caught.to == BOB
    assert (outcome.verdict, outcome.provider_id) == (Verdict.SENT, "id-1")
    assert SECRET not in outcome.text
    said = str(caught.fields)
    assert ("CS0001 & = ~*/" if name in ("aliyun", "tencent") else "您好 & = €") in said
    if name in ("vonage", "plivo"):
        assert "https://desk.example/hooks" in said, "receipts are asked for"


@pytest.mark.parametrize("name", PROVIDERS)
async def test_bytes_that_are_no_text_are_refused(name: str) -> None:
    async with FakeProvider(name) as side, channel_to(side) as channel:
        outcome = await send(channel, side, payload=b"\xff")
    assert (outcome.verdict, outcome.reason) == (Verdict.REJECTED, "content_rejected")


@pytest.mark.parametrize("name", ["aliyun", "tencent"])
async def test_what_has_no_approved_template_never_reaches_the_wire(name: str) -> None:
    async with FakeProvider(name) as side, channel_to(side) as channel:
        reasons = [
            (await send(channel, side, "breach")).reason,
            (await send(channel, side, "csat_invitation")).reason,
            (await send(channel, side, payload=b"words")).reason,
        ]
    assert reasons == ["template_missing", "template_not_approved", "template_missing"]
    assert side.messages == []


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_wrong_secret_is_for_later_and_is_not_repeated(name: str) -> None:
    async with FakeProvider(name) as side:
        url = side.url.replace(SECRET[:4], "nope")
        channel = sms_channel(url, SystemClock(), templates=BOOK, timeout=20)
        outcome = await send(channel, side)
        await channel.aclose()
    assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, "authentication_failed")
    assert side.messages == []


@pytest.mark.parametrize("name", PROVIDERS)
async def test_the_asked_for_pause_is_passed_on(name: str) -> None:
    async with FakeProvider(name) as side, channel_to(side) as channel:
        side.answer(429, b"slow down", headers={"Retry-After": "7"})
        outcome = await send(channel, side)
    assert (outcome.verdict, outcome.reason, outcome.retry_after) == (Verdict.RETRY, "throttled", 7)


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("body", [b"<html>", b"[]", b"\xff", b'{"messages": 5, "Response": [], "Code": {}}'])
async def test_a_nonsensical_answer_is_never_a_crash(name: str, body: bytes) -> None:
    async with FakeProvider(name) as side, channel_to(side) as channel:
        side.answer(503, body)
        side.answer(200, body)
        broken, odd = await send(channel, side), await send(channel, side)
    assert broken.verdict is Verdict.RETRY
    assert odd.reason != "internal_error"
    assert odd.verdict is not Verdict.RETRY, "a yes that cannot be read may have been one: never twice"


def part(status: str) -> dict[str, Any]:
    return {"messages": [{"status": status, "error-text": f"about {BOB}"}]}


def said(code: str) -> dict[str, Any]:
    return {"Response": {"SendStatusSet": [{"Code": code, "Message": f"about {BOB}"}]}}


def error(code: str) -> dict[str, Any]:
    return {"Response": {"Error": {"Code": code, "Message": "no"}}}


SENT_PART = {"status": "0", "message-id": "1"}
ANSWERS: list[tuple[str, int, dict[str, Any], str, str]] = [
    ("vonage", 200, part("1"), "retry", "throttled"),
    ("vonage", 200, part("4"), "retry", "authentication_failed"),
    ("vonage", 200, part("9"), "retry", "out_of_credit"),
    ("vonage", 200, part("7"), "rejected", "opted_out"),
    ("vonage", 200, part("15"), "rejected", "sender_rejected"),
    ("vonage", 200, part("12"), "rejected", "too_large"),
    ("vonage", 200, part("99"), "rejected", "vonage_99"),
    ("vonage", 200, {"messages": [SENT_PART, {"status": "5"}]}, "unknown", "partly_accepted"),
    ("plivo", 400, {"error": "src parameter is invalid"}, "rejected", "sender_rejected"),
    ("plivo", 400, {"error": "text too long"}, "rejected", "too_large"),
    ("plivo", 400, {"error": "?"}, "rejected", "plivo_refused"),
    ("plivo", 402, {"error": "insufficient credit"}, "retry", "authentication_failed"),
    ("plivo", 404, {"error": "not found"}, "retry", "authentication_failed"),
    ("bird", 403, {"code": "Forbidden"}, "retry", "authentication_failed"),
    ("bird", 422, {"code": "InvalidPayload", "message": "body"}, "rejected", "bird_refused"),
    ("bird", 500, {}, "retry", "server_error"),
    ("bird", 504, {}, "unknown", "timeout_after_data"),
    ("aliyun", 200, {"Code": "isv.BUSINESS_LIMIT_CONTROL"}, "retry", "throttled"),
    ("aliyun", 200, {"Code": "isv.DAY_LIMIT_CONTROL"}, "retry", "quota"),
    ("aliyun", 200, {"Code": "isv.AMOUNT_NOT_ENOUGH"}, "retry", "out_of_credit"),
    ("aliyun", 200, {"Code": "isv.SMS_TEMPLATE_ILLEGAL"}, "rejected", "template_not_approved"),
    ("aliyun", 200, {"Code": "isv.SMS_SIGNATURE_ILLEGAL"}, "rejected", "sender_rejected"),
    ("aliyun", 200, {"Code": "isv.PARAM_NOT_SUPPORT_URL"}, "rejected", "link_in_variable"),
    ("aliyun", 200, {"Code": "isv.BLACK_KEY_CONTROL_LIMIT"}, "rejected", "content_rejected"),
    ("aliyun", 200, {"Code": "isv.SOMETHING_NEW"}, "rejected", "aliyun_something_new"),
    ("aliyun", 400, {"Code": "Throttling.User"}, "retry", "throttled"),
    ("aliyun", 404, {"Code": "InvalidAccessKeyId.NotFound"}, "retry", "authentication_failed"),
    ("aliyun", 503, {"Code": "ServiceUnavailable"}, "retry", "server_error"),
    ("tencent", 200, said("FailedOperation.PhoneNumberInBlacklist"), "rejected", "opted_out"),
    ("tencent", 200, said("FailedOperation.ContainSensitiveWord"), "rejected", "content_rejected"),
    (
        "tencent",
        200,
        said("FailedOperation.TemplateIncorrectOrUnapproved"),
        "rejected",
        "template_not_approved",
    ),
    (
        "tencent",
        200,
        said("FailedOperation.InsufficientBalanceInSmsPackage"),
        "retry",
        "out_of_credit",
    ),
    ("tencent", 200, said("LimitExceeded.PhoneNumberDailyLimit"), "retry", "throttled"),
    ("tencent", 200, said("InvalidParameterValue.Something"), "rejected", "tencent_something"),
    ("tencent", 200, error("AuthFailure.SignatureFailure"), "retry", "authentication_failed"),
    ("tencent", 200, error("RequestLimitExceeded"), "retry", "throttled"),
    ("tencent", 200, error("InternalError.Timeout"), "unknown", "timeout_after_data"),
    ("tencent", 200, error("InternalError"), "retry", "server_error"),
    ("http", 422, {}, "rejected", "gateway_refused"),
    ("http-form", 200, {"code": 17}, "rejected", "gateway_refused"),
]


@pytest.mark.parametrize(("name", "status", "body", "verdict", "why"), ANSWERS)
async def test_an_answer_is_understood(
    name: str, status: int, body: dict[str, Any], verdict: str, why: str
) -> None:
    async with FakeProvider(name) as side, channel_to(side) as channel:
        side.answer(status, body)
        outcome = await send(channel, side)
    assert (outcome.verdict, outcome.reason, outcome.code) == (verdict, why, status)
    assert BOB[1:] not in outcome.text
    assert outcome.provider_id is None


def test_the_worked_example_of_aliyuns_signature_is_reproduced() -> None:
    query = {"ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd", "RegionId": "cn-shanghai"}
    headers = {
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "x-acs-action": "RunInstances",
        "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
        "x-acs-date": "2023-10-26T10:22:32Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-version": "2014-05-26",
    }
    made = acs3_authorization(
        "POST", canonical_query(query), headers, b"", "YourAccessKeyId", "YourAccessKeySecret"
    )
    assert made == (
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;"
        "x-acs-date;x-acs-signature-nonce;x-acs-version,"
        "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


@pytest.mark.parametrize(
    ("key", "action", "signature"),
    [
        (
            "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE",
            "",
            "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168",
        ),
        ("*" * 32, "DescribeInstances", "10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f"),
    ],
)
def test_the_worked_examples_of_tencents_signature_are_reproduced(
    key: str, action: str, signature: str
) -> None:
    body = rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}'
    signed = {"content-type": "application/json; charset=utf-8", "host": "cvm.tencentcloudapi.com"}
    if action:
        signed["x-tc-action"] = action
    made = tc3_authorization("cvm", signed, body, "AKID", key, datetime.fromtimestamp(1551113065, UTC))
    assert made.endswith(f", Signature={signature}")
    assert made.startswith(
        "TC3-HMAC-SHA256 Credential=AKID/2019-02-25/cvm/tc3_request, SignedHeaders=content-type;host"
    )


async def test_a_powerpack_chooses_its_own_number() -> None:
    async with FakeProvider("plivo") as side:
        url = side.url.replace("+15550100", CHANNEL)
        channel = sms_channel(url, SystemClock(), timeout=20)
        await send(channel, side, sender="+15550177")
        await channel.aclose()
    assert side.messages[0].fields["powerpack_uuid"] == CHANNEL
    assert "src" not in side.messages[0].fields


async def test_a_gateway_gets_its_constants_and_an_item_its_sender() -> None:
    extra = "&_field.app=desk&_from=originator"
    async with FakeProvider("http-form", extra=extra) as side, channel_to(side) as channel:
        await send(channel, side)
        await send(channel, side, sender="+15550177")
    first, second = (caught.fields for caught in side.messages)
    assert (first["app"], first["originator"], second["originator"]) == ("desk", "Closeloop", "+15550177")


def test_a_url_names_any_provider() -> None:
    account = parse_sms_url("tencent://AKID:s%2Fk@/1400006666?sign=%E9%97%AD%E7%8E%AF&region=ap-beijing")
    assert isinstance(account, SmsAccount)
    assert (account.provider, account.key, account.token, account.sender) == (
        "tencent",
        "AKID",
        "s/k",
        "1400006666",
    )
    assert account.options == {"sign": "闭环", "region": "ap-beijing"}
    assert "s/k" not in repr(account)
    gateway = parse_sms_url("https://u:p@gw.example:8443/send?key=secret&_to=phone")
    assert (gateway.provider, gateway.api) == ("http", "https://gw.example:8443/send?key=secret")
    assert "secret" not in repr(gateway)


@pytest.mark.parametrize(
    "url",
    [
        "vonage://key:topsecret@/",
        "vonage://key@/Closeloop",
        "vonage://key:topsecret@/Closeloop?method=rot13",
        "plivo://id:topsecret@/not-a-uuid-nor-number",
        "bird://w:topsecret@/+15550100",
        "aliyun://k:topsecret@/",
        "aliyun://k:topsecret@/【闭环】",
        "aliyun://k:topsecret@/闭环服务?region=evil.example",
        "tencent://k:topsecret@/1400006666",
        "tencent://k:topsecret@/appid?sign=闭环",
        "tencent://k:topsecret@/1400006666?sign=闭环&api=ftp://x",
        "http:///send?token=topsecret",
        "https://u:topsecret@gw.example/?_format=xml",
        "https://u:topsecret@gw.example/?_typo=1",
        "pigeon://u:topsecret@/x",
    ],
)
def test_a_wrong_url_is_refused_without_repeating_its_secret(url: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        parse_sms_url(url)
    assert "topsecret" not in str(refusal.value)
