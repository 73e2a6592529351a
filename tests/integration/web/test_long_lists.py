"""Lists by a condition that no index knows: a page looks through so many rows, and the walk finds all."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event

from tests.factories import Desk, make_ticket
from workers.web.api import walking

pytestmark = pytest.mark.anyio

FEW = 3


async def walk(desk: Desk, path: str) -> tuple[list[str], list[int]]:
    """All ids of a list, page by page, and how long each page was."""
    found: list[str] = []
    lengths: list[int] = []
    cursor = ""
    for _ in range(200):
        more = f"&cursor={cursor}" if cursor else ""
        page: dict[str, Any] = (await desk.api("GET", f"{path}&limit=2{more}")).json()
        found += [str(each.get("id") or each["number"]) for each in page["items"]]
        lengths.append(len(page["items"]))
        cursor = page["next_cursor"] or ""
        if not cursor:
            return found, lengths
    raise AssertionError("the list has no end")


LISTS = (
    "/notifications?kind=receipt",
    "/notifications?channel=email&state=queued&state=sent",
    "/notifications?state=sent",
    "/deadlines?kind=acceptance",
    "/deadlines?kind=first_response&state=running",
    "/intake?kind=person",
    "/tickets?priority=medium",
    "/tickets?needs_triage=true",
    "/tickets?category=after_sales_technical",
)


async def test_the_walk_finds_what_there_is_once_and_in_order(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        await make_ticket(desk.workshop, email=f"customer{number}@shop.example")
    whole = {path: await walk(desk, path) for path in LISTS}
    assert len(whole["/notifications?kind=receipt"][0]) == len(whole["/deadlines?kind=acceptance"][0]) == 7
    monkeypatch.setattr(walking, "LOOKED_THROUGH", FEW)
    for path in LISTS:
        found, lengths = await walk(desk, path)
        assert found == whole[path][0], path
        if found:
            assert len(lengths) >= len(whole[path][1]), path
    assert 0 in (await walk(desk, "/notifications?kind=breach"))[1], "an empty page, and the list goes on"


@pytest.mark.parametrize(
    "path",
    ["/notifications?kind=breach", "/deadlines?kind=survey", "/intake?kind=reply", "/tickets?priority=low"],
)
async def test_no_page_looks_beyond_its_part_and_what_an_index_knows_is_found_at_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    for number in range(4):
        await make_ticket(desk.workshop, email=f"customer{number}@shop.example")
    monkeypatch.setattr(walking, "LOOKED_THROUGH", FEW)
    asked: list[str] = []

    def note(*args: Any) -> None:
        asked.append(args[2])

    engine = desk.workshop.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        assert (await desk.api("GET", f"{path}&limit=50")).json()["items"] == []
        table = path.split("?")[0].strip("/").replace("intake", "intake_events")
        bounded = [each for each in asked if f"{table}.id >=" in each]
        ends = [each for each in asked if f"SELECT {table}.id" in each.split("\n")[0] and "OFFSET" in each]
        assert ends, "where the part ends is asked first"
        assert bounded or table == "intake_events", "there are too few events here"
        asked.clear()
        assert (await desk.api("GET", "/notifications?kind=receipt&state=failed")).status_code == 200
        assert (await desk.api("GET", "/intake?state=poison")).status_code == 200
        assert not any("OFFSET" in each and " >= " in each for each in asked)
    finally:
        event.remove(engine, "before_cursor_execute", note)
