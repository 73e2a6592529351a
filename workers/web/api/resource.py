"""What all routes of the API share: how their address begins, who may pass, which errors they give."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from workers.web.api.entry import may_pass
from workers.web.described import problems
from workers.web.rules import API

# The door itself is `middleware.ApiDoor`; these two tell readers of /openapi.json what it asks for.
_BEARER = HTTPBearer(auto_error=False, description="A key of `closeloop key add`, or CLOSELOOP_API_KEY")
_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same key, as a plain header")


class Resource(APIRouter):
    """The routes of one resource, at /api/v1 and `prefix`, behind the one table of rules."""

    def __init__(self, prefix: str, tag: str) -> None:
        super().__init__(
            prefix=API + prefix,
            tags=[tag],
            dependencies=[Depends(may_pass), Security(_BEARER), Security(_HEADER)],
            responses=problems(400, 401, 403, 404, 409, 412, 413, 422, 503),
        )
