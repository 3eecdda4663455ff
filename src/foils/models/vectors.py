"""Vectors: embeddings that were made elsewhere."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from foils.collection import Collection
from foils.errors import DataError, RecipeError
from foils.protocols import Engine, Role

Given = str | Path | NDArray[np.floating]

STEP = 1 << 14  # rows looked at together
SAMPLE = 1000  # rows that the fingerprint reads


@dataclass(frozen=True, eq=False)
class Vectors:
    """Use given embeddings: row i belongs to query i or document i of the collection.

    Files are memory-mapped, so float32 files may be larger than memory; other float types are converted when they are
    read. Fails silently if the rows stand in another order than the collection: only their number can be checked.
    A collection leaves out empty texts and merges repeated ids, so embed what ``collection.passages`` and
    ``collection.queries`` hold.

    Args:
        queries: a ``.npy`` file or an array, (Q, d).
        documents: a ``.npy`` file or an array, (N, d).
        unit: ``cos`` promises rows of length 1 (within 1e-3; rows of zeros are let through), ``dot`` any length.

    >>> from foils.collection import build
    >>> from foils.engine import Local
    >>> import polars as pl
    >>> collection = build(
    ...     pl.DataFrame({"id": ["a", "b"], "text": ["east", "north"]}),
    ...     pl.DataFrame({"id": ["q"], "text": ["eastward"]}),
    ...     pl.DataFrame({"query_id": ["q"], "doc_id": ["a"], "grade": [1]}),
    ... )
    >>> given = Vectors(queries=np.eye(1, 2), documents=np.eye(2))
    >>> given.vectors(collection, "document", None, Local()).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """

    queries: Given
    documents: Given
    unit: Literal["cos", "dot"] = "cos"

    def __eq__(self, other: object) -> bool:
        """Equal paths or the same arrays, and the same unit."""
        return isinstance(other, Vectors) and self._key() == other._key()

    def __hash__(self) -> int:
        """By paths or identity of arrays."""
        return hash(self._key())

    @property
    def reads(self) -> tuple[Path, ...]:
        """The files; none for arrays."""
        return tuple(Path(s) for s in (self.queries, self.documents) if isinstance(s, str | Path))

    def check(self) -> None:
        """Files must exist and hold tables of numbers with as many dimensions on both sides."""
        if self.unit not in ("cos", "dot"):
            raise RecipeError(f"unit={self.unit!r} is not known; one of cos, dot")
        queries, documents = self._open("query"), self._open("document")
        if queries.shape[1] != documents.shape[1]:
            raise DataError(
                f"query vectors have {queries.shape[1]:,} dimensions and document vectors {documents.shape[1]:,}; "
                "both must come from the same model"
            )

    def facts(self) -> dict[str, str]:
        """Where the vectors come from, and a fingerprint of up to 1,000 rows spread evenly over each side."""
        facts = {"encoder": "given vectors", "unit": self.unit}
        for role, side in (("queries", self._open("query")), ("documents", self._open("document"))):
            rows = np.linspace(0, max(len(side) - 1, 0), min(len(side), SAMPLE)).astype(np.int64)
            digest = hashlib.sha256(f"{side.shape} {side.dtype}".encode() + np.ascontiguousarray(side[rows]).tobytes())
            facts[role] = f"{side.shape[0]:,} x {side.shape[1]:,} {side.dtype}, {digest.hexdigest()[:16]}"
        return facts

    def vectors(
        self, collection: Collection, role: Role, rows: NDArray[np.uint32] | None, engine: Engine
    ) -> NDArray[np.float32]:
        """Vectors (n, d) float32 of the given rows; a memory map if all rows of a float32 file are asked for.

        Raises:
            DataError: there are more or fewer vectors than texts, or ``unit="cos"`` and rows have another length.
        """
        side = self._open(role)
        frame, what = (collection.queries, "queries") if role == "query" else (collection.corpus, "documents")
        if len(side) != frame.height:
            raise DataError(
                f"{len(side):,} {role} vectors were given for {frame.height:,} {what}; row i must belong to row i of "
                "the collection, after empty texts were left out"
            )
        chosen = side if rows is None else side[rows]
        if self.unit == "cos":
            _check_lengths(chosen, role)
        with np.errstate(over="ignore"):
            return np.asarray(chosen, dtype=np.float32)

    def _open(self, role: Role) -> NDArray[np.floating]:
        given = self.queries if role == "query" else self.documents
        side = _load(Path(given), role) if isinstance(given, str | Path) else given
        if side.ndim != 2 or side.dtype.kind != "f":
            raise DataError(
                f"{role} vectors have shape {side.shape} and type {side.dtype}; a row of floats per {role} is needed"
            )
        return side

    def _key(self) -> tuple[object, ...]:
        sides = (self.queries, self.documents)
        return (*(str(s) if isinstance(s, str | Path) else id(s) for s in sides), self.unit)


def _load(path: Path, role: Role) -> NDArray[np.floating]:
    if not path.is_file():
        raise DataError(f"{path} does not exist; {role} vectors are read from a .npy file (numpy.save)")
    try:
        side: NDArray[np.floating] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError) as error:
        raise DataError(f"{path} is not a .npy file with a plain array ({error}); write it with numpy.save") from error
    return side


def _check_lengths(side: NDArray[np.floating], role: Role) -> None:
    bad, worst = 0, 1.0
    for start in range(0, len(side), STEP):
        part = np.asarray(side[start : start + STEP], dtype=np.float32)
        length = np.sqrt(np.einsum("ij,ij->i", part, part))
        off = np.where(length > 0, np.abs(length - 1), 0)
        bad += int((off > 1e-3).sum())
        if off.size and off.max() > abs(worst - 1):
            worst = float(length[off.argmax()])
    if bad:
        raise DataError(
            f"{bad:,} of {len(side):,} {role} vectors do not have length 1 (for instance {worst:.4g}); "
            'scale them to length 1, or say unit="dot"'
        )
