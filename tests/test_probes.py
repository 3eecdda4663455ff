"""Probes: reading them, asking them, counting what was lost."""

import json
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from foils.engine import Local
from foils.errors import DataError, FoilsError, RecipeError
from foils.models.vectors import Vectors
from foils.probes.compare import compare, holm, mcnemar
from foils.probes.items import Probe
from foils.probes.measure import ALL, ask, measure, worst
from foils.probes.reading import read
from foils.probes.session import load, probe
from foils.probes.subject import BiEncoder, CrossEncoder, Words, subject
from foils.readers.values import Hazards


@dataclass(frozen=True)
class Table:
    """A model whose scores are written down."""

    given: dict = field(default_factory=dict)
    name: str = "table"

    def check(self):
        pass

    def facts(self):
        return {"kind": "table"}

    def scores(self, queries, texts, engine):
        return np.array([self.given[q, t] for q, t in zip(queries, texts, strict=True)], dtype=np.float64)


def write(path, rows):
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


# Two pairs that turn their texts round, one probe alone.
PAIRED = [
    Probe("s", "1", "a", "negation", "q1", "x", "y"),
    Probe("s", "2", "a", "negation", "q2", "y", "x"),
    Probe("s", "3", "b", "negation", "q3", "v", "w"),
    Probe("s", "4", "b", "negation", "q4", "w", "v"),
    Probe("s", "5", "", "number", "q5", "m", "n"),
]
SCORES = {
    ("q1", "x"): 0.9, ("q1", "y"): 0.8, ("q2", "y"): 0.7, ("q2", "x"): 0.6,
    ("q3", "v"): 0.5, ("q3", "w"): 0.4, ("q4", "w"): 0.3, ("q4", "v"): 0.35,
    ("q5", "m"): 0.2, ("q5", "n"): 0.2,
}  # fmt: skip


def rows_of(answers):
    return {(r.set, r.type): r for r in measure(answers)}


def test_wrong_preference_and_paired_accuracy_by_hand(engine):
    found = rows_of(ask(PAIRED, Table(SCORES), engine))
    negation, number, everything = found["s", "negation"], found["s", "number"], found["s", ALL]
    assert (negation.n, negation.wrong.rate, negation.pairs, negation.paired.rate) == (4, 0.25, 2, 0.5)
    assert (number.n, number.wrong.rate, number.ties, number.pairs, number.paired) == (1, 1.0, 1, 0, None)
    assert (everything.n, everything.wrong.rate, everything.ties) == (5, 0.4, 1)
    assert negation.strict is None
    assert negation.twofold == 0


def test_a_pair_with_one_row_is_no_pair(engine):
    alone = [PAIRED[0], PAIRED[2], PAIRED[3]]
    assert rows_of(ask(alone, Table(SCORES), engine))["s", "negation"].pairs == 1


def test_strict_accuracy_of_twins_and_of_captions(engine):
    probes = [
        Probe("s", "1", "", "t", "q", "r", "w", twin="t"),
        Probe("s", "2", "", "t", "Q", "r", "w", twin="t"),
        Probe("s", "3", "", "c", "one", "two", "no", mutual=True),
        Probe("s", "4", "", "c", "uno", "due", "no", mutual=True),
    ]
    scores = {("q", "r"): 3, ("q", "t"): 2, ("q", "w"): 1, ("Q", "r"): 3, ("Q", "t"): 1, ("Q", "w"): 1}
    scores |= {("one", "two"): 3, ("one", "no"): 1, ("two", "one"): 3, ("two", "no"): 4}
    scores |= {("uno", "due"): 3, ("uno", "no"): 1, ("due", "uno"): 3, ("due", "no"): 2}
    found = rows_of(ask(probes, Table(scores), engine))
    assert (found["s", "t"].wrong.rate, found["s", "t"].twofold, found["s", "t"].strict.rate) == (0, 2, 0.5)
    assert (found["s", "c"].wrong.rate, found["s", "c"].strict.rate) == (0, 0.5)


def test_a_changed_query_is_scored_against_the_same_text(engine):
    probes = [Probe("s", "1", "", "premise", "asked", "text", "text", wrong_query="changed")]
    won = ask(probes, Table({("asked", "text"): 2, ("changed", "text"): 1}), engine)
    lost = ask(probes, Table({("asked", "text"): 1, ("changed", "text"): 2}), engine)
    assert won.won.tolist() == [True]
    assert lost.won.tolist() == [False]


def test_intervals_widen_where_probes_share_their_query(engine):
    lone = [Probe("s", str(n), "", "t", f"q{n}", f"r{n}", f"w{n}") for n in range(40)]
    shared = [p._replace(query=f"q{n // 4}") for n, p in enumerate(lone)]
    worse = {n for n in range(40) if n // 4 < 3}

    def scores(probes):
        return {(p.query, p.right): 1.0 for p in probes} | {
            (p.query, p.wrong): 2.0 if n in worse else 0.0 for n, p in enumerate(probes)
        }

    one = measure(ask(lone, Table(scores(lone)), engine))[0].wrong
    two = measure(ask(shared, Table(scores(shared)), engine))[0].wrong
    assert one.rate == two.rate == 0.3
    assert (one.method, two.method) == ("Clopper-Pearson", "clusters")
    assert two.high - two.low > 1.5 * (one.high - one.low)
    assert binomtest(12, 40).proportion_ci(method="exact").low == pytest.approx(one.low)


def test_the_worst_are_those_lost_by_the_widest_margin(engine):
    scores = SCORES | {("q4", "v"): 5.0, ("q2", "x"): 1.0}
    assert worst(ask(PAIRED, Table(scores), engine), 1) == {("s", "negation"): [3], ("s", "number"): [4]}
    assert worst(ask(PAIRED, Table(scores), engine), 9)["s", "negation"] == [3, 1]


def test_scores_that_are_no_numbers_and_empty_lists_are_refused(engine):
    with pytest.raises(DataError, match="not finite"):
        ask(PAIRED[:1], Table({("q1", "x"): np.nan, ("q1", "y"): 0.0}), engine)
    with pytest.raises(DataError, match="no probes"):
        ask([], Table(), engine)


def test_holm_agrees_with_the_worked_example_of_the_literature():
    # Holm 1979 in the usual textbook numbers: 4 tests, sorted .005 .01 .03 .04 times 4 3 2 1, made monotone.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_lowers_a_p_and_keeps_the_order(p):
    adjusted = holm(p)
    assert all(a >= b - 1e-12 for a, b in zip(adjusted, p, strict=True))
    assert max(adjusted) <= 1
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= -1e-12).all()


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_exact_binomial_test(gained, lost):
    expected = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert mcnemar(gained, lost) == pytest.approx(expected)
    assert mcnemar(gained, lost) == mcnemar(lost, gained)


def test_two_models_are_compared_by_pairs(engine):
    better = SCORES | {("q4", "w"): 9.0}
    found = {d.type: d for d in compare(ask(PAIRED, Table(better), engine), ask(PAIRED, Table(SCORES), engine))}
    negation = found["negation"]
    assert (negation.n, negation.first, negation.second, negation.gained, negation.lost) == (2, 1.0, 0.5, 1, 0)
    assert negation.p == 1.0
    assert not negation.significant
    assert found["number"].n == 1


def test_a_clear_difference_survives_the_correction(engine):
    probes = [Probe("s", str(n), "", kind, f"q{kind}{n}", "r", "w") for n in range(12) for kind in "ab"]
    good = {(p.query, "r"): 1.0 for p in probes} | {(p.query, "w"): 0.0 for p in probes}
    bad = {(p.query, "r"): 0.0 if p.type == "a" else 1.0 for p in probes} | {(p.query, "w"): 0.5 for p in probes}
    found = {d.type: d for d in compare(ask(probes, Table(good), engine), ask(probes, Table(bad), engine))}
    assert found["a"].p == pytest.approx(2 / 2**12)
    assert found["a"].adjusted == pytest.approx(4 / 2**12)
    assert found["a"].significant
    assert not found["b"].significant


def test_models_asked_different_probes_are_not_compared(engine):
    with pytest.raises(DataError, match="different probes"):
        compare(ask(PAIRED, Table(SCORES), engine), ask(PAIRED[:2], Table(SCORES), engine))


PLAIN = {"query": "q", "right": "r", "wrong": "w", "type": "unit"}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (PLAIN, Probe("f", "1", "", "unit", "q", "r", "w")),
        (PLAIN | {"id": "x", "pair": "p", "twin": "t"}, Probe("f", "x", "p", "unit", "q", "r", "w", "t")),
        ({"query": "q", "positive": "r", "negative": "w"}, Probe("f", "1", "", "f", "q", "r", "w")),
        (
            {"query": "q", "positive": "r", "negative": "w", "type": "near_miss", "subtype": "swap", "pair_id": 7},
            Probe("f", "1", "7", "near_miss/swap", "q", "r", "w"),
        ),
        (
            {"caption": "a", "caption2": "b", "negative_caption": "c", "id": 0},
            Probe("f", "1", "", "f", "a", "b", "c", mutual=True),
        ),
        (
            {"query": "a", "positive": "b", "negative": "c", "source": "SugarCrepe++"},
            Probe("f", "1", "", "f", "a", "b", "c", mutual=True),
        ),
        (
            {"positive_query": "a", "negative_query": "b", "passage": "c"},
            Probe("f", "1", "", "f", "a", "c", "c", wrong_query="b"),
        ),
    ],
)
def test_every_form_of_a_row_is_known(tmp_path, row, expected):
    assert read(write(tmp_path / "f.jsonl", [row])) == [expected]


def test_nevir_gives_two_probes_of_one_pair(tmp_path):
    row = {"id": "n", "q1": "a", "q2": "b", "doc1": "x", "doc2": "y", "twin1": "X"}
    one, two = read(write(tmp_path / "nevir.jsonl", [row]))
    assert (one.query, one.right, one.wrong, one.twin) == ("a", "x", "y", "X")
    assert (two.query, two.right, two.wrong, two.twin) == ("b", "y", "x", None)
    assert one.pair == two.pair == "n"
    assert one.id != two.id


def test_json_lists_csv_and_folders_are_read(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps([PLAIN, PLAIN]), encoding="utf-8")
    (tmp_path / "b.json").write_text(json.dumps({"1": PLAIN}), encoding="utf-8")
    (tmp_path / "c.csv").write_text("query,right,wrong,type\nq,r,w,unit\n", encoding="utf-8")
    (tmp_path / "notes.md").write_text("not data", encoding="utf-8")
    pl.DataFrame([PLAIN]).write_parquet(tmp_path / "d.parquet")
    assert [p.set for p in read(tmp_path)] == ["a", "a", "b", "c", "d"]


def test_texts_that_are_the_same_are_counted_and_never_won(tmp_path, engine):
    hazards = Hazards()
    found = read(write(tmp_path / "f.jsonl", [PLAIN | {"wrong": "r"}]), hazards)
    assert [f.count for f in hazards.findings] == [1]
    assert "same" in hazards.findings[0].what
    assert rows_of(ask(found, Words(), engine))["f", "unit"].wrong.rate == 1.0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"query": "q", "right": "r"}, "found the columns query, right"),
        (PLAIN | {"wrong": " \n"}, "line 1: wrong is empty"),
        (PLAIN | {"right": 3}, "right is int, a text is needed"),
        (PLAIN | {"twin": ""}, "twin is empty"),
        ({}, r"\(none\)"),
    ],
)
def test_rows_that_are_no_probes_are_refused_with_their_place(tmp_path, row, message):
    with pytest.raises(DataError, match=message):
        read(write(tmp_path / "f.jsonl", [row]))


def test_paths_without_probes_are_refused(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read(tmp_path / "no")
    with pytest.raises(DataError, match="no file of probes"):
        read(tmp_path)
    (tmp_path / "a.json").write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match="holds no probes"):
        read(tmp_path / "a.json")
    with pytest.raises(DataError, match="given twice"):
        load(["shipped", "shipped"])


def test_bm25_scores_are_those_of_its_search_and_do_not_depend_on_other_sets(engine):
    one = [Probe("s", "1", "", "t", "red apples", "a red apple", "a green pear")]
    two = [Probe("z", "1", "", "t", "red apples", "red red red", "apples of every sort")]
    alone, both = ask(one, Words(), engine), ask([*one, *two], Words(), engine)
    assert alone.right[0] == both.right[0] > 0
    assert alone.wrong[0] == both.wrong[0] == 0
    assert both.won[0]


def test_bm25_cannot_tell_texts_with_the_same_words(engine):
    found = ask([Probe("s", "1", "", "role", "who beat Ben?", "Ana beat Ben", "Ben beat Ana")], Words(), engine)
    assert found.right[0] == found.wrong[0]
    assert measure(found)[0].ties == 1


def test_a_bi_encoder_gives_inner_products_whatever_the_order(engine):
    probes = [
        Probe("s", "1", "", "t", "q0", "d0", "d1"),
        Probe("s", "2", "", "t", "q1", "d0", "d1"),
        Probe("s", "3", "", "t", "q0", "d1", "d2"),
    ]
    queries = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    texts = np.array([[0.6, 0.8], [0.8, 0.6], [-1.0, 0.0]], dtype=np.float32)
    found = ask(probes, BiEncoder("v", Vectors(queries=queries, documents=texts)), engine)
    assert found.right.tolist() == pytest.approx([0.6, 0.8, 0.8])
    assert found.wrong.tolist() == pytest.approx([0.8, 0.6, -1.0])


@dataclass(frozen=True)
class Lengths:
    """A scorer of pairs: the length of the text; counts what it is given."""

    unit: str = "logit"
    seen: list = field(default_factory=list)

    def check(self):
        pass

    def facts(self):
        return {"unit": self.unit}

    def scores(self, queries, documents, engine):
        self.seen.extend(zip(queries, documents, strict=True))
        return np.array([len(d) for d in documents], dtype=np.float32)


def test_a_cross_encoder_scores_each_distinct_pair_once(engine):
    scorer = Lengths()
    probes = [Probe("s", str(n), "", "t", "q", "long text", "text") for n in range(3)]
    found = ask(probes, CrossEncoder("c", scorer), engine)
    assert len(scorer.seen) == 2
    assert found.right.tolist() == [9, 9, 9]
    assert found.facts == {"kind": "cross-encoder", "unit": "logit"}


@pytest.mark.parametrize(
    ("name", "kind", "error", "message"),
    [
        ("bm25", "cross-encoder", RecipeError, "bm25 is none"),
        ("bm25", "decoder", RecipeError, "--as decoder is not known; one of bi-encoder, cross-encoder"),
        ("./no-such-model", "bi-encoder", DataError, "no-such-model"),
    ],
)
def test_subjects_that_cannot_be_are_refused(name, kind, error, message):
    with pytest.raises(error, match=message):
        subject(name, kind).check()


def test_the_shipped_probes_need_no_model(engine):
    found = probe(subject("bm25"), engine=engine)
    assert len(found.answers[0].probes) == 600
    assert {r.n for r in found.rows[0] if r.type != ALL} == {60}


def test_lsa_is_a_bi_encoder_without_a_model(engine):
    found = ask(PAIRED, subject("lsa"), engine)
    assert found.facts["kind"] == "bi-encoder"
    assert np.isfinite(found.right).all()


def test_a_report_holds_everything_as_plain_values(engine, tmp_path):
    path = write(tmp_path / "own.jsonl", [PLAIN, PLAIN | {"query": "Q", "type": "month"}])
    found = probe(Words(), [path], against=Words(name="again"), engine=Local())
    told = json.loads(json.dumps(found.data()))
    assert [m["model"] for m in told["models"]] == ["bm25", "again"]
    assert told["probes"] == 2
    assert {m["type"] for m in told["measures"]} == {"unit", "month", ALL}
    assert {d["adjusted"] for d in told["differences"]} == {1.0}
    assert {w["wrong_score"] for w in told["worst"]} == {0.0}
    assert isinstance(found.rows[0][0].wrong.low, float)
    with pytest.raises(FoilsError):
        probe(Words(), [tmp_path / "absent.jsonl"])


def test_a_flag_in_a_csv_file_is_a_word(tmp_path):
    (tmp_path / "set.csv").write_text("query,right,wrong,mutual\none,a,b,false\ntwo,c,d,True\n")
    assert [p.mutual for p in read(tmp_path / "set.csv")] == [False, True]
