"""Paired comparison of models: intervals, tests, and what a set of queries can detect at all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from foils.errors import DataError, RecipeError

Test = Literal["permutation", "t"]
Floats = NDArray[np.float64]

EXACT = 14  # queries up to which all sign flips are tried: 2^14 of them
CHUNK = 4_000_000  # random numbers drawn at once
BETTER, WORSE, NOISE, FEW = "better", "worse", "noise", "too few queries"
COMPARISON = {
    "system": pl.String,
    "against": pl.String,
    "measure": pl.String,
    "queries": pl.UInt32,
    "mean": pl.Float64,
    "mean_against": pl.Float64,
    "difference": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "p": pl.Float64,
    "p_holm": pl.Float64,
    "detectable": pl.Float64,
    "verdict": pl.String,
}


class Interval(NamedTuple):
    """A mean over queries and its 95 % interval; null where there is no query."""

    mean: float | None
    low: float | None
    high: float | None
    queries: int


def compare(
    systems: Mapping[str, pl.DataFrame],
    pairs: Sequence[tuple[str, str]] | None = None,
    *,
    measures: Sequence[str] | None = None,
    test: Test = "permutation",
    alpha: float = 0.05,
    draws: int = 10_000,
    seed: int = 0,
) -> pl.DataFrame:
    """Compare models query by query: differences, intervals, p values corrected by Holm, and a verdict.

    The pairing is by query; a query that either table lacks, or where the measure is undefined (null or NaN), is left
    out. p is two-sided, from random sign flips of the differences (Fisher; all of them up to 14 queries; Smucker et
    al., CIKM 2007) or the paired t-test, and ``p_holm`` is corrected over all rows of the result (Holm 1979): declare
    the family by ``pairs`` and ``measures``. ``detectable`` is the smallest true difference that this many queries
    with this spread find in 80 % of repetitions at ``alpha``, (t(1 - alpha/2) + t(0.8)) * sd / sqrt(n). A difference
    is ``better`` or ``worse`` only if ``p_holm`` is below ``alpha`` and its size at least ``detectable``; all else is
    ``noise``.

    Fails where labels are missing: a test sees the queries that were drawn, not the labels that were not. Average the
    seeds of a training first (``average``); queries of one seed do not tell how seeds differ.

    Args:
        systems: name to a table of ``measures``.
        pairs: (system, against), the difference is system minus against; null: every later one against the first.
        measures: the columns to compare; null: all that every table has.
        test: ``permutation`` or ``t``.
        alpha: the error rate of the whole family.
        draws: of sign flips, and of the bootstrap over queries that gives ``low`` and ``high``.
        seed: of both.

    Returns:
        A row per pair and measure: ``system``, ``against``, ``measure``, ``queries``, ``mean``, ``mean_against``,
        ``difference``, ``low``, ``high`` (95 %), ``p``, ``p_holm``, ``detectable``, ``verdict``.

    Raises:
        DataError: there are less than two systems, one of a pair is not among them, or a table has a query twice.
        RecipeError: an option is out of its range.

    >>> a = pl.DataFrame({"query_id": ["1", "2", "3"], "AP": [0.5, 0.6, 0.7]})
    >>> b = a.with_columns(pl.col("AP") - 0.1)
    >>> compare({"b": b, "a": a}).select(pl.col("difference").round(3), "p", "verdict").rows()
    [(0.1, 0.25, 'noise')]
    """
    if test not in get_args(Test):
        raise RecipeError(f"test={test!r} is not known; one of {', '.join(get_args(Test))}")
    if not (0 < alpha < 1 and draws >= 1):
        raise RecipeError(f"alpha={alpha:g}, draws={draws}: alpha lies between 0 and 1, draws is at least 1")
    names = list(systems)
    chosen = [(name, names[0]) for name in names[1:]] if pairs is None else list(pairs)
    unknown = sorted({n for pair in chosen for n in pair} - set(names))
    if not chosen or unknown:
        wrong = f"{', '.join(unknown)} is not among them" if unknown else "two are needed"
        raise DataError(f"nothing to compare: the systems are {', '.join(names) or 'none'}; {wrong}")
    shared = [c for c in systems[names[0]].columns if c != "query_id" and all(c in t.columns for t in systems.values())]
    rows: list[dict[str, Any]] = []
    for system, against in chosen:
        both = _paired(systems, system, against)
        for measure in shared if measures is None else measures:
            if any(measure not in systems[n].columns for n in (system, against)):
                raise DataError(f"{system} or {against} has no measure {measure!r}; shared are {', '.join(shared)}")
            values = both.select(a=measure, b=f"{measure} against").cast(pl.Float64)
            known = values.fill_nan(None).drop_nulls()
            row = _one(known["a"].to_numpy(), known["b"].to_numpy(), test, alpha, draws, seed)
            rows.append({"system": system, "against": against, "measure": measure, **row})
    corrected = holm([row["p"] for row in rows])
    for row, p in zip(rows, corrected, strict=True):
        row |= {"p_holm": p, "verdict": _verdict(row["difference"], p, row["detectable"], alpha)}
    return pl.DataFrame(rows, schema=COMPARISON)


def interval(values: ArrayLike, *, draws: int = 2_000, seed: int = 0) -> Interval:
    """The mean over queries with its 95 % percentile bootstrap interval; nulls and NaN are left out.

    >>> interval([0.5, 0.5, 0.5])
    Interval(mean=0.5, low=0.5, high=0.5, queries=3)
    """
    given = np.asarray(values, dtype=np.float64)
    known = given[~np.isnan(given)]
    if not known.size:
        return Interval(None, None, None, 0)
    rng = np.random.default_rng(seed)
    means = [known[rng.integers(0, known.size, (n, known.size))].mean(axis=1) for n in _chunks(draws, known.size)]
    low, high = np.quantile(np.concatenate(means), (0.025, 0.975))
    return Interval(float(known.mean()), float(low), float(high), known.size)


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction (1979): the i-th smallest of m times m - i + 1, never falling; nulls do not count.

    >>> holm([0.01, 0.04, 0.03, None])
    [0.03, 0.06, 0.06, None]
    """
    known = sorted((value, place) for place, value in enumerate(p) if value is not None)
    corrected: list[float | None] = [None] * len(p)
    last = 0.0
    for i, (value, place) in enumerate(known):
        last = min(1.0, max(last, value * (len(known) - i)))
        corrected[place] = last
    return corrected


def sign_flip(differences: Floats, *, draws: int = 10_000, seed: int = 0) -> float:
    """Two-sided p of a mean difference under random signs; exact up to 14 queries, else (1 + hits) / (1 + draws).

    >>> sign_flip(np.array([1.0, 1.0, 1.0, 1.0]))
    0.125
    """
    n = differences.size
    # Sums that are equal on paper may differ in the last bits.
    seen = abs(differences.sum()) - 1e-9 * np.abs(differences).sum()
    if n <= EXACT:
        signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        return float((np.abs(signs @ differences) >= seen).mean())
    rng, hits = np.random.default_rng(seed), 0
    for size in _chunks(draws, n):
        signs = 1 - 2 * rng.integers(0, 2, (size, n), dtype=np.int8)
        hits += int((np.abs(signs.astype(np.float64) @ differences) >= seen).sum())
    return (1 + hits) / (1 + draws)


def detectable(differences: Floats, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """The smallest true mean difference that a paired t-test of this size and spread finds with this power.

    Null below two queries. Zero spread detects anything.
    """
    n = differences.size
    if n < 2:
        return None
    from scipy.stats import t

    error = float(differences.std(ddof=1)) / math.sqrt(n)
    return float(t.ppf(1 - alpha / 2, n - 1) + t.ppf(power, n - 1)) * error


def _paired(systems: Mapping[str, pl.DataFrame], system: str, against: str) -> pl.DataFrame:
    for name in (system, against):
        queries = systems[name]["query_id"]
        if queries.is_duplicated().any():
            twice = queries.filter(queries.is_duplicated())[0]
            raise DataError(f"{name} has the query {twice!r} more than once; take the mean of repetitions with average")
    return systems[system].join(systems[against], on="query_id", suffix=" against").sort("query_id")


def _one(a: Floats, b: Floats, test: Test, alpha: float, draws: int, seed: int) -> dict[str, Any]:
    differences = a - b
    seen = interval(differences, draws=draws, seed=seed)
    p = None
    if differences.size >= 2:
        p = sign_flip(differences, draws=draws, seed=seed) if test == "permutation" else _paired_t(differences)
    return {
        "queries": seen.queries,
        "mean": float(a.mean()) if a.size else None,
        "mean_against": float(b.mean()) if b.size else None,
        "difference": seen.mean,
        "low": seen.low,
        "high": seen.high,
        "p": p,
        "detectable": detectable(differences, alpha),
    }


def _paired_t(differences: Floats) -> float:
    from scipy.stats import t

    error = float(differences.std(ddof=1)) / math.sqrt(differences.size)
    mean = float(differences.mean())
    if error <= 1e-12 * abs(mean) or error == 0:
        return 0.0 if mean else 1.0
    return float(2 * t.sf(abs(mean) / error, differences.size - 1))


def _verdict(difference: float | None, p: float | None, least: float | None, alpha: float) -> str:
    if difference is None or p is None or least is None:
        return FEW
    if p >= alpha or abs(difference) < least:
        return NOISE
    return BETTER if difference > 0 else WORSE


def _chunks(draws: int, n: int) -> list[int]:
    size = max(1, min(draws, CHUNK // max(n, 1)))
    return [size] * (draws // size) + ([draws % size] if draws % size else [])
