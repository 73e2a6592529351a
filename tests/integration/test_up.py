"""`closeloop up` and the separate processes: started as operators start them, and quiet about customers."""

from __future__ import annotations

import base64
import json
import signal
import time
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from pathlib import Path
from smtplib import SMTP
from typing import Any

import httpx
import pytest

from models.crypto import new_key
from tests.command_line import Running, running
from tests.conftest import Backend
from tests.fakes_smtp import Script, ThreadedSmtp, refuse
from tests.servers import free_port

SUPPORT = "support@help.example"
AGENT = "wang.fang@help.example"
CUSTOMER = "lina.private@163.example"
PRIVATE = ("lina.private", "李娜", "13800005678", "独角兽", "unicorn-subject")


def _mail() -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = f"李娜 <{CUSTOMER}>"
    mail["To"], mail["Subject"], mail["Message-ID"] = SUPPORT, "unicorn-subject", "<77@163.example>"
    mail.set_content("我是李娜，电话 13800005678，独角兽不工作了。")
    return mail


def _until(
    condition: Callable[[], bool], seconds: float = 120, *, while_running: Sequence[Running] = ()
) -> None:
    end = time.monotonic() + seconds
    while not condition():
        for service in while_running:
            assert service.process.poll() is None, f"ended by itself:\n{service.log.read_text()}"
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def _secrets(file: str) -> dict[str, str]:
    lines = (line for line in Path(file).read_text().splitlines() if line.startswith("CLOSELOOP_"))
    return dict(line.removeprefix("CLOSELOOP_").split("=", 1) for line in lines)


def test_up_starts_on_an_empty_folder_and_again_on_a_full_one(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for _ in range(2):
        with running(tmp_path, "up", "--json", "--http", "127.0.0.1:0", "--data", str(data)) as service:
            assert service.ready["mode"] == "test"
            assert Path(service.ready["secrets"]).stat().st_mode & 0o777 == 0o600
            assert httpx.get(f"{service.ready['url']}/readyz", trust_env=False, timeout=60).status_code == 200
            assert service.stop() == 0
        assert service.log.read_text() == "", "at its usual level it has nothing to tell"


def test_a_taken_port_is_told_in_one_line(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    with running(tmp_path, "up", "--json", "--http", "127.0.0.1:0", "--data", data) as first:
        port = first.ready["listening"].rpartition(":")[2]
        elsewhere = tmp_path / "second"
        with running(
            elsewhere, "up", "--http", f"127.0.0.1:{port}", wait=False, DATA=str(elsewhere)
        ) as second:
            assert second.process.wait(120) == 1
        assert first.stop() == 0
    said = second.log.read_text()
    assert port in said
    assert "Traceback" not in said


def test_nothing_of_a_customer_stands_in_the_log(tmp_path: Path) -> None:
    data = tmp_path / "data"
    # The relay quotes the recipient in its refusal, as relays do.
    script = Script().on("rcpt", refuse(f"550 5.1.1 <{CUSTOMER}> 李娜 is unknown here"), recipient=CUSTOMER)
    with ThreadedSmtp(script) as relay:
        settings: dict[str, Any] = {
            "MODE": "live",
            "SMTP_URL": relay.url,
            "MAIL_FROM": SUPPORT,
            "PUBLIC_URL": "http://127.0.0.1:8000",
            "ADMIN": AGENT,
            "LOG_LEVEL": "debug",
        }
        doors = ("--http", "127.0.0.1:0", "--smtp-intake", "127.0.0.1:0")
        with running(tmp_path, "up", "--json", *doors, "--data", str(data), **settings) as service:
            secrets = _secrets(service.ready["secrets"])
            raw = _mail().as_bytes()
            headers = {"Authorization": f"Bearer {secrets['HOOK_TOKEN']}", "X-Envelope-To": SUPPORT}
            url = service.ready["listening"]
            assert httpx.post(
                f"{url}/hooks/email/raw", content=raw, headers=headers, trust_env=False, timeout=60
            ).is_success
            host, port = service.ready["smtp_intake"].split(":")
            with SMTP(host, int(port), timeout=60) as door:
                door.sendmail(CUSTOMER, [SUPPORT], raw.replace(b"<77@", b"<78@"))
            # What cannot be read is told, too: without quoting it.
            broken = (
                b"From: " + CUSTOMER.encode() + b"\r\nX: " + b"unicorn-subject " * 300_000 + b"\r\n\r\nx\r\n"
            )
            httpx.post(f"{url}/hooks/email/raw", content=broken, headers=headers, trust_env=False, timeout=60)
            api = {"Authorization": f"Bearer {secrets['API_KEY']}"}
            httpx.post(
                f"{url}/api/v1/tickets", json={"contact": {"phone": "13800005678x"}}, headers=api, timeout=60
            )
            _until(lambda: sum(mail.recipient == AGENT for mail in relay.mails) >= 2)
            _until(lambda: "event_poisoned" in service.log.read_text())
            assert service.stop(signal.SIGTERM) == 0
    log = service.log.read_text()
    assert '"logger": "dramatiq' in log, "libraries log through the same door"
    for words in PRIVATE:
        assert words not in log
    assert all("event" in json.loads(line) for line in log.splitlines())


@pytest.mark.parametrize("backend", ["postgresql-redis"], indirect=True)
def test_web_worker_and_scheduler_work_as_processes_of_their_own(backend: Backend, tmp_path: Path) -> None:
    with ThreadedSmtp() as relay:
        settings: dict[str, Any] = {
            "SECRET_KEYS": f"k1:{base64.b64encode(new_key()).decode()}",
            "HOOK_TOKEN": "hook-token-0123456789",
            "DATABASE_URL": backend.database_url,
            "BROKER_URL": backend.broker_url,
            "SMTP_URL": relay.url,
            "MAIL_FROM": SUPPORT,
            "ADMIN": AGENT,
            "DATA": str(tmp_path),
        }
        port = free_port()
        with (
            running(tmp_path, "web", "--http", f"127.0.0.1:{port}", wait=False, **settings) as web,
            running(tmp_path, "worker", wait=False, **settings) as worker,
            running(tmp_path, "scheduler", wait=False, **settings) as scheduler,
        ):
            processes = (web, worker, scheduler)
            url = f"http://127.0.0.1:{port}"
            _until(lambda: _answers(f"{url}/healthz"), while_running=processes)
            headers = {"Authorization": "Bearer hook-token-0123456789", "X-Envelope-To": SUPPORT}
            posted = httpx.post(
                f"{url}/hooks/email/raw",
                content=_mail().as_bytes(),
                headers=headers,
                trust_env=False,
                timeout=60,
            )
            assert posted.is_success
            _until(lambda: any(mail.recipient == AGENT for mail in relay.mails), while_running=processes)
            for process in processes:
                assert process.stop(signal.SIGTERM) == 0, process.log.read_text()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=60).is_success
    except httpx.TransportError:
        return False
