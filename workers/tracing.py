"""Traces of the way from what came in to the answer of the relay, for OpenTelemetry, if somebody wants them.

`Tracer` makes no spans and imports nothing; `OtelTracer` makes them. The trace travels in rows
(`models.base.TRACE`): who files an event and who sends a message are other processes, hours later. Spans bear
words of the trade (source, channel, verdict, code), never ids of rows, addresses or the words of errors.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from models.base import TRACE
from workers.errors import SettingsError

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider

Fact = str | int | float | bool
_NOTHING: AbstractContextManager[None] = nullcontext()


class Tracer:
    """Makes no spans; `on` says so, that nobody need gather what would stand in them."""

    on = False

    def span(self, name: str, parent: str | None = None, **facts: Fact) -> AbstractContextManager[None]:
        """A span for as long as the context lasts; rows made in it belong to its trace.

        `parent` is the traceparent of a row; without one it belongs to the trace at hand, or begins one.
        """
        return _NOTHING

    def past(self, name: str, parent: str | None, seconds: float, **facts: Fact) -> None:
        """A span that ends now and has taken so many seconds."""

    def close(self) -> None:
        """Send what is left, and end."""


class OtelTracer(Tracer):
    """Makes spans and hands them to `provider`, which is its own: nothing global."""

    on = True

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("closeloop")
        self._format = TraceContextTextMapPropagator()

    def span(self, name: str, parent: str | None = None, **facts: Fact) -> AbstractContextManager[None]:
        """As `Tracer.span`. An error that passes through is told by its kind alone."""
        return self._span(name, parent, facts)

    @contextmanager
    def _span(self, name: str, parent: str | None, facts: dict[str, Fact]) -> Iterator[None]:
        from opentelemetry.trace import Status, StatusCode, set_span_in_context

        span = self._tracer.start_span(name, self._context(parent), attributes=_named(facts))
        carrier: dict[str, str] = {}
        self._format.inject(carrier, set_span_in_context(span))
        token = TRACE.set(carrier.get("traceparent"))
        try:
            yield
        except BaseException as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
        finally:
            TRACE.reset(token)
            span.end()

    def past(self, name: str, parent: str | None, seconds: float, **facts: Fact) -> None:
        """As `Tracer.past`."""
        ended = time.time_ns()
        began = ended - int(seconds * 1e9)
        span = self._tracer.start_span(
            name, self._context(parent), start_time=began, attributes=_named(facts)
        )
        span.end(ended)

    def close(self) -> None:
        """As `Tracer.close`; waits for a silent collector a few seconds at most."""
        self._provider.shutdown()

    def _context(self, parent: str | None) -> Context:
        from opentelemetry.context import Context

        given = parent or TRACE.get()
        return self._format.extract({"traceparent": given} if given else {}, Context())


def _named(facts: dict[str, Fact]) -> dict[str, Fact]:
    return {f"closeloop.{name}": value for name, value in facts.items()}


def make_tracer(endpoint: str, version: str) -> Tracer:
    """A tracer that sends to the collector at `endpoint` (OTLP by HTTP, http://host:4318), one that does
    nothing without. How much is sampled, OTEL_TRACES_SAMPLER says. Raises SettingsError.
    """
    if not endpoint:
        return Tracer()
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        hint = "pip install 'closeloop[otel]', or leave CLOSELOOP_OTEL and OTEL_EXPORTER_OTLP_ENDPOINT empty"
        raise SettingsError("traces are wanted, but OpenTelemetry is not installed", hint) from error
    names = {"service.name": "closeloop", "service.version": version}
    names["service.instance.id"] = f"{socket.gethostname()}:{os.getpid()}"
    provider = TracerProvider(resource=Resource.create(names), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return OtelTracer(provider)
