"""`closeloop doctor`: which senders a relay lets through (by mails to oneself only), and chat groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command_line import CommandLine
from tests.fakes_chat import FakeChat
from tests.fakes_smtp import Script, ThreadedSmtp, refuse
from workers.settings import ensure_secrets

BOSS = "boss@help.example"
LOGIN = "team@qq.example"


@pytest.fixture
def closeloop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    """The command line in an empty folder, with somebody to send probes to."""
    line = CommandLine(tmp_path / "data", monkeypatch, capsys)
    ensure_secrets(line.data)
    line.set(MAIL_FROM="support@help.example", ADMIN=BOSS)
    return line


def test_a_relay_that_takes_everything_fits_with_return_paths(closeloop: CommandLine) -> None:
    with ThreadedSmtp() as relay:
        closeloop.set(SMTP_URL=relay.url)
        said = closeloop("doctor", "--relay", "--json")
        assert said.code == 0, said.err
        (found,) = said.json["relays"]
        assert (found["fits"], found["ok"], found["offers"]["pipelining"]) == ("verp", True, True)
        assert {mail.recipient for mail in relay.mails} == {BOSS}, "nobody else is written to"
        senders = [mail.sender for mail in relay.mails]
        assert senders[0].startswith("support+")
        assert len(senders[0].partition("@")[0]) == 50, "as long as real ones"
        assert senders[1:] == ["support@help.example"] * 2


def test_a_relay_that_takes_its_login_only_is_told_from_its_words(closeloop: CommandLine) -> None:
    script = Script(users={LOGIN: "secret"})
    for other in ("support+", "support@"):
        script.on("mail", refuse("501 mail from address must be same as authorization user"), recipient=other)
    with ThreadedSmtp(script) as relay:
        url = f"smtp://team%40qq.example:secret@127.0.0.1:{relay.port}?tls=none"
        closeloop.set(SMTP_URL=url)
        said = closeloop("doctor", "--relay")
        assert said.code == 1
        assert "profile=same-sender" in said.out
        assert "must be same as authorization user" in said.out
        assert "secret" not in said.out + said.err
        closeloop.set(SMTP_URL=f"{url}&profile=same-sender")
        found = closeloop("doctor", "--relay", "--json").json["relays"][0]
        assert (found["fits"], found["ok"]) == ("same-sender", True)
        assert found["probes"]["verp"]["code"] == 501
        assert {(mail.sender, mail.recipient) for mail in relay.mails} == {(LOGIN, BOSS)}


def test_no_relay_no_address_and_no_connection_are_said(closeloop: CommandLine) -> None:
    assert closeloop("doctor", "--relay").code == 2
    closeloop.set(SMTP_URL="smtp://127.0.0.1:1?tls=none")
    said = closeloop("doctor", "--relay", "--json")
    assert said.code == 1
    assert said.json["relays"][0]["connection"]["reason"] == "connection_failed"
    closeloop.set(ADMIN="")
    assert "CLOSELOOP_ADMIN" in closeloop("doctor", "--relay").err


def test_each_chat_group_gets_a_test_post_and_its_answer_is_told(closeloop: CommandLine) -> None:
    with FakeChat() as chat:
        closeloop.set(CHAT_URLS=f"{chat.url('hush-one')} support={chat.url('hush-two')}", LOCALE="en")
        said = closeloop("doctor", "--chat", "--json")
        assert said.code == 0, said.err
        assert [(one["group"], one["ok"]) for one in said.json["chats"]] == [
            ("everybody#1", True),
            ("support#1", True),
        ]
        assert sorted(post.path for post in chat.posts) == ["/hush-one", "/hush-two"]
        assert "Test by closeloop" in chat.posts[0].text
        chat.answer(403, {"message": "hush-two is not allowed"}, path="/hush-two")
        said = closeloop("doctor", "--chat")
        assert said.code == 1
        assert "chat support#1 (json): refused_by_chat 403 *** is not allowed" in said.out + said.err
        assert "hush" not in said.out + said.err
    closeloop.set(CHAT_URLS="")
    assert "CLOSELOOP_CHAT_URLS" in closeloop("doctor", "--chat").err


def test_check_and_preview_know_chat(closeloop: CommandLine) -> None:
    closeloop.set(
        CHAT_URLS="support=feishu://hush.token! slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    )
    found = [one for one in closeloop("check", "--json").json["findings"] if one["about"] == "chat"]
    assert [(one["result"], one["words"]) for one in found] == [
        ("bad", "the chat URL of support#1 is not understood"),
        ("good", "everybody#1 is posted to by slack"),
    ]
    closeloop.set(CHAT_URLS="syslog://hush")
    said = closeloop("check")
    assert "CLOSELOOP_CHAT_URLS (number 1) begins with syslog://" in said.out + said.err
    assert "hush" not in said.out + said.err
    assert (
        "New request CS202405200001"
        in closeloop("preview", "chat_new_request", "--chat", "--locale", "en").out
    )
    listed = {row["message"]: row for row in closeloop("preview", "--list", "--json").json}
    assert listed["chat_new_request"] == {
        "message": "chat_new_request",
        "mail": False,
        "sms": False,
        "chat": True,
    }
