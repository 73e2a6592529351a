"""ISO-2022-JP as mailers really write it, by way of CP932."""

import re

_ESCAPE = re.compile(rb"\x1b(\$\([@BDOPQ]|\$[@AB]|\([BJHI]|\$\(C|\.[AF]|N)")


def has_escapes(data: bytes) -> bool:
    """Whether the bytes switch character sets the ISO 2022 way."""
    return _ESCAPE.search(data) is not None


def iso_2022_jp(data: bytes) -> str:
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
