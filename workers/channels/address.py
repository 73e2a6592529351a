"""E-mail addresses fit for the wire: nothing that passes can break out of an SMTP command or a header."""

from __future__ import annotations

import re

from workers.errors import InvalidInput

# RFC 5321 §4.1.2, a little wider where the real world is: leading, trailing and double dots exist in Japan.
_LOCAL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+" r'|"(?:[^"\\<>\x00-\x1f\x7f]|\\[^<>\x00-\x1f\x7f])+"')
_UTF8_LOCAL = re.compile(r"(?:[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]|[^\x00-\x7f])+")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")
_LITERAL = re.compile(r"\[(?:\d{1,3}(?:\.\d{1,3}){3}|IPv6:[0-9A-Fa-f:.]{2,45})\]")
_LONGEST = 254  # RFC 5321 §4.5.3.1.3: a path is 256 octets with its angle brackets


def wire_address(address: str, *, utf8: bool = False) -> str:
    """Return `address` as it may stand between `<` and `>` on the wire: the domain as A-labels, all ASCII.

    With `utf8` the local part may go beyond ASCII (RFC 6531 §3.3), for a relay that offers SMTPUTF8. Raises
    InvalidInput for anything that is not one plain address, for control characters, blanks and angle
    brackets. RFC 5321 §4.1.2, RFC 5890.
    """
    local, at, domain = address[: 2 * _LONGEST].rpartition("@")
    if not at or not ((_LOCAL.fullmatch(local) and local.isascii()) or (utf8 and _is_utf8_local(local))):
        raise InvalidInput("not an e-mail address that can be written to", "expected name@domain in ASCII")
    if not _DOMAIN.fullmatch(domain) and not _LITERAL.fullmatch(domain):
        domain = _a_labels(domain)
    plain = f"{local}@{domain}"
    if len(plain.encode()) > _LONGEST or len(domain) > 253:
        raise InvalidInput("the e-mail address is longer than the 254 characters that SMTP allows")
    return plain


def _is_utf8_local(local: str) -> bool:
    """A dot-string with letters beyond ASCII; no direction marks, odd blanks or halves of characters."""
    return _UTF8_LOCAL.fullmatch(local) is not None and local.isprintable()


def _a_labels(domain: str) -> str:
    if domain.isascii():
        raise InvalidInput("the domain of the e-mail address is not a domain name")
    import idna  # heavy tables, needed for few addresses only

    try:
        labels = idna.encode(domain, uts46=True).decode("ascii")
    except UnicodeError as error:
        raise InvalidInput("the domain of the e-mail address is not a domain name") from error
    if not _DOMAIN.fullmatch(labels):
        raise InvalidInput("the domain of the e-mail address is not a domain name")
    return labels
