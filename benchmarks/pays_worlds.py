"""The collections of pays.py: known positives, truth, splits; and each recipe mined once per collection and seed.

Closed worlds (cranfield, cisi, cacm, npl) have all positives: labels 1 or half are known, the rest is hidden. In
trecdl19 only judged documents are ranked (a condensed list). Open worlds (medquad, mlquestions, scifact) have no
hidden truth: at most 2,000 training queries, one positive of each, and at most 1,000 test queries, drawn once; the
whole corpus is searched, and all positives of the test queries count.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

import foils.detect
import train_detector
from false_negatives import pairs_of
from foils.collection import Collection, build
from foils.detect.shipped import Shipped, parse
from foils.engine import Local
from foils.models.encoder import SentenceEncoder
from foils.pairs import Pairs
from foils.protocols import Engine, Role
from foils.recipes import Plan
from foils.run import Run, mine
from foils.steps import Recipe
from foils.train.masks import text_groups
from pays_bases import folder_of
from pools import elsewhere

Ints = NDArray[np.int64]
CLOSED, JUDGED, OPEN = ("cranfield", "cisi", "cacm", "npl"), ("trecdl19",), ("medquad", "mlquestions", "scifact")
CACHE = Path.home() / ".cache" / "foils"
SAME = 0.9  # cosine from which two queries stay on one side
POOL, TESTED, DRAWN = 2000, 1000, 1000


@dataclass(frozen=True)
class Kept:
    """An encoder that keeps all vectors of a collection in memory once they were asked for."""

    inner: SentenceEncoder

    @property
    def unit(self) -> Literal["cos", "dot"]:
        """The model's."""
        return self.inner.unit

    def check(self) -> None:
        """The model's."""
        self.inner.check()

    def facts(self) -> dict[str, str]:
        """The model's."""
        return self.inner.facts()

    @cached_property
    def _whole(self) -> dict[tuple[str, Role], NDArray[np.float32]]:
        return {}

    def vectors(
        self, collection: Collection, role: Role, rows: NDArray[np.uint32] | None, engine: Engine
    ) -> NDArray[np.float32]:
        """Of the rows, or all."""
        key = (collection.name, role)
        if key not in self._whole:
            self._whole[key] = self.inner.vectors(collection, role, None, engine)
        return self._whole[key] if rows is None else self._whole[key][rows]


@dataclass(frozen=True, eq=False)
class World:
    """A collection with few known positives, and what is known about all pairs, as query * documents + document.

    Args:
        collection: with the known positives.
        relevant: all positives, known and hidden; sorted.
        unscored: never ranked; sorted.
        judged: where not null, only these are ranked; sorted.
        held: where not null, the test queries; else they come from folds.
    """

    collection: Collection
    relevant: Ints
    unscored: Ints
    judged: Ints | None = None
    held: Ints | None = None

    def of(self, keys: Ints, query: int) -> Ints:
        """The documents that stand in a sorted table with a query."""
        width = self.collection.corpus.height
        low, high = np.searchsorted(keys, (query * width, (query + 1) * width))
        return keys[low:high] - query * width

    def ranked(self, query: int) -> NDArray[np.bool_]:
        """(documents,) true where a document takes part in the ranking of a query."""
        width = self.collection.corpus.height
        there = np.ones(width, dtype=np.bool_) if self.judged is None else np.zeros(width, dtype=np.bool_)
        if self.judged is not None:
            there[self.of(self.judged, query)] = True
        there[self.of(self.unscored, query)] = False
        return there

    def split(self, vectors: NDArray[np.float32], folds: int, fold: int, seed: int) -> tuple[Ints, Ints]:
        """Queries to train on and to test on; a cosine of 0.9 or the same text keeps queries on one side.

        Args:
            vectors: of the queries.
            folds: of closed and judged worlds; open ones have their own test queries, and the seed draws at most
                1,000, or four fifths of the others, to train on.
            fold: to test on.
            seed: of the draw.
        """
        asked = np.unique(self.collection.positives["query"].to_numpy()).astype(np.int64)
        group = text_groups(self.collection.queries["text"])
        if self.held is not None:
            near = (vectors[asked] @ vectors[self.held].T).max(axis=1) >= SAME
            free = asked[~near & ~np.isin(asked, self.held) & ~np.isin(group[asked], group[self.held])]
            size = min(DRAWN, 4 * len(free) // 5)
            return np.sort(np.random.default_rng(seed).permutation(free)[:size]), self.held
        for a, b in np.argwhere(np.triu(vectors @ vectors.T >= SAME, 1)):
            group[group == group[b]] = group[a]
        names = np.unique(group[asked])
        lot = dict(zip(names.tolist(), np.random.default_rng(seed).permutation(len(names)) % folds, strict=True))
        of_query = np.array([lot[g] for g in group[asked].tolist()])
        return asked[of_query != fold], asked[of_query == fold]


@cache
def kept(base: str) -> Kept:
    """A base model in float32, once for the process."""
    return Kept(SentenceEncoder(model=folder_of(base, CACHE / "pays"), precision="float32"))


@cache
def world(data: Path, name: str, labels: str) -> World:
    """Read a collection and what is known of it."""
    return _open(data / name) if name in OPEN else _closed(data / name, labels)


def _closed(folder: Path, labels: str) -> World:
    hidden = folder / "extras" / "fn_eval"
    collection = Collection.read(folder, positives=hidden / f"labelled_{labels}.tsv")
    collection = replace(collection, negatives=collection.negatives.clear(), name=folder.name)
    relevant = _keys(collection, collection.positives, pairs_of(hidden / f"hidden_{labels}.tsv", collection, True))
    doubtful = [hidden / "ambiguous.tsv", folder / "extras" / "source_docs.tsv"]
    unscored = _keys(collection, *(pairs_of(path, collection, None) for path in doubtful))
    judged = None
    if folder.name in JUDGED:
        rows = [pairs_of(path, collection, None) for path in sorted((folder / "qrels").glob("*.tsv"))]
        judged = np.union1d(_keys(collection, *rows), relevant)
    return World(collection, relevant, unscored, judged)


def _open(folder: Path) -> World:
    parts = {split: Collection.read(folder, split=split) for split in ("train", "test")}
    whole, rng = parts["train"], np.random.default_rng(0)
    drawn = {
        split: np.sort(rng.permutation(parts[split].positives["query"].unique().sort().to_numpy())[:most])
        for split, most in (("train", POOL), ("test", TESTED))
    }
    ids = {split: parts[split].queries["id"].gather(rows) for split, rows in drawn.items()}
    queries = whole.queries.filter(pl.col("id").is_in(pl.concat(list(ids.values())).implode()))
    named = {
        split: _named(part).filter(pl.col("query_id").is_in(ids[split].implode())) for split, part in parts.items()
    }
    one = named["train"].sample(fraction=1, shuffle=True, seed=0).unique("query_id", keep="first", maintain_order=True)
    collection = build(whole.corpus, queries, one, name=folder.name)
    every = build(whole.corpus, queries, pl.concat(list(named.values())), name=folder.name)
    held = np.flatnonzero(collection.queries["id"].is_in(ids["test"].implode()).to_numpy())
    return World(collection, _keys(every, every.positives), np.empty(0, dtype=np.int64), None, held)


def _named(collection: Collection) -> pl.DataFrame:
    c = collection
    return c.positives.select(
        pl.lit(c.queries["id"]).gather("query").alias("query_id"),
        pl.lit(c.corpus["id"]).gather("doc").alias("doc_id"),
        "grade",
    )


def _keys(collection: Collection, *tables: pl.DataFrame) -> Ints:
    rows = pl.concat([t.select("query", "doc") for t in tables]).cast(pl.Int64)
    return np.unique(rows["query"].to_numpy() * collection.corpus.height + rows["doc"].to_numpy())


@dataclass(frozen=True, eq=False)
class Mined:
    """A recipe over all queries of a world that may be trained on."""

    run: Run

    def part(self, queries: Ints) -> Run:
        """What mining gives for some of the queries with their known positives alone.

        Candidates, and what a step says of a query by itself, are the same for any part of the queries; what is
        learnt from all queries at once goes, and has to be computed again (``foils.recut``).
        """
        pairs = self.run.pairs
        ours = pl.Series(queries, dtype=pl.UInt32).implode()
        frame = pairs.frame.filter(pl.col("query").is_in(ours)).drop("dot.specific", strict=False)
        whole = pairs.collection
        collection = replace(whole, positives=whole.positives.filter(pl.col("query").is_in(ours)))
        # Texts and hashes do not depend on labels.
        collection.__dict__.update(
            {k: v for k, v in whole.__dict__.items() if k in ("passages", "doc_hash", "query_hash")}
        )
        return replace(self.run, pairs=replace(pairs, frame=frame, collection=collection))


@cache
def mined(where: World, make: object, plan: Plan, engine: Local) -> Mined:
    """Mine a recipe; methods and folds that share it share the result."""
    recipe: Recipe = make(plan)  # type: ignore[operator]
    with_own_coefficients(where.collection.name)
    return Mined(mine(where.collection, recipe, engine=engine))


def start(where: World, queries: Ints) -> Pairs:
    """The known positives alone."""
    ours = pl.Series(queries, dtype=pl.UInt32).implode()
    positives = where.collection.positives.filter(pl.col("query").is_in(ours))
    return Pairs.start(replace(where.collection, positives=positives))


def with_own_coefficients(name: str) -> None:
    """Let the detector start from coefficients that never saw the collection."""
    known = coefficients(name) if name in train_detector.TRAIN else parse(json.loads(_shipped()))
    foils.detect.shipped = lambda: known  # type: ignore[attr-defined]


def _shipped() -> str:
    return train_detector.SHIPPED.read_text(encoding="utf-8")


@cache
def coefficients(name: str) -> Shipped:
    """Those from all training collections but one; kept on disk, as training them takes longer than any cell."""
    # The shipped numbers come from the same code and data: where they change, these do.
    key = hashlib.blake2b(f"{name}\n{_shipped()}".encode(), digest_size=8).hexdigest()
    path = CACHE / "pays" / f"coefficients-{name}-{key}.npz"
    if path.exists():
        with np.load(path) as found:
            numbers = {k: found[k] for k in found.files}
        return Shipped(
            numbers["weights"], *(float(numbers[f]) for f in Shipped._fields[1:5]), numbers["correlation"], {}
        )
    known = elsewhere(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{f: np.asarray(getattr(known, f)) for f in Shipped._fields[:6]})
    return known
