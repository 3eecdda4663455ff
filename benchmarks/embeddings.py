"""Random unit vectors that behave like embeddings of texts, and what a search over them costs in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

GENERATOR = (
    "clustered unit vectors: a common direction, a topic (one per 200 documents, sizes 1 / (10 + rank)) and noise, "
    "all with a spectrum j^-0.25; a query is its positive plus noise of length 0.9, scaled to length 1 "
    "(mean cosines: positive 0.74, 100th best of 200,000 0.32, any 0.04 with deviation 0.07)"
)


class Embeddings(NamedTuple):
    """Vectors (n, d) float32, and the row of each query's positive."""

    queries: NDArray[np.float32]
    documents: NDArray[np.float32]
    positives: NDArray[np.int64]


class Measured(NamedTuple):
    """What a piece of work gave, how long it took, and by how much memory rose above where it started."""

    result: Any
    seconds: float
    extra_bytes: int
    processor_seconds: float


def embeddings(n_queries: int, n_documents: int, dimensions: int, seed: int) -> Embeddings:
    """Draw them; see ``GENERATOR``."""
    draw = np.random.default_rng(seed)
    spectrum = ((1 + np.arange(dimensions)) ** -0.25).astype(np.float32)
    n_topics = max(8, n_documents // 200)
    topics = draw.standard_normal((n_topics, dimensions), dtype=np.float32) * spectrum
    share = 1 / (10 + np.arange(n_topics))
    topic = draw.choice(n_topics, n_documents, p=share / share.sum())
    documents = np.empty((n_documents, dimensions), dtype=np.float32)
    for start in range(0, n_documents, 1 << 16):
        part = topic[start : start + (1 << 16)]
        noise = draw.standard_normal((part.size, dimensions), dtype=np.float32) * spectrum
        documents[start : start + (1 << 16)] = _unit(0.3 * spectrum + 0.75 * topics[part] + noise)
    positives = draw.choice(n_documents, n_queries, replace=n_queries > n_documents)
    noise = _unit(draw.standard_normal((n_queries, dimensions), dtype=np.float32) * spectrum)
    queries = _unit(documents[positives] + np.float32(0.9) * noise)
    return Embeddings(queries, documents, positives)


def save(folder: Path, drawn: Embeddings) -> None:
    """Write three ``.npy`` files."""
    for name, array in drawn._asdict().items():
        np.save(folder / f"{name}.npy", array)


def load(folder: Path) -> Embeddings:
    """Read them into memory."""
    return Embeddings(*(np.load(folder / f"{name}.npy") for name in Embeddings._fields))


def reference(queries: NDArray[np.float32], documents: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """The k best rows (n, k) of each query by float64 scores, ties by the lowest row."""
    best = np.empty((len(queries), 0))
    rows = np.empty((len(queries), 0), dtype=np.int64)
    exact = queries.astype(np.float64)
    for start in range(0, len(documents), 1 << 15):
        part = documents[start : start + (1 << 15)].astype(np.float64)
        best = np.concatenate([best, exact @ part.T], axis=1)
        new = np.broadcast_to(np.arange(start, start + len(part)), (len(queries), len(part)))
        rows = np.concatenate([rows, new], axis=1)
        order = np.argsort(-best, axis=1, kind="stable")[:, :k]
        best, rows = np.take_along_axis(best, order, axis=1), np.take_along_axis(rows, order, axis=1)
    return rows


def measured(work: Callable[[], Any]) -> Measured:
    """Run it once; memory is the peak resident set of this process above the start (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")  # sets the peak back to what is resident now
    before = _status("VmRSS")
    start, used = time.perf_counter(), time.process_time()
    result = work()
    seconds, used = time.perf_counter() - start, time.process_time() - used
    return Measured(result, seconds, _status("VmHWM") - before, used)


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    scaled: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled.astype(np.float32)
