"""CrossEncoder: a reranker's score as a verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foils.errors import RecipeError
from foils.judges.cases import cases, short_hash
from foils.pairs import Pairs
from foils.protocols import Engine, Scorer, Verdict

UNITS = ("logit", "prob")


@dataclass(frozen=True)
class CrossEncoder:
    """Turns a reranker's score into a probability: sigmoid((logit - threshold) / temperature).

    A probability is turned into its logit first. RLHN (EMNLP Findings 2025) tried rerankers as judges and found a
    precision of .49 to .88, depending on the model. Fails where the reranker saw the same incomplete labels in
    training, and as a probability until ``temperature`` and ``threshold`` are fitted to verdicts of the collection
    (Guo et al., ICML 2017, for the temperature); the defaults leave the model's own.

    Args:
        scorer: any scorer whose unit is ``logit`` or ``prob``.
        temperature: above 1 makes it less sure.
        threshold: the logit that means one half.
    """

    scorer: Scorer
    temperature: float = 1.0
    threshold: float = 0.0

    @property
    def model(self) -> str:
        """The scorer's model, or the scorer itself where it names none."""
        return str(getattr(self.scorer, "model", repr(self.scorer)))

    @property
    def name(self) -> str:
        """The scorer with its options, the temperature and the threshold."""
        options = short_hash(repr(self.scorer), repr(self.temperature), repr(self.threshold))
        return f"cross-encoder:{self.model}@{options}"

    @property
    def families(self) -> frozenset[str]:
        """The model."""
        return frozenset({f"cross-encoder:{self.model}"})

    def check(self) -> None:
        """The unit must be one that has a probability, the numbers finite."""
        if not (math.isfinite(self.temperature) and self.temperature > 0 and math.isfinite(self.threshold)):
            raise RecipeError(
                f"cross-encoder: temperature={self.temperature} and threshold={self.threshold} must be finite, "
                "the temperature above 0"
            )
        self.scorer.check()
        if self.scorer.unit not in UNITS:
            raise RecipeError(
                f"cross-encoder: {self.model} gives {self.scorer.unit}, which is no probability; "
                f"a scorer with unit {' or '.join(UNITS)} is needed"
            )

    def facts(self) -> dict[str, str]:
        """The scorer's facts."""
        return {"judge": self.name} | self.scorer.facts()

    def verdicts(self, pairs: Pairs, rows: NDArray[np.uint32], engine: Engine) -> list[Verdict]:
        """Score every pair; never abstains."""
        texts = cases(pairs, rows)
        scores = self.scorer.scores([c.query for c in texts], [c.document for c in texts], engine).astype(np.float64)
        unit = self.scorer.unit
        found = to_probability(scores, self.temperature, self.threshold, prob=unit == "prob")
        return [
            Verdict(float(p), self.name, f"{unit} {s:.4g}")
            for p, s in zip(found.tolist(), scores.tolist(), strict=True)
        ]


def to_probability(
    scores: NDArray[np.float64], temperature: float, threshold: float, *, prob: bool
) -> NDArray[np.float64]:
    """sigmoid((logit - threshold) / temperature), (n,).

    Args:
        scores: (n,) logits, or probabilities.
        temperature: above 0.
        threshold: a logit.
        prob: whether the scores are probabilities.

    Example:
        >>> to_probability(np.array([0.0, 2.0]), 2.0, 0.0, prob=False).round(4).tolist()
        [0.5, 0.7311]
    """
    if prob:
        inside = np.clip(scores, 1e-7, 1 - 1e-7)
        scores = np.log(inside) - np.log1p(-inside)
    x = np.clip((scores - threshold) / temperature, -500.0, 500.0)
    found: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-x))
    return found
