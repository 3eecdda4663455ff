"""Charts of one section each: the flow of candidates, probability against hardness, the price of a risk, sources."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from foils.report.charts import HEIGHT, INK, SOFT, WIDTH, Spec, chart, colour, draw, up
from foils.show import count, number, share

LETTERS = {"right": 16, "left": 23}  # of a name that there is room for
TALL = 360
GAP = 8.0  # between the ends of a flow
LINES = 34.0  # the room of two lines of words
STEPS = 12  # of a curve
WORDS, BAND, NAMES = 104, 106, 158  # widths of what stands left of a flow, of the flow, and right of it


class Spread(NamedTuple):
    """Quartiles of something, by name."""

    name: str
    low: float
    middle: float
    high: float


class Cell(NamedTuple):
    """Candidates of about one hardness and one probability: where they are, how many, how many were selected."""

    x: float
    y: float
    found: int
    selected: int


class Price(NamedTuple):
    """A risk, and what a selection within it is: its hardness and its estimated share of false negatives."""

    name: str
    hardness: float
    false: float
    chosen: bool


def flow(links: Mapping[tuple[str, str], int], css: Mapping[str, str]) -> str:
    """Where candidates came from, on the left, and what became of them, on the right; widths are numbers of pairs.

    Args:
        links: pairs by (origin, fate), in the order in which origins are to stand.
        css: the class that gives a fate its colour, in the order in which fates are to stand.
    """
    starts, ends = _nodes(links, 0), _nodes(links, 1)
    ends = {name: ends[name] for name in css if name in ends}
    total = sum(links.values())
    scale = min(_scale(starts), _scale(ends))
    left, right = _stacked(starts, scale), _stacked(ends, scale)
    ribbons, words, names = [], [], list(ends)
    into = dict(right)
    order = {fate: i for i, fate in enumerate(ends)}
    for origin in starts:
        at = left[origin]
        words.append(_word(WORDS, at, starts[origin] * scale, origin, starts[origin], total, "right"))
        for (one, fate), n in sorted(links.items(), key=lambda item: order[item[0][1]]):
            if one == origin and n:
                ribbons += _ribbon(f"{origin}|{fate}", fate, at, into[fate], n * scale)
                at, into[fate] = at + n * scale, into[fate] + n * scale
    for fate, n in ends.items():
        words.append(_word(WORDS + BAND, right[fate], n * scale, fate, n, total, "left"))
    hue = {"domain": names, "range": [colour(css[f]) for f in names]}
    x, y = _place("x", WORDS + BAND + NAMES), _place("y", TALL)
    ribbon = {
        "data": {"values": ribbons},
        "mark": {"type": "area", "opacity": 0.75, "interpolate": "monotone"},
        "encoding": {
            "x": x, "y": y, "y2": {"field": "y2"}, "detail": {"field": "link"},
            "color": {"field": "fate", "type": "nominal", "scale": hue, "legend": None},
        },
    }  # fmt: skip
    sides: list[Spec] = [
        {
            "data": {"values": [w for w in words if w["side"] == side]},
            "mark": {
                "type": "text",
                "align": side,
                "dx": -6 if side == "right" else 6,
                "dy": shift,
                "color": shade,
            },
            "encoding": {"x": x, "y": y, "text": {"field": field}},
        }
        for side in ("right", "left")
        for field, shade, shift in (("name", INK, -3), ("told", SOFT, 12))
    ]
    told = "; ".join(f"{a} to {b}: {count(n)}" for (a, b), n in links.items() if n)
    spec = {"width": WORDS + BAND + NAMES, "height": TALL, "layer": [ribbon, *sides]}
    return draw(spec, f"From origin to fate. {told}", "chart")


def _nodes(links: Mapping[tuple[str, str], int], side: int) -> dict[str, int]:
    sums: dict[str, int] = {}
    for ends, n in links.items():
        sums[ends[side]] = sums.get(ends[side], 0) + n
    return {name: n for name, n in sums.items() if n}


def _scale(nodes: Mapping[str, int]) -> float:
    """Height of one pair, where every node has at least the room that its name takes."""
    large = dict(nodes)
    free = TALL - GAP * (len(nodes) - 1)
    while large:
        scale = (free - LINES * (len(nodes) - len(large))) / sum(large.values())
        small = [name for name, n in large.items() if n * scale < LINES]
        if not small:
            return scale
        large = {name: n for name, n in large.items() if name not in small}
    return 0.0


def _stacked(nodes: Mapping[str, int], scale: float) -> dict[str, float]:
    """The upper end of each node, in the middle of its room; the rooms are spread over the whole height."""
    rooms = {name: max(n * scale, LINES) for name, n in nodes.items()}
    gap = (TALL - sum(rooms.values())) / max(1, len(nodes))
    at, places = gap / 2, {}
    for name, n in nodes.items():
        places[name] = at + (rooms[name] - n * scale) / 2
        at += rooms[name] + gap
    return places


def _ribbon(link: str, fate: str, start: float, end: float, size: float) -> list[Spec]:
    size = max(size, 0.6)
    rows = []
    for i in range(STEPS + 1):
        t = i / STEPS
        y = start + (end - start) * t * t * (3 - 2 * t)
        x = WORDS + BAND * t
        rows.append({"link": link, "fate": fate, "x": round(x, 2), "y": round(y, 2), "y2": round(y + size, 2)})
    return rows


def _word(x: float, top: float, size: float, name: str, n: int, total: int, side: str) -> Spec:
    return {
        "x": x,
        "y": round(top + size / 2, 2),
        "name": name,
        "told": f"{count(n)} · {share(n, total)}",
        "side": side,
    }


def _place(field: str, most: int) -> Spec:
    scale = {"domain": [0, most], "nice": False, "reverse": field == "y"}
    return {"field": field, "type": "quantitative", "axis": None, "scale": scale}


def cells(found: Sequence[Cell], ticks: Sequence[str], cut: float | None, named: str, *, x: str) -> str:
    """How hard candidates are, and how probably they are false negatives: grey all of them, blue the selected.

    Args:
        found: cells; ``y`` counts bins of probability.
        ticks: what is written at the ends of those bins.
        cut: where candidates were dropped, in bins; null: nowhere in general.
        named: what is written at the cut.
        x: title of the axis.
    """
    rows = [
        {"x": c.x, "y": c.y + 0.5, "all": _area(c.found), "part": _area(c.selected) if c.selected else 0} for c in found
    ]
    scale = {"domain": [0, len(ticks) - 1], "nice": False}
    names = ",".join(f"'{t}'" for t in ticks)
    axis = {
        "values": list(range(len(ticks))),
        "labelExpr": f"[{names}][datum.value]",
        "labelOverlap": False,
        "tickCount": 20,
    }
    across = {"field": "x", "type": "quantitative", "title": x, "scale": {"zero": False, "padding": 8}}
    layers: list[Spec] = [
        {
            "mark": {"type": "circle", "color": colour(css), "opacity": shade},
            "transform": [{"filter": f"datum.{field} > 0"}],
            "encoding": {
                "x": across, "y": up("y", scale=scale, axis=axis),
                "size": {"field": field, "type": "quantitative", "scale": None},
            },
        }
        for field, css, shade in (("all", "left", 0.55), ("part", "selected", 1))
    ]  # fmt: skip
    if cut is not None:
        upwards: Spec = {"y": up("y", scale=scale, axis=axis)}
        line: Spec = {"data": {"values": [{"y": cut, "told": named}]}, "encoding": upwards}
        rule = {"type": "rule", "color": colour("rejected"), "strokeWidth": 2, "strokeDash": [6, 4]}
        word = {"type": "text", "align": "left", "dy": -8, "dx": 4, "color": INK}
        halo = word | {"stroke": colour("page"), "strokeWidth": 4}
        words = line | {"encoding": {**upwards, "x": {"value": 0}, "text": {"field": "told"}}}
        layers += [line | {"mark": rule}, words | {"mark": halo}, words | {"mark": word}]
    told = f"Probability of being relevant by {x}, in {len(rows)} cells"
    return draw(chart("probability of being a false negative", rows, HEIGHT + 70) | {"layer": layers}, told)


def _area(n: int) -> float:
    """Size of a circle: each further digit of the number is as much wider."""
    return round((4.0 + 2.6 * math.log10(n)) ** 2, 1)


def front(prices: Sequence[Price], *, x: str) -> str:
    """What a risk costs: the harder the negatives, the more of them are false; the run's own selection stands out."""
    rows: list[Spec] = [{"x": p.hardness, "y": 100 * p.false, "name": p.name, "chosen": p.chosen} for p in prices]
    for one, two in pairwise(row for row in rows if not row["chosen"]):
        # Two names at one place would hide each other.
        if all(abs(one[c] - two[c]) < 0.08 * _reach(rows, c) for c in ("x", "y")):
            one["name"] = ""
    place = {
        "x": {"field": "x", "type": "quantitative", "title": x, "scale": {"zero": False, "padding": 24}},
        "y": up("y"),
    }
    line = {"transform": [{"filter": "!datum.chosen"}]}
    word = {"type": "text", "dy": -11, "align": "right", "dx": -2}
    layers = [
        line | {"mark": {"type": "line", "color": colour("left"), "strokeWidth": 2}, "encoding": place},
        line | {"mark": {"type": "circle", "color": colour("left"), "size": 45, "opacity": 1}, "encoding": place},
        line | {"mark": word, "encoding": {**place, "text": {"field": "name"}}},
        {
            "transform": [{"filter": "datum.chosen"}],
            "mark": {"type": "circle", "color": colour("selected"), "size": 130, "opacity": 1},
            "encoding": place,
        },
        {
            "transform": [{"filter": "datum.chosen"}],
            "mark": {"type": "text", "align": "left", "dy": 16, "dx": -4, "color": INK},
            "encoding": {**place, "text": {"field": "name"}},
        },
    ]
    told = "; ".join(f"{p.name}: hardness {number(p.hardness)}, {100 * p.false:.1f}% false" for p in prices)
    return draw(
        chart("estimated false negatives, %", rows, HEIGHT + 70) | {"layer": layers}, f"What a risk costs. {told}"
    )


def _reach(rows: Sequence[Spec], column: str) -> float:
    values = [row[column] for row in rows]
    return float(max(values) - min(values))


def spans(spreads: Sequence[Spread], *, x: str) -> str:
    """A dot at the median and a line from quartile to quartile, per name."""
    rows = [{"of": s.name, "low": s.low, "mid": s.middle, "high": s.high} for s in spreads]
    side = {
        "field": "of",
        "type": "nominal",
        "sort": None,
        "title": None,
        "axis": {"labelLimit": 130, "labelColor": INK},
    }
    across = {"type": "quantitative", "scale": {"zero": True}}
    layers = [
        {
            "mark": {"type": "rule", "strokeWidth": 3, "color": colour("selected")},
            "encoding": {"y": side, "x": across | {"field": "low", "title": x}, "x2": {"field": "high"}},
        },
        {
            "mark": {"type": "circle", "size": 90, "color": colour("selected"), "opacity": 1},
            "encoding": {"y": side, "x": across | {"field": "mid", "title": x}},
        },
    ]
    told = "; ".join(f"{s.name}: {number(s.low)} to {number(s.high)}, median {number(s.middle)}" for s in spreads)
    spec = {"width": WIDTH - 60, "height": {"step": 34}, "data": {"values": rows}, "layer": layers}
    return draw(spec, f"{x}. {told}")
