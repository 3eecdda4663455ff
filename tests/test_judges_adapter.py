"""The residual adapter: its gradient, its fit, and that no query is judged by what it taught."""

import numpy as np
import polars as pl
import pytest

from build import scored
from foils.collection import build
from foils.engine import Local
from foils.errors import JudgeError, RecipeError
from foils.judges import residual
from foils.judges.adapter import AdapterJudge, fold_numbers, sample
from foils.models.vectors import Vectors
from foils.protocols import Judge


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_at_the_start_a_document_is_itself():
    rng = np.random.default_rng(0)
    q, c = unit(rng.standard_normal((5, 4))), unit(rng.standard_normal((5, 4)))
    adapter = residual.start(4, 3, 0)
    _, _, adapted, cosine, chances = residual.forward(adapter, q, c)
    np.testing.assert_array_equal(adapted, c)
    np.testing.assert_allclose(cosine, (q * c).sum(axis=1), atol=1e-6)
    np.testing.assert_allclose(chances, 0.25)
    np.testing.assert_allclose(residual.relevance(adapter, q, c, 0.2), 0.2, atol=1e-6)


def test_the_loss_is_that_of_the_formula():
    """One relevant row, d = 2, a residual that moves c off the segment between q and c by a known step."""
    q, c = np.array([[1.0, 0.0]], dtype=np.float32), np.array([[0.0, 1.0]], dtype=np.float32)
    adapter = residual.start(2, 1, 0)
    adapter = adapter._replace(b2=np.array([1.0, 1.0], dtype=np.float32))  # c' = (1, 2)
    weights = residual.Weights(np.ones(4, dtype=np.float32), similarity=2.0, segment=3.0, decay=0.0)
    value, _ = residual.loss(adapter, q, c, np.array([0]), weights)
    # (c' - c)(q - c) = 0, so the nearest point of the segment is c, at a squared distance of 2.
    assert value == pytest.approx(np.log(4) + 2 * (1 - 1 / np.sqrt(5)) + 3 * 2, abs=1e-5)


def test_the_gradient_is_that_of_the_loss():
    rng = np.random.default_rng(1)
    q, c = (unit(rng.standard_normal((12, 5))).astype(np.float64) for _ in range(2))
    labels = rng.integers(0, 4, 12)
    weights = residual.Weights(np.array([1.0, 2.0, 0.5, 1.5]), similarity=0.7, segment=0.3, decay=0.01)
    adapter = residual.Adapter(*(rng.standard_normal(m.shape) / 2 for m in residual.start(5, 4, 0)))
    _, gradient = residual.loss(adapter, q, c, labels, weights)
    for name, matrix, slope in zip(adapter._fields, adapter, gradient, strict=True):
        assert slope.shape == matrix.shape
        for at in [tuple(rng.integers(s) for s in matrix.shape) for _ in range(6)]:
            step = np.zeros_like(matrix)
            step[at] = 1e-6
            ends = [
                residual.loss(adapter._replace(**{name: matrix + k * step}), q, c, labels, weights)[0] for k in (1, -1)
            ]
            assert slope[at] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-4, abs=1e-7), (name, at)


def test_a_rule_that_the_cosine_does_not_know_is_learned():
    """Relevant documents agree with the query in the first half of the dimensions, the others in the second."""
    rng = np.random.default_rng(2)

    def data(n):
        q, c = rng.standard_normal((2, n, 8))
        yes = rng.random(n) < 0.5
        c[yes, :4] = q[yes, :4] + 0.3 * rng.standard_normal((yes.sum(), 4))
        c[~yes, 4:] = q[~yes, 4:]
        return unit(q), unit(c), np.where(yes, 1, 2)

    q, c, labels = data(600)
    adapter = residual.fit(q, c, labels, hidden=16, steps=150, rate=0.01, segment=0.01, seed=0)
    q, c, labels = data(400)
    chance = residual.relevance(adapter, q, c, 0.5)
    assert ((chance > 0.5) == (labels == 1)).mean() > 0.8
    assert (((q * c).sum(axis=1) > 0.5) == (labels == 1)).mean() < 0.6


def run(judged, docs=40, queries=15, seed=0, by="human"):
    """Random vectors; verdicts on the first queries: documents with an even number are relevant."""
    rng = np.random.default_rng(seed)
    where = build(
        pl.DataFrame({"id": [f"d{i:02}" for i in range(docs)], "text": [f"text {i}" for i in range(docs)]}),
        pl.DataFrame({"id": [f"q{i:02}" for i in range(queries)], "text": [f"question {i}" for i in range(queries)]}),
        pl.DataFrame(
            {"query_id": [f"q{i:02}" for i in range(queries)], "doc_id": [f"d{i:02}" for i in range(queries)]}
        ).with_columns(grade=pl.lit(1)),
    )
    pairs = scored(where, {q: [((q + 1 + i) % docs, 0.5) for i in range(10)] for q in range(queries)})
    said = (pl.col("query") < judged) & ~pl.col("positive")
    pairs = pairs.with_column("judged_by", pl.when(said).then(pl.lit(by, dtype=pl.Categorical)))
    even = (pl.col("doc") % 2 == 0).cast(pl.Float32)
    return pairs.with_column("p_relevant", pl.when(said).then(even)), rng


def vectors(folder, pairs, rng, dims=6):
    """An encoder that reads from files: documents with an even number point one way along the first axis."""
    where = pairs.collection
    docs = rng.standard_normal((where.corpus.height, dims)) * 0.3
    docs[:, 0] = np.where(np.arange(where.corpus.height) % 2 == 0, 1.0, -1.0)
    queries = rng.standard_normal((where.queries.height, dims)) * 0.3 + np.eye(dims)[1]
    paths = []
    for name, rows in (("queries", queries), ("documents", docs)):
        np.save(folder / f"{name}.npy", unit(rows))
        paths.append(folder / f"{name}.npy")
    return Vectors(*map(str, paths))


def test_candidates_are_told_from_the_verdicts_on_other_queries(tmp_path):
    pairs, rng = run(judged=12)
    judge = AdapterJudge(vectors(tmp_path, pairs, rng), steps=80)
    assert isinstance(judge, Judge)
    judge.check()
    rows = np.flatnonzero(~pairs.frame["positive"].to_numpy()).astype(np.uint32)
    given = judge.verdicts(pairs, rows, Local())
    even = pairs.frame["doc"].gather(rows).to_numpy() % 2 == 0
    chance = np.array([v.probability for v in given])
    assert ((chance > 0.5) == even).mean() > 0.9
    assert given == AdapterJudge(judge.encoder, steps=80).verdicts(pairs, rows, Local())
    assert judge.families == {"adapter:Vectors", "human"}
    assert judge.facts()["learned from"].startswith("15 true positives, 60 false negatives, 60 false positives")


def test_a_query_is_judged_by_an_adapter_that_never_saw_it(tmp_path):
    """Turning all verdicts of one query changes nothing for it."""
    pairs, rng = run(judged=14)
    encoder = vectors(tmp_path, pairs, rng)
    judge = AdapterJudge(encoder, steps=20)
    for query in (0, 5):
        mine = np.flatnonzero((pairs.frame["query"] == query).to_numpy()).astype(np.uint32)
        turned = pl.when(pl.col("query") == query).then(1 - pl.col("p_relevant")).otherwise("p_relevant")
        other = pairs.with_column("p_relevant", turned)
        assert judge.verdicts(pairs, mine, Local()) == judge.verdicts(other, mine, Local())
    folds = fold_numbers(pairs, 5, 0)
    assert folds.min() >= 0
    assert folds.max() < 5
    assert len(set(folds.tolist())) > 2


@pytest.mark.parametrize("judged", [0, 9])
def test_too_few_verdicts_are_refused(judged, tmp_path):
    pairs, rng = run(judged=judged)
    with pytest.raises(JudgeError, match=f"verdicts on {judged} queries"):
        AdapterJudge(vectors(tmp_path, pairs, rng)).verdicts(pairs, np.array([0], dtype=np.uint32), Local())


def test_verdicts_that_all_say_the_same_are_refused():
    pairs, _ = run(judged=12)
    pairs = pairs.with_column("p_relevant", pl.col("p_relevant") * 0)
    with pytest.raises(JudgeError, match="0 of 120 say relevant"):
        sample(pairs, 0)


def test_documents_of_other_queries_are_no_candidates():
    pairs, _ = run(judged=12, by="llm:m@12ab")
    found = sample(pairs, 0)
    drawn = set(zip(found.query[found.label == 3].tolist(), found.doc[found.label == 3].tolist(), strict=True))
    there = set(pairs.frame.select("query", "doc").iter_rows())
    assert drawn
    assert not drawn & there
    assert found.share == pytest.approx(0.5)
    assert found.judges == {"llm:m"}


@pytest.mark.parametrize("options", [{"hidden": 0}, {"steps": 0}, {"folds": 1}, {"rate": 0}, {"segment": -1}])
def test_wrong_options_are_told(options, tmp_path):
    pairs, rng = run(judged=1)
    with pytest.raises(RecipeError, match="folds from 2"):
        AdapterJudge(vectors(tmp_path, pairs, rng), **options).check()
