"""What settings, schedules, folders and devices rule out together, known before any model loads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch

from foils.errors import DataError, RecipeError
from foils.train.objective import LOSSES, TAUGHT, WEIGHED
from foils.train.schedule import Schedule
from foils.train.settings import Settings

GRADED = ("soft-info-nce", "dice")  # read a target as a share; all others ask only whether it is above 0
WHOLE = ("symmetric", "dice", *TAUGHT)  # one number for the batch, none for a row


def world() -> int:
    """How many processes train together, as torchrun and accelerate tell them."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def check(settings: Settings, schedules: Sequence[Schedule]) -> None:
    """What settings and schedules rule out together, known without run and model.

    Args:
        settings: settled.
        schedules: of the training.

    Raises:
        RecipeError: they do not go together.
    """
    names = {s.name for s in schedules}
    _check_loss(settings, names)
    if settings.kind == "reranker":
        wrong = sorted(names & {"remine", "ar2"}) + ["adore"] * (settings.loss == "adore")
        wrong += [str(settings.batches)] * (settings.batches not in (None, "shuffled"))
        if wrong:
            raise RecipeError(f"{', '.join(wrong)}: for retrievers only; a reranker has no vectors")
    if settings.loss == "adore" and (names or settings.lora or settings.batches not in (None, "shuffled")):
        raise RecipeError("loss adore finds its own negatives at every step: use it without schedules, lora, batches")
    alone = sorted(s.name for s in schedules if s.alone)
    if world() > 1 and alone:
        raise RecipeError(f"{', '.join(alone)}: keeps notes on every row, which works on one device only")


def _check_loss(settings: Settings, names: set[str]) -> None:
    loss, doubt = settings.loss, settings.doubt
    if loss not in LOSSES and loss not in TAUGHT:
        raise RecipeError(f"no loss is called {loss!r}; one of {', '.join((*LOSSES, *TAUGHT))}")
    if loss in TAUGHT and not settings.teacher and "ar2" not in names:
        raise RecipeError(f"loss {loss} imitates a teacher: set teacher to a score column of the run")
    if doubt == "soften" and loss not in GRADED:
        raise RecipeError(
            f"doubt=soften makes shares of a target, and loss {loss} would take each share for a positive; use loss "
            f"{' or '.join(GRADED)}, or doubt=weigh"
        )
    if doubt == "weigh" and loss not in WEIGHED:
        raise RecipeError(f"doubt=weigh: loss {loss} has no place for weights; use one of {', '.join(WEIGHED)}")
    if "dbpm" in names and loss in WHOLE:
        raise RecipeError(f"schedule dbpm needs a loss for each row, and {loss} gives one for the batch; try info-nce")


def check_places(out: Path, needed: Sequence[str | Path | None]) -> None:
    """Nothing that the training starts from may lie in the folder that it writes.

    Args:
        out: the folder of the model.
        needed: models and the run; hub ids, empty names and null are fine.

    Raises:
        DataError: ``--overwrite`` would delete it.
    """
    target = out.resolve()
    for each in needed:
        place = Path(each).resolve() if each and Path(each).exists() else None
        if place is not None and (place == target or target in place.parents):
            raise DataError(f"{each} is needed for the training and lies in {out}, where the result goes; name another")


def check_device(device: str | None) -> None:
    """A device that the trainer can be told.

    Args:
        device: as torch names it; null: an accelerator if there is one.

    Raises:
        RecipeError: one GPU of several by number, or what is not there.
    """
    kind, _, number = (device or "").partition(":")
    if number and number != "0":
        raise RecipeError(
            f"device={device}: training takes the first GPU that it sees; set CUDA_VISIBLE_DEVICES={number} and "
            f"device={kind}"
        )
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        here = " or ".join(["cpu", *([found.type] if found else [])])
        raise RecipeError(f"device={device}: there is none that torch can use; it can use {here}") from error
