"""Links, shared values, and the columns they stand in."""

import json

import polars as pl
import pytest

from foils.collection import build
from foils.errors import DataError, RecipeError
from foils.pairs import Pairs
from foils.sources.links import Links
from foils.sources.tables import column, links, values

GRAPH = {"a": ["b", "c"], "b": ["d"], "c": ["d", "a"], "d": [], "e": ["a"]}


def world(positives=("a",), **columns):
    corpus = pl.DataFrame({"id": list(GRAPH), "text": [f"text {k}" for k in GRAPH]} | columns, strict=False)
    labels = pl.DataFrame({"query_id": ["q"] * len(positives), "doc_id": list(positives), "grade": 1})
    return Pairs.start(build(corpus, pl.DataFrame({"id": ["q"], "text": ["why"]}), labels))


def names(pairs, found):
    return pairs.collection.corpus["id"].gather(found.sort("rank")["doc"]).to_list()


@pytest.mark.parametrize(
    "cells",
    [
        list(GRAPH.values()),
        [json.dumps(v) for v in GRAPH.values()],
        [json.dumps(dict.fromkeys(v, 2)) for v in GRAPH.values()],
        [" ".join(v) for v in GRAPH.values()],
        [", ".join(v) or None for v in GRAPH.values()],
        pl.Series([dict.fromkeys(v, 1) for v in GRAPH.values()]),
    ],
    ids=["list", "json list", "json mapping", "spaces", "commas", "mapping"],
)
def test_links_in_every_form(cells, engine):
    pairs = world(links=cells)
    assert sorted(names(pairs, Links().find(pairs, engine))) == ["b", "c"]


def test_nearer_documents_rank_first_then_those_with_more_links(engine):
    pairs = world(links=list(GRAPH.values()))
    assert names(pairs, Links(hops=2).find(pairs, engine))[2] == "d"
    assert sorted(names(pairs, Links(both=True).find(pairs, engine))) == ["b", "c", "e"]
    two = world(("b", "c"), links=list(GRAPH.values()))
    assert names(two, Links().find(two, engine)) == ["d", "a"]
    assert names(two, Links(depth=1).find(two, engine)) == ["d"]


def test_unknown_ids_are_counted_and_links_to_itself_ignored(engine):
    pairs = world(links=[["a", "zz", "b"], [], [], [], []])
    source = Links()
    assert names(pairs, source.find(pairs, engine)) == ["b"]
    assert source.facts() == {"links": "1", "links_to_unknown_ids": "1"}


def test_nested_columns(engine):
    cells = [{"page": "p1", "refs": v} for v in GRAPH.values()]
    for nested in (cells, [json.dumps(c) for c in cells]):
        pairs = world(metadata=nested)
        assert sorted(names(pairs, Links(column="metadata.refs").find(pairs, engine))) == ["b", "c"]
        assert len(names(pairs, Links(by="metadata.page").find(pairs, engine))) == 4


def test_documents_of_the_same_page(engine):
    pairs = world(page=["p", "p", "x", "p", None], tags=[["u", "v"], ["v"], ["u", "v"], [], ["w"]])
    assert sorted(names(pairs, Links(by="page").find(pairs, engine))) == ["b", "d"]
    assert names(pairs, Links(by="tags").find(pairs, engine)) == ["c", "b"]
    none = world(("e",), page=["p", "p", "x", "p", None])
    assert Links(by="page").find(none, engine).height == 0


def test_missing_columns_are_named_with_what_there_is(engine):
    with pytest.raises(DataError, match=r"no column 'links'.*id, text, metadata, metadata\.page"):
        Links().find(world(metadata=[{"page": "p"}] * 5), engine)
    with pytest.raises(DataError, match=r"none of the 5 links.*'77'.*'a'"):
        Links().find(world(links=[77] * 5), engine)
    with pytest.raises(DataError, match="no valid JSON"):
        links(pl.DataFrame({"id": ["a"], "links": ["[1, 2"]}), "links")
    with pytest.raises(DataError, match="nested too deeply"):
        values(pl.DataFrame({"id": ["a"], "x": [[[1]]]}), "x")
    assert column(pl.DataFrame({"id": ["a"], "x.y": ["1"]}), "x.y").to_list() == ["1"]


@pytest.mark.parametrize("options", [{"hops": 3}, {"by": "page", "hops": 2}, {"by": "page", "both": True}])
def test_bad_options_are_refused(options):
    with pytest.raises(RecipeError):
        Links(**options).check()
