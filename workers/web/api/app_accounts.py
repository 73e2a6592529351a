"""By what the team's app or official account 公众号 knows a customer: needed to push messages to it."""

from __future__ import annotations

from pydantic import BaseModel, Field

from workers import customers, webhooks
from workers.customers.story import note
from workers.web.api.common import Calling, Given, acting
from workers.web.api.resource import Resource
from workers.web.parts import Parts

router = Resource("/customers", "customers")


class AccountGiven(Given):
    """A customer's account in the app."""

    account: str | None = Field(
        max_length=128, description="openid or user id of the app; null: not any more", examples=["oA1b2C3d4"]
    )


class AccountKept(BaseModel):
    """Whether messages can be pushed. The account itself is never shown again."""

    code: str
    has_account: bool
    can_push: bool = Field(description="There is a push endpoint, too")


@router.put("/{code}/app-account", summary="Say by what the team's app knows a customer")
async def set_account(code: str, given: AccountGiven, parts: Parts, calling: Calling) -> AccountKept:
    """Messages go there if `preferred_channel` is `push`, and questions for a rating where the order of ways
    says so.
    """
    async with parts.workshop.begin() as uow:
        by = await acting(uow, calling.staff)
        row = await customers.customer_by_code(uow, code, hold=True)
        await webhooks.set_account(uow, row, given.account)
        await note(uow, row, "changed", by, {"fields": ["app_account"]})
        can = await webhooks.can_push(uow, row, None)
    return AccountKept(code=row.code, has_account=bool(given.account), can_push=can)
