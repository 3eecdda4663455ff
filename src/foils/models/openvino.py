"""A sentence-transformers model whose transformer runs in OpenVINO; the other modules stay as they are."""

from __future__ import annotations

import copy
import warnings
from typing import Any

INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")


def with_openvino(model: Any) -> Any:
    """Convert in memory; float16 where the CPU computes in it, float32 elsewhere.

    Args:
        model: a float32 ``SentenceTransformer`` on the CPU that starts with a transformer; it is not changed.

    Raises:
        ValueError: the model does not start with a transformer that gives one vector per token.
    """
    import openvino
    import torch

    first = model[0]
    example = model.preprocess(["a text", "another, which is longer"])
    names = [name for name in INPUTS if name in example]
    if not hasattr(first, "auto_model") or "input_ids" not in names:
        raise ValueError("OpenVINO needs a model that starts with a transformer")

    class Hidden(torch.nn.Module):
        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, *values: torch.Tensor) -> torch.Tensor:
            states: torch.Tensor = self.inner(**dict(zip(names, values, strict=True))).last_hidden_state
            return states

    class Compiled(torch.nn.Module):
        def __init__(self, original: Any) -> None:
            super().__init__()
            self.original = original

        def preprocess(self, *args: Any, **kwargs: Any) -> Any:
            return self.original.preprocess(*args, **kwargs)

        def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
            states = compiled([features[name].numpy() for name in names])[0]
            return {**features, "token_embeddings": torch.from_numpy(states)}

    with warnings.catch_warnings(), torch.inference_mode():
        # Tracing warns of every branch on a shape; the caller compares the result with the model's own.
        warnings.simplefilter("ignore")
        graph = openvino.convert_model(Hidden(first.auto_model), example_input=tuple(example[n] for n in names))
    core = openvino.Core()
    hint = "f16" if "FP16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"
    compiled = core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"})
    changed = copy.copy(model)
    changed._modules = dict(model._modules)
    changed._modules[next(iter(changed._modules))] = Compiled(first)
    return changed
