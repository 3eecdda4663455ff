"""Charts as inline SVG: small, drawn for a phone's width, coloured by the page's style."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from foils.report.facts import round_step
from foils.report.markup import details, text
from foils.show import number

WIDTH = 400
LEFT, RIGHT, TOP = 46, 10, 26
FINE = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)

Format = Callable[[float], str]


@dataclass(frozen=True)
class Series:
    """One line of a chart: a name, the class that gives its colour, a value per place (null: none)."""

    name: str
    css: str
    values: Sequence[float | None]


def figure(key: str, title: str, svg: str, note: str, data: str) -> str:
    """A chart with its title, what it says, and its data table on demand."""
    note = f'<p class="note">{note}</p>' if note else ""
    return (
        f'<figure aria-labelledby="{key}"><figcaption id="{key}">{title}</figcaption>{svg}{note}'
        f"{details('data of this chart', data)}</figure>"
    )


def bar(parts: Sequence[tuple[str, float, float]], label: str) -> str:
    """A bar in a table cell; parts are (class, from, to) in percent of the width."""
    rects = "".join(
        f'<rect class="{css}" x="{_n(start)}" y="0" width="{_n(max(stop - start, 0.25))}" height="10"/>'
        for css, start, stop in parts
        if stop > start
    )
    return (
        f'<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="{text(label)}">'
        f"{rects}</svg>"
    )


def columns(
    labels: Sequence[str], values: Sequence[float], *, x: str, y: str, form: Format = number, whole: bool = False
) -> str:
    """Upright bars over named places, with the value on top of each where there is room.

    Args:
        labels: of the places.
        values: not negative.
        x: title of the horizontal axis.
        y: title of the vertical axis, with its unit.
        form: how values are written.
        whole: values are counts, so there are no parts of them on the axis.
    """
    height, base = 230, 184
    top = _ceiling(max(values, default=0.0), whole)
    slot = (WIDTH - LEFT - RIGHT) / max(1, len(labels))
    wide = min(slot * 0.72, 44)
    parts = [_grid(0.0, top, base, form), _axis_titles(x, y, height)]
    every = _every(labels, slot)
    written = every == 1 and slot >= 7.2 * max((len(form(v)) for v in values if v), default=0) + 2
    for i, (label, value) in enumerate(zip(labels, values, strict=True)):
        middle = LEFT + slot * (i + 0.5)
        size = (base - TOP) * value / top
        if value:
            parts.append(
                _rect("selected", middle - wide / 2, base - max(size, 1), wide, max(size, 1), f"{label}: {form(value)}")
            )
        if written and value:
            parts.append(_text(middle, base - size - 5, form(value), "value"))
        if i % every == 0:
            parts.append(_text(middle, base + 17, label, "tick"))
    told = ", ".join(f"{label} {form(v)}" for label, v in zip(labels, values, strict=True))
    return _svg(height, f"{y} by {x}: {told}", parts)


def dots(labels: Sequence[str], series: Sequence[Series], *, x: str, y: str) -> str:
    """A line with dots per series over named places; the zero is always on the axis."""
    height, base = 230, 184
    values = [v for s in series for v in s.values if v is not None]
    low, high, step = _span(min([0.0, *values]), max([0.0, *values]))
    slot = (WIDTH - LEFT - RIGHT) / max(1, len(labels))

    def at(value: float) -> float:
        return base - (base - TOP) * (value - low) / (high - low)

    parts = [_axis_titles(x, y, height)]
    for i in range(round((high - low) / step) + 1):
        value = low + i * step
        css = "zero" if abs(value) < step / 1e3 else "grid"
        parts.append(_line(css, LEFT, at(value), WIDTH - RIGHT, at(value)))
        parts.append(_text(LEFT - 6, at(value) + 4, _tick(value, step), "tick end"))
    every = _every(labels, slot)
    parts += [_text(LEFT + slot * (i + 0.5), base + 17, lab, "tick") for i, lab in enumerate(labels) if i % every == 0]
    for one in series:
        points = [(LEFT + slot * (i + 0.5), at(v)) for i, v in enumerate(one.values) if v is not None]
        parts.append(f'<polyline class="line {one.css}" points="{" ".join(f"{_n(a)},{_n(b)}" for a, b in points)}"/>')
        parts += [f'<circle class="dot {one.css}" cx="{_n(a)}" cy="{_n(b)}" r="3.6"/>' for a, b in points]
    told = "; ".join(
        f"{s.name}: {', '.join(f'{lab} {number(v)}' for lab, v in zip(labels, s.values, strict=True))}" for s in series
    )
    return _svg(height, f"{y} by {x}. {told}", parts)


def ridges(
    edges: Sequence[float], series: Sequence[Series], notes: Sequence[str], marks: Sequence[float], *, x: str
) -> str:
    """Histograms one above the other on a common axis, each scaled to its own highest bin.

    Args:
        edges: of the bins.
        series: per histogram the count in every bin.
        notes: per histogram, written at its right end.
        marks: per histogram, where the median is.
        x: title of the axis, with its unit.
    """
    row, base = 66, 8 + 66 * len(series)
    height = base + 44
    low, high = edges[0], edges[-1]
    inner, side = WIDTH - 2 * 8, 8

    def at(value: float) -> float:
        return side + inner * min(max((value - low) / (high - low), 0.0), 1.0)

    parts = []
    step = round_step((high - low) / 5)
    first = math.ceil(low / step - 1e-9)
    for i in range(first, math.floor(high / step + 1e-9) + 1):
        parts.append(_line("grid", at(i * step), 12, at(i * step), base))
        parts.append(_text(at(i * step), base + 16, _tick(i * step, step), "tick"))
    for i, (one, note, mark) in enumerate(zip(series, notes, marks, strict=True)):
        floor = 8 + row * (i + 1) - 4
        most = max([v or 0.0 for v in one.values], default=0.0) or 1.0
        path = [f"M{_n(at(low))} {_n(floor)}"]
        for j, value in enumerate(one.values):
            level = _n(floor - 36 * (value or 0.0) / most)
            path += [f"V{level}", f"H{_n(at(edges[j + 1]))}"]
        parts.append(f'<path class="area {one.css}" d="{"".join(path)}V{_n(floor)}Z"/>')
        parts.append(_line("base", side, floor, WIDTH - side, floor))
        parts.append(_line("median", at(mark), floor - 40, at(mark), floor))
        parts.append(_text(side, floor - 44, one.name, f"name {one.css}"))
        parts.append(_text(WIDTH - side, floor - 44, note, "tick end"))
    parts.append(_text(WIDTH / 2, height - 6, x, "axis"))
    told = "; ".join(f"{s.name}: {n}" for s, n in zip(series, notes, strict=True))
    return _svg(height, f"Distribution of {x}. {told}", parts)


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """What the colours mean: (class, name)."""
    swatch = '<svg class="key" viewBox="0 0 10 10" aria-hidden="true"><rect class="{}" width="10" height="10"/></svg>'
    keys = "".join(f"<li>{swatch.format(css)}{text(name)}</li>" for css, name in entries)
    return f'<ul class="legend">{keys}</ul>'


def _svg(height: float, label: str, parts: Sequence[str]) -> str:
    body = "\n".join(parts)
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {_n(height)}" role="img" aria-label="{text(label)}">{body}</svg>'


def _grid(low: float, high: float, base: float, form: Format) -> str:
    lines = []
    for i in range(5):
        value, level = low + (high - low) * i / 4, base - (base - TOP) * i / 4
        lines.append(_line("grid" if i else "base", LEFT, level, WIDTH - RIGHT, level))
        lines.append(_text(LEFT - 6, level + 4, form(value), "tick end"))
    return "".join(lines)


def _axis_titles(x: str, y: str, height: float) -> str:
    return _text(0, 12, y, "axis start") + _text(LEFT + (WIDTH - LEFT - RIGHT) / 2, height - 8, x, "axis")


def _ceiling(value: float, whole: bool) -> float:
    # Four equal steps of a round size.
    step = round_step(value / 4, FINE) if value > 0 else 0.25
    return 4.0 * math.ceil(step) if whole else 4.0 * step


def _span(low: float, high: float) -> tuple[float, float, float]:
    step = round_step((high - low) / 4 or 1.0)
    bottom, top = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return bottom, max(top, bottom + step), step


def _every(labels: Sequence[str], slot: float) -> int:
    longest = max(map(len, labels), default=1)
    return max(1, math.ceil((6.4 * longest + 3) / slot))


def _tick(value: float, step: float) -> str:
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    digits += round(step * 10**digits, 6) % 1 > 0
    return f"{value + 0.0:,.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _rect(css: str, x: float, y: float, width: float, height: float, title: str) -> str:
    place = f'x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"'
    return f'<rect class="{css}" {place}><title>{text(title)}</title></rect>'


def _line(css: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{css}" x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"/>'


def _text(x: float, y: float, raw: str, css: str) -> str:
    return f'<text class="{css}" x="{_n(x)}" y="{_n(y)}">{text(raw)}</text>'


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
