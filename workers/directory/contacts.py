"""Mail addresses and phone numbers in one spelling."""

from __future__ import annotations

import re

import phonenumbers
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

from workers.errors import InvalidInput

_PLAIN = re.compile(
    r"(?=[^@]{1,64}@)[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*+@"
    r"(?:[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*+\.)++(?P<top>[A-Za-z]{2,20})"
)
"""What an address looks like that need not be looked at for long: email_validator takes 60 µs for each."""
_LONGEST_PLAIN = 64
"""So none of its labels can be longer than the 63 characters that DNS allows."""
_SPECIAL = frozenset(name.rpartition(".")[2] for name in SPECIAL_USE_DOMAIN_NAMES)


def normal_email(address: str) -> str:
    """The address in one spelling (lower case, A-labels kept readable). Raises InvalidInput.

    No DNS is asked: whether mail arrives is found out by sending.
    """
    plain = _PLAIN.fullmatch(address) if len(address) <= _LONGEST_PLAIN else None
    if plain is not None and plain["top"].lower() not in _SPECIAL:
        return address.lower()
    try:
        return validate_email(address, check_deliverability=False, test_environment=True).normalized.lower()
    except EmailNotValidError as error:
        raise InvalidInput("this is no mail address", hint=str(error)) from error


def is_email(address: str) -> bool:
    """Whether this is a mail address that can be written to."""
    try:
        normal_email(address)
    except InvalidInput:
        return False
    return True


def normal_phone(number: str, region: str) -> str:
    """The number in E.164 (`+8613800005678`); `region` (ISO 3166) is assumed when it has no country code."""
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException as error:
        raise InvalidInput("this is no phone number", hint=str(error)) from error
    if not phonenumbers.is_possible_number(parsed):
        raise InvalidInput("this is no possible phone number", hint="give it with its country code, as +86 …")
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def region_of(zone: str) -> str:
    """The region whose phone numbers are written without country code by a team in this time zone."""
    return "CN" if zone in {"Asia/Shanghai", "Asia/Urumqi", "PRC"} else "US"
