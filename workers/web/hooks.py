"""Webhooks: prove where it comes from, store it once, answer. Reading it is left to the intake desk."""

from __future__ import annotations

import hashlib
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import APIRouter, Header, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from workers.channels.sms.url import parse_sms_url
from workers.errors import BadSignature, InvalidInput, NotFound, SettingsError
from workers.intake.providers import twilio
from workers.intake.store import Event, content_id, store
from workers.web.bodies import FORM_CAP, MAIL_CAP, bearer, read_body, same_secret
from workers.web.described import problems
from workers.web.parts import Parts, WebParts
from workers.web.problems import MalformedBody, WrongMediaType

router = APIRouter(prefix="/hooks", tags=["webhooks"], responses=problems(400, 401, 404, 413, 415, 422, 503))

KNOWN = {"email": ("raw",), "sms": ("twilio",), "receipts": ("twilio",)}
FORM = "application/x-www-form-urlencoded"
LONGEST_ADDRESS = 320


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
    return Stored(stored=await _store(parts, event))


@router.post("/sms/twilio", status_code=204, summary="An SMS from Twilio")
async def twilio_sms(
    request: Request, parts: Parts, x_twilio_signature: Annotated[str, Header()] = ""
) -> Response:
    """Store an inbound SMS, once per MessageSid. 401 for a wrong signature, 204 when stored.

    www.twilio.com/docs/messaging/guides/webhook-request
    """
    raw, params = await _twilio_form(request, parts, x_twilio_signature)
    try:
        ident = twilio.parse_inbound(params).external_id
    except InvalidInput as error:
        await _keep_unreadable(parts, "sms", raw, params)
        raise MalformedBody(error.message, error.hint) from error
    await _store(parts, Event("twilio", ident, "sms", raw, _first_values(params)))
    return Response(status_code=204)


@router.post("/receipts/twilio", status_code=204, summary="A delivery status from Twilio")
async def twilio_receipt(
    request: Request, parts: Parts, x_twilio_signature: Annotated[str, Header()] = ""
) -> Response:
    """Store what became of an SMS that was sent, once per message and state.

    www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks
    """
    raw, params = await _twilio_form(request, parts, x_twilio_signature)
    try:
        status = twilio.parse_status(params)
    except InvalidInput as error:
        await _keep_unreadable(parts, "receipt", raw, params)
        raise MalformedBody(error.message, error.hint) from error
    ident = f"{status.external_id}:{status.state}"
    await _store(parts, Event("twilio", ident, "receipt", raw, _first_values(params)))
    return Response(status_code=204)


@router.post("/{kind}/{provider}", include_in_schema=False)
async def unknown_provider(kind: str, provider: str) -> Response:
    """Say which providers there are."""
    known = ", ".join(f"/hooks/{name}/{each}" for name, names in KNOWN.items() for each in names)
    raise NotFound(f"there is no webhook {kind[:24]}/{provider[:24]}", hint=f"known are {known}")


async def _store(parts: WebParts, event: Event) -> bool:
    async with parts.workshop.begin() as uow:
        return await store(uow, event)


async def _twilio_form(
    request: Request, parts: WebParts, signature: str
) -> tuple[bytes, list[tuple[str, str]]]:
    """The raw body and its fields, once Twilio's signature over the public URL and all fields is proved."""
    token = _twilio_token(parts)
    kind = request.headers.get("content-type", FORM).partition(";")[0].strip().lower()
    if kind != FORM:
        raise WrongMediaType(f"this address takes {FORM}", hint="that is what Twilio sends")
    raw = await read_body(request, FORM_CAP)
    try:
        params = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=500)
    except ValueError as error:
        raise MalformedBody("the body is no urlencoded form in UTF-8") from error
    query = request.url.query
    url = f"{parts.settings.public_url}{request.url.path}" + (f"?{query}" if query else "")
    twilio.verify(url, params, signature, token)
    return raw, params


def _twilio_token(parts: WebParts) -> str:
    try:
        return parse_sms_url(parts.settings.sms_url).token
    except SettingsError as error:
        raise NotFound(
            "Twilio is not set up here", hint="set CLOSELOOP_SMS_URL to twilio://SID:TOKEN@/SENDER"
        ) from error


async def _keep_unreadable(parts: WebParts, kind: str, raw: bytes, params: list[tuple[str, str]]) -> None:
    """Authentic and yet without meaning: kept, so that somebody can look at it."""
    ident = hashlib.sha256(raw).hexdigest()
    await _store(parts, Event("twilio", ident, kind, raw, _first_values(params)))


def _first_values(params: list[tuple[str, str]]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in params:
        fields.setdefault(name, value)
    return fields
