"""foils train."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from foils.cli.options import Json, Quiet, RunArgument, print_json, say
from foils.errors import RecipeError


class Effort(StrEnum):
    """What the dial can be set to."""

    low = "low"
    normal = "normal"
    high = "high"


class As(StrEnum):
    """What is trained."""

    retriever = "retriever"
    reranker = "reranker"


def train(
    run: RunArgument,
    model: Annotated[str, typer.Option(help="The model to start from, id or path.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder of the trained model.")],
    kind: Annotated[As, typer.Option("--as", help="A bi-encoder or a cross-encoder.")] = As.retriever,
    effort: Annotated[Effort, typer.Option(help="Sets all that is not given.")] = Effort.normal,
    loss: Annotated[str, typer.Option(help="A loss by name; a wrong name lists all.")] = "info-nce",
    epochs: Annotated[int | None, typer.Option(min=1, help="Times over the training set.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Rows per step and device.")] = None,
    mini_batch: Annotated[
        int | None, typer.Option(min=1, help="Texts encoded at once; lower it to save memory.")
    ] = None,
    negatives: Annotated[int | None, typer.Option(min=0, help="Negatives per row.")] = None,
    length: Annotated[int | None, typer.Option(min=8, help="Tokens per text.")] = None,
    lora: Annotated[int, typer.Option(min=0, help="Rank of LoRA adapters; 0: none.")] = 0,
    schedules: Annotated[
        list[str], typer.Option("--schedule", help="remine, conan, dbpm, hardness, risk or ar2; repeatable.")
    ] = [],  # noqa: B006
    settings: Annotated[
        list[str],
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Any setting (rate=1e-5), or one of a schedule (conan.every=50)."
        ),
    ] = [],  # noqa: B006
    seed: Annotated[int, typer.Option(help="Of all random draws.")] = 0,
    device: Annotated[str, typer.Option(help="As torch names it; default: an accelerator if there is one.")] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace another training in the folder.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train a model on a run: masks, weights and schedules from the run; a killed training continues."""
    named = {"epochs": epochs, "batch": batch, "mini_batch": mini_batch, "negatives": negatives, "length": length}
    _check_installed()
    from foils.run import Run
    from foils.train import checks, fit
    from foils.train.schedules import named as schedule
    from foils.train.settings import Settings, parse

    given: dict[str, Any] = {"effort": effort.value, "kind": kind.value, "loss": loss, "lora": lora, "seed": seed}
    plain, dotted = _settings(settings, schedules)
    twice = sorted(set(plain) & (set(named) | set(given)))
    if twice:
        raise RecipeError(f"--set {', '.join(twice)}: has an option of its own; give it once, there")
    given |= {k: v for k, v in named.items() if v is not None} | {k: parse(k, v) for k, v in plain.items()}
    chosen = Settings(**given)
    made = [schedule(name, dotted.get(name, {})) for name in schedules]
    checks.check(chosen.settled(), made)
    # Of several processes on several devices the first one speaks.
    follower = os.environ.get("RANK", "0") != "0"
    quiet = quiet or follower
    opened = Run.open(run)
    say(quiet, repr(opened.pairs.collection))
    done = fit.train(
        opened, model, out, chosen, schedules=made, device=device or None, overwrite=overwrite, quiet=quiet
    )
    if follower:
        return
    if as_json:
        print_json(asdict(done))
    else:
        sys.stdout.write(_summary(done, model))


def _check_installed() -> None:
    """Without torch nothing of foils.train can be imported."""
    import importlib.util

    from foils.errors import MissingExtra

    for package in ("sentence_transformers", "accelerate", "datasets"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(package.replace("_", "-"), "train", "foils train")


def _settings(texts: list[str], schedules: list[str]) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    plain: dict[str, str] = {}
    dotted: dict[str, dict[str, str]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise RecipeError(f"--set {text}: write NAME=VALUE, for instance rate=1e-5 or conan.every=50")
        name, dot, option = key.partition(".")
        if not dot:
            plain[key] = value
        elif name not in schedules:
            raise RecipeError(f"--set {text}: add --schedule {name}, or leave it out")
        else:
            dotted.setdefault(name, {})[option] = value
    return plain, dotted


def _summary(done: Any, model: str) -> str:
    lines = [f"{done.rows:,} rows of {done.queries:,} queries, {done.steps:,} steps"]
    if done.history:
        scores = dict(done.history)
        lines.append(
            f"nDCG@10 on {done.held:,} held-out queries: {scores[0]:.4f} before, {scores.get(done.kept, 0):.4f} after"
        )
        if done.kept == 0:
            lines.append(f"No evaluation beat {model} as it came: its weights were kept, unchanged")
    elif done.held:
        lines.append("no evaluation was wanted: nothing says whether the model is better; see foils evaluate")
    else:
        lines.append("no query was held out (too few): nothing says whether the model is better; see foils evaluate")
    if done.emptied:
        lines.append(f"{100 * done.emptied:.1f} % of the rows had no negative left after the masks and taught nothing")
    return "\n".join([*lines, f"Model in {done.folder}, card in {done.folder}/README.md"]) + "\n"
