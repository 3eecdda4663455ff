"""Candidates of the wrong language, date or type."""

import polars as pl
import pytest

from foils.collection import build
from foils.errors import DataError, RecipeError
from foils.pairs import Pairs
from foils.recipes import Plan, mm_embed
from foils.run import mine
from foils.sources.attribute import Attribute
from vectors import Given

SCORES = {"a": 0.9, "p": 0.7, "b": 0.8, "c": 0.75, "d": 0.6, "e": 0.95}
LANGUAGES = {"a": "de", "p": "en", "b": "en", "c": "fr", "d": "de", "e": None}


def world(languages=LANGUAGES, positives=("p",)):
    corpus = pl.DataFrame({"id": list(SCORES), "text": list(SCORES), "language": [languages[k] for k in SCORES]})
    labels = pl.DataFrame({"query_id": ["q"] * len(positives), "doc_id": list(positives), "grade": 1})
    return Pairs.start(build(corpus, pl.DataFrame({"id": ["q"], "text": ["why"]}), labels))


ENCODER = Given({k: (s, 0.0) for k, s in SCORES.items()}, {"q": (1.0, 0.0)}, "dot")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["a", "c"]),
        ({"above_positive": False}, ["a", "c", "d"]),
        ({"differ": False}, ["b"]),
        ({"differ": False, "above_positive": False, "depth": 2}, []),
        ({"depth": 2}, ["a"]),
        ({"depth": 99}, ["a", "c"]),
    ],
)
def test_what_is_kept(options, expected, engine):
    """Ranking e a b c p d; e has no language; p is the positive, in English."""
    pairs = world()
    found = Attribute(encoder=ENCODER, **options).find(pairs, engine)
    assert pairs.collection.corpus["id"].gather(found["doc"]).to_list() == expected
    assert found["rank"].to_list() == list(range(1, len(expected) + 1))
    assert found["score"].to_list() == pytest.approx([SCORES[k] for k in expected])


def test_with_several_positives_a_document_differs_from_all_and_beats_one(engine):
    pairs = world(positives=("p", "d"))
    found = Attribute(encoder=ENCODER).find(pairs, engine)
    assert pairs.collection.corpus["id"].gather(found["doc"]).to_list() == ["c"]


def test_no_value_no_candidate(engine):
    assert Attribute(encoder=ENCODER).find(world(LANGUAGES | {"p": None}), engine).height == 0


def test_every_row_gets_the_encoders_score(engine):
    source = Attribute(encoder=ENCODER)
    pairs = source(world(), engine)
    assert source.score == "dot.attribute"
    assert source.fill(pairs, engine).to_list() == pytest.approx([0.9, 0.7, 0.75])


def test_bad_options_are_refused(engine):
    with pytest.raises(RecipeError, match="encoder is missing"):
        Attribute().check()
    with pytest.raises(RecipeError, match="column is empty"):
        Attribute(encoder=ENCODER, column="").check()
    with pytest.raises(DataError, match="no column 'date'"):
        Attribute(encoder=ENCODER, column="date").find(world(), engine)


def test_mm_embed_takes_documents_of_the_wrong_kind_that_rank_above_the_positive():
    ids = [f"d{i:02}" for i in range(60)]
    corpus = pl.DataFrame({"id": ids, "text": ids, "language": ["de" if i in (1, 3, 9) else "en" for i in range(60)]})
    labels = pl.DataFrame({"query_id": ["q"], "doc_id": ["d05"], "grade": [1]})
    encoder = Given({k: (1 - i / 100, 0.0) for i, k in enumerate(ids)}, {"q": (1.0, 0.0)}, "dot")
    plan = Plan(encoders=(("dense", encoder),), column="language", n=50)
    run = mine(build(corpus, pl.DataFrame({"id": ["q"], "text": ["why"]}), labels), mm_embed(plan))
    assert run.negatives["doc_id"].to_list() == ["d01", "d03", *ids[45:]]
