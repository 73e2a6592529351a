"""Amazon SNS over HTTPS: the signature, its certificate, the topic.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html and
…/sns-message-and-json-formats.html. Version 1 signs by SHA-1, version 2 by SHA-256, both with RSA (PKCS #1
v1.5).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from workers.errors import BadSignature, InvalidInput
from workers.intake.fetching import FetchRefused
from workers.intake.outside import Outside
from workers.intake.providers.calls import HookRequest, same

HOST = r"sns\.[a-z]{2,4}(?:-[a-z]{2,14}){1,3}-[0-9]{1,2}\.amazonaws\.com(?:\.cn)?"
"""Of certificates and confirmations; matched as a whole, so that nothing may stand before or behind it."""
TOPIC = re.compile(r"arn:aws(?:-[a-z-]{2,20})?:sns:[a-z0-9-]{4,30}:[0-9]{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?")
_HOST = re.compile(HOST)
_PATH = re.compile(r"/SimpleNotificationService-[A-Za-z0-9]{1,80}\.pem")
_CERTIFICATE_CAP = 64 * 1024
MOST_BYTES = 2 * 1024 * 1024
"""SNS sends 256 KB, which JSON may make up to six times as long."""
_NOTICE = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
SIGNED: Mapping[str, tuple[str, ...]] = {
    "Notification": _NOTICE,
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}


def read_envelope(call: HookRequest) -> dict[str, str]:
    """The fields of a call by SNS, all text. Raises InvalidInput."""
    whole = call.json(MOST_BYTES)
    if not isinstance(whole, dict) or not all(
        isinstance(value, str) for name, value in whole.items() if name in _NOTICE or name in _CONFIRMATION
    ):
        raise InvalidInput("the body is no message of SNS", "is raw message delivery switched off?")
    envelope = {name: value for name, value in whole.items() if isinstance(value, str)}
    if envelope.get("Type") not in SIGNED or "Message" not in envelope:
        raise InvalidInput("the body is no message of SNS", "is raw message delivery switched off?")
    return envelope


def canonical(envelope: Mapping[str, str]) -> bytes:
    """What is signed: names and values of the fields of its type, in order, each with a line end."""
    names = [name for name in SIGNED[envelope["Type"]] if name in envelope]
    return "".join(f"{name}\n{envelope[name]}\n" for name in names).encode("utf-8", "surrogatepass")


def need_topic(envelope: Mapping[str, str], topics: tuple[str, ...]) -> None:
    """Raises BadSignature unless the message is of one of these topics."""
    given = envelope.get("TopicArn", "")
    if not any(same(given, topic) for topic in topics):
        raise BadSignature("the message is of another topic", "see ?topic= in CLOSELOOP_EMAIL_HOOKS")


def need_signature(envelope: Mapping[str, str], outside: Outside) -> None:
    """Raises BadSignature unless Amazon has signed it, Unavailable when the certificate cannot be fetched."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256

    version = envelope.get("SignatureVersion")
    if version not in ("1", "2"):
        raise BadSignature("the signature is of an unknown version")
    key = _key(_certificate(envelope.get("SigningCertURL", ""), outside))
    digest = SHA256() if version == "2" else SHA1()  # noqa: S303 - what Amazon calls version 1
    try:
        given = base64.b64decode(envelope.get("Signature", ""), validate=True)
        key.verify(given, canonical(envelope), PKCS1v15(), digest)
    except (InvalidSignature, ValueError, binascii.Error) as error:
        raise BadSignature("the signature is missing or does not match") from error


def _certificate(url: str, outside: Outside) -> bytes:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
    except ValueError:
        host, parts = "", urlsplit("")
    if url != f"https://{host}{parts.path}" or not _HOST.fullmatch(host) or not _PATH.fullmatch(parts.path):
        raise BadSignature("the certificate is not one of Amazon's")
    try:
        return outside.kept(url, hosts={host}, cap=_CERTIFICATE_CAP)
    except FetchRefused as error:
        raise BadSignature("the certificate is not there", error.message) from error


def _key(certificate: bytes) -> Any:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.x509 import load_pem_x509_certificate

    try:
        key = load_pem_x509_certificate(certificate).public_key()
    except ValueError as error:
        raise BadSignature("the certificate cannot be read") from error
    if not isinstance(key, RSAPublicKey):
        raise BadSignature("the certificate holds no RSA key")
    return key
