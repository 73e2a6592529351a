"""All resources of the API under one roof, behind one key."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from pydantic import BaseModel, Field

from workers.web.api import (
    customers,
    deadlines,
    followups,
    notifications,
    staff,
    surveys,
    teams,
    ticket_actions,
    ticket_results,
    tickets,
)


class ProblemDetails(BaseModel):
    """What went wrong (RFC 9457), as application/problem+json."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Conflict"])
    status: int = Field(examples=[409])
    detail: str = Field(examples=["ticket CS202405200001 is closed"])
    hint: str | None = Field(default=None, description="What the caller can do about it")
    errors: list[dict[str, str]] | None = Field(default=None, description="For 422: where and what")
    reference: str | None = Field(default=None, description="For 500: finds the line in the log")


def _answers() -> dict[int | str, dict[str, Any]]:
    told = {
        401: "The API key is missing or wrong",
        403: "The acting member of staff may not do this",
        404: "There is no such thing",
        409: "Its state does not allow this",
        412: "It has changed: If-Match names another version",
        413: "More than 1 MB",
        422: "The request is not as described, or breaks a rule",
        503: "The database does not answer now; see Retry-After",
    }
    return {status: {"model": ProblemDetails, "description": words} for status, words in told.items()}


# The door itself is `middleware.ApiDoor`; these two tell readers of /openapi.json what it asks for.
_BEARER = HTTPBearer(auto_error=False, description="The API key (CLOSELOOP_API_KEY)")
_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same key, as a plain header")

api_router = APIRouter(
    prefix="/api/v1", dependencies=[Security(_BEARER), Security(_HEADER)], responses=_answers()
)
for _resource in (
    tickets,
    ticket_actions,
    ticket_results,
    notifications,
    deadlines,
    surveys,
    followups,
    customers,
    staff,
    teams,
):
    api_router.include_router(_resource.router)
