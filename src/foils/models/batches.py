"""Texts to a torch model in batches of like length, so that little is padding.

Two cuts, both greedy from the longest text down. First into windows by characters, which are tokenised once; then each
window into batches by tokens. What remains after whole windows are done is cut as it would have been, so that a run
that was killed and started again computes the same batches, and gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from foils.errors import RecipeError

if TYPE_CHECKING:
    from torch import Tensor

WINDOW_CHARACTERS = 262_144
# A CPU wants activations that stay in its cache, an accelerator work for all its cores.
BATCH_TOKENS = {"cpu": 4096}
BATCH_TOKENS_ELSEWHERE = 16_384

Features = Mapping[str, Any]
Rows = NDArray[np.int64]


def windows(sizes: NDArray[np.int64], budget: int = WINDOW_CHARACTERS) -> Iterator[Rows]:
    """Cut rows into windows of at most ``budget`` characters (or a single row), longest first, ties by position.

    Args:
        sizes: characters of each row, (n,).
        budget: characters per window.
    """
    order = np.argsort(-sizes, kind="stable")
    start, used = 0, 0
    for at, size in enumerate(sizes[order].tolist()):
        if at > start and used + size > budget:
            yield order[start:at]
            start, used = at, 0
        used += size
    if start < len(order):
        yield order[start:]


def pack(lengths: NDArray[np.int64], budget: int) -> Iterator[Rows]:
    """Cut rows into batches with rows x longest length <= ``budget`` tokens (or a single row), longest first.

    Args:
        lengths: tokens of each row, (n,).
        budget: padded tokens per batch.

    Example:
        >>> [batch.tolist() for batch in pack(np.array([2, 8, 3, 4]), 8)]
        [[1], [3, 2], [0]]
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, budget // max(1, int(lengths[order[start]])))
        yield order[start : start + size]
        start += size


def run_packed(
    features: Features,
    forward: Callable[[dict[str, Any]], Tensor],
    rows: int,
    budget: int | None,
    device: str,
    what: str,
) -> NDArray[np.float32]:
    """Put tokenised rows through a model in packed batches; results (rows, d) or (rows,) float32, in order.

    A batch that does not fit into memory is halved.

    Args:
        features: the tokenised rows, padded to a common width.
        forward: the model: features to a tensor with a row per row.
        rows: how many there are.
        budget: padded tokens per batch; null: 4,096 on a CPU, 16,384 elsewhere.
        device: where the features are needed.
        what: the model, for the message.

    Raises:
        RecipeError: a single row does not fit into memory.
    """
    import torch

    mask = features.get("attention_mask")
    if not isinstance(mask, torch.Tensor) or mask.ndim != 2 or mask.shape[0] != rows:
        batches, lengths = iter([np.arange(rows)]), None
    else:
        lengths = mask.sum(dim=1).numpy().astype(np.int64)
        batches = pack(lengths, budget or BATCH_TOKENS.get(device, BATCH_TOKENS_ELSEWHERE))

    def run(batch: Rows) -> NDArray[np.float32]:
        part = dict(features) if lengths is None else cut(features, batch, int(lengths[batch].max()), rows)
        moved = {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in part.items()}
        found: NDArray[np.float32] = forward(moved).float().cpu().numpy()
        return found

    out: NDArray[np.float32] | None = None
    with torch.inference_mode():
        for batch in batches:
            found = _halving(run, batch, splits=lengths is not None, what=what)
            if out is None:
                out = np.empty((rows, *found.shape[1:]), dtype=np.float32)
            out[batch] = found
    return out if out is not None else np.empty((0, 0), dtype=np.float32)


def cut(features: Features, batch: Rows, width: int, rows: int) -> dict[str, Any]:
    """The rows of a batch, with the padding that they do not need cut off on its side."""
    import torch

    mask = features["attention_mask"]
    full = mask.shape[1]
    kept = slice(0, width) if bool(mask[:, 0].all()) else slice(full - width, full)
    part: dict[str, Any] = {}
    for name, value in features.items():
        if isinstance(value, torch.Tensor) and value.ndim and value.shape[0] == rows:
            value = value[torch.from_numpy(batch)]
            if value.ndim == 2 and value.shape[1] == full:
                value = value[:, kept]
        part[name] = value
    return part


def _halving(
    run: Callable[[Rows], NDArray[np.float32]], batch: Rows, *, splits: bool, what: str
) -> NDArray[np.float32]:
    import torch

    try:
        return run(batch)
    except (RuntimeError, MemoryError) as error:
        if not _out_of_memory(error):
            raise
        if len(batch) == 1 or not splits:
            raise RecipeError(
                f"{what}: out of memory with a batch of {len(batch)} text; "
                "set a lower max_length or batch_tokens, or another device"
            ) from error
    # Outside of the handler, which would keep the failed batch's tensors alive.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    middle = len(batch) // 2
    return np.concatenate([_halving(run, half, splits=splits, what=what) for half in (batch[:middle], batch[middle:])])


def _out_of_memory(error: BaseException) -> bool:
    text = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text
