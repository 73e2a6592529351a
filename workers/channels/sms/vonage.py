"""Text messages through Vonage's SMS API (developer.vonage.com/en/api/sms).

The HTTP status is 200 even for
refusals; what counts is the `status` of each part of the message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from workers.channels.port import Outgoing, Verdict
from workers.channels.sms.codes import coded, verdict_of
from workers.channels.sms.codes.vonage import reason_of_answer
from workers.channels.sms.http import HttpSms, Judgement, by_status, json_object, text_or_none
from workers.channels.sms.payload import read_payload
from workers.channels.sms.segments import count_segments
from workers.channels.sms.url import SmsAccount
from workers.clock import Clock

VONAGE_API = "https://rest.nexmo.com"


class VonageSms(HttpSms):
    """The Vonage implementation of the channel port; see `HttpSms`."""

    name = "vonage"

    def __init__(
        self, account: SmsAccount, clock: Clock, *, timeout: float = 20, connections: int = 4
    ) -> None:
        super().__init__(
            account.api or VONAGE_API, clock, foreign=bool(account.api), timeout=timeout,
            connections=connections,
        )  # fmt: skip # packed, to be read at a glance
        self._account = account

    def request(self, item: Outgoing) -> httpx.Request:
        """POST a form; numbers go without the plus, and `type` says what the text needs."""
        text = read_payload(item.payload).text
        form = {
            "api_key": self._account.key,
            "api_secret": self._account.token,
            "from": (item.sender or self._account.sender).removeprefix("+"),
            "to": item.recipient.removeprefix("+"),
            "text": text,
            "type": "text" if count_segments(text).encoding == "GSM-7" else "unicode",
            "client-ref": item.id.hex,
        }
        if self._account.status_callback is not None:
            form["status-report-req"] = "1"
            form["callback"] = self._account.status_callback
        return self.client.build_request("POST", "/sms/json", data=form)

    def judge(self, answer: httpx.Response) -> Judgement:
        """All parts accepted: sent. Some of them: nobody can take them back, so unknown."""
        parts = _parts(json_object(answer))
        if not answer.is_success:
            return Judgement(*by_status(answer.status_code, "server_error"), answer.reason_phrase)
        if not parts:
            return Judgement(Verdict.UNKNOWN, "unreadable_answer", answer.reason_phrase)
        refused = [part for part in parts if str(part.get("status")) != "0"]
        if not refused:
            return Judgement(Verdict.SENT, "accepted", "0", text_or_none(parts[0].get("message-id")))
        status, words = str(refused[0].get("status")), str(refused[0].get("error-text", ""))
        if len(refused) < len(parts):
            return Judgement(Verdict.UNKNOWN, "partly_accepted", f"{status}: {words}")
        reason = reason_of_answer(status) or coded("vonage", status[:8])
        return Judgement(verdict_of(reason), reason, f"{status}: {words}")


def _parts(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    messages = body.get("messages")
    return [part for part in messages if isinstance(part, dict)] if isinstance(messages, list) else []
