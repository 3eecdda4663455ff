"""Two-sided pairs beside a run: by rule and by a model, the same call twice, trouble, a kill, what stays as it was."""

import json
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("httpx")

import authors
from chat_server import Drop, error, reply, serving
from foils import counterparts, recipes
from foils.collection import build
from foils.counterparts import FACTS
from foils.engine import Local
from foils.errors import DataError, JudgeError, RecipeError
from foils.judges.llm import Llm
from foils.make.item import Refused
from foils.make.reading import LlmReader
from foils.make.twosided import KINDS
from foils.make.view import WORD
from foils.make.write import Helpers
from foils.making import Wish, make_into
from foils.models.llm import Budget
from foils.pairing import Sides, pair_into, planned_pairs, window
from foils.run import Run, mine
from test_make_write import chat, kept
from test_making import TOWNS

WAIT = (
    "A red boat was sold to the miller of {town} by the baker, and the fishermen of {town} sit in the long hall by the "
    "fire and mend their nets."
)


def harbours(n=12, title=False):
    """Passages of some forty words, the first half of them positives."""
    docs, queries, labels = [], [], []
    for k, town in enumerate(TOWNS[:n]):
        text = f"The harbour of {town} was closed to ships in {1901 + k}. A museum stands there today. "
        text += WAIT.format(town=town)
        docs.append({"id": f"d-{town}", "title": f"{town} harbour" if title else "", "text": text})
        if k < n // 2:
            queries.append({"id": f"q-{town}", "text": f"When was the harbour of {town} closed to ships?"})
            labels.append({"query_id": f"q-{town}", "doc_id": f"d-{town}", "grade": 1})
    corpus = pl.DataFrame(docs) if title else pl.DataFrame(docs).drop("title")
    return build(corpus, pl.DataFrame(queries), pl.DataFrame(labels), name="harbours")


@pytest.fixture(scope="module")
def mined(tmp_path_factory):
    return mine(harbours(), recipes.naive, negatives=4, out=tmp_path_factory.mktemp("pairing") / "run")


@pytest.fixture
def run(mined, tmp_path):
    """A copy of the run whose folder a test may write into."""
    return Run.open(shutil.copytree(mined.folder, tmp_path / "run"))


def files(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_pairs_by_rule_lie_beside_a_run_that_stays_as_it_was(run):
    before = files(run.folder)
    done = pair_into(run, Sides(8, ("negate", "number")))
    assert {n: b for n, b in files(run.folder).items() if n in before} == before
    assert set(files(run.folder)) - set(before) == {counterparts.FILE, FACTS}
    assert len(done.pairs) == 8 == sum(done.made.values())
    assert set(done.made) == {"negate", "number"} < set(KINDS)
    records = [json.loads(line) for line in (run.folder / counterparts.FILE).read_text().splitlines()]
    assert [r["id"] for r in records] == [counterparts.name(p) for p in done.pairs]
    assert counterparts.read(run.folder) == list(done.pairs)
    assert all(r["model"] == "" and r["source"].startswith("d-") for r in records)


def test_the_documents_of_positives_come_first(run):
    first = {f"d-{town}" for town in TOWNS[:6]}
    some = pair_into(replace(run, folder=None), Sides(5, ("number",)))
    assert {p.source for p in some.pairs} < first
    every = pair_into(replace(run, folder=None), Sides(50, ("lack", "negate")))
    assert {p.source for p in every.pairs[:6]} == first
    assert (len(every.pairs), every.passages) == (12, 12)


def test_the_same_call_does_nothing_and_another_one_replaces(run):
    first = pair_into(run, Sides(4, ("negate",)))
    stamps = {p: p.stat().st_mtime_ns for p in run.folder.rglob("*")}
    again = pair_into(Run.open(run.folder), Sides(4, ("negate",)))
    assert (again.again, again.pairs, again.made) == (True, first.pairs, {"negate": 4})
    assert {p: p.stat().st_mtime_ns for p in run.folder.rglob("*")} == stamps
    other = pair_into(run, Sides(4, ("number",)))
    assert (other.again, other.made) == (False, {"number": 4})
    assert counterparts.read(run.folder) == list(other.pairs)
    assert {p.operator for p in pair_into(run, Sides(4, ("negate",), seed=1)).pairs} == {"negate"}


def test_what_somebody_mended_by_hand_is_left_alone(run):
    pair_into(run, Sides(4))
    path = run.folder / counterparts.FILE
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    assert len(pair_into(run, Sides(4)).pairs) == 2
    path.unlink()
    assert len(pair_into(run, Sides(4)).pairs) == 4


def test_they_go_along_into_another_run_folder(run, tmp_path):
    made = pair_into(run, Sides(5)).pairs
    there = make_into(run, Wish(kinds=("year",)), out=tmp_path / "other").run
    assert tuple(counterparts.read(there.folder)) == made
    assert pair_into(there, Sides(5)).again


def test_made_negatives_are_no_passages_and_change_no_pairs(run):
    plain = pair_into(run, Sides(50)).pairs
    made = make_into(run, Wish(safety=0.0, kinds=("year",), quota=0.4)).run
    assert made.pairs.collection.corpus.height > run.pairs.collection.corpus.height
    assert pair_into(made, Sides(50)).pairs == plain


def test_short_documents_are_counted():
    docs = harbours()
    short = replace(docs, corpus=docs.corpus.with_columns(text=pl.col("text").str.head(60)))
    done = pair_into(mine(short, recipes.naive, negatives=4), Sides(5))
    assert (done.pairs, done.reasons["passages"]) == ((), {"shorter than 15 words": 12})
    assert len(pair_into(mine(short, recipes.naive, negatives=4), Sides(5, least=5)).pairs) == 5


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ("One two three. " * 5, "shorter than 35 words"),
        ("word " * 300, "no whole sentences of 35 to 130 words"),
        ("{x} | y | z -> w == 3. " * 20, "not prose"),
        ("Is it so? " * 20, "not prose"),
    ],
)
def test_what_is_no_passage(raw, told):
    assert window(raw, 35, 130) == Refused(told)


def test_a_long_document_gives_a_stretch_of_whole_sentences():
    raw = " ".join(
        f"In the year {n} the men of the north built ship number {n} with their own hands." for n in range(60)
    )
    drawn = {window(raw, 35, 130, seed) for seed in range(8)}
    assert len(drawn) > 1
    for part in drawn:
        assert part in raw
        assert 35 <= len(part.split()) <= 130
        assert part.startswith("In the year")
        assert part.endswith("hands.")
    whole = "\n".join([WAIT.format(town="Lund")] * 2)
    assert window(whole, 35, 130) == " ".join(whole.split())


@settings(max_examples=60)
@given(
    st.lists(st.one_of(st.text(max_size=60), st.just("The old valve is opened at dawn by hand. ")), max_size=40),
    st.integers(1, 20),
    st.integers(0, 60),
)
def test_any_text_gives_a_part_of_it_or_a_reason(texts, least, more):
    raw = "".join(texts)
    found = window(raw, least, least + more)
    if isinstance(found, str):
        assert found in " ".join(raw.split())
        assert least <= len(WORD.findall(found)) <= least + more
    else:
        assert found.reason


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        (Sides(0), "at least 1 pair"),
        (Sides(5, least=50, most=20), "at most the other"),
        (Sides(5, ("colour",)), "no two-sided pair is called 'colour'"),
        (Sides(5, ("asked", "negate")), "not both in one call"),
        (Sides(5, ("asked",)), "give --llm MODEL"),
    ],
)
def test_wrong_wishes_are_refused_first(run, sides, message):
    with pytest.raises(RecipeError, match=message):
        pair_into(run, sides)
    assert not (run.folder / counterparts.FILE).exists()


def test_a_model_writes_both_kinds(run):
    with serving(authors.paired()) as server:
        done = pair_into(run, Sides(30, ("asked", "asked-swap")), Helpers(chat(server)))
    assert (done.made, done.reasons) == ({"asked": 12, "asked-swap": 12}, {})
    assert len(server.requests) == 24
    for pair in counterparts.read(run.folder):
        assert pair.written.model == "tiny"
        assert pair.written.prompt.startswith(f"{pair.operator}-")
        assert authors.holds(pair.query, pair.passage) > authors.holds(pair.query, pair.changed)
        assert authors.holds(pair.counter, pair.changed) > authors.holds(pair.counter, pair.passage)
    facts = json.loads((run.folder / FACTS).read_text())
    assert facts["models"]["written by: model"] == "tiny"
    assert facts["made"] == done.made


def test_titles_stand_on_a_line_of_their_own():
    run = mine(harbours(title=True), recipes.naive, negatives=4)
    with serving(authors.paired()) as server:
        done = pair_into(run, Sides(3, ("asked",)), Helpers(chat(server)))
    assert {p.passage.splitlines()[0].partition(" ")[2] for p in done.pairs} == {"harbour"}
    assert counterparts.belong(run.pairs, done.pairs)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (reply('{"edits": [], "q1": "", "q2": ""}'), "nothing to turn round"),
        (reply('{"edits": [{"old": "closed', "length"), "answer cut off"),
        (reply(None, "content_filter"), "no text from the model"),
        (reply("{broken"), "unreadable answer"),
    ],
    ids=str,
)
def test_an_answer_that_is_no_answer_makes_nothing_and_is_counted(run, said, why):
    with serving(lambda request, nth: said) as server:
        done = pair_into(run, Sides(12, ("asked",)), Helpers(chat(server)))
    assert (done.pairs, done.reasons) == ((), {"asked": {why: 12}})
    assert counterparts.read(run.folder) == []


def test_questions_that_the_endpoint_refuses_are_counted(run):
    with serving(lambda request, nth: error(400, "content policy") if nth else reply(None, "content_filter")) as server:
        done = pair_into(run, Sides(12, ("asked",)), Helpers(chat(server)))
    assert done.reasons == {"asked": {"no text from the model": 1, "no answer from the endpoint": 11}}


def test_an_endpoint_that_is_down_leaves_what_was_there(run):
    before = pair_into(run, Sides(4)).pairs
    silent = pytest.raises(JudgeError, match=r"without an answer|answers nothing")
    with serving(lambda request, nth: error(500)) as server, silent:
        pair_into(run, Sides(12, ("asked",)), Helpers(chat(server)))
    assert counterparts.read(run.folder) == list(before)


def test_a_judge_refuses_pairs_and_the_budget_counts_every_question(run):
    lund = authors.paired(lambda q, p: authors.holds(q, p) or "Lund" in p)
    with serving(lund) as server:
        client = chat(server)
        done = pair_into(run, Sides(12, ("asked",)), Helpers(client, judge=Llm(client), budget=34))
        assert len(server.requests) == 30
    # The six documents of positives are asked about first, that of Lund among them.
    assert done.made == {"asked": 5}
    assert done.reasons["asked"] == {"not asked, the budget is spent": 6, "L4: the other passage answers, too": 1}
    assert all(len(p.checks) == 4 for p in done.pairs)


def test_rules_are_checked_by_a_judge_too(run):
    with serving(authors.paired(lambda q, p: True)) as server:
        done = pair_into(run, Sides(3, ("negate",)), Helpers(judge=Llm(chat(server))))
    assert done.pairs == ()
    assert done.reasons["negate"] == {"L4: the other passage answers, too": 12}


def test_money_that_runs_out_leaves_the_rest_for_another_call(run, tmp_path):
    engine, sides = Local(cache=tmp_path / "cache"), Sides(12, ("asked",))
    with serving(authors.paired()) as server:
        poor = Helpers(chat(server, budget=Budget(1.0, 1.0, calls=4)), engine=engine)
        first = pair_into(run, sides, poor)
        assert (first.made, first.reasons) == ({"asked": 4}, {"asked": {"not asked, the money is spent": 8}})
        rich = Helpers(chat(server), engine=engine)
        assert pair_into(run, sides, rich).made == {"asked": 12}
        assert len(server.requests) == 12
        assert pair_into(run, sides, rich).again
        assert len(server.requests) == 12


def test_money_that_ends_while_a_reader_reads_leaves_the_rest_too(run, tmp_path):
    engine, sides = Local(cache=tmp_path / "cache"), Sides(3, ("negate",))
    with serving(authors.paired(reads=lambda q, p: True)) as server:
        poor = Helpers(reader=LlmReader(chat(server, budget=Budget(1.0, 1.0, calls=2)), engine), engine=engine)
        assert pair_into(run, sides, poor).pairs == ()
        done = pair_into(run, sides, Helpers(reader=LlmReader(chat(server), engine), engine=engine))
    assert not done.again
    assert done.reasons["negate"] == {"L3: the other passage answers, too": 12}


def test_a_plan_sends_nothing(run):
    with serving(authors.paired()) as server:
        client = chat(server)
        found = planned_pairs(run, Sides(12, ("asked",)), Helpers(client, judge=Llm(client), budget=20))
        assert (found["write"].calls, found["judge"].calls, found["all"].calls) == (4, 16, 20)
        ruled = planned_pairs(run, Sides(3, ("number",)), Helpers(judge=Llm(client)))
        assert ruled["judge"].calls == 12
        assert planned_pairs(run, Sides(3), Helpers())["all"].calls == 0
        assert server.requests == []


@pytest.mark.slow
def test_killed_and_resumed_nothing_is_paid_twice_and_the_bytes_are_the_same(run, mined, tmp_path):
    """The server answers five and holds the next ones; then the process dies."""
    release, holding = threading.Event(), threading.Event()
    holding.set()

    def script(request, nth):
        if holding.is_set() and nth >= 5:
            release.wait(30)
            return Drop
        return authors.paired()(request)

    with serving(script) as server:
        words = ["make", run.folder, "--two-sided", 12, "--kinds", "asked", "--llm", "tiny", "--base-url", server.url]
        call = [sys.executable, "-m", "foils", *map(str, words), "--cache", str(tmp_path / "one")]
        first = subprocess.Popen(call, stderr=subprocess.PIPE)
        server.wait_for(6)
        assert kept(tmp_path / "one", 5)
        first.send_signal(signal.SIGKILL)
        first.communicate(timeout=20)
        holding.clear()
        release.set()
        assert not (run.folder / counterparts.FILE).exists()
        assert len(server.paid) == 5
        subprocess.run(call, check=True, capture_output=True, timeout=60)
        assert len(server.paid) == len(set(server.paid)) == 12
        whole = pair_into(replace(mined, folder=None), Sides(12, ("asked",)), Helpers(chat(server)))
    assert counterparts.read(run.folder) == list(whole.pairs)


def test_a_damaged_file_says_which_line(run):
    pair_into(run, Sides(3))
    path = run.folder / counterparts.FILE
    for damage in ("{", '{"operator": "asked"}', "[]", '{"edits": 3}'):
        path.write_text(path.read_text().splitlines()[0] + "\n" + damage + "\n")
        with pytest.raises(DataError, match="line 2, is no two-sided pair"):
            counterparts.read(run.folder)
