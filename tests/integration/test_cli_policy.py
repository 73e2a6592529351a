"""`closeloop policy`: mistakes with their lines, differences in words, a change beside a running service."""

from __future__ import annotations

import base64
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.crypto import new_key
from tests.command_line import COMMAND, CommandLine, environment, running
from tests.conftest import Backend
from workers.policy import load_policy

TEXT = load_policy("support-response").version_text


@pytest.fixture
def closeloop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    return CommandLine(tmp_path / "data", monkeypatch, capsys)


def written(folder: Path, name: str, *changes: tuple[str, str]) -> str:
    text = TEXT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_check_says_all_mistakes_of_all_files_at_once(closeloop: CommandLine, tmp_path: Path) -> None:
    bad = written(tmp_path, "bad.toml", ('high = "4h"', 'high = "4 hours"'), ("hold =", "hodl ="))
    odd = written(tmp_path, "odd.toml", ('first_response = "30m"', 'first_response = "5h"'))
    answer = closeloop("policy", "check", bad, odd, "nowhere.toml", "--json")
    assert answer.code == 2
    found = answer.json["findings"]
    lines = Path(bad).read_text(encoding="utf-8").splitlines()
    told = {lines[each["line"] - 1].strip()[:12]: each for each in found if each["file"] == bad}
    assert {'high = "4 hours"'[:12], 'hodl = "2m" '[:12]} <= set(told)
    assert told['hodl = "2m" '[:12]]["hint"] == "did you mean hold?"
    warned = [each for each in found if each["file"] == odd]
    assert {each["result"] for each in warned} == {"warning"}
    assert any("not shorter than the limit of urgent, high" in each["message"] for each in warned)
    (missing,) = [each for each in found if each["file"] == "nowhere.toml"]
    assert missing["result"] == "bad"
    said = closeloop("policy", "check", odd)
    assert said.code == 0
    assert "odd.toml, line " in said.out


def test_diff_compares_files_without_an_installation_and_in_both_languages(
    closeloop: CommandLine, tmp_path: Path
) -> None:
    mine = written(tmp_path, "mine.toml", ('high = "4h"', 'high = "2h"'))
    said = closeloop("policy", "diff", "support-response", mine, "--locale", "en")
    assert (said.code, "first response, high: 4h → 2h" in said.out) == (0, True)
    assert "首次响应,高: 4h → 2h" in closeloop("policy", "diff", "support-response", mine).out
    (change,) = closeloop("policy", "diff", "support-response", mine, "--json").json["changes"]
    assert (change["place"], change["before"]) == (["limits", "first_response", "high"], "4h")
    assert closeloop("policy", "diff", mine, mine, "--json").json["changes"] == []


def test_a_service_that_runs_takes_up_an_applied_policy_and_keeps_it(
    closeloop: CommandLine, tmp_path: Path
) -> None:
    data = str(closeloop.data)
    mine = written(tmp_path, "mine.toml", ('medium = "8h"', 'medium = "4h"'))
    serve = ("up", "--json", "--http", "127.0.0.1:0", "--data", data)
    with running(tmp_path, *serve, POLICY="support-response") as service:
        api = _api(service.ready["url"], data)
        number = _open(api, 1)
        before = _limit(api, number)
        said = closeloop("policy", "diff", mine, "--json")
        assert len(said.json["changes"]) == 1
        tried = closeloop("policy", "apply", mine, "--dry-run", "--json").json
        assert (tried["tickets"], tried["new"]) == (1, True)
        assert _limit(api, number) == before
        refused = closeloop("policy", "apply", written(tmp_path, "bad.toml", ("hold =", "hodl =")))
        assert (refused.code, "did you mean hold?" in refused.err) == (2, True)
        applied = closeloop("policy", "apply", mine, "--by", "carol", "--reason", "busy", "--json").json
        assert (applied["ok"], applied["tickets"], applied["change"]["by"]) == (True, 1, "carol")
        assert _limit(api, number) < before
        _until(lambda: api("GET", "/policy")["digest"] == load_policy(mine, zone=_zone()).digest)
        shown = api("GET", "/policy")
        assert (shown["made_by"], shown["reason"], shown["judged_by_others"]) == ("carol", "busy", 0)
        kinds = [entry["kind"] for entry in api("GET", f"/tickets/{number}")["log"]]
        assert "policy_changed" in kinds
        assert service.stop() == 0
    with running(tmp_path, *serve, POLICY="support-response") as service:
        assert "it counts, not CLOSELOOP_POLICY=support-response" in service.ready["policy"]
        assert _api(service.ready["url"], data)("GET", "/policy")["made_by"] == "carol"


def test_the_same_policy_is_applied_once_on_either_database(
    closeloop: CommandLine, tmp_path: Path, backend: Backend
) -> None:
    closeloop.set(DATABASE_URL=backend.database_url, BROKER_URL=backend.broker_url)
    closeloop.set(SECRET_KEYS=f"test:{base64.b64encode(new_key()).decode()}")
    mine = written(tmp_path, "mine.toml", ('medium = "8h"', 'medium = "4h"'))
    tried = closeloop("policy", "apply", mine, "--dry-run", "--json").json
    assert (tried["new"], tried["dry_run"], tried["change"]["number"]) == (True, True, 1)
    said = closeloop("policy", "apply", mine, "--locale", "en")
    assert "first response, medium: 8h → 4h" in said.out
    assert "support-response is in force for all processes" in said.out
    again = closeloop("policy", "apply", mine, "--json").json
    assert (again["new"], again["changes"], again["change"]["number"]) == (False, [], 1)


def test_an_application_that_is_killed_is_given_again(closeloop: CommandLine, tmp_path: Path) -> None:
    closeloop.set(MODE="test")
    data = str(closeloop.data)
    with running(tmp_path, "up", "--json", "--http", "127.0.0.1:0", "--data", data) as service:
        api = _api(service.ready["url"], data)
        for number in range(120):
            _open(api, number)
        assert service.stop() == 0
    mine = written(tmp_path, "mine.toml", ('medium = "8h"', 'medium = "4h"'))
    killed = subprocess.Popen(
        [COMMAND, "policy", "apply", mine, "--json", "--data", data],
        env=environment({}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _until(lambda: killed.poll() is not None or _logged(data) > 0)
    killed.send_signal(signal.SIGKILL)
    killed.wait(60)
    applied = closeloop("policy", "apply", mine, "--json").json
    assert (applied["ok"], applied["new"]) == (True, False)
    assert _logged(data) == 120
    assert closeloop("policy", "apply", mine, "--json").json["tickets"] == 0
    assert _logged(data) == 120


def _zone() -> str:
    from workers.settings import load_settings

    return load_settings({"CLOSELOOP_SECRET_KEYS": "a:" + "A" * 43 + "="}, Path("/nowhere")).timezone


def _api(url: str, data: str) -> Callable[..., Any]:
    from workers.settings import known_secrets

    key = known_secrets(Path(data))["CLOSELOOP_API_KEY"]

    def call(method: str, path: str, body: Any = None) -> Any:
        answer = httpx.request(
            method,
            f"{url}/api/v1{path}",
            json=body,
            headers={"Authorization": f"Bearer {key}"},
            trust_env=False,
            timeout=60,
        )
        assert answer.is_success, answer.text
        return answer.json()

    return call


def _open(api: Callable[..., Any], customer: int) -> str:
    contact = {"email": f"customer{customer}@163.example"}
    body = {"contact": contact, "subject": "Order", "description": "help", "priority": "medium"}
    return str(api("POST", "/tickets", body)["number"])


def _limit(api: Callable[..., Any], number: str) -> str:
    rows = api("GET", f"/deadlines?kind=first_response&ticket={number}")["items"]
    return str(next(row["limit_at"] for row in rows if row["ticket"] == number))


def _logged(data: str) -> int:
    """How many tickets' logs tell of a change of policy."""
    (base,) = Path(data).glob("*.db")
    with sqlite3.connect(base, timeout=30) as connection:
        rows = connection.execute(
            "SELECT count(*), count(DISTINCT ticket_id) FROM ticket_entries WHERE kind = 'policy_changed'"
        ).fetchone()
    connection.close()
    assert rows[0] == rows[1]
    return int(rows[0])


def _until(condition: Callable[[], bool], seconds: float = 150) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
