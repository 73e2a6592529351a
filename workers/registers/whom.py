"""Whom a cell means: a customer by code or contact, else one of whom only a label is known; a colleague."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from sqlalchemy import select

from models.base import new_id
from models.people import Customer, Staff
from workers.directory import Contact, find_or_make_customer, normal_email, normal_phone, region_of
from workers.errors import InvalidInput, NotFound
from workers.text import mask_free_text, mask_name
from workers.unit_of_work import UnitOfWork

LABEL = "IMP"
_EMAIL = re.compile(r"[^\s,;，；<>（）()]+@[^\s,;，；<>（）()]+\.[A-Za-z]{2,}")
_PHONE = re.compile(r"\+?\d[\d\s-]{6,18}\d")
_CODE = re.compile(r"[A-Za-z]{1,5}\d{3,14}")
_HAN = re.compile(r"(?<![*\u3400-\u9fff])[\u3400-\u9fff·]+")
"""Chinese words; what stands behind an asterisk was masked already."""
_NO_NAMES = frozenset({"尾号", "手机", "手机尾号", "电话", "客户", "客户尾号", "会员", "邮箱", "微信"})
_DIGITS = 10


def is_label(code: str) -> bool:
    """Whether nothing but a label is known of the customer with this code."""
    return code.startswith(LABEL)


async def customer_of(uow: UnitOfWork, *texts: str) -> Customer:
    """The customer whom the cells mean. Raises InvalidInput when they say nothing at all.

    A code that is ours, a whole address or number find the customer, or make one; all else (138****5678,
    *女士, a code of another system) is a label, and the same label is the same customer.
    """
    whole = " ".join(text.strip() for text in texts if text.strip())
    if not whole:
        raise InvalidInput("the customer is missing", hint="a code, a contact, or its last four digits")
    if code := _CODE.search(whole):
        try:
            return await find_or_make_customer(uow, Contact(code=code[0].upper()))
        except NotFound:
            pass  # another system's
    contact = _contact(uow, whole)
    if contact is not None:
        return await find_or_make_customer(uow, contact)
    return await _labelled(uow, whole)


def _contact(uow: UnitOfWork, text: str) -> Contact | None:
    email, phone = _EMAIL.search(text), _PHONE.search(text)
    if "*" in text or not (email or phone):
        return None
    name = _EMAIL.sub(" ", _PHONE.sub(" ", text) if not email else text).strip(" ,;，；/|<>()（）") or None
    try:
        return Contact(
            email=normal_email(email[0]) if email else None,
            phone=normal_phone(phone[0], region_of(uow.settings.timezone)) if phone and not email else None,
            name=name[:64] if name else None,
        )
    except InvalidInput:
        return None


async def _labelled(uow: UnitOfWork, text: str) -> Customer:
    """One of whom only this is known. The code comes from the label, so that it is found again."""
    code = LABEL + uow.vault.lookup("customer-label", text.lower()).hex()[:_DIGITS].upper()
    known = await uow.session.scalar(select(Customer).where(Customer.code == code))
    if known is not None and known.erased_at is None:
        return known
    if known is not None:
        raise InvalidInput("this customer was erased", hint="leave the row out")
    key, sealer = uow.vault.fresh_key()
    uow.add_later(key)
    row = Customer(
        id=new_id(),
        code=code,
        data_key_id=key.id,
        created_at=uow.clock.now(),
        name_sealed=sealer.seal(text, "customers.name"),
        masked=_shown(text),
    )
    uow.add_later(row)
    return row


def _shown(text: str) -> str:
    """The label as people see it: contacts and names in it masked, codes and last digits as they are."""
    masked = mask_free_text(text)
    if masked.isascii() and not any(letter.isdigit() or letter == "*" for letter in masked):
        return mask_name(masked)[:64]
    return _HAN.sub(lambda word: word[0] if word[0] in _NO_NAMES else mask_name(word[0]), masked)[:64]


@dataclass(slots=True)
class Colleagues:
    """Who works here, asked once a batch: by number, or by a name that only one of them has."""

    by_word: dict[str, Staff | None] = field(default_factory=dict)

    async def find(self, uow: UnitOfWork, text: str) -> Staff | None:
        """The person whom `text` means (CS001, CS001 王芳, 王芳, 王芳(CS001)); None for one unknown here."""
        if not self.by_word:
            for person in await uow.session.scalars(select(Staff)):
                self.by_word[person.number.upper()] = person
                name = person.name.strip()
                self.by_word[name] = None if name in self.by_word else person
        words = [text.strip(), *re.split(r"[\s/,，(（)）]+", text)]
        found = (self.by_word.get(word.upper()) or self.by_word.get(word) for word in words if word)
        return next((person for person in found if person is not None), None)
