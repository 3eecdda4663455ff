"""What irregular input leads to: an error with file and line, or a counted and stated repair."""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from foils.audit.tables import Separated
from foils.collection import Collection
from foils.errors import DataError, MissingExtra
from foils.readers import read
from foils.readers.labels import read_labels
from foils.readers.sources import table
from foils.readers.texts import read_texts
from foils.readers.values import Hazards, parse_list


def lines(folder: Path, *rows: object, name: str = "train.jsonl") -> Path:
    file = folder / name
    file.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows), encoding="utf-8")
    return file


def findings(collection: Collection) -> dict[str, int]:
    return {f.what: f.count for f in collection.findings}


ROW = {"query": "q", "pos": ["p"], "neg": ["n"]}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ('{"query": "q", "pos": ["p"', r"train.jsonl, line 2: not valid JSON .* found '{\"query\""),
        ("17", r"line 2: every line must be an object"),
        ({"query": "q", "pos": [1], "neg": []}, r"line 2: pos must be a text, found int 1"),
        ({"query": "q", "pos": [["a", "b", "c"]], "neg": []}, r"line 2: pos must be a text, found list"),
        ({"query": 5, "pos": ["p"], "neg": []}, r"line 2: query must be a text, found int 5"),
        ({**ROW, "neg_scores": [1, 2]}, r"line 2: neg_scores has 2 values for 1 negatives"),
        ({**ROW, "neg_scores": ["x"]}, r"line 2: neg_scores must be a number, found 'x'"),
        ({**ROW, "pos_scores": "high"}, r"line 2: pos_scores must be a number"),
        ({**ROW, "scores": [1]}, r"line 2: scores has 1 values for 2 documents"),
        ({**ROW, "scores": "1, 2"}, r"line 2: scores must be a list, found the string"),
        ({**ROW, "neg_id": ["a", "b"]}, r"line 2: neg_id has 2 values for 1 negatives"),
        ({**ROW, "query_id": 1.5}, r"line 2: query_id must be an id"),
        ({"prompt": "x", "completion": "y"}, r"line 2: the columns prompt, completion are no known .* foils reads"),
        ({"query": "q", "answer": "a", "score": 0.7}, r"line 2: answer has a score but no label"),
        ({"query": "q", "pos": ["p"], "negs": ["n"]}, r"line 2: the column negs is not known, and looks"),
        ({"query": "q", "positive": "p", "hard_neg": "n"}, r"line 2: the column hard_neg is not known"),
        ({"query": "q", "answer": "a", "label": 0.7}, r"line 2: label must be a grade .* found 0.7"),
        ({"query": "q", "answer": ["a"], "labels": [1, 0]}, r"line 2: labels has 2 values for 1 documents"),
        ({"qid": "1", "positive_passages": [{"title": "t"}]}, r"line 2: a document has neither a text nor an id"),
        (
            {"query_id": "1", "query": "q", "positive_passages": [{"docid": 1, "text": 2}]},
            "passages.text must be a text",
        ),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, bad: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(lines(tmp_path, ROW, bad))


def test_counts_and_flags_under_the_name_of_negatives_are_no_documents(tmp_path: Path) -> None:
    file = tmp_path / "train.csv"
    file.write_text("query,positive,negs,hard_neg\nq,p,3,true\n", encoding="utf-8")
    given = read(file).given
    assert given is not None
    assert given.select("negs", "hard_neg").rows() == [("3", "true")]


def test_one_id_for_two_texts_is_an_error(tmp_path: Path) -> None:
    rows = [{"query_id": "1", "query": q, "pos": ["p"], "pos_id": [i], "neg": []} for q, i in (("a", 7), ("b", 7))]
    with pytest.raises(DataError, match=r"line 2: the query id '1' stands for 'b' here and for 'a' before"):
        read(lines(tmp_path, *rows))
    rows = [{"query": "q", "pos": [p], "pos_id": ["7"], "neg": []} for p in "ab"]
    with pytest.raises(DataError, match=r"line 2: the document id '7' stands for 'b'"):
        read(lines(tmp_path, *rows))
    rows = [{"query": "q", "positive_passages": [{"docid": "7", "title": t, "text": "x"}]} for t in "ab"]
    with pytest.raises(DataError, match=r"line 2: the document id '7' stands for 'b: x' here and for 'a: x' before"):
        read(lines(tmp_path, *rows))


def test_a_string_for_a_list_is_one_text_and_never_letters(tmp_path: Path) -> None:
    collection = read(lines(tmp_path, {"query": "q", "pos": "a positive", "neg": "one negative"}))
    assert collection.corpus["text"].to_list() == ["a positive", "one negative"]
    assert findings(collection)["pos given as a string where a list is expected"] == 1


def test_lists_written_as_strings_are_parsed(tmp_path: Path) -> None:
    row = {"query": "q", "pos": "['it\\'s']", "neg": '["n1", "n2"]', "neg_scores": "[0.5, null]"}
    collection = read(lines(tmp_path, row))
    assert collection.corpus["text"].to_list() == ["it's", "n1", "n2"]
    assert findings(collection)["neg lists written as strings"] == 1
    # A text that only looks like one stays a text.
    collection = read(lines(tmp_path, {"query": "q", "positive": "[1]", "negative": "[see below]"}))
    assert collection.corpus["text"].to_list() == ["[1]", "[see below]"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[7, 8]", [7, 8]), ("['a', \"b\"]", ["a", "b"]), ("[NaN]", None), ("[a]", None), ("x", None), ("[1", None),
        ("[__import__('os')]", None), (r"['\d']", [r"\d"]),
    ],
)  # fmt: skip
def test_parse_list(text: str, expected: list[object] | None) -> None:
    found = parse_list(text)
    if text == "[NaN]":
        assert found is not None
        assert found[0] != found[0]
    else:
        assert found == expected


def test_scores_that_are_none_become_null_and_are_counted(tmp_path: Path) -> None:
    row = '{"query": "q", "pos": ["p"], "neg": ["a", "b", "c", "d", "e"], "pos_scores": [NaN], "neg_scores": '
    collection = read(lines(tmp_path, row + "[-Infinity, Infinity, null, -1, 0.25]}"))
    assert collection.given is not None
    assert collection.given["score"].to_list() == [None, None, None, None, None, 0.25]
    counts = findings(collection)
    assert counts["scores that are NaN or infinite"] == 3
    assert counts["scores that are null"] == 1
    assert counts["score values of -1"] == 1
    # -1 among lower scores is a score.
    collection = read(lines(tmp_path, {**ROW, "pos_scores": [-1], "neg_scores": [-3.5]}))
    assert collection.given is not None
    assert collection.given["score"].to_list() == [-1.0, -3.5]


def test_rows_of_one_query_share_their_positives(tmp_path: Path) -> None:
    rows = [{"query": "q", "pos": ["p1"], "neg": ["p2"]}, {"query": "q", "pos": ["p2"], "neg": ["n"]}]
    collection = read(lines(tmp_path, *rows))
    assert collection.queries.height == 1
    assert collection.positives.height == 2
    assert collection.corpus["text"].gather(collection.negatives["doc"]).to_list() == ["n"]
    assert findings(collection)["pairs given both as positive and as negative"] == 1
    assert collection.given is not None
    both = collection.given.join(collection.positives, on=["query", "doc"]).drop_nulls("position")
    assert both.height == 1


def test_ids_are_strings_however_they_are_written(tmp_path: Path) -> None:
    lines(tmp_path, {"_id": 1, "text": "a"}, {"_id": "2", "text": "b"}, {"_id": 3.0, "text": "c"}, name="corpus.jsonl")
    lines(tmp_path, {"_id": 12345678901234567890123, "text": "q"}, name="queries.jsonl")
    (tmp_path / "qrels").mkdir()
    lines(tmp_path / "qrels", "query-id\tcorpus-id\tscore", "12345678901234567890123\t3\t1", name="train.tsv")
    collection = read(tmp_path)
    assert collection.corpus["id"].to_list() == ["1", "2", "3"]
    assert collection.positives.height == 1


@pytest.mark.parametrize(
    ("corpus", "message"),
    [
        ('{"_id": "1", "text": "a"}\n{"_id": "2", "text": ["b"]}', r"corpus.jsonl, line 2: text must be a text"),
        ('{"_id": "1", "text": "a"}\n\n{"_id": "2", "text":', r"corpus.jsonl, line 3: not valid JSON"),
        ('{"_id": "1", "text": "a"}\n{"_id": null, "text": "b"}', r"corpus.jsonl, line 2: _id must be an id"),
        ('{"_id": "1", "title": "a"}\n{"_id": "2", "text": "b"}', r"line 1: documents need a text column"),
        ('{"_id": "1", "text": "a"} {"_id": "2", "text": "b"}', r"line 1: not valid JSON \(Extra data"),
        ('{"_id": "1", "text": "a"}\n[1]', r"corpus.jsonl, line 2: every line must be an object"),
        ('{"_id": "1", "text": "a"}\n{"_id": "1", "text": "b"}', r"the id '1' stands for two different texts"),
        (b'{"_id": "1", "text": "a"}\n{"_id": "2", "text": "\xff"}', r"corpus.jsonl, line 2: not UTF-8"),
        ("", r"corpus.jsonl is empty"),
        (" \n", r"corpus.jsonl is empty"),
    ],
)
def test_a_broken_corpus_names_its_line(tmp_path: Path, corpus: str | bytes, message: str) -> None:
    (tmp_path / "corpus.jsonl").write_bytes(corpus if isinstance(corpus, bytes) else corpus.encode())
    lines(tmp_path, {"_id": "q", "text": "q"}, name="queries.jsonl")
    lines(tmp_path, "query-id\tcorpus-id\tscore", "q\t1\t1", name="qrels.tsv")
    with pytest.raises(DataError, match=message):
        read(tmp_path)


@pytest.mark.parametrize(
    ("qrels", "message"),
    [
        (
            "query-id\tcorpus-id\tscore\nq\t1\t1\nq\t1\thigh",
            r"qrels.tsv, line 3: score must be a grade .* found 'high'",
        ),
        ("query-id\tcorpus-id\tscore\nq\t1\t0.5", r"qrels.tsv, line 2: score must be a grade .* found '0.5'"),
        ("query-id\tcorpus-id\tscore\nq\t\t1", r"qrels.tsv, line 2: corpus-id must be an id"),
        ("query-id\tcorpus-id\tscore\nq\t1\t2147483648", r"line 2: score must be a grade .* found '2147483648'"),
        ("q 0 1 2147483648", r"qrels.tsv, line 1: the fourth column must be a grade .* found '2147483648'"),
        ("a\tb\tc\nq\t1\t1", r"qrels.tsv must have the header query-id corpus-id score.*found the columns a, b, c"),
        ("q 0 1 1\nq 0 1", r"qrels.tsv, line 2: 3 fields, TREC qrels have 4"),
        ("query-id\tcorpus-id\tscore\nx\ty\t1", r"names a known query: first id 'x'"),
        ("query-id\tcorpus-id\tscore\n", r"no positives: 0 labels were read"),
    ],
)
def test_broken_qrels_name_their_line(tmp_path: Path, qrels: str, message: str) -> None:
    lines(tmp_path, {"_id": "1", "text": "a"}, name="corpus.jsonl")
    lines(tmp_path, {"_id": "q", "text": "q"}, name="queries.jsonl")
    lines(tmp_path, qrels, name="qrels.tsv")
    with pytest.raises(DataError, match=message):
        read(tmp_path)


def test_labels_in_jsonl_are_read_row_by_row(tmp_path: Path) -> None:
    ids = [*range(150), "PLAIN-1"]
    rows = [{"query-id": i, "corpus-id": i, "score": n % 2} for n, i in enumerate(ids)]
    labels = read_labels(lines(tmp_path, *rows, name="a.jsonl"), Hazards())
    assert labels.rows() == [(str(i), str(i), n % 2) for n, i in enumerate(ids)]
    late = [{"query-id": "q", "corpus-id": str(i)} for i in range(150)]
    with pytest.raises(DataError, match=r"b.jsonl, line 1: score must be a grade .* found None"):
        read_labels(lines(tmp_path, *late, {**late[0], "score": 0}, name="b.jsonl"), Hazards())
    assert read_labels(lines(tmp_path, *late, name="c.jsonl"), Hazards())["grade"].to_list() == [1] * 150
    for grade in (2**31, 10**400):
        with pytest.raises(DataError, match=r"d.jsonl, line 1: score must be a grade \(a whole number below"):
            read_labels(lines(tmp_path, {**late[0], "score": grade}, name="d.jsonl"), Hazards())


def test_labels_with_quoted_ids(tmp_path: Path) -> None:
    file = lines(tmp_path, '"query-id","corpus-id","score"', '"q, 1","d1","2"', "q2,d2,0", name="a.csv")
    assert read_labels(file, Hazards()).rows() == [("q, 1", "d1", 2), ("q2", "d2", 0)]
    file = lines(tmp_path, "query-id, corpus-id, score", '"q1", "d1", "2"', name="spaced.csv")
    assert read_labels(file, Hazards()).rows() == [("q1", "d1", 2)]


def test_bom_crlf_and_gzip(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl.gz").write_bytes(
        gzip.compress(b'\xef\xbb\xbf{"_id": "1", "text": "a\\r\\nb"}\r\n{"_id": "2", "text": "c"}\r\n\r\n')
    )
    (tmp_path / "queries.tsv").write_bytes("\ufeffid\ttext\r\nq\tüben\r\n".encode())
    (tmp_path / "qrels.tsv").write_bytes("\ufeffquery-id\tcorpus-id\tscore\r\nq\t2\t1\r\n".encode())
    collection = read(tmp_path)
    assert collection.corpus["text"].to_list() == ["a\r\nb", "c"]
    assert collection.queries["text"].to_list() == ["üben"]
    assert collection.positives.rows() == [(0, 1, 1)]
    (tmp_path / "train.jsonl.gz").write_bytes(b"\x1f\x8b broken")
    with pytest.raises(DataError, match="cannot be unpacked as gzip"):
        read(tmp_path / "train.jsonl.gz")


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ('1\t"Foo bar\n2\tbaz\n3\t"end" thing\n4\tx"\n5\tlast', ['"Foo bar', "baz", '"end" thing', 'x"', "last"]),
        ('1\t"Foo bar\n2\tbaz"\n3\tlast\n', ['"Foo bar', 'baz"', "last"]),
        ('1\t"one\ntwo ""2"""\n2\t"last"\n', ['one\ntwo "2"', "last"]),
        ('1\t"%s\ntwo"\n' % ("one " * 50_000), ["one " * 50_000 + "\ntwo"]),
    ],
)
def test_quotation_marks_of_a_tab_separated_file(tmp_path: Path, text: str, texts: list[str]) -> None:
    file = lines(tmp_path, "id\ttext\n" + text, name="corpus.tsv")
    assert table(file)["text"].to_list() == texts
    assert [r.row["text"] for r in Separated(file, "\t").records()] == texts


def test_the_line_of_a_broken_table_is_counted_by_line_feeds(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t.csv, line 3: 3 fields, the header has 2"):
        table(lines(tmp_path, "query,positive", "a\u2028\x85,b", "a,b,c", name="t.csv"))


def test_broken_tables_say_where(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t.csv, line 3: 3 fields, the header has 2"):
        read(lines(tmp_path, "query,positive", "a,b", "a,b,c", name="t.csv"))
    with pytest.raises(DataError, match=r"t.parquet cannot be read as parquet"):
        read(lines(tmp_path, "no parquet", name="t.parquet"))
    with pytest.raises(DataError, match=r"the columns 'a', 'b' are no known training format|no known training format"):
        read(lines(tmp_path, "a\tb", "c\td", name="t.tsv"))
    with pytest.raises(DataError, match=r"t.pdf is no file that foils reads"):
        read(lines(tmp_path, "x", name="t.pdf"))
    with pytest.raises(DataError, match=r"does not exist; a local file"):
        read(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no training rows of the split 'train'.*found: nothing"):
        read(tmp_path / "empty")
    for name in ("e.jsonl", "e.json", "e.tsv", "e.csv"):
        with pytest.raises(DataError, match=r"empty|no documents"):
            read(lines(tmp_path, "", name=name))


def test_empty_queries_and_positives_are_counted(tmp_path: Path) -> None:
    rows = [ROW, {"query": " ", "pos": ["x"], "neg": []}, {"query": "r", "pos": [""], "neg": ["n", None, ""]}]
    collection = read(lines(tmp_path, *rows))
    counts = findings(collection)
    assert counts["rows with an empty query"] == 1
    assert counts["rows without a positive"] == 1
    assert counts["empty texts that fill up a row"] == 3


def test_half_a_surrogate_pair_is_replaced(tmp_path: Path) -> None:
    file = lines(tmp_path, r'{"query": "q \ud800", "positive": "\ud83d\ude00", "negative": "n"}')
    collection = read(file)
    assert collection.queries["text"].to_list() == ["q \ufffd"]
    assert collection.corpus["text"].to_list() == ["\N{GRINNING FACE}", "n"]
    assert findings(collection)["texts with half a surrogate pair"] == 1


def test_a_mapping_with_very_many_keys_is_kept_as_json(tmp_path: Path) -> None:
    rows = [{"_id": str(n), "text": f"t{n}", "metadata": {"links": {f"k{n}": n}, "year": n}} for n in range(70)]
    lines(tmp_path, *rows, name="corpus.jsonl")
    lines(tmp_path, {"_id": "q", "text": "q", "metadata": {}}, name="queries.jsonl")
    lines(tmp_path, "query-id\tcorpus-id\tscore", "q\t1\t1", name="qrels.tsv")
    collection = read(tmp_path)
    assert collection.corpus["metadata"][3] == {"links": '{"k3": 3}', "year": 3}
    assert collection.queries.columns == ["id", "text"]


def test_values_of_different_types_are_kept_as_texts(tmp_path: Path) -> None:
    rows = [{**ROW, "query": str(n), "note": note} for n, note in enumerate(("x", 1, {"a": [1]}))]
    collection = read(lines(tmp_path, *rows))
    assert collection.queries["note"].to_list() == ["x", "1", '{"a": [1]}']


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(lambda t: t.strip() != "")


@settings(max_examples=60, deadline=None)
@drawn(texts=st.lists(TEXTS, min_size=3, max_size=6, unique=True), ascii_only=st.booleans())
def test_texts_survive_jsonl(texts: list[str], ascii_only: bool) -> None:
    query, *docs = texts
    row = {"query": query, "pos": docs[:1], "neg": docs[1:]}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "t.jsonl"
        file.write_text(json.dumps(row, ensure_ascii=ascii_only) + "\n", encoding="utf-8", newline="")
        collection = read(file)
    assert collection.queries["text"].to_list() == [query]
    assert collection.corpus["text"].to_list() == docs


@settings(max_examples=60, deadline=None)
@drawn(texts=st.lists(TEXTS, min_size=3, max_size=6, unique=True), ascii_only=st.booleans())
def test_texts_survive_beir(texts: list[str], ascii_only: bool) -> None:
    query, *docs = texts
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus = [{"_id": str(n), "title": docs[-1], "text": text} for n, text in enumerate(docs)]
        for file, rows in (("corpus.jsonl", corpus), ("queries.jsonl", [{"_id": "q", "text": query}])):
            text = "".join(json.dumps(r, ensure_ascii=ascii_only) + "\n" for r in rows)
            (folder / file).write_text(text, encoding="utf-8", newline="")
        (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq\t0\t1\n")
        collection = read(folder)
    assert collection.queries["text"].to_list() == [query]
    assert collection.corpus["text"].to_list() == docs
    assert set(collection.corpus["title"]) == {docs[-1]}


@settings(max_examples=40, deadline=None)
@drawn(texts=st.lists(TEXTS.filter(lambda t: "\r" not in t and "\0" not in t), min_size=3, max_size=3, unique=True))
def test_texts_survive_csv(texts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "t.csv"
        pl.DataFrame([texts], schema=["query", "positive", "negative"], orient="row").write_csv(file)
        collection = read(file)
    assert collection.queries["text"].to_list() == texts[:1]
    assert collection.corpus["text"].to_list() == texts[1:]


def test_a_saved_dataset_without_datasets_names_the_install_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtra, match=r"pip install 'foils\[hf\]'"):
        read(tmp_path)


def test_a_folder_that_is_no_saved_dataset(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(DataError, match="is no complete saved dataset"):
        read(tmp_path)


def test_columns_that_are_called_as_the_collections_own_stay_beside_them(tmp_path: Path) -> None:
    collection = read(lines(tmp_path, {**ROW, "id": 7, "text": "note", "neg": ["n", "m"]}))
    assert collection.queries.rows() == [(collection.queries["id"][0], "q", 7, "note")]
    assert collection.queries.columns == ["id", "text", "id_", "text_"]
    flat = {"query": "q", "positive": "p", "negative": "n", "doc_id": "x", "doc": "y", "position": 9}
    given = read(lines(tmp_path, flat)).given
    assert given is not None
    assert given.select("query", "doc", "position", "doc_id_", "doc_", "position_").rows() == [
        (0, 0, None, "x", "y", 9),
        (0, 1, 1, "x", "y", 9),
    ]


def test_keys_that_begin_late_and_numbers_of_two_kinds_are_kept(tmp_path: Path) -> None:
    notes = [{"a": 1}, {"b": [1]}, {"b": [2.5]}, {}]
    rows = [{**ROW, "query": str(n), "note": note, "none": {}} for n, note in enumerate(notes)]
    queries = read(lines(tmp_path, *rows)).queries
    expected = [{"a": 1, "b": None}, {"a": None, "b": [1.0]}, {"a": None, "b": [2.5]}, None]
    assert queries["note"].to_list() == expected
    queries.write_parquet(tmp_path / "queries.parquet")  # an object without keys could not be written
    lines(tmp_path, *({"_id": str(n), "text": "t", "m": m} for n, m in enumerate((1, {"b": 2}, 7.0))), name="c.jsonl")
    assert read_texts([tmp_path / "c.jsonl"], "documents", Hazards())["m"].to_list() == ["1", '{"b": 2}', "7.0"]


def test_documents_without_an_id_among_others_that_have_one(tmp_path: Path) -> None:
    row = {**ROW, "neg": ["n", "m", ""], "neg_id": [None, "5", ""]}
    ids = read(lines(tmp_path, row)).corpus.filter(pl.col("text").is_in(["n", "m"]))["id"].to_list()
    assert ids[1] == "5"
    assert ids[0].startswith("d")
    with pytest.raises(DataError, match=r"line 1: neg_id must be an id .* found None"):
        read(lines(tmp_path, {"query": "q", "pos_id": ["a"], "neg_id": [None]}))


def test_a_number_beside_lists_speaks_of_the_row(tmp_path: Path) -> None:
    rows = [{**ROW, "query": str(n), "neg": ["n", "m"][: n + 1], "score": 0.5, "label": 1} for n in range(2)]
    collection = read(lines(tmp_path, *rows))
    assert collection.queries["label"].to_list() == [1, 1]
    assert collection.queries["score"].to_list() == [0.5, 0.5]
    with pytest.raises(DataError, match="margin has 1 values for 2 negatives"):
        read(lines(tmp_path, {**rows[1], "margin": 0.5}))


def test_places_count_what_is_no_positive(tmp_path: Path) -> None:
    rows = [{"query": "q", "answer": text, "label": grade} for grade, text in enumerate(("n", "m", "p"))]
    given = read(lines(tmp_path, *rows), relevant_from=2).given
    assert given is None  # one label a document says nothing of places
    given = read(lines(tmp_path, *({**r, "source": "s"} for r in rows)), relevant_from=2).given
    assert given is not None
    assert given["position"].to_list() == [1, 2, None]


def test_a_header_that_says_a_name_twice_is_refused(tmp_path: Path) -> None:
    for name, cut in (("a.csv", ","), ("a.tsv", "\t")):
        file = lines(
            tmp_path, *(cut.join(r.split()) for r in ("query positive negative negative", "q p n m")), name=name
        )
        with pytest.raises(DataError, match="the header has 'negative' twice"):
            read(file)
        with pytest.raises(DataError, match="the header has 'negative' twice"):
            list(Separated(file, cut).records())


def test_json_that_is_lines_of_arrays(tmp_path: Path) -> None:
    lines(tmp_path, *({"_id": i, "text": f"text {i}"} for i in (1, 2, 3)), name="corpus.jsonl")
    lines(tmp_path, {"_id": 1, "text": "query"}, name="queries.jsonl")
    collection = read(lines(tmp_path, "[1, [1, 0.9], [2, 0.4]]", "[1, [1, 0.9], [3, 0.2]]", name="examples.json"))
    assert collection.positives.rows() == [(0, 0, 1)]
    assert collection.negatives["doc"].to_list() == [1, 2]
    with pytest.raises(DataError, match="line 1: not valid JSON"):
        read(lines(tmp_path, "[[1, 1, 2],", "[1, 1, 3]", name="broken.json"))


def test_labels_keep_the_marks_of_their_ids(tmp_path: Path) -> None:
    ids = ['a"b', '5"', '"q"', "plain"]
    frame = pl.DataFrame({"query-id": ["1"] * 4, "corpus-id": ids, "score": [1] * 4})
    for name, cut in (("a.tsv", "\t"), ("a.csv", ",")):
        frame.write_csv(tmp_path / name, separator=cut)
        assert read_labels(tmp_path / name, Hazards())["doc_id"].to_list() == ids
    file = lines(tmp_path, "query-id\tcorpus-id\tscore", '1\t"bare\t1', name="bare.tsv")
    assert read_labels(file, Hazards()).rows() == [("1", '"bare', 1)]
    frame.with_columns(pl.lit(7.0).alias("corpus-id")).write_parquet(tmp_path / "a.parquet")
    assert set(read_labels(tmp_path / "a.parquet", Hazards())["doc_id"]) == {"7"}
