"""The detector on collections whose hidden truth is known: ranking, calibration, and false negatives at equal hardness.

    python benchmarks/detector.py [--seeds 5] [--data DIR]

Candidates: the union of BM25 and MiniLM to depth 50, one known positive per query. Coefficients of level 0, also
where verdicts are added, are trained without the collection that is measured. With verdicts, queries drawn by seed are
judged whole ("20 x 10": only their 10 hardest candidates), the others are measured, means over seeds; "CV": judged are
the queries of four folds of five, measured those of the fifth. "From nothing" are plain logistic regressions (ridge 1)
on the same candidates, judged and measured alike. AUC is per query, averaged. False negatives: 10 per query, the
hardest by MiniLM of those the rule lets through (cut: p at most t; otherwise by a key), t swept, the rate interpolated
where the mean z of the true negatives (MiniLM cosine over the whole corpus) is that of the reference. Intervals: 95 %,
bootstrap over queries, 1,000 draws; differences are paired. Further tables: `detector_more.py`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.detect import Detect
from foils.detect.calibrate import calibration_error, per_query_auc
from foils.detect.columns import standard
from foils.detect.features import features
from foils.detect.logistic import Array, fit, folds_of, logits, sigmoid
from foils.detect.loops import starts_of
from foils.detect.shipped import Shipped
from foils.pairs import Pairs
from machine import describe
from train_detector import DEPTHS, TRAIN, Sample, World, candidates, encoder, engine, load, train

TESTED = {"cranfield": 2.58, "cisi": 2.40, "cacm": 3.19, "npl": 3.98}  # hardness at which they are compared
FOUR = {"cos.dense": "dense", "bm25.bm25": "words", "cos.positive": "positive", "bm25.positive": "positive-words"}
DRAWS = 1000
Bools = NDArray[np.bool_]
Key = Callable[[Array, Array, float], Array]
KEYS: dict[str, Key] = {
    "cut": lambda z, p, t: np.where(p <= t, z, -np.inf),
    "(1 - p) z - t p": lambda z, p, t: (1 - p) * z - t * p,
}


@dataclass(frozen=True, eq=False)
class Curve:
    """False negatives against hardness for one rule, per strength and query; NaN where a query has none to count.

    Args:
        rates: (strengths, queries) share of false ones among the scored negatives taken.
        hard: (strengths, queries) mean z of the true negatives taken.
        taken: (strengths, queries) how many negatives.
    """

    rates: Array
    hard: Array
    taken: Array

    def at(self, hardness: float, weights: Array) -> tuple[Array, Array]:
        """Rate in % and negatives per query at a hardness, for each row of query weights (draws, queries)."""
        means = [_mean(part, weights) for part in (self.rates, self.hard, self.taken)]
        found = np.empty((2, len(weights)))
        for draw, (rates, hard, taken) in enumerate(zip(*means, strict=True)):
            order = np.argsort(hard)
            found[:, draw] = [np.interp(hardness, hard[order], of[order]) for of in (100 * rates, taken)]
        return found[0], found[1]


@dataclass(frozen=True, eq=False)
class Measured:
    """One prediction: AUC (queries,), a curve per key, predicted over true share, calibration error."""

    auc: Array
    curves: dict[str, Curve]
    share: float
    error: float


def _mean(values: Array, weights: Array) -> Array:
    """Weighted means over queries, (draws, strengths), of what is known."""
    known = np.isfinite(values)
    return (weights @ np.where(known, values, 0).T) / np.maximum(weights @ known.T.astype(np.float64), 1e-12)


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


def aucs(sample: Sample, p: Array, rows: Bools | None = None) -> Array:
    """Per query of the table, over the scored candidates; NaN where it is not among the rows."""
    use = (sample.labels >= 0) & (True if rows is None else rows)
    queries = sample.pairs.frame["query"].to_numpy()
    found = np.full(len(sample.pairs.queries), np.nan)
    at = np.searchsorted(sample.pairs.queries, np.unique(queries[use]))
    found[at] = per_query_auc(queries[use], p[use], sample.labels[use])
    return found


def curve(sample: Sample, z: Array, p: Array, key: str, rows: Bools | None = None, k: int = 10) -> Curve:
    """Sweep the strength of a rule."""
    use = (sample.labels >= -1) & (True if rows is None else rows)
    queries, truth, z, p = sample.pairs.frame["query"].to_numpy()[use], sample.labels[use], z[use], p[use]
    columns = np.searchsorted(sample.pairs.queries, np.unique(queries))
    bounds = list(pairwise(starts_of(queries).tolist()))
    grid = np.unique(np.quantile(p, np.linspace(0.05, 1, 80))) if key == "cut" else np.geomspace(0.02, 300, 80)
    rates, hard, taken = (np.full((len(grid), len(sample.pairs.queries)), np.nan) for _ in range(3))
    for row, t in enumerate(grid.tolist()):
        order = KEYS[key](z, p, t)
        for column, (first, last) in zip(columns, bounds, strict=True):
            top = first + np.argsort(-order[first:last], kind="stable")[:k]
            top = top[np.isfinite(order[top])]
            said = truth[top][truth[top] >= 0]
            taken[row, column] = len(top)
            if len(said):
                rates[row, column] = (said == 1).mean()
                hard[row, column] = z[top[truth[top] == 0]].mean() if (truth[top] == 0).any() else np.nan
    return Curve(rates, hard, taken)


def measured(sample: Sample, z: Array, p: Array, rows: Bools | None = None, *, probability: bool = True) -> Measured:
    """Everything about one prediction."""
    use = (sample.labels >= 0) & (True if rows is None else rows)
    truth = sample.labels[use]
    found = {key: curve(sample, z, p, key, rows) for key in KEYS if probability or key == "cut"}
    share, error = float(p[use].mean() / truth.mean()), calibration_error(p[use], truth)
    return Measured(aucs(sample, p, rows), found, *((share, error) if probability else (np.nan, np.nan)))


def with_verdicts(sample: Sample, judged: NDArray[np.uint32], most: int | None = None) -> tuple[Pairs, Bools]:
    """The table with the scored (or the hardest scored) candidates of some queries judged, and the rows of those."""
    frame = sample.pairs.frame
    of_judged = np.isin(frame["query"].to_numpy(), judged)
    said = of_judged & (sample.labels >= 0)
    if most is not None:
        hard = frame.select("query", hard=pl.when(pl.lit(pl.Series(said))).then(-pl.col("cos.dense")))
        place = hard.select(pl.col("hard").rank("ordinal").over("query")).to_series()
        said &= (place <= most).fill_null(value=False).to_numpy()
    truth, mask = pl.lit(pl.Series((sample.labels == 1).astype(np.float32))), pl.lit(pl.Series(said))
    frame = frame.with_columns(
        p_relevant=pl.when(mask).then(truth),
        judged_by=pl.when(mask).then(pl.lit("truth", dtype=pl.Categorical)),
    )
    return replace(sample.pairs, frame=frame), of_judged


def from_nothing(sample: Sample, judged: NDArray[np.uint32], *, few: bool) -> Array:
    """The comparison: z-dense, z-BM25, document to positive and RRF4, or all features of level 2; no coefficients."""
    if few:
        found, fused = standard(sample.pairs, FOUR), rrf4(sample)
        x = np.nan_to_num(np.column_stack([*found.z[:3], fused]).astype(np.float64))
    else:
        x = features(sample.pairs, full=True).matrix.astype(np.float64)
    x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-9)
    rows = np.isin(sample.pairs.frame["query"].to_numpy(), judged) & (sample.labels >= 0)
    precision = np.append(np.ones(x.shape[1]), 1e-3)
    return sigmoid(logits(x, fit(x[rows], sample.labels[rows], np.zeros(len(precision)), precision)))


def predictions(sample: Sample, known: Shipped, seed: int) -> Iterator[tuple[str, Array, Bools]]:
    """Name, probabilities and measured rows of everything that is learned from verdicts."""
    detect = Detect(seed=seed)
    asked, queries = sample.pairs.queries, sample.pairs.frame["query"].to_numpy()
    for judged in (5, 10, 20, 40):
        chosen = np.random.default_rng(seed).choice(asked, judged, replace=False)
        pairs, inside = with_verdicts(sample, chosen)
        yield f"{judged} judged", detect.estimate(pairs, known).probability, ~inside
        if judged == 20:
            few = replace(detect, level="few")
            yield "20 judged, level 1", few.estimate(pairs, known).probability, ~inside
            sparse, _ = with_verdicts(sample, chosen, 10)
            yield "20 x 10 judged", detect.estimate(sparse, known).probability, ~inside
            yield "20 judged, from nothing, 4 features", from_nothing(sample, chosen, few=True), ~inside
            yield "20 judged, from nothing, all", from_nothing(sample, chosen, few=False), ~inside
    fold = folds_of(sample.pairs.collection.query_hash[asked], 5, seed)
    whole = {"CV": np.empty(len(queries)), "CV, from nothing, all": np.empty(len(queries))}
    for f in range(5):
        pairs, inside = with_verdicts(sample, asked[fold != f])
        whole["CV"][~inside] = detect.estimate(pairs, known).probability[~inside]
        whole["CV, from nothing, all"][~inside] = from_nothing(sample, asked[fold != f], few=False)[~inside]
    for name, p in whole.items():
        yield name, p, np.ones(len(queries), dtype=np.bool_)


def measure(sample: Sample, z: Array, known: Shipped, seeds: int) -> dict[str, list[Measured]]:
    """Every method on one collection, one entry per seed."""
    found = {"RRF4": [measured(sample, z, rrf4(sample), probability=False)]}
    found["level 0"] = [measured(sample, z, Detect().estimate(sample.pairs, known).probability)]
    for seed in range(seeds):
        for name, p, rows in predictions(sample, known, seed):
            found.setdefault(name, []).append(measured(sample, z, p, rows))
    return found


def draws(queries: int) -> Array:
    """Query weights (draws + 1, queries): all once, then the bootstrap's."""
    some = np.random.default_rng(0).multinomial(queries, np.full(queries, 1 / queries), DRAWS)
    return np.concatenate([np.ones((1, queries)), some.astype(np.float64)])


def values(found: dict[str, dict[str, list[Measured]]], what: str) -> dict[str, Array]:
    """Per method (collections + 1, draws + 1): AUC, or by a key false negatives, or (``taken``) how many were taken."""
    table: dict[str, list[Array]] = {}
    for collection, methods in found.items():
        for name, runs in methods.items():
            weights = draws(len(runs[0].auc))
            if what == "auc":
                each = [_mean(run.auc[None], weights)[:, 0] for run in runs]
            elif what == "taken":
                each = [run.curves["cut"].at(TESTED[collection], weights)[1] for run in runs]
            else:
                each = [run.curves[what].at(TESTED[collection], weights)[0] for run in runs if what in run.curves]
            table.setdefault(name, []).extend([np.mean(each, axis=0)] if each else [])
    return {name: np.stack([*rows, np.mean(rows, axis=0)]) for name, rows in table.items() if rows}


def show(title: str, table: dict[str, Array], digits: int, *, interval: bool = True) -> None:
    """Methods down, collections across, their mean last."""
    print(f"\n{title}\n\n| | {' | '.join(TESTED)} | mean |\n|---{'|---' * (len(TESTED) + 1)}|")
    for method, rows in table.items():
        cells = []
        for row in rows:
            low, high = np.quantile(row[1:], [0.025, 0.975]) if len(row) > 1 else (np.nan, np.nan)
            cells.append(f"{row[0]:.{digits}f}" + (f" ({low:.{digits}f} to {high:.{digits}f})" if interval else ""))
        print(f"| {method} | {' | '.join(cells)} |")


def plain(
    title: str, found: dict[str, dict[str, list[Measured]]], of: Callable[[list[Measured]], float], digits: int
) -> None:
    """A table of one number per method and collection."""
    table = {m: np.array([[of(found[n][m])] for n in TESTED]) for m in found["npl"]}
    rows = {m: np.concatenate([v, v.mean(keepdims=True)]) for m, v in table.items() if np.isfinite(v).all()}
    show(title, rows, digits, interval=False)


def against(table: dict[str, Array], pairs: tuple[tuple[str, str], ...]) -> dict[str, Array]:
    """Differences, draw by draw."""
    return {f"{one} - {other}": table[one] - table[other] for one, other in pairs}


COMPARED = (
    ("level 0", "RRF4"),
    ("level 0", "20 judged, from nothing, 4 features"),
    ("level 0", "20 judged, from nothing, all"),
    ("20 judged", "level 0"),
    ("20 judged", "CV, from nothing, all"),
    ("CV", "CV, from nothing, all"),
)


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FOILS_DATA", "../shared/data")))
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    print(describe())
    dense, worlds = encoder(), {name: load(args.data, name) for name in TRAIN}
    samples = {n: {d: candidates(w, dense, d) for d in DEPTHS} for n, w in worlds.items()}
    found = {}
    for n in TESTED:
        known = train({o: list(s.values()) for o, s in samples.items() if o != n})
        found[n] = measure(samples[n][50], hardness(worlds[n], samples[n][50]), known, args.seeds)
    table = values(found, "auc")
    show("Per-query AUC", table, 3)
    show("Difference in AUC", against(table, COMPARED), 3)
    for key in KEYS:
        table = values(found, key)
        show(f"False negatives in % at equal hardness, selected by {key}", table, 1)
        if key == "cut":
            show("Difference in false negatives, selected by cut", against(table, COMPARED), 1)
            show("Negatives per query, selected by cut", values(found, "taken"), 1, interval=False)
    plain("Predicted over true share", found, lambda runs: np.mean([r.share for r in runs]), 2)
    off = "Factor by which the predicted share is off (geometric mean over seeds)"
    plain(off, found, lambda runs: np.exp(np.mean([abs(np.log(r.share)) for r in runs])), 2)
    plain("Calibration error", found, lambda runs: np.mean([r.error for r in runs]), 3)


if __name__ == "__main__":
    main()
