"""Where a judge's next verdicts change the selection most, and a random part that keeps the estimate honest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foils.errors import DataError, RecipeError
from foils.risk.calibrate import logit, sigmoid, towards
from foils.risk.choose import places, standardised

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PRECISION = 4.0  # of the prior around Bayes' rule: half a logit, half a weight


@dataclass(frozen=True)
class Answers:
    """How a judge answers, measured on mined candidates: the chance of each answer, given the truth.

    Args:
        relevant: chance of answer 0, 1, ... if the pair is relevant; they add up to 1.
        irrelevant: the same if it is not.
        bend: how the answer and the probability before it go together: a weight of the logit before, then what each
            answer adds to it; empty: weight 1 and the log of the two chances' ratio, which is Bayes' rule for a judge
            that errs independently of what the probability rests on.

    Example:
        >>> judge = yes_no(sensitivity=0.9, specificity=0.9)
        >>> [round(float(judge.posterior(np.array([0.2]), np.array([a]))[0]), 3) for a in (0, 1)]
        [0.027, 0.692]
    """

    relevant: tuple[float, ...]
    irrelevant: tuple[float, ...]
    bend: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Two distributions over the same answers."""
        if self.bend and len(self.bend) != len(self.relevant) + 1:
            raise RecipeError(
                f"{len(self.bend)} numbers say how {len(self.relevant)} answers go together with a probability; a "
                "weight and one number for each answer are needed"
            )
        for chances in (self.relevant, self.irrelevant):
            if len(chances) != len(self.relevant) or min(chances) < 0 or abs(sum(chances) - 1) > 1e-6:
                raise RecipeError(
                    f"the chances of a judge's answers must add up to 1 for relevant and for irrelevant pairs alike; "
                    f"found {self.relevant} and {self.irrelevant}"
                )

    def posterior(self, p: Floats, answer: Ints) -> Floats:
        """Probability after the answer; answer -1 (none) leaves p as it is."""
        if self.bend:
            moved = sigmoid(self.bend[0] * logit(p) + np.array([*self.bend[1:], 0.0])[answer])
            bent: Floats = np.where((answer < 0) | (p <= 0) | (p >= 1), p, moved)
            return bent
        yes, no = np.array([*self.relevant, 1.0])[answer], np.array([*self.irrelevant, 1.0])[answer]
        mass = p * yes + (1 - p) * no
        after: Floats = np.divide(p * yes, mass, out=np.array(p, dtype=np.float64), where=mass > 0)
        return after

    def cleared(self, p: Floats, target: float) -> Floats:
        """The chance (m,) that the answer leaves p at or below the target; 0: no answer can."""
        chance = np.zeros(len(p))
        for k, (yes, no) in enumerate(zip(self.relevant, self.irrelevant, strict=True)):
            after = self.posterior(p, np.full(len(p), k))
            chance += np.where(after <= target, p * yes + (1 - p) * no, 0.0)
        return chance


class Batch(NamedTuple):
    """Rows to judge next, the most valuable first.

    Args:
        rows: (b,) u32.
        draw: (b,) ``random`` or ``chosen``.
        chance: (b,) with which a random row was drawn; NaN for a chosen one.
    """

    rows: NDArray[np.uint32]
    draw: NDArray[np.str_]
    chance: Floats


@dataclass(frozen=True)
class Triage:
    """Bayes triage: judge only what a verdict can turn into a negative of the selection.

    A candidate with p <= target is safe and needs no verdict; one that even the most favourable answer leaves above
    the target is skipped; the others are open. Down the ranking by hardness, the n first safe or open candidates of a
    query are those that matter: their open ones are judged, and when one falls out the next moves up. A verdict may
    have a cost: open candidates then stand in the ranking at hardness - cost / chance of being cleared, which is
    Weitzman's rule for opening boxes (Econometrica 47, 1979), so a likely negative is asked about before a harder
    one that is hardly ever cleared. Measured in ``benchmarks/triage.py``. Fails where the judge errs with the
    detector (two prompts of one model, a judge that reads word overlap): Bayes then counts the same evidence twice.

    Args:
        n: negatives wanted per query.
        target: the largest probability at which a candidate is taken.
        answers: of the judge.
        cost: hardness, in standard deviations within the query, that one verdict must buy.
        random_share: share of the first batch that is drawn at random with known chances; ``hajek`` on those that end
            up selected estimates the rate of the selection, if another judge's verdicts, or a person's, are used.
        seed: of the random part.
    """

    n: int
    target: float
    answers: Answers
    cost: float = 0.0
    random_share: float = 0.0
    seed: int = 0

    def batch(self, query: NDArray[np.uint32], p: Floats, hardness: Floats, answer: Ints, budget: int) -> Batch:
        """The next rows, at most ``budget``; empty when nothing is open.

        Args:
            query: (m,) ascending.
            p: (m,) probability before any verdict; NaN: never judged, never taken.
            hardness: (m,) the larger the harder.
            answer: (m,) the judge's answer, -1 for none yet. The random part is drawn when no row has one.
            budget: rows at most.
        """
        if not (len(query) == len(p) == len(hardness) == len(answer)):
            raise DataError("query, p, hardness and answer must have one value per row")
        rows, chance = np.zeros(0, dtype=np.uint32), np.zeros(0)
        if self.random_share and (answer < 0).all():
            rows, chance = self._random(query, p, hardness, round(self.random_share * budget))
        value = self.value(query, p, hardness, answer)
        value[rows] = np.nan
        chosen = np.flatnonzero(value > 0)
        chosen = chosen[np.argsort(-value[chosen], kind="stable")][: max(budget - len(rows), 0)].astype(np.uint32)
        draw = np.array(["random"] * len(rows) + ["chosen"] * len(chosen), dtype=np.str_)
        return Batch(np.concatenate([rows, chosen]), draw, np.concatenate([chance, np.full(len(chosen), np.nan)]))

    def selected(self, query: NDArray[np.uint32], p: Floats, hardness: Floats, answer: Ints) -> NDArray[np.bool_]:
        """The n hardest safe candidates of each query, by the answers so far."""
        safe = self.answers.posterior(p, answer) <= self.target
        return places(query, np.where(safe, hardness, np.nan)) < self.n

    def value(self, query: NDArray[np.uint32], p: Floats, hardness: Floats, answer: Ints) -> Floats:
        """What a verdict on each row is worth, in standard deviations of hardness; 0 where it changes nothing.

        Its chance of being cleared times the hardness gained over the safe candidate that would stand in for it; an
        empty place counts as one standard deviation below the softest candidate. What costs more is not asked.
        """
        safe = self.answers.posterior(p, answer) <= self.target
        chance = np.where((answer < 0) & ~safe & np.isfinite(p), self.answers.cleared(np.nan_to_num(p), self.target), 0)
        z = standardised(query, hardness)
        index = np.where(safe, z, z - self.cost / np.where(chance > 0, chance, 1.0))
        _, group = np.unique(query, return_inverse=True)
        softest = np.full(group.max(initial=-1) + 1, np.inf)
        np.minimum.at(softest, group, np.where(np.isfinite(z), z, np.inf))
        taken = self.selected(query, p, hardness, answer)
        stand_in = np.where(np.bincount(group, taken, minlength=len(softest)) < self.n, softest - 1, np.inf)
        np.minimum.at(stand_in, group[taken], z[taken])
        matters = (places(query, np.where(safe | (chance > 0), index, np.nan)) < self.n) & (chance > 0)
        matters &= (index > stand_in[group]) | (self.cost == 0)
        worth: Floats = np.where(matters, chance * np.maximum(z - stand_in[group], 1e-9), 0.0)
        return worth

    def _random(
        self, query: NDArray[np.uint32], p: Floats, hardness: Floats, size: int
    ) -> tuple[NDArray[np.uint32], Floats]:
        """Rows that may be selected in the end, the likelier ones ten times as often, with their chances.

        The n hardest that are safe already are among the likelier: a find with a tiny chance would outweigh all others.
        """
        safe = p <= self.target
        possible = safe | ((self.answers.cleared(np.nan_to_num(p), self.target) > 0) & np.isfinite(p))
        near = places(query, np.where(possible, hardness, np.nan)) < 2 * self.n
        near |= places(query, np.where(safe, hardness, np.nan)) < self.n
        weight = np.where(near, 1.0, 0.1) * possible
        rows = np.flatnonzero(weight)
        size = min(size, len(rows))
        if size == 0:
            return np.zeros(0, dtype=np.uint32), np.zeros(0)
        rng = np.random.default_rng(self.seed)
        chance = _capped(weight[rows], size)
        turn = rng.permutation(len(rows))
        ends = np.cumsum(chance[turn])
        # Systematic draw: a point in every unit of the summed chances, so each row has exactly its own.
        ticks = np.floor(ends - rng.random() + 1e-9)
        hit = turn[np.diff(ticks, prepend=-1) > 0]
        return np.sort(rows[hit]).astype(np.uint32), chance[np.sort(hit)]


def yes_no(sensitivity: float, specificity: float) -> Answers:
    """A judge with two answers, 0 (no) and 1 (yes)."""
    return Answers((1 - sensitivity, sensitivity), (specificity, 1 - specificity))


def measured(answer: Ints, relevant: Floats, levels: int, p: Floats | None = None) -> Answers:
    """How a judge answers, from its answers and the truth on the same mined candidates.

    Frequencies with one answer of each kind added (Laplace). Where truth is missing, a calibrated probability may
    stand for it; the judge then looks a little weaker than it is. With ``p``, logistic regression on logit p and the
    answer, drawn towards Bayes' rule by a weak normal prior: judge and detector err on the same pairs, so that Bayes
    alone is too sure at both ends (TREC DL 2019, GPT-4o: 14 % of what it puts between .05 and .1 is relevant).

    Args:
        answer: (n,) from 0 to levels - 1.
        relevant: (n,) 1 or 0, or a probability.
        levels: number of answers.
        p: (n,) probability before the answer, from a model that did not see these very labels.
    """
    if len(answer) and not (answer.min() >= 0 and answer.max() < levels):
        raise DataError(
            f"answers run from {answer.min()} to {answer.max()}; with {levels} levels from 0 to {levels - 1}"
        )
    yes = np.bincount(answer, relevant, minlength=levels) + 1.0
    no = np.bincount(answer, 1 - relevant, minlength=levels) + 1.0
    yes, no = yes / yes.sum(), no / no.sum()
    bend: tuple[float, ...] = ()
    if p is not None:
        prior = np.append(1.0, np.log(yes / no))
        design = np.column_stack([logit(p), np.eye(levels)[answer]])
        bend = tuple(towards(prior, np.full(levels + 1, PRECISION), design, relevant).tolist())
    return Answers(tuple(yes.tolist()), tuple(no.tolist()), bend)


def _capped(weight: Floats, size: int) -> Floats:
    """Chances in proportion to weights that add up to size, none above 1."""
    certain = np.zeros(len(weight), dtype=np.bool_)
    chance = weight
    for _ in range(len(weight)):
        left = size - certain.sum()
        chance = np.where(certain, 1.0, weight * left / max(weight[~certain].sum(), 1e-300))
        over = (chance > 1) & ~certain
        if not over.any():
            break
        certain |= over
    return np.minimum(chance, 1.0)
