"""How probably a candidate is a false negative, against how hard it is, and what another risk would cost."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.explain import NOT_DRAWN
from foils.pairs import Pairs
from foils.report.charts import figure, legend
from foils.report.markup import code, table
from foils.report.options import cut
from foils.report.plots import Cell, Price, cells, front
from foils.risk.choose import standardised
from foils.show import count, number, plural

Floats = NDArray[np.float64]

QUERIES = 5_000  # that are looked at, evenly spread; more would not change a digit
EDGES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)
WIDE = 0.5  # of a cell, in standard deviations
ENDS = (-2.0, 6.0)


class Sample(NamedTuple):
    """Candidates of some queries.

    Args:
        query: (m,) ascending.
        p: (m,) probability of being relevant; NaN: none.
        hard: (m,) the larger the harder.
        free: (m,) the sampler could choose it, so that the price of the run's own risk is what the run paid.
        selected: (m,) it did.
        queries: how many there are.
        of: how many the run has.
    """

    query: NDArray[np.uint32]
    p: Floats
    hard: Floats
    free: NDArray[np.bool_]
    selected: NDArray[np.bool_]
    queries: int
    of: int


def likely(pairs: Pairs, n: int, score: str | None, recipe: str) -> str:
    """Both charts; empty where no candidate has a probability.

    Args:
        pairs: the finished table.
        n: negatives wanted per query.
        score: what makes a candidate hard; null: its best rank.
        recipe: as TOML text; it says where candidates were cut.
    """
    part = _sample(pairs, score)
    if not np.isfinite(part.p).any():
        return ""
    by = code(score) if score else "its best rank"
    body = _cells(part, by, *cut(recipe)) + _front(part, n, by)
    return f'<div class="figures">{body}</div>'


def _sample(pairs: Pairs, score: str | None) -> Sample:
    queries = pairs.queries
    step = max(1, -(-len(queries) // QUERIES))
    hard: Any = pl.col(score) if score else -pairs.best_rank
    some = pl.col("query").is_in(pl.Series(queries[::step]).implode())
    chosen = pairs.frame.lazy().filter(some & ~pl.col("positive") & pl.col("kind").is_null())
    part = chosen.select(
        "query",
        p=pl.col("p_relevant").cast(pl.Float64).fill_null(float("nan")),
        hard=hard.cast(pl.Float64).fill_null(float("nan")),
        free=pairs.live | (pl.col("dropped").cast(pl.String) == NOT_DRAWN).fill_null(value=False),
        selected=pairs.live,
    ).collect()
    query, p, hard_, free, chosen_ = (part[c].to_numpy() for c in ("query", "p", "hard", "free", "selected"))
    return Sample(query, p, hard_, free, chosen_, len(queries[::step]), len(queries))


def _cells(part: Sample, by: str, dropped: float | None, step: str) -> str:
    z = standardised(part.query, part.hard)
    there = np.isfinite(z) & np.isfinite(part.p)
    across = np.floor(np.clip(z[there], *ENDS) / WIDE).astype(np.int64)
    up = np.clip(np.searchsorted(EDGES, part.p[there], "right") - 1, 0, len(EDGES) - 2)
    table_ = pl.DataFrame({"x": across, "y": up, "chosen": part.selected[there]})
    binned = table_.group_by("x", "y").agg(pl.len(), pl.col("chosen").sum()).sort("x", "y")
    found = [Cell((x + 0.5) * WIDE, y, n, taken) for x, y, n, taken in binned.iter_rows()]
    ticks = [f"{100 * e:g}%" for e in EDGES]
    # Where between its neighbours the cut stands on an axis whose bins are not of one width.
    at = None if dropped is None or not 0 < dropped <= 1 else float(np.interp(dropped, EDGES, range(len(EDGES))))
    told = "" if dropped is None else f"{step} drops from {100 * dropped:g}% on"
    svg = cells(found, ticks, at, told, x="hardness, standard deviations")
    rows = [
        [f"{number(c.x - WIDE / 2)} to {number(c.x + WIDE / 2)}", f"{ticks[int(c.y)]} to {ticks[int(c.y) + 1]}",
         count(c.found), count(c.selected)]
        for c in found
    ]  # fmt: skip
    data = table(["hardness", "#probability", "#candidates", "#selected"], rows)
    keys = legend([("left", "all candidates"), ("selected", "selected negatives")])
    few = "" if part.queries == part.of else f" Of {plural(part.queries, 'query', 'queries')}, evenly spread."
    note = f"Hardness is {by}, standardised among the candidates of a query. A larger circle holds more pairs.{few}"
    return figure("likely-cells", "Probability against hardness", svg + keys, note, data)


def _front(part: Sample, n: int, by: str) -> str:
    from foils.risk.price import prices

    p = np.where(part.free, part.p, np.nan)
    told = prices(part.query, p, part.hard, n)
    z = standardised(part.query, np.where(np.isfinite(p), part.hard, np.nan))
    chosen = part.selected & np.isfinite(z) & np.isfinite(p)
    points = [
        Price(f"{100 * r['risk']:g}%", r["hardness"], r["expected"], chosen=False)
        for r in told.iter_rows(named=True)
        if r["expected"] is not None
    ]
    if chosen.any():
        points.append(Price("this run", float(z[chosen].mean()), float(p[chosen].mean()), chosen=True))
    if not points:
        return ""
    rows = [
        [
            f"{100 * r['risk']:g}%",
            "–" if r["expected"] is None else f"{100 * r['expected']:.1f}%",
            "–" if r["hardness"] is None else number(r["hardness"]),
            number(r["per_query"]),
            f"{100 * r['kept']:.0f}%",
        ]
        for r in told.iter_rows(named=True)
    ]
    header = ["risk", "#estimated false", "#hardness", "#negatives per query", "#queries with any"]
    note = (
        "Each grey dot: the hardest selection within that risk, from the candidates that passed every rule. "
        "Choose another with <code>--risk</code>."
    )
    svg = front(points, x="mean hardness of the negatives")
    return figure("likely-front", "What another risk would cost", svg, note, table(header, rows))
