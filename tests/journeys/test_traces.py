"""One trace leads from the webhook to the answer of the relay, hours later, and tells of nobody."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from models.base import TRACE
from models.intake import IntakeEvent
from models.notifications import Notification
from tests.conftest import Backend
from tests.factories import all_of
from tests.house import open_house
from workers.errors import SettingsError
from workers.tracing import OtelTracer, make_tracer

CUSTOMER = "lina.private@shop.example"


class Collector:
    """What a collector of OpenTelemetry has received by OTLP over HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.raw: list[bytes] = []

    def spans(self) -> list[Any]:
        """All spans so far, by when they began."""
        found = []
        for body in self.raw:
            request = ExportTraceServiceRequest.FromString(body)
            found += [
                span for one in request.resource_spans for scope in one.scope_spans for span in scope.spans
            ]
        return sorted(found, key=lambda span: int(span.start_time_unix_nano))


@contextmanager
def _collector() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            import gzip

            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                zipped = self.headers.get("Content-Encoding") == "gzip"
                collector.raw.append(gzip.decompress(body) if zipped else body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.mark.anyio
async def test_a_trace_leads_from_webhook_to_relay_and_holds_nothing_of_the_customer(
    backend: Backend,
) -> None:
    with _collector() as collector:
        async with open_house(backend, settings={"otel": collector.url}) as house:
            await house.mail(CUSTOMER, "独角兽不工作了", subject="unicorn", name="李娜")
            (event,) = [row for row in await all_of(house.workshop, IntakeEvent) if row.source == "raw"]
            await house.pass_time(timedelta(hours=30))
            told = await all_of(house.workshop, Notification)
        spans = collector.spans()
        raw = b"".join(collector.raw)
    assert event.trace is not None
    trace = event.trace.split("-")[1]
    ours = [span for span in spans if span.trace_id.hex() == trace]
    names = [span.name for span in ours]
    assert names[0] == "http"
    assert {"http", "intake", "alarm", "send"} <= set(names)
    (intake,) = [span for span in ours if span.name == "intake"]
    assert intake.parent_span_id == ours[0].span_id
    sent = [span for span in ours if span.name == "send"]
    facts = {item.key: item.value for item in sent[0].attributes}
    assert facts["closeloop.verdict"].string_value == "sent"
    assert facts["closeloop.code"].int_value == 250
    assert len(sent) >= len([row for row in told if row.sent_at is not None]) > 2
    for words in (CUSTOMER, "lina", "李娜", "unicorn", "独角兽", "help.example"):
        assert words.encode() not in raw


@pytest.mark.anyio
async def test_rows_carry_no_trace_while_nobody_wants_any(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.mail(CUSTOMER, "It does not work")
        rows = [*await all_of(house.workshop, IntakeEvent), *await all_of(house.workshop, Notification)]
    assert rows
    assert {row.trace for row in rows} == {None}


def test_errors_are_told_by_their_kind_alone_and_traces_nest() -> None:
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = OtelTracer(provider)
    outer: list[str | None] = []

    def fail() -> None:
        with tracer.span("outer"):
            outer.append(TRACE.get())
            with tracer.span("inner", source="raw"):
                raise ValueError(f"hush: {CUSTOMER}")

    with pytest.raises(ValueError, match="hush"):
        fail()
    assert TRACE.get() is None
    tracer.past("later", outer[0], 2.0)
    tracer.close()
    inner, whole, later = memory.get_finished_spans()
    assert (inner.name, whole.name, later.name) == ("inner", "outer", "later")
    contexts = [span.context for span in (inner, whole, later)]
    assert len({context.trace_id for context in contexts if context is not None}) == 1
    assert (later.end_time or 0) - (later.start_time or 0) == pytest.approx(2e9, rel=0.01)
    assert inner.status.description == "ValueError"
    assert CUSTOMER not in json.dumps([span.to_json() for span in (inner, whole, later)])


def test_without_a_collector_nothing_of_opentelemetry_is_loaded_by_us(tmp_path: Path) -> None:
    script = (
        "import sys; import workers.boot; from workers.tracing import make_tracer; make_tracer('', '1');"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')"
        " or name.startswith('opentelemetry.exporter')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_collector_without_the_package_is_told_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(SettingsError, match="not installed") as told:
        make_tracer("http://127.0.0.1:4318", "1")
    assert "closeloop[otel]" in told.value.hint
