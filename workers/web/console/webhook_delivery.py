"""What became of one event on its way to one endpoint: each try, and what was said."""

from __future__ import annotations

import json

from fastapi import APIRouter, Request
from starlette.responses import Response

from models.webhooks import WebhookAttempt, WebhookEvent
from workers import webhooks
from workers.web.api.common import uuid_of
from workers.web.api.webhooks import shown_deliveries
from workers.web.console import sheet
from workers.web.console.door import Visiting
from workers.web.console.sheet import Section, Sheet, Table, Word, badge, label, lines, moment, text
from workers.web.console.webhook_forms import WORDS
from workers.web.console.webhook_pages import WEBHOOKS, look_of, reason_of, replaying
from workers.web.parts import Parts

router = APIRouter(include_in_schema=False)

HEADS = ("began", "outcome", "reason", "code", "answered", "seconds")


@router.api_route(f"{WEBHOOKS}/{{ident}}/deliveries/{{delivery}}", methods=["GET", "HEAD"])
async def delivery(request: Request, ident: str, delivery: str, parts: Parts, visit: Visiting) -> Response:
    """Its state, its tries with what the other side answered, and its body."""
    async with parts.workshop.read() as uow:
        row = await webhooks.endpoint_named(uow, uuid_of(ident, "endpoint").hex)
        found = await webhooks.delivery_of(uow, row, uuid_of(delivery, "delivery"))
        event = await uow.session.get_one(WebhookEvent, found.event_id)
        tries = await webhooks.attempts_of(uow, found)
        (shown,) = await shown_deliveries(uow, [found])
    pairs = [
        (label("event", WORDS), text(shown.type)),
        (label("event_id", WORDS), text(shown.event)),
        (label("ticket", WORDS), text(shown.ticket)),
        (label("state", WORDS), badge(label(shown.state.value, WORDS), look_of(shown.state))),
        (label("reason", WORDS), reason_of(shown.reason)),
        (label("made", WORDS), moment(shown.made_at)),
        (label("delivered", WORDS), moment(shown.delivered_at)),
        (label("next", WORDS), moment(shown.next_try_at)),
    ]
    table = Table(
        caption=label("tries", WORDS),
        heads=[label(each, WORDS) for each in HEADS],
        rows=[_row(each) for each in tries],
        live="tries",
    )
    page = Sheet(
        title=text(shown.type),
        url=f"{WEBHOOKS}/{row.id.hex}/deliveries/{found.id.hex}",
        back=(f"{WEBHOOKS}/{row.id.hex}", text(row.name)),
        sections=[
            Section(pairs=pairs, forms=replaying(row, shown)),
            Section(title=label("tries", WORDS), table=table),
            Section(
                title=label("body", WORDS),
                intro=[lines(json.dumps(json.loads(event.body), ensure_ascii=False, indent=1))],
            ),
        ],
    )
    return sheet.show_sheet(request, visit, page)


def _row(each: WebhookAttempt) -> list[Word]:
    return [
        moment(each.started_at),
        label(f"outcome_{each.outcome}", WORDS) if each.outcome else label("sending", WORDS),
        reason_of(each.reason),
        text(each.code),
        text(each.text),
        text(None if each.seconds is None else f"{each.seconds:.2f}"),
    ]
