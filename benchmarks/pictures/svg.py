"""Small SVGs as strings: readable in light and dark, colours safe for the colour-blind, shapes that differ as well."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

WIDTH, HEIGHT = 320, 176
LEFT, RIGHT, TOP, BASE = 38, 312, 30, 142

# One line per class; the second block changes what a dark page needs.
STYLE = (
    "text{font:11px system-ui,Helvetica,Arial,sans-serif;fill:#4b5563}.T{fill:#111827;font-weight:600}"
    ".m{font-family:ui-monospace,Consolas,monospace}.B{fill:#fff}.g{stroke:#d1d5db}.i{fill:none;stroke:#111827}"
    ".k,.K{fill:#0b62a8}.o{fill:#fff;stroke:#8b95a3}.f,.F{fill:#c2500a}.u{fill:#fff;stroke:#c2500a;stroke-width:1.5}"
    ".S{fill:#c2500a;text-decoration:line-through}.N{fill:#0b62a8;font-weight:700}"
    ".p,.P{fill:#0a7a5c}.c{fill:none;stroke:#0b62a8;stroke-width:2}.d{fill:none;stroke:#8b95a3;stroke-width:1.5;"
    "stroke-dasharray:4 3}.e{fill:none;stroke:#c2500a;stroke-width:2}.w{fill:#e5e7eb}"
    "@media(prefers-color-scheme:dark){text{fill:#c3cad4}.T{fill:#f3f4f6}.B{fill:#1e2129}.g{stroke:#434956}"
    ".i{stroke:#f3f4f6}.k,.K{fill:#69b1f2}.o{fill:#1e2129;stroke:#8b95a3}.f,.F,.S{fill:#f0955a}.N{fill:#69b1f2}"
    ".u{fill:#1e2129;stroke:#f0955a}.p,.P{fill:#4cc9a4}.c{stroke:#69b1f2}.e{stroke:#f0955a}.w{fill:#363b47}}"
)


@dataclass
class Picture:
    """A picture that grows by parts; ``str`` gives the file.

    Args:
        title: what screen readers say.
        note: what the caption adds, for instance options.
        height: in pixels; the width is fixed.
    """

    title: str
    height: int = HEIGHT
    note: str = ""
    parts: list[str] = field(default_factory=list)

    def add(self, *parts: str) -> Picture:
        """More parts."""
        self.parts += parts
        return self

    def __str__(self) -> str:
        """The whole file."""
        note = f"<desc>{escape(self.note, quote=False)}</desc>" if self.note else ""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height}" width="{WIDTH}" '
            f'height="{self.height}" role="img"><title>{escape(self.title)}</title>{note}<style>{STYLE}</style>'
            f'<rect class="B" width="{WIDTH}" height="{self.height}" rx="6"/>' + "".join(self.parts) + "</svg>\n"
        )


def num(value: float) -> str:
    """A coordinate, short."""
    return f"{value:.1f}".removesuffix(".0")


def text(x: float, y: float, words: str, css: str = "", anchor: str = "") -> str:
    """A line of words; ``anchor`` is ``middle`` or ``end``."""
    css = f' class="{css}"' if css else ""
    anchor = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{num(x)}" y="{num(y)}"{css}{anchor}>{escape(words, quote=False)}</text>'


def spans(x: float, y: float, pieces: Sequence[tuple[str, str]]) -> str:
    """A line of words in several styles."""
    parts = (
        f'<tspan class="{css}">{escape(w, quote=False)}</tspan>' if css else escape(w, quote=False) for css, w in pieces
    )
    return f'<text x="{num(x)}" y="{num(y)}" xml:space="preserve">{"".join(parts)}</text>'


def rect(x: float, y: float, width: float, height: float, css: str) -> str:
    """A box."""
    return f'<rect class="{css}" x="{num(x)}" y="{num(y)}" width="{num(width)}" height="{num(height)}"/>'


def line(x1: float, y1: float, x2: float, y2: float, css: str = "g") -> str:
    """A straight line."""
    return f'<path class="{css}" d="M{num(x1)} {num(y1)}L{num(x2)} {num(y2)}"/>'


def path(points: Iterable[tuple[float, float]], css: str = "c") -> str:
    """A line through points."""
    return f'<path class="{css}" d="M' + "L".join(f"{num(x)} {num(y)}" for x, y in points) + '"/>'


def mark(x: float, y: float, css: str) -> str:
    """A sign whose shape says what its colour says: p diamond, k and o circle, f and u triangle."""
    at = f"{round(x, 1):g} {round(y):g}"
    shape = {"p": "m0-5 5 5-5 5-5-5z", "f": "m0-4.5 4.5 8h-9z", "u": "m0-4.5 4.5 8h-9z"}.get(css)
    if shape:
        return f'<path class="{css}" d="M{at}{shape}"/>'
    return f'<circle class="{css}" cx="{round(x, 1):g}" cy="{round(y):g}" r="3"/>'


@dataclass(frozen=True)
class Axis:
    """Values to pixels.

    Args:
        low: first value.
        high: last value.
        start: pixel of the first.
        stop: pixel of the last.
        log: a logarithmic axis; values are at least 1.
    """

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        scale: Callable[[float], float] = math.log if self.log else float
        low, high = scale(self.low), scale(self.high)
        share = (scale(value) - low) / ((high - low) or 1.0)
        return self.start + min(max(share, 0.0), 1.0) * (self.stop - self.start)


def frame(x: Axis, y: Axis, names: tuple[str, str], xs: Sequence[float], ys: Sequence[float]) -> list[str]:
    """Both axes with ticks; ``names`` are their titles."""
    parts = []
    for value in ys:
        parts.append(line(x.start, y(value), x.stop, y(value)))
        parts.append(text(x.start - 5, y(value) + 4, show(value), anchor="end"))
    parts += [text(x(value), y.start + 15, show(value), anchor="middle") for value in xs]
    parts.append(text((x.start + x.stop) / 2, y.start + 29, names[0], anchor="middle"))
    parts.append(text(6, 16, names[1]))
    return parts


def show(value: float) -> str:
    """A number as people write it."""
    written = f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return written.replace("-", "\N{MINUS SIGN}")


def ticks(low: float, high: float, most: int = 4) -> list[float]:
    """Round values within a range."""
    span = (high - low) or 1.0
    size = 10 ** math.floor(math.log10(span / most))
    step = next(size * f for f in (1, 2, 2.5, 5, 10) if span / (size * f) <= most + 1e-9)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 10) + 0.0 for i in range(first, math.floor(high / step + 1e-9) + 1)]


def card(title: str, rows: Sequence[tuple[str, str]], wide: int = 50) -> Picture:
    """Rows of words: (class, line); too long lines are cut with an ellipsis."""
    picture = Picture(title, height=14 + 16 * len(rows) + 4)
    for i, (css, words) in enumerate(rows):
        cut = words if len(words) <= wide else words[: wide - 1] + "…"
        picture.add(text(10, 22 + 16 * i, cut, css))
    return picture
