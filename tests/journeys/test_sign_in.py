"""Staff sign in by mail, and what a stranger, a scanner and another site try in vain."""

from __future__ import annotations

import re
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select

from models.access import SignIn, StaffSession
from models.people import Staff
from tests.conftest import Backend
from tests.house import PUBLIC, House, open_house, text_of

pytestmark = pytest.mark.anyio

ALICE, CAROL = "alice@help.example", "carol@help.example"
SIGN_IN = "/console/sign-in"
COOKIE = "__Host-closeloop-session"


def browser(house: House) -> httpx.AsyncClient:
    """A browser of its own, with no cookies yet."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(house.app), base_url=PUBLIC)


def proof(page: httpx.Response) -> str:
    """What the page's form carries."""
    return str(re.findall(r'name="form" value="([0-9a-f]+)"', page.text)[0])


async def asked(house: House, web: httpx.AsyncClient, address: str, next_path: str = "") -> httpx.Response:
    """Somebody asks for the mail; gives the answer."""
    page = await web.get(SIGN_IN, params={"next": next_path} if next_path else {})
    fields = {"form": proof(page), "email": address, "next": next_path}
    answer = await web.post(SIGN_IN, data=fields)
    await house.settle()
    return answer


async def mailed(house: House, address: str) -> tuple[str, str]:
    """Link (its path) and code of the newest mail to somebody."""
    text = text_of(await house.mail_of("sign_in", to=address))
    link = re.findall(rf"{PUBLIC}(/console/sign-in/[a-z2-7]+)", text)[0]
    return link, re.findall(r"\b[2-9A-Z]{4}-[2-9A-Z]{4}\b", text)[0]


async def signed_in(house: House, web: httpx.AsyncClient, address: str) -> str:
    """Sign in by the link; gives the session's token."""
    await asked(house, web, address)
    link, _ = await mailed(house, address)
    answer = await web.post(link, data={"form": proof(await web.get(link))})
    assert (answer.status_code, answer.headers["location"]) == (303, "/console")
    return str(web.cookies[COOKIE])


async def test_a_link_or_a_code_signs_in_once_and_only_who_works_here(backend: Backend) -> None:
    async with open_house(backend) as house, browser(house) as here, browser(house) as phone:
        known = await asked(house, here, ALICE, "/console/sessions")
        unknown = await asked(house, phone, "nobody@help.example")
        assert (known.status_code, known.headers["location"]) == (303, f"{SIGN_IN}/code")
        told = [(each.status_code, each.text, each.headers["location"]) for each in (known, unknown)]
        assert told[0] == told[1], "an address tells nothing"
        assert [row.lane for row in await house.notifications("sign_in")] == ["urgent"]
        link, code = await mailed(house, ALICE)

        for _ in range(2):  # a scanner opens it
            assert (await phone.get(link)).status_code == 200
        async with house.workshop.read() as uow:
            assert (await uow.session.scalars(select(StaffSession))).all() == []

        stolen = await phone.post(
            f"{SIGN_IN}/code", data={"form": proof(await phone.get(SIGN_IN)), "code": code}
        )
        assert stolen.status_code == 422, "the code belongs to the browser that asked"

        code_page = await here.get(f"{SIGN_IN}/code")
        planted = str(here.cookies["__Host-closeloop-browser"])
        answer = await here.post(f"{SIGN_IN}/code", data={"form": proof(code_page), "code": code.lower()})
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/sessions")
        cookie = next(each for each in answer.headers.get_list("set-cookie") if each.startswith(COOKIE))
        assert {"Secure", "HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
        assert "Domain" not in cookie
        token = str(here.cookies[COOKIE])
        assert token != planted
        assert (await here.get("/console")).status_code == 200

        late = await phone.post(link, data={"form": proof(await phone.get(SIGN_IN))})
        assert late.status_code == 410, "code and link are one sign-in"
        async with house.workshop.read() as uow:
            (row,) = await uow.session.scalars(select(StaffSession))
            typed = list(await uow.session.scalars(select(SignIn.email_sealed)))
        assert token.encode() not in row.token_hash
        assert all(ALICE.encode() not in each for each in typed)

        elsewhere = "https://evil.example"
        for wanted in (
            elsewhere,
            "//evil.example",
            "/\\evil.example",
            "/console/../x",
            "/console//e",
            "/console\r\nX: 1",
        ):
            page = await phone.get(SIGN_IN, params={"next": wanted})
            assert 'name="next" value="/console"' in page.text, wanted
        await asked(house, phone, CAROL, elsewhere)
        link, _ = await mailed(house, CAROL)
        await house.pass_time(timedelta(minutes=16))
        assert (await phone.get(link)).status_code == 410
        assert (await phone.post(link, data={"form": proof(await phone.get(SIGN_IN))})).status_code == 410


async def test_a_session_ends_with_time_by_hand_and_when_its_person_leaves(backend: Backend) -> None:
    async with open_house(backend) as house, browser(house) as here, browser(house) as phone:
        await house.mail("zhangsan@qq.example", "您好，系统登录不了。", subject="系统登录不了")
        handler = (await house.mail_of("assignment")).recipient
        number = (await house.ticket()).number
        await signed_in(house, here, handler)
        home = await here.get("/console?lang=en")
        assert all(word in home.text for word in (number, "left, until"))
        assert "script-src 'self';" in home.headers["content-security-policy"]
        assert "unsafe" not in home.headers["content-security-policy"]
        await signed_in(house, phone, CAROL)
        assert number not in (await phone.get("/console")).text, "it is not hers"

        form = proof(home)
        for headers, fields in (
            ({}, {}),
            ({}, {"form": proof(await phone.get("/console"))}),
            ({"Sec-Fetch-Site": "cross-site"}, {"form": form}),
            ({"Sec-Fetch-Site": "same-site"}, {"form": form}),
            ({"Host": "evil.example"}, {"form": form}),
        ):
            forged = await here.post("/console/sign-out", data=fields, headers=headers)
            assert forged.status_code == 403, (headers, fields)
        assert (await here.get("/console")).status_code == 200

        own = re.findall(r'name="session" value="([0-9a-f]+)"', (await here.get("/console/sessions")).text)
        end = {"form": proof(await phone.get("/console/sessions")), "session": own[0]}
        await phone.post("/console/sessions/end", data=end)
        assert (await here.get("/console")).status_code == 200, "nobody ends another's session"
        token = str(here.cookies[COOKIE])
        await here.post("/console/sign-out", data={"form": form})
        replayed = await here.get("/console", headers={"Cookie": f"{COOKIE}={token}"})
        assert (replayed.status_code, replayed.headers["location"]) == (303, SIGN_IN)

        carol = str(phone.cookies[COOKIE])
        await house.api("PATCH", "/staff/SV001", {"role": "quality"})
        assert "Quality" in (await phone.get("/console?lang=en")).text
        await house.api("PATCH", "/staff/SV001", {"active": False})
        await house.api("PATCH", "/staff/SV001", {"active": True})
        assert (await phone.get("/console")).status_code == 303, "coming back does not bring the session back"
        assert (await phone.get("/console", headers={"Cookie": f"{COOKIE}={carol}"})).status_code == 303

        await signed_in(house, phone, CAROL)
        await house.pass_time(timedelta(hours=11))
        assert (await phone.get("/console")).status_code == 200
        await house.pass_time(timedelta(hours=13))
        gone = await phone.get("/console/sessions")
        assert gone.headers["location"] == f"{SIGN_IN}?next=%2Fconsole%2Fsessions"


async def test_codes_cannot_be_tried_out_and_nobodys_mailbox_is_filled(backend: Backend) -> None:
    async with open_house(backend) as house, browser(house) as here:
        await asked(house, here, ALICE)
        _, code = await mailed(house, ALICE)
        form = {"form": proof(await here.get(f"{SIGN_IN}/code"))}
        for _ in range(5):
            wrong = await here.post(f"{SIGN_IN}/code", data={**form, "code": "2222-2222"})
            assert wrong.status_code == 422
        right = await here.post(f"{SIGN_IN}/code", data={**form, "code": code})
        assert right.status_code == 422, "the tries are used up"
        answers = [(await asked(house, here, ALICE)).status_code for _ in range(10)]
        assert answers == [303] * 9 + [429]
        assert len(await house.notifications("sign_in")) == 5
        link, _ = await mailed(house, ALICE)
        async with house.workshop.begin() as uow:
            alice = (await uow.session.scalars(select(Staff).where(Staff.email == ALICE))).one()
            alice.active = False
        answer = await here.post(link, data=form)
        assert (answer.status_code, COOKIE in here.cookies) == (403, False)
