"""Text messages through Twilio's REST API (www.twilio.com/docs/messaging/api/message-resource)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import httpx

from workers.channels.port import Outgoing, Verdict
from workers.channels.sms.http import HttpSms, Judgement, by_status, json_object, text_or_none
from workers.channels.sms.payload import read_payload
from workers.channels.sms.url import TWILIO_API, TwilioAccount
from workers.clock import Clock

# www.twilio.com/docs/api/errors; what is not here is reported as twilio_<code>.
_REJECTED: Mapping[int, str] = MappingProxyType(
    {
        21211: "invalid_recipient",
        21217: "invalid_recipient",
        21401: "invalid_recipient",
        21614: "invalid_recipient",
        21610: "opted_out",
        21408: "region_not_permitted",
        21612: "unreachable_recipient",
        21608: "policy_rejected",
        21212: "sender_rejected",
        21603: "sender_rejected",
        21606: "sender_rejected",
        21659: "sender_rejected",
        21660: "sender_rejected",
        21602: "content_rejected",
        21619: "content_rejected",
        21605: "too_large",
        21617: "too_large",
    }
)
# These say "later" although their status says "never": the queue of a sender is full, a daily limit is
# reached.
_LATER: Mapping[int, str] = MappingProxyType({20429: "throttled", 21611: "throttled", 63038: "throttled"})
# These concern the account, never the recipient.
_ACCOUNT_CODES = frozenset({20003, 20005, 20404, 20008})


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
        )  # fmt: skip
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
    if status == 429 or number in _LATER:
        return Verdict.RETRY, _LATER.get(number, "throttled")
    if number in _REJECTED:
        return Verdict.REJECTED, _REJECTED[number]
    if number in _ACCOUNT_CODES:
        return Verdict.RETRY, "authentication_failed"
    return by_status(status, f"twilio_{number}" if number else "server_error")
