"""What an anchor holds, what it leaves free, and what is rehearsed beside a batch."""

import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from torch.nn.functional import normalize

import tiny
from foils.counterparts import read
from foils.errors import DataError, RecipeError
from foils.run import Run
from foils.train import fit
from foils.train.anchor import Rehearsal, drift, reordering, stretch
from foils.train.contest import Contest
from foils.train.load import load
from foils.train.objective import Batch
from foils.train.settings import Settings
from test_pairing import harbours
from test_train_fit import Killed, equal, killed_at
from test_train_together import examples, with_pairs


def unit(*shape, seed=0):
    return normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def scored(queries, docs):
    return normalize(queries, dim=-1) @ normalize(docs, dim=-1).T


def test_reordering_by_hand():
    """Scores 1, 0 become 1, 0.6: the change 0, 0.6 is -0.3, 0.3 without its mean; the scores were 0.5, -0.5."""
    query, docs = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    moved = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    assert reordering(scored(query, moved), scored(query, docs)).item() == pytest.approx(0.09 / 0.25)
    assert drift((query, moved), (query, docs)).item() == pytest.approx((0 + 0 + 0.2) / 3)


def test_what_moves_all_scores_of_a_query_alike_is_free():
    queries, docs = unit(5, 8), unit(7, 8, seed=1)
    turn = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(2)))[0]
    scores = scored(queries, docs)
    assert reordering(scored(queries @ turn, docs @ turn), scores).item() == pytest.approx(0, abs=1e-9)
    assert drift((queries @ turn, docs @ turn), (queries, docs)).item() > 0.5
    assert reordering(scores + torch.rand(5, 1), scores).item() == pytest.approx(0, abs=1e-9)
    # Half the distance between scores: the ranking stays, and it counts all the same.
    assert reordering(0.5 * scores, scores).item() == pytest.approx(0.25)


def paired():
    """Rows 0 and 2 are a pair over documents 0 and 2; row 1 has document 1."""
    targets = torch.eye(3)
    own = torch.tensor([[True, False, True], [False, True, False], [True, False, True]])
    ids = torch.arange(3)
    return Contest(np.array([2, -1, 0])), Batch(np.arange(3), ids, ids, targets, own, own & (targets == 0), None)


def test_blocks_of_pairs():
    contest, batch = paired()
    rows, docs = contest.blocks(batch)
    assert rows.tolist() == [[0, 2]]
    assert docs.tolist() == [[0, 2]]
    none = Contest(np.array([-1, -1, -1])).blocks(batch)
    assert none[0].shape == (0, 2)
    assert reordering(torch.eye(3), torch.eye(3), none).item() == 0


def test_only_what_the_contest_asks_for_is_free():
    contest, batch = paired()
    scores = torch.tensor([[0.5, 0.1, 0.3], [0.2, 0.6, 0.1], [0.4, 0.3, 0.2]])
    pairs = contest.blocks(batch)

    def held(change, which):
        return reordering(scores + torch.tensor(change), scores, which).item()

    wanted = [[0.1, 0.0, -0.1], [0.0, 0.0, 0.0], [-0.1, 0.0, 0.1]]
    assert held(wanted, pairs) == pytest.approx(0, abs=1e-9)
    assert held(wanted, None) > 0.01
    for other in (
        [[0.1, 0.0, -0.1], [0.0, 0.0, 0.0], [0.1, 0.0, -0.1]],  # both prefer the same document
        [[0.0, 0.1, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],  # another document moves up
        [[0.0, 0.0, 0.0], [0.1, 0.0, -0.1], [0.0, 0.0, 0.0]],  # another query tells them apart
    ):
        assert held(other, pairs) > 0.01


def test_gradients_of_reordering():
    contest, batch = paired()
    scores = torch.rand(3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    before, pairs = torch.eye(3, dtype=torch.float64), contest.blocks(batch)
    torch.autograd.gradcheck(lambda s: reordering(s, before, pairs), scores)


def test_one_document_holds_nothing_and_breaks_nothing():
    value = reordering(torch.rand(2, 1), torch.rand(2, 1))
    assert value.item() == 0


def test_rehearsed_texts_depend_on_seed_and_step_only():
    passages = pl.Series([" ".join(f"w{i}-{j}" for j in range(30)) for i in range(50)])
    first = Rehearsal(passages, 8, 3)
    assert first.texts(5) == first.texts(5)
    assert first.texts(5) != first.texts(6)
    assert first.texts(5) != Rehearsal(passages, 8, 4).texts(5)
    for part, text in zip(*first.texts(5), strict=True):
        assert part in text
        assert 4 <= len(part.split()) <= 14


@pytest.mark.parametrize("text", ["", "word", "\u6f22\u5b57" * 20, "two words"])
def test_stretch_of_any_text(text):
    part = stretch(text, np.random.default_rng(0))
    assert part in text
    assert bool(part) == bool(text)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rehearse": 4}, "rehearse=4 says what an anchor holds"),
        ({"near": "m"}, "near='m' says what an anchor holds"),
        ({"rehearse": -1, "anchor": 1.0}, "rehearse=-1 must be at least 0"),
        ({"holds": "x"}, "holds='x' is not known; one of vectors, scores"),
    ],
)
def test_settings_that_hold_nothing(wrong, said):
    with pytest.raises(RecipeError, match=said):
        Settings(**wrong).settled()


HELD = Settings(
    epochs=1, batch=8, negatives=1, length=32, rate=1e-3, holdout=0.0, evaluations=0, keep="last", batches="together",
    contest=0.02, anchor=2.0, holds="scores", rehearse=3, dropout=0.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A run with two-sided pairs beside it, and two models of the same tokens."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("anchor")
    run = with_pairs(folder / "run")
    return run.folder, tiny.encoder(folder / "a"), tiny.encoder(folder / "b", seed=1)


@pytest.fixture
def parts(stored, tmp_path):
    """The same with a folder that a test may write into."""
    folder, model, other = stored
    return Run.open(shutil.copytree(folder, tmp_path / "run")), model, other


def by_hand(objective, step, base):
    """The share by which scores differ, of all texts that stand in the step, a pair's own contest left out."""
    found, rows = objective.examples, objective.course.rows(step)
    docs = np.unique(np.concatenate((found.positives[rows, 0], found.negatives[rows, 0])))
    more = objective.anchor.rehearsal.texts(step)
    queries, texts = found.questions(found.query[rows]) + more[0], found.texts(docs) + more[1]
    now, before = (m.encode(queries) @ m.encode(texts).T for m in (objective.model, base))
    change, partner = now - before, objective.contest.partner
    for a in range(len(rows)):
        b = np.flatnonzero(rows == partner[rows[a]])
        if len(b) and a < b[0]:
            i, j = (np.searchsorted(docs, found.positives[rows[x], 0]) for x in (a, b[0]))
            contested = (change[a, i] - change[a, j] - change[b[0], i] + change[b[0], j]) / 4
            change[[a, b[0]], [i, j]] -= contested
            change[[a, b[0]], [j, i]] += contested
    centred = [m - m.mean(axis=1, keepdims=True) for m in (change, before)]
    return (centred[0] ** 2).mean() / (centred[1] ** 2).mean(), len(more[1])


def test_what_is_held_is_in_the_loss_that_is_trained(parts):
    run, model, other = parts
    chosen = replace(HELD, near=other, precision="float32").settled()
    made = fit._prepare(run, chosen, read(run.folder))
    objective = fit._objective(load(model, chosen, "cpu").eval(), made, chosen, [])
    plain = fit._objective(load(model, chosen, "cpu").eval(), made, chosen, [])
    fit._hold(objective, model, "cpu")
    base = load(other, chosen, "cpu").eval()
    for step in range(objective.course.per_epoch):
        value, without = (float(o(torch.tensor([step])).detach()) for o in (objective, plain))
        wanted, rehearsed = by_hand(objective, step, base)
        assert rehearsed == 3
        assert value - without == pytest.approx(2.0 * wanted, rel=2e-3)
        assert wanted > 0.1


def test_held_scores_move_less(parts, tmp_path):
    from sentence_transformers import SentenceTransformer

    run, model, _ = parts
    texts = harbours().passages.to_list()
    moved = {}
    for weight in (0.0, 20.0):
        chosen = replace(HELD, epochs=4, anchor=weight, rehearse=3 if weight else 0)
        done = fit.train(run, model, tmp_path / f"m{weight:g}", chosen, device="cpu")
        before, after = (SentenceTransformer(m, device="cpu").encode(texts) for m in (model, done.folder))
        moved[weight] = reordering(torch.tensor(after @ after.T), torch.tensor(before @ before.T)).item()
    assert moved[20.0] < 0.5 * moved[0.0]


@pytest.mark.slow
def test_a_killed_training_with_rehearsal_goes_on_to_the_same_weights(parts, tmp_path, monkeypatch):
    run, model, other = parts
    longer = replace(HELD, epochs=3, evaluations=3, near=other)
    whole = fit.train(run, model, tmp_path / "whole", longer, device="cpu")
    with monkeypatch.context() as patched:
        killed_at(whole.steps - 2, patched)
        with pytest.raises(Killed):
            fit.train(run, model, tmp_path / "m", longer, device="cpu")
    fit.train(run, model, tmp_path / "m", longer, device="cpu")
    assert equal(tmp_path / "m", tmp_path / "whole")


def test_what_cannot_be_held_to_is_said_before_training(parts, tmp_path):
    run, model, _ = parts
    with pytest.raises(DataError, match="nowhere"):
        fit.train(run, model, tmp_path / "m", replace(HELD, near=str(tmp_path / "nowhere")), device="cpu")
    foreign = tiny.encoder(tmp_path / "foreign")
    for path in (tmp_path / "foreign").rglob("tokenizer.json"):
        path.write_text(path.read_text().replace('"harbour"', '"harbourx"'))
    with pytest.raises(RecipeError, match="reads other tokens"):
        fit.train(run, model, tmp_path / "n", replace(HELD, near=foreign), device="cpu")


def test_a_run_without_a_free_document_rehearses_nothing():
    with pytest.raises(DataError, match="rehearse=3: every document"):
        Rehearsal.of(examples(2, 1), 3, 0)
    free = Rehearsal.of(examples(2, 0), 3, 0)
    assert free.texts(0)[1] == ["document 4"] * 3


def test_bfloat16_needs_no_device_named_where_there_is_none_but_the_processor(parts, tmp_path):
    run, model, _ = parts
    assert fit.train(run, model, tmp_path / "m", replace(HELD, precision="bfloat16")).steps > 0
