"""What a reply says itself, apart from the mail it quotes and the signature below; and our own secrets in it.

Works line by line in linear time. The full text is always kept by the caller; a quotation that cannot be
told apart is left in, and `cut` says so.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from workers.intake import marks
from workers.intake.html import to_text

_MAX_LINE = 1_000
_MAX_LINES = 4_000


class Reply(NamedTuple):
    """The reply alone, and whether a quotation was found and cut off."""

    text: str
    cut: bool


def split_reply(text: str, html: str = "", *, forwarded: bool = False) -> Reply:
    """The reply without quotation and signature, from the plain text and, where the mail program marked the
    quotation only in its HTML, from that.

    `forwarded=True` (a mail passed on by hand) keeps what is passed on: there it is the matter itself.
    """
    if forwarded:
        return Reply(_without_signature(text.strip().split("\n")), False)
    plain = _split_plain(text)
    if plain.cut or not html:
        return plain
    marked = to_text(html, quotations=False)
    if not marked.cut:
        return plain
    rest = _split_plain(marked.text)
    return Reply(rest.text, True)


def unflowed(text: str) -> str:
    """Text of format=flowed (RFC 3676 section 4) with its soft line breaks undone and its stuffing removed.

    Lines of a quotation stay as they are: what quotes is cut off before.
    """
    lines: list[str] = []
    flows = False
    for line in text.split("\n"):
        bare = line[1:] if line.startswith(" ") else line
        if flows and not bare.startswith(">"):
            lines[-1] += bare
        else:
            lines.append(bare)
        flows = bare.endswith(" ") and bare != "-- " and not bare.startswith(">")
    return "\n".join(line.rstrip() for line in lines)


def is_forward(subject: str) -> bool:
    """Whether a subject says the mail is passed on (Fwd:, 转发:, WG:, TR:, RV: …) rather than answered."""
    return bool(marks.FORWARD_SUBJECT.match(subject[:200]))


def plus_pattern(addresses: Iterable[str]) -> re.Pattern[str]:
    """A pattern for the plus-addresses made from our own `addresses` ("support@help.example").

    Its groups are `local`, `token`, `at` and `domain`. It knows plus and at sign also as %2B and %40 or &#43;
    and &#64;, as links and HTML spell them.
    """
    spelled = []
    for address in sorted(set(addresses)):
        local, _, domain = address.partition("@")
        if local and domain:
            spelled.append((re.escape(local), re.escape(domain)))
    locals_ = "|".join(sorted({one for one, _ in spelled})) or r"(?!)"
    domains = "|".join(sorted({one for _, one in spelled})) or r"(?!)"
    plus = r"(?:\+|%2[Bb]|&\#0{0,3}43;|&plus;)"
    at = r"(?:@|%40|&\#0{0,3}64;|&commat;)"
    return re.compile(
        rf"(?P<local>(?<![\w.+-])(?:{locals_})){plus}(?P<token>[\w.=-]{{1,64}})(?P<at>{at})(?P<domain>{domains})",
        re.IGNORECASE,
    )


def find_tokens(text: str, plus_pattern: re.Pattern[str]) -> tuple[str, ...]:
    """The tokens of our own plus-addresses in `text`, in order, once each, in lower case (mail systems fold
    case).
    """
    return tuple(dict.fromkeys(found["token"].lower() for found in plus_pattern.finditer(text)))


def strip_tokens(text: str, plus_pattern: re.Pattern[str]) -> str:
    """`text` with our own plus-addresses reduced to the plain address, so that no token is passed on to
    somebody it was not made for.
    """
    return plus_pattern.sub(lambda found: f"{found['local']}{found['at']}{found['domain']}", text)


def _split_plain(text: str) -> Reply:
    lines = text.strip().split("\n")
    kept: list[str] = []
    cut = False
    at = 0
    while at < min(len(lines), _MAX_LINES):
        line = lines[at][:_MAX_LINE].strip()
        if line.startswith((">", "＞")) and _is_quoted(line):
            cut = True
            at += 1
            continue
        if _opens_forward(line):
            break
        if _opens_block(lines, at):
            return Reply(_without_signature(kept), True)
        length = _attribution(lines, at)
        if length:
            cut = True
            if not _quoted_below(lines, at + length):
                return Reply(_without_signature(kept), True)
            at += length
            continue
        kept.append(lines[at])
        at += 1
    # What is passed on stays, and so does what lies beyond any length a person writes.
    return Reply(_without_signature(kept + lines[at:]), cut)


def _is_quoted(line: str) -> bool:
    """A quote mark and not an arrow or comparison at the start of a sentence (">5% of our users")."""
    return not line[1:2].isdigit()


def _opens_forward(line: str) -> bool:
    return line[:1] in "-—=*B" and bool(marks.FORWARDED.match(line))


def _opens_block(lines: list[str], at: int) -> bool:
    """A separator such as "-----Original Message-----", or the header block of the quoted mail."""
    line = lines[at][:_MAX_LINE].strip()
    if marks.SEPARATOR.match(line):
        return True
    if len(line) >= 20 and set(line) == {"_"}:
        following = next((one for one in range(at + 1, min(at + 4, len(lines))) if lines[one].strip()), at)
        return following > at and _header_block(lines, following)
    return _header_block(lines, at)


def _header_block(lines: list[str], at: int) -> bool:
    """From: / Sent: / To: / Subject: in one of the known languages, within a few lines."""
    first = _label(lines[at])
    if first not in ("from", "date"):
        return False
    seen = {first}
    filled = 0
    for line in lines[at + 1 : at + 14]:
        if not line.strip():
            continue
        label = _label(line)
        filled += 1
        if label:
            seen.add(label)
        elif filled > 1 and len(seen) < 2:
            break
        if len(seen) >= 3:
            break
    return len(seen) >= 3 and "from" in seen and bool(seen & {"date", "subject"})


def _label(line: str) -> str:
    found = marks.HEADER_LABEL.match(line[:80].strip().lstrip("|*> \t"))
    return marks.LABELS.get(found[1].strip().casefold(), "") if found else ""


def _attribution(lines: list[str], at: int) -> int:
    """How many lines the "On … wrote:" that begins at `at` takes; 0 when none begins there."""
    first = lines[at][:_MAX_LINE].strip()
    if not first or not marks.ATTRIBUTION_START.match(first):
        return 0
    joined = ""
    for length in range(1, 6):
        if at + length > len(lines):
            return 0
        line = lines[at + length - 1][:_MAX_LINE].strip().lstrip("> ")
        if not line and length > 1:
            return 0
        joined = f"{joined} {line}".strip()
        if marks.ATTRIBUTION_END.search(joined[-60:]):
            return length if _says_who_or_when(joined) else 0
        if len(joined) > 600:
            return 0
    return 0


def _says_who_or_when(attribution: str) -> bool:
    """Whether an address or a date is given: "My boss wrote:" may be the customer's own sentence."""
    return "@" in attribution or len(marks.DIGITS.findall(attribution)) >= 2


def _quoted_below(lines: list[str], at: int) -> bool:
    following = next((line for line in lines[at : at + 4] if line.strip()), "")
    return following.lstrip().startswith((">", "＞"))


def _without_signature(lines: list[str]) -> str:
    """Drops all from a "-- " line (RFC 3676 section 4.3) and the mail program's advertisement at the end."""
    for at, line in enumerate(lines):
        if line.rstrip("\r\n") in ("-- ", "--") and any(one.strip() for one in lines[:at]):
            lines = lines[:at]
            break
    end = len(lines)
    for _ in range(12):
        while end and not lines[end - 1].strip():
            end -= 1
        last = lines[end - 1].strip() if end else ""
        if not last or not (
            marks.SENT_FROM.match(last[:200]) or (len(last) >= 3 and set(last) <= set("-_—=*"))
        ):
            break
        end -= 1
    return "\n".join(line.rstrip() for line in lines[:end]).strip()
