"""foils: the negatives that retrievers, embedding models and rerankers learn from."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foils.collection import Collection
    from foils.pairs import Pairs
    from foils.run import Run, mine
    from foils.steps import Recipe

__version__ = "0.1.0"
__all__ = ["Collection", "Pairs", "Recipe", "Run", "mine"]

_HOMES = {
    "Collection": "foils.collection",
    "Pairs": "foils.pairs",
    "Recipe": "foils.steps",
    "Run": "foils.run",
    "mine": "foils.run",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for, so that ``import foils`` stays fast."""
    if name not in _HOMES:
        raise AttributeError(f"module 'foils' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
