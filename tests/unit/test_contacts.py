"""What is plainly an address is not looked at closely, and comes out as if it had been."""

from __future__ import annotations

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from workers.directory import normal_email
from workers.errors import InvalidInput

_LOCAL = st.text("aB0_+.-'", min_size=1, max_size=8)
_DOMAIN = st.text("aB0.-_", min_size=1, max_size=9)
_END = st.sampled_from(
    [".test", ".local", ".com", ".ARPA", "xn--p1ai", ".invalid", "c1", ".x", ".co-m", ".c0m", "com", ".公司"]
)


def _looked_at_closely(address: str) -> str | None:
    try:
        return validate_email(address, check_deliverability=False, test_environment=True).normalized.lower()
    except EmailNotValidError:
        return None


@given(st.builds(lambda local, domain, end: f"{local}@{domain}{end}", _LOCAL, _DOMAIN, _END))
@example(f"a@{'b' * 63}.example")
@example(f"a@{'b' * 64}.example")
@example(f"{'a' * 64}@b.example")
@example(f"{'a' * 65}@b.example")
@example("a@b.example\n")
@example("a@b--c.example")
@example("Postmaster@B.Example")
def test_an_address_comes_out_as_the_validator_has_it(address: str) -> None:
    try:
        found: str | None = normal_email(address)
    except InvalidInput:
        found = None
    assert found == _looked_at_closely(address)


@pytest.mark.parametrize("address", ["wang.fang@customer.example", "a+b_c-d@mail.customer-1.example"])
def test_ordinary_addresses_need_no_validator(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("looked at closely")

    monkeypatch.setattr("workers.directory.contacts.validate_email", refuse)
    assert normal_email(address) == address
