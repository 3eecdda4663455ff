"""The contracts that models and engines fulfil."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from foils.collection import Collection
from foils.pairs import Pairs

Role = Literal["query", "document"]
Unit = Literal["cos", "dot", "bm25", "logit", "prob"]
Advance = Callable[[int], None]


class Engine(Protocol):
    """Where heavy row-wise work runs, where vectors are cached, and how progress is shown."""

    @property
    def cache(self) -> Path | None:
        """Folder of the embedding cache; null: nothing is kept."""
        ...

    def map(
        self, load: Callable[[], Callable[[Sequence[Any]], Sequence[Any]]], rows: Sequence[Any], batch: int, title: str
    ) -> list[Any]:
        """Load the work where it runs, apply it to batches of rows, and give the results in the order of the rows."""
        ...

    def track(self, title: str, total: int, unit: str = "") -> AbstractContextManager[Advance]:
        """Show progress on stderr: ``with engine.track("encode", n, "documents") as advance: advance(64)``."""
        ...


@runtime_checkable
class Encoder(Protocol):
    """Texts to vectors. Frozen dataclasses: their fields are their options."""

    @property
    def unit(self) -> Literal["cos", "dot"]:
        """What an inner product of two vectors means; ``cos`` promises unit rows."""
        ...

    def check(self) -> None:
        """Raise a FoilsError if a path or a package is missing; loads nothing heavy."""
        ...

    def facts(self) -> dict[str, str]:
        """What the ledger records: versions, precision, fingerprint of weights. Called after use."""
        ...

    def vectors(
        self, collection: Collection, role: Role, rows: NDArray[np.uint32] | None, engine: Engine
    ) -> NDArray[np.float32]:
        """Vectors (n, d) float32 of the given rows (null: all) of queries or documents, in their order."""
        ...


@runtime_checkable
class Scorer(Protocol):
    """Pairs of texts to scores, for instance a cross-encoder."""

    @property
    def unit(self) -> Unit:
        """Unit of the scores."""
        ...

    def check(self) -> None:
        """Raise a FoilsError if a path or a package is missing; loads nothing heavy."""
        ...

    def facts(self) -> dict[str, str]:
        """What the ledger records. Called after use."""
        ...

    def scores(self, queries: Sequence[str], documents: Sequence[str], engine: Engine) -> NDArray[np.float32]:
        """Scores (n,) float32 of n pairs."""
        ...


class Verdict(NamedTuple):
    """What a judge says of one pair.

    Args:
        probability: that the document answers the query, in [0, 1]; null: the judge abstains (it cannot tell, or its
            answer could not be read). An abstention is never a "no".
        by: the judge and its version, for instance ``llm:qwen3-32b@3f9a``.
        why: in the judge's words, or an error.
        grade: on the scale 0 to 3, where the judge grades.
    """

    probability: float | None
    by: str
    why: str = ""
    grade: int | None = None


@runtime_checkable
class Judge(Protocol):
    """Says of pairs whether the document answers the query. A cascade is a judge made of judges."""

    @property
    def name(self) -> str:
        """The judge and its version; what ``Verdict.by`` says, and what stored verdicts are reused by."""
        ...

    @property
    def families(self) -> frozenset[str]:
        """The kinds of evidence it rests on (``human``, ``llm:<model>``, ``cross-encoder:<model>``, ``string`` ...).

        A rate of false negatives is never estimated by a family that took part in the filtering.
        """
        ...

    def check(self) -> None:
        """Raise a FoilsError if a path, a package or a key is missing; loads nothing heavy, sends nothing."""
        ...

    def facts(self) -> dict[str, str]:
        """What the ledger records: versions, tokens, cost. Called after use."""
        ...

    def verdicts(self, pairs: Pairs, rows: NDArray[np.uint32], engine: Engine) -> list[Verdict]:
        """One verdict per given row of ``pairs.frame``, in their order; never fewer, never an invented one."""
        ...
