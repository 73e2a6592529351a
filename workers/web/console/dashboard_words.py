"""Figures in words: values with their number and interval, why there is none, and how they changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workers.charts import Unit as Drawn
from workers.charts import words_of
from workers.measures import CATALOGUE, Better, Figure, Unit

DRAWN = {
    Unit.SECONDS: Drawn.SECONDS,
    Unit.COUNT: Drawn.COUNT,
    Unit.SHARE: Drawn.PERCENT,
    Unit.SCORE: Drawn.SCORE,
}
"""How charts call the units of measures."""
FEWEST = 10
"""Cases on either side below which no change is called better or worse."""


@dataclass(frozen=True, slots=True)
class Words:
    """Puts figures into words of one language; `label(code, **values)` gives words of the group `figures`."""

    locale: str
    label: Any

    def value(self, figure: Figure) -> str:
        """The figure alone, or why there is none."""
        if figure.value is None:
            return str(self.label(figure.silence or "no_cases"))
        return words_of(figure.value, DRAWN[figure.unit], self.locale)

    def basis(self, figure: Figure) -> str:
        """From how many cases, and between which bounds it lies by chance; "" for a plain number of cases."""
        if figure.value is None or figure.unit is Unit.COUNT or not figure.cases:
            return ""
        cases = self.label("cases", count=figure.cases)
        if figure.low is None or figure.high is None:
            return str(cases)
        ends = (words_of(each, DRAWN[figure.unit], self.locale) for each in (figure.low, figure.high))
        return str(self.label("between", cases=cases, ends=" – ".join(ends)))

    def change(self, now: Figure, before: Figure) -> dict[str, str] | None:
        """How it changed: words, and whether that is good, bad or plain; None where either is not known."""
        if now.value is None or before.value is None:
            return None
        difference = now.value - before.value
        if not difference:
            return {"words": str(self.label("unchanged")), "look": "plain", "said": ""}
        sign = "+" if difference > 0 else "−"
        words = sign + self._amount(abs(difference), now.unit)
        if now.unit is Unit.COUNT and before.value:
            words += f" ({sign}{words_of(abs(difference) / before.value, Drawn.PERCENT, self.locale)})"
        look = _look(now, before, difference)
        said = {"good": "better", "bad": "worse", "chance": "chance"}.get(look, "")
        return {
            "words": words,
            "look": "plain" if look == "chance" else look,
            "said": str(self.label(said)) if said else "",
        }

    def _amount(self, amount: float, unit: Unit) -> str:
        if unit is Unit.SHARE:
            return str(self.label("points", count=f"{amount * 100:.1f}"))
        return words_of(amount, DRAWN[unit], self.locale)


def _look(now: Figure, before: Figure, difference: float) -> str:
    """Whether a change is good, bad, or may be chance: too few cases, or intervals that overlap."""
    better = CATALOGUE[now.key].better
    if better is Better.NEITHER or now.unit is Unit.COUNT:
        return "plain"
    if min(now.cases, before.cases) < FEWEST or _overlap(now, before):
        return "chance"
    return "good" if (difference < 0) == (better is Better.LOWER) else "bad"


def _overlap(now: Figure, before: Figure) -> bool:
    if now.low is None or now.high is None or before.low is None or before.high is None:
        return False
    return now.low <= before.high and before.low <= now.high
