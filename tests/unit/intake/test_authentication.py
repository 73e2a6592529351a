"""Whose word counts on whether a sender is genuine, and what is a no."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.intake.authentication import dmarc_failed, sender_failed

OURS = ("mx.help.example",)


@pytest.mark.parametrize(
    ("header", "failed"),
    [
        ("mx.help.example; dmarc=fail header.from=help.example", True),
        ("MX.Help.Example 1; spf=pass; DKIM=pass; dmarc = FAIL", True),
        ("mx.help.example (our own (first) server); spf=fail smtp.mailfrom=a@b", True),
        ("mx.help.example; spf=fail; dkim=none", True),
        ("mx.help.example; spf=fail; dkim=pass", False),
        ("mx.help.example; spf=fail; dkim=fail; dmarc=pass", False),
        ("mx.help.example; spf=softfail", False),
        ("mx.help.example; none", False),
        ("mx.help.example; spf=pass reason=\"x; dmarc=fail\"; dmarc=pass", True),
        ("mx.help.example; spf=pass (dmarc=fail; dmarc=fail)", False),
        ("mx.evil.example; dmarc=fail", False),
        ("dmarc=fail", False),
        ("", False),
    ],
)  # fmt: skip # packed, to be read at a glance
def test_only_our_own_servers_no_counts(header: str, failed: bool) -> None:
    assert sender_failed({"authentication-results": (header,)}, None, OURS) is failed
    assert not sender_failed({"authentication-results": (header,)}, None, ())


def test_one_no_of_several_headers_is_enough() -> None:
    headers = {"authentication-results": ("mx.help.example; dmarc=pass", "mx.help.example; dmarc=fail")}
    assert sender_failed(headers, None, OURS)


@pytest.mark.parametrize(
    ("verdicts", "failed"),
    [
        ({"dmarc": "fail", "spf": "pass"}, True),
        ({"spf": "fail"}, True),
        ({"spf": "fail", "dkim": "pass"}, False),
        ({"spam": "yes"}, False),
        ({}, False),
        (None, False),
    ],
)
def test_a_providers_own_verdict_counts_always(verdicts: object, failed: bool) -> None:
    assert sender_failed({}, verdicts, ()) is failed


@given(st.text(st.sampled_from("mx.help.example;=()dmarc fail spf"), max_size=200))
def test_any_header_is_read(header: str) -> None:
    assert sender_failed({"authentication-results": (header,)}, None, OURS) in (True, False)


def test_only_dmarc_of_a_trusted_server_or_the_provider_disowns_a_customers_mail() -> None:
    def told(value: str, verdicts: object = None) -> bool:
        return dmarc_failed({"authentication-results": (value,)}, verdicts, ["mx.help.example"])

    assert told("mx.help.example; spf=pass; dmarc=fail (p=none) header.from=shop.example")
    assert not told("mx.elsewhere.example; dmarc=fail")
    assert not told("mx.help.example; spf=fail; dkim=fail")
    assert told("", {"dmarc": "fail"})
    assert not told("", {"spf": "fail", "dkim": "none"})
    assert not told("", {"dmarc": "pass"})
