"""Batches: no clash, every row once, the same by seed and epoch, and going on where a checkpoint was taken."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers.base.sampler import DefaultBatchSampler

from foils.errors import DataError
from foils.train.batches import Hard, Ngame, OneSource, Shuffled, TypedQuota
from foils.train.halving import blocks, halving_order
from foils.train.packing import Batch, Rows, pack


def rows_of(query, docs, known):
    known = np.array(known, dtype=np.int64).reshape(-1, 2)
    docs = np.array(docs, dtype=np.int64)
    return Rows(np.array(query, dtype=np.int64), docs.reshape(len(query), -1), known[:, 0], known[:, 1])


def clash(rows, a, b):
    """Whether a document of one row answers the other's query, or the query is the same."""
    wanted = [rows.wanted.get(int(rows.query[r]), frozenset()) for r in (a, b)]
    held = [set(rows.held[r]) for r in (a, b)]
    return bool(rows.query[a] == rows.query[b] or held[0] & wanted[1] or held[1] & wanted[0])


def clean(batches, rows):
    return not any(clash(rows, a, b) for batch in batches for i, a in enumerate(batch) for b in batch[:i])


def random_rows(n=60, queries=40, docs=300, columns=3, seed=0):
    rng = np.random.default_rng(seed)
    query = rng.integers(queries, size=n)
    known = np.stack((rng.integers(queries, size=2 * queries), rng.integers(docs, size=2 * queries)), 1)
    held = rng.integers(-1, docs, size=(n, columns))
    return rows_of(query, held, known)


def unit(n, d=8, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def clustered(groups=4, size=8, d=8, seed=0):
    """Rows around a few far-apart centres, shuffled, and the centre of each."""
    rng = np.random.default_rng(seed)
    label = rng.permutation(np.repeat(np.arange(groups), size))
    vectors = np.eye(d)[label] + 0.1 * rng.normal(size=(groups * size, d))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), label


N = 60
PLANS = {
    "shuffled": lambda: Shuffled(),
    "shuffled, no conflict": lambda: Shuffled(random_rows()),
    "one source": lambda: OneSource(random_rows(), source=np.arange(N) % 3),
    "ngame": lambda: Ngame.of(unit(N), doublings=(0, 0, 1)),
    "ngame, no conflict": lambda: Ngame.of(unit(N), random_rows(), doublings=(0, 0, 1)),
    "hard": lambda: Hard(vectors=unit(N)),
    "hard, no conflict": lambda: Hard(random_rows(), vectors=unit(N)),
}


@pytest.mark.parametrize("name", sorted(PLANS))
def test_every_row_comes_once_and_nothing_clashes(name):
    plan = PLANS[name]()
    sampler = plan(range(N), 8, False)
    for epoch in range(3):
        sampler.set_epoch(epoch)
        found = list(sampler)
        assert sorted(r for batch in found for r in batch) == list(range(N))
        assert len(found) == len(sampler)
        assert max(map(len, found)) == 8
        if plan.rows is not None:
            assert clean(found, plan.rows)


@pytest.mark.parametrize("name", sorted(PLANS))
def test_seed_and_epoch_decide(name):
    def epoch(number, seed=0):
        sampler = PLANS[name]()(range(N), 8, False, seed=seed)
        sampler.set_epoch(number)
        return list(sampler)

    assert epoch(1) == epoch(1)
    assert epoch(1) != epoch(2)
    assert epoch(1) != epoch(1, seed=3)
    sampler = PLANS[name]()(range(N), 8, False)
    list(sampler)
    sampler.set_epoch(1)
    assert list(sampler) == epoch(1)


@pytest.mark.parametrize("name", sorted(PLANS))
def test_going_on_from_a_checkpoint(name):
    whole = PLANS[name]()(range(N), 8, False, seed=5)
    whole.set_epoch(2)
    batches = list(whole)
    first = PLANS[name]()(range(N), 8, False, seed=5)
    first.set_epoch(2)
    handed = iter(first)
    start = [next(handed) for _ in range(3)]
    state = first.state_dict()
    second = PLANS[name]()(range(N), 8, False, seed=5)
    second.load_state_dict(state)
    second.set_epoch(2)
    assert start + list(second) == batches
    # The next epoch begins at its beginning.
    second.set_epoch(3)
    whole.set_epoch(3)
    assert list(second) == list(whole)
    assert first.state_dict(position=2)["position"] == 2


def test_another_seed_is_refused():
    state = Shuffled()(range(N), 8, False, seed=5).state_dict()
    with pytest.raises(DataError, match="seed 5, not 0"):
        Shuffled()(range(N), 8, False).load_state_dict(state)


def test_a_checkpoint_brings_the_vectors_of_a_model_that_is_gone():
    old = Ngame.of(unit(N, seed=1), doublings=(0, 0))
    state = old(range(N), 8, False).state_dict()
    fresh = Ngame.of(unit(N, seed=2), doublings=(0, 0))(range(N), 8, False)
    fresh.load_state_dict(state)
    assert list(fresh) == list(old(range(N), 8, False))


def test_a_new_plan_waits_for_the_next_epoch_and_is_in_the_checkpoint():
    old, new = (Ngame.of(unit(N, seed=s), doublings=(0, 0)) for s in (1, 2))
    wanted = [list(old(range(N), 8, False)), _epoch(new(range(N), 8, False), 1)]
    sampler = old(range(N), 8, False)
    handed = iter(sampler)
    start = [next(handed), next(handed)]
    sampler.refresh(new)
    state = sampler.state_dict()
    assert start + list(handed) == wanted[0]
    assert _epoch(sampler, 1) == wanted[1]
    resumed = old(range(N), 8, False)
    resumed.load_state_dict(state)
    assert start + list(resumed) == wanted[0]
    assert _epoch(resumed, 1) == wanted[1]


def test_a_plan_that_comes_before_the_epoch_counts_at_once():
    new = Ngame.of(unit(N, seed=2), doublings=(0, 0))
    sampler = Ngame.of(unit(N, seed=1), doublings=(0, 0))(range(N), 8, False)
    assert len(sampler) == 8
    sampler.refresh(new)
    assert list(sampler) == list(new(range(N), 8, False))


def test_a_checkpoint_at_the_end_of_an_epoch_does_not_repeat_it():
    sampler = Shuffled()(range(N), 8, False)
    list(sampler)
    resumed = Shuffled()(range(N), 8, False)
    resumed.load_state_dict(sampler.state_dict())
    assert list(resumed) == []
    assert _epoch(resumed, 1) == _epoch(sampler, 1)


def test_the_trainer_of_sentence_transformers_takes_a_plan():
    """Plans are callables with the signature that BaseTrainer.get_batch_sampler uses, and give its base class."""
    import torch

    plan = Shuffled(random_rows())
    sampler = plan(
        range(N), batch_size=8, drop_last=True, valid_label_columns=["label"], generator=torch.Generator(), seed=3
    )
    assert isinstance(sampler, DefaultBatchSampler)
    loader = torch.utils.data.DataLoader(range(N), batch_sampler=sampler)
    assert [b.tolist() for b in loader] == list(sampler)
    assert {len(b) for b in sampler} == {8}


def test_a_plan_for_other_rows_is_refused():
    with pytest.raises(DataError, match="60 rows, but the dataset has 61"):
        Shuffled(random_rows())(range(61), 8, False)
    with pytest.raises(DataError, match="rows of documents"):
        Rows(np.zeros(3), np.zeros((2, 1)), np.zeros(0), np.zeros(0))


def test_conflicts_are_found_by_qrels_and_not_by_what_the_rows_list():
    """Query 0 has two known positives, 0 and 9; its row lists one, another query's row holds the other."""
    rows = rows_of([0, 1, 2], [[0], [9], [2]], [(0, 0), (0, 9), (1, 1), (2, 2)])
    batches = pack(np.arange(3), 3, rows)
    assert [b.tolist() for b in batches] == [[0, 2], [1]]


def test_negatives_of_one_row_that_answer_another_clash():
    rows = rows_of([0, 1], [[0, 5], [1, 0]], [(0, 0), (1, 1)])
    assert len(pack(np.arange(2), 2, rows)) == 2


def test_near_duplicates_clash_when_they_share_a_number():
    groups = np.array([0, 1, 0])
    docs = np.array([[0], [2]])
    rows = Rows(np.array([0, 1]), groups[docs], np.array([0, 1]), groups[np.array([0, 1])])
    assert len(pack(np.arange(2), 2, rows)) == 2


@settings(max_examples=150)
@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 8), st.integers(1, 12), st.integers(0, 10**6))
def test_packing_any_rows(n, size, queries, docs, seed):
    rows = random_rows(n, queries, docs, 2, seed)
    batches = pack(np.random.default_rng(seed).permutation(n), size, rows)
    assert sorted(np.concatenate(batches).tolist()) == list(range(n))
    assert clean(batches, rows)
    assert all(1 <= len(b) <= size for b in batches)


def test_one_query_only_gives_batches_of_one_in_good_time():
    n = 20_000
    rows = rows_of(np.zeros(n), np.arange(n), np.stack((np.zeros(n), np.arange(n)), 1)[:50])
    assert [len(b) for b in pack(np.arange(n), 64, rows)] == [1] * n


def test_a_document_that_answers_every_query_is_one_test_per_batch():
    n, tests = 3_000, 0
    rows = rows_of(np.arange(n), np.zeros(n), np.stack((np.arange(n), np.zeros(n)), 1))
    original = Batch.clash

    def counted(self, row):
        nonlocal tests
        tests += 1
        return original(self, row)

    Batch.clash = counted
    try:
        assert len(pack(np.arange(n), 64, rows)) == n
    finally:
        Batch.clash = original
    assert tests < 4 * n


def test_batches_are_full_while_rows_fit():
    """A hundred queries, each twice: every batch but the last can be full."""
    query = np.repeat(np.arange(100), 2)
    rows = rows_of(query, query, np.stack((np.arange(100), np.arange(100)), 1))
    found = pack(np.arange(200), 10, rows)
    assert [len(b) for b in found] == [10] * 20


def test_one_source_per_batch():
    source = np.array(["a"] * 13 + ["b"] * 7)
    found = list(OneSource(source=source)(range(20), 5, False))
    assert all(len(set(source[b])) == 1 for b in found)
    assert sorted(map(len, found)) == [2, 3, 5, 5, 5]
    full = OneSource(source=source)(range(20), 5, True)
    assert [len(b) for b in full] == [5, 5, 5]
    order = [source[b[0]] for epoch in range(20) for b in _epoch(full, epoch)]
    assert len({tuple(order[i : i + 3]) for i in range(0, 60, 3)}) > 1


def _epoch(sampler, number):
    sampler.set_epoch(number)
    return list(sampler)


# NGAME


def test_blocks_are_halves_of_halves():
    assert blocks(10, 1).tolist() == [0, 10]
    assert blocks(10, 4).tolist() == [0, 3, 5, 8, 10]
    assert blocks(3, 64).tolist() == [0, 1, 2, 3]
    assert blocks(1, 4).tolist() == [0, 1]


def test_halving_finds_clusters_and_is_balanced():
    rng = np.random.default_rng(0)
    label = rng.permutation(np.repeat(np.arange(4), 8))
    # Two pairs of near clusters: every halving has one right answer.
    centres = np.array([[1, 0.5, 0], [1, -0.5, 0], [-1, 0, 0.5], [-1, 0, -0.5]])
    vectors = (centres[label] + 0.05 * rng.normal(size=(32, 3))).astype(np.float32)
    order = halving_order(vectors, seed=1)
    assert sorted(order.tolist()) == list(range(32))
    bounds = blocks(32, 4)
    assert np.diff(bounds).tolist() == [8] * 4
    purity = np.mean([np.bincount(label[order[a:b]]).max() / 8 for a, b in pairwise(bounds)])
    assert purity == 1.0
    assert np.array_equal(order, halving_order(vectors, seed=1))


@pytest.mark.parametrize("n", [1, 2, 3, 7, 33])
def test_halving_of_any_number_of_rows(n):
    assert sorted(halving_order(unit(n)).tolist()) == list(range(n))
    assert sorted(halving_order(np.ones((n, 4), dtype=np.float32)).tolist()) == list(range(n))
    assert sorted(halving_order(np.zeros((n, 4), dtype=np.float32)).tolist()) == list(range(n))


def test_halving_is_better_than_one_step():
    """Iterating raises the mean cosine to the own centre over a random balanced split."""
    vectors = unit(400, seed=3)
    order = halving_order(vectors)
    halves = [vectors[order[:200]], vectors[order[200:]]]
    shuffled = np.random.default_rng(0).permutation(400)
    others = [vectors[shuffled[:200]], vectors[shuffled[200:]]]
    spread = [sum(np.linalg.norm(h.sum(0)) for h in pair) for pair in (halves, others)]
    assert spread[0] > 2 * spread[1]


def test_ngame_doubles_its_clusters():
    vectors, _ = clustered(groups=8, size=8)
    plan = Ngame.of(vectors, doublings=(1, 2, 3))
    sampler = plan(range(64), 8, False)
    alike = []
    for epoch in range(4):
        sampler.set_epoch(epoch)
        alike.append(np.mean([np.mean(vectors[b] @ vectors[b].T) for b in sampler]))
    assert alike == sorted(alike)
    assert alike[3] > 0.8 > 0.4 > alike[0]


def test_ngame_is_random_before_its_first_doubling():
    plan = Ngame.of(clustered()[0])
    assert plan.doublings[0] == 10
    whole = np.concatenate(list(plan(range(32), 8, False)))
    assert not np.array_equal(whole, plan.tree)
    pairs = {frozenset(p) for p in plan.tree.reshape(-1, 2).tolist()}
    together = sum(frozenset(p) in pairs for p in whole.reshape(-1, 2).tolist())
    assert together < 4


# Hard batches


def test_hard_batches_gather_what_is_alike():
    vectors, label = clustered(groups=4, size=8)
    found = list(Hard(vectors=vectors)(range(32), 8, False))
    assert all(len(set(label[b])) == 1 for b in found)


def test_hard_batches_are_harder_than_random_ones():
    vectors = unit(200)

    def hardness(plan):
        return np.mean([np.mean(vectors[b] @ vectors[b].T) for b in plan(range(200), 10, False)])

    assert hardness(Hard(vectors=vectors)) > hardness(Shuffled()) + 0.15


# Quotas


def quota(**options):
    kind = np.array(["polarity"] * 4 + ["temporal"] * 30 + [""] * 40 + ["other"] * 6)
    return TypedQuota(kind=kind, shares={"polarity": 0.125, "temporal": 0.25}, **options)


def test_every_batch_has_its_quota():
    plan = quota()
    found = list(plan(range(80), 8, False))
    kinds = [plan.kind[b].tolist() for b in found]
    full = [k for k in kinds if len(k) == 8]
    assert len(full) >= len(kinds) - 1
    assert all(k.count("polarity") == 1 and k.count("temporal") == 2 for k in kinds)
    rest = sorted(r for b in found for r in b if plan.kind[r] in ("", "other"))
    assert rest == list(range(34, 80))
    assert all(len(set(b)) == len(b) for b in found)
    assert plan.repeats(8) == pytest.approx({"polarity": 46 / 5 / 4, "temporal": 46 / 5 * 2 / 30})


def test_rare_rows_take_turns():
    plan = quota()
    used = [r for b in plan(range(80), 8, False) for r in b if plan.kind[r] == "polarity"]
    counts = np.bincount(used, minlength=4)[:4]
    assert counts.max() - counts.min() <= 1


def test_a_quota_without_conflicts():
    rows = random_rows(80)
    plan = quota(rows=rows)
    found = list(plan(range(80), 8, False))
    assert clean(found, rows)
    assert sorted(r for b in found for r in b if plan.kind[r] in ("", "other")) == list(range(34, 80))


def test_a_quota_that_keeps_all_others_out_gives_way():
    rows = rows_of([0, 1, 1], [[0], [0], [0]], [(0, 0), (1, 0)])
    plan = TypedQuota(rows, kind=np.array(["typed", "", ""]), shares={"typed": 0.5})
    found = list(plan(range(3), 2, False))
    assert sorted(r for b in found for r in b if r) == [1, 2]


@pytest.mark.parametrize("shares", [{"none": 0.1}, {"polarity": 0.0}, {"polarity": 0.6, "temporal": 0.5}, {}])
def test_impossible_quotas_are_refused(shares):
    with pytest.raises(DataError, match="found other, polarity, temporal"):
        TypedQuota(kind=quota().kind, shares=shares)


def test_a_quota_needs_others():
    with pytest.raises(DataError, match="at least one must have none"):
        TypedQuota(kind=np.array(["typed"] * 3), shares={"typed": 0.5})
    with pytest.raises(DataError, match="no room for others"):
        list(quota()(range(80), 2, False))
