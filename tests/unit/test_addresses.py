"""What may stand between the angle brackets of an SMTP command."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.channels.address import wire_address
from workers.errors import InvalidInput


@pytest.mark.parametrize(
    "address",
    [
        "a@b.example",
        "first.last+tag@sub.example.org",
        "dots..are.real.@docomo.example",
        "o'brien/team=x@b.example",
        '"quoted name"@b.example',
        "root@localhost",
        "a@[192.0.2.1]",
        "a@[IPv6:2001:db8::1]",
        "a@xn--fsqu00a.example",
        "a@under_score.example",
    ],
)
def test_real_addresses_pass_unchanged(address: str) -> None:
    assert wire_address(address) == address


@pytest.mark.parametrize(
    ("address", "wire"),
    [
        ("a@例子.example", "a@xn--fsqu00a.example"),
        ("a@BÜCHER.example", "a@xn--bcher-kva.example"),
        ("a@straße.example", "a@xn--strae-oqa.example"),
        ("a@例子。example", "a@xn--fsqu00a.example"),
    ],
)
def test_domains_in_other_scripts_become_a_labels(address: str, wire: str) -> None:
    assert wire_address(address) == wire


@given(st.text(max_size=80))
def test_whatever_passes_is_plain_ascii_without_brackets_or_control_characters(text: str) -> None:
    for candidate in (text, f"{text}@b.example", f"a@{text}"):
        try:
            wire = wire_address(candidate)
        except InvalidInput:
            continue
        assert wire.isascii()
        assert not set(wire) & set("<>\r\n\x00\x7f")
        assert " " not in wire or '"' in wire


def test_a_hostile_address_takes_no_time_and_is_not_repeated() -> None:
    for address in (
        "a" * 1_000_000 + "@b.example",
        "a@" + "b." * 500_000,
        "a@" + "b" * 100 + "!",
        "@" * 100_000,
    ):
        with pytest.raises(InvalidInput) as refusal:
            wire_address(address)
        assert len(str(refusal.value)) < 200
