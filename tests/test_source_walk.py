"""BiCA's walks, against the algorithm followed by hand."""

import numpy as np
import polars as pl
import pytest

from foils.collection import build
from foils.errors import RecipeError
from foils.pairs import Pairs
from foils.sources.walk import Walk
from vectors import Given


def world(graph, angles, query=0.0, positives=("p",)):
    """Documents as angles in the plane, so that likeness is nearness of angles."""
    corpus = pl.DataFrame({"id": list(graph), "text": list(graph), "links": [list(v) for v in graph.values()]})
    labels = pl.DataFrame({"query_id": ["q"] * len(positives), "doc_id": list(positives), "grade": 1})
    pairs = Pairs.start(build(corpus, pl.DataFrame({"id": ["q"], "text": ["why"]}), labels))
    point = {k: (np.cos(a), np.sin(a)) for k, a in angles.items()}
    return pairs, Given(point, {"q": (np.cos(query), np.sin(query))})


def names(pairs, found):
    return pairs.collection.corpus["id"].gather(found.sort("rank")["doc"]).to_list()


def test_with_one_choice_per_step_the_walk_is_greedy(engine):
    """Start at b, the cited one nearest to the query; then a (.1 away), c (.4 away); d is left for the last draw."""
    graph = {"p": "bd", "a": "", "b": "ac", "c": "", "d": "", "far": ""}
    pairs, encoder = world(graph, {"p": 0, "a": 0.3, "b": 0.2, "c": 0.7, "d": 2.5, "far": 0.2})
    found = Walk(encoder=encoder, paths=1, length=3, top=1).find(pairs, engine)
    assert names(pairs, found) == ["b", "a", "c", "d"]
    assert names(pairs, Walk(encoder=encoder, paths=1, length=1, top=1).find(pairs, engine))[0] == "b"
    assert Walk(encoder=encoder, depth=2).find(pairs, engine).height == 2


def test_a_walk_that_starts_on_a_visited_document_ends(engine):
    """b and a are the starts; the first walk takes both, so the second adds nothing; one more is drawn."""
    graph = {"p": "ab", "a": "cd", "b": "", "c": "", "d": ""}
    pairs, encoder = world(graph, {"p": 0, "a": 0.3, "b": 0.2, "c": 1.5, "d": 1.6})
    found = names(pairs, Walk(encoder=encoder, paths=2, length=2, top=1).find(pairs, engine))
    assert found[:2] == ["b", "a"]
    assert len(found) == 3


def test_steps_are_drawn_from_the_softmax_of_the_cosines(engine):
    """Oracle: from a, cosines 1 (b) and -1 (c): P(b) = e / (e + 1/e) = .880797."""
    n = 3000
    ids = [f"q{i}" for i in range(n)]
    corpus = pl.DataFrame({"id": ["p", "a", "b", "c"], "text": list("pabc"), "links": [["a"], ["b", "c"], [], []]})
    labels = pl.DataFrame({"query_id": ids, "doc_id": ["p"] * n, "grade": 1})
    pairs = Pairs.start(build(corpus, pl.DataFrame({"id": ids, "text": ids}), labels))
    encoder = Given({"p": (0, 1), "a": (1, 0), "b": (2, 0), "c": (-1, 0)}, dict.fromkeys(ids, (1, 0)))
    found = Walk(encoder=encoder, paths=1, length=2).find(pairs, engine)
    share = (found.filter(pl.col("rank") == 2)["doc"] == 2).mean()
    assert share == pytest.approx(0.880797, abs=4 * np.sqrt(0.88 * 0.12 / n))


def test_the_positives_are_not_visited_and_no_links_find_nothing(engine):
    pairs, encoder = world({"p": "ab", "a": "pb", "b": ""}, {"p": 0, "a": 0.1, "b": 0.2}, positives=("p", "b"))
    assert names(pairs, Walk(encoder=encoder).find(pairs, engine)) == ["a"]
    pairs, encoder = world({"p": "", "a": "p"}, {"p": 0, "a": 0.1})
    assert Walk(encoder=encoder).find(pairs, engine).height == 0


def test_at_most_nine_and_one(engine):
    graph = {"p": "abcde", **{k: "fghijklmno" for k in "abcde"}, **{k: "" for k in "fghijklmno"}}
    pairs, encoder = world(graph, {k: i / 10 for i, k in enumerate(graph)})
    one = Walk(encoder=encoder).find(pairs, engine)
    assert 4 <= one.height <= 10
    assert one.equals(Walk(encoder=encoder).find(pairs, engine))
    assert any(not one.equals(Walk(encoder=encoder, seed=s).find(pairs, engine)) for s in (1, 2, 3))


def test_an_encoder_is_needed():
    with pytest.raises(RecipeError, match="encoder is missing"):
        Walk().check()
    with pytest.raises(RecipeError, match="paths=0"):
        Walk(encoder=Given(), paths=0).check()
