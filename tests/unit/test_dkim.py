"""DKIM: what we sign, another implementation verifies, and nothing of it can be changed or added."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from workers.delivery.compose import MailParts, compose
from workers.delivery.dkim import Signer
from workers.errors import SettingsError

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SIGNER = Signer("s1", "help.example", KEY)
PUBLIC = KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
PARTS = MailParts(
    from_name="张三,李四",
    from_address="support@help.example",
    to_address="li@customer.example",
    subject="您的请求 " * 30,
    text="您好\n\n..dots \n\n\n",
    html="<p>您好</p>",
    message_id="<" + "a" * 150 + "@help.example>",
    references=("<one@x.example>", "<" + "b" * 120 + "@x.example>"),
    date=datetime(2026, 3, 2, 9, tzinfo=UTC),
    list_unsubscribe_url="https://help.example/u/abc",
)


def answer(name: bytes, timeout: int = 5) -> bytes:
    """What DNS says."""
    assert name == b"s1._domainkey.help.example."
    words = b"".join(line for line in PUBLIC.splitlines() if b"-" not in line)
    return b"v=DKIM1; k=rsa; p=" + words


def good(mail: bytes) -> bool:
    return bool(dkim.verify(mail, dnsfunc=answer))


def test_another_implementation_verifies_what_was_signed() -> None:
    mail = compose(PARTS)
    signed = SIGNER.sign(mail)
    assert signed.endswith(mail)
    assert max(map(len, signed.split(b"\r\n"))) <= 998
    assert good(signed)
    assert SIGNER.sign(mail) == signed, "each try sends the same bytes"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"To: <li@", b"To: <la@"),
        (b"Date: Mon", b"Date: Tue"),
        (b"Auto-Submitted: auto-generated", b"Auto-Submitted: no"),
        (b"u/abc", b"u/abd"),
        (b"From: ", b"From: <evil@help.example>\r\nFrom: "),
        (b"To: ", b"Reply-To: <evil@x.example>\r\nTo: "),
        (b"Subject: ", b"In-Reply-To: <a@b>\r\nSubject: "),
    ],
)
def test_nothing_signed_can_be_changed_nor_added(old: bytes, new: bytes) -> None:
    signed = SIGNER.sign(compose(PARTS))
    lead, _, rest = signed.partition(b"\r\nDate: ")
    changed = lead + (b"\r\nDate: " + rest).replace(old, new, 1)
    assert changed != signed
    assert not good(changed)


def test_what_relays_do_to_blanks_harms_nothing() -> None:
    signed = SIGNER.sign(compose(PARTS))
    assert good(signed.replace(b"\r\nTo: ", b"\r\nto:   ") + b"\r\n\r\n")
    assert good(b"Received: from x\r\n" + signed)


@given(body=st.lists(st.sampled_from([b" ", b"\t", b"a", b".", b"\r\n"]), max_size=40).map(b"".join))
def test_any_body_is_hashed_as_the_other_implementation_hashes_it(body: bytes) -> None:
    assert good(SIGNER.sign(b"From: <a@help.example>\r\nTo: <b@c.example>\r\n\r\n" + body + b"\r\n"))


def test_a_key_that_will_not_do_is_refused_without_showing_it(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"

    def written(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
        plain = serialization.NoEncryption()
        path.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        )
        return f"s1:{path}"

    assert good(Signer.load(written(KEY), "help.example").sign(compose(PARTS)))
    with pytest.raises(SettingsError, match="RSA or Ed25519"):
        Signer.load(written(ec.generate_private_key(ec.SECP256R1())), "help.example")
    path.write_text("topsecret")
    with pytest.raises(SettingsError) as refused:
        Signer.load(f"s1:{path}", "help.example")
    assert "topsecret" not in str(refused.value)
    with pytest.raises(SettingsError, match="cannot be read"):
        Signer.load(f"s1:{tmp_path / 'nowhere'}", "help.example")
