"""Stories of tickets in the console by plain HTTP: whose they are, mistakes, forms sent twice, pages."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import httpx
import pytest

from tests.asked import asked_of
from tests.conftest import Backend
from tests.house import API_KEY, House, open_house
from tests.journeys.test_sign_in import browser, proof, signed_in
from workers.web.console import ticket_list

pytestmark = pytest.mark.anyio

LILEI = "lilei@163.example"
CAROL = "carol@help.example"
TICKETS = "/console/tickets"


async def form_of(web: httpx.AsyncClient, number: str, act: str) -> dict[str, str]:
    """What the ticket's form for an act carries besides its own fields."""
    page = await web.get(f"{TICKETS}/{number}")
    assert page.status_code == 200
    found = re.search(rf'action="[^"]*/{act}".*?</form>', page.text, re.S)
    assert found, f"no form to {act}"
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="(\w*)"', found[0]))
    return {str(name): str(value) for name, value in hidden.items()}


async def send(web: httpx.AsyncClient, number: str, act: str, **fields: str) -> httpx.Response:
    """Open the page, fill in the form and send it."""
    return await web.post(f"{TICKETS}/{number}/{act}", data={**await form_of(web, number, act), **fields})


async def two_tickets(house: House) -> tuple[str, str, str]:
    """Two requests; gives the first one's number and its handler's address, and the other number."""
    await house.mail(LILEI, "My order <script>alert(1)</script> is late.", subject="<b>Order</b>")
    first, handler = (await house.ticket()).number, (await house.mail_of("assignment")).recipient
    await house.mail("han@163.example", "A bill is wrong.", subject="Bill")
    return first, handler, (await house.ticket()).number


async def test_an_agent_comes_near_own_tickets_only_and_a_supervisor_near_all(backend: Backend) -> None:
    async with open_house(backend) as house, browser(house) as agent, browser(house) as lead:
        own, handler, other = await two_tickets(house)
        for path in (TICKETS, f"{TICKETS}/{own}"):
            assert (await agent.get(path)).headers["location"].startswith("/console/sign-in")
        await signed_in(house, agent, handler)
        await signed_in(house, lead, CAROL)

        page = await agent.get(f"{TICKETS}?view=all&lang=en")
        assert own in page.text
        assert other not in page.text
        assert f"{TICKETS}/{other}" not in (await agent.get(f"{TICKETS}?number={other}")).text
        assert own in (await agent.get(f"{TICKETS}?number={own[2:-2]}")).text
        assert (await agent.get(f"{TICKETS}/{other}")).status_code == 403
        for path in (f"{TICKETS}/CS209901010001", f"{TICKETS}/%00", f"{TICKETS}?number=%00", "/q/%00/x"):
            assert (await agent.get(path)).status_code == 404, path
        form = {
            "form": proof(page),
            "version": "1",
            "seen": "0" * 32,
            "text": "x",
            "reason": "x",
            "to": "CS001",
        }
        for act in ("note", "accept", "transfer", "answer", "merge", "split", "not-a-ticket"):
            assert (await agent.post(f"{TICKETS}/{other}/{act}", data=form)).status_code == 403, act
        assert (await agent.post(f"{TICKETS}/{own}/decide", data=form)).status_code in (409, 422)
        assert (await agent.post(f"{TICKETS}/{own}/explode", data=form)).status_code == 404
        assert (await agent.post(f"{TICKETS}/{own}/note", data={"text": "x"})).status_code == 403, "no proof"
        assert "note" not in await house.log_kinds(other)

        shown = (await lead.get(f"{TICKETS}/{own}")).text
        assert (await lead.get(f"{TICKETS}/{other}")).status_code == 200
        assert "&lt;b&gt;Order" in shown
        assert "<script>alert" not in shown
        assert LILEI not in shown
        listed = (await lead.get(TICKETS)).text
        assert own in listed
        assert other in listed
        assert "<b>Order" not in listed

        handed = await send(agent, own, "transfer", to="SV001", reason="needs a supervisor")
        assert handed.headers["location"].startswith(f"{TICKETS}?done=transfer.")
        assert (await agent.get(f"{TICKETS}/{own}")).status_code == 403, "theirs no more"
        assert "CS00" in (await lead.get(f"{TICKETS}/{own}")).text


async def test_mistakes_come_back_with_what_was_typed_and_nothing_happens_twice(backend: Backend) -> None:
    async with open_house(backend) as house, browser(house) as web:
        number, handler, _ = await two_tickets(house)
        await signed_in(house, web, handler)
        words = "Needs <a part> & time"
        back = await send(web, number, "escalate", reason=words, until="yesterday", resources="")
        assert back.status_code == 422
        assert html.escape(words, quote=False) in back.text
        assert 'id="escalate-until-error"' in back.text
        assert "escalation_requested" not in await house.log_kinds(number)

        form = await form_of(web, number, "note")
        answers = [
            await web.post(f"{TICKETS}/{number}/note", data={**form, "text": "once"}) for _ in range(2)
        ]
        assert [each.status_code for each in answers] == [303, 409]
        assert (await house.log_kinds(number)).count("note") == 1
        flash = await web.get(answers[0].headers["location"])
        assert 'role="status"' in flash.text
        forged = answers[0].headers["location"].replace("done=note.", "done=close.")
        assert 'role="status"' not in (await web.get(forged)).text

        form = await form_of(web, number, "progress")
        await house.pass_time(timedelta(hours=7, minutes=40))
        assert "warned" in await house.log_kinds(number)
        late = await web.post(f"{TICKETS}/{number}/progress", data={**form, "text": "rang the carrier"})
        assert late.status_code == 303, "what the clockwork wrote takes no form from anybody's hands"
        for act, fields in {
            "first-response": {"channel": "carrier-pigeon"},
            "transfer": {"to": "nobody", "reason": "x"},
            "merge": {"into": "CS209901010001"},
            "triage": {"priority": "huge", "category": "other"},
            "accept": {"expected_at": "9999-12-31T23:59"},
        }.items():
            assert (await send(web, number, act, **fields)).status_code == 422, act
        found_out = {
            "priority": "high",
            "category": "complaint",
            "further_other": "1",
            "industry": "retail",
            "background": "since the update",
            "occurred_at": "2026-03-01T08:00",
            "note": "VIP",
        }
        assert (await send(web, number, "triage", **found_out)).status_code == 303
        shown = await house.api("GET", f"/tickets/{number}")
        assert (shown["priority"], shown["category"]) == ("high", "complaint")
        assert (shown["further_categories"], shown["background"]) == (["other"], "since the update")
        assert shown["occurred_at"].startswith("2026-03-01T00:00")
        assert "VIP" in (await web.get(f"{TICKETS}/{number}")).text, "the remark stands in the head"
        await _not_confirmed(house, web, number)


async def _not_confirmed(house: House, web: httpx.AsyncClient, number: str) -> None:
    """A result that nobody confirms: what closing lacks is said, and why there is no confirmation is kept."""
    page = (await web.get(f"{TICKETS}/{number}?lang=en")).text
    assert 'id="act-unconfirmed"' not in page, "there is no result yet"
    await send(web, number, "resolve", cause="a lost label", solution="sent anew", step="send")
    await house.settle()
    refused = await send(web, number, "close")
    assert refused.status_code == 409
    lacking = "the customer&#39;s confirmation, the rating"
    said = re.findall(r'<p class="summary" role="alert">([^<]*)</p>', refused.text)
    assert said == [f"Still missing before it can be closed: {lacking}"]
    for reason, beside in (("weather", "reason"), ("other", "note")):
        back = await send(web, number, "unconfirmed", reason=reason, note="")
        assert (back.status_code, f'id="unconfirmed-{beside}-error"' in back.text) == (422, True)
    why = {"reason": "third_party", "note": "the carrier looks for it"}
    assert (await send(web, number, "unconfirmed", **why)).status_code == 303
    assert (await house.api("GET", f"/tickets/{number}"))["unconfirmed_reason"] == "third_party"
    page = (await web.get(f"{TICKETS}/{number}")).text
    assert "reason for not confirmed</strong>: A third party has to act first" in page
    assert "the carrier looks for it" in page
    assert '<option value="third_party" selected>' in page


async def test_a_page_takes_the_same_few_queries_and_a_quiet_look_costs_and_keeps_nothing(
    backend: Backend,
) -> None:
    async with open_house(backend) as house, browser(house) as web:
        await house.mail(LILEI, "Please help.", subject="One")
        await signed_in(house, web, CAROL)
        counts = []
        for _ in range(2):
            with asked_of(house.workshop.engine) as asked:
                page = await web.get(TICKETS)
            counts.append(len(asked))
            for each in range(12):
                body = {"contact": {"email": f"c{each}@x.example"}, "description": f"Help {each}"}
                await house.api("POST", "/tickets", body)
        assert page.text.count("<tr") == 14
        few, many = counts
        assert few < 12
        assert many <= few + 3, "but for keys and sessions that are remembered a while, however many tickets"

        await house.settle()
        number = (await house.ticket()).number
        page = await web.get(f"{TICKETS}/{number}")
        quiet = {"If-None-Match": page.headers["etag"], "X-Quiet-Refresh": "1"}
        assert (await web.get(f"{TICKETS}/{number}", headers=quiet)).status_code == 304
        assert "script-src 'self'" in page.headers["content-security-policy"]
        script = re.findall(r'<script src="([^"]+)"', page.text)[0]
        assert (await web.get(script)).headers["content-type"].startswith("text/javascript")
        await house.pass_time(timedelta(hours=11, minutes=59))
        await web.get(f"{TICKETS}/{number}", headers=quiet)
        await house.pass_time(timedelta(minutes=2))
        gone = await web.get(f"{TICKETS}/{number}", headers=quiet)
        assert gone.status_code == 303, "a page that looks by itself keeps nobody signed in"


async def walked(web: httpx.AsyncClient, path: str) -> list[str]:
    """The numbers of a list's tickets, from its first page to its last."""
    listed: list[str] = []
    for _ in range(20):
        page = await web.get(path)
        listed += re.findall(rf'<a href="{TICKETS}/(CS\d+)"', page.text)
        more = re.findall(r'href="([^"]+)" rel="next"', page.text)
        if not more:
            return listed
        path = html.unescape(more[0])
    raise AssertionError("the list has no end")


@pytest.mark.parametrize("few", [ticket_list.FEW, 0], ids=["few", "many"])
async def test_the_list_goes_by_the_next_limit_page_by_page(
    few: int, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticket_list, "PAGE", 4)
    monkeypatch.setattr(ticket_list, "FEW", few)
    async with open_house(backend) as house, browser(house) as web:
        await signed_in(house, web, CAROL)
        wanted = []
        for number in range(10):
            urgent = number % 5 == 0
            body = {
                "contact": {"email": "c@x.example"},
                "description": f"Help {number}",
                "priority": "urgent" if urgent else "low",
                "category": "other",
            }
            answer = await house.web.post(
                "/api/v1/tickets",
                json=body,
                headers={"Authorization": f"Bearer {API_KEY}"},
            )
            wanted.append((not urgent, number, answer.json()["number"]))
        await house.settle()
        for view in ("", "?view=all", "?view=team", "?view=team&category=other"):
            assert await walked(web, TICKETS + view) == [number for *_, number in sorted(wanted)]
        unhurried = [number for low, _, number in sorted(wanted) if low]
        assert await walked(web, f"{TICKETS}?view=all&priority=low") == unhurried
        assert await walked(web, f"{TICKETS}?view=free") == []
        assert (await web.get(f"{TICKETS}?cursor=l-x-y")).status_code == 422
        assert "CS2" not in (await web.get(f"{TICKETS}?overdue=1")).text.split('id="tickets"')[1]
        await house.pass_time(timedelta(hours=3))
        late = (await web.get(f"{TICKETS}?overdue=1")).text
        assert set(re.findall(rf'<a href="{TICKETS}/(CS\d+)"', late)) == {
            n for low, _, n in wanted if not low
        }
