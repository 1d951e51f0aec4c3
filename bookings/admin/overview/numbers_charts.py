"""The bars of a chart, drawn as SVG by the server. Places across are percents, so that texts keep their size."""

import math
from typing import Any

from bookings.admin.overview.numbers_tables import Line, Table, text_of, week_text

# Bars beside each other: where the highest ends, and where all stand.
TOP, FOOT, HEIGHT = 18, 130, 150
# So many columns have room for their values, and so many for their weeks.
VALUES, LABELS = 14, 6
# Bars below each other.
MOST_BARS, ROW = 20, 24
LABEL_WIDTH, BAR_WIDTH = 38, 48  # percent
LONGEST = 20  # characters


def chart_of(table: Table) -> dict[str, Any]:
    """For numbers_chart.html."""
    if table.is_course:
        return {"is_course": True, "height": HEIGHT, "foot": FOOT, "bars": _columns(table)}
    bars = [_bar(line, place, table.most) for place, line in enumerate(table.lines[:MOST_BARS])]
    return {"is_course": False, "height": ROW * len(bars), "bars": bars, "more": max(0, len(table.lines) - MOST_BARS)}


def _share(value: float, most: float) -> float:
    return 1.0 if value == math.inf else value / most


def _columns(table: Table) -> list[dict[str, Any]]:
    number = len(table.lines)
    every = math.ceil(number / LABELS)
    return [
        {
            "x": round(100 * (place + 0.15) / number, 2),
            "width": round(70 / number, 2),
            "middle": round(100 * (place + 0.5) / number, 2),
            **_upright(line, table.most),
            "label": week_text(line.label) if place % every == 0 else "",
            "shown": line.text if number <= VALUES else "",
            "says": says(line),
        }
        for place, line in enumerate(table.lines)
    ]


def _upright(line: Line, most: float) -> dict[str, Any]:
    height = round((FOOT - TOP) * _share(line.value, most), 1)
    mark = round((FOOT - TOP) * _share(line.mark, most), 1)
    return {
        "y": FOOT - height,
        "height": height,
        "mark": FOOT - mark if line.mark else None,
        "above": FOOT - height - 4,
    }


def _bar(line: Line, place: int, most: float) -> dict[str, Any]:
    width, mark = (round(BAR_WIDTH * _share(value, most), 2) for value in (line.value, line.mark))
    return {
        "y": place * ROW + 4,
        "base": place * ROW + 16,
        "x": LABEL_WIDTH,
        "width": width,
        "mark": LABEL_WIDTH + mark if line.mark else None,
        "behind": LABEL_WIDTH + max(width, mark) + 1,
        "label": line.label if len(line.label) <= LONGEST else f"{line.label[: LONGEST - 1]}…",
        "shown": f"{line.text} / {text_of(line.mark)}" if line.mark else line.text,
        "says": says(line),
    }


def says(line: Line) -> str:
    return ", ".join(line.cells)
