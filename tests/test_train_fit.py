"""Training from a run to a model: real trainers on tiny models, killed and continued."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import foils
import tiny
from foils import recipes
from foils.errors import DataError, RecipeError
from foils.judging import store
from foils.models.lsa import Lsa
from foils.promise import AUDIT, noted
from foils.recipes import Plan
from foils.run import Run
from foils.train import fit, schedule
from foils.train.objective import LOSSES
from foils.train.schedules import named
from foils.train.settings import Settings

ALMANAC = Path(__file__).parent.parent / "examples" / "almanac"
FAST = Settings(epochs=2, batch=16, negatives=3, length=32, holdout=0.25, evaluations=2, rate=1e-3)


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other on a busy machine take minutes for what one does in a second."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def run():
    """100 queries of the almanac with naive negatives, and a probability for every candidate."""
    whole = foils.Collection.read(ALMANAC)
    labels = whole.positives.filter(pl.col("query") < 100)
    cut = foils.Collection(whole.corpus, whole.queries, labels, name="almanac")
    mined = foils.mine(cut, recipes.naive(Plan((("lsa", Lsa()),), n=4, depth=30)))
    rank = pl.col("rank.lsa").fill_null(100).cast(pl.Float32)
    p = pl.when("positive").then(None).otherwise(0.9 / rank)
    return Run(mined.pairs.with_column("prob.detector", p).with_column("p_relevant", p), mined.recipe, mined.ledger)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {"retriever": tiny.encoder(folder / "e"), "reranker": tiny.reranker(folder / "r")}


def weights(folder):
    from safetensors.torch import load_file

    return {str(p.name): load_file(p) for p in sorted(Path(folder).rglob("*.safetensors"))}


def equal(a, b):
    first, second = weights(a), weights(b)
    assert first
    assert first.keys() == second.keys()
    return all(torch.equal(first[f][k], second[f][k]) for f in first for k in first[f])


class Killed(BaseException):
    """Stands for a signal: nothing catches it."""


def killed_at(step, monkeypatch):
    """Training dies in the middle of a step, after the forward pass."""
    from foils.train.trainer import RerankerTrainer, RetrieverTrainer

    for cls in (RetrieverTrainer, RerankerTrainer):
        real = cls.compute_loss

        def dying(self, *args, real=real, **options):
            value = real(self, *args, **options)
            if self.state.global_step == step:
                raise Killed
            return value

        monkeypatch.setattr(cls, "compute_loss", dying)


CASES = {
    "plain": (FAST, []),
    "reranker": (Settings(kind="reranker", epochs=1, batch=16, negatives=3, length=32, rate=1e-3, evaluations=1), []),
    "conan": (FAST, [("conan", {"every": "1", "factor": "0.5", "skip": "2"})]),
    "dbpm": (FAST, [("dbpm", {"noise": "0.5", "faulty": "0.5"})]),
    "remine": (FAST, [("remine", {"every": "4", "draw": "simans"})]),
    "curricula": (FAST, [("hardness", {"every": "3"}), ("risk", {})]),
    "ngame": (Settings(**FAST.facts() | {"batches": "ngame", "epochs": 3}), [("remine", {"every": "5"})]),
    "adore": (Settings(**FAST.facts() | {"loss": "adore"}), []),
    "cached": (Settings(**FAST.facts() | {"mini_batch": 8}), []),
}


@pytest.mark.parametrize("name", CASES)
def test_a_killed_training_continues_to_the_same_weights(run, models, tmp_path, monkeypatch, name):
    settings, schedules = CASES[name]
    model = models[settings.kind]

    def go(folder):
        made = [named(n, o) for n, o in schedules]
        return fit.train(run, model, tmp_path / folder, settings, schedules=made, device="cpu")

    whole = go("whole")
    with monkeypatch.context() as patch:
        killed_at(2 * whole.steps // 3, patch)
        with pytest.raises(Killed):
            go("killed")
    assert not (tmp_path / "killed" / "training.json").exists()
    again = go("killed")
    assert again.history == whole.history
    assert again.emptied == whole.emptied
    assert equal(tmp_path / "whole", tmp_path / "killed")
    card = [(tmp_path / f / "README.md").read_text().replace(f, "x") for f in ("whole", "killed")]
    assert card[0] == card[1]


def test_the_same_command_on_a_finished_training_does_nothing(run, models, tmp_path):
    first = fit.train(run, models["retriever"], tmp_path / "m", FAST, device="cpu")
    stamp = (tmp_path / "m" / "training.json").stat().st_mtime_ns
    assert fit.train(run, models["retriever"], tmp_path / "m", FAST, device="cpu") == first
    assert (tmp_path / "m" / "training.json").stat().st_mtime_ns == stamp
    other = Settings(**FAST.facts() | {"seed": 1})
    with pytest.raises(DataError, match="another training"):
        fit.train(run, models["retriever"], tmp_path / "m", other, device="cpu")
    fit.train(run, models["retriever"], tmp_path / "m", other, device="cpu", overwrite=True)
    assert json.loads((tmp_path / "m" / "training.json").read_text())["facts"]["settings"]["seed"] == 1


def test_an_audit_of_the_run_leaves_a_training_what_it_was(run, models, tmp_path):
    foils.mine(run.pairs.collection, run.recipe, out=tmp_path / "run")
    keys = []
    for facts in (None, {"judge": "human", "rate": "0.1", "low": "0.0", "high": "0.2"}):
        opened = Run.open(tmp_path / "run")
        store(opened, noted(opened, AUDIT, facts) if facts else opened)
        keys.append(fit._key(Run.open(tmp_path / "run"), models["retriever"], FAST, [], []))
    assert keys[0] == keys[1]


def test_another_ranker_is_another_training(run, models, tmp_path):
    keys = []
    for content in ("{}", "{ }"):
        (tmp_path / "config.json").write_text(content)
        keys.append(fit._key(run, models["retriever"], FAST, [named("ar2", {"ranker": str(tmp_path)})], []))
    assert keys[0] != keys[1]


def test_other_peoples_files_are_never_removed(run, models, tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "thesis.txt").write_text("mine")
    with pytest.raises(DataError, match="no training wrote"):
        fit.train(run, models["retriever"], tmp_path / "m", FAST, device="cpu", overwrite=True)
    assert (tmp_path / "m" / "thesis.txt").read_text() == "mine"


def test_training_learns(run, models, tmp_path):
    """A random model that learns 100 questions by heart ranks them better than before."""
    from foils.train.dev import Dev

    settings = Settings(**FAST.facts() | {"epochs": 12, "holdout": 0.0, "rate": 3e-3})
    done = fit.train(run, models["retriever"], tmp_path / "m", settings, device="cpu")
    from sentence_transformers import SentenceTransformer

    dev = Dev.of(run.pairs, run.pairs.queries, 30)
    before = dev(SentenceTransformer(models["retriever"], device="cpu"))
    after = dev(SentenceTransformer(done.folder, device="cpu"))
    assert after > before + 0.2


def test_the_gradient_cache_gives_the_same_gradient(run, models):
    grads = []
    for mini in (4, 10_000):
        settings = Settings(**FAST.facts() | {"mini_batch": mini}).settled()
        parts = fit._prepare(run, settings)
        learner = fit.load.load(models["retriever"], settings, "cpu").eval()
        objective = fit._objective(learner, parts, settings, [])
        objective(torch.tensor([0])).backward()
        grads.append(torch.cat([p.grad.flatten() for p in learner.parameters() if p.grad is not None]))
    assert grads[0].norm() > 0
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", ["retriever", "reranker"])
def test_lora_is_melted_into_a_model_that_loads_without_peft(run, models, tmp_path, kind):
    pytest.importorskip("peft")
    settings = Settings(kind=kind, lora=4, epochs=1, batch=16, negatives=2, length=32, rate=1e-2, keep="last")
    done = fit.train(run, models[kind], tmp_path / "m", settings, device="cpu")
    found = {k for w in weights(done.folder).values() for k in w}
    assert not [k for k in found if "lora" in k]
    assert not equal(models[kind], done.folder)
    assert not list(Path(done.folder).glob("adapter_*"))


def test_only_the_last_layers_learn(run, models, tmp_path):
    settings = Settings(**FAST.facts() | {"layers": 1, "keep": "last"})
    done = fit.train(run, models["retriever"], tmp_path / "m", settings, device="cpu")
    before, after = weights(models["retriever"])["model.safetensors"], weights(done.folder)["model.safetensors"]
    changed = {k for k in before if not torch.equal(before[k], after[k])}
    assert changed
    assert all("layer.1." in k or "pooler" in k for k in changed)


@pytest.mark.parametrize("kind", ["retriever", "reranker"])
def test_without_dropout_a_learning_model_repeats_itself(models, kind):
    from foils.train import load

    def spread(dropout):
        model = load.load(models[kind], Settings(kind=kind, dropout=dropout, length=32), "cpu").train()
        text = "When do the eels leave the river?"
        features = model.preprocess([(text, text)] if kind == "reranker" else [text])
        name = "scores" if kind == "reranker" else "sentence_embedding"
        torch.manual_seed(1)
        return float((model(dict(features))[name] - model(dict(features))[name]).abs().max().detach())

    assert spread(0.0) == 0
    assert spread(0.5) > 0


def test_adore_trains_the_query_side_only(run, models, tmp_path):
    from sentence_transformers import SentenceTransformer

    settings = Settings(**FAST.facts() | {"loss": "adore", "keep": "last"})
    done = fit.train(run, models["retriever"], tmp_path / "m", settings, device="cpu")
    before, after = (SentenceTransformer(m, device="cpu") for m in (models["retriever"], done.folder))
    text = ["When do the eels leave the river?"]
    assert np.allclose(before.encode_document(text), after.encode_document(text), atol=1e-6)
    assert not np.allclose(before.encode_query(text), after.encode_query(text), atol=1e-3)


def test_adore_masks_what_the_model_scores_near_the_positive(run, models):
    values = []
    for margin in (None, 10.0):
        settings = Settings(**FAST.facts() | {"loss": "adore", "margin": margin}).settled()
        learner = fit.load.load(models["retriever"], settings, "cpu").eval()
        objective = fit._objective(learner, fit._prepare(run, settings), settings, [])
        values.append(objective(torch.tensor([0])).item())
    assert values[0] > 0
    assert values[1] == 0, "nothing is 10 below the positive by a cosine"


def test_mining_that_finds_nothing_keeps_what_is_there(run, models, tmp_path):
    mined = [named("remine", {"every": "2", "draw": "simans", "skip": "100000"})]
    for folder, schedules in (("plain", []), ("mined", mined)):
        fit.train(run, models["retriever"], tmp_path / folder, FAST, schedules=schedules, device="cpu")
    assert equal(tmp_path / "plain", tmp_path / "mined")


def test_retriever_and_ranker_in_turns(run, models, tmp_path):
    settings = Settings(**FAST.facts() | {"loss": "ar2", "epochs": 1, "batch": 8})
    made = [named("ar2", {"ranker": models["reranker"], "every": "6", "steps_ranker": "2", "pool": "5"})]
    done = fit.train(run, models["retriever"], tmp_path / "m", settings, schedules=made, device="cpu")
    assert not equal(models["retriever"], done.folder) or done.kept == 0
    assert len(done.history) > 1


@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize("kind", ["retriever", "reranker"])
def test_every_loss_gives_finite_gradients(run, models, kind, loss):
    if (kind, loss) == ("reranker", "adore"):
        return
    settings = Settings(kind=kind, loss=loss, batch=6, negatives=3, length=32, holdout=0).settled()
    parts = fit._prepare(run, settings)
    learner = fit.load.load(models[kind], settings, "cpu")
    objective = fit._objective(learner, parts, settings, [])
    value = objective(torch.tensor([0]))
    value.backward()
    grads = torch.cat([p.grad.flatten() for p in learner.parameters() if p.grad is not None])
    assert torch.isfinite(value)
    assert torch.isfinite(grads).all()
    assert grads.norm() > 0


@pytest.mark.parametrize("loss", ["margin-mse", "distil-kl", "symmetric-kl"])
def test_a_teacher_of_the_run_is_imitated(run, models, tmp_path, loss):
    settings = Settings(loss=loss, teacher="cos.lsa", epochs=1, batch=16, negatives=3, length=32, evaluations=1)
    done = fit.train(run, models["retriever"], tmp_path / "m", settings, device="cpu")
    assert done.steps > 3


# ---- what cannot work ----


def refuse(run, model, tmp_path, match, settings=FAST, schedules=(), error=DataError):
    with pytest.raises(error, match=match):
        fit.train(run, model, tmp_path / "m", settings, schedules=schedules, device="cpu")


def test_a_run_without_negatives_is_refused(run, models, tmp_path):
    none = Run(run.pairs.drop(pl.lit(value=True), "gone"), run.recipe, run.ledger)
    refuse(none, models["retriever"], tmp_path, "no negative is selected|no selected negative")


def test_one_query_only_is_refused(run, models, tmp_path):
    from dataclasses import replace

    first = run.pairs.frame["query"].min()
    one = Run(replace(run.pairs, frame=run.pairs.frame.filter(pl.col("query") == first)), run.recipe, run.ledger)
    refuse(one, models["retriever"], tmp_path, "at least 2 queries with a positive, 1 found")


def test_all_negatives_masked_is_loss_zero_without_nan(run, models, tmp_path):
    sure = Run(run.pairs.with_column("prob.detector", pl.lit(1.0)), run.recipe, run.ledger)
    settings = Settings(kind="reranker", epochs=1, batch=16, negatives=3, length=32, evaluations=0, threshold=0.5)
    done = fit.train(sure, models["reranker"], tmp_path / "m", settings, device="cpu")
    assert done.emptied == 1.0
    for table in weights(done.folder).values():
        assert all(torch.isfinite(v).all() for v in table.values())
    assert "100.0 % of the rows had no negative left" in (tmp_path / "m" / "README.md").read_text()


def test_a_model_that_cannot_be_loaded_is_refused(run, models, tmp_path):
    refuse(run, str(tmp_path / "nothing"), tmp_path, "was not found")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text('{"model_type": "bert"}')
    (broken / "modules.json").write_text("[]")
    refuse(run, str(broken), tmp_path, "cannot be loaded")
    refuse(run, models["reranker"], tmp_path, "train it --as reranker")


def test_numbers_that_are_not_finite_stop_with_step_and_queries(run, models, tmp_path, monkeypatch):
    from foils.train.objective import RetrieverObjective

    real = RetrieverObjective.similarity

    def overflow(self, queries, docs):
        # Finite forward, infinite gradient: what a loss scale or a bad kernel does.
        found = real(self, queries, docs)
        if self.course._step == 3:
            found.register_hook(lambda grad: grad * float("inf"))
        return found

    monkeypatch.setattr(RetrieverObjective, "similarity", overflow)
    refuse(
        run, models["retriever"], tmp_path, r"the gradient of step 4 is not finite \(queries of the batch: .*lower the"
    )


def test_a_rate_that_explodes_is_named(run, models, tmp_path):
    settings = Settings(**FAST.facts() | {"rate": 1e30, "warmup": 0.0})
    refuse(run, models["retriever"], tmp_path, r"of step \d+ is not finite", settings)


@pytest.mark.parametrize("kind", ["retriever", "reranker"])
def test_out_of_memory_says_what_fits(run, models, tmp_path, monkeypatch, kind):
    """More texts at once than a small device would hold; the allocator's own error class."""
    from transformers import BertModel

    real = BertModel.forward

    def small(self, input_ids=None, **options):
        if len(input_ids) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return real(self, input_ids=input_ids, **options)

    monkeypatch.setattr(BertModel, "forward", small)
    settings = Settings(kind=kind, epochs=1, batch=16, negatives=1, length=32, holdout=0.0)
    fits = "--batch 2" if kind == "reranker" else "--mini-batch 4"
    refuse(run, models[kind], tmp_path, f"out of memory at 32 tokens; .*{fits}", settings)


@pytest.mark.parametrize(
    ("given", "schedules", "message"),
    [
        ({"effort": "extreme"}, [], "effort='extreme' is not known"),
        ({"loss": "best"}, [], "no loss is called 'best'"),
        ({"loss": "margin-mse"}, [], "imitates a teacher"),
        ({"kind": "reranker"}, ["remine"], "remine: for retrievers only"),
        ({"kind": "reranker", "negatives": 0}, [], "leaves it nothing to compare"),
        ({"lora": 4, "layers": 2}, [], "exclude each other"),
        ({"holdout": 0.9}, [], "holdout=0.9"),
        ({"batch": 0}, [], "batch=0 is too small"),
        ({"rate": -1.0}, [], "must be above 0"),
        ({"dropout": 1.0}, [], "dropout=1.0 must be a share below 1"),
        ({"doubt": "ignore"}, [], "doubt='ignore'"),
        ({"loss": "adore"}, ["conan"], "loss adore finds its own"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_a_model_loads(run, models, tmp_path, given, schedules, message):
    made = [named(n, {}) for n in schedules]
    refuse(run, models[given.get("kind", "retriever")], tmp_path, message, Settings(**given), made, RecipeError)
    assert not (tmp_path / "m").exists()


def test_a_schedule_that_does_not_fit_the_run_is_refused(run, models, tmp_path):
    plain = Run(run.pairs.with_column("p_relevant", pl.lit(None, dtype=pl.Float32)), run.recipe, run.ledger)
    plain = Run(type(run.pairs)(plain.pairs.frame.drop("prob.detector"), run.pairs.collection), run.recipe, run.ledger)
    refuse(
        plain,
        models["retriever"],
        tmp_path,
        "needs a run with probabilities",
        schedules=[schedule.Risk()],
        error=RecipeError,
    )
