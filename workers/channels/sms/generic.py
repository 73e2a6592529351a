"""Text messages through any gateway that takes one HTTP request for each, described in its URL.

    https://USER:PASSWORD@gateway.example/send?account=7&_to=phone&_text=message&_id=data.id&_ok=code:0

`_to`, `_text`, `_from` name the fields (defaults: to, text, from); `_sender` is the sender's value,
`_field.NAME=VALUE` adds a constant; `_format` is json (default) or form; `_id` is where the answer has the
id, `_ok=PATH:VALUE` what the answer must say to be a yes. User and password are sent as basic authorization
(RFC 7617), a password alone as bearer token (RFC 6750).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from workers.channels.port import Outgoing, Verdict
from workers.channels.sms.http import HttpSms, Judgement, by_status, json_object
from workers.channels.sms.payload import read_payload
from workers.channels.sms.url import SmsAccount
from workers.clock import Clock

_IDS = ("id", "message_id", "messageId", "message_uuid", "sid")


class GenericSms(HttpSms):
    """A gateway described by its URL as implementation of the channel port; see `HttpSms`."""

    name = "http"

    def __init__(
        self, account: SmsAccount, clock: Clock, *, timeout: float = 20, connections: int = 4
    ) -> None:
        super().__init__(
            account.api, clock, foreign=False, timeout=timeout, connections=connections,
            auth=(account.key, account.token) if account.key else None,
        )  # fmt: skip # packed, to be read at a glance
        self._account = account
        self._url = account.api
        bearer = account.token and not account.key
        self._headers = {"Authorization": f"Bearer {account.token}"} if bearer else {}
        self._constant = {
            name.removeprefix("_field."): value
            for name, value in account.options.items()
            if name.startswith("_field.")
        }

    def request(self, item: Outgoing) -> httpx.Request:
        """POST the fields under the gateway's names."""
        options = self._account.options
        whole = {
            **self._constant,
            options.get("_to", "to"): item.recipient,
            options.get("_text", "text"): read_payload(item.payload).text,
        }
        if sender := item.sender or self._account.sender:
            whole[options.get("_from", "from")] = sender
        if options.get("_format") == "form":
            return self.client.build_request("POST", self._url, data=whole, headers=self._headers)
        return self.client.build_request("POST", self._url, json=whole, headers=self._headers)

    def judge(self, answer: httpx.Response) -> Judgement:
        """A success status, and what `_ok` asks for, is a yes."""
        body = json_object(answer)
        if not answer.is_success:
            return Judgement(*by_status(answer.status_code, "gateway_refused"), answer.reason_phrase)
        path, _, wanted = self._account.options.get("_ok", "").partition(":")
        if path and _at(body, path) != wanted:
            return Judgement(Verdict.REJECTED, "gateway_refused", f"{path} is {_at(body, path)}")
        names = [self._account.options["_id"]] if "_id" in self._account.options else _IDS
        ident = next((found for name in names if (found := _at(body, name))), None)
        return Judgement(Verdict.SENT, "accepted", answer.reason_phrase, ident)


def _at(body: Mapping[str, Any], path: str) -> str:
    """The scalar at a dotted path, as text; "" when there is none."""
    found: Any = body
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    if isinstance(found, bool):
        return "true" if found else "false"
    return str(found) if isinstance(found, str | int | float) else ""
