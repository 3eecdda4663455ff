"""An encoder that computes the vectors of a collection's documents once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from foils.collection import Collection
from foils.protocols import Encoder, Engine, Role


@dataclass(frozen=True)
class Remembered:
    """Keeps what another encoder says of the documents, as long as the collection is in use.

    Several steps ask for the same documents, and none of them changes what it gets. Queries are few and not kept.

    Args:
        inner: the encoder.
    """

    inner: Encoder

    @property
    def unit(self) -> Literal["cos", "dot"]:
        """As the encoder says."""
        return self.inner.unit

    def check(self) -> None:
        """As the encoder does."""
        self.inner.check()

    def facts(self) -> dict[str, str]:
        """The encoder's facts."""
        return self.inner.facts()

    def vectors(
        self, collection: Collection, role: Role, rows: NDArray[np.uint32] | None, engine: Engine
    ) -> NDArray[np.float32]:
        """Vectors (n, d) float32; equal to the encoder's own."""
        if role != "document":
            return self.inner.vectors(collection, role, rows, engine)
        if collection not in self._kept:
            self._kept[collection] = self.inner.vectors(collection, "document", None, engine)
        found = self._kept[collection]
        return found if rows is None else found[rows]

    @cached_property
    def _kept(self) -> WeakKeyDictionary[Collection, NDArray[np.float32]]:
        return WeakKeyDictionary()
