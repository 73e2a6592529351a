"""Text messages through 腾讯云短信, with approved templates.

SendSms 2021-01-11: cloud.tencent.com/document/api/382/55981. Signature v3 (TC3-HMAC-SHA256):
tencentcloud.com/document/api/1005/34678. Errors: cloud.tencent.com/document/api/382/59177 (sending) and
…/382/52075 (common); all come with status 200.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx

from workers.channels.port import Outgoing, Verdict
from workers.channels.sms.codes import coded, verdict_of
from workers.channels.sms.codes.tencent import reason_of_answer
from workers.channels.sms.http import HttpSms, Judgement, by_status, json_object, text_or_none
from workers.channels.sms.payload import read_payload
from workers.channels.sms.registry import TemplateBook
from workers.channels.sms.url import SmsAccount
from workers.clock import Clock

ALGORITHM = "TC3-HMAC-SHA256"
TENCENT_API = "https://sms.tencentcloudapi.com"
CONTENT_TYPE = "application/json; charset=utf-8"


class TencentSms(HttpSms):
    """The 腾讯云 implementation of the channel port; see `HttpSms`. `templates` says which message goes out
    under which code.
    """

    name = "tencent"

    def __init__(
        self, account: SmsAccount, clock: Clock, templates: TemplateBook, *, timeout: float = 20,
        connections: int = 4,
    ) -> None:  # fmt: skip # packed, to be read at a glance
        super().__init__(
            account.api or TENCENT_API, clock, foreign=bool(account.api), timeout=timeout,
            connections=connections,
        )  # fmt: skip # packed, to be read at a glance
        self._account = account
        self._templates = templates

    def request(self, item: Outgoing) -> httpx.Request:
        """POST JSON; variables are sent by position. Raises Refused."""
        account = self._account
        filled = self._templates.fill(read_payload(item.payload), account.options["sign"])
        whole = {
            "PhoneNumberSet": [item.recipient],
            "SmsSdkAppId": account.sender,
            "SignName": filled.sign,
            "TemplateId": filled.template.code,
            "TemplateParamSet": list(filled.values.values()),
            "SessionContext": item.id.hex,
        }
        body = json.dumps(whole, ensure_ascii=False).encode()
        url = httpx.URL(f"{self.client.base_url}".rstrip("/") + "/")
        now = self.clock.machine()
        signed = {
            "content-type": CONTENT_TYPE,
            "host": url.netloc.decode("ascii"),
            "x-tc-action": "SendSms",
        }
        headers = {
            **signed,
            "x-tc-version": "2021-01-11",
            "x-tc-region": account.options.get("region", "ap-guangzhou"),
            "x-tc-timestamp": str(int(now.timestamp())),
            "authorization": tc3_authorization("sms", signed, body, account.key, account.token, now),
        }
        return self.client.build_request("POST", url, content=body, headers=headers)

    def judge(self, answer: httpx.Response) -> Judgement:
        """The code of the only number, or of the whole request."""
        response = json_object(answer).get("Response")
        if not answer.is_success:
            return Judgement(*by_status(answer.status_code, "tencent_refused"), answer.reason_phrase)
        said = _status(response) if isinstance(response, dict) else None
        if said is None:
            return Judgement(Verdict.UNKNOWN, "unreadable_answer", answer.reason_phrase)
        code, words, serial = said
        if code == "Ok":
            return Judgement(Verdict.SENT, "accepted", code, text_or_none(serial))
        verdict, reason = _judge(code)
        return Judgement(verdict, reason, f"{code}: {words}")


def tc3_authorization(
    service: str, signed: Mapping[str, str], body: bytes, key: str, secret: str, at: datetime
) -> str:
    """The Authorization header of signature v3 for a POST to / with these headers (lower case, all of them
    signed, their values in lower case as the signature wants them); `at` is the request's X-TC-Timestamp.
    """
    stamp, day = int(at.timestamp()), f"{at:%Y-%m-%d}"
    names = ";".join(sorted(signed))
    lines = "".join(f"{name}:{signed[name].strip().lower()}\n" for name in sorted(signed))
    canonical = "\n".join(("POST", "/", "", lines, names, hashlib.sha256(body).hexdigest()))
    scope = f"{day}/{service}/tc3_request"
    to_sign = "\n".join((ALGORITHM, str(stamp), scope, hashlib.sha256(canonical.encode()).hexdigest()))
    derived = f"TC3{secret}".encode()
    for step in (day, service, "tc3_request"):
        derived = hmac.new(derived, step.encode(), hashlib.sha256).digest()
    signature = hmac.new(derived, to_sign.encode(), hashlib.sha256).hexdigest()
    return f"{ALGORITHM} Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"


def _status(response: Mapping[str, Any]) -> tuple[str, str, object] | None:
    """Code, words and serial number of the answer; None when it says none."""
    error = response.get("Error")
    if isinstance(error, dict):
        return str(error.get("Code", "")), str(error.get("Message", "")), None
    every = response.get("SendStatusSet")
    if isinstance(every, list) and every and isinstance(every[0], dict):
        only = every[0]
        return str(only.get("Code", "")), str(only.get("Message", "")), only.get("SerialNo")
    return None


def _judge(code: str) -> tuple[Verdict, str]:
    if code.startswith("InternalError.Timeout"):
        return Verdict.UNKNOWN, "timeout_after_data"  # nobody knows how far it got
    reason = reason_of_answer(code) or coded("tencent", code.rpartition(".")[2])
    return verdict_of(reason), reason
