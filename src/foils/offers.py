"""What a run offers to make negatives of: its positives as items, and the corpus that they are compared with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import polars as pl

from foils.make.item import Item, Made
from foils.make.operators import Tally
from foils.make.verify import Corpus
from foils.pairs import Pairs

Case = tuple[Item, Made]


def items_of(pairs: Pairs, language: str) -> list[Item]:
    """An item per known positive of every mined query, in the order of the table."""
    collection = pairs.collection
    positives = pairs.frame.filter("positive").select("query", "doc")
    texts = {d: passage(collection.corpus, d) for d in positives["doc"].unique().to_list()}
    known: dict[int, list[int]] = defaultdict(list)
    for query, doc in positives.iter_rows():
        known[query].append(doc)
    found = []
    for query, doc in positives.iter_rows():
        others = tuple(texts[d] for d in known[query] if d != doc)
        asked = collection.queries["text"][query]
        answer = _answer(collection.queries, query, texts[doc])
        found.append(Item(asked, texts[doc], answer, others, language, place=(query, doc)))
    return found


def passage(corpus: pl.DataFrame, doc: int) -> str:
    """The title on a line of its own, then the text."""
    title = (corpus["title"][doc] or "") if "title" in corpus.columns else ""
    line = " ".join(title.split())
    return f"{line}\n{corpus['text'][doc]}" if line else str(corpus["text"][doc])


def _answer(queries: pl.DataFrame, query: int, text: str) -> str | None:
    """The first known answer that stands in the passage."""
    column = next((c for c in ("answers", "answer") if c in queries.columns), None)
    given = queries[column][query] if column else None
    if isinstance(given, dict):
        given = given.get("text")
    each = [given] if isinstance(given, str) else [] if given is None else list(given)
    low = text.lower()
    return next((a for a in each if isinstance(a, str) and a.strip() and a.strip().lower() in low), None)


def corpus_of(pairs: Pairs) -> Corpus:
    """Level L1: the passages and the queries of a table."""
    collection = pairs.collection
    passages = [passage(collection.corpus, d) for d in range(collection.corpus.height)]
    return Corpus(passages=passages, queries=collection.queries["text"].to_list())


def fresh(pairs: Pairs, cases: Sequence[Case], tally: Tally) -> list[Case]:
    """Without passages of the corpus that are selected for the query as they are."""
    collection = pairs.collection
    texts = {passage(collection.corpus, d): d for d in reversed(range(collection.corpus.height))}
    selected = set(pairs.frame.filter(pairs.live).select("query", "doc").iter_rows())
    kept = []
    for item, found in cases:
        if not found.edits and (item.place[0], texts.get(found.text, -1)) in selected:
            tally.counts[found.operator, "selected already"] += 1
        else:
            kept.append((item, found))
    return kept


def without(cases: Sequence[Case], kept: Sequence[Case]) -> list[Case]:
    """The cases that were not kept."""
    there = {id(m) for _, m in kept}
    return [c for c in cases if id(c[1]) not in there]
