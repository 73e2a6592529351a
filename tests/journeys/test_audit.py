"""Who saw and changed what is written down and sealed; what is tampered with is found and named."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import IntegrityError
from structlog.testing import capture_logs

from models.people import Customer
from models.privacy import AuditEntry, Erasure
from models.tickets import Ticket
from models.vocabulary import TicketState
from tests.command_line import CommandLine
from tests.conftest import Backend
from tests.factories import all_of, make_desk, make_ticket
from tests.house import open_house
from tests.journeys.test_sign_in import CAROL, browser, mailed, signed_in
from workers import audit
from workers.audit import sealing
from workers.cli.app import make_app
from workers.cli.audited import COMMANDS
from workers.privacy import retention
from workers.privacy.ages import PATIENCE, ages
from workers.privacy.erasing import erase
from workers.privacy.retention import purge_more
from workers.purge import Housekeeping
from workers.unit_of_work import Workshop

pytestmark = pytest.mark.anyio


async def test_views_changes_and_refusals_are_noted_once_and_cheaply(backend: Backend) -> None:
    async with make_desk(backend) as desk:
        ticket = await make_ticket(desk.workshop)
        own = ticket.number
        for _ in range(3):
            await desk.api("GET", f"/tickets/{own}", by="AM001")
        await desk.api("GET", "/staff", by="AM001")
        await desk.api("GET", "/keys", by="CS001", expect=403)
        await desk.api("GET", "/customers/13800005678", by="AM001", expect=404)
        assert await all_of(desk.workshop, AuditEntry) == [], "views wait for company"
        await desk.api("PATCH", f"/tickets/{own}", by="AM001", json={"priority": "high"})
        await desk.web.get("/api/v1/tickets", headers={"Authorization": "Bearer wrong"})
        await desk.api("GET", "/communications/export", by="AM001")
        rows = await all_of(desk.workshop, AuditEntry)
        assert [(row.kind, row.action, row.subject) for row in rows] == [
            ("view", "GET /api/v1/tickets/{number}", own),
            ("denied", "GET /api/v1/keys", None),
            ("change", "PATCH /api/v1/tickets/{number}", own),
            ("denied", "GET /api/v1", None),
            ("export", "GET /api/v1/communications/export", None),
        ]
        await desk.api("GET", "/audit", by="AM001", expect=403)
        seen = (await desk.api("GET", "/audit?kind=change", by="QA001")).json()["items"]
        assert [(each["staff"], each["subject"]) for each in seen] == [("AM001", own)]
        page = (await desk.api("GET", "/audit?limit=2", by="QA001")).json()
        rest = (await desk.api("GET", f"/audit?cursor={page['next_cursor']}", by="QA001")).json()["items"]
        assert len(page["items"]) == 2
        assert {each["id"] for each in page["items"]}.isdisjoint(each["id"] for each in rest)


async def test_signing_in_is_noted_without_its_token(backend: Backend) -> None:
    async with open_house(backend) as house, browser(house) as web:
        token = await signed_in(house, web, CAROL)
        link, _ = await mailed(house, CAROL)
        for _ in range(2):
            assert (await web.get("/console/tickets")).status_code == 200
        quiet = await web.get("/console", headers={"X-Quiet-Refresh": "1"})
        assert quiet.status_code == 200
        noted = (await house.api("GET", "/audit?staff=SV001"))["items"]
        assert [(each["kind"], each["action"]) for each in reversed(noted)] == [
            ("sign_in", "POST /console/sign-in/{token}"),
            ("view", "GET /console/tickets"),
        ]
        assert "httpx" in noted[-1]["details"]["browser"]
        assert not {token, link.rpartition("/")[2]} & set(str(noted).replace("'", " ").split())


async def _sealed(workshop: Workshop, count: int) -> None:
    """So many entries under seals of three each, a day apart."""
    async with workshop.begin() as uow:
        at = uow.clock.now()
        await audit.write(
            uow,
            [
                audit.Noted(
                    at=at, kind="view", action="GET /x", subject=f"CS{n}", details={"from": "192.0.2.1"}
                )
                for n in range(count)
            ],
        )
    await audit.seal(workshop)


async def _findings(workshop: Workshop, heads: dict[int, str] | None = None) -> list[tuple[str, Any]]:
    async with workshop.read() as uow:
        return [(one.what, one.seal) for one in (await audit.verify(uow, heads)).findings]


async def test_what_is_tampered_with_is_found(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sealing, "MOST", 3)
    file = tmp_path / "heads"
    async with make_desk(backend, audit_heads=file) as desk:
        workshop = desk.workshop
        for _ in range(3):
            await _sealed(workshop, 2)
            desk.clock.advance(timedelta(days=1))
        await asyncio.gather(_sealed(workshop, 2), _sealed(workshop, 2))
        heads = sealing.read_heads(file.read_text().splitlines())
        assert await _findings(workshop, heads) == []
        rows = await all_of(workshop, AuditEntry)
        assert {row.seal for row in rows} == set(heads)
        await _refused(workshop)
        # Erasing what is personal of whoever looked breaks nothing.
        async with workshop.begin() as uow:
            await uow.session.execute(
                update(AuditEntry).where(AuditEntry.id == rows[0].id).values(details_sealed=None)
            )
        assert await _findings(workshop, heads) == []
        await _without_triggers(workshop)
        for sql, found in (
            ("UPDATE audit_entries SET subject = 'CS9' WHERE id = :one", ("changed", 1)),
            ("UPDATE audit_entries SET details_sealed = :other WHERE id = :two", ("details", 2)),
            ("DELETE FROM audit_entries WHERE id = :three", ("removed", 2)),
            (
                "INSERT INTO audit_entries (id, at, kind, action, seal) "
                "SELECT :new, at, kind, action, 2 FROM audit_entries WHERE id = :four",
                ("inserted", 2),
            ),
            (
                "INSERT INTO audit_entries (id, at, kind, action) "
                "SELECT :late, at, kind, action FROM audit_entries WHERE id = :one",
                ("late", None),
            ),
            ("UPDATE audit_seals SET rows = 9 WHERE number = 3", ("seal_changed", 3)),
            ("UPDATE audit_seals SET leaves = NULL WHERE number = 3", ("seal_emptied", 3)),
        ):
            before = set(await _findings(workshop, heads))
            await _tamper(workshop, sql, rows)
            assert found in set(await _findings(workshop, heads)) - before, sql
        last = max(heads)
        await _tamper(workshop, f"DELETE FROM audit_entries WHERE seal = {last}", rows)
        await _tamper(workshop, f"DELETE FROM audit_seals WHERE number = {last}", rows)
        assert ("seal_missing", last) in await _findings(workshop, heads)
        assert ("seal_missing", last) not in await _findings(workshop), "only heads kept elsewhere tell"


async def _refused(workshop: Workshop) -> None:
    """With its triggers the database refuses all of that."""
    for sql in (
        "UPDATE audit_entries SET subject = 'x'",
        "UPDATE audit_entries SET seal = NULL",
        "DELETE FROM audit_entries",
        "UPDATE audit_seals SET rows = 0",
        "DELETE FROM audit_seals",
    ):
        with pytest.raises(IntegrityError):
            async with workshop.begin() as uow:
                await uow.session.execute(text(sql))


async def _without_triggers(workshop: Workshop) -> None:
    names = ("audit_entries_stay", "audit_entries_no_delete", "audit_seals_stay", "audit_seals_no_delete")
    async with workshop.begin() as uow:
        for name in names:
            table = name.partition("_stay")[0].partition("_no_")[0]
            on = f" ON {table}" if uow.session.get_bind().dialect.name == "postgresql" else ""
            await uow.session.execute(text(f"DROP TRIGGER {name}{on}"))


async def _tamper(workshop: Workshop, sql: str, rows: list[AuditEntry]) -> None:
    async with workshop.begin() as uow:
        sqlite = uow.session.get_bind().dialect.name == "sqlite"
        ids = dict(zip(("one", "two", "three", "four"), rows[1:5], strict=True))
        known: dict[str, Any] = {name: row.id.hex if sqlite else row.id for name, row in ids.items()}
        known["new"], known["late"] = (
            (new.hex if sqlite else new)
            for new in (audit.Noted(at=rows[0].at, kind="", action="").ident for _ in "ab")
        )
        known["other"] = rows[-1].details_sealed
        used = {name: value for name, value in known.items() if f":{name}" in sql}
        await uow.session.execute(text(sql), used)


def test_commands_are_noted_and_the_log_is_read_exported_and_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closeloop = CommandLine(tmp_path / "data", monkeypatch, capsys)
    assert closeloop("migrate").code == 0
    assert closeloop("purge").code == 0
    assert closeloop("erase", "nobody@x.example").code == 1
    (noted,) = closeloop("audit", "list", "--json").json
    assert (noted["kind"], noted["action"]) == ("command", "closeloop purge")
    assert "closeloop purge" in closeloop("audit", "export").out
    checked = closeloop("audit", "verify", "--json").json
    assert (checked["ok"], checked["unsealed"]) == (True, 2)
    assert closeloop("audit", "list", "--kind", "stroll").code == 2
    heads = tmp_path / "heads"
    heads.write_text(json.dumps({"number": 4, "digest": "ab"}) + "\n")
    missing = closeloop("audit", "verify", "--heads", str(heads))
    assert (missing.code, "seal_missing: seal 4" in missing.out) == (1, True)
    heads.write_text("[]\n")
    assert closeloop("audit", "verify", "--heads", str(heads)).code == 2


async def test_old_entries_go_by_age_and_the_chain_holds(backend: Backend) -> None:
    async with make_desk(
        backend, keep_audit_days=40, keep_audit_details_days=10, keep_customers_days=30
    ) as desk:
        workshop = desk.workshop
        ticket = await make_ticket(workshop)
        await _sealed(workshop, 2)
        desk.clock.advance(timedelta(days=35))
        await _sealed(workshop, 2)
        assert (await purge_more(workshop, dry_run=True))["audit_addresses"] == 2
        late = {each.what: each.oldest for each in await ages(workshop) if each.late}
        assert late == {"audit_addresses": desk.clock.now() - timedelta(days=35)}
        assert (await purge_more(workshop))["audit_addresses"] == 2
        assert [each.what for each in await ages(workshop) if each.late] == []
        assert await _findings(workshop) == []
        desk.clock.advance(timedelta(days=10))
        assert (await purge_more(workshop))["audit"] == 2
        assert len(await all_of(workshop, AuditEntry)) == 2
        assert await _findings(workshop) == []
        assert await all_of(workshop, Erasure) == [], "an open ticket keeps its customer"
        async with workshop.begin() as uow:
            closed = {"state": TicketState.CLOSED, "closed_at": uow.clock.now() - timedelta(days=31)}
            await uow.session.execute(update(Ticket).where(Ticket.id == ticket.id).values(**closed))
        assert (await purge_more(workshop, dry_run=True))["customers"] == 1
        assert (await purge_more(workshop))["customers"] == 1
        (done,) = await all_of(workshop, Erasure)
        assert done.certificate["why"] == "retention"
        assert (await purge_more(workshop))["customers"] == 0


async def test_whoever_writes_while_others_are_erased_by_age_keeps_the_request(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make_desk(backend, keep_customers_days=30) as desk:
        workshop = desk.workshop
        for name in ("anna", "berta", "clara"):
            await make_ticket(workshop, email=f"{name}@customer.example")
        closed = {"state": TicketState.CLOSED, "closed_at": desk.clock.now()}
        async with workshop.begin() as uow:
            await uow.session.execute(update(Ticket).values(**closed))
        desk.clock.advance(timedelta(days=31))
        erased: list[str] = []

        async def beside_it(where: Any, code: str, **how: Any) -> Any:
            erased.append(code)
            if len(erased) == 1:
                await make_ticket(workshop, email="berta@customer.example")
            return await erase(where, code, **how)

        monkeypatch.setattr(retention, "erase", beside_it)
        assert (await purge_more(workshop))["customers"] == 2
        (open_one,) = await all_of(workshop, Ticket, Ticket.state != TicketState.CLOSED)
        (berta,) = await all_of(workshop, Customer, Customer.erased_at.is_(None))
        assert open_one.customer_id == berta.id
        assert len(await all_of(workshop, Erasure)) == 2, "those behind her go all the same"


async def test_a_customer_who_cannot_be_erased_by_age_keeps_no_other_one_and_is_told_of(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make_desk(backend, keep_customers_days=30) as desk:
        workshop = desk.workshop
        for name in ("anna", "berta", "clara", "dora"):
            await make_ticket(workshop, email=f"{name}@customer.example")
        closed = {"state": TicketState.CLOSED, "closed_at": desk.clock.now()}
        async with workshop.begin() as uow:
            await uow.session.execute(update(Ticket).values(**closed))
        anna, berta, *_ = [row.code for row in await all_of(workshop, Customer)]
        desk.clock.advance(timedelta(days=30, minutes=1))
        broken = {anna: ValueError("no such key"), berta: IntegrityError("DELETE", {}, Exception("kept by"))}

        async def or_fail(where: Any, code: str, **how: Any) -> Any:
            if code in broken:
                raise broken[code]
            return await erase(where, code, **how)

        monkeypatch.setattr(retention, "erase", or_fail)
        monkeypatch.setattr(retention, "BATCH", 2)  # they fill what is looked at together
        keeping = Housekeeping(workshop, more=purge_more)
        with capture_logs() as lines:
            await keeping.round()
        told = [
            (line["customer"], line["log_level"]) for line in lines if line["event"] == "customer_not_erased"
        ]
        assert told == [(anna, "error"), (berta, "error")]
        left = {row.code for row in await all_of(workshop, Customer, Customer.erased_at.is_(None))}
        assert left == {anna, berta}, "the others have gone in the same round"
        assert [line["customers"] for line in lines if line["event"] == "purged"] == [2]

        assert [each.what for each in await ages(workshop) if each.late] == []
        desk.clock.advance(PATIENCE)
        assert [each.what for each in await ages(workshop) if each.late] == ["customers"], (
            "closeloop doctor says so"
        )
        broken.clear()
        assert (await purge_more(workshop))["customers"] == 2
        assert [each.what for each in await ages(workshop) if each.late] == []


def test_every_command_that_is_to_be_noted_exists() -> None:
    app = make_app()
    names = {each.name for each in app.registered_commands}
    for group in app.registered_groups:
        assert group.typer_instance is not None
        names |= {group.name} if group.typer_instance.registered_callback else set()
        names |= {f"{group.name} {each.name}" for each in group.typer_instance.registered_commands}
    assert COMMANDS - names == set()
