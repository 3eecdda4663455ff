"""Which scores of a set of negatives put a mined set above a random one, and above one spiked with false negatives.

    python benchmarks/quality.py [--collections cranfield cisi cacm npl] [--data DIR] [--n 8] [--seeds 3]

Any score that claims to say which set is better must pass both (`foils.quality`). Sets, on one known positive per
query (`extras/fn_eval/labelled_1.tsv`): *mined*: the hardest by `Lsa` once the 20 best by BM25 and `Lsa` together are
skipped; *random* documents; *spiked*: the mined set with two of its negatives per query exchanged for hidden positives
(`hidden_1.tsv`), as many as there are. All sets cover the queries that have n negatives in the mined set. The yardstick
is all-MiniLM-L6-v2, which chose none of them. "yes" means in every seed (the random set and the exchange are drawn
anew). Scores that need a probability get it from the detector as shipped, whose coefficients have seen these
collections, and from the truth.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from false_negatives import World, load, minilm
from foils import recipes
from foils.dedup import NearDuplicate
from foils.detect import Detect
from foils.engine import Local
from foils.evidence import PositiveWords
from foils.limits import Deepen
from foils.models.encoder import SentenceEncoder
from foils.models.lsa import Lsa
from foils.neighbours import PositiveSimilarity
from foils.pairs import BASE, Pairs
from foils.quality import Quality, measure
from foils.rules import SkipBest
from foils.run import mine
from foils.score import Rrf, Similarity
from foils.select import Top
from foils.sources.bm25 import Bm25
from foils.sources.dense import Dense
from foils.sources.random import Random
from foils.steps import Recipe
from machine import describe

SPIKES = 2
RANKS = ("rank.bm25", "rank.lsa")
NEED = {
    "false negatives, estimated (less is better)": lambda q: -(q.safety.rate or 0),
    "net hardness": lambda q: q.hardness and q.hardness.net,
}
SCORES: dict[str, Callable[[Quality], float | None]] = {
    "hardness, z": lambda q: q.hardness and q.hardness.z,
    "share above the positive (less is better)": lambda q: q.hardness and -(q.hardness.above or 0),
    "distance between negatives": lambda q: q.shape and q.shape.distance,
    "volume of the negatives": lambda q: q.shape and q.shape.volume,
    "uniformity (less is better)": lambda q: q.shape and -(q.shape.uniformity or 0),
    "ECI 1, margin": lambda q: q.eci and q.eci.first,
    "ECI 1, share": lambda q: q.eci and q.eci.softer,
    "ECI 3": lambda q: q.eci and q.eci.third,
}


def candidates(pairs: Pairs) -> pl.DataFrame:
    """Selected negatives: ``query``, ``doc``."""
    return pairs.negatives().select("query", "doc")


def of(world: World, chosen: pl.DataFrame, background: Pairs, engine: Local) -> dict[str, Pairs]:
    """The candidates of one search with other negatives selected, with the detector's probabilities and with the truth.

    z is over the same candidates for every set, but for those that the set itself brings along.
    """
    there = pl.col("query").is_in(chosen["query"].unique().implode())
    plain = replace(background, frame=background.frame.filter(there).select(*BASE, *RANKS))
    plain = plain.add("set", chosen.with_columns(rank=pl.lit(1, dtype=pl.Int32)))
    taken = plain.frame["rank.set"].is_not_null()
    pairs = replace(plain, frame=plain.frame.drop("rank.set"))
    pairs = pairs.with_column("bm25.bm25", Bm25().fill(pairs, engine))
    for step in (Similarity(encoder=Lsa(), name="lsa"), PositiveSimilarity(encoder=Lsa()), PositiveWords(), Detect()):
        pairs = step(pairs, engine)
    fate = pl.when(~pl.col("positive") & ~pl.lit(taken)).then(pl.lit("out", dtype=pl.Categorical))
    guess = replace(pairs, frame=pairs.frame.with_columns(dropped=fate))
    hidden = world.truth.filter(pl.col("relevant")).select("query", "doc", said=pl.lit(1.0, dtype=pl.Float32))
    said = guess.frame.join(hidden, on=["query", "doc"], how="left", maintain_order="left")["said"].fill_null(0.0)
    return {"detector": guess, "truth": guess.with_column("p_relevant", said)}


def spiked(world: World, mined: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Exchange negatives that are true for hidden positives."""
    rng = np.random.default_rng(seed)
    hidden = world.truth.filter(pl.col("relevant")).select("query", "doc")
    fresh = hidden.join(mined, on=["query", "doc"], how="anti")
    fresh = fresh.with_columns(draw=pl.Series(rng.random(fresh.height))).sort("query", "draw")
    fresh = fresh.filter(pl.int_range(pl.len()).over("query") < SPIKES).select("query", "doc")
    true = mined.join(hidden, on=["query", "doc"], how="anti")
    true = true.with_columns(draw=pl.Series(rng.random(true.height))).sort("query", "draw")
    places = fresh.group_by("query").agg(wanted=pl.len())
    goes = true.join(places, on="query").filter(pl.int_range(pl.len()).over("query") < pl.col("wanted"))
    return pl.concat([mined.join(goes, on=["query", "doc"], how="anti"), fresh]).sort("query", "doc")


def skipping(n: int) -> Recipe:
    """The 20 best by both kinds of evidence skipped, then the hardest."""
    sources = (Bm25(), Dense(name="lsa", encoder=Lsa()))
    fused = (Rrf(ranks=("bm25.bm25", "cos.lsa")), SkipBest(skip=20), Deepen(want=n))
    return Recipe((*sources, *recipes.CLEAN, NearDuplicate(), *fused, Top(n=n, by="cos.lsa")))


def sets(world: World, n: int, seed: int, engine: Local) -> tuple[Pairs, dict[str, pl.DataFrame]]:
    """The mined, the random and the spiked set, and the table of the search."""
    run = mine(world.collection, skipping(n), engine=engine).pairs
    full = candidates(run).filter(pl.len().over("query") == n)
    other = mine(
        world.collection,
        Recipe((Random(depth=2 * n, seed=seed), *recipes.CLEAN, Top(n=n, by="rank.random"))),
        engine=engine,
    )
    random = candidates(other.pairs).filter(pl.col("query").is_in(full["query"].unique().implode()))
    return run, {"mined": full, "random": random, "spiked": spiked(world, full, seed)}


def rate(world: World, chosen: pl.DataFrame) -> float:
    """Share of hidden positives."""
    hidden = world.truth.filter(pl.col("relevant"))
    return chosen.join(hidden, on=["query", "doc"], how="semi").height / chosen.height


def main() -> None:
    """Print markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FOILS_DATA", "../shared/data")))
    parser.add_argument("--collections", nargs="+", default=["cranfield", "cisi", "cacm", "npl"])
    parser.add_argument("--n", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    engine = Local(cache=Path.home() / ".cache" / "foils")
    yard = SentenceEncoder(model=minilm(), precision="float32")
    print(describe())
    for name in args.collections:
        world = load(args.data, name, yard, engine)
        found: list[dict[str, Quality]] = []
        known: list[dict[str, Quality]] = []
        rates: list[dict[str, float]] = []
        for seed in range(args.seeds):
            run, chosen = sets(world, args.n, seed, engine)
            tables = {k: of(world, c, run, engine) for k, c in chosen.items()}
            found.append({k: measure(t["detector"], encoder=yard, engine=engine) for k, t in tables.items()})
            known.append({k: measure(t["truth"], encoder=yard, engine=engine) for k, t in tables.items()})
            rates.append({k: rate(world, c) for k, c in chosen.items()})
        truth = ", ".join(f"{k} {100 * np.mean([r[k] for r in rates]):.1f} %" for k in rates[0])
        print(f"\n{name}, {found[0]['mined'].kept} queries, false negatives: {truth}\n")
        print("| score | mined | random | spiked | mined over random | mined over spiked |\n|---|---|---|---|---|---|")
        for title, value in SCORES.items():
            print(row(title, value, found), flush=True)
        for title, value in NEED.items():
            print(row(f"{title}, by the detector", value, found))
            print(row(f"{title}, by the truth", value, known), flush=True)


def row(title: str, value: Callable[[Quality], float | None], found: list[dict[str, Quality]]) -> str:
    """Means over seeds, and whether the mined set comes first in every seed."""
    values = [{k: float(value(q) or 0) for k, q in by_set.items()} for by_set in found]
    sign = -1 if "less is better" in title else 1
    cells = [f"{sign * np.mean([v[k] for v in values]):.3f}" for k in ("mined", "random", "spiked")]
    passed = [all(v["mined"] > v[k] for v in values) for k in ("random", "spiked")]
    return f"| {title} | {' | '.join(cells)} | {' | '.join('yes' if p else 'no' for p in passed)} |"


if __name__ == "__main__":
    main()
