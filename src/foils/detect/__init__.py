"""The detector: how probable it is that a candidate answers its query after all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, NamedTuple, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.detect.columns import ASKED, BASIC, KINDS, UNORDERED, kinds
from foils.detect.features import Features, features
from foils.detect.learn import Method, Verdicts, learn
from foils.detect.logistic import Array, logits, sigmoid
from foils.detect.shipped import Shipped, shipped
from foils.errors import RecipeError
from foils.pairs import Pairs
from foils.protocols import Engine
from foils.steps import Scope, Step

Level = Literal["auto", "shipped", "few", "full"]
Unlabelled = Literal["no", "sar-em", "cet"]
ISOTONIC = 40  # judged queries from which isotonic regression is taken


class Judged(NamedTuple):
    """The verdicts in a table.

    Args:
        rows: which rows have one.
        relevant: (rows,) the probability that the judge gave.
        queries: how many queries have one.
    """

    rows: NDArray[np.int64]
    relevant: Array
    queries: int


class Estimate(NamedTuple):
    """What the detector says.

    Args:
        probability: (n,) of every row; of known positives it means nothing.
        facts: the level and why, the evidence, the verdicts used.
    """

    probability: Array
    facts: dict[str, str]


@dataclass(frozen=True)
class Detect(Step):
    """Adds the probability that each candidate is relevant, ``prob.detector``, from the evidence columns there are.

    Level 0 (``shipped``), without verdicts: a logistic regression on six kinds of evidence (z-scores per query), with
    coefficients trained on collections that were judged in depth (``foils/detect/shipped.json``). Its ranking
    transfers, its prevalence is rough: on collections left out, predicted over true share runs from 0.7 to 1.8, with
    other known positives from 0.7 to 2.2 (docs/detector.md). It is set by how deep the known positives lie: that
    assumes they are a random pick of all answers, and predicts too little where people labelled what they saw first.
    Level 1 (``few``), from 5 judged queries on: the same features, fitted to the verdicts but drawn towards the shipped
    coefficients, as far as queries held out ask for. Level 2 (``full``), from 20 on: all features in the same way,
    and from 40 on isotonic regression on queries held out. What is predicted for a judged pair comes from a fit
    without the verdicts on its query (how far it may leave the prior, two numbers, is chosen on all of them).

    Verdicts are the rows that a judge has marked (``judged_by``). Judgments of the collection itself (``qrels``) are
    left out: of those only the negative ones are candidates, so a fit to them would learn that nothing is relevant.
    Verdicts may be picked by score, never by what they turned out to be.

    ``unlabelled`` learns level 0 anew from known positives against candidates (SAR-EM: Bekker et al., ECML 2019; CET:
    arXiv:2209.05072, a reconstruction). It is off because it is worse than level 0 on every set (docs/detector.md):
    with one known positive only what compares with the query can be used, what was seen is taken for relevant, and
    where searches miss many answers (CISI, NPL) few positives are left to learn from.

    Fails on near misses of the known positive, which every kind of evidence but a reader takes for relevant, and
    where all sources share a blind spot.

    Args:
        level: ``auto`` (by the number of judged queries), ``shipped``, ``few`` or ``full``.
        calibration: ``auto``, ``isotonic``, ``platt`` or ``none`` (the fit's own probabilities).
        unlabelled: ``no``, ``sar-em`` or ``cet``; only where there are no verdicts.
        few: judged queries from which level 1 is taken.
        many: judged queries from which level 2 is taken.
        folds: of queries held out.
        seed: of the folds.
    """

    scope: ClassVar[Scope] = "all"
    learns: ClassVar[bool] = True
    level: Level = "auto"
    calibration: Literal["auto", "isotonic", "platt", "none"] = "auto"
    unlabelled: Unlabelled = "no"
    few: int = 5
    many: int = 20
    folds: int = 5
    seed: int = 0

    @property
    def adds(self) -> frozenset[str]:
        """The probability, also as ``p_relevant`` where nobody has judged."""
        return frozenset({"prob.detector", "p_relevant"})

    @cached_property
    def _noted(self) -> dict[str, str]:
        return {}

    def check(self) -> None:
        """Known choices, numbers that make sense."""
        choices = {
            "level": get_args(Level),
            "calibration": ("auto", *get_args(Method)),
            "unlabelled": get_args(Unlabelled),
        }
        for option, known in choices.items():
            if getattr(self, option) not in known:
                raise RecipeError(
                    f"{self.label}: {option}={getattr(self, option)!r} is not known; one of {', '.join(known)}"
                )
        if self.folds < 2:
            raise RecipeError(f"{self.label}: folds={self.folds}; at least 2 are needed to hold queries out")
        if not 2 <= self.few <= self.many:
            raise RecipeError(f"{self.label}: few={self.few}, many={self.many}; 2 <= few <= many is needed")

    def facts(self) -> dict[str, str]:
        """The level and why, the evidence, the verdicts used, the predicted share."""
        return dict(self._noted)

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Predict every row that is not a known positive; fill ``p_relevant`` where nobody has judged."""
        said = self.estimate(pairs, shipped())
        candidate = ~pl.col("positive")
        probability = pl.when(candidate).then(pl.lit(pl.Series(said.probability.astype(np.float32))))
        pairs = pairs.with_column("prob.detector", probability)
        found = said.probability[~pairs.frame["positive"].to_numpy()]
        share = f"{found.mean():.4f}" if len(found) else "no candidate"
        self._noted.update(said.facts, predicted_share=share)
        open_ = candidate & pl.col("judged_by").is_null()
        return pairs.with_column("p_relevant", pl.when(open_).then("prob.detector").otherwise("p_relevant"))

    def estimate(self, pairs: Pairs, known: Shipped) -> Estimate:
        """The probability of every row, with given coefficients in place of the shipped ones.

        Args:
            pairs: the table.
            known: for instance trained without the collection that is to be measured.

        Raises:
            RecipeError: there is no evidence, or too few verdicts for the level asked for.
        """
        if not any(kind in KINDS for kind in kinds(pairs).values()):
            raise RecipeError(
                f"{self.label}: the table has no score or rank to learn from; put the step behind the sources"
            )
        found = judged(pairs)
        level = self._level(found)
        seen = features(pairs, full=level == "full", known=known)
        number = {"shipped": 0, "few": 1, "full": 2}[level]
        inferred = ", ".join(kind for kind in KINDS if kind not in seen.found)
        facts = {
            "level": f"{number} ({level})",
            "verdicts": f"{len(found.rows):,} on {found.queries:,} queries",
            "evidence": ", ".join(seen.found),
            "inferred": inferred or "nothing",
            "features": str(len(seen.names)),
        }
        if level != "shipped":
            p, more = self._learned(pairs, seen, found, level, known)
        elif self.unlabelled != "no":
            p, more = _from_positives(pairs, seen, self.unlabelled, known)
        else:
            p, more = sigmoid(logits(seen.matrix, known.coefficients(seen.place))), {}
        return Estimate(p, facts | more)

    def _level(self, found: Judged) -> Literal["shipped", "few", "full"]:
        if self.level == "auto":
            return "shipped" if found.queries < self.few else "few" if found.queries < self.many else "full"
        if self.level != "shipped" and found.queries < 2:
            raise RecipeError(
                f"{self.label}: level={self.level!r} needs verdicts on at least 2 queries, {found.queries} have one; "
                "judge more, or use level='auto'"
            )
        return self.level

    def _learned(
        self, pairs: Pairs, seen: Features, found: Judged, level: str, known: Shipped
    ) -> tuple[Array, dict[str, str]]:
        method: Method = "isotonic" if level == "full" and found.queries >= ISOTONIC else "none"
        if self.calibration != "auto":
            method = self.calibration
        matrix = seen.matrix
        extra = matrix[:, len(BASIC) :]
        if extra.shape[1]:
            spread = extra.std(axis=0, dtype=np.float64)
            extra -= extra.mean(axis=0, dtype=np.float64).astype(np.float32)
            extra /= np.where(spread > 0, spread, 1).astype(np.float32)
        start = known.coefficients(seen.place)
        prior = np.concatenate([start[:-1], np.zeros(extra.shape[1]), start[-1:]])
        queries = pairs.frame["query"].to_numpy()[found.rows]
        given = Verdicts(matrix[found.rows], found.relevant, queries, pairs.collection.query_hash)
        model = learn(given, prior, method, self.folds, self.seed)
        p = model.calibration(logits(matrix, model.coefficients))
        p[found.rows] = model.held_out
        freedom = f"{model.near:g} around the shipped coefficients" + (
            f", {model.far:g} around 0" if extra.shape[1] else ""
        )
        return p, {"calibration": method, "freedom": freedom}


def judged(pairs: Pairs) -> Judged:
    """The verdicts of a table, without the judgments that came with the collection."""
    said = ~pl.col("positive") & pl.col("judged_by").is_not_null() & (pl.col("judged_by").cast(pl.String) != "qrels")
    index = pairs.frame.select("query", "p_relevant", row=pl.int_range(pl.len()), said=said).filter("said")
    index = index.filter(pl.col("p_relevant").is_not_null())
    relevant = index["p_relevant"].cast(pl.Float64).to_numpy()
    return Judged(index["row"].to_numpy(), relevant, index["query"].n_unique())


def _from_positives(pairs: Pairs, seen: Features, method: Unlabelled, known: Shipped) -> tuple[Array, dict[str, str]]:
    """Level 0 from known positives against candidates; the selection sees words alone, as annotators' pools did.

    A known positive that no source found is left out: what a search did not rank high has low scores, and next to
    candidates, which are the search's best, it would teach that low scores are relevant.
    """
    from foils.detect import loops
    from foils.detect.unlabelled import dual, sar_em

    at = [BASIC.index(name) for name in (*ASKED, "specific")]
    everything = seen.matrix[:, at].astype(np.float64)
    use = ~pairs.frame["positive"].to_numpy() | _found(pairs)
    x, lexical = everything[use], seen.matrix[use][:, [BASIC.index("words")]].astype(np.float64)
    labelled = pairs.frame["positive"].to_numpy()[use]
    facts = {"unlabelled": f"{method}, {labelled.sum():,} positives that a source found"}
    if not labelled.any():
        raise RecipeError(f"detect: unlabelled={method!r} needs known positives that a source found, and there is none")
    if method == "sar-em":
        learned = sar_em(x, lexical, labelled)
        return sigmoid(logits(everything, learned.relevance)), facts | {"rounds": str(learned.rounds)}
    relevance, _ = dual(x, lexical, labelled, loops.starts_of(pairs.frame["query"].to_numpy()[use]))
    # Orders within queries are all that it learns: the level of the probabilities is that of the shipped coefficients.
    candidate = ~pairs.frame["positive"].to_numpy()
    target = (
        float(sigmoid(logits(seen.matrix, known.coefficients(seen.place)))[candidate].mean())
        if candidate.any()
        else 0.0
    )
    return sigmoid(everything @ relevance + _shift(everything[candidate] @ relevance, target)), facts


def _found(pairs: Pairs) -> NDArray[np.bool_]:
    """Rows that a search ranked; all of them where none did."""
    ranks = [f"rank.{source}" for source in pairs.sources if source not in UNORDERED]
    if not ranks:
        return np.ones(pairs.frame.height, dtype=np.bool_)
    found: NDArray[np.bool_] = pairs.frame.select(pl.any_horizontal(pl.col(ranks).is_not_null())).to_series().to_numpy()
    return found


def _shift(scores: Array, target: float) -> float:
    """What to add to logits so that the mean probability is as wanted, by bisection."""
    low, high = -50.0, 50.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if len(scores) and sigmoid(scores + middle).mean() > target else (middle, high)
    return low
