"""Bytes to text when the label is wrong, missing or unknown, and text that can always be stored.

The labels follow the WHATWG Encoding Standard (https://encoding.spec.whatwg.org/#names-and-labels), which
records what mailers mean by a name rather than what the name says: "gb2312" is GB18030, "iso-8859-1" is
Windows-1252, "ks_c_5601-1987" is Windows-949.
"""

import codecs
import re
from typing import NamedTuple

from workers.intake.guess import guess, rather_chinese, readable
from workers.intake.jis import has_escapes, iso_2022_jp

_MEANT = {
    label: codec
    for codec, labels in {
        "gb18030": "gb2312 gb_2312-80 gb2312-80 gbk x-gbk cp936 936 ms936 windows-936 euc-cn "
        "csgb2312 chinese csiso58gb231280 gb18030-2000",
        "hz": "hz-gb-2312 hzgb2312",
        "cp950": "big5 x-x-big5 cn-big5 csbig5 big-5 windows-950 x-big5",
        "big5hkscs": "big5-hkscs",
        "cp949": "ks_c_5601-1987 ks_c_5601-1989 ks_c_5601 ksc5601 ksc_5601 euc-kr euckr korean "
        "windows-949 cseuckr x-windows-949",
        "cp932": "shift_jis shift-jis sjis x-sjis ms_kanji csshiftjis windows-31j cswindows31j windows-932",
        "euc_jp": "euc-jp x-euc-jp x-euc cseucpkdfmtjapanese",
        "ascii": "us-ascii ansi_x3.4-1968 iso646-us 7bit",
        "cp1252": "iso-8859-1 iso8859-1 latin1 latin-1 l1 iso_8859-1 iso-8859-1:1987 x-ansi "
        "x-cp1252 windows1252 ansi",
        "cp1254": "iso-8859-9 iso8859-9 latin5",
        "cp874": "iso-8859-11 tis-620 dos-874",
        "iso8859_8": "iso-8859-8-i iso-8859-8-e",
        "iso8859_6": "iso-8859-6-i",
        "mac_roman": "macintosh x-mac-roman",
        "mac_cyrillic": "x-mac-cyrillic",
        "mac_latin2": "x-mac-ce",
        "utf_8": "unicode-1-1-utf-8 utf8 utf-8 x-utf-8 utf8mb4 utf-8-sig",
        "utf_7": "unicode-1-1-utf-7",
        "utf_16": "unicode ucs-2",
        "koi8_r": "koi8-r koi koi8",
    }.items()
    for label in labels.split()
}
# Codecs that are transformations rather than charsets, or that take quadratic time on long input.
_NO_CHARSETS = frozenset(
    {
        "idna",
        "punycode",
        "unicode-escape",
        "raw-unicode-escape",
        "unicode_escape",
        "raw_unicode_escape",
        "undefined",
        "mbcs",
        "oem",
        "palmos",
    }
)
_STATEFUL = ("iso2022", "hz", "utf-7", "utf-16", "utf-32")
_CJK_MULTIBYTE = frozenset({"gb18030", "cp950", "big5hkscs", "cp949", "cp932", "euc_jp", "johab"})
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff]+")
_BEYOND_CONTROLS = re.compile("[^\x00-\x84\x86-\x9f]")
"""What nobody writes is no evidence: C2 80 is "Â€" rather than a control character."""
_SURROGATE = re.compile("[\ud800-\udfff]")


class Decoded(NamedTuple):
    """Text, the codec that was used, and whether the label had to be overruled."""

    text: str
    codec: str
    doubtful: bool


def scrub(text: str) -> str:
    """Text that any database stores: no NUL or other control characters but tab and line ends, no lone
    surrogates (they become U+FFFD), no byte-order marks. Line ends come out as a single line feed.
    """
    if text.isprintable():
        return text  # a header's value mostly is, and nothing that goes is printable
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("", _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text))


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
    for mark, codec in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            text = data.decode(codec, "replace")
            # FF FE may also open a text in another charset; half of UTF-16 mail is line ends and ASCII.
            if codec == "utf-8" or readable(text):
                return Decoded(text.lstrip("\ufeff"), codec, False)
    return None


def _seven_bit(data: bytes, codec: str | None, stateful: bool) -> Decoded | None:
    if codec in (None, "iso2022_jp", "ascii", "utf_8", "cp1252", "cp932") and has_escapes(data):
        return Decoded(iso_2022_jp(data), "iso2022_jp", codec != "iso2022_jp")
    if b"~{" in data and data.isascii() and (codec in ("hz", "gb18030", None, "ascii")):
        try:
            return Decoded(data.decode("hz"), "hz", codec != "hz")
        except UnicodeDecodeError:
            if codec == "hz":
                return Decoded(data.decode("hz", "replace"), "hz", True)
    if stateful and codec == "iso2022_jp":
        return Decoded(iso_2022_jp(data), codec, False)
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
        return _BEYOND_CONTROLS.search(text) is not None
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
        # Who says Turkish or Latin-9 has looked at the text: only another script overrules it.
        if codec == "cp1252" or better in _CJK_MULTIBYTE:
            return Decoded(other, better, better != codec)
    return Decoded(text, codec, False)


def _damaged(data: bytes, codec: str) -> Decoded:
    """The label does not fit all bytes: a few broken ones are replaced, more mean another charset."""
    text = data.decode(codec, "replace")
    broken = text.count("\N{REPLACEMENT CHARACTER}")
    foreign = len(text) - len(text.encode("ascii", "ignore"))
    if broken <= 1 + foreign // 20 and foreign >= 4 * broken and codec not in ("cp1252",):
        return Decoded(text, codec, True)
    best, better = guess(data, prior=codec)
    return Decoded(best, better, True)
