"""What pays.py trains and how it tests: the same steps, rate and batches for every method."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from torch import Tensor, nn
from torch.nn import functional

from false_negatives import minilm
from foils.train.batches import Shuffled
from foils.train.dev import ndcg
from foils.train.examples import Course, Examples
from foils.train.load import load
from foils.train.objective import Objective, assemble, tokens
from foils.train.settings import Settings
from pays_worlds import World

BATCH = 32
# From an earlier small grid on the same sets for `adapter`, and its fine-tuning for `layers`; the same for every
# method.
RATE = {"adapter": 2e-4, "layers": 5e-5}
STEPS = {"adapter": 100, "layers": 60}
LENGTH = 128
TOP = 50


class Adapter(nn.Module):
    """x + W x, to unit length, of frozen vectors; W starts at 0."""

    def __init__(self, queries: Tensor, docs: Tensor) -> None:
        super().__init__()
        self.queries, self.docs = queries, docs
        self.map = nn.Linear(queries.shape[1], queries.shape[1], bias=False)
        nn.init.zeros_(self.map.weight)

    def forward(self, rows: NDArray[np.int64], role: str) -> Tensor:
        """Vectors of queries or documents."""
        x = (self.queries if role == "query" else self.docs)[torch.from_numpy(rows)]
        return functional.normalize(x + self.map(x), dim=-1)


class Layers(nn.Module):
    """MiniLM, of which the last two layers learn."""

    def __init__(self, where: World) -> None:
        super().__init__()
        settings = Settings(layers=2, length=LENGTH).settled()
        self.model: SentenceTransformer = load(minilm(), settings, "cpu")
        self.texts = {"query": where.collection.queries["text"], "document": where.collection.passages}

    def forward(self, rows: NDArray[np.int64], role: str) -> Tensor:
        """Vectors of queries or documents."""
        texts = self.texts[role].gather(rows).to_list()
        order = np.argsort([-len(t) for t in texts], kind="stable")
        parts = []
        for start in range(0, len(rows), 32):
            features = tokens(self.model, [texts[i] for i in order[start : start + 32]], role)
            parts.append(self.model(features)["sentence_embedding"])
        return torch.cat(parts)[torch.from_numpy(np.argsort(order))]


def train(learner: nn.Module, examples: Examples, *, ours: bool, how: str, seed: int) -> None:
    """The same steps, rate and batches for every method; only rows and loss differ.

    Args:
        learner: an ``Adapter`` or ``Layers``.
        examples: the rows.
        ours: the loss and the masks of ``foils train``; else MultipleNegativesRankingLoss.
        how: ``adapter`` or ``layers``.
        seed: of the batches.
    """
    torch.manual_seed(seed)
    course = Course(examples, Shuffled(examples.own), BATCH, seed)
    objective = Objective(nn.Identity(), examples, course, Settings(effort="low").settled(), 0.05)
    objective.place("cpu")
    plain = MultipleNegativesRankingLoss(None, scale=20.0)
    weights = [p for p in learner.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=RATE[how], weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min((s + 1) / 10, 1 - s / STEPS[how]))
    learner.train()
    for step in range(STEPS[how]):
        rows = course.rows(step)
        queries = learner(examples.query[rows], "query")
        if ours:
            batch = assemble(examples, rows, "cpu")
            value = objective.cost(queries @ learner(batch.docs.numpy(), "document").T, batch)
        else:
            columns = np.concatenate((examples.positives[rows], examples.negatives[rows]), axis=1)
            docs = learner(columns.T.ravel(), "document").split(len(rows))
            value = plain.compute_loss_from_embeddings([queries, *docs], torch.empty(0))
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()


def squared(examples: Examples, seed: int) -> Examples:
    """sentence-transformers needs as many negatives in every row: gaps are filled with random documents."""
    gaps = examples.negatives < 0
    drawn = np.random.default_rng(seed).integers(0, examples.collection.corpus.height, gaps.shape)
    return replace(examples, negatives=np.where(gaps, drawn, examples.negatives))


def test(learner: nn.Module, where: World, queries: NDArray[np.int64]) -> dict[str, float]:
    """nDCG@10 per query over all documents that take part in its ranking."""
    learner.eval()
    width, found = where.collection.corpus.height, {}
    with torch.no_grad():
        scores = (learner(queries, "query") @ learner(np.arange(width), "document").T).numpy().astype(np.float64)
    for query, row in zip(queries.tolist(), scores, strict=True):
        there, truth = where.ranked(query), np.zeros(width, dtype=np.bool_)
        truth[where.of(where.relevant, query)] = True
        # Below the best, only the number of relevant documents counts.
        best = row[there]
        least = np.partition(best, -TOP)[-TOP] if len(best) > TOP else -np.inf
        kept = there & ((row >= least) | truth)
        value = ndcg(np.zeros(int(kept.sum()), dtype=np.int64), row[kept], truth[kept])
        found[str(where.collection.queries["id"][query])] = round(value, 6)
    return found
