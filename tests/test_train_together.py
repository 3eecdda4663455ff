"""Both rows of a minimal pair in one batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer

import tiny
from foils.collection import Collection
from foils.counterparts import add_both
from foils.errors import DataError, RecipeError
from foils.ledger import Ledger
from foils.make.twosided import Counterparts, both_ways
from foils.pairs import Pairs
from foils.run import Run
from foils.sources.random import Random
from foils.steps import Recipe
from foils.train import fit
from foils.train.examples import Examples
from foils.train.load import blend
from foils.train.settings import Settings
from foils.train.together import Together, mutual


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
