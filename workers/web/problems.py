"""Errors as answers: status and problem details (RFC 9457) for machines, pages for people."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import structlog
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError, StatementError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from models.crypto import Erased, UnknownKey
from workers.errors import (
    BadSignature,
    CloseloopError,
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    TooLarge,
    TooManyAttempts,
    Unavailable,
    UnreadableMail,
)
from workers.storage import HINTS, trouble_of
from workers.tickets import NeedsTriage, NotComplete

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = "10"
STATUS: tuple[tuple[type[CloseloopError], int], ...] = (
    (InvalidInput, 422),
    (UnreadableMail, 422),
    (NotFound, 404),
    (Conflict, 409),
    (Forbidden, 403),
    (BadSignature, 401),
    (TooLarge, 413),
    (TooManyAttempts, 429),
    (Unavailable, 503),
)
log = structlog.get_logger(__name__)


class ChangedMeanwhile(Conflict):
    """The version that the caller's If-Match names is not the present one (RFC 9110 §13.1.1)."""


class WrongMediaType(InvalidInput):
    """The body comes in a format that this address does not read."""


class MalformedBody(InvalidInput):
    """The body is not what its format says."""


OWN_STATUS: tuple[tuple[type[CloseloopError], int], ...] = (
    (ChangedMeanwhile, 412),
    (WrongMediaType, 415),
    (MalformedBody, 400),
)


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong as the caller may know it; `reference` finds the log line of an unexpected error.

    `missing` are the codes of what a ticket lacks before it can be closed.
    """

    status: int
    detail: str
    hint: str = ""
    errors: Sequence[Mapping[str, str]] = ()
    reference: str = ""
    missing: Sequence[str] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


def problem_of(error: Exception, where: str) -> Problem:
    """What to tell of `error`; what nobody expected is logged (`where`: the route) without its words."""
    if isinstance(error, CloseloopError):
        return _of_ours(error)
    if isinstance(error, HTTPException):
        return Problem(error.status_code, str(error.detail), headers=error.headers or {})
    if isinstance(error, RequestValidationError):
        return Problem(422, "the request is not as described", "see /openapi.json", _mistakes(error))
    if isinstance(error, Erased):
        return Problem(409, "these data were erased")
    if isinstance(error, UnknownKey):
        return Problem(503, "the key of these data is missing", "put it back into CLOSELOOP_SECRET_KEYS")
    if isinstance(error, IntegrityError):
        return Problem(409, "something with this name, number or address exists already")
    if _database_trouble(error):
        if trouble := trouble_of(error):  # which is in the log already, once for all requests
            return _later("nothing can be stored now", HINTS[trouble])
        log.error("database_trouble", route=where, error=_kinds(error))
        return _later("the database does not answer now")
    reference = uuid4().hex[:12]
    log.error("request_failed", route=where, error=_kinds(error), at=_frames(error), reference=reference)
    return Problem(500, "something went wrong here", "tell us the reference", reference=reference)


def problem_response(problem: Problem, word_of: Callable[[str], str] = str) -> JSONResponse:
    """The problem as application/problem+json; `word_of` gives the words for what is missing."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.hint:
        body["hint"] = problem.hint
    if problem.errors:
        body["errors"] = list(problem.errors)
    if problem.missing:
        body["missing"] = [{"code": code, "text": word_of(code)} for code in problem.missing]
    if problem.reference:
        body["reference"] = problem.reference
    return JSONResponse(body, problem.status, dict(problem.headers), MEDIA_TYPE)


def _of_ours(error: CloseloopError) -> Problem:
    status = next((code for kind, code in (*OWN_STATUS, *STATUS) if isinstance(error, kind)), 500)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return _later(error.message, error.hint)
    headers = {"WWW-Authenticate": 'Bearer realm="closeloop"'} if status == HTTPStatus.UNAUTHORIZED else {}
    missing = error.missing if isinstance(error, NotComplete | NeedsTriage) else ()
    return Problem(status, error.message, error.hint, missing=missing, headers=headers)


def _later(detail: str, hint: str = "try again in a moment") -> Problem:
    return Problem(503, detail, hint, headers={"Retry-After": RETRY_SECONDS})


def _mistakes(error: RequestValidationError) -> list[dict[str, str]]:
    """Where and what, never the value that was given: it may be a customer's."""
    return [
        {"where": ".".join(str(part) for part in each["loc"]), "message": str(each["msg"])}
        for each in error.errors()
    ]


def _database_trouble(error: Exception) -> bool:
    if isinstance(error, DBAPIError):
        # SQLSTATE class 22 is bad data: the same request fails for ever (PostgreSQL, appendix A).
        return not str(getattr(error.orig, "sqlstate", "") or "").startswith("22")
    if isinstance(error, StatementError):
        return False  # a value that could not even be handed to the driver
    connecting = isinstance(error, OSError | TimeoutError) or type(error).__module__.startswith("asyncpg")
    return connecting or isinstance(error, SQLAlchemyError)


def _kinds(error: BaseException) -> str:
    causes = [type(error).__name__]
    origin = getattr(error, "orig", None) or error.__cause__
    if origin is not None:
        causes.append(type(origin).__name__)
    return " < ".join(causes)


def _frames(error: BaseException) -> list[str]:
    """The last places the error came through; its message and local values may hold personal data."""
    return [
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)[-6:]
    ]
