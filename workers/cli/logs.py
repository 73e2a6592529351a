"""Structured logs on standard error, JSON or lines for a person who watches; no customer's data in either."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

from workers.storage import Once

QUIET = ("mail.log", "mail.debug", "httpx", "httpcore", "aiosqlite", "sqlalchemy", "alembic", "asyncio")
"""Libraries whose finer logs name senders, recipients or statements: only their warnings are written."""
ENGINES = ("uvicorn", "dramatiq")
"""What they tell of their starting and stopping is for debugging."""
FRAMES = 8
TOLD = Once()
"""A disk that is full hinders everybody each second, and is told once a minute."""


def set_up_logs(level: str, *, people: bool | None = None) -> None:
    """Send all logs of this process, ours and the libraries', to standard error from `level` on.

    `people` chooses lines over JSON; by default whether standard error is a terminal.
    """
    lines = sys.stderr.isatty() if people is None else people
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        tell_error,
        without_personal_data,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    last: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if lines else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ENGINES:
        logging.getLogger(name).setLevel(logging.INFO if level == "debug" else logging.WARNING)


def tell_error(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """An exception becomes its kinds and the places it came through.

    Its message and the local values are left out: a database error quotes the row, a mail error the address.
    Only our own errors keep their words, which are written to be shown.
    """
    from workers.errors import CloseloopError

    info = event.pop("exc_info", None)
    event.pop("stack_info", None)
    error = sys.exc_info()[1] if info is True else info[1] if isinstance(info, tuple) else info
    if not isinstance(error, BaseException):
        return event
    if TOLD.hinders(error):
        raise structlog.DropEvent
    event["error"] = " < ".join(type(each).__name__ for each in _causes(error))
    if isinstance(error, CloseloopError):
        event["message"] = str(error)
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    event["at"] = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames]
    return event


def _causes(error: BaseException) -> list[BaseException]:
    chain = [error]
    while len(chain) < 5:
        cause = chain[-1].__cause__ or getattr(chain[-1], "orig", None)
        if not isinstance(cause, BaseException) or cause in chain:
            break
        chain.append(cause)
    return chain


def without_personal_data(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The last net: addresses and phone numbers that got into a value all the same are masked.

    A value stays on its line and in its direction, too: nobody writes a line of our log, or colours one.
    """
    for name, value in event.items():
        if name not in ("timestamp", "logger", "level", "at"):
            event[name] = _safe(value)
    return event


def _safe(value: Any) -> Any:
    from workers.channels.scrub import scrub
    from workers.text import one_line

    if isinstance(value, str):
        return one_line(scrub(value))
    if isinstance(value, Mapping):
        return {name: _safe(each) for name, each in value.items()}
    return [_safe(each) for each in value] if isinstance(value, list | tuple) else value
