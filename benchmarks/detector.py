"""The detector on collections whose hidden truth is known: ranking, calibration, and false negatives at equal hardness.

    python benchmarks/detector.py [--seeds 5] [--draws 3] [--data DIR]

Candidates: the union of BM25 and MiniLM to depth 50, one known positive per query. Coefficients of level 0, also
where verdicts are added, are trained without the collection that is measured. With verdicts: random queries are judged
whole, the others are measured, means over seeds. AUC is per query, averaged. False negatives: 10 per query, the
hardest by MiniLM of those the rule lets through (cut: p at most t; otherwise by a key), t swept, the rate
interpolated where the mean z of the true negatives (MiniLM cosine over the whole corpus) is that of the reference.
`--draws` shows other positives of each query, picked at random.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.detect import Detect
from foils.detect.calibrate import calibration_error, per_query_auc
from foils.detect.columns import standard
from foils.detect.logistic import Array, fit, logits, sigmoid
from foils.detect.loops import starts_of
from foils.detect.shipped import Shipped
from foils.evidence import NeighbourAgreement, PositiveWords
from foils.models.lsa import Lsa
from foils.neighbours import PositiveSimilarity
from foils.pairs import Pairs
from foils.sources.runs import RunFile
from machine import describe
from train_detector import DEPTHS, TRAIN, Sample, World, candidates, encoder, engine, labels, load, train

TESTED = {"cranfield": 2.58, "cisi": 2.40, "cacm": 3.19, "npl": 3.98}  # hardness at which they are compared
FOUR = {"cos.dense": "dense", "bm25.bm25": "words", "cos.positive": "positive", "bm25.positive": "positive-words"}
RUNS = ("bm25", "bm25_rm3", "splade_pp_ed", "tas_b", "openai_ada2", "repllama")
Key = Callable[[Array, Array, float], Array]
KEYS: dict[str, Key] = {
    "cut": lambda z, p, t: np.where(p <= t, z, -np.inf),
    "z - t p": lambda z, p, t: z - t * p,
    "(1 - p) z - t p": lambda z, p, t: (1 - p) * z - t * p,
}


def rrf4(sample: Sample) -> Array:
    """Reciprocal ranks of the four kinds of evidence, summed."""
    return np.sum(1.0 / (60 + standard(sample.pairs, FOUR).place.astype(np.float64)), axis=0)


def hardness(world: World, sample: Sample) -> Array:
    """MiniLM cosine of each row as z over the whole corpus."""
    dense, engine_ = encoder(), engine()
    asked = sample.pairs.queries
    documents = dense.vectors(world.collection, "document", None, engine_)
    cosines = dense.vectors(world.collection, "query", asked, engine_) @ documents.T
    z = (cosines - cosines.mean(axis=1, keepdims=True)) / cosines.std(axis=1, keepdims=True)
    frame = sample.pairs.frame
    return z[np.searchsorted(asked, frame["query"].to_numpy()), frame["doc"].to_numpy()].astype(np.float64)


def auc(sample: Sample, p: Array, rows: NDArray[np.bool_] | None = None) -> float:
    """Mean over queries, of the scored candidates."""
    use = (sample.labels >= 0) & (True if rows is None else rows)
    queries = sample.pairs.frame["query"].to_numpy()[use]
    return float(np.nanmean(per_query_auc(queries, p[use], sample.labels[use])))


def matched(
    sample: Sample, z: Array, p: Array, at: float, key: str, rows: NDArray[np.bool_] | None = None, k: int = 10
) -> float:
    """False negatives in %, interpolated at a hardness."""
    use = (sample.labels >= -1) & (True if rows is None else rows)
    queries, truth, z, p = sample.pairs.frame["query"].to_numpy()[use], sample.labels[use], z[use], p[use]
    bounds = list(pairwise(starts_of(queries).tolist()))
    grid = np.unique(np.quantile(p, np.linspace(0.05, 1, 80))) if key == "cut" else np.geomspace(0.02, 300, 80)
    points = []
    for t in grid.tolist():
        order, rates, hard = KEYS[key](z, p, t), [], []
        for first, last in bounds:
            top = first + np.argsort(-order[first:last], kind="stable")[:k]
            chosen = truth[top[np.isfinite(order[top])]]
            scored = chosen[chosen >= 0]
            if len(scored):
                rates.append(float((scored == 1).mean()))
                true = top[(truth[top] == 0) & np.isfinite(order[top])]
                hard.append(float(z[true].mean()) if len(true) else np.nan)
        if rates:
            points.append((float(np.nanmean(hard)), float(np.mean(rates))))
    table = np.array(sorted(points))
    return 100 * float(np.interp(at, table[:, 0], table[:, 1]))


def with_verdicts(sample: Sample, judged: NDArray[np.uint32]) -> tuple[Pairs, NDArray[np.bool_]]:
    """The table with every scored candidate of some queries judged, and which rows belong to them."""
    frame = sample.pairs.frame
    of_judged = np.isin(frame["query"].to_numpy(), judged)
    said = pl.lit(pl.Series(of_judged & (sample.labels >= 0)))
    truth = pl.lit(pl.Series((sample.labels == 1).astype(np.float32)))
    frame = frame.with_columns(
        p_relevant=pl.when(said).then(truth),
        judged_by=pl.when(said).then(pl.lit("truth", dtype=pl.Categorical)),
    )
    return replace(sample.pairs, frame=frame), of_judged


def four_features(sample: Sample, judged: NDArray[np.uint32]) -> Array:
    """The comparison: logistic regression from nothing on z-dense, z-BM25, document to positive and RRF4."""
    found = standard(sample.pairs, FOUR)
    fused = rrf4(sample)
    x = np.nan_to_num(np.column_stack([*found.z[:3], (fused - fused.mean()) / fused.std()]))
    rows = np.isin(sample.pairs.frame["query"].to_numpy(), judged) & (sample.labels >= 0)
    w = fit(x[rows], sample.labels[rows], np.zeros(5), np.array([1.0, 1.0, 1.0, 1.0, 1e-3]))
    return sigmoid(logits(x, w))


def measure(sample: Sample, z: Array, known: Shipped, at: float, seeds: int) -> dict[str, list[float]]:
    """Rows of the first tables for one collection: AUC, FN by each key, predicted over true share, ECE."""

    def line(p: Array, rows: NDArray[np.bool_] | None = None, *, probability: bool = True) -> list[float]:
        use = (sample.labels >= 0) & (True if rows is None else rows)
        truth = sample.labels[use]
        keys = [matched(sample, z, p, at, key, rows) if probability or key == "cut" else np.nan for key in KEYS]
        bias = [float(p[use].mean() / truth.mean()), calibration_error(p[use], truth)]
        return [auc(sample, p, rows), *keys, *(bias if probability else [np.nan, np.nan])]

    found = {"RRF4": line(rrf4(sample), probability=False)}
    found["level 0"] = line(Detect().estimate(sample.pairs, known).probability)
    for judged in (5, 10, 20, 40):
        lines: dict[str, list[list[float]]] = {}
        for seed in range(seeds):
            chosen = np.random.default_rng(seed).choice(sample.pairs.queries, judged, replace=False)
            pairs, inside = with_verdicts(sample, chosen)
            if judged == 20:
                lines.setdefault("20: 4 features from nothing", []).append(line(four_features(sample, chosen), ~inside))
            for level in ("few", "full") if judged == 20 else ("auto",):
                p = Detect(level=level, seed=seed).estimate(pairs, known).probability
                lines.setdefault(f"{judged}: {level}", []).append(line(p, ~inside))
        found |= {name: np.mean(rows, axis=0).tolist() for name, rows in lines.items()}
    return found


def show(title: str, found: dict[str, dict[str, list[float]]], column: int, digits: int) -> None:
    """One table: methods down, collections across, their mean last."""
    print(f"\n{title}\n\n| | {' | '.join(found)} | mean |\n|---{'|---' * (len(found) + 1)}|")
    for method in next(iter(found.values())):
        values = [found[name][method][column] for name in found]
        if not np.isnan(values).all():
            print(f"| {method} | {' | '.join(f'{v:.{digits}f}' for v in [*values, float(np.mean(values))])} |")


def without(sample: Sample, *gone: str) -> Sample:
    """The same table with fewer columns."""
    frame = sample.pairs.frame
    return Sample(
        replace(sample.pairs, frame=frame.drop([c for c in frame.columns if c.startswith(gone)])), sample.labels
    )


def fewer_sources(world: World, sample: Sample, known: Shipped) -> dict[str, list[float]]:
    """AUC and predicted over true share of level 0 where evidence is missing."""
    lexical = candidates(world, None, lsa=False)
    variants = {
        "everything": sample,
        "without neighbours": without(sample, "z."),
        "without neighbours and specificity": without(sample, "z.", "dot.specific"),
        "four columns of RRF4, no dense": without(sample, "z.", "dot.specific", "cos.dense", "rank.dense"),
        "ranks of both sources only": without(sample, "z.", "dot.", "cos.", "bm25."),
        "lsa in place of MiniLM": candidates(world, Lsa()),
        "BM25 and the positive's words": lexical,
        "BM25 only": without(lexical, "bm25.positive"),
    }
    found = {}
    for name, variant in variants.items():
        p = Detect().estimate(variant.pairs, known).probability
        scored = variant.labels >= 0
        found[name] = [auc(variant, p), float(p[scored].mean() / variant.labels[scored].mean())]
    return found


def six_runs(data: Path, known: Shipped) -> None:
    """trecdl19: rankings of six real retrievers, no scores; judged pairs only."""
    world, engine_ = load(data, "trecdl19"), engine()
    pairs = Pairs.start(world.collection)
    for name in RUNS:
        source = RunFile(name=name, path=data / "trecdl19" / "extras" / "runs" / f"{name}.tsv")
        pairs = source(pairs, engine_)
    ranks = Sample(pairs, labels(world, pairs))
    lsa = Lsa()
    for step in (PositiveWords(), PositiveSimilarity(encoder=lsa), NeighbourAgreement(encoder=lsa)):
        pairs = step(pairs, engine_)
    more = Sample(pairs, labels(world, pairs))
    fused = np.nansum([1 / (60 + pairs.frame[f"rank.{r}"].cast(pl.Float64).to_numpy()) for r in RUNS], axis=0)
    print("\ntrecdl19, top 100 of six retrievers, judged pairs only: per-query AUC\n\n| method | AUC |\n|---|---|")
    print(f"| RRF of the six ranks | {auc(ranks, fused):.3f} |")
    print(f"| level 0, the six ranks | {auc(ranks, Detect().estimate(ranks.pairs, known).probability):.3f} |")
    p = Detect().estimate(more.pairs, known).probability
    scored = more.labels >= 0
    print(f"| level 0, and words and lsa against the positive and neighbours | {auc(more, p):.3f} |")
    print(
        f"\nShare relevant among the {scored.sum():,} judged {100 * (more.labels[scored] == 1).mean():.0f} %, "
        f"predicted {100 * p[scored].mean():.0f} %; among all {len(p):,}, predicted {100 * p.mean():.0f} %."
    )
    found: dict[int, list[float]] = {}
    for judged in (5, 10, 20):
        for seed in range(5):
            chosen = np.random.default_rng(seed).choice(more.pairs.queries, judged, replace=False)
            with_some, inside = with_verdicts(more, chosen)
            q = Detect(seed=seed).estimate(with_some, known).probability
            use = scored & ~inside
            found.setdefault(judged, []).append(auc(more, q, ~inside))
            found.setdefault(-judged, []).append(float(q[use].mean() / (more.labels[use] == 1).mean()))
    for judged in (5, 10, 20):
        print(f"{judged} judged queries: {np.mean(found[judged]):.3f}, predicted/true {np.mean(found[-judged]):.2f}")


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FOILS_DATA", "../shared/data")))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--draws", type=int, default=3)
    args = parser.parse_args()
    print(describe())
    dense, worlds = encoder(), {name: load(args.data, name) for name in TRAIN}
    samples = {n: {d: candidates(w, dense, d) for d in DEPTHS} for n, w in worlds.items()}
    known = {n: train({o: list(s.values()) for o, s in samples.items() if o != n}) for n in TRAIN}
    z = {n: hardness(worlds[n], samples[n][50]) for n in TESTED}
    found = {n: measure(samples[n][50], z[n], known[n], TESTED[n], args.seeds) for n in TESTED}
    show("Per-query AUC (with verdicts: `judged queries: level`, measured on the other queries)", found, 0, 3)
    for column, key in enumerate(KEYS, 1):
        show(f"False negatives in % at equal hardness, selected by {key}", found, column, 1)
    show("Predicted over true share", found, 4, 2)
    show("Calibration error", found, 5, 3)

    print("\nLevel 0, predicted over true share by depth\n\n| depth | " + " | ".join(TRAIN) + " |")
    print("|---" * (len(TRAIN) + 1) + "|")
    for depth in DEPTHS:
        cells = []
        for n in TRAIN:
            s = samples[n][depth]
            p, use = Detect().estimate(s.pairs, known[n]).probability, s.labels >= 0
            cells.append(f"{p[use].mean() / s.labels[use].mean():.2f}")
        print(f"| {depth} | {' | '.join(cells)} |")

    drawn: dict[str, dict[str, list[float]]] = {n: {} for n in TESTED}
    for draw in range(1, args.draws + 1):
        for n in TESTED:
            world = load(args.data, n, draw)
            s = candidates(world, dense)
            p, hard = Detect().estimate(s.pairs, known[n]).probability, hardness(world, s)
            use = s.labels >= 0
            for name, q in (("RRF4", rrf4(s)), ("level 0", p)):
                share = float(p[use].mean() / s.labels[use].mean()) if name == "level 0" else np.nan
                row = [auc(s, q), matched(s, hard, q, TESTED[n], "cut"), share]
                drawn[n][f"{name}, draw {draw}"] = row
    show("Other known positives: per-query AUC", drawn, 0, 3)
    show("Other known positives: false negatives in % at equal hardness (cut)", drawn, 1, 1)
    show("Other known positives: predicted over true share", drawn, 2, 2)

    missing = {n: fewer_sources(worlds[n], samples[n][50], known[n]) for n in TESTED}
    show("Level 0 with less evidence: per-query AUC (each over its own candidates)", missing, 0, 3)
    show("Level 0 with less evidence: predicted over true share", missing, 1, 2)

    positive_only: dict[str, dict[str, list[float]]] = {n: {} for n in TESTED}
    for n in TESTED:
        for method in ("sar-em", "cet"):
            p = Detect(unlabelled=method).estimate(samples[n][50].pairs, known[n]).probability
            positive_only[n][method] = [auc(samples[n][50], p)]
    show("Learning from known positives alone: per-query AUC", positive_only, 0, 3)
    six_runs(args.data, train({n: list(s.values()) for n, s in samples.items()}))


if __name__ == "__main__":
    main()
