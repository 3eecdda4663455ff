"""Mining again with the model as it is now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from foils.errors import RecipeError
from foils.pairs import hash_uniform
from foils.train import masks
from foils.train.batches import Hard, Ngame
from foils.train.examples import Examples
from foils.train.schedule import Schedule

DRAWS = ("top", "simans", "uniform")


@dataclass
class Remine(Schedule):
    """Takes new negatives from the top of the model's own ranking every n steps.

    ANCE (arXiv:2007.00808) draws from the top 200 of a refreshed index; SimANS (arXiv:2210.11773) mines again every
    2,000 (NQ, TriviaQA) or 5,000 (MS MARCO) steps. Known positives, their copies and what the detector finds likely
    relevant are left out, and so are the first ``skip`` ranks; of the next ``pool`` come ``draw``: ``top``,
    ``uniform``, or ``simans`` with weight exp(-a (s - s+)^2) on scores standardised per query, a = 0.5. Clustered
    batches are planned anew from the next epoch on. Only documents in the run folder are searched. Fails on sparse
    labels without a detector or ``skip``: the better the model, the more of its top is relevant.

    Args:
        every: steps.
        pool: candidates that are drawn from.
        skip: first ranks that are left out.
        draw: how.
        threshold: probability of a false negative from which a candidate is left out.
    """

    name: ClassVar[str] = "remine"
    every: int = 200
    pool: int = 50
    skip: int = 5
    draw: str = "uniform"
    threshold: float = 0.3

    def check(self) -> None:
        """Numbers that can be drawn with."""
        if self.draw not in DRAWS:
            raise RecipeError(f"remine.draw={self.draw!r} is not known; one of {', '.join(DRAWS)}")
        if self.every < 1 or self.pool < 1 or self.skip < 0:
            raise RecipeError(f"{self.told()}: every and pool are at least 1, skip at least 0")
        if not 0 < self.threshold <= 1:
            raise RecipeError(f"{self.told()}: threshold is a probability above 0")

    def step(self, step: int) -> None:
        """Mine when it is time; not at the very end."""
        if step % self.every == 0 and step < self.steps:
            self.mine(step)

    def mine(self, step: int) -> None:
        """Encode, search, draw."""
        examples = self.objective.examples
        query, row_of = np.unique(examples.query, return_inverse=True)
        queries, docs = encode_all(self.objective, query)
        n = examples.negatives.shape[1]
        chosen = self._chosen(examples, query, queries, docs, n, step)
        for row, at in enumerate(row_of):
            # A ranking that ends within the skipped ranks has nothing to give.
            if len(chosen[at]):
                examples.put(row, chosen[at])
        self._plan(queries[row_of])
        self.say(f"step {step}: {len(query):,} queries mined again among {len(docs):,} documents")

    def _chosen(
        self, examples: Examples, query: NDArray[np.int64], queries: torch.Tensor, docs: torch.Tensor, n: int, step: int
    ) -> list[NDArray[np.int64]]:
        found = []
        size = max(1, min(256, (1 << 25) // max(1, len(docs))))  # a quarter of a gigabyte for a number per pair
        for start in range(0, len(query), size):
            part = query[start : start + size]
            scores = _similarity(self.objective, queries[start : start + size], docs)
            asked = torch.from_numpy(part).to(scores.device)
            ids = torch.arange(scores.shape[1], device=scores.device)
            known = self.objective.known.known(asked, ids)
            low = scores.masked_fill(~known, torch.inf).amin(-1, keepdim=True)
            suspect = masks.likely(self.objective.doubt.value(asked, ids), self.threshold)
            scores = scores.masked_fill(known | suspect, -torch.inf)
            top = scores.topk(min(self.skip + self.pool, scores.shape[1]), -1)
            rest, where = top.values[:, self.skip :].cpu().numpy(), top.indices[:, self.skip :].cpu().numpy()
            keys = self._keys(rest, low.cpu().numpy(), examples.collection.query_hash[part], where, examples, step)
            order = np.argsort(-keys, axis=1, kind="stable")[:, :n]
            # Hardest first within the row, as everywhere.
            order = np.sort(order, axis=1)
            for i, picks in enumerate(order):
                found.append(where[i][picks[np.isfinite(rest[i][picks])]])
        return found

    def _keys(
        self,
        scores: NDArray[np.float32],
        low: NDArray[np.float32],
        hashes: NDArray[np.uint64],
        docs: NDArray[np.int64],
        examples: Examples,
        step: int,
    ) -> NDArray[np.float64]:
        """What the n largest are taken of: the score, or a Gumbel draw."""
        there = np.isfinite(scores)
        values = np.where(there, scores, 0.0).astype(np.float64)
        if self.draw == "top" or not scores.size:
            return np.where(there, values, -np.inf)
        seed = step + (self.objective.settings.seed << 32)  # another for every step of every seed
        lots = hash_uniform(hashes[:, None], examples.collection.doc_hash[docs], seed)
        weight = np.zeros_like(values)
        if self.draw == "simans":
            some = there | ~there.any(axis=1, keepdims=True)  # numpy warns of a spread of nothing
            spread = np.maximum(values.std(axis=1, where=some, keepdims=True), 1e-9)
            away = (values - np.where(np.isfinite(low), low, values.max(axis=1, keepdims=True))) / spread
            weight = -0.5 * away**2
        return np.where(there, weight - np.log(-np.log(lots)), -np.inf)

    def _plan(self, vectors: torch.Tensor) -> None:
        """Clusters of what the model now finds alike."""
        sampler = self.objective.course.sampler
        rows = vectors.float().cpu().numpy()
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        seed = self.objective.settings.seed
        if isinstance(sampler.plan, Ngame):
            sampler.refresh(Ngame.of(rows, sampler.plan.rows, sampler.plan.doublings, seed))
        elif isinstance(sampler.plan, Hard):
            sampler.refresh(Hard(sampler.plan.rows, rows, sampler.plan.pool))


def encode_all(objective: Any, query: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors of some queries and of all documents, by the model as it is now.

    Args:
        objective: of a retriever.
        query: rows of the collection.
    """
    model = getattr(objective.model, "module", objective.model)
    learning, collection = model.training, objective.examples.collection
    options: dict[str, Any] = {"show_progress_bar": False, "convert_to_tensor": True, "batch_size": 64}
    model.eval()
    with torch.no_grad():
        queries = model.encode_query(objective.examples.questions(query), **options)
        docs = model.encode_document(collection.passages.to_list(), **options)
    model.train(learning)
    objective.place(queries.device)
    return queries, docs


def _similarity(objective: Any, queries: torch.Tensor, docs: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = objective.similarity(queries, docs)
    return found
