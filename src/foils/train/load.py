"""Models for training: loaded, some layers frozen, adapters put in and melted down again."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from foils.errors import DataError, MissingExtra
from foils.models.checkpoint import check_model, is_static, quietly, read_json, revision
from foils.train.settings import Settings

LAYER = re.compile(r"\.(?:layer|layers|h|block|blocks)\.(\d+)\.")


def check(model: str, settings: Settings) -> None:
    """Everything that can be known before a model loads.

    Raises:
        MissingExtra: a package is not installed.
        DataError: there is no such model, or one of another kind.
    """
    check_model(model, "training")
    for package in ("accelerate", "datasets"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(package, "train", "training")
    if settings.lora and importlib.util.find_spec("peft") is None:
        raise MissingExtra("peft", "train", "lora")
    kind = (read_json(model, "config_sentence_transformers.json") or {}).get("model_type")
    wanted = {"retriever": "SentenceTransformer", "reranker": "CrossEncoder"}[settings.kind]
    if kind is not None and kind != wanted:
        other = "reranker" if kind == "CrossEncoder" else "retriever"
        raise DataError(f"{model!r} is a {kind}, not a {wanted}; train it --as {other}, or name another model")
    if is_static(model):
        raise DataError(
            f"{model!r} is a table of token vectors (static embeddings), and foils train needs layers; export the run "
            "(foils export RUN --to st-triplet) and train it with sentence-transformers, or name another model"
        )


def load(model: str, settings: Settings, device: str | None) -> Any:
    """The model, ready to learn.

    Args:
        model: a folder or hub id.
        settings: settled.
        device: null: an accelerator if there is one.

    Raises:
        DataError: the model cannot be loaded, or has another number of outputs than one.
    """
    from sentence_transformers import CrossEncoder, SentenceTransformer

    given: dict[str, Any] = {"revision": revision(model), "device": device, "trust_remote_code": False}
    try:
        # A new head is drawn at random.
        with quietly(), seeded(settings.seed):
            if settings.kind == "reranker":
                loaded: Any = CrossEncoder(model, num_labels=1, **given)
            else:
                loaded = SentenceTransformer(model, **given)
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, AttributeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(f"the model {model!r} cannot be loaded ({reason}); copy it again, or name another") from error
    loaded.float()
    loaded.read_before = loaded.max_seq_length
    if settings.length and (loaded.max_seq_length or settings.length) >= settings.length:
        loaded.max_seq_length = settings.length
    if settings.dropout is not None:
        _drop(loaded, settings.dropout)
    loaded.model_card_data.local_files_only = True
    if settings.lora:
        with seeded(settings.seed):
            _adapt(loaded, settings.lora)
    elif settings.layers:
        _freeze(loaded, settings.layers)
    return loaded


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch draws by this seed, and afterwards as before."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def _drop(model: Any, share: float) -> None:
    """Dropout of every layer, where models keep it: in modules of torch, and as numbers of attention."""
    from torch.nn import Dropout

    for part in model.modules():
        if isinstance(part, Dropout):
            part.p = share
        for name in ("attention_dropout", "dropout_prob"):
            if isinstance(getattr(part, name, None), float):
                setattr(part, name, share)


def _freeze(model: Any, layers: int) -> None:
    """Only the last layers, and what comes after them, learn."""
    numbers = {name: int(found[-1]) for name, _ in model.named_parameters() if (found := LAYER.findall(f".{name}"))}
    if not numbers:
        raise DataError(f"layers={layers} needs a model with numbered layers; this one has none: set layers to 0")
    first = max(numbers.values()) + 1 - layers
    for name, weight in model.named_parameters():
        weight.requires_grad = numbers[name] >= first if name in numbers else "embedding" not in name.lower()


def _adapt(model: Any, rank: int) -> None:
    """LoRA (arXiv:2106.09685) in every linear layer; alpha is twice the rank."""
    from peft import LoraConfig

    try:
        model.add_adapter(LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules="all-linear"))
    except ValueError as error:
        raise DataError(f"this model takes no LoRA adapters ({error}); train without lora") from error
    for name, weight in model.named_parameters():
        # A new head of a reranker knows nothing yet: it has to learn as a whole.
        if "classifier" in name or "score" in name.split("."):
            weight.requires_grad = True


def lengthen(model: Any) -> None:
    """Let the model read as much as before training: a short ``length`` saves time, it is no property of the result."""
    if getattr(model, "read_before", None):
        model.max_seq_length = model.read_before


def melt(model: Any) -> None:
    """Add the adapters to the weights, so that the model loads everywhere without peft."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    found = [(name, part) for name, part in model.named_modules() if isinstance(part, BaseTunerLayer)]
    for name, part in found:
        part.merge()
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, part.get_base_layer())
    for part in model.modules():
        if getattr(part, "_hf_peft_config_loaded", False):
            part._hf_peft_config_loaded = False
            part.__dict__.pop("peft_config", None)


def blend(model: Any, base: Any, share: float) -> None:
    """Move the weights back toward those before training: ``share`` of the way is kept.

    WiSE-FT (Wortsman et al., CVPR 2022, arXiv:2109.01903): weights on the line between a model and its fine-tuned form
    keep most of what was learnt and lose less of what it could do before; their default is 0.5. Fails where the two no
    longer lie in one basin, after long training at a high rate.

    Args:
        model: the trained one, changed in place.
        base: as it came, of the same shape.
        share: of the trained weights.
    """
    before = base.state_dict()
    mixed = {
        name: value.lerp(before[name].to(value), 1 - share) if value.is_floating_point() else value
        for name, value in model.state_dict().items()
    }
    model.load_state_dict(mixed)
