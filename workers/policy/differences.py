"""What two policies say differently, place by place. Pure; empty exactly when they are equal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from workers.policy.policy import Policy

Place = tuple[str, ...]

# Lists of tables are told apart by what their entries are about, or else by their order.
_NAMED_BY: dict[Place, str] = {("category_limits",): "category", ("special_periods",): "label"}
_IN_ORDER: tuple[Place, ...] = (("assignment", "rules"), ("limits_for",), ("calendar_for",))
_TABLES: tuple[Place, ...] = (*_NAMED_BY, ("acceptance_reminders",))


@dataclass(frozen=True, slots=True)
class Difference:
    """One place of a policy file that changes: `None` stands for "not there". Values are plain JSON."""

    place: Place
    before: Any
    after: Any


def differences(before: Policy, after: Policy) -> tuple[Difference, ...]:
    """All that changes from one policy to the other, in the order of the file."""
    plain = _plain(before), _plain(after)
    old, new = (dict(_leaves((), each)) for each in plain)
    found = [
        Difference(place, old.get(place), new.get(place))
        for place in dict.fromkeys((*old, *new))
        if place not in _IN_ORDER and old.get(place) != new.get(place)
    ]
    for (name,), key in _NAMED_BY.items():
        order = [[str(entry[key]) for entry in each[name]] for each in plain]
        if order[0] != order[1] and sorted(order[0]) == sorted(order[1]):
            found.append(Difference((name,), order[0], order[1]))
    for place in _IN_ORDER:
        found += _ordered(place, old.get(place) or [], new.get(place) or [])
    return tuple(found)


def _plain(policy: Policy) -> dict[str, Any]:
    dumped: dict[str, Any] = policy.document.model_dump(mode="json")
    return dumped


def _leaves(place: Place, value: Any) -> Iterator[tuple[Place, Any]]:
    """Every value that stands by itself: words, times, lists of words, a text in both languages."""
    if value is None or (value == [] and place in _TABLES):
        return
    if isinstance(value, Mapping) and set(value) != {"en", "zh"}:
        for key, inner in value.items():
            yield from _leaves((*place, str(key)), inner)
    elif place not in _IN_ORDER and _is_list_of_tables(value):
        seen: dict[str, int] = {}
        for number, entry in enumerate(value, start=1):
            name = str(entry.get(_NAMED_BY.get(place, ""), number))
            # A second table on the same thing must not hide the first.
            seen[name] = seen.get(name, 0) + 1
            yield from _leaves((*place, name if seen[name] == 1 else f"{name} ({seen[name]})"), entry)
    else:
        yield place, value


def _is_list_of_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(entry, Mapping) for entry in value)


def _ordered(place: Place, old: list[Any], new: list[Any]) -> Iterator[Difference]:
    """Entries whose order matters: each that goes or comes, with the place it has in its own file."""
    keys = [[json.dumps(entry, sort_keys=True) for entry in entries] for entries in (old, new)]
    matcher = SequenceMatcher(None, keys[0], keys[1], autojunk=False)
    for tag, first, last, first_new, last_new in matcher.get_opcodes():
        if tag == "equal":
            continue
        for number in range(first, last):
            yield Difference((*place, str(number + 1)), old[number], None)
        for number in range(first_new, last_new):
            yield Difference((*place, str(number + 1)), None, new[number])
