"""The example collection is what its README says."""

import csv
import json
from collections import Counter
from pathlib import Path

import bm25s
import numpy as np
import pytest
import Stemmer

from foils.collection import Collection

FOLDER = Path(__file__).parents[1] / "examples" / "almanac"
LOST = ("q005", "lost-1")


def lines(name):
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


def labels(name):
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    assert rows[0] == ["query-id", "corpus-id", "score"]
    assert {row[2] for row in rows[1:]} == {"1"}
    return [(query, doc) for query, doc, _ in rows[1:]]


@pytest.fixture(scope="module")
def corpus():
    return {doc["_id"]: doc for doc in lines("corpus.jsonl")}


@pytest.fixture(scope="module")
def queries():
    return {query["_id"]: query["text"] for query in lines("queries.jsonl")}


@pytest.fixture(scope="module")
def known():
    return [pair for pair in labels("qrels/train.tsv") if pair != LOST]


@pytest.fixture(scope="module")
def truth():
    return labels("truth.tsv")


def test_sizes_and_unique_ids(corpus, queries, truth):
    assert len(corpus) == len(lines("corpus.jsonl")) == 662
    assert len(queries) == len(lines("queries.jsonl")) == 300
    assert len(truth) == len(set(truth)) == 1103
    assert len({text.lower() for text in queries.values()}) == 300


def test_one_known_positive_per_query_and_it_is_true(queries, known, truth):
    assert Counter(query for query, _ in known) == Counter(queries.keys())
    assert set(known) <= set(truth)


def test_truth_names_existing_ids_and_leaves_something_hidden_for_every_query(corpus, queries, truth):
    assert {doc for _, doc in truth} <= set(corpus)
    per_query = Counter(query for query, _ in truth)
    assert set(per_query) == set(queries)
    assert min(per_query.values()) == 2
    assert max(per_query.values()) == 8
    assert len(truth) / 300 == pytest.approx(3.68, abs=0.01)


def test_links_lead_to_other_passages(corpus):
    for doc in corpus.values():
        assert set(doc["metadata"]) == {"topic", "language", "links"}
        links = doc["metadata"]["links"]
        assert len(set(links)) == len(links)
        assert set(links) <= set(corpus) - {doc["_id"]}
        assert 2 <= len(links) <= 5 or doc["_id"] == "blank-1"


def test_the_blemishes_are_those_of_the_readme(corpus, queries, truth):
    texts = Counter((doc["title"], doc["text"]) for doc in corpus.values())
    assert sorted(texts.values(), reverse=True)[:3] == [2, 2, 1]
    for copy, original in (("mirror-1", "wc1998-2"), ("mirror-2", "tokyo-1964-2")):
        assert corpus[copy] == corpus[original] | {"_id": copy}
        of = [{query for query, doc in truth if doc == name} for name in (copy, original)]
        assert of[0] == of[1] != set()
    assert [doc["_id"] for doc in corpus.values() if doc["text"] in queries.values()] == ["forum-1"]
    assert [doc["_id"] for doc in corpus.values() if not doc["text"]] == ["blank-1"]
    assert not {"forum-1", "blank-1"} & {doc for _, doc in truth}
    assert [pair for pair in labels("qrels/train.tsv") if pair[1] not in corpus] == [LOST]


def test_foils_reads_it_and_reports_the_blemishes():
    collection = Collection.read(FOLDER)
    assert (collection.corpus.height, collection.queries.height, collection.positives.height) == (661, 300, 300)
    assert [finding.count for finding in collection.findings] == [1, 1, 2, 1]


def test_the_ten_best_of_bm25_hold_more_than_15_percent_false_negatives(corpus, queries, known, truth):
    docs = [doc for doc in corpus.values() if doc["text"]]
    ids = [doc["_id"] for doc in docs]
    stemmer = Stemmer.Stemmer("english")
    options = {"stopwords": "en", "stemmer": stemmer, "show_progress": False}
    retriever = bm25s.BM25()
    retriever.index(bm25s.tokenize([f"{d['title']} {d['text']}" for d in docs], **options), show_progress=False)
    asked = bm25s.tokenize(list(queries.values()), return_ids=False, **options)
    labelled, true, wrong = set(known), set(truth), 0
    for query, words in zip(queries, asked, strict=True):
        order = np.argsort(-retriever.get_scores(words), kind="stable")
        best = [ids[i] for i in order if (query, ids[i]) not in labelled][:10]
        wrong += sum((query, doc) in true for doc in best)
    assert 0.20 < wrong / 3000 < 0.27
