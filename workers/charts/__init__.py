"""Charts for pages (SVG) and mails (PNG) from the same figures: pure functions, no rows, no clock.

    chart = bars("Tickets by type", ["Consultation", "Complaint"], [Series("Tickets", [12, 7])])
    chart.to_svg()          # to be put into a page: no style, no script, colours by its stylesheet
    chart.to_png()          # to be put into a mail: on a card of its own, twice as fine; None without figures
    chart.table()           # the same figures as rows of words: belongs beside every chart

The library behind it is imported with the first drawing. Drawing takes some milliseconds of computing: many
charts are drawn in a thread (`asyncio.to_thread`).
"""

from workers.charts.chart import Chart, Kind, Series, bars, histogram, lines
from workers.charts.fonts import Fonts
from workers.charts.units import Unit, words_of

__all__ = ["Chart", "Fonts", "Kind", "Series", "Unit", "bars", "histogram", "lines", "words_of"]
