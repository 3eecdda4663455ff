"""Does a score of a set of negatives, taken before training, say what training will gain?

    python benchmarks/pays_predict.py --cells FILE [FILE ...] [--collections cranfield cisi cacm npl]

A set is what one method of pays.py selects for all queries of a collection, one known positive each; its gain is the
mean nDCG@10 of the cells of that method minus that of zero-shot. Scores: hardness and Effective Contrastive Information
by the model that is trained, and what needs probabilities from the detector (its coefficients are those of the other
collections) or from the truth. Spearman over all sets, once as they are and once with each collection's mean taken
away from ranks within the collection; intervals by bootstrap over the sets of each collection.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import rankdata

from foils import recipes
from foils.detect import Detect
from foils.engine import Local
from foils.evidence import NeighbourAgreement, PositiveWords, Specificity
from foils.neighbours import PositiveSimilarity
from foils.pairs import BASE, Pairs
from foils.quality import Quality, measure
from foils.recipes import Plan
from foils.score import Similarity
from foils.sources.bm25 import Bm25
from machine import describe
from pays import NEGATIVES, Cell, keys, read, table_of
from pays_table import values
from pays_worlds import CACHE, CLOSED, World, kept, mined, with_own_coefficients, world

Floats = NDArray[np.float64]
METHODS = ("random", "naive top-k", "perc-pos 95", "shift 10", "oracle", "foils")
SCORES: dict[str, Callable[[Quality], float | None]] = {
    "hardness, z": lambda q: q.hardness and q.hardness.z,
    "share above the positive (less is better)": lambda q: q.hardness and -(q.hardness.above or 0),
    "ECI 1, safety as a margin": lambda q: q.eci and q.eci.first,
    "ECI 1, safety as a share": lambda q: q.eci and q.eci.softer,
    "ECI 3": lambda q: q.eci and q.eci.third,
}
NEED: dict[str, Callable[[Quality], float | None]] = {
    "false negatives (less is better)": lambda q: -(q.safety.rate or 0),
    "net hardness": lambda q: q.hardness and q.hardness.net,
}


def described(where: World, chosen: Pairs, background: Pairs, engine: Local) -> dict[str, Quality]:
    """The set among the candidates of `default`, with the detector's probabilities and with the truth."""
    picked = chosen.negatives().sort("query", "doc").select("query", "doc", rank=pl.lit(1, dtype=pl.Int32))
    ranks = [f"rank.{s}" for s in background.sources]
    plain = replace(background, frame=background.frame.select(*BASE, *ranks)).add("set", picked)
    taken = plain.frame["rank.set"].is_not_null()
    pairs = replace(plain, frame=plain.frame.drop("rank.set"))
    pairs = pairs.with_column("bm25.bm25", Bm25().fill(pairs, engine))
    lead = kept("minilm")
    evidence = (PositiveSimilarity(lead), PositiveWords(), NeighbourAgreement(lead), Specificity(lead), Detect())
    for step in (Similarity(encoder=lead, name="dense"), *evidence):
        pairs = step(pairs, engine)
    fate = pl.when(~pl.col("positive") & ~pl.lit(taken)).then(pl.lit("out", dtype=pl.Categorical))
    guess = replace(pairs, frame=pairs.frame.with_columns(dropped=fate))
    right = pl.Series(np.isin(keys(guess), where.relevant).astype(np.float32))
    truth = guess.with_column("p_relevant", pl.lit(right))
    return {name: measure(t, encoder=lead, engine=engine) for name, t in (("detector", guess), ("truth", truth))}


def sets(name: str, data: Path, engine: Local) -> dict[str, dict[str, float]]:
    """The scores of every method's set."""
    where = world(data, name, "1")
    queries = np.unique(where.collection.positives["query"].to_numpy()).astype(np.int64)
    with_own_coefficients(name)
    default = Plan((("dense", kept("minilm")),), n=NEGATIVES)
    background = mined(where, recipes.default, default, engine).run.pairs
    found = {}
    for method in METHODS:
        pairs, _ = table_of(where, Cell(name, "1", 0, 1, 0, method, "adapter"), queries, Path(), engine)
        if method == "oracle":
            hardest = pl.col("rank.dense").rank("ordinal").over("query") > NEGATIVES
            pairs = pairs.drop(pl.lit(pairs.frame.select(pairs.live & hardest).to_series()), "not drawn")
        q = described(where, pairs, background, engine)
        found[method] = {title: float(value(q["detector"]) or 0) for title, value in SCORES.items()}
        for by, quality in q.items():
            found[method] |= {f"{t}, by the {by}": float(value(quality) or 0) for t, value in NEED.items()}
    return found


def spearman(x: Floats, y: Floats) -> float:
    """Correlation of ranks; 0 where one of them has only ties."""
    a, b = rankdata(x), rankdata(y)
    return float(np.corrcoef(a, b)[0, 1]) if np.ptp(a) and np.ptp(b) else 0.0


def within(x: list[Floats], y: list[Floats]) -> float:
    """Correlation of the ranks within each collection, which is blind to differences between collections."""
    a, b = (np.concatenate([rankdata(v) - (len(v) + 1) / 2 for v in part]) for part in (x, y))
    return float(np.corrcoef(a, b)[0, 1]) if np.ptp(a) and np.ptp(b) else 0.0


def both(x: list[Floats], y: list[Floats]) -> tuple[float, float]:
    """Over all sets, and within collections."""
    return spearman(np.concatenate(x), np.concatenate(y)), within(x, y)


def interval(x: list[Floats], y: list[Floats], draws: int = 2000) -> list[tuple[float, float]]:
    """95 % of the bootstrap over the sets of each collection, for both correlations."""
    rng, found = np.random.default_rng(0), []
    for _ in range(draws):
        rows = [rng.integers(0, len(v), len(v)) for v in x]
        found.append(both([v[r] for v, r in zip(x, rows, strict=True)], [v[r] for v, r in zip(y, rows, strict=True)]))
    low, high = np.quantile(np.array(found), [0.025, 0.975], axis=0)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def main() -> None:
    """Print two markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FOILS_DATA", "../shared/data")))
    parser.add_argument("--collections", nargs="+", default=list(CLOSED), choices=CLOSED)
    parser.add_argument("--cells", type=Path, nargs="+", required=True)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--folds", type=int, default=5)
    args = parser.parse_args()
    wanted = ("zero-shot", *METHODS)
    cells = [
        c
        for c in read(args.cells).values()
        if (c["labels"], c["folds"], c["how"], c.get("base")) == ("1", args.folds, "adapter", None)
        and c["seed"] in args.seeds
        and c["method"] in wanted
        and c["collection"] in args.collections
    ]
    means = {(w, m): v for w, m, v in values(cells).group_by("world", "method").agg(pl.col("v").mean()).iter_rows()}
    engine = Local(cache=CACHE, quiet=True)
    scored = {name: sets(name, args.data, engine) for name in args.collections}
    gains = [np.array([means[n, m] - means[n, "zero-shot"] for m in METHODS]) for n in args.collections]
    titles = list(scored[args.collections[0]][METHODS[0]])
    print(f"{describe()}\n\n{len(METHODS) * len(gains)} sets: {', '.join(METHODS)}\n")
    print("| score | all sets (95 %) | within collections (95 %) |\n|---|---|---|")
    for title in titles:
        x = [np.array([scored[n][m][title] for m in METHODS]) for n in args.collections]
        shown = zip(both(x, gains), interval(x, gains), strict=True)
        print(f"| {title} | {' | '.join(f'{v:+.2f} ({low:+.2f} to {high:+.2f})' for v, (low, high) in shown)} |")
    print("\n| set | gain | " + " | ".join(titles) + " |\n" + "|---" * (len(titles) + 2) + "|")
    for name, gain in zip(args.collections, gains, strict=True):
        for method, value in zip(METHODS, gain, strict=True):
            shown_values = " | ".join(f"{scored[name][method][t]:.3f}" for t in titles)
            print(f"| {name}, {method} | {value:+.4f} | {shown_values} |")


if __name__ == "__main__":
    main()
