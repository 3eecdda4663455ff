"""Score columns that tell a hidden positive from a hard negative: what lies near to what is known to be relevant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.detect.columns import KINDS, by_kind, kinds, standard
from foils.errors import RecipeError
from foils.pairs import Pairs
from foils.protocols import Engine
from foils.sources.languages import LANGUAGES
from foils.steps import Scope, Step, WithEncoder


@dataclass(frozen=True)
class PositiveWords(Step):
    """Adds the BM25 score of each candidate with the known positive's text as the query, ``bm25.<name>``.

    Relevance feedback with the whole text of a relevant document (Rocchio, 1971) on the formula of ``Bm25``. Of
    several known positives the best match counts; a positive is compared with the others, the only one with itself.
    Fails on near misses, which repeat the positive but for the decisive word, and on long positives about many things.

    Args:
        name: of the column.
        language: as in ``Bm25``.
        k1: as in ``Bm25``.
        b: as in ``Bm25``.
    """

    scope: ClassVar[Scope] = "query"
    name: str = "positive"
    language: str = "auto"
    k1: float = 1.5
    b: float = 0.75

    @property
    def adds(self) -> frozenset[str]:
        """The score."""
        return frozenset({f"bm25.{self.name}"})

    def check(self) -> None:
        """A plain name, a known language, parameters within their range."""
        _check_name(self.label, self.name)
        if self.language not in ("auto", "none", *LANGUAGES):
            raise RecipeError(
                f"{self.label}: language={self.language!r} is not known; auto, none or one of {', '.join(LANGUAGES)}"
            )
        if not (0 <= self.k1 < float("inf") and 0 <= self.b <= 1):
            raise RecipeError(f"{self.label}: k1={self.k1:g}, b={self.b:g}; k1 must be at least 0, b from 0 to 1")

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Score the rows of each query against its first positive, then its second, and keep the best."""
        from foils.sources.index import indexed
        from foils.sources.postings import score

        index = indexed(pairs.collection, self.language, True, self.k1, self.b, "lucene")
        frame = pairs.frame
        known = frame.filter("positive").select("query", "doc")
        bounds, numbers = index.vocabulary.number(pairs.collection.passages.gather(known["doc"]), grow=False)
        owner = known["query"].to_numpy()
        first = np.searchsorted(owner, frame["query"].to_numpy(), side="left")
        count = np.searchsorted(owner, frame["query"].to_numpy(), side="right") - first
        docs = frame["doc"].to_numpy().astype(np.int64)
        best = np.full(frame.height, -np.inf, dtype=np.float32)
        for turn in range(int(count.max(initial=0))):
            rows = np.flatnonzero(count > turn)
            at = (first[rows] + turn).astype(np.int64)
            itself = (known["doc"].to_numpy()[at] == docs[rows]) & (count[rows] > 1)
            rows, at = rows[~itself], at[~itself]
            best[rows] = np.maximum(best[rows], score(index.postings, bounds, numbers, at, docs[rows]))
        values = pl.Series(best).to_frame("s").select(pl.when(pl.col("s").is_finite()).then("s")).to_series()
        return pairs.with_column(f"bm25.{self.name}", values)


@dataclass(frozen=True)
class NeighbourAgreement(WithEncoder):
    """Adds the mean evidence of each candidate's nearest candidates of the same query, ``z.<name>``.

    The cluster hypothesis (Jardine and van Rijsbergen, 1971; as score regularisation: Diaz, CIKM 2005): relevant
    documents lie near one another, so a candidate among strong candidates is likelier relevant than one that stands
    alone. Evidence is the mean z of the score columns there are (against the query, and against the known positive);
    neighbours are weighted by their similarity to the third power. Known positives lend nothing here, as their
    similarity is evidence already. Fails with fewer than a dozen candidates per query, and where near
    misses crowd around the positive.

    Args:
        encoder: gives the vectors of the documents; another one than that of the search adds more.
        k: neighbours; flat between 5 and 20 on five collections.
        name: of the column; ``neighbours`` or ``neighbours-<anything>``.
    """

    scope: ClassVar[Scope] = "query"
    k: int = 10
    name: str = "neighbours"

    @property
    def adds(self) -> frozenset[str]:
        """The mean."""
        return frozenset({f"z.{self.name}"})

    def check(self) -> None:
        """An encoder, at least one neighbour, a name that the detector knows."""
        super().check()
        _check_name(self.label, self.name, "neighbours")
        if self.k < 1:
            raise RecipeError(f"{self.label}: k={self.k}; at least 1 neighbour is needed")

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Compare the candidates of each query with one another."""
        from foils.detect import loops

        used = {c: kind for c, kind in kinds(pairs).items() if kind in KINDS[:4]}
        if not used:
            raise RecipeError(f"{self.label}: there is no score or rank to average; put it behind the sources")
        found = standard(pairs, used)
        per_kind = np.stack([by_kind(found, kind) for kind in sorted(set(used.values()))])
        known = ~np.isnan(per_kind)
        evidence = np.where(known, per_kind, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        docs, places = np.unique(pairs.frame["doc"].to_numpy(), return_inverse=True)
        vectors = self.model.vectors(pairs.collection, "document", docs.astype(np.uint32), engine)
        lent = loops.agree(
            found.starts, np.ascontiguousarray(vectors), places, evidence.astype(np.float32), found.among, self.k, 3.0
        )
        return pairs.with_column(f"z.{self.name}", _nullable(lent))


@dataclass(frozen=True)
class Specificity(WithEncoder):
    """Adds how much nearer each candidate lies to its query than to the mean of all queries, ``dot.<name>``.

    The inner product of a document with the query minus the mean query: what is similar to every query says little
    of this one (hubs: Radovanovic et al., JMLR 2010; the mean-centring remedy: Suzuki et al., EMNLP 2013). Fails with
    few queries (the mean of one query is itself: nothing is known), and where all queries ask about one thing.

    Args:
        encoder: gives the vectors.
        name: of the column; ``specific`` or ``specific-<anything>``.
    """

    scope: ClassVar[Scope] = "all"
    name: str = "specific"

    @property
    def adds(self) -> frozenset[str]:
        """The difference."""
        return frozenset({f"dot.{self.name}"})

    def check(self) -> None:
        """An encoder and a name that the detector knows."""
        super().check()
        _check_name(self.label, self.name, "specific")

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Encode what the table mentions and multiply row by row."""
        asked = pairs.queries
        if len(asked) < 2:
            return pairs.with_column(f"dot.{self.name}", pl.lit(None, dtype=pl.Float32))
        docs, doc_at = np.unique(pairs.frame["doc"].to_numpy(), return_inverse=True)
        queries = self.model.vectors(pairs.collection, "query", asked, engine)
        vectors = self.model.vectors(pairs.collection, "document", docs.astype(np.uint32), engine)
        centred = queries - queries.mean(axis=0, dtype=np.float64).astype(np.float32)
        at = np.searchsorted(asked, pairs.frame["query"].to_numpy())
        values = np.empty(pairs.frame.height, dtype=np.float32)
        for start in range(0, len(values), 1 << 16):
            part = slice(start, start + (1 << 16))
            values[part] = np.einsum("ij,ij->i", centred[at[part]], vectors[doc_at[part]])
        return pairs.with_column(f"dot.{self.name}", pl.Series(values))


def _nullable(values: NDArray[np.float32]) -> pl.Series:
    return pl.Series(values).fill_nan(None)


def _check_name(label: str, name: str, stem: str = "") -> None:
    if not re.fullmatch(r"[\w-]+", name):
        raise RecipeError(f"{label}: name={name!r}; use letters, digits, '-' and '_' only")
    if stem and name != stem and not name.startswith(f"{stem}-"):
        raise RecipeError(f"{label}: name={name!r}; it must be {stem!r} or begin with '{stem}-', as the detector knows")
