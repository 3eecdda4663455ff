"""AdapterJudge: a small adapter on an encoder's vectors, trained on the verdicts of the run itself."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.errors import JudgeError, RecipeError
from foils.judges.cases import short_hash
from foils.judges.residual import CLASSES, fit, relevance
from foils.pairs import Pairs, hash_uniform
from foils.protocols import Encoder, Engine, Verdict

LEAST_QUERIES = 10
MOST_ROWS = 20_000


class Sample(NamedTuple):
    """What the adapter learns from.

    Args:
        query: (n,) rows of the queries.
        doc: (n,) rows of the corpus.
        label: (n,) numbers of CLASSES.
        share: of relevant rows among the judged candidates.
        judges: who judged them.
    """

    query: NDArray[np.uint32]
    doc: NDArray[np.uint32]
    label: NDArray[np.int64]
    share: float
    judges: frozenset[str]


@dataclass(frozen=True)
class AdapterJudge:
    """Learns from known positives and the run's verdicts to tell relevant candidates, on frozen vectors.

    RRRA (arXiv:2508.11670). With z = [q - c, q * c, q + c], the document becomes c' = c + MLP(z); four classes are
    told from q * c' and cos(q, c'), and c' is kept near the segment between q and c. p = P(true positive) +
    P(false negative). Reconstruction: how the paper gets its four labels was not recoverable. Here they are: known
    positives; candidates that a verdict calls relevant; candidates that it calls not relevant; documents of other
    queries. A query is judged by an adapter that never saw it (cross-fitting). The paper's joint training of the
    encoder is left out. Fails with verdicts on few queries (it refuses below ten), and repeats the mistakes of whoever
    gave the verdicts: ``families`` names them once it has judged.

    Args:
        encoder: gives the vectors, which stay as they are.
        hidden: units.
        steps: of full-batch Adam.
        rate: of learning.
        segment: weight of the distance from the segment; the paper gives none.
        folds: of queries.
        seed: of the first layer, the folds and the documents of other queries.
    """

    encoder: Encoder
    hidden: int = 32
    steps: int = 60
    rate: float = 5e-3
    segment: float = 0.1
    folds: int = 5
    seed: int = 0

    @property
    def name(self) -> str:
        """The options; the same whatever it learned from, so judge anew when there are new verdicts."""
        return f"adapter@{short_hash(*(repr(getattr(self, f.name)) for f in fields(self)))}"

    @property
    def families(self) -> frozenset[str]:
        """The encoder, and once it has judged those whose verdicts it learned from."""
        return frozenset({f"adapter:{type(self.encoder).__name__}"}) | self._state.teachers

    def check(self) -> None:
        """Numbers must make sense, the encoder be ready."""
        if min(self.hidden, self.steps) < 1 or self.folds < 2 or self.rate <= 0 or self.segment < 0:
            raise RecipeError(f"{self}: hidden and steps from 1, folds from 2, rate above 0, segment from 0")
        self.encoder.check()

    def facts(self) -> dict[str, str]:
        """What it learned from, and the encoder's facts."""
        return {"judge": self.name, "learned from": self._state.learned} | self.encoder.facts()

    def verdicts(self, pairs: Pairs, rows: NDArray[np.uint32], engine: Engine) -> list[Verdict]:
        """Train fold by fold, judge the queries left out; never abstains.

        Raises:
            JudgeError: there are verdicts on fewer than ten queries, or all of them say the same.
        """
        known = sample(pairs, self.seed)
        counts = np.bincount(known.label, minlength=len(CLASSES)).tolist()
        self._state.teachers = known.judges
        self._state.learned = ", ".join(f"{n:,} {what}s" for n, what in zip(counts, CLASSES, strict=True))
        part = pairs.frame[rows]
        query, doc = part["query"].to_numpy(), part["doc"].to_numpy()
        vectors = _Vectors(self.encoder, pairs, (known.query, query), (known.doc, doc), engine)
        fold_of = fold_numbers(pairs, self.folds, self.seed)
        found = np.zeros(len(rows))
        wanted = sorted(set(fold_of[query].tolist()))
        with engine.track("adapter", len(wanted), "folds") as advance:
            for fold in wanted:
                train, judged = fold_of[known.query] != fold, fold_of[query] == fold
                adapter = fit(
                    *vectors.of(known.query[train], known.doc[train]),
                    known.label[train],
                    hidden=self.hidden,
                    steps=self.steps,
                    rate=self.rate,
                    segment=self.segment,
                    seed=self.seed,
                )
                found[judged] = relevance(adapter, *vectors.of(query[judged], doc[judged]), known.share)
                advance(1)
        return [Verdict(p, self.name, "") for p in found.tolist()]

    def __getstate__(self) -> dict[str, Any]:
        """The options only."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @cached_property
    def _state(self) -> _State:
        return _State()


@dataclass
class _State:
    """What the last training saw."""

    learned: str = ""
    teachers: frozenset[str] = field(default_factory=frozenset)


class _Vectors:
    """The vectors that are needed, encoded once."""

    def __init__(
        self,
        encoder: Encoder,
        pairs: Pairs,
        queries: tuple[NDArray[np.uint32], ...],
        docs: tuple[NDArray[np.uint32], ...],
        engine: Engine,
    ) -> None:
        self.queries, self.docs = np.unique(np.concatenate(queries)), np.unique(np.concatenate(docs))
        self.q = encoder.vectors(pairs.collection, "query", self.queries, engine)
        self.c = encoder.vectors(pairs.collection, "document", self.docs, engine)

    def of(self, query: NDArray[np.uint32], doc: NDArray[np.uint32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Vectors of pairs, (n, d) each."""
        return self.q[np.searchsorted(self.queries, query)], self.c[np.searchsorted(self.docs, doc)]


def sample(pairs: Pairs, seed: int) -> Sample:
    """Labelled pairs of a table: its positives, its judged candidates, and documents of other queries.

    Args:
        pairs: the table; rows with ``judged_by`` and ``p_relevant`` are judged.
        seed: of the documents of other queries, one to every fourth of the other rows.

    Raises:
        JudgeError: there are verdicts on fewer than ten queries, or all of them say the same.
    """
    judged = pairs.frame.filter(~pl.col("positive") & pl.col("judged_by").is_not_null()).drop_nulls("p_relevant")
    relevant = judged["p_relevant"] >= 0.5
    queries = judged["query"].n_unique()
    if queries < LEAST_QUERIES or relevant.all() or not relevant.any():
        raise JudgeError(
            f"adapter: the run has verdicts on {queries} queries, {relevant.sum()} of {judged.height} say relevant; "
            f"verdicts of both kinds on at least {LEAST_QUERIES} queries are needed, from another judge"
        )
    known = pairs.frame.filter("positive").select("query", "doc", label=pl.lit(0, dtype=pl.Int64))
    said = judged.select("query", "doc", label=pl.when(pl.col("p_relevant") >= 0.5).then(1).otherwise(2).cast(pl.Int64))
    both = pl.concat([known, said])
    order = hash_uniform(*_hashes(pairs, both), seed)
    both = both[np.argsort(order, kind="stable")[:MOST_ROWS]]
    table = pl.concat([both, _others(pairs, both, seed)])
    return Sample(
        table["query"].to_numpy(),
        table["doc"].to_numpy(),
        table["label"].to_numpy(),
        min(max(float(relevant.sum()) / judged.height, 0.01), 0.99),
        frozenset(str(by).partition("@")[0] for by in judged["judged_by"].cast(pl.String).unique().to_list()),
    )


def fold_numbers(pairs: Pairs, folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of every query of the collection, by a hash of its id."""
    hashes = pairs.collection.query_hash
    found: NDArray[np.int64] = (hash_uniform(hashes, hashes, seed) * folds).astype(np.int64)
    return found


def _others(pairs: Pairs, rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    """For every fourth row another document of the table, one that is not in the table for its query."""
    rows = rows.gather_every(4)
    docs = pairs.frame["doc"].unique().sort()
    at = (hash_uniform(*_hashes(pairs, rows), seed + 1) * docs.len()).astype(np.int64)
    drawn = rows.select("query", doc=docs.gather(at), label=pl.lit(3, dtype=pl.Int64)).unique(maintain_order=True)
    return drawn.join(pairs.frame.select("query", "doc"), on=["query", "doc"], how="anti", maintain_order="left")


def _hashes(pairs: Pairs, rows: pl.DataFrame) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    where = pairs.collection
    return where.query_hash[rows["query"].to_numpy()], where.doc_hash[rows["doc"].to_numpy()]
