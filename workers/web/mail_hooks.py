"""Webhooks of mail providers: prove the call, store each mail and receipt in it once, answer as is wanted."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from workers.errors import BadSignature, InvalidInput
from workers.intake.providers.calls import BrokenBody, HookRequest
from workers.intake.providers.mail.account import MailAccount
from workers.intake.providers.mail.port import KINDS, LONGEST_KEY, Item, MailProvider
from workers.intake.providers.mail.proof import Stale
from workers.intake.providers.mail.registry import PROVIDERS, need_accounts, proved_by
from workers.intake.store import Event, store
from workers.web.bodies import WRAPPED_CAP, read_body
from workers.web.described import problems
from workers.web.parts import Parts, WebParts
from workers.web.problems import Problem, problem_of, problem_response

router = APIRouter(prefix="/hooks", tags=["webhooks"], responses=problems(400, 401, 403, 404, 406, 413, 503))

STALE = 401
"""Not the provider's own status for a forged call: if one of two clocks was wrong, a later try may pass."""

GIVE_UP_AT_5XX = frozenset({"brevo"})
"""Who drops a call that is answered with 5xx: they are told of our trouble by the status they obey, 429."""

BROKEN = 400
"""For what is not even in its format: if it was cut off on its way, a later try may come whole."""

Name = Annotated[str, Path(description=f"one of {', '.join(PROVIDERS)}", max_length=24)]


@router.head("/email/{provider}", include_in_schema=False)
async def is_there(provider: Name, parts: Parts) -> Response:
    """Some providers look whether there is anything at the address before they keep it."""
    if provider == "raw":  # has a route of its own, which knows no HEAD
        return Response(status_code=405, headers={"Allow": "POST"})
    need_accounts(provider, parts.settings.email_hooks)
    return Response(status_code=200)


@router.post("/email/{provider}", summary="Mail that came in at a provider, and receipts of sent mail")
async def mail_hook(provider: Name, request: Request, parts: Parts) -> Response:
    """Store what the call brings, once per the provider's id. 401 (or what the provider obeys) if not proved.

    Which signature, format and answer each provider has stands in its module.
    """
    return await take_mail(provider, request, parts)


async def take_mail(name: str, request: Request, parts: WebParts) -> Response:
    """Work off one call of the mail provider `name`. Raises NotFound when it is not set up here."""
    try:
        return await _taken(name, request, parts)
    except Exception as error:
        if name not in GIVE_UP_AT_5XX:
            raise
        problem = problem_of(error, f"/hooks/email/{name}")
        if problem.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        return problem_response(replace(problem, status=HTTPStatus.TOO_MANY_REQUESTS.value))


async def _taken(name: str, request: Request, parts: WebParts) -> Response:
    provider, accounts = need_accounts(name, parts.settings.email_hooks)
    query = request.url.query
    call = HookRequest(
        method=request.method,
        url=f"{parts.settings.public_url}{request.url.path}" + (f"?{query}" if query else ""),
        headers=dict(request.headers),
        body=b"",
        at=parts.workshop.clock.machine(),
    )
    try:
        with parts.unproved.share() as share:
            account = _proved_beforehand(provider, call, accounts, parts)
            body = await read_body(request, WRAPPED_CAP, None if account else share)
            call = replace(call, body=body)
            # Megabytes to be hashed, a certificate to be fetched: not on the loop that everybody waits for.
            items = await asyncio.to_thread(_prove_and_read, provider, call, account, accounts, parts)
    except BadSignature as error:
        status = STALE if isinstance(error, Stale) else provider.refused
        return problem_response(Problem(status, error.message, error.hint))
    except InvalidInput as error:
        # Authentic and yet without meaning: kept, so that somebody can look at it.
        ident = hashlib.sha256(call.body or call.url.encode()).hexdigest()
        await _store(parts, [Event(name, ident, "unreadable", call.body, {"why": error.message})])
        status = BROKEN if isinstance(error, BrokenBody) else provider.unreadable
        return problem_response(Problem(status, error.message, error.hint))
    await _store(parts, [_event(name, call, item) for item in items])
    answer = provider.answer()
    return Response(answer.body, status_code=answer.status, media_type=answer.media_type)


def _proved_beforehand(
    provider: MailProvider, call: HookRequest, accounts: Sequence[MailAccount], parts: WebParts
) -> MailAccount | None:
    """The account that proves the call by its address and headers alone; None where the body has to be read
    for that. Raises BadSignature when nothing in the body could prove it either.
    """
    bodiless = [account for account in accounts if not provider.needs_body(account)]
    try:
        return proved_by(provider, call, bodiless, parts.outside) if bodiless else None
    except BadSignature:
        if len(bodiless) == len(accounts):
            raise
        return None


def _prove_and_read(
    provider: MailProvider,
    call: HookRequest,
    account: MailAccount | None,
    accounts: Sequence[MailAccount],
    parts: WebParts,
) -> Sequence[Item]:
    return provider.read(call, account or proved_by(provider, call, accounts, parts.outside))


def _event(name: str, call: HookRequest, item: Item) -> Event:
    return Event(name, item.key[:LONGEST_KEY], KINDS[type(item)], item.raw or call.body, item.envelope())


async def _store(parts: WebParts, events: Sequence[Event]) -> None:
    """All of a call in one transaction: it is answered as a whole, and tried again as a whole."""
    async with parts.workshop.begin() as uow:
        for event in events:
            await store(uow, event)
