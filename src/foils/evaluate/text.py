"""An evaluation as tables of words: a header and rows."""

from __future__ import annotations

import polars as pl

from foils.evaluate.curve import agreement
from foils.evaluate.result import Evaluation
from foils.show import MINUS, share

Table = tuple[list[str], list[list[str]]]
NONE = "\N{EN DASH}"


def means(result: Evaluation) -> Table:
    """A row per measure, a column per system: mean [95 % interval]."""
    systems = list(result.values)
    rows = []
    for measure in result.summary["measure"].unique(maintain_order=True):
        cells, most = [], 0
        for system in systems:
            row = result.summary.filter((pl.col("system") == system) & (pl.col("measure") == measure)).to_dicts()[0]
            most = max(most, row["queries"])
            cells.append(cell(measure, row["mean"], row["low"], row["high"]))
        rows.append([measure, *cells, f"{most:,}"])
    return ["measure", *systems, "queries"], rows


def differences(result: Evaluation) -> list[tuple[str, Table]]:
    """Per pair of systems a title, and a row per measure; empty if nothing was compared."""
    found = []
    header = ["measure", "difference", "p", "p Holm", "detectable", "verdict"]
    for (against,), part in result.comparisons.group_by("against", maintain_order=True):
        rows = [
            [
                row["measure"],
                f"{value(row['difference'], sign=True)} {_range(row['low'], row['high'], sign=True)}",
                probability(row["p"]),
                probability(row["p_holm"]),
                value(row["detectable"]),
                row["verdict"] + ("" if row["safe"] else ", unsafe"),
            ]
            for row in part.to_dicts()
        ]
        found.append((f"{part['system'][0]} {MINUS} {against}", (header, rows)))
    return found


def curve(result: Evaluation) -> Table | None:
    """A row per measure and share of labels kept; null if there is no curve."""
    if result.curve is None:
        return None
    systems = list(result.values)
    grouped = result.curve.group_by("measure", "share", "system")
    spread = grouped.agg(mean=pl.col("value").mean(), low=pl.col("value").min(), high=pl.col("value").max())
    cells = {
        (measure, part, system): f"{value(mean)} {_range(low, high)}"
        for measure, part, system, mean, low, high in spread.iter_rows()
    }
    rows = []
    for measure, part, _, kept in agreement(result.curve).iter_rows():
        last = [] if len(systems) < 2 else [NONE if kept is None else share(kept, 1)]
        rows.append([measure, share(part, 1), *(cells[measure, part, s] for s in systems), *last])
    return ["measure", "labels kept", *systems, *(["order stays"] if len(systems) > 1 else [])], rows


def cell(measure: str, mean: float | None, low: float | None, high: float | None) -> str:
    """A mean and its interval."""
    if measure.startswith("Judged"):
        return NONE if mean is None else share(mean, 1)
    return f"{value(mean)} {_range(low, high)}"


def value(number: float | None, *, sign: bool = False) -> str:
    """Three decimals, so that columns line up.

    >>> value(0.51234), value(-0.02, sign=True), value(None)
    ('0.512', '−0.020', '–')
    """
    if number is None:
        return NONE
    return f"{number:{'+' if sign else ''}.3f}".replace("-", MINUS)


def probability(p: float | None) -> str:
    """A p value; never 0.

    >>> probability(0.00001), probability(0.034), probability(1.0)
    ('<.001', '.034', '1')
    """
    if p is None:
        return NONE
    if p < 0.001:
        return "<.001"
    return "1" if p >= 0.9995 else f"{p:.3f}".removeprefix("0")


def _range(low: float | None, high: float | None, *, sign: bool = False) -> str:
    if low is None or high is None:
        return ""
    return f"[{value(low, sign=sign)}, {value(high, sign=sign)}]"
