"""What training is not to change: vectors, or the scores between texts, of the batch and of passages rehearsed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn

from foils.errors import DataError
from foils.train.contest import Contest, Rows
from foils.train.examples import Examples

Vectors = tuple[Tensor, Tensor]
SHORTEST, LONGEST = 4, 14  # words of a stretch that stands for a query


def drift(now: Vectors, before: Vectors) -> Tensor:
    """How far vectors are from where they were: the mean of 1 - cosine over queries and documents.

    Feature distillation from the frozen model, the usual remedy against forgetting (Li and Hoiem, Learning without
    Forgetting, ECCV 2016). Forbids too much: a turn of all vectors together changes no ranking, and counts.

    Args:
        now: (B, D) queries and (U, D) documents.
        before: the same of the frozen model.

    Example:
        >>> x = torch.eye(2)
        >>> float(drift((x, x), (x, x.flip(0))))
        0.5
    """
    return torch.cat([1 - torch.cosine_similarity(*ab) for ab in zip(now, before, strict=True)]).mean()


def reordering(now: Tensor, before: Tensor, pairs: Vectors | None = None) -> Tensor:
    """How far scores are from what they were, as a share of how they differed among themselves.

    Each query's changes of score are taken less their mean over the documents, since what is added to all of them
    changes no ranking; the mean square of the rest is divided by the variance of the scores before. 0: every ranking is
    as it was; 1: as far off as if all documents had become equal. Similarity-preserving distillation (Tung and Mori,
    ICCV 2019, arXiv:1907.09682, eq. 3) with centred rows; the division is ours, so that a weight means the same for
    any model. Fails for a batch of one document: no order can change, and nothing is held.

    Args:
        now: (B, U) scores of queries and documents.
        before: the same of the frozen model.
        pairs: (P, 2) rows and (P, 2) columns of minimal pairs. What their contest asks for is free, that both queries
            prefer their own document by more; the rest of their scores is held as all others are.

    Example:
        >>> scores = torch.eye(2)
        >>> float(reordering(scores + 1, scores)), float(reordering(0 * scores, scores))
        (0.0, 1.0)
    """
    change = now - before
    if pairs is not None:
        rows, docs = pairs[0].unsqueeze(2), pairs[1].unsqueeze(1)
        sign = torch.tensor([[1.0, -1.0], [-1.0, 1.0]], device=change.device)
        contested = (change[rows, docs] * sign).sum(dim=(1, 2), keepdim=True) / 4 * sign
        change = change.index_put((rows, docs), -contested, accumulate=True)
    return _centred(change).square().mean() / _centred(before).square().mean().clamp_min(1e-6)


def _centred(scores: Tensor) -> Tensor:
    return scores - scores.mean(dim=-1, keepdim=True)


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """Passages that stand beside each batch, only to be held: no label, no loss of their own.

    A model forgets first what the training says nothing about. The documents that it will have to find are at hand, and
    holding needs no question about them: a stretch of a passage's words stands for one. Rehearsal with the frozen
    model's answers as targets (Robins, Connection Science 1995; Li and Hoiem, ECCV 2016). Fails where what is asked
    looks like no stretch of a document.

    Args:
        passages: to draw from.
        size: passages for each step.
        seed: of their order.

    Example:
        >>> Rehearsal(pl.Series(["a b c d e f"]), 1, 0).texts(7)[1]
        ['a b c d e f']
    """

    passages: pl.Series
    size: int
    seed: int

    @staticmethod
    def of(examples: Examples, size: int, seed: int) -> Rehearsal:
        """Passages that no row trains on: those of the rows are held with their batch.

        Raises:
            DataError: every passage stands in a row.
        """
        used = np.union1d(examples.positives, examples.negatives)
        free = np.setdiff1d(np.arange(examples.collection.corpus.height), used)
        if not len(free):
            raise DataError(
                f"rehearse={size}: every document of the run is trained on, none is left; set rehearse to 0"
            )
        return Rehearsal(examples.collection.passages.gather(free), size, seed)

    def texts(self, step: int) -> tuple[list[str], list[str]]:
        """What stands for queries, and passages, of a step; the same whenever it is asked for."""
        rng = np.random.default_rng([self.seed, step])
        drawn = rng.integers(len(self.passages), size=self.size)
        documents: list[str] = self.passages.gather(drawn).to_list()
        return [stretch(text, rng) for text in documents], documents


def stretch(text: str, rng: np.random.Generator) -> str:
    """Some words in a row; of a text without spaces, some characters in a row."""
    words = text.split()
    glue = " " if len(words) > 1 else ""
    parts = words if glue else list(text)
    length = min(len(parts), int(rng.integers(SHORTEST, LONGEST + 1)))
    start = int(rng.integers(len(parts) - length + 1))
    return glue.join(parts[start : start + length])


class Anchor:
    """Holds a learner near a frozen model.

    Args:
        base: the model to hold to; in no optimizer and in no checkpoint.
        weight: of what is added to the loss.
        similarity: scores of (B, D) queries and (U, D) documents, to hold (``reordering``); null: hold vectors
            (``drift``).
        rehearsal: null: only the batch is held.
    """

    def __init__(
        self,
        base: nn.Module,
        weight: float,
        similarity: Callable[[Tensor, Tensor], Tensor] | None = None,
        rehearsal: Rehearsal | None = None,
    ) -> None:
        self.base = base.eval().requires_grad_(requires_grad=False)
        self.weight, self.similarity, self.rehearsal = weight, similarity, rehearsal
        self.before: Vectors = (torch.empty(0), torch.empty(0))

    def beside(self, step: int) -> tuple[list[str], list[str]]:
        """Texts to encode after the queries and the documents of a step."""
        return self.rehearsal.texts(step) if self.rehearsal is not None else ([], [])

    def remember(self, features: list[dict[str, Any]], back: Tensor, size: int) -> None:
        """Keep the vectors of the frozen model.

        Args:
            features: of queries, and of documents by length.
            back: (U,) place of each document in the sorted ones.
            size: texts encoded at once.
        """
        queries, docs = (encoded(self.base, f, size) for f in features)
        self.before = queries, docs[back]

    def cost(self, now: Vectors, contest: Contest | None, batch: Rows) -> Tensor:
        """What is added to the loss.

        Args:
            now: all queries and documents of the step, the rehearsed ones last.
            contest: of minimal pairs; what it asks for is free.
            batch: without what is rehearsed.
        """
        if self.similarity is not None:
            pairs = None if contest is None else contest.blocks(batch)
            return self.weight * reordering(self.similarity(*now), self.similarity(*self.before), pairs)
        if contest is None:
            return self.weight * drift(now, self.before)
        return self.weight * drift(*(_sums(v, contest, batch) for v in (now, self.before)))


def _sums(vectors: Vectors, contest: Contest, batch: Rows) -> Vectors:
    """Unit vectors, those of a minimal pair replaced by their sum."""
    ends = batch.targets.shape
    own = contest.sums(vectors[0][: ends[0]], vectors[1][: ends[1]], batch)
    first, second = (torch.cat((o, v[end:])) for o, v, end in zip(own, vectors, ends, strict=True))
    return first, second


@torch.no_grad()
def encoded(model: nn.Module, features: dict[str, Any], size: int) -> Tensor:
    """Vectors of texts, in chunks of ``size``.

    Args:
        model: frozen.
        features: tokens of texts.
        size: texts encoded at once.
    """
    mask, found = features["attention_mask"], []
    for start in range(0, len(mask), size):
        # Padding may stand before the text (decoders); only what no text reaches behind is cut.
        longest = int(mask[start : start + size].any(dim=0).nonzero().max()) + 1
        part = {
            k: v[start : start + size, :longest] if isinstance(v, Tensor) and v.dim() > 1 else v
            for k, v in features.items()
        }
        found.append(model(part)["sentence_embedding"])
    return torch.cat(found)
