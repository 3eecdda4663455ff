"""foils evaluate as a user meets it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

pytest.importorskip("ir_measures")

ALMANAC = Path(__file__).parent.parent / "examples" / "almanac"


def foils(*args):
    env = os.environ | {"COLUMNS": "160", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "foils", "evaluate", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    return tmp_path_factory.mktemp("evaluate")


@pytest.fixture(scope="module")
def done(outputs):
    return foils(
        "bm25", ALMANAC, "--against", "lsa", "--per-query", outputs / "q.parquet", "--html", outputs / "e.html",
        "-o", outputs / "runs",
    )  # fmt: skip


def test_a_new_user_gets_a_table_and_a_warning(done):
    assert done.returncode == 0, done.stderr
    assert "nDCG@10" in done.stdout
    assert "bm25 − lsa" in done.stdout
    assert "bm25 against lsa is unsafe" in done.stdout
    assert "can be detected" in done.stdout
    assert "labels whose document id does not exist" in done.stderr


def test_the_files_are_there(done, outputs):
    assert done.returncode == 0
    assert pl.read_parquet(outputs / "q.parquet").height == 600
    assert "</html>" in (outputs / "e.html").read_text(encoding="utf-8")
    assert {p.name for p in (outputs / "runs").iterdir()} == {"bm25.trec", "lsa.trec"}


def test_the_written_runs_give_the_same_numbers_as_json(done, outputs):
    bm25, lsa = (outputs / "runs" / f"{name}.trec" for name in ("bm25", "lsa"))
    again = foils(bm25, ALMANAC, "--against", lsa, "--json", "--dropout", 1, "-q", "-m", "nDCG@10")
    assert again.returncode == 0, again.stderr
    assert again.stderr == ""
    found = json.loads(again.stdout)
    means = {(r["system"], r["measure"]): r["mean"] for r in found["summary"]}
    assert f"{means['bm25', 'nDCG@10']:.3f} [" in done.stdout
    assert found["comparisons"][0]["safe"] is False
    assert len(found["dropout"]) == 12


def test_the_whole_truth_makes_it_safe():
    complete = foils("bm25", ALMANAC, "--positives", ALMANAC / "truth.tsv", "--complete", "-q", "-m", "nDCG@10")
    assert complete.returncode == 0, complete.stderr
    assert "Judged@10  100%" in complete.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("no/such/model", ALMANAC), "was not found"),
        (("bm25", "no/such/data"), "does not exist"),
        (("bm25", ALMANAC, "--split", "dev"), "no labels of the split 'dev'"),
        (("bm25", ALMANAC, "-m", "nDCG@0"), "cutoff must be at least 1"),
        (("bm25", ALMANAC, "--relevant-from", "3"), "no positives"),
        (("bm25", ALMANAC, "--against", "also/not/there"), "was not found"),
        (("bm25", ALMANAC, "--per-query", "x.csv"), ".parquet or .tsv"),
        (("bm25", ALMANAC, "--as", "reranker"), "bm25 stands for itself"),
        (("bm25", ALMANAC, "--precision", "float16"), "--precision: none of these systems encodes"),
        (("bm25", ALMANAC, "--test", "t"), "--test: there is no second system"),
        (("bm25", ALMANAC, "--seed", "-1"), "no negative seed"),
    ],
    ids=lambda value: "" if isinstance(value, tuple) else value,
)
def test_what_is_wrong_is_said_in_one_sentence(args, said):
    done = foils(*args)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.count("\n") <= 1
    assert "Traceback" not in done.stderr
