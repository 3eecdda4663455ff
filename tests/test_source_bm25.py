"""BM25: against bm25s, against a plain computation, and on texts in many scripts."""

import json
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from foils.collection import build
from foils.engine import Local
from foils.errors import RecipeError
from foils.pairs import Pairs
from foils.sources import postings
from foils.sources.bm25 import Bm25

DATA = Path(os.environ.get("FOILS_DATA", Path(__file__).parents[2] / "shared" / "data"))


def world(documents, queries, labels=None):
    ids = [f"d{i}" for i in range(len(documents))]
    asked = [f"q{i}" for i in range(len(queries))]
    labels = labels or [(q, ids[0]) for q in asked]
    table = pl.DataFrame(labels, schema=["query_id", "doc_id"], orient="row").with_columns(grade=1)
    return Pairs.start(
        build(pl.DataFrame({"id": ids, "text": documents}), pl.DataFrame({"id": asked, "text": queries}), table)
    )


def zipf(n, length, vocabulary, seed):
    rng = np.random.default_rng(seed)
    return [" ".join(f"w{w}" for w in row) for row in np.minimum(rng.zipf(1.3, (n, length)), vocabulary)]


@pytest.mark.parametrize("method", ["lucene", "robertson", "atire"])
def test_scores_are_those_of_bm25s(method, engine):
    import bm25s

    documents, queries = zipf(300, 30, 200, 0), zipf(40, 5, 220, 1)
    pairs = world(documents, queries)
    found = Bm25(method=method, language="none", depth=300, k1=1.2, b=0.6).find(pairs, engine)
    reference = bm25s.BM25(method=method, k1=1.2, b=0.6)
    reference.index([d.split() for d in documents], show_progress=False)
    for query, text in enumerate(queries):
        scores = reference.get_scores(text.split())
        rows = found.filter(pl.col("query") == query)
        assert rows["score"].to_numpy() == pytest.approx(scores[rows["doc"].to_numpy()], rel=1e-5)
        assert rows.height == (scores > 0).sum()
        assert rows["score"].is_sorted(descending=True)


def test_the_formula_by_hand(engine):
    """Oracle: N = 3, n = 1, tf = 2, length 3, mean length 2: idf ln(1 + 2.5/1.5), tf part 2 / (2 + 1.5 * 1.375)."""
    found = Bm25(language="none").find(world(["oak oak elm", "ash", "elm fir"], ["oak"]), engine)
    assert found["score"].to_list() == pytest.approx([np.log(1 + 2.5 / 1.5) * 2 / (2 + 1.5 * (0.25 + 0.75 * 1.5))])


def test_ties_go_to_the_first_document_and_documents_without_a_word_are_no_candidates(engine):
    pairs = world(["x y", "lamp", "z", "lamp", "lamp", "lamp lamp lamp"], ["lamp", "unknown"])
    found = Bm25(language="none", depth=3).find(pairs, engine)
    assert found.select("query", "doc", "rank").rows() == [(0, 5, 1), (0, 1, 2), (0, 3, 3)]


def test_the_best_are_found_across_windows(engine):
    """More documents than one window, most of them tied."""
    n = 2 * postings.WINDOW + 77
    rng = np.random.default_rng(3)
    bounds = np.arange(n + 1, dtype=np.int64) * 3
    index = postings.build(bounds, rng.integers(0, 6, 3 * n, dtype=np.int32), 6, 1.5, 0.75, "lucene")
    asked, numbers = np.array([0, 2, 2, 3]), np.array([0, 4, 5], dtype=np.int32)
    for depth in (1, 100, n):
        counts, docs, scores = postings.search(index, asked, numbers, np.full(3, depth))
        assert counts[1] == 0
        for query, words in enumerate(([0, 4], [], [5])):
            sums = np.zeros(n, dtype=np.float32)
            for word in words:
                at = slice(index.starts[word], index.starts[word + 1])
                sums[index.docs[at]] += index.scores[at]
            best = [d for d in np.argsort(-sums, kind="stable") if sums[d] > 0][:depth]
            mine = slice(counts[:query].sum(), counts[: query + 1].sum())
            assert docs[mine].tolist() == best
            assert scores[mine].tolist() == sums[best].tolist()


def test_filled_scores_are_those_of_the_search_to_the_bit(engine):
    pairs = world(zipf(400, 20, 90, 5), zipf(60, 6, 100, 6))
    source = Bm25(depth=50)
    after = source(pairs, engine)
    after = after.add("other", pairs.frame.select("query", doc=pl.lit(399, dtype=pl.UInt32), rank=1))
    filled = source.fill(after, engine)
    assert filled.len() == after.frame.height
    assert filled.null_count() == 0
    both = after.frame.with_columns(filled=filled).filter(pl.col("rank.bm25").is_not_null())
    assert both["filled"].equals(both["bm25.bm25"], check_names=False)
    everything = Bm25(depth=400).find(pairs, engine).select("query", "doc", "score")
    rest = after.frame.with_columns(filled=filled).join(everything, on=["query", "doc"], how="left")
    assert rest["filled"].equals(rest["score"].fill_null(0), check_names=False)


def test_titles_count_unless_switched_off(engine):
    corpus = pl.DataFrame({"id": ["a", "b"], "title": ["lamp", ""], "text": ["oak", "elm"]})
    table = pl.DataFrame({"query_id": ["q"], "doc_id": ["b"], "grade": [1]})
    pairs = Pairs.start(build(corpus, pl.DataFrame({"id": ["q"], "text": ["lamp"]}), table))
    assert Bm25().find(pairs, engine)["doc"].to_list() == [0]
    assert Bm25(title=False).find(pairs, engine).height == 0


def test_a_corpus_without_any_word_finds_nothing(engine):
    pairs = world(["!!!", "???"], ["lamp", "!!!"])
    assert Bm25().find(pairs, engine).height == 0
    assert Bm25().fill(pairs, engine).to_list() == [0.0, 0.0]


def test_the_facts_say_which_language_was_found(engine):
    source = Bm25()
    assert source.facts() == {}
    source.find(world(["the cat is on the mat", "what is in the box", "he was in the house"], ["cats"]), engine)
    assert source.facts()["language"] == "en (Latin, 3 of 3 sampled texts)"
    assert Bm25(language="de").find(world(["die Katzen"], ["Katze"]), engine).height == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"language": "xx"}, "language='xx'.*auto, none or one of en"),
        ({"method": "plus"}, "method='plus'.*lucene, robertson, atire"),
        ({"b": 1.5}, "b=1.5"),
        ({"k1": -1.0}, "k1=-1"),
        ({"k1": float("nan")}, "k1=nan"),
        ({"depth": 0}, "depth=0"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(RecipeError, match=message):
        Bm25(**options).check()


def read(name):
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here; set FOILS_DATA to the folder of the test collections")
    corpus, queries = (
        [json.loads(t) for t in (folder / f"{what}.jsonl").read_text(encoding="utf-8").split("\n") if t]
        for what in ("corpus", "queries")
    )
    labels = pl.read_csv(folder / "qrels" / "train.tsv", separator="\t", infer_schema=False)
    tables = (
        pl.DataFrame([(r["_id"], r["text"], r.get("metadata", {}).get("lang", "")) for r in rows], orient="row")
        for rows in (corpus, queries)
    )
    corpus, queries = (t.rename(dict(zip(t.columns, ("id", "text", "lang"), strict=True))) for t in tables)
    return build(
        corpus, queries, labels.select(query_id="query-id", doc_id="corpus-id", grade=pl.col("score").cast(int))
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["xquad_multi", "drcd"])
def test_the_positive_of_the_same_language_is_found_in_every_language(name):
    """Measured: at least .98 for each of 12 languages, in one corpus, and for Traditional Chinese."""
    collection = read(name)
    found = Bm25().find(Pairs.start(collection), Local())
    positives = collection.positives.with_columns(
        lang=collection.queries["lang"].gather(collection.positives["query"]),
        other=collection.corpus["lang"].gather(collection.positives["doc"]),
    ).filter(pl.col("lang") == pl.col("other"))
    hits = positives.join(found, on=["query", "doc"], how="left")
    recall = hits.group_by("lang").agg(pl.col("rank").is_not_null().mean())
    assert recall["rank"].min() > 0.95, recall
