"""The detector elsewhere: other positives, less evidence, collections it was not built on, other settings, time.

    python benchmarks/detector_more.py [--draws 3] [--data DIR] [--part NAME...]

Parts: depth, draws, evidence, unlabelled, new, runs, settings, time; without --part all of them.

Everything as in `detector.py`, level 0 unless said otherwise, coefficients without the collection that is measured.

"new": collections outside training; only judged candidates are scored. For semeval_cqa, which took no part in building
the detector, a positive drawn at random is known. "z sum" gives the six z-scores equal weights. "settings": what was
fixed by hand is varied one by one. "time": CPU seconds of each step, best of three, with LSA, its vectors cached.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from detector import TESTED, aucs, curve, draws, hardness, rrf4, with_verdicts
from foils.collection import Collection
from foils.detect import Detect
from foils.detect.columns import ASKED, BASIC, KINDS
from foils.detect.features import features
from foils.detect.logistic import Array, fit, logits
from foils.detect.shipped import Shipped, shipped
from foils.evidence import NeighbourAgreement, PositiveWords, Specificity
from foils.models.lsa import Lsa
from foils.neighbours import PositiveSimilarity
from foils.pairs import Pairs
from foils.sources.bm25 import Bm25
from foils.sources.dense import Dense
from foils.sources.runs import RunFile
from machine import describe
from train_detector import DEPTHS, SCALE, TRAIN, Sample, World, candidates, encoder, engine, labels, load, train

RUNS = ("bm25", "bm25_rm3", "splade_pp_ed", "tas_b", "openai_ada2", "repllama")
Samples = dict[str, dict[int, Sample]]
Table = dict[str, list[float]]


def level0(sample: Sample, known: Shipped) -> Array:
    """Without verdicts."""
    return Detect().estimate(sample.pairs, known).probability


def auc(sample: Sample, p: Array) -> float:
    """Mean over queries."""
    return float(np.nanmean(aucs(sample, p)))


def share(sample: Sample, p: Array) -> float:
    """Predicted over true share."""
    use = sample.labels >= 0
    return float(p[use].mean() / (sample.labels[use] == 1).mean())


def false(sample: Sample, z: Array, p: Array, at: float) -> float:
    """False negatives in % at a hardness, selected by cut."""
    return float(curve(sample, z, p, "cut").at(at, np.ones((1, len(sample.pairs.queries))))[0][0])


def show(title: str, columns: Sequence[str], table: Table, digits: int, *, mean: bool = True) -> None:
    """Methods down, collections across."""
    names = [*columns, "mean"] if mean else list(columns)
    print(f"\n{title}\n\n| | {' | '.join(names)} |\n|---{'|---' * len(names)}|")
    for method, row in table.items():
        cells = [*row, float(np.mean(row))] if mean else row
        print(f"| {method} | {' | '.join(f'{v:.{digits}f}' for v in cells)} |")


def without(sample: Sample, *gone: str) -> Sample:
    """The same table with fewer columns."""
    frame = sample.pairs.frame
    pairs = replace(sample.pairs, frame=frame.drop([c for c in frame.columns if c.startswith(gone)]))
    return Sample(pairs, sample.labels)


def depths(samples: Samples, known: dict[str, Shipped]) -> None:
    """The size of the list is a feature; the prevalence should follow it."""
    rows = {str(d): [share(s[d], level0(s[d], known[n])) for n, s in samples.items()] for d in DEPTHS}
    show("Predicted over true share by depth", TRAIN, rows, 2)


def drawn(data: Path, known: dict[str, Shipped], draws: int) -> None:
    """Other known positives, picked at random among all of a query."""
    ranked: Table = {}
    wrong: Table = {}
    level: Table = {}
    for draw in range(1, draws + 1):
        for n, at in TESTED.items():
            world = load(data, n, draw)
            s = candidates(world, encoder())
            z, p = hardness(world, s), level0(s, known[n])
            for name, q in (("RRF4", rrf4(s)), ("level 0", p)):
                ranked.setdefault(f"{name}, draw {draw}", []).append(auc(s, q))
                wrong.setdefault(f"{name}, draw {draw}", []).append(false(s, z, q, at))
            level.setdefault(f"level 0, draw {draw}", []).append(share(s, p))
    show("Other known positives: per-query AUC", list(TESTED), ranked, 3)
    show("Other known positives: false negatives in % at equal hardness (cut)", list(TESTED), wrong, 1)
    show("Other known positives: predicted over true share", list(TESTED), level, 2)


def less_evidence(data: Path, samples: Samples, known: dict[str, Shipped]) -> None:
    """Columns missing; each variant over its own candidates."""
    ranked: Table = {}
    level: Table = {}
    for n in TESTED:
        world, sample = load(data, n), samples[n][50]
        lexical = candidates(world, None, lsa=False)
        variants = {
            "everything": sample,
            "as in the recipe `default` (no LSA neighbours)": without(sample, "z.neighbours-lsa"),
            "without neighbours": without(sample, "z."),
            "without neighbours and specificity": without(sample, "z.", "dot.specific"),
            "the positive compared by words only, no dense source": without(
                sample, "z.", "dot.specific", "cos.dense", "rank.dense"
            ),
            "ranks of both sources only": without(sample, "z.", "dot.", "cos.", "bm25."),
            "LSA in place of MiniLM": candidates(world, Lsa()),
            "BM25 and the positive's words": lexical,
            "BM25 only": without(lexical, "bm25.positive"),
        }
        for name, variant in variants.items():
            p = level0(variant, known[n])
            ranked.setdefault(name, []).append(auc(variant, p))
            level.setdefault(name, []).append(share(variant, p))
    show("Less evidence: per-query AUC", list(TESTED), ranked, 3)
    show("Less evidence: predicted over true share", list(TESTED), level, 2)


def positives_only(samples: Samples, known: dict[str, Shipped]) -> None:
    """What is off by default; and plain regressions of known positives against candidates, to show what goes wrong."""
    ranked: Table = {}
    level: Table = {}
    for n in TESTED:
        sample = samples[n][50]
        for method in ("no", "sar-em", "cet"):
            p = Detect(unlabelled=method).estimate(sample.pairs, known[n]).probability
            ranked.setdefault(method, []).append(auc(sample, p))
            level.setdefault(method, []).append(share(sample, p))
        frame = sample.pairs.frame
        x = features(sample.pairs).matrix[:, [BASIC.index(k) for k in (*ASKED, "specific")]]
        positive = frame["positive"].to_numpy()
        found = frame.select(pl.any_horizontal(pl.col("^rank\\..*$").is_not_null())).to_series().to_numpy()
        rows = {"every positive": np.ones(len(x), dtype=np.bool_), "positives found": found | ~positive}
        for name, use in rows.items():
            w = fit(x[use], positive[use].astype(np.float64), np.zeros(4), np.full(4, 0.1))
            ranked.setdefault(f"plain regression, {name}", []).append(auc(sample, logits(x, w)))
        level.setdefault("share of positives found", []).append(float(found[positive].mean()))
    show("Learning from known positives alone (`unlabelled`): per-query AUC", list(TESTED), ranked, 3)
    show("Learning from known positives alone: predicted over true share", list(TESTED), level, 2)


def shown_at_random(data: Path, name: str, seed: int) -> World:
    """A collection with judged negatives; one positive of each query with several is known, the others are hidden."""
    everything = Collection.read(data / name)
    pool = everything.positives.select("query", "doc").unique().sort("query", "doc")
    pool = pool.filter(pl.len().over("query") > 1).sample(fraction=1, shuffle=True, seed=seed)
    known = pool.unique("query", keep="first", maintain_order=True).sort("query")
    hidden = pool.join(known, on=["query", "doc"], how="anti").with_columns(relevant=pl.lit(value=True))
    refused = everything.negatives.select("query", "doc", relevant=pl.lit(value=False))
    positives = known.with_columns(grade=pl.lit(1, dtype=pl.Int32))
    collection = replace(everything, positives=positives, negatives=everything.negatives.clear())
    return World(collection, pl.concat([hidden, refused.join(known, on="query", how="semi")]), closed=False)


def new(data: Path, seeds: int) -> None:
    """Outside training, with the shipped coefficients; and with 20 judged queries."""
    names = ("semeval_cqa", "climate_fever", "noveleval2306", "trecdl19")
    header = (
        "| | scored · queries | relevant % | dense | BM25 | RRF4 | z sum | level 0 | minus RRF4 | 20 judged | p/true |"
    )
    print(f"\nOutside training, judged candidates only: per-query AUC\n\n{header}\n|---{'|---' * 10}|")
    for n in names:
        world = shown_at_random(data, n, 0) if n == "semeval_cqa" else load(data, n)
        s = candidates(world, encoder())
        p, use = level0(s, shipped()), s.labels >= 0
        asked = np.flatnonzero(np.isfinite(aucs(s, p)))
        gain = (aucs(s, p) - aucs(s, rrf4(s)))[asked]
        low, high = np.quantile(draws(len(gain))[1:] @ gain / len(gain), [0.025, 0.975])
        some = [
            auc(s, s.pairs.frame[c].fill_null(-1).to_numpy().astype(np.float64)) for c in ("cos.dense", "bm25.bm25")
        ]
        taught = "–"
        if len(asked) > 30:
            each = []
            for seed in range(seeds):
                chosen = np.random.default_rng(seed).choice(s.pairs.queries[asked], 20, replace=False)
                pairs, inside = with_verdicts(s, chosen)
                each.append(
                    float(np.nanmean(aucs(s, Detect(seed=seed).estimate(pairs, shipped()).probability, ~inside)))
                )
            taught = f"{np.mean(each):.3f}"
        total = features(s.pairs).matrix[:, : len(KINDS)].sum(axis=1).astype(np.float64)
        cells = [f"{v:.3f}" for v in (*some, auc(s, rrf4(s)), auc(s, total), auc(s, p))]
        cells.append(f"{gain.mean():+.3f} ({low:+.3f} to {high:+.3f})")
        size = f"{use.sum():,} · {len(asked)}"
        part = f"{100 * (s.labels[use] == 1).mean():.0f}"
        print(f"| {n} | {size} | {part} | {' | '.join(cells)} | {taught} | {share(s, p):.2f} |")


def six_runs(data: Path) -> None:
    """trecdl19: rankings of six real retrievers, no scores; judged pairs only."""
    world, engine_ = load(data, "trecdl19"), engine()
    pairs = Pairs.start(world.collection)
    for name in RUNS:
        pairs = RunFile(name=name, path=data / "trecdl19" / "extras" / "runs" / f"{name}.tsv")(pairs, engine_)
    ranks = Sample(pairs, labels(world, pairs))
    lsa = Lsa()
    for step in (PositiveWords(), PositiveSimilarity(encoder=lsa), NeighbourAgreement(encoder=lsa)):
        pairs = step(pairs, engine_)
    more = Sample(pairs, labels(world, pairs))
    fused = np.nansum([1 / (60 + pairs.frame[f"rank.{r}"].cast(pl.Float64).to_numpy()) for r in RUNS], axis=0)
    p = level0(more, shipped())
    rows = {
        "RRF of the six ranks": [auc(ranks, fused)],
        "level 0, the six ranks": [auc(ranks, level0(ranks, shipped()))],
        "level 0, and words and LSA against the positive, and neighbours": [auc(more, p)],
    }
    level = {"level 0": [share(more, p)]}
    for judged in (5, 10, 20):
        found = []
        for seed in range(5):
            chosen = np.random.default_rng(seed).choice(more.pairs.queries, judged, replace=False)
            given, inside = with_verdicts(more, chosen)
            q, use = Detect(seed=seed).estimate(given, shipped()).probability, (more.labels >= 0) & ~inside
            found.append((np.nanmean(aucs(more, q, ~inside)), q[use].mean() / (more.labels[use] == 1).mean()))
        rows[f"{judged} judged"], level[f"{judged} judged"] = ([float(v)] for v in np.mean(found, axis=0))
    show("trecdl19, top 100 of six retrievers, judged candidates only", ["AUC"], rows, 3, mean=False)
    show("trecdl19, six retrievers", ["predicted over true share"], level, 2, mean=False)


def settings(data: Path, samples: Samples) -> None:
    """AUC and false negatives of level 0, one choice changed at a time; every variant trained and measured anew."""
    plain = {n: [s[50]] for n, s in samples.items()}
    z = {n: hardness(load(data, n), samples[n][50]) for n in TESTED}
    lsa = Lsa()

    def lent(k: int) -> dict[str, list[Sample]]:
        found = {}
        for n, (sample,) in plain.items():
            pairs = sample.pairs
            for step in (NeighbourAgreement(encoder(), k=k), NeighbourAgreement(lsa, k=k, name="neighbours-lsa")):
                pairs = step(pairs, engine())
            found[n] = [Sample(pairs, sample.labels)]
        return found

    tried: dict[str, tuple[dict[str, list[Sample]], dict[str, float]]] = {
        "as shipped": ({n: list(s.values()) for n, s in samples.items()}, SCALE),
        "trained at depth 50 only": (plain, SCALE),
        "5 neighbours": (lent(5), SCALE),
        "20 neighbours": (lent(20), SCALE),
        "prior variance 0.1": (plain, SCALE | {"variance": 0.1}),
        "prior variance 10": (plain, SCALE | {"variance": 10.0}),
        "every pair counts alike": (plain, SCALE | {"queries": 1e9}),
    }
    ranked: Table = {}
    wrong: Table = {}
    for name, (given, scale) in tried.items():
        for n, at in TESTED.items():
            sample = given[n][len(given[n]) // 2]
            p = level0(sample, train({o: s for o, s in given.items() if o != n}, scale))
            ranked.setdefault(name, []).append(auc(sample, p))
            wrong.setdefault(name, []).append(false(sample, z[n], p, at))
    for n, at in TESTED.items():
        total = features(plain[n][0].pairs).matrix[:, : len(KINDS)].sum(axis=1).astype(np.float64)
        ranked.setdefault("the six z-scores summed", []).append(auc(plain[n][0], total))
        wrong.setdefault("the six z-scores summed", []).append(false(plain[n][0], z[n], total, at))
    show("Settings: per-query AUC", list(TESTED), ranked, 3)
    show("Settings: false negatives in % at equal hardness (cut)", list(TESTED), wrong, 1)


def seconds(work: Callable[[], Pairs]) -> tuple[float, Pairs]:
    """CPU seconds of all threads, best of three."""
    found = []
    for _ in range(3):
        start = time.process_time()
        pairs = work()
        found.append(time.process_time() - start)
    return min(found), pairs


def timed(data: Path) -> None:
    """wikiqa, training queries: each step of the evidence, and the detector without and with verdicts."""
    collection, engine_, dense = Collection.read(data / "wikiqa", split="train"), engine(), Lsa()
    pairs = Pairs.start(collection)
    for source in (Bm25(depth=75), Dense(name="lsa", depth=75, encoder=dense)):
        pairs = source(pairs, engine_)
        pairs = pairs.with_column(str(source.score), source.fill(pairs, engine_))
    print(f"\nwikiqa, {pairs.frame.height:,} rows of {len(pairs.queries)} queries\n\n| step | CPU seconds |\n|---|---|")
    for step in (PositiveSimilarity(dense), PositiveWords(), NeighbourAgreement(dense), Specificity(dense), Detect()):
        spent, pairs = seconds(lambda step=step, before=pairs: step(before, engine_))
        print(f"| {step.label} | {spent:.2f} |")
    rng = np.random.default_rng(0)
    guess = pairs.frame["prob.detector"].fill_null(0).to_numpy()
    for judged in (10, 50, 200):
        chosen = rng.choice(pairs.queries, judged, replace=False)
        said = np.isin(pairs.frame["query"].to_numpy(), chosen) & ~pairs.frame["positive"].to_numpy()
        truth, mask = pl.lit(pl.Series((rng.random(len(said)) < guess).astype(np.float32))), pl.lit(pl.Series(said))
        frame = pairs.frame.with_columns(
            p_relevant=pl.when(mask).then(truth), judged_by=pl.when(mask).then(pl.lit("drawn", dtype=pl.Categorical))
        )
        given = replace(pairs, frame=frame)
        spent, _ = seconds(lambda given=given: Detect()(given, engine_))
        print(f"| detect, {judged} queries judged ({said.sum():,} pairs) | {spent:.2f} |")


PARTS = ("depth", "draws", "evidence", "unlabelled", "new", "runs", "settings", "time")


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FOILS_DATA", "../shared/data")))
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS))
    args = parser.parse_args()
    print(describe())
    samples: Samples = {}
    known: dict[str, Shipped] = {}
    if {"depth", "draws", "evidence", "unlabelled", "settings"} & set(args.part):
        samples = {n: {d: candidates(load(args.data, n), encoder(), d) for d in DEPTHS} for n in TRAIN}
        known = {n: train({o: list(s.values()) for o, s in samples.items() if o != n}) for n in TRAIN}
    parts: dict[str, Callable[[], None]] = {
        "depth": lambda: depths(samples, known),
        "draws": lambda: drawn(args.data, known, args.draws),
        "evidence": lambda: less_evidence(args.data, samples, known),
        "unlabelled": lambda: positives_only(samples, known),
        "new": lambda: new(args.data, 5),
        "runs": lambda: six_runs(args.data),
        "settings": lambda: settings(args.data, samples),
        "time": lambda: timed(args.data),
    }
    for part in args.part:
        parts[part]()


if __name__ == "__main__":
    main()
