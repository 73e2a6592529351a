"""Every filter of every list under hostile values: they are values, whatever they look like."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from tests.conftest import Backend
from tests.factories import KEY
from tests.integration.test_attacks_roles import places
from tests.small_world import World, small_world

pytestmark = pytest.mark.anyio

NONSENSE = "zqzq"
PROBES = (
    "zqzq' OR '1'='1",
    'zqzq"; DROP TABLE tickets; --',
    "zqzq%' OR 1=1 --",
    "{{7919*104729}}${7919*104729}<%= 7919*104729 %>#{7919*104729}",
    "zqzq\r\nSet-Cookie: evil=1\r\n\r\n<b>",
    'zqzq\x1b[31m\n{"event": "forged"}',
    "zqzq\u202e\ud7ff\uffff",
    "\"'><script src=//evil.example></script>",
)
ALL_OF_THEM = "".join(PROBES[2:])
CONSOLE_FILTERS = [
    "q",
    "state",
    "what",
    "contact",
    "order",
    "address",
    "sender",
    "handler",
    "view",
    "team",
    "customer",
    "priority",
    "category",
    "kind",
    "recipient",
    "ticket",
    "since",
    "until",
    "cursor",
    "page",
    "sort",
    "level",
    "group",
    "lang",
    "done",
    "history",
    "channel",
    "reason",
    "role",
    "days",
    "next",
]


async def test_hostile_filters_of_the_api_find_what_nonsense_finds(backend: Backend) -> None:
    async with small_world(backend) as world:
        described = (await world.desk.web.get("/openapi.json")).json()
        asked = list(text_filters(described))
        assert len(asked) > 50
        for path, name in asked:
            half = await world.desk.web.get(f"{path}?{name}=%ed%a0%80%ff&q=x", headers=KEY)
            assert half.status_code in (200, 404, 422), (path, name, half.status_code)
            expected = await listed(world, path, {"q": "cache", name: NONSENSE})
            for probe in PROBES:
                answer = await world.desk.web.get(path, params={"q": "cache", name: probe}, headers=KEY)
                told = f"{path}?{name}={probe!r}: {answer.status_code} {answer.text[:300]}"
                unharmed(answer, told)
                assert answer.status_code in (expected[0], 404, 422), told
                if answer.status_code == 200 == expected[0]:
                    assert found(answer) == expected[1], told


def text_filters(described: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Path and name of each parameter of a list that is more than a choice of few words."""
    for path, methods in described["paths"].items():
        if path.startswith("/api/") and "{" not in path and "get" in methods:
            for each in methods["get"].get("parameters", ()):
                if each["in"] == "query":
                    yield path, each["name"]


async def listed(world: World, path: str, query: Mapping[str, str]) -> tuple[int, Any]:
    answer = await world.desk.web.get(path, params=query, headers=KEY)
    return answer.status_code, found(answer) if answer.status_code == 200 else None


def found(answer: httpx.Response) -> Any:
    """How much was found: ids of a list, lines of a table."""
    if "json" not in answer.headers["content-type"]:
        return answer.text.count("\n")
    body = answer.json()
    return body["items"] if isinstance(body, dict) and "items" in body else sorted(body, key=str)


def unharmed(answer: httpx.Response, told: str) -> None:
    """No accident, no header of the attacker's, nothing computed."""
    assert answer.status_code < 500, told
    assert "set-cookie" not in answer.headers or "evil" not in answer.headers["set-cookie"], told
    assert "829348951" not in answer.text, told


class Tags(HTMLParser):
    """What a page would run: its scripts' addresses, its handlers, and where it leads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ran: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collects what runs."""
        given = {name: value or "" for name, value in attrs}
        if tag in ("iframe", "object", "embed", "base") or tag.startswith("xss"):
            self.ran.append(tag)
        if tag == "script" and given.get("src", "").partition("?")[0] != "/console/live.js":
            self.ran.append(f"script {given}")
        self.ran += [name for name in given if name.startswith("on")]
        self.ran += [
            value for name, value in given.items() if name in ("href", "src", "action") and leads_out(value)
        ]


def leads_out(address: str) -> bool:
    """Whether it is no address of ours."""
    return bool(re.match(r"\s*(javascript|data|vbscript):|//", address, re.IGNORECASE))


async def test_hostile_filters_of_the_console_come_back_as_words(backend: Backend) -> None:
    async with small_world(backend) as world:
        web = await world.browser("AD001")
        for place in places(world, "/console"):
            if place.method != "GET" or place.rule.roles is None:
                continue
            for probe in (*PROBES[:2], ALL_OF_THEM):
                answer = await web.get(place.his, params=dict.fromkeys(CONSOLE_FILTERS, probe))
                told = f"{place.route} {probe!r}: {answer.status_code}"
                unharmed(answer, told)
                if "html" in answer.headers["content-type"]:
                    assert Tags(answer.text).ran == [], told
        await web.aclose()
