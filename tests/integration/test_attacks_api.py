"""The API under hostile values: whatever is sent is refused as what it is, on both databases alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.conftest import Backend
from tests.factories import API_KEY, KEY, Desk, count_rows, make_desk

pytestmark = pytest.mark.anyio

CONTACT = {"email": "li.na@customer.example"}
REQUEST: dict[str, Any] = {"contact": CONTACT, "description": "help"}
NUL = "a\0b"
BEYOND_UTC = "0001-01-01T00:00:00+14:00"
FAR = "9999-12-31T23:59:59-14:00"


@pytest.fixture
async def desk(backend: Backend) -> AsyncIterator[Desk]:
    async with make_desk(backend) as desk:
        yield desk


HOSTILE_BODIES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("POST", "/tickets", {**REQUEST, "subkind": NUL}),
    ("POST", "/tickets", {**REQUEST, "description": NUL}),
    ("POST", "/tickets", {**REQUEST, "contact": {**CONTACT, "name": NUL}}),
    ("POST", "/tickets", {**REQUEST, "contact": {"code": NUL}}),
    ("POST", "/tickets", {**REQUEST, "occurred_at": BEYOND_UTC}),
    ("POST", "/tickets", {**REQUEST, "occurred_at": FAR}),
    ("POST", "/tickets", {**REQUEST, "occurred_at": "2026-03-02T10:00:00"}),
    ("POST", "/tickets", {**REQUEST, "occurred_at": 10**30}),
    ("POST", "/tickets", {**REQUEST, "occurred_at": -1}),
    ("POST", "/tickets", {**REQUEST, "description": 7}),
    ("POST", "/tickets", {**REQUEST, "description": ["help"]}),
    ("POST", "/tickets", {**REQUEST, "number": "CS1"}),
    ("POST", "/tickets", {**REQUEST, "state": "closed"}),
    ("POST", "/tickets", {**REQUEST, "version": 9}),
    ("POST", "/tickets", {**REQUEST, "received_at": "2020-01-01T00:00:00Z"}),
    ("POST", "/staff", {"number": "CS900", "name": NUL, "email": "x@help.example"}),
    ("POST", "/staff", {"number": "CS900", "name": "X", "email": "x@help.example", "skills": [NUL]}),
    ("POST", "/staff", {"number": "CS900", "name": "X", "email": "x@help.example", "absent_until": FAR}),
    ("POST", "/staff", {"number": "CS9 00", "name": "X", "email": "x@help.example"}),
    ("POST", "/staff", {"number": "CS900", "name": "X", "email": "x@help.example\r\nBcc: y@z.example"}),
    ("POST", "/teams", {"name": NUL}),
    ("PATCH", "/teams/support", {"name": NUL}),
    ("PATCH", "/staff/CS001", {"phone": NUL}),
)


@pytest.mark.parametrize(("method", "path", "body"), HOSTILE_BODIES)
@pytest.mark.parametrize("backend", ["postgresql-redis"], indirect=True)
async def test_a_value_that_cannot_be_meant_is_422_and_writes_nothing(
    desk: Desk, method: str, path: str, body: dict[str, Any]
) -> None:
    before = await count_rows(desk.workshop)
    answer = await desk.api(method, path, json=body, expect=422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert await count_rows(desk.workshop) == before


async def test_half_characters_and_nul_in_json_escapes_are_422_on_both_databases(desk: Desk) -> None:
    for hostile in (r"\ud800", r"\udfff x", r"\u0000"):
        for body in (
            '{"contact": {"email": "li.na@customer.example", "name": "%s"}, "description": "help"}',
            '{"contact": {"email": "li.na@customer.example"}, "description": "%s"}',
            '{"contact": {"email": "li.na@customer.example"}, "description": "x", "%s": 1}',
        ):
            json = {**KEY, "Content-Type": "application/json"}
            answer = await desk.web.post("/api/v1/tickets", content=body % hostile, headers=json)
            assert answer.status_code == 422, (hostile, body, answer.text)


@pytest.mark.parametrize(
    "path",
    [
        "/tickets/a%00b",
        "/tickets?customer=%00",
        "/tickets?handler=%00",
        "/tickets?cursor=%00",
        "/tickets?cursor=' OR 1=1 --",
        "/tickets?cursor=00000000-0000-0000-0000-00000000000g",
        f"/tickets?received_from={BEYOND_UTC.replace('+', '%2B')}",
        f"/tickets?received_to={FAR}",
        "/tickets?received_from=2026-03-02T10:00:00",
        "/tickets?limit=0",
        "/tickets?limit=99999999999999999999999999",
        "/tickets?limit=1e3",
        f"/deadlines?due_before={FAR}",
        "/deadlines?ticket=%00",
        "/notifications?kind=%00",
        "/notifications?recipient=%00",
        "/notifications?recipient=%00@x",
        "/notifications/not-a-uuid",
        "/surveys?state=%00",
        "/surveys/%00",
        "/staff?team=%00",
        "/staff/%00",
        "/teams/%00",
        "/customers/%00",
    ],
)
@pytest.mark.parametrize("backend", ["postgresql-redis"], indirect=True)
async def test_an_address_that_cannot_be_meant_is_422(desk: Desk, path: str) -> None:
    await desk.api("GET", path, expect=422)


async def test_wildcards_and_quotes_find_nothing_but_themselves(desk: Desk) -> None:
    for probe in ("%25", "_", "CS%25", "' OR ''='", "*", "..", "%ff"):
        await desk.api("GET", f"/tickets/{probe}", expect=404)
        answer = await desk.api("GET", f"/tickets?customer={probe}")
        assert answer.json()["items"] == []


async def test_a_cursor_of_another_list_shows_nothing_that_its_holder_may_not_see(desk: Desk) -> None:
    number = (await desk.api("POST", "/tickets", json=REQUEST, expect=201)).json()["number"]
    other = "CS002" if (await desk.api("GET", f"/tickets/{number}")).json()["handler"] == "CS001" else "CS001"
    listed = await desk.api("GET", f"/tickets?cursor={'f' * 32}", by=other)
    assert listed.json() == {"next_cursor": None, "items": []}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {API_KEY[:-1]}"},
        {"Authorization": f"Bearer {API_KEY}x"},
        {"Authorization": f"Bearer {API_KEY.upper()}"},
        {"Authorization": f"Basic {API_KEY}"},
        {"Authorization": API_KEY},
        {"X-API-Key": ""},
        {"X-API-Key": API_KEY[:-1]},
        {"Cookie": f"api_key={API_KEY}"},
    ],
)
@pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True)
async def test_half_a_key_is_no_key(desk: Desk, headers: dict[str, str]) -> None:
    for path in ("/api/v1/tickets", "/api/v1/nothing", "/api/v1/", "/api/"):
        answer = await desk.web.get(path, headers=headers)
        assert answer.status_code == 401
        assert API_KEY not in answer.text


@pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True)
@pytest.mark.parametrize(
    "path",
    ["//api/v1/tickets", "/./api/v1/tickets", "/%61pi/v1/tickets", "/API/v1/tickets", "/x/../api/v1/tickets"],
)
async def test_no_spelling_of_the_address_leads_around_the_door(desk: Desk, path: str) -> None:
    answer = await desk.web.get(path)
    assert answer.status_code in (401, 404)


@pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True)
async def test_mounted_below_another_path_the_door_is_still_there(desk: Desk) -> None:
    transport = desk.web._transport
    assert isinstance(transport, httpx.ASGITransport)
    outer = Starlette(routes=[Mount("/support", app=transport.app)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(outer), base_url="http://inside") as web:
        assert (await web.get("/support/api/v1/tickets")).status_code == 401
        assert (await web.get("/support/api/v1/tickets", headers=KEY)).status_code == 200


async def test_one_idempotency_key_never_gives_one_caller_anothers_ticket(desk: Desk) -> None:
    key = {"Idempotency-Key": "k-1"}
    first = await desk.api("POST", "/tickets", json=REQUEST, headers=key, expect=201)
    for other in (
        {**REQUEST, "description": "something else"},
        {**REQUEST, "contact": {"email": "somebody@else.example"}},
        {**REQUEST, "priority": "urgent"},
    ):
        await desk.api("POST", "/tickets", json=other, headers=key, expect=422)
    again = await desk.api("POST", "/tickets", json=REQUEST, headers=key)
    assert again.json()["number"] == first.json()["number"]
    blank = {"Idempotency-Key": ""}
    await desk.api("POST", "/tickets", json=REQUEST, headers=blank, expect=422)


@pytest.mark.parametrize("tag", ['"0"', '"-1"', "1 or 1=1", '"1', "W/", ",,,", '"*"x', "*" * 5000, '"١"'])
@pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True)
async def test_an_if_match_that_names_no_present_version_changes_nothing(desk: Desk, tag: str) -> None:
    number = (await desk.api("POST", "/tickets", json=REQUEST, expect=201)).json()["number"]
    headers = [(b"Authorization", KEY["Authorization"].encode()), (b"If-Match", tag.encode())]
    answer = await desk.web.patch(f"/api/v1/tickets/{number}", json={"priority": "high"}, headers=headers)
    assert answer.status_code == 412
    assert (await desk.api("GET", f"/tickets/{number}")).json()["priority"] == "medium"


@pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True)
async def test_neither_figures_nor_the_description_name_anybody(desk: Desk) -> None:
    await desk.api("POST", "/tickets", json=REQUEST, expect=201)
    for path in ("/metrics", "/openapi.json", "/healthz", "/readyz"):
        text = (await desk.web.get(path)).text
        for secret in (API_KEY, "customer.example", "help.example", "AC000", "hook-token"):
            assert secret not in text, (path, secret)


@pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True)
async def test_errors_are_described_as_what_they_are(desk: Desk) -> None:
    paths = (await desk.web.get("/openapi.json")).json()["paths"]
    errors = [
        response["content"]
        for methods in paths.values()
        for operation in methods.values()
        for status, response in operation["responses"].items()
        if status >= "400"
    ]
    assert errors
    assert all(list(content) == ["application/problem+json"] for content in errors)
    told = paths["/api/v1/tickets"]["post"]["responses"]
    assert {"400", "401", "413", "422", "503"} <= told.keys()
