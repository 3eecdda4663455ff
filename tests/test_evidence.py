"""Columns of evidence: the positive's words, neighbours, and what is specific to the query."""

import numpy as np
import polars as pl
import pytest

from foils.collection import build
from foils.engine import Local
from foils.errors import RecipeError
from foils.evidence import NeighbourAgreement, PositiveWords, Specificity
from foils.models.vectors import Vectors
from foils.pairs import Pairs
from foils.sources.bm25 import Bm25

TEXTS = ["red lamp", "red lamp shade", "blue chair", "old oak table", "lamp"]


def world(labels, queries=("light",)):
    return build(
        pl.DataFrame({"id": list("abcde"), "text": TEXTS}),
        pl.DataFrame({"id": [f"q{i}" for i in range(len(queries))], "text": list(queries)}),
        pl.DataFrame(
            {"query_id": [q for q, _ in labels], "doc_id": [d for _, d in labels], "grade": [1] * len(labels)}
        ),
    )


def pairs_of(where, queries=1, score="cos.dense", values=None):
    rows = [(q, d, d + 1) for q in range(queries) for d in range(5)]
    found = pl.DataFrame(rows, schema={"query": pl.UInt32, "doc": pl.UInt32, "rank": pl.Int32}, orient="row")
    pairs = Pairs.start(where).add("dense", found)
    return pairs if values is None else pairs.with_column(score, pl.Series(values, dtype=pl.Float32))


def test_the_positives_words_score_as_bm25_with_its_text_as_query():
    where = world([("q0", "a")])
    found = PositiveWords(language="en")(pairs_of(where), Local()).frame["bm25.positive"]
    asked = world([("q0", "a")], queries=("red lamp",))
    expected = Bm25(language="en").fill(pairs_of(asked), Local())
    assert found.to_list() == expected.to_list()
    assert found[0] > found[2] == 0


def test_of_several_positives_the_best_counts_and_none_counts_for_itself():
    one = PositiveWords(language="en")(pairs_of(world([("q0", "a")])), Local()).frame["bm25.positive"]
    other = PositiveWords(language="en")(pairs_of(world([("q0", "d")])), Local()).frame["bm25.positive"]
    both = PositiveWords(language="en")(pairs_of(world([("q0", "a"), ("q0", "d")])), Local()).frame["bm25.positive"]
    assert both[1] == max(one[1], other[1])
    assert both[0] == other[0] == 0
    assert both[3] == one[3] == 0


def test_neighbours_of_strong_candidates_gain():
    angle = np.array([0.0, 0.1, 1.5, 1.4, 0.2])
    vectors = np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)
    encoder = Vectors(queries=np.ones((1, 2), dtype=np.float32) / np.float32(np.sqrt(2)), documents=vectors)
    pairs = pairs_of(world([("q0", "a")]), values=[0.9, 0.8, 0.1, 0.2, 0.3])
    step = NeighbourAgreement(encoder=encoder, k=1)
    found = step(pairs, Local()).frame["z.neighbours"]
    z = (np.array([0.8, 0.1, 0.2, 0.3]) - 0.35) / np.std([0.8, 0.1, 0.2, 0.3])
    # b's nearest is e and the other way round; c and d are a pair; the known positive hears b but lends nothing.
    assert found.to_list() == pytest.approx([z[0], z[3], z[2], z[1], z[0]], abs=1e-5)
    again = step(step(pairs, Local()), Local()).frame["z.neighbours"]
    assert again.to_list() == found.to_list()


def test_neighbours_need_evidence():
    encoder = Vectors(queries=np.eye(1, 2, dtype=np.float32), documents=np.eye(5, 2, dtype=np.float32))
    with pytest.raises(RecipeError, match="no score or rank to average"):
        NeighbourAgreement(encoder=encoder)(Pairs.start(world([("q0", "a")])), Local())


def test_what_is_near_to_every_query_is_not_specific():
    documents = np.array([[1, 0], [0, 1], [0.6, 0.8], [1, 0], [0, 1]], dtype=np.float32)
    encoder = Vectors(queries=np.array([[1, 0], [0, 1]], dtype=np.float32), documents=documents)
    where = world([("q0", "a"), ("q1", "b")], queries=("light", "dark"))
    found = Specificity(encoder=encoder)(pairs_of(where, 2), Local()).frame["dot.specific"]
    # The mean query is (.5, .5), so the first query counts as (.5, -.5).
    assert found.to_list()[:5] == pytest.approx([0.5, -0.5, -0.1, 0.5, -0.5])
    alone = Vectors(queries=np.array([[0.6, 0.8]], dtype=np.float32), documents=documents)
    only = Specificity(encoder=alone)(pairs_of(world([("q0", "a")])), Local()).frame["dot.specific"]
    assert only.to_list() == [None] * 5


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (PositiveWords(name="a b"), "use letters"),
        (PositiveWords(language="xx"), "language='xx' is not known"),
        (PositiveWords(b=2.0), "b from 0 to 1"),
        (NeighbourAgreement(), "encoder is missing"),
        (Specificity(), "encoder is missing"),
    ],
)
def test_wrong_options_are_refused(step, message):
    with pytest.raises(RecipeError, match=message):
        step.check()


@pytest.mark.parametrize("step", [NeighbourAgreement, Specificity])
def test_names_that_the_detector_would_not_know_are_refused(step):
    encoder = Vectors(queries=np.eye(1, 2, dtype=np.float32), documents=np.eye(5, 2, dtype=np.float32))
    with pytest.raises(RecipeError, match="as the detector knows"):
        step(encoder=encoder, name="other").check()
