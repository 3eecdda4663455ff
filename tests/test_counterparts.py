"""Two-sided pairs in a run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from foils.collection import Collection
from foils.counterparts import FILE, add_both, belong, name, read, write
from foils.errors import DataError
from foils.made import strip
from foils.make.item import Check, Written
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


def pairs_of(*sources):
    return [
        replace(m, source=s)
        for m, s in zip(both_ways(PASSAGES, Counterparts(("negate", "lack"))), sources, strict=True)
    ]


def test_a_passage_of_a_document_is_pushed_away_from_none_of_its_queries():
    known = set(add_both(table(), pairs_of("d0", "")).collection.positives.select("query", "doc").iter_rows())
    # Query 0 is answered by document 0: its passage (3) and the changed one (4) are left alone. The passage's own query
    # (2) is answered by the whole document, the changed one's (3) is not. Of the second pair no document is known.
    assert known == {(0, 0), (1, 1)} | {(2, 3), (3, 4), (4, 5), (5, 6)} | {(0, 3), (0, 4), (2, 0)}
    examples = Examples.of(add_both(table(), pairs_of("d0", "")), negatives=1)
    assert examples.positives.shape == (6, 1)
    assert mutual(examples).tolist() == [-1, -1, 3, 2, 5, 4]
    assert strip(add_both(table(), pairs_of("d0", ""))).collection.positives.equals(table().collection.positives)


def test_what_is_written_is_read(tmp_path):
    found = pairs_of("d0", "d1")
    found[0] = replace(found[0], written=Written("m", "asked-1"), checks=(Check("L4", True, "llm:m", "query: “so”"),))
    assert read(tmp_path) == []
    write(tmp_path, found)
    assert read(tmp_path) == found
    assert len({name(m) for m in found}) == 2
    found[0] = replace(found[0], passage="One\u2028line\x85of\x1ctext.")
    write(tmp_path, found)
    assert read(tmp_path) == found
    write(tmp_path, [])
    assert read(tmp_path) == []


def test_what_is_written_by_hand_needs_texts_only(tmp_path):
    (tmp_path / FILE).write_text(
        '{"operator": "mine", "kind": "polarity", "query": "a", "passage": "b", "counter": "c", "changed": "d"}\n'
    )
    (own,) = read(tmp_path)
    assert (own.source, own.edits, own.form, own.written) == ("", (), "asked", None)
    assert add_both(table(), [own]).counts()["selected"] == 2
    (tmp_path / FILE).write_text('{"operator": "mine", "query": "a"}\n')
    with pytest.raises(DataError, match=r"line 1, is no two-sided pair \(KeyError"):
        read(tmp_path)


def test_pairs_belong_to_the_run_that_has_their_documents():
    pairs = table()
    assert belong(pairs, [])
    assert belong(pairs, pairs_of("", ""))
    assert belong(pairs, pairs_of("d0", "d1"))
    assert not belong(pairs, pairs_of("d0", "d9"))
    assert not belong(pairs, pairs_of("d1", "d0"))
    mended = pairs_of("d0", "d1")
    assert belong(pairs, [replace(mended[0], passage="The old harbor was closed."), mended[1]])
