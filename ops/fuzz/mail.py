"""The target of the fuzzer: any bytes give a record that can be stored, or a refusal, in two seconds."""

from __future__ import annotations

import importlib
import json
import sys
import time
from typing import Any

from workers.errors import UnreadableMail

SECONDS = 2.0
OWN = ("support@help.example",)


def strings(value: Any) -> list[str]:
    """Every string in a record, keys included."""
    if isinstance(value, dict):
        return [text for pair in value.items() for item in pair for text in strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


def read(raw: bytes) -> None:
    """Read `raw` as the intake does. Raises AssertionError for what no mail may do, and whatever escapes."""
    from workers.intake.view import KINDS, mail_view

    began = time.process_time()
    try:
        view = mail_view(raw, OWN)
    except UnreadableMail:
        view = {"kind": "unreadable"}
    spent = time.process_time() - began
    assert spent < SECONDS, f"took {spent:.1f} s"
    assert view["kind"] in KINDS
    json.dumps(view).encode()
    for text in strings(view):
        text.encode()
        assert "\x00" not in text, "a NUL cannot be stored"


def main() -> None:
    """Instrument what reads mail and run the fuzzer with the arguments of libFuzzer."""
    # Only its own virtual environment has the fuzzer (ops/fuzz/run), and it has no types.
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["workers.intake"]):
        importlib.import_module("workers.intake.view")
    atheris.Setup(sys.argv, read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
