"""A loss of foils.train.losses as a module: texts of a batch in, masks and weights of the run, one number out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers.base.losses.gradcache import CachedLossMixin
from sentence_transformers.util import all_gather_with_grad
from torch import Tensor, nn

from foils.errors import RecipeError
from foils.models.encoder import PROMPTS
from foils.train import losses, masks
from foils.train.anchor import Anchor
from foils.train.contest import Contest
from foils.train.examples import Course, Examples
from foils.train.losses.rows import average
from foils.train.settings import Settings

Ints = NDArray[np.int64]
Row = Callable[[Tensor, Tensor, float], Tensor]

# (scores, targets, temperature) -> (B,) or one number. Losses that need more stand in TAUGHT.
LOSSES: dict[str, Row] = {
    "info-nce": losses.info_nce,
    "soft-info-nce": losses.soft_info_nce,
    "symmetric": losses.symmetric_info_nce,
    "pair-logistic": losses.pair_logistic,
    "dcl": losses.dcl,
    "hcl": losses.hcl,
    "ifm": losses.ifm,
    "meow": lambda s, t, tau: losses.meow(s, t, (t <= 0).to(s), tau),
    "ngame": lambda s, t, _: losses.ngame(s, t),
    "hard-simple": lambda s, t, _: losses.hard_simple(s, t),
    "cacr": lambda s, t, _: losses.cacr(s, t),
    "adore": lambda s, t, _: losses.adore(s, t),
    "asl": lambda s, t, _: _per_pair(losses.asl, s, t),
    "spml": lambda s, t, _: _per_pair(losses.spml, s, t),
    "dice": lambda s, t, _: losses.dice(s, t),
}
# (scores, targets, teacher, temperature); the teacher knows only the row's own candidates.
TAUGHT: dict[str, Callable[[Tensor, Tensor, Tensor, float], Tensor]] = {
    "margin-mse": lambda s, t, teacher, _: losses.margin_mse(s, teacher, t),
    "distil-kl": lambda s, _, teacher, tau: losses.distil_kl(s, teacher, tau),
    "symmetric-kl": lambda s, _, teacher, tau: losses.symmetric_kl(s, teacher, tau),
    "ar2": lambda s, t, teacher, tau: losses.ar2(s / tau, teacher, t),
}
# exp(score / T) of a negative is a term of their denominator, so a weight can multiply it.
WEIGHED = ("info-nce", "soft-info-nce", "symmetric", "pair-logistic", "dcl", "hcl", "ifm", "meow")
ALONE = ("asl", "spml", "dice", "adore")  # over a row's own list: on random documents they mean nothing


@dataclass(frozen=True, eq=False)
class Batch:
    """A batch as numbers.

    Args:
        rows: (B,) of the training set.
        queries: (B,) of the collection.
        docs: (U,) distinct documents of all rows; -1: padding.
        targets: (B, U) 1 for the row's positives.
        own: (B, U) true for the row's own positives and negatives.
        proven: (B, U) curated and typed negatives in the row they were made for.
        weights: (B, U) of the row's negatives, or null where all are 1.
    """

    rows: Ints
    queries: Tensor
    docs: Tensor
    targets: Tensor
    own: Tensor
    proven: Tensor
    weights: Tensor | None


def assemble(examples: Examples, rows: Ints, device: torch.device | str, width: int | None = None) -> Batch:
    """The batch of some rows; every document stands in it once, however many rows hold it.

    Args:
        examples: the training set.
        rows: (B,).
        device: of the tensors.
        width: pad to so many documents; null: no padding.
    """
    positives, negatives = examples.positives[rows], examples.negatives[rows]
    both = np.concatenate((positives, negatives), axis=1)
    docs, place = np.unique(both, return_inverse=True)
    place = place.reshape(both.shape)
    if docs[0] == -1:
        docs, place = docs[1:], place - 1
    targets = np.zeros((len(rows), max(len(docs), width or 0)), dtype=np.float32)
    own, proven, weights = targets > 0, targets > 0, targets + 1.0
    row = np.broadcast_to(np.arange(len(rows))[:, None], both.shape)
    there, split = both >= 0, positives.shape[1]
    own[row[there], place[there]] = True
    neg = np.where(there, place, 0)[:, split:][there[:, split:]], row[:, split:][there[:, split:]]
    proven[neg[1], neg[0]] = examples.proven[rows][there[:, split:]]
    weights[neg[1], neg[0]] = examples.weights[rows][there[:, split:]]
    targets[row[:, :split][there[:, :split]], place[:, :split][there[:, :split]]] = 1.0
    weights[targets > 0] = 1.0
    docs = np.pad(docs, (0, targets.shape[1] - len(docs)), constant_values=-1)
    tensors = [torch.from_numpy(a).to(device) for a in (examples.query[rows], docs, targets, own, proven)]
    weighed = torch.from_numpy(weights).to(device) if (weights != 1).any() else None
    return Batch(rows, tensors[0], tensors[1], tensors[2], tensors[3], tensors[4], weighed)


class Watcher:
    """What a schedule may do around a batch; the base does nothing."""

    def factors(self, batch: Batch, costs: Tensor) -> Tensor | None:
        """(B,) factors of the rows' losses (B,), from what was learnt before this batch."""
        return None

    def removes(self, batch: Batch) -> Tensor | None:
        """(B, U) true for what must not be trained on at this step."""
        return None

    def teach(self, batch: Batch) -> Tensor | None:
        """(B, U) scores of a teacher that is not in the run, -inf where it has none."""
        return None

    def sees(self, batch: Batch, scores: Tensor, costs: Tensor | None) -> None:
        """Scores (B, U) and losses (B,) of the batch, without gradient."""


class Objective(nn.Module):
    """What retriever and reranker share: masks, weights and the loss of a score matrix.

    Args:
        model: that learns.
        examples: the training set.
        course: which rows come when.
        settings: settled.
        temperature: of the loss.
        watchers: schedules.
    """

    def __init__(
        self,
        model: nn.Module,
        examples: Examples,
        course: Course,
        settings: Settings,
        temperature: float,
        watchers: Sequence[Watcher] = (),
    ) -> None:
        super().__init__()
        self.model, self.examples, self.course = model, examples, course
        self.settings, self.temperature, self.watchers = settings, temperature, watchers
        self.contest: Contest | None = None
        self.emptied, self.seen = torch.zeros((), dtype=torch.int64), 0
        if settings.loss not in LOSSES and settings.loss not in TAUGHT:
            raise RecipeError(f"no loss is called {settings.loss!r}; one of {', '.join((*LOSSES, *TAUGHT))}")

    def cost(self, scores: Tensor, batch: Batch) -> Tensor:
        """The mean loss of the batch.

        Args:
            scores: (B, U).
            batch: what they are scores of.
        """
        targets, gone = self._blocked(scores, batch)
        kept = losses.remove(scores, gone)
        if self.settings.loss in ALONE or self.settings.loss in TAUGHT:
            kept = losses.remove(kept, ~batch.own)
        weights = self._weights(batch)
        if weights is not None:
            kept = losses.weigh(kept, weights, self.temperature)
        if self.contest is not None:
            kept = self.contest.alone(kept, batch, self.temperature)
        costs = self._loss(kept, targets, batch)
        with torch.no_grad():
            negative = ~torch.isneginf(kept) & ~(batch.targets > 0)
            self.emptied = self.emptied + (~negative.any(-1)).sum()
            self.seen += len(batch.rows)
            alone = costs.detach() if costs.dim() else None
            factors = [w.factors(batch, alone) for w in self.watchers] if alone is not None else []
            for watcher in self.watchers:
                watcher.sees(batch, scores, alone)
        if not costs.dim():
            return costs
        for factor in (f for f in factors if f is not None):
            costs = costs * factor.to(costs)
        return costs.mean()

    def _blocked(self, scores: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """The targets, softened if so set, and what is removed."""
        settings, targets = self.settings, batch.targets
        suspicions = [self.known.known(batch.queries, batch.docs)]
        if settings.doubt != "keep" and len(self.doubt.keys):
            probability = self.doubt.value(batch.queries, batch.docs)
            if settings.doubt == "remove":
                suspicions.append(masks.likely(probability, settings.threshold))
            elif settings.doubt == "soften":
                targets = losses.soften(targets, probability.masked_fill(batch.proven, 0.0))
        if settings.margin is not None:
            suspicions.append(masks.above_positive(scores, batch.targets, settings.margin))
        suspicions += [m for m in (w.removes(batch) for w in self.watchers) if m is not None]
        blocked = masks.blocked(batch.targets, *suspicions, protect=batch.proven)
        return targets, blocked | (batch.docs < 0)

    def _weights(self, batch: Batch) -> Tensor | None:
        """Weights of the run, and 1 - p where doubt weighs; null for a loss that has no place for them."""
        if self.settings.loss not in WEIGHED:
            return None
        if self.settings.doubt != "weigh" or not len(self.doubt.keys):
            return batch.weights
        sure = 1 - self.doubt.value(batch.queries, batch.docs).nan_to_num(nan=0.0)
        sure = sure.masked_fill(batch.proven | (batch.targets > 0), 1.0)
        return sure if batch.weights is None else sure * batch.weights

    def _loss(self, scores: Tensor, targets: Tensor, batch: Batch) -> Tensor:
        name = self.settings.loss
        if name in LOSSES:
            return LOSSES[name](scores, targets, self.temperature)
        given = [t for t in (w.teach(batch) for w in self.watchers) if t is not None]
        teacher = given[0] if given else self.teacher.value(batch.queries, batch.docs)
        unknown = torch.isnan(teacher) | torch.isneginf(scores)
        teacher = teacher.masked_fill(unknown, -torch.inf)
        return TAUGHT[name](losses.remove(scores, unknown), targets, teacher.to(scores), self.temperature)

    def place(self, device: torch.device | str) -> None:
        """Move the tables to the device of the scores."""
        if str(self.__dict__.get("where", "")) != str(device):
            self.where = str(device)
            self.known, self.doubt, self.teacher = (
                table.to(device) for table in (self.examples.known, self.examples.doubt, self.examples.teacher)
            )


class RetrieverObjective(CachedLossMixin, Objective):
    """Bi-encoder: scores of all queries and all documents of the batch, of all devices.

    A batch of more texts than ``mini_batch`` is encoded twice with cached gradients, by the mechanism of
    sentence-transformers' Cached losses (GradCache, arXiv:2101.06983); a smaller one once. Texts are encoded in
    stretches of similar length. Fails with a model without tokens (static embeddings): use ST's own losses there.
    """

    anchor: Anchor | None = None

    @property
    def mini_batch_size(self) -> int:  # type: ignore[override]
        """Texts encoded at once; sorted by length, so that smaller stretches have less padding."""
        # A core gains nothing from more texts at once, but loses to their padding.
        chunk = 16 if self.__dict__.get("where", "cpu") == "cpu" else 64
        return min(chunk, self.settings.mini_batch or chunk)

    def forward(self, step: Tensor) -> Tensor:
        """The loss of a step."""
        self.place(step.device)
        examples, rows = self.examples, self.course.rows(int(step[-1]))
        batch = assemble(examples, rows, step.device)
        docs = batch.docs.cpu().numpy()
        more = self.anchor.beside(int(step[-1])) if self.anchor else ([], [])
        documents = examples.texts(docs) + more[1]
        order = np.argsort([-len(t) for t in documents], kind="stable")
        asked = examples.questions(examples.query[rows]) + more[0]
        features = [
            tokens(self.model, asked, "query"),
            tokens(self.model, [documents[i] for i in order], "document"),
        ]
        self.batch, self.back = batch, torch.from_numpy(np.argsort(order)).to(step.device)
        features = [{k: v.to(step.device) if isinstance(v, Tensor) else v for k, v in f.items()} for f in features]
        if self.anchor:
            self.anchor.remember(features, self.back, self.mini_batch_size)
        if len(asked) + len(documents) > (self.settings.mini_batch or 0):
            return self.forward_cached(features)
        reps = [[r for r, _ in self.embed_minibatch_iter(f, with_grad=True, copy_random_state=False)] for f in features]
        return self.calculate_loss(reps)

    def calculate_loss(
        self, reps: list[list[Tensor]], labels: Tensor | None = None, *, with_backward: bool = False
    ) -> Tensor:
        """From vectors to the loss; called by the gradient cache."""
        queries, docs = torch.cat(reps[0]), torch.cat(reps[1])
        batch, docs = self.batch, docs[self.back]
        held = self.anchor.cost((queries, docs), self.contest, batch) if self.anchor else 0.0
        queries, docs = queries[: len(batch.rows)], docs[: len(batch.docs)]
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            docs, batch = self._gathered(docs, batch)
        loss = self.cost(self.similarity(queries, docs), batch) + held
        if with_backward:
            if loss.requires_grad:
                torch.autograd.backward(loss)
            for rep in (r for column in reps for r in column if r.grad is None):
                rep.grad = torch.zeros_like(rep)
            loss = loss.detach()
        return loss

    def similarity(self, queries: Tensor, docs: Tensor) -> Tensor:
        """Cosines or dot products, whichever the model compares by."""
        scores: Tensor = _inner(self.model).similarity(queries.float(), docs.float())
        return scores

    def _gathered(self, docs: Tensor, batch: Batch) -> tuple[Tensor, Batch]:
        """The documents of all devices; ids are gathered along, so that masks hold for them too."""
        width = (self.settings.batch or 1) * (self.examples.positives.shape[1] + self.examples.negatives.shape[1])
        short = width - len(docs)
        everyone = all_gather_with_grad(torch.cat((docs, docs.new_zeros(short, docs.shape[1]))))
        here = torch.cat((batch.docs, batch.docs.new_full((short,), -1)))
        ids, rank = masks.gathered(here), torch.distributed.get_rank()

        def spread(part: Tensor, fill: float = 0.0) -> Tensor:
            whole = torch.full((len(batch.rows), len(ids)), fill, device=part.device).to(part.dtype)
            whole[:, rank * width : rank * width + part.shape[1]] = part
            return whole

        targets, own, proven = spread(batch.targets), spread(batch.own), spread(batch.proven)
        weights = None if batch.weights is None else spread(batch.weights, 1.0)
        return everyone, Batch(batch.rows, batch.queries, ids, targets, own, proven, weights)


class RerankerObjective(Objective):
    """Cross-encoder: the logits of each row's own list, (B, 1 + K)."""

    def forward(self, step: Tensor) -> Tensor:
        """The loss of a step."""
        self.place(step.device)
        examples, rows = self.examples, self.course.rows(int(step[-1]))
        batch = assemble(examples, rows, step.device)
        return self.cost(list_scores(self.model, examples, batch, self.settings.mini_batch), batch)


def list_scores(model: Any, examples: Examples, batch: Batch, size: int | None) -> Tensor:
    """Logits of each row's own documents, (B, U); -inf elsewhere.

    Args:
        model: a cross-encoder.
        examples: the training set.
        batch: of it.
        size: pairs read at once; pairs of similar length stand together.
    """
    row, column = (i.cpu().numpy() for i in batch.own.nonzero(as_tuple=True))
    device = batch.own.device
    asked, docs = examples.questions(examples.query[batch.rows]), examples.texts(batch.docs.cpu().numpy())
    pairs = [[asked[i], docs[j]] for i, j in zip(row, column, strict=True)]
    order = np.argsort([-len(d) for _, d in pairs], kind="stable")
    found = []
    for start in range(0, len(pairs), size or len(pairs)):
        features = _inner(model).preprocess([pairs[i] for i in order[start : start + (size or len(pairs))]])
        features = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in features.items()}
        found.append(model(features)["scores"].float().view(-1))
    scores = torch.full(batch.own.shape, -torch.inf, device=device)
    where = torch.from_numpy(row[order]).to(device), torch.from_numpy(column[order]).to(device)
    return scores.index_put(where, torch.cat(found))


def tokens(model: Any, texts: list[str], role: str) -> dict[str, Any]:
    """What the model reads of texts, with its prompt for their role."""
    inner = _inner(model)
    prompts: dict[str, str | None] = inner.prompts or {}
    prompt = next((prompts[n] for n in PROMPTS[role] if prompts.get(n)), None)
    found: dict[str, Any] = inner.preprocess(texts, prompt=prompt, task=role)
    return found


def _inner(model: Any) -> Any:
    """The model itself, inside what several devices wrap around it."""
    return getattr(model, "module", model)


def _per_pair(loss: Callable[[Tensor, Tensor], Tensor], scores: Tensor, targets: Tensor) -> Tensor:
    """Pointwise losses as the mean over each row's list."""
    there = ~torch.isneginf(scores)
    return average(loss(scores, targets), there)
