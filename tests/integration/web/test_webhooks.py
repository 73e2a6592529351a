"""Endpoints of other systems by API and command line: who may, what is shown, what is refused."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.tree import ROOT
from tests.command_line import CommandLine
from tests.factories import KEY, Desk, make_ticket
from workers import webhooks
from workers.outbound import signed_headers
from workers.web.described_webhooks import PUSHED

pytestmark = pytest.mark.anyio

WANTED = {"name": "desk", "url": "https://hooks.example/in?token=abc", "events": ["ticket.opened"]}


async def test_an_endpoint_is_kept_by_administrators_and_its_secret_shown_once(desk: Desk) -> None:
    made = (await desk.api("POST", "/webhooks", json=WANTED, expect=201)).json()
    secret, ident = made["secret"], made["id"]
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", secret)
    assert (made["url"], made["active"], made["made_by"]) == (WANTED["url"], True, "AD001")
    for number in ("CS001", "AM001", "QA001"):
        for method, path in (
            ("GET", ""),
            ("POST", ""),
            ("GET", "/desk"),
            ("POST", "/desk/secret"),
            ("DELETE", "/desk"),
        ):
            refused = await desk.api(method, f"/webhooks{path}", json={}, by=number, expect=403)
            assert "whsec" not in refused.text
    shown = await desk.api("GET", "/webhooks/desk")
    listed = await desk.api("GET", "/webhooks")
    assert secret not in shown.text + listed.text
    assert shown.json() == listed.json()["items"][0] == {k: v for k, v in made.items() if k != "secret"}
    await desk.api("POST", "/webhooks", json=WANTED, expect=409)

    change = {"events": ["*"], "name": "all"}
    changed = await desk.api("PATCH", f"/webhooks/{ident}", json=change, headers={"If-Match": '"1"'})
    assert changed.json()["events"] == list(webhooks.BY_NAME)
    await desk.api("PATCH", f"/webhooks/{ident}", json=change, headers={"If-Match": '"1"'}, expect=412)
    await desk.api("GET", "/webhooks/desk", expect=404)
    rotated = (await desk.api("POST", "/webhooks/all/secret", json={"keep_old_hours": 1})).json()
    assert rotated["secrets"] == 2
    assert rotated["secret"] != secret
    one = (await desk.api("POST", "/webhooks/all/secret", json={"keep_old_hours": 0})).json()
    assert one["secrets"] == 1

    await desk.api("DELETE", "/webhooks/all", expect=204)
    for method, path in (("GET", ""), ("POST", "/test"), ("GET", "/deliveries"), ("PATCH", "")):
        await desk.api(method, f"/webhooks/{ident}{path}", json={}, expect=404)
    await desk.api("POST", "/webhooks", json=WANTED, expect=201)


WRONG: tuple[dict[str, Any], ...] = (
    {"url": "http://hooks.example/"},
    {"url": "https://169.254.169.254/latest/meta-data"},
    {"url": "https://[::1]/hook"},
    {"url": "https://user:word@hooks.example/"},
    {"url": "https://hooks.example/\r\nX-Evil: 1"},
    {"events": []},
    {"events": ["ticket.exploded"]},
    {"team": "nobody"},
    {"name": "a/b"},
    {"name": " "},
    {"secret": "whsec_mine"},
)


async def test_what_makes_no_endpoint_is_refused(desk: Desk) -> None:
    for wrong in WRONG:
        answer = await desk.web.request("POST", "/api/v1/webhooks", json={**WANTED, **wrong}, headers=KEY)
        assert answer.status_code in (404, 422), (wrong, answer.text)
    assert (await desk.api("GET", "/webhooks")).json()["items"] == []


async def test_deliveries_are_looked_at_and_asked_for_again(desk: Desk) -> None:
    for name in ("desk", "other"):
        wanted = {**WANTED, "name": name, "events": ["*"]}
        await desk.api("POST", "/webhooks", json=wanted, expect=201)
    ticket = await make_ticket(desk.workshop)
    first = (await desk.api("GET", "/webhooks/desk/deliveries?limit=1")).json()
    rest = (await desk.api("GET", f"/webhooks/desk/deliveries?cursor={first['next_cursor']}")).json()
    rows = [*first["items"], *rest["items"]]
    assert {row["type"] for row in rows} >= {"ticket.opened", "ticket.assigned"}
    assert {(row["state"], row["ticket"], row["tries"]) for row in rows} == {("queued", ticket.number, 0)}
    place = f"/webhooks/desk/deliveries/{rows[0]['id']}"
    detail = (await desk.api("GET", place)).json()
    assert detail["body"]["data"]["ticket"]["number"] == ticket.number
    assert detail["attempts"] == []
    await desk.api("GET", place.replace("desk", "other"), expect=404)
    await desk.api("GET", "/webhooks/desk/deliveries/nonsense", expect=422)
    await desk.api("POST", f"{place}/replay", expect=409)
    await desk.api("PATCH", "/webhooks/desk", json={"active": False})
    stopped = (await desk.api("GET", "/webhooks/desk/deliveries?state=stopped")).json()["items"]
    assert len(stopped) == len(rows)
    await desk.api("POST", f"{place}/replay", expect=409)
    await desk.api("POST", "/webhooks/desk/test", expect=409)
    await desk.api("PATCH", "/webhooks/desk", json={"active": True})
    assert (await desk.api("POST", f"{place}/replay", expect=202)).json()["replays"] == 1
    span = {"since": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"}
    again = (await desk.api("POST", "/webhooks/desk/replay", json=span, expect=202)).json()
    assert again == {"replayed": len(rows) - 1, "more": False}
    backwards = {"since": span["until"], "until": span["since"]}
    await desk.api("POST", "/webhooks/desk/replay", json=backwards, expect=422)


async def test_contract_and_page_name_every_event_and_its_example_is_true(desk: Desk) -> None:
    described = (await desk.web.get("/openapi.json")).json()["webhooks"]
    assert described.keys() == {*webhooks.BY_NAME, webhooks.PUSH}
    types = (await desk.api("GET", "/webhooks/event-types")).json()["items"]
    assert [each["name"] for each in types] == list(webhooks.BY_NAME)
    page = (ROOT / "ops/docs/integrator.md").read_text("utf-8")
    for each in webhooks.EVENTS:
        example = f"`{json.dumps(dict(each.example), ensure_ascii=False)}`" if each.example else ""
        assert f"| `{each.name}` | {each.says} | {example} |" in page
    shown = re.search(r"```json\n(\{\s+\"type\": \"ticket\.breached\".*?)```", page, re.S)
    assert shown is not None
    assert json.loads(shown[1]) == webhooks.example_of(webhooks.BY_NAME["ticket.breached"])
    assert all(f"`{name}`" in page for name in PUSHED["data"])


def test_the_page_verifies_in_three_lines(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "ops/docs/integrator.md").read_text("utf-8")
    program = re.search(r"```python\n(.*?)```", page, re.S)
    assert program is not None
    secret = "whsec_" + "QUJD" * 8
    body = json.dumps(webhooks.example_of(webhooks.EVENTS[0]))
    headers = dict(signed_headers("evt_1", datetime.now(UTC), body, [secret]))
    exec(program[1], {"secret": secret, "body": body, "headers": headers})
    assert capsys.readouterr().out == "ticket.opened CS202603020001\n"


def test_endpoints_are_kept_at_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closeloop = CommandLine(tmp_path / "data", monkeypatch, capsys)
    closeloop("migrate")
    made = closeloop("webhook", "add", "desk", "https://hooks.example/in", "--events", "*", "--json")
    assert made.json["secret"].startswith("whsec_")
    assert closeloop("webhook", "add", "desk", "https://hooks.example/in", "--events", "*").code == 1
    inside = closeloop("webhook", "add", "inside", "https://10.0.0.1/", "--events", "*")
    assert inside.code == 2
    assert "CLOSELOOP_WEBHOOK_NETWORKS" in inside.err
    assert closeloop("webhook", "test", "desk", "--json").json["delivery"]
    (told,) = closeloop("webhook", "log", "desk", "--json").json
    assert (told["type"], told["state"]) == ("test", "queued")
    assert closeloop("webhook", "rotate", "desk").out.startswith("whsec_")
    closeloop("webhook", "disable", "desk")
    (row,) = closeloop("webhook", "list", "--json").json
    assert (row["state"], row["host"]) == ("off (by_staff)", "hooks.example")
    assert "secret" not in row
    closeloop("webhook", "enable", "desk")
    assert closeloop("webhook", "replay", "desk", "--json").json == {"replayed": 0}
    assert closeloop("webhook", "replay", "desk", "--since", "yesterday").code == 2
    closeloop("webhook", "delete", "desk")
    assert closeloop("webhook", "list", "--json").json == []
