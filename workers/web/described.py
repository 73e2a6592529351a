"""/openapi.json as the application really answers: every error is problem details (RFC 9457)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.encoders import jsonable_encoder
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, Field

from workers.web.described_webhooks import webhooks_described
from workers.web.problems import MEDIA_TYPE

WORDS: Mapping[int, str] = {
    400: "The body is not what its format says",
    401: "The key, token or signature is missing or wrong",
    403: "The acting member of staff may not do this",
    404: "There is no such thing",
    406: "The call is not proved, or cannot be read (Mailgun tries no further then)",
    409: "Its state does not allow this",
    412: "It has changed: If-Match names another version",
    413: "The body is larger than this address takes",
    415: "The body comes in a format that this address does not read",
    422: "The request is not as described, or breaks a rule",
    503: "The database does not answer now; see Retry-After",
}
_OPERATIONS = ("get", "head", "post", "put", "patch", "delete")
_PLACE = "#/components/schemas/ProblemDetails"


class ProblemDetails(BaseModel):
    """What went wrong (RFC 9457), as application/problem+json."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Conflict"])
    status: int = Field(examples=[409])
    detail: str = Field(examples=["ticket CS202405200001 is closed"])
    hint: str | None = Field(default=None, description="What the caller can do about it")
    errors: list[dict[str, str]] | None = Field(default=None, description="For 422: where and what")
    reference: str | None = Field(default=None, description="For 500: finds the line in the log")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route or router that may answer with these errors."""
    # Without FastAPI's `model`, of which it would make one anew for each error of each route at each start.
    return {status: {"description": WORDS[status]} for status in statuses}


def describe(app: FastAPI) -> None:
    """Let `app` describe its errors as what they are; FastAPI would call all of them application/json."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
            for response in _errors(schema):
                response["content"] = {MEDIA_TYPE: {"schema": {"$ref": _PLACE}}}
            parts = schema.setdefault("components", {}).setdefault("schemas", {})
            parts[ProblemDetails.__name__] = jsonable_encoder(
                ProblemDetails.model_json_schema(), exclude_none=True
            )
            schema["webhooks"] = webhooks_described()
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _errors(schema: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for path in schema["paths"].values():
        for name in _OPERATIONS:
            for status, response in path.get(name, {}).get("responses", {}).items():
                if status >= "400":
                    yield response
