"""The rates of docs/safety.md from the readings, and the rows of ``safety.tsv``.

    python benchmarks/typed_safety.py                      # the tables
    python benchmarks/typed_safety.py --rows               # safety.tsv
    python benchmarks/typed_safety.py --take FOLDER SAMPLE [--still]

``typed_readings.tsv`` holds one line per typed negative that was read; ``typed_sample.py`` drew the samples. ``--take``
puts the readings of a folder (``PART_X.shown.tsv``, ``.shown2.tsv``, ``.blind.tsv``) in the place of those of its
sample; ``--still`` then asks the operators of today whether they would make the same text again (it needs the
collections).

A reading is *right* (n: the negative is right), *wrong* (y), *unsure* (?), *no positive* (?, because the passage did
not support the query before the change), or ``-`` (not read that way). What either reader with the edit shown calls no
positive is left out and counted apart; *unsure* counts as not right. The lower of the two readings decides the default.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from math import sqrt
from pathlib import Path
from typing import NamedTuple

from foils.make.operators import CLASSES, safety

READINGS = Path(__file__).with_name("typed_readings.tsv")
HEAD = (
    "# Typed negatives read one by one: docs/safety.md. reading-1 and reading-2: edit shown; hidden: edit not shown.\n"
    "# still: the operators of today make the same text; fresh: nobody had looked at the query. -: not known, not read."
)
# The last sample per operator is the one that its present gates were read on; earlier ones are history.
SAMPLES = ("ninth", "eighth", "seventh", "sixth")
NAMES = {"n": "right", "y": "wrong", "?": "unsure"}
FILES = ("shown", "shown2", "blind")
ENOUGH = 30


class Row(NamedTuple):
    """One typed negative and what was said of it."""

    sample: str
    number: str
    operator: str
    collection: str
    fresh: str
    still: str
    one: str
    two: str
    hidden: str


def rows() -> list[Row]:
    """The readings; samples of one pass or two in the older form have six columns."""
    lines = [line.split("\t") for line in READINGS.read_text(encoding="utf-8").splitlines() if line[0] != "#"][1:]
    return [Row(*c) if len(c) == 9 else Row(*c[:4], "-", "-", c[4], "-", c[5]) for c in lines]


def write(found: Iterable[Row]) -> None:
    """Put all readings back."""
    head = "\t".join(
        ("sample", "number", "operator", "collection", "fresh", "still", "reading-1", "reading-2", "hidden")
    )
    READINGS.write_text("\n".join([HEAD, head, *("\t".join(r) for r in found)]) + "\n", encoding="utf-8")


def _cells(path: Path) -> list[list[str]]:
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [cells for line in lines if line.strip() and (cells := line.split("\t"))[0] not in ("id", "")]


def taken(folder: Path, sample: str) -> list[Row]:
    """The rows of a folder of readings."""
    said: dict[str, dict[str, str]] = {kind: {} for kind in FILES}
    for kind in FILES:
        for path in sorted(folder.glob(f"PART_?.{kind}.tsv")):
            for number, answer, *why in _cells(path):
                answer = answer.strip().lower()
                if answer not in NAMES:
                    raise SystemExit(f"{path}: {number} has the answer {answer!r}; needs n, y or ?")
                none = answer == "?" and "no positive" in " ".join(why)
                said[kind][number] = "no positive" if none else NAMES[answer]
    found = []
    for number, operator, collection, fresh, _ in _cells(folder / "key.tsv"):
        answers = [said[kind].get(number, "-") for kind in FILES]
        found.append(Row(sample, number, operator, collection, fresh, "-", *answers))
    return found


def still(folder: Path, found: Sequence[Row]) -> list[Row]:
    """The same rows, with whether today's operators make the same text of the same query."""
    from typed_sample import found as made
    from typed_sample import shown

    texts = {cells[0]: (cells[2], cells[5]) for p in sorted(folder.glob("PART_?.tsv")) for cells in _cells(p)}
    today = set()
    for name in sorted({r.collection for r in found}):
        for case in made([name], sorted({r.operator for r in found}), set(), set()):
            query, _, changed = shown(case.item, case.made, marked=True)
            today.add((case.made.operator, name, query, changed))
    return [r._replace(still="yes" if (r.operator, r.collection, *texts[r.number]) in today else "no") for r in found]


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


def counts(found: Sequence[Row], column: int) -> tuple[int, int]:
    """Right of read by one of the readings."""
    said = Counter(r[column] for r in found)
    return said["right"], said["right"] + said["wrong"] + said["unsure"]


def supported(found: Sequence[Row]) -> list[Row]:
    """Without what a reader calls no positive."""
    return [r for r in found if "no positive" not in (r.one, r.two)]


def lower(found: Sequence[Row]) -> tuple[int, int]:
    """Right of read by the reading with the lower share; by the only one, where there is one."""
    both = [pair for pair in (counts(supported(found), 6), counts(supported(found), 7)) if pair[1]]
    return min(both, key=lambda pair: pair[0] / pair[1], default=(0, 0))


def agreement(found: Sequence[Row]) -> str:
    """The share on which the two readings agree, and Cohen's kappa."""
    pairs = [(r.one == "right", r.two == "right") for r in supported(found) if "-" not in (r.one, r.two)]
    if not pairs:
        return "–"
    same = sum(a == b for a, b in pairs) / len(pairs)
    one, two = (sum(side) / len(pairs) for side in zip(*pairs, strict=True))
    chance = one * two + (1 - one) * (1 - two)
    return f"{same:.2f}, κ {'–' if chance == 1 else f'{(same - chance) / (1 - chance):.2f}'}"


def cells(found: Sequence[Row]) -> list[str]:
    """Both readings, how far they agree, the one with the edit hidden, and what was left out."""
    kept = supported(found)
    hidden = [r for r in kept if r.hidden != "no positive"]
    shares = [told(*counts(part, column)) for part, column in ((kept, 6), (kept, 7), (hidden, 8))]
    return [shares[0], shares[1], agreement(found), shares[2], str(len(found)), str(len(found) - len(kept))]


def present(every: Sequence[Row], operator: str) -> list[Row]:
    """The sample of an operator's present gates: its last one; of an older one only what is still made, where known."""
    by: dict[str, list[Row]] = defaultdict(list)
    for row in every:
        if row.operator == operator:
            by[row.sample].append(row)
    newest = next((s for s in SAMPLES if len([r for r in by[s] if r.one != "-" or r.two != "-"])), None)
    return by[newest] if newest else [r for rows in by.values() for r in rows]


def tables(every: Sequence[Row]) -> None:
    """What decides; the earlier samples of operators that were tightened, before and after."""
    needed = {name: entry.needed for name, entry in safety().items()}
    listed = [cls.name for cls in CLASSES if cls.name in needed]
    head = "| operator | reading 1 | reading 2 | agree | edit hidden | read | no positive |"
    print(head + " needed | default |\n" + "|---" * 9 + "|")
    changed = []
    for name in listed:
        found = present(every, name)
        right, read = lower(found)
        on = read >= ENOUGH and right / read >= needed[name]
        if found and found[0].sample in SAMPLES[:-1]:
            changed.append(name)
        print(f"| `{name}` | {' | '.join(cells(found))} | {needed[name]:.2f} | {'on' if on else 'off'} |")
    print(f"\n{head} sample |\n" + "|---" * 8 + "|")
    for name in changed:
        first = f"`{name}`"
        for sample in reversed(SAMPLES):
            drawn = [r for r in every if r.operator == name and r.sample == sample]
            if not drawn:
                continue
            print(f"| {first} | {' | '.join(cells(drawn))} | {sample}, as drawn |")
            first = ""
            if any(r.still == "no" for r in drawn):
                made = [r for r in drawn if r.still == "yes"]
                print(f"| | {' | '.join(cells(made))} | {sample}, those that are still made |")


def main() -> None:
    """Print the tables or the rows that ship, or take in a folder of readings."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", action="store_true", help="as safety.tsv")
    parser.add_argument("--take", nargs=2, metavar=("FOLDER", "SAMPLE"))
    parser.add_argument("--still", action="store_true")
    options = parser.parse_args()
    every = rows()
    if options.take:
        folder, sample = Path(options.take[0]), options.take[1]
        found = taken(folder, sample)
        write([*(r for r in every if r.sample != sample), *(still(folder, found) if options.still else found)])
        print(
            f"{sample}: {len(found)} items, {sum(r.one != '-' for r in found)} read once, "
            f"{sum('-' not in (r.one, r.two) for r in found)} twice, {sum(r.hidden != '-' for r in found)} hidden"
        )
    elif options.rows:
        for name, entry in safety().items():
            right, read = lower(present(every, name))
            print(f"{name}\t{read}\t{right}\t{entry.needed:.2f}")
    else:
        tables(every)


if __name__ == "__main__":
    main()
