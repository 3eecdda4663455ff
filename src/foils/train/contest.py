"""Minimal pairs by themselves: their two rows compare two documents, and only what these share is held in place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Rows(Protocol):
    """What is read of a batch; see ``foils.train.objective.Batch``."""

    @property
    def rows(self) -> NDArray[np.int64]:
        """(B,) of the training set."""

    @property
    def targets(self) -> Tensor:
        """(B, U) 1 for the row's positives."""

    @property
    def own(self) -> Tensor:
        """(B, U) true for the row's own positives and negatives."""


@dataclass(frozen=True, eq=False)
class Contest:
    """What is different for the rows of minimal pairs.

    Two passages that differ in one word need a small difference of their vectors, not another place for both. A loss
    over the whole batch moves both, and an anchor on each of them forbids the difference. So a pair's rows compare
    their own two documents and nothing else, at a temperature at which a small margin is enough, and the anchor holds
    the sum of the pair's vectors: the difference is free. Ours; NevIR (Weller et al., EACL 2024) measures what it is
    for. Fails where a pair's documents differ in more than one thing: what they differ in is free to move.

    Args:
        partner: (n,) from ``foils.train.together.mutual``.
        temperature: of the comparison.

    Example:
        >>> contest = Contest(np.array([1, 0, -1]), 0.02)
        >>> contest.mates(np.array([2, 0, 1])).tolist()
        [0, 2, 1]
    """

    partner: NDArray[np.int64]
    temperature: float = 0.02

    def mates(self, rows: NDArray[np.int64]) -> Tensor:
        """(B,) where the partner of each row stands in the batch; a row without one there is its own."""
        place = {int(row): number for number, row in enumerate(rows)}
        return torch.tensor([place.get(int(self.partner[row]), n) for n, row in enumerate(rows)], dtype=torch.int64)

    def alone(self, scores: Tensor, batch: Rows, temperature: float) -> Tensor:
        """Scores at which a pair's rows see their own documents only, scaled to the temperature of the comparison.

        Args:
            scores: (B, U), -inf for what was removed.
            batch: of them.
            temperature: by which the loss divides.
        """
        paired = (self.mates(batch.rows) != torch.arange(len(batch.rows))).to(scores.device)[:, None]
        scaled = scores * (temperature / self.temperature)
        return torch.where(paired, scaled.masked_fill(~batch.own, -torch.inf), scores)

    def blocks(self, batch: Rows) -> tuple[Tensor, Tensor]:
        """(P, 2) rows and (P, 2) documents of the minimal pairs whose rows both stand in the batch.

        Args:
            batch: with one positive per row of a pair.
        """
        mates, first = self.mates(batch.rows).to(batch.targets.device), batch.targets.argmax(dim=1)
        here = torch.arange(len(mates), device=mates.device)
        rows = torch.stack((here, mates), dim=1)[here < mates]
        return rows, first[rows]

    def sums(self, queries: Tensor, docs: Tensor, batch: Rows) -> tuple[Tensor, Tensor]:
        """Unit vectors, those of a pair replaced by their sum.

        Args:
            queries: (B, D).
            docs: (U, D) in the order of the batch.
            batch: of them.
        """
        mates, first = self.mates(batch.rows).to(docs.device), batch.targets.argmax(dim=1)
        other = torch.arange(len(docs), device=docs.device)
        paired = mates != torch.arange(len(mates), device=docs.device)
        other[first[paired]] = first[mates[paired]]
        unit = [torch.nn.functional.normalize(v, dim=-1) for v in (queries, docs)]
        return unit[0] + unit[0][mates], unit[1] + unit[1][other]
