"""The detector: how probable it is that a candidate answers its query after all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, NamedTuple, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.detect.columns import BASIC, KINDS, kinds
from foils.detect.features import Features, features
from foils.detect.learn import Method, Verdicts, learn
from foils.detect.logistic import Array, logits, sigmoid
from foils.detect.shipped import shipped
from foils.errors import RecipeError
from foils.pairs import Pairs
from foils.protocols import Engine
from foils.steps import Scope, Step

Level = Literal["auto", "shipped", "few", "full"]


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


@dataclass(frozen=True)
class Detect(Step):
    """Adds the probability that each candidate is relevant, ``prob.detector``, from the evidence columns there are.

    Level 0 (``shipped``), without verdicts: a logistic regression on six kinds of evidence (z-scores per query), with
    coefficients trained on collections that were judged in depth (``foils/detect/shipped.json``). Its ranking
    transfers, its prevalence is rough: on collections left out, predicted over true share runs from 0.6 to 2.0
    (docs/detector.md). It is set by how deep the known positives lie: that assumes they are a random pick of all
    answers, and predicts too little where people labelled what they saw first. Level 1 (``few``), from 5 judged
    queries on: the same six features, fitted to the verdicts but drawn towards the shipped coefficients. Level 2
    (``full``), from 40 on: all features, calibrated by isotonic regression on queries held out. Levels 1 and 2 are
    calibrated on this collection, and no verdict takes part in the probability of a candidate of its own query.

    Verdicts are the rows that a judge has marked (``judged_by``). Judgments of the collection itself (``qrels``) are
    left out: of those only the negative ones are candidates, so a fit to them would learn that nothing is relevant.
    The verdicts must not be picked by their own outcome; picking them by score is harmless.

    Fails on near misses of the known positive, which every kind of evidence but a reader takes for relevant, and
    where all sources share a blind spot.

    Args:
        level: ``auto`` (by the number of judged queries), ``shipped``, ``few`` or ``full``.
        calibration: ``auto`` (isotonic at level 2, none at level 1), ``isotonic``, ``platt`` or ``none``.
        few: judged queries from which level 1 is taken; published comparison: 5.
        many: judged queries from which level 2 is taken; below about 40 the full set loses to a few features.
        folds: of queries held out.
        seed: of the folds.
    """

    scope: ClassVar[Scope] = "all"
    level: Level = "auto"
    calibration: Literal["auto", "isotonic", "platt", "none"] = "auto"
    few: int = 5
    many: int = 40
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
        for option, choices in (("level", get_args(Level)), ("calibration", ("auto", *get_args(Method)))):
            if getattr(self, option) not in choices:
                raise RecipeError(
                    f"{self.label}: {option}={getattr(self, option)!r} is not known; one of {', '.join(choices)}"
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
        if not any(kind in KINDS for kind in kinds(pairs).values()):
            raise RecipeError(
                f"{self.label}: the table has no score or rank to learn from; put the step behind the sources"
            )
        found = judged(pairs)
        level = self._level(found)
        seen = features(pairs, full=level == "full")
        p = _from_shipped(seen) if level == "shipped" else self._learned(pairs, seen, found, level)
        candidate = ~pl.col("positive")
        probability = pl.when(candidate).then(pl.lit(pl.Series(p.astype(np.float32))))
        pairs = pairs.with_column("prob.detector", probability)
        share = pairs.frame.filter(candidate)["prob.detector"].mean()
        self._note(level, found, seen, float(share or 0.0))  # type: ignore[arg-type]
        open_ = candidate & pl.col("judged_by").is_null()
        return pairs.with_column("p_relevant", pl.when(open_).then("prob.detector").otherwise("p_relevant"))

    def _level(self, found: Judged) -> Level:
        if self.level == "auto":
            return "shipped" if found.queries < self.few else "few" if found.queries < self.many else "full"
        if self.level != "shipped" and found.queries < 2:
            raise RecipeError(
                f"{self.label}: level={self.level!r} needs verdicts on at least 2 queries, {found.queries} have one; "
                "judge more, or use level='auto'"
            )
        return self.level

    def _learned(self, pairs: Pairs, seen: Features, found: Judged, level: Level) -> Array:
        method: Method = "isotonic" if level == "full" else "none"
        if self.calibration != "auto":
            method = self.calibration
        matrix = seen.matrix
        extra = matrix[:, len(BASIC) :]
        if extra.shape[1]:
            spread = extra.std(axis=0, dtype=np.float64)
            extra -= extra.mean(axis=0, dtype=np.float64).astype(np.float32)
            extra /= np.where(spread > 0, spread, 1).astype(np.float32)
        start = shipped().coefficients(seen.place)
        prior = np.concatenate([start[:-1], np.zeros(extra.shape[1]), start[-1:]])
        queries = pairs.frame["query"].to_numpy()[found.rows]
        given = Verdicts(matrix[found.rows], found.relevant, queries, pairs.collection.query_hash)
        model = learn(given, prior, method, self.folds, self.seed)
        p = model.calibration(logits(matrix, model.coefficients))
        p[found.rows] = model.held_out
        self._noted.update(
            calibration=method, freedom=f"{model.near:g} around the shipped coefficients, {model.far:g} around 0"
        )
        return p

    def _note(self, level: Level, found: Judged, seen: Features, share: float) -> None:
        number = {"shipped": 0, "few": 1, "full": 2}[level]
        inferred = [kind for kind in KINDS if kind not in seen.found]
        self._noted.update(
            level=f"{number} ({level})",
            verdicts=f"{len(found.rows):,} on {found.queries:,} queries",
            evidence=", ".join(seen.found),
            inferred=", ".join(inferred) or "nothing",
            features=str(len(seen.names)),
            predicted_share=f"{share:.4f}",
        )


def judged(pairs: Pairs) -> Judged:
    """The verdicts of a table, without the judgments that came with the collection."""
    said = ~pl.col("positive") & pl.col("judged_by").is_not_null() & (pl.col("judged_by").cast(pl.String) != "qrels")
    index = pairs.frame.select("query", "p_relevant", row=pl.int_range(pl.len()), said=said).filter("said")
    index = index.filter(pl.col("p_relevant").is_not_null())
    relevant = index["p_relevant"].cast(pl.Float64).to_numpy()
    return Judged(index["row"].to_numpy(), relevant, index["query"].n_unique())


def _from_shipped(seen: Features) -> Array:
    return sigmoid(logits(seen.matrix, shipped().coefficients(seen.place)))
