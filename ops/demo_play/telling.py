"""How the story is shown: a timeline with a bar and a clock below it, or plain lines when nobody watches."""

from __future__ import annotations

from datetime import datetime

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from ops.demo_play.facts import Evidence, Fact
from ops.demo_play.ledger import Entry
from ops.demo_play.parts import STAFF, ZONE

SIGNS: dict[str, tuple[str, str, str]] = {
    # log line: (sign, word, colour)
    "received": ("✉", "received", "cyan"),
    "set_aside": ("·", "set aside", "bright_black"),
    "customer_wrote": ("✉", "reply", "cyan"),
    "triaged": ("▪", "triaged", "white"),
    "accepted": ("▪", "accepted", "white"),
    "transferred": ("⇄", "handed over", "white"),
    "first_response": ("✎", "answered", "green"),
    "plan_given": ("▪", "plan given", "white"),
    "escalation_requested": ("?", "more time?", "yellow"),
    "escalation_decided": ("▪", "approved", "white"),
    "warned": ("⚠", "warned", "yellow"),
    "breached": ("✖", "breached", "red"),
    "missed": ("✖", "48 h missed", "bold red"),
    "escalated": ("▲", "escalated", "magenta"),
    "acknowledged": ("⚑", "acknowledged", "blue"),
    "resolved": ("✔", "resolved", "green"),
    "confirmed": ("✔", "confirmed", "green"),
    "survey_invited": ("☆", "survey sent", "blue"),
    "rated": ("★", "rated", "green"),
    "rated_low": ("★", "rated low", "bold red"),
    "followup_owner": ("☎", "follow-up taken", "blue"),
    "followup_contact": ("☎", "followed up", "green"),
    "followup_measure": ("▪", "measure set", "white"),
    "followup_evaluated": ("✔", "re-evaluated", "green"),
    "survey_task": ("☆", "survey task", "blue"),
    "closed": ("■", "closed", "bright_black"),
    "service": ("↻", "service", "bright_black"),
}
LEGEND = (
    "received", "answered", "warned", "breached", "escalated", "resolved", "rated", "rated low",
    "followed up", "48 h missed",
)  # fmt: skip # packed, to be read at a glance
NAMES = {person.number: person.name for person in STAFF}


class Telling:
    """Prints the story line by line; `facts` is the length of the checklist."""

    def __init__(self, facts: int) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self._live = self.console.is_terminal
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.completed:.0f}/{task.total:.0f} proved   {task.fields[pace]}"),
            console=self.console,
            transient=True,
            disable=not self._live,
        )
        self._task: TaskID = self._progress.add_task("Monday 09:00", total=facts, pace="")

    def begin(self) -> None:
        """Title and legend; then the bar."""
        out = self.console
        loop = "received → answered in time → resolved → told → rated → followed up → improved"
        out.print(f"[bold]closeloop[/]: {loop}")
        signs = {word: (sign, colour) for sign, word, colour in SIGNS.values()}
        out.print("  ".join(f"[{signs[word][1]}]{signs[word][0]}[/] {word}" for word in LEGEND))
        out.print()
        self._progress.start()

    def end(self) -> None:
        """Take the bar away."""
        self._progress.stop()

    def say(self, words: str) -> None:
        """A remark between the lines."""
        self._progress.console.print(words)

    def tick(self, now: datetime, proved: int, speed: float) -> None:
        """Move clock and bar."""
        pace = f"1 s = {speed / 60:.0f} min" if speed < 3600 else f"1 s = {speed / 3600:.0f} h"
        self._progress.update(
            self._task, description=f"{now.astimezone(ZONE):%A %H:%M}", completed=proved, pace=pace
        )

    def line(self, at: datetime, kind: str, ticket: str, title: str, details: str = "") -> None:
        """One event of the timeline; kinds that the story does not need are left out."""
        if kind not in SIGNS:
            return
        sign, word, colour = SIGNS[kind]
        text = Text(f"{at.astimezone(ZONE):%a %H:%M}  ")
        text.append(f"{sign} {word:<15}", style=colour)
        text.append(f" {ticket:<14}  ", style="bold")
        text.append(title)
        if details:
            text.append(f"  {details}", style="bright_black" if self._live else "")
        self._progress.console.print(text)

    def checklist(self, facts: tuple[Fact, ...], seen: Evidence) -> list[str]:
        """Print what happened and what did not; gives the names of what is missing."""
        missing = []
        self.console.print("\n[bold]What must have happened[/] (from the database and the caught mails)")
        for fact in facts:
            good = fact.proved(seen)
            self.console.print(f"  [green]✓[/] {fact.name}" if good else f"  [red]✗ {fact.name}[/]")
            if not good:
                missing.append(fact.name)
        return missing

    def messages(self, seen: Evidence) -> None:
        """The closing table: messages by kind and state."""
        table = Table(title="Messages in the ledger", title_justify="left", box=None, pad_edge=False)
        for title in ("message", "by", "state", "how many"):
            table.add_column(title, justify="right" if title == "how many" else "left")
        for kind, channel, state, number in seen.ledger.messages_by_kind():
            table.add_row(kind, channel, state, str(number))
        self.console.print()
        self.console.print(table)


def details_of(entry: Entry) -> str:
    """What a line of the log adds to its kind, in words."""
    facts, by = entry.facts, NAMES.get(entry.by, "" if entry.by in ("system", "customer") else entry.by)
    match entry.kind:
        case "warned":
            return f"{_clock(facts)} due {_time(facts)}"
        case "breached":
            return f"{_clock(facts)} was due {_time(facts)}"
        case "escalated":
            return f"{_clock(facts)}, level {facts.get('level')}"
        case "transferred":
            return f"{NAMES.get(facts.get('from', ''), '')} → {NAMES.get(facts.get('to', ''), '')}"
        case "first_response":
            late = "" if facts.get("in_time") else ", late"
            return f"by {facts.get('channel')}{late}"
        case "triaged":
            return f"{facts['before']['priority']} → {facts['after']['priority']}, by {by}"
        case "survey_invited" | "rated":
            return str(facts.get("survey", ""))
        case _:
            return f"by {by}" if by else ""


def kind_of(entry: Entry, low: bool) -> str:
    """Which sign an entry gets; `low` says that a low score opened a follow-up at the same moment."""
    if entry.kind == "breached" and entry.facts.get("clock") == "followup_start":
        return "missed"
    return "rated_low" if entry.kind == "rated" and low else entry.kind


def _clock(facts: dict[str, object]) -> str:
    return str(facts.get("clock", "")).replace("_", " ").replace("followup start", "follow-up")


def _time(facts: dict[str, object]) -> str:
    limit = facts.get("limit_at")
    return f"{datetime.fromisoformat(str(limit)).astimezone(ZONE):%a %H:%M}" if limit else ""
