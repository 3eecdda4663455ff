"""Low-precision products with a proven error bound: the fast half of the exact search."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from foils.errors import MissingExtra, RecipeError

Precision = Literal["auto", "float32", "float16", "bfloat16", "int8"]
Chosen = Literal["float32", "float16", "bfloat16", "int8"]

CHOICES: tuple[Chosen, ...] = ("float32", "float16", "bfloat16", "int8")
SMALL = 1e11  # operations; below this, about a second in float32, loading torch costs more than it saves

# Unit roundoff of the rows, and of the products as they are returned; float32 is covered by the sum's own bound.
ROWS = {"float32": 0.0, "float16": 2.0**-11, "bfloat16": 2.0**-9, "int8": 0.0}
PRODUCTS = {"float32": 0.0, "float16": 2.0**-10, "bfloat16": 2.0**-7, "int8": 0.0}
# What a coarser first pass costs on top of its products, because more has to be scored again.
AGAIN = {"float32": 1.0, "float16": 1.0, "bfloat16": 1.1, "int8": 1.3}


@dataclass(frozen=True, eq=False)
class Codes:
    """Rows of vectors in a low precision.

    Args:
        rows: (n, d) as given, float32.
        values: (n, d) array or tensor; a row is about ``scale * values``.
        scale: (n,).
        norm: (n,) length of each row, rounded up.
        error: (n,) length of what ``scale * values`` misses, rounded up.
    """

    rows: NDArray[np.float32]
    values: Any
    scale: NDArray[np.float32]
    norm: NDArray[np.float64]
    error: NDArray[np.float64]


def encode(rows: NDArray[np.float32], precision: Chosen) -> Codes:
    """Bring rows (n, d) into a precision; ``norm`` is not finite where a row is not."""
    from foils.sources import scan

    n, d = rows.shape
    norm, error, scale = np.empty(n), np.zeros(n), np.empty(n, dtype=np.float32)
    scan.norms(rows, norm)
    if precision == "int8":
        import torch

        # torch 2.13 multiplies int8 wrongly if there is one dimension only: a second, of zeros, helps.
        codes, top = np.zeros((n, max(d, 2)), dtype=np.int8), np.empty(n, dtype=np.int32)
        scan.largest(rows.view(np.int32), top)
        np.maximum(top.view(np.float32) / np.float32(127), np.float32(1.2e-38), out=scale)
        scan.to_int8(rows, scale, codes, error)
        return Codes(rows, torch.from_numpy(codes), scale, norm * (1 + 1e-9), error * (1 + 1e-9))
    if precision == "float32" and ((norm > 2.0**-20) & (norm < 2.0**20)).all():
        # The search is then faster by a copy, and what is scored exactly is still in the cache.
        scale[:] = 1
        return Codes(rows, rows, scale, norm * (1 + 1e-9), error)
    # Scaled to a length in [1, 2): no product overflows, and none is too small for the precision.
    exponent = np.frexp(np.where(np.isfinite(norm), norm, 0.0))[1] - 1
    scale[:] = np.ldexp(1.0, np.clip(exponent, -126, 127))
    values = np.empty((n, d), dtype=np.float32)
    scan.scaled(rows, scale, values)
    norm = np.maximum(norm * (1 + 1e-9), scale)
    error = norm * (ROWS[precision] + np.sqrt(d) * 2.0**-24) if ROWS[precision] else error
    return Codes(rows, _lowered(values, precision), scale, norm, error)


def margins(queries: Codes, precision: Chosen) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What a product may be off by, per unit of a document's ``norm`` and of its ``error``: two arrays (n,).

    With q = q' + r and d = d' + s (primes: as coded), |q.d - q'.d'| <= |r||d| + |q'||s| by Cauchy-Schwarz, and the
    computed q'.d' is off by at most c|q'||d'|, where |q'| <= |q| + |r| and |d'| <= |d| + |s|.
    """
    d = queries.rows.shape[1]
    # The worst case of summing d products in float32 is d * 2^-24; twice that covers the scan's own arithmetic.
    off = (d + 32) * 2.0**-23 + PRODUCTS[precision]
    length = queries.norm + queries.error
    return queries.error + off * length, (1 + off) * length


def multiply(queries: Codes, documents: Codes, precision: Chosen, buffer: NDArray[Any]) -> NDArray[Any]:
    """Products (B, T) of coded rows, in the front of ``buffer``; int32 for int8, else float32."""
    shape = (queries.scale.size, documents.scale.size)
    out = buffer[: shape[0] * shape[1]].reshape(shape)
    if precision == "float32" and _numpy_multiplies():
        np.matmul(queries.values, documents.values.T, out=out)
        return out
    import torch

    if precision == "float32":
        torch.mm(_shared(queries.values), _shared(documents.values).T, out=torch.from_numpy(out))
        return out

    if precision == "int8":
        torch._int_mm(queries.values, documents.values.T, out=torch.from_numpy(out))
    else:
        torch.from_numpy(out).copy_(torch.mm(queries.values, documents.values.T))
    return out


def buffer_for(precision: Chosen, size: int) -> NDArray[Any]:
    """Room for ``size`` products."""
    return np.empty(size, dtype=np.int32 if precision == "int8" else np.float32)


def choose(precision: Precision, operations: float) -> Chosen:
    """The precision to use: the one asked for, or for ``auto`` the fastest on this machine.

    Args:
        precision: as asked for.
        operations: 2 x queries x documents x dimensions.

    Raises:
        RecipeError: there is no such precision, or this machine's products break its error bound.
        MissingExtra: it needs torch.
    """
    if precision == "auto":
        has_torch = importlib.util.find_spec("torch") is not None
        return fastest() if has_torch and operations >= SMALL else "float32"
    if precision not in CHOICES:
        raise RecipeError(f"precision={precision!r} is not known; one of auto, {', '.join(CHOICES)}")
    if precision != "float32" and importlib.util.find_spec("torch") is None:
        raise MissingExtra("torch", "models", f"precision={precision!r}")
    if probe(precision) == np.inf:
        raise RecipeError(f"precision={precision!r} does not keep its error bound on this machine; use 'float32'")
    return precision


@contextmanager
def workers(precision: Chosen, n: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that each multiply alone: then products are scanned while they are still in the core's cache."""
    if precision == "float32" and _numpy_multiplies():
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(n) as pool:
            yield pool
        return
    import torch

    before = torch.get_num_threads()
    with ThreadPoolExecutor(n, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            yield pool
        finally:
            torch.set_num_threads(before)


def _numpy_multiplies() -> bool:
    # Loading torch for its BLAS alone is not worth it.
    return "torch" not in sys.modules or _numpy_is_faster()


@cache
def _numpy_is_faster() -> bool:
    """Which of the two BLAS libraries is the faster on this machine: one was 1.2 times on Intel, the other on AMD."""
    import torch
    from threadpoolctl import threadpool_limits

    draw = np.random.default_rng(0)
    a, b = (draw.standard_normal((512, 384), dtype=np.float32) for _ in range(2))
    left, right, out = torch.from_numpy(a), torch.from_numpy(b).T, np.empty((512, 512), dtype=np.float32)

    def seconds(_: int) -> tuple[float, float]:
        start = time.thread_time()
        np.matmul(a, b.T, out=out)
        middle = time.thread_time()
        torch.mm(left, right, out=torch.from_numpy(out))
        return middle - start, time.thread_time() - middle

    before = torch.get_num_threads()
    with threadpool_limits(1), ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        taken = np.array(list(pool.map(seconds, range(7))))
    torch.set_num_threads(before)
    return bool(taken[:, 0].min() < taken[:, 1].min())


@cache
def fastest() -> Chosen:
    """The fastest precision of this machine, measured once per process in less than a second."""
    return min(CHOICES, key=lambda precision: probe(precision) * AGAIN[precision])


@cache
def probe(precision: Chosen) -> float:
    """Seconds that a core takes to multiply a small tile, infinite where a product is outside its error bound."""
    draw = np.random.default_rng(0)
    queries, documents = (draw.standard_normal((n, 384), dtype=np.float32) for n in (256, 1024))
    coded, tile = encode(queries, precision), encode(documents, precision)
    buffer = buffer_for(precision, 256 * 1024)
    try:
        products = multiply(coded, tile, precision, buffer)
    except (RuntimeError, AttributeError):  # torch says so if a type has no kernel on this machine or in this version
        return np.inf
    found = products.astype(np.float64) * coded.scale[:, None] * tile.scale
    by_norm, by_error = margins(coded, precision)
    bound = by_norm[:, None] * tile.norm + by_error[:, None] * tile.error
    if not (np.abs(found - queries.astype(np.float64) @ documents.T.astype(np.float64)) <= bound).all():
        return np.inf
    with workers(precision, 1) as pool:
        return min(pool.map(lambda _: _seconds(coded, tile, precision, buffer), range(5)))


def _seconds(queries: Codes, documents: Codes, precision: Chosen, buffer: NDArray[Any]) -> float:
    # Processor time, so that a busy machine does not decide.
    start = time.thread_time()
    multiply(queries, documents, precision, buffer)
    return time.thread_time() - start


def _lowered(values: NDArray[np.float32], precision: Chosen) -> Any:
    if precision == "float32":
        return values
    import torch

    return torch.from_numpy(values).to({"float16": torch.float16, "bfloat16": torch.bfloat16}[precision])


def _shared(values: NDArray[Any]) -> Any:
    """A tensor on the memory of an array; also of a memory map that may only be read, as nothing writes to it."""
    import torch

    if values.flags.writeable:
        return torch.from_numpy(values)

    class View:
        __array_interface__ = values.__array_interface__ | {"data": (values.ctypes.data, False)}

    return torch.from_numpy(np.asarray(View()))
