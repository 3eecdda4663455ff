"""The sections on scores and hardness: distributions, ranks, and what each source gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from foils.report.charts import Series, columns, dots, figure, legend, ridges
from foils.report.facts import FATES, RANKS, Ahead, Histogram
from foils.report.markup import code, details, section, table, text
from foils.report.plots import Spread, spans
from foils.report.sections import CSS, NAMES, span, unit
from foils.show import count, number, plural, share

OPEN = 2  # charts of scores that are shown without being asked for


def scores(histograms: Sequence[Histogram], ahead: Mapping[str, Ahead]) -> str:
    """Distributions of every score by fate."""
    if not histograms:
        return section("scores", "Scores", "No source or step gave scores, so there is no distribution to show.")
    lead, every = _ahead(ahead)
    charts = [_distribution(h, i) for i, h in enumerate(histograms, 1)]
    note = (
        '<p class="note">Each shape is scaled to its own highest bin; the vertical line is the median. '
        "Values beyond the axis are counted at its ends.</p>"
    )
    return section("scores", "Scores", lead, _folded(charts), note, every)


def _folded(charts: Sequence[str]) -> str:
    """The first charts, and the others on demand."""
    more = len(charts) - OPEN
    rest = f'<div class="figures">{"".join(charts[OPEN:])}</div>'
    told = details(f"the same by {plural(more, 'other score')}", rest, "data charts") if more > 0 else ""
    return f'<div class="figures">{"".join(charts[:OPEN])}</div>{told}'


def _ahead(ahead: Mapping[str, Ahead]) -> tuple[str, str]:
    compared = {score: a for score, a in ahead.items() if a.compared}
    if not compared:
        return "No selected negative and positive of one query both have a score, so none can be compared.", ""
    score, most = max(compared.items(), key=lambda item: item[1].every / item[1].compared)
    lead = (
        f"By {code(score)}, {share(most.every, most.compared)} of the selected negatives score at least as high as "
        f"every positive of their query, and {share(most.lowest, most.compared)} as its lowest."
    )
    if len(ahead) == 1:
        return lead, ""
    rows = [
        [text(s), count(a.compared), share(a.every, a.compared), share(a.lowest, a.compared)] for s, a in ahead.items()
    ]
    header = ["score", "#negatives compared", "#as high as every positive", "#as high as the lowest"]
    return f"{lead} By the other scores it is less, or as much.", details("for every score", table(header, rows))


def _distribution(h: Histogram, place: int) -> str:
    fates = [f for f in FATES if sum(h.counts[f])]
    series = [Series(NAMES[f], CSS[f], h.counts[f]) for f in fates]
    notes = [f"{count(sum(h.counts[f]))} · median {number(h.medians[f])}" for f in fates]
    svg = ridges(h.edges, series, notes, [h.medians[f] for f in fates], x=unit(h.column))
    rows = [
        [f"{number(a)} to {number(b)}", *(count(h.counts[f][i]) for f in fates)]
        for i, (a, b) in enumerate(zip(h.edges, h.edges[1:], strict=False))
    ]
    data = table([text(h.column), *(f"#{NAMES[f].lower()}" for f in fates)], rows)
    name = unit(h.column)
    return figure(f"scores-{place}", f"{name[0].upper()}{name[1:]} {code(h.column)}", svg, "", data)


def ranks(
    by_rank: pl.DataFrame, score_names: Sequence[str], sources: Sequence[str], by_source: pl.DataFrame | None = None
) -> str:
    """Which ranks the negatives come from, and how hard they are, by rank and by source.

    Args:
        by_rank: as ``facts.by_rank`` gives it.
        score_names: the scores in it, the leading one first.
        sources: whose rank it is.
        by_source: by the leading score, as ``facts.by_source`` gives it; null: there is no score.
    """
    if by_rank.height == 0:
        return section("hardness", "Hardness", "No source ranked any candidate.")
    labels = [span(low, high) for low, high in by_rank.select("low", "high").iter_rows()]
    part = (by_rank["selected"] / by_rank["candidates"]).to_list()
    most = by_rank["selected"].arg_max() or 0
    selected = int(by_rank["selected"].sum())
    lead = (
        f"Most of the selected negatives, {share(by_rank['selected'][most], selected)}, come from "
        f"{'rank' if labels[most].isdecimal() else 'ranks'} {labels[most]}. "
        if selected
        else "No negative was selected. "
    )
    who = " or ".join(map(code, sources)) if len(sources) < 4 else f"any of {len(sources)} sources"
    lead += f"The rank is the best that {who} gave."
    header = ["best rank", "#candidates", "#selected", "#share selected"]
    cells = [
        [lab, count(c), count(s), share(s, c)]
        for lab, c, s in zip(labels, by_rank["candidates"], by_rank["selected"], strict=True)
    ]
    svg = columns(
        _ends(by_rank),
        [100 * p for p in part],
        x="best rank, up to",
        y="selected, % of candidates at this rank",
        form=_percent,
    )
    first = [figure("rank-share", "Share selected", svg, "", table(header, cells))]
    told = [s for s in score_names if by_rank[f"all.{s}"].count()]
    gaps = [_difference(by_rank, labels, score, i) for i, score in enumerate(told)]
    if by_source is not None and by_source.height and told:
        first.append(_sources(by_source, told[0]))
    return section("hardness", "Hardness", lead, f'<div class="figures">{"".join([*first, *gaps])}</div>')


def _sources(by_source: pl.DataFrame, score: str) -> str:
    spreads = [Spread(*row) for row in by_source.select("source", "low", "middle", "high").iter_rows()]
    svg = spans(spreads, x=f"difference to the lowest positive, {unit(score)}")
    rows = [
        [text(name), count(n), *(number(v, sign=True) for v in quartiles)]
        for name, n, *quartiles in by_source.iter_rows()
    ]
    data = table(["found by", "#selected", "#lower quartile", "#median", "#upper quartile"], rows)
    note = "The selected negatives that each source found: the dot is the median, the line holds the middle half."
    return figure("source-hardness", f"Hardness by source, {code(score)}", svg, note, data)


def _difference(by_rank: pl.DataFrame, labels: Sequence[str], score: str, place: int) -> str:
    every, chosen = by_rank[f"all.{score}"].to_list(), by_rank[f"selected.{score}"].to_list()
    series = [Series("all candidates", "left", every), Series("selected", "selected", chosen)]
    svg = dots(_ends(by_rank), series, x="best rank, up to", y=f"mean distance, {unit(score)}")
    rows = [[lab, number(a, sign=True), number(b, sign=True)] for lab, a, b in zip(labels, every, chosen, strict=True)]
    data = table(["best rank", "#all candidates", "#selected"], rows)
    keys = legend([("left", "all candidates"), ("selected", "selected negatives")])
    return figure(f"rank-difference-{place}", f"Distance to the lowest positive by {code(score)}", svg + keys, "", data)


def _ends(by_rank: pl.DataFrame) -> list[str]:
    # The last rank of each bucket, short enough to stand side by side under twelve bars.
    last = f">{RANKS[-1] // 1000}k"
    return [last if r is None else f"{r // 1000}k" if r >= 1000 else str(r) for r in by_rank["high"]]


def _percent(value: float) -> str:
    return f"{value:.0f}%" if value >= 10 or value % 1 == 0 else f"{value:.1f}%"
