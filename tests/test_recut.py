"""Selecting again: nothing is searched twice, and without new verdicts nothing changes."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from foils.collection import Collection
from foils.engine import Local
from foils.models.lsa import Lsa
from foils.pairs import Pairs
from foils.protocols import Verdict
from foils.recipes import Plan, naive, nv_retriever
from foils.recut import recut, undone
from foils.run import Run, mine
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
