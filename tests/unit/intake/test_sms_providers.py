"""SMS providers' webhooks: proved as each documents it, read, and kept apart from forgeries."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from workers.errors import BadSignature, InvalidInput, NotFound
from workers.intake.providers.calls import Credentials, HookRequest
from workers.intake.providers.sms import plivo, twilio, vonage
from workers.intake.providers.sms.port import InboundSms, SmsStatus, join_parts
from workers.intake.providers.sms.registry import PROVIDERS, credentials_for, read_inbound, read_status

URL = "https://desk.example/hooks/sms/x"
NOW = datetime(2024, 5, 20, 6, 30, tzinfo=UTC)
FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}
# Bird's (then MessageBird's) libraries are tested with these tokens.
BIRD_SECRET = "36efdd1aace2e26cd490f0d951138253bef2f7c6d34d18981da781555cc4cebb"
BIRD_URL = "https://example.com/path?bar=1&foo=2"
BIRD_AT = datetime(2021, 7, 5, 10, 0, tzinfo=UTC)
BIRD_TOKEN = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJNZXNzYWdlQmlyZCIsIm5iZiI6MTYyNTQ3OTIwMCwiZXhwIjoxNjI1N"
    "Dc5MjYwLCJqdGkiOiI5M2U1NTAwNi1hMGU4LTQ1MjYtYTE5MC1mYTVmZjAwZWExMTYiLCJ1cmxfaGFzaCI6IjQxZjA1ZjBkZGQwYTIy"
    "YWIyMDlhYzQ2ZjQ3YzQ1NzJkOWNlZmEyNTdlZDc0YjI0MDA0YmFlNzUzZWNlNmMyNjAiLCJwYXlsb2FkX2hhc2giOiJkZmZkNjAyMWJi"
    "MmJkNWIwYWY2NzYyOTA4MDllYzNhNTMxOTFkZDgxYzdmNzBhNGIyODY4OGEzNjIxODI5ODZmIn0._H--TOuYFLpeEH39-rg5E3IHVkj"
    "HozBcaKVWPRC5m9I"
)


def call(
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    *,
    url: str = URL,
    method: str = "POST",
    at: datetime = NOW,
) -> HookRequest:
    return HookRequest(method, url, headers or {}, body, at)


def posted(fields: dict[str, str], headers: dict[str, str] | None = None, **more: Any) -> HookRequest:
    return call(urlencode(fields).encode(), {**FORM, **(headers or {})}, **more)


def sent(whole: Any, **more: Any) -> HookRequest:
    return call(json.dumps(whole, ensure_ascii=False).encode(), JSON, **more)


def secret(*keys: str, **options: str) -> Credentials:
    return Credentials(keys, "hook-token", options)


def refused(name: str, request: HookRequest, credentials: Credentials) -> None:
    with pytest.raises(BadSignature):
        PROVIDERS[name].verify(request, credentials)


# Vonage


def test_vonages_known_signature_is_reproduced() -> None:
    fields = {"a": "1", "b": "2", "timestamp": "1461605396"}
    assert vonage.sign(fields, "secret", "md5hash") == "6af838ef94998832dbfc29020b564830"


@pytest.mark.parametrize("method", ["md5", "sha1", "sha256", "sha512"])
def test_vonages_hmac_covers_all_fields_in_order_with_tamed_values(method: str) -> None:
    fields = {"text": "a&b=c", "msisdn": "8613800000001", "Zone": "x"}
    text = "&Zone=x&msisdn=8613800000001&text=a_b_c"
    assert vonage.sign(fields, "k", method) == hmac.new(b"k", text.encode(), method).hexdigest()


def vonage_call(method: str = "sha256", at: datetime = NOW, **changes: str) -> HookRequest:
    fields = {
        "msisdn": "8613800000001",
        "to": "15550100",
        "messageId": "0A0000",
        "text": "您好 & = ",
        "type": "unicode",
        "timestamp": str(int(at.timestamp())),
        "nonce": "n",
    }
    return posted({**fields, "sig": vonage.sign(fields, "right", method).upper(), **changes})


def test_a_signed_sms_from_vonage_is_let_in_by_the_new_and_by_the_old_secret() -> None:
    for credentials in (
        secret("right", method="sha256"),
        secret("new", "right", method="sha256"),
    ):
        PROVIDERS["vonage"].verify(vonage_call(), credentials)
    (sms,) = PROVIDERS["vonage"].inbound(vonage_call())
    assert (sms.sender, sms.recipient, sms.text, sms.key) == (
        "+8613800000001",
        "+15550100",
        "您好 & = ",
        "0A0000",
    )


def test_what_vonage_did_not_sign_or_signed_two_days_ago_is_refused() -> None:
    right = secret("right", method="sha256")
    refused("vonage", vonage_call(text="changed"), right)
    refused("vonage", vonage_call(sig=""), right)
    refused("vonage", vonage_call(more="x"), right)
    refused("vonage", vonage_call(), secret("wrong", method="sha256"))
    refused("vonage", vonage_call(), secret("right", method="sha512"))
    refused("vonage", vonage_call(at=NOW - timedelta(days=2)), right)
    PROVIDERS["vonage"].verify(vonage_call(at=NOW - timedelta(hours=23)), right)


def test_an_unsigned_vonage_account_is_proved_by_the_hook_token() -> None:
    request = posted({"msisdn": "1"}, url=URL + "?token=hook-token")
    PROVIDERS["vonage"].verify(request, secret())
    refused("vonage", posted({"msisdn": "1"}, url=URL + "?token=guess"), secret())
    refused("vonage", posted({"token": "hook-token"}), secret())
    refused("vonage", request, Credentials())


def token(claims: dict[str, Any], key: str, alg: str = "HS256") -> str:
    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    signed = f"{part(json.dumps({'alg': alg}).encode())}.{part(json.dumps(claims).encode())}"
    return f"{signed}.{part(hmac.digest(key.encode(), signed.encode(), 'sha256'))}"


def test_vonages_token_covers_the_body() -> None:
    body = json.dumps({"msisdn": "8613800000001", "messageId": "1", "text": "hi"}).encode()
    claims = {"iat": int(NOW.timestamp()), "payload_hash": hashlib.sha256(body).hexdigest()}
    for key, alg, content, good in (
        ("right", "HS256", body, True),
        ("wrong", "HS256", body, False),
        ("right", "none", body, False),
        ("right", "HS256", body + b" ", False),
    ):
        request = call(content, {**JSON, "authorization": f"Bearer {token(claims, key, alg)}"})
        if good:
            PROVIDERS["vonage"].verify(request, secret("right"))
        else:
            refused("vonage", request, secret("right"))
    late = token({**claims, "exp": int(NOW.timestamp()) - 60}, "right")
    refused("vonage", call(body, {**JSON, "authorization": f"Bearer {late}"}), secret("right"))


def test_a_long_sms_from_vonage_comes_in_parts_that_join() -> None:
    def part(number: int, text: str) -> InboundSms:
        fields = {"msisdn": "8613800000001", "messageId": f"m{number}", "text": text, "concat": "true"}
        more = {"concat-ref": "7", "concat-total": "2", "concat-part": str(number)}
        return PROVIDERS["vonage"].inbound(sent({**fields, **more}))[0]

    first, second = part(1, "one "), part(2, "two")
    assert (first.group, first.part, first.parts) == ("7", 1, 2)
    assert join_parts([first]) is None
    joined = join_parts([second, first])
    assert joined is not None
    assert (joined.text, joined.external_id, joined.parts) == ("one two", "m1", 1)


@pytest.mark.parametrize(
    ("said", "error", "state", "code"),
    [
        ("delivered", "0", "delivered", ""),
        ("expired", "1", "undelivered", "1"),
        ("rejected", "6", "failed", "6"),
    ],
)
def test_vonages_receipt_is_read_from_a_get(said: str, error: str, state: str, code: str) -> None:
    query = urlencode({"messageId": "0A1", "status": said, "err-code": error})
    (status,) = PROVIDERS["vonage"].statuses(call(method="GET", url=f"{URL}?{query}"))
    assert (status.key, status.error_code) == (f"0A1:{state}", code)


# Plivo

PLIVO = {"MessageUUID": "u-1", "From": "8613800000001", "To": "15550100", "Text": "您好", "Empty": ""}


def test_plivos_known_signature_is_reproduced() -> None:
    known = "ehV3IKhLysWBxC1sy8INm0qGoQYdYsHwuoKjsX7FsXc="
    assert plivo.sign_v2("https://answer.url", "12345", "my_auth_token") == known


def plivo_call(key: str = "token", suffix: str = "v3", url: str = URL, **changes: str) -> HookRequest:
    # As Plivo's libraries put it together: address, "?", the fields in order, ".", nonce.
    bare, _, query = url.partition("?")
    text = f"{bare}?{query}{'.' if query else ''}" + "".join(n + PLIVO[n] for n in sorted(PLIVO)) + ".nonce"
    mac = base64.b64encode(hmac.digest(key.encode(), text.encode(), "sha256")).decode()
    headers = {f"x-plivo-signature-{suffix}": f"b3RoZXI=,{mac}", "x-plivo-signature-v3-nonce": "nonce"}
    return posted({**PLIVO, **changes}, headers, url=url)


def test_a_signed_sms_from_plivo_is_let_in() -> None:
    for request in (plivo_call(), plivo_call(suffix="ma-v3"), plivo_call(url=URL + "?a=1&b=2")):
        PROVIDERS["plivo"].verify(request, secret("token"))
        PROVIDERS["plivo"].verify(request, secret("new", "token"))
    (sms,) = PROVIDERS["plivo"].inbound(plivo_call())
    assert (sms.sender, sms.recipient, sms.text, sms.key) == ("+8613800000001", "+15550100", "您好", "u-1")


def test_what_plivo_did_not_sign_is_refused_and_the_old_signature_does_not_excuse_the_new() -> None:
    refused("plivo", plivo_call(Text="changed"), secret("token"))
    refused("plivo", plivo_call(key="wrong"), secret("token"))
    refused("plivo", posted(PLIVO), secret("token"))
    refused("plivo", plivo_call(), Credentials())
    forged = plivo_call(Text="changed")
    old = {"x-plivo-signature-v2": plivo.sign_v2(URL, "n", "token"), "x-plivo-signature-v2-nonce": "n"}
    refused("plivo", call(forged.body, {**forged.headers, **old}), secret("token"))
    PROVIDERS["plivo"].verify(call(forged.body, {**FORM, **old}), secret("token"))
    refused("plivo", call(b"", old, url=URL + "x"), secret("token"))


def test_plivos_status_is_read_and_its_answer_is_a_document() -> None:
    fields = {"MessageUUID": "u-1", "Status": "undelivered", "ErrorCode": "40"}
    (status,) = PROVIDERS["plivo"].statuses(posted(fields))
    assert status == SmsStatus("u-1", "undelivered", "40")
    answer = PROVIDERS["plivo"].answer()
    assert (answer.status, answer.media_type) == (200, "application/xml")


# Bird


def test_messagebirds_known_token_is_let_in() -> None:
    headers = {"messagebird-signature-jwt": BIRD_TOKEN}
    good = call(b"Hello, World!", headers, url=BIRD_URL, at=BIRD_AT)
    PROVIDERS["bird"].verify(good, secret(BIRD_SECRET))
    PROVIDERS["bird"].verify(good, secret("new", BIRD_SECRET))
    for request, key in (
        (good, "wrong"),
        (call(b"Hello, World?", headers, url=BIRD_URL, at=BIRD_AT), BIRD_SECRET),
        (call(b"", headers, url=BIRD_URL, at=BIRD_AT), BIRD_SECRET),
        (call(b"Hello, World!", headers, url=BIRD_URL + "0", at=BIRD_AT), BIRD_SECRET),
        (call(b"Hello, World!", headers, url=BIRD_URL, at=BIRD_AT + timedelta(minutes=5)), BIRD_SECRET),
        (call(b"Hello, World!", headers, url=BIRD_URL, at=BIRD_AT - timedelta(minutes=5)), BIRD_SECRET),
        (call(b"x", {"messagebird-signature-jwt": "a.b"}, url=BIRD_URL, at=BIRD_AT), BIRD_SECRET),
    ):
        refused("bird", request, secret(key))


def bird_call(whole: Any, at: datetime = NOW) -> HookRequest:
    body, stamp = json.dumps(whole).encode(), str(int(at.timestamp()))
    text = stamp.encode() + b"\n" + URL.encode() + b"\n" + hashlib.sha256(body).digest()
    mac = base64.b64encode(hmac.digest(b"key", text, "sha256")).decode()
    return call(body, {**JSON, "messagebird-signature": mac, "messagebird-request-timestamp": stamp})


BIRD_SMS: dict[str, Any] = {
    "id": "96a0b5fa-a986-453d-be5c-3117f989f025",
    "channelId": "614208aa-b153-4d5d-9989-2fddfc0ce4c3",
    "sender": {"contact": {"identifierKey": "phonenumber", "identifierValue": "+31612345678"}},
    "receiver": {"connector": {"id": "86cc4dc0-3dc0-41b7-ac43-8ec829ead56f"}},
    "body": {"type": "text", "text": {"text": "Sample incoming text message"}},
    "status": "delivered",
    "direction": "incoming",
}


@pytest.mark.parametrize(
    "whole", [BIRD_SMS, {"service": "channels", "event": "sms.inbound", "payload": BIRD_SMS}]
)
def test_a_signed_sms_from_bird_is_let_in_and_read(whole: Any) -> None:
    request = bird_call(whole)
    PROVIDERS["bird"].verify(request, secret("key"))
    (sms,) = PROVIDERS["bird"].inbound(request)
    assert (sms.sender, sms.text, sms.key) == (
        "+31612345678",
        "Sample incoming text message",
        BIRD_SMS["id"],
    )


def test_what_bird_did_not_sign_is_refused() -> None:
    good = bird_call(BIRD_SMS)
    refused("bird", call(good.body + b" ", dict(good.headers)), secret("key"))
    refused("bird", call(good.body, dict(good.headers), url=URL + "?x"), secret("key"))
    refused("bird", good, secret("other"))
    refused("bird", call(good.body, JSON), secret("key"))
    refused("bird", call(good.body, {**good.headers, "messagebird-signature": "%%"}), secret("key"))
    refused("bird", bird_call(BIRD_SMS, NOW - timedelta(hours=10)), secret("key"))


def test_birds_status_is_read_with_its_error() -> None:
    failure = {"code": 15001, "source": {"name": "sms-messagebird", "code": "34"}}
    whole = {**BIRD_SMS, "direction": "outgoing", "status": "delivery_failed", "failure": failure}
    request = bird_call({"event": "sms.outbound", "payload": whole})
    assert PROVIDERS["bird"].statuses(request) == [SmsStatus(str(BIRD_SMS["id"]), "undelivered", "34")]
    assert PROVIDERS["bird"].inbound(request) == [], "our own message is no inbound one"


def test_the_former_messagebird_is_read_too() -> None:
    query = urlencode({"id": "e1", "recipient": "31612345678", "status": "delivered"})
    assert PROVIDERS["bird"].statuses(call(method="GET", url=f"{URL}?{query}"))[0].key == "e1:delivered"
    (sms,) = PROVIDERS["bird"].inbound(posted({"id": "e2", "originator": "31612345678", "payload": "hi"}))
    assert (sms.sender, sms.text) == ("+31612345678", "hi")


# 阿里云 and 腾讯云


@pytest.mark.parametrize("name", ["aliyun", "tencent"])
def test_unsigned_pushes_are_proved_by_the_hook_token(name: str) -> None:
    PROVIDERS[name].verify(sent([], url=URL + "?token=hook-token"), secret("sending secret"))
    refused(name, sent([]), secret("sending secret"))
    refused(name, sent([], url=URL + "?token=sending%20secret"), secret("sending secret"))
    refused(name, sent([], url=URL + "?token="), Credentials())


def test_aliyuns_pushes_hold_several_messages_and_their_ids_may_be_numbers() -> None:
    item = {
        "phone_number": "13811110001",
        "content": "退订",
        "dest_code": "1234",
        "sequence_id": "1234567890",
    }
    first, second = PROVIDERS["aliyun"].inbound(sent([item, {**item, "sequence_id": 1234567891}]))
    (again,) = PROVIDERS["aliyun"].inbound(sent([{**item, "sequence_id": 1234567890}]))
    assert (first.sender, first.recipient, first.text) == ("+8613811110001", "1234", "退订")
    assert first.key == again.key, "a string and a number are the same id"
    assert first.key != second.key
    assert "13811110001" not in first.key, "ids of events stand in clear"


def test_aliyuns_reports_are_read() -> None:
    item = {"phone_number": "13811110001", "success": True, "err_code": "DELIVERED", "biz_id": "b1"}
    bad = {**item, "success": False, "err_code": "MK:0001", "biz_id": "b2"}
    good, lost = PROVIDERS["aliyun"].statuses(sent([item, bad]))
    assert (good, lost) == (SmsStatus("b1", "delivered", ""), SmsStatus("b2", "undelivered", "MK:0001"))
    assert json.loads(PROVIDERS["aliyun"].answer().body) == {"code": 0, "msg": "ok"}


def test_tencents_sms_has_an_id_of_number_time_and_words() -> None:
    item = {
        "extend": "",
        "mobile": "13811110001",
        "nationcode": "86",
        "sign": "闭环",
        "text": "5",
        "time": 1457336869,
    }
    (sms,), (again,) = PROVIDERS["tencent"].inbound(sent(item)), PROVIDERS["tencent"].inbound(sent(item))
    (later,) = PROVIDERS["tencent"].inbound(sent({**item, "time": 1457336870}))
    assert (sms.sender, sms.text) == ("+8613811110001", "5")
    assert sms.key == again.key != later.key


def test_tencents_reports_are_read() -> None:
    item = {
        "mobile": "13811110001",
        "nationcode": "86",
        "report_status": "SUCCESS",
        "errmsg": "DELIVRD",
        "sid": "s1",
    }
    good, lost = PROVIDERS["tencent"].statuses(
        sent([item, {**item, "report_status": "FAIL", "errmsg": "MK:0001", "sid": "s2"}])
    )
    assert (good, lost) == (SmsStatus("s1", "delivered", ""), SmsStatus("s2", "undelivered", "MK:0001"))
    assert json.loads(PROVIDERS["tencent"].answer().body) == {"result": 0, "errmsg": "OK"}


# All of them


def test_twilio_speaks_through_the_same_port() -> None:
    fields = {"MessageSid": "SM1", "From": "+15550123", "To": "+15550100", "Body": "hi"}
    signature = twilio.sign(URL, list(fields.items()), "token")
    request = posted(fields, {"x-twilio-signature": signature})
    PROVIDERS["twilio"].verify(request, secret("token"))
    PROVIDERS["twilio"].verify(request, secret("new", "token"))
    refused("twilio", request, secret("new", "newer"))
    refused("twilio", request, Credentials())
    assert PROVIDERS["twilio"].inbound(request)[0].key == "SM1"
    assert read_inbound("twilio", fields).text == "hi"
    assert read_status("twilio", {"MessageSid": "SM1", "MessageStatus": "sent"}).state == "sent"


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"[1]", b"null", b"\xff\xfe", b'{"id": {}}', b"[" * 100_000, b"a=%FF", b"=&=&", b"{"],
)
def test_what_makes_no_sense_is_refused_and_never_crashes(name: str, body: bytes) -> None:
    for headers in (FORM, JSON):
        with pytest.raises(InvalidInput):
            PROVIDERS[name].inbound(call(body, headers))
        with pytest.raises(InvalidInput):
            PROVIDERS[name].statuses(call(body, headers))
        with pytest.raises((BadSignature, InvalidInput)):
            PROVIDERS[name].verify(call(body, headers), secret("x"))


def test_an_envelope_gives_back_what_was_put_in() -> None:
    sms = InboundSms("+1", "+2", "hi", "id", ("https://x.example/a",), "7", 1, 2)
    assert read_inbound("vonage", json.loads(json.dumps(sms.envelope()))) == sms
    status = SmsStatus("id", "sent", "3")
    assert read_status("vonage", json.loads(json.dumps(status.envelope()))) == status
    with pytest.raises(InvalidInput):
        read_inbound("vonage", {"nonsense": 1})


def proof(name: str, *urls: str) -> Credentials:
    (only,) = credentials_for(name, urls, "h")
    return only


def test_the_account_says_what_proves_a_call_and_nobody_elses_calls_count() -> None:
    assert proof("twilio", "twilio://AC1:t@/+15550100?previous=old").secrets == ("t", "old")
    assert proof("plivo", "plivo://A1:t@/+15550100").secrets == ("t",)
    vonage_url = "vonage://k:sending@/Closeloop?signature=signing&previous=old&method=sha256"
    found = proof("vonage", vonage_url)
    assert (found.secrets, found.options["method"]) == (("signing", "old"), "sha256")
    assert proof("vonage", "vonage://k:sending@/Closeloop").secrets == ()
    assert proof("aliyun", "aliyun://k:s@/闭环服务").hook_token == "h"
    assert "signing" not in repr(found)
    for urls in (["plivo://A1:t@/+15550100"], [""], []):
        with pytest.raises(NotFound):
            credentials_for("vonage", urls, "h")


def test_every_account_of_every_provider_proves_its_own_calls() -> None:
    urls = ["plivo://A1:one@/+15550100", "twilio://AC1:t@/+15550100", "plivo://A2:two@/+15550101"]
    assert [each.secrets for each in credentials_for("plivo", urls, "h")] == [("one",), ("two",)]
    assert [each.secrets for each in credentials_for("twilio", urls, "h")] == [("t",)]
