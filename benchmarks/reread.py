"""Are the labels short, or was the reader generous? Labelled, found and refused pairs, read again without a mark.

    python benchmarks/reread.py --out DIR [--collections mlquestions medquad]
    python benchmarks/reread.py --table [--collections mlquestions medquad]

A sheet mixes, for each collection, 120 pairs that the collection labels as relevant, 120 that the first reading found
(`verdicts/`, grade 2 and 3) and 120 that it refused (0 and 1), one of a kind per query, in random order; no known
positive is shown beside them. Readers write `id<TAB>grade` to `reread/<collection>.<reader>.tsv`. `--table` says which
share of each kind every reader calls relevant: found pairs that fare as labelled ones do are missing labels.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import polars as pl

from foils.collection import Collection
from foils.risk.estimate import clopper_pearson
from pays_sheet import VERDICTS, WORDS, cut
from pays_worlds import world

READ = Path(__file__).parent / "reread"
KINDS = ("labelled", "found", "refused")
EACH = 120


def drawn(name: str, data: Path) -> tuple[Collection, pl.DataFrame]:
    """The collection, and its pairs to read: ``query_id``, ``doc_id``, ``kind``, in the order of the sheet."""
    known = world(data, name, "1").collection
    ids = {side: pl.Series(frame["id"]) for side, frame in (("query", known.queries), ("doc", known.corpus))}
    labelled = known.positives.select(query_id=ids["query"].gather(known.positives["query"]),
                                      doc_id=ids["doc"].gather(known.positives["doc"]))  # fmt: skip
    verdicts = pl.read_csv(VERDICTS / f"{name}.tsv", separator="\t", infer_schema=False).drop_nulls("grade")
    relevant = pl.col("grade").cast(pl.Int64) >= 2
    pairs = {"labelled": labelled, "found": verdicts.filter(relevant), "refused": verdicts.filter(~relevant)}
    rng, taken = np.random.default_rng(0), []
    for kind in KINDS:
        table = pairs[kind].select("query_id", "doc_id").sort("query_id", "doc_id")
        table = table.with_columns(lot=pl.Series(rng.random(table.height))).sort("lot")
        taken.append(
            table.unique("query_id", keep="first", maintain_order=True).head(EACH).with_columns(kind=pl.lit(kind))
        )
    every = pl.concat(taken)
    return known, every.with_columns(lot=pl.Series(rng.random(every.height))).sort("lot").drop("lot")


def sheet(name: str, data: Path, out: Path) -> None:
    """Write what a reader sees: a number, the query and the passage."""
    known, pairs = drawn(name, data)
    queries = dict(zip(known.queries["id"], known.queries["text"], strict=True))
    docs = dict(zip(known.corpus["id"], known.passages, strict=True))
    lines = [
        f"{n}\t{cut(queries[q], 10**6)}\t{cut(docs[d], WORDS['candidate'])}"
        for n, (q, d) in enumerate(pairs.select("query_id", "doc_id").iter_rows())
    ]
    (out / f"reread_{name}.tsv").write_text("id\tquery\tpassage\n" + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"{name}: {len(lines)} pairs")


def row(name: str, reader: str, kinds: pl.Series, grades: pl.DataFrame) -> str:
    """A row of the table: the share of each kind that a reader calls relevant, with its 95 % interval."""
    cells = []
    for kind in KINDS:
        yes = grades.filter(pl.Series(kinds.gather(grades["id"]) == kind))["grade"] >= 2
        share = clopper_pearson(int(yes.sum()), len(yes))
        cells.append(f"{100 * share.rate:.0f} ({100 * share.low:.0f} to {100 * share.high:.0f}) of {len(yes)}")
    return f"| {name} | {reader} | " + " | ".join(cells) + " |"


def main() -> None:
    """Write sheets, or tell what was read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FOILS_DATA", "../shared/data")))
    parser.add_argument("--collections", nargs="+", default=["mlquestions", "medquad"])
    parser.add_argument("--out", type=Path, default=Path())
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    if not args.table:
        args.out.mkdir(parents=True, exist_ok=True)
        for name in args.collections:
            sheet(name, args.data, args.out)
        return
    print("| collection | reader | labelled, relevant % | found | refused |\n|---|---|---|---|---|")
    for name in args.collections:
        kinds = drawn(name, args.data)[1]["kind"]
        for path in sorted(READ.glob(f"{name}.*.tsv")):
            schema = {"id": pl.Int64, "grade": pl.Int64}
            grades = pl.read_csv(path, separator="\t", has_header=False, schema=schema, null_values="?").drop_nulls()
            print(row(name, path.name.split(".")[1], kinds, grades))


if __name__ == "__main__":
    main()
