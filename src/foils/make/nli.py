"""An entailment model from any sentence-transformers CrossEncoder with three labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foils.errors import MissingExtra, RecipeError

LABELS = ("contradiction", "entailment", "neutral")


@dataclass(frozen=True)
class CrossEncoderNli:
    """Contradiction, entailment or neither, by a cross-encoder tuned for natural language inference.

    Args:
        model: a folder, or a name that sentence-transformers knows; nothing is downloaded that was not named here.
        batch: pairs per step.

    Raises:
        MissingExtra: sentence-transformers is not installed.
        RecipeError: the model's labels are not those three.
    """

    model: str
    batch: int = 32

    @property
    def name(self) -> str:
        """``nli:`` and the last part of the model's name."""
        return f"nli:{Path(self.model).name}"

    @cached_property
    def _loaded(self) -> tuple[Any, list[int]]:
        try:
            from sentence_transformers import CrossEncoder
        except ImportError as error:
            raise MissingExtra("sentence-transformers", "models", "an entailment check") from error
        loaded = CrossEncoder(self.model)
        given = {str(label).lower(): int(n) for n, label in loaded.model.config.id2label.items()}
        if set(given) != set(LABELS):
            raise RecipeError(
                f"{self.model} has the labels {', '.join(sorted(given))}; an entailment model needs {', '.join(LABELS)}"
            )
        return loaded, [given[label] for label in LABELS]

    def probabilities(self, premises: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        """(n, 3): contradiction, entailment, neutral; rows sum to 1."""
        model, order = self._loaded
        if not premises:
            return np.zeros((0, 3), dtype=np.float32)
        pairs = list(zip(premises, hypotheses, strict=True))
        scores = model.predict(pairs, batch_size=self.batch, apply_softmax=True, show_progress_bar=False)
        ordered: NDArray[np.float32] = np.asarray(scores, dtype=np.float32)[:, order]
        return ordered
