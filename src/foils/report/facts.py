"""The numbers of a report: each a few group-bys over the table, none a loop over its rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.explain import NOT_DRAWN, telling
from foils.ledger import Ledger
from foils.made import MARK, is_made
from foils.outcome import PROMOTED, promoted
from foils.pairs import Pairs
from foils.report.options import wanted

FATES = ("positive", "selected", NOT_DRAWN, "rejected")
STEPS = (1, 2, 2.5, 5, 10)
PART = 1_000_000
HUB, HUB_SHARE = 20, 0.001  # as in foils.audit.hubs
RANKS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)


@dataclass(frozen=True, eq=False)
class Tally:
    """How many pairs there are by fate, by reason and by source.

    Args:
        fates: pairs by ``FATES``.
        reasons: dropped pairs by reason, in the order of the steps.
        sources: their names, without those that found nothing, and without what was made.
        by_source: per source, pairs by ``positive``, ``selected`` and reason.
        alone: per source, pairs that no other source found.
        both: pairs found by source i and by source j.
        kinds: selected negatives by kind, and by how a short row was filled.
        made: selected negatives that were made.
        flows: pairs by the sources that found them (their names, in order) and by what became of them.
    """

    fates: dict[str, int]
    reasons: dict[str, int]
    sources: tuple[str, ...]
    by_source: dict[str, dict[str, int]]
    alone: dict[str, int]
    both: list[list[int]]
    kinds: dict[str, int]
    made: int
    flows: dict[tuple[tuple[str, ...], str], int]

    @property
    def known(self) -> int:
        """Known positives: without those that a judge found, and without twins."""
        return sum(n for (origin, fate), n in self.flows.items() if fate == "positive" and origin != (MARK,))

    @property
    def found(self) -> int:
        """Positives that a source could find: all but twins."""
        return sum(n for (o, fate), n in self.flows.items() if fate in ("positive", PROMOTED) and o != (MARK,))

    @property
    def candidates(self) -> int:
        """Pairs that are no known positive."""
        return self.fates["selected"] + sum(self.reasons.values())


@dataclass(frozen=True, eq=False)
class Histogram:
    """Distribution of one score by fate.

    Args:
        column: the score.
        edges: of the bins, ascending; what lies beyond is counted in the first and last bin.
        counts: per fate, pairs by bin.
        medians: per fate.
    """

    column: str
    edges: list[float]
    counts: dict[str, list[int]]
    medians: dict[str, float]


@dataclass(frozen=True, eq=False)
class Lengths:
    """How many negatives the queries have.

    Args:
        queries: how many were mined.
        target: negatives wanted per query, by the recipe, else the most that any query has.
        short: queries with fewer than that.
        empty: queries with none.
        least: the fewest of any query.
        most: the most of any query.
        histogram: columns ``low``, ``high`` (negatives, both included) and ``queries``.
        shortest: the queries with the fewest: ``query``, ``live`` and the pairs by reason.
    """

    queries: int
    target: int
    short: int
    empty: int
    least: int
    most: int
    histogram: pl.DataFrame
    shortest: pl.DataFrame


@dataclass(frozen=True, eq=False)
class Reuse:
    """How often documents serve as negatives.

    Args:
        documents: how many serve at all.
        uses: how often all of them together.
        histogram: columns ``low``, ``high`` (times, both included) and ``documents``.
        hubs: the most used: ``doc``, ``times``, ``positive_of`` (queries that know it as a positive).
        limit: from how many queries on the audit calls a document a hub.
        often: how many are.
    """

    documents: int
    uses: int
    histogram: pl.DataFrame
    hubs: pl.DataFrame
    limit: int
    often: int


@dataclass(frozen=True)
class Ahead:
    """Selected negatives that score at least as high as positives of their query.

    Args:
        lowest: as its lowest positive.
        every: as each of its positives.
        compared: how many could be compared.
    """

    lowest: int
    every: int
    compared: int


def slim(pairs: Pairs) -> pl.DataFrame:
    """What the group-bys need: ``fate`` (place in ``FATES``), ``found`` (a bit per source), ``bucket`` of best rank.

    ``promoted`` is true for positives that a judge found, ``made`` for typed negatives.
    """
    fate = (
        pl.when("positive").then(0).when(pl.col("dropped").is_null()).then(1)
        .when(pl.col("dropped") == NOT_DRAWN).then(2).otherwise(3)
    )  # fmt: skip
    kind = pl.UInt32 if len(pairs.sources) <= 32 else pl.UInt64
    bits = [pl.col(f"rank.{s}").is_not_null().cast(kind) * (1 << i) for i, s in enumerate(pairs.sources)]
    return pairs.frame.select(
        "query",
        "doc",
        "dropped",
        fate=fate.cast(pl.UInt8),
        found=reduce(lambda a, b: a | b, bits, pl.lit(0, dtype=kind)),
        bucket=_bucket(pairs),
        promoted=promoted(),
        made=is_made(pairs),
    )


def _bucket(pairs: Pairs) -> pl.Expr:
    if not pairs.sources:
        return pl.lit(None, dtype=pl.UInt8)
    best = pl.min_horizontal([f"rank.{s}" for s in telling(pairs)])
    # A table of all ranks up to the last bound: one lookup per row instead of a comparison per bucket.
    places = pl.Series([sum(rank > r for r in RANKS) for rank in range(RANKS[-1] + 2)], dtype=pl.UInt8)
    return pl.lit(places).gather(best.clip(0, RANKS[-1] + 1))


def tally(pairs: Pairs, rows: pl.DataFrame, ledger: Ledger) -> Tally:
    """Count pairs by fate, reason and source."""
    # In parts: the keys of all rows at once would take as much memory again as the table.
    keys = ("fate", "dropped", "found", "promoted")
    parts = [part.group_by(keys).len() for part in rows.select(keys).iter_slices(PART)]
    table = pl.concat(parts).group_by(keys).agg(pl.col("len").sum()) if parts else rows.group_by(keys).len()
    fates = dict.fromkeys(FATES, 0)
    reasons: dict[str, int] = {}
    sources = pairs.sources
    by_source: dict[str, dict[str, int]] = {s: {} for s in sources}
    alone = dict.fromkeys(sources, 0)
    both = [[0] * len(sources) for _ in sources]
    flows: dict[tuple[tuple[str, ...], str], int] = {}
    for fate, dropped, found, judged, n in table.iter_rows():
        fates[FATES[fate]] += n
        reason = dropped or FATES[fate]
        if dropped:
            reasons[dropped] = reasons.get(dropped, 0) + n
        mine = [i for i in range(len(sources)) if found >> i & 1]
        link = tuple(sources[i] for i in mine), PROMOTED if judged else reason
        flows[link] = flows.get(link, 0) + n
        for i in mine:
            by_source[sources[i]][reason] = by_source[sources[i]].get(reason, 0) + n
            for j in mine:
                both[i][j] += n
        if len(mine) == 1:
            alone[sources[mine[0]]] += n
    made = int(rows.select((pl.col("made") & (pl.col("fate") == 1)).sum()).item())
    there = [i for i, s in enumerate(sources) if by_source[s] and s != MARK]
    sources, both = tuple(sources[i] for i in there), [[both[i][j] for j in there] for i in there]
    steps = list(dict.fromkeys(reason for entry in ledger.entries for reason in entry.dropped))
    order = {reason: i for i, reason in enumerate(steps)}
    ordered = sorted(reasons, key=lambda r: (order.get(r, len(order)), r == NOT_DRAWN, -reasons[r], r))
    return Tally(fates, {r: reasons[r] for r in ordered}, sources, by_source, alone, both, _kinds(pairs), made, flows)


def _kinds(pairs: Pairs) -> dict[str, int]:
    table = pairs.frame.lazy().filter(pairs.live).group_by("kind", "filled").len().collect()
    kinds: dict[str, int] = {}
    for kind, filled, n in table.iter_rows():
        name = f"filled: {filled}" if filled else kind or "found by a source, no verdict"
        kinds[name] = kinds.get(name, 0) + n
    return dict(sorted(kinds.items(), key=lambda item: (-item[1], item[0])))


def by_source(pairs: Pairs, score: str) -> pl.DataFrame:
    """Of the selected negatives of each source, how far they stand from the lowest positive by a score.

    Columns: ``source``, ``selected``, ``low``, ``middle``, ``high`` (quartiles).
    """
    gap = (pl.col(score) - pairs.positive(score)).cast(pl.Float64)
    ranks = [f"rank.{s}" for s in pairs.sources]
    chosen = pairs.frame.lazy().select(*ranks, live=pairs.live, gap=gap).filter("live").collect()
    rows = []
    for source, rank in zip(pairs.sources, ranks, strict=True):
        own = chosen.filter(pl.col(rank).is_not_null())["gap"].drop_nulls()
        if own.len():
            rows.append((source, own.len(), *(own.quantile(q, "linear") for q in (0.25, 0.5, 0.75))))
    schema = {"source": pl.String, "selected": pl.Int64, "low": pl.Float64, "middle": pl.Float64, "high": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def lengths(rows: pl.DataFrame, recipe: str, limit: int = 12) -> Lengths:
    """Negatives per query, and the queries with the fewest; made ones come on top, and are not counted."""
    rows = rows.lazy().filter(~pl.col("made")).collect() if rows["made"].any() else rows
    live = rows.group_by("query").agg(live=(pl.col("fate") == 1).sum())
    counts = live.group_by("live").len("queries").sort("live")
    least, most = (int(counts["live"][0]), int(counts["live"][-1])) if counts.height else (0, 0)
    target = wanted(recipe) or most
    short = int(counts.filter(pl.col("live") < target)["queries"].sum())
    empty = int(counts.filter(pl.col("live") == 0)["queries"].sum())
    size = max(1, math.ceil((most - least + 1) / 16))
    low = (pl.col("live").cast(pl.Int64) - least) // size * size + least
    binned = counts.group_by(low=low).agg(pl.col("queries").sum()).sort("low")
    first = least if size > 1 else min(least, max(0, target - 16))
    grid = pl.DataFrame({"low": range(first, most + 1, size)}, schema={"low": pl.Int64})
    histogram = grid.join(binned, on="low", how="left", maintain_order="left").select(
        "low", high=pl.min_horizontal(pl.col("low") + size - 1, pl.lit(most)), queries=pl.col("queries").fill_null(0)
    )
    shortest = live.filter(pl.col("live") < target).sort("live", "query").head(limit)
    reasons = rows.join(shortest, on="query", how="semi").filter(pl.col("fate") >= 2)
    told = (
        reasons.group_by("query", pl.col("dropped").cast(pl.String))
        .len()
        .sort("query", "len", "dropped", descending=[False, True, False])
    )
    told = told.group_by("query", maintain_order=True).agg("dropped", "len")
    shortest = shortest.join(told, on="query", how="left", maintain_order="left")
    return Lengths(live.height, target, short, empty, least, most, histogram, shortest)


def reuse(pairs: Pairs, rows: pl.DataFrame, limit: int = 12) -> Reuse:
    """How often documents serve as negatives, and which the most; made ones, each for its one query, are left out."""
    used = rows.lazy().filter((pl.col("fate") == 1) & ~pl.col("made")).group_by("doc").len("times").collect()
    low = 2 ** (pl.col("times").log(2) + 1e-9).floor().cast(pl.Int64)
    binned = used.group_by(low=low).len("documents").sort("low")
    top = int(binned["low"][-1]) if binned.height else 0
    grid = pl.DataFrame({"low": [2**i for i in range(top.bit_length())]}, schema={"low": pl.Int64})
    histogram = grid.join(binned, on="low", how="left", maintain_order="left").select(
        "low", high=2 * pl.col("low") - 1, documents=pl.col("documents").fill_null(0)
    )
    hubs = used.sort("times", "doc", descending=[True, False]).head(limit)
    known = (
        pairs.collection.positives.join(hubs, on="doc", how="semi")
        .group_by("doc")
        .agg(positive_of=pl.col("query").n_unique())
    )
    hubs = hubs.join(known, on="doc", how="left", maintain_order="left").with_columns(
        pl.col("positive_of").fill_null(0)
    )
    middle = float(used["times"].median() or 0)  # type: ignore[arg-type]
    most = int(max(HUB, HUB * middle, HUB_SHARE * rows["query"].n_unique()))
    return Reuse(used.height, int(used["times"].sum()), histogram, hubs, most, int((used["times"] >= most).sum()))


def scored(pairs: Pairs) -> tuple[str, ...]:
    """The score columns that hold something, and the probability of relevance where a judge gave one."""
    judged = pairs.frame.select(
        ((pl.col("judged_by").cast(pl.String) != "qrels") & pl.col("p_relevant").is_not_null()).any()
    ).item()
    return (*(s for s in pairs.scores if pairs.frame[s].count()), *(("p_relevant",) if judged else ()))


def histogram(pairs: Pairs, rows: pl.DataFrame, column: str, bins: int = 36) -> Histogram:
    """The distribution of a score by fate, in about ``bins`` bins of a round width."""
    # A fate at a time: all values in groups would take more memory than the table.
    values = {f: pairs.frame[column].filter(rows["fate"] == i).drop_nulls().to_numpy() for i, f in enumerate(FATES)}
    there = {fate: part for fate, part in values.items() if len(part)}
    # The range of each fate, not of all: positives are few, and would pile up at an end that the others set.
    quantiles = {fate: _quantiles(part, (0.002, 0.5, 0.998)) for fate, part in there.items()}
    low, high = min(q[0] for q in quantiles.values()), max(q[2] for q in quantiles.values())
    width = round_step((high - low) / bins or abs(low) / 10 or 1.0)
    first = math.floor(low / width + 1e-9)
    n = max(1, math.floor(high / width + 1e-9) - first + 1)
    counts = {fate: [0] * n for fate in FATES}
    for fate, part in there.items():
        for some in np.split(part, range(PART, len(part), PART)):
            place = np.clip(some.astype(np.float64) / width - first, 0, n - 1).astype(np.int64)
            counts[fate] = (np.array(counts[fate]) + np.bincount(place, minlength=n)).tolist()
    medians = {fate: q[1] for fate, q in quantiles.items()}
    return Histogram(column, [(first + i) * width for i in range(n + 1)], counts, medians)


def _quantiles(values: NDArray[np.float32], shares: tuple[float, ...]) -> tuple[float, ...]:
    """Quantiles of values in any order; between two of them, their mean."""
    around = [(math.floor(share * (len(values) - 1)), math.ceil(share * (len(values) - 1))) for share in shares]
    placed = np.partition(values, sorted({place for pair in around for place in pair}))
    return tuple((float(placed[a]) + float(placed[b])) / 2 for a, b in around)


def by_rank(pairs: Pairs, rows: pl.DataFrame, scores: tuple[str, ...]) -> pl.DataFrame:
    """Per bucket of the best rank: candidates, selected, and per score the mean distance to the lowest positive.

    Columns: ``low``, ``high`` (ranks, both included; null: no end), ``candidates``, ``selected``, and per score
    ``all.<score>`` and ``selected.<score>``.
    """
    gaps = {s: (pl.col(s) - pairs.positive(s)).cast(pl.Float64) for s in scores}
    table = rows.select("bucket", "fate")
    sums = [pl.len().alias("candidates"), (pl.col("fate") == 1).sum().alias("selected")]
    keep = pl.col("bucket").is_not_null() & (pl.col("fate") > 0)
    result = table.filter(keep).group_by("bucket").agg(sums).sort("bucket")
    for score, gap in gaps.items():
        # One score at a time: the differences of all of them together would not fit beside a large table.
        one = table.with_columns(pairs.frame.select(gap=gap)["gap"]).lazy().filter(keep)
        means = one.group_by("bucket").agg(
            pl.col("gap").mean().alias(f"all.{score}"),
            pl.col("gap").filter(pl.col("fate") == 1).mean().alias(f"selected.{score}"),
        )
        result = result.join(means.collect(), on="bucket", how="left", maintain_order="left")
    lows = [r + 1 for r in (0, *RANKS)]
    highs = [*RANKS, None]
    ranks = pl.DataFrame(
        {"bucket": range(len(lows)), "low": lows, "high": highs},
        schema={"bucket": pl.UInt8, "low": pl.Int64, "high": pl.Int64},
    )
    return result.join(ranks, on="bucket", how="left", maintain_order="left").select(
        "low", "high", pl.exclude("low", "high", "bucket")
    )


def above(pairs: Pairs, rows: pl.DataFrame, score: str) -> Ahead:
    """Count selected negatives that score at least as high as the query's positives."""
    compared = {name: pl.col(score) >= pairs.positive(score, name) for name in ("min", "max")}
    table = pairs.frame.select(**compared).with_columns(rows["fate"]).lazy().filter(pl.col("fate") == 1)
    lowest, every, n = table.select(pl.col("min").sum(), pl.col("max").sum(), n=pl.col("min").count()).collect().row(0)
    return Ahead(lowest, every, n)


def round_step(step: float, steps: tuple[float, ...] = STEPS) -> float:
    """The next larger round number: one of ``steps`` times a power of ten.

    >>> round_step(0.13), round_step(3)
    (0.2, 5.0)
    """
    scale: float = 10.0 ** math.floor(math.log10(step))
    nice = next((m for m in steps if m * scale >= step * (1 - 1e-9)), 10)
    power = round(math.log10(scale))
    return nice * 10.0**power if power >= 0 else nice / 10.0**-power
