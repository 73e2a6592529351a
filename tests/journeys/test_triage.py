"""The short triage of what came by mail: asked for, shown, enforced, and no delay to any answer (row B2)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from tests.callers import CAROL, LILEI, RESULT, handler_of, new_request, resolved
from tests.conftest import Backend
from tests.house import House, open_house, text_of
from tests.journeys.test_console_tickets import TICKETS, send
from tests.journeys.test_sign_in import browser, signed_in
from workers.policy import Policy, load_policy, parse_policy

pytestmark = pytest.mark.anyio

READY = 'fields = ["category", "priority"]\nconfirmed_by = ["acceptance", "result"]'
STRICT = 'fields = ["category", "priority", "background", "industry"]\nconfirmed_by = []'


def strict() -> Policy:
    """A policy by which acts confirm nothing by themselves, and more has to be filled in."""
    text = load_policy("support-response").version_text
    assert READY in text
    return parse_policy(text.replace(READY, STRICT))


async def _shown(house: House, number: str) -> dict[str, Any]:
    return dict(await house.api("GET", f"/tickets/{number}"))


async def _listed(house: House, wanted: str) -> list[str]:
    found = await house.api("GET", f"/tickets?needs_triage={wanted}")
    return [each["number"] for each in found["items"]]


async def _to_look_at(house: House) -> tuple[int, list[str]]:
    found = await house.api("GET", "/attention?what=needs_triage")
    return found["counts"]["needs_triage"], [each["ticket"] for each in found["items"]]


async def test_accepting_on_the_page_asks_for_priority_and_category(backend: Backend) -> None:
    async with open_house(backend) as house, browser(house) as web:
        number = await new_request(house)
        await signed_in(house, web, await handler_of(house))
        shown = await _shown(house, number)
        assert (shown["needs_triage"], shown["missing_core_fields"]) == (True, ["category", "priority"])
        assert (await _listed(house, "true"), await _listed(house, "false")) == ([number], [])
        page = (await web.get(f"{TICKETS}/{number}?lang=en")).text
        assert "Still missing: a confirmed category, a confirmed priority." in page
        assert 'id="accept-priority"' in page
        assert number in (await web.get(f"{TICKETS}?untriaged=1")).text

        wrong = await send(web, number, "accept", expected_at="", priority="huge", category="other")
        assert (wrong.status_code, 'id="accept-priority-error"' in wrong.text) == (422, True)
        fields = {"expected_at": "", "priority": "high", "category": "complaint"}
        assert (await send(web, number, "accept", **fields)).status_code == 303
        shown = await _shown(house, number)
        assert (shown["priority"], shown["category"]) == ("high", "complaint")
        assert (shown["needs_triage"], shown["missing_core_fields"]) == (False, [])
        assert shown["triaged_at"] is not None
        assert [each["kind"] for each in shown["log"]].count("triaged") == 1
        assert number not in (await web.get(f"{TICKETS}?untriaged=1")).text
        assert 'id="accept-priority"' not in (await web.get(f"{TICKETS}/{number}")).text


async def test_a_time_that_the_corrected_priority_does_not_allow_is_asked_for_anew(backend: Backend) -> None:
    async with open_house(backend) as house, browser(house) as web:
        number = await new_request(house)
        await signed_in(house, web, await handler_of(house))
        page = (await web.get(f"{TICKETS}/{number}?lang=en")).text
        shown = re.search(r'name="expected_at" type="datetime-local" value="([^"]+)"', page)
        assert shown
        fields = {"expected_at": shown[1], "priority": "urgent", "category": "complaint"}
        answer = await send(web, number, "accept", **fields)
        assert (answer.status_code, 'id="accept-at-error"' in answer.text) == (422, True)
        assert ("Latest: 5 Mar 18:00" in page, "Latest: 3 Mar 10:00" in answer.text) == (True, True)
        assert (await _shown(house, number))["priority"] == "medium"
        fields["expected_at"] = (house.clock.now() + timedelta(hours=20)).strftime("%Y-%m-%dT%H:%M")
        assert (await send(web, number, "accept", **fields)).status_code == 303


async def test_who_gives_the_result_confirms_what_stands_and_what_was_known_is_asked_for_nothing(
    backend: Backend,
) -> None:
    async with open_house(backend) as house:
        number, _ = await resolved(house)
        shown = await _shown(house, number)
        (entry,) = [each for each in shown["log"] if each["kind"] == "resolved"]
        assert entry["facts"]["as_it_stands"] == {"priority": "medium", "category": "other"}
        assert shown["triaged_at"] is not None
        known = {"contact": {"email": "han@shop.example"}, "description": "late", "category": "complaint"}
        other = await house.api("POST", "/tickets", {**known, "priority": "high"})
        assert (other["needs_triage"], other["missing_core_fields"]) == (False, [])
        by = other["handler"]
        body = {**RESULT, "priority": "low", "category": "after_sales_request"}
        done = await house.api("POST", f"/tickets/{other['number']}/resolve", body, by=by)
        assert (done["priority"], done["category"]) == ("low", "after_sales_request")


async def test_a_stricter_policy_refuses_the_result_and_never_an_answer(backend: Backend) -> None:
    async with open_house(backend, policy=strict()) as house, browser(house) as web:
        number = await new_request(house)
        handler = await handler_of(house)
        assignment = await house.mail_of("assignment")
        await house.api("PATCH", "/staff/" + (await _shown(house, number))["handler"], {"locale": "en"})
        await signed_in(house, web, handler)
        assert await _to_look_at(house) == (0, []), "nobody has answered yet"

        await house.mail(handler, "Hello, we look into it.", answers=assignment)
        await house.pass_time(timedelta(minutes=3))
        assert len(house.mails_to(LILEI)) == 2, "receipt and answer have left untriaged"
        await house.api("POST", f"/tickets/{number}/accept", {}, by=handler)
        assert (await _shown(house, number))["triaged_at"] is None, "by this policy it confirms nothing"
        assert await _to_look_at(house) == (1, [number])

        lacking = ["category", "priority", "background", "industry"]
        refused = await house.api("POST", f"/tickets/{number}/resolve", RESULT, by=handler, expect=409)
        assert [each["code"] for each in refused["missing"]] == lacking
        assert "PATCH" in refused["hint"]
        page = await send(web, number, "resolve", cause="a", solution="b", step="send")
        assert page.status_code == 409
        assert "No result can be given before it is triaged" in page.text
        words = "#resolve\ncause: a stale token\nsolution: renewed it"
        await house.mail(handler, words, answers=assignment)
        told = text_of(await house.mail_of("commands_read"))
        assert "these are missing: a confirmed category, a confirmed priority, the background" in told
        assert "resolved" not in await house.log_kinds(number)

        found_out = {"priority": "medium", "category": "complaint", "background": "since the update"}
        assert (await send(web, number, "triage", **found_out)).status_code == 303
        assert (await _shown(house, number))["missing_core_fields"] == ["industry"]
        assert await _to_look_at(house) == (1, [number])
        await house.api("PATCH", f"/tickets/{number}", {"customer": {"industry": "retail"}}, by=handler)
        assert (await _to_look_at(house), await _listed(house, "true")) == ((0, []), [])
        done = await house.api("POST", f"/tickets/{number}/resolve", RESULT, by=handler)
        assert done["state"] == "awaiting_feedback"


async def test_an_agent_is_shown_own_untriaged_tickets_and_a_supervisor_all(backend: Backend) -> None:
    async with open_house(backend, policy=strict()) as house, browser(house) as web:
        numbers = [await new_request(house, words) for words in ("One", "Two")]
        owners = {each: (await _shown(house, each))["handler"] for each in numbers}
        assert len(set(owners.values())) == 2
        for each, by in owners.items():
            await house.api("POST", f"/tickets/{each}/first-response", {}, by=by)
        for each, by in owners.items():
            found = await house.api("GET", "/attention?what=needs_triage", by=by)
            assert [item["ticket"] for item in found["items"]] == [each]
        await signed_in(house, web, CAROL)
        page = (await web.get("/console/attention?what=needs_triage&lang=en")).text
        assert "Answered, but not triaged" in page
        assert all(each in page for each in numbers)
