"""The review page: what is decided is on disk, who may reach it, and what a document may do to it."""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import build
from foils.collection import Collection
from foils.engine import Local
from foils.errors import DataError, RecipeError
from foils.judging import select
from foils.making import Wish, make_into
from foils.models.lsa import Lsa
from foils.pairs import Pairs
from foils.protocols import Verdict
from foils.recipes import Plan as Recipes
from foils.recipes import default
from foils.review import Plan, check, exchange, pages
from foils.review.agreement import agreements, cohen
from foils.review.book import CANNOT_TELL, NOT_RELEVANT, RELEVANT, Book
from foils.review.differ import common, differing, edited
from foils.review.item import item, records
from foils.review.queue import Filter, matching, mixed
from foils.review.session import Session
from foils.run import VERDICTS, Run, mine
from foils.verdicts import UNDONE, Verdicts

pytest.importorskip("starlette", reason="the extra review is not installed")

ALMANAC = Path(__file__).parent.parent / "examples" / "almanac"
ANNA, BEN = "human:anna", "human:ben"


@pytest.fixture(scope="module")
def mined(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("review") / "run"
    mine(Collection.read(ALMANAC), default(Recipes((("lsa", Lsa(dims=32)),), n=4, depth=20, risk=0.1)), out=folder)
    return folder


@pytest.fixture
def run(mined, tmp_path) -> Run:
    shutil.copytree(mined, tmp_path / "run")
    return Run.open(tmp_path / "run")


def settle(session: Session, *names: str) -> None:
    """Wait for what goes on in the background."""
    end = time.monotonic() + 60
    while any(session.busy(n) for n in names or ("select", f"fill {ANNA}", f"fill {BEN}")):
        assert time.monotonic() < end
        time.sleep(0.01)


# --- the book


def small(tmp_path) -> Book:
    pairs = build.scored(build.collection(queries=2, docs=9), {0: [(i, 0.1 * i) for i in range(9)], 1: [(1, 0.5)]})
    return Book(pairs, tmp_path / VERDICTS)


def test_every_decision_is_on_disk_before_the_call_returns(tmp_path):
    book = small(tmp_path)
    for row, answer in enumerate((RELEVANT, NOT_RELEVANT, CANNOT_TELL), 1):
        assert book.decide(row, ANNA, answer, "a  note")
        on_disk = Verdicts.read(tmp_path / VERDICTS).frame
        assert on_disk.height == row
        assert on_disk.row(-1, named=True)["by"] == ANNA
    assert on_disk["p_relevant"].to_list() == [1.0, 0.0, None]
    assert on_disk["why"].to_list() == ["a note", "a note", "cannot tell: a note"]
    assert on_disk["family"].unique().to_list() == ["human"]
    assert not book.decide(1, ANNA, RELEVANT, "a note")  # the same again is not written down twice
    assert Verdicts.read(tmp_path / VERDICTS).frame.height == 3


def test_an_undone_verdict_settles_nothing_and_stays_in_the_file(tmp_path):
    book = small(tmp_path)
    book.decide(3, BEN, NOT_RELEVANT)
    book.decide(3, ANNA, RELEVANT)
    assert book.verdicts.settled(book.pairs).row(0) == (3, 1.0, ANNA, "human")
    assert book.undo(ANNA) == 3
    again = Book(book.pairs, tmp_path / VERDICTS)
    assert again.verdicts.frame["why"].to_list()[-1] == UNDONE
    assert again.verdicts.frame.height == 3
    assert again.verdicts.settled(book.pairs).row(0) == (3, 0.0, BEN, "human")
    assert again.answer(3, ANNA) is None
    assert again.answer(3, BEN).p == 0.0
    assert again.undo(ANNA) is None
    again.decide(3, ANNA, NOT_RELEVANT)
    assert again.verdicts.settled(book.pairs).row(0) == (3, 0.0, ANNA, "human")


def test_undo_goes_back_one_decision_at_a_time(tmp_path):
    book = small(tmp_path)
    for row in (1, 2, 3):
        book.decide(row, ANNA, RELEVANT)
    assert [book.undo(ANNA), Book(book.pairs, book.path).undo(ANNA)] == [3, 2]
    assert Book(book.pairs, book.path).answered(ANNA) == [1]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["yes", "no", "undo"]), st.integers(0, 3), st.sampled_from([ANNA, BEN]))))
def test_the_book_and_the_table_agree_on_what_stands(tmp_path_factory, acts):
    book = small(tmp_path_factory.mktemp("book"))
    for act, row, by in acts:
        if act == "undo":
            book.undo(by)
        else:
            book.decide(row, by, RELEVANT if act == "yes" else NOT_RELEVANT)
    settled = {row: p for row, p, _, _ in book.verdicts.settled(book.pairs).iter_rows()}
    assert settled == {row: book.truth(row) for row in range(4) if book.truth(row) is not None}
    fresh = Book(book.pairs, book.path)
    assert {b: fresh.answered(b) for b in (ANNA, BEN)} == {b: book.answered(b) for b in (ANNA, BEN)}


def test_two_processes_write_to_one_file_and_lose_nothing(tmp_path):
    one, other = small(tmp_path), small(tmp_path)

    def work(book, by):
        for row in range(9):
            book.decide(row, by, RELEVANT)

    threads = [threading.Thread(target=work, args=a) for a in ((one, ANNA), (other, BEN))]
    [t.start() for t in threads]
    [t.join() for t in threads]
    frame = Verdicts.read(tmp_path / VERDICTS).frame
    assert frame["by"].value_counts(sort=True)["count"].to_list() == [9, 9]


def test_a_decision_that_cannot_be_written_is_not_taken(tmp_path):
    book = small(tmp_path)
    book.decide(1, ANNA, RELEVANT)
    (tmp_path / VERDICTS).unlink()
    (tmp_path / VERDICTS).mkdir()
    with pytest.raises((DataError, OSError)):
        book.decide(2, ANNA, RELEVANT)


def test_only_answers_on_rows_that_exist_are_decisions(tmp_path):
    for row, answer in ((99, RELEVANT), (-1, RELEVANT), (1, "perhaps")):
        with pytest.raises(DataError, match="is no decision"):
            small(tmp_path).decide(row, ANNA, answer)
    assert not (tmp_path / VERDICTS).exists()


# --- agreement


def test_kappa_as_in_the_books():
    one, other = ["y"] * 25 + ["n"] * 25, ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    assert cohen(one, other) == pytest.approx(0.4)  # po .7, pe .5
    assert cohen(["y", "n"], ["y", "n"]) == 1.0
    assert cohen(["y", "n"], ["n", "y"]) == -1.0
    assert cohen(["y", "y"], ["y", "y"]) is None
    assert cohen([], []) is None


def test_agreement_counts_what_stands(tmp_path):
    book = small(tmp_path)
    for row, (a, b) in enumerate([(RELEVANT, RELEVANT), (NOT_RELEVANT, RELEVANT), (CANNOT_TELL, CANNOT_TELL)]):
        book.decide(row, ANNA, a)
        book.decide(row, BEN, b)
    book.decide(5, ANNA, RELEVANT)
    (found,) = agreements(book)
    assert (found.pairs, found.same) == (3, 2)
    book.undo(BEN)
    assert agreements(book)[0].pairs == 2


# --- the queue


def test_the_queue_holds_a_random_part_with_its_chances_and_survives_a_restart(run):
    session = Session(run, Local(), Plan(budget=80, size=20))
    assert session.following(ANNA) is not None  # at once, while the triage is at work
    settle(session)
    waiting = session.book.waiting(ANNA)
    table = run.verdicts.frame
    assert table["why"].unique().to_list() == ["not asked"]
    drawn = table.filter(pl.col("draw") == "random")
    assert drawn.height == 20
    assert drawn["chance"].is_between(0, 1, closed="right").all()
    assert table.filter(pl.col("draw") == "chosen").height == 20
    again = Session(Run.open(run.folder), Local(), Plan(budget=80, size=20))
    assert again.book.waiting(ANNA) == waiting
    assert again.following(ANNA) == session.following(ANNA)
    assert not again.busy(f"fill {ANNA}")


def test_a_decision_keeps_how_its_pair_was_drawn(run):
    session = Session(run, Local(), Plan(budget=40, size=10))
    session.following(ANNA)
    settle(session)
    seen = set()
    for _ in range(20):
        row = session.following(ANNA)
        assert row not in seen
        seen.add(row)
        before = session.book.draw(row, ANNA)
        session.decide(row, session.names(row), ANNA, NOT_RELEVANT)
        last = run.verdicts.frame.filter(pl.col("p_relevant").is_not_null()).row(-1, named=True)
        assert (last["draw"], last["chance"]) == before
    settle(session)
    measured = session.risk(ANNA).measured
    assert measured is None or measured.rate == 0.0


def test_skipped_pairs_come_last_and_undone_ones_come_back(run):
    session = Session(run, Local(), Plan(budget=20, size=10))
    session.following(ANNA)
    settle(session)
    row = session.following(ANNA)
    session.skip(row, ANNA)
    second = session.following(ANNA)
    assert second != row
    session.decide(second, session.names(second), ANNA, RELEVANT)
    assert second not in session.book.waiting(ANNA)
    assert session.book.undo(ANNA) == second
    assert second in session.book.waiting(ANNA)


def test_a_second_person_sees_some_pairs_of_the_first(run):
    session = Session(run, Local(), Plan(budget=20, size=10, overlap=3))
    session.following(ANNA)
    settle(session)
    for _ in range(6):
        row = session.following(ANNA)
        session.decide(row, session.names(row), ANNA, NOT_RELEVANT)
    settle(session)
    session.following(BEN)
    settle(session)
    assert len(set(session.book.waiting(BEN)) & set(session.book.answered(ANNA))) >= 3


def test_what_was_judged_relevant_goes_when_the_run_is_selected_again(run):
    session = Session(run, Local())
    row = int(session.lined_up(Filter(fate="selected"))[0])
    ids = session.names(row)
    before = session.risk(ANNA)
    session.decide(row, ids, ANNA, RELEVANT)
    after = session.risk(ANNA)
    assert (after.found, before.found) == (1, 0)
    p = run.pairs.frame["p_relevant"][row]
    assert after.estimate - before.estimate == pytest.approx((1 - p) / after.selected, rel=1e-4)
    session.select_again()
    settle(session)
    assert session.problem == ""
    stored = Run.open(run.folder)
    assert ids not in stored.negatives.select("query_id", "doc_id").rows()
    assert stored.pairs.frame.equals(select(stored, Local()).pairs.frame)
    assert session.risk(ANNA).found == 0


def test_a_page_of_before_decides_nothing_of_another_pair(run):
    session = Session(run, Local())
    assert not session.decide(5, ("other", "pair"), ANNA, RELEVANT)
    assert not session.decide(10**9, ("other", "pair"), ANNA, RELEVANT)
    assert run.verdicts.frame.height == 0


def test_a_pair_that_was_numbered_anew_keeps_its_decision(run):
    session = Session(run, Local())
    row = 7
    query_id, doc_id = session.names(row)
    assert session.book.row_of(query_id, doc_id) == row
    assert session.decide(row + 1, (query_id, doc_id), ANNA, RELEVANT)
    assert session.book.answered(ANNA) == [row]


def test_filters_find_what_they_say(run):
    frame = run.pairs.frame
    assert set(matching(run.pairs, Filter(fate="selected"))) == set(np.flatnonzero(frame.select(run.pairs.live)))
    inside = frame[matching(run.pairs, Filter(low=0.3, high=0.6))]["p_relevant"]
    assert inside.is_between(0.3, 0.6).all()
    assert (inside - 0.5).abs().is_sorted()
    assert matching(run.pairs, Filter(source="nothing")).size == 0
    assert frame[matching(run.pairs, Filter(source="bm25"))]["rank.bm25"].null_count() == 0
    for row in matching(run.pairs, Filter(search="RIVER"))[:20]:
        shown = item(run.pairs, int(row))
        assert "river" in (shown.query + shown.document).lower()
    assert matching(run.pairs, Filter(search="(((")).size == 0
    assert not frame[matching(run.pairs, Filter())].filter(pl.col("positive"))["kind"].null_count()


@given(st.lists(st.integers(), max_size=20), st.lists(st.integers(), max_size=20), st.integers(0, 9))
def test_mixing_loses_nothing_and_keeps_both_orders(chosen, random, turn):
    order = mixed([(0, x) for x in chosen], [(1, x) for x in random], turn)
    assert [x for k, x in order if k == 0] == chosen
    assert [x for k, x in order if k == 1] == random


# --- texts


def test_near_copies_show_their_edit_and_others_what_is_their_own():
    assert edited("one two three", "quite another text here") is None
    assert edited("", "text") is None
    assert edited("a <b> c d", "a <b> c e") == "a &lt;b&gt; c <del>d</del><ins>e</ins>"
    html = differing(
        "what is the height", "It is 5 m. The height.", "The height is 9 m in Lund.", common(["is the"] * 9)
    )
    assert html == "The <mark>height</mark> is <u>9</u> m in <u>Lund</u>."


def test_made_negatives_show_their_edit_on_either_side(run):
    made = make_into(run, Wish(side="both", quota=0.3)).run
    known, sides = records(made.folder), set()
    frame = made.pairs.frame.with_row_index("row").filter(pl.col("rank.made").is_not_null() & ~pl.col("positive"))
    assert frame.height > 20
    state = pages.State("run", ANNA, 0, 10, Session(made, Local()).risk(ANNA))
    for row in frame["row"].head(30).to_list() + frame["row"].tail(30).to_list():
        shown = item(made.pairs, row, known)
        page = pages.review(state, shown, None, {})
        changed = re.search(
            "<h2.*?</h2>" if shown.side == "query" else '<section class="candidate".*?</section>', page, re.S
        )
        assert re.search("<(ins|del)>", changed.group())
        sides.add(shown.side)
    assert sides == {"document", "query"}


@given(st.text(), st.text(), st.text())
def test_no_text_becomes_markup(query, positive, candidate):
    for html in (differing(query, positive, candidate), edited(positive, candidate) or ""):
        assert not re.sub(r"</?(?:mark|u|ins|del)>", "", html).count("<")


# --- in and out


def test_verdicts_go_out_and_come_back_the_same(run, tmp_path, mined):
    book = Book(run.pairs, run.folder / VERDICTS)
    rows = matching(run.pairs, Filter(fate="selected"))[:6].astype(np.uint32)
    book.put(rows, ["random", "chosen"] * 3, [0.25, None] * 3, ANNA)
    for i, row in enumerate(rows[:4].tolist()):
        book.decide(row, ANNA, [RELEVANT, NOT_RELEVANT, CANNOT_TELL, RELEVANT][i], "why <b>")
    book.undo(ANNA)
    Verdicts().add(run.pairs, rows[4:5], [Verdict(0.5, "llm:x", "a\u2028b\x85c")], "llm:x").write(tmp_path / "more")
    book.extend(Verdicts.read(tmp_path / "more").frame)
    file = tmp_path / "v.jsonl"
    file.write_text(exchange.jsonl(run.pairs, book.verdicts), encoding="utf-8")
    assert set(json.loads(file.read_text().splitlines()[0])) >= {"query", "document", "query_id", "p_relevant"}
    shutil.copytree(mined, tmp_path / "other")
    other = Book(run.pairs, tmp_path / "other" / VERDICTS)
    assert exchange.take(other, file) == (12, 0, 0)
    assert other.verdicts.frame.equals(book.verdicts.frame)
    assert exchange.take(other, file) == (0, 12, 0)


def test_argilla_records_carry_people_notes_and_suggestions(run, tmp_path):
    book = Book(run.pairs, run.folder / VERDICTS)
    rows = matching(run.pairs, Filter(fate="selected"))[:3].astype(np.uint32)
    Verdicts().add(run.pairs, rows[:1], [Verdict(0.9, "llm:x")], "llm:x").write(book.path)
    book.put(rows, ["chosen"] * 3, [None] * 3, ANNA)
    book.decide(int(rows[0]), ANNA, NOT_RELEVANT, "other year")
    book.decide(int(rows[1]), BEN, CANNOT_TELL)
    records = json.loads(exchange.argilla(run.pairs, book.verdicts))
    assert [set(r) for r in records] == [{*records[0]}] * 3
    assert records[0]["suggestions"]["relevance"] == {"value": RELEVANT, "score": 0.9, "agent": "llm:x"}
    (said,) = records[0]["responses"]["relevance"]
    assert said["value"] == NOT_RELEVANT
    assert records[0]["responses"]["note"][0]["value"] == "other year"
    assert records[2]["responses"] == {}
    records[2]["responses"] = {"relevance": [{"value": RELEVANT, "user_id": "0b0c1d2e-1111-2222-3333-444444444444"}]}
    file = tmp_path / "argilla.json"
    file.write_text(json.dumps(records), encoding="utf-8")
    taken = exchange.take(book, file)
    assert taken.foreign == 0
    assert book.truth(int(rows[2])) == 1.0
    assert book.answer(int(rows[2]), "human:0b0c1d2e").draw == "given"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "cannot read verdicts"),
        ('["a"]', "is no JSON object"),
        ('{"query_id": "q", "doc_id": "d"}', "by=None"),
        ('{"query_id": "q", "doc_id": "d", "by": "x", "p_relevant": 2}', "p_relevant=2"),
        ('{"query_id": "q", "doc_id": "d", "by": "x", "p_relevant": NaN}', "p_relevant=nan"),
        ('{"query_id": "q", "doc_id": "d", "by": "llm:x", "family": "human"}', "begins with human"),
        ('[{"responses": {}, "fields": {}}]', "lacks query_id"),
        ('[{"responses": {}, "metadata": ["q"]}]', "is no JSON object"),
        ('{"query_id": "q", "doc_id": "d", "by": "x", "grade": 1.5}', "a whole number from 0 to 3"),
    ],
)
def test_files_that_are_no_verdicts_are_refused(tmp_path, text, message):
    (tmp_path / "v").write_text(text)
    with pytest.raises(DataError, match=message):
        exchange.read(tmp_path / "v")


def test_verdicts_of_other_texts_are_left_out(run, tmp_path):
    book = Book(run.pairs, run.folder / VERDICTS)
    ids = dict(zip(("query_id", "doc_id"), Session(run, Local()).names(7), strict=True))
    rows = [ids | {"by": "human:x", "p_relevant": 1}, ids | {"by": "human:x", "p_relevant": 1, "texts": "00"}]
    rows.append({"query_id": "nobody", "doc_id": "nothing", "by": "human:x", "p_relevant": 1})
    (tmp_path / "v").write_text("\n".join(map(json.dumps, rows)))
    assert exchange.take(book, tmp_path / "v") == (1, 0, 2)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "example.org", "::", "", "127.0.0.1.example.org"])  # noqa: S104
def test_other_machines_are_never_served(host):
    with pytest.raises(RecipeError, match="this machine only"):
        check(host)


def test_a_run_in_memory_has_no_file_to_keep_verdicts_in(run):
    with pytest.raises(DataError, match="mine into a folder"):
        Session(Run(run.pairs, run.recipe, run.ledger), Local())
    assert isinstance(run.pairs, Pairs)
