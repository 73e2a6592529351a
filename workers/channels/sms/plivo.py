"""Text messages through Plivo's message API.

docs.plivo.com/docs/messaging/api/message/send-a-message (request), …/api/response (status codes and errors).
Opted-out and unreachable recipients are told later, by receipt, not in this answer.
"""

from __future__ import annotations

import httpx

from workers.channels.port import Outgoing, Verdict
from workers.channels.sms.codes.plivo import reason_of_answer
from workers.channels.sms.http import HttpSms, Judgement, by_status, json_object, text_or_none
from workers.channels.sms.payload import read_payload
from workers.channels.sms.url import SmsAccount
from workers.clock import Clock

PLIVO_API = "https://api.plivo.com"


class PlivoSms(HttpSms):
    """The Plivo implementation of the channel port; see `HttpSms`. A sender that is a UUID is a powerpack."""

    name = "plivo"

    def __init__(
        self, account: SmsAccount, clock: Clock, *, timeout: float = 20, connections: int = 4
    ) -> None:
        super().__init__(
            account.api or PLIVO_API, clock, foreign=bool(account.api), timeout=timeout,
            connections=connections, auth=(account.key, account.token),
        )  # fmt: skip # packed, to be read at a glance
        self._account = account
        self._path = f"/v1/Account/{account.key}/Message/"

    def request(self, item: Outgoing) -> httpx.Request:
        """POST JSON."""
        whole = {"dst": item.recipient, "text": read_payload(item.payload).text}
        sender = item.sender or self._account.sender
        if self._account.sender.count("-") == 4:
            whole["powerpack_uuid"] = self._account.sender
        else:
            whole["src"] = sender
        if self._account.status_callback is not None:
            whole |= {"url": self._account.status_callback, "method": "POST"}
        return self.client.build_request("POST", self._path, json=whole)

    def judge(self, answer: httpx.Response) -> Judgement:
        """202 with the message's UUID, or a status with words."""
        body = json_object(answer)
        if answer.is_success:
            ids = body.get("message_uuid")
            first = ids[0] if isinstance(ids, list) and ids else ids
            return Judgement(Verdict.SENT, "accepted", str(body.get("message", "")), text_or_none(first))
        words = str(body.get("error") or answer.reason_phrase)
        named = reason_of_answer(words) or "plivo_refused"
        return Judgement(*by_status(answer.status_code, named), words)
