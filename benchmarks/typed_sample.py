"""Typed negatives to read, per operator, from the four collections: those behind docs/safety.md.

    python benchmarks/typed_sample.py -o FOLDER [--skip FOLDER] [--each 40] [--seed 0]

Queries of the samples in ``--skip`` are left out of an operator's new sample: gates were changed after reading those,
and what is reported was read from others. At most a third of an operator's sample is from one query template.
Writes ``read.md`` (query, passage around the edit with what stood there and what stands there now), ``blind.md`` (the
changed text alone, all operators mixed) and ``key.tsv`` (number, operator, collection, query).
"""

from __future__ import annotations

import argparse
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from foils.make.item import Item, Made
from foils.make.operators import make, operators
from typed_items import NAMES, items

AROUND = 170
Case = tuple[str, Item, Made]


def shown(item: Item, made: Made, *, marked: bool) -> str:
    """Query and passage, cut to the sentences around the edits; ``marked``: with what stood there."""
    if made.side == "query":
        query = _edited(item.query, made, marked)
        middle = (made.evidence.start + made.evidence.end) // 2
        return f"Q: {query}\nP: {_cut(item.passage, max(0, middle - 200), middle + 200)}"
    if not made.edits or made.kind == "deletion":
        gone = " ... ".join(f"[-{e.old.strip()}-]" for e in made.edits) if marked else ""
        return f"Q: {item.query}\nP: {gone} {made.text[:500]}"
    first, last = made.edits[0].start, made.edits[-1].end
    text = item.passage
    if last - first > 500:
        last = first + 500
    start, stop = max(0, first - AROUND), min(len(text), last + AROUND)
    inside = [e for e in made.edits if e.end <= stop]
    return f"Q: {item.query}\nP: {_edited(text, made, marked, start, stop, len(inside))}"


def _edited(
    text: str, made: Made, marked: bool, start: int = 0, stop: int | None = None, most: int | None = None
) -> str:
    parts, done = [], start
    for edit in made.edits[:most]:
        parts.append(text[done : edit.start])
        parts.append(f"[{edit.old}→{edit.new}]" if marked else edit.new)
        done = edit.end
    return " ".join("".join([*parts, text[done:stop]]).split())


def _cut(text: str, start: int, stop: int) -> str:
    return " ".join(text[start:stop].split())


def template(query: str) -> str:
    """The first three words: collections with generated queries repeat them."""
    return " ".join(query.lower().split()[:3])


def draw(
    names: Sequence[str], only: Sequence[str], skip: set[tuple[str, str]], each: int, seed: int
) -> dict[str, list[Case]]:
    """Operator to cases, the collections in turn."""
    chosen = [o for o in operators(0.0) if not o.missing() and (not only or o.name in only)]
    found: dict[str, dict[str, list[Case]]] = defaultdict(lambda: defaultdict(list))
    for name in names:
        for item, made in make(items(name), chosen)[0]:
            if (made.operator, item.query) not in skip:
                found[made.operator][name].append((name, item, made))
    picked = {}
    for operator, groups in sorted(found.items()):
        random.Random(seed).shuffle(order := sorted(groups))
        for group in groups.values():
            group.sort(key=lambda c: c[1].draw(f"pick{seed}", 2**62))
        taken, used = [], Counter()
        while len(taken) < each and any(groups.values()):
            for name in order:
                while groups[name]:
                    case = groups[name].pop(0)
                    used[template(case[1].query)] += 1
                    if used[template(case[1].query)] <= max(2, each // 3):
                        taken.append(case)
                        break
        picked[operator] = taken[:each]
    return picked


def seen(folder: Path) -> list[tuple[str, str]]:
    """Operator and query of an earlier sample."""
    rows = [line.split("\t") for line in (folder / "key.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    return [(row[1], row[3]) for row in rows]


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--collections", nargs="+", default=NAMES)
    parser.add_argument("--operators", nargs="*", default=(), help="only these")
    parser.add_argument("--skip", type=Path, nargs="*", default=())
    parser.add_argument("--each", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    skip = {pair for folder in options.skip for pair in seen(folder)}
    picked = draw(options.collections, options.operators, skip, options.each, options.seed)
    lines, key, blind, number = [], ["number\toperator\tcollection\tquery"], [], 0
    for operator, cases in picked.items():
        lines.append(f"\n## {operator} ({len(cases)})\n")
        for name, item, made in cases:
            number += 1
            lines.append(f"{number} {shown(item, made, marked=True)}")
            key.append(f"{number}\t{operator}\t{name}\t{' '.join(item.query.split())}")
            blind.append((number, shown(item, made, marked=False)))
    random.Random(options.seed + 1).shuffle(blind)
    (options.out / "read.md").write_text("\n".join(lines), encoding="utf-8")
    (options.out / "blind.md").write_text("\n".join(f"{n} {t}" for n, t in blind), encoding="utf-8")
    (options.out / "key.tsv").write_text("\n".join(key) + "\n", encoding="utf-8")
    print({o: len(c) for o, c in picked.items()})


if __name__ == "__main__":
    main()
