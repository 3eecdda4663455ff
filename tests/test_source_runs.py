"""Rankings of other tools, in every format."""

import gzip
import json
import os
from pathlib import Path

import polars as pl
import pytest

from build import collection
from foils.collection import build
from foils.errors import DataError, RecipeError
from foils.pairs import Pairs
from foils.sources.ranking_files import read_ranking
from foils.sources.runs import RunFile

DATA = Path(os.environ.get("FOILS_DATA", Path(__file__).parents[2] / "shared" / "data"))
EXPECTED = [("q0", "d03"), ("q0", "d01"), ("q1", "d02")]
SCORED = {
    "trec": "q0 Q0 d03 1 9.5 x\nq0  Q0  d01 2 8.5 x\n\nq1 Q0 d02 1 3 x\n",
    "trec, tabs": "q0\tQ0\td03\t1\t9.5\tx\nq0\tQ0\td01\t2\t8.5\tx\r\nq1\tQ0\td02\t1\t3\tx\n",
    "trec, unsorted, ranks from 0": "q0 Q0 d01 1 8.5 x\nq1 Q0 d02 0 3 x\nq0 Q0 d03 0 9.5 x",
    "header": "query-id\tcorpus-id\trank\tscore\nq0\td03\t1\t9.5\nq0\td01\t2\t8.5\nq1\td02\t1\t3\n",
    "score in the third column": "q0\td03\t9.5\nq0\td01\t8.5\nq1\td02\t3\n",
    "scores by document": json.dumps({"q0": {"d01": 8.5, "d03": 9.5}, "q1": {"d02": 3}}, indent=1),
    "hits": '{"query_id": "q0", "hits": [{"docid": "d03", "score": 9.5}, {"docid": "d01", "score": 8.5}]}\n'
    '{"query_id": "q1", "hits": [{"docid": "d02", "score": 3}]}\n',
    "rank_llm": json.dumps(
        [
            {"query": {"qid": "q0", "text": "?"}, "candidates": [{"docid": "d03", "score": 9.5, "doc": {}}]},
            {"query": {"qid": "q0", "text": "?"}, "candidates": [{"docid": "d01", "score": 8.5}]},
            {"query": {"qid": "q1", "text": "?"}, "candidates": [{"docid": "d02", "score": 3}]},
        ]
    ),
    "a hit per line": '{"query_id": "q0", "doc_id": "d03", "score": 9.5}\n'
    '{"query_id": "q0", "doc_id": "d01", "score": 8.5}\n'
    '{"query_id": "q1", "doc_id": "d02", "score": 3.0}\n',
    "other line ends in a text": '{"qid": "q0", "hits": [{"docid": "d03", "score": 9.5}], "query": "a\u2028b\x85c"}\n'
    '{"qid": "q0", "hits": [{"docid": "d01", "score": 8.5}]}\r\n{"qid": "q1", "neg": ["d02"], "scores": [3]}\n',
    "other line ends in a column": "qid\tdocid\tscore\ttext\r\nq0\td03\t9.5\ta\u2028b\x0bc\r\nq0\td01\t8.5\tx\r\n"
    "q1\td02\t3\tx\r\n",
    "pylate": '{"query_id": "q0", "document_ids": ["d03", "d01"], "scores": [9.5, 8.5]}\n'
    '{"query_id": "q1", "document_ids": ["d02"], "scores": [3]}\n',
}
RANKED = {
    "ms marco": "q0\td03\t1\nq0\td01\t2\nq1\td02\t1\n",
    "ms marco, spaces": "q0 d03 1\nq0 d01 2\nq1 d02 1\n",
    "list, spaces": "q0\td03 d01\nq1\td02\n",
    "list, six words in the line": "q0\td03 d01 zz yy xx\nq1\td02\n",
    "list, commas": "q0\td03,d01\nq1\td02\n",
    "ance": "q0\td00\td03,d01\nq1\td01\td02\n",
    "drhard": json.dumps({"q0": ["d03", "d01"], "q1": ["d02"]}),
    "gpl": '{"qid": "q0", "pos": ["d00"], "neg": {"bm25": ["d03", "d01"]}}\n'
    '{"qid": "q1", "pos": [], "neg": {"bm25": ["d02"]}}\n',
    "neg": '{"qid": "q0", "neg": ["d03", "d01"]}\n{"qid": "q1", "neg": ["d02"]}\n',
}


def found(tmp_path, text, pairs, engine, **options):
    path = tmp_path / "run"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    source = RunFile(path=str(path), **options)
    source.check()
    rows = source.find(pairs, engine).sort("query", "rank")
    query, doc = pairs.collection.queries["id"].gather(rows["query"]), pairs.collection.corpus["id"].gather(rows["doc"])
    return list(zip(query, doc, strict=True)), rows, source


@pytest.fixture
def pairs():
    return Pairs.start(collection(queries=3, docs=5))


@pytest.mark.parametrize("text", [pytest.param(t, id=n) for n, t in (SCORED | RANKED).items()])
def test_every_format_gives_the_same_ranking(text, tmp_path, pairs, engine):
    got, rows, _ = found(tmp_path, text, pairs, engine)
    assert got == EXPECTED
    assert rows["rank"].to_list() == [1, 2, 1]
    assert "score" not in rows.columns
    assert found(tmp_path, gzip.compress(text.encode()), pairs, engine)[0] == EXPECTED


@pytest.mark.parametrize("text", [pytest.param(t, id=n) for n, t in SCORED.items()])
def test_scores_are_kept_if_their_unit_is_given(text, tmp_path, pairs, engine):
    _, rows, source = found(tmp_path, text, pairs, engine, unit="dot", name="other")
    assert rows["score"].to_list() == [9.5, 8.5, 3.0]
    assert source(pairs, engine).frame["dot.other"].drop_nulls().to_list() == [8.5, 9.5, 3.0]


@pytest.mark.parametrize("text", [pytest.param(t, id=n) for n, t in RANKED.items()])
def test_a_unit_without_scores_is_refused(text, tmp_path, pairs, engine):
    with pytest.raises(DataError, match="no scores"):
        found(tmp_path, text, pairs, engine, unit="dot")


def test_retrievers_in_one_file_are_kept_apart(tmp_path, pairs, engine):
    text = '{"qid": "q0", "neg": {"bm25": ["d03"], "dense": ["d01", "d02"]}}\n{"qid": "q1", "neg": {"bm25": ["d02"]}}'
    assert found(tmp_path, text, pairs, engine, retriever="dense")[0] == [("q0", "d01"), ("q0", "d02")]
    assert found(tmp_path, text, pairs, engine, retriever="bm25")[0] == [("q0", "d03"), ("q1", "d02")]
    with pytest.raises(DataError, match="choose retriever= one of bm25, dense"):
        found(tmp_path, text, pairs, engine)
    with pytest.raises(DataError, match="holds no documents of retriever='x'"):
        found(tmp_path, text, pairs, engine, retriever="x")
    with pytest.raises(DataError, match="leave it out"):
        found(tmp_path, RANKED["neg"], pairs, engine, retriever="bm25")
    with pytest.raises(DataError, match="leave it out"):
        found(tmp_path, SCORED["trec"], pairs, engine, retriever="bm25")


def test_what_is_left_out_is_counted(tmp_path, pairs, engine):
    text = "q0 d03 1\nq0 zz 2\nq0 d03 3\nq0 d01 4\nq9 d01 1\n"
    got, rows, source = found(tmp_path, text, pairs, engine)
    assert got == [("q0", "d03"), ("q0", "d01")]
    assert rows["rank"].to_list() == [1, 2]
    assert source.facts() == {
        "rows": "5",
        "rows_of_unknown_queries": "1",
        "rows_of_unknown_documents": "1",
        "repeated_rows": "1",
    }


def test_equal_scores_follow_the_given_rank_and_depth_cuts(tmp_path, pairs, engine):
    text = "q0 Q0 d04 3 1 x\nq0 Q0 d02 2 1 x\nq0 Q0 d01 1 1 x\n"
    assert [d for _, d in found(tmp_path, text, pairs, engine)[0]] == ["d01", "d02", "d04"]
    assert [d for _, d in found(tmp_path, text, pairs, engine, depth=2)[0]] == ["d01", "d02"]


def test_numbers_as_ids(tmp_path, engine):
    where = build(
        pl.DataFrame({"id": ["7", "8"], "text": ["a", "b"]}),
        pl.DataFrame({"id": ["1"], "text": ["q"]}),
        pl.DataFrame({"query_id": ["1"], "doc_id": ["7"], "grade": [1]}),
    )
    assert found(tmp_path, '{"1": [8, 7]}', Pairs.start(where), engine)[0] == [("1", "8"), ("1", "7")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("q0 Q0 d03 1 9.5 x\nq0 Q0 d03 1\n", r":2: 4 columns, but the first line has 6"),
        ("q0 Q0 d03 1 9.5 x\n\nq0 Q0 d03 2 nan x\n", r":3: score 'nan' is not a finite number"),
        ("q0 Q0 d03 1 inf x\n", r":1: score 'inf'"),
        ("q0 Q0 d03 first 1 x\n", r":1: rank 'first'"),
        ("q0\td01\t0.5\nq0\td02\thigh\n", r":2: score 'high'"),
        ("q0\t\t0.5\n", r":1: an id is empty"),
        ("q0 d01 d02 d03\n", r":1: 4 columns are no known ranking"),
        ("just-one\n", r":1: 1 columns are no known"),
        ("", "is empty"),
        ("\n \n", "is empty"),
        ('{"qid": "q0", "neg": ["d01"]}\n{"qid": \n', r":2: no valid JSON"),
        ('{"qid": "q0", "hits": [{"score": 1}]}', r":1: no document id"),
        ('{"qid": "q0", "hits": [{"docid": "d01", "score": NaN}]}', r":1: rank or score of document 'd01'"),
        ('{"qid": "q0", "hits": "d01"}', r":1: hits is not a list"),
        ('{"qid": "q0", "hits": ["d01"], "scores": [1, 2]}', r":1: 1 documents but 2 scores"),
        ('{"hits": "d01"}', r":1: no query id"),
        ("[1, 2]", r":1: a JSON object was expected"),
        ('{"q0": [{"docid": "d01", "score": 1}, {"docid": "d02"}]}', r"1 of 2 documents have no score"),
        ('{"q0": []}', "holds no documents"),
        ("q7 d01 1\n", "none of its queries.*'q7'.*'q0'"),
        ("q0 x1 1\n", "none of its documents.*'x1'.*'d00'"),
        (b"q0 d\xff 1\n", "UTF-8"),
        (b"\x1f\x8bnot gzip", "cannot read"),
    ],
)
def test_bad_files_are_named_with_their_line(text, message, tmp_path, pairs, engine):
    with pytest.raises(DataError, match=message):
        found(tmp_path, text, pairs, engine)


def test_bad_options_are_refused(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        RunFile(path=str(tmp_path / "none")).check()
    with pytest.raises(RecipeError, match="path is missing"):
        RunFile().check()
    path = tmp_path / "run"
    path.write_text("q d 1")
    with pytest.raises(RecipeError, match="unit='points'"):
        RunFile(path=str(path), unit="points").check()


def test_real_runs_of_six_retrievers(engine):
    """Each run lists about 100 (RepLLaMA 200) documents for each of the 43 queries."""
    folder = DATA / "trecdl19"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here; set FOILS_DATA to the folder of the test collections")
    labels = pl.read_csv(folder / "qrels" / "test.tsv", separator="\t", infer_schema=False)
    ids = {}
    for what in ("corpus", "queries"):
        rows = [json.loads(t) for t in (folder / f"{what}.jsonl").read_text(encoding="utf-8").split("\n") if t]
        ids[what] = pl.DataFrame({"id": [r["_id"] for r in rows], "text": [r["text"] for r in rows]})
    graded = labels.select(query_id="query-id", doc_id="corpus-id", grade=pl.col("score").cast(int))
    pairs = Pairs.start(build(ids["corpus"], ids["queries"], graded, relevant_from=2))
    runs = sorted((folder / "extras" / "runs").glob("*.tsv"))
    assert len(runs) == 6
    for run in runs:
        source = RunFile(name=run.stem, path=str(run), unit="dot", depth=200)
        rows = source.find(pairs, engine)
        assert rows["query"].n_unique() == 43
        assert rows.height > 0.95 * read_ranking(run).height
        for _, one in rows.group_by("query"):
            assert sorted(one["rank"]) == list(range(1, one.height + 1))
            assert one.sort("rank")["score"].is_sorted(descending=True)
