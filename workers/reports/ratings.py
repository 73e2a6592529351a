"""The tables of ratings: means with their intervals, low scores, and what too few have said is not told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from models.vocabulary import Dimension
from workers.measures import Figure, GroupFigures, Silence
from workers.reports.document import Column, Kind, Plain, Table

RATED = ("csat_overall", "low_overall")
DIMENSIONS = tuple(each.value for each in Dimension)
ANSWERS = (
    Column("answers", Kind.COUNT),
    Column("mean_score", Kind.SCORE),
    Column("from", Kind.SCORE),
    Column("to", Kind.SCORE),
    Column("low_share", Kind.SHARE),
)


def dimensions_table(now: Mapping[str, Figure]) -> Table:
    """Ratings by dimension."""
    columns = (Column("dimension", Kind.CODE, "dimension"), *ANSWERS)
    rated = [(name, (now[f"csat_{name}"], now[f"low_{name}"])) for name in DIMENSIONS]
    return _ratings("csat_dimensions", columns, rated)


def ratings_by(code: str, first: Sequence[Column], rows: Sequence[GroupFigures]) -> Table:
    """Ratings by type, group of customers or member of staff (their number and name)."""
    rated = []
    for row in rows:
        key: tuple[Plain, ...] = (row.key, row.name) if len(first) > 1 else (row.key,)
        if row.key:
            rated.append((key, (row["csat_overall"], row["low_overall"])))
    return _ratings(code, (*first, *ANSWERS), rated)


def _ratings(
    code: str,
    columns: Sequence[Column],
    rated: Sequence[tuple[Plain | tuple[Plain, ...], tuple[Figure, Figure]]],
) -> Table:
    told: list[tuple[Plain, ...]] = []
    marked: list[int] = []
    few = 0
    for key, (mean, low) in rated:
        few += Silence.TOO_FEW in (mean.silence, low.silence)
        if mean.value is None:
            continue
        if low.highlighted:
            marked.append(len(told))
        first = key if isinstance(key, tuple) else (key,)
        told.append((*first, mean.cases, mean.value, mean.low, mean.high, low.value))
    note = "some_too_few" if few and told else "too_few_answers" if few else ""
    return Table(code, columns, told, note=note if told or few else "no_answers", marked=marked)
