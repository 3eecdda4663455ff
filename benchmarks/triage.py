"""Does Bayes triage spend fewer verdicts than walking down the list, with a simulated judge and with real ones?

    python benchmarks/triage.py [--seeds 5]

Cranfield: top 30 by MiniLM, 5 negatives wanted, a judge that errs at random; the detector is level 0 (coefficients
from the other collections), calibrated on 200 verdicts of random pairs, which are then left out of the count.
TREC DL 2019: candidates and ranks of real strong retrievers (`extras/runs`, top 100), the judge is UMBRELA GPT-4o or
another model's verdicts on file (`extras/llm_judgments`), the truth NIST grade >= 2; unjudged passages are left out.
The detector there is `Detect`, trained on NIST labels of *other* queries (all pairs, or 200 random pairs of which none
is counted); so is the table of the judge's answers. What is selected: `within_risk` on the probabilities after the
verdicts. Depth, target and cost were chosen on splade_pp_ed only; the other three retrievers share its 43 queries.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.detect import Detect
from foils.detect.calibrate import per_query_auc
from foils.evidence import NeighbourAgreement, PositiveWords, Specificity
from foils.neighbours import PositiveSimilarity
from foils.pairs import Pairs
from foils.risk.calibrate import calibrate
from foils.risk.choose import places, within_risk
from foils.risk.triage import Answers, Triage, measured, yes_no
from foils.sources.dense import Dense
from foils.sources.runs import RunFile
from machine import describe
from pools import DATA, Floats, pool
from train_detector import encoder, engine, load

RUNS = {
    "bm25": "bm25",
    "bm25_rm3": None,
    "openai_ada2": "cos",
    "repllama": "dot",
    "splade_pp_ed": "dot",
    "tas_b": "dot",
}
STRONG = ("splade_pp_ed", "tas_b", "repllama", "openai_ada2")
JUDGES = {"umbrela_gpt4o": 4, "umbrela_gpt4": 4, "binary_gpt4o": 2, "binary_gpt4": 2, "binary_llama3.2": 2}
N = 5
TOP, RISK, COST = 35, 0.1, 0.4
Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Task:
    """Candidates of one retriever: arrays over rows, ``query`` ascending; ``group`` says whose ``answers`` hold."""

    query: NDArray[np.uint32]
    p: Floats
    hardness: Floats
    truth: Mask
    said: Ints
    group: Ints
    answers: tuple[Answers, ...]

    def only(self, rows: Mask) -> Task:
        """The same on some rows."""
        names = ("query", "p", "hardness", "truth", "said", "group")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})


def walk(task: Task, kept: Mask) -> tuple[Mask, int]:
    """Ask about every candidate from the hardest down until N are kept."""
    chosen, calls = np.zeros(len(task.query), dtype=np.bool_), 0
    for start, stop in pairwise(np.flatnonzero(np.diff(task.query.astype(np.int64), prepend=-1, append=-1))):
        rows = start + np.argsort(-task.hardness[start:stop], kind="stable")
        good = np.cumsum(kept[rows])
        read = rows[: int(np.searchsorted(good, N)) + 1] if good[-1] >= N else rows
        calls += len(read)
        chosen[read[kept[read]]] = True
    return chosen, calls


def bayes(task: Task, target: float, cost: float = 0.0, risk: float | None = None) -> tuple[Mask, int]:
    """Triage in batches until nothing is open; every group of queries with the answers measured elsewhere.

    With a risk the selection is the hardest whose mean probability is within it, else all rows below the target.
    """
    chosen, calls = np.zeros(len(task.query), dtype=np.bool_), 0
    for group, answers in enumerate(task.answers):
        part = np.flatnonzero(task.group == group)
        triage = Triage(n=N, target=target, answers=answers, cost=cost)
        query, p, hardness = task.query[part], task.p[part], task.hardness[part]
        answer = np.full(len(part), -1)
        while len(rows := triage.batch(query, p, hardness, answer, len(part)).rows):
            answer[rows] = task.said[part[rows]]
            calls += len(rows)
        if risk is None:
            chosen[part] = triage.selected(query, p, hardness, answer)
        else:
            chosen[part] = within_risk(query, answers.posterior(p, answer), hardness, N, risk)
    return chosen, calls


def figures(task: Task, result: tuple[Mask, int]) -> Floats:
    """FN %, mean hardness, calls per query, negatives per query, % of queries with none, rows selected."""
    chosen, calls = result
    queries = len(np.unique(task.query))
    kept = len(np.unique(task.query[chosen]))
    rate = 100 * task.truth[chosen].mean() if chosen.any() else np.nan
    hardness = task.hardness[chosen].mean() if chosen.any() else np.nan
    return np.array([rate, hardness, calls / queries, chosen.sum() / queries, 100 * (1 - kept / queries), chosen.sum()])


def show(name: str, table: list[Floats]) -> Floats:
    """A line of means."""
    mean: Floats = np.mean(table, axis=0)
    print(
        f"| {name} | {mean[0]:.1f} | {mean[1]:.2f} | {mean[2]:.1f} | {mean[3]:.2f} | {mean[4]:.0f} | {mean[5]:.0f} |",
        flush=True,
    )
    return mean


def cranfield(seeds: int) -> None:
    """A judge that errs at random."""
    print("\n### cranfield, top 30, simulated judge\n")
    print("| rule | FN % | z | calls/query | negatives/query | none % | selected |")
    print("|---|---|---|---|---|---|---|")
    found = pool("cranfield", None)
    for sensitivity in (0.9, 0.75):
        tables: dict[str, list[Floats]] = {}
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            gold = rng.permutation(len(found.query))[:200]
            fit = calibrate(found.query[gold], found.p[gold], found.z[gold], found.truth[gold].astype(np.float64))
            top = places(found.query, found.z) < 30
            top[gold] = False
            said = np.where(found.truth, rng.random(len(found.truth)) < sensitivity, rng.random(len(found.truth)) < 0.1)
            group = np.zeros(len(top), dtype=np.int64)
            p = fit.probability(found.p, found.z)
            judge = yes_no(sensitivity, 0.9)
            task = Task(found.query, p, found.z, found.truth, said.astype(np.int64), group, (judge,)).only(top)
            rules = {"naive": (walk(task, np.ones(len(task.p), dtype=np.bool_))[0], 0)}
            rules["walk down, keep every no"] = walk(task, task.said == 0)
            rules["detector alone, p <= .05"] = (walk(task, task.p <= 0.05)[0], 0)
            for target, cost in ((0.03, 0.0), (0.05, 0.0), (0.08, 0.0), (0.05, 0.2)):
                rules[f"Bayes, target {target:g}, cost {cost:g}"] = bayes(task, target, cost)
            for rule, result in rules.items():
                tables.setdefault(f"se {sensitivity:g}: {rule}", []).append(figures(task, result))
        for rule, table in tables.items():
            show(rule, table)


def dl19() -> tuple[Pairs, Ints, dict[str, Ints]]:
    """Six runs as sources, the usual evidence, NIST grades (-1: none), answers of every model (-1: none)."""
    world, folder = load(DATA, "trecdl19"), DATA / "trecdl19"
    pairs = Pairs.start(world.collection)
    for run, unit in RUNS.items():
        source = RunFile(name=run.replace("_", "-"), path=folder / "extras" / "runs" / f"{run}.tsv", unit=unit)
        pairs = source(pairs, engine())
    dense = Dense(depth=100, encoder=encoder())
    pairs = dense(pairs, engine())
    pairs = pairs.with_column("cos.dense", dense.fill(pairs, engine()))
    steps = (
        PositiveWords(),
        PositiveSimilarity(encoder=encoder()),
        NeighbourAgreement(encoder=encoder()),
        Specificity(encoder=encoder()),
    )
    for step in steps:
        pairs = step(pairs, engine())
    collection = pairs.collection
    ids = pairs.frame.select(
        q=pl.lit(collection.queries["id"]).gather(pl.col("query")),
        d=pl.lit(collection.corpus["id"]).gather(pl.col("doc")),
    )

    def column(path: str) -> Ints:
        rows = pl.read_csv(folder / path, separator="\t", infer_schema=False)
        table = rows.select(q="query-id", d="corpus-id", g=pl.col("score").cast(pl.Int64)).unique(["q", "d"])
        joined = ids.join(table, on=["q", "d"], how="left", maintain_order="left")
        grades: Ints = joined["g"].fill_null(-1).to_numpy()
        return grades

    answers = {name: column(f"extras/llm_judgments/{name}.tsv") for name in JUDGES}
    return pairs, column("qrels/test.tsv"), answers


def detected(pairs: Pairs, gold: NDArray[np.intp], truth: Mask) -> Floats:
    """The detector's probabilities after verdicts on some rows; those of a query come from other queries' verdicts."""
    mark = np.zeros(pairs.frame.height, dtype=np.bool_)
    mark[gold] = True
    judged = pl.lit(pl.Series(mark))
    frame = pairs.frame.with_columns(
        p_relevant=pl.when(judged).then(pl.lit(pl.Series(truth.astype(np.float32)))),
        judged_by=pl.when(judged).then(pl.lit("nist", dtype=pl.Categorical)),
    )
    seen = Detect()(replace(pairs, frame=frame), engine()).frame["prob.detector"]
    return seen.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def folds(query: NDArray[np.uint32], seed: int, count: int = 5) -> Ints:
    """Which fifth of the queries each row belongs to."""
    queries, at = np.unique(query, return_inverse=True)
    turn: Ints = np.random.default_rng(seed).permutation(np.arange(len(queries)) % count)[at]
    return turn


def auc(query: NDArray[np.uint32], score: Floats, truth: Mask) -> float:
    """Mean over queries."""
    return float(np.nanmean(per_query_auc(query, score, truth)))


def fused(
    p: Floats, said: Ints, truth: Mask, group: Ints, levels: int, *, fitted: bool = True
) -> tuple[Floats, tuple[Answers, ...]]:
    """Detector and judge together, how they go together measured on the other groups' pairs."""
    answers = tuple(
        measured(said[group != k], truth[group != k].astype(np.float64), levels, p[group != k] if fitted else None)
        for k in range(group.max() + 1)
    )
    after = np.zeros(len(p))
    for k, known in enumerate(answers):
        after[group == k] = known.posterior(p[group == k], said[group == k])
    return after, answers


def quality(query: NDArray[np.uint32], p: Floats, truth: Mask, said: dict[str, Ints], group: Ints) -> None:
    """Per-query AUC of detector, judge and both; precision of promotions on which both agree."""
    print(
        "\n### trecdl19, per-query AUC over judged candidates\n\n| judge | detector | judge | both |\n|---|---|---|---|"
    )
    for name, levels in JUDGES.items():
        there = said[name] >= 0
        q, y, s = query[there], truth[there], said[name][there]
        both, _ = fused(p[there], s, y, group[there], levels)
        cells = (auc(q, p[there], y), auc(q, s.astype(np.float64), y), auc(q, both, y))
        print(f"| {name} | " + " | ".join(f"{c:.3f}" for c in cells) + " |", flush=True)
    print("\n### trecdl19, UMBRELA GPT-4o: relevant %, of pairs that detector and judge together put between\n")
    edges = (0.0, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 0.9, 1.0001)
    print("| | " + " | ".join(f"{a:g} and {min(b, 1):g}" for a, b in pairwise(edges)) + " |\n" + "|---" * 9 + "|")
    grades = said["umbrela_gpt4o"]
    for way, known in (("Bayes", False), ("fitted", True)):
        both, _ = fused(p, grades, truth, group, 4, fitted=known)
        cells = [truth[(both >= a) & (both < b)] for a, b in pairwise(edges)]
        print(f"| {way} | " + " | ".join(f"{100 * c.mean():.1f} ({len(c)})" for c in cells) + " |", flush=True)
    print("\n### trecdl19, promotion: probability of both, grade of UMBRELA GPT-4o, detector\n")
    print("| both | grade | detector | promoted | precision % | 95 % (queries redrawn) |\n|---|---|---|---|---|---|")
    grade = said["umbrela_gpt4o"]
    both, _ = fused(p, grade, truth, group, 4)
    for least, level, alone in ((0.0, 2, 0.0), (0.0, 3, 0.0), (0.85, 2, 0.5), (0.0, 3, 0.5), (0.9, 2, 0.5)):
        up = (both >= least) & (grade >= level) & (p >= alone)
        low, high = redrawn(query[up], truth[up])
        print(
            f"| >= {least:g} | >= {level} | >= {alone:g} | {up.sum()} | {100 * truth[up].mean():.1f} "
            f"| {100 * low:.0f}-{100 * high:.0f} |",
            flush=True,
        )


def redrawn(query: NDArray[np.uint32], truth: Mask, draws: int = 2000) -> tuple[float, float]:
    """95 % interval of a share, queries redrawn."""
    _, at = np.unique(query, return_inverse=True)
    found, sizes = np.bincount(at, truth), np.bincount(at)
    drawn = np.random.default_rng(0).integers(len(sizes), size=(draws, len(sizes)))
    low, high = np.quantile(found[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), [0.025, 0.975])
    return float(low), float(high)


def matched(name: str, base: Floats, curve: list[Floats]) -> None:
    """Triage at the boldest target, of a curve by ascending target, with no more false negatives than the walk-down."""
    best = ([line for line in curve if line[0] <= base[0]] or curve[:1])[-1]
    print(
        f"| {name} | {base[0]:.1f} | {best[0]:.1f} | {base[2]:.1f} | {best[2]:.1f} | {best[2] / base[2]:.2f} "
        f"| {base[3]:.2f} | {best[3]:.2f} | {-base[1]:.1f} | {-best[1]:.1f} |",
        flush=True,
    )


def real(seeds: int) -> None:
    """Verdicts on file."""
    pairs, grades, said = dl19()
    truth, positive = grades >= 2, pairs.frame["positive"].to_numpy()
    counted = (grades >= 0) & ~positive & (said["umbrela_gpt4o"] >= 0)
    query = pairs.frame["query"].to_numpy()
    group = folds(query, 0)
    full = detected(pairs, np.flatnonzero(counted), truth)
    quality(query[counted], full[counted], truth[counted], {n: v[counted] for n, v in said.items()}, group[counted])

    def task(run: str, p: Floats, rows: Mask, judge: str, answers: tuple[Answers, ...], group: Ints) -> Task:
        rank = pairs.frame[f"rank.{run.replace('_', '-')}"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        made = Task(query, p, -rank, truth, said[judge], group, answers)
        return made.only(rows & ~np.isnan(rank) & (said[judge] >= 0))

    print("\n### trecdl19, calls at no more false negatives than a walk-down (top 100, 5 wanted, cost .3)\n")
    print(
        "| retriever, walk-down keeps | FN %, walk | FN %, triage | calls, walk | calls, triage | ratio | kept, walk | "
        "kept, triage | rank, walk | rank, triage |\n" + "|---" * 10 + "|"
    )
    for run in STRONG:
        for judge, limit in (("umbrela_gpt4o", 0), ("umbrela_gpt4o", 1), ("binary_gpt4o", 0)):
            there = counted & (said[judge] >= 0)
            _, answers = fused(full[there], said[judge][there], truth[there], group[there], JUDGES[judge])
            one = task(run, full, there, judge, answers, group)
            targets = (0.02, 0.03, 0.05, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
            curve = [figures(one, bayes(one, target, 0.3, target)) for target in targets]
            matched(f"{run}, {judge} <= {limit}", figures(one, walk(one, one.said <= limit)), curve)
    print(f"\n### trecdl19, top {TOP}, 5 wanted, risk and target {RISK:g}, cost {COST:g}\n")
    print("| retriever, rule | FN % | -rank | calls/query | negatives/query | none % | selected |")
    print("|---|---|---|---|---|---|---|")
    gpt = said["umbrela_gpt4o"]
    _, answers = fused(full[counted], gpt[counted], truth[counted], group[counted], 4)
    few = []
    for seed in range(seeds):
        gold = np.random.default_rng(seed).permutation(np.flatnonzero(counted))[:200]
        rest = counted.copy()
        rest[gold] = False
        p = detected(pairs, gold, truth)
        few.append((p, rest, (measured(gpt[gold], truth[gold].astype(np.float64), 4, p[gold]),)))
    for run in STRONG:
        one = task(run, full, counted, "umbrela_gpt4o", answers, group)
        one = one.only(one.hardness >= -TOP)
        show(f"{run}, naive", [figures(one, (walk(one, np.ones(len(one.p), dtype=np.bool_))[0], 0))])
        show(f"{run}, a perfect judge of every candidate", [figures(one, walk(one, ~one.truth))])
        show(f"{run}, walk down, UMBRELA <= 0", [figures(one, walk(one, one.said <= 0))])
        show(f"{run}, walk down, UMBRELA <= 1", [figures(one, walk(one, one.said <= 1))])
        show(f"{run}, triage", [figures(one, bayes(one, RISK, COST, RISK))])
        lines = []
        for p, rest, known in few:
            some = task(run, p, rest, "umbrela_gpt4o", known, np.zeros_like(group))
            some = some.only(some.hardness >= -TOP)
            lines.append(figures(some, bayes(some, RISK, COST, RISK)))
        show(f"{run}, triage, 200 labelled pairs", lines)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    print(describe())
    cranfield(args.seeds)
    real(args.seeds)


if __name__ == "__main__":
    main()
