"""Endpoints of other systems, on pages for administrators: entered, changed, switched, tested, told anew."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from models.webhooks import WebhookDelivery, WebhookEndpoint, WebhookState
from workers import webhooks
from workers.errors import CloseloopError, InvalidInput, NotFound
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import Paging, page_of, uuid_of
from workers.web.api.webhook_models import DeliveryShown
from workers.web.api.webhooks import shown_deliveries
from workers.web.console import sheet
from workers.web.console.door import Visit, Visiting
from workers.web.console.frame import done
from workers.web.console.people_forms import team_names
from workers.web.console.sent_once import fresh_once, made_once
from workers.web.console.sheet import (
    Field,
    Form,
    Section,
    Sheet,
    Table,
    Word,
    badge,
    both,
    label,
    link,
    moment,
    text,
)
from workers.web.console.webhook_forms import (
    HOURS,
    WORDS,
    acting,
    changing,
    deleting,
    entering,
    once,
    span,
    telling_again,
    wanted,
)
from workers.web.parts import Parts, WebParts
from workers.web.problems import ChangedMeanwhile

router = APIRouter(include_in_schema=False)

WEBHOOKS = "/console/webhooks"
PAGE = 50
VERSIONED = ("off", "on", "secret", "change", "delete")
ACTS = (*VERSIONED, "test", "replay", "again")
GAVE_UP = "gave_up_"
UNDER_WAY = (WebhookState.QUEUED, WebhookState.SENDING, WebhookState.RETRYING)


@router.api_route(WEBHOOKS, methods=["GET", "HEAD"])
async def endpoints(request: Request, parts: Parts, visit: Visiting) -> Response:
    """All endpoints, those that are switched off too, the newest first."""
    return await _list(request, parts, visit)


@router.post(WEBHOOKS)
async def add(request: Request, parts: Parts, visit: Visiting) -> Response:
    """A new endpoint; its secret is on the page that answers, and nowhere else."""
    try:
        async with parts.workshop.begin() as uow:
            given = webhooks.EndpointGiven(**wanted(visit.fields))
            row, secret = await webhooks.add_endpoint(uow, given, visit.person)
    except CloseloopError as error:
        return await _list(request, parts, visit, refused=error)
    return await _page(request, parts, visit, row.id.hex, secret=secret)


async def _list(
    request: Request, parts: WebParts, visit: Visit, *, refused: CloseloopError | None = None
) -> Response:
    async with parts.workshop.read() as uow:
        rows = await webhooks.every_endpoint(uow)
        teams = await team_names(uow)
    table = Table(
        caption=label("webhooks", WORDS),
        heads=[label(each, WORDS) for each in ("endpoint", "host", "state", "failing", "last")],
        rows=[
            [
                link(f"{WEBHOOKS}/{row.id.hex}", text(row.name)),
                text(row.host),
                _state(row),
                moment(row.failing_since),
                moment(row.delivered_at),
            ]
            for row in rows
        ],
    )
    forms = [entering(WEBHOOKS, list(teams.values()))]
    section = Section(intro=[label("intro", WORDS)], table=table, forms=forms)
    page = Sheet(title=label("webhooks", WORDS), url=WEBHOOKS, sections=[section])
    return sheet.show_sheet(request, visit, page, refused=refused)


@router.api_route(f"{WEBHOOKS}/{{ident}}", methods=["GET", "HEAD"])
async def endpoint(request: Request, ident: str, parts: Parts, visit: Visiting) -> Response:
    """One endpoint with what it was told."""
    return await _page(request, parts, visit, ident)


@router.post(f"{WEBHOOKS}/{{ident}}/{{what}}")
async def act(request: Request, ident: str, what: str, parts: Parts, visit: Visiting) -> Response:
    """Change it, switch it off or on, give it a new secret, test it, tell it something anew, delete it.

    A new secret is on the page that answers, and nowhere else.
    """
    if what not in ACTS:
        raise NotFound("there is no such action")
    secret = ""
    try:
        async with parts.workshop.begin() as uow:
            row = await webhooks.endpoint_named(uow, uuid_of(ident, "endpoint").hex, hold=True)
            if what in VERSIONED and visit.fields.get("version") != str(row.version):
                raise ChangedMeanwhile("it has changed since you read it", hint="read it again, then decide")
            secret = await _do(uow, row, what, visit)
    except CloseloopError as error:
        return await _page(request, parts, visit, ident, refused=error)
    if secret:
        return await _page(request, parts, visit, ident, secret=secret)
    place = WEBHOOKS if what == "delete" else f"{WEBHOOKS}/{ident}"
    return done(parts, visit, place, f"webhook_{what}")


async def _do(uow: UnitOfWork, row: WebhookEndpoint, what: str, visit: Visit) -> str:
    """The act; gives the new secret, if one was made."""
    given = visit.fields
    if what == "secret":
        hours = given.get("keep", "")
        if hours not in HOURS:
            raise InvalidInput("an old secret lives from 0 to 168 hours more")
        return await webhooks.rotate_secret(uow, row, timedelta(hours=int(hours)))
    if what == "test":
        await made_once(uow, visit, f"test {row.id.hex}", partial(_send_test, uow, row))
    elif what == "change":
        await webhooks.change_endpoint(uow, row, wanted(given))
    elif what == "delete":
        await webhooks.delete_endpoint(uow, row)
    elif what == "again":
        since, until = span(uow, given)
        await webhooks.replay_range(uow, row, since, until, all_=given.get("delivered") == "1")
    elif what == "replay":
        ident = uuid_of(given.get("delivery", ""), "delivery")
        webhooks.replay(uow, row, await webhooks.delivery_of(uow, row, ident, hold=True))
    else:
        await webhooks.change_endpoint(uow, row, {"active": what == "on"})
    return ""


async def _send_test(uow: UnitOfWork, row: WebhookEndpoint) -> str:
    await webhooks.send_test(uow, row)
    return ""


async def _page(
    request: Request,
    parts: WebParts,
    visit: Visit,
    ident: str,
    *,
    secret: str = "",
    refused: CloseloopError | None = None,
) -> Response:
    posted = request.method == "POST"
    state = None if posted else _wanted(request.query_params.get("state", ""))
    cursor = "" if posted else request.query_params.get("cursor", "")
    place: UUID | None = uuid_of(cursor, "cursor") if cursor else None
    async with parts.workshop.read() as uow:
        row = await webhooks.endpoint_named(uow, uuid_of(ident, "endpoint").hex)
        query = webhooks.log_of(row, state=state)
        rows, more = await page_of(uow, query, WebhookDelivery.id, Paging(place, PAGE))
        told = await shown_deliveries(uow, rows)
        valid = len((await webhooks.secrets_of(uow, [row.id]))[row.id])
        address = webhooks.url_of(uow, row)
        teams = await team_names(uow)
        forms = [changing(uow, f"{WEBHOOKS}/{row.id.hex}", row, teams)]
    page = Sheet(
        title=text(row.name),
        url=f"{WEBHOOKS}/{row.id.hex}",
        back=(WEBHOOKS, label("webhooks", WORDS)),
        sections=[
            *once(secret),
            _head(row, address, valid, teams.get(row.team_id, ""), forms, fresh_once(parts)),
            Section(title=label("deliveries", WORDS), table=_log(row, told)),
        ],
        filters=[
            Field(
                name="state",
                label=label("state", WORDS),
                kind="select",
                value=state or "",
                options=sheet.options(WORDS, WebhookState),
            )
        ],
        cursor=more,
        paged=True,
    )
    return sheet.show_sheet(request, visit, page, refused=refused)


def _wanted(given: str) -> WebhookState | None:
    return next((each for each in WebhookState if each.value == given), None)


def _state(row: WebhookEndpoint) -> Word:
    if row.active:
        return badge(label("on", WORDS), "bad" if row.failing_since else "good")
    return both(badge(label("off", WORDS), "bad"), label(row.disabled_reason or "by_staff", WORDS))


def _head(
    row: WebhookEndpoint, address: str, valid: int, team: str, more: list[Form], one_time: str
) -> Section:
    facts = {
        "url": text(address),
        "state": _state(row),
        "since": moment(row.disabled_at),
        "events": text(", ".join(row.events)),
        "of_team": text(team) if team else label("all_teams", WORDS),
        "push": label("on", WORDS) if row.push else text(""),
        "failing": moment(row.failing_since),
        "last": moment(row.delivered_at),
        "secrets": text(valid),
    }
    names = ("off", "secret", "test") if row.active else ("on", "secret")
    return Section(
        pairs=[(label(name, WORDS), word) for name, word in facts.items()],
        forms=[
            *(acting(f"{WEBHOOKS}/{row.id.hex}", row, name, one_time) for name in names),
            *([telling_again(f"{WEBHOOKS}/{row.id.hex}")] if row.active else []),
            *more,
            deleting(f"{WEBHOOKS}/{row.id.hex}", row),
        ],
    )


def _log(row: WebhookEndpoint, told: list[DeliveryShown]) -> Table:
    return Table(
        caption=label("deliveries", WORDS),
        heads=[
            label(each, WORDS) for each in ("made", "event", "ticket", "state", "reason", "tries", "next")
        ],
        rows=[
            [
                moment(each.made_at),
                link(f"{WEBHOOKS}/{row.id.hex}/deliveries/{each.id.hex}", text(each.type)),
                text(each.ticket),
                badge(label(each.state.value, WORDS), look_of(each.state)),
                reason_of(each.reason),
                text(each.tries),
                moment(each.next_try_at),
            ]
            for each in told
        ],
        acts=[replaying(row, each) for each in told],
        live="deliveries",
    )


def look_of(state: WebhookState) -> str:
    """How the badge of a state looks."""
    good = {WebhookState.DELIVERED: "good", WebhookState.FAILED: "bad", WebhookState.STOPPED: "bad"}
    return good.get(state, "plain")


def reason_of(code: str | None) -> Word:
    """Why a delivery stands as it does, and by what it was given up."""
    if code is None:
        return text("")
    last = code.removeprefix(GAVE_UP)
    words = label(f"reason_{last}", WORDS)
    return words if last == code else both(label("given_up", WORDS), words)


def replaying(row: WebhookEndpoint, each: DeliveryShown) -> list[Form]:
    """Telling it once more, of what has ended, to an endpoint that hears."""
    if not row.active or each.state in UNDER_WAY:
        return []
    return [
        Form(
            name=f"replay-{each.id.hex}",
            url=f"{WEBHOOKS}/{row.id.hex}/replay",
            title=label("do_replay", WORDS),
            button=label("do_replay", WORDS),
            asks=label("replay_asks", WORDS),
            fields=[Field(name="delivery", kind="hidden", value=each.id.hex)],
        )
    ]
