"""Hard rules on small collections where every copy is known."""

from dataclasses import replace

import polars as pl
import pytest

from foils.bands import MarginPos
from foils.collection import build
from foils.dedup import AnswerString, ExactDuplicate, KnownPositive, NearDuplicate, SameSource
from foils.errors import RecipeError
from foils.pairs import Pairs

LONG = (
    "the quick brown fox jumps over the lazy dog while seven old ravens watch from the tall dark pine tree "
    "that has stood on this windy hill since long before anybody came to live here"
)


def found(docs: dict[str, str], queries: dict[str, str], positives, more=None, asks=None, ranked=None) -> Pairs:
    """Every query finds every document, in the order given (or in the order ``ranked``)."""
    corpus = pl.DataFrame({"id": list(docs), "text": list(docs.values()), **(more or {})})
    asked = pl.DataFrame({"id": list(queries), "text": list(queries.values()), **(asks or {})})
    labels = pl.DataFrame([(q, d, 1) for q, d in positives], schema=["query_id", "doc_id", "grade"], orient="row")
    collection = build(corpus, asked, labels)
    order = [list(docs).index(d) for d in (ranked or docs)]
    rows = [(q, d, r) for q in range(len(queries)) for r, d in enumerate(order, 1)]
    schema = {"query": pl.UInt32, "doc": pl.UInt32, "rank": pl.Int32}
    return Pairs.start(collection).add("dense", pl.DataFrame(rows, schema=schema, orient="row"))


def fates(pairs: Pairs, query: int = 0) -> dict[str, str | None]:
    """Reason per document id of the dropped candidates."""
    rows = pairs.frame.filter((pl.col("query") == query) & pl.col("dropped").is_not_null())
    ids = pairs.collection.corpus["id"]
    return {ids[d]: reason for d, reason in rows.select("doc", "dropped").iter_rows()}


def prove(pairs: Pairs, doc: str, kind="polarity") -> Pairs:
    row = pairs.collection.corpus["id"].to_list().index(doc)
    mark = pl.when(pl.col("doc") == row).then(pl.lit(kind)).cast(pl.Categorical)
    return pairs.with_column("kind", mark)


def test_positives_of_the_same_question_under_another_id(engine):
    docs = {f"d{i}": f"text {i}" for i in range(5)}
    queries = {"q0": "Who wrote it?", "q1": " who  WROTE it?", "q2": "who wrote that?"}
    pairs = KnownPositive()(found(docs, queries, [("q0", "d0"), ("q1", "d1"), ("q2", "d2")]), engine)
    assert fates(pairs, 0) == {"d1": "known-positive"}
    assert fates(pairs, 1) == {"d0": "known-positive"}
    assert fates(pairs, 2) == {}


def test_a_relabelled_positive_counts_as_known(engine):
    docs = {"d0": "right", "d1": "found right", "d2": "Found  right", "d3": "wrong"}
    pairs = found(docs, {"q0": "question"}, [("q0", "d0")])
    pairs = pairs.with_column("positive", pl.col("positive") | (pl.col("doc") == 1))
    assert fates(ExactDuplicate()(pairs, engine)) == {"d2": "duplicate of a positive"}


COPIES = {
    "pos": "The answer is here.",
    "copy": "the ANSWER  is\nhere.",
    "wide": "Ｔｈｅ answer is here.",
    "near": "The answer is here!",
    "echo": "what is IT?",
    "n1": "another text",
    "n2": "Another Text",
    "n3": "third",
}


def test_exact_duplicates_have_their_reasons(engine):
    pairs = ExactDuplicate()(found(COPIES, {"q0": "What is it?"}, [("q0", "pos")]), engine)
    assert fates(pairs) == {
        "copy": "duplicate of a positive",
        "wide": "duplicate of a positive",
        "echo": "equals the query",
        "n2": "duplicate of a negative",
    }


def test_the_best_ranked_copy_stays_and_a_proven_one_before_it(engine):
    ranked = ["n2", "n3", "n1", "copy", "wide", "near", "echo", "pos"]
    pairs = found(COPIES, {"q0": "question"}, [("q0", "pos")], ranked=ranked)
    assert fates(ExactDuplicate()(pairs, engine))["n1"] == "duplicate of a negative"
    assert fates(ExactDuplicate()(prove(pairs, "n1"), engine))["n2"] == "duplicate of a negative"


def test_copies_of_dropped_candidates_stay(engine):
    pairs = found(COPIES, {"q0": "question"}, [("q0", "pos")])
    pairs = pairs.drop(pl.col("doc") == list(COPIES).index("n1"), "score")
    assert "n2" not in fates(ExactDuplicate()(pairs, engine))


def test_a_positive_of_another_query_is_no_reference(engine):
    docs = {"d0": "one", "d1": "two", "d2": "Two"}
    pairs = ExactDuplicate()(found(docs, {"q0": "a", "q1": "b"}, [("q0", "d0"), ("q1", "d1")]), engine)
    assert fates(pairs, 0) == {"d2": "duplicate of a negative"}
    assert fates(pairs, 1) == {"d2": "duplicate of a positive"}


def test_titles_count_only_where_asked_or_where_there_is_no_text(engine):
    docs = {"d0": "in stock", "d1": "in stock", "d2": "", "d3": ""}
    titles = {"title": ["Red lamp", "Blue lamp", "Green lamp", "green lamp"]}
    pairs = found(docs, {"q0": "red lamp"}, [("q0", "d0")], titles)
    assert fates(ExactDuplicate()(pairs, engine)) == {"d1": "duplicate of a positive", "d3": "duplicate of a negative"}
    assert fates(ExactDuplicate(part="passage")(pairs, engine)) == {"d3": "duplicate of a negative"}


def edit(text: str, word: int, new: str) -> str:
    tokens = text.split()
    tokens[word] = new
    return " ".join(tokens)


def test_near_duplicates_have_their_reasons(engine):
    other = LONG.replace("fox", "wolf").replace("ravens", "crows").replace("pine", "oak").replace("lazy", "tired")
    docs = {
        "pos": LONG,
        "same": LONG.upper() + ".",
        "edit": edit(LONG, -1, "trees"),
        "other": other,
        "close": edit(other, 0, "a"),
        "echo": "where do seven old ravens sit - all the day long",
        "free": "nothing of the sort stands here at all",
    }
    query = {"q0": "Where do seven old ravens sit all the day long?"}
    pairs = NearDuplicate()(found(docs, query, [("q0", "pos")]), engine)
    assert fates(pairs) == {
        "same": "near-duplicate of a positive",
        "edit": "near-duplicate of a positive",
        "close": "near-duplicate of a negative",
        "echo": "near-duplicate of the query",
    }


def test_the_threshold_is_the_jaccard_index(engine):
    """Four words give two runs of three, five give three: 2 of 3 runs are shared."""
    pairs = found({"pos": "x", "n1": "a b c d", "n2": "a b c d e"}, {"q0": "q"}, [("q0", "pos")])
    assert fates(NearDuplicate(threshold=2 / 3)(pairs, engine)) == {"n2": "near-duplicate of a negative"}
    assert fates(NearDuplicate(threshold=0.67)(pairs, engine)) == {}


def test_scripts_without_spaces(engine):
    text = "東京は日本の首都であり世界最大の都市圏の一つである"
    docs = {"pos": text, "near": text + "。", "edit": text[:-1] + "り", "free": "大阪は西日本の経済の中心である"}
    pairs = NearDuplicate(threshold=0.8)(found(docs, {"q0": "日本の首都"}, [("q0", "pos")]), engine)
    assert fates(pairs) == dict.fromkeys(["near", "edit"], "near-duplicate of a positive")


def test_a_proven_near_duplicate_stays_and_takes_out_what_is_near_it(engine):
    docs = {"pos": "right", "n1": LONG, "edit": edit(LONG, -1, "trees")}
    pairs = prove(found(docs, {"q0": "q"}, [("q0", "pos")]), "edit")
    assert fates(NearDuplicate()(pairs, engine)) == {"n1": "near-duplicate of a negative"}
    docs["pos"] = LONG + " today"
    assert "edit" not in fates(NearDuplicate(0.8)(prove(found(docs, {"q0": "q"}, [("q0", "pos")]), "edit"), engine))


def test_many_queries_in_parts_equal_one_by_one(engine, monkeypatch):
    docs = {f"d{i}": " ".join(f"w{(i // 3) * 7 + j}" for j in range(12)) + (" x" if i % 3 else "") for i in range(30)}
    queries = {f"q{i}": f"question {i}" for i in range(8)}
    pairs = found(docs, queries, [(f"q{i}", f"d{i}") for i in range(8)])
    whole = NearDuplicate(0.8)(pairs, engine).frame
    cut = __import__("foils.dedup", fromlist=["dedup"])
    original = cut._by_query
    monkeypatch.setattr(cut, "_by_query", lambda rows, cost, most: original(rows, cost, 5))
    assert NearDuplicate(0.8)(pairs, engine).frame.equals(whole)
    assert whole["dropped"].null_count() < whole.height - 8


def test_same_source(engine):
    docs = {f"d{i}": f"text {i}" for i in range(6)}
    pages = {"page": ["A", "A", "B", None, "", "A"]}
    pairs = found(docs, {"q0": "q", "q1": "r"}, [("q0", "d0"), ("q1", "d3")], pages)
    assert fates(SameSource("page")(pairs, engine), 0) == dict.fromkeys(["d1", "d5"], "same-source")
    assert fates(SameSource("page")(pairs, engine), 1) == {}
    assert list(fates(SameSource("page")(prove(pairs, "d1"), engine), 0)) == ["d5"]


def test_same_source_of_numbers(engine):
    pairs = found({"d0": "a", "d1": "b", "d2": "c"}, {"q0": "q"}, [("q0", "d0")], {"page": [7, 7, 8]})
    assert fates(SameSource("page")(pairs, engine)) == {"d1": "same-source"}


ANSWERS = {
    "pos": "right",
    "d1": "In 1969 the BEATLES, of Liverpool, met.",
    "d2": "A beatle is an insect",
    "d3": "Abbey-Road was recorded",
    "d4": "the road to the abbey",
    "d5": "It cost 1,000 dollars",
}


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([["The Beatles", "Abbey Road"]], ["d1", "d3"]),
        (["the beatles of liverpool"], ["d1"]),
        ([["beatle"]], ["d2"]),
        ([["1.000"]], ["d5"]),
        ([["The", "", "?!"]], []),
        ([[]], []),
        ([{"text": ["Abbey road"], "answer_start": [0]}], ["d3"]),
    ],
    ids=str,
)
def test_answer_string(answers, expected, engine):
    asks = {"answers": pl.Series(answers, dtype=pl.List(pl.String) if answers == [[]] else None)}
    pairs = found(ANSWERS, {"q0": "q"}, [("q0", "pos")], asks=asks)
    assert list(fates(AnswerString()(pairs, engine))) == expected


def test_a_query_without_answers_keeps_all(engine):
    asks = {"answers": [None, ["right"]]}
    pairs = AnswerString()(found(ANSWERS, {"q0": "q", "q1": "r"}, [("q0", "pos"), ("q1", "d1")], asks=asks), engine)
    assert fates(pairs, 0) == {}
    assert fates(pairs, 1) == {"pos": "answer-string"}


@pytest.mark.parametrize("step", [SameSource("page"), AnswerString("gold")], ids=repr)
def test_a_missing_column_is_named(step, engine):
    with pytest.raises(RecipeError, match=f"{step.label}.*no column '{step.column}'.*text"):
        step(found(ANSWERS, {"q0": "q"}, [("q0", "pos")]), engine)


@pytest.mark.parametrize("step", [ExactDuplicate(part="body"), NearDuplicate(0.0), NearDuplicate(1.1)], ids=repr)
def test_options_that_cannot_work_are_refused(step):
    with pytest.raises(RecipeError, match=step.label):
        step.check()


def test_hard_reasons_are_never_relaxed(engine):
    pairs = found(COPIES, {"q0": "What is it?"}, [("q0", "pos")])
    pairs = NearDuplicate()(ExactDuplicate()(KnownPositive()(pairs, engine), engine), engine)
    assert pairs.soft == frozenset()
    assert MarginPos(score="cos.dense")(pairs.with_column("cos.dense", pl.lit(0.5)), engine).soft == {"margin-pos"}


@pytest.mark.parametrize("step", [KnownPositive(), ExactDuplicate(), NearDuplicate(), SameSource("text")], ids=repr)
def test_no_candidates(step, engine):
    pairs = found({"d0": "a", "d1": "b"}, {"q0": "q"}, [("q0", "d0")])
    alone = replace(pairs, frame=pairs.frame.filter("positive"))
    assert step(alone, engine).frame.equals(alone.frame)
