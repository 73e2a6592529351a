"""The pages that links lead to, in the wrong hands: other purposes, other hosts, storms, guesses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from html.parser import HTMLParser

import httpx
import pytest

from models.links import Link
from models.surveys import Survey, SurveyAnswer
from models.tickets import Ticket
from tests.conftest import Backend
from tests.factories import (
    Desk,
    all_of,
    count_rows,
    make_desk,
    make_link,
    make_survey,
    make_ticket,
    resolve_ticket,
)

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True),
]

DOORS = ("s", "t", "c", "u")
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


@pytest.fixture
async def desk(backend: Backend) -> AsyncIterator[Desk]:
    async with make_desk(backend) as desk:
        yield desk


async def post(desk: Desk, path: str, **form: str) -> httpx.Response:
    return await desk.web.post(path, data=form)


async def links_of_all_kinds(desk: Desk) -> dict[str, str]:
    """Purpose → the path it is meant for."""
    asked = await make_ticket(desk.workshop, email="b@customer.example")
    survey = await make_survey(desk.workshop, desk.clock, asked)
    ticket = await make_ticket(desk.workshop)
    staff = {"ticket": ticket, "staff": "CS001"}
    return {
        "survey": await make_link(desk.workshop, "survey", survey.id, ticket=asked),
        "unsubscribe": await make_link(desk.workshop, "unsubscribe", survey.id, ticket=asked),
        "confirm": await make_link(desk.workshop, "confirm", ticket.id, ticket=ticket),
        # **staff: the values are of the kinds that are asked for, one dictionary for all three
        "accept": await make_link(desk.workshop, "accept", ticket.id, **staff),  # type: ignore[arg-type]
        "acknowledge": await make_link(desk.workshop, "acknowledge", ticket.id, **staff),  # type: ignore[arg-type]
        "approve": await make_link(desk.workshop, "approve", ticket.id, **staff),  # type: ignore[arg-type]
    }


async def test_a_token_opens_the_one_door_it_was_made_for(desk: Desk) -> None:
    made = await links_of_all_kinds(desk)
    async with desk.workshop.read() as uow:
        ticket = (await all_of(desk.workshop, Ticket))[-1]
        reply = uow.vault.reply_token(f"{ticket.id.hex}:{ticket.customer_id.hex}")
    before = await count_rows(desk.workshop)
    for path in (*made.values(), f"/x/{reply}"):
        token = path.rpartition("/")[2]
        for door in DOORS:
            if path.startswith(f"/{door}/"):
                continue
            assert (await desk.web.get(f"/{door}/{token}")).status_code == 404
            answer = await post(desk, f"/{door}/{token}", overall="1", answer="not_resolved", note="x")
            assert answer.status_code == 404
    assert await count_rows(desk.workshop) == before
    assert all(link.used_at is None for link in await all_of(desk.workshop, Link))


@pytest.mark.parametrize("door", DOORS)
async def test_what_is_no_token_is_an_unknown_link(desk: Desk, door: str) -> None:
    for token in (
        "a" * 26,
        "a" * 6000,
        "%00",
        "%ff%fe",
        "..%2f..",
        "a%20b",
        "%3Cscript%3E",
        "' or 1=1",
        "😀",
    ):
        for method in ("GET", "HEAD", "POST"):
            answer = await desk.web.request(method, f"/{door}/{token}")
            assert answer.status_code == 404, (method, token)
            assert "<script" not in answer.text
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert (await desk.web.request(method, f"/{door}/{'a' * 26}")).status_code == 405


async def test_looking_in_every_way_and_every_language_writes_nothing(desk: Desk) -> None:
    made = await links_of_all_kinds(desk)
    before = await count_rows(desk.workshop)
    for path in made.values():
        for _ in range(10):
            for query in ("", "?score=1", f"?lang={EVIL}", "?answer=confirmed&confirm=1", "?note=x#x"):
                await desk.web.get(path + query)
                await desk.web.head(path + query)
    assert await count_rows(desk.workshop) == before
    assert all(link.used_at is None for link in await all_of(desk.workshop, Link))


async def test_a_scanner_that_presses_the_button_of_a_survey_rates_nothing(desk: Desk) -> None:
    """It posts the form as the page has it: no score is chosen there, so there is none to record."""
    ticket = await make_ticket(desk.workshop)
    survey = await make_survey(desk.workshop, desk.clock, ticket)
    path = await make_link(desk.workshop, "survey", survey.id, ticket=ticket)
    assert (await post(desk, path)).status_code == 422
    assert await all_of(desk.workshop, SurveyAnswer) == []
    # The same page, opened by a tile of the mail and then sent by the scanner, is the one way it can err.
    assert (await all_of(desk.workshop, Survey))[0].state == "invited"


async def test_other_hosts_and_foreign_pages_change_nothing_of_the_page(desk: Desk) -> None:
    made = await links_of_all_kinds(desk)
    for path in made.values():
        usual = (await desk.web.get(path)).text
        for headers in (
            {"Host": "evil.example"},
            {
                "X-Forwarded-Host": "evil.example",
                "X-Forwarded-Proto": "http",
                "Forwarded": "host=evil.example",
            },
            {"X-Original-URL": "/t/x", "X-Rewrite-URL": "/t/x"},
            {"Referer": "https://evil.example/", "Origin": "https://evil.example"},
        ):
            answer = await desk.web.get(path, headers=headers)
            assert "evil.example" not in answer.text
            assert answer.text == usual
            assert "location" not in answer.headers
            assert "access-control-allow-origin" not in answer.headers


async def test_every_page_may_be_framed_cached_and_referred_to_by_nobody(desk: Desk) -> None:
    made = await links_of_all_kinds(desk)
    for path in (*made.values(), "/s/unknown", "/t/unknown"):
        for answer in (await desk.web.get(path), await post(desk, path, overall="9")):
            headers = answer.headers
            policy = headers["content-security-policy"]
            assert "frame-ancestors 'none'" in policy
            assert "base-uri 'none'" in policy
            assert "default-src 'none'" in policy
            assert "script-src" not in policy
            assert "unsafe" not in policy
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == "no-store"
            assert headers["x-frame-options"] == "DENY"
            assert headers["x-content-type-options"] == "nosniff"
            assert "set-cookie" not in headers


class _Forms(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.actions: list[str] = []
        self.tags: set[str] = set()
        self.handlers: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.actions += [value or "" for name, value in attrs if tag == "form" and name == "action"]


async def test_what_was_typed_comes_back_as_words_and_the_form_goes_home(desk: Desk) -> None:
    made = await links_of_all_kinds(desk)
    for path in made.values():
        for query in ("", f"?lang={EVIL}&score={EVIL}"):
            answer = await desk.web.post(
                path + query,
                data={
                    "overall": EVIL,
                    "comment": EVIL,
                    "note": EVIL * 100,
                    "text": EVIL * 100,
                    "expected_at": EVIL,
                },
            )
            page = _Forms(answer.text)
            assert not page.tags & {"script", "img", "iframe", "object", "base"}
            assert page.handlers == []
            assert all(action.startswith(path) for action in page.actions)


async def test_folding_and_blanks_of_mail_systems_change_no_token(desk: Desk) -> None:
    ticket = await make_ticket(desk.workshop)
    await resolve_ticket(desk.workshop, ticket)
    path = await make_link(desk.workshop, "confirm", ticket.id, ticket=ticket)
    token = path.rpartition("/")[2]
    assert (await desk.web.get(f"/c/{token.upper()}")).status_code == 200
    assert (await desk.web.get(f"/c/{token[:-1]}")).status_code == 404
    assert (await desk.web.get(f"/c/{token}{token}")).status_code == 404


@pytest.mark.parametrize(
    "expected", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "x" * 9000, "2026"]
)
async def test_a_time_that_the_page_did_not_offer_is_refused(desk: Desk, expected: str) -> None:
    ticket = await make_ticket(desk.workshop)
    path = await make_link(desk.workshop, "accept", ticket.id, ticket=ticket, staff="CS001")
    answer = await post(desk, path, expected_at=expected)
    assert answer.status_code == 422
    assert (await all_of(desk.workshop, Ticket))[0].accepted_at is None


async def test_bodies_that_are_no_form_are_refused_and_use_nothing_up(desk: Desk) -> None:
    made = await links_of_all_kinds(desk)
    before = await count_rows(desk.workshop)
    for purpose, path in made.items():
        if purpose == "unsubscribe":
            continue  # RFC 8058 lets mail programs send it in whatever form
        many = "&".join(f"a{number}=1" for number in range(100))
        assert (await desk.web.post(path, content=many)).status_code == 400
        assert (await desk.web.post(path, content=b"a" * 1_100_000)).status_code == 413
    assert await count_rows(desk.workshop) == before


async def test_a_used_an_expired_and_a_withdrawn_link_stay_what_they_are(desk: Desk) -> None:
    ticket = await make_ticket(desk.workshop)
    survey = await make_survey(desk.workshop, desk.clock, ticket)
    path = await make_link(desk.workshop, "survey", survey.id, ticket=ticket, hours=24 * 30)
    assert (await post(desk, path, overall="5")).status_code == 200
    other = await make_link(desk.workshop, "survey", survey.id, ticket=ticket, hours=24 * 30)
    assert (await post(desk, path, overall="1")).status_code == 410
    desk.clock.advance(timedelta(hours=25))
    for each in (path, other):  # a second link to the same survey is no second vote
        assert (await post(desk, each, overall="1")).status_code == 410
    (given,) = await all_of(desk.workshop, SurveyAnswer)
    assert given.scores == {"overall": 5}
    accept = await make_link(desk.workshop, "acknowledge", ticket.id, ticket=ticket, staff="CS001", hours=1)
    desk.clock.advance(timedelta(hours=2))
    assert (await post(desk, accept)).status_code == 410
