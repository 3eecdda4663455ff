"""Both rows of a minimal pair in one batch."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer

import tiny
from foils import recipes
from foils.collection import Collection
from foils.counterparts import FILE, add_both, read, write
from foils.errors import DataError, RecipeError
from foils.ledger import Ledger
from foils.make.twosided import Counterparts, both_ways
from foils.pairing import Sides, pair_into
from foils.pairs import Pairs
from foils.run import Run, mine
from foils.sources.random import Random
from foils.steps import Recipe
from foils.train import checks, fit
from foils.train.dev import hold_out
from foils.train.examples import Examples
from foils.train.load import blend, load
from foils.train.settings import Settings, parse
from foils.train.together import Together, joined, mutual, usual
from test_pairing import harbours
from test_train_fit import Killed, equal, killed_at


def examples(pairs: int, single: int) -> Examples:
    """Queries 2k and 2k + 1 with documents that deny each other; after them, queries with a mined negative."""
    n = 2 * pairs + single
    corpus = pl.DataFrame({"id": [f"d{i}" for i in range(n + 1)], "text": [f"document {i}" for i in range(n + 1)]})
    queries = pl.DataFrame({"id": [f"q{i}" for i in range(n)], "text": [f"query {i}" for i in range(n)]})
    own = np.arange(n, dtype=np.uint32)
    positives = pl.DataFrame({"query": own, "doc": own}).with_columns(grade=pl.lit(1, dtype=pl.Int32))
    start = Pairs.start(Collection(corpus, queries, positives))
    wrong = [i ^ 1 if i < 2 * pairs else n for i in range(n)]
    kinds = ["polarity" if i < 2 * pairs else None for i in range(n)]
    rows = pl.DataFrame(
        {"query": own, "doc": np.array(wrong, dtype=np.uint32), "positive": False, "kind": kinds},
        schema_overrides={"kind": start.frame.schema["kind"]},
    ).with_columns(pl.lit(1, dtype=pl.Int32).alias("rank.made"))
    frame = pl.concat([start.frame, rows], how="diagonal").sort("query", "doc")
    return Examples.of(replace(start, frame=frame), negatives=1)


def test_partners_deny_each_other():
    assert mutual(examples(2, 3)).tolist() == [1, 0, 3, 2, -1, -1, -1]


def test_a_mined_negative_makes_no_partner():
    whole = examples(2, 0)
    mined = replace(whole, proven=np.zeros_like(whole.proven))
    assert mutual(mined).tolist() == [-1, -1, -1, -1]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(0, 20), st.integers(2, 9), st.integers(0, 5))
def test_every_row_once_and_partners_stay_together(pairs, single, size, seed):
    whole = examples(pairs, single)
    partner = mutual(whole)
    plan = Together(whole.own, partner)
    made = plan.batches(len(whole), size, 0, np.random.default_rng(seed))
    assert sorted(np.concatenate(made).tolist()) == list(range(len(whole)))
    assert all(len(b) <= size for b in made)
    for batch in made:
        held = set(batch.tolist())
        assert {int(p) for p in partner[batch] if p >= 0} <= held


def test_pairs_are_spread_evenly():
    whole = examples(16, 32)
    made = Together(whole.own, mutual(whole)).batches(64, 8, 0, np.random.default_rng(0))
    assert [int((mutual(whole)[b] >= 0).sum()) for b in made] == [4] * 8


def test_a_batch_of_one_is_refused():
    whole = examples(1, 1)
    with pytest.raises(DataError, match="at least 2"):
        Together(whole.own, mutual(whole)).batches(3, 1, 0, np.random.default_rng(0))


def test_weights_between_before_and_after():
    before, after = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    wanted = 0.25 * after.weight.detach() + 0.75 * before.weight.detach()
    blend(after, before, 0.25)
    torch.testing.assert_close(after.weight.detach(), wanted)
    same = after.weight.detach().clone()
    blend(after, before, 1.0)
    assert torch.equal(after.weight.detach(), same)


@pytest.mark.parametrize(
    "wrong", [{"blend": 0.0}, {"blend": 1.5}, {"blend": 0.5, "lora": 4}, {"blend": 0.5, "loss": "adore"}]
)
def test_a_share_that_cannot_be_blended(wrong):
    with pytest.raises(RecipeError, match="blend"):
        Settings(**wrong).settled()


@pytest.mark.parametrize("wrong", [{"anchor": -1.0}, {"anchor": 1.0, "kind": "reranker"}])
def test_an_anchor_that_cannot_hold(wrong):
    with pytest.raises(RecipeError, match="anchor"):
        Settings(**wrong).settled()


def test_an_anchored_training_stays_nearer(tmp_path):
    torch.set_num_threads(1)
    base = tiny.encoder(tmp_path / "base")
    texts = [f"The old harbour of town {n} was closed to ships in 19{n + 10}." for n in range(12)]
    start = Pairs.start(examples(2, 0).collection)
    run = Run(add_both(start, both_ways(texts, Counterparts(("negate",)))), Recipe((Random(),), "none"), Ledger())
    chosen = Settings(
        epochs=4, batch=8, negatives=1, length=32, rate=1e-3, holdout=0.0, keep="last", batches="together"
    )
    near = {}
    for weight in (0.0, 50.0):
        done = fit.train(run, base, tmp_path / f"m{weight:g}", replace(chosen, anchor=weight), device="cpu")
        before, after = (SentenceTransformer(m, device="cpu") for m in (base, done.folder))
        assert after.max_seq_length == before.max_seq_length != chosen.length
        near[weight] = float((before.encode(texts) * after.encode(texts)).sum(1).mean())
    assert near[0.0] < near[50.0] <= 1.0001


def test_precision_is_checked():
    with pytest.raises(RecipeError, match="precision"):
        Settings(precision="int4").settled()


def with_pairs(folder):
    """A run whose folder holds two-sided pairs."""
    run = mine(harbours(), recipes.naive, negatives=4, out=folder)
    pair_into(run, Sides(50, ("negate", "number")))
    return run


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """The folder of such a run, and small models."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("beside")
    run = with_pairs(folder / "run")
    return run.folder, {"retriever": tiny.encoder(folder / "e"), "reranker": tiny.reranker(folder / "r")}


@pytest.fixture
def beside(stored, tmp_path):
    """The same with a folder that a test may write into."""
    folder, models = stored
    return Run.open(shutil.copytree(folder, tmp_path / "run")), models


QUICK = Settings(epochs=1, batch=8, negatives=2, length=32, rate=1e-3, holdout=0.0, evaluations=0, keep="last")


def trained(run, model, folder, settings=QUICK, **options):
    """The result and what the folder says of it."""
    done = fit.train(run, model, folder, settings, device="cpu", **options)
    return done, json.loads((folder / "training.json").read_text())


def test_a_training_takes_the_pairs_beside_the_run(beside, tmp_path, capsys):
    run, models = beside
    done, kept = trained(run, models["retriever"], tmp_path / "m", quiet=False)
    assert "12 two-sided pairs beside the run are trained on, too" in capsys.readouterr().err
    assert (done.rows, kept["facts"]["settings"]["batches"]) == (6 + 24, "together")
    assert "; among the rows those of 12 two-sided pairs" in (tmp_path / "m" / "README.md").read_text()
    plain, without = trained(run, models["retriever"], tmp_path / "n", replace(QUICK, both=False), quiet=False)
    assert "two-sided" not in capsys.readouterr().err
    assert (plain.rows, without["facts"]["settings"]["batches"]) == (6, "shuffled")
    assert "two-sided" not in (tmp_path / "n" / "README.md").read_text()
    assert Run.open(run.folder).pairs.frame.equals(run.pairs.frame)


def test_a_reranker_learns_from_the_proven_negative_of_each_row(beside, tmp_path):
    run, models = beside
    done, kept = trained(run, models["reranker"], tmp_path / "m", replace(QUICK, kind="reranker"))
    assert (done.rows, kept["facts"]["settings"]["batches"]) == (30, "shuffled")
    assert done.emptied == 0


def test_another_file_is_another_training(beside, tmp_path):
    run, models = beside
    one = trained(run, models["retriever"], tmp_path / "m")
    assert trained(run, models["retriever"], tmp_path / "m") == one
    path = run.folder / FILE
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:5]))
    with pytest.raises(DataError, match="holds another training"):
        trained(run, models["retriever"], tmp_path / "m")
    assert trained(run, models["retriever"], tmp_path / "m", overwrite=True)[0].rows == 6 + 10


@pytest.mark.slow
def test_a_killed_training_with_pairs_goes_on_to_the_same_weights(beside, tmp_path, monkeypatch):
    run, models = beside
    longer = replace(QUICK, epochs=3, evaluations=3)
    whole, _ = trained(run, models["retriever"], tmp_path / "whole", longer)
    with monkeypatch.context() as patched:
        killed_at(whole.steps - 2, patched)
        with pytest.raises(Killed):
            trained(run, models["retriever"], tmp_path / "m", longer)
    assert not (tmp_path / "m" / "training.json").exists()
    trained(run, models["retriever"], tmp_path / "m", longer)
    assert equal(tmp_path / "m", tmp_path / "whole")


def test_pairs_that_cannot_be_trained_on_are_not_left_out_in_silence(beside, tmp_path):
    run, models = beside
    for wrong, why in ((replace(QUICK, negatives=0), "negatives=0"), (replace(QUICK, loss="adore"), "loss adore")):
        with pytest.raises(RecipeError, match=f"{why}.*--set both=false"):
            trained(run, models["retriever"], tmp_path / "m", wrong)
    write(run.folder, [replace(m, source="d-Nowhere") for m in read(run.folder)])
    with pytest.raises(DataError, match="made from other documents than this run's"):
        trained(run, models["retriever"], tmp_path / "m")


def by_hand(scores, known, right, wrong, partner):
    """Two documents at 0.02 for a row of a pair; for others all that answers nothing known, at 0.05."""
    if partner:
        return np.log1p(np.exp((scores[wrong] - scores[right]) / 0.02))
    seen = ~known | (np.arange(len(scores)) == right)
    return np.log(np.exp((scores[seen] - scores[right]) / 0.05).sum())


def test_a_contest_is_in_the_loss_that_is_trained(beside, tmp_path):
    """The objective's value of each batch, worked out from the model's own vectors row by row."""
    run, models = beside
    chosen = replace(QUICK, negatives=1, batches="together", contest=0.02, precision="float32").settled()
    parts = fit._prepare(run, chosen, read(run.folder))
    learner = load(models["retriever"], chosen, "cpu").eval()
    objective, found, kinds = fit._objective(learner, parts, chosen, []), parts.examples, set()
    partner = mutual(found) >= 0
    for step in range(objective.course.per_epoch):
        value = float(objective(torch.tensor([step])).detach())
        rows = objective.course.rows(step)
        docs = np.unique(np.concatenate((found.positives[rows, 0], found.negatives[rows, 0])))
        scores = learner.encode(found.questions(found.query[rows])) @ learner.encode(found.texts(docs)).T
        known = objective.known.known(torch.tensor(found.query[rows]), torch.tensor(docs)).numpy()
        right, wrong = (np.searchsorted(docs, side[rows, 0]) for side in (found.positives, found.negatives))
        costs = [by_hand(*row) for row in zip(scores, known, right, wrong, partner[rows], strict=True)]
        assert value == pytest.approx(float(np.mean(costs)), rel=2e-3)
        kinds |= set(partner[rows].tolist())
    assert kinds == {True, False}


def test_a_contest_that_would_do_nothing_is_refused(beside, tmp_path):
    run, models = beside
    wanted = replace(QUICK, contest=0.02)
    for settings_, why in ((replace(wanted, both=False), "shuffled"), (replace(wanted, batches="hard"), "hard")):
        with pytest.raises(RecipeError, match=f"batches={why} of this run hold none together"):
            trained(run, models["retriever"], tmp_path / "m", settings_)
    assert trained(run, models["retriever"], tmp_path / "m", replace(wanted, anchor=1.0))[0].rows == 30


def test_the_batches_of_settings_that_name_none(beside):
    found = read(beside[0].folder)
    assert [usual(QUICK, found), usual(QUICK, []), usual(replace(QUICK, kind="reranker"), found)] == [
        "together", "shuffled", "shuffled"
    ]  # fmt: skip
    assert QUICK.settled().batches is None
    checks.check(replace(QUICK, kind="reranker").settled(), [])


def test_the_switch_is_read_from_the_command_line():
    assert parse("both", "false") is False
    assert parse("both", "True") is True
    with pytest.raises(RecipeError, match="neither true nor false"):
        parse("both", "0")


def test_the_same_queries_are_held_out_with_pairs_and_without(beside):
    run, _ = beside
    kept, _ = hold_out(run.pairs, 0.5, 0)
    larger, queries = joined(run.pairs, kept, read(run.folder))
    assert queries[: len(kept)].tolist() == kept.tolist()
    assert queries[len(kept) :].tolist() == list(range(6, 30))
    assert larger.collection.queries.height == 30
    assert joined(run.pairs, kept, [])[1].tolist() == kept.tolist()
