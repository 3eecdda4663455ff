"""The front of false negatives against hardness, from which the default recipe was chosen.

    python benchmarks/front.py [--collections cranfield cisi npl] [--data DIR]

Rank shifts, shares of the positive's score, and skips by one or several kinds of evidence, each at several strengths;
all take the 8 hardest that remain. Measured as in false_negatives.py, with all-MiniLM-L6-v2.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from false_negatives import load, minilm, score, summary
from foils.bands import PercPos
from foils.engine import Local
from foils.models.encoder import SentenceEncoder
from foils.neighbours import PositiveSimilarity
from foils.recipes import CLEAN
from foils.rules import Shift, SkipBest
from foils.score import Rrf
from foils.select import Top
from foils.sources.bm25 import Bm25
from foils.sources.dense import Dense
from foils.steps import Recipe, Step
from machine import describe

EVIDENCE = {
    "bm25 + dense": ("cos.dense", "bm25.bm25"),
    "bm25 + dense + positive": ("cos.dense", "bm25.bm25", "cos.positive"),
    "positive": ("cos.positive",),
}


def variants(encoder: SentenceEncoder) -> dict[str, Recipe]:
    """Every rule at every strength."""
    dense, both = (Dense(encoder=encoder),), (Bm25(), Dense(encoder=encoder))
    last = Top(n=8, by="cos.dense")

    def recipe(sources: tuple[Step, ...], *rules: Step) -> Recipe:
        return Recipe((*sources, *CLEAN, *rules, last))

    found = {f"shift of dense ranks, {k}": recipe(dense, Shift(skip=k)) for k in (0, 5, 10, 20, 30)}
    found |= {f"share of the positive, {p}": recipe(dense, PercPos(ratio=p)) for p in (0.98, 0.95, 0.9)}
    for name, columns in EVIDENCE.items():
        fuse: tuple[Step, ...] = (PositiveSimilarity(encoder=encoder), Rrf(ranks=columns))
        found |= {f"skip by {name}, {k}": recipe(both, *fuse, SkipBest(skip=k)) for k in (5, 10, 15, 20, 30)}
    return found


def main() -> None:
    """Print a markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FOILS_DATA", "../shared/data")))
    parser.add_argument("--collections", nargs="+", default=["cranfield", "cisi", "npl"])
    args = parser.parse_args()
    engine = Local(cache=Path.home() / ".cache" / "foils")
    encoder = SentenceEncoder(model=minilm(), precision="float32")
    worlds = {name: load(args.data, name, encoder, engine) for name in args.collections}
    print(f"{describe()}\n\n| rule, strength | {' | '.join(worlds)} |\n|---{'|---' * len(worlds)}|")
    for name, recipe in variants(encoder).items():
        cells = []
        for world in worlds.values():
            f = summary([score(world, recipe, engine)], 8)
            cells.append(f"{100 * f['fn']:.1f} · {f['z']:.2f} · {100 * f['full']:.0f}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
