"""Which marks of mailboxes, servers and providers make a mail junk, and which do not."""

from __future__ import annotations

import pytest

from workers.intake.filters import Traits, classify
from workers.intake.junk import is_junk_folder, junk_mark, junk_told
from workers.intake.mail import InboundMail, parse_mail

HEAD = "From: a@shop.example\r\nTo: support@help.example\r\nSubject: Hello\r\n"
FOREFRONT = "X-Forefront-Antispam-Report: CIP:1.2.3.4;CTRY:US;LANG:en;"


def mark(header: str) -> str | None:
    return junk_mark(parse_mail(f"{HEAD}{header}\r\n\r\nBuy now.".encode()))


@pytest.mark.parametrize(
    "header",
    [
        "X-Spam-Flag: YES",
        "X-Spam-Status: Yes, score=7.1 required=5.0 tests=BAYES_99",
        "X-Spam: Yes",
        "X-Barracuda-Spam-Status: Yes, SCORE=5.2",
        "X-Mailgun-Sflag: Yes",
        "X-Bogosity: Spam, tests=bogofilter",
        "X-Spampanel-Class: spam",
        "X-NetEase-Spam: yes",
        "X-MS-Exchange-Organization-SCL: 5",
        "X-MS-Exchange-Organization-SCL: 9",
        f"{FOREFRONT}SCL:5;SRV:;IPV:NLI;SFV:SPM;H:x",
        f"{FOREFRONT}SCL:6;SRV:",
        f"{FOREFRONT}SFV:SKB;",
        "X-Microsoft-Antispam-Mailbox-Delivery: ucf:0;jmr:0;auth:0;dest:J;ENG:(1)",
        "X-Yandex-Spam: 4",
        "X-SES-Spam-Verdict: FAIL",
        "X-SES-Virus-Verdict: FAIL",
        "X-Spam-Flag: YES\r\nX-Spam-Flag: NO",
    ],
)
def test_what_the_servers_call_spam_is_junk(header: str) -> None:
    assert mark(header) is not None


@pytest.mark.parametrize(
    "header",
    [
        "X-Spam-Flag: NO",
        "X-Spam-Status: No, score=-1.9 required=5.0",
        "X-Spam-Score: 14.2",
        "X-Spam-Level: *********",
        "X-Spampanel-Class: unsure",
        "X-Bogosity: Ham, tests=bogofilter",
        "X-MS-Exchange-Organization-SCL: -1",
        "X-MS-Exchange-Organization-SCL: 4",
        "X-MS-Exchange-Organization-SCL: many",
        f"{FOREFRONT}SCL:1;SFV:NSPM;",
        f"{FOREFRONT}SCL:9;SFV:SKN;",
        "X-Microsoft-Antispam-Mailbox-Delivery: ucf:0;jmr:0;auth:0;dest:I;ENG:(1)",
        "X-Yandex-Spam: 1",
        "X-SES-Spam-Verdict: GRAY",
        "X-Spam-Flag: NO\r\nX-Spam-Flag: YES",
    ],
)
def test_what_they_do_not_call_spam_is_none(header: str) -> None:
    assert mark(header) is None


def test_a_provider_and_a_folder_tell_it_too() -> None:
    assert junk_told({"verdicts": {"spam": "yes", "virus": "no"}}) == "provider_says_spam"
    assert junk_told({"verdicts": {"virus": "yes"}}) == "provider_says_virus"
    assert junk_told({"verdicts": {"spam": "no", "spam_score": "9.9"}}) is None
    assert junk_told({"junk_folder": "Junk"}) == "junk_folder"
    assert junk_told({}) is None


@pytest.mark.parametrize(
    "name", ["Junk", "[Gmail]/Spam", "INBOX.Junk E-mail", "垃圾邮件", "[Gmail]/垃圾邮件"]
)
def test_junk_folders_are_known_by_their_names(name: str) -> None:
    assert is_junk_folder(name)


@pytest.mark.parametrize("name", ["INBOX", "Junkyard", "INBOX/Support", "Not spam", "已发送"])
def test_other_folders_are_none(name: str) -> None:
    assert not is_junk_folder(name)


def traits(mail: InboundMail, *, junk: str | None = None, vouched: bool = False) -> Traits:
    return classify(
        mail,
        envelope_from="a@shop.example",
        own_domains=[],
        own_addresses=[],
        junk=junk,
        vouched=vouched,
    )


def test_what_is_vouched_for_is_no_junk_and_what_the_door_says_counts() -> None:
    mail = parse_mail(f"{HEAD}X-Spam-Flag: YES\r\n\r\nBuy now.".encode())
    junk = traits(mail)
    assert (junk.kind, junk.take_in, junk.reasons) == ("junk", False, ("spam", "spam_x_spam_flag"))
    kept = traits(mail, vouched=True)
    assert (kept.kind, kept.take_in, kept.may_answer) == ("person", True, True)
    plain = parse_mail(f"{HEAD}\r\nHello.".encode())
    told = traits(plain, junk="junk_folder")
    assert (told.kind, told.take_in, told.reasons) == ("junk", False, ("spam", "junk_folder"))
