"""foils judge, as a user gives it; the endpoint is a real server on this machine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

import brains
from chat_server import serving
from foils.collection import Collection
from foils.models.lsa import Lsa
from foils.recipes import Plan, default
from foils.run import Run, mine

ALMANAC = Path(__file__).parent.parent / "examples" / "almanac"


@pytest.fixture(scope="module")
def mined(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("judge") / "run"
    mine(Collection.read(ALMANAC), default(Plan((("lsa", Lsa(dims=32)),), n=4, depth=20)), out=folder)
    return folder


@pytest.fixture
def run(mined, tmp_path) -> Path:
    shutil.copytree(mined, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def foils(inside, tmp_path):
    return lambda *args: inside(*args, "--quiet", "--cache", tmp_path / "cache")


def relevant(query, passage, place=0):
    return sum(map(ord, passage)) % 7 == 0


def test_a_model_is_asked_once_and_the_run_is_selected_again(run, foils):
    with serving(brains.model(relevant)) as server:
        asked = ("judge", run, "--judge", "llm:m", "--base-url", server.url, "--budget", 24)
        code, out, err = foils(*asked, "--dry-run", "--price-in", 1, "--price-out", 2, "--json")
        assert (code, len(server.requests)) == (0, 0), err
        plan = json.loads(out)
        assert (plan["pairs"], plan["calls"]) == (24, 24)
        assert plan["cost"] > 0
        code, out, err = foils(*asked, "--json")
        assert code == 0, err
        told = json.loads(out)
        assert told["asked"] == len(server.requests) == 24
        code, out, err = foils(*asked)
        assert (code, len(server.requests)) == (0, 24), err
        assert out.startswith("0 verdicts: 0 relevant")
    kept = Run.open(run).verdicts.frame
    assert kept["family"].unique().to_list() == ["llm:m"]
    assert int((kept["p_relevant"] >= 0.5).sum()) == told["relevant"]
    assert "who judged" in (run / "report.html").read_text().lower()


def test_it_never_measures_what_it_filtered(run, foils):
    with serving(brains.model(relevant)) as server:
        foils("judge", run, "--judge", "llm:m", "--base-url", server.url, "--budget", 4)
        code, _, err = foils("judge", run, "--judge", "llm-logprob:m", "--base-url", server.url, "--audit", 5)
    assert code == 1
    assert "llm:m took part in the filtering" in err
    assert err.count("\n") == 1


def test_an_audit_says_the_rate_with_its_interval(run, foils):
    pairs = Run.open(run).pairs
    chosen = pairs.negatives().select(
        **{"query-id": pl.lit(pairs.collection.queries["id"]).gather("query")},
        **{"corpus-id": pl.lit(pairs.collection.corpus["id"]).gather("doc")},
        score=(pl.int_range(pl.len()) % 10 == 0).cast(pl.Int8),
    )
    chosen.write_csv(run.parent / "said.tsv", separator="\t")
    args = ("judge", run, "--judge", f"replay:{run.parent / 'said.tsv'}", "--family", "human", "--audit", 80)
    code, out, err = foils(*args)
    assert code == 0, err
    assert "of the selected negatives are false, by 80 verdicts" in out
    assert "95 % interval" in out
    code, out, _ = foils(*args, "--json")
    told = json.loads(out)
    assert told["low"] < told["rate"] < told["high"]
    assert told["pairs"] == 80
    page = (run / "report.html").read_text()
    assert "measured: " in page


def test_a_promise_is_in_the_report(run, foils):
    pairs = Run.open(run).pairs.frame
    ids = Run.open(run).pairs.collection
    table = pl.DataFrame(
        {
            "query-id": ids.queries["id"].gather(pairs["query"]),
            "corpus-id": ids.corpus["id"].gather(pairs["doc"]),
            "score": (pl.int_range(pairs.height, eager=True) % 50 == 0).cast(pl.Int8),
        }
    )
    table.write_csv(run.parent / "all.tsv", separator="\t")
    code, out, err = foils(
        "judge", run, "--judge", f"replay:{run.parent / 'all.tsv'}", "--family", "human",
        "--risk", 0.2, "--confidence", 0.9, "--budget", 120,
    )  # fmt: skip
    assert code == 0, err
    assert "with 90 % confidence at most" in out
    assert "promised at 90% confidence" in (run / "report.html").read_text()


def test_a_sheet_goes_back_and_forth(run, foils):
    sheet = run.parent / "pairs.csv"
    code, out, err = foils("judge", run, "--judge", f"sheet:{sheet}", "--person", "ann", "--budget", 6)
    assert code == 0, err
    assert "6 pairs wait for an answer: fill in the column relevant of" in out
    table = pl.read_csv(sheet)
    table.with_columns(relevant=pl.lit("no")).write_csv(sheet)
    code, out, _ = foils("judge", run, "--judge", f"sheet:{sheet}", "--person", "ann", "--budget", 6)
    assert out.startswith("6 verdicts: 0 relevant, 0 could not be told")
    assert Run.open(run).verdicts.frame["by"].unique().to_list() == ["human:ann"]
    code, out, _ = foils("judge", run, "--judge", f"sheet:{sheet}", "--person", "ann", "--audit", 3)
    assert (code, "3 pairs wait in" in out) == (0, True)


def test_the_self_test_prints_what_turned(run, foils):
    with serving(brains.model(brains.obeys)) as server:
        code, out, err = foils("judge", run, "--judge", "llm:m", "--base-url", server.url, "--self-test", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["steered"]
    assert Run.open(run).verdicts.frame.height == 0


def test_the_risk_alone_selects_again(run, foils):
    code, out, err = foils("judge", run, "--risk", 0.01, "--json")
    assert code == 0, err
    assert json.loads(out)["expected_false"] <= 0.01


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ([], "--judge is missing; one of llm:MODEL"),
        (["--judge", "oracle"], "--judge oracle: no such kind"),
        (["--judge", "llm"], "write llm:MODEL"),
        (["--judge", "llm:m"], "needs --base-url"),
        (["--judge", "llm:m", "--base-url", "localhost"], "is no address"),
        (["--judge", "answer", "--base-url", "http://x/v1"], "--base-url: only a judge llm"),
        (["--judge", "answer", "--person", "ann"], "--person: only a sheet"),
        (["--judge", "answer", "--family", "human"], "--family: only replayed"),
        (["--judge", "answer", "--confidence", "0.9"], "--confidence needs --risk"),
        (["--judge", "answer", "--audit", "5", "--risk", "0.1"], "--risk: --audit measures"),
        (["--judge", "answer", "--judge", "answer", "--judge", "answer"], "takes two judges, 3 were given"),
        (["--judge", "replay:nowhere.tsv"], "nowhere.tsv"),
        (["--audit", "5", "--risk", "0.1"], "--audit: needs --judge"),
        (["--judge", "answer", "--audit", "5", "--dry-run"], "--audit: --dry-run prices what --budget buys"),
        (["--judge", "answer", "--risk", "0.1", "--confidence", "0.9", "--dry-run"], "--confidence: --dry-run prices"),
        (["--self-test", "--risk", "0.1"], "--self-test: needs --judge"),
        (["--judge", "answer", "--self-test", "--risk", "0"], "--risk: --self-test measures the judge"),
        (["--judge", "answer", "--audit", "5", "--risk", "0"], "--risk: --audit measures"),
        (["--judge", "answer", "--audit", "5", "--budget", "9"], "--budget: --audit measures"),
        (["--judge", "answer", "--risk", "0.1", "--method", "conformal"], "--method: is how a risk is promised"),
        (["--judge", "answer", "--combine", "vote"], "--combine: there is nothing to combine"),
        (["--risk", "0.1", "--person", "ann"], "--person: needs --judge"),
        (["--risk", "0.1", "--budget", "9"], "--budget: needs --judge"),
        (["--judge", "answer", "--self-test", "--audit", "5"], "--audit: --self-test measures the judge"),
        (["--judge", "answer", "--self-test", "--confidence", "0.9"], "--confidence: --self-test measures the judge"),
    ],
)
def test_wrong_input_is_one_sentence(run, foils, args, says):
    code, out, err = foils("judge", run, *args)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert says in err
