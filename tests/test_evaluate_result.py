"""A whole evaluation: what is said when labels are missing, and what is written."""

import json
import re

import polars as pl
import pytest

pytest.importorskip("ir_measures")

from foils.collection import build
from foils.engine import Local
from foils.errors import DataError, RecipeError
from foils.evaluate import text
from foils.evaluate.files import check_outputs, load, trec, write_outputs
from foils.evaluate.page import render
from foils.evaluate.result import Plan, evaluate, judgments
from foils.evaluate.systems import System
from foils.evaluate.tables import ranked
from foils.evaluate.words import Labels, Means, safety

EVIL = "<script>alert(1)</script>"


def world(grades, queries=12, docs=12):
    """Every query has the same documents; ``grades`` says which are labelled."""
    corpus = pl.DataFrame({"id": [f"d{i:02}" for i in range(docs)], "text": [f"text {i}" for i in range(docs)]})
    asked = pl.DataFrame({"id": [f"q{i:02}" for i in range(queries)], "text": [f"{EVIL} {i}" for i in range(queries)]})
    rows = [(q, f"d{d:02}", g) for q in asked["id"] for d, g in grades.items()]
    labels = pl.DataFrame(rows, schema=["query_id", "doc_id", "grade"], orient="row")
    return build(corpus, asked, labels, name=EVIL)


def runs(folder, queries=12, docs=12):
    """Two systems: one in the order of the documents, the other the other way round."""
    for name, sign in (("up", -1), ("down", 1)):
        lines = [f"q{q:02} Q0 d{d:02} 1 {sign * d} x\n" for q in range(queries) for d in range(docs)]
        (folder / f"{name}.trec").write_text("".join(lines), encoding="utf-8")
    return [System(n, "run", str(folder / f"{n}.trec")) for n in ("up", "down")]


ALL = {d: int(d in (0, 1, 5)) for d in range(12)}


def test_judged_labels_are_safe_and_the_better_system_is_called_better(tmp_path):
    found = evaluate(world(ALL), runs(tmp_path), Plan(), Local())
    assert found.labels == Labels(12, 3.0, 9.0, False)
    assert found.comparisons["safe"].all()
    first = found.comparisons.row(0, named=True)
    assert (first["system"], first["against"], first["measure"], first["verdict"]) == (
        "up",
        "down",
        "nDCG@10",
        "better",
    )
    assert "missing labels hardly matter" in found.warnings[0]
    assert text.differences(found)[0][1][1][0][-1] == "better"
    assert found.mean("up", "Judged@10") == 1.0
    assert found.mean("up", "nDCG'@10") == found.mean("up", "nDCG@10")


def test_positives_only_are_unsafe_and_nothing_is_condensed(tmp_path):
    found = evaluate(world({0: 1}), runs(tmp_path), Plan(), Local())
    assert not found.comparisons["safe"].any()
    assert all(row[-1].endswith(", unsafe") for _, (_, rows) in text.differences(found) for row in rows)
    assert "name relevant documents only" in found.warnings[0]
    assert "--complete" in found.warnings[0]
    assert "1.00 known positives per query" in found.warnings[0]
    assert set(found.summary["measure"]) == {*Plan().names, "Judged@10", "RBP", "RBP residual"}
    assert found.mean("up", "Judged@10") == pytest.approx(0.1)
    # "down" has the only known positive at place 12, so no judged document in the top 10.
    assert found.mean("down", "Judged@10") == 0.0


def test_complete_labels_need_no_companions(tmp_path):
    found = evaluate(world({0: 1}), runs(tmp_path), Plan(complete=True), Local())
    assert found.comparisons["safe"].all()
    assert set(found.summary["measure"]) == {*Plan().names, "Judged@10"}
    assert found.mean("down", "Judged@10") == 1.0


def test_a_disagreement_of_raw_and_condensed_is_told():
    values = {
        "nDCG@10": {"a": 0.6, "b": 0.5},
        "nDCG'@10": {"a": 0.6, "b": 0.7},
        "Judged@10": {"a": 0.95, "b": 0.6},
        "RBP": {"a": 0.5, "b": 0.4},
        "RBP residual": {"a": 0.05, "b": 0.3},
    }
    ok, said = safety(Labels(50, 5.0, 20.0), Means("nDCG@10", "Judged@10", "nDCG'@10", values), "a", "b")
    assert not ok
    assert "95% of a's and 60% of b's top 10 are judged" in said
    assert "nDCG@10: a by 0.100; nDCG'@10: b by 0.100: they disagree" in said
    assert "RBP lies within 0.500 to 0.550 and 0.400 to 0.700: the two overlap" in said
    assert "know a's results better" in said
    values["RBP"]["b"], values["RBP residual"]["b"] = 0.2, 0.1
    _, said = safety(Labels(50, 5.0, 20.0), Means("nDCG@10", "Judged@10", "nDCG'@10", values), "a", "b")
    assert "the two are apart" in said


def test_measures_that_these_labels_do_not_define(tmp_path):
    found = evaluate(world({0: 1}), runs(tmp_path), Plan(names=("Bpref", "nDCG@10")), Local())
    assert found.plan.names == ("nDCG@10",)
    assert "Bpref: undefined, no query has a document that was judged and is not relevant; left out" in found.notes
    assert "undefined" not in render(found).partition("Missing labels")[0]
    with pytest.raises(DataError, match="Bpref: undefined"):
        evaluate(world({0: 1}), runs(tmp_path), Plan(names=("Bpref",)), Local())


def test_marks_of_the_pool_bring_inferred_ap(tmp_path):
    assert "infAP" not in set(evaluate(world(ALL), runs(tmp_path), Plan(), Local()).summary["measure"])
    found = evaluate(world(ALL | {11: -1}), runs(tmp_path), Plan(), Local())
    assert found.mean("up", "infAP") is not None
    assert found.labels.other == 8.0
    assert found.mean("down", "Judged@10") == pytest.approx(0.9)


def test_one_system_alone_is_measured_and_not_compared(tmp_path):
    found = evaluate(world(ALL), runs(tmp_path)[:1], Plan(), Local())
    assert found.comparisons.height == 0
    assert found.warnings == ()
    assert text.differences(found) == []
    shallow = evaluate(world({0: 1}), runs(tmp_path)[:1], Plan(), Local())
    assert shallow.warnings[0].startswith("10% of up's top 10 are judged")
    assert evaluate(world({0: 1}), runs(tmp_path)[:1], Plan(complete=True), Local()).warnings == ()
    assert '<section id="compared"' not in render(found)


def test_the_first_measure_names_its_companions():
    assert Plan(names=("P@5",)).partial == ("Judged@5", "P'@5", "Bpref", "infAP", "RBP", "RBP residual")
    assert Plan(names=("AP(rel=2)@20",)).condensed == "AP'(rel=2)@20"
    assert Plan(names=("Bpref",)).partial == ("Judged@10", "infAP", "RBP", "RBP residual")
    assert Plan(names=("RBP@7",)).judged == "Judged@7"
    assert Plan(names=("R@500",), depth=20).places == 500


def test_a_plan_that_cannot_be_carried_out():
    for bad in (Plan(names=()), Plan(depth=0), Plan(dropout=-1), Plan(seed=-1)):
        with pytest.raises(RecipeError, match="at least one measure"):
            bad.check()
    with pytest.raises(RecipeError, match="'nope' is not known"):
        Plan(names=("nope",)).check()


def test_queries_without_relevant_documents_are_counted(tmp_path):
    base = world({0: 1, 1: 0})
    labels = judgments(base).filter(~((pl.col("query_id") == "q03") & (pl.col("grade") == 1)))
    labels = labels.filter(pl.col("query_id") != "q04")
    given = build(base.corpus, base.queries, labels)
    found = evaluate(given, runs(tmp_path), Plan(), Local())
    assert found.labels.queries == 10
    assert "1 query with judgments but no relevant document: left out" in found.notes
    assert "1 query without a judgment in this split: left out" in found.notes


def test_short_lists_and_ties_are_told(tmp_path):
    lines = "".join(f"q{q:02} Q0 d{d:02} 1 {int(d < 3)} x\n" for q in range(12) for d in range(11))
    (tmp_path / "flat.trec").write_text(lines, encoding="utf-8")
    found = evaluate(world(ALL), [System("flat", "run", str(tmp_path / "flat.trec"))], Plan(), Local())
    assert "flat: 12 of 12 lists hold fewer than 100 documents and count so" in found.notes
    assert any("places 10 and 11 have equal scores" in n for n in found.notes)


def test_without_a_cutoff_no_list_is_short(tmp_path):
    (tmp_path / "one.trec").write_text("q00 Q0 d00 1 1 x\n", encoding="utf-8")
    found = evaluate(world(ALL), [System("one", "run", str(tmp_path / "one.trec"))], Plan(names=("AP",)), Local())
    assert found.notes == ("one: 11 queries of the collection missing from the file: they score 0",)


def test_a_system_that_finds_nothing_scores_zero():
    bm25 = System("bm25", "bm25")
    base = world(ALL)
    strange = build(base.corpus, base.queries.with_columns(text=pl.lit("zzz")), judgments(base))
    found = evaluate(strange, [bm25], Plan(), Local())
    assert found.mean("bm25", "nDCG@10") == 0
    assert found.warnings[0].startswith("0% of bm25's top 10 are judged")
    assert "0% of bm25" in render(found)


def test_the_table_of_queries(tmp_path):
    table = evaluate(world(ALL), runs(tmp_path), Plan(), Local()).per_query()
    assert table.columns[:6] == ["query_id", "text", "relevant", "not_relevant", "system", "nDCG@10"]
    assert table.height == 24
    assert table["relevant"].unique().to_list() == [3]


def test_the_page_is_escaped_and_loads_nothing(tmp_path):
    found = evaluate(world(ALL), runs(tmp_path), Plan(dropout=2), Local())
    page = render(found)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "http://" not in page
    assert "https://" not in page
    for key in ("measures", "compared", "labels", "dropout", "queries", "systems"):
        assert f'<section id="{key}"' in page
    assert page.count('<svg class="chart"') == 3
    assert page == render(evaluate(world(ALL), runs(tmp_path), Plan(dropout=2), Local()))


@pytest.mark.parametrize("names", [("text", "query_id"), ("relevant", "order")])
def test_a_system_may_be_called_like_a_column(tmp_path, names):
    systems = runs(tmp_path)
    called = [System(name, "run", s.model) for name, s in zip(names, systems, strict=True)]
    for some, plain in ((called, systems), (called[:1], systems[:1])):
        cells = []
        for given in (some, plain):
            page = render(evaluate(world(ALL), given, Plan(), Local()))
            cells.append(re.findall(r"<td[^>]*>([^<]*)</td>", page.partition('<section id="queries"')[2]))
        assert cells[0][:-4] == cells[1][:-4] != []


def test_a_curve_over_single_labels_says_what_it_is_not(tmp_path):
    assert "drops its query" in evaluate(world({0: 1}), runs(tmp_path), Plan(dropout=1), Local()).warnings[-1]
    assert "drops its query" not in " ".join(evaluate(world(ALL), runs(tmp_path), Plan(dropout=1), Local()).warnings)


def test_everything_is_json(tmp_path):
    data = json.loads(json.dumps(evaluate(world(ALL), runs(tmp_path), Plan(dropout=1), Local()).data()))
    assert data["comparisons"][0]["safe"] is True
    assert {row["share"] for row in data["dropout"]} == {1.0, 0.8, 0.6, 0.4, 0.2, 0.1}
    assert data["order_kept"][0]["kept"] == 1.0


def test_what_is_written_can_be_read_again(tmp_path):
    found = evaluate(world(ALL), runs(tmp_path), Plan(), Local())
    write_outputs(found, tmp_path / "q.parquet", tmp_path / "e.html", tmp_path / "out")
    write_outputs(found, tmp_path / "q.tsv", None, None)
    assert pl.read_parquet(tmp_path / "q.parquet").equals(found.per_query())
    assert pl.read_csv(tmp_path / "q.tsv", separator="\t").height == 24
    again = evaluate(world(ALL), [System("up", "run", str(tmp_path / "out" / "up.trec"))], Plan(), Local())
    assert again.values["up"].equals(found.values["up"])


def test_paths_are_checked_before_the_work(tmp_path):
    with pytest.raises(DataError, match=r"\.parquet or \.tsv, not \.csv"):
        check_outputs(tmp_path / "q.csv", None, None)
    with pytest.raises(DataError, match="it is a folder"):
        check_outputs(None, tmp_path, None)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="give a folder"):
        check_outputs(None, None, tmp_path / "file")


def test_ids_with_spaces_are_no_trec_run():
    with pytest.raises(DataError, match="white space"):
        trec(ranked({"a query": {"d": 1.0}}), "x")


def beir(folder, *splits):
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text('{"_id": "a", "text": "one"}\n{"_id": "b", "text": "two"}\n')
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "which"}\n')
    for n, split in enumerate(splits):
        (folder / "qrels" / f"{split}.tsv").write_text(f"query-id\tcorpus-id\tscore\nq\t{'ab'[n]}\t1\n")
    return str(folder)


def test_the_split_is_test_or_the_only_one(tmp_path):
    assert load(beir(tmp_path / "one", "train")).positives["doc"].to_list() == [0]
    both = beir(tmp_path / "two", "train", "test")
    assert load(both).positives["doc"].to_list() == [1]
    assert load(both, split="train").positives["doc"].to_list() == [0]
    with pytest.raises(DataError, match="no labels of the split 'test'; the splits that exist: dev, train"):
        load(beir(tmp_path / "three", "train", "dev"))


def test_labels_of_a_task_cannot_be_replaced(tmp_path):
    with pytest.raises(DataError, match="brings its own"):
        load("mteb:SciFact", positives=tmp_path / "x.tsv")
