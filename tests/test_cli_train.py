"""foils train as a user meets it: real processes, real exit codes, a real kill."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import foils
import tiny
from foils import recipes
from foils.models.lsa import Lsa
from foils.recipes import Plan

ALMANAC = Path(__file__).parent.parent / "examples" / "almanac"
SHORT = ("--epochs", "2", "--batch", "16", "--negatives", "2", "--length", "32", "--device", "cpu", "--quiet")
ENVIRONMENT = os.environ | {"COLUMNS": "160", "NO_COLOR": "1", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def command(*args):
    return [sys.executable, "-m", "foils", "train", *map(str, args)]


def train(*args):
    return subprocess.run(command(*args), capture_output=True, text=True, env=ENVIRONMENT, check=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    foils.mine(
        foils.Collection.read(ALMANAC), recipes.naive(Plan((("lsa", Lsa()),), n=4, depth=30)), out=folder / "run"
    )
    return folder / "run", tiny.encoder(folder / "e"), tiny.reranker(folder / "r")


def test_train_ends_with_scores_and_the_place_of_the_model(made, tmp_path):
    run, encoder, _ = made
    done = train(run, "--model", encoder, "-o", tmp_path / "m", *SHORT, "--set", "rate=1e-3", "--seed", "3")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "nDCG@10 on 30 held-out queries" in done.stdout
    card = (tmp_path / "m" / "README.md").read_text()
    assert "nothing supports a claim about false negatives" in card
    assert "| rate | 0.001 |" in card
    assert "| seed | 3 |" in card
    again = train(run, "--model", encoder, "-o", tmp_path / "m", *SHORT, "--set", "rate=1e-3", "--seed", "3", "--json")
    assert json.loads(again.stdout)["held"] == 30


@pytest.mark.slow
def test_a_process_that_is_killed_continues_to_the_same_bytes(made, tmp_path):
    run, encoder, _ = made
    options = (*SHORT, "--set", "rate=1e-3", "--schedule", "conan", "--set", "conan.every=1")
    started = subprocess.Popen(
        command(run, "--model", encoder, "-o", tmp_path / "m", *options), env=ENVIRONMENT, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 250
    while not list(tmp_path.glob("m/.training/checkpoint-*/trainer_state.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    started.send_signal(signal.SIGKILL)
    assert started.wait() == -signal.SIGKILL
    assert not (tmp_path / "m" / "training.json").exists()
    for folder in ("m", "whole"):
        done = train(run, "--model", encoder, "-o", tmp_path / folder, *options)
        assert done.returncode == 0, done.stderr
    files = [(tmp_path / f / "model.safetensors").read_bytes() for f in ("m", "whole")]
    assert files[0] == files[1]


@pytest.mark.slow
def test_two_processes_train_one_model(made, tmp_path):
    """As on two devices: each has its own rows, and the documents of both as negatives."""
    run, encoder, _ = made
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29713"]
    options = (*SHORT, "--set", "rate=1e-3", "--json")
    program = [*launch, *command(run, "--model", encoder, "-o", tmp_path / "m", *options)[1:]]
    done = subprocess.run(program, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert done.returncode == 0, done.stderr
    (result,) = [json.loads(found) for found in [done.stdout]]
    alone = json.loads(train(run, "--model", encoder, "-o", tmp_path / "n", *options).stdout)
    assert result["steps"] == pytest.approx(alone["steps"] / 2, abs=1)
    assert len(result["history"]) == 4


def test_a_reranker_is_trained_as_one(made, tmp_path):
    from sentence_transformers import CrossEncoder

    run, _, reranker = made
    done = train(run, "--model", reranker, "--as", "reranker", "-o", tmp_path / "m", *SHORT, "--loss", "asl")
    assert done.returncode == 0, done.stderr
    assert CrossEncoder(str(tmp_path / "m"), device="cpu").predict([("a", "b")]).shape == (1,)
    assert "pipeline_tag: text-ranking" in (tmp_path / "m" / "README.md").read_text()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--loss", "best"), "no loss is called 'best'; one of info-nce"),
        (("--set", "speed=1"), "there is no setting 'speed'"),
        (("--set", "rate"), "write NAME=VALUE"),
        (("--set", "rate=fast"), "rate='fast' is not a number"),
        (("--set", "conan.every=5"), "add --schedule conan"),
        (("--set", "epochs=5"), "has an option of its own"),
        (("--schedule", "annealing"), "no schedule is called 'annealing'"),
    ],
)
def test_mistakes_get_one_sentence_and_exit_code_1(made, inside, tmp_path, args, message):
    run, encoder, _ = made
    code, _, err = inside("train", run, "--model", encoder, "-o", tmp_path / "m", *args)
    assert code == 1, err
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "m").exists()


def test_static_embeddings_are_refused_before_they_load(made, inside, tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    from foils.errors import RecipeError
    from foils.models.encoder import SentenceEncoder

    run, encoder, _ = made
    words = SentenceTransformer(str(encoder), device="cpu").tokenizer.backend_tokenizer
    folder = tmp_path / "static"
    static = SentenceTransformer(modules=[StaticEmbedding(words, embedding_dim=8)], device="cpu")
    static.save_pretrained(str(folder), create_model_card=False)
    code, _, err = inside("train", run, "--model", folder, "-o", tmp_path / "m", "-q")
    assert code == 1
    assert "static embeddings" in err
    assert "foils export RUN --to st-triplet" in err
    with pytest.raises(RecipeError, match="leave max_length out"):
        SentenceEncoder(model=str(folder), max_length=16).check()
    SentenceEncoder(model=str(folder)).check()


def test_models_and_runs_that_are_not_there(made, inside, tmp_path):
    run, encoder, reranker = made
    for args, message in (
        ((tmp_path, "--model", encoder), "not a complete run folder"),
        ((run, "--model", tmp_path / "none"), "was not found"),
        ((run, "--model", reranker), "train it --as reranker"),
    ):
        code, _, err = inside("train", *args, "-o", tmp_path / "m", "-q")
        assert code == 1
        assert message in err
        assert "Traceback" not in err
