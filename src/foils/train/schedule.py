"""What changes while a model learns: which negatives it sees, how much a row counts, how much risk is taken."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foils.errors import RecipeError
from foils.train.objective import Batch, Objective, Watcher


@dataclass
class Schedule(Watcher):
    """A schedule; its fields are its options, all else it has learnt is its state.

    Schedules act after a step and around a batch. Their state goes into every checkpoint, so a killed training
    continues to the same weights.
    """

    name: ClassVar[str] = ""
    alone: ClassVar[bool] = False  # keeps notes on rows: works on one device only

    def bind(self, objective: Objective, steps: int, say: Callable[[str], None]) -> None:
        """Called once, before anything is trained or restored.

        Args:
            objective: with model, examples and course.
            steps: of the whole training.
            say: shows a line to the user.
        """
        self.objective, self.steps, self.say = objective, steps, say

    def check(self) -> None:
        """Raise a RecipeError if an option cannot work; called before a model loads."""

    def begin(self) -> None:
        """Called before the first step, not when a training continues."""

    def step(self, step: int) -> None:
        """Called after every step, counted from 1."""

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""

    def told(self) -> str:
        """Name and options, for the model card."""
        options = ", ".join(f"{k}={v!r}" for k, v in asdict(self).items())
        return f"{self.name}({options})"


@dataclass
class Conan(Schedule):
    """Replaces a row's negatives once they have become too easy for the model.

    Conan-embedding (arXiv:2408.15710, DHNM): every 100 steps, S = mean score of the row's negatives now, S0 = when they
    were first seen. Replaced if 1.15 S < S0 and |S| < 0.8; the i-th replacement takes ranks (i-1) n + 10 to i n + 10 of
    the run's candidates; the new ones set S0 anew [RECON: the paper does not say]. A row is looked at when it comes up
    in a batch, so a check costs nothing. Fails on scores that are not cosines (0.8 is a cosine), and where the run
    found few candidates: a row whose list is used up keeps what it has.

    Args:
        every: steps between two looks at a row.
        factor: how much easier negatives must have become.
        cap: above this mean score they are hard enough.
        skip: first ranks that are never taken.
    """

    name: ClassVar[str] = "conan"
    alone: ClassVar[bool] = True
    every: int = 100
    factor: float = 1.15
    cap: float = 0.8
    skip: int = 10

    def check(self) -> None:
        """Ranks and times that exist."""
        if self.every < 1 or self.skip < 0 or not self.factor > 0:
            raise RecipeError(f"{self.told()}: every >= 1, factor > 0 and skip >= 0 are needed")

    def bind(self, objective: Objective, steps: int, say: Callable[[str], None]) -> None:
        """Nothing is known of any row."""
        super().bind(objective, steps, say)
        n = len(objective.examples)
        self.first = np.full(n, np.nan)
        self.times, self.looked = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        self.now = 0

    def step(self, step: int) -> None:
        """Keep the time."""
        self.now = step

    def sees(self, batch: Batch, scores: Tensor, costs: Tensor | None) -> None:
        """Look at the rows of the batch."""
        negative = batch.own & ~(batch.targets > 0) & ~batch.proven
        count = negative.sum(-1)
        mean = (scores.masked_fill(~negative, 0.0).sum(-1) / count.clamp(min=1)).cpu().numpy()
        for row, score, some in zip(batch.rows.tolist(), mean.tolist(), (count > 0).tolist(), strict=True):
            if not some:
                continue
            if np.isnan(self.first[row]):
                self.first[row], self.looked[row] = score, self.now
            elif self.now - self.looked[row] >= self.every:
                self.looked[row] = self.now
                if too_easy(score, float(self.first[row]), self.factor, self.cap):
                    self._replace(row)

    def _replace(self, row: int) -> None:
        examples = self.objective.examples
        n = examples.negatives.shape[1]
        part = examples.candidates.docs[examples.candidates.of(int(examples.query[row]))]
        start = int(self.times[row]) * n + self.skip
        fresh = part[start : start + n]
        if len(fresh):
            examples.put(row, fresh)
            self.times[row] += 1
            self.first[row] = np.nan

    def state(self) -> dict[str, Any]:
        """First scores, replacements, times."""
        return {"first": self.first, "times": self.times, "looked": self.looked, "now": self.now}

    def load(self, state: dict[str, Any]) -> None:
        """As saved."""
        self.first, self.times, self.looked = state["first"], state["times"], state["looked"]
        self.now = state["now"]


def too_easy(score: float, first: float, factor: float = 1.15, cap: float = 0.8) -> bool:
    """Conan's rule: replace iff factor * S < S0 and |S| < cap.

    Args:
        score: mean score now.
        first: mean score when first seen.
        factor: published 1.15.
        cap: published 0.8.

    Example:
        >>> too_easy(0.60, 0.72), too_easy(0.65, 0.72)
        (True, False)
    """
    return factor * score < first and abs(score) < cap


@dataclass
class Dbpm(Schedule):
    """Lets rows count less whose positive looks too good to be true, or wrong: bad-pair mining.

    DBPM (ICLR 2024): m_i = mean over epochs j of loss_ij (1 + j) / E; rows with m_i <= mu - 2 sd (noise) or
    >= mu + 3 sd (faulty) are flagged at the start of each epoch from ``warmup`` on, and weighted by
    exp(-(l - mu)^2 / (2 sd^2)) of their loss l now. Published: 50 of 80 epochs of warm-up; the released code weighs by
    the density itself, which may exceed 1 (``normalised=False``). Fails in the few epochs of fine-tuning unless the
    warm-up is one of them, and where hard rows are right: they look faulty.

    Args:
        warmup: epochs that are only recorded.
        noise: standard deviations below the mean.
        faulty: standard deviations above.
        normalised: divide by the density at the mean.
    """

    name: ClassVar[str] = "dbpm"
    alone: ClassVar[bool] = True
    warmup: int = 1
    noise: float = 2.0
    faulty: float = 3.0
    normalised: bool = True

    def check(self) -> None:
        """At least one epoch of warm-up."""
        if self.warmup < 1:
            raise RecipeError(f"dbpm.warmup={self.warmup} records nothing; at least 1 epoch is needed")

    def bind(self, objective: Objective, steps: int, say: Callable[[str], None]) -> None:
        """An empty history."""
        super().bind(objective, steps, say)
        epochs = objective.settings.epochs or 1
        self.losses = np.full((len(objective.examples), epochs + 1), np.nan)
        self.flagged, self.mean, self.sd, self.epoch = np.zeros(len(self.losses), dtype=np.bool_), 0.0, 0.0, 0

    def factors(self, batch: Batch, costs: Tensor) -> Tensor | None:
        """Weights of the flagged rows, 1 for the others."""
        epoch = self.objective.course.epoch
        if epoch != self.epoch:
            self.epoch = epoch
            if epoch >= self.warmup:
                self._flag(epoch)
        marked = torch.from_numpy(self.flagged[batch.rows]).to(costs.device)
        if not self.sd or not bool(marked.any()):
            return None
        weight = torch.exp(-((costs - self.mean) ** 2) / (2 * self.sd**2))
        if not self.normalised:
            weight = weight / (self.sd * np.sqrt(2 * np.pi))
        return torch.where(marked, weight, torch.ones_like(weight))

    def sees(self, batch: Batch, scores: Tensor, costs: Tensor | None) -> None:
        """Record the losses."""
        if costs is not None:
            epoch = min(self.objective.course.epoch, self.losses.shape[1] - 1)
            self.losses[batch.rows, epoch] = costs.cpu().numpy()

    def _flag(self, epoch: int) -> None:
        self.flagged, self.mean, self.sd = bad_pairs(
            self.losses[:, :epoch], self.losses.shape[1] - 1, self.noise, self.faulty
        )
        self.say(f"dbpm: {int(self.flagged.sum()):,} of {len(self.flagged):,} rows count less in epoch {epoch + 1}")

    def state(self) -> dict[str, Any]:
        """The history and what follows from it."""
        names = ("losses", "flagged", "mean", "sd", "epoch")
        return {name: getattr(self, name) for name in names}

    def load(self, state: dict[str, Any]) -> None:
        """As saved."""
        for name, value in state.items():
            setattr(self, name, value)


def bad_pairs(
    losses: NDArray[np.float64], epochs: int, noise: float = 2.0, faulty: float = 3.0
) -> tuple[NDArray[np.bool_], float, float]:
    """Which rows DBPM flags, and the mean and standard deviation of their epoch-weighted losses.

    Args:
        losses: (n, epochs so far), NaN where a row did not come.
        epochs: E, of the whole training.
        noise: cut below the mean, published 2.
        faulty: cut above, published 3.

    Returns:
        (n,) flags, the mean, the standard deviation.
    """
    weighed = losses * (1 + np.arange(losses.shape[1])) / epochs
    count = (~np.isnan(weighed)).sum(1)
    m = np.where(count > 0, np.nansum(weighed, axis=1) / np.maximum(count, 1), np.nan)
    mean, sd = float(np.nanmean(m)), float(np.nanstd(m))
    with np.errstate(invalid="ignore"):
        flagged = (m <= mean - noise * sd) | (m >= mean + faulty * sd)
    return flagged & bool(sd > 0), mean, sd


@dataclass
class Hardness(Schedule):
    """Begins with easier negatives and ends with the selected ones: a curriculum.

    A row's list is its n selected negatives followed by deeper candidates of the run. At progress t in [0, 1] it gets
    the n that begin at (1 - t) ``span`` n, with the weights that the run gave them. Fails where the run holds few
    candidates: the lists are then too short to start far from the end.

    Args:
        every: steps between two moves.
        span: how far it begins, in times the negatives of a row.
        until: share of the training after which all rows have their selected negatives.
    """

    name: ClassVar[str] = "hardness"
    every: int = 50
    span: float = 4.0
    until: float = 0.7

    def check(self) -> None:
        """Numbers that a curriculum can be made of."""
        if self.every < 1 or self.span <= 0 or not 0 < self.until <= 1:
            raise RecipeError(f"{self.told()}: every >= 1, span > 0 and 0 < until <= 1 are needed")

    def bind(self, objective: Objective, steps: int, say: Callable[[str], None]) -> None:
        """Each row's list, hardest first."""
        super().bind(objective, steps, say)
        examples = objective.examples
        self.lists, self.sizes = [], []
        for row, query in enumerate(examples.query.tolist()):
            own = examples.negatives[row][(examples.negatives[row] >= 0) & ~examples.proven[row]]
            part = examples.candidates.docs[examples.candidates.of(query)]
            last = np.flatnonzero(np.isin(part, own)).max(initial=-1)
            self.lists.append(np.concatenate((own, part[last + 1 :])))
            self.sizes.append(len(own))

    def begin(self) -> None:
        """The easiest."""
        self._move(0)

    def step(self, step: int) -> None:
        """Move on; where ``until`` is reached even between two moves."""
        if step % self.every == 0 or step == math.ceil(self.until * self.steps):
            self._move(step)

    def _move(self, step: int) -> None:
        left = max(0.0, 1 - step / max(1.0, self.until * self.steps))
        for row, (docs, n) in enumerate(zip(self.lists, self.sizes, strict=True)):
            start = min(round(left * self.span * n), len(docs) - n)
            if n:
                self.objective.examples.put(row, docs[start : start + n])


@dataclass
class Risk(Schedule):
    """Begins with the surest negatives and lets doubtful ones in later: a curriculum over the detector's probability.

    At progress t everything likelier to be relevant than start + t (end - start) is left out of the loss, wherever in
    the batch it stands; curated and typed negatives stay. Fails on a run without a detector: nothing is known to be
    doubtful.

    Args:
        start: probability allowed at the beginning.
        end: at the end.
    """

    name: ClassVar[str] = "risk"
    start: float = 0.02
    end: float = 0.3

    def check(self) -> None:
        """Probabilities in order."""
        if not 0 <= self.start <= self.end <= 1:
            raise RecipeError(f"{self.told()}: 0 <= start <= end <= 1 is needed")

    def bind(self, objective: Objective, steps: int, say: Callable[[str], None]) -> None:
        """There must be probabilities.

        Raises:
            RecipeError: the run has none.
        """
        super().bind(objective, steps, say)
        self.now = 0
        if not len(objective.examples.doubt.keys):
            raise RecipeError("schedule risk needs a run with probabilities (p_relevant); mine with a detector first")

    def step(self, step: int) -> None:
        """Keep the time."""
        self.now = step

    def removes(self, batch: Batch) -> Tensor | None:
        """What is too doubtful now."""
        allowed = self.start + (self.end - self.start) * min(1.0, self.now / max(1, self.steps))
        return self.objective.doubt.value(batch.queries, batch.docs) > allowed

    def state(self) -> dict[str, Any]:
        """The time."""
        return {"now": self.now}

    def load(self, state: dict[str, Any]) -> None:
        """As saved."""
        self.now = state["now"]
