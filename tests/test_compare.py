"""Runs side by side."""

import json
import sys

import polars as pl
import pytest

from foils import cli, recipes
from foils.collection import build
from foils.compare import compare
from foils.errors import DataError
from foils.run import mine

WORDS = ["red", "blue", "green", "old", "new", "tall"]


def world(prefix="q"):
    corpus = pl.DataFrame({"id": [f"d{i}" for i in range(6)], "text": [f"{w} fox runs by the {w} mill" for w in WORDS]})
    queries = pl.DataFrame({"id": [f"{prefix}1", f"{prefix}2"], "text": ["a red fox", "the old mill"]})
    labels = pl.DataFrame({"query_id": [f"{prefix}1", f"{prefix}2"], "doc_id": ["d0", "d3"], "grade": [1, 1]})
    return build(corpus, queries, labels)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    return [mine(world(), recipes.naive, negatives=n, out=folder / str(n)) for n in (1, 3)]


def test_gained_and_lost_are_seen_from_the_first_run(runs):
    found = compare(runs, ["one", "three"])
    assert found.overlap.row(0)[:4] == ("three", 2, 4, 0)
    assert found.overlap["jaccard"][0] == pytest.approx(1 / 3)
    assert found.changes["why"].unique().to_list() == ["not drawn"]
    back = compare(runs[::-1], ["three", "one"])
    assert back.overlap.row(0)[:4] == ("one", 2, 0, 4)
    assert set(back.changes["change"]) == {"lost"}
    assert found.runs["negatives"].to_list() == [2, 6]


def test_a_run_equals_itself(runs):
    found = compare([runs[0], runs[0]], ["a", "b"])
    assert found.overlap.row(0) == ("b", 2, 0, 0, 1.0)
    assert found.changes.height == found.most_changed().height == 0


def test_most_changed_queries_come_first(runs):
    most = compare(runs, ["one", "three"]).most_changed(1)
    assert most.row(0) == ("three", "q1", 2, 0)
    assert compare(runs, ["one", "three"]).of("q2").height == 2


def test_what_cannot_be_compared_is_refused(runs):
    with pytest.raises(DataError, match="needs two"):
        compare(runs[:1])
    with pytest.raises(DataError, match="share no query"):
        compare([runs[0], mine(world("other"), recipes.naive, negatives=1)])
    with pytest.raises(DataError, match="'q9'"):
        compare(runs).of("q9")


@pytest.mark.parametrize("more", [[], ["--query", "q1"], ["--json"], ["--json", "--query", "q1"]])
def test_the_verb(runs, more, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["foils", "compare", *(str(r.folder) for r in runs), *more])
    with pytest.raises(SystemExit) as end:
        cli.main()
    out = capsys.readouterr().out
    assert not end.value.code
    if "--json" in more:
        told = json.loads(out)
        assert len(told if isinstance(told, list) else told["changes"]) == (2 if "--query" in more else 4)
    else:
        assert "gained" in out
        assert "q1" in out
