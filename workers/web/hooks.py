"""Webhooks: prove where it comes from, store it once, answer. Reading it is left to the intake desk."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from workers.errors import BadSignature, NotFound
from workers.intake.providers.mail.registry import PROVIDERS as MAIL_PROVIDERS
from workers.intake.providers.sms.registry import PROVIDERS
from workers.intake.store import Event, content_id
from workers.web.bodies import MAIL_CAP, bearer, read_body, same_secret
from workers.web.described import problems
from workers.web.parts import Parts
from workers.web.problems import MalformedBody

router = APIRouter(prefix="/hooks", tags=["webhooks"], responses=problems(400, 401, 404, 413, 415, 422, 503))

KNOWN = {
    "email": ("raw", *MAIL_PROVIDERS),
    "sms": tuple(PROVIDERS),
    "receipts": (*PROVIDERS, *MAIL_PROVIDERS),
}
LONGEST_ADDRESS = 320

others = APIRouter(prefix="/hooks")
"""What no other router takes: to be included last."""


class Stored(BaseModel):
    """What became of an event that was sent in."""

    stored: bool = Field(description="false: the very same event was there already", examples=[True])


@router.post("/email/raw", summary="A mail as it is: RFC 5322 bytes")
async def raw_mail(
    request: Request,
    parts: Parts,
    authorization: Annotated[str | None, Header(description="Bearer <hook token>")] = None,
    x_envelope_from: Annotated[str | None, Header(description="Envelope sender (RFC 5321)")] = None,
    x_envelope_to: Annotated[str | None, Header(description="Envelope recipient (RFC 5321)")] = None,
) -> Stored:
    """Store the mail, once per content and recipient. Broken MIME is stored too: it is authentic.

    401 without the hook token, 413 beyond 25 MB, 503 (with Retry-After) when it could not be stored.
    """
    if not parts.settings.hook_token:
        raise BadSignature("this webhook is closed", hint="set CLOSELOOP_HOOK_TOKEN to open it")
    if not same_secret(bearer(authorization), parts.settings.hook_token):
        raise BadSignature(
            "the hook token is missing or wrong", hint="send Authorization: Bearer <hook token>"
        )
    raw = await read_body(request, MAIL_CAP)
    if not raw.strip():
        raise MalformedBody("the body is empty", hint="send the mail's RFC 5322 bytes")
    envelope = {
        name: value.strip(" <>")[:LONGEST_ADDRESS]
        for name, value in (("from", x_envelope_from), ("to", x_envelope_to))
        if value is not None
    }
    event = Event("raw", content_id(raw, envelope.get("to", "")), "mail", raw, envelope)
    return Stored(stored=await parts.gathering.store(event))


@others.post("/{kind}/{provider}", include_in_schema=False)
async def unknown_provider(kind: str, provider: str) -> Response:
    """Say which providers there are."""
    known = ", ".join(f"/hooks/{name}/{each}" for name, names in KNOWN.items() for each in names)
    raise NotFound(f"there is no webhook {kind[:24]}/{provider[:24]}", hint=f"known are {known}")
