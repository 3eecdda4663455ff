"""The rates of docs/safety.md from the readings, and the rows of ``safety.tsv``.

    python benchmarks/typed_safety.py [--rows]

``typed_readings.tsv`` holds one line per typed negative that was read; the samples were drawn by ``typed_sample.py``.
"""

from __future__ import annotations

import argparse
from collections import Counter
from math import sqrt
from pathlib import Path

from foils.make.operators import CLASSES, safety

READINGS = Path(__file__).with_name("typed_readings.tsv")


def wilson(right: int, read: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    z = 1.96
    share = right / read
    middle = (share + z * z / (2 * read)) / (1 + z * z / read)
    half = z * sqrt(share * (1 - share) / read + z * z / (4 * read * read)) / (1 + z * z / read)
    return middle - half, middle + half


def told(right: int, read: int) -> str:
    """A share with its interval."""
    if not read:
        return "–"
    low, high = wilson(right, read)
    return f"{right}/{read} = {right / read:.3f} [{low:.2f}, {high:.2f}]"


def main() -> None:
    """Print the table, or the rows that ship."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", action="store_true", help="as safety.tsv")
    options = parser.parse_args()
    lines = [line.split("\t") for line in READINGS.read_text(encoding="utf-8").splitlines() if line[0] != "#"][1:]
    first = Counter((operator, a) for _, _, operator, _, a, _ in lines)
    second = Counter((operator, b) for _, _, operator, _, _, b in lines)
    apart = Counter(operator for _, _, operator, _, a, b in lines if b != "-" and a != b)
    needed = {name: entry.needed for name, entry in safety().items()}
    if not options.rows:
        print("| operator | edit shown | edit hidden | disagree | needed | default |\n|---|---|---|---|---|---|")
    for cls in CLASSES:
        name = cls.name
        right, wrong = first[name, "right"], first[name, "wrong"]
        if options.rows:
            print(f"{name}\t{right + wrong}\t{right}\t{needed[name]:.2f}")
            continue
        hidden = told(second[name, "right"], second[name, "right"] + second[name, "wrong"])
        on = "on" if safety()[name].on else "off"
        print(f"| `{name}` | {told(right, right + wrong)} | {hidden} | {apart[name]} | {needed[name]:.2f} | {on} |")


if __name__ == "__main__":
    main()
