"""What scores lead to besides a case: flags, praise, and whether a measure worked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from models.notifications import Notification
from models.surveys import Followup, SurveyDraft
from tests.factories import Desk, all_of, make_link, make_survey, make_ticket

pytestmark = pytest.mark.anyio


async def rate(desk: Desk, comment: str = "", *, anonymous: bool = False, **scores: int) -> str:
    """A request is resolved and rated on the phone; gives the survey's number."""
    survey = await make_survey(desk.workshop, desk.clock, await make_ticket(desk.workshop))
    said = {"scores": scores, "comment": comment, "anonymous": anonymous}
    await desk.api("POST", f"/surveys/{survey.number}/answer", by="AM001", json=said)
    return str(survey.number)


async def listed(desk: Desk, query: str) -> list[str]:
    """Numbers of the surveys that a filter finds."""
    items: list[dict[str, Any]] = (await desk.api("GET", f"/surveys?{query}")).json()["items"]
    return [item["number"] for item in items]


async def test_praise_is_kept_and_a_low_dimension_flagged_without_a_case(desk: Desk) -> None:
    praised = await rate(desk, "讲解耐心 13800005678", overall=5, speed=5)
    flagged = await rate(desk, "就是慢", overall=5, speed=2)
    await rate(desk, "很好", anonymous=True, overall=5, speed=1)
    await rate(desk, overall=5)
    assert await listed(desk, "praise=true") == [praised]
    assert await listed(desk, "flagged=true") == [flagged]
    await desk.api("GET", "/surveys?flagged=true", by="CS001", expect=403)
    shown = (await desk.api("GET", f"/surveys/{flagged}", by="AM001")).json()
    assert (shown["flagged"], shown["followup"]) == (["speed"], None)
    assert await all_of(desk.workshop, Followup) == []
    (told,) = await all_of(desk.workshop, Notification, Notification.kind == "praise")
    credited = (await desk.api("GET", f"/surveys/{praised}")).json()["staff"]
    people = {row["number"]: row for row in (await desk.api("GET", "/staff")).json()["items"]}
    hears = {
        row.staff_id
        for row in await all_of(desk.workshop, Notification, Notification.kind == "score_flagged")
    }
    assert told.staff_id is not None
    assert told.staff_id not in hears, "scores stay hidden from whoever was rated"
    assert len(hears) == 2, "supervisor and quality staff"
    assert credited in people


async def test_the_effect_of_a_measure_is_read_from_later_scores(desk: Desk) -> None:
    for _ in range(4):
        await rate(desk, overall=4)
    await rate(desk, overall=1)
    await rate(desk, overall=3)
    first, second = (await desk.api("GET", "/followups")).json()["items"]
    path = f"/followups/{first['id']}"
    assert (await desk.api("GET", path)).json()["customer_cases"] == 2
    assert (await desk.api("GET", path)).json()["effect"] is None
    reached = {"text": "已致歉", "reached": True, "suggestions": "早点告知"}
    await desk.api("POST", f"{path}/contact", by="QA001", json=reached)
    measure = {
        "cause": "tool", "measure": "新工具", "term": "short", "department": "运维", "owner": "AM001",
        "due_at": (desk.clock.now() + timedelta(days=30)).isoformat(),
    }  # fmt: skip # packed, to be read at a glance
    done = (await desk.api("POST", f"{path}/measure", by="QA001", json=measure)).json()
    assert (done["measure_owner"], done["rounds"][0]["owner"]) == ("AM001", "AM001")
    desk.clock.advance(timedelta(minutes=1))
    for _ in range(4):
        await rate(desk, overall=5)
    await rate(desk, anonymous=True, overall=1)
    service = (await desk.api("GET", path)).json()["effect"]["service"]
    assert (service["before_count"], service["before_mean"]) == (6, 3.33)
    assert (service["after_count"], service["after_mean"], service["enough"]) == (4, None, False)
    await rate(desk, overall=4)
    service = (await desk.api("GET", path)).json()["effect"]["service"]
    assert (service["after_count"], service["after_mean"], service["enough"]) == (5, 4.8, True)
    handler = (await desk.api("GET", f"/tickets/{first['ticket']}")).json()["handler"]
    if handler:
        seen = (await desk.api("GET", path, by=handler)).json()
        assert (seen["scores"], seen["effect"]["staff"]) == (None, None)
        assert all(not line["words"] for line in seen["log"] if line["kind"] == "followup_contact")
    past = {"met": False, "review_report": "无效", "next_due_at": "2020-01-01T00:00:00Z"}
    await desk.api("POST", f"{path}/evaluate", json=past, expect=422)
    assert second["ticket"] != first["ticket"]


async def test_a_case_and_an_open_survey_survive_a_merge_of_customers_and_end_with_an_erasure(
    desk: Desk,
) -> None:
    asked = []
    for email in ("li.na@customer.example", "lina@customer.example"):
        ticket = await make_ticket(desk.workshop, email=email)
        survey = await make_survey(desk.workshop, desk.clock, ticket)
        path = await make_link(desk.workshop, "survey", survey.id, ticket=ticket, single_use=False)
        asked.append((survey, path))
    (first, first_path), (second, second_path) = asked
    low = {"overall": "1", "comment": "还是不行"}
    assert (await desk.web.post(second_path, data=low)).status_code == 200
    (case,) = (await desk.api("GET", "/followups")).json()["items"]
    kept, gone = [
        (await desk.api("GET", f"/surveys/{each.number}")).json()["customer"]["code"]
        for each in (first, second)
    ]
    await desk.api("POST", f"/customers/{kept}/merge", by="AM001", json={"other": gone, "reason": "同一人"})
    shown = (await desk.api("GET", f"/followups/{case['id']}")).json()
    assert (shown["customer_cases"], shown["state"]) == (1, "open")
    assert (await desk.api("GET", f"/surveys/{second.number}")).json()["words"] == {"comment": "还是不行"}
    contact = {"text": "已致电", "reached": True}
    await desk.api("POST", f"/followups/{case['id']}/contact", by="AM001", json=contact)
    assert (await desk.web.post(first_path, data={"speed": "2"})).status_code == 422

    await desk.api("POST", f"/customers/{kept}/erase", json={"confirm": True})
    assert await all_of(desk.workshop, SurveyDraft) == []
    for path in (first_path, second_path):
        assert (await desk.web.get(path)).status_code in (404, 410)
        assert (await desk.web.post(path, data={"overall": "5"})).status_code in (404, 410)
    shown = (await desk.api("GET", f"/followups/{case['id']}")).json()
    assert shown["state"] == "ended"
    await desk.api("POST", f"/followups/{case['id']}/contact", by="AM001", json=contact, expect=409)
    shown = (await desk.api("GET", f"/surveys/{second.number}")).json()
    assert (shown["scores"], "不行" in str(shown)) == ({"overall": 1}, False), "the score stays"
