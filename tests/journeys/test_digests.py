"""Many breaches at once are one mail to each person, by urgency; one or all are acknowledged from it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update

from models.keys import DataKey
from models.tickets import Ticket
from models.vocabulary import NotificationState
from tests.conftest import Backend
from tests.fakes_smtp import CaughtMail, refuse
from tests.house import ADMIN, PUBLIC, House, link_in, open_house, text_of
from workers.delivery import digests

pytestmark = pytest.mark.anyio

CAROL, DORA = "carol@help.example", "dora@help.example"
DIGEST = "个工单已超时"
STORM = 6


async def _open(house: House, number: int, priority: str = "medium") -> str:
    body = {
        "contact": {"email": f"customer{number}@shop.example", "name": f"Customer {number}"},
        "subject": f"Order {number}",
        "description": "It has not arrived.",
        "priority": priority,
        "category": "other",
    }
    return str((await house.api("POST", "/tickets", body))["number"])


async def _limit(house: House, number: str) -> datetime:
    limit = (await house.deadlines(number))["first_response"].limit_at
    assert limit is not None
    return limit


async def _taken(house: House, numbers: list[str]) -> list[str]:
    return [number for number in numbers if "acknowledged" in await house.log_kinds(number)]


async def test_a_storm_and_a_night_are_one_mail_each(backend: Backend) -> None:
    async with open_house(backend) as house:
        numbers = [await _open(house, each) for each in range(STORM)]
        urgent = await _open(house, 99, "urgent")
        # All of them at once, as after an outage: the urgent one is neither merged nor delayed.
        await house.pass_time(until=await _limit(house, numbers[0]))
        assert [mail for mail in house.mails_to(CAROL, "已超时") if urgent in mail.message["Subject"]]
        assert not house.mails_to(CAROL, DIGEST)
        await house.pass_time(timedelta(minutes=1))
        (digest,) = house.mails_to(CAROL, DIGEST)
        assert str(digest.message["Subject"]).startswith(f"{STORM} {DIGEST}")
        listed = re.findall(r"CS\d{12,}", text_of(digest))
        assert sorted(set(listed)) == sorted(numbers)
        merged = [
            row
            for row in await house.notifications("breach")
            if row.digest_id is not None and row.state is NotificationState.MERGED
        ]
        assert {row.reason for row in merged} == {"breach_digest"}
        assert not house.mails_to(CAROL, f"[{numbers[0]}]")

        # One by its own link: opening it changes nothing, the button does.
        await house.tap(link_in(digest, "t", 1))
        taken = re.findall(
            rf"(CS\d+)(?:(?!CS\d).)*?{re.escape(link_in(digest, 't', 1))}", text_of(digest), re.S
        )
        assert "acknowledged" in await house.log_kinds(taken[-1])
        left = [number for number in numbers if number != taken[-1]]
        assert not await _taken(house, left)

        # The others climb, and level 1 is a digest again.
        await house.pass_time(until=await _limit(house, numbers[0]) + timedelta(hours=15, minutes=30))
        await house.pass_time(timedelta(minutes=1))
        again = house.mails_to(CAROL, DIGEST)
        assert len(again) == 2
        assert set(re.findall(r"CS\d{12,}", text_of(again[1]))) == set(left)
        page = await house.web.get(link_in(again[1], "t", 0).removeprefix(PUBLIC))
        assert page.status_code == 200
        assert all(number in page.text for number in left)
        assert not await _taken(house, left)
        await house.tap(link_in(again[1], "t", 0))
        assert await _taken(house, left) == left
        assert (await house.web.get(link_in(again[1], "t", 0).removeprefix(PUBLIC))).status_code == 410

        # What is found at night waits for opening time; what was answered until then is left out.
        await house.pass_time(until=house.clock.now().replace(hour=1) + timedelta(days=1))
        late = [await _open(house, 10 + each) for each in range(3)]
        evening = (await _limit(house, late[0])).replace(hour=13)
        await house.pass_time(timedelta(minutes=2))
        before = len(house.mails_to(CAROL, DIGEST))
        await house.pass_time(until=evening)
        assert len(house.mails_to(CAROL, DIGEST)) == before
        assert not [mail for number in late for mail in house.mails_to(CAROL, f"[{number}] 首次响应已超时")]
        handler = (await house.mail_of("assignment")).recipient
        await house.api("POST", f"/tickets/{late[2]}/answer", {"text": "It is on its way."}, by=handler)
        await house.pass_time(timedelta(minutes=3))
        await house.pass_time(timedelta(hours=12))
        (morning,) = house.mails_to(CAROL, DIGEST)[before:]
        assert set(re.findall(r"CS\d{12,}", text_of(morning))) & set(late) == set(late[:2])


async def test_a_long_digest_shows_the_most_urgent_and_says_how_many_more_there_are(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "MOST_LINES", 4)
    async with open_house(backend) as house:
        medium = [await _open(house, each) for each in range(3)]
        await house.pass_time(timedelta(hours=5))
        high = [await _open(house, 10 + each, "high") for each in range(3)]
        erased = await _open(house, 20, "high")
        await house.pass_time(until=await _limit(house, high[0]))
        await _erase_key(house, erased)
        await house.pass_time(timedelta(minutes=1))
        (digest,) = house.mails_to(CAROL, DIGEST)
        text = text_of(digest)
        assert list(dict.fromkeys(re.findall(r"CS\d{12,}", text))) == [*high, medium[0]]
        assert str(digest.message["Subject"]).startswith(f"{len(medium + high)} {DIGEST}")
        assert "另有 2 " in text


async def _erase_key(house: House, number: str) -> None:
    """Nothing of this ticket can be read any more."""
    async with house.workshop.begin() as uow:
        key = select(Ticket.data_key_id).where(Ticket.number == number).scalar_subquery()
        await uow.session.execute(update(DataKey).where(DataKey.id == key).values(wrapped=None))


async def test_a_digest_that_comes_back_advances_the_ladder_of_each_of_its_tickets(backend: Backend) -> None:
    async with open_house(backend) as house:
        numbers = [await _open(house, each) for each in range(STORM)]
        await house.pass_time(until=await _limit(house, numbers[0]))
        await house.pass_time(timedelta(minutes=1))
        (digest,) = house.mails_to(CAROL, DIGEST)
        await house.tap(link_in(digest, "t", 1))  # one is taken on before the mail proves not to have arrived
        left = [number for number in numbers if number not in await _taken(house, numbers)]
        assert len(left) == STORM - 1

        # Her mailbox sends it back, twice: the head hears of what is left, in one mail, once.
        for ident in ("1", "2"):
            await house.post_mail(_bounce(digest, ident), to=digest.sender)
        await house.settle()
        await house.pass_time(timedelta(minutes=1))
        (passed_on,) = house.mails_to(DORA, DIGEST)
        assert sorted(set(re.findall(r"CS\d{12,}", text_of(passed_on)))) == sorted(left)
        for number in numbers:
            broken = [entry.facts for entry in await house.log(number) if entry.kind == "rung_broken"]
            assert [(facts["staff"], facts["passed_on_to"]) for facts in broken] == (
                [("SV001", ["HD001"])] if number in left else []
            )
        assert (await house.api("GET", "/attention"))["counts"]["broken_rung"] == len(left)

        # The head's is refused at once: the administrators hear of all, and from them it goes no further.
        house.relay.script.on("rcpt", refuse("550 5.1.1 no such user"), recipient=DORA)
        late = [await _open(house, 50 + each) for each in range(STORM)]
        await house.pass_time(until=await _limit(house, late[0]))
        for rung in (await house.deadlines(late[0]))["escalation"].alarms[:2]:
            await house.pass_time(until=datetime.fromisoformat(rung["at"]))
            await house.pass_time(timedelta(minutes=1))
        await house.pass_time(timedelta(minutes=1))
        heard = "".join(text_of(mail) for mail in house.mails_to(ADMIN, DIGEST))
        assert [number for number in late if number not in heard] == []


def _bounce(mail: CaughtMail, ident: str) -> bytes:
    """What the server of a colleague says of a mail that it has taken and cannot keep (RFC 3464)."""
    return (
        f"From: MAILER-DAEMON@mx.help.example\r\nTo: {mail.sender}\r\nSubject: Undelivered\r\n"
        f"Message-ID: <bounce-{ident}@mx.help.example>\r\n"
        "MIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="B"\r\n\r\n'
        "--B\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        "--B\r\nContent-Type: message/delivery-status\r\n\r\n"
        f"Reporting-MTA: dns; mx.help.example\r\n\r\nFinal-Recipient: rfc822; {mail.recipient}\r\n"
        "Action: failed\r\nStatus: 5.2.2\r\nDiagnostic-Code: smtp; 552 mailbox full\r\n\r\n"
        "--B\r\nContent-Type: text/rfc822-headers\r\n\r\n"
        f"Message-ID: {mail.message_id}\r\n\r\n--B--\r\n"
    ).encode()
