"""Whether what is left of a mail of commands is only its writer's signature, which nobody wants sent."""

from __future__ import annotations

import re
import unicodedata

_CLOSING = re.compile(
    r"(?:(?:best|kind|warm|many)?\s*(?:regards|wishes|greetings)|cheers|thanks|thank you|sincerely|yours|"
    r"此致|敬礼|祝好|谢谢|顺祝商祺|祝工作顺利|致礼)",
    re.IGNORECASE,
)
_TRIMMINGS = " \t\r\xa0\u3000,，.。!！-—–_*|"
MOST_LINES = 12
LONGEST_LINE = 120


def is_signature(text: str, name: str) -> bool:
    """Whether `text` begins with the writer's `name`, perhaps after a closing ("Best regards"), and is short.

    True for "张三\\n云帆科技", false for "Zhang San here: the parcel is on its way".
    """
    lines = [line.strip(_TRIMMINGS) for line in text.split("\n")]
    lines = [line for line in lines if line]
    if not 0 < len(lines) <= MOST_LINES or any(len(line) > LONGEST_LINE for line in lines):
        return False
    while len(lines) > 1 and _CLOSING.fullmatch(lines[0]):
        lines = lines[1:]
    return bool(_plain(name)) and _plain(lines[0]) == _plain(name)


def _plain(words: str) -> str:
    return "".join(unicodedata.normalize("NFKC", words).casefold().split())
