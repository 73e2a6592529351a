"""Mails through the webhook at a steady pace, and when the sink accepted the receipt of each."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from ops.bench.ours import HOOK_TOKEN
from ops.bench.report import say, spread

PATIENCE_SECONDS = 30.0
MAIL = """\
Received: from mail.example.net (mail.example.net [192.0.2.7]) by mx.example.com with ESMTPS; {date}
From: "Wang Fang" <{sender}>
To: <support@bench.example.com>
Subject: Payment page does not load ({number})
Message-ID: <{ident}@mail.example.net>
Date: {date}
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Hello,
since this morning the payment page keeps loading and then shows ERR_PAY_504 (order {number}).
Another browser does the same, 客户在等。

Wang Fang
"""


def send_and_watch(port: int, times: Path, count: int, every: float) -> dict[str, Any]:
    """Post `count` mails of as many customers, one each `every` seconds; percentiles in milliseconds.

    `receipt` counts from the start of the request to the moment before the sink's 250, `answer` to the end
    of the webhook's response.
    """
    begun, answered = asyncio.run(_post_all(port, count, every))
    accepted = _await_receipts(times, set(begun))
    receipts = [(accepted[sender] - began) * 1000 for sender, began in begun.items() if sender in accepted]
    answers = [(answered[sender] - began) * 1000 for sender, began in begun.items()]
    summary = spread(receipts)
    result = {
        "mails": count,
        "every_seconds": every,
        "receipts": len(receipts),
        "receipt_ms": summary,
        "answer_ms": spread(answers),
        "first_receipt_ms": round(receipts[0], 1) if receipts else None,
    }
    say(f"{len(receipts)} receipts, p50/p95/p99/max {list(summary.values())} ms")
    return result


async def _post_all(port: int, count: int, every: float) -> tuple[dict[str, float], dict[str, float]]:
    begun: dict[str, float] = {}
    answered: dict[str, float] = {}
    run = uuid4().hex[:8]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:

        async def post(number: int) -> None:
            sender = f"loop.{run}.{number}@example.net"
            begun[sender] = time.time()
            response = await client.post(
                "/hooks/email/raw",
                content=_mail(sender, number),
                headers={"Authorization": f"Bearer {HOOK_TOKEN}", "Content-Type": "message/rfc822"},
            )
            answered[sender] = time.time()
            response.raise_for_status()

        async with asyncio.TaskGroup() as tasks:
            start = time.monotonic()
            for number in range(count):
                await asyncio.sleep(max(0.0, start + number * every - time.monotonic()))
                tasks.create_task(post(number))
    return begun, answered


def _mail(sender: str, number: int) -> bytes:
    date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())
    text = MAIL.format(sender=sender, number=number, ident=uuid4().hex, date=date)
    return text.replace("\n", "\r\n").encode()


def _await_receipts(times: Path, wanted: set[str]) -> dict[str, float]:
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        lines = [line.split(" ", 1) for line in times.read_text().splitlines()]
        found = {recipient: float(moment) for moment, recipient in reversed(lines) if recipient in wanted}
        if len(found) == len(wanted) or time.monotonic() > end:
            return found
        time.sleep(0.1)
