"""A small web server beside the story: Twilio's API for the service, pages of caught mails for people."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from html import escape
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from ops.demo_play.parts import ZONE
from ops.demo_play.post_office import MailCatcher, SmsProvider

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;"
    "color-scheme:light dark}table{border-collapse:collapse;width:100%}"
    "td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8884}"
    "iframe{width:100%;height:80vh;border:1px solid #8886}pre{white-space:pre-wrap}"
)


@asynccontextmanager
async def outside(mails: MailCatcher, sms: SmsProvider, port: int) -> AsyncIterator[None]:
    """Serve API and pages on loopback while the block runs."""
    server = _Server(uvicorn.Config(_app(mails, sms), "127.0.0.1", port, log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve())
    for _ in range(500):
        if server.started or task.done():
            break
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await task


def _app(mails: MailCatcher, sms: SmsProvider) -> Starlette:
    async def listing(_: Request) -> Response:
        rows = "".join(
            f"<tr><td>{mail.at.astimezone(ZONE):%a %H:%M}<td>{escape(mail.recipient)}"
            f"<td><a href='/mail/{mail.number}'>{escape(str(mail.message['Subject']))}</a>"
            for mail in reversed(mails.mails)
        )
        texts = "".join(
            f"<tr><td>{one.at.astimezone(ZONE):%a %H:%M}<td>{escape(one.recipient)}<td>{escape(one.body)}"
            for one in reversed(sms.messages)
        )
        head = "<tr><th>When<th>To<th>"
        return _page(
            f"{len(mails.mails)} caught mails",
            f"<table>{head}Subject</tr>{rows}</table><h2>{len(sms.messages)} caught SMS</h2>"
            f"<table>{head}Text</tr>{texts}</table>",
        )

    async def one(request: Request) -> Response:
        number = request.path_params["number"]
        if not 0 < number <= len(mails.mails):
            return _page("There is no such mail", "", 404)
        mail = mails.mails[number - 1]
        headers = "".join(
            f"<tr><th>{name}<td>{escape(str(mail.message[name]))}"
            for name in (
                "From",
                "To",
                "Reply-To",
                "Subject",
                "Date",
                "Message-ID",
                "In-Reply-To",
                "Auto-Submitted",
            )
            if mail.message[name]
        )
        return _page(
            str(mail.message["Subject"]),
            f"<p><a href='/'>all</a> · <a href='/mail/{number}.eml'>.eml</a></p><table>{headers}</table>"
            f"<iframe sandbox='allow-popups' src='/mail/{number}.html' title='the mail'></iframe>"
            f"<h2>As text</h2><pre>{escape(mail.text)}</pre>",
        )

    async def part(request: Request) -> Response:
        number, kind = request.path_params["number"], request.path_params["kind"]
        if not 0 < number <= len(mails.mails) or kind not in ("eml", "html"):
            return _page("There is no such mail", "", 404)
        mail = mails.mails[number - 1]
        return Response(mail.raw, media_type="message/rfc822") if kind == "eml" else HTMLResponse(mail.html)

    async def messages(request: Request) -> Response:
        if not sms.authorised(request.headers.get("authorization", "")):
            return JSONResponse({"code": 20003, "message": "Authenticate", "status": 401}, 401)
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        if not form.get("To") or not form.get("Body"):
            return JSONResponse({"code": 21604, "message": "A parameter is missing", "status": 400}, 400)
        return JSONResponse(sms.take(form), 201)

    return Starlette(
        routes=[
            Route("/", listing),
            Route("/mail/{number:int}", one),
            Route("/mail/{number:int}.{kind}", part),
            Route("/2010-04-01/Accounts/{account}/Messages.json", messages, methods=["POST"]),
        ]
    )


def _page(title: str, body: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(
        f"<!DOCTYPE html><html lang='en'><meta charset='utf-8'><title>{escape(title)}</title>"
        f"<style>{STYLE}</style>"
        f"<h1>{escape(title)}</h1>{body}",
        status,
    )


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
