"""What was once solved is found again by words, though they are kept sealed, and helps the next customer."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text

from models.base import new_id
from models.search import SearchBucket, SearchDocument, SearchList
from tests.conftest import Backend
from tests.house import House, open_house, text_of
from tests.journeys.test_sign_in import browser, proof, signed_in
from workers.search import TICKET, forget, index, rebuild
from workers.search.buckets import MOST_SHARED, Bucket
from workers.search.documents import Document
from workers.search.index import Written, hashes_of, hold_index
from workers.search.lists import BLOCK, unpack
from workers.search.lookup import look_up
from workers.search.reading import kept, lists_of
from workers.vault import Vault

pytestmark = pytest.mark.anyio

SOON = timedelta(seconds=10)
LISTS = ("search_buckets", "search_lists")
NAME, PHONE = "李雷明", "13800005678"


async def opened(house: House, email: str, subject: str, words: str, **more: Any) -> dict[str, Any]:
    body = {
        "contact": {"email": email, "name": NAME},
        "subject": subject,
        "description": words,
        "priority": "medium",
        "category": "after_sales_technical",
        **more,
    }
    made: dict[str, Any] = await house.api("POST", "/tickets", body)
    return made


async def searched(house: House, q: str = "", by: str = "SV001", **more: str) -> list[str]:
    query = "&".join(f"{name}={value}" for name, value in {"q": q, **more}.items())
    found = await house.api("GET", f"/search?{query}", by=by)
    return [each["number"] for each in found["items"]]


async def test_closed_tickets_are_found_and_nothing_stands_in_clear(backend: Backend) -> None:
    async with open_house(backend) as house:
        first = await opened(
            house, "li@shop.example", "打印机显示脱机", f"{NAME} {PHONE}:打印机 Zeppelin-77 总是脱机"
        )
        second = await opened(
            house, "han@shop.example", "Invoice", "The invoice quotes a wrong Zeppelin tariff"
        )
        number, handler = first["number"], first["handler"]
        other = {"CS001": "CS002", "CS002": "CS001"}[handler]
        assert second["handler"] == other
        # Not yet: the index is made a few seconds later; by facts it is found at once.
        assert await searched(house, "zeppelin") == []
        assert await searched(house, number=number) == [number]
        await house.pass_time(SOON)
        assert await searched(house, "ZEPPELIN") == [second["number"], number]
        # The rarer word counts; full-width letters and any case are the same word.
        assert await searched(house, "zeppelin 脱机") == [number, second["number"]]
        assert await searched(house, "ｔａｒｉｆｆ") == [second["number"]]
        assert await searched(house, number.lower()) == [number]
        # Contacts and names are no words of it: nobody can ask whether somebody has written.
        for private in (PHONE, NAME, "li%40shop.example"):
            assert number not in await searched(house, private)

        # What staff write later is found as well: the answer, the result; then it is closed and still found.
        result = {"cause": "驱动程序过期", "solution": "重装 Quokka 驱动程序"}
        await house.api("POST", f"/tickets/{number}/resolve", result, by=handler)
        await house.pass_time(SOON)
        assert await searched(house, "quokka") == [number]
        assert await searched(house, "zeppelin", category="after_sales_technical", state="to_assign") == []
        assert await searched(house, "zeppelin", customer=first["customer"]["code"]) == [number]
        day = house.clock.now().date()
        assert number in await searched(house, since=f"{day}T00:00:00Z", until=f"{day}T23:00:00Z")
        assert await searched(house, "zeppelin", until="2020-01-01T00:00:00Z") == []

        # Agents find their own only, whatever they ask.
        assert await searched(house, "zeppelin", by=handler) == [number]
        assert await searched(house, "zeppelin", by=other) == [second["number"]]
        assert await searched(house, by=other) == [second["number"]]
        assert await searched(house, "quokka", by=other, number=number) == []
        await house.api("GET", f"/tickets/{number}/similar", by=other, expect=403)
        await house.api("GET", "/search?cursor=x&q=zeppelin", expect=422)
        pages = await house.api("GET", "/search?q=zeppelin&limit=1")
        rest = await house.api("GET", f"/search?q=zeppelin&limit=1&cursor={pages['next_cursor']}")
        assert [each["items"][0]["number"] for each in (pages, rest)] == [second["number"], number]
        assert rest["next_cursor"] is None
        assert NAME not in str(pages) + str(rest)

        # Whoever reads the whole index learns no word; another installation's hashes are others.
        async with house.workshop.read() as uow:
            dump = "".join(
                [
                    str((await uow.session.execute(text(f"SELECT * FROM {table}"))).all())
                    for table in ("search_documents", *LISTS, "search_tasks", "search_state")
                ]
            )
            documents = list(await uow.session.scalars(select(SearchDocument)))
        assert not re.search("zeppelin|quokka|脱机|tariff", dump, re.IGNORECASE)
        assert len(documents) == 2
        stranger = Vault(house.installation.settings.secret_keys)
        stranger._own = {"lookup": (documents[0].subject_id, b"k" * 32)}
        assert set(stranger.word_hashes(["zeppelin"])).isdisjoint(
            house.workshop.vault.word_hashes(["zeppelin"])
        )

        # A rebuilding that was broken off goes on, and gives the same index.
        before = await _index(house)
        assert (await rebuild(house.workshop, lambda _: None, anew=True, batches=1)).resumed is False
        assert (await rebuild(house.workshop, lambda _: None)).resumed is True
        assert await _index(house) == before

        # What is erased is gone at once, and nothing of it is left behind.
        async with house.workshop.begin() as uow:
            assert await forget(uow, (await house.ticket(second["number"])).customer_id) == 1
        assert await searched(house, "tariff") == []
        async with house.workshop.read() as uow:
            tariff = house.workshop.vault.word_hashes(["tariff"])
            assert (await kept(uow, tariff)).often == {}
        await _index(house)


async def _index(house: House) -> set[tuple[Any, ...]]:
    """Its documents; their lists hold just their hashes, and nothing of anything else."""
    async with house.workshop.read() as uow:
        documents = list(await uow.session.scalars(select(SearchDocument)))
        holders: dict[int, set[int]] = defaultdict(set)
        for row in documents:
            for token in hashes_of(row.tokens):
                holders[token].add(row.number)
        known = await kept(uow, holders.keys())
        lists = await lists_of(uow, known, holders.keys())
        found = {
            token: {n for block, each in of.items() for n in _numbers(block, *each)}
            for token, of in lists.items()
        }
        assert found == holders
        assert known.often == {token: len(numbers) for token, numbers in holders.items()}
        buckets = list(await uow.session.scalars(select(SearchBucket.entries)))
        many = await uow.session.scalar(select(func.sum(SearchList.many)))
    assert sum(len(Bucket(each)) for each in buckets) + (many or 0) == sum(map(len, holders.values()))
    assert all(buckets)
    return {(row.subject_id, row.kind, row.tokens) for row in documents}


def _numbers(block: int, many: int, packed: bytes) -> set[int]:
    return {block * BLOCK + place for place in unpack(many, packed)}


async def test_a_word_gets_rows_of_its_own_when_many_hold_it_and_loses_them_again(backend: Backend) -> None:
    common, rare = -7, 8
    async with open_house(backend) as house:
        at = house.clock.now()

        def written(ids: list[UUID], *hashes: int, texts: tuple[str, ...] | None = ()) -> list[Written]:
            return [Written(Document(TICKET, ident, 1, at, texts), set(hashes)) for ident in ids]

        async def write(given: list[Written], gone: list[UUID]) -> set[int]:
            async with house.workshop.begin() as uow:
                await hold_index(uow)
                await index.write(uow, given, gone)
            await _index(house)
            async with house.workshop.read() as uow:
                return set(await uow.session.scalars(select(SearchList.token)))

        ids = [new_id() for _ in range(MOST_SHARED + 3)]
        first, more = ids[:MOST_SHARED], ids[MOST_SHARED:]
        assert await write(written(first, common), []) == set()
        assert await write(written(more, common, rare), []) == {common}
        async with house.workshop.read() as uow:
            known = await kept(uow, [common, rare, 9])
            assert known.often == {common: len(ids), rare: 3}
            numbers = [hit.number for hit in await look_up(uow, [common, rare])]
        assert numbers[:3] == [MOST_SHARED + 2, MOST_SHARED + 1, MOST_SHARED]
        # A word of its own is changed where it is, goes back, and goes.
        assert await write(written(first[:1], rare), first[1:2]) == {common}
        assert await write(written(first[2:3], rare), []) == set()
        assert await write(written(more, texts=None), first) == set()
        async with house.workshop.read() as uow:
            for table in LISTS:
                assert await uow.session.scalar(text(f"SELECT count(*) FROM {table}")) == 0


async def test_a_solution_is_written_up_offered_and_passed_on(backend: Backend) -> None:
    async with open_house(backend) as house:
        solved = await opened(
            house, "li@shop.example", "打印机脱机", f"{NAME} {PHONE}:打印机 Zeppelin 总是脱机"
        )
        number, handler = solved["number"], solved["handler"]
        other = {"CS001": "CS002", "CS002": "CS001"}[handler]
        mail = {"CS001": "alice@help.example", "CS002": "bob@help.example"}
        await house.api("POST", f"/tickets/{number}/knowledge", by=handler, expect=409)
        result = {"cause": f"{NAME}的驱动程序过期", "solution": "重装驱动程序", "precautions": "请勿断电"}
        await house.api("POST", f"/tickets/{number}/resolve", result, by=handler)

        # One step makes a draft without the customer; asked again, it is the same one.
        draft = await house.api("POST", f"/tickets/{number}/knowledge", by=handler)
        assert draft == await house.api("POST", f"/tickets/{number}/knowledge", by=handler)
        entry = draft["number"]
        assert draft["state"] == "draft"
        assert draft["texts"]["zh_CN"]["solution"] == "重装驱动程序"
        assert NAME not in str(draft)
        assert PHONE not in str(draft)
        await house.api("GET", f"/knowledge/{entry}", by=other, expect=404)
        await house.api("PATCH", f"/knowledge/{entry}", {"product": "X"}, by=other, expect=404)
        await house.api("POST", f"/knowledge/{entry}/publish", by=handler, expect=403)

        # Nobody writes it up: its author is reminded, then the supervisor.
        await house.pass_time(timedelta(hours=20))
        assert len(house.mails_to(mail[handler], f"请整理成文：{entry}")) == 1
        await house.pass_time(timedelta(hours=4))
        told = house.mails_to("carol@help.example", f"尚未成文：{entry}")
        assert len(told) == 1
        assert NAME not in text_of(told[0])
        english = {"title": "Printer offline", "solution": "Install the driver anew"}
        await house.api("PATCH", f"/knowledge/{entry}", {"texts": {"en": english}}, by=handler)
        shown = await house.api("POST", f"/knowledge/{entry}/publish", by="SV001")
        assert shown["review_on"]
        await house.api("PATCH", f"/knowledge/{entry}", {"product": "X"}, by=handler, expect=403)
        detail = await house.api("GET", f"/knowledge/{entry}", by=other)
        assert [each["locale"] for each in detail["versions"]] == ["en", "zh_CN"]
        await house.pass_time(SOON)
        assert entry in await searched(house, "脱机", by=other)

        # The next one with the same trouble: its handler is offered both, an agent only own tickets.
        await opened(house, "filler@shop.example", "Hello", "What are your opening hours")
        new = await opened(
            house, "mei@shop.example", "Printer offline", "My printer is offline, Zeppelin model"
        )
        fresh = new["number"]
        who = new["handler"]
        notice = text_of(house.mails_to(mail[who], fresh)[-1])
        assert f"{entry} " in notice
        assert f"/console/tickets/{fresh}" in notice
        await house.pass_time(SOON)
        offered = [each["number"] for each in (await house.api("GET", f"/tickets/{fresh}/similar"))["items"]]
        assert offered[0] == entry
        own = await house.api("GET", f"/tickets/{fresh}/similar", by=who)
        if who != handler:
            assert number not in [each["number"] for each in own["items"]]
        assert entry in [each["number"] for each in own["items"]]

        # In the customer's language, as an answer like any other, counted once.
        preview = await house.api("GET", f"/tickets/{fresh}/pass-on?source={entry}", by=who)
        assert preview["locale"] == "en"
        assert preview["text"] == "What to do: Install the driver anew"
        assert preview["to"] == "m***@shop.example"
        stranger = {"CS001": "CS002", "CS002": "CS001"}[who]
        await house.api("POST", f"/tickets/{fresh}/pass-on", {"source": entry}, by=stranger, expect=403)
        await house.api("POST", f"/tickets/{fresh}/pass-on", {"source": "KB9999"}, by=who, expect=404)
        assert (await house.ticket(fresh)).first_response_at is None
        await house.api("POST", f"/tickets/{fresh}/pass-on", {"source": entry}, by=who)
        await house.api("POST", f"/tickets/{fresh}/pass-on", {"source": entry}, by=who, expect=409)
        await house.pass_time(timedelta(minutes=10))
        assert (await house.ticket(fresh)).first_response_at is not None
        assert "Install the driver anew" in text_of(house.mails_to("mei@shop.example")[-1])
        assert {"answer_written", "knowledge_passed_on", "first_response"} <= set(
            await house.log_kinds(fresh)
        )
        await house.api("POST", f"/tickets/{fresh}/pass-on", {"source": entry}, by=who)
        assert (await house.api("GET", f"/knowledge/{entry}"))["uses"] == {
            "tickets": 1,
            "rated": 0,
            "average": None,
        }
        await house.api("POST", f"/knowledge/{entry}/retire", by="SV001")
        await house.api("POST", f"/tickets/{fresh}/pass-on", {"source": entry}, by="SV001", expect=409)
        await house.api("GET", f"/knowledge/{entry}", by=who, expect=404)


async def test_the_console_writes_up_publishes_finds_and_passes_on(backend: Backend) -> None:
    async with open_house(backend) as house, browser(house) as agent, browser(house) as lead:
        solved = await opened(house, "li@shop.example", "Printer offline", "My Zeppelin printer <b>hangs</b>")
        number, handler = solved["number"], solved["handler"]
        mails = {"CS001": "alice@help.example", "CS002": "bob@help.example"}
        other = mails[{"CS001": "CS002", "CS002": "CS001"}[handler]]
        result = {"cause": "Old driver", "solution": "Install the Zeppelin driver anew"}
        await house.api("POST", f"/tickets/{number}/resolve", result, by=handler)
        await signed_in(house, agent, mails[handler])
        await signed_in(house, lead, "carol@help.example")

        page = await agent.get(f"/console/tickets/{number}")
        assert "/write-up" in page.text
        token = proof(page)
        assert (await agent.post(f"/console/tickets/{number}/write-up")).status_code == 403
        made = await agent.post(f"/console/tickets/{number}/write-up", data={"form": token})
        assert (made.status_code, made.headers["location"]) == (303, "/console/knowledge/KB0001/edit")
        form = await agent.get("/console/knowledge/KB0001/edit")
        assert "&lt;b&gt;hangs" in form.text
        fields = {
            "form": token,
            "version": "1",
            "title_en": "Printer offline",
            "solution_en": "Driver <i>anew</i>",
        }
        untitled = {**fields, "title_en": " "}
        assert (await agent.post("/console/knowledge/KB0001/edit", data=untitled)).status_code == 422
        kept = await agent.post("/console/knowledge/KB0001/edit", data=fields)
        assert kept.status_code == 303
        late = await agent.post("/console/knowledge/KB0001/edit", data=fields)
        assert late.status_code == 409
        assert (
            await agent.post("/console/knowledge/KB0001/publish", data={"form": token})
        ).status_code == 403
        await agent.post("/console/sign-out", data={"form": token})
        await signed_in(house, agent, other)
        assert (await agent.get("/console/knowledge/KB0001")).status_code == 404
        assert (await agent.get(f"/console/tickets/{number}/pass-on?source={number}")).status_code == 403
        own = proof(await lead.get("/console/knowledge"))
        assert (await lead.post("/console/knowledge/KB0001/publish", data={"form": own})).status_code == 303
        await house.pass_time(SOON)
        shown = await agent.get("/console/knowledge/KB0001")
        assert "Driver &lt;i&gt;anew" in shown.text
        found = await lead.get("/console/search?q=zeppelin")
        assert number in found.text
        assert number not in (await agent.get("/console/search?q=zeppelin")).text
        assert (await agent.get("/console/search?q=x&since=never")).status_code == 422

        new = (await opened(house, "mei@shop.example", "Printer", "Printer offline, Zeppelin"))["number"]
        preview = await lead.get(f"/console/tickets/{new}/pass-on?source=kb0001")
        assert "Driver &lt;i&gt;anew" in preview.text
        sent = {"form": own, "source": "KB0001", "text": ""}
        assert (await lead.post(f"/console/tickets/{new}/pass-on", data=sent)).status_code == 422
        sent["text"] = "What to do: the driver"
        assert (await lead.post(f"/console/tickets/{new}/pass-on", data=sent)).status_code == 303
        await house.pass_time(timedelta(minutes=10))
        assert "What to do: the driver" in text_of(house.mails_to("mei@shop.example")[-1])
        log = await lead.get(f"/console/tickets/{new}", params={"lang": "en"})
        assert "<strong>known answer passed on</strong> KB0001" in log.text
