"""Text messages through Bird's channels API (the former MessageBird).

docs.bird.com/api/channels-api/supported-channels/programmable-sms/sending-sms-messages (request),
docs.bird.com/api/api-access/api-authorization (access key).
"""

from __future__ import annotations

import httpx

from workers.channels.port import Outgoing, Verdict
from workers.channels.sms.codes.bird import reason_of_answer
from workers.channels.sms.http import HttpSms, Judgement, by_status, json_object, text_or_none
from workers.channels.sms.payload import read_payload
from workers.channels.sms.url import SmsAccount
from workers.clock import Clock

BIRD_API = "https://api.bird.com"


class BirdSms(HttpSms):
    """The Bird implementation of the channel port; see `HttpSms`. The channel knows its own number, and
    receipts come by the workspace's webhook subscription.
    """

    name = "bird"

    def __init__(
        self, account: SmsAccount, clock: Clock, *, timeout: float = 20, connections: int = 4
    ) -> None:
        super().__init__(
            account.api or BIRD_API, clock, foreign=bool(account.api), timeout=timeout,
            connections=connections,
        )  # fmt: skip # packed, to be read at a glance
        self._path = f"/workspaces/{account.key}/channels/{account.sender}/messages"
        self._headers = {"Authorization": f"AccessKey {account.token}"}

    def request(self, item: Outgoing) -> httpx.Request:
        """POST JSON; `reference` carries our id."""
        contact = {"identifierKey": "phonenumber", "identifierValue": item.recipient}
        whole = {
            "receiver": {"contacts": [contact]},
            "body": {"type": "text", "text": {"text": read_payload(item.payload).text}},
            "reference": item.id.hex,
        }
        return self.client.build_request("POST", self._path, json=whole, headers=self._headers)

    def judge(self, answer: httpx.Response) -> Judgement:
        """202 with the message's id, or a status with `code` and `message`."""
        body = json_object(answer)
        if answer.is_success:
            return Judgement(
                Verdict.SENT, "accepted", str(body.get("status", "")), text_or_none(body.get("id"))
            )
        code = str(body.get("code") or answer.reason_phrase)
        named = reason_of_answer(f"{body.get('details', '')} {body.get('message', '')}") or "bird_refused"
        return Judgement(*by_status(answer.status_code, named), f"{code}: {body.get('message', '')}")
