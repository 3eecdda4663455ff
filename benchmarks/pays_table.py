"""The table of pays.py: seeds averaged per query, collections averaged, one method against every other."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import t

from foils.evaluate.paired import compare, holm

Floats = NDArray[np.float64]


class Macro(NamedTuple):
    """A difference averaged over collections, with the two-sided p of a stratified t-test."""

    difference: float
    p: float
    detectable: float


def macro(parts: list[Floats]) -> Macro:
    """The mean over collections of the mean paired difference over queries.

    Queries are drawn within collections, so the variance is the sum of s^2 / n over C^2 (stratified sampling); degrees
    of freedom by Welch and Satterthwaite. ``detectable``: the difference found in 80 % of repetitions at 5 %.
    """
    size = len(parts)
    shares = np.array([p.var(ddof=1) / len(p) for p in parts]) / size**2
    mean, error = float(np.mean([p.mean() for p in parts])), math.sqrt(float(shares.sum()))
    if error == 0:
        return Macro(mean, 0.0 if mean else 1.0, 0.0)
    free = shares.sum() ** 2 / sum(s**2 / (len(p) - 1) for s, p in zip(shares, parts, strict=True))
    detectable = float(t.ppf(0.975, free) + t.ppf(0.8, free)) * error
    return Macro(mean, float(2 * t.sf(abs(mean) / error, free)), detectable)


def values(cells: list[dict[str, Any]], together: bool = False) -> pl.DataFrame:
    """``world``, ``query_id``, ``method``, ``v``: the mean over seeds, and over labels if taken together."""
    named = [(c, c["collection"] if together else _world(c)) for c in cells]
    rows = [
        {"world": world, "query_id": f"{world}/{q}", "method": c["method"], "v": v}
        for c, world in named
        for q, v in c["ndcg"].items()
    ]
    return pl.DataFrame(rows).group_by("world", "query_id", "method").agg(pl.col("v").mean()).sort("query_id")


def _world(cell: dict[str, Any]) -> str:
    return cell["collection"] if cell["labels"] == "1" else f"{cell['collection']}, {cell['labels']}"


def table(cells: list[dict[str, Any]], methods: list[str], main: str, together: bool = False) -> str:
    """Means, what is in the training sets, and ``main`` against every other method, Holm over all of them."""
    frame = values(cells, together)
    worlds = frame["world"].unique(maintain_order=True).to_list()
    systems = {m: frame.filter(pl.col("method") == m) for m in methods}
    others = [m for m in methods if m != main and systems[m].height]
    pooled, averaged = {}, {}
    if others:
        tables = {m: systems[m].select("query_id", nDCG="v") for m in (main, *others)}
        rows = compare(tables, [(main, m) for m in others], test="t").iter_rows(named=True)
        pooled = {r["against"]: r for r in rows}
        averaged = {m: macro(_differences(systems[main], systems[m], worlds)) for m in others}
    corrected = dict(zip(averaged, holm([a.p for a in averaged.values()]), strict=True))
    lines = [
        f"| method | {' | '.join(worlds)} | mean | false % | found (right) | {main} - method, mean | p (Holm) "
        "| all queries | p (Holm) |",
        "|---" * (len(worlds) + 8) + "|",
    ]
    for method in methods:
        ours = [c for c in cells if c["method"] == method]
        if not ours:
            continue
        means = [float(v.mean()) for w in worlds if (v := systems[method].filter(pl.col("world") == w)["v"]).len()]
        shown = " | ".join(f"{m:.4f}" for m in means) if len(means) == len(worlds) else " | ".join("-" for _ in worlds)
        gain = "- | - | - | -"
        if method in averaged:
            a, p = averaged[method], pooled[method]
            gain = f"{a.difference:+.4f} | {corrected[method]:.3g} | {p['difference']:+.4f} | {p['p_holm']:.3g}"
        lines.append(f"| {method} | {shown} | {np.mean(means):.4f} | {_told(ours)} | {gain} |")
    least = max((a.detectable for a in averaged.values()), default=0.0)
    counts = ", ".join(f"{w} {systems[main].filter(pl.col('world') == w).height}" for w in worlds)
    lines += ["", f"test queries: {counts}; found in 80 % of repetitions: differences of the mean up to {least:.4f}"]
    return "\n".join(lines + _short(cells, methods))


def _short(cells: list[dict[str, Any]], methods: list[str]) -> list[str]:
    """A line for every method that did not always have as many negatives as the others."""
    rows = {m: [c.get("per_row", 0.0) for c in cells if c["method"] == m] for m in methods}
    most = max((n for found in rows.values() for n in found), default=0.0)
    return [
        f"{m}: {np.mean(found):.2f} negatives a row, none in {found.count(0.0)} of {len(found)} trainings"
        for m, found in rows.items()
        if found and max(found) > 0 and min(found) < most
    ]


def _differences(one: pl.DataFrame, other: pl.DataFrame, worlds: list[str]) -> list[Floats]:
    both = one.join(other, on=["world", "query_id"], suffix="_other")
    parts = [both.filter(pl.col("world") == w).select(pl.col("v") - pl.col("v_other")).to_series() for w in worlds]
    return [p.to_numpy() for p in parts if p.len() > 1]


def _told(cells: list[dict[str, Any]]) -> str:
    false = [c["false"] for c in cells if c.get("per_row")]
    found = [c["promoted"] for c in cells if "promoted" in c]
    right = [c["promoted_right"] for c in cells if "promoted" in c]
    share = f"{100 * float(np.mean(false)):.1f}" if false else "-"
    promoted = f"{np.mean(found):.0f} ({100 * sum(right) / max(1, sum(found)):.0f} %)" if found else "-"
    return f"{share} | {promoted}"
