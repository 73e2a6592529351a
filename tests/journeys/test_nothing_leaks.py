"""A whole story with real-looking data of a customer; then all but the customer's own mail is searched."""

from __future__ import annotations

import io
import json
import logging
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from models.tables import Base
from tests.conftest import Backend
from tests.house import API_KEY, House, link_in, open_house
from workers.cli.dossier import find_dossier
from workers.cli.logs import set_up_logs

pytestmark = pytest.mark.anyio

MAIL, PHONE, NAME = "zhuge.qing88@kunde-privat.example", "13987650123", "诸葛青岚"
IDENTITY, CARD = "11010119900307721X", "6222021234567890128"
WORDS = "我家的猫叫咕噜噜"
ONLY_THEIRS = (MAIL, "zhuge.qing88", PHONE, "+86" + PHONE, NAME, IDENTITY, CARD)
"""What nobody but the customer may see, in any form."""
TEXT = f"{WORDS}。我是{NAME}，电话{PHONE}，邮箱{MAIL}，身份证{IDENTITY}，卡号{CARD}"
PAGES = (
    "/tickets",
    "/notifications",
    "/surveys",
    "/followups",
    "/communications",
    "/attention",
    "/intake",
    "/suppressions",
    "/blocked-senders",
    "/deadlines",
    "/reports/overdue",
    "/reports/figures?by=staff",
    "/reports/worst-overdue",
    "/audit",
    "/erasures",
    "/customers",
    "/communications/export?format=csv",
    "/communications/export?format=xlsx",
    "/customers/export",
)


async def test_a_customers_data_stand_nowhere_but_in_their_own_mail(
    backend: Backend, capfd: pytest.CaptureFixture[str]
) -> None:
    set_up_logs("debug", people=False)
    async with open_house(backend) as house:
        first = await _story(house)
        shown = await _seen_by_staff(house, first)
        to_staff = [
            str(mail.message) + _parts(mail.message) for mail in house.relay.mails if mail.recipient != MAIL
        ]
        dump = await _dump(house)
        metrics = (await house.web.get("/metrics")).text
        errors = await _errors(house, first)
        _provoke()
    logs = "".join(capfd.readouterr())
    assert len(to_staff) > 5
    assert "咕噜噜" in "".join(to_staff), "staff read what the customer says"
    places = {"logs": logs, "metrics": metrics, "errors": errors, "database": dump}
    found = [
        (place, word) for place, said in places.items() for word in (*ONLY_THEIRS, WORDS) if word in said
    ]
    places = {"mails to staff": "".join(to_staff), **shown}
    found += [(place, word) for place, said in places.items() for word in ONLY_THEIRS if word in said]
    assert found == []
    assert "provoked" in logs
    assert "咕噜噜" in "".join(_parts(mail.message) for mail in house.relay.mails)


async def _story(house: House) -> str:
    """Asked, answered, rung up, resolved, rated, bounced, complained of; by mail, SMS, API and record."""
    await house.mail(MAIL, TEXT, subject=f"{NAME}的问题 {PHONE}", name=NAME)
    first = (await house.ticket()).number
    code = (await house.api("GET", f"/tickets/{first}"))["customer"]["code"]
    handler = (await house.mail_of("assignment")).recipient
    await house.sms("+86" + PHONE, TEXT)
    body = {"channel": "phone", "evidence": f"call of {PHONE}", "note": TEXT}
    await house.api("POST", f"/tickets/{first}/first-response", body, by=handler)
    await house.api("POST", f"/tickets/{first}/accept", {}, by=handler)
    await house.api("POST", f"/tickets/{first}/progress", {"text": TEXT}, by=handler)
    result = {"cause": TEXT, "solution": TEXT, "precautions": TEXT}
    await house.api("POST", f"/tickets/{first}/resolve", result, by=handler)
    await house.pass_time(timedelta(hours=24))
    page = link_in(await house.mail_of("csat_invitation", to=MAIL), "s")
    await house.tap(page, {"overall": "1", "comment": TEXT})
    at = (house.clock.now() + timedelta(hours=9)).isoformat()
    talk = {"channel": "phone", "customer": code, "ticket": first, "next_action": TEXT[:100], "next_at": at}
    words = {"description": TEXT, "summary": TEXT}
    await house.api("POST", "/communications", talk | words, by=handler)
    await house.api("POST", "/suppressions", {"address": MAIL, "channel": "email"}, by="SV001")
    contact = {"email": MAIL, "name": NAME, "phone": PHONE}
    request = {"contact": contact, "subject": TEXT, "description": TEXT, "background": TEXT}
    await house.api("POST", "/tickets", request)
    await house.pass_time(timedelta(hours=30))
    return first


async def _seen_by_staff(house: House, first: str) -> dict[str, str]:
    """All lists, exports and single things, as an agent and as the administrator see them."""
    shown: dict[str, str] = {}
    survey = (await house.api("GET", "/surveys"))["items"][0]["number"]
    for by in ("CS001", "SV001", ""):
        headers = {"Authorization": f"Bearer {API_KEY}"} | ({"X-Acting-Staff": by} if by else {})
        for path in (*PAGES, f"/tickets/{first}", f"/surveys/{survey}"):
            answer = await house.web.get(f"/api/v1{path}", headers=headers)
            assert answer.status_code in (200, 403, 404), f"{path}: {answer.status_code} {answer.text}"
            shown[f"{path} for {by or 'the administrator'}"] = _readable(answer.content)
    async with house.workshop.read() as uow:
        shown["explain"] = str(await find_dossier(uow, first))
    return shown


def _readable(content: bytes) -> str:
    """The text of an answer, of a spreadsheet all its parts."""
    if content[:2] != b"PK":
        return content.decode()
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return "".join(file.read(name).decode("utf-8", "replace") for name in file.namelist())


def _parts(message: Any) -> str:
    return "".join(
        part.get_payload(decode=True).decode("utf-8", "replace")
        for part in message.walk()
        if part.get_content_maintype() == "text"
    )


async def _dump(house: House) -> str:
    """Every value of every table, as it stands there."""
    said: list[str] = []
    async with house.workshop.read() as uow:
        for name in Base.metadata.tables:
            for row in await uow.session.execute(text(f"SELECT * FROM {name}")):
                said += [_plain(value) for value in row]
    return "\n".join(said)


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace") + value.decode("utf-16", "replace")
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


async def _errors(house: House, first: str) -> str:
    """What is said to whoever sends nonsense with personal data in it."""
    headers = {"Authorization": f"Bearer {API_KEY}"}
    wrong: tuple[tuple[str, str, Any], ...] = (
        ("GET", f"/customers/{MAIL}", None),
        ("GET", f"/notifications?recipient={MAIL}x", None),
        ("POST", "/tickets", {"subject": TEXT, "email": [MAIL]}),
        ("PATCH", f"/tickets/{first}", {"priority": TEXT}),
        ("POST", f"/tickets/{first}/answer", {"text": {"a": TEXT}}),
        ("GET", f"/surveys/{PHONE}", None),
    )
    said = []
    for method, path, body in wrong:
        answer = await house.web.request(method, f"/api/v1{path}", json=body, headers=headers)
        said.append(f"{answer.status_code} {answer.text}")
    said.append((await house.web.get(f"/s/{MAIL}")).text)
    said.append((await house.web.get(f"/console/tickets/{PHONE}")).text)
    # That an address was not found may name it: whoever asked has it. It must not go further.
    return "\n".join(line for line in said if not line.startswith("404"))


def _provoke() -> None:
    """Errors that carry a customer's data in words, arguments and causes, logged with their traceback."""
    log = logging.getLogger("workers.provoked")
    for error in _errors_with_data():
        try:
            raise error from ValueError(TEXT)
        except Exception:
            log.exception("provoked %s", MAIL)
    log.warning("reply was %s", f"550 5.1.1 <{MAIL}>: no such user {PHONE}")


def _errors_with_data() -> Iterator[Exception]:
    yield DBAPIError("INSERT INTO customers VALUES (?, ?)", {"name": NAME, "mail": MAIL}, ValueError(TEXT))
    yield KeyError(TEXT)
    yield UnicodeDecodeError("utf-8", TEXT.encode(), 0, 1, MAIL)
    yield ConnectionError(f"550 5.1.1 <{MAIL}>: Recipient address rejected: {PHONE}")
