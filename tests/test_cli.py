"""The command line as a user meets it: real processes, real exit codes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALMANAC = ROOT / "examples" / "almanac"


def foils(*args, cwd=None):
    env = os.environ | {"COLUMNS": "160", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", "foils", *map(str, args)], capture_output=True, text=True, cwd=cwd, env=env, check=False
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "run"
    done = foils("mine", ALMANAC, "-o", folder, "--recipe", "naive", "--quiet")
    assert done.returncode == 0, done.stderr
    return folder


def test_mine_ends_by_naming_the_report(run):
    again = foils("mine", ALMANAC, "-o", run, "--recipe", "naive", "--quiet")
    assert again.returncode == 0
    assert f"Open {run}/report.html" in again.stdout
    assert again.stderr == ""


def test_mine_reports_findings_on_stderr(tmp_path):
    done = foils("mine", ALMANAC, "-o", tmp_path / "r", "--recipe", "naive")
    assert "documents with an empty text: left out" in done.stderr


def test_json_goes_to_stdout_and_parses(run):
    done = foils("mine", ALMANAC, "-o", run, "--recipe", "naive", "--quiet", "--json")
    summary = json.loads(done.stdout)
    assert summary["negatives"] == summary["fates"]["selected"] > 0


def test_explain_one_query_and_one_document(run):
    table = foils("explain", run, "q001", "--json")
    if table.returncode:
        first = json.loads((ALMANAC / "queries.jsonl").read_text().splitlines()[0])["_id"]
        table = foils("explain", run, first, "--json")
    assert table.returncode == 0, table.stderr
    assert json.loads(table.stdout)


def test_report_is_written_again_with_the_same_bytes(run, tmp_path):
    done = foils("report", run, "-o", tmp_path / "again.html", "--json")
    assert json.loads(done.stdout) == {"run": str(run), "report": str(tmp_path / "again.html")}
    assert (tmp_path / "again.html").read_bytes() == (run / "report.html").read_bytes()


def test_export_writes_a_training_file(run, tmp_path):
    done = foils("export", run, "--to", "st-triplet", "-o", tmp_path / "train.jsonl")
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "train.jsonl").read_text().splitlines()) > 100


def test_methods_lists_and_describes():
    table = foils("methods")
    assert "sim-ans" in table.stdout
    assert "arXiv:2210.11773" in foils("methods", "sim-ans").stdout
    assert {m["kind"] for m in json.loads(foils("methods", "rule", "--json").stdout)} == {"rule"}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("mine", "no-such-folder", "-o", "x"), "no-such-folder"),
        (("mine", ALMANAC, "-o", "x", "--recipe", "best"), "no recipe is called 'best'"),
        (("mine", ALMANAC, "-o", "x", "--set", "top.n"), "write STEP.OPTION=VALUE"),
        (("mine", ALMANAC, "-o", "x", "--set", "top.k=1", "--recipe", "naive"), "no option 'k'"),
        (("mine", ALMANAC, "-o", "x", "--encoder", "./no-model"), "no-model"),
        (("mine", ALMANAC, "-o", "x", "--run", "a"), "write NAME=FILE"),
        (("mine", ALMANAC, "-o", "x", "--run", "a=no-such-run"), "no-such-run"),
        (("mine", ALMANAC, "-o", "x", "--split", "holdout"), "holdout"),
        (("mine", ALMANAC, "-o", "/proc/no", "--quiet"), "cannot write"),
        (("mine", ALMANAC, "-o", "x", "--recipe", "naive", "--reranker", "m"), "--reranker: recipe naive uses none"),
        (("mine", ALMANAC, "-o", "x", "--precision", "float16"), "--precision: lsa has none"),
        (("mine", ALMANAC, "-o", "x", "--column", "kind"), "--column: it changes nothing in recipe default"),
        (("mine", ALMANAC, "-o", "x", "--recipe", "r2anker", "--depth", "50"), "--depth: it changes nothing in"),
        (("mine", ALMANAC, "-o", "x", "--recipe", "no.toml"), "cannot read the recipe no.toml"),
        (("explain", "no-run", "q"), "not a complete run folder"),
        (("methods", "unheard"), "no method and no kind"),
        (("methods", "--markdown", "--json"), "--json: --markdown prints the tables"),
    ],
)
def test_mistakes_get_one_sentence_and_exit_code_1(tmp_path, args, message):
    done = foils(*args, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("args", [("mine",), ("mine", "x"), ("nonsense",), ("mine", "x", "-o", "y", "--depth", "0")])
def test_wrong_usage_is_exit_code_2(args):
    assert foils(*args).returncode == 2


def test_ctrl_c_ends_with_130_and_the_same_command_continues(run, tmp_path):
    command = [
        sys.executable,
        "-m",
        "foils",
        "mine",
        str(ALMANAC),
        "-o",
        str(tmp_path / "r"),
        "--recipe",
        "naive",
        "-q",
    ]
    started = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    deadline = time.monotonic() + 120
    while not (tmp_path / "r" / ".work" / "key").exists() and time.monotonic() < deadline:
        time.sleep(0.002)
    started.send_signal(signal.SIGINT)
    _, errors = started.communicate()
    assert started.returncode == 130, errors
    assert errors.strip() == "foils: interrupted; give the same command again, what was finished is kept"
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    for name in ("pairs.parquet", "report.html", "manifest.json"):
        assert (tmp_path / "r" / name).read_bytes() == (run / name).read_bytes()


def test_what_stdout_cannot_write_is_escaped(run):
    command, env = [sys.executable, "-m", "foils"], os.environ | {"PYTHONIOENCODING": "ascii"}
    explained = subprocess.run([*command, "explain", run, "q001"], capture_output=True, env=env, check=False)
    assert explained.returncode == 0, explained.stderr
    assert b"\\u2212pos" in explained.stdout
    as_json = subprocess.run([*command, "explain", run, "q001", "--json"], capture_output=True, env=env, check=False)
    assert json.loads(as_json.stdout) == json.loads(foils("explain", run, "q001", "--json").stdout)


def test_an_unknown_query_names_its_neighbours(run):
    done = foils("explain", run, "no-such-query")
    assert done.returncode == 1
    assert "no-such-query" in done.stderr


def test_a_recipe_file_runs_again_and_refuses_models_of_its_own(run, tmp_path):
    again = foils("mine", ALMANAC, "-o", tmp_path / "r", "--recipe", run / "recipe.toml", "-q")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "r" / "pairs.parquet").read_bytes() == (run / "pairs.parquet").read_bytes()
    mixed = foils("mine", ALMANAC, "-o", tmp_path / "s", "--recipe", run / "recipe.toml", "--encoder", "m", "-q")
    assert mixed.returncode == 1
    assert "names its own models" in mixed.stderr


@pytest.mark.parametrize(
    ("option", "value"),
    [("--negatives", "8"), ("--depth", "50"), ("--seed", "0"), ("--short", "relax"), ("--precision", "float32")],
)
def test_a_recipe_file_refuses_options_that_it_would_overrule(tmp_path, option, value):
    (tmp_path / "r.toml").write_text('[[step]]\nuse = "bm25"\n[[step]]\nuse = "top"\nby = "rank.bm25"\n')
    done = foils("mine", ALMANAC, "-o", "x", "--recipe", "r.toml", option, value, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert f"{option}: r.toml names its own models, sources and options" in done.stderr
    assert not (tmp_path / "x").exists()


def test_version():
    assert foils("--version").stdout == "foils 0.1.0\n"


@pytest.mark.parametrize("verb", ["", "mine", "explain", "report", "export", "methods"])
def test_help_is_there(verb):
    done = foils(*([verb] if verb else []), "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout
