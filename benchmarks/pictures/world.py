"""What the pictures are made of: the almanac, one query, the candidates that BM25 and LSA find for it."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

import foils
from foils.collection import Collection
from foils.dedup import ExactDuplicate, KnownPositive
from foils.engine import Local
from foils.models.lsa import Lsa
from foils.pairs import Pairs
from foils.sources.bm25 import Bm25
from foils.sources.dense import Dense
from foils.steps import Recipe, Step

ROOT = Path(__file__).parents[2]
ALMANAC = ROOT / "examples" / "almanac"
QUERY = "q031"  # "Who won the 1978 World Cup?": its positive has dense rank 8, five answers are not labelled
DEPTH = 60
ENGINE = Local(quiet=True)


@cache
def almanac() -> Collection:
    """The bundled collection."""
    return Collection.read(ALMANAC)


@cache
def truth() -> frozenset[tuple[int, int]]:
    """Every pair (query, document) that is relevant in truth, as rows."""
    where = almanac()
    queries = {name: i for i, name in enumerate(where.queries["id"])}
    docs = {name: i for i, name in enumerate(where.corpus["id"])}
    table = pl.read_csv(ALMANAC / "truth.tsv", separator="\t")
    pairs = ((queries[q], docs[d]) for q, d, _ in table.iter_rows() if d in docs)
    return frozenset(pairs)


@cache
def vectors() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """LSA vectors of queries and documents."""
    where, encoder = almanac(), Lsa()
    return encoder.vectors(where, "query", None, ENGINE), encoder.vectors(where, "document", None, ENGINE)


@cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


def scratch(name: str) -> Path:
    """A file in a folder that goes when the script ends."""
    return Path(_scratch().name) / name


def row_of(query: str) -> int:
    """The row of a query."""
    return almanac().queries["id"].to_list().index(query)


@cache
def dense_ranks(query: str) -> NDArray[np.int64]:
    """The rank of every document for a query, from 1."""
    queries, docs = vectors()
    scores = docs @ queries[row_of(query)]
    ranks = np.empty(len(scores), dtype=np.int64)
    ranks[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    return ranks


@cache
def found() -> Pairs:
    """All queries with the candidates of both sources, nothing dropped."""
    return mined(almanac(), (Dense(name="dense", depth=DEPTH, encoder=Lsa()), Bm25(depth=DEPTH)))


@cache
def candidates() -> Pairs:
    """The same without exact copies."""
    return run(found(), (KnownPositive(), ExactDuplicate()))


def mined(collection: Collection, steps: tuple[Step, ...]) -> Pairs:
    """A whole recipe, in memory."""
    return foils.mine(collection, Recipe(steps), engine=ENGINE).pairs


def run(pairs: Pairs, steps: tuple[Step, ...]) -> Pairs:
    """Steps one after the other."""
    for step in steps:
        step.check()
        pairs = step(pairs, ENGINE)
    return pairs


def rows(pairs: Pairs, query: str = QUERY) -> pl.DataFrame:
    """The rows of one query, with ``true`` (relevant in truth) and ``place`` (its dense rank among all documents)."""
    q = row_of(query)
    part = pairs.frame.filter(pl.col("query") == q)
    ranks = dense_ranks(query)
    known = truth()
    return part.with_columns(
        true=pl.Series([(q, d) in known for d in part["doc"]], dtype=pl.Boolean),
        place=pl.Series(ranks[part["doc"].to_numpy()]),
    ).sort("place")


def fate(row: dict[str, object]) -> str:
    """The sign of a row: p positive, k kept, o out; f kept and u out, though it answers in truth."""
    if row["positive"]:
        return "p"
    if row["dropped"] is None:
        return "f" if row["true"] else "k"
    return "u" if row["true"] else "o"


def false_share(pairs: Pairs) -> float:
    """The share of false negatives among all that are selected, over all queries."""
    chosen = pairs.negatives().select("query", "doc")
    return sum(pair in truth() for pair in chosen.iter_rows()) / max(1, chosen.height)
