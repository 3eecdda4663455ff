"""What the grades of language models mean: TREC DL 2019, judgments on file against those of NIST's assessors.

    python benchmarks/judge_grades.py [--data DIR] [--top 20]

Pairs: those that an assessor judged within the top 20 of any of six retrievers, where negatives are mined. Relevant: an
assessor's grade of at least 2. The verdicts are read by the judge `replay`. First table: the share of relevant pairs at
each grade, the source of the default `table` of the judge `llm`, with 95 % intervals from a bootstrap over queries.
Second: sensitivity, specificity, the share of relevant pairs among those called not relevant, and Cohen's kappa. Third:
the rate of errors by the share of the query's words that the passage has. Fourth: errors of pairs of judges together.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.collection import Collection
from foils.engine import Local
from foils.judges.replay import Replay
from foils.pairs import Pairs
from foils.texts import words

JUDGES = {
    "UMBRELA GPT-4o": ("umbrela_gpt4o.tsv", 2),
    "UMBRELA GPT-4": ("umbrela_gpt4.tsv", 2),
    "yes/no GPT-4o": ("binary_gpt4o.tsv", 1),
    "yes/no Llama-3.2": ("binary_llama3.2.tsv", 1),
}
DRAWS = 2000


def hard_pairs(data: Path, top: int) -> tuple[Pairs, NDArray[np.bool_]]:
    """The judged pairs within the top of any run, and whether each is relevant."""
    where = Collection.read(data, split="test", relevant_from=2)
    kept = {"query-id": pl.String, "corpus-id": pl.String}
    runs = [pl.read_csv(p, separator="\t", schema_overrides=kept) for p in sorted((data / "extras/runs").glob("*.tsv"))]
    found = pl.concat([r.filter(pl.col("rank") <= top).select("query-id", "corpus-id") for r in runs]).unique()
    labels = pl.concat([where.positives, where.negatives]).drop_nulls("grade")
    ids = labels.with_columns(
        pl.lit(where.queries["id"]).gather(pl.col("query")).alias("query-id"),
        pl.lit(where.corpus["id"]).gather(pl.col("doc")).alias("corpus-id"),
    )
    hard = ids.join(found, on=["query-id", "corpus-id"], how="semi").sort("query", "doc")
    frame = hard.select("query", "doc", positive=pl.lit(value=False), judged_by=pl.lit(None, dtype=pl.Categorical))
    return Pairs(frame, where), (hard["grade"] >= 2).to_numpy()


def overlap(pairs: Pairs) -> NDArray[np.float64]:
    """Per pair the share of the query's distinct words that stand in the passage."""
    queries = [set(t.split()) for t in words(pairs.collection.queries["text"].gather(pairs.frame["query"])).to_list()]
    docs = [set(t.split()) for t in words(pairs.collection.passages.gather(pairs.frame["doc"])).to_list()]
    return np.array([len(q & d) / max(1, len(q)) for q, d in zip(queries, docs, strict=True)])


def interval(hit: NDArray[np.bool_], query: NDArray[np.uint32], seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of a share, by a bootstrap over queries."""
    rng = np.random.default_rng(seed)
    _, at = np.unique(query, return_inverse=True)
    hits, sizes = np.bincount(at, weights=hit), np.bincount(at)
    drawn = rng.integers(len(sizes), size=(DRAWS, len(sizes)))
    low, high = np.quantile(hits[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), [0.025, 0.975])
    return float(low), float(high)


def kappa(said: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    """Cohen's kappa of two binary labellings."""
    agreed = (said == true).mean()
    chance = said.mean() * true.mean() + (1 - said.mean()) * (1 - true.mean())
    return float((agreed - chance) / (1 - chance))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FOILS_DATA", "../shared/data")))
    parser.add_argument("--top", type=int, default=20)
    options = parser.parse_args()
    folder = options.data / "trecdl19"
    pairs, true = hard_pairs(folder, options.top)
    query = pairs.frame["query"].to_numpy()
    rows = np.arange(len(true), dtype=np.uint32)
    said, grades = {}, {}
    for name, (file, cut) in JUDGES.items():
        judge = Replay(folder / "extras" / "llm_judgments" / file, relevant_from=cut)
        found = judge.verdicts(pairs, rows, Local())
        grades[name] = np.array([-1 if v.grade is None else v.grade for v in found])
        said[name] = np.array([v.probability == 1.0 for v in found])
    print(f"{len(true):,} pairs of {len(set(query.tolist()))} queries, {true.mean():.1%} relevant\n")
    print("| judge | grade | pairs | relevant % | 95 % interval |\n|---|---|---|---|---|")
    for name, given in grades.items():
        for grade in sorted(set(given.tolist())):
            at = given == grade
            low, high = interval(true[at], query[at])
            print(
                f"| {name} | {grade} | {at.sum():,} | {100 * true[at].mean():.1f} | {100 * low:.1f}–{100 * high:.1f} |"
            )
    print("\n| judge | sensitivity % | specificity % | relevant among its no % | kappa |\n|---|---|---|---|---|")
    for name, yes in said.items():
        numbers = 100 * yes[true].mean(), 100 * (~yes[~true]).mean(), 100 * true[~yes].mean()
        print(f"| {name} | {' | '.join(f'{n:.0f}' for n in numbers)} | {kappa(yes, true):.2f} |")
    share = overlap(pairs)
    print("\n| judge | query words in the passage | called relevant, of the irrelevant % | missed, of the relevant % |")
    print("|---|---|---|---|")
    for name, yes in said.items():
        for low, high in ((0.0, 0.5), (0.5, 0.8), (0.8, 1.01)):
            at = (share >= low) & (share < high)
            wrong, missed = yes[at & ~true].mean(), (~yes[at & true]).mean()
            print(f"| {name} | {low:.0%} to {min(high, 1):.0%} | {100 * wrong:.0f} | {100 * missed:.0f} |")
    print("\n| judges | both miss, of the relevant % | if independent % |\n|---|---|---|")
    names = list(said)
    for one, two in ((names[0], names[1]), (names[0], names[2])):
        a, b = (~said[n][true] for n in (one, two))
        print(f"| {one} and {two} | {100 * (a & b).mean():.1f} | {100 * a.mean() * b.mean():.1f} |")


if __name__ == "__main__":
    main()
