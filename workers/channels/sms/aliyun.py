"""Text messages through 阿里云短信服务, with approved templates.

SendSms 2017-05-25: help.aliyun.com/document_detail/55284.html. Signature V3 (ACS3-HMAC-SHA256):
alibabacloud.com/help/en/sdk/product-overview/v3-request-structure-and-signature. Errors:
help.aliyun.com/document_detail/101346.html; business errors come with status 200, those of the gateway with
4xx. The API is not idempotent and says so: what may have been sent is not sent again by itself.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from urllib.parse import quote

import httpx

from workers.channels.port import Outgoing, Verdict
from workers.channels.sms.codes import coded, verdict_of
from workers.channels.sms.codes.aliyun import reason_of_answer
from workers.channels.sms.http import HttpSms, Judgement, by_status, json_object, text_or_none
from workers.channels.sms.payload import read_payload
from workers.channels.sms.registry import TemplateBook
from workers.channels.sms.url import SmsAccount
from workers.clock import Clock

ALGORITHM = "ACS3-HMAC-SHA256"
HOME_REGION = "cn-hangzhou"


class AliyunSms(HttpSms):
    """The 阿里云 implementation of the channel port; see `HttpSms`. `templates` says which message goes out
    under which code.
    """

    name = "aliyun"

    def __init__(
        self, account: SmsAccount, clock: Clock, templates: TemplateBook, *, timeout: float = 20,
        connections: int = 4,
    ) -> None:  # fmt: skip # packed, to be read at a glance
        region = account.options.get("region", HOME_REGION)
        host = "dysmsapi.aliyuncs.com" if region == HOME_REGION else f"dysmsapi.{region}.aliyuncs.com"
        super().__init__(
            account.api or f"https://{host}", clock, foreign=bool(account.api), timeout=timeout,
            connections=connections,
        )  # fmt: skip # packed, to be read at a glance
        self._account = account
        self._templates = templates

    def request(self, item: Outgoing) -> httpx.Request:
        """POST with the parameters in the query, as this API documents them. Raises Refused."""
        filled = self._templates.fill(read_payload(item.payload), self._account.sender)
        parameters = {
            "PhoneNumbers": item.recipient.removeprefix("+86").removeprefix("+"),
            "SignName": filled.sign,
            "TemplateCode": filled.template.code,
            "OutId": item.id.hex,
        }
        if filled.values:
            parameters["TemplateParam"] = json.dumps(filled.values, ensure_ascii=False)
        query = canonical_query(parameters)
        url = httpx.URL(f"{self.client.base_url}".rstrip("/") + f"/?{query}")
        headers = {
            "host": url.netloc.decode("ascii"),
            "x-acs-action": "SendSms",
            "x-acs-version": "2017-05-25",
            "x-acs-date": f"{self.clock.machine():%Y-%m-%dT%H:%M:%SZ}",
            "x-acs-signature-nonce": secrets.token_hex(16),
            "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
        }
        headers["authorization"] = acs3_authorization(
            "POST", query, headers, b"", self._account.key, self._account.token
        )
        return self.client.build_request("POST", url, headers=headers)

    def judge(self, answer: httpx.Response) -> Judgement:
        """`Code` is OK and `BizId` the id, or `Code` says what is wrong."""
        body = json_object(answer)
        code = str(body.get("Code", ""))
        words = f"{code}: {body.get('Message', '')}" if code else answer.reason_phrase
        if answer.is_success and code == "OK":
            return Judgement(Verdict.SENT, "accepted", code, text_or_none(body.get("BizId")))
        if answer.is_success and not code:
            return Judgement(Verdict.UNKNOWN, "unreadable_answer", words)
        if reason := reason_of_answer(code):
            return Judgement(verdict_of(reason), reason, words)
        if answer.is_success:
            return Judgement(Verdict.REJECTED, coded("aliyun", code.rpartition(".")[2]), words)
        return Judgement(*by_status(answer.status_code, "aliyun_refused"), words)


def canonical_query(parameters: Mapping[str, str]) -> str:
    """The parameters by name, in the encoding of RFC 3986 §2.3 that both the URL and the signature use."""
    return "&".join(
        f"{quote(name, safe='~')}={quote(parameters[name], safe='~')}" for name in sorted(parameters)
    )


def acs3_authorization(
    method: str, query: str, headers: Mapping[str, str], body: bytes, key: str, secret: str, path: str = "/"
) -> str:
    """The Authorization header of signature V3 for a request with these headers (lower case; host and all
    x-acs-* are signed) and this canonical query.
    """
    signed = sorted(name for name in headers if name == "host" or name.startswith("x-acs-"))
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in signed)
    names = ";".join(signed)
    canonical = "\n".join((method, path, query, lines, names, hashlib.sha256(body).hexdigest()))
    to_sign = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    return f"{ALGORITHM} Credential={key},SignedHeaders={names},Signature={signature}"
