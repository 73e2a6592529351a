"""Words of the trade as callers write them: codes, labels of either language, aliases of the policy."""

from __future__ import annotations

from models.vocabulary import Category, Priority
from workers.errors import InvalidInput
from workers.unit_of_work import UnitOfWork


def category_named(uow: UnitOfWork, text: str | None) -> Category | None:
    """The category a word means; None for None. Raises InvalidInput naming the codes."""
    if text is None:
        return None
    found = uow.policy.category_of(text)
    if found is None:
        raise InvalidInput("this is no category", hint=f"use one of {', '.join(Category)}, or its label")
    return found


def priority_named(uow: UnitOfWork, text: str | None) -> Priority | None:
    """The priority a word means; None for None. Raises InvalidInput naming the codes."""
    if text is None:
        return None
    found = uow.policy.priority_of(text)
    if found is None:
        raise InvalidInput("this is no priority", hint=f"use one of {', '.join(Priority)}, or its label")
    return found
