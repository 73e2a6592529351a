"""`closeloop webhook`: endpoints of other systems, their secrets, what they were told, telling it again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, console, print_json, print_table
from workers.errors import InvalidInput

if TYPE_CHECKING:
    from models.webhooks import WebhookEndpoint
    from workers.settings import Settings
    from workers.unit_of_work import UnitOfWork

Name = Annotated[str, typer.Argument(help="The endpoint's name or id.")]
DAY_HOURS = 24


def webhook_add(
    name: Annotated[str, typer.Argument(help="What it is, such as warehouse.")],
    url: Annotated[str, typer.Argument(help="Where it listens: https://…")],
    events: Annotated[str, typer.Option(help="Types of events, separated by commas; all of them: *")] = "",
    push: Annotated[bool, typer.Option("--push", help="Messages to customers' apps go out by it.")] = False,
    team: Annotated[str, typer.Option(help="Only what happens to this team's tickets.")] = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enter an endpoint. Its secret is shown this once."""
    made, secret = asyncio.run(_add(find_settings(data), name, url, _words(events), push, team or None))
    _tell_secret({**made, "secret": secret}, secret, as_json)


def webhook_list(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the endpoints and how they do."""
    rows = asyncio.run(_list(find_settings(data)))
    if as_json:
        print_json(rows)
        return
    titles = ("name", "host", "events", "push", "team", "state", "took something")
    shown = [
        (
            row["name"],
            row["host"],
            len(row["events"]),
            "yes" if row["push"] else "",
            row["team"],
            row["state"],
            row["delivered_at"],
        )
        for row in rows
    ]
    print_table(titles, shown, "no endpoints yet: closeloop webhook add …")


def webhook_enable(name: Name, data: DataOption = None) -> None:
    """Switch an endpoint on; what it missed it is told by closeloop webhook replay."""
    asyncio.run(_change(find_settings(data), name, {"active": True}))
    console().print(f"{name}: on")


def webhook_disable(name: Name, data: DataOption = None) -> None:
    """Switch an endpoint off; what waits for it is stopped."""
    asyncio.run(_change(find_settings(data), name, {"active": False}))
    console().print(f"{name}: off")


def webhook_rotate(
    name: Name,
    hours: Annotated[int, typer.Option(min=0, max=168, help="So long the old secret signs too.")] = DAY_HOURS,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give an endpoint a new secret, shown this once. --hours 0 if the old one has become known."""
    secret = asyncio.run(_rotate(find_settings(data), name, timedelta(hours=hours)))
    _tell_secret({"name": name, "secret": secret}, secret, as_json)


def webhook_delete(name: Name, data: DataOption = None) -> None:
    """Delete an endpoint, its address and its secrets."""
    asyncio.run(_delete(find_settings(data), name))
    console().print(f"{name}: deleted")


def webhook_test(name: Name, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Send a test event; closeloop webhook log tells what became of it."""
    ident = asyncio.run(_test(find_settings(data), name))
    if as_json:
        print_json({"delivery": ident})
    else:
        console().print(f"on its way: {ident}", highlight=False)


def webhook_log(
    name: Name,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="So many of the newest.")] = 20,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """What an endpoint was told lately, and what it answered."""
    rows = asyncio.run(_log(find_settings(data), name, limit))
    if as_json:
        print_json(rows)
        return
    titles = ("made", "event", "ticket", "state", "tries", "reason", "answer")
    names = ("made_at", "type", "ticket", "state", "tries", "reason", "code")
    print_table(titles, [tuple(row[each] for each in names) for row in rows], "nothing yet")


def webhook_replay(
    name: Name,
    since: Annotated[
        str, typer.Option(help="From when on, 2026-03-02T09:00+08:00. Default: three days.")
    ] = "",
    until: Annotated[str, typer.Option(help="Up to when. Default: now.")] = "",
    delivered: Annotated[bool, typer.Option("--delivered", help="What had arrived, too.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell an endpoint once more what did not arrive, with the same ids."""
    span = (_moment(since), _moment(until))
    count = asyncio.run(_replay(find_settings(data), name, span, delivered))
    if as_json:
        print_json({"replayed": count})
    else:
        console().print(f"{count} on their way again")


WEBHOOK: Mapping[str, Callable[..., Any]] = {
    "add": webhook_add,
    "list": webhook_list,
    "enable": webhook_enable,
    "disable": webhook_disable,
    "rotate": webhook_rotate,
    "delete": webhook_delete,
    "test": webhook_test,
    "log": webhook_log,
    "replay": webhook_replay,
}


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidInput(f"{text[:40]} is no moment", hint="write 2026-03-02T09:00+08:00")
    return moment


def _tell_secret(row: Mapping[str, Any], secret: str, as_json: bool) -> None:
    if as_json:
        print_json(row)
    else:
        console().print(secret, highlight=False, soft_wrap=True)


async def _add(
    settings: Settings, name: str, url: str, events: list[str], push: bool, team: str | None
) -> tuple[dict[str, Any], str]:
    from workers.webhooks import EndpointGiven, add_endpoint

    async with workshop_of(settings) as workshop, workshop.begin() as uow:
        given = EndpointGiven(name=name, url=url, events=events, push=push, team=team)
        row, secret = await add_endpoint(uow, given)
        return await _shown(uow, row), secret


async def _list(settings: Settings) -> list[dict[str, Any]]:
    from workers.webhooks import every_endpoint

    async with workshop_of(settings) as workshop, workshop.read() as uow:
        return [await _shown(uow, row) for row in await every_endpoint(uow)]


async def _shown(uow: UnitOfWork, row: WebhookEndpoint) -> dict[str, Any]:
    from models.people import Team

    team = await uow.session.get(Team, row.team_id) if row.team_id else None
    state = "on" if row.active else f"off ({row.disabled_reason})"
    if row.active and row.failing_since is not None:
        state = f"failing since {row.failing_since:%Y-%m-%d %H:%M} UTC"
    return {
        "id": str(row.id),
        "name": row.name,
        "host": row.host,
        "events": row.events,
        "push": row.push,
        "team": team.name if team else None,
        "state": state,
        "delivered_at": row.delivered_at.isoformat() if row.delivered_at else None,
    }


async def _change(settings: Settings, name: str, changes: Mapping[str, Any]) -> None:
    from workers.webhooks import change_endpoint, endpoint_named

    async with workshop_of(settings) as workshop, workshop.begin() as uow:
        await change_endpoint(uow, await endpoint_named(uow, name, hold=True), changes)


async def _rotate(settings: Settings, name: str, keep: timedelta) -> str:
    from workers.webhooks import endpoint_named, rotate_secret

    async with workshop_of(settings) as workshop, workshop.begin() as uow:
        return await rotate_secret(uow, await endpoint_named(uow, name, hold=True), keep)


async def _delete(settings: Settings, name: str) -> None:
    from workers.webhooks import delete_endpoint, endpoint_named

    async with workshop_of(settings) as workshop, workshop.begin() as uow:
        await delete_endpoint(uow, await endpoint_named(uow, name, hold=True))


async def _test(settings: Settings, name: str) -> str:
    from workers.webhooks import endpoint_named, send_test

    async with workshop_of(settings) as workshop, workshop.begin() as uow:
        return str((await send_test(uow, await endpoint_named(uow, name))).id)


async def _log(settings: Settings, name: str, limit: int) -> list[dict[str, Any]]:
    from models.tickets import Ticket
    from models.webhooks import WebhookDelivery, WebhookEvent
    from workers.webhooks import attempts_of, endpoint_named, log_of

    async with workshop_of(settings) as workshop, workshop.read() as uow:
        query = log_of(await endpoint_named(uow, name)).order_by(WebhookDelivery.id.desc()).limit(limit)
        rows = []
        for row in (await uow.session.scalars(query)).all():
            event = await uow.session.get_one(WebhookEvent, row.event_id)
            ticket = await uow.session.get(Ticket, event.ticket_id) if event.ticket_id else None
            tries = await attempts_of(uow, row)
            rows.append(
                {
                    "id": str(row.id),
                    "made_at": row.made_at.isoformat(timespec="seconds"),
                    "event": f"evt_{event.id.hex}",
                    "type": event.type,
                    "ticket": ticket.number if ticket else None,
                    "state": row.state.value,
                    "tries": len(tries),
                    "reason": row.reason,
                    "code": tries[-1].code if tries else None,
                }
            )
        return rows


async def _replay(
    settings: Settings, name: str, span: tuple[datetime | None, datetime | None], delivered: bool
) -> int:
    """All of the range, in transactions of at most a thousand."""
    from workers.webhooks import endpoint_named, replay_range

    total = 0
    async with workshop_of(settings) as workshop:
        while True:
            async with workshop.begin() as uow:
                until = span[1] or uow.clock.now() + timedelta(seconds=1)
                since = span[0] or until - timedelta(days=3)
                endpoint = await endpoint_named(uow, name)
                done = await replay_range(uow, endpoint, since, until, all_=delivered and not total)
            total += done.count
            if not done.more or delivered:
                return total
