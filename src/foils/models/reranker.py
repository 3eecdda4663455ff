"""Reranker: any sentence-transformers cross-encoder, its scores cached like vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from foils.errors import DataError, RecipeError
from foils.models.batches import run_packed, windows
from foils.models.cache import Parts, cached, open_folder, text_keys
from foils.models.checkpoint import check_model, fingerprint, quietly, read_json, revision, versions
from foils.protocols import Engine

Precision = Literal["float32", "float16", "bfloat16"]
ACTIVATIONS: dict[str, Literal["prob", "logit"]] = {"Sigmoid": "prob", "Identity": "logit"}


@dataclass(frozen=True)
class Reranker:
    """Score pairs by a cross-encoder, which reads query and document together.

    Nogueira and Cho (arXiv:1901.04085). The activation that the model was saved with decides the unit: a sigmoid
    gives ``prob``, none gives ``logit``; a model with one label that names none gets a sigmoid, as in
    sentence-transformers. Fails on documents longer than ``max_length``: what is beyond is not seen.

    Args:
        model: a folder, or a hub id, which sentence-transformers may download. Code in a model is never run.
        max_length: tokens per pair; null: the model's own.
        precision: of the weights. Not measured: on a CPU without native support, 16 bits are far slower.
        batch_tokens: padded tokens per batch; null: 4,096 on a CPU, 16,384 elsewhere.
        device: as torch names it; null: an accelerator if there is one.
    """

    model: str
    max_length: int | None = None
    precision: Precision = "float32"
    batch_tokens: int | None = None
    device: str | None = None

    @property
    def unit(self) -> Literal["prob", "logit"]:
        """Read from the model's settings, without loading it."""
        name = self._activation()
        if name not in ACTIVATIONS:
            raise DataError(
                f"{self.model!r} ends in {name}; only Sigmoid (prob) and Identity (logit) have a known unit"
            )
        return ACTIVATIONS[name]

    def check(self) -> None:
        """The model must exist, and give one score per pair."""
        if self.precision not in get_args(Precision):
            raise RecipeError(f"precision={self.precision!r} is not known; one of {', '.join(get_args(Precision))}")
        if any(n is not None and n < 1 for n in (self.batch_tokens, self.max_length)):
            raise RecipeError("batch_tokens and max_length of a reranker must be at least 1")
        check_model(self.model, "a reranker")
        labels = self._labels()
        if labels != 1:
            raise DataError(f"{self.model!r} gives {labels} scores per pair; a reranker must give one")
        _ = self.unit

    def facts(self) -> dict[str, str]:
        """Model, fingerprint, precision and versions."""
        facts = {
            "model": self.model,
            "fingerprint": self._state.fingerprint or fingerprint(self.model),
            "unit": self.unit,
            "precision": self.precision,
            "device": self._state.device,
        }
        facts |= {p: version(p) for p in ("sentence-transformers", "transformers", "torch")}
        return {k: v for k, v in facts.items() if v}

    def scores(self, queries: Sequence[str], documents: Sequence[str], engine: Engine) -> NDArray[np.float32]:
        """Scores (n,) float32 of n pairs; each distinct pair is scored once, ever."""
        keys = text_keys(queries, documents)
        self._refresh(engine.cache)
        what = {
            "kind": "scores",
            "fingerprint": self._state.fingerprint,
            "max_length": str(self.max_length),
            "precision": self.precision,
            "unit": self.unit,
            "versions": versions(),
        }

        def make(missing: NDArray[np.int64]) -> Parts:
            sizes = np.array([len(queries[i]) + len(documents[i]) for i in missing], dtype=np.int64)
            score = self._score()
            with engine.track("rerank", len(missing), "pairs") as advance:
                for window in windows(sizes):
                    where = missing[window]
                    yield where, score([(queries[i], documents[i]) for i in where])
                    advance(len(where))

        found = cached(open_folder(engine.cache, what), keys, make)
        return found[:, 0] if len(keys) else np.zeros(0, dtype=np.float32)

    def __getstate__(self) -> dict[str, Any]:
        """The options only: a copy on another machine loads the model there."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @cached_property
    def _state(self) -> _State:
        return _State()

    def _config(self) -> dict[str, Any]:
        return read_json(self.model, "config.json") or {}

    def _labels(self) -> int:
        config = self._config()
        if str((config.get("architectures") or [""])[0]).endswith("ForCausalLM"):
            return 1
        return int(config.get("num_labels") or len(config.get("id2label") or {0: "", 1: ""}))

    def _activation(self) -> str:
        config = self._config()
        places = (
            (read_json(self.model, "config_sentence_transformers.json") or {}).get("activation_fn"),
            (config.get("sentence_transformers") or {}).get("activation_fn"),
            config.get("sbert_ce_default_activation_function"),
        )
        name = next((place for place in places if place), None)
        # An activation from elsewhere than torch would be code of the model: it is not run, the default is.
        if name and str(name).startswith("torch."):
            return str(name).rsplit(".", 1)[-1]
        return "Sigmoid" if self._labels() == 1 else "Identity"

    def _refresh(self, cache: Path | None) -> None:
        now = fingerprint(self.model, cache)
        if now != self._state.fingerprint:
            self._state.restart(now)

    def _score(self) -> Callable[[Sequence[tuple[str, str]]], NDArray[np.float32]]:
        model = self._loaded()
        device = str(model.device)

        def forward(features: dict[str, Any]) -> Any:
            return model.activation_fn(model(features)["scores"].float()).reshape(-1, 1)

        def score(pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
            found = run_packed(
                model.preprocess(list(pairs)), forward, len(pairs), self.batch_tokens, device, self.model
            )
            if not np.isfinite(found).all():
                raise RecipeError(f"{self.model!r} gives scores that are not finite in {self.precision}; try float32")
            return found

        return score

    def _loaded(self) -> Any:
        state = self._state
        if state.model is None:
            from sentence_transformers import CrossEncoder

            with quietly():
                model = CrossEncoder(
                    self.model, revision=revision(self.model), device=self.device, trust_remote_code=False
                ).float()
            unit = ACTIVATIONS.get(type(model.activation_fn).__name__)
            if unit != self.unit:
                raise DataError(f"{self.model!r} says that it gives {self.unit}, but ends in {model.activation_fn}")
            if self.max_length is not None:
                model.max_seq_length = self.max_length
            if self.precision != "float32":
                model = model.half() if self.precision == "float16" else model.bfloat16()
            if fingerprint(self.model) != state.fingerprint:
                raise DataError(f"the files of {self.model!r} changed while they were read; run again")
            state.model, state.device = model.eval(), str(model.device)
        return state.model


@dataclass
class _State:
    """What a reranker has loaded; belongs to the files of one fingerprint."""

    fingerprint: str = ""
    device: str = ""
    model: Any = field(default=None)

    def restart(self, fingerprint: str) -> None:
        self.fingerprint, self.model = fingerprint, None
