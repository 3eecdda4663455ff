import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils.errors import DataError, RecipeError
from foils.sources import precision as precisions
from foils.sources import topk
from foils.sources.precision import CHOICES, choose, encode, margins, multiply, probe
from foils.sources.topk import exact_topk, pair_scores


def available():
    try:
        import torch  # noqa: F401
    except ImportError:
        return ["float32"]
    return [p for p in CHOICES if probe(p) < math.inf]


AVAILABLE = available()


def reference(queries, documents, k):
    """Exact sums in float64; of equal scores the lowest row."""
    scores = np.array([[math.fsum(row) for row in documents.astype(float) * q.astype(float)] for q in queries])
    scores = scores.reshape(len(queries), len(documents))
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(scores, order, axis=1)


def check(queries, documents, k, precision):
    ids, scores = exact_topk(queries, documents, k, precision=precision)
    order, true = reference(queries, documents, k)
    assert ids.dtype == np.uint32
    assert scores.dtype == np.float32
    assert ids.shape == scores.shape == (len(queries), min(k, len(documents)))
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(scores, np.sort(true.astype(np.float32), axis=1)[:, ::-1])
    np.testing.assert_array_equal(np.sort(ids, axis=1), np.sort(order, axis=1))
    for row, values in zip(ids.tolist(), scores.tolist(), strict=True):
        assert row == [i for _, i in sorted(zip([-v for v in values], row, strict=True))]


def whole(draw, n, d, scale=8):
    """Whole numbers, so that every order of summation gives the same score: many exact ties."""
    return draw.integers(-scale, scale + 1, (n, d)).astype(np.float32)


@pytest.mark.parametrize("precision", AVAILABLE)
def test_random_vectors_match_float64(precision):
    draw = np.random.default_rng(1)
    queries, documents = (draw.standard_normal((n, 64), dtype=np.float32) for n in (40, 3000))
    check(queries, documents, 25, precision)


@pytest.mark.parametrize("precision", AVAILABLE)
def test_ties_go_to_the_lowest_row(precision):
    draw = np.random.default_rng(2)
    base = whole(draw, 50, 16)
    documents = base[draw.integers(0, 50, 4000)]
    check(whole(draw, 20, 16), documents, 100, precision)


@pytest.mark.parametrize("precision", AVAILABLE)
def test_all_documents_equal(precision):
    documents = np.tile(np.float32([[0.1, -0.7, 0.3]]), (2500, 1))
    ids, scores = exact_topk(np.float32([[1, 2, 3], [0, 0, 0]]), documents, 5, precision=precision)
    assert ids.tolist() == [[0, 1, 2, 3, 4]] * 2
    assert len(set(scores[0].tolist())) == 1
    assert scores[1].tolist() == [0.0] * 5


@pytest.mark.parametrize("precision", AVAILABLE)
def test_differences_in_the_last_bit(precision):
    draw = np.random.default_rng(3)
    documents = np.tile(draw.standard_normal(48).astype(np.float32), (2000, 1))
    # One component moves by single units in the last place: differences of about 1e-7, in random order.
    steps = draw.permutation(2000)
    documents[:, 7] = np.float32(0.5) + steps.astype(np.float32) * np.float32(2**-24)
    query = np.zeros((1, 48), dtype=np.float32)
    query[0, :8] = 1
    check(query, documents, 30, precision)
    ids, _ = exact_topk(query, documents, 1, precision=precision)
    assert ids[0, 0] == steps.argmax()


@pytest.mark.parametrize("precision", AVAILABLE)
@pytest.mark.parametrize(("large", "small"), [(1e18, 1e-18), (1e37, 1.0), (1e-30, 1e-30), (1.0, 1e-44)])
def test_lengths_far_apart(precision, large, small):
    draw = np.random.default_rng(4)
    queries, documents = (draw.standard_normal((n, 32)) for n in (12, 1500))
    queries, documents = (queries * large).astype(np.float32), (documents * small).astype(np.float32)
    documents[::3] *= np.float32(1e-3)
    documents[5] = 0
    check(queries, documents, 20, precision)


@pytest.mark.parametrize("precision", AVAILABLE)
def test_scores_all_negative_and_descending_corpus(precision):
    draw = np.random.default_rng(5)
    documents = np.abs(draw.standard_normal((2600, 24))).astype(np.float32)
    queries = -np.abs(draw.standard_normal((9, 24))).astype(np.float32)
    # The best documents last: every document enters for a while.
    documents = documents[np.argsort(documents @ queries[0])]
    check(queries, documents, 40, precision)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 30), st.integers(1, 1300), st.integers(1, 40)),
    k=st.integers(1, 1400),
    scale=st.sampled_from([1, 3, 100]),
    precision=st.sampled_from(AVAILABLE),
)
def test_any_shape(seed, shape, k, scale, precision):
    n_queries, n_documents, d = shape
    draw = np.random.default_rng(seed)
    check(whole(draw, n_queries, d, scale), whole(draw, n_documents, d, scale), k, precision)


@pytest.mark.parametrize("precision", AVAILABLE)
@pytest.mark.parametrize("d", [1, 3, 4, 67, 384])
def test_products_keep_their_bound(precision, d):
    draw = np.random.default_rng(d)
    queries, documents = (draw.standard_normal((n, d)) * draw.lognormal(0, 3, (n, 1)) for n in (32, 200))
    a, b = (encode(np.ascontiguousarray(v, dtype=np.float32), precision) for v in (queries, documents))
    buffer = precisions.buffer_for(precision, 32 * 200)
    found = multiply(a, b, precision, buffer).astype(float) * a.scale[:, None] * b.scale
    by_norm, by_error = margins(a, precision)
    true = a.rows.astype(float) @ b.rows.T.astype(float)
    assert (np.abs(found - true) <= by_norm[:, None] * b.norm + by_error[:, None] * b.error).all()


def test_super_blocks_and_panels_do_not_change_the_result(monkeypatch):
    draw = np.random.default_rng(6)
    queries, documents = (draw.standard_normal((n, 16), dtype=np.float32) for n in (700, 3000))
    expected = exact_topk(queries, documents, 10)
    monkeypatch.setattr(topk, "STATE", 1)
    monkeypatch.setattr(topk, "PANEL", 1)
    done = []
    found = exact_topk(queries, documents, 10, advance=done.append)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
    assert sum(done) == 700 * 3000


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_memory_maps(tmp_path, dtype):
    draw = np.random.default_rng(7)
    queries, documents = (draw.standard_normal((n, 20)).astype(dtype) for n in (15, 2100))
    np.save(tmp_path / "d.npy", documents)
    mapped = np.load(tmp_path / "d.npy", mmap_mode="r")
    found = exact_topk(queries, mapped, 7)
    expected = exact_topk(queries.astype(np.float32), documents.astype(np.float32), 7)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


def test_rows_that_are_not_contiguous():
    draw = np.random.default_rng(8)
    queries, documents = (draw.standard_normal((20, n), dtype=np.float32).T for n in (6, 300))
    check(queries, documents, 9, "float32")


@pytest.mark.parametrize("d", [1, 5, 64, 100, 385])
def test_pair_scores_equal_the_search(d):
    draw = np.random.default_rng(9)
    queries, documents = (draw.standard_normal((n, d), dtype=np.float32) for n in (30, 1200))
    ids, scores = exact_topk(queries, documents, 50)
    rows = np.repeat(np.arange(30), 50)
    np.testing.assert_array_equal(pair_scores(queries, documents, rows, ids.ravel()), scores.ravel())


def test_scores_are_the_true_ones_rounded_once():
    # Oracle: exact rational arithmetic.
    draw = np.random.default_rng(10)
    queries, documents = (draw.standard_normal((n, 33), dtype=np.float32) for n in (2, 40))
    ids, scores = exact_topk(queries, documents, 3)
    for q in range(2):
        for document, score in zip(ids[q], scores[q], strict=True):
            pairs = zip(queries[q].tolist(), documents[document].tolist(), strict=True)
            assert score == np.float32(float(sum(Fraction(a) * Fraction(b) for a, b in pairs)))


def test_nothing_to_search():
    empty, some = np.empty((0, 4), dtype=np.float32), np.ones((3, 4), dtype=np.float32)
    assert exact_topk(empty, some, 2)[0].shape == (0, 2)
    assert exact_topk(some, empty, 2)[0].shape == (3, 0)
    assert pair_scores(some, some, np.array([], dtype=int), np.array([], dtype=int)).size == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_vectors_that_are_not_finite_are_counted(value):
    good, bad = np.ones((30, 4), dtype=np.float32), np.ones((2000, 4), dtype=np.float32)
    bad[[17, 1900], 2] = value
    with pytest.raises(DataError, match=r"2 of 2,000 document vectors .* row 17"):
        exact_topk(good, bad, 5)
    with pytest.raises(DataError, match=r"2 of 2,000 query vectors"):
        exact_topk(bad, good, 5)


def test_shapes_that_do_not_fit():
    with pytest.raises(DataError, match="4 dimensions and document vectors 5"):
        exact_topk(np.ones((1, 4), dtype=np.float32), np.ones((1, 5), dtype=np.float32), 1)
    with pytest.raises(DataError, match=r"shape \(4,\)"):
        exact_topk(np.ones(4, dtype=np.float32), np.ones((1, 4), dtype=np.float32), 1)
    with pytest.raises(DataError, match="k=0"):
        exact_topk(np.ones((1, 4), dtype=np.float32), np.ones((1, 4), dtype=np.float32), 0)


def test_choice_of_precision(monkeypatch):
    assert choose("auto", 10.0) == "float32"
    assert choose("auto", 1e12) in AVAILABLE
    with pytest.raises(RecipeError, match="precision='int4'"):
        choose("int4", 10.0)
    monkeypatch.setattr(precisions, "probe", lambda precision: math.inf)
    with pytest.raises(RecipeError, match="does not keep its error bound"):
        choose("float32", 10.0)


def test_torch_keeps_its_threads():
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    exact_topk(np.ones((2, 4), dtype=np.float32), np.ones((9, 4), dtype=np.float32), 2, precision="int8")
    assert torch.get_num_threads() == before
