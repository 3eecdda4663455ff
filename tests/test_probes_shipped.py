"""The shipped probes: well made, balanced, and none of the test sets."""

import json
import os
from collections import Counter
from importlib.resources import files
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from foils.probes.reading import read
from foils.probes.shipped import shipped
from foils.texts import words

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("FOILS_DATA", ROOT.parent / "shared" / "data")) / "probes"
TYPES = ("antonym", "entity", "month", "negation", "number", "order", "quantifier", "role", "unit", "year")
TEXTS = ("doc1", "doc2", "twin1", "twin2")
FOLDER = files("foils.probes").joinpath("data")
ROWS = [
    json.loads(line) for kind in TYPES for line in (FOLDER / f"{kind}.jsonl").read_text(encoding="utf-8").splitlines()
]


def test_sixty_probes_of_each_type_each_pair_asked_both_ways():
    probes = shipped()
    assert Counter(p.type for p in probes) == dict.fromkeys(TYPES, 60)
    assert len({p.id for p in probes}) == len(probes)
    assert set(Counter(p.pair for p in probes).values()) == {2}
    assert all(p.twin for p in probes)


@pytest.mark.parametrize("kind", TYPES)
def test_the_two_texts_differ_by_one_edit(kind):
    for row in ROWS:
        if row["type"] != kind:
            continue
        one, two = (row[k].split() for k in ("doc1", "doc2"))
        while one and two and one[0] == two[0]:
            one, two = one[1:], two[1:]
        while one and two and one[-1] == two[-1]:
            one, two = one[:-1], two[:-1]
        swapped = sorted(w.lower().strip(",.") for w in one) == sorted(w.lower().strip(",.") for w in two)
        assert swapped or max(len(one), len(two)) <= 4, row["id"]


def test_no_text_and_no_query_stands_there_twice():
    assert max(Counter(row[k].lower() for row in ROWS for k in TEXTS).values()) == 1
    assert max(Counter(row[k].lower() for row in ROWS for k in ("q1", "q2")).values()) == 1


def test_texts_are_sentences_and_queries_have_words():
    for row in ROWS:
        for key in TEXTS:
            assert row[key][0].isupper() or row[key][0].isdigit()
            assert row[key].endswith(".")
            assert 5 <= len(row[key].split()) <= 30
            assert "{" not in row[key]
            assert "  " not in row[key]
        assert min(len(row[k].split()) for k in ("q1", "q2")) >= 3


def test_every_fact_is_one_of_the_almanac():
    corpus = ROOT / "examples" / "almanac" / "corpus.jsonl"
    known = {json.loads(line)["_id"] for line in corpus.read_text(encoding="utf-8").splitlines()}
    assert {row["source"] for row in ROWS} <= known


def auc(probes, *, twins):
    """Of an n-gram classifier that never sees the query; both texts of a pair, and its twins, are in one fold."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold

    sides = [(p.right, 0, p.pair) for p in probes] + [(p.wrong, 1, p.pair) for p in probes]
    sides += [(p.twin, 0, p.pair) for p in probes if twins]
    texts, labels, pairs = (np.array(column, dtype=object) for column in zip(*sides, strict=True))
    labels = labels.astype(int)
    numbers = {pair: n for n, pair in enumerate(dict.fromkeys(pairs))}
    scores = np.zeros(len(texts))
    folds = GroupKFold(5, shuffle=True, random_state=0)
    for train, test in folds.split(texts, labels, [numbers[p] for p in pairs]):
        counts = CountVectorizer(ngram_range=(1, 3), min_df=2, binary=True)
        model = LogisticRegression(max_iter=300, class_weight="balanced")
        model.fit(counts.fit_transform(texts[train]), labels[train])
        scores[test] = model.decision_function(counts.transform(texts[test]))
    return roc_auc_score(labels, scores)


@pytest.mark.parametrize("kind", ["all", *TYPES])
def test_no_word_gives_the_answer_away(kind):
    probes = [p for p in shipped() if kind in ("all", p.type)]
    assert auc(probes, twins=False) == pytest.approx(0.5)
    assert auc(probes, twins=True) <= 0.6


def runs(texts, size=8):
    """The runs of eight words of texts, punctuation and case put aside."""
    split = words(pl.Series(texts, dtype=pl.String)).str.split(" ").to_list()
    return {tuple(t[i : i + size]) for t in split for i in range(len(t) - size + 1)}


def strings(value):
    """All strings of a JSON value."""
    if isinstance(value, dict | list):
        return [s for v in (value.values() if isinstance(value, dict) else value) for s in strings(v)]
    return [value] if isinstance(value, str) else []


def test_nothing_is_taken_from_the_test_sets():
    if not DATA.is_dir():
        pytest.skip(f"no probes to compare with in {DATA}; FOILS_DATA names another folder")
    theirs = {t for p in read(DATA) for t in (p.query, p.right, p.wrong, p.wrong_query) if t}
    ours = [row[k] for row in ROWS for k in (*TEXTS, "q1", "q2")]
    for path in sorted((ROOT / "examples").rglob("*.jsonl")):
        ours += [s for line in path.read_text(encoding="utf-8").splitlines() for s in strings(json.loads(line))]
    assert len(theirs) > 10_000
    assert len(ours) > 2000
    assert not runs(ours) & runs(sorted(theirs))
