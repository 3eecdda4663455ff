"""Queries to read: a few, chosen by the hash of their ids, with what was selected and what was not."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import polars as pl

from foils.explain import NOT_DRAWN, candidates
from foils.pairs import Pairs
from foils.report.markup import details, matcher, passage, text, words
from foils.show import MINUS, count, number, opening, plural, score

QUERIES = 20
POSITIVES, REJECTED, LEFT_OVER = 3, 10, 4


def sampled(pairs: Pairs) -> list[int]:
    """The mined queries with the smallest hashes: the same ones whatever else is in the collection."""
    queries = pairs.queries
    order = np.lexsort((queries, pairs.collection.query_hash[queries]))
    chosen: list[int] = queries[order[:QUERIES]].tolist()
    return chosen


def samples(pairs: Pairs) -> list[str]:
    """Each sampled query as HTML."""
    queries = sampled(pairs)
    found = candidates(pairs, queries)
    common = _common(pairs)
    by_query = {key[0]: group for key, group in found.group_by("query", maintain_order=True)}
    return [_query(pairs, query, by_query[query], common) for query in queries]


def _common(pairs: Pairs, limit: int = 2000) -> set[str]:
    # Words that stand in a fourth of the documents or a tenth of the queries tell nothing; it needs no list of stop
    # words, so it works in any language.
    collection = pairs.collection
    return _frequent(collection.passages.head(limit), 0.25) | _frequent(collection.queries["text"].head(limit), 0.1)


def _frequent(texts: pl.Series, share: float) -> set[str]:
    seen = Counter(word for raw in texts for word in words(raw[:1000]))
    return {word for word, n in seen.items() if n > max(3, share * texts.len())}


def _query(pairs: Pairs, query: int, found: pl.DataFrame, common: set[str]) -> str:
    raw = pairs.collection.queries["text"][query]
    pattern = matcher(words(raw[:2000]) - common)
    fate = pl.col("fate")
    positives, selected = found.filter(fate == "positive"), found.filter(fate == "selected")
    out = found.filter(~fate.is_in(["positive", "selected"]))
    rejected, left = out.filter(fate != NOT_DRAWN), out.filter(fate == NOT_DRAWN)
    counts = f"{plural(positives.height, 'positive')}, {count(selected.height)} selected, {count(out.height)} dropped"
    parts = [
        _group(pairs, positives, "Known positives", POSITIVES, pattern),
        _group(pairs, selected, "Selected negatives", 12, pattern)
        or '<p class="none">No negative is left for this query.</p>',
    ]
    if out.height:
        inner = _group(pairs, rejected, "Rejected by a step", REJECTED, pattern)
        inner += _group(pairs, left, "Not drawn by the sampler", LEFT_OVER, pattern)
        parts.append(
            details(
                f"dropped candidates ({count(rejected.height)} rejected, {count(left.height)} not drawn)", inner, "out"
            )
        )
    qid = text(opening(pairs.collection.queries["id"][query], 60))
    question = text(opening(raw, 300))
    return (
        f'<details class="query" open><summary><span class="question" dir="auto">{question}</span>'
        f'<span class="sub">query {qid} · {counts}</span></summary>{"".join(parts)}</details>'
    )


def _group(pairs: Pairs, rows: pl.DataFrame, title: str, limit: int, pattern: re.Pattern[str] | None) -> str:
    if rows.height == 0:
        return ""
    texts = pairs.collection.passages
    items = "".join(
        f'<li class="{_css(row["fate"])}"><p class="meta">{_meta(pairs, row)}</p>'
        f"{passage(texts[row['doc']], pattern)}</li>"
        for row in rows.head(limit).iter_rows(named=True)
    )
    more = f'<p class="note">and {count(rows.height - limit)} more</p>' if rows.height > limit else ""
    return f"<h4>{title}</h4><ul class=docs>{items}</ul>{more}"


def _css(fate: str) -> str:
    return {"positive": "positive", "selected": "selected", NOT_DRAWN: "left"}.get(fate, "rejected")


def _meta(pairs: Pairs, row: dict[str, object]) -> str:
    chips = [f'<b class="id">{text(opening(str(row["document"]), 60))}</b>']
    if row["fate"] not in ("positive", "selected", NOT_DRAWN):
        chips.append(f'<span class="chip reason">{text(str(row["fate"]))}</span>')
    chips += [
        f'<span class="chip">{text(source)} rank {count(rank)}</span>'
        for source in pairs.sources
        if isinstance(rank := row[f"rank.{source}"], int)
    ]
    for name in pairs.scores:
        value, gap = row[name], row[f"gap.{name}"]
        if isinstance(value, float):
            distance = (
                f" ({score(name, gap, sign=True)})" if isinstance(gap, float) and row["fate"] != "positive" else ""
            )
            chips.append(f'<span class="chip">{text(name)} {score(name, value)}{distance}</span>')
    for column in ("kind", "filled"):
        if row[column]:
            chips.append(f'<span class="chip">{text(str(row[column]))}</span>')
    for column, title in (("p_relevant", "p(relevant)"), ("weight", "weight")):
        if isinstance(value := row[column], float):
            chips.append(f'<span class="chip">{title} {number(value)}</span>')
    return " ".join(chips)


LEAD = (
    f"Twenty queries at most, chosen by a hash of their ids. In brackets: the score minus that of the query's lowest "
    f"positive, so {MINUS}0.1 is below it. Marked are the query's words, without those that most texts have."
)
