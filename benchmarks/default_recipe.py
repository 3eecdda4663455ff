"""The recipe `default` against `skip-best` and a rank shift: false negatives and hardness at several risks.

    python benchmarks/default_recipe.py [--collections cranfield cisi ...] [--risks 0.02 0.05 0.1 0.2] [--n 8]

As in false_negatives.py: one known positive per query, MiniLM, false negatives among the selected in %, hardness as
mean z of the true negatives. The detector's coefficients are those of the *other* collections (leave one out).
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

import foils.detect
from false_negatives import COLLECTIONS, load, minilm, score, summary
from foils import recipes
from foils.engine import Local
from foils.models.encoder import SentenceEncoder
from foils.recipes import Plan
from machine import describe
from pools import elsewhere


def main() -> None:
    """Print one row per collection and recipe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collections", nargs="+", default=list(COLLECTIONS))
    parser.add_argument("--risks", nargs="+", type=float, default=[0.02, 0.05, 0.1, 0.2])
    parser.add_argument("--n", type=int, default=8)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FOILS_DATA", "../shared/data")))
    args = parser.parse_args()
    engine = Local(cache=Path.home() / ".cache" / "foils", quiet=True)
    encoder = SentenceEncoder(model=minilm(), precision="float32")
    print(f"{describe()}\n- encoder minilm, n = {args.n}\n")
    print("| collection | recipe | false negatives % (95 %) | hardness z | per query | queries with all |")
    print("|---|---|---|---|---|---|")
    for name in args.collections:
        world = load(args.data, name, encoder, engine)
        known = elsewhere(name)
        foils.detect.shipped = lambda known=known: known  # type: ignore[attr-defined,misc]
        plan = Plan(encoders=(("dense", encoder),), n=args.n)
        made = {"shifted": recipes.shifted(plan), "skip-best": recipes.skip_best(plan)}
        made |= {f"default, risk {r:g}": recipes.default(replace(plan, risk=r)) for r in args.risks}
        for label, recipe in made.items():
            table = score(world, recipe, engine)
            f = summary([table], args.n)
            print(
                f"| {name} | {label} | {100 * f['fn']:.1f} ({100 * f['low']:.0f}–{100 * f['high']:.0f}) "
                f"| {f['z']:.2f} | {f['per_query']:.2f} | {100 * f['full']:.0f} % |",
                flush=True,
            )


if __name__ == "__main__":
    main()
