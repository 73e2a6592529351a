"""The forms by which endpoints of other systems are entered, changed, told anew and deleted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from models.webhooks import WebhookEndpoint
from workers import webhooks
from workers.errors import InvalidInput
from workers.unit_of_work import UnitOfWork
from workers.web.console.forms import Form as Typed
from workers.web.console.sent_once import once_field
from workers.web.console.sheet import Field, Form, Section, label, text

WORDS = "webhook"
HOURS = ("24", "1", "168", "0")
EVENT = "event_"
"""How the box of each type of event begins."""


def once(secret: str) -> list[Section]:
    """The secret, on the page that answers and nowhere else; nothing without one."""
    if not secret:
        return []
    return [Section(title=label("secret_once", WORDS), intro=[text(secret), label("key_once_intro")])]


def wanted(given: Mapping[str, str]) -> dict[str, Any]:
    """What a form says of an endpoint: name, url, events, push, team (None: all teams)."""
    return {
        "name": given.get("name", ""),
        "url": given.get("url", ""),
        "events": [each.name for each in webhooks.EVENTS if given.get(EVENT + each.name) == "1"],
        "push": given.get("push") == "1",
        "team": given.get("team", "").strip() or None,
    }


def entering(url: str, teams: list[str]) -> Form:
    """A new endpoint."""
    return Form(
        name="add",
        url=url,
        title=label("do_add", WORDS),
        button=label("do_add", WORDS),
        asks=label("add_asks", WORDS),
        fields=_fields(teams),
    )


def changing(uow: UnitOfWork, url: str, row: WebhookEndpoint, teams: Mapping[Any, str]) -> Form:
    """Its name, address, events and team as they are now."""
    return Form(
        name="change",
        url=f"{url}/change",
        title=label("do_change", WORDS),
        button=label("do_change", WORDS),
        fields=[
            Field(name="version", kind="hidden", value=str(row.version)),
            *_fields(list(teams.values()), uow, row, teams.get(row.team_id, "")),
        ],
    )


def acting(url: str, row: WebhookEndpoint, what: str, one_time: str) -> Form:
    """A button that does `what` with it; `one_time` tells a test from another one."""
    fields = [Field(name="version", kind="hidden", value=str(row.version)), once_field(one_time)]
    if what == "secret":
        kept = [(hours, label("keep_hours", WORDS, hours=hours)) for hours in HOURS]
        fields.append(Field(name="keep", label=label("keep", WORDS), kind="select", options=kept))
    return Form(
        name=what,
        url=f"{url}/{what}",
        title=label(f"do_{what}", WORDS),
        button=label(f"do_{what}", WORDS),
        asks=label(f"{what}_asks", WORDS),
        fields=fields,
        danger=what in ("off", "secret"),
    )


def deleting(url: str, row: WebhookEndpoint) -> Form:
    """Gone for good."""
    return Form(
        name="delete",
        url=f"{url}/delete",
        title=label("do_delete", WORDS),
        button=label("do_delete", WORDS),
        asks=label("delete_asks", WORDS),
        fields=[Field(name="version", kind="hidden", value=str(row.version))],
        danger=True,
    )


def telling_again(url: str) -> Form:
    """What happened in a while and did not arrive."""
    return Form(
        name="again",
        url=f"{url}/again",
        title=label("do_again", WORDS),
        button=label("do_again", WORDS),
        asks=label("again_asks", WORDS),
        fields=[
            Field(name="since", label=label("since_when", WORDS), kind="moment", need=True, limit=20),
            Field(name="until", label=label("until_when", WORDS), kind="moment", need=True, limit=20),
            Field(name="delivered", label=label("arrived_too", WORDS), kind="check"),
        ],
    )


def span(uow: UnitOfWork, given: Mapping[str, str]) -> tuple[datetime, datetime]:
    """From and to of what is told again, in the team's zone. Raises InvalidInput."""
    typed = Typed(given, uow.settings.timezone, uow.clock.now())
    since = typed.moment("since", required=True, to_come=False)
    # The end of the range may be now or later: it is told until what has happened by then.
    until = typed.moment("until", required=True)
    if since is None or until is None or typed.errors.get("since"):
        raise InvalidInput("these are no two times", hint="write 2026-05-20 15:00")
    return since, until


def _fields(
    teams: list[str],
    uow: UnitOfWork | None = None,
    row: WebhookEndpoint | None = None,
    team: str = "",
) -> list[Field]:
    heard = set(row.events) if row else set()
    address = webhooks.url_of(uow, row) if uow and row else ""
    choices = [("", label("all_teams", WORDS)), *((name, text(name)) for name in teams)]
    boxes = [
        Field(name=EVENT + each.name, label=text(each.name), kind="check", value=_ticked(each.name in heard))
        for each in webhooks.EVENTS
    ]
    return [
        Field(name="name", label=label("name"), value=row.name if row else "", need=True, limit=64),
        Field(name="url", label=label("url", WORDS), value=address, need=True, limit=2000),
        Field(name="team", label=label("of_team", WORDS), kind="select", value=team, options=choices),
        *boxes,
        Field(
            name="push",
            label=label("push", WORDS),
            kind="check",
            value=_ticked(row is not None and row.push),
        ),
    ]


def _ticked(there: bool) -> str:
    return "1" if there else ""
