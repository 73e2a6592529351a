"""A supervisor's day on the pages of the console, an administrator's, and what an agent tries in vain."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from models.intake import IntakeEvent
from models.notifications import Notification
from models.people import Customer, Staff
from models.vocabulary import EventState, NotificationState
from tests.asked import asked_of
from tests.callers import CAROL, new_request
from tests.conftest import Backend
from tests.fakes_webhooks import LOOPBACK, webhook_server
from tests.house import ADMIN, House, open_house
from tests.journeys.test_sign_in import browser, proof, signed_in
from workers.posting import verdicts
from workers.settings import Settings
from workers.web.rules import RULES

pytestmark = pytest.mark.anyio

LEAD_PAGES = (
    "attention",
    "followups",
    "customers",
    "messages",
    "suppressions",
    "blocked-senders",
    "intake",
    "staff",
    "duties",
    "teams",
    "policy",
    "policy/1",
)
LISTS = ("messages", "attention", "intake", "customers")
OWN = ("attention", "followups", "customers", "messages")


async def page(web: httpx.AsyncClient, path: str, expect: int = 200, **query: Any) -> str:
    """A page of the console in English."""
    answer = await web.get(f"/console/{path}", params={"lang": "en", **query})
    assert answer.status_code == expect, f"{path}: {answer.status_code} {answer.text[:500]}"
    return answer.text


async def press(
    web: httpx.AsyncClient, at: str, path: str, expect: int = 303, **fields: str
) -> httpx.Response:
    """Press a button of the page `at`: its form goes to `path`."""
    form = proof(await web.get(f"/console/{at}"))
    answer = await web.post(f"/console/{path}", data={"form": form, **fields})
    assert answer.status_code == expect, f"{path}: {answer.status_code} {answer.text[:800]}"
    return answer


async def queries(house: House, web: httpx.AsyncClient, path: str) -> int:
    """How often a page asks the database."""
    with asked_of(house.workshop.engine) as asked:
        await page(web, path)
    return len(asked)


def ids(html: str, path: str) -> list[str]:
    """The ids that links of a page lead to, each once."""
    found = re.findall(rf'href="/console/{path}/([0-9A-Za-z]+)"', html)
    return [each for each in dict.fromkeys(found) if each != "export"]


async def test_a_supervisor_sees_what_is_wrong_and_puts_it_right(backend: Backend) -> None:
    async with open_house(backend) as house, browser(house) as web, browser(house) as agent:
        number = await new_request(house)
        await house.pass_time(timedelta(hours=30))
        await signed_in(house, web, CAROL)
        html = await page(web, "attention")
        assert all(words in html for words in ("Overdue requests", f"/console/tickets/{number}"))
        for each in LEAD_PAGES:
            assert "<h1>" in await page(web, each)
        few = [await queries(house, web, each) for each in LISTS]
        for odd in ("messages?ticket=%00", "customers?contact=%00", f"policy/{10**12}", "intake?cursor=x"):
            assert (await web.get(f"/console/{odd}")).status_code in (404, 422), odd

        async with house.workshop.begin() as uow:
            receipt = await uow.session.scalar(select(Notification).where(Notification.kind == "receipt"))
            assert receipt is not None
            receipt.state, receipt.reason = NotificationState.FAILED, "gave_up: connection_failed"
        failed = await page(web, "messages", state="failed", recipient="LiLei@163.example")
        (ident,) = ids(failed, "messages")
        assert "lilei@" not in await page(web, "messages", state="failed")
        chosen = await page(web, "messages", kind="receipt", reason="gave_up: connection_failed")
        assert ids(chosen, "messages") == [ident]
        assert '<option value="receipt" selected>receipt</option>' in chosen
        assert '<option value="gave_up: connection_failed" selected>' in chosen
        assert '<option value="greylisted">the receiving server asked us to wait</option>' in chosen
        assert "backup_late" not in chosen, "nothing that no message can be"
        assert ids(await page(web, "messages", recipient="lilei@163.exampl"), "messages") == []
        assert "no mail address" in await page(web, "messages", 422, recipient="a@")
        story = await page(web, f"messages/{ident}")
        assert "Send it again" in story
        sent = len(house.relay.mails)
        counted = await press(
            web, "messages?state=failed", "messages/many", 200, what="retry", state="failed"
        )
        assert ("It would be done to" in counted.text, len(house.relay.mails)) == (True, sent)
        await press(web, f"messages/{ident}", f"messages/{ident}/retry")
        await house.settle()
        assert len(house.relay.mails) == sent + 1
        again = await press(web, f"messages/{ident}", f"messages/{ident}/retry", 409)
        assert "cannot be done" in again.text

        await press(web, "suppressions", "suppressions", address="li@163.example", reason="stop")
        html = await page(web, "suppressions", address="LI@163.example")
        (row,) = re.findall(r'name="id" value="([0-9a-f]+)"', html)
        same: dict[str, Any] = {"act": "suppress", "address": "li@163.example", "reason": "stop"}
        twice = await press(web, "suppressions", "suppressions", 409, **same)
        assert 'value="li@163.example"' in twice.text
        await press(web, "suppressions", "suppressions/lift", id=row, why="mistake")
        assert row not in await page(web, "suppressions")
        await press(web, "blocked-senders", "blocked-senders", sender="@ads.example", reason="advertisement")
        html = await page(web, "blocked-senders")
        await house.mail("offers@ads.example", "Buy this!", subject="Offer <script>alert(1)")
        (came,) = ids(await page(web, "intake", view="blocked"), "intake")
        seen = await page(web, f"intake/{came}")
        assert "Buy this!" in seen
        await house.mail("offers@shop.example", "More.", subject="Offer", headers={"X-Spam-Flag": "YES"})
        assert "X-SPAM-FLAG takes it for junk" in await page(web, "intake", view="junk")
        assert "the domain is blocked: advertisement" in seen
        assert "offers@ads.example" not in seen
        assert "<script>alert" not in seen
        await press(web, f"intake/{came}", f"intake/{came}/take-in")
        await house.settle()
        assert (await house.ticket()).number != number
        async with house.workshop.begin() as uow:
            spoilt = await uow.session.get_one(IntakeEvent, (await house.events())[0].id)
            spoilt.state, spoilt.due_at, spoilt.reason = EventState.POISON, None, "worker_lost"
        (bad,) = ids(await page(web, "intake"), "intake")
        assert "workers died over it 3 times" in await page(web, f"intake/{bad}")
        await press(web, f"intake/{bad}", f"intake/{bad}/discard")
        await press(web, f"intake/{bad}", f"intake/{bad}/again", 409)
        assert "discarded by" in await page(web, f"intake/{bad}")

        await new_request(house, "And another thing.")
        more = [await queries(house, web, each) for each in LISTS]
        apart = [abs(now - before) for now, before in zip(more, few, strict=True)]
        assert max(apart) <= 3, "but for keys and sessions that are remembered, more rows are no more queries"
        await _of_customers(house, web)
        soon = (house.clock.now() + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")
        later = (house.clock.now() + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M")
        span: dict[str, Any] = {"starts_at": soon, "ends_at": later}
        await press(web, "staff/CS001", "staff/CS001/absences", **span, substitute="CS002")
        await press(web, "staff/CS001", "staff/CS001/absences", 422, starts_at=later, ends_at=soon)
        assert "CS002" in await page(web, "staff/CS001")
        await press(web, "duties", "duties", **span, staff="CS002", team="")
        (duty,) = re.findall(r'name="id" value="([0-9a-f]+)"', await page(web, "duties"))
        await press(web, "duties", "duties/cancel", id=duty)
        await press(web, "staff", "staff", 403, number="CS009", name="X")
        await page(web, "access", 403)
        await page(web, "webhooks", 403)
        await _denied(house, agent, number, ident)


async def _of_customers(house: House, web: httpx.AsyncClient) -> None:
    """Looked up by contact, changed, taken in from a spreadsheet, merged and parted."""
    (code,) = ids(await page(web, "customers", contact="lilei@163.example"), "customers")
    seen = await page(web, f"customers/{code}")
    (version,) = re.findall(r'name="version" value="(\d+)"', seen)
    changed: dict[str, Any] = {"level": "vip", "orders": "A-1\nA-2", "phone": "13800005678"}
    await press(web, f"customers/{code}", f"customers/{code}/change", version=version, **changed)
    stale = await press(web, f"customers/{code}", f"customers/{code}/change", 409, version=version)
    assert "changed" in stale.text
    assert ids(await page(web, "customers", order="A-2", level="vip"), "customers") == [code]
    rows = "姓名\t邮箱\t等级\n王伟\twang@163.example\tvip\n\tnobody\t"
    tried = await press(web, "customers", "customers/import", 200, rows=rows)
    async with house.workshop.read() as uow:
        before = len((await uow.session.scalars(select(Customer))).all())
    assert "What would be done" in tried.text
    await press(web, "customers", "customers/import", 200, rows=rows, really="1")
    (other,) = ids(await page(web, "customers", contact="wang@163.example"), "customers")
    async with house.workshop.read() as uow:
        assert len((await uow.session.scalars(select(Customer))).all()) == before + 1
    await press(web, f"customers/{code}", f"customers/{code}/merge", 422, other=other)
    await press(web, f"customers/{code}", f"customers/{code}/merge", other=other, reason="one person")
    assert ids(await page(web, "customers", contact="wang@163.example"), "customers") == [code]
    await press(web, f"customers/{other}", f"customers/{other}/unmerge", reason="two after all")
    table = await web.get("/console/customers/export")
    assert ("wang@163" in table.text, other in table.text) == (False, True)


async def _denied(house: House, web: httpx.AsyncClient, number: str, message: str) -> None:
    """An agent who handles nothing sees empty lists, and is refused everything else."""
    handler = (await house.ticket(number)).handler_id
    async with house.workshop.read() as uow:
        alice = await uow.session.scalar(select(Staff).where(Staff.number == "CS001"))
    assert alice is not None
    stranger = "bob@help.example" if handler == alice.id else "alice@help.example"
    await signed_in(house, web, stranger)
    for each in LEAD_PAGES:
        html = await page(web, each, 200 if each in OWN else 403)
        if each in OWN:
            assert number not in html
            assert ids(html, "messages") == [] or message not in html
    await page(web, f"messages/{message}", 403)
    (code,) = [row.code for row in await _customers(house) if row.level == "vip" and row.email_hash][:1]
    await page(web, f"customers/{code}", 403)
    home = await web.get("/console")
    form = proof(home)
    for route, rule in RULES.items():
        method, path = route.split(" ")
        lead = path.startswith(tuple(f"/console/{each}" for each in (*LEAD_PAGES, "access", "webhooks")))
        if method == "POST" and lead and "agent" not in {role.value for role in rule.roles or ()}:
            address = re.sub(r"\{\w+\}", "x", path)
            answer = await web.post(address, data={"form": form})
            assert answer.status_code == 403, route
    assert "/console/staff" not in home.text


async def _customers(house: House) -> list[Customer]:
    async with house.workshop.read() as uow:
        return list(await uow.session.scalars(select(Customer).order_by(Customer.id)))


async def test_what_test_mode_held_is_read_and_released_by_a_persons_word_only(backend: Backend) -> None:
    async with open_house(backend, mode="test") as house, browser(house) as web, browser(house) as admin:
        await new_request(house)
        await signed_in(house, web, CAROL)
        assert "test mode" in await page(web, "attention", what="held_message")
        held = ids(await page(web, "messages", state="held"), "messages")
        (receipt, *_) = held
        refused = await press(web, f"messages/{receipt}", f"messages/{receipt}/retry", 409)
        assert "test" in refused.text
        settings: Settings = house.workshop.settings
        object.__setattr__(settings, "mode", "live")  # as a restart in live mode would find it
        await house.pass_time(timedelta(minutes=5))
        assert house.mails_to("lilei@163.example") == [], "going live releases nothing"
        many = await press(web, "messages?state=held", "messages/many", 200, what="retry", state="held")
        assert "released one by one" in many.text
        await press(web, f"messages/{receipt}", f"messages/{receipt}/retry")
        await house.settle()
        assert len(house.mails_to("lilei@163.example")) == 1
        await signed_in(house, admin, ADMIN)
        assert "clk_" not in await page(admin, "access")
        key = await press(admin, "access", "access/keys", 200, name="desk", scope_read="1")
        (words,) = re.findall(r"clk_[a-z2-7]{40,}", key.text)
        assert words not in await page(admin, "access")
        opened = await house.web.get("/api/v1/policy", headers={"Authorization": f"Bearer {words}"})
        assert opened.status_code == 200
        await press(admin, "access", "access/keys/revoke", name="desk")
        closed = await house.web.get("/api/v1/policy", headers={"Authorization": f"Bearer {words}"})
        assert closed.status_code == 401
        person: dict[str, Any] = {
            "number": "CS009",
            "name": "Gao",
            "email": "gao@help.example",
            "role": "agent",
        }
        await press(admin, "staff", "staff", **person)
        await press(admin, "staff", "staff", 409, **person)
        await press(admin, "staff/CS009", "staff/CS009/change", **person, active="")
        assert "left" in await page(admin, "staff/CS009")
        team = house.installation.policy.default_team
        await press(admin, "teams", "teams/change", team=team, supervisor="", substitute="", head="")
        assert "no supervisor" in await page(admin, "attention")
        assert "no supervisor" in (await admin.get("/console?lang=en")).text
        await press(admin, "access", "staff/SV001/sign-out")
        assert (await web.get("/console/attention")).status_code == 303


async def test_an_administrator_keeps_the_endpoints_of_other_systems(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "PAUSES", (3600, 3600))  # no try comes while it is looked at
    async with (
        webhook_server() as other,
        open_house(backend, settings=dict(LOOPBACK)) as house,
        browser(house) as web,
    ):
        wanted = {"name": "desk", "url": other.url(), "events": ["ticket.opened"]}
        made = await house.api("POST", "/webhooks", wanted)
        other.secrets = [made["secret"]]
        await signed_in(house, web, ADMIN)
        (ident,) = ids(await page(web, "webhooks"), "webhooks")
        at = f"webhooks/{ident}"
        await press(web, at, f"{at}/test")
        await house.settle()
        shown = await page(web, at, state="delivered")
        assert 'badge good">delivered' in shown
        (delivery,) = re.findall(r'name="delivery" value="([0-9a-f]+)"', shown)
        await press(web, at, f"{at}/replay", delivery=delivery)
        await house.settle()
        assert len({each.ident for each in other.heard}) == 1, "the same event, under the same id"
        assert len(other.heard) == 2
        await press(web, at, f"{at}/replay", 422, delivery="x")

        version = _version(await page(web, at))
        new = await press(web, at, f"{at}/secret", 200, version=version, keep="0")
        (secret,) = re.findall(r"whsec_[\w+/=]+", html.unescape(new.text))
        assert secret != made["secret"]
        assert "whsec_" not in await page(web, at)
        await press(web, at, f"{at}/secret", 409, version=version, keep="0")
        other.secrets = [secret]
        await press(web, at, f"{at}/test")
        await house.settle()
        assert (len(other.heard), other.refused) == (3, []), "signed by the new one alone"

        other.answers[""] = [503]
        await press(web, at, f"{at}/test")
        await house.settle()
        shown = await page(web, at)
        assert all(each in shown for each in ("Failing since", "tried again later", "its server failed"))

        await press(web, at, f"{at}/off", version=_version(await page(web, at)))
        await press(web, at, f"{at}/test", 409)
        assert "by staff" in await page(web, "webhooks")
        await press(web, at, f"{at}/on", version=_version(await page(web, at)))
        await press(web, at, f"{at}/test")
        for odd in ("webhooks/desk/test", f"webhooks/{'0' * 32}/test", f"{at}/explode"):
            await press(web, at, odd, 404 if "desk" not in odd else 422)


def _version(shown: str) -> str:
    found = re.search(r'name="version" value="(\d+)"', shown)
    assert found
    return found[1]
