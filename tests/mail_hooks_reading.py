"""What comes out of the calls in `mail_hooks_json`, without a database and without a network."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from tests.mail_hooks_json import CUSTOMER, SUPPORT, URLS, Call
from workers.intake.fetching import FetchRefused
from workers.intake.mail import InboundMail, parse_mail
from workers.intake.outside import Outside
from workers.intake.providers.mail.account import MailAccount, parse_account
from workers.intake.providers.mail.brevo import Brevo
from workers.intake.providers.mail.mailjet import Mailjet
from workers.intake.providers.mail.port import IncomingMail, Item, MailProvider, MailReceipt
from workers.intake.providers.mail.resend import Resend
from workers.intake.providers.mail.sparkpost import SparkPost

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
PROVIDERS: Mapping[str, MailProvider] = {
    each.name: each for each in (Brevo(), SparkPost(), Resend(), Mailjet())
}
RAW = (
    f"From: Li Lei <{CUSTOMER}>\r\nTo: {SUPPORT}\r\nSubject: Order\r\nMessage-ID: <q1@mail>\r\n\r\nHi"
).encode()


class Shelf:
    """Has what is fetched by address; anything else is refused. Keeps what was asked for."""

    def __init__(self, **answers: bytes | Exception) -> None:
        self.answers: dict[str, bytes | Exception] = dict(answers)
        self.asked: list[tuple[str, dict[str, str]]] = []

    async def __call__(
        self, url: str, *, hosts: Collection[str], cap: int, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """See `Fetch`."""
        self.asked.append((url, dict(headers or {})))
        assert url.removeprefix("https://").partition("/")[0] in hosts
        answer = self.answers.get(url, FetchRefused("api answers 404"))
        if isinstance(answer, Exception):
            raise answer
        if len(answer) > cap:
            raise FetchRefused(f"more than {cap} bytes")
        return answer


NOTHING = Outside(Shelf())


def account_of(name: str) -> MailAccount:
    """The tests' account at a provider."""
    return parse_account(URLS[name])


def items_in(call: Call) -> list[Item]:
    """What a call says, after it has proved itself."""
    provider, account = PROVIDERS[call.provider], account_of(call.provider)
    provider.verify(call.request(NOW), account, NOTHING)
    return list(provider.read(call.request(NOW), account))


def mail_in(call: Call, outside: Outside = NOTHING, *, account: MailAccount | None = None) -> InboundMail:
    """The one mail in a call, as it is read in the end."""
    (item,) = items_in(call)
    assert isinstance(item, IncomingMail)
    accounts = [account or account_of(call.provider)]
    return parse_mail(
        PROVIDERS[call.provider].mime(item.raw or call.body, item.envelope()["details"], accounts, outside)
    )


def receipt_in(call: Call) -> MailReceipt:
    """The one receipt in a call."""
    (item,) = items_in(call)
    assert isinstance(item, MailReceipt)
    return item
