"""All resources of the API under one roof, behind one key."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from workers.web.api import (
    attention,
    blocked_senders,
    communications,
    customers,
    deadlines,
    followups,
    intake,
    keys,
    no_request,
    notification_actions,
    notifications,
    policy,
    reports,
    rosters,
    staff,
    suppressions,
    surveys,
    teams,
    ticket_actions,
    ticket_results,
    tickets,
)
from workers.web.api.entry import may_pass
from workers.web.described import problems

# The door itself is `middleware.ApiDoor`; these two tell readers of /openapi.json what it asks for.
_BEARER = HTTPBearer(auto_error=False, description="A key of `closeloop key add`, or CLOSELOOP_API_KEY")
_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same key, as a plain header")

api_router = APIRouter(
    prefix="/api/v1",
    dependencies=[Depends(may_pass), Security(_BEARER), Security(_HEADER)],
    responses=problems(400, 401, 403, 404, 409, 412, 413, 422, 503),
)
for _resource in (
    tickets,
    ticket_actions,
    ticket_results,
    no_request,
    notification_actions,
    notifications,
    suppressions,
    blocked_senders,
    intake,
    attention,
    deadlines,
    surveys,
    followups,
    communications,
    customers,
    staff,
    rosters,
    teams,
    policy,
    keys,
    reports,
):
    api_router.include_router(_resource.router)
