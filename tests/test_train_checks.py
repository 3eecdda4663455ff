"""What a training refuses before a model loads, and what it says of itself afterwards."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from foils.cli.train import _summary
from foils.errors import DataError, RecipeError
from foils.train import anchor, checks, fit, load
from foils.train.batches import Shuffled
from foils.train.examples import Course, Examples
from foils.train.objective import LOSSES, TAUGHT, RetrieverObjective, assemble
from foils.train.remine import Remine
from foils.train.schedules import named
from foils.train.settings import Settings
from test_train_fit import FAST, models, one_thread, run, weights

__all__ = ["models", "one_thread", "run"]


@pytest.mark.parametrize(
    ("given", "schedules", "message"),
    [
        ({"doubt": "soften"}, {}, "loss info-nce would take each share for a positive"),
        ({"doubt": "weigh", "loss": "ngame"}, {}, "loss ngame has no place for weights"),
        ({"loss": "symmetric"}, {"dbpm": {}}, "schedule dbpm needs a loss for each row"),
        ({"keep": "Best"}, {}, "keep='Best' is not known; one of best, last"),
        ({"seed": -1}, {}, "seed=-1"),
        ({"seed": 2**32}, {}, "seed=4294967296"),
        ({"threshold": 0.0}, {}, "threshold=0 takes every candidate"),
        ({}, {"remine": {"threshold": "0"}}, "threshold is a probability above 0"),
        ({}, {"ar2": {"every": "0", "ranker": "m"}}, "every and pool are at least 1"),
        ({}, {"dbpm": {"normalised": "perhaps"}}, "dbpm.normalised='perhaps'"),
    ],
)
def test_what_cannot_work_is_refused(given, schedules, message):
    with pytest.raises(RecipeError, match=message):
        checks.check(replace(Settings(), **given).settled(), [named(n, o) for n, o in schedules.items()])


def test_soft_targets_and_truth_in_any_case_go_through():
    checks.check(Settings(doubt="soften", loss="soft-info-nce").settled(), [])
    assert [named("dbpm", {"normalised": t}).normalised for t in ("True", "true", "FALSE")] == [True, True, False]


@pytest.mark.parametrize("loss", sorted({*LOSSES, *TAUGHT} - set(checks.WEIGHED) - {"adore"}))
def test_a_loss_without_a_place_for_weights_does_not_see_them(run, models, loss):
    """exp(score / T) of a negative is no term of these losses: a weight would only shift what is compared."""
    found = Examples.of(run.pairs, negatives=3, queries=np.arange(40, dtype=np.uint32), teacher="prob.detector")
    found.weights[:] = 0.2
    settings = replace(FAST, loss=loss, teacher="prob.detector", doubt="keep").settled()
    objective = RetrieverObjective(torch.nn.Identity(), found, None, settings, 0.1)
    objective.place("cpu")
    batch = assemble(found, np.arange(8), "cpu")
    scores = torch.rand(batch.targets.shape, generator=torch.Generator().manual_seed(0))
    weighed = objective.cost(scores, batch)
    assert torch.equal(weighed, objective.cost(scores, replace(batch, weights=None)))


@pytest.mark.parametrize("what", ["itself", "inside"])
def test_what_the_training_needs_is_not_in_the_folder_that_it_writes(tmp_path, what):
    (tmp_path / "m" / "sub").mkdir(parents=True)
    place = tmp_path / "m" / "sub" if what == "inside" else tmp_path / "m"
    with pytest.raises(DataError, match="where the result goes; name another"):
        checks.check_places(tmp_path / "m", ["hub/name", None, str(place)])
    checks.check_places(tmp_path / "other", ["hub/name", None, str(place)])


def test_overwriting_a_training_with_one_that_starts_from_it_keeps_it(run, models, tmp_path):
    quick = replace(FAST, epochs=1, holdout=0.0)
    fit.train(run, models["retriever"], tmp_path / "m", quick, device="cpu")
    before = weights(tmp_path / "m")
    with pytest.raises(DataError, match="is needed for the training"):
        fit.train(run, str(tmp_path / "m"), tmp_path / "m", quick, device="cpu", overwrite=True)
    assert weights(tmp_path / "m").keys() == before.keys()


@pytest.mark.parametrize("device", [None, "cpu", "cpu:0"])
def test_a_device_that_is_there_is_taken(device):
    checks.check_device(device)


def test_a_gpu_is_named_by_the_environment():
    with pytest.raises(RecipeError, match="CUDA_VISIBLE_DEVICES=1 and device=cuda"):
        checks.check_device("cuda:1")


@pytest.mark.parametrize("device", ["gpu", "cuda", "cuda:0"])
def test_a_device_that_is_not_there_is_refused(device):
    if device != "gpu" and torch.cuda.is_available():
        pytest.skip("it is there")
    with pytest.raises(RecipeError, match=f"device={device}: there is none that torch can use; it can use cpu"):
        checks.check_device(device)


def test_without_evaluations_the_trained_weights_are_kept(run, models, tmp_path):
    done = fit.train(run, models["retriever"], tmp_path / "m", replace(FAST, evaluations=0), device="cpu")
    assert (done.history, done.kept) == ((), done.steps)
    assert done.held
    before = weights(Path(models["retriever"]))
    after = weights(tmp_path / "m")
    assert any(not torch.equal(before[f][k], after[f][k]) for f in after for k in after[f])
    assert "no evaluation was wanted" in _summary(done, "m")
    assert "No evaluation was wanted" in (tmp_path / "m" / "README.md").read_text()


def test_the_score_after_blending_is_that_of_the_result(run, models, tmp_path):
    from sentence_transformers import SentenceTransformer

    from foils.train.dev import Dev, hold_out

    settings = replace(FAST, blend=0.3, keep="last")
    done = fit.train(run, models["retriever"], tmp_path / "m", settings, device="cpu")
    dev = Dev.of(run.pairs, hold_out(run.pairs, settings.holdout, settings.seed)[1], 100)
    model = SentenceTransformer(str(tmp_path / "m"), device="cpu")
    model.max_seq_length = settings.length
    assert dict(done.history)[done.kept] == pytest.approx(dev(model), abs=1e-6)
    assert "with a share of 0.3 of them" in (tmp_path / "m" / "README.md").read_text()


@pytest.mark.parametrize("kind", ["reranker", "lora"])
def test_what_starts_at_random_starts_by_the_seed(models, kind):
    pytest.importorskip("peft")
    name = models["retriever"]  # has no head: a reranker gets a new one
    settings = Settings(lora=2 if kind == "lora" else 0, kind="retriever" if kind == "lora" else "reranker")
    first, second, third = (load.load(name, replace(settings, seed=s).settled(), "cpu").state_dict() for s in (0, 0, 1))
    assert all(torch.equal(first[k], second[k]) for k in first)
    drawn = [k for k in first if ("lora_A" if kind == "lora" else "classifier.weight") in k]
    assert drawn
    assert not any(torch.equal(first[k], third[k]) for k in drawn)


def test_loading_leaves_the_random_numbers_of_others_alone(models):
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    load.load(models["retriever"], Settings().settled(), "cpu")
    assert torch.equal(torch.rand(3), wanted)


def test_remining_draws_by_the_seed(run, models, tmp_path):
    drawn = []
    for seed in (0, 1):
        found = Examples.of(run.pairs, negatives=3)
        objective = RetrieverObjective(
            load.load(models["retriever"], FAST.settled(), "cpu"), found, None, replace(FAST, seed=seed).settled(), 0.1
        )
        objective.course = Course(found, Shuffled(found.own), 16, 0)
        schedule = Remine(every=1, threshold=1.0)
        schedule.bind(objective, 10, lambda line: None)
        schedule.mine(1)
        drawn.append(found.negatives.copy())
    assert not np.array_equal(*drawn)


def test_adore_saves_a_model_that_reads_as_much_as_before(run, models, tmp_path):
    from sentence_transformers import SentenceTransformer

    before = SentenceTransformer(models["retriever"], device="cpu").max_seq_length
    assert before > 16
    settings = replace(FAST, loss="adore", epochs=1, length=16, holdout=0.0)
    fit.train(run, models["retriever"], tmp_path / "m", settings, device="cpu")
    found = SentenceTransformer(str(tmp_path / "m"), device="cpu")
    sides = [part for part in found.modules() if hasattr(part, "auto_model")]
    assert {part.max_seq_length for part in sides} == {before}


def test_several_devices_that_no_batch_can_serve_are_told_so(run):
    found = Examples.of(run.pairs, negatives=3, queries=np.arange(3, dtype=np.uint32))
    rows = ("query", "positives", "negatives", "weights", "proven")
    twice = replace(found, **{name: np.concatenate([getattr(found, name)] * 2) for name in rows})
    course = Course(twice, Shuffled(twice.own), 4, 0, drop_last=True)
    with pytest.raises(DataError, match="no batch can be filled"):
        course.rows(0)


def test_text_behind_the_padding_is_read_by_the_anchor():
    class Last(torch.nn.Module):
        def forward(self, features):
            ids, mask = features["input_ids"], features["attention_mask"]
            assert features["prompt_length"] == 2
            return {"sentence_embedding": (ids * mask).sum(-1, keepdim=True).float()}

    features = {
        "input_ids": torch.tensor([[0, 0, 7], [1, 2, 3]]),
        "attention_mask": torch.tensor([[0, 0, 1], [1, 1, 1]]),
        "prompt_length": 2,
    }
    assert anchor.encoded(Last(), features, 1).tolist() == [[7.0], [6.0]]


def test_a_persons_no_is_never_masked(run):
    """The detector calls it likely relevant, a person has read it: it stays a negative, and a proven one."""
    frame = run.pairs.frame
    live = pl.col("dropped").is_null() & ~pl.col("positive")
    one = frame.filter(live).row(0, named=True)
    here = (pl.col("query") == one["query"]) & (pl.col("doc") == one["doc"])
    frame = frame.with_columns(
        judged_by=pl.when(here).then(pl.lit("human:ann")).otherwise("judged_by").cast(frame.schema["judged_by"]),
        p_relevant=pl.when(here).then(0.0).otherwise("p_relevant").cast(pl.Float32),
        **{"prob.detector": pl.when(here).then(0.9).otherwise("prob.detector").cast(pl.Float32)},
    )
    found = Examples.of(replace(run.pairs, frame=frame), negatives=4)
    row = np.flatnonzero(found.query == one["query"])[0]
    place = np.flatnonzero(found.negatives[row] == one["doc"])
    assert len(place)
    assert found.proven[row, place].all()
    asked, docs = torch.tensor([one["query"]]), torch.tensor([one["doc"]])
    assert found.doubt.value(asked, docs).item() == 0.0
