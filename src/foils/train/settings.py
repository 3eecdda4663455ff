"""How to train: one dial, ``effort``, sets what is not given."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from foils.errors import RecipeError

Effort = Literal["low", "normal", "high"]
As = Literal["retriever", "reranker"]
Doubt = Literal["remove", "weigh", "soften", "keep"]
Keep = Literal["best", "last"]
Batches = Literal["shuffled", "ngame", "hard", "together"]
Holds = Literal["vectors", "scores"]
Precision = Literal["auto", "float32", "bfloat16"]

# What the dial sets: a first result in minutes on a laptop; what most papers do; all that the data can give.
EFFORT: dict[str, dict[str, Any]] = {
    "low": {"epochs": 1, "negatives": 2, "batch": 32, "length": 128, "layers": 2, "evaluations": 1},
    "normal": {"epochs": 3, "negatives": 4, "batch": 32, "length": 256, "layers": 0, "evaluations": 3},
    "high": {"epochs": 5, "negatives": 8, "batch": 128, "length": 512, "layers": 0, "evaluations": 10},
}
# A cross-encoder reads every pair by itself: its batches are small, and in-batch negatives come at the full price.
RERANKER: dict[str, dict[str, Any]] = {
    "low": {"batch": 8, "negatives": 4},
    "normal": {"batch": 16, "negatives": 7},
    "high": {"batch": 32, "negatives": 15},
}


@dataclass(frozen=True)
class Settings:
    """Settings of a training; what is null is set by ``effort`` (see ``settled``).

    Args:
        effort: ``low``, ``normal`` or ``high``.
        kind: ``retriever`` (bi-encoder) or ``reranker`` (cross-encoder).
        loss: a name of ``foils.train.objective``.
        temperature: in the unit of the scores; null: 0.05 on cosines, 1 on anything else.
        epochs: times over the rows.
        batch: rows per step and device.
        mini_batch: texts encoded at once; a larger batch is cached (GradCache). Null: 256.
        rate: learning rate; null: 5e-5 where only some layers learn, 2e-4 with LoRA, else 2e-5.
        warmup: share of the steps.
        decay: weight decay.
        negatives: per row, the hardest that were selected.
        positives: known ones per row; 1: a row for each.
        found: positives that a judge or the detector found, at most so many beside the known ones of a row; 0: rows of
            their own.
        likely: what the recipe dropped as relevant counts as found from this probability on, by verdict and detector
            together; 1: only what it promoted.
        length: tokens per text.
        layers: only the last so many layers learn; 0: all.
        lora: rank of LoRA adapters; 0: none.
        doubt: what is done to likely false negatives in the batch.
        threshold: the probability from which ``remove`` removes.
        margin: also masks what the model scores above the positive minus this (GISTEmbed, self-guided); null: off.
        batches: ``shuffled``, ``ngame`` (clusters that double in size), ``hard``, or ``together`` (both rows of a
            minimal pair in one batch). Null: ``together`` for a retriever with two-sided pairs, else ``shuffled``.
        both: train on the two-sided pairs that lie beside the run (``foils make --two-sided``), too.
        teacher: score column that a distillation loss imitates.
        holdout: share of the queries that is kept for evaluation.
        evaluations: during training, evenly spread; each is a checkpoint.
        keep: ``best`` of the evaluations, the start included, or ``last``.
        precision: of matrix products; ``auto``: bfloat16 on a GPU that has it, else float32. A CPU with bfloat16 units
            gains up to half of the time from it.
        dropout: of all layers while they learn; null: as the model has it (0.1 in most).
        anchor: weight of what holds the model near the starting model; 0: off. What a ``contest`` asks for is free. It
            sees the noise of dropout, too: with a large weight set ``dropout`` to 0.
        holds: what the anchor holds: ``vectors`` of queries and documents, or the ``scores`` between them, which leaves
            the vectors free to move as long as the scores of a query keep their distances.
        near: model to hold to, with the same tokenizer, such as the one that an earlier training started from; empty:
            the starting model.
        rehearse: passages of the collection that stand beside each batch, only to be held by the anchor; drawn from
            those that no row trains on.
        contest: temperature at which the rows of a minimal pair (``together``) compare their own two documents only;
            0: they take part in the loss of the batch.
        blend: share of the trained weights in the result, the rest from the model as it came (WiSE-FT).
        seed: of everything.
    """

    effort: Effort = "normal"
    kind: As = "retriever"
    loss: str = "info-nce"
    temperature: float | None = None
    epochs: int | None = None
    batch: int | None = None
    mini_batch: int | None = None
    rate: float | None = None
    warmup: float = 0.1
    decay: float = 0.01
    negatives: int | None = None
    positives: int = 1
    found: int = 8
    likely: float = 0.5
    length: int | None = None
    layers: int | None = None
    lora: int = 0
    doubt: Doubt = "remove"
    threshold: float = 0.5
    margin: float | None = None
    batches: Batches | None = None
    both: bool = True
    teacher: str = ""
    holdout: float = 0.1
    evaluations: int | None = None
    keep: Keep = "best"
    precision: Precision = "auto"
    dropout: float | None = None
    anchor: float = 0.0
    holds: Holds = "vectors"
    near: str = ""
    rehearse: int = 0
    contest: float = 0.0
    blend: float = 1.0
    seed: int = 0

    def settled(self) -> Settings:
        """Every null replaced by what the dial says.

        Raises:
            RecipeError: a value that cannot be trained with.
        """
        if self.effort not in EFFORT:
            raise RecipeError(f"effort={self.effort!r} is not known; one of {', '.join(EFFORT)}")
        dial = EFFORT[self.effort] | (RERANKER[self.effort] if self.kind == "reranker" else {})
        if self.lora:
            dial |= {"layers": 0}
        given = replace(self, **{k: v for k, v in dial.items() if getattr(self, k) is None})
        rate = 2e-4 if given.lora else 5e-5 if given.layers else 2e-5
        given = replace(given, mini_batch=given.mini_batch or 256, rate=rate if given.rate is None else given.rate)
        given.check()
        return given

    def check(self) -> None:
        """Raise a RecipeError unless every value can be trained with."""
        choices = {"kind": As, "doubt": Doubt, "batches": Batches, "precision": Precision, "holds": Holds, "keep": Keep}
        for name, kind in choices.items():
            if getattr(self, name) not in get_args(kind) and (name != "batches" or self.batches is not None):
                raise RecipeError(f"{name}={getattr(self, name)!r} is not known; one of {', '.join(get_args(kind))}")
        least = {"epochs": 1, "batch": 1, "mini_batch": 1, "negatives": 0, "positives": 1, "length": 8, "lora": 0}
        for name, value in (least | {"layers": 0, "evaluations": 0, "found": 0, "seed": 0}).items():
            if not value <= (getattr(self, name) or 0) < 2**32:
                raise RecipeError(
                    f"{name}={getattr(self, name)} is too small or too large; at least {value}, below 2^32"
                )
        shares = {"holdout": self.holdout, "warmup": self.warmup, "threshold": self.threshold, "likely": self.likely}
        for name, share in shares.items():
            if not 0 <= share <= 1 or (name == "holdout" and share > 0.5):
                raise RecipeError(f"{name}={share} is no share that works; holdout lies in [0, 0.5], others in [0, 1]")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise RecipeError(f"dropout={self.dropout} must be a share below 1; 0 turns it off")
        if not (self.rate or 0) > 0 or not (self.temperature is None or self.temperature > 0):
            raise RecipeError(f"rate={self.rate} and temperature={self.temperature} must be above 0")
        if not self.threshold:
            raise RecipeError("threshold=0 takes every candidate for a false negative; it must be above 0")
        self._check_pairs()

    def _check_pairs(self) -> None:
        """What two settings rule out together."""
        alone = self.loss == "adore" or self.lora
        if not 0 < self.blend <= 1 or (self.blend < 1 and alone):
            raise RecipeError(
                f"blend={self.blend} must be a share of the trained weights, above 0 and at most 1, and 1 with loss "
                "adore or with lora"
            )
        if self.anchor < 0 or (self.anchor and (self.kind == "reranker" or self.loss == "adore")):
            raise RecipeError(
                f"anchor={self.anchor} must be at least 0, and 0 with loss adore and for a reranker (it has no vectors)"
            )
        if self.rehearse < 0:
            raise RecipeError(f"rehearse={self.rehearse} must be at least 0")
        if (self.rehearse or self.near) and not self.anchor:
            what = f"rehearse={self.rehearse}" if self.rehearse else f"near={self.near!r}"
            raise RecipeError(
                f"{what} says what an anchor holds, and anchor=0 holds nothing; set anchor, to 2 for instance"
            )
        if self.contest < 0 or (self.contest and (self.kind == "reranker" or self.loss != "info-nce")):
            raise RecipeError(
                f"contest={self.contest} must be at least 0, and 0 with any loss but info-nce and for a reranker"
            )
        if self.lora and self.layers:
            raise RecipeError("lora and layers exclude each other: adapters sit in all layers")
        if self.kind == "reranker" and not self.negatives:
            raise RecipeError("a reranker learns from its own negatives; negatives=0 leaves it nothing to compare")

    def facts(self) -> dict[str, Any]:
        """All values, for the model card."""
        return asdict(self)


def parse(name: str, text: str) -> Any:
    """A value of ``--set NAME=TEXT`` in the type of the setting.

    Raises:
        RecipeError: no such setting, or a text of another type.
    """
    types = {f.name: str(f.type) for f in fields(Settings)}
    if name not in types:
        raise RecipeError(f"there is no setting {name!r}; settings: {', '.join(types)}")
    try:
        if "int" in types[name]:
            return int(text)
        if "float" in types[name]:
            return float(text)
        if types[name] == "bool":
            return {"true": True, "false": False}[text.lower()]
    except KeyError as error:
        raise RecipeError(f"{name}={text!r} is neither true nor false") from error
    except ValueError as error:
        raise RecipeError(f"{name}={text!r} is not a number") from error
    return text
