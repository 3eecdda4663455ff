"""Every format once, from a small file in tests/data/formats, with what must come out of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import polars as pl
import pytest

from foils.collection import Collection
from foils.errors import DataError

FORMATS = Path(__file__).parent / "data" / "formats"
Told = dict[str, tuple[set[str], set[str], set[str]]]


def told(collection: Collection) -> Told:
    """Per query text: texts of positives, of negatives brought along, and of judged negatives."""
    docs, queries = collection.corpus["text"], collection.queries["text"]
    found: Told = {text: (set(), set(), set()) for text in queries}
    for query, doc, _ in collection.positives.iter_rows():
        found[queries[query]][0].add(docs[doc])
    for query, doc, grade in collection.negatives.iter_rows():
        found[queries[query]][1 if grade is None else 2].add(docs[doc])
    return found


def given(collection: Collection, column: str) -> dict[str, object]:
    """A column of ``given`` by document text (the formats' files use a text for one query only)."""
    assert collection.given is not None
    docs = collection.corpus["text"]
    return {docs[doc]: value for doc, value in collection.given.select("doc", column).iter_rows()}


def finding(collection: Collection, word: str) -> int:
    return sum(f.count for f in collection.findings if word in f.what)


ONE = {"q": ({"p"}, {"n"}, set())}
CASES: list[tuple[str, Told]] = [
    (
        "pairs.jsonl",
        {"capital of peru": ({"Lima is the capital of Peru.", "Lima has been the capital since 1535."}, set(), set())},
    ),
    (
        "triplets.csv",
        {
            "capital of peru": (
                {'Lima is the capital, and "largest" city'},
                {"Cusco was the capital of the Incas"},
                set(),
            ),
            "capital of chile": ({"Santiago"}, {"Lima"}, set()),
        },
    ),
    ("ntuple.jsonl", {"q": ({"p", "p2"}, {"n1", "n2", "n3"}, set())}),
    ("ntuple_scored.jsonl", {"q": ({"p"}, {"n0", "n2"}, set())}),
    ("labelled_pairs.jsonl", {"q": ({"p"}, set(), {"n"}), "r": ({"p"}, set(), set())}),
    ("labelled_list.jsonl", {"q": ({"p"}, {"n1"}, set()), "r": ({"p"}, {"n1"}, set())}),
    ("scored_list.jsonl", {"q": ({"p"}, {"n1", "n2"}, set())}),
    ("flagembedding.jsonl", {"q": ({"p1", "p2"}, {"n1", "n2"}, set()), "r": ({"p3"}, {"p1", "n1"}, set())}),
    ("tevatron.jsonl", ONE),
    ("tevatron_kd.jsonl", {"q": ({"p"}, {"n"}, set()), "r": ({"n"}, {"p"}, set()), "s": ({"u"}, {"v"}, set())}),
    ("tevatron_ids/train.jsonl", ONE),
    ("rlhn.jsonl", ONE),
    ("nemo/train.json", {"q": ({"p"}, {"n8", "n9"}, set())}),
    ("nemo_inline.jsonl", ONE),
    ("pylate/train.jsonl", ONE),
    ("pylate", ONE),
    ("gpl/hard-negatives.jsonl", {"q": ({"p"}, {"n8", "n9"}, set())}),
    ("gpl/gpl-training-data.tsv", {"q": ({"p"}, {"n8", "n9"}, set())}),
    ("negminer.jsonl", {"q": ({"p"}, {"n1", "n2"}, set())}),
    (
        "colbert/triples.train.colbert.jsonl",
        {
            "q zero": ({"passage zero"}, {"passage one", "passage two"}, set()),
            'q "one': ({"passage two"}, {"passage zero"}, set()),
        },
    ),
    ("dpr.json", {"q": ({"p"}, {"n", "h"}, set())}),
    ("contrastors-00000.jsonl.gz", {"q": ({"p"}, {"n1", "n2"}, set())}),
    ("gritlm.jsonl", ONE),
    ("msswift.jsonl", {"q": ({"p"}, {"n", "n2"}, set())}),
    ("rag_retrieval_pairs.jsonl", {"q": ({"p"}, set(), {"n"})}),
    ("rag_retrieval_hits.jsonl", {"q": ({"p"}, set(), {"n"})}),
    ("umbrela.jsonl", ONE),
    ("umbrela_in.json", {"q": ({"p"}, set(), set())}),
    ("drhard/hard.json", {"q": ({"p"}, {"n8", "n9"}, set())}),
    ("drhard/ann_training_data.tsv", {"q": ({"p"}, {"n8", "n9"}, set())}),
    ("drhard/simans.tsv", {"q": ({"p"}, {"n8", "n9"}, set())}),
    ("pool", {"q": ({"p"}, set(), set())}),
]


@pytest.mark.parametrize(("name", "expected"), CASES, ids=[name for name, _ in CASES])
def test_format(name: str, expected: Told) -> None:
    assert told(Collection.read(FORMATS / name)) == expected


def test_beir_keeps_titles_metadata_and_judged_rows() -> None:
    collection = Collection.read(FORMATS / "beir")
    assert collection.name == "beir"
    assert collection.corpus["id"].to_list() == ["d1", "d2", "3"]
    assert collection.corpus["title"].to_list() == ["Rivers", "", "Lakes"]
    assert collection.corpus["metadata"].to_list()[0] == {"lang": "en"}
    assert collection.queries["year"].to_list() == [None, 1999]
    assert collection.positives.rows() == [(0, 0, 2), (1, 2, 1)]
    assert collection.negatives.rows() == [(0, 1, 0)]
    assert collection.given is None


def test_beir_relevant_from_keeps_lower_grades_as_judged() -> None:
    collection = Collection.read(FORMATS / "beir", relevant_from=2)
    assert collection.positives.rows() == [(0, 0, 2)]
    assert collection.negatives.rows() == [(0, 1, 0), (1, 2, 1)]


def test_beir_unknown_split_names_the_splits() -> None:
    with pytest.raises(DataError, match=r"no labels of the split 'dev'; the splits that exist: test, train"):
        Collection.read(FORMATS / "beir", split="dev")


@pytest.mark.parametrize(
    "text", ["query-id\tcorpus-id\tscore\nq1\td2\t1\n", "q1 0 d2 1\n", "query-id\tcorpus-id\nq1\td2\r\n", "\n"]
)
def test_positives_file_replaces_the_labels(tmp_path: Path, text: str) -> None:
    labels = tmp_path / "labels.tsv"
    labels.write_text(text)
    if not text.strip():
        with pytest.raises(DataError, match="empty"):
            Collection.read(FORMATS / "beir", positives=labels)
        return
    collection = Collection.read(FORMATS / "beir", split="none", positives=labels)
    assert collection.positives.rows() == [(0, 1, 1)]
    assert collection.negatives.height == 0


def test_positives_file_replaces_the_positives_of_a_training_file(tmp_path: Path) -> None:
    labels = tmp_path / "labels.tsv"
    labels.write_text("query-id\tcorpus-id\tscore\n1\t8\t1\n")
    assert told(Collection.read(FORMATS / "gpl/hard-negatives.jsonl", positives=labels)) == {
        "q": ({"n8"}, {"n9"}, set())
    }
    with pytest.raises(DataError, match="do not exist"):
        Collection.read(FORMATS / "beir", positives=tmp_path / "missing.tsv")


def test_scores_and_extras_survive() -> None:
    flag = Collection.read(FORMATS / "flagembedding.jsonl")
    assert flag.queries.select("id", "prompt", "type").rows()[1] == ("r1", None, None)
    assert flag.queries["prompt"][0] == "Find it"
    assert flag.given is not None
    assert {"score", "original_score", "is_synthetic", "selection_tier"} <= set(flag.given.columns)
    assert finding(flag, "NaN or infinite") == 1
    assert flag.corpus["id"].to_list()[-3:] == ["7", "8", "9"]
    tevatron = Collection.read(FORMATS / "tevatron.jsonl")
    assert tevatron.corpus.rows(named=True)[0] == {"id": "7", "text": "p", "title": "T"}
    assert tevatron.queries.rows(named=True)[0] == {
        "id": "1", "text": "q", "answers": ["a"], "subset": "nq",
    }  # fmt: skip
    assert given(tevatron, "score") == {"p": 9.1, "n": None}
    negminer = Collection.read(FORMATS / "negminer.jsonl")
    assert given(negminer, "ce_score") == {"p": 0.99, "n1": 0.1, "n2": 0.2}
    assert negminer.queries["dropped_too_high"].to_list() == [2.0]
    triplets = Collection.read(FORMATS / "triplets.csv")
    assert set(given(triplets, "model_name").values()) == {"m1"}
    dpr = Collection.read(FORMATS / "dpr.json")
    assert given(dpr, "list") == {"p": None, "h": "hard_negative_ctxs", "n": "negative_ctxs"}
    assert given(dpr, "score") == {"p": 1000.0, "h": 12.5, "n": 0.0}
    gpl = Collection.read(FORMATS / "gpl/hard-negatives.jsonl")
    assert given(gpl, "list") == {"p": None, "n8": "bm25", "n9": "dense"}
    margin = Collection.read(FORMATS / "gpl/gpl-training-data.tsv")
    assert given(margin, "margin") == {"p": None, "n8": 3.5, "n9": -1.25}
    nemo = Collection.read(FORMATS / "nemo/train.json")
    assert given(nemo, "score") == {"p": 0.8, "n8": 0.5, "n9": None}
    contrastors = Collection.read(FORMATS / "contrastors-00000.jsonl.gz")
    assert given(contrastors, "score") == {"p": 0.9, "n1": 0.5, "n2": 0.4}
    simans = Collection.read(FORMATS / "drhard/simans.tsv")
    assert given(simans, "score") == {"p": 12.5, "n8": 11.0, "n9": 10.5}
    gritlm = Collection.read(FORMATS / "gritlm.jsonl")
    assert gritlm.queries["instruction"].to_list() == ["Find the answer"]
    umbrela = Collection.read(FORMATS / "umbrela.jsonl")
    assert umbrela.positives["grade"].to_list() == [3]
    assert given(umbrela, "judgment") == {"p": 3, "n": 0}
    colbert = Collection.read(FORMATS / "colbert/triples.train.colbert.jsonl")
    assert colbert.given is not None
    assert colbert.given.filter(query=1).select("doc", "position", "score").rows() == [(0, 1, 0.25), (2, None, 0.5)]


def test_ntuples_keep_order_scores_and_drop_padding() -> None:
    ntuple = Collection.read(FORMATS / "ntuple.jsonl")
    assert given(ntuple, "position") == {"p": None, "p2": None, "n1": 1, "n2": 2, "n3": 3}
    assert given(ntuple, "score") == {"p": 0.8, "p2": 0.7, "n1": 0.5, "n2": 0.4, "n3": 0.3}
    assert finding(ntuple, "fill up") == 1
    scored = Collection.read(FORMATS / "ntuple_scored.jsonl")
    assert given(scored, "score") == {"p": 0.9, "n0": 0.5, "n2": 0.2}
    assert given(scored, "position") == {"p": None, "n0": 1, "n2": 2}


def test_lists_without_labels_follow_the_evidence_of_the_scores(tmp_path: Path) -> None:
    # Two of three lists begin with their best document: the file writes the positive first.
    first = Collection.read(FORMATS / "tevatron_kd.jsonl")
    assert finding(first, "without labels") == 3
    rows = [
        {"query": "a", "passages": ["x", "y"], "scores": [0.1, 0.9]},
        {"query": "b", "passages": ["z"], "scores": [1]},
    ]
    file = tmp_path / "kd.jsonl"
    file.write_text("\n".join(json.dumps(r) for r in rows))
    assert told(Collection.read(file))["a"] == ({"y"}, {"x"}, set())
    file.write_text('{"query": "a", "passages": ["x", "y"]}')
    with pytest.raises(DataError, match="--positives"):
        Collection.read(file)


def test_pool_beside_the_training_rows_is_the_corpus() -> None:
    pool = Collection.read(FORMATS / "pool")
    assert pool.corpus["text"].to_list() == ["p", "another passage"]
    assert all(len(i) == 13 and i[0] == "d" for i in pool.corpus["id"])


def test_ids_without_texts_say_where_the_texts_were_looked_for(tmp_path: Path) -> None:
    file = tmp_path / "sub" / "hard-negatives.jsonl"
    file.parent.mkdir()
    file.write_text('{"qid": "1", "pos": ["7"], "neg": {"bm25": ["8"]}}\n')
    with pytest.raises(DataError, match=r"2 documents by id only \(first '7'\).*corpus.jsonl"):
        Collection.read(file)
    (tmp_path / "corpus.jsonl").write_text('{"_id": "a", "text": "x"}\n')
    with pytest.raises(DataError, match="none of the documents named in the file"):
        Collection.read(file)


def test_saved_datasets(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    rows = datasets.Dataset.from_dict({"query": ["q"], "pos": [["p"]], "neg": [["n"]], "neg_scores": [[0.5]]})
    rows.save_to_disk(tmp_path / "one")
    assert told(Collection.read(tmp_path / "one")) == ONE
    kd = datasets.Dataset.from_dict({"query_id": [1], "document_ids": [[7, 8]], "scores": [[0.9, 0.1]]})
    parts = {
        "train": kd,
        "queries": datasets.Dataset.from_dict({"query_id": [1], "text": ["q"]}),
        "documents": datasets.Dataset.from_dict({"document_id": [7, 8], "text": ["p", "n"]}),
    }
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "kd")
    assert told(Collection.read(tmp_path / "kd")) == ONE
    for name, part in parts.items():
        part.save_to_disk(tmp_path / "three" / name)
    assert told(Collection.read(tmp_path / "three")) == ONE
    with pytest.raises(DataError, match="no split 'dev'; the splits that exist: train"):
        Collection.read(tmp_path / "kd", split="dev")


@pytest.mark.parametrize("ending", ["parquet", "csv", "tsv", "jsonl", "arrow", "json", "jsonl.gz"])
def test_the_same_table_in_every_container(tmp_path: Path, ending: str) -> None:
    frame = pl.DataFrame(
        {"query": ["q", "q"], "positive": ["p", "p"], "negative": ["n", 'n, "two"'], "score": [0.5, 1.5]}
    )
    file = tmp_path / f"train.{ending}"
    text = frame.write_ndjson()
    if ending == "parquet":
        frame.write_parquet(file)
    elif ending == "arrow":
        frame.write_ipc(file)
    elif ending in ("csv", "tsv"):
        frame.write_csv(file, separator="," if ending == "csv" else "\t")
    elif ending == "jsonl.gz":
        import gzip

        file.write_bytes(gzip.compress(text.encode()))
    else:
        file.write_text(text if ending == "jsonl" else json.dumps(frame.to_dicts()))
    collection = Collection.read(file)
    assert told(collection) == {"q": ({"p"}, {"n", 'n, "two"'}, set())}
    assert given(collection, "margin") == {"p": None, "n": 0.5, 'n, "two"': 1.5}


def test_a_folder_of_shards(tmp_path: Path) -> None:
    for number in range(2):
        row = {"query": f"q{number}", "document": "p", "negatives": ["n"]}
        (tmp_path / f"shard-0000{number}.jsonl").write_text(json.dumps(row))
    assert set(told(Collection.read(tmp_path))) == {"q0", "q1"}
    (tmp_path / "train-0.jsonl").write_text('{"query": "t", "positive": "p"}')
    (tmp_path / "test-0.jsonl").write_text('{"query": "e", "positive": "p"}')
    assert set(told(Collection.read(tmp_path, split="test"))) == {"e"}


EXPORTS = Path(__file__).parent / "golden" / "exports"
# Scores in place of labels (sentence-transformers) and rankings say of no document that it is relevant.
NOT_TRAINING = {"st-labeled-pair-scores", "st-labeled-pair-sidecar", "trec-run", "trec-run-scores"}


@pytest.mark.parametrize("folder", sorted(p for p in EXPORTS.iterdir()), ids=lambda p: p.name)
def test_what_foils_writes_it_reads(folder: Path) -> None:
    if folder.name in NOT_TRAINING:
        with pytest.raises(DataError):
            Collection.read(folder)
        return
    collection = Collection.read(folder)
    texts = {text.split()[-1] for text in collection.corpus["text"]}
    assert texts <= {"one", "lines", "3", "sep", "\N{SLIGHTLY SMILING FACE}", "tab", "six"}, texts
    assert set(collection.queries["text"]) <= {'wer "ist"?', "zwei\nZeilen", "three"}
    overlap = collection.positives.join(collection.negatives, on=["query", "doc"])
    assert overlap.height == 0
    assert collection.negatives.height > 0


DATA = Path(os.environ.get("FOILS_DATA", Path(__file__).parents[2] / "shared" / "data"))
REAL = sorted(p.parent for p in DATA.glob("*/qrels")) if DATA.is_dir() else []


@pytest.mark.skipif(not REAL, reason=f"real collections are not at {DATA}; set FOILS_DATA")
@pytest.mark.parametrize("folder", REAL, ids=lambda p: p.name)
def test_real_collections_have_the_counts_of_their_manifests(folder: Path) -> None:
    counts = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["counts"]
    for file in sorted((folder / "qrels").iterdir()):
        collection = Collection.read(folder, split=file.stem)
        assert collection.corpus.height == counts["docs"]
        assert collection.queries.height == counts["queries"]
        judgments = collection.positives.height + collection.negatives.height
        assert judgments == counts["splits"][file.stem]["judgments"]
        assert collection.negatives["grade"].null_count() == 0
    labelled = folder / "extras" / "fn_eval" / "labelled_1.tsv"
    if labelled.exists():
        collection = Collection.read(folder, positives=labelled)
        assert collection.positives.height == pl.read_csv(labelled, separator="\t", infer_schema=False).height
        assert collection.negatives.height == 0
