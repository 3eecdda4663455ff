"""The sections of the page: numbers to tables, charts and a sentence that says what they show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from foils.collection import Finding
from foils.explain import NOT_DRAWN
from foils.ledger import Ledger
from foils.pairs import Pairs
from foils.report.charts import Series, bar, columns, dots, figure, legend, ridges
from foils.report.facts import FATES, RANKS, Ahead, Histogram, Lengths, Reuse, Tally
from foils.report.markup import code, details, section, table, text
from foils.show import MINUS, count, number, opening, plural, share

NAMES = {
    "positive": "Known positives",
    "selected": "Selected negatives",
    NOT_DRAWN: "Not drawn",
    "rejected": "Rejected",
}
CSS = {"positive": "positive", "selected": "selected", NOT_DRAWN: "left", "rejected": "rejected"}
UNIT_NAMES = {
    "cos": "cosine similarity",
    "dot": "inner product",
    "bm25": "BM25 score",
    "logit": "logit",
    "prob": "probability",
    "z": "standard deviations",
    "rrf": "reciprocal rank fusion",
    "jaccard": "Jaccard similarity",
    "p_relevant": "probability of relevance",
}


def unit(score: str) -> str:
    """What a score column measures."""
    return UNIT_NAMES.get(score.partition(".")[0], "score")


def findings(found: Sequence[Finding]) -> str:
    """What was irregular in the input."""
    if not found:
        return section("input", "Input", "Nothing irregular was found in the input.")
    rows = [
        [
            text(f.what[:1].upper() + f.what[1:]),
            count(f.count),
            text(f.policy),
            ", ".join(code(opening(e, 40)) for e in f.examples[:3]),
        ]
        for f in found
    ]
    lead = f"{plural(len(found), 'kind')} of irregular data, and what was done about each."
    return section(
        "input", "Input", lead, table(["what was found", "#rows", "what was done", "for instance"], rows, css="wide")
    )


def funnel(numbers: Tally) -> str:
    """From candidates to negatives, in all and by source."""
    total, selected = numbers.candidates, numbers.fates["selected"]
    chosen = f"{count(selected)} ({share(selected, total)})"
    lead = (
        f"Of {plural(total, 'candidate')} that are no known positive, {chosen} were selected. "
        "Rejected by a step and not drawn by the sampler are two things: the latter passed every rule."
    )
    rows = [
        ["candidates", bar([("rest", 0, 100)], "all candidates") if total else "", count(total), share(total, total)]
    ]
    left = total
    for reason, n in numbers.reasons.items():
        css = "left" if reason == NOT_DRAWN else "rejected"
        drawn = bar(
            [("rest", 0, 100 * (left - n) / total), (css, 100 * (left - n) / total, 100 * left / total)],
            f"{reason}: {n}",
        )
        rows.append([text(reason), drawn, MINUS + count(n), share(n, total)])
        left -= n
    rows.append(
        [
            "<b>selected</b>",
            bar([("selected", 0, 100 * selected / total)], f"selected: {selected}") if total else "",
            f"<b>{count(selected)}</b>",
            share(selected, total),
        ]
    )
    steps = table(
        ["step", "", "#pairs", "#share"],
        rows,
        css="bars",
        caption="From candidates to negatives, in the order of the steps",
    )
    kinds = [[text(kind), count(n), share(n, selected)] for kind, n in numbers.kinds.items()]
    about = (
        details("what the selected negatives rest on", table(["kind", "#negatives", "#share"], kinds)) if kinds else ""
    )
    return section("funnel", "From candidates to negatives", lead, steps, about, _by_source(numbers))


def _by_source(numbers: Tally) -> str:
    if not numbers.sources:
        return ""
    rows, data = [], []
    reasons = ["positive", "selected", *numbers.reasons]
    for source in numbers.sources:
        by = numbers.by_source[source]
        total = sum(by.values())
        fates = {fate: by.get(fate, 0) for fate in FATES[:3]}
        fates["rejected"] = total - sum(fates.values())
        parts, start = [], 0.0
        for fate in FATES:
            stop = start + 100 * fates[fate] / max(1, total)
            parts.append((CSS[fate], start, stop))
            start = stop
        told = ", ".join(f"{NAMES[f].lower()} {count(n)}" for f, n in fates.items())
        recall = share(fates["positive"], numbers.fates["positive"])
        rows.append([text(source), bar(parts, f"{source}: {told}"), count(total), count(fates["selected"]), recall])
        data.append([text(source), *(count(by.get(r, 0)) for r in reasons)])
    shown = table(
        ["source", "", "#found", "#selected", "#positives found"], rows, css="bars",
        caption="What became of the pairs that each source found",
    )  # fmt: skip
    keys = legend([(CSS[f], NAMES[f]) for f in FATES])
    header = ["source", "#known positives", "#selected", *(f"#{text(r)}" for r in numbers.reasons)]
    return shown + keys + details("by source and reason", table(header, data))


def scores(histograms: Sequence[Histogram], ahead: Mapping[str, Ahead]) -> str:
    """Distributions of every score by fate."""
    if not histograms:
        return section("scores", "Scores", "No source or step gave scores, so there is no distribution to show.")
    lead, every = _ahead(ahead)
    charts = "".join(_distribution(h, i) for i, h in enumerate(histograms, 1))
    note = (
        '<p class="note">Each shape is scaled to its own highest bin; the vertical line is the median. '
        "Values beyond the axis are counted at its ends.</p>"
    )
    return section("scores", "Scores", lead, f'<div class="figures">{charts}</div>', note, every)


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


def ranks(by_rank: pl.DataFrame, score_names: Sequence[str], sources: Sequence[str]) -> str:
    """Which ranks the negatives come from, and how hard they are."""
    if by_rank.height == 0:
        return section("hardness", "Hardness by rank", "No source ranked any candidate.")
    labels = [_range(low, high) for low, high in by_rank.select("low", "high").iter_rows()]
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
    charts = [figure("rank-share", "Share selected", svg, "", table(header, cells))]
    for i, score in enumerate(s for s in score_names if by_rank[f"all.{s}"].count()):
        charts.append(_difference(by_rank, labels, score, i))
    return section("hardness", "Hardness by rank", lead, f'<div class="figures">{"".join(charts)}</div>')


def _difference(by_rank: pl.DataFrame, labels: Sequence[str], score: str, place: int) -> str:
    every, chosen = by_rank[f"all.{score}"].to_list(), by_rank[f"selected.{score}"].to_list()
    series = [Series("all candidates", "left", every), Series("selected", "selected", chosen)]
    svg = dots(_ends(by_rank), series, x="best rank, up to", y=f"mean difference to the lowest positive, {unit(score)}")
    rows = [[lab, number(a, sign=True), number(b, sign=True)] for lab, a, b in zip(labels, every, chosen, strict=True)]
    data = table(["best rank", "#all candidates", "#selected"], rows)
    keys = legend([("left", "all candidates"), ("selected", "selected negatives")])
    return figure(f"rank-difference-{place}", f"Distance to the lowest positive by {code(score)}", svg + keys, "", data)


def overlap(numbers: Tally) -> str:
    """What share of one source's pairs another source found too."""
    names = numbers.sources
    if len(names) < 2:
        return ""
    rows = []
    for i, name in enumerate(names):
        total = numbers.both[i][i]
        cells = [
            _heat(numbers.both[i][j], total) if i != j else '<span class="heat self">·</span>'
            for j in range(len(names))
        ]
        rows.append([text(name), *cells, share(numbers.alone[name], total)])
    least = min(names, key=lambda n: (numbers.alone[n] / max(1, sum(numbers.by_source[n].values())), n))
    found = sum(numbers.by_source[least].values())
    lead = (
        f"Each row: of the pairs that this source found, the share that another found too. {code(least)} adds least: "
        f"{share(numbers.alone[least], found)} of its pairs were found by no other source."
    )
    header = ["found by", *(f"#{text(n)}" for n in names), "#by no other"]
    return section("overlap", "Overlap between sources", lead, table(header, rows, css="matrix"))


def _heat(part: int, whole: int) -> str:
    return f'<span class="heat" style="--p:{100 * part / max(1, whole):.0f}%">{share(part, whole)}</span>'


def reused(pairs: Pairs, reuse: Reuse, selected: int) -> str:
    """Documents that serve as negatives again and again."""
    if reuse.documents == 0:
        return section("reuse", "Reuse of documents", "No document serves as a negative.")
    top = reuse.hubs.row(0, named=True)
    lead = (
        f"Documents that serve as negatives: {count(reuse.documents)}, each used {number(selected / reuse.documents)} "
        f"times on average; "
        f"the most used one {plural(top['times'], 'time')} ({share(top['times'], selected)} of all negatives)."
    )
    labels = [_range(low, high) for low, high in reuse.histogram.select("low", "high").iter_rows()]
    values = reuse.histogram["documents"].to_list()
    data = table(["times used", "#documents"], [[lab, count(v)] for lab, v in zip(labels, values, strict=True)])
    svg = columns(labels, values, x="times used as a negative", y="documents", form=_whole, whole=True)
    ids, texts = pairs.collection.corpus["id"], pairs.collection.passages
    rows = [
        [
            text(opening(ids[doc], 24)),
            count(times),
            count(known),
            f'<span class="line" dir="auto">{text(opening(texts[doc], 110))}</span>',
        ]
        for doc, times, known in reuse.hubs.iter_rows()
    ]
    hubs = table(
        ["document", "#times used", "#answers", "text"],
        rows,
        css="texts",
        caption="Documents used most, and how many queries they answer",
    )
    return section(
        "reuse",
        "Reuse of documents",
        lead,
        f'<div class="figures beside">{figure("reuse-times", "Times used", svg, "", data)}{hubs}</div>',
    )


def shortest(pairs: Pairs, found: Lengths) -> str:
    """Queries with too few negatives, and why."""
    none = f"{count(found.empty)} {'has' if found.empty == 1 else 'have'} none"
    lead = (
        f"All {plural(found.queries, 'query', 'queries')} have {plural(found.target, 'negative')}."
        if not found.short
        else f"{count(found.short)} of {plural(found.queries, 'query', 'queries')} "
        f"({share(found.short, found.queries)}) have fewer than {plural(found.target, 'negative')}; {none}."
    )
    labels = [_range(low, high) for low, high in found.histogram.select("low", "high").iter_rows()]
    values = found.histogram["queries"].to_list()
    data = table(["negatives", "#queries"], [[lab, count(v)] for lab, v in zip(labels, values, strict=True)])
    svg = columns(labels, values, x="selected negatives of a query", y="queries", form=_whole, whole=True)
    chart = figure("lengths", "Negatives per query", svg, "", data)
    if not found.short:
        return section("short", "Short rows", lead)
    ids, texts = pairs.collection.queries["id"], pairs.collection.queries["text"]
    rows = [
        [
            text(opening(ids[query], 24)),
            count(live),
            _reasons(dropped, sizes),
            f'<span class="line" dir="auto">{text(opening(texts[query], 110))}</span>',
        ]
        for query, live, dropped, sizes in found.shortest.select("query", "live", "dropped", "len").iter_rows()
    ]
    rest = table(
        ["query", "#negatives", "what dropped the others", "text"],
        rows,
        css="texts",
        caption="The queries with the fewest negatives",
    )
    return section("short", "Short rows", lead, f'<div class="figures beside">{chart}{rest}</div>')


def _reasons(dropped: Sequence[str] | None, sizes: Sequence[int] | None) -> str:
    if not dropped or not sizes:
        return "nothing else was found"
    told = [f'<span class="whole">{text(reason)} {count(n)}</span>' for reason, n in zip(dropped, sizes, strict=True)]
    return ", ".join(told[:4]) + (f" and {count(len(told) - 4)} more reasons" if len(told) > 4 else "")


def steps(ledger: Ledger, recipe: str) -> str:
    """What every step did, with which options and packages, and the recipe to do it again."""
    rows = [
        [
            text(e.step),
            count(e.rows),
            count(e.live),
            ", ".join(f"{text(r)} {count(n)}" for r, n in e.dropped.items()) or "–",
            f'<code class="long">{text(e.repr)}</code>' + _facts(e.facts),
        ]
        for e in ledger.entries
    ]
    done = (
        table(
            ["step", "#rows after it", "#live after it", "newly dropped", "options"],
            rows,
            css="ledger",
            caption="Steps in order",
        )
        if rows
        else ""
    )
    versions = table(["package", "version"], [[text(k), text(v)] for k, v in sorted(ledger.versions.items())])
    lead = "What ran, in order. The recipe below, with the same input and versions, gives the same negatives."
    used = details("versions of packages", versions) if ledger.versions else ""
    written = (
        f'<pre tabindex="0" aria-label="recipe"><code>{text(recipe)}</code></pre>'
        if recipe
        else "<p>No recipe text was given.</p>"
    )
    return section("recipe", "Steps and recipe", lead, done, used, written)


def _facts(facts: Mapping[str, str]) -> str:
    told = " · ".join(f"{text(k)} {text(opening(v, 80))}" for k, v in sorted(facts.items()))
    return f'<br><span class="sub">{told}</span>' if told else ""


def _ends(by_rank: pl.DataFrame) -> list[str]:
    # The last rank of each bucket, short enough to stand side by side under twelve bars.
    last = f">{RANKS[-1] // 1000}k"
    return [last if r is None else f"{r // 1000}k" if r >= 1000 else str(r) for r in by_rank["high"]]


def _range(low: int, high: int | None) -> str:
    if high is None:
        return f"{count(low)}+"
    return count(low) if low == high else f"{count(low)}–{count(high)}"


def _percent(value: float) -> str:
    return f"{value:.0f}%" if value >= 10 or value % 1 == 0 else f"{value:.1f}%"


def _whole(value: float) -> str:
    return count(round(value)) if value < 1e6 else f"{value / 1e6:.3g}M"
