"""What most stories begin with: a customer's request, its handler, its result."""

from __future__ import annotations

from tests.house import House

LILEI = "lilei@163.example"
CAROL = "carol@help.example"
RESULT = {"cause": "a stale token", "solution": "renewed it"}


async def new_request(house: House, words: str = "Please help with my order.") -> str:
    """Li Lei writes a mail; gives the ticket's number."""
    await house.mail(LILEI, words, subject="Order", name="Li Lei")
    return (await house.ticket()).number


async def handler_of(house: House) -> str:
    """The address of whom the newest ticket was assigned to."""
    return (await house.mail_of("assignment")).recipient


async def resolved(house: House) -> tuple[str, str]:
    """A request that has its result; gives its number and its handler's address."""
    number = await new_request(house)
    handler = await handler_of(house)
    await house.api("POST", f"/tickets/{number}/resolve", RESULT, by=handler)
    return number, handler
