"""The URL of a mailbox: what its parts mean, and that every mistake is told without its password."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from workers.settings.imap_url import ImapTls, MailboxUrl, Mode, parse_imap_urls


def one(url: str) -> MailboxUrl:
    (box,) = parse_imap_urls(url)
    return box


def mistakes(url: str) -> list[str]:
    with pytest.raises(ValueError, match=r".") as complaint:
        parse_imap_urls(url)
    assert "hush" not in str(complaint.value)
    return str(complaint.value).split("; ")


def test_a_mailbox_is_read_only_from_now_on_over_tls_unless_told_otherwise() -> None:
    box = one("imaps://support%40qq.com:hush%2B%2F@imap.qq.com")
    assert (box.host, box.port, box.user, box.password) == ("imap.qq.com", 993, "support@qq.com", "hush+/")
    assert (box.tls, box.folders, box.mode) == (ImapTls.IMPLICIT, ("INBOX",), Mode.READ_ONLY)
    assert (box.since, box.poll, box.name) == (timedelta(0), 60.0, "imap.qq.com:993")
    assert "hush" not in repr(box)


def test_options_say_folders_what_becomes_of_a_mail_and_how_far_back_to_read(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("x")
    box = one(
        f"imap://u:p@mail.example/inbox?folder=%E5%9E%83%E5%9C%BE%E7%AE%B1&folder=a+b&mode=move&to=Done&since=7d"
        f"&poll=30&ca={ca}"
    )
    assert (box.port, box.tls, box.ca_file) == (143, ImapTls.START, str(ca))
    assert box.folders == ("INBOX", "垃圾箱", "a+b")
    assert (box.mode, box.move_to, box.since, box.poll) == (Mode.MOVE, "Done", timedelta(days=7), 30.0)
    assert one("imap://u:p@mail?since=all&tls=none").since is None


def test_several_mailboxes_are_separated_by_blanks() -> None:
    assert [box.user for box in parse_imap_urls(" imaps://a:p@one \n imaps://b:p@one ")] == ["a", "b"]
    assert parse_imap_urls("") == ()


def test_all_mistakes_of_all_urls_are_told_at_once() -> None:
    found = mistakes(
        "imaps://u:hush@m?tls=none&mode=eat&since=soon&poll=1&ca=/nowhere&colour=red http://u:hush@m imaps://m"
    )
    assert [line.partition(")")[0] + ")" for line in found] == ["(number 1)"] * 6 + ["(number 2)"] + [
        "(number 3)"
    ] * 2


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("imaps://u:hush@m?mode=move", "to=Folder"),
        ("imaps://u:hush@m?to=Done", "belongs to mode=move"),
        ("imaps://u:hush@m?mode=move&to=inbox", "another to="),
        ("imaps://u%0d%0aX:hush@m", "printable ASCII"),
        ("imaps://u:hush%E5%AF%86@m", "printable ASCII"),
        ("imaps://u:hush@m?folder=", "empty"),
        ("imaps://u:hush@m?folder=a%0Ab", "unprintable"),
        ("imaps://u:hu#sh@m", "percent-encode"),
        ("imaps://u:hush@m:x", "percent-encode"),
        ("imaps://u:hush@m imaps://u:hush@M/Junk", "twice"),
    ],
)
def test_what_cannot_work_is_said_before_anybody_logs_in(url: str, word: str) -> None:
    assert word in " ".join(mistakes(url))


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("imaps://u:p@h/?auth=yahoo", "unknown auth="),
        ("imaps://u:p@h/?client=app", "belongs to auth="),
        ("imaps://u:p@h/?auth=google", "client="),
        ("imaps://u@h/?auth=google&client=a", "refresh token"),
        ("imaps://u@h/?auth=microsoft&client=a&secret=s", "tenant="),
        ("imaps://u:p@h/?auth=google&client=a&tenant=x", "tenant="),
        ("imaps://u:p@h/?auth=google&client=a&keep=/nowhere/at/all", "keep="),
        ("imaps://u:p@h/?auth=google&client=a&secret=%0A", "secret="),
    ],
)
def test_what_cannot_work_by_oauth_is_said_before_anybody_logs_in(url: str, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        parse_imap_urls(url)
