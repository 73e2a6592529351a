"""What an answer means, and when a delivery that failed is tried again. Pure but for the jitter."""

from __future__ import annotations

import random
from dataclasses import dataclass

from workers.outbound import Answer, CallFailed, CallRefused

PAUSES = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds before the second, third … try, as Standard Webhooks proposes: three days in all."""
LONGEST_WISH = 3600.0
RESTS_AFTER = 5
"""So many failures in a row, and the endpoint rests: one try at a time finds out whether it is back."""
FIRST_REST, LONGEST_REST = 30.0, 3600.0
GONE = 410


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known after a try; `outcome` is delivered, failed, gone or unknown (the answer was lost)."""

    outcome: str
    reason: str
    code: int | None = None
    text: str = ""
    wait: float | None = None


def judge(answer: Answer) -> Verdict:
    """Any 2xx is a yes, all else a no that may change; 410 says that the endpoint wants no more."""
    code, text = answer.status, answer.body.decode("utf-8", "backslashreplace")
    if 200 <= code < 300:
        return Verdict("delivered", "accepted", code, text)
    if code == GONE:
        return Verdict("gone", "gone", code, text)
    reason = "redirected" if code < 400 else "rejected" if code < 500 else "server_error"
    if code == 429:
        reason = "throttled"
    return Verdict("failed", reason, code, text, _wish(answer) if code in (429, 503) else None)


def no_answer(error: CallFailed | CallRefused) -> Verdict:
    """A call that got no answer."""
    lost = isinstance(error, CallFailed) and error.sent
    return Verdict("unknown" if lost else "failed", error.reason, text=error.message)


def pause_after(tries: int) -> float | None:
    """Seconds until the next try after the `tries`-th, ±10 % so that retries spread; None: there is none."""
    if tries > len(PAUSES):
        return None
    return PAUSES[tries - 1] * random.uniform(0.9, 1.1)  # noqa: S311 - spreads load, hides nothing


def rest_after(failures: int) -> float | None:
    """Seconds that an endpoint rests after so many failures in a row; None: it does not."""
    if failures < RESTS_AFTER:
        return None
    return float(min(LONGEST_REST, FIRST_REST * 2 ** min(failures - RESTS_AFTER, 10)))


def _wish(answer: Answer) -> float | None:
    """Seconds of Retry-After (RFC 9110 §10.2.3), at most an hour; dates are not read."""
    value = answer.headers.get("retry-after", "").strip()
    return min(float(value[:9]), LONGEST_WISH) if value.isdecimal() else None
