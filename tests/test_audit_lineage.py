"""Where a file comes from; and the six checks that NeMo's guide asks people to do by hand before training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from foils.audit import Audit, audit
from foils.collection import Collection

TEXTS = {
    "d1": "the river rises in the southern hills",
    "d2": "the spring lies under the old church",
    "d3": "a lake of salt lies east of the desert",
    "d4": "no rain fell in the north that year",
    "d5": "the bridge was built by hand",
}


def nemo(folder: Path, rows: list[dict[str, Any]], *, path: str = "corpus", declared: str = "c") -> Path:
    corpus = folder / "corpus"
    corpus.mkdir(parents=True)
    (corpus / "corpus.jsonl").write_text("".join(json.dumps({"id": k, "text": v}) + "\n" for k, v in TEXTS.items()))
    (corpus / "merlin_metadata.json").write_text(json.dumps({"class": "TextQADataset", "corpus_id": declared}))
    file = folder / "train.json"
    file.write_text(json.dumps({"corpus": [{"path": path}], "mining": {"margin": 0.95}, "data": rows}))
    return file


def row(number: int, **changes: Any) -> dict[str, Any]:
    made = {
        "question_id": str(number),
        "question": f"where does river number {number} rise",
        "corpus_id": "c",
        "pos_doc": [{"id": "d1", "score": 0.9}],
        "neg_doc": [{"id": "d3", "score": 0.3}, {"id": "d4", "score": 0.2}],
    }
    return made | changes


def keys(found: Audit) -> dict[str, int]:
    return {f.key: f.count for f in found.findings}


def negatives(*ids: Any) -> list[dict[str, Any]]:
    return [{"id": i, "score": 0.1} for i in ids]


def test_a_clean_nemo_file_is_clean(tmp_path: Path) -> None:
    assert keys(audit(nemo(tmp_path, [row(1), row(2)]))) == {}


SIX: list[tuple[str, list[dict[str, Any]], dict[str, int]]] = [
    ("1: question ids are unique", [row(1), row(1, question="another one")],
     {"query-id-texts": 1, "repeated-question-id": 1}),
    ("1: rows reference the declared corpus", [row(1), row(2, corpus_id="other"), row(3, corpus_id=None)], {"foreign-corpus": 2}),
    ("1: every document id exists", [row(1), row(2, neg_doc=negatives("d3", "d99"))], {"unknown-id": 1}),
    ("2: no known positive among the negatives", [row(1), row(2, neg_doc=negatives("d1", "d4"))], {"own-positive": 1}),
    ("2: no sibling positive either",
     [row(1, question="q"), row(2, question="q", pos_doc=[{"id": "d2", "score": 0.9}], neg_doc=negatives("d1", "d4"))],
     {"sibling-positive": 1, "repeated-query": 1}),
    ("3: negative ids are unique in a row", [row(1), row(2, neg_doc=negatives("d3", "d4", "d3"))], {"repeated-negative": 1}),
    ("4: scores are finite", [row(1), row(2, neg_doc=[{"id": "d3", "score": float("-inf")}, {"id": "d4", "score": 0.1}])],
     {"non-finite-score": 1}),
    ("4: scores are present", [row(1), row(2, pos_doc=[{"id": "d1"}])], {"missing-score": 1}),
    ("4: scores are present in every row", [row(1), row(2), row(3, pos_doc=[{"id": "d1"}], neg_doc=[{"id": "d3"}, {"id": "d4"}])],
     {"missing-score": 3}),
    ("5: enough distinct negatives", [row(1), row(2), row(3, neg_doc=negatives("d3"))], {"short-rows": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "expected"), [pytest.param(r, e, id=name) for name, r, e in SIX])
def test_the_checks_of_nemo(rows: list[dict[str, Any]], expected: dict[str, int], tmp_path: Path) -> None:
    found = keys(audit(nemo(tmp_path, rows), sample=0))
    assert found | expected == found
    assert set(found) - set(expected) <= {"short-rows"}


def test_check_5_with_the_number_that_the_next_run_needs(tmp_path: Path) -> None:
    found = audit(nemo(tmp_path, [row(1), row(2)]), negatives=4, sample=0)
    short = next(f for f in found.findings if f.key == "short-rows")
    assert (short.count, short.severity) == (2, "warning")
    assert "--negatives 4" in short.remedy


def test_check_6_the_corpus_path_resolves(tmp_path: Path) -> None:
    found = audit(nemo(tmp_path / "a", [row(1)], path="/data/of/another/machine/corpus"), sample=0)
    assert keys(found) == {"corpus-path": 1}
    assert "beside the file stands in for" in found.findings[0].measure
    gone = audit(nemo(tmp_path / "b", [row(1)], path="gone"), sample=0)
    assert keys(gone) == {"corpus-path": 1}  # the texts lie in the folder all the same
    assert gone.findings[0].measure == "gone"


def test_rows_of_another_corpus_can_be_dropped(tmp_path: Path) -> None:
    found = audit(nemo(tmp_path, [row(1), row(2, corpus_id="other"), row(3)]), sample=0)
    assert found.findings[0].examples[0].note == "corpus_id other"
    found.fix(tmp_path / "out.json", also=["foreign-corpus"])
    data = json.loads((tmp_path / "out.json").read_text())
    assert [r["question_id"] for r in data["data"]] == ["1", "3"]
    assert data["mining"] == {"margin": 0.95}


def test_check_6_lineage_that_was_lost(tmp_path: Path) -> None:
    """Rows that lack a field of the others, and fields that the file it was mined from had; a fix keeps what is there."""
    whole = [row(i) | {"original_question_id": f"o{i}", "group": "g"} for i in range(1, 5)]
    some = [dict(r) for r in whole]
    del some[2]["original_question_id"]
    some[0]["neg_doc"] = negatives("d1", "d4")
    found = audit(nemo(tmp_path / "some", some), sample=0)
    uneven = next(f for f in found.findings if f.key == "uneven-fields")
    assert (uneven.count, uneven.examples[0].note) == (1, "without original_question_id")
    found.fix(tmp_path / "some" / "out.json")
    kept = json.loads((tmp_path / "some" / "out.json").read_text())["data"]
    assert [r.get("original_question_id") for r in kept] == ["o1", "o2", None, "o4"]
    source = Collection.read(nemo(tmp_path / "whole", whole))
    lost = audit(nemo(tmp_path / "mined", [row(i) for i in range(1, 5)]), data=source, sample=0)
    fields = next(f for f in lost.findings if f.key == "lost-fields")
    assert "group" in fields.measure
    assert "original_question_id" in fields.measure


def test_documents_of_data_are_known_with_and_without_their_title(tmp_path: Path) -> None:
    """A file may hold the text alone, or the title and the text in one."""
    folder = tmp_path / "data"
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": k, "title": f"Title {k}", "text": v} for k, v in TEXTS.items()]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(d) + "\n" for d in corpus))
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "where does it rise"}) + "\n")
    (folder / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\nq\td1\t1\nq\td2\t1\n")
    rows = [
        {"query": "where does it rise", "pos": [TEXTS["d1"]], "neg": [TEXTS["d2"], TEXTS["d3"]]},
        {"query": "where does it rise", "pos": ["Title d1 " + TEXTS["d1"]], "neg": ["Title d2 " + TEXTS["d2"], "gone"]},
    ]
    file = tmp_path / "train.jsonl"
    file.write_text("".join(json.dumps(r) + "\n" for r in rows))
    found = audit(file, data=folder, sample=0)
    assert keys(found)["known-positive"] == 2
    assert keys(found)["not-in-data"] == 1
    remedy = next(f.remedy for f in found.findings if f.key == "known-positive")
    assert remedy == f"foils audit {file} --data {folder} --fix -o {tmp_path}/fixed-train.jsonl"
