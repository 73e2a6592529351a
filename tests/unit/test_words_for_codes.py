"""What staff read of a ticket's log and of what came in is words in both languages, never a code."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from models.vocabulary import NotificationState
from tests.architecture.tree import ROOT
from workers.channels.port import Verdict
from workers.intake import filters, junk, machines
from workers.intake.doubts import SENDER_DISOWNED
from workers.intake.providers.mail.port import DEFERRED, DROPPED, KINDS, UNSUBSCRIBED
from workers.intake.receipt_route import NO_FAILURE
from workers.intake.sms_parts import PART_LATE, PARTS_MISSING
from workers.outbound.caller import Answer
from workers.posting.verdicts import judge
from workers.privacy.erasing.subject import REASON as ERASED
from workers.rendering.environment import LOCALES, load_labels
from workers.tickets.replanning import REASON as REPLANNED

PLACES: dict[str, tuple[str, int | str, int]] = {
    "log": ("record", 2, 70),
    "event_kind": ("Filed", "kind", 8),
    "event_reason": ("Filed", "reason", 10),
}
"""Group of labels: the call that codes of it are written in, the argument, how many there are at least."""


BY_NAME = {
    "log": {"suppressed", "suppression_lifted", "message_retried", "message_cancelled"}
    | {ERASED, REPLANNED, SENDER_DISOWNED, "imported"},
    "event_kind": {"accepted", "bounced", "failed", "suppressed"},
    "event_reason": {ERASED, "repeated"},
}
"""Those that the calls name by a variable."""
MARKING = ("_report", "_kind", "_refusals", "_silences", "machine_reasons", "_reason")
"""The functions of `filters` and `machines` that say by a code why a mail is what it is."""


@cache
def _calls() -> tuple[ast.Call, ...]:
    trees = (ast.parse(path.read_text("utf-8")) for path in sorted((ROOT / "workers").rglob("*.py")))
    return tuple(node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call))


def _codes(name: str, place: int | str) -> Iterator[str]:
    for call in _calls():
        if (call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")) != name:
            continue
        given: list[ast.expr] = [each.value for each in call.keywords if each.arg == place]
        if isinstance(place, int):
            given += call.args[place : place + 1]
        for each in given:
            choices = [each.body, each.orelse] if isinstance(each, ast.IfExp) else [each]
            found = [one.value for one in choices if isinstance(one, ast.Constant)]
            yield from (code for code in found if isinstance(code, str))


def _marks() -> set[str]:
    """Why a mail is taken for what it is: codes in lists, keys of checks, and what functions return."""
    found: set[str] = set()
    for module in (filters, machines):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.FunctionDef) and node.name in MARKING:
                compared = (each for each in ast.walk(node) if isinstance(each, ast.Compare))
                found |= _written_in(node) - {code for each in compared for code in _written_in(each)}
    return found


def _written_in(node: ast.AST) -> set[str]:
    texts = (each.value for each in ast.walk(node) if isinstance(each, ast.Constant))
    return {text for text in texts if isinstance(text, str) and re.fullmatch(r"[a-z]+(_[a-z]+)+", text)}


@pytest.mark.parametrize("locale", LOCALES)
def test_what_a_mail_is_and_why_has_its_words(locale: str) -> None:
    words = load_labels(locale)
    assert sorted({*filters.Kind, *KINDS.values()} - set(words["event_kind"])) == []
    assert len(_marks()) >= 18, "the search finds them"
    known = {*_marks(), "spam", "list", PART_LATE, PARTS_MISSING, *NO_FAILURE, *junk._MARKS}
    known |= {"junk_folder", "provider_says_virus", "provider_says_spam", DEFERRED, UNSUBSCRIBED, DROPPED}
    assert sorted(known - set(words["event_reason"])) == []


@pytest.mark.parametrize("locale", LOCALES)
def test_what_happened_to_a_message_has_its_words(locale: str) -> None:
    told = {*Verdict, "under_way", "made", "attempt", "receipt", "noted"}
    told |= {NotificationState.DELIVERED, NotificationState.BOUNCED, NotificationState.COMPLAINED}
    assert sorted(told - set(load_labels(locale)["story"])) == []


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize(
    "page", sorted((ROOT / "workers/web/console").glob("*_form*.py")), ids=lambda p: p.stem
)
def test_what_a_form_refuses_is_said_in_words(page: Path, locale: str) -> None:
    calls = [node for node in ast.walk(ast.parse(page.read_text("utf-8"))) if isinstance(node, ast.Call)]
    refused = [call for call in calls if getattr(call.func, "id", "") == "InvalidInput"]
    given = [each for call in refused for each in (*call.args[:1], *(one.value for one in call.keywords))]
    said = {str(each.value) for each in given if isinstance(each, ast.Constant)}
    assert sorted(said - set(load_labels(locale)["refusal"])) == []


@pytest.mark.parametrize("locale", LOCALES)
def test_what_became_of_a_call_to_another_system_has_its_words(locale: str) -> None:
    words = load_labels(locale)["webhook"]
    told = {judge(Answer(status, {}, b"")).reason for status in (200, 302, 404, 410, 429, 503)}
    told |= {*_codes("CallFailed", 0), *_codes("CallRefused", 0)}
    told |= {
        "timeout_before_data",
        "timeout_after_data",
        "lost_after_data",
        "worker_lost",
        "endpoint_disabled",
    }
    assert len(told) >= 14
    assert sorted(code for code in told if f"reason_{code}" not in words) == []


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("group", PLACES)
def test_what_the_code_writes_down_has_its_words(group: str, locale: str) -> None:
    name, place, least = PLACES[group]
    codes = set(_codes(name, place))
    assert len(codes) >= least, "the search finds them"
    assert sorted((codes | BY_NAME[group]) - set(load_labels(locale)[group])) == []
