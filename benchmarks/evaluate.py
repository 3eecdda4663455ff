"""What missing labels do to an evaluation, and whether the tests of ``foils evaluate`` err as often as they say.

    python benchmarks/evaluate.py [--data DIR] [--seeds 20] [--draws 1000] [--json FILE]

Table 1: six real retrievers of TREC DL 2019 (`trecdl19/extras/runs`, relevant from grade 2), ordered with a part of the
judgments, against their order by raw nDCG@10 with all of them: Kendall's tau and how often the best system is the same.
Labels: one relevant document per query at random and nothing else; a random 10 % of all judgments; the 10 % that BM25
ranks best. Mean over the seeds.

Table 2: the paired tests on cranfield, BM25 against `Lsa`, nDCG@10. "no difference": the two values of each query are
exchanged by a coin; a test at .05 should be wrong in 5 % of the draws, and a family of five measures after Holm in at
most 5 %. "power": n queries are drawn with replacement from the real differences, shifted so that their mean is what
n queries are said to detect; a test should find it in 80 %.

Table 3: the almanac with its one label per query and with its whole truth, all-MiniLM-L6-v2 against BM25.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from false_negatives import minilm
from foils.collection import Collection, hash_ids
from foils.engine import Local
from foils.evaluate import NAMES, compare, dropout, measures
from foils.evaluate.paired import detectable, holm, sign_flip
from foils.evaluate.result import Plan, evaluate, judgments
from foils.evaluate.systems import System
from foils.pairs import hash_uniform
from machine import describe

RUNS = ("bm25", "bm25_rm3", "openai_ada2", "repllama", "splade_pp_ed", "tas_b")
MEASURES = ("nDCG@10", "MRR@10", "nDCG'@10", "Bpref")
ALMANAC = Path(__file__).parent.parent / "examples" / "almanac"


def one_positive(qrels: pl.DataFrame, seed: int) -> pl.DataFrame:
    """One relevant document per query, chosen by a hash; nothing else is judged."""
    relevant = qrels.filter(pl.col("grade") >= 2)
    queries, docs = hash_ids(relevant["query_id"].to_list()), hash_ids(relevant["doc_id"].to_list())
    drawn = relevant.with_columns(u=pl.Series(hash_uniform(queries, docs, seed))).sort("query_id", "u")
    return drawn.unique("query_id", keep="first", maintain_order=True).drop("u")


def tau(values: dict[str, float], truth: dict[str, float]) -> float:
    """Kendall's tau of two orders; a tie counts nothing."""
    names = list(truth)
    signs = [
        np.sign(values[a] - values[b]) * np.sign(truth[a] - truth[b])
        for i, a in enumerate(names)
        for b in names[i + 1 :]
    ]
    return float(np.mean(signs))


def orders(data: Path, seeds: int) -> list[dict[str, object]]:
    """Table 1."""
    folder = data / "trecdl19"
    collection = Collection.read(folder, split="test", relevant_from=2)
    qrels = judgments(collection)
    runs = {
        name: System(name, "run", str(folder / "extras" / "runs" / f"{name}.tsv")).rank(collection, 1000, Local()).table
        for name in RUNS
    }

    def means(part: pl.DataFrame) -> dict[str, dict[str, float]]:
        tables = {n: measures(r, part, MEASURES, relevant_from=2) for n, r in runs.items()}
        return {m: {n: t[m].mean() for n, t in tables.items() if t[m].count()} for m in MEASURES}

    def by_share(**options: object) -> list[dict[str, dict[str, float]]]:
        curve = dropout(runs, qrels, MEASURES, shares=(0.1,), relevant_from=2, **options)
        return [
            {m: dict(part.filter(pl.col("measure") == m).select("system", "value").iter_rows()) for m in MEASURES}
            for _, part in curve.group_by("seed", maintain_order=True)
        ]

    truth = means(qrels)["nDCG@10"]
    best = max(truth, key=lambda n: truth[n])
    worlds: dict[str, Callable[[], list[dict[str, dict[str, float]]]]] = {
        "all judgments": lambda: [means(qrels)],
        "one relevant per query": lambda: [means(one_positive(qrels, s)) for s in range(seeds)],
        "a random 10 %": lambda: by_share(seeds=seeds),
        "the 10 % that BM25 ranks best": lambda: by_share(found_by="bm25"),
    }
    rows = []
    for name, make in worlds.items():
        draws = make()
        for measure in MEASURES:
            known = [d[measure] for d in draws if len(d[measure]) == len(RUNS)]
            if known:
                right = np.mean([max(d, key=lambda n: d[n]) == best for d in known])
                value = np.mean([tau(d, truth) for d in known])
                rows.append({"labels": name, "measure": measure, "tau": float(value), "right winner": float(right)})
    return rows


def errors(data: Path, draws: int) -> list[dict[str, object]]:
    """Table 2."""
    collection = Collection.read(data / "cranfield", split="test")
    systems = [System("bm25", "bm25"), System("lsa", "lsa")]
    found = evaluate(collection, systems, Plan(complete=True), Local())
    a, b = (found.values[n].select(NAMES).to_numpy() for n in ("bm25", "lsa"))
    rng = np.random.default_rng(0)
    rows: list[dict[str, object]] = []
    for test in ("permutation", "t"):
        alone, family = 0, 0
        for draw in range(draws):
            coin = rng.integers(0, 2, len(a), dtype=bool)[:, None]
            p = [
                sign_flip(d, draws=1000, seed=draw) if test == "permutation" else t_test(d)
                for d in np.where(coin, a - b, b - a).T
            ]
            alone += p[0] < 0.05
            family += min(holm(p)) < 0.05
        rows.append({"case": "no difference", "test": test, "found": alone / draws, "expected": 0.05})
        rows.append(
            {"case": "no difference, 5 measures, Holm", "test": test, "found": family / draws, "expected": 0.05}
        )
    real = (a - b)[:, 0]
    for n in (30, 100, 300):
        for test in ("permutation", "t"):
            hits = 0
            for draw in range(draws):
                spread = real - real.mean()
                least = detectable(rng.choice(spread, n)) or 0.0
                sample = rng.choice(spread, n) + least
                hits += (sign_flip(sample, draws=1000, seed=draw) if test == "permutation" else t_test(sample)) < 0.05
            rows.append({"case": f"power, {n} queries", "test": test, "found": hits / draws, "expected": 0.8})
    return rows


def t_test(differences: np.ndarray) -> float:
    """The paired t-test of ``compare``."""
    ids = [str(i) for i in range(differences.size)]
    a = pl.DataFrame({"query_id": ids, "x": differences})
    table = compare({"b": a.with_columns(x=pl.lit(0.0)), "a": a}, test="t", draws=1)
    return float(table["p"][0])


def almanac(cache: Path) -> list[dict[str, object]]:
    """Table 3."""
    systems = [System("minilm", "encoder", minilm(), "float32"), System("bm25", "bm25")]
    rows = []
    for name, truth in (("one label per query", None), ("the whole truth", ALMANAC / "truth.tsv")):
        collection = Collection.read(ALMANAC, positives=truth)
        plan = Plan(complete=truth is not None)
        found = evaluate(collection, systems, plan, Local(cache=cache))
        for row in found.comparisons.to_dicts():
            kept = (
                "measure",
                "mean",
                "mean_against",
                "difference",
                "low",
                "high",
                "p_holm",
                "detectable",
                "verdict",
                "safe",
            )
            rows.append({"labels": name} | {k: row[k] for k in kept})
    return rows


def show(title: str, rows: list[dict[str, object]]) -> None:
    """A Markdown table."""
    print(f"\n{title}\n\n| {' | '.join(rows[0])} |\n|{'---|' * len(rows[0])}")
    for row in rows:
        print("| " + " | ".join(f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()) + " |")


def main() -> None:
    """Measure and print."""
    here = Path(__file__).parents[2] / "shared" / "data"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FOILS_DATA", here)))
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "foils")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    tables = {
        "Order of six retrievers with missing labels": orders(args.data, args.seeds),
        "Errors of the tests": errors(args.data, args.draws),
        "The almanac": almanac(args.cache),
    }
    print(describe())
    for title, rows in tables.items():
        show(title, rows)
    if args.json:
        args.json.write_text(json.dumps(tables, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
