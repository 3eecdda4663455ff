"""Which candidates of a batch, of other devices or of a memory bank must not be pushed away.

Masks are (B, N) booleans, true for what is suspect. ``blocked`` joins them and holds what may never be masked: the
targets, and the curated and typed negatives that rest on proof.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from foils import texts
from foils.errors import DataError
from foils.pairs import Pairs
from foils.train.losses.rows import order, split, wide


@dataclass(frozen=True, eq=False)
class PairTable:
    """Values of (query, document) pairs, looked up for a whole batch at once.

    Documents are numbered by their group of near-duplicates, so that a copy of a positive is found too.

    Args:
        keys: (n,) sorted, query * documents + group.
        values: (n,) of each pair.
        queries: (Q,) the number that a query is looked up by; queries with the same text share one.
        groups: (D,) the number that a document is looked up by; near-duplicates share one.
        width: above every group.
    """

    keys: Tensor
    values: Tensor
    queries: Tensor
    groups: Tensor
    width: int

    @staticmethod
    def of(
        query: NDArray[np.integer],
        doc: NDArray[np.integer],
        values: NDArray[np.floating] | None = None,
        *,
        queries: NDArray[np.integer] | None = None,
        groups: NDArray[np.integer] | None = None,
        size: tuple[int, int] | None = None,
    ) -> PairTable:
        """Build from pairs; of several values for a pair the highest counts.

        Args:
            query: (n,) query numbers.
            doc: (n,) document numbers.
            values: (n,); null: 1.
            queries: (Q,) group of each query; null: each is its own.
            groups: (D,) group of each document; null: each is its own.
            size: Q and D, where no groups say so; null: as many as the pairs need.

        Raises:
            DataError: a pair names a query or document that is not there.
        """
        query, doc = np.asarray(query, dtype=np.int64), np.asarray(doc, dtype=np.int64)
        top = [int(a.max(initial=-1)) + 1 for a in (query, doc)]
        q, d = size or (top[0], top[1])
        queries = np.arange(q) if queries is None else np.asarray(queries)
        groups = np.arange(d) if groups is None else np.asarray(groups)
        if top[0] > len(queries) or top[1] > len(groups):
            raise DataError(
                f"pairs name query {top[0] - 1} of {len(queries)} and document {top[1] - 1} of {len(groups)}"
            )
        width = int(groups.max(initial=-1)) + 1
        keys = queries[query].astype(np.int64) * width + groups[doc].astype(np.int64)
        given = np.ones(len(keys), dtype=np.float32) if values is None else np.asarray(values, dtype=np.float32)
        sort = np.lexsort((-given, keys))
        first = np.append(True, np.diff(keys[sort]) != 0)[: len(keys)]
        chosen = sort[first]
        columns = (keys[chosen], given[chosen], queries.astype(np.int64), groups.astype(np.int64))
        table = [torch.from_numpy(np.ascontiguousarray(c)) for c in columns]
        return PairTable(table[0], table[1], table[2], table[3], width)

    @staticmethod
    def positives(pairs: Pairs, groups: NDArray[np.integer] | None = None) -> PairTable:
        """All known positives of a table, queries with the same text taken as one.

        Args:
            pairs: the table; its collection's positives count, and those that were found since.
            groups: (D,) near-duplicate group of each document, such as ``text_groups``; null: ids alone.
        """
        known = pl.concat(
            [
                pairs.collection.positives.select(pl.col("query", "doc").cast(pl.UInt32)),
                pairs.frame.filter("positive").select("query", "doc"),
            ]
        )
        where = pairs.collection
        return PairTable.of(
            known["query"].to_numpy(),
            known["doc"].to_numpy(),
            queries=text_groups(where.queries["text"]),
            groups=groups,
            size=(where.queries.height, where.corpus.height),
        )

    def to(self, device: torch.device | str) -> PairTable:
        """The same table on another device."""
        return PairTable(
            self.keys.to(device), self.values.to(device), self.queries.to(device), self.groups.to(device), self.width
        )

    def find(self, queries: Tensor, docs: Tensor) -> tuple[Tensor, Tensor]:
        """Where the table knows the pairs of a batch, and the place of each pair in it.

        Args:
            queries: (B,) query numbers; -1: not of the collection.
            docs: (N,) or (B, N) document numbers; -1: without id (made-up vectors), never known.

        Returns:
            (B, N) booleans, and (B, N) places that mean something where they are true.
        """
        docs = docs if docs.dim() == 2 else docs.unsqueeze(0)
        shape = (len(queries), docs.shape[1])
        if not len(self.keys):
            return torch.zeros(shape, dtype=torch.bool, device=docs.device), torch.zeros_like(docs).expand(shape)
        key = self.queries[queries.clamp(min=0)].unsqueeze(1) * self.width + self.groups[docs.clamp(min=0)]
        place = torch.searchsorted(self.keys, key).clamp(max=len(self.keys) - 1)
        real = (queries >= 0).unsqueeze(1) & (docs >= 0)
        return (self.keys[place] == key) & real, place

    def known(self, queries: Tensor, docs: Tensor) -> Tensor:
        """True where the pair is in the table. (B, N)."""
        return self.find(queries, docs)[0]

    def value(self, queries: Tensor, docs: Tensor) -> Tensor:
        """The value of each pair, NaN where the table does not know it. (B, N)."""
        found, place = self.find(queries, docs)
        if not len(self.keys):
            return torch.full(found.shape, torch.nan, device=found.device)
        return self.values[place].masked_fill(~found, torch.nan)


def text_groups(column: pl.Series) -> NDArray[np.int64]:
    """Number texts so that equal ones share a number: equal but for case, width (NFKC) and white space.

    Args:
        column: (n,) strings.

    Returns:
        (n,) numbers from 0, in the order of first appearance.

    Example:
        >>> text_groups(pl.Series(["A b", "c", "a  B"])).tolist()
        [0, 1, 0]
    """
    folded = texts.fold(column)
    first = pl.DataFrame({"t": folded}).unique("t", keep="first", maintain_order=True).with_row_index("group")
    joined = pl.DataFrame({"t": folded}).join(first, on="t", how="left", maintain_order="left")
    return joined["group"].to_numpy().astype(np.int64)


def gathered(ids: Tensor) -> Tensor:
    """The ids of all devices, in the order in which sentence-transformers gathers vectors.

    ``gather_across_devices`` of its losses concatenates by rank; masks then need the ids of the same candidates. Every
    device must have equally many, as for the vectors.

    Args:
        ids: (N,) of this device.

    Returns:
        (W N,) for W devices; the same tensor without ``torch.distributed``.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return ids
    parts = [torch.empty_like(ids) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(parts, ids.contiguous())
    return torch.cat(parts)


def likely(probability: Tensor, threshold: float = 0.5) -> Tensor:
    """True where a detector finds a false negative at least this likely; pairs it has not seen (NaN) are not suspect.

    Most pairs of a batch were never mined, so they have no probability; random ones are rarely relevant. Fails where
    the batch is built of near neighbours (NGAME, hard batches): score those pairs, or add ``above_positive``.

    Args:
        probability: (B, N), for instance ``PairTable.value`` of the column ``prob.detector``.
        threshold: in (0, 1].
    """
    if not 0 < threshold <= 1:
        raise DataError(f"threshold={threshold} is no probability to mask at; it must be above 0 and at most 1")
    return probability >= threshold


def above_positive(guide: Tensor, targets: Tensor, margin: float = 0.0, relative: bool = False) -> Tensor:
    """True for negatives that a guide scores above the positive minus a margin: GISTEmbed's mask.

    GISTEmbed (arXiv:2402.16829) has margin 0; sentence-transformers' GISTEmbedLoss added the margins, NV-Retriever's
    best is 0.05 absolute or 0.05 relative (0.95 of the positive). UniME (arXiv:2504.17432) is margin -0.1: it keeps
    what scores slightly above. Of several positives the lowest counts. Fails on a positive that the guide scores low:
    the whole row is masked.

    Args:
        guide: (B, N) scores of a frozen or of the trained model.
        targets: (B, N) booleans or grades.
        margin: in the unit of the scores, or as a share of the positive's score.
        relative: take the margin as a share.

    Returns:
        (B, N); nothing in a row without a positive.
    """
    guide = wide(guide).detach()
    positive, negative = split(guide, targets)
    lowest = guide.masked_fill(~positive, torch.inf).amin(-1, keepdim=True)
    limit = lowest - margin * lowest.abs() if relative else lowest - margin
    return negative & positive.any(-1, keepdim=True) & (guide > limit)


def alike(frozen: Tensor, threshold: float = 0.9) -> Tensor:
    """True where a frozen model finds two texts too much alike to be told apart: DCLR's mask.

    arXiv:2205.00656: cosine above 0.9 (BERT-SimCSE), 0.85 (RoBERTa). Fails with a model whose cosines lie elsewhere.

    Args:
        frozen: (B, N) cosines.
        threshold: exclusive.
    """
    return frozen > threshold


def outside_ring(scores: Tensor, targets: Tensor, lower: float, upper: float) -> Tensor:
    """True for negatives outside a band of quantiles of their row: what is left is a ring around the query.

    Ring loss (conditional negative sampling, arXiv:2010.02037): easy negatives go, and so do the hardest, where the
    false ones are; the authors shrink the ring over training. ``upper=1`` keeps the hardest, as UniME's top k does.

    Args:
        scores: (B, N).
        targets: (B, N) booleans or grades.
        lower: quantile at which the ring begins, 0 the easiest.
        upper: quantile at which it ends, 1 the hardest.

    Raises:
        DataError: the band is empty or lies outside [0, 1].
    """
    if not 0 <= lower < upper <= 1:
        raise DataError(f"the ring from {lower} to {upper} is no band of quantiles; 0 <= lower < upper <= 1")
    _, negative = split(scores, targets)
    count = negative.sum(-1, keepdim=True)
    # The hardest has rank 1, so its share from the easy end is 1.
    share = (count - order(wide(scores).masked_fill(~negative, -torch.inf)) + 0.5) / count.clamp(min=1)
    return negative & ((share < lower) | (share > upper))


def beyond(scores: Tensor, targets: Tensor, k: int = 8) -> Tensor:
    """True for negatives that are not among the k hardest of their row: UniME trains on 8.

    A row with fewer survivors keeps them all; nothing made up takes their place.

    Args:
        scores: (B, N), likely false negatives removed before.
        targets: (B, N) booleans or grades.
        k: negatives kept per row.
    """
    _, negative = split(scores, targets)
    return negative & (order(wide(scores).masked_fill(~negative, -torch.inf)) > k)


def blocked(targets: Tensor, *suspicions: Tensor, protect: Tensor | None = None) -> Tensor:
    """All suspicions joined, without the targets and without what is protected: what ``remove`` is given.

    Curated negatives (judged by a person) and typed ones (proven by their edit) look like false negatives to every
    mask: they are near-duplicates of the positive and score like it. They are the point of the batch, so they stay.

    Args:
        targets: (B, N) booleans or grades.
        suspicions: (B, N) booleans each.
        protect: (B, N) booleans, pairs that stay whatever a mask says.

    Returns:
        (B, N) booleans.

    Raises:
        DataError: a mask has another shape.

    Example:
        >>> suspect, typed = torch.tensor([[1, 1, 1]]) > 0, torch.tensor([[0, 0, 1]]) > 0
        >>> blocked(torch.tensor([[1, 0, 0]]), suspect, protect=typed)
        tensor([[False,  True, False]])
    """
    suspect = torch.zeros(targets.shape, dtype=torch.bool, device=targets.device)
    for mask in suspicions:
        if mask.shape != targets.shape:
            raise DataError(f"a mask of shape {tuple(mask.shape)} does not fit targets of {tuple(targets.shape)}")
        suspect = suspect | mask
    suspect = suspect & ~(targets > 0)
    return suspect if protect is None else suspect & ~protect


def owned(owners: Tensor, special: Tensor, rows: int) -> Tensor:
    """True where a special candidate stands in the row that it was made for: the usual ``protect``.

    A typed negative of one query is proven for that query alone; for the others it is a document like any.

    Args:
        owners: (N,) the row each candidate belongs to; -1: none (memory bank, other devices).
        special: (N,) booleans, curated or typed.
        rows: B.

    Returns:
        (B, N) booleans.
    """
    return (owners.unsqueeze(0) == torch.arange(rows, device=owners.device).unsqueeze(1)) & special.unsqueeze(0)
