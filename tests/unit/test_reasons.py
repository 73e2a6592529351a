"""Every state and reason that the ledger can show has its words in both languages; none is forgotten."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from models.vocabulary import NotificationState
from workers.channels.sms.codes import LATER, aliyun, bird, plivo, tencent, twilio, vonage
from workers.channels.sms.several import OF_THIS_PROVIDER
from workers.channels.smtp_codes import _PERMANENT, _TEMPORARY
from workers.rendering.environment import load_labels
from workers.suppressions import HARD, RULES

ROOT = Path(__file__).parents[2] / "workers"
SOURCES = ("channels", "delivery", "ledger", "notifications", "tickets", "surveys", "deadlines",
           "escalations", "followups", "intake/mail_route")  # fmt: skip # packed, to be read at a glance
PLACES: Mapping[str, tuple[int, ...]] = {
    "outcome": (1,),
    "Outcome": (2,),
    "Judgement": (1,),
    "Silence": (1,),
    "Refused": (0,),
    "CannotConnect": (0,),
    "Wait": (1,),
    "broken_off": (0, 1),
    "by_status": (1,),
    "cancel": (1,),
    "withdraw": (3,),
    "withdraw_for": (4,),
    "unjudge": (3,),
    "stop_ladder": (2,),
    "_stop_asking": (2,),
}
"""Where in the arguments of which call a reason stands."""
DECIDE = ("smtp_codes.py", "answers.py")
"""Modules whose functions return reasons as they are."""
WORD = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
NO_REASONS = frozenset({"message", "bounce", "accepted", "assignment", "csat_invitation", "twilio"})
TABLES = (twilio.REASONS, vonage.ANSWERS, vonage.RECEIPTS, plivo.RECEIPTS, bird.RECEIPTS, aliyun.REASONS,
          tencent.ANSWERS, tencent.RECEIPTS)  # fmt: skip # packed, to be read at a glance


def _words(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and WORD.fullmatch(each.value):
            yield each.value


def _in_calls(call: ast.Call, keywords: tuple[str, ...]) -> Iterator[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    for place in PLACES.get(name, ()):
        if place < len(call.args) and isinstance(call.args[place], ast.Constant | ast.IfExp):
            yield from _words(call.args[place])
    for keyword in call.keywords:
        if keyword.arg in keywords and isinstance(keyword.value, ast.Constant | ast.IfExp):
            yield from _words(keyword.value)


def _in_module(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            # Of an event that came in, only why nothing is answered gets into the ledger.
            yield from _in_calls(node, ("silence",) if path.parent.name == "intake" else ("reason",))
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2:
            if ast.unparse(node.elts[0]).startswith(("Verdict.", "NotificationState.")):
                yield from _words(node.elts[1])
        elif isinstance(node, ast.Return) and path.name in DECIDE and node.value is not None:
            if isinstance(node.value, ast.Constant | ast.IfExp | ast.BoolOp):
                yield from _words(node.value)
        elif isinstance(node, ast.Assign) and path.parent.name in ("delivery", "ledger"):
            named = isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper()
            yield from _words(node.value) if named and isinstance(node.value, ast.Constant) else ()


def reasons() -> set[str]:
    """All reasons in the code: those that are written out, those of tables, those of the suppressions."""
    files = [path for name in SOURCES for path in (sorted((ROOT / name).rglob("*.py"))
             or [ROOT / f"{name}.py"])]  # fmt: skip # packed, to be read at a glance
    found = {word for path in files for word in _in_module(path)}
    for table in TABLES:
        found |= set(table.values())
    found |= {*_PERMANENT.values(), *_TEMPORARY.values(), *LATER, *OF_THIS_PROVIDER, *HARD}
    return (found | {f"suppressed_{rule}" for rule in RULES}) - NO_REASONS


@pytest.mark.parametrize("locale", ["en", "zh_CN"])
def test_every_reason_and_state_has_its_words(locale: str) -> None:
    labels = load_labels(locale)
    assert sorted(reasons() - set(labels["reason"])) == []
    assert sorted({state.value for state in NotificationState} - set(labels["notification_state"])) == []
    assert all(words.strip() for words in labels["reason"].values())


def test_both_languages_know_the_same_reasons() -> None:
    assert set(load_labels("en")["reason"]) == set(load_labels("zh_CN")["reason"])


def test_the_search_finds_reasons_wherever_they_are_written() -> None:
    kinds = {"fatigue_cap", "mailbox_disabled", "smtputf8_not_offered", "out_of_credit", "template_missing",
             "suppressed_stop", "quiet_hours", "worker_lost", "already_answered", "unreachable_domain",
             "key_missing", "greylisted", "cancelled_by_staff"}  # fmt: skip # packed, to be read at a glance
    assert kinds <= reasons()
