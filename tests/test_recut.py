"""Selecting again: nothing is searched twice, and without new verdicts nothing changes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from build import collection
from foils import made
from foils.collection import Collection
from foils.engine import Local
from foils.make.edits import Edit, Span
from foils.make.item import Made, Twin
from foils.models.lsa import Lsa
from foils.pairs import Pairs
from foils.protocols import Verdict
from foils.recipes import Plan, naive, nv_retriever
from foils.recut import recut, undone
from foils.run import Run, mine
from foils.select import Top
from foils.sources.random import Random
from foils.steps import Recipe, Rule
from foils.verdicts import Verdicts

ALMANAC = Path(__file__).parent.parent / "examples" / "almanac"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("recut") / "run"
    mine(
        Collection.read(ALMANAC), Recipe(nv_retriever(Plan((("lsa", Lsa(dims=32)),), n=4, depth=20)).steps), out=folder
    )
    return Run.open(folder)


def same(left: Pairs, right: Pairs) -> bool:
    columns = ["query", "doc", "positive", "dropped", "weight"]
    return left.frame.select(columns).equals(right.frame.select(columns))


def test_without_new_verdicts_the_same_negatives(run):
    again = recut(run, Verdicts(), Local())
    assert same(again.pairs, run.pairs)
    assert [e.step for e in again.ledger.entries] == [e.step for e in run.ledger.entries]


def test_undone_keeps_every_score_and_frees_every_candidate(run):
    free = undone(run.pairs)
    assert free.negatives().height == (~run.pairs.frame["positive"]).sum()
    scores = [c for c in run.pairs.frame.columns if "." in c]
    assert free.frame.select(scores).equals(run.pairs.frame.select(scores))


def test_a_verdict_reaches_a_rule_that_reads_it(run):
    class Heed(Rule):
        def drops(self, pairs):
            return pl.col("p_relevant").fill_null(0.0) > 0.5

    chosen = np.flatnonzero(run.pairs.frame.select(run.pairs.live).to_series().to_numpy())[:3].astype(np.uint32)
    said = Verdicts().add(run.pairs, chosen, [Verdict(0.9, "j")] * 3, "human")
    steps = run.recipe.steps
    again = recut(run, said, Local(), Recipe((*steps[:-1], Heed(), steps[-1])))
    out = again.pairs.frame[chosen]
    assert out["dropped"].cast(pl.String).to_list() == ["heed"] * 3
    assert again.pairs.frame[chosen]["judged_by"].cast(pl.String).to_list() == ["j"] * 3


def test_randomly_filled_rows_are_forgotten(tmp_path):
    plan = Plan((("lsa", Lsa(dims=16)),), n=30, depth=5, short="random")
    mine(Collection.read(ALMANAC), naive(plan), out=tmp_path / "run")
    filled = Run.open(tmp_path / "run")
    assert (filled.pairs.frame["filled"].cast(pl.String) == "random").sum() > 0
    assert "rank.fill" not in undone(filled.pairs).frame.columns


FILLED = Recipe((Random(depth=2), Top(n=6, short="random")))


def fills(run: Run) -> list[tuple[int, int, int]]:
    random = pl.col("filled").cast(pl.String) == "random"
    return run.pairs.frame.filter(random).select("query", "doc", "rank.fill").rows()


def test_the_random_fills_of_a_large_corpus_stay(tmp_path):
    mine(collection(queries=2, docs=10_050), FILLED, out=tmp_path / "run")
    run = Run.open(tmp_path / "run")
    assert run.pairs.collection.corpus.height < 20
    assert len(fills(run)) == 8
    assert fills(recut(run, Verdicts(), Local())) == fills(run)


def test_a_random_fill_that_is_judged_relevant_goes():
    run = mine(collection(queries=1, docs=9), FILLED)
    query, doc, _ = fills(run)[0]
    row = np.flatnonzero((run.pairs.frame["query"] == query) & (run.pairs.frame["doc"] == doc)).astype(np.uint32)
    said = Verdicts().add(run.pairs, row, [Verdict(1.0, "human")], "human")
    again = fills(recut(run, said, Local()))
    assert len(again) == 4
    assert doc not in [d for _, d, _ in again]


def test_random_fills_are_never_made_documents():
    run = mine(collection(queries=2, docs=9), FILLED)
    twin = Twin("text no. 0", (Edit(5, 11, "number", "no.", "same"),), "same")
    edit = (Edit(12, 13, "0", "7", "number"),)
    built = Made("number", "near-miss", "document", "text no. 7", edit, Span(0, 13), None, {}, "another", twin=twin)
    larger = made.add(run.pairs, [made.Entry(0, 0, built, None, "text no. 7", 1)], twins=True)
    assert larger.frame["doc"].max() == 10
    more = Recipe((FILLED.steps[0], Top(n=20, short="random")))
    again = recut(replace(run, pairs=larger), Verdicts(), Local(), more).pairs.frame
    assert again.select("query", "doc").is_unique().all()
    assert again.filter(pl.col("doc") > 8).select("query", "doc", "positive").rows() == [(0, 9, False), (0, 10, True)]
