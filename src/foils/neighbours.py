"""How near each candidate lies to what is known to be relevant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.errors import RecipeError
from foils.pairs import Pairs
from foils.protocols import Engine
from foils.steps import Scope, WithEncoder


@dataclass(frozen=True)
class PositiveSimilarity(WithEncoder):
    """Adds the similarity of each candidate to the nearest known positive of its query, ``<unit>.<name>``.

    Relevance feedback in its plainest form (Rocchio, 1971): a document much like a relevant one is likely relevant,
    whatever the query's words. A positive is compared with the query's other positives; the only positive of a query
    gets the highest value of its unit. Fails on near misses, which resemble the positive in all but the decisive word.

    Args:
        encoder: gives the vectors of the documents.
        name: of the column.
    """

    scope: ClassVar[Scope] = "query"
    name: str = "positive"

    @property
    def adds(self) -> frozenset[str]:
        """The similarity."""
        return frozenset({f"{self.encoder.unit}.{self.name}"} if self.encoder else ())

    def check(self) -> None:
        """An encoder and a plain name."""
        super().check()
        if not re.fullmatch(r"[\w-]+", self.name):
            raise RecipeError(f"{self.label}: name={self.name!r}; use letters, digits, '-' and '_' only")

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Compare the rows of each query with its positives."""
        frame = pairs.frame
        docs, places = np.unique(frame["doc"].to_numpy(), return_inverse=True)
        vectors = self.model.vectors(pairs.collection, "document", docs.astype(np.uint32), engine)
        positive = frame["positive"].to_numpy()
        starts = np.flatnonzero(np.diff(frame["query"].to_numpy(), prepend=np.uint32(2**32 - 1)))
        values = np.zeros(frame.height, dtype=np.float32)
        for start, stop in zip(starts, [*starts[1:], frame.height], strict=True):
            values[start:stop] = _nearest(vectors[places[start:stop]], positive[start:stop])
        (column,) = self.adds
        if self.model.unit == "cos":
            values = np.clip(values, -1, 1)
        return pairs.with_column(column, pl.Series(values))


def _nearest(vectors: NDArray[np.float32], positive: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The largest inner product of each row with a positive row other than itself, else with itself."""
    known = np.flatnonzero(positive)
    products = vectors @ vectors[known].T
    if len(known) > 1:
        products[known, np.arange(len(known))] = -np.inf
    nearest: NDArray[np.float32] = products.max(axis=1)
    return nearest
