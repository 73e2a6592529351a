"""Every route for every caller, generated from the routes there are, against the one table of rules.

Whoever the table lets in gets the thing, or hears what is wrong with the (empty) body. Everybody else is
refused in one way that tells nothing of what exists.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest

from models.vocabulary import Role
from tests.conftest import Backend
from tests.factories import KEY
from tests.small_world import HIS, World, small_world
from tests.unit.test_rules import routes
from workers.access import Scope
from workers.web.rules import RULES, Owns, Rule

pytestmark = pytest.mark.anyio

PEOPLE = {"CS001": Role.AGENT, "AM001": Role.SUPERVISOR, "QA001": Role.QUALITY, "AD001": Role.ADMINISTRATOR}
OF_THE_TABLE = re.compile(
    "this is not for the role|agents see their own tickets only|this key lacks the scope"
)
ENDS_SESSIONS = ("POST /console/sign-out", "POST /console/sessions/end")
UNKNOWN = "01a20292-0000-7000-8000-000000000000"
ASKED = {"q": "cache", "dry_run": "1"}


@dataclass(frozen=True)
class Place:
    """A route with its rule, and the addresses of one agent's thing, of the other's, and of no thing."""

    method: str
    route: str
    rule: Rule
    his: str
    hers: str
    unknown: str
    whole: bool

    @property
    def name(self) -> str:
        return f"{self.method} {self.route}"


def places(world: World, start: str) -> Iterator[Place]:
    """All routes below `start`. `whole`: every part of the address names something that there is."""
    for each in sorted(routes()):
        method, _, route = each.partition(" ")
        if not route.startswith(start) or method == "HEAD":
            continue
        assert each in RULES, f"{each}: who may call it? say so in workers/web/rules.py"
        names = re.findall(r"{(\w+)}", route)
        his, hers, unknown = route, route, route
        for name in names:
            known = world.named(route, name)
            his = his.replace(f"{{{name}}}", known or UNKNOWN, 1)
            other = world.named(route, name, world.hers)
            hers = hers.replace(f"{{{name}}}", other or UNKNOWN, 1)
            unknown = unknown.replace(f"{{{name}}}", UNKNOWN, 1)
        whole = all(world.named(route, name) for name in names)
        yield Place(method, route, RULES[each], his, hers, unknown, whole)


async def test_each_key_and_each_role_gets_what_the_table_says_from_the_api(backend: Backend) -> None:
    async with small_world(backend) as world:
        for place in places(world, "/api/"):
            await _strangers(world, place)
            await _agents(world, place)
            await _keys(world, place)
            for number, role in PEOPLE.items():
                allowed = role in (place.rule.roles or ())
                path = place.unknown if allowed and place.method == "DELETE" else place.his
                answer = await call(world, place, path, {**KEY, "X-Acting-Staff": number})
                check(place, answer, allowed, number)


async def call(world: World, place: Place, path: str, headers: Mapping[str, str]) -> httpx.Response:
    """One call, with a body that no route takes."""
    body = None if place.method == "GET" else {"no_such_field": 1}
    query = ASKED if place.method == "GET" else None
    return await world.desk.web.request(place.method, path, json=body, params=query, headers=headers)


def check(place: Place, answer: httpx.Response, allowed: bool, who: str) -> None:
    """Allowed or denied by the table; whatever else is wrong with the call is said as that."""
    told = f"{place.name} for {who}: {answer.status_code} {answer.text[:200]}"
    assert answer.status_code < 500, told
    by_table = answer.status_code == 403 and OF_THE_TABLE.search(answer.text) is not None
    if not allowed:
        assert by_table, told
        return
    assert not by_table, told
    assert answer.status_code != 401, told
    if place.method == "GET" and place.whole and place.route not in HIDDEN:
        assert answer.status_code in (200, 422), told


OWN_RULES = ("communications", "knowledge", "targets", "improvements")
HIDDEN = tuple(f"/api/v1/{kind}/{{number}}" for kind in OWN_RULES)
"""What an agent may look at is decided there: somebody else's is answered like what does not exist."""


async def _strangers(world: World, place: Place) -> None:
    """Without a key, or with one that opens nothing, what exists looks like what does not."""
    answers = {
        (answer.status_code, answer.text)
        for path in {place.his, place.unknown}
        for headers in ({}, {"X-Acting-Staff": "AD001"}, {"Authorization": "Bearer clk_" + "a" * 52})
        for answer in [await call(world, place, path, headers)]
    }
    assert len(answers) == 1, (place.name, answers)
    assert answers.pop()[0] == 401, place.name


async def _agents(world: World, place: Place) -> None:
    """An agent is refused somebody else's things; those that are hidden do not differ from none."""
    acting = {**KEY, "X-Acting-Staff": HIS}
    if Role.AGENT not in (place.rule.roles or ()):
        return
    if place.rule.owns is not None:
        check(place, await call(world, place, place.hers, acting), False, f"{HIS}, not theirs")
    if place.rule.owns is Owns.CUSTOMER:
        check(place, await call(world, place, place.unknown, acting), False, f"{HIS}, unknown")
    if place.route in HIDDEN and place.method == "GET":
        answers = [await call(world, place, path, acting) for path in (place.his, f"{place.his}9")]
        assert [each.status_code for each in answers] == [404, 404], place.name
        told = {re.sub(r"(CR|KB|TG|IM)\d+", "(number)", each.text) for each in answers}
        assert len(told) == 1, (place.name, told)


async def _keys(world: World, place: Place) -> None:
    """A key of a system with one scope alone passes where the table asks for just this scope."""
    for scope in Scope:
        headers = {"Authorization": f"Bearer {world.keys[scope.value]}"}
        path = place.his if place.method == "GET" else place.unknown
        allowed = scope is place.rule.scope
        if allowed and place.method == "GET":
            check(place, await call(world, place, path, headers), True, f"a key to {scope}")
        elif not allowed:
            check(place, await call(world, place, path, headers), False, f"a key to {scope}")
    if place.rule.scope is not Scope.ACT_FOR_OTHERS:
        headers = {"Authorization": f"Bearer {world.keys[str(place.rule.scope)]}", "X-Acting-Staff": "AD001"}
        answer = await call(world, place, place.his, headers)
        assert (answer.status_code, "may not act for others" in answer.text) == (403, True), place.name


async def test_each_role_gets_what_the_table_says_from_the_console(backend: Backend) -> None:
    async with small_world(backend) as world, browsers(world) as signed_in:
        nobody = world.unknown_browser()
        for place in places(world, "/console"):
            if place.rule.roles is None:
                continue
            await _passers_by(nobody, place)
            for number, role in PEOPLE.items():
                await _visit(world, signed_in, place, number, role)
        await nobody.aclose()


@asynccontextmanager
async def browsers(world: World) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """One for each of the roles."""
    opened = {number: await world.browser(number) for number in PEOPLE}
    try:
        yield opened
    finally:
        for each in opened.values():
            await each.aclose()


async def _passers_by(nobody: httpx.AsyncClient, place: Place) -> None:
    """Who is not signed in is sent to do so; what exists looks like what does not."""
    for path in {place.his, place.unknown}:
        for cookies in ({}, {"Cookie": f"__Host-closeloop-session={'a' * 26}"}):
            answer = await nobody.request(place.method, path, headers=cookies, data={"form": "0" * 64})
            assert answer.status_code == 303, place.name
            assert answer.headers["location"].startswith("/console/sign-in"), place.name
            assert answer.text == "", place.name


async def _visit(
    world: World, signed_in: Mapping[str, httpx.AsyncClient], place: Place, number: str, role: Role
) -> None:
    web = signed_in[number]
    if place.name in ENDS_SESSIONS:
        return
    allowed = role in (place.rule.roles or ())
    if place.method == "POST":
        unproven = await web.post(place.his, data={"form": "0" * 64})
        assert unproven.status_code == 403, place.name
    answer = await _press(web, place, place.his)
    told = f"{place.name} for {number}: {answer.status_code}"
    assert answer.status_code < 500, told
    assert (
        "script-src" not in answer.headers["content-security-policy"]
        or "unsafe" not in answer.headers["content-security-policy"]
    ), told
    assert (answer.status_code != 403) is allowed, told
    if allowed and place.method == "GET" and place.whole and not _hidden(place):
        assert answer.status_code == 200, told
    if allowed and role is Role.AGENT and place.rule.owns is not None:
        other = await _press(web, place, place.hers)
        assert other.status_code == 403, told


def _hidden(place: Place) -> bool:
    """Whether it is not said by the address alone that there is something to show."""
    return any(part in place.route for part in (*(f"/{kind}/" for kind in OWN_RULES), "/pass-on"))


async def _press(web: httpx.AsyncClient, place: Place, path: str) -> httpx.Response:
    if place.method == "GET":
        return await web.get(path, params=ASKED)
    home = await web.get("/console/sessions")
    form = re.findall(r'name="form" value="([0-9a-f]+)"', home.text)[0]
    return await web.post(path, data={"form": form})
