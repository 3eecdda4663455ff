"""Draws docs/risk.svg: the share of false negatives that was asked for, and what came out, with and without verdicts.

    python benchmarks/risk_picture.py

The numbers are those of the table "Risk and judging" in docs/benchmarks.md, which ``benchmarks/risk.py`` measured.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).parent.parent / "docs"
NAMES = ("cranfield", "cacm", "npl", "cisi")
RISKS = (5, 10, 20)
WIDTH, HEIGHT, LEFT, TOP, BASE = 860, 500, 66, 92, 366
GROUP, STEP = 258, 50
GOOD, BAD, INK, SOFT = "#1a7f6b", "#c2410c", "#1f2933", "#64748b"


class Bar(NamedTuple):
    """Shares in %: the mean of all runs, what nine of ten stay under."""

    mean: float
    high: float


def table(page: Path) -> dict[tuple[str, str, int], Bar]:
    """(collection, way, risk) -> what came out, by the first table of the section."""
    found: dict[tuple[str, str, int], Bar] = {}
    for line in page.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 11 and cells[0] in NAMES and cells[1] in ("promise", "no verdicts"):
            found.setdefault((cells[0], cells[1], int(cells[2])), Bar(float(cells[5]), float(cells[6])))
    return found


def y_of(share: float, most: float) -> float:
    """Pixels from the top."""
    return BASE - (BASE - TOP) * share / most


def text(
    x: float, y: float, words: str, *, size: int = 13, fill: str = INK, anchor: str = "start", bold: int = 400
) -> str:
    """A line of words."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}" text-anchor="{anchor}" '
        f'font-weight="{bold}">{words}</text>'
    )


def group(found: dict[tuple[str, str, int], Bar], place: int, most: float) -> list[str]:
    """One risk: the line asked for, and per collection a ring without verdicts and a bar with them."""
    risk, left = RISKS[place], LEFT + 8 + place * GROUP
    asked = y_of(risk, most)
    parts = [
        f'<rect x="{left}" y="{asked:.1f}" width="{GROUP - 22}" height="{BASE - asked:.1f}" fill="#e6f4f1"/>',
        f'<path d="M{left} {asked:.1f}h{GROUP - 22}" stroke="{INK}" stroke-width="2"/>',
        text(left + (GROUP - 22) / 2, BASE + 42, f"asked for: {risk} %", size=14, anchor="middle", bold=600),
    ]
    for k, name in enumerate(NAMES):
        x = left + 50 + k * STEP
        none, some = found[name, "no verdicts", risk], found[name, "promise", risk]
        low, high = y_of(some.mean, most), y_of(some.high, most)
        ring = BAD if none.mean > risk else SOFT
        parts += [
            f'<line x1="{x}" x2="{x}" y1="{low:.1f}" y2="{high:.1f}" stroke="{GOOD}" stroke-width="3"/>',
            f'<line x1="{x - 8}" x2="{x + 8}" y1="{high:.1f}" y2="{high:.1f}" stroke="{GOOD}" stroke-width="3"/>',
            f'<circle cx="{x}" cy="{low:.1f}" r="6" fill="{GOOD}"/>',
            f'<circle cx="{x - 15}" cy="{y_of(none.mean, most):.1f}" r="5.5" fill="#fff" stroke="{ring}" '
            'stroke-width="2.5"/>',
            text(x - 7, BASE + 18, name, size=11, fill=SOFT, anchor="middle"),
        ]
    return parts


def picture(found: dict[tuple[str, str, int], Bar]) -> str:
    """The whole SVG."""
    most = 5 * (int(max(max(bar) for bar in found.values()) / 5) + 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'font-family="system-ui, Helvetica, Arial, sans-serif" aria-label="False negatives asked for and found">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        text(LEFT, 32, "The risk you ask for, and the share of false negatives you get", size=19, bold=700),
        text(LEFT, 56, "8 negatives per query, four collections, 200 runs each; the truth is known there", fill=SOFT),
        text(16, TOP - 14, "false negatives", size=12, fill=SOFT),
    ]
    for share in range(0, most + 1, 5):
        y = y_of(share, most)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e5e7eb"/>')
        parts.append(text(LEFT - 8, y + 4, f"{share} %", size=12, fill=SOFT, anchor="end"))
    for place in range(len(RISKS)):
        parts += group(found, place, most)
    y = HEIGHT - 48
    parts += [
        f'<circle cx="{LEFT + 8}" cy="{y - 4}" r="5.5" fill="#fff" stroke="{SOFT}" stroke-width="2.5"/>',
        f'<circle cx="{LEFT + 24}" cy="{y - 4}" r="5.5" fill="#fff" stroke="{BAD}" stroke-width="2.5"/>',
        text(LEFT + 38, y, "no verdicts: the detector’s estimate alone (orange: more than asked for)"),
        f'<circle cx="{LEFT + 16}" cy="{y + 18}" r="6" fill="{GOOD}"/>',
        f'<line x1="{LEFT + 16}" x2="{LEFT + 16}" y1="{y + 18}" y2="{y + 6}" stroke="{GOOD}" stroke-width="3"/>',
        f'<line x1="{LEFT + 8}" x2="{LEFT + 24}" y1="{y + 6}" y2="{y + 6}" stroke="{GOOD}" stroke-width="3"/>',
        text(LEFT + 38, y + 23, "200 verdicts, --confidence 0.9: mean, and what nine runs of ten stay under"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def main() -> None:
    """Write it."""
    (DOCS / "risk.svg").write_text(picture(table(DOCS / "benchmarks.md")), encoding="utf-8")


if __name__ == "__main__":
    main()
