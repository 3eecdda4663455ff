"""What a risk costs: a table from which a person can choose one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.risk.choose import standardised, within_risk
from foils.risk.estimate import hajek

Floats = NDArray[np.float64]

RISKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)


def prices(
    query: NDArray[np.uint32],
    p: Floats,
    hardness: Floats,
    n: int,
    risks: Sequence[float] = RISKS,
    *,
    choose: Callable[[float], NDArray[np.bool_]] | None = None,
    judged: tuple[NDArray[np.uint32], Floats, Floats] | None = None,
    confidence: float = 0.95,
) -> pl.DataFrame:
    """One row per risk: what is selected, how hard it is, how many of it are expected to be false.

    ``risk``; ``expected`` (mean p of the selected); ``rate``, ``low``, ``high`` and ``verdicts`` (from the judged rows
    that are in the selection; null without any); ``hardness`` (mean z of the selected among their query's candidates);
    ``per_query`` (negatives per query) and ``kept`` (share of queries with any). Intervals of different rows rest on
    the same verdicts: choose a risk first, then judge anew where the rate must be proven.

    Args:
        query: (m,) ascending.
        p: (m,) probability of being relevant.
        hardness: (m,) the larger the harder.
        n: negatives per query at most.
        risks: one row for each.
        choose: risk to selection; none: ``within_risk``.
        judged: rows of a random sample, their verdicts, and the chance with which each was drawn.
        confidence: of the intervals.
    """
    z = standardised(query, np.where(np.isfinite(p), hardness, np.nan))
    queries = len(np.unique(query))
    table = []
    for risk in risks:
        rows = choose(risk) if choose else within_risk(query, p, hardness, n, risk)
        total = int(rows.sum())
        line: dict[str, float | int | None] = {
            "risk": risk,
            "expected": float(p[rows].mean()) if total else None,
            "rate": None,
            "low": None,
            "high": None,
            "verdicts": 0,
            "hardness": float(z[rows].mean()) if total else None,
            "per_query": total / max(queries, 1),
            "kept": len(np.unique(query[rows])) / max(queries, 1),
        }
        inside = rows[judged[0]] if judged else np.zeros(0, dtype=np.bool_)
        if judged and inside.any():
            found = hajek(judged[1][inside], judged[2][inside], confidence)
            line |= {"rate": found.rate, "low": found.low, "high": found.high, "verdicts": found.n}
        table.append(line)
    types = {"verdicts": pl.Int64()}
    columns = ("risk", "expected", "rate", "low", "high", "verdicts", "hardness", "per_query", "kept")
    return pl.DataFrame(table, schema={c: types.get(c, pl.Float64()) for c in columns})
