"""How the cost of a check grows with what is pending: a table, and a plot of it as a small SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LINES = {
    "total_cpu_us_per_check": ("all together", "#1f2937"),
    "worker_cpu_us_per_check": ("workers", "#2563eb"),
    "database_cpu_us_per_check": ("PostgreSQL", "#d97706"),
    "scheduler_cpu_us_per_check": ("scheduler", "#059669"),
}
KEPT = (*LINES, "broker_cpu_us_per_check", "scheduler_cpu_ms_per_idle_second", "late_ms")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 340, 60, 130, 24, 48


def row(pending: int, figures: Mapping[str, Any]) -> dict[str, Any]:
    """What a round with so many pending deadlines contributes to the table."""
    return {"pending": pending, **{name: figures[name] for name in KEPT}}


def growth(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The rows by what is pending, and the cost at the most as a multiple of that at the least."""
    ordered = sorted(rows, key=lambda found: int(found["pending"]))
    times = {
        name: round(ordered[-1][name] / ordered[0][name], 2)
        for name in LINES
        if len(ordered) > 1 and ordered[0][name]
    }
    return {"rows": ordered, "most_to_least": times}


def write_plot(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """CPU microseconds per check over what is pending (logarithmic), as SVG; needs two different sizes."""
    path.write_text(plot(sorted(rows, key=lambda found: int(found["pending"]))))


def plot(rows: Sequence[Mapping[str, Any]]) -> str:
    """The SVG's text; `rows` in order of what is pending."""
    sizes = [int(found["pending"]) for found in rows]
    first, last = math.log10(sizes[0]), math.log10(sizes[-1])
    top = _above(max(float(found[name]) for found in rows for name in LINES))

    def x(pending: int) -> float:
        return round(LEFT + (math.log10(pending) - first) / (last - first) * (WIDTH - LEFT - RIGHT), 1)

    def y(cost: float) -> float:
        return round(HEIGHT - BOTTOM - cost / top * (HEIGHT - TOP - BOTTOM), 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="12" role="img">',
        "<title>CPU microseconds per check over the number of pending deadlines</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for step in range(5):
        cost = top * step / 4
        parts.append(f'<path d="M{LEFT} {y(cost)}H{WIDTH - RIGHT}" stroke="#e5e7eb"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(cost) + 4}" text-anchor="end">{cost:,.0f}</text>')
    for size in sizes:
        parts.append(
            f'<text x="{x(size)}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{_short(size)}</text>'
        )
    for name, (label, colour) in LINES.items():
        points = [(x(int(found["pending"])), y(float(found[name]))) for found in rows]
        line = " ".join(f"{across},{down}" for across, down in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{across}" cy="{down}" r="3" fill="{colour}"/>' for across, down in points]
        across, down = points[-1]
        parts.append(f'<text x="{across + 8}" y="{down + 4}" fill="{colour}">{label}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">pending deadlines</text>')
    parts.append(f'<text x="{LEFT}" y="{TOP - 8}">CPU µs per check</text>')
    return "\n".join([*parts, "</svg>", ""])


def _above(value: float) -> float:
    """The next round number: 1, 2, 4 or 10 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(max(value, 1.0)))
    return next(power * times for times in (1, 2, 4, 10) if power * times >= value)


def _short(count: int) -> str:
    return f"{count / 1e6:g} M" if count >= 1_000_000 else f"{count / 1e3:g} k"
