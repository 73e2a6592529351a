"""Putting right a communication record by its form: only what was typed over is changed.

The form shows words masked. Every field carries a mark of what it held, so that an untouched one changes
nothing, and a touched one that still holds a mask is sent back: what is hidden would be lost otherwise.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from models.communications import Communication
from models.people import Staff
from models.vocabulary import CommunicationState
from workers import communications
from workers.communications import CHANNELS
from workers.errors import InvalidInput, NotFound
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import person_named
from workers.web.api.communication_views import shown_records
from workers.web.console.forms import LONGEST, Form, Wrong, local_value

LINE = 500
LIMITS = {"description": LONGEST, "summary": LINE, "solution": LONGEST, "next_action": LINE}
MARKED = ("channel", "happened_at", "handler", *LIMITS, "next_at")
MARK_CHARS = 16
_WORD = re.compile(r"[0-9A-Za-z._@+*-]+")


def form_values(talk: Mapping[str, Any], zone: str) -> dict[str, str]:
    """What the fields hold for a record as it is shown; times in `zone`. `next_at` is only typed anew."""
    values = {name: str(talk[name] or "") for name in ("channel", "handler", *LIMITS)}
    values["happened_at"] = local_value(datetime.fromisoformat(talk["happened_at"]), zone)
    return {**values, "next_at": ""}


def marks(values: Mapping[str, str]) -> str:
    """What each field held, in a form that tells nothing but whether it was touched."""
    return " ".join(_mark(values[name]) for name in MARKED)


def touched(fields: Mapping[str, str]) -> dict[str, str]:
    """The fields of a posted form that hold something else than when it was shown."""
    held = fields.get("held", "").split()
    if len(held) != len(MARKED):
        return {name: fields.get(name, "") for name in MARKED}
    return {
        name: fields[name]
        for name, mark in zip(MARKED, held, strict=True)
        if name in fields and _mark(fields[name]) != mark
    }


async def change(uow: UnitOfWork, row: Communication, by: Staff, form: Form) -> None:
    """Change what was touched of a record that is held. Raises Wrong for mistakes, else as the step does."""
    new = touched(form.fields)
    if row.state is CommunicationState.CLOSED:
        new.pop("next_action", None)
        new.pop("next_at", None)
    words = {name: form.text(name, limit=limit) for name, limit in LIMITS.items() if name in new}
    channel = form.one_of("channel", CHANNELS, required=True) if "channel" in new else None
    happened_at = form.moment("happened_at", required=True, to_come=False) if "happened_at" in new else None
    next_at = form.text("next_at", limit=64) if "next_at" in new else ""
    await _masks(uow, row, form, words)
    for name in ("description", "next_action"):
        if words.get(name) == "":
            form.errors[name] = "required_text"
    form.check()
    handler = await _handler(uow, form) if "handler" in new else None
    if not (words or channel or happened_at or next_at or handler):
        return
    try:
        await communications.change(
            uow,
            row,
            by,
            words,
            channel=channel,
            happened_at=happened_at,
            next_at=next_at,
            handler=handler,
        )
    except InvalidInput as error:
        if next_at or "next_action" in words:
            raise Wrong({"next_at": "next_time"}) from error
        if "solution" in words:
            raise Wrong({"solution": "definite"}) from error
        raise


async def _masks(uow: UnitOfWork, row: Communication, form: Form, words: Mapping[str, str]) -> None:
    """A touched field that holds a mask of what it showed would write the mask over what is hidden."""
    (shown,) = await shown_records(uow, [row])
    own = await communications.own_words(uow, row)
    for name, typed in words.items():
        if (_masked(getattr(shown, name)) - _masked(own[name])) & _masked(typed):
            form.errors[name] = "masked"


def _masked(text: str) -> set[str]:
    return {word for word in _WORD.findall(text) if "*" in word}


async def _handler(uow: UnitOfWork, form: Form) -> Staff:
    try:
        return await person_named(uow, form.text("handler", required=True, limit=254))
    except NotFound as error:
        raise Wrong({"handler": "not_staff"}) from error


def _mark(text: str) -> str:
    """Of the words alone: line ends and blanks around them are not what anybody touches."""
    plain = text.replace("\r\n", "\n").strip()
    return hashlib.sha256(plain.encode()).hexdigest()[:MARK_CHARS]
