"""How many typed negatives are made, how fast, and do they give themselves away?

    python benchmarks/typed_measure.py [--collections medquad wikiqa scifact nq_mini] [--all] [--also OPERATOR ...]

Every query with every known positive of all splits, no answers given. Yield: of the queries that carry (or ask for) a
number, date, negation, unit or listed antonym, the share with at least one negative that passed gate, structure and
corpus check. A listed antonym in a fixed phrase (*high school*), or that asks for a degree (*how old*), is none.
Speed: passages per second of one core, each operator set alone, texts read anew. Artefacts: the AUC of a classifier
on runs of 1 to 3 words that never sees the query (five folds, an original and its negatives in one fold).
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

from foils.make.artefacts import balanced, guard
from foils.make.item import Item
from foils.make.operators import make, operators
from machine import describe
from typed_items import NAMES, carries, items

PARSED = {"role-swap", "insert-do-not", "query-negation"}


def speed(every: list[Item], fast: bool) -> float:
    """Passages per second of processor time, after every package and list has been loaded."""
    chosen = [o for o in operators(0.0) if not o.missing() and (not fast or o.name not in PARSED)]
    for operator in chosen:
        for item in every[:20]:
            operator(replace(item))
    start = time.process_time()
    for item in every:
        anew = replace(item)
        for operator in chosen:
            operator(anew)
    return len(every) / (time.process_time() - start)


def main() -> None:
    """Print the tables of docs/benchmarks.md."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--collections", nargs="+", default=NAMES)
    parser.add_argument("--all", action="store_true", help="operators that are off by default, too")
    parser.add_argument("--also", nargs="*", default=(), help="these of them")
    options = parser.parse_args()
    print(describe())
    head = "collection | queries that carry one | with a negative | of all queries | AUC documents | AUC queries"
    print(f"\n| {head} | passages/s | with tagger |\n|---|---|---|---|---|---|---|---|")
    for name in options.collections:
        every = items(name)
        on = {o.name for o in operators(None)} | set(options.also)
        chosen = [o for o in operators(0.0) if not o.missing() and (options.all or o.name in on)]
        cases, tally = make(every, chosen)
        asked = {i.query for i in every}
        carrying = {q for q in asked if carries(q)}
        having = {i.query for i, _ in cases}
        even = balanced(cases)
        aucs = []
        for side in ("document", "query"):
            part = [c for c in even if c[1].side == side]
            aucs.append(f"{guard(part).auc:.3f} ({len(part):,})" if len(part) >= 50 else f"– ({len(part)})")
        cells = [
            name,
            f"{len(carrying):,}",
            f"{len(carrying & having) / max(1, len(carrying)):.1%}",
            f"{len(having) / len(asked):.1%}",
            *aucs,
            f"{speed(every[:3000], True):,.0f}",
            f"{speed(every[:500], False):,.0f}",
        ]
        print("| " + " | ".join(cells) + " |", flush=True)
        print("  ", tally.made())


if __name__ == "__main__":
    main()
