"""Retriever and ranker in turns: AR2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from foils.errors import RecipeError
from foils.models.checkpoint import check_model
from foils.train import load, losses
from foils.train.objective import Batch, Objective, assemble, list_scores
from foils.train.remine import Remine
from foils.train.schedule import Schedule
from foils.train.settings import Settings


@dataclass
class Ar2(Schedule):
    """Trains a ranker on the retriever's own top, and lets it teach the retriever, in turns.

    AR2 (arXiv:2110.03611): each round mines the retriever's top k, trains the ranker for n_D steps on its lists
    (cross-entropy, the positive first), then the retriever for n_G steps with the loss ``ar2`` against the frozen
    ranker. Published: 15 negatives, n_G 2,000, n_D 500, ranker's rate 1e-6, T 1. Goes with ``loss="ar2"``. Fails with a
    ranker that is no better than the retriever: its opinion is what is learnt; and it doubles the time and more, since
    the ranker reads every list.

    Args:
        ranker: a cross-encoder, folder or hub id.
        every: n_G, retriever steps per round.
        steps_ranker: n_D, ranker steps per round.
        rate: the ranker's learning rate.
        pool: k; negatives are the top of it.
        threshold: probability of a false negative from which a candidate is not mined.
    """

    name: ClassVar[str] = "ar2"
    alone: ClassVar[bool] = True
    ranker: str = ""
    every: int = 200
    steps_ranker: int = 50
    rate: float = 1e-6
    pool: int = 15
    threshold: float = 0.3

    def check(self) -> None:
        """There must be a ranker."""
        if not self.ranker:
            raise RecipeError("schedule ar2 needs a ranker: give ar2.ranker=MODEL, a cross-encoder")
        if self.every < 1 or self.steps_ranker < 0 or self.pool < 1 or not 0 < self.threshold <= 1:
            raise RecipeError(f"{self.told()}: every and pool are at least 1, threshold is a probability above 0")
        check_model(self.ranker, "the ranker of ar2")

    def bind(self, objective: Objective, steps: int, say: Callable[[str], None]) -> None:
        """Load the ranker.

        Raises:
            RecipeError: the loss does not listen to it.
        """
        super().bind(objective, steps, say)
        if objective.settings.loss != "ar2":
            raise RecipeError(f"schedule ar2 teaches with the loss ar2, not {objective.settings.loss}; set loss=ar2")
        kind = Settings(kind="reranker", length=objective.settings.length, negatives=self.pool)
        self.model = load.load(self.ranker, kind, str(next(objective.model.parameters()).device))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=self.rate)
        self.mining = Remine(every=self.every, pool=self.pool, skip=0, draw="top", threshold=self.threshold)
        self.mining.bind(objective, steps, say)

    def begin(self) -> None:
        """The first round."""
        self._round(0)

    def step(self, step: int) -> None:
        """The next round."""
        if step % self.every == 0 and step < self.steps:
            self._round(step)

    def teach(self, batch: Batch) -> Tensor | None:
        """What the frozen ranker says of the batch's own lists."""
        self.model.eval()
        with torch.no_grad():
            return list_scores(self.model, self.objective.examples, batch, 64)

    def _round(self, step: int) -> None:
        self.mining.mine(step)
        examples = self.objective.examples
        size = min(self.objective.settings.batch or 8, len(examples))
        device = next(self.model.parameters()).device
        self.model.train()
        for turn in range(self.steps_ranker):
            lots = np.random.default_rng([self.objective.settings.seed, step, turn])
            batch = assemble(examples, np.sort(lots.choice(len(examples), size, replace=False)), device)
            scores = list_scores(self.model, examples, batch, 64)
            value = losses.info_nce(scores, batch.targets, temperature=1.0).mean()
            self.optimizer.zero_grad()
            torch.autograd.backward(value)
            self.optimizer.step()
        self.optimizer.zero_grad()
        self.model.eval()

    def state(self) -> dict[str, Any]:
        """The ranker and its optimizer."""
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        """As saved."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
