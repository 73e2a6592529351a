"""Which SMS are one word to the machine; all others are requests."""

from __future__ import annotations

import pytest

from workers.intake.sms_words import SmsWord, sms_word


@pytest.mark.parametrize(
    "text",
    [
        "STOP",
        "stop.",
        " Stop ",
        "ＳＴＯＰ！",
        "STOP ALL",
        "Arrêt",
        "ARRET",
        "R",
        "T",
        "TD",
        "td。",
        "退订",
        " 【退订】 ",
        "退 订",
        "“退订”",
        "unsubscribe",
        "取消订阅",
        "Opt-out",
    ],
)
def test_stop_in_many_spellings(text: str) -> None:
    assert sms_word(text) is SmsWord.STOP


@pytest.mark.parametrize("text", ["START", "unstop", "解除", "恢复订阅", "Ｓtart"])
def test_start(text: str) -> None:
    assert sms_word(text) is SmsWord.START


@pytest.mark.parametrize("text", ["HELP", "help!", "INFO", "帮助", "帮 助。", "Aide"])
def test_help(text: str) -> None:
    assert sms_word(text) is SmsWord.HELP


@pytest.mark.parametrize(
    "text",
    [
        "stop it please",
        "Please help me",
        "我要退订单号123的货",
        "帮助我重置密码",
        "yes",
        "5",
        "",
        "!!!",
        "2",
        "NO",
        "cancel my order",
        "stop" * 20,
    ],
)
def test_what_is_more_than_the_word_is_a_request(text: str) -> None:
    assert sms_word(text) is None
