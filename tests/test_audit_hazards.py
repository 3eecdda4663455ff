"""Every defect that tools are known to write: found, repaired, and gone from a second audit."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils.audit import Audit, audit
from foils.audit.findings import BY_KEY, KINDS
from foils.collection import Collection
from foils.errors import DataError, RecipeError
from foils.verdicts import SCHEMA, Verdicts, digest

LONG = "the river rises in the southern hills and reaches the northern sea after nine hundred kilometres of slow water"
RIGHT = {
    "query": "where does the river rise",
    "pos": [LONG],
    "neg": ["a lake of salt lies east", "no rain fell that year"],
}


def write(folder: Path, *rows: Any, name: str = "train.jsonl") -> Path:
    file = folder / name
    text = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    file.write_text("".join(line + "\n" for line in text), encoding="utf-8")
    return file


def keys(found: Audit) -> dict[str, int]:
    return {f.key: f.count for f in found.findings}


def others(n: int = 3) -> list[dict[str, Any]]:
    return [
        {"query": f"question {i} about trains", "pos": [f"the train number {i} leaves at seven"], "neg": [f"bus {i} is late", f"tram {i} is red"]}
        for i in range(n)
    ]  # fmt: skip


def row(**changes: Any) -> dict[str, Any]:
    return RIGHT | changes


# What is wrong, the finding, what a fix needs to be told, and the rows that must come out (null: see the count only).
HAZARDS: list[tuple[str, list[Any], str, tuple[str, ...], list[Any] | None]] = [
    ("ST: the positive with a blank comes back", [row(neg=[LONG + " ", "x of y"])], "copy-of-positive", (), [row(neg=["x of y"])]),
    ("ST: the query's own text comes back", [row(neg=["Where does the  river rise", "x of y"])], "query-as-negative", (),
     [row(neg=["x of y"])]),
    ("near-copy of the positive", [row(neg=["But " + LONG + "!", LONG + " indeed", "x of y"])], "near-positive",
     ("near-positive",), [row(neg=["x of y"])]),
    ("near-copy of the query",
     [row(query=LONG + " or so", pos=["yes it does"], neg=[LONG + " or so too", "x of y"])], "near-query", ("near-query",),
     [row(query=LONG + " or so", pos=["yes it does"], neg=["x of y"])]),
    ("FlagEmbedding: pos as a string", [row(pos=LONG)], "text-for-list", (), [row()]),
    ("FlagEmbedding: a string mined as letters", [row(neg=["t", "a lake of salt lies east"]), *others()], "one-letter", (),
     [row(neg=["a lake of salt lies east"]), *others()]),
    ("FlagEmbedding: stale scores of an earlier run", [row(neg_scores=[0.5] * 29)], "stale-column", (), [row(neg_scores=None)]),
    ("FlagEmbedding: the other row's positive",
     [row(neg=["it rises at the green spring", "x of y"]), row(pos=["it rises at the green spring"], neg=["z of w"])],
     "sibling-positive", (), [row(neg=["x of y"]), row(pos=["it rises at the green spring"], neg=["z of w"])]),
    ("FlagEmbedding: silent fill repeats negatives", [row(neg=["x of y", "z of w", "x of y"])], "repeated-negative", (),
     [row(neg=["x of y", "z of w"])]),
    ("FlagEmbedding: no negatives at all", [row(neg=[]), *others()], "no-negative", (), others()),
    ("NeMo: rejected documents with -inf", ['{"query": "q one", "pos_doc": [{"id": "1", "text": "p one", "score": 0.9}], "neg_doc": '
     '[{"id": "2", "text": "n two", "score": -Infinity}, {"id": "3", "text": "n three", "score": 0.1}]}'], "non-finite-score", (),
     [{"query": "q one", "pos_doc": [{"id": "1", "text": "p one", "score": 0.9}],
       "neg_doc": [{"id": "3", "text": "n three", "score": 0.1}]}]),
    ("NaN of a positive", [json.dumps(row(pos_scores=["@"], neg_scores=[0.1, 0.2])).replace('"@"', "NaN")], "non-finite-positive", (),
     [row(pos_scores=[None], neg_scores=[0.1, 0.2])]),
    ("NeMo: the same question id twice",
     [{"question_id": "1", "question": "a b", "pos_doc": ["p q"], "neg_doc": ["n m"]},
      {"question_id": "1", "question": "a b", "pos_doc": ["r s"], "neg_doc": ["n m"]}], "repeated-question-id", (), None),
    ("Tevatron: original and mined rows together", [row(), *others(), row()], "repeated-row", ("repeated-row",), [row(), *others()]),
    ("RLHN: relabelled and original copy coexist",
     [{"query_id": "1", "query": "a b", "positive_passages": [{"docid": "1", "text": "p"}],
       "negative_passages": [{"docid": "2", "text": "hidden"}, {"docid": "3", "text": "n"}]},
      {"query_id": "1", "query": "a b", "positive_passages": [{"docid": "1", "text": "p"}, {"docid": "2", "text": "hidden"}],
       "negative_passages": [{"docid": "3", "text": "n"}]}], "sibling-positive", (),
     [{"query_id": "1", "query": "a b", "positive_passages": [{"docid": "1", "text": "p"}],
       "negative_passages": [{"docid": "3", "text": "n"}]},
      {"query_id": "1", "query": "a b", "positive_passages": [{"docid": "1", "text": "p"}, {"docid": "2", "text": "hidden"}],
       "negative_passages": [{"docid": "3", "text": "n"}]}]),
    ("RLHN: a document in both lists",
     [{"query": "a b", "positive_passages": [{"docid": "1", "text": "p"}],
       "negative_passages": [{"docid": "1", "text": "p"}, {"docid": "3", "text": "n"}]}], "own-positive", (),
     [{"query": "a b", "positive_passages": [{"docid": "1", "text": "p"}], "negative_passages": [{"docid": "3", "text": "n"}]}]),
    ("Shun0212, PyLate: padding", [row(neg=["x of y", "", "  "])], "empty-negative", (), [row(neg=["x of y"])]),
    ("Shun0212: -1 for a positive that was not found", [row(pos_scores=[-1], neg_scores=[0.5, 0.25])], "sentinel-score", (),
     [row(pos_scores=[None], neg_scores=[0.5, 0.25])]),
    ("colpali, ST: negatives above the positive", [row(pos_scores=[0.5], neg_scores=[0.75, 0.25])], "above-positive",
     ("above-positive",), [row(neg=RIGHT["neg"][1:], pos_scores=[0.5], neg_scores=[0.25])]),
    ("lists written as texts", [row(neg=repr(RIGHT["neg"]))], "list-as-text", (), [row()]),
    ("negminer: a query without a positive", [row(pos=[]), *others()], "no-positive", (), others()),
    ("an empty positive beside a real one", [row(pos=["", LONG])], "empty-positive", (), [row()]),
    ("no query", [row(query=" "), *others()], "empty-query", (), others()),
    ("a broken line", ['{"query": "cut', *others()], "unreadable", (), others()),
    ("one label against the other",
     [{"query": "a b", "answer": "p", "label": 1}, {"query": "a b", "answer": "p", "label": 0},
      {"query": "a b", "answer": "n", "label": 0}], "conflicting-labels", (),
     [{"query": "a b", "answer": "p", "label": 1}, {"query": "a b", "answer": "n", "label": 0}]),
    ("fewer negatives than the others", [row(neg=["x of y"]), *others()], "short-rows", ("short-rows",), others()),
    ("MarginMSE: a negative margin", [{"query": "a b", "positive": "p", "negative": "n", "margin": -1.5},
                                      {"query": "c d", "positive": "p", "negative": "n", "margin": 2.5}], "above-positive",
     ("above-positive",), [{"query": "c d", "positive": "p", "negative": "n", "margin": 2.5}]),
    ("scores that are all the same", [row(pos_scores=[0.5], neg_scores=[0.5, 0.5])], "tied-scores", (), None),
    ("scores that are null", [row(neg_scores=[0.5, None])], "missing-score", (), None),
    ("the query as its own answer", [row(pos=[RIGHT["query"], LONG])], "query-as-positive", (), None),
    ("one document id for two texts",
     [{"query": "a b", "pos": ["p"], "neg": ["n", "m"], "neg_id": ["7", "7"], "pos_id": ["1"]}], "doc-id-texts", (), None),
    ("one query id for two texts", [row(query_id="1"), row(query="another", query_id="1")], "query-id-texts", (), None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "rows", "key", "also", "expected"), HAZARDS, ids=[h[0] for h in HAZARDS])
def test_hazard(
    name: str, rows: list[Any], key: str, also: tuple[str, ...], expected: list[Any] | None, tmp_path: Path
) -> None:
    file = write(tmp_path, *rows)
    found = audit(file, sample=0)
    assert key in keys(found)
    finding = next(f for f in found.findings if f.key == key)
    assert finding.count >= 1
    assert finding.examples[0].row in range(1, len(rows) + 1)
    out = tmp_path / "out.jsonl"
    if expected is None:
        assert not finding.fixed
        return
    assert finding.fixed is (also == ())
    assert f"--fix -o {tmp_path / 'fixed-train.jsonl'}" in finding.remedy
    changes = found.fix(out, also=also).changes
    assert key in {change.key for change in changes}
    assert [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()] == expected
    assert key not in keys(audit(out, sample=0))


def test_every_kind_of_finding_has_a_test_or_is_measured() -> None:
    tested = {h[2] for h in HAZARDS}
    elsewhere = {"corpus-missing", "unknown-id", "known-positive", "judged-relevant", "not-in-data", "repeated-query",
                 "corpus-path", "foreign-corpus", "uneven-fields", "lost-fields"}  # fmt: skip
    measured = {"false-negative", "too-easy", "give-away", "give-away-words", "length-bias", "source-bias", "reuse-hub",
                "language-mismatch", "script-mismatch", "near-repeated"}  # fmt: skip
    assert tested | elsewhere | measured == {kind.key for kind in KINDS}
    assert all(kind.standard <= bool(kind.action) for kind in KINDS)
    assert all(kind.meaning.endswith(".") for kind in KINDS)
    assert all(kind.standard or kind.advice for kind in KINDS)


def test_a_clean_file_is_clean_and_copied(tmp_path: Path) -> None:
    file = write(tmp_path, row(), *others())
    found = audit(file)
    assert found.clean
    assert keys(found) == {}
    fixed = found.fix(tmp_path / "out.jsonl")
    assert fixed.changes == ()
    assert "byte for byte" in fixed.text()
    assert (tmp_path / "out.jsonl").read_bytes() == file.read_bytes()


def test_what_data_knows(tmp_path: Path) -> None:
    """Positives of the collection count by text, whatever the ids are; its texts stand in for ids."""
    data = tmp_path / "data"
    (data / "qrels").mkdir(parents=True)
    write(data, *({"_id": f"d{i}", "text": t} for i, t in enumerate((LONG, "it rises at the green spring", "x of y"))),
          name="corpus.jsonl")  # fmt: skip
    write(data, {"_id": "q1", "text": RIGHT["query"].upper()}, name="queries.jsonl")
    (data / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td0\t1\nq1\td1\t1\n")
    file = write(tmp_path, row(neg=["it rises  at the green spring", "x of y", "a stranger here"]))
    found = audit(file, data=data, sample=0)
    assert keys(found) == {"known-positive": 1, "not-in-data": 1}
    found.fix(tmp_path / "out.jsonl")
    assert json.loads((tmp_path / "out.jsonl").read_text())["neg"] == ["x of y", "a stranger here"]
    found.fix(tmp_path / "more.jsonl", promote=True)
    assert json.loads((tmp_path / "more.jsonl").read_text())["pos"] == [LONG, "it rises  at the green spring"]
    ids = {"query_id": "q1", "positive_document_ids": ["d0"], "negative_document_ids": ["d1", "d2", "d9"]}
    file = write(tmp_path, ids)
    found = audit(file, data=Collection.read(data), sample=0)
    assert keys(found) == {"known-positive": 1, "unknown-id": 1}
    found.fix(tmp_path / "ids.jsonl")
    assert json.loads((tmp_path / "ids.jsonl").read_text())["negative_document_ids"] == ["d2"]


def test_a_corpus_that_is_not_there_is_a_finding(tmp_path: Path) -> None:
    ids = {
        "question_id": "1",
        "question": "a b",
        "corpus_id": "c",
        "pos_doc": [{"id": "7"}],
        "neg_doc": [{"id": "7"}, {"id": "8"}],
    }
    file = tmp_path / "train.json"
    file.write_text(json.dumps({"corpus": [{"path": "gone/corpus"}], "data": [ids]}))
    found = audit(file)
    assert keys(found) == {"corpus-missing": 3, "corpus-path": 1, "own-positive": 1}  # ids are compared all the same
    assert "put them there as corpus.jsonl" in next(f.why for f in found.findings if f.key == "corpus-missing")
    found.fix(tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text())["data"][0]["neg_doc"] == [{"id": "8"}]


def test_verdicts_are_matched_by_their_texts(tmp_path: Path) -> None:
    file = write(tmp_path, row(), *others())
    said = [("q", "d", 0.9, 3, "llm:x", "llm", "it does", "random", 0.5, digest(RIGHT["query"], RIGHT["neg"][0])),
            ("q", "e", 0.1, 0, "llm:x", "llm", "", "random", 0.5, digest(RIGHT["query"], RIGHT["neg"][1])),
            ("q", "e", 0.9, 0, "llm:x", "llm", "", "chosen", None, digest("gone", "gone"))]  # fmt: skip
    import polars as pl

    verdicts = Verdicts(pl.DataFrame(said, schema=SCHEMA, orient="row"))
    verdicts.write(tmp_path / "verdicts.parquet")
    found = audit(file, verdicts=tmp_path / "verdicts.parquet", sample=0)
    assert keys(found) == {"judged-relevant": 1}
    assert found.findings[0].total == 2
    assert found.findings[0].examples[0].note == "llm:x: it does"
    measure = next(m for m in found.measures if m.key == "judged-relevant")
    assert measure.value == 0.5
    assert measure.low < 0.5 < measure.high
    found.fix(tmp_path / "out.jsonl")
    assert json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])["neg"] == RIGHT["neg"][1:]


def test_a_margin_below_the_positive(tmp_path: Path) -> None:
    """Scores .90 and, below it by .03 and .10."""
    file = write(tmp_path, row(pos_scores=[0.9], neg_scores=[0.87, 0.8]), *others())
    assert "above-positive" not in keys(audit(file, sample=0))
    found = audit(file, margin=0.05, sample=0)
    (above,) = [f for f in found.findings if f.key == "above-positive"]
    assert (above.count, above.total) == (1, 2)
    assert "margin of 0.05" in above.measure
    assert "--margin 0.05" in above.remedy
    found.fix(tmp_path / "out.jsonl", also=["above-positive"])
    assert json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])["neg"] == RIGHT["neg"][1:]


def test_options_of_a_fix(tmp_path: Path) -> None:
    file = write(tmp_path, row(neg=[LONG, "x of y"]), *others())
    found = audit(file, sample=0)
    assert found.fix(tmp_path / "a.jsonl", skip=["own-positive"]).changes == ()
    with pytest.raises(RecipeError, match=r"no fix is called 'giveaway'; one of above-positive"):
        found.fix(tmp_path / "b.jsonl", also=["giveaway"])
    with pytest.raises(RecipeError, match="no fix is called 'give-away'"):
        found.fix(tmp_path / "b.jsonl", also=["give-away"])
    lost = write(tmp_path, row(neg=[LONG]), name="lost.jsonl")
    with pytest.raises(DataError, match="no row would be left"):
        audit(lost, sample=0).fix(tmp_path / "b.jsonl")
    assert not (tmp_path / "b.jsonl").exists()
    for wrong in ({"risk": 1.5}, {"negatives": 0}, {"sample": -1}, {"sample": 0, "risk": 0.1}):
        with pytest.raises(RecipeError):
            audit(file, **wrong)
    with pytest.raises(RecipeError, match="margin"):
        audit(file, margin=-1.0)
    assert keys(audit(file, negatives=3, sample=0))["short-rows"] == 4
    short = next(f for f in audit(file, negatives=3, sample=0).findings if f.key == "short-rows")
    assert short.severity == "warning"


WORDS = ("alpha", "beta", "Alpha", "gamma delta", "", " beta", "a", "q")
documents = st.lists(st.sampled_from(WORDS), max_size=4)
numbers = st.sampled_from([0.5, 0.25, -1.0, -2.5, float("nan"), float("-inf"), None])


@st.composite
def training_rows(draw: st.DrawFn) -> dict[str, Any]:
    made: dict[str, Any] = {"query": draw(st.sampled_from(["q", "r", "alpha", " "])), "kept": draw(st.integers(0, 3))}
    for side in ("pos", "neg"):
        texts = draw(documents)
        made[side] = draw(st.sampled_from([texts, texts, texts, repr(texts), "".join(texts[:1])]))
        if draw(st.booleans()):
            size = len(texts) + draw(st.sampled_from([0, 0, 0, 1]))
            made[f"{side}_scores"] = draw(st.lists(numbers, min_size=size, max_size=size))
    return made


@settings(max_examples=150)
@given(st.lists(training_rows(), min_size=1, max_size=6))
def test_a_fix_is_complete_and_idempotent(rows: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = write(folder, *rows)
        found = audit(file, sample=0)
        try:
            found.fix(folder / "once.jsonl")
        except DataError as error:
            assert "no row would be left" in str(error)
            return
        again = audit(folder / "once.jsonl", sample=0)
        assert not {f.key for f in again.findings if f.fixed}
        assert again.fix(folder / "twice.jsonl").changes == ()
        assert (folder / "twice.jsonl").read_bytes() == (folder / "once.jsonl").read_bytes()
        # Only what the file holds comes out, in its order, with what belongs to no document untouched.
        before = [json.loads(line) for line in file.read_text().splitlines()]
        after = [json.loads(line) for line in (folder / "once.jsonl").read_text().splitlines()]
        assert len(after) <= len(before)
        assert all(list(one) in [list(other) for other in before] for one in after)
        kept = iter((r["query"], r["kept"]) for r in before)
        assert all((r["query"], r["kept"]) in kept for r in after)
        assert all(BY_KEY[f.key].severity for f in again.findings)
