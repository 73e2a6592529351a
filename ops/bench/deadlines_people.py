"""The people of the benchmark `deadlines`: teams, staff, and customers with keys of their own."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from models.base import new_id
from models.crypto import Sealer
from models.session import make_engine
from models.vocabulary import Role
from ops.bench.processes import ROOT
from ops.bench.seed import WORDS
from workers.clock import SystemClock
from workers.directory import ensure_administrator
from workers.policy import load_policy
from workers.settings import Settings
from workers.unit_of_work import Vault, Workshop

CUSTOMERS = 2_000
TEAMS = 20
AGENTS_PER_TEAM = 5


def always_open(folder: Path) -> Path:
    """A policy as the ready-made one, with a desk that never closes: written into `folder`.

    Otherwise a run at night would tell of breaches in tomorrow's digest, and one by day at once.
    """
    text = (ROOT / "ops/policies/support-response.toml").read_text()
    opened, days = re.subn(r"^(\w+day) *= \[.*?\]$", r'\1 = ["00:00-24:00"]', text, flags=re.M)
    assert days == 7
    path = folder / "always-open.toml"
    path.write_text(re.sub(r'^holidays = "auto"', 'holidays = "none"', opened, flags=re.M))
    return path


@dataclass(frozen=True, slots=True)
class Desk:
    """What rows refer to; `customers`: ids of key and customer, sealed subject, description, thread."""

    policy_version_id: UUID
    customers: Sequence[tuple[UUID, UUID, bytes, bytes, bytes]]
    teams: Sequence[UUID]
    agents: Sequence[UUID]
    now: datetime


async def people(settings: Settings) -> tuple[Desk, Mapping[str, list[dict[str, Any]]]]:
    """The installation's own rows are made as at its first start; staff and customers are given as rows."""
    engine = make_engine(settings.database_url)
    vault = Vault(settings.secret_keys)
    workshop = Workshop(
        engine, None, SystemClock(), vault, settings, load_policy(settings.policy), lambda bells: None
    )
    try:
        await workshop.take_up_policy()
        async with workshop.begin() as uow:
            await ensure_administrator(uow)
        version = workshop.policies.version_id
        assert version is not None
    finally:
        await engine.dispose()
    return _rows(vault, version)


def _rows(vault: Vault, version: UUID) -> tuple[Desk, Mapping[str, list[dict[str, Any]]]]:
    now = datetime.now(UTC)
    teams = [new_id() for _ in range(TEAMS)]
    heads = [new_id() for _ in range(TEAMS)]
    staff = [
        _person(f"AM{number:03}", who, team, Role.SUPERVISOR)
        for number, (who, team) in enumerate(zip(heads, teams, strict=True))
    ]
    staff += [
        _person(f"CS{number:03}", new_id(), team, Role.AGENT)
        for number, team in enumerate(itertools.chain(*[teams] * AGENTS_PER_TEAM))
    ]
    agents = [row["id"] for row in staff if row["role"] == Role.AGENT.value]
    keys, customers, known = [], [], []
    for place in range(CUSTOMERS):
        key, sealer = vault.make_key()
        row = _customer(vault, sealer, place, now) | {"data_key_id": key["id"]}
        subject, _, description, _, _ = WORDS[row["locale"]]
        keys.append(key)
        customers.append(row)
        known.append(
            (
                key["id"],
                row["id"],
                sealer.seal(subject, "tickets.subject"),
                sealer.seal(description, "tickets.description"),
                sealer.seal(json.dumps([f"<CAF{place:06}@mail.example.net>"]), "tickets.thread"),
            )
        )
    team_rows = [
        {"id": team, "name": f"team {number}", "supervisor_id": head}
        for number, (team, head) in enumerate(zip(teams, heads, strict=True))
    ]
    tables = {"teams": team_rows, "staff": staff, "data_keys": keys, "customers": customers}
    return Desk(version, known, teams, agents, now), tables


def _person(number: str, ident: UUID, team: UUID, role: Role) -> dict[str, Any]:
    return {
        "id": ident,
        "number": number,
        "name": f"Person {number}",
        "email": f"{number.lower()}@bench.example.com",
        "role": role.value,
        "team_id": team,
    }


def _customer(vault: Vault, sealer: Sealer, place: int, now: datetime) -> dict[str, Any]:
    locale = ("en", "zh_CN")[place % 2]
    address = f"customer.{place:06}@example.net"
    return {
        "id": new_id(),
        "code": f"C{place:06}",
        "created_at": now,
        "name_sealed": sealer.seal(WORDS[locale][1], "customers.name"),
        "email_sealed": sealer.seal(address, "customers.email"),
        "email_hash": vault.lookup("email", address),
        "masked": "Ms * (5678)",
        "locale": locale,
    }
