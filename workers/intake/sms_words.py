"""SMS that say one word to the machine: stop, start, help. What is more than that word is a request.

The words are those that carriers and providers ask for (CTIA's "Messaging Principles and Best Practices",
Twilio's default keywords, 退订 and TD of the Chinese networks) in the languages of our customers.
"""

from __future__ import annotations

import unicodedata
from enum import StrEnum

LONGEST = 40


class SmsWord(StrEnum):
    """What the one word of an SMS means."""

    STOP = "stop"
    START = "start"
    HELP = "help"


_STOP = (
    "stop stopall unsubscribe cancel end quit optout revoke arret desinscrire baja stopp r n t td tuiding "
    "退订 退訂 取消订阅 取消訂閱 我要退订 请退订 回复退订 拒收 停止"
)
_START = "start unstop 解除 恢复 恢復 恢复订阅 恢復訂閱 重新订阅"
_HELP = "help info aide ayuda hilfe 帮助 幫助 说明 說明"
_WORDS = {
    **dict.fromkeys(_STOP.split(), SmsWord.STOP),
    **dict.fromkeys(_START.split(), SmsWord.START),
    **dict.fromkeys(_HELP.split(), SmsWord.HELP),
}


def sms_word(text: str) -> SmsWord | None:
    """What an SMS means that holds one of these words and nothing else; None for anything else.

    Full-width letters, accents, blanks and punctuation do not matter: `ＳＴＯＰ！`, `【退订】`, `Arrêt`
    Not "yes", which providers count as start: it answers too many other questions.
    """
    if len(text) > LONGEST:
        return None
    plain = unicodedata.normalize("NFKD", text).casefold()
    return _WORDS.get("".join(letter for letter in plain if letter.isalnum()))
