"""Train the coefficients that the detector ships, and measure them on collections left out.

    python benchmarks/train_detector.py [--data DIR] [--write | --check]

Collections whose pairs are judged in depth; each query shows one known positive (`extras/fn_eval/labelled_1.tsv`),
its other positives (`hidden_1.tsv`) are what is to be found, `ambiguous.tsv` and cranfield's source documents are
never scored. Candidates: the union of BM25 and MiniLM, to several depths. Nothing is drawn at random. `--write`
replaces `src/foils/detect/shipped.json`; `--check` compares with it and exits with 1 if it would change.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from false_negatives import minilm, pairs_of
from foils.collection import Collection
from foils.detect.calibrate import calibration_error, per_query_auc
from foils.detect.columns import BASIC, KINDS
from foils.detect.features import features
from foils.detect.logistic import Array, fit, logits, sigmoid
from foils.detect.shipped import Shipped
from foils.engine import Local
from foils.evidence import NeighbourAgreement, PositiveWords, Specificity
from foils.models.encoder import SentenceEncoder
from foils.models.lsa import Lsa
from foils.neighbours import PositiveSimilarity
from foils.pairs import Pairs
from foils.protocols import Encoder
from foils.sources.bm25 import Bm25
from foils.sources.dense import Dense

CLOSED = ("adi", "cranfield", "cisi", "cacm", "npl")
JUDGED = ("trecdl19", "noveleval2306", "climate_fever")
TRAIN = ("adi", "cranfield", "cisi", "cacm", "npl")
DEPTHS = (30, 50, 100)
SHIPPED = Path(__file__).parents[1] / "src" / "foils" / "detect" / "shipped.json"
SCALE = {"queries": 100, "rows": 75, "variance": 1.0}


@dataclass(frozen=True, eq=False)
class World:
    """A collection with one known positive per query; the truth per document: 1, 0, -1 (never scored)."""

    collection: Collection
    truth: pl.DataFrame
    closed: bool


@dataclass(frozen=True, eq=False)
class Sample:
    """A table of candidates and their labels: 1, 0, -1 (never scored), -2 (known positive)."""

    pairs: Pairs
    labels: NDArray[np.int8]


def encoder() -> SentenceEncoder:
    """MiniLM in float32."""
    return SentenceEncoder(model=minilm(), precision="float32")


def engine() -> Local:
    """Keeps embeddings."""
    return Local(cache=Path.home() / ".cache" / "foils")


def load(data: Path, name: str, draw: int | None = None) -> World:
    """Read a collection and its truth; ``draw`` shows another positive of each query, picked at random."""
    folder = data / name
    hidden = folder / "extras" / "fn_eval"
    collection = Collection.read(folder, positives=hidden / "labelled_1.tsv")
    found = pairs_of(hidden / "hidden_1.tsv", collection, True)
    if draw is not None:
        everything = pl.concat([collection.positives.select("query", "doc"), found.select("query", "doc")])
        shuffled = everything.unique().sort("query", "doc").sample(fraction=1, shuffle=True, seed=draw)
        shown = shuffled.unique("query", keep="first", maintain_order=True).sort("query")
        positives = shown.with_columns(grade=pl.lit(1, dtype=pl.Int32))
        collection = replace(collection, positives=positives)
        rest = shuffled.join(shown, on=["query", "doc"], how="anti").join(shown, on="query", how="semi")
        found = rest.with_columns(relevant=pl.lit(value=True))
    parts = [
        found,
        pairs_of(hidden / "ambiguous.tsv", collection, None),
        pairs_of(folder / "extras" / "source_docs.tsv", collection, None),
    ]
    if name in JUDGED:
        parts += [pairs_of(path, collection, False) for path in sorted((folder / "qrels").glob("*.tsv"))]
    truth = pl.concat(parts).unique(["query", "doc"], keep="first", maintain_order=True)
    return World(replace(collection, negatives=collection.negatives.clear()), truth, name not in JUDGED)


def candidates(world: World, dense: Encoder | None, depth: int = 50, *, words: bool = True, lsa: bool = True) -> Sample:
    """Mine both sources and add the evidence columns."""
    engine_, name = engine(), "lsa" if isinstance(dense, Lsa) else "dense"
    sources = ([Bm25(depth=depth)] if words else []) + ([Dense(name=name, depth=depth, encoder=dense)] if dense else [])
    pairs = Pairs.start(world.collection)
    for source in sources:
        pairs = source(pairs, engine_)
    for source in sources:
        values = source.fill(pairs, engine_)
        pairs = pairs.with_column(str(source.score), values)
    steps = [PositiveWords()] if words else []
    if dense:
        steps += [PositiveSimilarity(encoder=dense)]
    if dense:
        steps += [NeighbourAgreement(encoder=dense), Specificity(encoder=dense)]
    if lsa and not isinstance(dense, Lsa):
        steps += [NeighbourAgreement(encoder=_lsa(), name="neighbours-lsa")]
    for step in steps:
        pairs = step(pairs, engine_)
    return Sample(pairs, labels(world, pairs))


@lru_cache(maxsize=1)
def _lsa() -> Lsa:
    return Lsa()


def labels(world: World, pairs: Pairs) -> NDArray[np.int8]:
    """The truth of every row."""
    joined = pairs.frame.select("query", "doc", "positive").join(
        world.truth.with_columns(listed=True), on=["query", "doc"], how="left", maintain_order="left"
    )
    unlisted = 0 if world.closed else -1
    value = pl.when("positive").then(-2).when(pl.col("listed").is_null()).then(unlisted)
    return (
        joined.select(value.otherwise(pl.col("relevant").cast(pl.Int8).fill_null(-1)).cast(pl.Int8))
        .to_series()
        .to_numpy()
    )


def train(samples: dict[str, list[Sample]], scale: dict[str, float] = SCALE) -> Shipped:
    """Fit on all scored candidates; a collection counts for as many queries as it has, at most 100."""
    neutral = Shipped(np.zeros(len(BASIC)), 0.0, 0.0, 0.0, 0.0, np.eye(len(KINDS)), {})
    rows, truth, weights, where, places, counts = [], [], [], [], {}, {}
    matrices = []
    for name, variants in samples.items():
        found = [features(s.pairs, known=neutral) for s in variants]
        places[name] = float(np.mean([f.place for f in found]))
        for f, s in zip(found, variants, strict=True):
            scored = s.labels >= 0
            queries = len(np.unique(s.pairs.frame["query"].to_numpy()[scored]))
            rows.append(np.column_stack([f.matrix[scored], np.full(int(scored.sum()), f.place)]))
            truth.append(s.labels[scored])
            share = min(queries, scale["queries"]) * scale["rows"] / scored.sum() / len(variants)
            weights.append(np.full(int(scored.sum()), share))
            where.append(name)
            matrices.append(f.matrix[s.labels >= -1][:, : len(KINDS)])
            counts[name] = {"queries": queries, "pairs": int(scored.sum()), "relevant": int((s.labels == 1).sum())}
    x, y, w = np.concatenate(rows), np.concatenate(truth), np.concatenate(weights)
    mean = float(np.mean(list(places.values())))
    x[:, -1] -= mean
    precision = np.full(len(BASIC) + 2, 1.0 / scale["variance"])
    found_w = fit(x, y, np.zeros(len(precision)), precision, w)
    correlation = np.mean([np.corrcoef(m, rowvar=False) for m in matrices], axis=0)
    return Shipped(
        found_w[:-2], float(found_w[-2]), float(found_w[-1] - found_w[-2] * mean), mean, 5.0, correlation, counts
    )


def predict(known: Shipped, sample: Sample) -> Array:
    """Level 0 on every row."""
    f = features(sample.pairs, known=known)
    return sigmoid(logits(f.matrix, known.coefficients(f.place)))


def left_out(samples: dict[str, list[Sample]]) -> dict[str, dict[str, float]]:
    """Level 0 on every collection with coefficients from the others, at the middle depth."""
    found = {}
    for name, variants in samples.items():
        known = train({other: s for other, s in samples.items() if other != name})
        sample = variants[len(variants) // 2]
        scored = sample.labels >= 0
        p, relevant = predict(known, sample)[scored], sample.labels[scored]
        queries = sample.pairs.frame["query"].to_numpy()[scored]
        found[name] = {
            "auc": float(np.nanmean(per_query_auc(queries, p, relevant))),
            "share": float(relevant.mean()),
            "predicted over true": float(p.mean() / relevant.mean()),
            "calibration error": calibration_error(p, relevant),
        }
    return found


def dump(known: Shipped, left: dict[str, dict[str, float]]) -> str:
    """The form of ``shipped.json``."""
    coefficients = {
        "weights": {name: round(float(w), 4) for name, w in zip(BASIC, known.weights, strict=True)},
        "place": {"weight": round(known.place, 4), "mean": round(known.place_mean, 4), "queries": known.place_queries},
        "intercept": round(known.intercept, 4),
        "correlation": {
            a: {b: round(float(known.correlation[i, j]), 3) for j, b in enumerate(KINDS)} for i, a in enumerate(KINDS)
        },
    }
    table = coefficients | {
        "provenance": {
            "script": "benchmarks/train_detector.py",
            "digest": digest(coefficients),
            "candidates": f"BM25 and all-MiniLM-L6-v2, depths {', '.join(map(str, DEPTHS))}; one known positive",
            "collections": known.provenance,
            "left out": {n: {k: round(v, 4) for k, v in row.items()} for n, row in left.items()},
        },
    }
    return json.dumps(table, indent=1) + "\n"


def digest(coefficients: dict[str, Any]) -> str:
    """Of everything but the provenance: a coefficient changed by hand does not go with it any more."""
    return hashlib.sha256(json.dumps(coefficients, sort_keys=True).encode()).hexdigest()[:16]


def main() -> None:
    """Train, measure, and write or compare if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FOILS_DATA", "../shared/data")))
    parser.add_argument("--write", action="store_true", help="replace src/foils/detect/shipped.json")
    parser.add_argument("--check", action="store_true", help="exit with 1 where shipped.json differs")
    args = parser.parse_args()
    dense = encoder()
    samples: dict[str, list[Sample]] = {}
    for name in TRAIN:
        world = load(args.data, name)
        samples[name] = [candidates(world, dense, depth) for depth in DEPTHS]
    text = dump(train(samples), left_out(samples))
    if args.check:
        same = SHIPPED.read_text(encoding="utf-8") == text
        print("the same" if same else text)
        sys.exit(0 if same else 1)
    print(text)
    if args.write:
        SHIPPED.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
