"""Rules, sampling and writing over a table of 20 million pairs.

    python benchmarks/tables.py [--queries 200000] [--depth 100]

Marks: at most 10 s on 2 cores and 5 GB (peak of this process, table included). Building the table is not counted.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from foils.bands import PercPos
from foils.collection import Collection
from foils.engine import Local
from foils.folder import table, write_parquet
from foils.pairs import BASE, Pairs
from foils.rules import RankWindow
from foils.select import SimAns
from machine import describe


def build(queries: int, depth: int, docs: int, seed: int) -> Pairs:
    """Scores fall with the rank; the positive stands at a random rank of the first ten."""
    rng = np.random.default_rng(seed)
    query = np.repeat(np.arange(queries, dtype=np.uint32), depth)
    step = rng.integers(1, docs // depth, (queries, depth))
    doc = np.cumsum(step, axis=1).astype(np.uint32)
    score = np.sort(rng.beta(8, 6, (queries, depth)).astype(np.float32), axis=1)[:, ::-1]
    shuffle = rng.permuted(np.tile(np.arange(depth, dtype=np.int32), (queries, 1)), axis=1)
    rank = shuffle + 1
    score = np.take_along_axis(score, shuffle, axis=1)
    positive = rank == rng.integers(1, 11, (queries, 1))
    frame = pl.DataFrame({"query": query, "doc": doc.ravel(), "positive": positive.ravel()})
    frame = frame.with_columns(pl.lit(None, dtype=t).alias(c) for c, t in BASE.items() if c not in frame.columns)
    frame = frame.with_columns(**{"rank.dense": rank.ravel(), "cos.dense": score.ravel()})
    corpus = pl.DataFrame(
        {"id": pl.Series([f"d{i}" for i in range(docs)]), "text": pl.Series(["-"]).new_from_index(0, docs)}
    )
    asked = pl.DataFrame({"id": [f"q{i}" for i in range(queries)], "text": pl.Series(["-"]).new_from_index(0, queries)})
    labels = frame.filter("positive").select("query", "doc", grade=pl.lit(1, dtype=pl.Int32))
    return Pairs(frame, Collection(corpus, asked, labels))


def once(pairs: Pairs, folder: Path) -> dict[str, float]:
    """Rank window, positive-aware rule, SimANS draw of 8, parquet."""
    seconds, engine = {}, Local()
    for step in (RankWindow(first=1, last=90, rank="rank.dense"), PercPos(ratio=0.95), SimAns(n=8, standardise=True)):
        start = time.perf_counter()
        pairs = step(pairs, engine)
        seconds[step.label] = time.perf_counter() - start
    start = time.perf_counter()
    stored, _ = table(pairs)
    write_parquet(stored, folder / "pairs.parquet")
    seconds["write"] = time.perf_counter() - start
    return seconds


def main() -> None:
    """Print a markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=200_000)
    parser.add_argument("--depth", type=int, default=100)
    parser.add_argument("--docs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    pairs = build(args.queries, args.depth, args.docs, args.seed)
    # Hashes of the ids belong to the collection, like its texts: made once per run, by whichever sampler comes first.
    with tempfile.TemporaryDirectory() as folder:
        once(Pairs(pairs.frame.head(1000), pairs.collection), Path(folder))
        runs = [once(pairs, Path(folder)) for _ in range(3)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(describe())
    print(f"\n{pairs.frame.height:,} pairs, seed {args.seed}, medians of 3\n\n| step | seconds |\n|---|---|")
    for name in runs[0]:
        print(f"| {name} | {statistics.median(r[name] for r in runs):.2f} |")
    print(f"| together | {statistics.median(sum(r.values()) for r in runs):.2f} |\n\npeak memory {peak:.2f} GB")


if __name__ == "__main__":
    main()
