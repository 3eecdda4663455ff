"""Queries to read: a few, chosen by the hash of their ids, positives beside what was selected and what was not."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from foils.explain import NOT_DRAWN, candidates
from foils.pairs import Pairs
from foils.report.markup import details, matcher, passage, text, words
from foils.show import MINUS, count, number, opening, plural
from foils.show import score as value

QUERIES = 20
POSITIVES, SELECTED, REJECTED, LEFT_OVER = 3, 10, 6, 3


def sampled(pairs: Pairs) -> list[int]:
    """The mined queries with the smallest hashes: the same ones whatever else is in the collection."""
    queries = pairs.queries
    order = np.lexsort((queries, pairs.collection.query_hash[queries]))
    chosen: list[int] = queries[order[:QUERIES]].tolist()
    return chosen


def samples(pairs: Pairs, score: str | None) -> list[str]:
    """Each sampled query as HTML.

    Args:
        pairs: the finished table.
        score: that is shown with every document; null: none.
    """
    queries = sampled(pairs)
    found = candidates(pairs, queries)
    common = _common(pairs)
    by_query = {key[0]: group for key, group in found.group_by("query", maintain_order=True)}
    return [_query(pairs, query, by_query[query], common, score) for query in queries]


def _common(pairs: Pairs, limit: int = 2000) -> set[str]:
    # Words that stand in a fourth of the documents or a tenth of the queries tell nothing; it needs no list of stop
    # words, so it works in any language.
    collection = pairs.collection
    return _frequent(collection.passages.head(limit), 0.25) | _frequent(collection.queries["text"].head(limit), 0.1)


def _frequent(texts: pl.Series, share: float) -> set[str]:
    seen = Counter(word for raw in texts for word in words(raw[:1000]))
    return {word for word, n in seen.items() if n > max(3, share * texts.len())}


def _query(pairs: Pairs, query: int, found: pl.DataFrame, common: set[str], score: str | None) -> str:
    raw = pairs.collection.queries["text"][query]
    show = _Shown(pairs, matcher(words(raw[:2000]) - common), score)
    fate = pl.col("fate")
    positives, selected = found.filter(fate == "positive"), found.filter(fate == "selected")
    out = found.filter(~fate.is_in(["positive", "selected"]))
    rejected, left = out.filter(fate != NOT_DRAWN), out.filter(fate == NOT_DRAWN)
    counts = f"{plural(positives.height, 'positive')}, {count(selected.height)} selected, {count(out.height)} dropped"
    known = show.group(positives, "Known positives", POSITIVES) or '<p class="none">No known positive.</p>'
    negatives = (
        show.group(selected, "Selected negatives", SELECTED)
        or '<p class="none">No negative is left for this query.</p>'
    )
    if out.height:
        inner = show.group(rejected, "Rejected by a step", REJECTED)
        inner += show.group(left, "Not drawn by the sampler", LEFT_OVER)
        told = f"dropped candidates ({count(rejected.height)} rejected, {count(left.height)} not drawn)"
        negatives += details(told, inner, "out")
    qid = text(opening(pairs.collection.queries["id"][query], 60))
    question = text(opening(raw, 300))
    return (
        f'<details class="query" open><summary><span class="question" dir="auto">{question}</span>'
        f'<span class="sub">query {qid} · {counts}</span></summary>'
        f'<div class="pair"><div class="known">{known}</div><div>{negatives}</div></div></details>'
    )


class _Shown(NamedTuple):
    """How documents of one query are shown."""

    pairs: Pairs
    pattern: re.Pattern[str] | None
    score: str | None

    def group(self, rows: pl.DataFrame, title: str, limit: int) -> str:
        """Documents of one fate, as a list."""
        if rows.height == 0:
            return ""
        texts = self.pairs.collection.passages
        items = "".join(
            f'<li class="{_css(row["fate"])}"><p class="meta">{self.meta(row)}</p>'
            f"{passage(texts[row['doc']], self.pattern)}</li>"
            for row in rows.head(limit).iter_rows(named=True)
        )
        more = f'<p class="note">and {count(rows.height - limit)} more</p>' if rows.height > limit else ""
        return f"<h3 class=small>{title}</h3><ul class=docs>{items}</ul>{more}"

    def meta(self, row: dict[str, Any]) -> str:
        """Id, reason, ranks, score, probability; all else is a matter of ``foils explain``."""
        chips = [f'<b class="id">{text(opening(str(row["document"]), 60))}</b>']
        if row["fate"] not in ("positive", "selected", NOT_DRAWN):
            chips.append(f'<span class="chip reason">{text(row["fate"])}</span>')
        facts = [f"{source} {count(rank)}" for source in self.pairs.sources if (rank := row[f"rank.{source}"])]
        ranks = f"rank {', '.join(facts)}" if facts else ""
        chips += [
            f'<span class="chip">{text(told)}</span>'
            for told in (ranks, self._scored(row), *_judged(row), row["kind"], row["filled"])
            if told
        ]
        if row["weight"] is not None:
            chips.append(f'<span class="chip">weight {number(row["weight"])}</span>')
        return " ".join(chips)

    def _scored(self, row: dict[str, Any]) -> str:
        if self.score is None or row[self.score] is None:
            return ""
        gap = row[f"gap.{self.score}"]
        distance = f" ({value(self.score, gap, sign=True)})" if gap is not None and row["fate"] != "positive" else ""
        return f"{self.score} {value(self.score, row[self.score])}{distance}"


def _judged(row: dict[str, Any]) -> list[str]:
    """The probability of relevance, and who gave it if somebody did."""
    p, by = row["p_relevant"], row["judged_by"]
    if p is None:
        return []
    return [f"p(relevant) {number(p)}"] + ([f"judged by {opening(by, 40)}"] if by else [])


def _css(fate: str) -> str:
    return {"positive": "positive", "selected": "selected", NOT_DRAWN: "left"}.get(fate, "rejected")


LEAD = (
    f"Twenty queries at most, chosen by a hash of their ids. In brackets: the score minus that of the query's lowest "
    f"positive, so {MINUS}0.1 is below it. Marked are the query's words, without those that most texts have."
)
