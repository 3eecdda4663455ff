"""Suspects by nearest neighbours: vectors by hand."""

import numpy as np
import polars as pl
import pytest

from build import collection, scored
from foils.errors import RecipeError
from foils.suspects import TacredExtrinsic, TacredIntrinsic
from vectors import Given


def angle(degrees):
    return [np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]


def world(angles, labels, found, docs=12):
    """Documents at angles on a circle (by row); per query the candidates found, in their order."""
    where = collection(queries=len(found), docs=docs, positives=labels)
    encoder = Given(documents={f"d{i:02}": angle(angles.get(i, 180)) for i in range(docs)})
    pairs = scored(where, {q: [(d, 0.9 - 0.05 * i) for i, d in enumerate(rows)] for q, rows in found.items()})
    return pairs, encoder


def marks(after, name):
    frame = after.frame.filter(pl.col(name).is_not_null())
    return {d: round(v, 3) for d, v in frame.select("doc", name).iter_rows()}


def missed(rank):
    """The positive, document 0, is found at a rank, or not at all."""
    found = [3, 4, 5, 6]
    if rank:
        found.insert(rank - 1, 0)
    return world({0: 0, 3: 100, 4: 10, 5: 20, 6: 60}, [("q0", "d00")], {0: found})


@pytest.mark.parametrize(("rank", "suspects"), [(None, 2), (3, 2), (2, 0), (1, 0)])
def test_intrinsic_looks_around_missed_positives_only(engine, rank, suspects):
    pairs, encoder = missed(rank)
    after = TacredIntrinsic(encoder=encoder, beyond=2, k=2)(pairs, engine)
    expected = {3: 0, 4: 1, 5: 1, 6: 0} if suspects else dict.fromkeys((3, 4, 5, 6), 0)
    assert marks(after, "prob.tacred-intrinsic") == expected


def test_intrinsic_passes_over_what_is_out(engine):
    pairs, encoder = missed(None)
    after = TacredIntrinsic(encoder=encoder, beyond=2, k=1)(pairs.drop(pl.col("doc") == 4, "rule"), engine)
    assert marks(after, "prob.tacred-intrinsic") == {3: 0, 5: 1, 6: 0}


def test_extrinsic_lets_the_nearest_known_documents_vote(engine):
    """Query 0 has positives at 0, 10, 20 degrees, query 1 one at 90: three of five, four of five need a majority."""
    labels = [("q0", "d00"), ("q0", "d01"), ("q0", "d02"), ("q1", "d03")]
    pairs, encoder = world({0: 0, 1: 10, 2: 20, 3: 90, 4: 5, 5: 80}, labels, {0: [4, 5], 1: [5]})
    after = TacredExtrinsic(encoder=encoder, k=3)(pairs, engine)
    mine = after.frame.filter((pl.col("query") == 0) & ~pl.col("positive")).sort("doc")
    assert mine["prob.tacred-extrinsic"].to_list() == pytest.approx([1.0, 2 / 3])
    other = after.frame.filter((pl.col("query") == 1) & ~pl.col("positive"))
    assert other["prob.tacred-extrinsic"].to_list() == [1.0], "one positive: the nearest known document decides"


def test_extrinsic_counts_verdicts_on_both_sides(engine):
    labels = [("q0", "d00"), ("q0", "d01")]
    pairs, encoder = world({0: 0, 1: 4, 2: 20, 3: 22, 4: 18}, labels, {0: [2, 3, 4]})

    def said(p):
        judged = pairs.with_column("p_relevant", pl.when(pl.col("doc").is_in([2, 3])).then(p).cast(pl.Float32))
        by = pl.when(pl.col("doc").is_in([2, 3])).then(pl.lit("llm:a", dtype=pl.Categorical))
        judged = judged.with_column("judged_by", by)
        after = TacredExtrinsic(encoder=encoder, k=3)(judged, engine)
        return marks(after, "prob.tacred-extrinsic")[4]

    assert said(0.9) == 1.0
    assert said(0.1) == pytest.approx(1 / 3, abs=1e-3)


def test_extrinsic_never_lets_a_document_judge_itself(engine):
    """Document 3 is query 1's positive and a candidate of query 0: its own label does not vote."""
    labels = [("q0", "d00"), ("q1", "d03"), ("q1", "d04")]
    pairs, encoder = world({0: 0, 3: 10, 4: 90}, labels, {0: [3], 1: [5]})
    after = TacredExtrinsic(encoder=encoder)(pairs, engine)
    mine = after.frame.filter((pl.col("query") == 0) & ~pl.col("positive"))
    assert mine["prob.tacred-extrinsic"].to_list() == [1.0]


def test_extrinsic_compares_with_so_many_others_at_most(engine):
    labels = [("q0", "d00"), ("q1", "d03")]
    pairs, encoder = world({0: 0, 3: 40, 4: 39}, labels, {0: [4], 1: [5]})
    shares = {}
    for most in (1, 10):
        after = TacredExtrinsic(encoder=encoder, most=most)(pairs, engine)
        shares[most] = after.frame.filter((pl.col("query") == 0) & ~pl.col("positive"))["prob.tacred-extrinsic"][0]
    assert shares[10] == 0
    kept = min(["d00", "d03"], key=lambda d: pairs.collection.doc_hash[int(d[1:])])
    assert shares[1] == (1.0 if kept == "d00" else 0.0)


@pytest.mark.parametrize(
    ("step", "match"),
    [
        (TacredIntrinsic(), "encoder is missing"),
        (TacredIntrinsic(encoder=Given(), k=0), "k=0"),
        (TacredIntrinsic(encoder=Given(), rank="cos.dense"), "no rank column"),
        (TacredExtrinsic(encoder=Given(), k=0), "k=0"),
        (TacredExtrinsic(encoder=Given(), most=0), "most=0"),
    ],
)
def test_options_that_make_no_sense(step, match):
    with pytest.raises(RecipeError, match=match):
        step.check()
