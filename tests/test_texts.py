"""Folding, words, and sets of word runs against the plain definitions."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils.texts import first_shingles, fold, jaccard, shingle_sets, words


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Straße", "STRASSE"),
        ("ﬁle ①", "FILE 1"),
        ("ｆｕｌｌ　ｗｉｄｔｈ", "full width"),
        ("  a\t\nb\u00a0 c ", "A B C"),
        ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"),
        ("e\u0301te\u0301", "été"),
        ("line\u2028break", "line break"),
    ],
)
def test_texts_that_fold_to_the_same(left, right):
    folded = fold(pl.Series([left, right])).to_list()
    assert folded[0] == folded[1]


def test_fold_keeps_what_tells_texts_apart():
    assert fold(pl.Series(["C++", "C#", "is not", "is"])).n_unique() == 4


def test_words_of_many_scripts():
    given_texts = ["Foo, bar--BAZ_1", "漢字かな abc漢", "สวัสดี", "नमस्ते, दुनिया", "", " !? "]
    expected = ["foo bar baz 1", "漢 字 か な abc 漢", "ส ว ั ส ด ี", "नमस्ते दुनिया", "", ""]
    assert words(pl.Series(given_texts)).to_list() == expected


def plain_set(text: str, run: int) -> set[tuple[str, ...]]:
    tokens = words(pl.Series([text], dtype=pl.String))[0].split()
    return {tuple(tokens[i : i + run]) for i in range(max(len(tokens) - run + 1, min(len(tokens), 1)))}


WORDS = st.lists(st.sampled_from(["a", "b", "c", "dd", "漢", "!"]), max_size=12).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=8), st.integers(1, 4), st.sampled_from([0.3, 0.5, 0.8, 0.9, 1.0]))
def test_sets_and_the_prefix_filter_are_exact(contents, run, threshold):
    sets = shingle_sets(pl.Series(contents, dtype=pl.String), run)
    plain = [plain_set(t, run) for t in contents]
    assert np.diff(sets.indptr).tolist() == [len(p) for p in plain]
    n = len(contents)
    left, right = (a.ravel().astype(np.uint32) for a in np.meshgrid(np.arange(n), np.arange(n)))
    expected = [len(plain[a] & plain[b]) / max(len(plain[a] | plain[b]), 1) for a, b in zip(left, right, strict=True)]
    assert jaccard(sets, left, right).tolist() == pytest.approx(expected)
    shared = first_shingles(sets, threshold)
    met = set(shared.join(shared, on="shingle").select("item", "item_right").iter_rows())
    for a, b, index in zip(left.tolist(), right.tolist(), expected, strict=True):
        if a != b and index >= threshold:
            assert (a, b) in met


def test_no_texts():
    sets = shingle_sets(pl.Series([], dtype=pl.String))
    assert sets.shape[0] == 0
    assert first_shingles(sets, 0.9).height == 0
