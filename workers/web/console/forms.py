"""Fields of a posted form, read one by one; what is wrong with each is told beside it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from workers.communications import read_moment
from workers.errors import InvalidInput
from workers.web.api.values import within_a_lifetime

LONGEST = 20_000
Code = TypeVar("Code", bound=str)


class Wrong(InvalidInput):
    """Something in the form is wrong: `errors` are codes of the labels' group `error` by the field's name.

    The empty name stands for the form as a whole. `offers`: what the form has to offer instead, by name.
    """

    def __init__(self, errors: Mapping[str, str], offers: Mapping[str, str] | None = None) -> None:
        super().__init__("the form has mistakes")
        self.errors = dict(errors)
        self.offers = dict(offers or {})


class Form:
    """The fields of one form. Each reading notes what is wrong; `check` raises Wrong if anything was.

    Times are read in `zone` (an IANA name) and given as aware datetimes; `now` is promise time.
    """

    def __init__(self, fields: Mapping[str, str], zone: str, now: datetime) -> None:
        self.fields = fields
        self.errors: dict[str, str] = {}
        self._zone = zone
        self._now = now

    def text(self, name: str, *, required: bool = False, limit: int = LONGEST) -> str:
        """What was typed, trimmed."""
        value = self.fields.get(name, "").strip()
        if len(value) > limit:
            self.errors[name] = "too_long"
        elif required and not value:
            self.errors[name] = "required_text"
        return value

    def moment(self, name: str, *, required: bool = False, to_come: bool = True) -> datetime | None:
        """A date and time of the team's zone; None when none was typed."""
        typed = self.text(name, limit=40)
        found = read_moment(typed, self._zone) if typed else None
        if found is None:
            if typed or required:
                self.errors[name] = "no_time"
            return None
        try:
            within_a_lifetime(found)
        except (ValueError, OverflowError):
            self.errors[name] = "no_time"
            return None
        if (found > self._now) is not to_come:
            self.errors[name] = "later" if to_come else "no_time"
        return found

    def one_of(self, name: str, codes: Collection[Code], *, required: bool = False) -> Code | None:
        """One of these codes, None when nothing was chosen."""
        typed = self.fields.get(name, "")
        found = next((code for code in codes if code == typed), None)
        if found is None and (typed or required):
            self.errors[name] = "required"
        return found

    def ticked(self, name: str) -> bool:
        """Whether a box was ticked."""
        return self.fields.get(name) == "1"

    def check(self) -> None:
        """Raises Wrong if anything so far was."""
        if self.errors:
            raise Wrong(self.errors)


def local_value(at: datetime | None, zone: str) -> str:
    """A moment as a field of the type datetime-local holds it, in the team's zone; "" for none."""
    return at.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M") if at else ""
