"""sentence-transformers' trainers, fed from a run folder, with checkpoints that hold all state."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from sentence_transformers import (
    CrossEncoderTrainer,
    CrossEncoderTrainingArguments,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import TrainerCallback

from foils.errors import DataError
from foils.train.dev import Dev
from foils.train.examples import Course
from foils.train.objective import Objective
from foils.train.schedule import Schedule
from foils.train.settings import Settings

STATE = "foils.pt"
WEIGHTS = "weights.pt"
CHECKPOINTS = 10  # spread over a training, beside those of the evaluations


class _Steps:
    """What our trainers change: data are step numbers, checkpoints hold our state, bad numbers stop the training."""

    loss: Any
    model: Any
    accelerator: Any
    args: Any
    state: Any
    model_wrapped: Any
    train_dataset: Any
    control_state: Callable[[], dict[str, Any]]

    def get_train_dataloader(self) -> Any:
        """A step number per batch: rows and texts are looked up when the step is computed, never ahead of it."""
        loader: Any = DataLoader(
            cast("Any", range(len(self.train_dataset))), batch_size=1, collate_fn=lambda s: {"step": torch.tensor(s)}
        )
        self.accelerator.even_batches = False
        self._train_dataloader = self.accelerator.prepare(loader)
        return self._train_dataloader

    def compute_loss(
        self, model: Any, inputs: dict[str, Tensor], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The objective's value at a step."""
        objective: Objective = self.loss
        if objective.model is not model:
            objective.model = model
        value = objective(inputs["step"])
        check_finite(value, "the loss", self.state.global_step + 1, objective.examples.named(objective.course.last))
        return (value, {}) if return_outputs else value

    def _clip_grad_norm(self, model: Any) -> Any:
        norm = super()._clip_grad_norm(model)  # type: ignore[misc]
        ids = self.loss.examples.named(self.loss.course.last)
        check_finite(torch.as_tensor(norm), "the gradient", self.state.global_step + 1, ids)
        return norm

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """None: the card is written at the end, from the run (foils.train.card)."""

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(self.model.state_dict(), folder / WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        weights = torch.load(Path(resume_from_checkpoint) / WEIGHTS, map_location="cpu", weights_only=True)
        self.model.load_state_dict(weights)

    def _save_rng_state(self, output_dir: str) -> None:
        super()._save_rng_state(output_dir)  # type: ignore[misc]
        if self.args.process_index == 0:
            torch.save(self.control_state(), Path(output_dir) / STATE)


class RetrieverTrainer(_Steps, SentenceTransformerTrainer):
    """SentenceTransformerTrainer on a run."""


class RerankerTrainer(_Steps, CrossEncoderTrainer):
    """CrossEncoderTrainer on a run."""


class Conductor(TrainerCallback):
    """Runs schedules after each step, evaluates, asks for checkpoints, keeps the best weights.

    Args:
        schedules: in the order in which they act.
        dev: null: no evaluation.
        work: folder of the checkpoints.
        advance: shows progress.
        say: tells of evaluations.
    """

    def __init__(
        self,
        schedules: Sequence[Schedule],
        dev: Dev | None,
        work: Path,
        advance: Callable[[int], None],
        say: Callable[[str], None],
    ) -> None:
        self.schedules, self.dev, self.work, self.advance, self.say = schedules, dev, work, advance, say
        self.history: list[tuple[int, float]] = []
        self.evaluate_at: frozenset[int] = frozenset()
        self.save_at: frozenset[int] = frozenset()
        self.shown = 0

    def plan(self, steps: int, evaluations: int) -> None:
        """Spread evaluations and checkpoints over the steps; the last step has both."""
        times = {round(steps * i / evaluations) for i in range(1, evaluations + 1)} if evaluations else set()
        self.evaluate_at = frozenset(times if self.dev else ())
        self.save_at = frozenset({round(steps * i / CHECKPOINTS) for i in range(1, CHECKPOINTS + 1)} | times) - {0}

    @property
    def best(self) -> tuple[int, float] | None:
        """Step and score of the best evaluation; of equals the earliest."""
        return max(self.history, key=lambda item: (item[1], -item[0]), default=None)

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **rest: Any) -> None:
        """Evaluate the model as it came, and let schedules begin."""
        self.advance(state.global_step - self.shown)
        self.shown = state.global_step
        if state.global_step == 0:
            if self.evaluate_at:
                self._evaluate(0, model)
            for schedule in self.schedules:
                schedule.begin()

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **rest: Any) -> None:
        """Schedules first, so that a checkpoint holds what they changed."""
        step = state.global_step
        self.advance(step - self.shown)
        self.shown = step
        for schedule in self.schedules:
            schedule.step(step)
        if step in self.evaluate_at:
            self._evaluate(step, model)
        if step in self.save_at:
            control.should_save = True

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"history": self.history, "schedules": {s.name: s.state() for s in self.schedules}}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.history = [tuple(item) for item in state["history"]]
        for schedule in self.schedules:
            schedule.load(state["schedules"][schedule.name])

    def measure(self, step: int, model: Any) -> None:
        """Replace the score of a step's weights by that of what they have become."""
        if self.dev is not None and self.history:
            self.history = sorted([*(h for h in self.history if h[0] != step), (step, self.dev(model))])

    def _evaluate(self, step: int, model: Any) -> None:
        if self.dev is None:
            return
        inner = getattr(model, "module", model)
        # Other devices wait for the weights' next exchange.
        if torch.distributed.is_available() and torch.distributed.is_initialized() and torch.distributed.get_rank():
            return
        score = self.dev(inner)
        before = self.best
        self.history.append((step, score))
        self.say(f"step {step}: nDCG@10 {score:.4f} on {len(self.dev.queries)} held-out queries")
        if before is None or score > before[1]:
            _replace(inner.state_dict(), self.work / "best.pt")


def arguments(settings: Settings, work: Path, steps: int, device: str | None) -> Any:
    """The training arguments of sentence-transformers; a step is one batch of ours."""
    kinds = {"retriever": SentenceTransformerTrainingArguments, "reranker": CrossEncoderTrainingArguments}
    gpu = device != "cpu" and torch.cuda.is_available()
    # Told nothing, transformers expects bfloat16 of an accelerator, and refuses it where there is none.
    cpu = device == "cpu" or (device is None and not torch.accelerator.is_available())
    told = kinds[settings.kind](
        output_dir=str(work),
        max_steps=steps,
        per_device_train_batch_size=1,
        learning_rate=settings.rate or 0.0,
        warmup_steps=round(settings.warmup * steps),
        weight_decay=settings.decay,
        lr_scheduler_type="linear",
        max_grad_norm=1.0,
        seed=settings.seed,
        eval_strategy="no",
        save_strategy="no",
        save_total_limit=2,
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=cpu,
        bf16=settings.precision == "bfloat16"
        or (settings.precision == "auto" and gpu and torch.cuda.is_bf16_supported()),
        dataloader_pin_memory=gpu,
    )
    # Several GPUs in one process would be torch's DataParallel, which the cached gradients do not know.
    told._n_gpu = min(1, told.n_gpu)
    return told


def build(
    objective: Objective, settings: Settings, work: Path, steps: int, device: str | None, conductor: Conductor
) -> Any:
    """The trainer of the settings' kind.

    Args:
        objective: with its model, examples and course.
        settings: settled.
        work: folder of the checkpoints.
        steps: of the training, on each device.
        device: null: an accelerator if there is one.
        conductor: that runs the schedules.
    """
    from datasets import Dataset
    from transformers.trainer_callback import PrinterCallback, ProgressCallback

    cls: Any = RerankerTrainer if settings.kind == "reranker" else RetrieverTrainer
    args = arguments(settings, work, steps, device)
    numbers = Dataset.from_dict({"step": list(range(steps * max(1, args.world_size)))})
    trainer = cls(model=objective.model, args=args, train_dataset=numbers, loss=objective, callbacks=[conductor])
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)

    def state() -> dict[str, Any]:
        course: Course = objective.course
        ours = {"course": course.state(), "examples": objective.examples.state()}
        return conductor.state() | ours | {"emptied": (objective.emptied, objective.seen)}

    trainer.control_state = state
    return trainer


def newest(work: Path) -> Path | None:
    """The newest checkpoint that is complete; a kill may have cut the last one short."""
    found = sorted(work.glob("checkpoint-*"), key=lambda p: int(p.name.rpartition("-")[2]), reverse=True)
    return next((p for p in found if _complete(p)), None)


def _complete(folder: Path) -> bool:
    """The trainer's own state is written last."""
    try:
        json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return (folder / STATE).is_file()


def _replace(weights: dict[str, Tensor], path: Path) -> None:
    from foils.files import atomic

    with atomic(path) as temporary:
        torch.save(weights, temporary)


def check_finite(value: Tensor, what: str, step: int, ids: list[str]) -> None:
    """Stop at a number that cannot be trained on.

    Raises:
        DataError: it is not finite; names the step and the queries of the batch.
    """
    if not bool(torch.isfinite(value).all()):
        shown = ", ".join(ids[:8]) + (f" and {len(ids) - 8} more" if len(ids) > 8 else "")
        raise DataError(
            f"{what} of step {step} is not finite (queries of the batch: {shown}); lower the learning rate, or "
            "train in float32"
        )
