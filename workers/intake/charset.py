"""Bytes to text when the label is wrong, missing or unknown, and text that can always be stored.

The labels follow the WHATWG Encoding Standard (https://encoding.spec.whatwg.org/#names-and-labels), which
records what mailers mean by a name rather than what the name says: "gb2312" is GB18030, "iso-8859-1" is
Windows-1252, "ks_c_5601-1987" is Windows-949.
"""

import codecs
import re
from typing import NamedTuple

from workers.intake.guess import guess, rather_chinese, readable

_MEANT = {
    "gb2312": "gb18030", "gb_2312-80": "gb18030", "gb2312-80": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030",
    "cp936": "gb18030", "936": "gb18030", "ms936": "gb18030", "windows-936": "gb18030", "euc-cn": "gb18030",
    "csgb2312": "gb18030", "chinese": "gb18030", "csiso58gb231280": "gb18030", "gb18030-2000": "gb18030",
    "hz-gb-2312": "hz", "hzgb2312": "hz",
    "big5": "cp950", "x-x-big5": "cp950", "cn-big5": "cp950", "csbig5": "cp950", "big-5": "cp950",
    "windows-950": "cp950", "x-big5": "cp950", "big5-hkscs": "big5hkscs",
    "ks_c_5601-1987": "cp949", "ks_c_5601-1989": "cp949", "ks_c_5601": "cp949", "ksc5601": "cp949",
    "ksc_5601": "cp949", "euc-kr": "cp949", "euckr": "cp949", "korean": "cp949", "windows-949": "cp949",
    "cseuckr": "cp949", "x-windows-949": "cp949",
    "shift_jis": "cp932", "shift-jis": "cp932", "sjis": "cp932", "x-sjis": "cp932", "ms_kanji": "cp932",
    "csshiftjis": "cp932", "windows-31j": "cp932", "cswindows31j": "cp932", "windows-932": "cp932",
    "euc-jp": "euc_jp", "x-euc-jp": "euc_jp", "x-euc": "euc_jp", "cseucpkdfmtjapanese": "euc_jp",
    "us-ascii": "ascii", "ansi_x3.4-1968": "ascii", "iso646-us": "ascii", "7bit": "ascii",
    "iso-8859-1": "cp1252", "iso8859-1": "cp1252", "latin1": "cp1252", "latin-1": "cp1252", "l1": "cp1252",
    "iso_8859-1": "cp1252", "iso-8859-1:1987": "cp1252", "x-ansi": "cp1252", "x-cp1252": "cp1252",
    "windows1252": "cp1252", "ansi": "cp1252", "iso-8859-9": "cp1254", "iso8859-9": "cp1254",
    "latin5": "cp1254", "iso-8859-11": "cp874", "tis-620": "cp874", "iso-8859-8-i": "iso8859_8",
    "iso-8859-8-e": "iso8859_8", "iso-8859-6-i": "iso8859_6", "macintosh": "mac_roman",
    "x-mac-roman": "mac_roman", "x-mac-cyrillic": "mac_cyrillic", "x-mac-ce": "mac_latin2",
    "unicode-1-1-utf-8": "utf_8", "utf8": "utf_8", "utf-8": "utf_8", "x-utf-8": "utf_8", "utf8mb4": "utf_8",
    "utf-8-sig": "utf_8", "unicode-1-1-utf-7": "utf_7", "unicode": "utf_16", "ucs-2": "utf_16",
    "dos-874": "cp874", "koi8-r": "koi8_r", "koi": "koi8_r", "koi8": "koi8_r",
}
# Codecs that are transformations rather than charsets, or that take quadratic time on long input.
_NO_CHARSETS = frozenset({
    "idna", "punycode", "unicode-escape", "raw-unicode-escape", "unicode_escape", "raw_unicode_escape",
    "undefined", "mbcs", "oem", "palmos",
})
_STATEFUL = ("iso2022", "hz", "utf-7", "utf-16", "utf-32")
_CJK_MULTIBYTE = frozenset({"gb18030", "cp950", "big5hkscs", "cp949", "cp932", "euc_jp", "johab"})
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPE = re.compile(rb"\x1b(\$\([@BDOPQ]|\$[@AB]|\([BJHI]|\$\(C|\.[AF]|N)")


class Decoded(NamedTuple):
    """Text, the codec that was used, and whether the label had to be overruled."""

    text: str
    codec: str
    doubtful: bool


def scrub(text: str) -> str:
    """Text that any database stores: no NUL or other control characters but tab and line ends, no lone
    surrogates (they become U+FFFD), no byte-order marks. Line ends come out as a single line feed.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub(lambda found: "\N{REPLACEMENT CHARACTER}" if _SURROGATE.match(found[0]) else "", text)


def codec_for(label: str | None) -> str | None:
    """The Python codec a charset label means, or None when nobody knows such a charset."""
    if not label:
        return None
    name = label.strip().strip("\"'").lower().partition("*")[0]
    if len(name) > 60 or not name.isascii() or "\x00" in name:
        return None
    meant = _MEANT.get(name) or _MEANT.get(name.replace("_", "-"))
    if meant:
        return meant
    if name.startswith("iso-2022-jp") or name == "csiso2022jp":
        return "iso2022_jp"
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    if found.name in _NO_CHARSETS or not getattr(found, "_is_text_encoding", True):
        return None
    return found.name


def decode(data: bytes, label: str | None = None) -> Decoded:
    """Text of `data`, whatever `label` claims; never raises, never hangs. The result is not scrubbed yet.

    Order: byte-order mark, stateful 7-bit charsets, plain ASCII, UTF-8 where it is evident, the label,
    a guess by letter frequency.
    """
    codec = codec_for(label)
    marked = _by_mark(data)
    if marked is not None:
        return marked
    stateful = codec is not None and codec.replace("_", "-").replace("2022-", "2022").startswith(_STATEFUL)
    escaped = _seven_bit(data, codec, stateful)
    if escaped is not None:
        return escaped
    if not stateful and data.isascii():
        return Decoded(data.decode("ascii"), "ascii", False)
    if stateful and codec is not None and not _looks_utf8(data, least=2):
        return Decoded(data.decode(codec, "replace"), codec, False)
    if codec != "utf_8" and _looks_utf8(data, least=3 if codec in _CJK_MULTIBYTE else 1):
        if codec in (None, "ascii") and rather_chinese(data):
            return Decoded(data.decode("gb18030"), "gb18030", True)
        return Decoded(data.decode("utf-8", "replace"), "utf_8", codec is not None)
    return _by_label(data, codec)


def _by_mark(data: bytes) -> Decoded | None:
    for mark, codec in ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if data.startswith(mark):
            text = data.decode(codec, "replace")
            # FF FE may also open a text in another charset; half of UTF-16 mail is line ends and ASCII.
            if codec == "utf-8" or readable(text):
                return Decoded(text.lstrip("\ufeff"), codec, False)
    return None


def _seven_bit(data: bytes, codec: str | None, stateful: bool) -> Decoded | None:
    if b"\x1b" in data and (codec is None or codec in ("iso2022_jp", "ascii", "utf_8", "cp1252", "cp932")):
        if _ESCAPE.search(data):
            return Decoded(_iso_2022_jp(data), "iso2022_jp", codec != "iso2022_jp")
    if b"~{" in data and data.isascii() and (codec in ("hz", "gb18030", None, "ascii")):
        try:
            return Decoded(data.decode("hz"), "hz", codec != "hz")
        except UnicodeDecodeError:
            if codec == "hz":
                return Decoded(data.decode("hz", "replace"), "hz", True)
    if stateful and codec == "iso2022_jp":
        return Decoded(_iso_2022_jp(data), codec, False)
    return None


def _looks_utf8(data: bytes, *, least: int) -> bool:
    """Valid UTF-8 (a character cut off at the end is forgiven) with at least `least` characters that only
    UTF-8 would spell so: three CJK ones are not valid by chance in any other multi-byte charset.
    """
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(data, False)
    except UnicodeDecodeError:
        return False
    if least <= 1:
        return any(char > "\x7f" for char in text)
    seen = 0
    for char in text:
        if "\u2e80" <= char <= "\u9fff" or "\uac00" <= char <= "\ud7a3" or char >= "\uf900":
            seen += 1
            if seen >= least:
                return True
    return False


def _by_label(data: bytes, codec: str | None) -> Decoded:
    if codec is None or codec == "ascii":
        return Decoded(*guess(data), doubtful=True)
    try:
        text = data.decode(codec)
    except (UnicodeError, ValueError, LookupError):
        return _damaged(data, codec)
    if codec in ("cp1252", "cp1254", "iso8859_15"):
        # The label most often set by software that never looked at the text.
        other, better = guess(data, prior=codec)
        return Decoded(other, better, better != codec)
    return Decoded(text, codec, False)


def _damaged(data: bytes, codec: str) -> Decoded:
    """The label does not fit all bytes: a few broken ones are replaced, more mean another charset."""
    text = data.decode(codec, "replace")
    broken = text.count("\N{REPLACEMENT CHARACTER}")
    foreign = sum(1 for char in text if char > "\x7f")
    if broken <= 1 + foreign // 20 and foreign >= 4 * broken and codec not in ("cp1252",):
        return Decoded(text, codec, True)
    best, better = guess(data, prior=codec)
    return Decoded(best, better, True)


def _iso_2022_jp(data: bytes) -> str:
    """ISO-2022-JP with what mailers really put in it: NEC row 13 (①, ㈱), half-width kana by ESC ( I, JIS X
    0212, raw Shift-JIS between the escapes. Follows the Encoding Standard's decoder, by way of CP932.
    """
    pieces: list[str] = []
    mode = b"(B"
    at = 0
    for found in _ESCAPE.finditer(data):
        pieces.append(_jis_run(data[at : found.start()], mode))
        mode, at = found[1], found.end()
    pieces.append(_jis_run(data[at:], mode))
    return "".join(pieces)


def _jis_run(run: bytes, mode: bytes) -> str:
    if not run:
        return ""
    if mode in (b"(B", b"(J", b"(H"):
        return run.decode("cp932", "replace") if not run.isascii() else run.decode("ascii")
    if mode == b"(I":
        return bytes(byte | 0x80 if 0x21 <= byte <= 0x5F else byte for byte in run).decode("cp932", "replace")
    # A line end returns to ASCII even where the sender forgot the escape (RFC 1468).
    head, newline, rest = run.partition(b"\n")
    if mode in (b"$B", b"$@"):
        text = _jis_to_sjis(head).decode("cp932", "replace")
    elif mode == b"$(D":
        text = b"".join(
            b"\x8f" + bytes((one | 0x80, two | 0x80)) for one, two in zip(head[::2], head[1::2], strict=False)
        ).decode("euc_jp", "replace")
    else:
        codec = {b"$A": "gb2312", b"$(C": "euc_kr"}.get(mode, "iso8859_1")
        text = bytes(byte | 0x80 if byte > 0x20 else byte for byte in head).decode(codec, "replace")
    return text + ("\n" + _jis_run(rest, b"(B") if newline else "")


def _jis_to_sjis(run: bytes) -> bytes:
    """JIS X 0208 pairs as Shift-JIS pairs: two rows share one lead byte."""
    out = bytearray()
    at = 0
    while at + 1 < len(run):
        one, two = run[at] & 0x7F, run[at + 1] & 0x7F
        if one < 0x21 or two < 0x21:
            out.append(run[at])
            at += 1
            continue
        lead = (one + 1) // 2 + (0x70 if one < 0x5F else 0xB0)
        trail = two + (0x1F if two < 0x60 else 0x20) if one % 2 else two + 0x7E
        out += bytes((lead, trail))
        at += 2
    out += run[at:]
    return bytes(out)
