"""Every format: seen as it is, a clean file copied byte by byte, and a planted defect repaired in its own form."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from foils.audit import audit, tables
from foils.audit.opening import opened
from foils.audit.slots import view
from foils.errors import DataError
from test_readers import CASES

FORMATS = Path(__file__).parent / "data" / "formats"
FILES = sorted(FORMATS / name for name, _ in CASES if (FORMATS / name).is_file())


def planted(folder: Path, rows: list[Any], name: str = "train.jsonl") -> Path:
    file = folder / name
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def fixed(file: Path, **options: Any) -> Path:
    out = file.with_name(f"fixed-{file.name}")
    audit(file, sample=0).fix(out, **options)
    return out


def lines(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_every_format_is_seen_as_the_readers_see_it(file: Path) -> None:
    found = audit(file, sample=0)
    expected = dict(CASES)[str(file.relative_to(FORMATS))]
    positives, negatives = set(), set()
    texts = found.table.docs["text"]
    for side, doc in (
        found.table.full.filter(~pl.lit(found.table.empty).gather(pl.col("doc"))).select("side", "doc").rows()
    ):
        (negatives if side else positives).add(texts[doc])
    if file.name != "hard.json":  # there the positives stand in the qrels
        assert positives == {text for p, _, _ in expected.values() for text in p}
    assert negatives >= {text for _, n, judged in expected.values() for text in n | judged}


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_a_change_of_nothing_keeps_every_byte(file: Path, tmp_path: Path) -> None:
    from foils.audit.records import KEEP

    out = tmp_path / file.name
    opened(file).write(out, lambda record: KEEP)
    read = gzip.decompress if file.suffix == ".gz" else bytes
    assert read(out.read_bytes()) == read(file.read_bytes())


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_a_fix_of_a_fix_is_a_copy(file: Path, tmp_path: Path) -> None:
    shutil.copytree(file.parent, tmp_path / "here")
    once, twice = tmp_path / "here" / f"once-{file.name}", tmp_path / "here" / f"twice-{file.name}"
    try:
        audit(tmp_path / "here" / file.name, sample=0).fix(once)
    except DataError as error:
        assert file.name == "ntuple_scored.jsonl"
        assert "no row would be left" in str(error)
        return
    assert audit(once, sample=0).fix(twice).changes == ()
    assert twice.read_bytes() == once.read_bytes()


GOOD = {"query": "who", "pos": ["right"], "neg": ["wrong", "worse"]}

GOLDEN: list[tuple[str, Any, Any]] = [
    (
        "flagembedding",
        {"query": "q", "pos": ["p"], "neg": ["n", "p", "m"], "pos_scores": [0.9], "neg_scores": [0.1, 0.9, 0.2],
         "prompt": "Find", "neg_id": [1, 2, 3], "neg_selection_tier": ["a", "b", "c"], "kept": {"x": [1]}},
        {"query": "q", "pos": ["p"], "neg": ["n", "m"], "pos_scores": [0.9], "neg_scores": [0.1, 0.2],
         "prompt": "Find", "neg_id": [1, 3], "neg_selection_tier": ["a", "c"], "kept": {"x": [1]}},
    ),
    (
        "tevatron",
        {"query_id": "1", "query": "q", "positive_passages": [{"docid": "7", "title": "T", "text": "p"}],
         "negative_passages": [{"docid": "9", "title": "U", "text": "P ", "score": 2}, {"docid": "8", "text": "n", "score": 1}]},
        {"query_id": "1", "query": "q", "positive_passages": [{"docid": "7", "title": "T", "text": "p"}],
         "negative_passages": [{"docid": "8", "text": "n", "score": 1}]},
    ),
    (
        "rlhn",
        {"query_id": "1", "query": "q", "positive_passages": [{"docid": "7", "text": "p"}],
         "negative_passages": [{"docid": "8", "text": "n"}, {"docid": "8", "text": "n"}], "positive_passage_ids": ["7"],
         "negative_passage_ids": ["8", "8"], "subset": "x"},
        {"query_id": "1", "query": "q", "positive_passages": [{"docid": "7", "text": "p"}],
         "negative_passages": [{"docid": "8", "text": "n"}], "positive_passage_ids": ["7"],
         "negative_passage_ids": ["8"], "subset": "x"},
    ),
    (
        "scored list of sentence-transformers",
        {"query": "q", "answer": ["p", "n", "", "m"], "scores": [0.9, 0.5, 0.1, 0.2]},
        {"query": "q", "answer": ["p", "n", "m"], "scores": [0.9, 0.5, 0.2]},
    ),
    (
        "labelled list",
        {"query": "q", "docs": ["n", "p", "n"], "labels": [0, 1, 0], "note": "x"},
        {"query": "q", "docs": ["n", "p"], "labels": [0, 1], "note": "x"},
    ),
    (
        "hits",
        {"query": "q", "hits": [{"content": "p", "label": 2}, {"content": "q", "label": 0}, {"content": "n", "label": 0}]},
        {"query": "q", "hits": [{"content": "p", "label": 2}, {"content": "n", "label": 0}]},
    ),
    (
        "KD",
        {"query_id": "1", "query": "q", "passages": [{"text": "p"}, {"text": "n"}, {"text": ""}], "scores": [4.2, 1.0, 0.5]},
        {"query_id": "1", "query": "q", "passages": [{"text": "p"}, {"text": "n"}], "scores": [4.2, 1.0]},
    ),
    (
        "DPR",
        {"question": "q", "positive_ctxs": [{"text": "p", "title": ""}],
         "hard_negative_ctxs": [{"text": "h", "title": ""}, {"text": "p", "title": "again"}], "negative_ctxs": [{"text": "h"}]},
        {"question": "q", "positive_ctxs": [{"text": "p", "title": ""}],
         "hard_negative_ctxs": [{"text": "h", "title": ""}], "negative_ctxs": []},
    ),
    (
        "NeMo inline",
        {"query": "q", "pos_doc": "p", "neg_doc": ["n", "p"]},
        {"query": "q", "pos_doc": ["p"], "neg_doc": ["n"]},
    ),
    (
        "GritLM",
        {"query": ["Find", "q"], "pos": [["", "p"]], "neg": [["", "n"], ["x", "p"]]},
        {"query": ["Find", "q"], "pos": [["", "p"]], "neg": [["", "n"]]},
    ),
    (
        "ms-swift",
        {"messages": [{"role": "user", "content": "q"}], "positive_messages": [[{"role": "user", "content": "p"}]],
         "negative_messages": [[{"role": "user", "content": "n"}], [{"role": "user", "content": ""}]]},
        {"messages": [{"role": "user", "content": "q"}], "positive_messages": [[{"role": "user", "content": "p"}]],
         "negative_messages": [[{"role": "user", "content": "n"}]]},
    ),
    (
        "contrastors",
        {"query": "q", "document": "p", "negatives": ["n", "p"], "pos_score": 0.9, "scores": [0.5, 0.9],
         "metadata": {"objective": {"triplet": [["query", "document", "negatives"]]}}},
        {"query": "q", "document": "p", "negatives": ["n"], "pos_score": 0.9, "scores": [0.5],
         "metadata": {"objective": {"triplet": [["query", "document", "negatives"]]}}},
    ),
    (
        "negminer",
        {"query": "q", "pos": ["p"], "neg": ["p", "n"], "neg_cos_score": [1.0, 0.4], "neg_ce_score": [1.0, 0.2],
         "dropped_dupes": 1.0},
        {"query": "q", "pos": ["p"], "neg": ["n"], "neg_cos_score": [0.4], "neg_ce_score": [0.2], "dropped_dupes": 1.0},
    ),
    (
        "lists as text",
        {"query": "q", "pos": '["p"]', "neg": "['n', 'p']", "neg_scores": "[0.5, 0.9]"},
        {"query": "q", "pos": ["p"], "neg": ["n"], "neg_scores": [0.5]},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "row", "expected"), GOLDEN, ids=[name for name, _, _ in GOLDEN])
def test_golden_repairs(name: str, row: Any, expected: Any, tmp_path: Path) -> None:
    out = fixed(planted(tmp_path, [row]))
    assert lines(out) == [expected]
    assert list(lines(out)[0]) == list(expected)


def test_ids_of_gpl_colbert_and_nemo(tmp_path: Path) -> None:
    shutil.copytree(FORMATS / "gpl", tmp_path / "gpl")
    row = {"qid": "1", "pos": ["7"], "neg": {"bm25": ["8", "7"], "dense": ["9"]}}
    assert lines(fixed(planted(tmp_path / "gpl", [row])))[0]["neg"] == {"bm25": ["8"], "dense": ["9"]}
    shutil.copytree(FORMATS / "colbert", tmp_path / "colbert")
    rows = [[0, 0, 1, 0], [1, [2, 0.5], [2, 0.5], [0, 0.25]]]
    file = planted(tmp_path / "colbert", rows, "triples.train.colbert.jsonl")
    assert lines(fixed(file)) == [[0, 0, 1], [1, [2, 0.5], [0, 0.25]]]
    shutil.copytree(FORMATS / "nemo", tmp_path / "nemo")
    file = tmp_path / "nemo" / "train.json"
    whole = json.loads(file.read_text())
    whole["data"][0]["neg_doc"].append({"id": "7", "score": 0.8})
    file.write_text(json.dumps(whole, indent=2) + "\n")
    out = fixed(file)
    assert out.read_text().startswith('{\n  "corpus"')  # the style of the file stays
    assert out.read_text().endswith("}\n")
    repaired = json.loads(out.read_text())
    assert repaired["data"][0]["neg_doc"] == [{"id": "8", "score": 0.5}]
    assert repaired["mining"] == whole["mining"]
    assert repaired["corpus"] == whole["corpus"]


@pytest.mark.parametrize(
    ("name", "line", "expected"),
    [
        ("ann_training_data.tsv", "1\t7\t8,7,9\n", "1\t7\t8,9\n"),
        ("simans.tsv", "1\tq\t7 12.5\t8 11.0,7 12.5,9 10.5\n", "1\tq\t7 12.5\t8 11.0,9 10.5\n"),
    ],
)
def test_ids_in_tabs(name: str, line: str, expected: str, tmp_path: Path) -> None:
    shutil.copytree(FORMATS / "drhard", tmp_path / "here")
    file = tmp_path / "here" / name
    file.write_text(line)
    assert fixed(file).read_text() == expected


def test_rankings_take_their_positives_from_the_qrels_beside(tmp_path: Path) -> None:
    shutil.copytree(FORMATS / "drhard", tmp_path / "here")
    file = tmp_path / "here" / "hard.json"
    file.write_text('{"1": [8, 7, 9]}')
    assert [f.key for f in audit(file, sample=0).findings] == ["known-positive"]
    assert fixed(file).read_text() == '{"1": [8, 9]}'


def test_columns_lose_their_row_or_get_another_document(tmp_path: Path) -> None:
    head = "anchor,positive,negative,source\r\n"
    rows = ['who,"right, so",wrong,a\r\n', 'what,"this ""one""",this "ONE",b\r\n', "where,here,there,\r\n"]
    rows[1] = 'what,"this ""one""","THIS ""one""",b\r\n'
    file = tmp_path / "train.csv"
    file.write_bytes((head + "".join(rows)).encode())
    assert fixed(file).read_bytes() == (head + rows[0] + rows[2]).encode()
    filled = fixed(file, short="random").read_bytes().decode().splitlines(keepends=True)
    assert filled[:2] == [head, rows[0]]
    assert filled[3] == rows[2]
    assert filled[2].startswith('what,"this ""one""",')
    assert filled[2] != rows[1]
    assert filled[2].endswith(",b\r\n")


def test_parquet_keeps_schema_metadata_and_other_rows(tmp_path: Path) -> None:
    rows = [
        {"query": "q", "pos": ["p"], "neg": ["n", "p"], "neg_scores": [0.5, 0.9], "extra": {"a": 1, "b": None}},
        {"query": "r", "pos": ["s"], "neg": ["n"], "neg_scores": [0.25], "extra": None},
    ]
    schema = {
        "query": pl.String, "pos": pl.List(pl.String), "neg": pl.List(pl.String), "neg_scores": pl.List(pl.Float32),
        "extra": pl.Struct({"a": pl.Int16, "b": pl.String}),
    }  # fmt: skip
    frame = pl.DataFrame(rows, schema=schema)
    file = tmp_path / "train.parquet"
    frame.write_parquet(file, metadata={"huggingface": '{"info": 1}'})
    out = fixed(file)
    again = pl.read_parquet(out)
    assert again.schema == frame.schema
    assert again["neg"].to_list() == [["n"], ["n"]]
    assert again["neg_scores"].to_list() == [[0.5], [0.25]]
    assert again["extra"].to_list() == frame["extra"].to_list()
    assert pl.read_parquet_metadata(out)["huggingface"] == '{"info": 1}'


def test_packed_files_stay_packed_and_arrow_stays_arrow(tmp_path: Path) -> None:
    row = {**GOOD, "neg": ["wrong", "right"]}
    file = tmp_path / "train.jsonl.gz"
    file.write_bytes(gzip.compress((json.dumps(row) + "\n").encode()))
    out = fixed(file)
    assert json.loads(gzip.decompress(out.read_bytes())) == {**GOOD, "neg": ["wrong"]}
    file = tmp_path / "train.arrow"
    pl.DataFrame([row]).write_ipc(file)
    assert pl.read_ipc(fixed(file))["neg"].to_list() == [["wrong"]]


def test_untouched_lines_keep_their_bytes_whatever_their_style(tmp_path: Path) -> None:
    odd = b'{ "query":"caf\xc3\xa9",  "pos":["p"],"neg":["n\\u00e9", "x"], "score_": 1e2}\r\n'
    bad = '{"query":"ü","pos":["p"],"neg":["p","é"]}\n'.encode()
    file = tmp_path / "train.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + odd + b"\n" + bad + odd.rstrip())
    out = fixed(file)
    changed = '{"query":"ü","pos":["p"],"neg":["é"]}\n'.encode()  # compact and not escaped, as it was
    assert out.read_bytes() == b"\xef\xbb\xbf" + odd + b"\n" + changed + odd.rstrip()


def test_promotion_moves_a_document_with_all_that_belongs_to_it(tmp_path: Path) -> None:
    rows = [
        {"query": "q", "pos": ["p"], "neg": ["n", "s"], "pos_scores": [0.9], "neg_scores": [0.1, 0.8],
         "pos_id": ["1"], "neg_id": ["2", "3"]},
        {"query": "q", "pos": ["s"], "neg": ["n"], "pos_scores": [0.8], "neg_scores": [0.1],
         "pos_id": ["3"], "neg_id": ["2"]},
    ]  # fmt: skip
    assert lines(fixed(planted(tmp_path, rows)))[0]["neg"] == ["n"]
    row = lines(fixed(planted(tmp_path, rows), promote=True))[0]
    assert row["pos"] == ["p", "s"]
    assert row["neg"] == ["n"]
    assert row["pos_scores"] == [0.9, 0.8]
    assert row["neg_scores"] == [0.1]
    assert row["pos_id"] == ["1", "3"]
    assert row["neg_id"] == ["2"]
    # A row with room for one positive only leaves the document out.
    rows = [{"query": "q", "positive": "p", "negative": "s"}, {"query": "q", "positive": "s", "negative": "n"}]
    assert lines(fixed(planted(tmp_path, rows), promote=True)) == [rows[1]]


def test_what_cannot_be_audited_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder; audit takes one training file"):
        audit(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        audit(tmp_path / "none.jsonl")
    (tmp_path / "a.jsonl").write_text("")
    with pytest.raises(DataError, match="is empty"):
        audit(tmp_path / "a.jsonl")
    (tmp_path / "a.bin").write_text("x")
    with pytest.raises(DataError, match="no file that foils reads"):
        audit(tmp_path / "a.bin")
    file = planted(tmp_path, [{"prompt": "x", "completion": "y"}])
    with pytest.raises(
        DataError, match=r"1 of 1 rows .* line 1: the columns prompt, completion .* foils reads rows with"
    ):
        audit(file)
    file = planted(tmp_path, [GOOD])
    with pytest.raises(DataError, match=r"a fix keeps the format: out.csv must end in .jsonl"):
        audit(file, sample=0).fix(tmp_path / "out.csv")
    with pytest.raises(DataError, match="is the file itself"):
        audit(file, sample=0).fix(file)
    found = audit(file, sample=0)
    planted(tmp_path, [GOOD, {**GOOD, "neg": ["right"]}])
    spoilt = audit(file, sample=0)
    planted(tmp_path, [{**GOOD, "neg": ["right"]}])
    with pytest.raises(DataError, match="has changed since it was audited"):
        spoilt.fix(tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()
    assert found.clean


def test_view_tells_what_belongs_to_what() -> None:
    seen = view({"query": "q", "positive": "p", "positive_score": 0.9, "negative_0": "n", "negative_0_score": 0.5,
                 "negative_2": None, "negative_2_score": None})  # fmt: skip
    assert [(s.side, s.key, s.text, s.score, s.flags) for s in seen.slots[:2]] == [
        (0, "positive", "p", 0.9, 0), (1, "negative_0", "n", 0.5, 0),
    ]  # fmt: skip
    assert seen.slots[2].text == ""
    assert seen.slots[2].flags == 1


def test_lists_that_a_table_holds_as_texts_become_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "SLICE", 1)
    rows = {"query": ["q", "r", None], "pos": ["['p']", "['s']", None], "neg": ["['n', 'm']", "x", None],
            "neg_scores": ["[1, 2]", "[0.5]", None]}  # fmt: skip
    for name in ("train.parquet", "train.arrow"):
        file = tmp_path / name
        frame = pl.DataFrame(rows, schema=dict.fromkeys(rows, pl.String))
        (frame.write_parquet if name.endswith("parquet") else frame.write_ipc)(file)
        out = fixed(file)
        again = (pl.read_parquet if name.endswith("parquet") else pl.read_ipc)(out)
        assert again["neg"].to_list() == [["n", "m"], ["x"], None]
        assert again["neg_scores"].to_list() == [[1.0, 2.0], [0.5], None]
        assert audit(out, sample=0).clean
    mixed = tmp_path / "mixed.parquet"
    pl.DataFrame({"query": ["q", "r"], "pos": ["['p']", "s"], "neg": [["n"], ["n"]]}).write_parquet(mixed)
    for rows_at_once in (1, 10):
        monkeypatch.setattr(tables, "SLICE", rows_at_once)
        with pytest.raises(DataError, match="fit into the column 'pos' of type String: some rows hold lists, others"):
            fixed(mixed, skip=["text-for-list"])


def test_a_fix_of_a_table_builds_only_what_it_changes(tmp_path: Path) -> None:
    frame = pl.DataFrame({**{k: [v, v] for k, v in GOOD.items()}, "time": [1, 1234567890123456789]})
    frame = frame.with_columns(pl.col("time").cast(pl.Datetime("ns")), neg=pl.Series([["wrong"], ["wrong", "right"]]))
    file = tmp_path / "train.parquet"
    frame.write_parquet(file)
    again = pl.read_parquet(fixed(file))
    assert again["time"].to_list() == frame["time"].to_list()
    assert again["time"].cast(pl.Int64).to_list() == [1, 1234567890123456789]
    assert again["neg"].to_list() == [["wrong"], ["wrong"]]


def test_an_arrow_stream_stays_a_stream(tmp_path: Path) -> None:
    file = tmp_path / "train.arrow"
    pl.DataFrame([{**GOOD, "neg": ["wrong", "right"]}]).write_ipc_stream(file)
    assert pl.read_ipc_stream(fixed(file))["neg"].to_list() == [["wrong"]]


def test_marks_of_a_table_by_tabs_stay_around_its_texts(tmp_path: Path) -> None:
    file = tmp_path / "train.tsv"
    rows = ['"""who"" said it"\tright\tright', "what\tthis\tthat", '"where\tto"\there\tthere']
    file.write_text("\n".join(["query\tpositive\tnegative", *rows, ""]))
    out = fixed(file, short="random").read_text().splitlines()
    assert out[1].startswith('"""who"" said it"\tright\tth')
    assert out[2:] == rows[1:]


def test_promotion_gives_the_lowest_label_of_a_positive(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    texts = ("first text", "other text", "third text")
    (data / "corpus.jsonl").write_text("\n".join(json.dumps({"_id": t[0], "text": t}) for t in texts))
    (data / "queries.jsonl").write_text('{"_id": "1", "text": "query"}')
    (data / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n1\to\t2\n1\tt\t2\n")
    file = tmp_path / "train.parquet"
    for labels in ([False, True, False], [0.0, 1.0, 0.0], ["0", "1", "0"]):
        table = pl.DataFrame({"query": "query", "answer": ["unlike it", *texts[1:]], "label": labels})
        table.write_parquet(file)
        audit(file, data=data, sample=0).fix(tmp_path / "out.parquet", promote=True)
        again = pl.read_parquet(tmp_path / "out.parquet")
        assert again.schema == table.schema
        assert [str(v)[0] for v in again["label"]] == [str(labels[i])[0] for i in (0, 1, 1)]
    lists = planted(tmp_path, [{"query": "query", "answer": [texts[1], texts[2], "unlike it"], "labels": [2, 1, 0]}])
    found = audit(lists, data=data, sample=0, relevant_from=2)
    out = found.fix(tmp_path / "out.jsonl", promote=True).path
    assert lines(out)[0]["labels"] == [2, 2, 0]
    assert audit(out, data=data, sample=0, relevant_from=2).clean


def test_a_promoted_document_may_have_no_id(tmp_path: Path) -> None:
    rows = [
        {"query": "q", "pos": ["p"], "neg": ["n", "s"], "pos_id": ["1"]},
        {"query": "q", "pos": ["s"], "neg": ["n"]},
    ]
    out = fixed(planted(tmp_path, rows), promote=True)
    assert lines(out)[0] == {"query": "q", "pos": ["p", "s"], "neg": ["n"], "pos_id": ["1", None]}
    assert "unreadable" not in [f.key for f in audit(out, sample=0).findings]


def test_lists_that_tell_no_positive_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="1 rows list documents without labels or scores"):
        audit(planted(tmp_path, [{"query": "q", "candidates": ["a", "b"]}]))
    with pytest.raises(DataError, match="the first, line 1: answer has a score but no label"):
        audit(planted(tmp_path, [{"query": "q", "answer": "a", "score": 0.5}]))
    with pytest.raises(DataError, match="the first, line 1: the column negs is not known"):
        audit(planted(tmp_path, [{"query": "q", "pos": ["p"], "negs": ["n"]}]))
    hits = [{"query": str(n), "hits": [{"content": "a", "label": 1}, {"content": "b", "label": 0}]} for n in range(3)]
    del hits[0]["hits"][1]["label"]
    assert [(f.key, f.count) for f in audit(planted(tmp_path, hits), sample=0).findings] == [("unreadable", 1)]


def test_numbers_of_a_row_are_no_scores_of_its_documents(tmp_path: Path) -> None:
    rows = [{"query": str(n), "pos": [f"p{n}"], "neg": ["n", "m"], "score": 0.5} for n in range(2)]
    assert audit(planted(tmp_path, rows), sample=0).findings == ()
    rows = [{"query": str(n), "positive": f"p{n}", "negative": "n", "label": label} for n, label in enumerate((-1, 2))]
    assert [f.key for f in audit(planted(tmp_path, rows), sample=0).findings] == ["above-positive"]
