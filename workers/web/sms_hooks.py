"""Webhooks of SMS providers: prove the call, store each message or status once, answer as is wanted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from workers.errors import BadSignature, InvalidInput, NotFound
from workers.intake.providers.calls import Credentials, HookRequest
from workers.intake.providers.mail.registry import PROVIDERS as MAIL_PROVIDERS
from workers.intake.providers.sms.port import InboundSms, SmsProvider, SmsStatus
from workers.intake.providers.sms.registry import PROVIDERS, credentials_for
from workers.intake.store import Event, store
from workers.web.bodies import FORM_CAP, read_body
from workers.web.described import problems
from workers.web.mail_hooks import take_mail
from workers.web.parts import Parts, WebParts
from workers.web.problems import MalformedBody, WrongMediaType

# Receipts of mail providers come here, too, and are answered as on their own addresses.
ERRORS = problems(400, 401, 403, 404, 406, 413, 415, 422, 503)
router = APIRouter(prefix="/hooks", tags=["webhooks"], responses=ERRORS)

FORM = "application/x-www-form-urlencoded"
TAKES = {"twilio": FORM}
"""Providers that send one format only: another one is a mistake in their settings, worth saying plainly."""

Name = Annotated[str, Path(description=f"one of {', '.join(PROVIDERS)}", max_length=24)]
Items = Sequence[InboundSms] | Sequence[SmsStatus]


@router.get("/sms/{provider}", operation_id="sms_by_get", summary="An SMS that a customer sent (by GET)")
@router.post("/sms/{provider}", operation_id="sms_by_post", summary="An SMS that a customer sent")
async def inbound_sms(provider: Name, request: Request, parts: Parts) -> Response:
    """Store each SMS in the call, once per the provider's id. 401 when the call is not proved.

    Some providers call by GET; which signature, format and answer each one has stands in its module.
    """
    return await _take(provider, request, parts, "sms", lambda known, call: known.inbound(call))


@router.get("/receipts/{provider}", operation_id="receipt_by_get", summary="What became of an SMS (by GET)")
@router.post("/receipts/{provider}", operation_id="receipt_by_post", summary="What became of SMS or mail")
async def sms_receipt(provider: Name, request: Request, parts: Parts) -> Response:
    """Store each status in the call, once per message and state. 401 when the call is not proved.

    Mail providers send their delivery events here, too.
    """
    if provider in MAIL_PROVIDERS:
        return await take_mail(provider, request, parts)
    return await _take(provider, request, parts, "receipt", lambda known, call: known.statuses(call))


async def _take(
    name: str,
    request: Request,
    parts: WebParts,
    kind: str,
    read: Callable[[SmsProvider, HookRequest], Items],
) -> Response:
    provider = PROVIDERS.get(name)
    if provider is None:
        known = ", ".join(f"/hooks/{'receipts' if kind == 'receipt' else kind}/{each}" for each in PROVIDERS)
        raise NotFound(f"there is no SMS provider {name}", hint=f"known are {known}")
    settings = parts.settings
    credentials = credentials_for(name, settings.sms_url, settings.hook_token)
    call = await _call(name, request, parts)
    _prove(provider, call, credentials)
    try:
        items = read(provider, call)
    except InvalidInput as error:
        # Authentic and yet without meaning: kept, so that somebody can look at it.
        ident = hashlib.sha256(call.body or call.url.encode()).hexdigest()
        await _store(parts, [Event(name, ident, kind, call.body, {})])
        raise MalformedBody(error.message, error.hint) from error
    await _store(
        parts, [Event(name, item.key, kind, call.body, item.envelope(), item.message) for item in items]
    )
    answer = provider.answer()
    return Response(answer.body, status_code=answer.status, media_type=answer.media_type)


def _prove(provider: SmsProvider, call: HookRequest, accounts: Sequence[Credentials]) -> None:
    """By any of the accounts there. Raises BadSignature, as the last of them says it."""
    for account in accounts[:-1]:
        with suppress(BadSignature):  # the next account may fit
            return provider.verify(call, account)
    return provider.verify(call, accounts[-1])


async def _call(name: str, request: Request, parts: WebParts) -> HookRequest:
    """The call as the provider made it: to the public address, whatever a proxy has made of the host."""
    wanted = TAKES.get(name)
    kind = request.headers.get("content-type", wanted or "").partition(";")[0].strip().lower()
    if wanted and kind != wanted:
        raise WrongMediaType(f"this address takes {wanted}", hint=f"that is what {name} sends")
    query = request.url.query
    call = HookRequest(
        method=request.method,
        url=f"{parts.settings.public_url}{request.url.path}" + (f"?{query}" if query else ""),
        headers=dict(request.headers),
        body=await read_body(request, FORM_CAP),
        at=parts.workshop.clock.machine(),
    )
    if wanted == FORM:
        try:
            call.form()
        except InvalidInput as error:
            raise MalformedBody(error.message, error.hint) from error
    return call


async def _store(parts: WebParts, events: Sequence[Event]) -> None:
    """All of a call in one transaction: it is answered as a whole, and tried again as a whole."""
    async with parts.workshop.begin() as uow:
        for event in events:
            await store(uow, event)
