"""Verdicts: kept in order, tied to the texts, humans before models."""

import threading

import numpy as np
import polars as pl
import pytest

from foils.collection import build
from foils.errors import DataError
from foils.pairs import Pairs
from foils.protocols import Verdict
from foils.verdicts import Verdicts, digest, keys


def table(second: str = "a lamp") -> Pairs:
    corpus = pl.DataFrame({"id": ["d0", "d1", "d2", "d3"], "text": ["a chair", second, "an oak", "a table"]})
    queries = pl.DataFrame({"id": ["q0", "q1"], "text": ["what lights a room", "what grows"]})
    labels = pl.DataFrame({"query_id": ["q0", "q1"], "doc_id": ["d3", "d2"], "grade": [1, 1]})
    pairs = Pairs.start(build(corpus, queries, labels))
    rows = [(0, 0, 1), (0, 1, 2), (1, 0, 1), (1, 1, 2)]
    return pairs.add(
        "s", pl.DataFrame(rows, schema={"query": pl.UInt32, "doc": pl.UInt32, "rank": pl.Int32}, orient="row")
    )


def rows_of(pairs, *ids):
    place = {(q, d): i for i, (q, d) in enumerate(pairs.frame.select("query", "doc").iter_rows())}
    return np.array([place[i] for i in ids], dtype=np.uint32)


def test_a_human_overrules_a_model_whenever_it_spoke():
    pairs = table()
    rows = rows_of(pairs, (0, 1))
    said = Verdicts().add(pairs, rows, [Verdict(1.0, "ada")], "human").add(pairs, rows, [Verdict(0.0, "m")], "llm:m")
    assert said.settled(pairs).row(0) == (int(rows[0]), 1.0, "ada", "human")


def test_of_two_models_the_latest_answer_counts_and_an_abstention_settles_nothing():
    pairs = table()
    rows = rows_of(pairs, (0, 1))
    said = Verdicts()
    for verdict in (Verdict(0.2, "a"), Verdict(0.7, "b"), Verdict(None, "c", "unreadable")):
        said = said.add(pairs, rows, [verdict], "llm:x")
    assert said.settled(pairs)["by"].to_list() == ["b"]
    assert said.frame.height == 3


def test_marking_leaves_known_positives_and_unjudged_rows_alone():
    pairs = table()
    rows = rows_of(pairs, (0, 1), (0, 3), (1, 0))
    said = Verdicts().add(pairs, rows, [Verdict(0.9, "j"), Verdict(0.1, "j"), Verdict(None, "j")], "llm:j")
    marked = said.mark(pairs).frame
    judged = marked.filter(pl.col("judged_by").is_not_null())
    assert judged.select("query", "doc", "judged_by").rows() == [(0, 1, "j")]
    assert judged["p_relevant"].to_list() == pytest.approx([0.9])
    assert marked.columns == pairs.frame.columns


def test_a_verdict_does_not_outlive_the_text_it_was_given_for():
    pairs, changed = table(), table("an oak lamp")
    said = Verdicts().add(pairs, rows_of(pairs, (0, 1), (1, 0)), [Verdict(1.0, "j")] * 2, "llm:j")
    assert said.settled(pairs).height == 2
    assert said.settled(changed).height == 1


def test_written_and_read_again(tmp_path):
    pairs = table()
    said = Verdicts().add(
        pairs, rows_of(pairs, (0, 1)), [Verdict(1.0, "j", "lamp", 3)], "llm:j", draw="random", chance=np.array([0.25])
    )
    said.write(tmp_path / "verdicts.parquet")
    again = Verdicts.read(tmp_path / "verdicts.parquet")
    assert again.frame.equals(said.frame)
    assert again.frame.row(0, named=True)["chance"] == 0.25
    assert Verdicts.read(tmp_path / "nothing.parquet").frame.height == 0


def test_a_file_without_verdicts_is_named(tmp_path):
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "other.parquet")
    with pytest.raises(DataError, match=r"other\.parquet holds no verdicts"):
        Verdicts.read(tmp_path / "other.parquet")


def test_verdicts_of_another_collection_are_ignored():
    pairs = table()
    said = Verdicts().add(pairs, rows_of(pairs, (0, 1)), [Verdict(1.0, "j")], "llm:j")
    stranger = Verdicts(said.frame.with_columns(query_id=pl.lit("q9")))
    assert stranger.on(pairs).height == 0
    assert stranger.mark(pairs).frame.equals(pairs.frame)


def test_the_hash_of_texts_knows_where_one_ends():
    assert digest("ab", "c") != digest("a", "bc")
    pairs = table()
    assert keys(pairs, rows_of(pairs, (0, 1)))["texts"][0] == digest("what lights a room", "a lamp")


def test_a_table_that_is_replaced_while_it_is_read_is_whole(tmp_path):
    pairs, path, done = table(), tmp_path / "v.parquet", threading.Event()
    one = Verdicts().add(pairs, rows_of(pairs, (0, 1)), [Verdict(1.0, "m")], "llm:m")
    tables = [Verdicts(pl.concat([one.frame] * n)) for n in (1, 2000)]
    tables[0].write(path)

    def writing():
        while not done.is_set():
            for each in tables:
                each.write(path)

    writer = threading.Thread(target=writing)
    writer.start()
    try:
        heights = {Verdicts.read(path).frame.height for _ in range(100)}
    finally:
        done.set()
        writer.join()
    assert heights <= {1, 2000}
