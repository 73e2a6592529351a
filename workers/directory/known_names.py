"""The customer's name as far as it is known, so that it is masked wherever it stands in a text."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from models.crypto import Erased, UnknownKey
from models.people import Customer
from workers.text import mask_known
from workers.unit_of_work import UnitOfWork


async def known_names(uow: UnitOfWork, customer_id: UUID) -> tuple[str, ...]:
    """For `mask_free_text(names=…)`; empty when no name is known or can be opened."""
    customer = await uow.the(Customer, customer_id)
    if customer.name_sealed is None:
        return ()
    try:
        sealer = await uow.vault.sealer(uow.session, customer.data_key_id)
    except (Erased, UnknownKey):
        return ()
    name = sealer.text(customer.name_sealed, "customers.name")
    return (name,) if name else ()


def without_names(value: Any, names: tuple[str, ...]) -> Any:
    """The same JSON value, the names masked in all its texts."""
    if isinstance(value, str):
        return mask_known(value, names)
    if isinstance(value, dict):
        return {key: without_names(each, names) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_names(each, names) for each in value]
    return value
