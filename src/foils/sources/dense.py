"""Dense: the nearest documents by the vectors of an encoder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.errors import RecipeError
from foils.pairs import Pairs
from foils.protocols import Engine
from foils.sources.precision import Precision, choose
from foils.sources.topk import exact_topk, pair_scores
from foils.steps import Source, WithEncoder


@dataclass(frozen=True)
class Dense(WithEncoder, Source):
    """Finds the documents whose vectors are nearest to the query's, exactly.

    The candidates of DPR (Karpukhin et al., EMNLP 2020) and ANCE (Xiong et al., ICLR 2021), which searched an index;
    here every query meets every document, because an index does not pay when all training queries are asked. Known
    positives take their place in the ranking. The score is the inner product, summed in float64. Ties go to the
    document that stands first in the corpus.

    Fails where the encoder does: what it takes for near is a candidate, including unlabelled answers, so a rule for
    false negatives belongs behind it.

    Args:
        name: rank column ``rank.<name>``, score column ``cos.<name>`` or ``dot.<name>``, by the encoder's unit.
        depth: candidates per query; published 100 (DPR) and 200 (ANCE).
        encoder: texts to vectors.
        precision: of the first pass of the search; ranks and scores do not depend on it. ``auto`` takes the fastest.

    >>> from foils.collection import build
    >>> from foils.engine import Local
    >>> from foils.models.vectors import Vectors
    >>> collection = build(
    ...     pl.DataFrame({"id": ["a", "b", "c"], "text": ["east", "north", "north-east"]}),
    ...     pl.DataFrame({"id": ["q"], "text": ["eastward"]}),
    ...     pl.DataFrame({"query_id": ["q"], "doc_id": ["a"], "grade": [1]}),
    ... )
    >>> encoder = Vectors(queries=np.float32([[1, 0]]), documents=np.float32([[1, 0], [0, 1], [0.6, 0.8]]))
    >>> Dense(depth=2, encoder=encoder).find(Pairs.start(collection), Local()).rows()
    [(0, 0, 1, 1.0), (0, 2, 2, 0.6000000238418579)]
    """

    name: str = "dense"
    depth: int = 100
    precision: Precision = "auto"

    @property
    def score(self) -> str | None:
        """The encoder's unit and this source's name; null as long as there is no encoder."""
        return f"{self.encoder.unit}.{self.name}" if self.encoder is not None else None

    @cached_property
    def _noted(self) -> dict[str, str]:
        return {}

    def check(self) -> None:
        """An encoder is needed, and a known precision."""
        super().check()
        if self.precision not in get_args(Precision):
            raise RecipeError(
                f"{self.label}: precision={self.precision!r} is not known; one of {', '.join(get_args(Precision))}"
            )
        if self.precision != "auto":
            choose(self.precision, 0.0)

    def facts(self) -> dict[str, str]:
        """The encoder's facts, and the precision of the search's first pass."""
        return super().facts() | self._noted

    def find(self, pairs: Pairs, engine: Engine) -> pl.DataFrame:
        """The ``depth`` nearest documents of every query."""
        asked = pairs.queries
        queries, documents = self._vectors(pairs, engine)
        chosen = choose(self.precision, 2.0 * queries.shape[0] * documents.size)
        self._noted["search"] = f"exact, first pass in {chosen}"
        with engine.track(f"search {self.name}", len(queries) * len(documents), "pairs") as advance:
            ids, scores = exact_topk(queries, documents, self.depth, precision=chosen, advance=advance)
        n, k = ids.shape
        return pl.DataFrame(
            {
                "query": np.repeat(asked, k),
                "doc": ids.ravel(),
                "rank": np.tile(np.arange(1, k + 1, dtype=np.int32), n),
                "score": scores.ravel(),
            }
        )

    def fill(self, pairs: Pairs, engine: Engine) -> pl.Series:
        """The score of every row of the table, equal to the last bit to what the search gives."""
        queries, documents = self._vectors(pairs, engine)
        at = np.searchsorted(pairs.queries, pairs.frame["query"].to_numpy())
        return pl.Series(self.score, pair_scores(queries, documents, at, pairs.frame["doc"].to_numpy()))

    def _vectors(self, pairs: Pairs, engine: Engine) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        queries = self.model.vectors(pairs.collection, "query", pairs.queries, engine)
        return queries, self.model.vectors(pairs.collection, "document", None, engine)
