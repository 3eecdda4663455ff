"""Explain: fates, distances and sentences of hand-made candidates."""

from __future__ import annotations

import json

import polars as pl
import pytest

from foils.collection import build
from foils.errors import DataError
from foils.explain import explain
from foils.ledger import Entry, Ledger
from foils.pairs import Pairs


def mined(texts: dict[str, str] | None = None) -> Pairs:
    texts = texts or {f"d{i}": f"text {i}" for i in range(8)}
    corpus = pl.DataFrame({"id": list(texts), "text": list(texts.values())})
    queries = pl.DataFrame({"id": ["q1", "q2", "q3"], "text": ["first", "second", "third"]})
    labels = pl.DataFrame({"query_id": ["q1", "q1", "q2"], "doc_id": ["d0", "d1", "d0"], "grade": [2, 1, 1]})
    pairs = Pairs.start(build(corpus, queries, labels, name="tiny"))
    bm25 = [(0, 0, 1, 9.0), (0, 2, 2, 8.0), (0, 3, 3, 7.5), (0, 4, 4, 3.0), (1, 5, 1, 4.0)]
    dense = [(0, 1, 1, 0.80), (0, 2, 2, 0.78), (0, 4, 7, 0.50)]
    schema = {"query": pl.UInt32, "doc": pl.UInt32, "rank": pl.Int32, "score": pl.Float32}
    pairs = pairs.add("bm25", pl.DataFrame(bm25, schema=schema, orient="row"), "bm25.bm25")
    pairs = pairs.add("dense", pl.DataFrame(dense, schema=schema, orient="row"), "cos.dense")
    pairs = pairs.drop((pl.col("cos.dense") > 0.76).fill_null(value=False), "perc-pos", soft=True)
    pairs = pairs.drop(pl.col("doc") == 3, "not drawn")
    return pairs.with_column("weight", pl.when(pairs.live).then(0.5).cast(pl.Float32))


def test_rows_are_ordered_by_fate_and_rank_with_the_distance_to_the_lowest_positive() -> None:
    # Oracle: lowest positive of q1 is 9.0 by bm25 (only d0 has one) and 0.80 by cos (only d1): 3.0 - 9.0 = -6.
    told = explain(mined(), "q1")
    assert told.rows["document"].to_list() == ["d0", "d1", "d4", "d2", "d3"]
    assert told.rows["fate"].to_list() == ["positive", "positive", "selected", "perc-pos", "not drawn"]
    assert told.rows["gap.bm25.bm25"].to_list() == [0.0, None, -6.0, -1.0, -1.5]
    assert told.rows["gap.cos.dense"].to_list()[2:] == pytest.approx([-0.30, -0.02, None], abs=1e-6)
    assert told.counts == {"not drawn": 1, "perc-pos": 1, "positive": 2, "selected": 1}
    assert told.sentence == ("2 known positives, 1 negative selected; 2 candidates dropped: 1 not drawn, 1 perc-pos.")


@pytest.mark.parametrize(
    ("doc", "sentence"),
    [
        ("d0", "d0 was found by bm25 at rank 1 (bm25 9.00); it is a known positive."),
        (
            "d2",
            "d2 was found by bm25 at rank 2 (bm25 8.00) and by dense at rank 2 (cos 0.780); compared with the lowest "
            "positive 1.00 below in bm25.bm25, 0.020 below in cos.dense; dropped by perc-pos: PercPos(percent=0.95).",
        ),
        (
            "d3",
            "d3 was found by bm25 at rank 3 (bm25 7.50); compared with the lowest positive 1.50 below in bm25.bm25; "
            "not drawn: it passed every rule, the sampler chose others.",
        ),
        (
            "d4",
            "d4 was found by bm25 at rank 4 (bm25 3.00) and by dense at rank 7 (cos 0.500); compared with the lowest "
            "positive 6.00 below in bm25.bm25, 0.300 below in cos.dense; selected as a negative with weight 0.500.",
        ),
        ("d7", "d7 was never found for q1 by any source (bm25, dense); a greater depth may find it."),
    ],
)
def test_one_document_is_answered_in_a_sentence(doc: str, sentence: str) -> None:
    assert explain(mined(), "q1", doc_id=doc, steps={"perc-pos": "PercPos(percent=0.95)"}).sentence == sentence


def test_a_query_without_positives_was_not_mined() -> None:
    told = explain(mined(), "q3")
    assert (told.total, told.sentence) == (0, "q3 was not mined: it has no known positive.")
    assert "was not mined" in explain(mined(), "q3", doc_id="d1").sentence
    assert told.text().startswith("q3: third")


def test_unknown_ids_name_the_nearest() -> None:
    with pytest.raises(DataError, match=r"no query has the id 'q11' among 3; the nearest: 'q1'"):
        explain(mined(), "q11")
    with pytest.raises(DataError, match=r"no document has the id 'D4'.*'d4'"):
        explain(mined(), "q1", doc_id="D4")
    with pytest.raises(DataError, match=r"ids look like 'q1'"):
        explain(mined(), "something else entirely")


def test_the_limit_cuts_rows_and_says_so() -> None:
    told = explain(mined(), "q1", limit=2)
    assert (told.rows.height, told.total) == (2, 5)
    assert "3 more" in told.text()


def test_data_is_json_without_empty_values() -> None:
    data = json.loads(json.dumps(explain(mined(), "q1").data(), allow_nan=False))
    assert data["rows"][2]["document"] == "d4"
    assert "kind" not in data["rows"][2]


def test_a_terminal_obeys_nothing_that_stands_in_a_document() -> None:
    texts = {f"d{i}": "\x1b]0;owned\x07 \u202eevil\nnext line" for i in range(8)}
    told = explain(mined(texts), "q1").text()
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert len(told.splitlines()) == 2 + 1 + 1 + 5


def test_a_reason_that_is_a_phrase_reads_as_one() -> None:
    pairs = mined().drop(pl.col("doc") == 4, "duplicate of a positive")
    sentence = explain(pairs, "q1", doc_id="d4", steps={"duplicate of a positive": "ExactDuplicate()"}).sentence
    assert sentence.endswith("; dropped as duplicate of a positive: ExactDuplicate().")


def test_fills_and_verdicts_are_told() -> None:
    pairs = mined()
    row = pairs.frame.select(((pl.col("query") == 0) & (pl.col("doc") == 2)).arg_true()).to_series().to_numpy()
    pairs = pairs.take_back(row.astype("uint32"), "relaxed")
    judged = pl.when(pl.col("doc") == 2).then(pl.lit("human", dtype=pl.Categorical))
    pairs = pairs.with_column("judged_by", judged).with_column("p_relevant", pl.lit(0.25, dtype=pl.Float32))
    sentence = explain(pairs, "q1", doc_id="d2").sentence
    assert sentence.endswith(
        "selected as a negative, taken to fill a short row (relaxed) (judged by human, p_relevant 0.250)."
    )


def test_a_ledger_survives_json_and_refuses_what_json_cannot_hold() -> None:
    entry = Entry("perc-pos", "PercPos()", 10, 4, {"perc-pos": 6}, 0.5, 120.0, {"encoder": "lsa"})
    ledger = Ledger((entry,), mined().collection.findings, {"foils": "0.1.0"})
    assert Ledger.from_json(ledger.to_json()) == ledger
    with pytest.raises(DataError, match="NaN or infinite"):
        Ledger((Entry("a", "A()", 0, 0, {}, float("nan"), 0.0),)).to_json()
    with pytest.raises(DataError, match=r"ledger.json is not a ledger"):
        Ledger.from_json('{"entries": [{"step": "a"}]}')
