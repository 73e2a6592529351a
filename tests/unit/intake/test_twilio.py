"""Twilio's webhooks: signed or refused, and what they say."""

import pytest

from workers.errors import BadSignature, InvalidInput
from workers.intake.providers.sms.twilio import parse_inbound, parse_status, sign, verify

URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
TOKEN = "12345"
PARAMS = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
    ("Caller", "+14158675309"),
]
# The values Twilio's documentation and helper libraries give for these requests.
KNOWN = {
    "as documented": (URL, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
    "our URL has a port that was not signed": (
        URL.replace(".com", ".com:1234"),
        "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
    ),
    "443 was signed": (URL, "kvajT1Ptam85bY51eRf/AJRuM3w="),
    "80 was signed": (URL.replace("https", "http"), "0ZXoZLH/DfblKGATFgpif+LLRf4="),
    "another port was signed": (
        URL.replace(".com", ".com:1234").replace("https", "http"),
        "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=",
    ),
}


@pytest.mark.parametrize(("url", "signature"), KNOWN.values(), ids=KNOWN.keys())
def test_a_genuine_request_is_let_in(url: str, signature: str) -> None:
    verify(url, PARAMS, signature, TOKEN)


def test_a_name_given_twice_counts_with_both_values_in_order() -> None:
    params = [("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234")]
    verify(URL, params, "IK+Dwps556ElfBT0I3Rgjkr1wJU=", TOKEN)


def test_blank_values_and_blanks_are_signed_as_they_are() -> None:
    params = [("Body", " hi "), ("City", "")]
    verify(URL, params, sign(URL, params, TOKEN), TOKEN)
    with pytest.raises(BadSignature):
        verify(URL, [("Body", "hi"), ("City", "")], sign(URL, params, TOKEN), TOKEN)


@pytest.mark.parametrize("signature", ["", "x", "RSOYDt4T1cUTdK1PDd93/VVr8B9=", "é", "R" * 10_000])
def test_a_forged_request_is_refused(signature: str) -> None:
    with pytest.raises(BadSignature):
        verify(URL, PARAMS, signature, TOKEN)


def test_a_changed_word_a_changed_path_or_no_token_is_refused() -> None:
    good = sign(URL, PARAMS, TOKEN)
    for url, params, token in (
        (URL, [*PARAMS, ("x", "y")], TOKEN),
        (URL + "0", PARAMS, TOKEN),
        (URL, PARAMS, "other"),
        (URL, PARAMS, ""),
    ):
        with pytest.raises(BadSignature):
            verify(url, params, good, token)


def test_an_sms_is_read() -> None:
    sms = parse_inbound([
        ("MessageSid", "SM1"), ("From", "whatsapp:+15550177"), ("To", "+15550100"), ("Body", "你好\x00"),
        ("NumMedia", "1"), ("MediaUrl0", "https://api.example/m.jpg"),
    ])  # fmt: skip # packed, to be read at a glance
    assert (sms.sender, sms.recipient, sms.text, sms.external_id) == ("+15550177", "+15550100", "你好", "SM1")
    assert sms.media == ("https://api.example/m.jpg",)


def test_a_status_is_read() -> None:
    status = parse_status([("MessageSid", "SM1"), ("MessageStatus", "undelivered"), ("ErrorCode", "30003")])
    assert (status.external_id, status.state, status.error_code) == ("SM1", "undelivered", "30003")


def test_what_lacks_its_id_is_refused() -> None:
    with pytest.raises(InvalidInput):
        parse_inbound([("Body", "x")])
    with pytest.raises(InvalidInput):
        parse_status([("MessageSid", "SM1")])
