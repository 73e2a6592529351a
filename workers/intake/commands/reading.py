"""The commands in the first lines of an agent's mail, told apart from the answer and from internal notes.

Pure, and linear in the length of the text. In doubt words stay inside: what follows a command up to the next
empty line belongs to it, and a command that stands further down is named, so that nobody sends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workers.intake.commands.words import BLANKS, ONE_LINE, field_of, head_of, plain

_NOTE = "note"


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its name (None when nobody knows it), its words (lines joined by \\n), its first line."""

    name: str | None
    words: str
    line: str


@dataclass(frozen=True, slots=True)
class Instructions:
    """What a mail of an agent holds. `text` is the answer to the customer, `note` stays inside.

    `misplaced` are lines that look like commands but stand below the answer's beginning or below #note.
    """

    commands: tuple[Command, ...]
    text: str
    note: str
    misplaced: tuple[str, ...] = ()

    @property
    def understood(self) -> bool:
        """Whether every line that looks like a command is one, and stands where commands stand."""
        return not self.misplaced and all(command.name for command in self.commands)


def read_commands(reply: str) -> Instructions:
    """Reads the agent's own words (the quotation is cut off already)."""
    lines = reply.split("\n")
    commands, at = _block(lines)
    end = next((number for number in range(at, len(lines)) if _is_note(lines[number])), len(lines))
    text, inside = lines[at:end], lines[end:]
    if commands and commands[-1].name == _NOTE:
        text, inside = [], lines[at - 1 :]
    misplaced = [line for line in text if _is_command(line)]
    # Below #note everything is a note; who put commands there is told that they were not carried out.
    misplaced += [line for line in inside[1:] if _is_command(line)]
    shown = tuple(line.strip(BLANKS) for line in misplaced)
    kept = tuple(command for command in commands if command.name != _NOTE)
    return Instructions(kept, "\n".join(text).strip(), _note_words(inside), shown)


def _block(lines: Sequence[str]) -> tuple[list[Command], int]:
    """The commands at the beginning, and the number of the line after them; #note ends them."""
    commands: list[Command] = []
    at = 0
    while at < len(lines):
        if not lines[at].strip(BLANKS):
            at += 1
            continue
        head = head_of(lines[at])
        name = _NOTE if _is_note(lines[at]) else head.name if head else None
        if head is None and name is None:
            break
        first, words = lines[at].strip(BLANKS), [head.rest] if head else []
        at += 1
        if name == _NOTE:
            commands.append(Command(_NOTE, "", first))
            break
        if name not in ONE_LINE:
            more, at = _body(lines, at, name)
            words += more
        commands.append(Command(name, "\n".join(words).strip(), first))
    return commands, at


def _body(lines: Sequence[str], at: int, name: str | None) -> tuple[list[str], int]:
    """The lines that carry a command on: up to an empty line or the next command. A line with a label of this
    command belongs to it across empty lines, as mail programs put one between any two.
    """
    taken: list[str] = []
    while at < len(lines):
        following = at
        while following < len(lines) and not lines[following].strip(BLANKS):
            following += 1
        if following == len(lines) or head_of(lines[following]) or _is_note(lines[following]):
            break
        if following > at and (name is None or field_of(name, lines[following]) is None):
            break
        taken.append(lines[following].strip(BLANKS))
        at = following + 1
    return taken, at


def _is_note(line: str) -> bool:
    """Whether from this line on all stays inside: "#note" however it goes on, or another name of it."""
    bare = line.lstrip(BLANKS)[:80]
    if plain(bare[:5]) == "#note":
        return True
    head = head_of(bare)
    return head is not None and head.name == _NOTE


def _is_command(line: str) -> bool:
    head = head_of(line)
    return head is not None and head.name is not None


def _note_words(lines: Sequence[str]) -> str:
    if not lines:
        return ""
    head = head_of(lines[0])
    first = head.rest if head is not None and head.name == _NOTE else lines[0].strip(BLANKS)[5:]
    return "\n".join([first, *lines[1:]]).strip()
