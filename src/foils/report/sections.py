"""The sections of the page: numbers to tables, charts and a sentence that says what they show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from foils.collection import Finding
from foils.explain import NOT_DRAWN
from foils.ledger import Ledger
from foils.pairs import Pairs
from foils.report.charts import bar, columns, figure, legend
from foils.report.facts import FATES, Lengths, Reuse, Tally
from foils.report.markup import code, details, section, table, text
from foils.report.origins import origins
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
    flow = origins(numbers)
    beside = f'<div class="figures beside">{flow}<div>{steps}{about}</div></div>' if flow else steps + about
    return section("funnel", "From candidates to negatives", lead, beside, _by_source(numbers))


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
        recall = share(fates["positive"], numbers.found)
        rows.append([text(source), bar(parts, f"{source}: {told}"), count(total), count(fates["selected"]), recall])
        data.append([text(source), *(count(by.get(r, 0)) for r in reasons)])
    shown = table(
        ["source", "", "#found", "#selected", "#positives found"], rows, css="bars",
        caption="What became of the pairs that each source found",
    )  # fmt: skip
    keys = legend([(CSS[f], NAMES[f]) for f in FATES])
    header = ["source", "#known positives", "#selected", *(f"#{text(r)}" for r in numbers.reasons)]
    return shown + keys + details("by source and reason", table(header, data))


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


def reused(pairs: Pairs, reuse: Reuse) -> str:
    """Documents that serve as negatives again and again."""
    if reuse.documents == 0:
        return section("reuse", "Reuse of documents", "No document serves as a negative.")
    top = reuse.hubs.row(0, named=True)
    lead = (
        f"Documents that serve as negatives: {count(reuse.documents)}, each used "
        f"{number(reuse.uses / reuse.documents)} times on average; "
        f"the most used one {plural(top['times'], 'time')} ({share(top['times'], reuse.uses)} of all negatives)."
    )
    labels = [span(low, high) for low, high in reuse.histogram.select("low", "high").iter_rows()]
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
    labels = [span(low, high) for low, high in found.histogram.select("low", "high").iter_rows()]
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


def span(low: int, high: int | None) -> str:
    """Whole numbers from one to another, both included."""
    if high is None:
        return f"{count(low)}+"
    return count(low) if low == high else f"{count(low)}–{count(high)}"


def _whole(value: float) -> str:
    return count(round(value)) if value < 1e6 else f"{value / 1e6:.3g}M"
