"""SentenceEncoder: any sentence-transformers bi-encoder, in the fastest faithful precision, through the cache."""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from foils.collection import Collection
from foils.errors import DataError, RecipeError
from foils.models import precision as precisions
from foils.models.batches import run_packed, windows
from foils.models.cache import Parts, cached, open_folder, text_keys
from foils.models.checkpoint import check_model, fingerprint, is_static, quietly, read_json, revision, versions
from foils.protocols import Engine, Role

Precision = Literal["auto", "float32", "float16", "bfloat16", "openvino"]
WORTH_CONVERTING = 2_000_000  # characters; below, the conversion takes longer than it saves
PROMPTS = {"query": ("query",), "document": ("document", "passage", "corpus")}


@dataclass(frozen=True)
class SentenceEncoder:
    """Encode queries and documents with a sentence-transformers model.

    Reimers and Gurevych (EMNLP 2019). The similarity that the model was trained for decides the unit: models that
    end in a normalisation or compare by cosine give unit vectors and ``cos``, dot-product models keep their norms
    and give ``dot``. Fails on texts longer than ``max_length``: what is beyond is not seen.

    Args:
        model: a folder, or a hub id, which sentence-transformers may download. Code in a model is never run.
        query_prompt: put before every query; null: the model's own.
        document_prompt: put before every document; null: the model's own.
        max_length: tokens per text; null: the model's own.
        precision: ``auto`` measures which format is fastest with a cosine to float32 of at least 0.99999.
        batch_tokens: padded tokens per batch; null: 4,096 on a CPU, 16,384 elsewhere.
        device: as torch names it; null: an accelerator if there is one.
    """

    model: str
    query_prompt: str | None = None
    document_prompt: str | None = None
    max_length: int | None = None
    precision: Precision = "auto"
    batch_tokens: int | None = None
    device: str | None = None

    @property
    def unit(self) -> Literal["cos", "dot"]:
        """Read from the model's settings, without loading it."""
        modules = read_json(self.model, "modules.json") or []
        normalised = bool(modules) and str(modules[-1].get("type", "")).endswith("Normalize")
        return "cos" if normalised or self._similarity() == "cosine" else "dot"

    def check(self) -> None:
        """The model must exist, be a bi-encoder, and compare by cosine or inner product."""
        if self.precision not in get_args(Precision):
            raise RecipeError(f"precision={self.precision!r} is not known; one of {', '.join(get_args(Precision))}")
        if any(n is not None and n < 1 for n in (self.batch_tokens, self.max_length)):
            raise RecipeError("batch_tokens and max_length of an encoder must be at least 1")
        check_model(self.model, "an encoder")
        kind = self._settings().get("model_type") or _plain_kind(self.model)
        if kind != "SentenceTransformer":
            raise DataError(f"{self.model!r} is a {kind}, not a model with one dense vector per text")
        if self.max_length is not None and is_static(self.model):
            raise RecipeError(
                f"{self.model!r} is a table of token vectors, which reads whole texts; leave max_length out"
            )
        if self.unit == "dot" and self._similarity() != "dot":
            raise DataError(
                f"{self.model!r} compares by {self._similarity()} distance; only cosine and dot product are supported"
            )
        if self.precision == "openvino" and importlib.util.find_spec("openvino") is None:
            raise RecipeError("precision='openvino' needs the package openvino; run: pip install openvino")

    def facts(self) -> dict[str, str]:
        """Model, fingerprint, precision and versions."""
        state = self._state
        facts = {
            "model": self.model,
            "fingerprint": state.fingerprint or fingerprint(self.model),
            "unit": self.unit,
            "precision": state.precision or self.precision,
            "dtype": "float32",
            "probe": state.probe,
            "device": state.device,
        }
        facts |= {p: version(p) for p in ("sentence-transformers", "transformers", "torch")}
        return {k: v for k, v in facts.items() if v}

    def vectors(
        self, collection: Collection, role: Role, rows: NDArray[np.uint32] | None, engine: Engine
    ) -> NDArray[np.float32]:
        """Vectors (n, d) float32 of queries or documents; each distinct text is encoded once, ever."""
        series = collection.queries["text"] if role == "query" else collection.passages
        texts = (series if rows is None else series.gather(rows)).to_list()
        self._refresh(engine.cache)
        self._decide(texts, role, engine.cache)
        folder = open_folder(engine.cache, self._key(role))

        def make(missing: NDArray[np.int64]) -> Parts:
            unit = "queries" if role == "query" else "documents"
            sizes = np.array([len(texts[i]) for i in missing], dtype=np.int64)
            encode = self._encode(self._state.precision, role)
            with engine.track("encode", len(missing), unit) as advance:
                for window in windows(sizes):
                    where = missing[window]
                    yield where, encode([texts[i] for i in where])
                    advance(len(where))

        return cached(folder, text_keys(texts), make)

    def __getstate__(self) -> dict[str, Any]:
        """The options only: a copy on another machine loads the model there."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @cached_property
    def _state(self) -> _State:
        return _State()

    def _settings(self) -> dict[str, Any]:
        return read_json(self.model, "config_sentence_transformers.json") or {}

    def _similarity(self) -> str:
        name = self._settings().get("similarity_fn_name") or "cosine"
        return {"cos_sim": "cosine", "dot_product": "dot", "dot_score": "dot"}.get(name, str(name))

    def _prompt(self, role: Role) -> str:
        given = self.query_prompt if role == "query" else self.document_prompt
        if given is not None:
            return given
        settings = self._settings()
        own: dict[str, str | None] = settings.get("prompts") or {}
        for name in (*PROMPTS[role], settings.get("default_prompt_name")):
            if name is not None and own.get(name) is not None:
                return str(own[name])
        return ""

    def _key(self, role: Role) -> dict[str, str]:
        return {
            "kind": "vectors",
            "fingerprint": self._state.fingerprint,
            "prompt": self._prompt(role),
            "role": role,
            "max_length": str(self.max_length),
            "precision": self._state.precision,
            "unit": self.unit,
            "versions": versions(),
        }

    def _refresh(self, cache: Path | None) -> None:
        """Forget the loaded model when its files have changed."""
        now = fingerprint(self.model, cache)
        if now != self._state.fingerprint:
            self._state.restart(now)

    def _decide(self, texts: Sequence[str], role: Role, cache: Path | None) -> None:
        """Fix the precision, for good: by option, by an earlier decision, or by a probe on these texts."""
        state = self._state
        if self.precision != "auto":
            state.precision = self.precision
        if state.precision or not texts:
            return
        key = f"{state.fingerprint}, {self.max_length} tokens, {self.device or 'any device'}, {precisions.machine()}"
        decision = precisions.remembered(cache, key)
        if decision is None:
            names = ["float16", "bfloat16"]
            enough = sum(map(len, texts)) >= WORTH_CONVERTING
            if enough and importlib.util.find_spec("openvino") and self._model("float32").device.type == "cpu":
                names.append("openvino")
            load = {name: lambda name=name: self._encode(name, role) for name in names}
            decision = precisions.probe(texts, self._encode("float32", role), load)
            precisions.remember(cache, key, decision)
            for name in {"float32", *names} - {decision[0]}:
                state.models.pop(name, None)
        state.precision, state.probe = decision

    def _encode(self, precision: str, role: Role) -> Callable[[Sequence[str]], NDArray[np.float32]]:
        """What encodes a window of texts in a precision."""
        model, prompt, normal = self._model(precision), self._prompt(role), self.unit == "cos"
        device = str(model.device)

        def forward(features: dict[str, Any]) -> Any:
            return model(features, task=role)["sentence_embedding"]

        def encode(texts: Sequence[str]) -> NDArray[np.float32]:
            features = model.preprocess(list(texts), prompt=prompt or None, task=role)
            found = run_packed(features, forward, len(texts), self.batch_tokens, device, self.model)
            if model.truncate_dim is not None:
                found = found[:, : model.truncate_dim]
            if not np.isfinite(found).all():
                raise RecipeError(f"{self.model!r} gives vectors that are not finite in {precision}; try float32")
            if normal:
                found = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
            return np.ascontiguousarray(found, dtype=np.float32)

        return encode

    def _model(self, precision: str) -> Any:
        state = self._state
        if precision not in state.models:
            base = state.models.get("float32") or self._load()
            if precision in ("float16", "bfloat16"):
                base = copy.deepcopy(base) if "float32" in state.models else base
                base = base.half() if precision == "float16" else base.bfloat16()
            elif precision == "openvino":
                from foils.models.openvino import with_openvino

                base = with_openvino(base)
            state.models[precision] = base
            state.device = str(base.device)
        return state.models[precision]

    def _load(self) -> Any:
        from sentence_transformers import SentenceTransformer

        with quietly():
            model = SentenceTransformer(
                self.model, revision=revision(self.model), device=self.device, trust_remote_code=False
            ).float()
        if self.max_length is not None:
            model.max_seq_length = self.max_length
        if fingerprint(self.model) != self._state.fingerprint:
            raise DataError(f"the files of {self.model!r} changed while they were read; run again when they are whole")
        return model.eval()


def _plain_kind(model: str) -> str:
    """What a model is that does not say so: cross-encoders were long saved without settings of their own."""
    heads = (read_json(model, "config.json") or {}).get("architectures") or [""]
    bare = read_json(model, "modules.json") is None
    return "CrossEncoder" if bare and str(heads[0]).endswith("ForSequenceClassification") else "SentenceTransformer"


@dataclass
class _State:
    """What an encoder has loaded and decided; belongs to the files of one fingerprint."""

    fingerprint: str = ""
    precision: str = ""
    probe: str = ""
    device: str = ""
    models: dict[str, Any] = field(default_factory=dict)

    def restart(self, fingerprint: str) -> None:
        self.fingerprint, self.precision, self.probe, self.models = fingerprint, "", "", {}
