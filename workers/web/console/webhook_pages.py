"""Endpoints of other systems, on pages for administrators: state, switch, secret, test, log and replay."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
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
from workers.web.parts import Parts, WebParts
from workers.web.problems import ChangedMeanwhile

router = APIRouter(include_in_schema=False)

WEBHOOKS = "/console/webhooks"
WORDS = "webhook"
PAGE = 50
HOURS = ("24", "1", "168", "0")
UNDER_WAY = (WebhookState.QUEUED, WebhookState.SENDING, WebhookState.RETRYING)


@router.api_route(WEBHOOKS, methods=["GET", "HEAD"])
async def endpoints(request: Request, parts: Parts, visit: Visiting) -> Response:
    """All endpoints, those that are switched off too, the newest first."""
    async with parts.workshop.read() as uow:
        rows = await webhooks.every_endpoint(uow)
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
    section = Section(intro=[label("intro", WORDS)], table=table)
    return sheet.show_sheet(
        request, visit, Sheet(title=label("webhooks", WORDS), url=WEBHOOKS, sections=[section])
    )


@router.api_route(f"{WEBHOOKS}/{{ident}}", methods=["GET", "HEAD"])
async def endpoint(request: Request, ident: str, parts: Parts, visit: Visiting) -> Response:
    """One endpoint with what it was told."""
    return await _page(request, parts, visit, ident)


@router.post(f"{WEBHOOKS}/{{ident}}/{{what}}")
async def act(request: Request, ident: str, what: str, parts: Parts, visit: Visiting) -> Response:
    """Switch it off or on, give it a new secret, send a test, tell it something once more.

    A new secret is on the page that answers, and nowhere else.
    """
    if what not in ("off", "on", "secret", "test", "replay"):
        raise NotFound("there is no such action")
    secret = ""
    try:
        async with parts.workshop.begin() as uow:
            row = await webhooks.endpoint_named(uow, uuid_of(ident, "endpoint").hex, hold=True)
            if what in ("off", "on", "secret") and visit.fields.get("version") != str(row.version):
                raise ChangedMeanwhile("it has changed since you read it", hint="read it again, then decide")
            secret = await _do(uow, row, what, visit.fields)
    except CloseloopError as error:
        return await _page(request, parts, visit, ident, refused=error)
    if secret:
        return await _page(request, parts, visit, ident, secret=secret)
    return done(parts, visit, f"{WEBHOOKS}/{ident}", f"webhook_{what}")


async def _do(uow: UnitOfWork, row: WebhookEndpoint, what: str, given: Mapping[str, str]) -> str:
    """The act; gives the new secret, if one was made."""
    if what == "secret":
        hours = given.get("keep", "")
        if hours not in HOURS:
            raise InvalidInput("an old secret lives from 0 to 168 hours more")
        return await webhooks.rotate_secret(uow, row, timedelta(hours=int(hours)))
    if what == "test":
        await webhooks.send_test(uow, row)
    elif what == "replay":
        ident = uuid_of(given.get("delivery", ""), "delivery")
        webhooks.replay(uow, row, await webhooks.delivery_of(uow, row, ident, hold=True))
    else:
        await webhooks.change_endpoint(uow, row, {"active": what == "on"})
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
    once = Section(title=label("secret_once", WORDS), intro=[text(secret), label("key_once_intro")])
    page = Sheet(
        title=text(row.name),
        url=f"{WEBHOOKS}/{row.id.hex}",
        back=(WEBHOOKS, label("webhooks", WORDS)),
        sections=[
            *([once] if secret else []),
            _head(row, address, valid),
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


def _head(row: WebhookEndpoint, address: str, valid: int) -> Section:
    facts = {
        "url": text(address),
        "state": _state(row),
        "since": moment(row.disabled_at),
        "events": text(", ".join(row.events)),
        "failing": moment(row.failing_since),
        "last": moment(row.delivered_at),
        "secrets": text(valid),
    }
    names = ("off", "secret", "test") if row.active else ("on", "secret")
    return Section(
        pairs=[(label(name, WORDS), word) for name, word in facts.items()],
        forms=[_form(row, name) for name in names],
    )


def _form(row: WebhookEndpoint, what: str) -> Form:
    fields = [Field(name="version", kind="hidden", value=str(row.version))]
    if what == "secret":
        kept = [(hours, label("keep_hours", WORDS, hours=hours)) for hours in HOURS]
        fields.append(Field(name="keep", label=label("keep", WORDS), kind="select", options=kept))
    return Form(
        name=what,
        url=f"{WEBHOOKS}/{row.id.hex}/{what}",
        title=label(f"do_{what}", WORDS),
        button=label(f"do_{what}", WORDS),
        asks=label(f"{what}_asks", WORDS),
        fields=fields,
        danger=what in ("off", "secret"),
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
                text(each.type),
                text(each.ticket),
                badge(label(each.state.value, WORDS), _kind(each.state)),
                label(f"reason_{each.reason}", WORDS) if each.reason else text(""),
                text(each.tries),
                moment(each.next_try_at),
            ]
            for each in told
        ],
        acts=[_again(row, each) for each in told],
        live="deliveries",
    )


def _kind(state: WebhookState) -> str:
    good = {WebhookState.DELIVERED: "good", WebhookState.FAILED: "bad", WebhookState.STOPPED: "bad"}
    return good.get(state, "plain")


def _again(row: WebhookEndpoint, each: DeliveryShown) -> list[Form]:
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
