"""Every operation that /openapi.json describes, called with generated values: no accident.

The values come from the description itself (schemathesis); the calls go to the application over ASGI, as
administrator, on ids that exist and on generated ones. What answers must keep to the description.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.conftest import Backend
from tests.factories import KEY
from tests.small_world import World, small_world

pytestmark = pytest.mark.anyio

Call = schemathesis.Case[Any]
CHECKS: Any = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
EXAMPLES = {"sqlite-inprocess": 6, "postgresql-redis": 3}


async def test_generated_calls_are_answered_as_described(backend: Backend) -> None:
    async with small_world(backend) as world:
        described = (await world.desk.web.get("/openapi.json")).json()
        wrong: dict[str, str] = {}
        for case in cases_of(described, EXAMPLES[backend.name], world):
            answer = await sent(world, case)
            try:
                case.validate_response(answer, checks=CHECKS)
            except FailureGroup as group:
                said = "; ".join(f"{each.title}: {each.message[:200]}" for each in group.exceptions)
                call = answer.request
                about = f"{call.url} {call.content[:300]!r}\n{answer.status_code} {answer.text[:300]}"
                wrong[f"{case.operation.label}: {said}"] = about
        assert wrong == {}, "\n\n".join(f"{said}\n{call}" for said, call in wrong.items())


def cases_of(described: Mapping[str, Any], most: int, world: World) -> Iterator[Call]:
    """So many calls of each operation, every second one on what exists."""
    for found in schemathesis.openapi.from_dict(dict(described)).get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        for nth, case in enumerate(generated(operation.as_strategy(), most)):
            if nth % 2 == 0:
                case.path_parameters = {
                    name: world.named(operation.path, name) or value
                    for name, value in case.path_parameters.items()
                }
            yield case


def generated(strategy: Any, most: int) -> list[Call]:
    """The same ones on each run."""
    made: list[Call] = []

    @settings(
        max_examples=most,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(case: Call) -> None:
        made.append(case)

    collect()
    return made


async def sent(world: World, case: Call) -> httpx.Response:
    """The answer to one call, as an HTTP client would have sent it."""
    wanted = case.as_transport_kwargs(base_url="http://inside:8000")
    whole = requests.Request(**wanted).prepare()
    body: Any = whole.body  # requests allows more kinds than are generated
    headers = {name: str(value) for name, value in whole.headers.items() if name.lower() != "content-length"}
    return await world.desk.web.request(
        str(whole.method), str(whole.url), content=body, headers={**headers, **KEY}
    )
