"""Text messages through Twilio's REST API (www.twilio.com/docs/messaging/api/message-resource)."""

from __future__ import annotations

import httpx

from workers.channels.port import Outgoing, Verdict
from workers.channels.sms.codes import coded, verdict_of
from workers.channels.sms.codes.twilio import reason_of_answer
from workers.channels.sms.http import HttpSms, Judgement, by_status, json_object, text_or_none
from workers.channels.sms.payload import read_payload
from workers.channels.sms.url import TWILIO_API, TwilioAccount
from workers.clock import Clock


class TwilioSms(HttpSms):
    """The Twilio implementation of the channel port.

    An item's `sender` overrides the account's unless that is a messaging service, which chooses by itself.
    """

    name = "twilio"

    def __init__(
        self, account: TwilioAccount, clock: Clock, *, timeout: float = 20, connections: int = 4
    ) -> None:
        super().__init__(
            account.api, clock, foreign=account.api != TWILIO_API, timeout=timeout, connections=connections,
            auth=(account.sid, account.token),
        )  # fmt: skip # packed, to be read at a glance
        self._account = account
        self._path = f"/2010-04-01/Accounts/{account.sid}/Messages.json"

    def request(self, item: Outgoing) -> httpx.Request:
        """POST to the account's messages."""
        form = {"To": item.recipient, "Body": read_payload(item.payload).text}
        if self._account.sender.startswith("MG"):
            form["MessagingServiceSid"] = self._account.sender
        else:
            form["From"] = item.sender or self._account.sender
        if self._account.status_callback is not None:
            form["StatusCallback"] = self._account.status_callback
        return self.client.build_request("POST", self._path, data=form)

    def judge(self, answer: httpx.Response) -> Judgement:
        """Twilio's code where it gives one, else the status."""
        body = json_object(answer)
        if answer.is_success:
            sid = text_or_none(body.get("sid"))
            return Judgement(Verdict.SENT, "accepted", str(body.get("status", "")), sid)
        error = body.get("code")
        number = error if isinstance(error, int) else 0
        words = f"{number}: {body.get('message', '')}" if number else answer.reason_phrase
        return Judgement(*_judge(answer.status_code, number), words)


def _judge(status: int, number: int) -> tuple[Verdict, str]:
    if reason := reason_of_answer(number):
        return verdict_of(reason), reason
    return by_status(status, coded("twilio", str(number)) if number else "server_error")
