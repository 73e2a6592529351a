"""What every mail provider's webhooks become: proved calls, mail that came in, receipts of mail we sent.

A provider is one object without state, and everything in it blocks and may be called in any thread: it
neither knows the database nor the event loop. How a call is worked off:

1. The web edge reads the body (up to 36 MB) and asks `verify` with each account of the provider until one of
   them proves it. None does: the caller gets `refused`, and nothing is stored.
2. `read` cuts the call into items. Each is stored once under its `key`, sealed, with its own piece of the
   body; only then the provider gets `answer`. A call that cannot be read is kept too, under the hash of its
   body, and answered with `unreadable` (400 if it is not even in its format: it may have been cut off).
3. The intake desk turns a stored `IncomingMail` into a mail's bytes by `mime` (in a thread, where it may
   fetch from outside), which then go the way of every mail. A `MailReceipt` settles the notification it
   speaks of. A `Confirmation` is fetched.

One address takes both: it makes no difference whether a provider is given /hooks/email/<name> or
/hooks/receipts/<name>.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Protocol

from workers.errors import InvalidInput
from workers.intake.charset import scrub
from workers.intake.outside import Outside
from workers.intake.providers.calls import HookAnswer, HookRequest
from workers.intake.providers.mail.account import MailAccount
from workers.intake.providers.mail.fields import storable

LONGEST_KEY = 128
"""Of an item's key; what is longer must be hashed by the provider."""

DELIVERED: Final = "delivered"
BOUNCED: Final = "bounced"
DEFERRED: Final = "deferred"
COMPLAINED: Final = "complained"
UNSUBSCRIBED: Final = "unsubscribed"
FATES: Final = frozenset({DELIVERED, BOUNCED, DEFERRED, COMPLAINED, UNSUBSCRIBED})

DROPPED: Final = "held_by_provider"
"""Reason of a mail that the provider did not even try, because of what it remembers of the address."""


@dataclass(frozen=True, slots=True)
class IncomingMail:
    """One mail that came in.

    `key` makes it unique at this provider. `raw` is its piece of the body ("" : the whole body); `details` is
    what `mime` needs besides (JSON). `sender` is the envelope sender, "" the null sender, None when it is not
    told; `recipients` the envelope recipients. `verdicts` is what the provider found, in neutral words:
    `spf`, `dkim`, `dmarc` (pass, fail, softfail, neutral, none, error), `spam` and `virus` (yes, no),
    `spam_score` (its number as text). A hint only: it is never the reason to throw a mail away.
    """

    key: str
    raw: bytes = field(default=b"", repr=False)
    details: Mapping[str, Any] = field(default_factory=dict)
    sender: str | None = None
    recipients: tuple[str, ...] = ()
    verdicts: Mapping[str, str] = field(default_factory=dict)

    def envelope(self) -> dict[str, Any]:
        """What is stored beside the bytes: `from` and `to` as for every mail, fit for JSON."""
        found: dict[str, Any] = {"details": dict(self.details)}
        if self.sender is not None:
            found["from"] = self.sender
        if self.recipients:
            found["to"] = ", ".join(self.recipients)
        if self.verdicts:
            found["verdicts"] = dict(self.verdicts)
        return dict(storable(found))


@dataclass(frozen=True, slots=True)
class MailReceipt:
    """What became of one mail for one recipient.

    `key` makes the event unique at this provider. `fate` is delivered, bounced (it did not arrive and will
    not: for good, or because the provider has given up), deferred (still trying), complained, unsubscribed.

    Which mail it was, as far as the provider tells, all may be given: `echo` is the notification's id in hex
    as we wrote it into the provider's header (`workers.delivery.echoes`), `return_path` the envelope sender,
    `message_ids` the Message-IDs (with or without <>), `provider_id` the id under which the provider took it.
    `known_as` are Message-IDs that the provider put in the place of ours: answers will name them.

    Why: `reason` in our words (see `workers.channels.port`) where the provider has an unambiguous word of its
    own, else "" and it is judged from `code` (SMTP), `status` (RFC 3463) and `words` (what the server said).
    """

    key: str
    fate: str
    raw: bytes = field(default=b"", repr=False)
    echo: str = ""
    return_path: str = ""
    message_ids: tuple[str, ...] = ()
    provider_id: str = ""
    known_as: tuple[str, ...] = ()
    reason: str = ""
    code: int = 0
    status: str = ""
    words: str = ""

    def envelope(self) -> dict[str, Any]:
        """All of it but the bytes, fit for JSON."""
        found = asdict(self)
        del found["raw"]
        return dict(storable(found))


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The provider wants an address to be fetched once, as proof that its calls are wanted here.

    `hosts` is the regular expression that the whole host name must match.
    """

    key: str
    url: str
    hosts: str
    raw: bytes = field(default=b"", repr=False)

    def envelope(self) -> dict[str, Any]:
        """Address and hosts, fit for JSON."""
        return {"url": scrub(self.url), "hosts": self.hosts}


Item = IncomingMail | MailReceipt | Confirmation

KINDS: Final[Mapping[type[Item], str]] = {
    IncomingMail: "mail",
    MailReceipt: "receipt",
    Confirmation: "confirmation",
}
"""The kind of event that an item is stored as."""


class MailProvider(Protocol):
    """The webhooks of one provider."""

    name: str
    """As in its URL and its address."""
    expected: str
    """How its URL in CLOSELOOP_EMAIL_HOOKS looks, for people."""
    refused: int
    """The status for a call that is not proved."""
    unreadable: int
    """The status for a proved call that cannot be read, and was kept: so that it does not come for ever."""

    def check(self, account: MailAccount) -> None:
        """Raises SettingsError for an account that could prove nothing."""
        ...

    def needs_body(self, account: MailAccount) -> bool:
        """Whether `verify` looks at the body for this account. If not, it is asked before the body is read,
        and a stranger cannot make us hold megabytes.
        """
        ...

    def verify(self, call: HookRequest, account: MailAccount, outside: Outside) -> None:
        """Raises BadSignature unless the call comes from this account at the provider, now (`call.at`).

        Compares in constant time, over `call.body` and `call.url` as they are. Raises Unavailable when that
        cannot be found out now.
        """
        ...

    def read(self, call: HookRequest, account: MailAccount) -> Sequence[Item]:
        """What a proved call says; nothing for a ping, and for what nobody here waits for (clicks).

        Raises InvalidInput when it cannot be read, BadSignature when it is for somebody else.
        """
        ...

    def answer(self) -> HookAnswer:
        """What to say when everything is stored."""
        ...

    def mime(
        self, raw: bytes, details: Mapping[str, Any], accounts: Sequence[MailAccount], outside: Outside
    ) -> bytes:
        """The mail in a stored `IncomingMail` as RFC 5322 bytes (`rebuild.build_mail` makes them from
        fields).

        Raises InvalidInput when there is none in it, Unavailable when it must be fetched and cannot be now.
        """
        ...


def receipt_of(envelope: Mapping[str, Any]) -> MailReceipt:
    """The receipt that `MailReceipt.envelope` wrote. Raises InvalidInput."""
    try:
        several = {name: tuple(envelope.get(name, ())) for name in ("message_ids", "known_as")}
        return MailReceipt(**{**envelope, **several})
    except TypeError as error:
        raise InvalidInput("the envelope holds no receipt") from error
