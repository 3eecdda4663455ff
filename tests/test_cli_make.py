"""foils make and foils methods make, as a user meets them: real processes, real exit codes."""

import json

import pytest

import authors
from chat_server import reply, serving
from foils import recipes
from foils.make.counter import AUTHORS
from foils.make.operators import CLASSES, WRITERS
from foils.run import mine
from test_cli import ALMANAC, foils
from test_pairing import harbours


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli-make") / "run"
    done = foils("mine", ALMANAC, "-o", folder, "--recipe", "naive", "--quiet")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def harbour(tmp_path):
    mine(harbours(), recipes.naive, negatives=4, out=tmp_path / "harbour")
    return tmp_path / "harbour"


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


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--kinds", "query-only"), "give --llm MODEL and --base-url"),
        (("--kinds", "query-only", "--llm", "m"), "--llm m needs --base-url"),
        (("--llm", "m", "--base-url", "http://127.0.0.1:1/v1"), "no kind that it writes"),
        (("--base-url", "http://127.0.0.1:1/v1"), "ask an endpoint"),
        (("--money", "5"), "ask an endpoint"),
        (("--judge", "llm:m"), "--judge llm:m needs --base-url"),
        (("--judge", "sheet:x.csv"), "made texts are judged by one of"),
        (("--reader", "m"), "write llm:MODEL or qa:MODEL"),
        (("--kinds", "graded", "--llm", "m", "--base-url", "nowhere"), "is no address"),
        (("--kinds", "graded", "--llm", "m", "--base-url", "http://x/v1", "--key-env", "FOILS_NONE"), "FOILS_NONE"),
        (("--kinds", "graded", "--safety", "0.9"), "nobody has read what graded makes"),
        (("--kinds", "paraphrase"), "name one of them"),
        (("--kinds", "asked"), "add --two-sided N"),
        (("--two-sided", "5", "--kinds", "asked"), "give --llm MODEL and --base-url"),
        (("--two-sided", "5", "--kinds", "asked,negate"), "not both in one call"),
        (("--two-sided", "5", "--kinds", "year"), "no two-sided pair is called"),
        (("--two-sided", "5", "--llm", "m", "--base-url", "http://127.0.0.1:1/v1"), "no kind that it writes"),
        (("--two-sided", "5", "-o", "elsewhere"), "--out: is for negatives that go into the run"),
        (("--two-sided", "5", "--quota", "0.3"), "--quota: is for negatives"),
        (("--two-sided", "5", "--side", "both"), "--side: is for negatives"),
        (("--two-sided", "5", "--safety", "0"), "--safety: is for negatives"),
        (("--two-sided", "5", "--nli", "m"), "--nli: is for negatives"),
        (("--two-sided", "5", "--twins"), "--twins: is for negatives"),
    ],
)
def test_what_a_model_needs_is_said_in_one_sentence_before_anybody_is_asked(run, inside, args, message):
    code, out, err = inside("make", run, *args)
    assert (code, out) == (1, "")
    assert message in err
    assert err.count("\n") == 1


def test_a_model_writes_at_an_endpoint_after_a_plan(run, tmp_path, inside):
    pytest.importorskip("httpx")

    def script(request, nth):
        if 'nothing else: {"passage"' not in request["messages"][-1]["content"]:
            return reply(json.dumps({"quote": "", "grade": 0}))
        text = f"Travellers like to ask about such things, and the guide number {nth} has a story for each of them."
        return reply(json.dumps({"passage": text, "open": "what was asked for"}))

    with serving(script) as server:
        args = ["make", run, "-o", tmp_path / "more", "--kinds", "query-only", "--llm", "m", "--base-url", server.url]
        args += ["--judge", "llm:strict", "--budget", 16, "--cache", tmp_path / "cache"]
        _, out, _ = inside(*args, "--dry-run", "--price-in", 1, "--price-out", 2, "--json")
        told = json.loads(out)
        assert (told["write"]["calls"], told["judge"]["calls"], told["all"]["calls"]) == (8, 8, 16)
        assert told["all"]["cost"] > 0
        _, out, _ = inside(*args, "--dry-run")
        assert "Nothing was sent" in out
        assert "unknown without" in out
        assert server.requests == []
        code, out, err = inside(*args, "--quiet")
        assert code == 0, err
        assert "8 made negatives" in out
        assert len(server.requests) == 16
        assert "nothing was done" in inside(*args)[2]
        assert len(server.requests) == 16
        _, _, err = inside(
            *args[:2], "-o", tmp_path / "bare", *args[4:10], "--budget", 2, "--cache", tmp_path / "cache"
        )
        assert "nobody checks whether what is written answers" in err
    records = [json.loads(line) for line in (tmp_path / "more" / "made.jsonl").read_text().splitlines()]
    assert {(r["operator"], r["model"], r["checks"][-1]["level"]) for r in records} == {("query-only", "m", "L4")}
    code, _, err = inside("export", tmp_path / "more", "--to", "trl", "-o", tmp_path / "x.jsonl")
    assert code == 0, err
    assert '"kind":"generated"' in (tmp_path / "x.jsonl").read_text()


def test_two_sided_pairs_by_rule_lie_beside_the_run(harbour, inside):
    before = {p.name: p.read_bytes() for p in harbour.iterdir() if p.is_file()}
    code, out, err = inside("make", harbour, "--two-sided", 50, "--kinds", "negate,number")
    assert code == 0, err
    assert "12 two-sided pairs of 50 asked for, from 12 documents" in out
    assert f"Read {harbour}/both.jsonl" in out
    assert "nothing was done" in inside("make", harbour, "--two-sided", 50, "--kinds", "negate,number")[2]
    assert {n: (harbour / n).read_bytes() for n in before} == before
    code, out, _ = inside("make", harbour, "--two-sided", 3, "--json", "--quiet")
    told = json.loads(out)
    assert (told["pairs"], told["asked_for"], told["again"]) == (3, 3, False)
    assert len((harbour / "both.jsonl").read_text().splitlines()) == 3


def test_two_sided_pairs_of_a_model_after_a_plan(harbour, tmp_path, inside):
    pytest.importorskip("httpx")
    with serving(authors.paired(lambda q, p: authors.holds(q, p) or "Lund" in p)) as server:
        args = ["make", harbour, "--two-sided", 12, "--kinds", "asked", "--llm", "m", "--base-url", server.url]
        checked = [*args, "--judge", "llm:strict", "--cache", tmp_path / "cache"]
        _, out, _ = inside(*checked, "--dry-run", "--json")
        told = json.loads(out)
        assert (told["write"]["calls"], told["judge"]["calls"], told["all"]["calls"]) == (12, 48, 60)
        assert server.requests == []
        code, out, err = inside(*checked)
        assert code == 0, err
        assert "11 two-sided pairs of 12 asked for" in out
        assert "1 L4: the other passage answers, too" in " ".join(out.split())
        assert len(server.requests) == 60
        assert "nothing was done" in inside(*checked)[2]
        assert "nobody checks which passage answers" in inside(*args, "--cache", tmp_path / "cache")[2]
        assert len(server.requests) == 60
    record = json.loads((harbour / "both.jsonl").read_text().splitlines()[0])
    assert (record["operator"], record["form"], record["model"], record["checks"]) == ("asked", "asked", "m", [])


def test_methods_make_tells_what_runs_here():
    done = foils("methods", "make")
    assert done.returncode == 0
    everything = (*CLASSES, *WRITERS, *AUTHORS)
    assert all(cls.name in done.stdout for cls in everything)
    rows = json.loads(foils("methods", "make", "--json").stdout)
    assert [r["name"] for r in rows] == [cls.name for cls in everything]
    assert {r["missing"] for r in rows if r["name"] in {cls.name for cls in (*WRITERS, *AUTHORS)}} == {
        "endpoint: --llm MODEL --base-url URL, a chat model behind an OpenAI-compatible endpoint"
    }
    assert "endpoint is unlocked by: --llm MODEL --base-url URL" in done.stdout
    one = foils("methods", "year")
    assert "TimeQA" in one.stdout or "interval" in one.stdout
