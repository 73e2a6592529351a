"""Reasons in words beside their codes, in the caller's language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import Depends, Request

from workers.web.pages import page_locale
from workers.web.parts import Parts

Tell = Callable[[str | None], str | None]
"""A reason's code → its words; None for None."""


async def _teller(request: Request, parts: Parts) -> Tell:
    """By Accept-Language (RFC 9110 §12.5.4), else in the language of the team."""
    renderer, locale = parts.renderer, page_locale(request)
    return lambda code: renderer.reason_words(code, locale)


Wording = Annotated[Tell, Depends(_teller)]


def worded(facts: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """The facts, with `reason_text` if there is a `reason`."""
    return {**facts, "reason_text": tell(facts["reason"])} if "reason" in facts else {**facts}
