"""Quoted-printable as mail really brings it, and as somebody sends it who wants us to be busy with it."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.intake.transfer import quoted_printable_bytes

PIECES = [b"=", b"4", b"1", b"a", b"\r\n", b"\n", b"\r", b" ", b"\t", b"G", b"\xd6", b"=\r\n", b"=E4", b"_"]


def by_the_letter(data: bytes) -> bytes:
    """RFC 2045 section 6.7, escape by escape: right, and thirty times slower."""
    pattern = rb"=([0-9A-Fa-f]{2})|=[ \t]*\r?\n|=\Z"
    return re.sub(pattern, lambda found: bytes.fromhex(found[1].decode()) if found[1] else b"", data)


@given(st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join))
def test_it_is_decoded_as_the_standard_has_it(data: bytes) -> None:
    assert quoted_printable_bytes(data) == by_the_letter(data)


@pytest.mark.parametrize("flood", [b"=41=42=43\n", b"=", b"=  \n", b"=\r", b"=E4", b"=4"])
def test_a_flood_of_escapes_is_read_in_a_few_seconds(flood: bytes) -> None:
    started = time.process_time()
    quoted_printable_bytes(flood * (20_000_000 // len(flood)))
    assert time.process_time() - started < 6
