"""The fast loops agree with their slow forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foils.grouped import LAST, hash_rows, positions
from foils.pairs import hash_uniform

KEYS = st.one_of(st.floats(-5, 5).map(lambda x: round(x, 1)), st.just(float("nan")))


@given(st.lists(st.lists(KEYS, min_size=1, max_size=8), max_size=6))
def test_positions_are_a_stable_sort_per_query(groups):
    queries = np.repeat(np.arange(len(groups), dtype=np.uint32), [len(g) for g in groups])
    keys = np.array([k for g in groups for k in g], dtype=np.float64)
    expected = []
    for group in groups:
        ranked = sorted((i for i, k in enumerate(group) if k == k), key=lambda i: -group[i])
        expected += [ranked.index(i) if i in ranked else LAST for i in range(len(group))]
    assert positions(queries, keys).tolist() == expected


@given(st.integers(-(2**63), 2**64 - 1), st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=9))
def test_row_hash_is_the_hash(seed, hashes):
    values = np.array(hashes, dtype=np.uint64)
    rows = np.arange(len(values), dtype=np.uint32)
    numbers = hash_rows(rows, rows[::-1].copy(), values, values, seed)
    assert np.array_equal(numbers, hash_uniform(values, values[::-1], seed))
    assert ((numbers > 0) & (numbers < 1)).all()


def test_hash_is_uniform():
    a, b = np.divmod(np.arange(200_000, dtype=np.uint64), np.uint64(447))
    share = np.histogram(hash_uniform(a, b, 1), bins=20, range=(0, 1))[0] / 200_000
    assert share == pytest.approx(np.full(20, 0.05), abs=0.003)
