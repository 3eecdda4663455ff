"""Charts: Vega-Lite specifications drawn as inline SVG by vl-convert, for a phone's width, coloured by the page."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from foils.report.markup import details, text
from foils.show import number, visible

WIDTH = 340
HEIGHT = 170
SIZE = 13  # of all words, in units of the drawing: about 12 pixels where the page is 390 wide

Format = Callable[[float], str]
Spec = dict[str, Any]

SOFT, INK, LINE = "var(--soft)", "var(--ink)", "var(--line)"
AXIS = {
    "labelColor": SOFT,
    "titleColor": SOFT,
    "labelFontSize": SIZE,
    "titleFontSize": SIZE,
    "titleFontWeight": "normal",
    "titlePadding": 8,
    "labelAngle": 0,
    "labelOverlap": "greedy",
    "grid": False,
    "ticks": False,
    "labelPadding": 6,
    "domainColor": SOFT,
    "gridColor": LINE,
}
CONFIG: Spec = {
    # The page's own font is what a reader sees; this one, which every machine has a copy of, is what is measured.
    "font": "Arial",
    "background": None,
    "aria": False,
    "padding": 2,
    "view": {"stroke": None},
    "axis": AXIS,
    "axisY": {"grid": True, "domain": False, "tickCount": 4},
    "title": {
        "color": SOFT, "fontSize": SIZE, "fontWeight": "normal", "anchor": "start", "frame": "bounds", "offset": 12
    },
    "header": {
        "labelColor": INK, "labelFontSize": SIZE, "labelFontWeight": 600, "labelAnchor": "start",
        "labelOrient": "top", "labelPadding": 2, "title": None,
    },
    "text": {"fontSize": SIZE, "color": SOFT},
    "facet": {"spacing": 12},
}  # fmt: skip

# What the page says itself, or says once for all shapes; within tags, where no word of a document stands.
_TAG = re.compile(r"<[^>]*>")
_NOISE = re.compile(
    r'<path class="(?:background|foreground)"[^>]*/>|<g/>'
    r'| (?:xmlns(?::xlink)?|version|role|pointer-events|font-family|stroke-miterlimit|aria-[\w-]+)="[^"]*"'
    r'| class="[^"]*"| stroke-width="0"| opacity="1"| font-weight="normal"| transform="translate\(0,0\)"'
    rf'| font-size="{SIZE}px"'
)
_LONG = re.compile(r"\d+\.\d{3,}")
_EMPTY = re.compile(r"<g(?: [^<>]*)?></g>")
_BOX = re.compile(r'^<svg width="[^"]*" height="[^"]*" viewBox="([^"]*)"')


@dataclass(frozen=True)
class Series:
    """One line of a chart: a name, the class that gives its colour, a value per place (null: none)."""

    name: str
    css: str
    values: Sequence[float | None]


def colour(css: str) -> str:
    """The colour of a class of the page: it follows the light or dark scheme."""
    return f"var(--{css})"


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


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """What the colours mean: (class, name)."""
    swatch = '<svg class="key" viewBox="0 0 10 10" aria-hidden="true"><rect class="{}" width="10" height="10"/></svg>'
    keys = "".join(f"<li>{swatch.format(css)}{text(name)}</li>" for css, name in entries)
    return f'<ul class="legend">{keys}</ul>'


def draw(spec: Spec, label: str, css: str = "chart") -> str:
    """A Vega-Lite specification as SVG for the page: nothing loaded, the same bytes for the same specification.

    Args:
        spec: without configuration; colours by ``colour``.
        label: what the chart shows, for who cannot see it.
        css: class of the element.
    """
    # Loaded here, since it brings a whole engine along, and most verbs draw nothing.
    import vl_convert

    raw = vl_convert.vegalite_to_svg(_shown({**spec, "config": CONFIG}), allowed_base_urls=[])
    lean = _TAG.sub(lambda tag: _LONG.sub(lambda m: _n(float(m.group())), _NOISE.sub("", tag.group())), raw)
    while _EMPTY.search(lean):
        lean = _EMPTY.sub("", lean)
    return _BOX.sub(rf'<svg class="{css}" viewBox="\1" role="img" aria-label="{text(label)}"', lean, count=1)


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
    told = [form(v) for v in values]
    rows = [{"x": a, "y": v, "told": t} for a, v, t in zip(labels, values, told, strict=True)]
    room = WIDTH / max(1, len(labels)) >= 7.2 * max((len(t) for t, v in zip(told, values, strict=True) if v), default=0)
    axis = {"format": "~s" if max(values, default=0) >= 1e4 else ",.6~g"} | ({"tickMinStep": 1} if whole else {})
    bars = {
        "mark": {"type": "bar", "color": colour("selected"), "width": {"band": 0.72}, "minBandSize": 1},
        "encoding": {"y": {"field": "y", "type": "quantitative", "title": None, "axis": axis}},
    }
    tops = {
        "mark": {"type": "text", "dy": -7, "color": INK},
        "transform": [{"filter": "datum.y > 0"}],
        "encoding": {"y": {"field": "y", "type": "quantitative"}, "text": {"field": "told"}},
    }
    spec = chart(y, rows) | {
        "encoding": {"x": _places(labels, x)},
        "layer": [bars, tops] if room else [bars],
    }
    return draw(spec, f"{y} by {x}: {', '.join(f'{a} {t}' for a, t in zip(labels, told, strict=True))}")


def dots(labels: Sequence[str], series: Sequence[Series], *, x: str, y: str) -> str:
    """A line with dots per series over named places; the zero is always on the axis."""
    rows = [
        {"x": a, "y": v, "of": s.name} for s in series for a, v in zip(labels, s.values, strict=True) if v is not None
    ]
    of = {"field": "of", "type": "nominal", "scale": _scale(series), "legend": None}
    line = {"mark": {"type": "line", "strokeWidth": 2}, "encoding": {"color": of}}
    dot = {"mark": {"type": "point", "filled": True, "size": 45, "opacity": 1}, "encoding": {"color": of}}
    zero = {
        "data": {"values": [{"y": 0}]},
        "mark": {"type": "rule", "color": SOFT},
        "encoding": {"y": {"field": "y", "type": "quantitative"}, "x": {"value": 0}, "x2": {"value": WIDTH}},
    }
    place = _places(labels, x)
    spec = chart(y, rows) | {
        "layer": [
            zero,
            *(
                one | {"encoding": one["encoding"] | {"x": place, "y": up("y")}}  # type: ignore[operator]
                for one in (line, dot)
            ),
        ]
    }
    told = "; ".join(
        f"{s.name}: {', '.join(f'{lab} {number(v)}' for lab, v in zip(labels, s.values, strict=True))}" for s in series
    )
    return draw(spec, f"{y} by {x}. {told}")


def ridges(
    edges: Sequence[float], series: Sequence[Series], notes: Sequence[str], marks: Sequence[float], *, x: str
) -> str:
    """Histograms one above the other on a common axis, each scaled to its own highest bin.

    Args:
        edges: of the bins.
        series: per histogram the count in every bin.
        notes: per histogram, written beside its name.
        marks: per histogram, where the median is.
        x: title of the axis, with its unit.
    """
    heads = [f"{s.name}: {n}" for s, n in zip(series, notes, strict=True)]
    rows = [
        {"of": head, "x": edge, "y": value or 0.0, "middle": min(max(mark, edges[0]), edges[-1])}
        for head, s, mark in zip(heads, series, marks, strict=True)
        # The last value again, at the end of its bin.
        for edge, value in zip(edges, [*s.values, s.values[-1]], strict=True)
    ]
    across = {"type": "quantitative", "scale": {"domain": [edges[0], edges[-1]], "nice": False}}
    hue = {"domain": heads, "range": [colour(s.css) for s in series]}
    area = {
        "mark": {"type": "area", "interpolate": "step-after", "line": False},
        "encoding": {
            "x": across | {"field": "x", "title": x},
            "y": {"field": "y", "type": "quantitative", "axis": None},
            "color": {"field": "of", "type": "nominal", "scale": hue, "legend": None},
        },
    }
    middle = {
        "mark": {"type": "rule", "color": INK, "strokeWidth": 1.5},
        "encoding": {"x": across | {"field": "middle", "aggregate": "min"}},
    }
    spec = {
        "data": {"values": rows},
        "facet": {"row": {"field": "of", "type": "nominal", "sort": heads}},
        "resolve": {"scale": {"y": "independent"}},
        "spec": {"width": WIDTH + 40, "height": 40, "layer": [area, middle]},
    }
    return draw(spec, f"Distribution of {x}. {'; '.join(heads)}")


def chart(title: str, rows: Sequence[Spec], height: int = HEIGHT, width: int = WIDTH) -> Spec:
    """The frame of a chart; the title of the vertical axis stands above it, where it can be read."""
    return {"width": width, "height": height, "title": {"text": title}, "data": {"values": list(rows)}}


def up(field: str, **more: Any) -> Spec:
    """A number, upwards, without a title at its axis."""
    return {"field": field, "type": "quantitative", "title": None, **more}


def _places(labels: Sequence[str], title: str) -> Spec:
    """Named places side by side, in their order, with every name that there is room for."""
    room = WIDTH / max(1, len(labels)) >= 6.6 * max(map(len, labels), default=0) + 3
    axis = {"labelOverlap": False if room else "greedy"}
    scale = {"domain": list(labels), "paddingOuter": 0.1}
    return {"field": "x", "type": "ordinal", "sort": list(labels), "title": title, "scale": scale, "axis": axis}


def _scale(series: Sequence[Series]) -> Spec:
    return {"domain": [s.name for s in series], "range": [colour(s.css) for s in series]}


def _shown(value: Any) -> Any:
    """The specification with hidden characters of all texts made visible."""
    if isinstance(value, dict):
        return {k: _shown(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(v) for v in value]
    return visible(value) if isinstance(value, str) else value


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
