"""Clusters that live through training: ClusterNS's centroids."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from foils.errors import DataError
from foils.train.losses.rows import wide


@dataclass
class OnlineClusters:
    """k-means over batches with centroids that persist; the second nearest is a virtual hard negative (ClusterNS).

    ACL Findings 2023, released code. Nothing happens until the mean in-batch cosine has fallen to ``start``; then the
    first centroid is a random sample and each next one the sample least like the centroid before it. Every batch moves
    the centroids: c <- rate * sum of its members + (1 - rate) * c; only directions matter, since cosines are taken.
    Members of a cluster are likely false negatives of each other: hold them with ``losses.bml``. Published: BERT-base
    k 128, rate 1e-3, start 0.4; Prompt-BERT k 96, rate 5e-4. Fails when the batch is smaller than k: then no start is
    possible.

    Args:
        k: centroids.
        rate: of a batch's move.
        start: mean in-batch cosine at which it begins.
        centroids: (k, d), null until it has begun.
    """

    k: int = 128
    rate: float = 1e-3
    start: float = 0.4
    centroids: Tensor | None = field(default=None, repr=False)

    def update(self, vectors: Tensor, generator: torch.Generator | None = None) -> bool:
        """Begin if it is time, else move the centroids.

        Args:
            vectors: (B, d) of one view; no gradient is kept.
            generator: of the first centroid.

        Returns:
            Whether there are centroids.

        Raises:
            DataError: it is time, but the batch has fewer rows than clusters.
        """
        # Half precision would swallow so small a move.
        unit = functional.normalize(wide(vectors.detach()), dim=-1)
        if self.centroids is None:
            if (unit @ unit.T).mean() > self.start:
                return False
            if len(unit) < self.k:
                raise DataError(
                    f"{self.k} clusters cannot start from a batch of {len(unit)}; lower k or raise the batch size"
                )
            self.centroids = self._seeds(unit, generator)
            return True
        nearest = self._cosines(unit).argmax(-1)
        members = functional.one_hot(nearest, self.k).to(unit.dtype)
        before = self.centroids.to(unit)
        moved = self.rate * (members.T @ unit) + (1 - self.rate) * before
        self.centroids = torch.where(members.any(0).unsqueeze(1), moved, before)
        return True

    def assign(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Each vector's cluster, and the centroid second nearest to it as its virtual negative.

        Args:
            vectors: (B, d).

        Returns:
            (B,) clusters; (B, d) unit centroids, without gradient. Append vectors @ centroids.T to the scores.

        Raises:
            DataError: there are no centroids yet, or only one.
        """
        if self.centroids is None or self.k < 2:
            raise DataError("the second nearest centroid needs at least 2 centroids that have begun; see update()")
        ranked = self._cosines(functional.normalize(wide(vectors.detach()), dim=-1)).topk(2, -1).indices
        second = self.centroids.to(ranked.device)[ranked[:, 1]]
        return ranked[:, 0], functional.normalize(second, dim=-1).to(vectors)

    def _cosines(self, unit: Tensor) -> Tensor:
        if self.centroids is None:
            raise DataError("there are no centroids yet; see update()")
        return unit @ functional.normalize(self.centroids.to(unit), dim=-1).T

    def _seeds(self, unit: Tensor, generator: torch.Generator | None) -> Tensor:
        device = torch.device("cpu") if generator is None else generator.device
        chosen = [int(torch.randint(len(unit), (1,), generator=generator, device=device))]
        free = torch.ones(len(unit), dtype=torch.bool, device=unit.device)
        while len(chosen) < self.k:
            free[chosen[-1]] = False
            chosen.append(int((unit @ unit[chosen[-1]]).masked_fill(~free, torch.inf).argmin()))
        return unit[chosen].clone()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"centroids": self.centroids}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint.

        Raises:
            DataError: it has another number of clusters.
        """
        centroids = state["centroids"]
        if centroids is not None and len(centroids) != self.k:
            raise DataError(f"the checkpoint has {len(centroids)} clusters, but k={self.k}")
        self.centroids = centroids
