"""Mistakes in a policy file, said so that a support lead can mend them: file, line, what, how."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from workers.errors import PolicyError
from workers.policy.toml_lines import Lines, tidy

_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong; `line` counts from 1, None when it is about the file as a whole."""

    line: int | None
    message: str
    hint: str = ""


class PolicyFileError(PolicyError):
    """All mistakes of one policy file. `file`, `line` and `hint` are those of the first one."""

    def __init__(self, file: str, mistakes: Iterable[Mistake]) -> None:
        self.file = file
        self.mistakes = tuple(sorted(mistakes, key=lambda mistake: mistake.line or 0))
        first = self.mistakes[0]
        self.line = first.line
        super().__init__("\n".join(self._sentence(mistake) for mistake in self.mistakes), first.hint)

    def _sentence(self, mistake: Mistake) -> str:
        place = self.file if mistake.line is None else f"{self.file}, line {mistake.line}"
        also = f" ({mistake.hint})" if mistake.hint and mistake is not self.mistakes[0] else ""
        return f"{place}: {mistake.message}{also}"


def from_syntax(problem: tomllib.TOMLDecodeError, file: str, text: str) -> PolicyFileError:
    """The mistake `tomllib` stopped at. It gives the place in words, at the end of the file not even that."""
    found = _AT_LINE.search(str(problem))
    line = int(found[1]) if found else text.count("\n") + 1
    message = _AT_LINE.sub("", str(problem)).strip().removesuffix("(at end of document)").strip()
    return PolicyFileError(
        file, [Mistake(line, f"not valid TOML: {message}", "words and times stand in quotes")]
    )


def from_fields(
    problem: ValidationError, file: str, text: str, data: dict[str, Any], model: type[BaseModel]
) -> PolicyFileError:
    """The mistakes pydantic found, each with the line its key stands on."""
    lines = Lines(text)
    errors = problem.errors(include_url=False)
    mistakes = []
    for error in errors:
        if any(_is_inside(other["loc"], error["loc"]) for other in errors):
            # A table or list that is wrong only because of something inside it: say the cause alone.
            continue
        path = tidy(error["loc"], data)
        message, hint = _in_words(error, path, model)
        mistakes.append(Mistake(lines.of(path), message, hint))
    return PolicyFileError(file, mistakes)


def _is_inside(inner: tuple[int | str, ...], outer: tuple[int | str, ...]) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _in_words(error: ErrorDetails, path: tuple[str | int, ...], model: type[BaseModel]) -> tuple[str, str]:
    where = ".".join(str(step) for step in error["loc"] if step != "[key]")
    if error["type"] == "extra_forbidden":
        known = _fields_at(model, path[:-1])
        return f"unknown key {where}", _did_you_mean(str(path[-1]), known)
    if error["type"] == "missing":
        return f"{where} is missing", "copy the line from one of the ready-made policies"
    message = error["msg"].removeprefix("Value error, ")
    hint = ""
    if error["type"] in ("enum", "literal_error"):
        words = re.findall(r"'([^']*)'", str(error.get("ctx", {}).get("expected", "")))
        hint = _did_you_mean(str(error["input"]), words)
    return (f"{where}: {message}" if where else message), hint


def _did_you_mean(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]}?" if close else f"known here: {', '.join(sorted(known))}"


def _fields_at(model: type[BaseModel], path: tuple[str | int, ...]) -> list[str]:
    """The keys allowed in the table at `path`, found by walking the models as the validator did."""
    current = model
    for step in path:
        field = current.model_fields.get(step) if isinstance(step, str) else None
        inner = _model_in(field.annotation) if field else current
        current = inner or current
    return [field.alias or name for name, field in current.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        if found := _model_in(argument):
            return found
    return None
