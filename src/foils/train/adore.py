"""ADORE: documents stay as they are, the query encoder learns from what it finds right now."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from foils.train import losses, masks
from foils.train.objective import Objective, tokens
from foils.train.remine import encode_all

DEPTH = 200  # published


class AdoreObjective(Objective):
    """LambdaLoss on the live top 200 of frozen documents (arXiv:2104.08051).

    Every step encodes the queries, searches the frozen vectors, appends positives where none was found, and weighs each
    pair of a relevant and an irrelevant document by the difference of their reciprocal ranks. Only the query side
    learns, so the saved model routes queries and documents to two encoders. Likely false negatives are removed from the
    list; the paper has no such mask. Fails without a good index: the order of the documents' vectors never changes.
    """

    def freeze(self) -> None:
        """Encode the documents with the model as it came."""
        _, self.frozen = encode_all(self, self.examples.query[:1])

    def forward(self, step: Tensor) -> Tensor:
        """The loss of a step."""
        self.place(step.device)
        rows = self.course.rows(int(step[-1]))
        query = self.examples.query[rows]
        features = tokens(self.model, self.examples.questions(query), "query")
        features = {k: v.to(step.device) if isinstance(v, Tensor) else v for k, v in features.items()}
        vectors = self.model(features)["sentence_embedding"]
        scores = self._inner_similarity(vectors)
        found = scores.detach().topk(min(DEPTH, scores.shape[1]), -1).indices
        asked = torch.from_numpy(query).to(step.device)
        there = self.known.known(asked, found)
        own = torch.from_numpy(self.examples.positives[rows]).to(step.device)
        # The paper appends positives only where none was found.
        own = own.masked_fill(there.any(-1, keepdim=True), -1)
        docs = torch.cat((found, own), 1)
        targets = torch.cat((there, own >= 0), 1).float()
        listed = scores.gather(1, docs.clamp(min=0)).masked_fill(docs < 0, -torch.inf)
        suspicions = []
        if self.settings.doubt != "keep":
            suspicions.append(masks.likely(self.doubt.value(asked, docs), self.settings.threshold))
        if self.settings.margin is not None:
            suspicions.append(masks.above_positive(listed, targets, self.settings.margin))
        gone = (docs < 0) | masks.blocked(targets, *suspicions)
        costs = losses.adore(losses.remove(listed, gone), targets)
        self.seen += len(rows)
        return costs.mean()

    def _inner_similarity(self, vectors: Tensor) -> Tensor:
        model: Any = getattr(self.model, "module", self.model)
        found: Tensor = model.similarity(vectors.float(), self.frozen)
        return found


def routed(query: Any, document: Any) -> Any:
    """One model with an encoder for each side.

    Args:
        query: the trained one.
        document: the one that the documents were encoded with.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Router

    router = Router.for_query_document(list(query.children()), list(document.children()))
    return SentenceTransformer(modules=[router], device=str(query.device), similarity_fn_name=query.similarity_fn_name)
