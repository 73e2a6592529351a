"""Keys of the API: scopes, ends, whose they are; and what each role may not do by any of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from models.access import ApiKey
from tests.factories import Desk, all_of, make_ticket
from workers.access import end_sessions, open_session, session_of
from workers.people import change_person

pytestmark = pytest.mark.anyio


async def made(desk: Desk, name: str, scopes: list[str], **more: Any) -> dict[str, str]:
    """A new key, as the header that brings it."""
    wanted = {"name": name, "scopes": scopes, **more}
    answer = await desk.api("POST", "/keys", json=wanted, expect=201)
    return {"Authorization": f"Bearer {answer.json()['key']}"}


async def status(desk: Desk, method: str, path: str, headers: dict[str, str], **request: Any) -> int:
    answer = await desk.web.request(method, f"/api/v1{path}", headers=headers, **request)
    return answer.status_code


async def test_a_key_opens_what_its_scopes_and_its_owners_role_allow(desk: Desk) -> None:
    ticket = await make_ticket(desk.workshop)
    path = f"/tickets/{ticket.number}"
    handler = (await desk.api("GET", path)).json()["handler"]
    other = {"CS001": "CS002", "CS002": "CS001"}[handler]
    reader = await made(desk, "reader", ["read"])
    own = await made(desk, "own", ["read", "write", "administer"], staff=handler)
    theirs = await made(desk, "theirs", ["read", "write"], staff=other)
    deputy = await made(desk, "deputy", ["read", "act_for_others"])

    assert await status(desk, "GET", path, reader) == 200
    for method, place, body in (
        ("POST", f"{path}/progress", {"text": "x"}),
        ("POST", "/tickets", {"contact": {"email": "a@b.example"}, "description": "x"}),
        ("GET", "/reports/overdue", None),
        ("GET", "/keys", None),
    ):
        assert await status(desk, method, place, reader, json=body) == 403, place
    assert await status(desk, "GET", path, {**reader, "X-Acting-Staff": "AM001"}) == 403
    assert await status(desk, "GET", path, {**deputy, "X-Acting-Staff": other}) == 403
    assert await status(desk, "GET", path, {**deputy, "X-Acting-Staff": handler}) == 200

    assert await status(desk, "GET", path, own) == 200
    assert await status(desk, "POST", f"{path}/progress", own, json={"text": "今天处理"}) == 200
    for place in ("/keys", "/suppressions", "/blocked-senders", "/intake"):
        assert await status(desk, "GET", place, own) == 403, "an agent's key is an agent"
    assert await status(desk, "GET", path, theirs) == 403
    assert await status(desk, "POST", f"{path}/progress", theirs, json={"text": "x"}) == 403
    (sent, *_) = (await desk.api("GET", f"/notifications?ticket={ticket.number}")).json()["items"]
    assert await status(desk, "GET", f"/notifications/{sent['id']}", theirs) == 403
    shown = await desk.web.get("/api/v1/tickets", headers=theirs)
    assert shown.json()["items"] == []


async def test_a_key_ends_and_leaves_nothing_to_be_found(desk: Desk) -> None:
    soon = (desk.clock.now() + timedelta(hours=1)).isoformat()
    short = await made(desk, "short", ["read"], expires_at=soon)
    lost = await made(desk, "lost", ["read"])
    hers = await made(desk, "hers", ["read"], staff="CS001")
    for key in (short, lost, hers):
        assert await status(desk, "GET", "/policy", key) == 200
    kept = await all_of(desk.workshop, ApiKey)
    words = short["Authorization"].split("clk_")[1]
    assert all(words.encode() not in row.key_hash and words not in row.hint for row in kept)
    assert all(row.last_used_at == desk.clock.now() for row in kept)
    await desk.api("DELETE", "/keys/lost")
    assert await status(desk, "GET", "/policy", lost) == 401
    async with desk.workshop.begin() as uow:
        person = await change_person(uow, "CS001", {"active": False})
        token, _ = await open_session(uow, person, "x")
        assert await session_of(uow, token) is None
        assert await end_sessions(uow, person.id) == 1
    assert await status(desk, "GET", "/policy", hers) == 401
    desk.clock.advance(timedelta(hours=2))
    assert await status(desk, "GET", "/policy", short) == 401
    listed = (await desk.api("GET", "/keys")).json()["items"]
    assert [row["name"] for row in listed] == ["hers", "lost", "short"]
    assert "key" not in listed[0]
    await desk.api("POST", "/keys", json={"name": "lost", "scopes": ["read"]}, expect=409)
