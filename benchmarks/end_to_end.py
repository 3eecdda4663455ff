"""mine, judge 200 pairs, promise: the true share of false negatives after each, on collections judged in depth.

    python benchmarks/end_to_end.py [--collections cranfield cisi npl cacm] [--budget 200] [--risk 0.05] [--seeds 3]

Each query shows one known positive; the judge replays the people's judgments that were hidden. The detector starts from
the coefficients of the other collections. False: share of the selected negatives that the hidden judgments call
relevant. Judging and promising are two separate continuations of the same mined run.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

import foils.detect
from false_negatives import World, load, minilm
from foils.engine import Local
from foils.errors import JudgeError
from foils.judges.replay import Replay
from foils.judging import judge
from foils.models.encoder import SentenceEncoder
from foils.outcome import promoted
from foils.promise import promise
from foils.run import Run, mine
from machine import describe
from pools import elsewhere


def people(world: World, folder: Path) -> Replay:
    """The hidden judgments as a file; what they leave open is not relevant, as in a collection judged in depth."""
    queries, corpus = world.collection.queries["id"], world.collection.corpus["id"]
    table = world.truth.filter("relevant").select(
        pl.lit(queries).gather("query").alias("query-id"), pl.lit(corpus).gather("doc").alias("corpus-id"), score=1
    )
    table.write_csv(folder / "hidden.tsv", separator="\t")
    return Replay(folder / "hidden.tsv", family="human", complete=True)


def told(world: World, run: Run) -> str:
    """False negatives in %, hardness, negatives per query, promoted and how many of those are right."""
    truth = world.truth.with_columns(listed=True)
    # The run may hold a part of the documents only, so ids and not row numbers are compared.
    place = {side: dict(zip(ids.to_list(), range(len(ids)), strict=True)) for side, ids in _ids(world).items()}
    chosen = run.negatives.select("query_id", "doc_id")
    raised = _named(run, run.pairs.frame.filter(promoted()))
    parts = []
    for table in (chosen, raised):
        numbered = table.select(
            query=pl.col("query_id").replace_strict(place["query"], return_dtype=pl.UInt32),
            doc=pl.col("doc_id").replace_strict(place["doc"], return_dtype=pl.UInt32),
        )
        parts.append(numbered.join(truth, on=["query", "doc"], how="left"))
    scored = parts[0].filter(pl.col("listed").is_null() | pl.col("relevant").is_not_null())
    false = scored["relevant"].fill_null(value=False)
    z = world.yardstick[scored["query"].to_numpy(), scored["doc"].to_numpy()][~false.to_numpy()]
    right = parts[1]["relevant"].fill_null(value=False)
    per_query = chosen.height / len(run.pairs.queries)
    share = "–" if not right.len() else f"{right.len()} ({100 * float(right.mean() or 0):.0f} %)"
    return f"{100 * float(false.mean() or 0):.1f} | {np.mean(z):.2f} | {per_query:.1f} | {share}"


def _ids(world: World) -> dict[str, pl.Series]:
    return {"query": world.collection.queries["id"], "doc": world.collection.corpus["id"]}


def _named(run: Run, rows: pl.DataFrame) -> pl.DataFrame:
    c = run.pairs.collection
    return rows.select(
        pl.lit(c.queries["id"]).gather("query").alias("query_id"), pl.lit(c.corpus["id"]).gather("doc").alias("doc_id")
    )


def main() -> None:
    """Print one row per collection, seed and state."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collections", nargs="+", default=["cranfield", "cisi", "npl", "cacm"])
    parser.add_argument("--budget", type=int, default=200)
    parser.add_argument("--risk", type=float, default=0.05)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FOILS_DATA", "../shared/data")))
    args = parser.parse_args()
    engine = Local(cache=Path.home() / ".cache" / "foils", quiet=True)
    encoder = SentenceEncoder(model=minilm(), precision="float32")
    print(f"{describe()}\n- encoder minilm, n = 8, budget {args.budget}, risk {args.risk:g}\n")
    print(f"| collection | state | seed | false % | hardness z | per query | promoted (right) |\n|{'---|' * 7}")
    for name in args.collections:
        world = load(args.data, name, encoder, engine)
        known = elsewhere(name)
        foils.detect.shipped = lambda known=known: known  # type: ignore[attr-defined,misc]
        with tempfile.TemporaryDirectory() as place:
            who = people(world, Path(place))
            run = mine(world.collection, encoder=encoder, engine=engine, risk=args.risk)
            print(f"| {name} | mined | – | {told(world, run)} |", flush=True)
            for seed in range(args.seeds):
                done = judge(run, who, engine, budget=args.budget, seed=seed).run
                print(f"| {name} | judged | {seed} | {told(world, done)} |", flush=True)
                try:
                    sure = promise(run, who, engine, risk=args.risk, budget=args.budget, seed=seed)
                    print(
                        f"| {name} | promised ≤ {100 * sure.bound:.1f} | {seed} | {told(world, sure.run)} |", flush=True
                    )
                except JudgeError as error:
                    print(f"| {name} | {error} | {seed} | – | – | – | – |", flush=True)


if __name__ == "__main__":
    main()
