"""The loop behind ``within_risk``: per query, the hardest rows whose mean probability stays within the risk."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

ROUNDS = 50


def hardest(
    starts: NDArray[np.int64], p: NDArray[np.float64], hardness: NDArray[np.float64], n: int, risk: float
) -> NDArray[np.bool_]:
    """The rows taken, see ``within_risk``.

    Args:
        starts: (Q + 1,) where the rows of each query begin, and the end.
        p: (m,) probabilities; NaN: the row is out.
        hardness: (m,) finite wherever p is.
        n: rows per query at most.
        risk: the largest mean of p.
    """
    taken = np.zeros(len(p), dtype=np.bool_)
    _hardest(starts, p, hardness, n, risk, taken)
    return taken


@numba.njit(cache=True, parallel=True, nogil=True)
def _hardest(starts, p, hardness, n, risk, taken):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for group in numba.prange(len(starts) - 1):
        first, last = starts[group], starts[group + 1]
        rows = first + np.flatnonzero(~np.isnan(p[first:last]))
        q, z = p[rows], hardness[rows]
        least = np.argsort(q, kind="mergesort")
        count, mass = 0, 0.0
        while count < min(n, len(rows)) and mass + q[least[count]] <= risk * (count + 1) + 1e-9:
            mass += q[least[count]]
            count += 1
        if count:
            for i in _cheapest(q, z, least, count, risk):
                taken[rows[i]] = True


@numba.njit(cache=True, nogil=True)
def _cheapest(q, z, least, count, risk):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """The top of z - price * q at the least price that meets the risk; at no price, the least q."""
    spread = z.max() - z.min()
    z = (z - z.min()) / spread if spread > 0 else np.zeros(len(z))
    best, low, high, met = least[:count], 0.0, 0.0, False
    for _ in range(ROUNDS):
        price = (low + high) / 2 if met else high
        top = np.argsort(-(z - price * q), kind="mergesort")[:count]
        good = q[top].sum() <= risk * count + 1e-9
        if good:
            best, high, met = top, price, True
            if price == 0.0:
                break
        elif met:
            low = price
        else:
            low, high = price, 4 * price + 1.0
    return best
