"""The evaluation as one HTML file: no scripts, nothing loaded."""

from __future__ import annotations

import numpy as np
import polars as pl

from foils.evaluate import text as words
from foils.evaluate.result import Evaluation
from foils.report.charts import Series, bar, columns, dots, figure, legend
from foils.report.markup import section, table, text
from foils.report.page import page
from foils.show import number, opening, plural, share

COLOURS = ("selected", "positive", "rejected", "left")
TITLES = {
    "measures": "Measures",
    "labels": "Missing labels",
    "compared": "Comparisons",
    "dropout": "Label dropout",
    "queries": "Queries",
    "systems": "Systems",
}
SHOWN = 5  # queries per side


def render(result: Evaluation) -> str:
    """The page; the same bytes for the same evaluation."""
    parts = (
        _measures(result),
        _compared(result),
        _labels(result),
        _dropout(result),
        _queries(result),
        _systems(result),
    )
    documents, queries = result.collection.corpus.height, result.labels.queries
    known = f"{number(result.labels.relevant)} relevant and {number(result.labels.other)} judged not relevant per query"
    sub = f"{plural(documents, 'document')}, {plural(queries, 'query', 'queries')}, {known}"
    title = f"Evaluation on {result.collection.name or 'a collection'}"
    return page(title, sub, parts, "foils evaluate", parts=TITLES)


def _measures(result: Evaluation) -> str:
    lead = (
        f"Means over {plural(result.labels.queries, 'query', 'queries')}; grey is the 95 % interval (bootstrap over "
        "queries). Where an interval is wide, more queries help; where labels are missing, they do not."
    )
    tables = []
    for measure in result.summary["measure"].unique(maintain_order=True):
        rows = []
        for row in result.summary.filter(pl.col("measure") == measure).to_dicts():
            told = words.cell(measure, row["mean"], row["low"], row["high"])
            low, high = (100 * min(max(row[k] or 0.0, 0.0), 1.0) for k in ("low", "high"))
            shape = bar((("selected", 0, low), ("left", low, high), ("rest", high, 100)), f"{row['system']}: {told}")
            rows.append([text(row["system"]), shape, text(told), f"{row['queries']:,}"])
        tables.append(table(["system", "", "#mean", "#queries"], rows, caption=measure, css="bars"))
    return section("measures", "Measures", lead, *tables)


def _compared(result: Evaluation) -> str:
    found = words.differences(result)
    if not found:
        return ""
    lead = (
        "Query by query, the first system minus each other one. p is corrected over all rows (Holm). A difference "
        "below what this set can detect is noise, whatever its p."
    )
    tables = [
        table(
            [h[0], *(f"#{x}" for x in h[1:5]), h[5]],
            [[text(c) for c in row] for row in rows],
            caption=title,
            css="wide",
        )
        for title, (h, rows) in found
    ]
    first, *others = result.values
    charts = "".join(_histogram(result, first, other) for other in others)
    return section("compared", "Comparisons", lead, *tables, f'<div class="figures">{charts}</div>')


def _histogram(result: Evaluation, first: str, other: str) -> str:
    measure = result.plan.names[0]
    both = result.values[first].join(result.values[other], on="query_id", suffix=" other")
    known = both.select(pl.col(measure) - pl.col(f"{measure} other")).to_series().drop_nulls().to_numpy()
    edges = np.array([-1.0, -0.5, -0.2, -0.05, -1e-9, 1e-9, 0.05, 0.2, 0.5, 1.0])
    counts = np.histogram(np.clip(known, -1, 1), edges)[0]
    labels = [
        "\N{MINUS SIGN}1",
        "\N{MINUS SIGN}.5",
        "\N{MINUS SIGN}.2",
        "\N{MINUS SIGN}.05",
        "0",
        ".05",
        ".2",
        ".5",
        "1",
    ]
    svg = columns(
        labels,
        [float(c) for c in counts],
        x=f"difference in {measure}, up to",
        y="queries",
        form=lambda v: f"{v:,.0f}",
        whole=True,
    )
    better, worse = int((known > 1e-9).sum()), int((known < -1e-9).sum())
    note = text(
        f"{first} is ahead in {better:,} queries, {other} in {worse:,}, and {known.size - better - worse:,} are equal."
    )
    data = table(["up to", "#queries"], [[a, f"{c:,}"] for a, c in zip(labels, counts, strict=True)])
    return figure(f"hist-{text(other)}", text(f"{first} against {other}"), svg, note, data)


def _labels(result: Evaluation) -> str:
    sentences = [*result.warnings, *result.notes]
    if not sentences:
        return ""
    items = "".join(f"<li>{text(s)}</li>" for s in sentences)
    judged = [
        f"{share(result.mean(s, result.plan.judged) or 0.0, 1)} of {s}'s top {result.plan.judged.partition('@')[2]}"
        for s in result.values
    ]
    lead = text(f"Judged: {', '.join(judged)}. Below 90 % a comparison is unsafe: what is not judged counts as wrong.")
    return section("labels", "Missing labels", lead, f'<div class="next"><ul>{items}</ul></div>')


def _dropout(result: Evaluation) -> str:
    found = words.curve(result)
    if found is None or result.curve is None:
        return ""
    lead = (
        f"The measures again with a part of the labels, drawn {plural(result.plan.dropout, 'time')}. Where lines cross "
        "or the order is often lost, so few labels cannot tell these systems apart."
    )
    charts = []
    for n, (measure, part) in enumerate(result.curve.group_by("measure", maintain_order=True)):
        shares = part["share"].unique().sort(descending=True).to_list()
        series = []
        for css, system in zip(COLOURS, result.values, strict=False):
            own = part.filter(pl.col("system") == system).group_by("share").agg(pl.col("value").mean())
            at = dict(own.iter_rows())
            series.append(Series(system, css, [at.get(s) for s in shares]))
        labels = [share(s, 1) for s in shares]
        rows = [[a, *(number(s.values[i]) for s in series)] for i, a in enumerate(labels)]
        data = table(["labels kept", *(f"#{text(s.name)}" for s in series)], rows)
        svg = dots(labels, series, x="labels kept", y=str(measure[0]))
        keys = legend([(s.css, s.name) for s in series])
        rest = len(result.values) - len(series)
        note = f"{plural(rest, 'more system')} only in the table below" if rest else ""
        charts.append(figure(f"curve-{n}", text(str(measure[0])), svg + keys, note, data))
    header, rows = found
    shown = table(
        [header[0], *(f"#{text(h)}" for h in header[1:])], [[text(c) for c in row] for row in rows], css="wide"
    )
    return section("dropout", "Label dropout", lead, f'<div class="figures">{"".join(charts)}</div>', shown)


def _queries(result: Evaluation) -> str:
    measure, systems = result.plan.names[0], list(result.values)
    # A system may be called like a column of this table.
    long = result.per_query().with_columns(system="system " + pl.col("system"))
    wide = long.pivot("system", index=["query_id", "text", "relevant"], values=measure)
    scores = [pl.col(f"system {s}") for s in systems]
    first, other = systems[0], systems[-1]
    if len(systems) > 1:
        wide = wide.with_columns(order=scores[0] - scores[-1])
        lead = f"Where {first} loses most to {other}, and where it wins most, by {measure}."
    else:
        wide = wide.with_columns(order=scores[0])
        lead = f"The worst and the best queries by {measure}."
    ordered = wide.drop_nulls("order").sort("order", "query_id")
    ends = pl.concat([ordered.head(SHOWN), ordered.tail(SHOWN)]).unique(maintain_order=True)
    rows = [
        [text(q), text(opening(asked, 160)), f"{relevant:,}", *(words.value(v) for v in values)]
        for q, asked, relevant, *values in ends.select("query_id", "text", "relevant", *scores).iter_rows()
    ]
    header = ["query", "text", "#relevant", *(f"#{text(s)}" for s in systems)]
    return section("queries", "Queries", text(lead), table(header, rows, css="wide"))


def _systems(result: Evaluation) -> str:
    rows = [[text(r.name), text(", ".join(f"{k} {v}" for k, v in r.facts.items()))] for r in result.rankings]
    lead = f"Lists of up to {result.plan.places:,} documents per query."
    return section("systems", "Systems", lead, table(["system", "what it is"], rows, css="ledger"))
