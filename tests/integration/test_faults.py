"""A few rounds of what `ops/faults/run` plays a hundred times, and whether its judge can say no."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from models.notifications import DeliveryAttempt, Notification
from models.vocabulary import NotificationState
from ops.faults.judge import Books
from ops.faults.judge_sms import SmsBooks
from ops.faults.rounds import Plan, play
from tests.conftest import Backend
from tests.fakes_smtp import CaughtMail

ONE = "<one@help.example>"
HASH = b"hash of a number"


@pytest.mark.anyio
async def test_workers_killed_at_random_before_a_moody_relay_lose_nothing(
    backend: Backend, tmp_path: Path
) -> None:
    crew = 2 if backend.broker_url else 1
    report = await play(backend, Plan(rounds=5, seed=20240520, crew=crew), tmp_path)
    assert report["lost"] == 0
    assert report["doubled_unsaid"] == 0
    assert report["doubled_with_other_bytes"] == 0
    assert report["attempts_without_outcome"] == 0
    assert report["honest"]
    assert (report["sms_lost"], report["sms_doubled"]) == (0, 0)
    assert report["requests"] == 5 * (6 + 2)
    assert report["messages"] == 2 * 30 + 10, "a receipt and an assignment each, those of the SMS by SMS"
    assert report["sms"] == 10


def test_the_judge_misses_a_message_that_never_arrived() -> None:
    sent = _notification()
    assert Books([sent], [_attempt(sent.id, "sent")], []).lost()
    assert not Books([sent], [_attempt(sent.id, "sent")], [_mail()]).lost()


def test_the_judge_misses_a_message_that_arrived_and_is_not_booked() -> None:
    assert Books([_notification(NotificationState.RETRYING)], [], [_mail()]).lost()


def test_the_judge_allows_a_second_arrival_for_each_unknown_attempt_only() -> None:
    note = _notification()
    unknown, sent = _attempt(note.id, "unknown"), _attempt(note.id, "sent")
    assert not Books([note], [unknown, sent], [_mail(), _mail()]).unsaid()
    assert Books([note], [sent], [_mail(), _mail()]).unsaid()
    assert Books([note], [unknown, sent], [_mail(), _mail(), _mail()]).unsaid()
    assert Books([], [], [_mail()]).unsaid(), "what the ledger does not know of"


def test_the_judge_knows_what_was_refused_for_good_from_what_is_lost() -> None:
    note = _notification(NotificationState.FAILED)
    refused = DeliveryAttempt(id=uuid4(), notification_id=note.id, outcome="rejected", code=554)
    assert not Books([note], [refused], []).lost()
    assert Books([note], [refused], [_mail()]).lost(), "refused, and it arrived"
    doubt = _attempt(note.id, "unknown")
    assert not Books([note], [doubt, refused], [_mail()]).lost(), (
        "it may have arrived before, and that is said"
    )
    assert Books([note], [_attempt(note.id, "retry")], []).lost()


def test_the_judge_sees_what_two_workers_claim_to_have_sent() -> None:
    note = _notification()
    assert Books([note], [_attempt(note.id, "sent")] * 2, []).booked_twice()
    assert not Books([note], [_attempt(note.id, "unknown"), _attempt(note.id, "sent")], []).booked_twice()


def test_the_judge_of_the_sms_allows_no_second_one_that_no_person_has_sent() -> None:
    note = _sms(NotificationState.SENT)
    twice = Counter({HASH: 2})
    assert SmsBooks([note], [], twice, Counter()).doubled()
    assert not SmsBooks([note], [], twice, Counter([note.id])).doubled()
    assert SmsBooks([], [], Counter([HASH]), Counter()).doubled(), "what the ledger does not know of"


@pytest.mark.parametrize(
    ("state", "arrived", "rejected", "lost"),
    [
        (NotificationState.SENT, 1, False, False),
        (NotificationState.SENT, 0, False, True),
        (NotificationState.UNKNOWN, 0, False, False),
        (NotificationState.UNKNOWN, 1, False, False),
        (NotificationState.FAILED, 0, True, False),
        (NotificationState.FAILED, 1, True, True),
        (NotificationState.FAILED, 0, False, True),
        (NotificationState.RETRYING, 0, False, True),
    ],
)
def test_the_judge_of_the_sms_misses_what_nobody_got_and_nobody_knows_of(
    state: NotificationState, arrived: int, rejected: bool, lost: bool
) -> None:
    note = _sms(state)
    attempts = [_attempt(note.id, "rejected")] if rejected else []
    assert bool(SmsBooks([note], attempts, Counter({HASH: arrived}), Counter()).lost()) == lost


def test_the_judge_sees_other_bytes_and_attempts_without_an_end() -> None:
    note = _notification()
    assert Books([note], [], [_mail(), _mail(b"other")]).changed() == [ONE]
    assert Books([note], [_attempt(note.id, None)], []).unfinished()


def _notification(state: NotificationState = NotificationState.SENT) -> Notification:
    return Notification(id=uuid4(), kind="receipt", state=state, message_id=ONE)


def _sms(state: NotificationState) -> Notification:
    return Notification(id=uuid4(), kind="receipt", state=state, recipient_hash=HASH)


def _attempt(notification: UUID, outcome: str | None) -> DeliveryAttempt:
    return DeliveryAttempt(id=uuid4(), notification_id=notification, outcome=outcome)


def _mail(text: bytes = b"Hello") -> CaughtMail:
    data = f"Message-ID: {ONE}\r\n\r\n".encode() + text
    at = datetime(2024, 5, 20, 9, tzinfo=UTC).timestamp()
    return CaughtMail("a@help.example", ("b@x.example",), data, at, 1, tls=False, user=None, answered=True)
