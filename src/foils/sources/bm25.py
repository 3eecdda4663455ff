"""BM25: candidates that share words with the query."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.collection import Collection
from foils.errors import RecipeError
from foils.pairs import Pairs
from foils.protocols import Engine
from foils.sources.index import Index, indexed
from foils.sources.languages import LANGUAGES
from foils.sources.tables import FOUND
from foils.steps import Source

if TYPE_CHECKING:
    pass

Method = Literal["lucene", "robertson", "atire"]
BATCH = 8192


@dataclass(frozen=True)
class Bm25(Source):
    """Finds documents that share words with the query, rare words first.

    score = sum over the query's words of idf * tf / (tf + k1 (1 - b + b * length / mean length)), with
    idf = ln(1 + (N - n + 0.5) / (n + 0.5)) (Robertson and Zaragoza, FnTIR 2009; variants as in Kamphuis, ECIR 2020).
    Only documents with a score above 0 are candidates, so a query whose words no document has finds nothing. Known
    positives take their place in the ranking. Ties go to the document that stands first in the corpus.

    Words are found in any script (NFKC, case folded; pairs of characters where a script has no spaces). Stop words
    are left out and endings cut by the Snowball stemmer of the language. With ``auto``, the language of each script
    is detected from the corpus by its function words, and a script that no language dominates is not stemmed.

    Fails where query and document say the same in other words or in other languages, and where a query is made of
    stop words only. Static BM25 negatives alone can train worse than random ones (STAR, arXiv:2104.08051).

    Args:
        name: rank column ``rank.<name>``, score column ``bm25.<name>``.
        depth: candidates per query.
        language: ``auto``, an ISO 639-1 code, or ``none`` (no stop words, no stemming).
        k1: how late a repeated word stops to count; the published range is 1.2 to 2.
        b: how much long documents are held back, 0 to 1; published 0.75.
        method: ``lucene``, ``robertson`` (idf not below 0; without the 1 +) or ``atire`` (idf = ln(N / n)).
        title: index titles too.

    >>> from foils.engine import Local
    >>> from foils.collection import build
    >>> collection = build(
    ...     pl.DataFrame({"id": ["a", "b", "c"], "text": ["red apples", "a red car", "green pears"]}),
    ...     pl.DataFrame({"id": ["q"], "text": ["red apple"]}),
    ...     pl.DataFrame({"query_id": ["q"], "doc_id": ["a"], "grade": [1]}),
    ... )
    >>> Bm25(language="en").find(Pairs.start(collection), Local()).select("doc", "rank").rows()
    [(0, 1), (1, 2)]
    """

    name: str = "bm25"
    depth: int = 100
    language: str = "auto"
    k1: float = 1.5
    b: float = 0.75
    method: Method = "lucene"
    title: bool = True

    @property
    def score(self) -> str:
        """The score column."""
        return f"bm25.{self.name}"

    @cached_property
    def _noted(self) -> dict[str, str]:
        return {}

    def check(self) -> None:
        """Known language and method, parameters within their range."""
        super().check()
        if self.language not in ("auto", "none", *LANGUAGES):
            raise RecipeError(
                f"{self.label}: language={self.language!r} is not known; auto, none or one of {', '.join(LANGUAGES)}"
            )
        if self.method not in get_args(Method):
            raise RecipeError(
                f"{self.label}: method={self.method!r} is not known; one of {', '.join(get_args(Method))}"
            )
        if not (0 <= self.k1 < float("inf") and 0 <= self.b <= 1):
            raise RecipeError(f"{self.label}: k1={self.k1:g}, b={self.b:g}; k1 must be at least 0, b from 0 to 1")

    def facts(self) -> dict[str, str]:
        """Languages found, size of the index, version of the stemmer."""
        return dict(self._noted)

    def find(self, pairs: Pairs, engine: Engine) -> pl.DataFrame:
        """The best ``depth`` documents of every query."""
        from foils.sources.postings import search

        index = self._index(pairs.collection)
        rows = pairs.queries
        parts = [pl.DataFrame(schema=FOUND | {"score": pl.Float32})]
        with engine.track(f"search {self.name}", len(rows), "queries") as advance:
            for start in range(0, len(rows), BATCH):
                part = rows[start : start + BATCH]
                bounds, numbers = self._words(index, pairs.collection, part)
                counts, docs, scores = search(index.postings, bounds, numbers, np.full(len(part), self.depth))
                ranks = np.arange(len(docs)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
                found = {"query": np.repeat(part, counts), "doc": docs, "rank": ranks, "score": scores}
                parts.append(pl.DataFrame(found).cast(parts[0].schema))
                advance(len(part))
        return pl.concat(parts)

    def fill(self, pairs: Pairs, engine: Engine) -> pl.Series:
        """The score of every row, 0 where no word is shared; equal to what the search gives."""
        from foils.sources.postings import score

        index = self._index(pairs.collection)
        rows = pairs.queries
        bounds, numbers = self._words(index, pairs.collection, rows)
        at = np.searchsorted(rows, pairs.frame["query"].to_numpy())
        docs = pairs.frame["doc"].to_numpy().astype(np.int64)
        return pl.Series(self.score, score(index.postings, bounds, numbers, at, docs))

    def _words(
        self, index: Index, collection: Collection, rows: NDArray[np.uint32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        return index.vocabulary.number(collection.queries["text"].gather(rows), grow=False)

    def _index(self, collection: Collection) -> Index:
        index = indexed(collection, self.language, self.title, self.k1, self.b, self.method)
        said = [
            f"{d.language} ({script.title()}, {d.votes:,} of {d.of:,} sampled texts)"
            for script, d in index.detected.items()
        ]
        language = self.language if self.language != "auto" else ", ".join(said) or "no language prevails"
        self._noted.update(
            language=language,
            words=f"{len(index.vocabulary.numbers):,}",
            postings=f"{len(index.postings.docs):,}",
            PyStemmer=version("PyStemmer"),
        )
        return index
