"""How one thing is asked on a terminal: until the answer is right, and with what stands kept by Enter."""

from __future__ import annotations

from collections.abc import Callable

import typer

from workers.cli.first_run.wording import say
from workers.cli.output import verdict

Check = Callable[[str], str]
"""Says what is wrong with an answer, in words; nothing when it is right."""


def ask(question: str, stands: str = "", *, check: Check | None = None, needed: bool = False) -> str:
    """The answer, without blanks around it; a wrong one is told of, and asked for again."""
    while True:
        said = str(typer.prompt(say(question), default=stands, show_default=bool(stands))).strip()
        wrong = say("needed") if needed and not said else check(said) if check and said else ""
        if not wrong:
            return said
        verdict("bad", wrong)


def ask_hidden(question: str, stands: str, *, check: Check | None = None) -> str:
    """The same for what nobody may read over a shoulder."""
    kept = f" [{say('kept')}]" if stands else ""
    shown = f"{say(question)}{kept}"
    while True:
        said = str(typer.prompt(shown, default=stands, show_default=False, hide_input=True)).strip()
        wrong = check(said) if check and said != stands else ""
        if not wrong:
            return said
        verdict("bad", wrong)


def ask_code() -> str:
    """A password, which is never shown and never empty."""
    return str(typer.prompt(say("code"), hide_input=True))


def agreed(question: str, *, default: bool) -> bool:
    """Yes or no."""
    return typer.confirm(say(question), default=default)
