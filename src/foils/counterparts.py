"""Two-sided pairs in a run: passages as documents, queries as queries, each with a right and a wrong one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from foils.made import MARK, RANK
from foils.make.twosided import TwoSided
from foils.pairs import Pairs


def add_both(pairs: Pairs, found: Sequence[TwoSided]) -> Pairs:
    """Put two-sided pairs into a table: per pair two documents and two queries, each the other's typed negative.

    Everything that is added is marked ``made``, so that ``foils.made.strip`` takes it out again. Without a folder of
    its own such a run lives in memory; ``foils.train.fit.train`` reads it as it is. Fails where the collection is
    searched afterwards: half of the documents say what is not so.

    Args:
        pairs: of a finished run.
        found: from ``foils.make.twosided.both_ways``.
    """
    if not found:
        return pairs
    collection = pairs.collection
    sides = [(m, side) for m in found for side in (0, 1)]
    ids = [f"both-{m.operator}-{_digest(m)}-{'ab'[side]}" for m, side in sides]
    mark = [m.operator for m, _ in sides]
    docs = pl.DataFrame({"id": ids, "text": [(m.passage, m.changed)[side] for m, side in sides], MARK: mark})
    asks = pl.DataFrame({"id": ids, "text": [(m.query, m.counter)[side] for m, side in sides], MARK: mark})
    query = np.arange(len(sides), dtype=np.uint32) + np.uint32(collection.queries.height)
    doc = np.arange(len(sides), dtype=np.uint32) + np.uint32(collection.corpus.height)
    labels = pl.DataFrame({"query": query, "doc": doc}).with_columns(grade=pl.lit(1, dtype=pl.Int32))
    larger = replace(
        collection,
        corpus=pl.concat([collection.corpus, docs], how="diagonal"),
        queries=pl.concat([collection.queries, asks], how="diagonal"),
        positives=pl.concat([collection.positives, labels.select(collection.positives.columns)]),
    )
    kind = pairs.frame.schema["kind"]
    right = pl.DataFrame({"query": query, "doc": doc, "positive": True})
    other = doc[np.arange(len(doc)) ^ 1]
    wrong = pl.DataFrame(
        {"query": query, "doc": other, "positive": False, "kind": [m.kind for m, _ in sides]},
        schema_overrides={"kind": kind},
    ).with_columns(pl.lit(1, dtype=pl.Int32).alias(RANK))
    frame = pl.concat([pairs.frame, right, wrong], how="diagonal").sort("query", "doc")
    return replace(pairs, frame=frame, collection=larger)


def _digest(pair: TwoSided) -> str:
    raw = "\x00".join((pair.query, pair.passage, pair.changed)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(raw, digest_size=6).hexdigest()
