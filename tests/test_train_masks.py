"""Masks: known positives in every pool, copies of them, likely false negatives; and what is never masked."""

import numpy as np
import polars as pl
import pytest
import torch
import torch.multiprocessing as multiprocessing
from hypothesis import given
from hypothesis import strategies as st

from build import collection, scored
from foils.errors import DataError
from foils.train import losses, masks
from foils.train.masks import PairTable

IDS = [(0, 0), (0, 3), (1, 1), (2, 2), (2, 0)]


def table(**options):
    query, doc = (np.array(c) for c in zip(*IDS, strict=True))
    return PairTable.of(query, doc, **options)


def test_known_positives_are_found_in_any_pool():
    queries = torch.tensor([0, 1, 2])
    in_batch = torch.tensor([0, 1, 2])
    assert table().known(queries, in_batch).tolist() == [
        [True, False, False],
        [False, True, False],
        [True, False, True],
    ]
    bank = torch.tensor([3, 3, -1, 0])
    assert table().known(queries, bank).tolist() == [
        [True, True, False, True],
        [False, False, False, False],
        [False, False, False, True],
    ]


def test_a_list_per_query_is_a_pool_too():
    docs = torch.tensor([[0, 1], [0, 1], [2, -1]])
    assert table().known(torch.tensor([0, 1, -1]), docs).tolist() == [[True, False], [False, True], [False, False]]


def test_near_duplicates_share_a_group():
    groups = np.array([0, 1, 2, 3, 3, 0])
    found = table(groups=groups, size=(3, 6)).known(torch.tensor([0, 1]), torch.tensor([4, 5, 1]))
    assert found.tolist() == [[True, True, False], [False, False, True]]


def test_the_same_question_under_another_id():
    found = table(queries=np.array([0, 1, 2, 0])).known(torch.tensor([3]), torch.tensor([0, 1, 3]))
    assert found.tolist() == [[True, False, True]]


def test_values_and_what_is_unknown():
    known = PairTable.of(np.array([0, 0, 0]), np.array([1, 2, 2]), np.array([0.2, 0.4, 0.9]))
    found = known.value(torch.tensor([0]), torch.tensor([1, 2, 0, -1]))
    assert found[0, :2].tolist() == pytest.approx([0.2, 0.9])
    assert torch.isnan(found[0, 2:]).all()
    assert masks.likely(found, 0.5).tolist() == [[False, True, False, False]]
    with pytest.raises(DataError, match="threshold=0"):
        masks.likely(found, 0)


def test_an_empty_table_knows_nothing():
    empty = PairTable.of(np.empty(0, dtype=int), np.empty(0, dtype=int), size=(3, 5))
    assert not empty.known(torch.tensor([0, 2]), torch.tensor([0, 4])).any()
    assert torch.isnan(empty.value(torch.tensor([0, 2]), torch.tensor([0, 4]))).all()


def test_pairs_outside_the_collection_are_refused():
    with pytest.raises(DataError, match="document 3 of 2"):
        table(size=(3, 2))


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9)), max_size=30),
    st.lists(st.integers(-1, 6), min_size=1, max_size=5),
    st.lists(st.integers(-1, 9), min_size=1, max_size=8),
)
def test_lookup_is_membership(pairs, queries, docs):
    query, doc = (np.array([p[i] for p in pairs], dtype=int) for i in (0, 1))
    found = PairTable.of(query, doc, size=(7, 10)).known(torch.tensor(queries), torch.tensor(docs))
    assert found.tolist() == [[(q, d) in set(pairs) for d in docs] for q in queries]


def test_positives_of_a_run_with_those_found_since():
    where = collection(queries=3, docs=6)
    pairs = scored(where, {0: [(0, 0.9), (4, 0.5)], 1: [(1, 0.9)], 2: [(2, 0.9)]})
    promoted = (pl.col("query") == 0) & (pl.col("doc") == 4)
    pairs = pairs.with_column("positive", pl.col("positive") | promoted)
    found = PairTable.positives(pairs).known(torch.tensor([0, 1, 2]), torch.arange(6))
    assert found.nonzero().tolist() == [[0, 0], [0, 4], [1, 1], [2, 2]]
    copies = PairTable.positives(pairs, np.array([0, 1, 2, 3, 4, 1]))
    assert copies.known(torch.tensor([1]), torch.tensor([5])).all()


def test_text_groups():
    found = masks.text_groups(pl.Series(["Ａ b", "c", "a  B ", "d", "C"]))
    assert found.tolist() == [0, 1, 0, 2, 1]
    assert masks.text_groups(pl.Series([], dtype=pl.String)).tolist() == []


def test_above_positive_by_hand():
    guide = torch.tensor([[0.8, 0.79, 0.75, 0.85, -0.5]])
    targets = torch.tensor([[1, 0, 0, 0, 0]])
    assert masks.above_positive(guide, targets).tolist() == [[False, False, False, True, False]]
    assert masks.above_positive(guide, targets, 0.05).tolist() == [[False, True, False, True, False]]
    assert masks.above_positive(guide, targets, 0.05, relative=True).tolist() == [[False, True, False, True, False]]
    assert not masks.above_positive(guide, targets, -0.1).any()


def test_above_positive_is_right_for_negative_scores_and_several_positives():
    guide = torch.tensor([[-1.0, -1.02, -1.06, 2.0]])
    assert masks.above_positive(guide, torch.tensor([[1, 0, 0, 1]]), 0.05, relative=True).tolist() == [
        [False, True, False, False]
    ]
    assert not masks.above_positive(guide, torch.zeros(1, 4)).any()


def test_unime_keeps_the_worked_numbers():
    scores = torch.tensor([[0.60, 0.75, 0.69, 0.65, 0.40, 0.20]])
    targets = torch.tensor([[1, 0, 0, 0, 0, 0]])
    left = losses.remove(scores, masks.above_positive(scores, targets, -0.1))
    assert left[0].tolist() == pytest.approx([0.6, -torch.inf, 0.69, 0.65, 0.40, 0.20])
    assert masks.beyond(left, targets, 2).tolist() == [[False, False, False, False, True, True]]
    assert not masks.beyond(left, targets, 8).any()


@pytest.mark.parametrize(("strategy", "relative"), [("absolute", False), ("relative", True)])
def test_the_mask_is_that_of_gist_embed(tmp_path, strategy, relative):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.losses import GISTEmbedLoss

    from tiny import encoder

    model = SentenceTransformer(encoder(tmp_path / "a"), device="cpu").eval()
    guide = SentenceTransformer(encoder(tmp_path / "b", seed=1), device="cpu").eval()
    texts = [
        [f"{kind} {word}" for word in ("apple", "pear tree", "river boat", "stone")] for kind in ("what", "a", "no")
    ]
    loss = GISTEmbedLoss(model, guide, 0.05, strategy, 0.01, contrast_anchors=False, contrast_positives=False)
    with torch.no_grad():
        wanted = loss([model.preprocess(t) for t in texts], None)
        query, *docs = (model.encode(t, convert_to_tensor=True) for t in texts)
        guided, *others = (guide.encode(t, convert_to_tensor=True) for t in texts)
    targets = torch.eye(4, 8)
    mask = masks.above_positive(guided @ torch.cat(others).T, targets, 0.01, relative)
    assert mask.any()
    assert not mask.all()
    found = losses.info_nce(losses.remove(query @ torch.cat(docs).T, mask), targets, 0.05)
    assert found.mean().item() == pytest.approx(wanted.item(), abs=1e-5)


def test_dclr_threshold():
    assert masks.alike(torch.tensor([[0.9, 0.91, -1.0]])).tolist() == [[False, True, False]]


def test_the_ring_leaves_out_both_ends():
    scores = torch.tensor([[9.0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11]])
    targets = torch.zeros(1, 11)
    targets[0, 0] = 1
    out = masks.outside_ring(scores, targets, 0.2, 0.8)
    assert scores[out].tolist() == [1, 2, 10, 11]
    assert not masks.outside_ring(scores, targets, 0, 1).any()
    with pytest.raises(DataError, match="no band"):
        masks.outside_ring(scores, targets, 0.8, 0.2)


def test_protected_pairs_and_targets_are_never_blocked():
    everything = torch.ones(2, 4, dtype=torch.bool)
    targets = torch.eye(2, 4)
    protect = masks.owned(torch.tensor([0, 1, 0, -1]), torch.tensor([False, False, True, True]), 2)
    assert protect.tolist() == [[False, False, True, False], [False] * 4]
    blocked = masks.blocked(targets, everything, protect=protect)
    assert blocked.tolist() == [[False, True, False, True], [True, False, True, True]]
    assert not masks.blocked(targets).any()
    with pytest.raises(DataError, match="does not fit"):
        masks.blocked(targets, torch.ones(2, 3, dtype=torch.bool))


def test_a_typed_negative_survives_every_mask():
    """A near-duplicate of the positive, scored above it, which a detector takes for relevant: proven all the same."""
    known = PairTable.of(np.array([0]), np.array([0]), groups=np.array([0, 0, 1]), size=(1, 3))
    queries, docs, targets = torch.tensor([0]), torch.tensor([0, 1, 2]), torch.tensor([[1, 0, 0]])
    guide = torch.tensor([[0.8, 0.9, 0.95]])
    suspicions = (
        known.known(queries, docs),
        masks.above_positive(guide, targets),
        masks.likely(torch.tensor([[1.0, 0.99, 0.99]])),
    )
    typed = masks.owned(torch.tensor([0, 0, 0]), torch.tensor([False, True, False]), 1)
    assert masks.blocked(targets, *suspicions, protect=typed).tolist() == [[False, False, True]]


def gather_on(rank, port, results):
    import torch.distributed as distributed

    distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    try:
        ids = masks.gathered(torch.tensor([10 * rank, 10 * rank + 1]))
        results[rank] = ids.tolist()
    finally:
        distributed.destroy_process_group()


@pytest.mark.slow
def test_ids_are_gathered_from_all_devices():
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with multiprocessing.Manager() as manager:
        results = manager.dict()
        multiprocessing.spawn(gather_on, args=(port, results), nprocs=2)
        assert dict(results) == {0: [0, 1, 10, 11], 1: [0, 1, 10, 11]}


def test_one_device_gathers_its_own():
    ids = torch.tensor([1, 2])
    assert masks.gathered(ids) is ids
