"""foils make and foils methods make, as a user meets them: real processes, real exit codes."""

import json

import pytest

from foils.make.operators import CLASSES
from test_cli import ALMANAC, foils


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli-make") / "run"
    done = foils("mine", ALMANAC, "-o", folder, "--recipe", "naive", "--quiet")
    assert done.returncode == 0, done.stderr
    return folder


def test_make_prints_what_was_made_and_why_nothing_was(run, tmp_path):
    done = foils("make", run, "-o", tmp_path / "more", "--safety", 0, "--kinds", "temporal,near-miss")
    assert done.returncode == 0, done.stderr
    assert "no date asked about" in done.stdout
    assert f"Read {tmp_path}/more/made.jsonl" in done.stdout
    records = [json.loads(line) for line in (tmp_path / "more" / "made.jsonl").read_text().splitlines()]
    assert {r["kind"] for r in records} == {"temporal", "near-miss"}
    again = foils("make", run, "-o", tmp_path / "more", "--safety", 0, "--kinds", "temporal,near-miss")
    assert again.returncode == 0
    assert "nothing was done" in again.stderr


def test_json_names_the_share(run, tmp_path):
    done = foils("make", run, "-o", tmp_path / "more", "--safety", 0, "--quota", 0.05, "--json", "--quiet")
    summary = json.loads(done.stdout)
    assert 0 < summary["share"] <= 0.05
    assert summary["taken"]
    assert summary["positives"] == 300
    exported = foils("export", tmp_path / "more", "--to", "trl", "-o", tmp_path / "x.jsonl")
    assert exported.returncode == 0, exported.stderr
    assert '"kind":"temporal"' in (tmp_path / "x.jsonl").read_text()


def test_the_report_and_explain_show_made_documents(run, tmp_path):
    made = foils("make", run, "-o", tmp_path / "more", "--safety", 0, "--kinds", "year", "--quiet")
    assert made.returncode == 0, made.stderr
    record = json.loads((tmp_path / "more" / "made.jsonl").read_text().splitlines()[0])
    shown = foils("explain", tmp_path / "more", record["query_id"], "-d", record["id"])
    assert shown.returncode == 0, shown.stderr
    assert "temporal" in shown.stdout
    assert "temporal" in (tmp_path / "more" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--quota", "2"), "no share"),
        (("--kinds", "colour"), "no kind and no operator"),
        (("--safety", "0", "--kinds", "year", "--side", "query"), "no operator is left"),
    ],
)
def test_mistakes_get_one_sentence(run, args, message):
    done = foils("make", run, *args)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_methods_make_tells_what_runs_here():
    done = foils("methods", "make")
    assert done.returncode == 0
    assert all(cls.name in done.stdout for cls in CLASSES)
    rows = json.loads(foils("methods", "make", "--json").stdout)
    assert [r["name"] for r in rows] == [cls.name for cls in CLASSES]
    one = foils("methods", "year")
    assert "TimeQA" in one.stdout or "interval" in one.stdout
