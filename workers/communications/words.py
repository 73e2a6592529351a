"""The words of a record: sealed under the customer's key, masked for everybody who reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.communications import Communication
from models.crypto import Erased, UnknownKey
from models.people import Customer
from workers.text import ERASED, mask_free_text
from workers.unit_of_work import UnitOfWork

PARTS = ("description", "summary", "solution", "next_action")
PLACE = "communications.words"
ENTRY_PLACE = "communication_entries.words"
SHOWN = 1


async def own_words(uow: UnitOfWork, row: Communication) -> dict[str, str]:
    """The words as they were written; ERASED where their key was destroyed, '' where it is missing."""
    try:
        sealer = await uow.vault.sealer(uow.session, row.data_key_id)
    except Erased:
        return dict.fromkeys(PARTS, ERASED)
    except UnknownKey:
        return dict.fromkeys(PARTS, "")
    return {**dict.fromkeys(PARTS, ""), **sealer.json(row.words_sealed, PLACE)}


async def masked_words(uow: UnitOfWork, row: Communication, customer: Customer) -> dict[str, str]:
    """As `own_words`, fit to show: without contacts, identity numbers and the customer's name (row A2)."""
    words = await own_words(uow, row)
    return masked(words, await name_of(uow, customer))


def masked(words: Mapping[str, Any], name: str) -> dict[str, str]:
    """The words without personal data; `name` is the customer's."""
    names = (name,) if name else ()
    return {part: mask_free_text(str(text), names=names) for part, text in words.items()}


async def name_of(uow: UnitOfWork, customer: Customer) -> str:
    """The customer's name in clear, to be masked wherever it stands; '' when there is none to open."""
    try:
        sealer = await uow.vault.sealer(uow.session, customer.data_key_id)
    except (Erased, UnknownKey):
        return ""
    return sealer.text(customer.name_sealed, "customers.name")


def masked_code(code: str) -> str:
    """A customer's code without its last character, as the record shows it: C20240500*."""
    return code[:-SHOWN] + "*" * SHOWN
