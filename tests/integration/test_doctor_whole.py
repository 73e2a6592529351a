"""`closeloop doctor`: looks at everything, sends nothing, says of each trouble what to do."""

from __future__ import annotations

import base64
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from sqlalchemy import create_engine, insert

from models.base import new_id
from models.crypto import new_key
from models.deadlines import Errand
from models.session import migrate
from models.vocabulary import Lane
from tests.command_line import CommandLine
from tests.conftest import Backend
from tests.fakes import ManualClock
from tests.fakes_dns import name_server
from tests.fakes_smtp import Script, ThreadedSmtp, refuse
from tests.workbench import beside, event_due, workshop_on
from workers.settings import ensure_secrets, load_settings
from workers.settings.own_secrets import FILE_NAME

DOMAIN = "help.example"
GOOD = {
    (DOMAIN, "MX"): ["10 mx.help.example."],
    (DOMAIN, "TXT"): ['"google-site-verification=x"', '"v=spf1 include:_spf.example ~all"'],
    (f"_dmarc.{DOMAIN}", "TXT"): ['"v=DMARC1; p=quarantine; " "rua=mailto:d@help.example"'],
}


@pytest.fixture
def closeloop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    """The command line on a folder with secrets and an empty database."""
    line = CommandLine(tmp_path / "data", monkeypatch, capsys)
    ensure_secrets(line.data)
    migrate(f"sqlite+aiosqlite:///{line.data}/closeloop.db")
    line.set(MAIL_FROM=f"support@{DOMAIN}")
    monkeypatch.setattr("workers.cli.examining.dns_records.SECONDS", 60.0)
    return line


def _findings(said: Any, about: str) -> list[tuple[str, str]]:
    return [(one["result"], one["words"]) for one in said.json["findings"] if one["about"] == about]


def _told(closeloop: CommandLine, about: str, *words: str) -> list[tuple[str, str]]:
    return _findings(closeloop("doctor", "--json", *words), about)


def test_an_installation_in_order_is_told_so_and_nothing_is_sent(closeloop: CommandLine) -> None:
    with name_server(GOOD) as server, ThreadedSmtp() as relay:
        closeloop.set(SMTP_URL=relay.url, ADMIN="boss@help.example")
        said = closeloop("doctor", "--json", "--nameserver", server)
        assert said.code == 0, said.out
        assert {one["about"] for one in said.json["findings"]} >= {
            *("disk", "keys", "database", "broker", "clock", "rows", "relay", "dns")
        }
        assert [words for result, words in _findings(said, "dns") if result != "good"] == []
        assert relay.mails == []
        shown = closeloop("doctor", "--nameserver", server)
        assert "rows: everything that is due is worked off" in shown.out


def test_a_database_that_others_may_read_is_told_of_and_none_is_made_so(closeloop: CommandLine) -> None:
    file = closeloop.data / "closeloop.db"
    assert file.stat().st_mode & 0o777 == 0o600
    assert not any("may be read" in words for _, words in _told(closeloop, "database"))
    file.chmod(0o640)
    assert ("warning", f"{file} may be read by others (mode 0640)") in _told(closeloop, "database")
    migrate(f"sqlite+aiosqlite:///{file}")
    assert file.stat().st_mode & 0o777 == 0o640, "who gave it to a group meant that"


def test_records_that_lack_or_contradict_are_named_with_what_to_publish(closeloop: CommandLine) -> None:
    bad = {
        (DOMAIN, "MX"): ["0 ."],
        (DOMAIN, "TXT"): ['"v=spf1 +all"', '"v=spf1 mx -all"'],
    }
    with name_server(bad) as server:
        said = closeloop("doctor", "--nameserver", server)
    assert said.code == 1
    for words in ("takes no mail (MX .)", "has 2 SPF records", "has no DMARC record", "_dmarc.help.example"):
        assert words in " ".join(said.out.split())
    for record, words in (
        ("v=spf1 +all", "lets everybody send"),
        ("v=spf1 mx", "says nothing of others"),
        (f"v=spf1 {' '.join(f'include:{n}.example' for n in range(11))} -all", "needs 11 look-ups"),
    ):
        with name_server({**GOOD, (DOMAIN, "TXT"): [f'"{record}"']}) as server:
            assert words in str(_told(closeloop, "dns", "--nameserver", server))


@pytest.mark.parametrize(
    ("changed", "result", "words"),
    [
        ({(DOMAIN, "TXT"): []}, "bad", "has no SPF record"),
        (
            {(DOMAIN, "MX"): [], (DOMAIN, "A"): ["192.0.2.1"]},
            "warning",
            "has no MX; mail goes to its address",
        ),
        ({(DOMAIN, "MX"): [], (DOMAIN, "AAAA"): ["2001:db8::1"]}, "warning", "has no MX"),
        ({(DOMAIN, "MX"): []}, "bad", "has neither MX nor address"),
        ({(f"_dmarc.{DOMAIN}", "TXT"): ['"v=DMARC1; p=none"']}, "good", f"DMARC of {DOMAIN}: none"),
    ],
)
def test_each_record_that_lacks_is_weighed(
    closeloop: CommandLine, changed: dict[tuple[str, str], list[str]], result: str, words: str
) -> None:
    with name_server({**GOOD, **changed}) as server:
        told = _told(closeloop, "dns", "--nameserver", server)
    assert [found for found, said in told if words in said] == [result], told
    assert [found for found, said in told if words not in said and found != "good"] == []


def test_the_published_dkim_key_must_be_ours(closeloop: CommandLine, tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    path = tmp_path / "dkim.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    path.chmod(0o600)
    closeloop.set(DKIM=f"sel:{path}")
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    ours = base64.b64encode(raw).decode()
    name = f"sel._domainkey.{DOMAIN}"
    for published, words in (
        ([f'"v=DKIM1; k=ed25519; p={ours[:20]}" "{ours[20:]}"'], "publishes our key"),
        (['"v=DKIM1; p=MIIBIjANBg"'], "publishes another key"),
        ([], "publishes nothing"),
    ):
        with name_server({**GOOD, (name, "TXT"): published}) as server:
            assert words in str(_told(closeloop, "dns", "--nameserver", server))


def test_a_relay_of_ones_own_must_point_back(closeloop: CommandLine) -> None:
    closeloop.set(SMTP_URL=f"smtp://127.0.0.1:1?tls=none smtp://out.{DOMAIN}:1?tls=none")
    zone = {**GOOD, (f"out.{DOMAIN}", "A"): ["127.0.0.9"], ("9.0.0.127.in-addr.arpa", "PTR"): ["host9.isp."]}
    from workers.cli.examining.dns_records import dns_findings
    from workers.cli.opening import find_settings

    with name_server(zone) as server:
        settings = find_settings(closeloop.data)
        assert "PTR of 127.0.0.9 (out.help.example) is host9.isp" in str(list(dns_findings(settings, server)))
    zone[("9.0.0.127.in-addr.arpa", "PTR")] = [f"out.{DOMAIN}."]
    with name_server(zone) as server:
        assert "PTR of 127.0.0.9 is out.help.example" in str(list(dns_findings(settings, server)))


def test_a_silent_name_server_is_no_verdict_about_the_domain(
    closeloop: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.cli.examining.dns_records.SECONDS", 0.2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        found = _told(closeloop, "dns", "--nameserver", f"127.0.0.1:{silent.getsockname()[1]}")
    assert [result for result, _ in found] == ["warning"]


def test_a_refused_login_and_a_closed_port_are_told_without_the_password(closeloop: CommandLine) -> None:
    script = Script(users={"team": "other"}).on("auth", refuse("535 5.7.8 no"))
    with name_server(GOOD) as server, ThreadedSmtp(script) as relay:
        url = f"smtp://team:hush-hush@127.0.0.1:{relay.port}?tls=none"
        closeloop.set(SMTP_URL=f"{url} smtp://127.0.0.1:1?tls=none")
        said = closeloop("doctor", "--nameserver", server)
    assert said.code == 1
    assert "authentication_failed" in said.out
    assert "connection_refused" in said.out or "connection_failed" in said.out
    assert "hush-hush" not in said.out + said.err


def test_secrets_that_others_may_read_are_bad(closeloop: CommandLine) -> None:
    path = closeloop.data / FILE_NAME
    path.chmod(0o644)
    with name_server(GOOD) as server:
        said = closeloop("doctor", "--nameserver", server)
    assert said.code == 1
    assert f"chmod 600 {path}" in " ".join(said.out.split())


def test_a_disk_without_room_is_bad(closeloop: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10**8, "total": 10**10})())
    with name_server(GOOD) as server:
        assert _told(closeloop, "disk", "--nameserver", server)[0][0] == "bad"


def test_a_database_that_is_not_there_or_old_is_told_and_not_made(closeloop: CommandLine) -> None:
    file = closeloop.data / "closeloop.db"
    for each in closeloop.data.glob("closeloop.db*"):
        each.unlink()
    with name_server(GOOD) as server:
        found = _told(closeloop, "database", "--nameserver", server)
    assert found == [("bad", "there is none yet")]
    assert not file.exists()


async def _leave_something_due(settings: Any) -> None:
    url = settings.database_url
    async with (
        workshop_on(url, settings=settings, clock=_earlier()) as workshop,
        workshop.begin() as uow,
    ):
        event_due(uow, uow.clock.now())


def _earlier() -> ManualClock:
    clock = ManualClock()
    clock.advance(timedelta(days=-1))
    return clock


def test_errands_that_fail_again_and_again_are_bad(closeloop: CommandLine) -> None:
    database = f"sqlite:///{closeloop.data}/closeloop.db"
    for key, tries in (("report:1", 3), ("report:2", 2)):
        row = {"id": new_id(), "key": key, "kind": "report", "lane": Lane.BULK, "tries": tries}
        moments = {"due_at": ManualClock().now(), "free_at": datetime.now(UTC) + timedelta(hours=1)}
        engine = create_engine(database)
        with engine.begin() as connection:
            connection.execute(insert(Errand).values({**row, **moments}))
        engine.dispose()
    said = closeloop("doctor", "--json")
    words = "1 rows at errands (bulk) were tried three times and more in vain"
    assert (said.code, ("bad", words) in _findings(said, "rows")) == (1, True)


@pytest.mark.anyio
async def test_rows_nobody_works_off_are_bad_on_both_kinds(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = CommandLine(tmp_path, monkeypatch, capsys)
    line.set(
        SECRET_KEYS=f"k1:{base64.b64encode(new_key()).decode()}",
        DATABASE_URL=backend.database_url,
        BROKER_URL=backend.broker_url,
        MAIL_FROM=f"support@{DOMAIN}",
    )
    import os

    settings = load_settings(dict(os.environ), tmp_path)
    await _leave_something_due(settings)
    with name_server(GOOD) as server:
        said = await beside(lambda: _run(line, server))
    assert said.code == 1
    assert ("bad", True) in [
        (result, "1 rows wait at intake" in words) for result, words in _findings(said, "rows")
    ]
    if backend.broker_url:
        assert {result for result, _ in _findings(said, "clock")} == {"good"}
        assert "PostgreSQL" in str(_findings(said, "database"))
        assert ("good", "Redis answers") in _findings(said, "broker")


async def _run(line: CommandLine, server: str) -> Any:
    import asyncio

    return await asyncio.to_thread(line, "doctor", "--json", "--nameserver", server)


def test_a_clock_that_goes_wrong_is_found_by_a_time_server(closeloop: CommandLine) -> None:
    from workers.cli.examining.clocks import ntp_offset

    with _time_server(ahead=-90.0) as port:
        assert ntp_offset("127.0.0.1", port) == pytest.approx(90.0, abs=5.0)
    with _time_server(ahead=0.0, stratum=0) as port, pytest.raises(ValueError, match="no answer"):
        ntp_offset("127.0.0.1", port)  # "kiss of death": it tells us to go away


@contextmanager
def _time_server(ahead: float, stratum: int = 2) -> Iterator[int]:
    """An SNTP server on loopback whose clock is `ahead` of this machine's, in seconds; answers once."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind(("127.0.0.1", 0))

        def serve() -> None:
            _, caller = door.recvfrom(512)
            moment = time.time() + ahead + 2_208_988_800
            stamp = struct.pack("!II", int(moment), int(moment % 1 * 2**32))
            door.sendto(bytes((0x24, stratum)) + bytes(30) + stamp + stamp, caller)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield door.getsockname()[1]
        thread.join(5)
