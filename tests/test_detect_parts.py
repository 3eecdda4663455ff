"""What the detector is made of: columns, features, regression, calibration, learning from positives alone."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from build import collection, scored
from foils.detect.calibrate import AS_IS, calibrate, calibration_error, isotonic, per_query_auc, platt
from foils.detect.columns import BASIC, KINDS, by_kind, kind_of, kinds, standard
from foils.detect.features import features, infer
from foils.detect.learn import Verdicts, learn
from foils.detect.logistic import fit, folds_of, log_loss, logits, sigmoid
from foils.detect.loops import agree, fill_lowest, standardise, starts_of
from foils.detect.shipped import shipped
from foils.detect.unlabelled import dual, posterior, sar_em

NAN = float("nan")


def f32(*values):
    return np.array(values, dtype=np.float32)


def test_z_and_place_by_hand():
    starts = starts_of(np.array([0, 0, 0, 0, 2, 2], dtype=np.uint32))
    assert starts.tolist() == [0, 4, 6]
    among = np.array([False, True, True, True, True, True])
    z, place = standardise(starts, f32(9, 1, 3, NAN, 5, 5), among)
    # Mean 2 and standard deviation 1 over the two candidates with a value; the known positive is on their scale.
    assert z[:3].tolist() == [7, -1, 1]
    assert np.isnan(z[3])
    assert z[4:].tolist() == [0, 0]
    assert place[:3].tolist() == [1, 2, 1]
    assert place[4:].tolist() == [1, 1]


def test_nothing_to_standardise():
    starts = starts_of(np.zeros(0, dtype=np.uint32))
    z, place = standardise(starts, f32(), np.zeros(0, dtype=bool))
    assert len(z) == len(place) == 0
    alone = standardise(np.array([0, 1]), f32(3), np.array([False]))
    assert np.isnan(alone[0]).all()


def test_not_found_counts_as_the_lowest():
    assert fill_lowest(np.array([0, 3, 4]), f32(2, NAN, 1, NAN))[:3].tolist() == [2, 1, 1]
    assert np.isnan(fill_lowest(np.array([0, 3, 4]), f32(2, NAN, 1, NAN))[3])


def test_neighbours_lend_their_evidence_by_similarity():
    vectors = np.array([[1, 0], [0.8, 0.6], [0, 1]], dtype=np.float32)
    starts, places = np.array([0, 3]), np.array([0, 1, 2])
    lent = agree(starts, vectors, places, f32(1, 2, 4), np.ones(3, dtype=bool), 2, 1.0)
    # Row 0: neighbours 1 (similarity .8) and 2 (0, raised to .001).
    assert lent.tolist() == pytest.approx(
        [(0.8 * 2 + 0.001 * 4) / 0.801, (0.8 + 0.6 * 4) / 1.4, (0.6 * 2 + 0.001) / 0.601]
    )
    one = agree(starts, vectors, places, f32(1, 2, 4), np.ones(3, dtype=bool), 1, 3.0)
    assert one.tolist() == pytest.approx([2, 1, 2])
    nobody = agree(np.array([0, 1]), vectors, np.array([0]), f32(1), np.array([True]), 3, 1.0)
    assert np.isnan(nobody[0])


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("cos.dense", "dense"),
        ("dot.colbert", "dense"),
        ("bm25.bm25", "words"),
        ("cos.positive", "positive"),
        ("cos.positive-lsa", "positive"),
        ("bm25.positive", "positive-words"),
        ("z.neighbours-lsa", "neighbours"),
        ("dot.specific", "specific"),
        ("logit.ce", "reranker"),
        ("prob.ce", "reranker"),
        ("jaccard.words", "overlap"),
        ("rank.splade", "dense"),
        ("rank.bm25_rm3", "words"),
        ("prob.detector", None),
        ("prob.tacred-intrinsic", None),
        ("prob.tacred-extrinsic", None),
        ("prob.cusa", None),
        ("logit.gcse", None),
        ("prob.pu", None),
        ("prob.propensity", None),
        ("prob.cusanus", "reranker"),
        ("rrf.rrf", None),
        ("z.dense", None),
        ("rank.random", None),
        ("weight", None),
    ],
)
def test_kinds_by_unit_and_name(column, kind):
    assert kind_of(column) == kind


def test_a_rank_counts_only_where_its_source_has_no_score():
    pairs = scored(collection(), {0: [(0, 0.9), (1, 0.5), (2, 0.1)]})
    assert kinds(pairs) == {"cos.dense": "dense"}
    bare = replace(pairs, frame=pairs.frame.drop("cos.dense"))
    assert kinds(bare) == {"rank.dense": "dense"}
    # Ranks 1 (the known positive), 2, 3: the candidates stand at -log 2 and -log 3.
    assert standard(bare).z[0].tolist()[1:] == [1, -1]


def answered(judged_by, columns):
    """Three candidates of one query with verdicts 1, 0, 1 by the given judges, and columns."""
    pairs = scored(collection(), {0: [(0, 0.9), (1, 0.5), (2, 0.1), (3, 0.3)]})
    frame = pairs.frame.with_columns(
        pl.Series("judged_by", [None, *judged_by], dtype=pl.Categorical),
        pl.Series("p_relevant", [None, *(v if by else None for v, by in zip([1, 0, 1], judged_by, strict=True))]).cast(
            pl.Float32
        ),
        *(pl.Series(name, [None, *values], dtype=pl.Float32) for name, values in columns.items()),
    )
    return replace(pairs, frame=frame)


@pytest.mark.parametrize(
    ("judged_by", "columns", "left"),
    [
        # The judge of the first pair, by its name, also where a person overruled it elsewhere.
        (("LLM:Qwen@3f", "human", None), {"prob.llm-qwen-3f": [1, 1, 0.2]}, set()),
        # A name of its own does not hide that the column holds the verdicts.
        (("llm", "llm", "human"), {"prob.my-judge": [1, 0, 0.3]}, set()),
        # A reranker was not asked, though it read all pairs; so was a judge that was overruled everywhere.
        (("human", "human", "human"), {"prob.ce": [0.8, 0.4, 0.7]}, {"prob.ce"}),
        (("human", "human", "human"), {"prob.llm": [1, 1, 0]}, {"prob.llm"}),
        # Judgments of the collection are not learned from, so they hide nothing.
        (("qrels", "qrels", "qrels"), {"prob.ce": [1, 0, 1]}, {"prob.ce"}),
        ((None, None, None), {"prob.ce": [1, 0, 1]}, {"prob.ce"}),
    ],
)
def test_the_verdicts_are_no_evidence_for_themselves(judged_by, columns, left):
    assert set(kinds(answered(judged_by, columns))) == {"cos.dense"} | left


def test_two_columns_of_a_kind_are_averaged_where_known():
    pairs = scored(collection(), {0: [(0, 0.9), (1, 0.5), (2, 0.1)]})
    pairs = pairs.with_column("cos.other", pl.Series([0.9, 0.2, 0.8], dtype=pl.Float32))
    assert by_kind(standard(pairs), "dense")[1:].tolist() == [0, 0]
    pairs = pairs.with_column("cos.other", pl.Series([None, None, 0.8], dtype=pl.Float32))
    assert by_kind(standard(pairs), "dense")[1:].tolist() == [1, -0.5]
    assert np.isnan(by_kind(standard(pairs), "words")).all()


def test_missing_kinds_are_inferred_from_those_that_are_there():
    correlation = np.array([[1, 0.5, 0.3], [0.5, 1, 0.6], [0.3, 0.6, 1]])
    values = np.array([[2, NAN, NAN], [2, 1, NAN], [NAN, NAN, NAN], [1, 2, 3]], dtype=np.float32)
    filled = infer(values, correlation)
    assert filled[0].tolist() == pytest.approx([2, 1, 0.6])
    # E[z | x, y]: solve [[1, .5], [.5, 1]] b = [.3, .6], b = [0, .6].
    assert filled[1].tolist() == pytest.approx([2, 1, 0.6])
    assert filled[2].tolist() == [0, 0, 0]
    assert filled[3].tolist() == [1, 2, 3]


def test_features_are_finite_and_named():
    pairs = scored(collection(2), {0: [(0, 0.9), (5, 0.5), (6, 0.4)], 1: [(1, 0.8)]})
    small, full = features(pairs), features(pairs, full=True)
    assert small.names == BASIC
    assert small.matrix.shape == (pairs.frame.height, len(BASIC))
    assert full.names[: len(BASIC)] == BASIC
    assert "below positive cos.dense" in full.names
    assert full.matrix.shape[1] == len(full.names) == len(set(full.names))
    assert np.isfinite(full.matrix).all()
    assert small.found == ("dense",)


def test_the_place_of_the_known_positives():
    """At place 3 of each of many queries the mean tends to log 3; few queries are drawn to the shipped mean."""
    known = shipped()
    for queries in (1, 1000):
        found = {q: [(q, 0.5), (1001, 0.9), (1002, 0.8), (1003, 0.1)] for q in range(queries)}
        place = features(scored(collection(queries, 1004), found)).place
        expected = (queries * np.log(3) + known.place_queries * known.place_mean) / (queries + known.place_queries)
        assert place == pytest.approx(expected, rel=1e-5)


def test_the_fit_is_the_prior_without_data_and_ignores_it_with_much():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, 2))
    y = (rng.random(20_000) < sigmoid(x @ [1.0, -2.0] + 0.5)).astype(float)
    prior = np.array([3.0, 3.0, 3.0])
    assert fit(x[:0], y[:0], prior, np.ones(3)).tolist() == prior.tolist()
    assert fit(x, y, prior, np.full(3, 0.01)) == pytest.approx([1, -2, 0.5], abs=0.1)
    assert fit(x[:50], y[:50], prior, np.full(3, 1e6)) == pytest.approx(prior, abs=1e-2)


def test_weights_are_repetitions():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(40, 2)), rng.random(40)
    once = fit(x, y, np.zeros(3), np.ones(3), np.full(40, 3.0))
    assert fit(np.tile(x, (3, 1)), np.tile(y, 3), np.zeros(3), np.ones(3)) == pytest.approx(once, abs=1e-6)


def test_separable_labels_stay_finite():
    x = np.array([[-1.0], [1.0]] * 20)
    w = fit(x, (x[:, 0] > 0).astype(float), np.zeros(2), np.full(2, 1e-4))
    assert np.isfinite(w).all()
    assert w[0] > 5


def test_sigmoid_and_log_loss_at_the_ends():
    assert sigmoid(np.array([-1e4, 0.0, 1e4])).tolist() == [0, 0.5, 1]
    assert log_loss(np.array([1.0]), np.array([0.0])) == pytest.approx(np.log(2))
    assert log_loss(np.array([0.0]), np.array([800.0])) == pytest.approx(800)
    assert logits(f32(1, 2).reshape(2, 1), np.array([2.0, 1.0])).tolist() == [3, 5]


def test_folds_keep_queries_and_do_not_depend_on_their_order():
    hashes = np.random.default_rng(0).integers(0, 2**63, 23, dtype=np.uint64)
    folds = folds_of(hashes, 5, seed=7)
    assert sorted(np.bincount(folds).tolist()) == [4, 4, 5, 5, 5]
    order = np.random.default_rng(1).permutation(23)
    assert folds_of(hashes[order], 5, seed=7).tolist() == folds[order].tolist()
    assert folds_of(hashes, 5, seed=8).tolist() != folds.tolist()


def test_platt_finds_slope_and_intercept():
    rng = np.random.default_rng(0)
    s = rng.normal(size=50_000)
    curve = platt(s, (rng.random(50_000) < sigmoid(0.5 * s - 1)).astype(float))
    assert curve.slope == pytest.approx(0.5, abs=0.05)
    assert curve.intercept == pytest.approx(-1, abs=0.05)


def test_isotonic_follows_any_rising_curve_and_keeps_the_order():
    rng = np.random.default_rng(0)
    s = rng.uniform(-3, 3, 50_000)
    truth = np.where(s < 0, 0.1, 0.7)
    curve = isotonic(s, (rng.random(50_000) < truth).astype(float))
    assert curve(np.array([-2.0, -1.0, 1.0, 2.0])) == pytest.approx([0.1, 0.1, 0.7, 0.7], abs=0.03)
    far = np.linspace(-20, 20, 401)
    assert (np.diff(curve(far)) >= 0).all()
    assert curve(np.array([-20.0]))[0] < curve(np.array([-10.0]))[0]
    assert calibrate(s[:0], s[:0], "isotonic")(np.array([0.0])).tolist() == [0.5]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 60), method=st.sampled_from(["isotonic", "platt"]))
def test_calibration_never_falls_and_stays_within_bounds(seed, n, method):
    rng = np.random.default_rng(seed)
    s, y = rng.normal(size=n) * 3, (rng.random(n) < 0.3).astype(float)
    p = calibrate(s, y, method, rng.random(n) + 0.1)(np.linspace(-30, 30, 200))
    assert ((p >= 0) & (p <= 1)).all()
    assert (np.diff(p) >= -1e-12).all()


def test_calibration_error_by_hand():
    assert calibration_error(np.array([0.2, 0.2, 0.6, 0.6]), np.array([0, 0, 1, 0]), bins=2) == pytest.approx(0.15)
    assert calibration_error(np.zeros(0), np.zeros(0)) == 0


def test_auc_by_hand_ties_half_one_class_unknown():
    queries = np.array([1, 0, 0, 0, 0, 1])
    scores = np.array([0.5, 0.9, 0.4, 0.4, 0.1, 0.7])
    relevant = np.array([1, 1, 0, 1, 0, 1])
    found = per_query_auc(queries, scores, relevant)
    assert found[0] == pytest.approx((2 + 1.5) / 4)
    assert np.isnan(found[1])
    assert len(per_query_auc(queries[:0], scores[:0], relevant[:0])) == 0


def given_verdicts(n_queries, per_query, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    queries = np.repeat(np.arange(n_queries, dtype=np.uint32), per_query)
    x = rng.normal(size=(len(queries), 2)).astype(np.float32)
    y = (rng.random(len(queries)) < sigmoid(x @ [1.0, 1.0] - 2 + shift)).astype(float)
    return Verdicts(x, y, queries, rng.integers(0, 2**63, n_queries, dtype=np.uint64))


def test_verdicts_on_one_query_count_less_each():
    weights = Verdicts(np.zeros((5, 1)), np.zeros(5), np.array([0, 0, 0, 0, 7]), np.zeros(8, dtype=np.uint64)).weights()
    assert weights.tolist() == pytest.approx([1 / 1.3] * 4 + [1])


def test_a_right_prior_is_kept_and_a_wrong_one_left():
    verdicts = given_verdicts(60, 30)
    right = learn(verdicts, np.array([1.0, 1.0, -2.0]), "none", 5, 0)
    wrong = learn(verdicts, np.array([-1.0, 2.0, 0.5]), "none", 5, 0)
    assert right.near < wrong.near
    assert wrong.coefficients[:2] == pytest.approx([1, 1], abs=0.3)
    assert right.calibration is AS_IS


def test_the_held_out_probabilities_are_calibrated():
    verdicts = given_verdicts(80, 40, shift=1.5)
    for method in ("platt", "isotonic", "none"):
        found = learn(verdicts, np.array([1.0, 1.0, -2.0]), method, 5, 0)
        assert found.held_out.mean() == pytest.approx(verdicts.relevant.mean(), rel=0.08)
        assert calibration_error(found.held_out, verdicts.relevant) < 0.03


def test_the_posterior_of_sar_em():
    assert posterior(np.array([0.6, 0.6]), np.array([0.4, 0.4]), np.array([False, True])) == pytest.approx(
        [0.473684, 1]
    )


def test_sar_em_finds_the_hidden_positives_where_its_assumptions_hold():
    """Relevance by one feature, labelling by another; unlabelled as negative would predict a fifth of the share."""
    rng = np.random.default_rng(0)
    x, s = rng.normal(size=(6000, 1)) * 2, rng.normal(size=(6000, 1)) * 2
    relevant = rng.random(6000) < sigmoid(2 * x[:, 0])
    labelled = relevant & (rng.random(6000) < sigmoid(1.5 * s[:, 0] - 1))
    found = sar_em(x, s, labelled)
    p = sigmoid(logits(x, found.relevance))
    assert p.mean() == pytest.approx(relevant.mean(), abs=0.1)
    assert labelled.mean() < 0.25
    assert found.propensity[0] > 1


def test_dual_learning_orders_lists():
    rng = np.random.default_rng(0)
    lists, size = 200, 10
    x, s = rng.normal(size=(lists * size, 1)), rng.normal(size=(lists * size, 1))
    labelled = np.zeros(lists * size, dtype=bool)
    starts = np.arange(0, lists * size + 1, size)
    labelled[[a + int(np.argmax(2 * x[a : a + size, 0] + rng.gumbel(size=size))) for a in starts[:-1]]] = True
    relevance, selection = dual(x, s, labelled, starts)
    assert relevance[0] > 1
    assert abs(selection[0]) < relevance[0] / 3


def test_kinds_and_shipped_weights_are_in_step():
    assert BASIC[: len(KINDS)] == KINDS
    assert len(shipped().weights) == len(BASIC)
    assert len(shipped().coefficients(2.0)) == len(BASIC) + 1
