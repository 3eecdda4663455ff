"""Measures per query: the reference's worked numbers, ir_measures itself, and inputs that break others."""

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

ir_measures = pytest.importorskip("ir_measures")

from foils.errors import DataError, MissingExtra, RecipeError  # noqa: E402
from foils.evaluate import MISSING, NAMES, average, measures  # noqa: E402
from foils.evaluate.metrics import parse  # noqa: E402
from foils.evaluate.tables import labels, ranked, ties  # noqa: E402

# methods.md section 50: ranking d1..d6, J+ = {d1, d4, d9}, J- = {d2, d5}.
RUN = {"q": {f"d{i}": 10.0 - i for i in range(1, 7)}}
QRELS = {"q": {"d1": 1, "d4": 1, "d9": 1, "d2": 0, "d5": 0}}


def one(run, qrels, *names, **options):
    row = measures(run, qrels, names, **options).row(0, named=True)
    return [row[n] for n in names]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Bpref", 0.5),
        ("infAP", 0.5),
        ("RBP", 0.3024),
        ("RBP residual", 0.45568),
        ("Judged@5", 0.8),
        ("nDCG", 0.671386),
        ("nDCG'", 0.703918),
        ("nDCG(judged_only=True)", 0.703918),
        ("AP", (1 + 2 / 4) / 3),
        ("AP'", (1 + 2 / 3) / 3),
        ("MRR@10", 1.0),
        ("R@3", 1 / 3),
        ("Success@1", 1.0),
    ],
)
def test_the_worked_example(name, expected):
    assert one(RUN, QRELS, name) == [pytest.approx(expected, abs=1e-6)]


def test_rbp_with_another_persistence_and_a_cutoff():
    low, more = one(RUN, QRELS, "RBP(p=0.5)@3", "RBP(p=0.5)@3 residual")
    assert low == pytest.approx(0.5)
    # The third place is not judged, and what comes after three places weighs p^3.
    assert more == pytest.approx(0.5 * 0.25 + 0.125)


@given(st.lists(st.sampled_from([None, 0, 1, 2]), min_size=1, max_size=30), st.sampled_from(["0.5", "0.8", "0.95"]))
def test_rbp_and_its_residual_never_exceed_one(grades, p):
    run = {"q": {f"d{i:02}": -float(i) for i in range(len(grades))}}
    qrels = {"q": {f"d{i:02}": g for i, g in enumerate(grades) if g is not None} | {"elsewhere": 1}}
    low, more = one(run, qrels, f"RBP(p={p})", f"RBP(p={p}) residual")
    relevant = sum((1 - float(p)) * float(p) ** i for i, g in enumerate(grades) if g)
    assert low == pytest.approx(relevant)
    other = sum((1 - float(p)) * float(p) ** i for i, g in enumerate(grades) if g == 0)
    assert low + more + other == pytest.approx(1.0)


def test_a_negative_grade_is_in_the_pool_but_not_judged():
    marked = {"q": QRELS["q"] | {"d3": -1}}
    # d4 at j = 3: 1/4 + 3/4 * 3/3 * (1 + e) / (2 + 2e) = 0.625; d1 gives 1; R = 3.
    assert one(RUN, marked, "infAP") == [pytest.approx((1 + 0.625) / 3, abs=1e-5)]
    names = ("Judged@5", "nDCG'", "Bpref", "RBP residual", "nDCG")
    assert one(RUN, marked, *names) == one(RUN, QRELS, *names)


@given(
    st.dictionaries(
        st.sampled_from("abcdefgh"),
        st.dictionaries(st.sampled_from("uvwxyz"), st.integers(0, 3), min_size=1),
        min_size=1,
    ),
    st.dictionaries(
        st.sampled_from("abcdefgh"),
        st.dictionaries(st.sampled_from("uvwxyz"), st.integers(0, 4), min_size=1),
        min_size=1,
    ),
    st.sampled_from([1, 2]),
)
def test_equal_to_trec_eval_with_its_order_of_ties(run, qrels, relevant_from):
    if not any(g >= relevant_from for docs in qrels.values() for g in docs.values()):
        return
    names = ["nDCG@3", "AP", "R@2", "Success@1", "P@3", "Bpref"]
    table = measures(run, qrels, names, relevant_from=relevant_from)
    wanted = [ir_measures.parse_measure(n) for n in names]
    wanted = [m(rel=relevant_from) if "rel" in m.SUPPORTED_PARAMS else m for m in wanted]
    theirs = {(m.query_id, str(m.measure)): m.value for m in ir_measures.pytrec_eval.iter_calc(wanted, qrels, run)}
    for row in table.iter_rows(named=True):
        for name, measure in zip(names, wanted, strict=True):
            if row[name] is not None:
                assert row[name] == pytest.approx(theirs.get((row["query_id"], str(measure)), 0.0), abs=1e-9)


def test_condensed_lists_equal_those_of_ir_measures():
    run = {"q": {f"d{i}": -float(i) for i in range(40)}}
    qrels = {"q": {f"d{i}": i // 3 % 3 for i in range(0, 40, 3)}}
    for name in ("nDCG@10", "AP@20", "Success@1", "P@5"):
        theirs = ir_measures.parse_measure(name)(judged_only=True)
        (value,) = one(run, qrels, name.replace("@", "'@"))
        assert value == pytest.approx(ir_measures.calc_aggregate([theirs], qrels, run)[theirs])


def test_graded_gains_and_binary_thresholds_are_apart():
    run = {"q": {"a": 2.0, "b": 1.0}}
    qrels = {"q": {"a": 1, "b": 2}}
    ndcg, mrr, recall = one(run, qrels, "nDCG@10", "MRR@10", "R@1", relevant_from=2)
    assert ndcg == pytest.approx((1 + 2 / math.log2(3)) / (2 + 1 / math.log2(3)))
    assert (mrr, recall) == (0.5, 0.0)


def test_a_query_without_a_list_scores_zero_and_one_without_relevant_documents_is_not_asked():
    qrels = QRELS | {"lost": {"x": 1, "y": 0}, "barren": {"x": 0}}
    table = measures(RUN, qrels, (*NAMES, *MISSING))
    assert table["query_id"].to_list() == ["lost", "q"]
    lost = table.row(0, named=True)
    assert lost.pop("Judged@10") is None
    assert lost.pop("RBP residual") == 1.0
    assert lost.pop("query_id") == "lost"
    assert set(lost.values()) == {0.0}


def test_without_judged_negatives_nothing_is_made_up():
    table = measures(RUN, {"q": {"d1": 1}, "r": {"d1": 1, "d2": 0}}, ("nDCG'@10", "Bpref", "infAP", "nDCG@10"))
    assert table.row(0)[1:] == (None, None, None, 1.0)
    assert None not in table.row(1)


def test_measures_of_a_script_that_reads_numbers_only():
    ids = ("train-1", "test-1", "né")
    run = {q: {"a b": 2.0, "c": 1.0} for q in ids}
    found = measures(run, {ids[0]: {"a b": 1}, ids[1]: {"c": 1}, ids[2]: {"a b": 1, "c": 0}}, ("ERR@10", "RR@10"))
    # One grade of relevance stops a reader with probability 1/16 (gdeval), at rank 1 or 2.
    assert found.rows() == [("né", 0.0625, 1.0), ("test-1", 0.03125, 0.5), ("train-1", 0.0625, 1.0)]


def test_complete_labels_judge_everything():
    judged, residual, ndcg, condensed = one(
        RUN, {"q": {"d4": 1}}, "Judged@10", "RBP residual", "nDCG@10", "nDCG'@10", complete=True
    )
    assert judged == 1.0
    assert residual == pytest.approx(0.8**6)
    assert ndcg == condensed == pytest.approx(1 / math.log2(5))


def test_a_cutoff_beyond_the_list_counts_the_list():
    assert one({"q": {"a": 1.0}}, {"q": {"a": 1, "b": 1}}, "R@1000", "Judged@1000") == [0.5, 1.0]


def test_frames_and_dictionaries_give_the_same():
    run = pl.DataFrame([("q", d, s) for d, s in RUN["q"].items()], ["query_id", "doc_id", "score"], orient="row")
    qrels = pl.DataFrame([("q", d, g) for d, g in QRELS["q"].items()], ["query_id", "doc_id", "grade"], orient="row")
    assert measures(run, qrels).equals(measures(RUN, QRELS))


def test_ties_go_to_the_last_id_and_are_counted():
    run = {"q": {"a": 1.0, "b": 1.0, "c": 2.0}, "r": {"a": 1.0}}
    table = ranked(run)
    assert table.filter(pl.col("query_id") == "q")["doc_id"].to_list() == ["c", "b", "a"]
    assert [ties(table, k) for k in (1, 2, 3)] == [0, 1, 0]
    assert one(run, {"q": {"a": 1}}, "MRR@10") == [pytest.approx(1 / 3)]


def test_scores_that_differ_beyond_single_precision_stay_apart():
    run = {"q": {"a": 1.0 + 1e-12, "z": 1.0}}
    assert one(run, {"q": {"a": 1}}, "MRR@10", "nDCG@10") == [1.0, 1.0]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), None])
def test_scores_that_are_no_numbers_are_refused(bad):
    with pytest.raises(DataError, match=r"1 of 2 scores .* document 'b' for query 'q'"):
        measures({"q": {"a": 1.0, "b": bad}}, {"q": {"a": 1}})


def test_a_document_listed_twice_keeps_its_better_place():
    run = pl.DataFrame({"query_id": ["q"] * 3, "doc_id": ["a", "b", "a"], "score": [1.0, 2.0, 3.0]})
    assert ranked(run)["doc_id"].to_list() == ["a", "b"]


def test_grades_are_whole_numbers():
    with pytest.raises(DataError, match=r"1 of 2 grades are no whole numbers, first that of document 'a' .*\(0.9\)"):
        labels({"q": {"a": 0.9, "b": 1.0}})
    with pytest.raises(DataError, match="numbers are needed in grade"):
        labels(pl.DataFrame({"query_id": ["q"], "doc_id": ["a"], "grade": ["x"]}))
    with pytest.raises(DataError, match="numbers are needed in grade"):
        labels({"q": {"a": "1", "b": "x"}})
    assert labels({"q": {"a": float("nan"), "b": 2.0}}).rows() == [("q", "b", 2)]


def test_a_null_grade_is_no_judgment():
    qrels = pl.DataFrame({"query_id": ["q", "q"], "doc_id": ["a", "b"], "grade": [1, None]})
    assert labels(qrels)["doc_id"].to_list() == ["a"]
    with pytest.raises(DataError, match="no judgments"):
        labels(qrels.with_columns(grade=pl.lit(None)))


def test_judgments_without_a_relevant_document_are_refused():
    with pytest.raises(DataError, match="no grade of at least 2"):
        measures(RUN, QRELS, relevant_from=2)


def test_missing_columns_are_named():
    with pytest.raises(DataError, match="score is missing, found query_id, doc_id"):
        measures(pl.DataFrame({"query_id": ["q"], "doc_id": ["a"]}), QRELS)


@pytest.mark.parametrize("name", ["nonsense", "nDCG@0", "nDCG@", "", "nDCG(judged_only=2)@10", "RBP(p=2)", "ERR_IA@10"])
def test_unknown_measures_are_refused(name):
    with pytest.raises(RecipeError, match=r"is not known|no installed package|looks at no"):
        parse(name)


def test_relevance_starts_at_one():
    with pytest.raises(RecipeError, match="grade 1 or higher"):
        measures(RUN, QRELS, relevant_from=0)


def test_names_that_people_use():
    assert str(parse("MRR@10").inner) == "RR@10"
    assert str(parse("MAP").inner) == "AP"
    assert str(parse("recall@5").inner) == "R@5"
    assert str(parse("AP", 2).inner) == "AP(rel=2)"
    assert str(parse("AP(rel=3)", 2).inner) == "AP(rel=3)"


def test_without_ir_measures_the_error_names_the_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'foils\[evaluate\]'"):
        measures(RUN, QRELS)


def test_average_keeps_the_queries_that_all_have():
    a = pl.DataFrame({"query_id": ["1", "2"], "AP": [0.2, 0.4]})
    b = pl.DataFrame({"query_id": ["2", "3"], "AP": [0.6, 1.0]})
    assert average([a, b]).rows() == [("2", 0.5)]
    with pytest.raises(DataError, match="in common"):
        average([a, b.filter(pl.col("query_id") == "3")])
    with pytest.raises(DataError, match="nothing to average"):
        average([])
