"""What trained models return first, read by people or language models: for collections whose labels are short.

    python benchmarks/pays_pooled.py --out DIR [--collections mlquestions medquad] [--queries 200]
    python benchmarks/pays_pooled.py --table [--collections mlquestions medquad]

Models of pays.py (seed 0, one positive known), each asked 200 of the test queries; the first five documents of all
models together are one sheet, in random order within a query, without a sign of who returned them or of what is
labelled. Readers write `id<TAB>grade` (0 to 3, ?) to `pooled/<collection>.<reader>.tsv`. `--table`: nDCG@5 with what
was read as relevant (2 and 3) and, for the same queries, with the collection's labels; paired t-tests of `foils` and
`foils + verdicts` with every other model, Holm over the rows.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from foils.engine import Local
from foils.evaluate.paired import compare
from pays import Cell, trained
from pays_sheet import VERDICTS, WORDS, cut
from pays_worlds import CACHE, World, world

READ = Path(__file__).parent / "pooled"
MODELS = ("zero-shot", "naive top-k", "shift 10", "foils", "foils + verdicts")
DEPTH = 5
Order = dict[str, NDArray[np.int64]]


def returned(name: str, data: Path, engine: Local, size: int) -> tuple[World, NDArray[np.int64], Order]:
    """The world, the test queries, and the first documents (queries, 5) of every model."""
    where, found = world(data, name, "1"), {}
    for model in MODELS:
        learner, held, _ = trained(Cell(name, "1", 0, 5, 0, model, "adapter"), data, VERDICTS, engine)
        asked = np.sort(np.random.default_rng(0).permutation(held)[:size])
        learner.eval()
        with torch.no_grad():
            docs = learner(np.arange(where.collection.corpus.height), "document")
            scores = (learner(asked, "query") @ docs.T).numpy().astype(np.float64)
        found[model] = np.argsort(-scores, axis=1, kind="stable")[:, :DEPTH]
    return where, asked, found


def sheet(where: World, asked: NDArray[np.int64], found: Order, out: Path) -> None:
    """What a reader sees: an id, the query and the passage."""
    c, rng, lines = where.collection, np.random.default_rng(1), ["id\tquery\tpassage"]
    for row, query in enumerate(asked.tolist()):
        pool = np.unique(np.concatenate([order[row] for order in found.values()]))
        for doc in rng.permutation(pool).tolist():
            ids = f"{c.queries['id'][query]}|{c.corpus['id'][doc]}"
            passage = cut(c.passages[doc], WORDS["candidate"])
            lines.append(f"{ids}\t{cut(c.queries['text'][query], 10**6)}\t{passage}")
    (out / f"pooled_{c.name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{c.name}: {len(lines) - 1} pairs of {len(asked)} queries")


def grades(name: str) -> dict[str, float]:
    """The mean grade of every pair that was read; what nobody could tell counts as not relevant."""
    parts = [
        pl.read_csv(
            path, separator="\t", has_header=False, new_columns=["id", "grade"], null_values="?", quote_char=None
        )
        for path in sorted(READ.glob(f"{name}.*.tsv"))
    ]
    told = pl.concat(parts).group_by("id").agg(pl.col("grade").mean().fill_null(0))
    return dict(told.iter_rows())


def judged(where: World, asked: NDArray[np.int64], found: Order, read: dict[str, float]) -> dict[str, pl.DataFrame]:
    """``query_id``, ``read`` and ``labels`` of every model: nDCG@5 by what was read, and by the labels."""
    c, tables = where.collection, {}
    for model, order in found.items():
        rows = []
        for row, query in enumerate(asked.tolist()):
            name = str(c.queries["id"][query])
            pool = np.unique(np.concatenate([o[row] for o in found.values()]))
            said = {int(d): read[f"{name}|{c.corpus['id'][int(d)]}"] >= 2 for d in pool}
            known = set(where.of(where.relevant, query).tolist())
            truths = {"read": {d for d, yes in said.items() if yes}, "labels": known}
            rows.append({"query_id": name} | {k: gain(order[row], truth) for k, truth in truths.items()})
        tables[model] = pl.DataFrame(rows)
    return tables


def gain(order: NDArray[np.int64], truth: set[int]) -> float:
    """nDCG@5 of a ranking; 0 where nothing is relevant."""
    hits = np.array([doc in truth for doc in order.tolist()], dtype=np.float64)
    discount = 1 / np.log2(np.arange(DEPTH) + 2)
    best = discount[: min(DEPTH, len(truth))].sum()
    return float((hits * discount).sum() / best) if best else 0.0


def shown(name: str, tables: dict[str, pl.DataFrame]) -> str:
    """The table of a collection."""
    lines = [
        "| model | read | `foils` - model | `foils + verdicts` - model | labels | `foils` - model "
        "| `foils + verdicts` - model |",
        "|---" * 7 + "|",
    ]
    gains = {}
    for truth in ("read", "labels"):
        values = {m: t.select("query_id", nDCG=truth) for m, t in tables.items()}
        for main in MODELS[-2:]:
            others = [m for m in MODELS if m != main]
            for r in compare(values, [(main, m) for m in others], test="t").iter_rows(named=True):
                gains[truth, main, r["against"]] = f"{r['difference']:+.4f} ({r['p_holm']:.2g})"
    for model, table in tables.items():
        cells = [model]
        for truth in ("read", "labels"):
            cells += [f"{table[truth].mean():.4f}", *(gains.get((truth, main, model), "-") for main in MODELS[-2:])]
        lines.append(f"| {' | '.join(cells)} |")
    return f"{name}, {tables[MODELS[0]].height} queries\n\n" + "\n".join(lines)


def main() -> None:
    """Write sheets, or tell what was read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FOILS_DATA", "../shared/data")))
    parser.add_argument("--collections", nargs="+", default=["mlquestions", "medquad"])
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path())
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    engine = Local(cache=CACHE)
    for name in args.collections:
        where, asked, found = returned(name, args.data, engine, args.queries)
        if args.table:
            print(shown(name, judged(where, asked, found, grades(name))) + "\n", flush=True)
        else:
            sheet(where, asked, found, args.out)


if __name__ == "__main__":
    main()
