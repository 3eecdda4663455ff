"""Two-sided pairs in a run."""

from __future__ import annotations

import numpy as np
import polars as pl

from foils.collection import Collection
from foils.counterparts import add_both
from foils.made import strip
from foils.make.twosided import Counterparts, both_ways
from foils.pairs import Pairs
from foils.train.examples import Examples
from foils.train.together import mutual

PASSAGES = ["The old harbour was closed to ships in 1932.", "The new bridge has a railway on its lower deck."]


def table() -> Pairs:
    corpus = pl.DataFrame({"id": ["d0", "d1", "d2"], "title": ["A", "B", ""], "text": [*PASSAGES, "Nothing more."]})
    queries = pl.DataFrame({"id": ["q0", "q1"], "text": ["when did the harbour close", "bridge with a railway"]})
    own = np.arange(2, dtype=np.uint32)
    positives = pl.DataFrame({"query": own, "doc": own}).with_columns(grade=pl.lit(1, dtype=pl.Int32))
    return Pairs.start(Collection(corpus, queries, positives))


def test_each_query_gets_its_own_passage_and_the_other_as_a_typed_negative():
    found = both_ways(PASSAGES, Counterparts(("negate", "lack"), forms=("claim",)))
    assert [f.operator for f in found] == ["negate", "lack"]
    pairs = add_both(table(), found)
    texts, asked = pairs.collection.corpus["text"], pairs.collection.queries["text"]
    rows = pairs.frame.filter(pl.col("query") >= 2)
    told = {(asked[q], texts[d], p, k) for q, d, p, k in rows.select("query", "doc", "positive", "kind").iter_rows()}
    one = found[0]
    assert told >= {
        (one.query, one.passage, True, None),
        (one.query, one.changed, False, "polarity"),
        (one.counter, one.changed, True, None),
        (one.counter, one.passage, False, "polarity"),
    }
    assert pairs.frame.height == 2 + 8
    assert pairs.counts()["selected"] == 4


def test_they_are_trained_on_as_partners_and_taken_out_again():
    before = table()
    pairs = add_both(before, both_ways(PASSAGES, Counterparts(("negate", "lack"))))
    examples = Examples.of(pairs, negatives=1)
    assert mutual(examples).tolist() == [-1, -1, 3, 2, 5, 4]
    assert strip(pairs).frame.equals(before.frame)
    assert strip(pairs).collection.corpus.equals(before.collection.corpus)


def test_nothing_found_changes_nothing():
    pairs = table()
    assert add_both(pairs, []) is pairs
