"""The relays' URLs: said briefly, checked strictly, never repeated in an error."""

from __future__ import annotations

import pytest

from workers.channels.smtp_url import Relay, Tls, parse_smtp_urls
from workers.errors import SettingsError


@pytest.mark.parametrize(
    ("url", "relay"),
    [
        ("smtp://relay.example", Relay("relay.example", 587, Tls.START)),
        ("smtp://relay.example:465", Relay("relay.example", 465, Tls.IMPLICIT)),
        ("smtp://relay.example:2465?tls=implicit", Relay("relay.example", 2465, Tls.IMPLICIT)),
        ("smtps://relay.example/", Relay("relay.example", 465, Tls.IMPLICIT)),
        ("smtp://127.0.0.1:2525?tls=none", Relay("127.0.0.1", 2525, Tls.NONE)),
        ("smtp://relay.example?tls=none", Relay("relay.example", 25, Tls.NONE)),
        ("smtp://me%40x.example:p%2Fw%3A%20%23@r.example:587?tls=start",
         Relay("r.example", 587, Tls.START, "me@x.example", "p/w: #")),
        ("smtp://r.example?ca=/etc/ca.pem", Relay("r.example", 587, Tls.START, ca_file="/etc/ca.pem")),
        ("smtp://[::1]:25?tls=none", Relay("::1", 25, Tls.NONE)),
    ],
)  # fmt: skip # packed, to be read at a glance
def test_a_relay_is_read_from_its_url(url: str, relay: Relay) -> None:
    assert parse_smtp_urls(url) == (relay,)


def test_several_relays_are_tried_in_their_order() -> None:
    assert [relay.host for relay in parse_smtp_urls(" smtp://a.example\n smtp://b.example ")] == [
        "a.example",
        "b.example",
    ]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://a.example",
        "smtp://",
        "smtp://me:topsecret@a.example:port",
        "smtp://me:topsecret@a.example?tls=maybe",
        "smtp://me:topsecret@a.example?verify=no",
        "smtps://me:topsecret@a.example?tls=none",
        "smtp://me:topsecret#1@a.example",
        "smtp://me:topsecret/1@a.example",
        "smtp://me:topsecret@a example.com",
        "smtp://a.example/path",
    ],
)
def test_a_wrong_url_is_refused_without_repeating_its_password(url: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        parse_smtp_urls(url)
    assert "topsecret" not in str(refusal.value)


def test_a_password_never_shows() -> None:
    assert "topsecret" not in repr(parse_smtp_urls("smtp://me:topsecret@a.example"))
