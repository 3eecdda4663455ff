"""Training: from a run folder to a better model, continued after a kill."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

import foils
from foils.engine import Local
from foils.errors import DataError, RecipeError
from foils.files import write_text
from foils.make.twosided import TwoSided
from foils.models.checkpoint import fingerprint, quietly
from foils.run import Run
from foils.train import card, load
from foils.train.adore import AdoreObjective, routed
from foils.train.anchor import Anchor, Rehearsal
from foils.train.batches import Hard, Ngame, Plan, Shuffled
from foils.train.checks import check, check_device, check_places, world
from foils.train.contest import Contest
from foils.train.dev import Dev, hold_out
from foils.train.examples import Course, Examples
from foils.train.objective import WEIGHED, Objective, RerankerObjective, RetrieverObjective
from foils.train.remine import encode_all
from foils.train.schedule import Schedule
from foils.train.settings import Settings
from foils.train.together import Together, beside, check_contest, joined, mutual, usual
from foils.train.trainer import STATE, Conductor, build, newest

DONE = "training.json"
WORK = ".training"


@dataclass(frozen=True)
class Trained:
    """What a training gave.

    Args:
        folder: the model, as sentence-transformers saves it.
        steps: on each device.
        rows: of the training set.
        queries: trained on.
        held: queries that were held out.
        history: (step, nDCG@10) of the held-out queries; step 0 is the model as it came.
        kept: the step whose weights were kept.
        emptied: share of the rows that had no negative left after the masks.
    """

    folder: str
    steps: int
    rows: int
    queries: int
    held: int
    history: tuple[tuple[int, float], ...]
    kept: int
    emptied: float


def train(
    run: Run,
    model: str,
    out: str | Path,
    settings: Settings | None = None,
    *,
    schedules: Sequence[Schedule] = (),
    device: str | None = None,
    overwrite: bool = False,
    quiet: bool = True,
) -> Trained:
    """Train a retriever or a reranker on a run; the same call continues a killed training to the same weights.

    Args:
        run: from ``foils.mine`` or ``Run.open``.
        model: a folder or hub id.
        out: where the model goes.
        settings: null: effort ``normal``.
        schedules: what changes during training, in the order in which they act.
        device: as torch names it; null: an accelerator if there is one.
        overwrite: replace another training in ``out``.
        quiet: no progress on stderr.

    Raises:
        FoilsError: before anything is trained if run, model, settings or folder do not fit; later if numbers stop
            being finite or memory runs out.
    """
    settings = (settings or Settings()).settled()
    for schedule in schedules:
        schedule.check()
    check(settings, schedules)
    check_device(device)
    folder, rankers = Path(out), [getattr(s, "ranker", None) for s in schedules]
    check_places(folder, [model, settings.near, run.folder, *rankers])
    for name in filter(None, (model, settings.near)):
        load.check(name, settings)
    found = beside(run, settings)
    settings = replace(settings, batches=settings.batches or usual(settings, found))
    parts = _prepare(run, settings, found)
    key = _key(run, model, settings, schedules, found)
    if _begin(folder, key, overwrite=overwrite):
        return _read(folder)
    if found and not quiet:
        print_line(
            f"{len(found):,} two-sided pairs beside the run are trained on, too; --set both=false leaves them out"
        )
    say: Callable[[str], None] = (lambda line: None) if quiet else print_line
    if settings.loss not in WEIGHED and (parts.examples.weights != 1).any():
        say(f"the run's weights of negatives are not used: loss {settings.loss} has no place for them")
    learner = load.load(model, settings, device)
    objective = _objective(learner, parts, settings, schedules)
    _hold(objective, model, device)
    with Local(quiet=quiet).track("train", parts.steps, "steps") as advance:
        conductor = Conductor(schedules, _dev(objective, parts.dev), folder / WORK, advance, say)
        conductor.plan(parts.steps, settings.evaluations or 0)
        for schedule in schedules:
            schedule.bind(objective, parts.steps, say)
        trainer = build(objective, settings, folder / WORK, parts.steps, device, conductor)
        point = newest(folder / WORK)
        if point is not None:
            _restore(point, conductor, objective, say)
        with _advice(objective), quietly():
            trainer.train(resume_from_checkpoint=str(point) if point else None)
    if not trainer.is_world_process_zero():
        return Trained(str(folder), parts.steps, len(parts.examples), parts.queries, 0, (), parts.steps, 0.0)
    return _finish(folder, run, model, settings, schedules, conductor, objective, parts, key)


def print_line(line: str) -> None:
    """A note on stderr."""
    sys.stderr.write(line + "\n")


@dataclass(frozen=True, eq=False)
class _Parts:
    examples: Examples
    dev: Dev | None
    queries: int
    steps: int
    rows: Any
    both: int = 0


def _prepare(run: Run, settings: Settings, found: Sequence[TwoSided] = ()) -> _Parts:
    kept, held = hold_out(run.pairs, settings.holdout, settings.seed)
    pairs, kept = joined(run.pairs, kept, found)
    wanted = 0 if settings.loss == "adore" else settings.negatives or 0
    examples = Examples.of(
        pairs,
        negatives=wanted,
        positives=settings.positives,
        found=settings.found,
        likely_from=settings.likely,
        queries=kept,
        teacher=settings.teacher,
    )
    check_contest(settings, examples)
    dev = Dev.of(run.pairs, held, 30 if settings.kind == "reranker" else 100)
    course = Course(examples, Shuffled(examples.own), settings.batch or 1, settings.seed, drop_last=world() > 1)
    steps = max(1, course.per_epoch * (settings.epochs or 1) // world())
    return _Parts(examples, dev, len(kept), steps, examples.own, len(found))


def _objective(learner: Any, parts: _Parts, settings: Settings, schedules: Sequence[Schedule]) -> Objective:
    examples = parts.examples
    if any(s.name == "ar2" for s in schedules):
        examples = examples.widened(max(int(getattr(s, "pool", 0)) for s in schedules if s.name == "ar2"))
    course = Course(examples, Shuffled(parts.rows), settings.batch or 1, settings.seed, drop_last=world() > 1)
    kinds = {"retriever": RetrieverObjective, "reranker": RerankerObjective}
    kind = AdoreObjective if settings.loss == "adore" else kinds[settings.kind]
    cosine = settings.kind == "retriever" and learner.similarity_fn_name == "cosine"
    temperature = settings.temperature or (0.05 if cosine else 1.0)
    objective = kind(learner, examples, course, settings, temperature, schedules)
    if isinstance(objective, AdoreObjective):
        objective.freeze()
    if settings.batches == "together":
        partner = mutual(examples)
        course.sampler.refresh(Together(parts.rows, partner))
        if settings.contest:
            objective.contest = Contest(partner, settings.contest)
    elif settings.batches in ("ngame", "hard"):
        course.sampler.refresh(_clustered(objective, parts.rows, settings))
    return objective


def _hold(objective: Objective, model: str, device: str | None) -> None:
    """Give the objective what the anchor holds to, if there is one.

    Raises:
        RecipeError: another model is to be held to, of other tokens.
    """
    settings = objective.settings
    if not isinstance(objective, RetrieverObjective) or not settings.anchor:
        return
    base = load.load(settings.near or model, replace(settings, layers=0, lora=0), device)
    learner: Any = objective.model
    if settings.near and base.tokenizer.get_vocab() != learner.tokenizer.get_vocab():
        raise RecipeError(f"near={settings.near!r} reads other tokens than {model!r}; name a model of the same family")
    if settings.holds == "vectors" and len({m.get_embedding_dimension() for m in (base, learner)}) > 1:
        raise RecipeError(f"near={settings.near!r} has vectors of another width than {model!r}; set holds to scores")
    rehearsal = Rehearsal.of(objective.examples, settings.rehearse, settings.seed) if settings.rehearse else None
    where = next(learner.parameters()).device
    similarity = objective.similarity if settings.holds == "scores" else None
    objective.anchor = Anchor(base.to(where), settings.anchor, similarity, rehearsal)


def _dev(objective: Objective, dev: Dev | None) -> Dev | None:
    """The evaluation; with ADORE against the documents as they were."""
    if dev is None or not isinstance(objective, AdoreObjective):
        return dev
    model: Any = objective.model
    return replace(dev, vectors=model.encode_document(dev.docs, convert_to_tensor=True, show_progress_bar=False))


def _clustered(objective: Objective, rows: Any, settings: Settings) -> Plan:
    """Batches of rows whose queries the model finds alike."""
    vectors, _ = encode_all(objective, objective.examples.query)
    unit = torch.nn.functional.normalize(vectors.float(), dim=-1).cpu().numpy()
    if settings.batches == "hard":
        return Hard(rows, unit)
    # The published epochs are of 300; the first epoch stays random here too, the others double twice each.
    doublings = tuple(e for e in range(1, settings.epochs or 1) for _ in range(2))
    return Ngame.of(unit, rows, doublings, settings.seed)


def _restore(point: Path, conductor: Conductor, objective: Objective, say: Any) -> None:
    state = torch.load(point / STATE, map_location="cpu", weights_only=False)
    conductor.load(state)
    objective.course.load(state["course"])
    objective.examples.load(state["examples"])
    objective.emptied, objective.seen = state["emptied"]
    say(f"continuing after step {point.name.rpartition('-')[2]}")


@contextmanager
def _advice(objective: Objective) -> Iterator[None]:
    """Out of memory: say what fits.

    Raises:
        DataError: in place of the error of torch.
    """
    try:
        yield
    except RuntimeError as error:
        # CUDA has a class for it, the CPU's allocator only a text.
        memory = isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
        if not memory:
            raise
        settings = objective.settings
        fits = _fitting(objective)
        what = "pairs" if settings.kind == "reranker" else "texts"
        if fits is None:
            hint = f"not even one of the {what} of this length fits: lower --length, or take a smaller model"
        elif settings.kind == "reranker":
            hint = f"{fits} rows fit: --batch {fits}"
        else:
            hint = f"{fits} {what} at once fit: --mini-batch {fits}; the batch of {settings.batch} rows can stay"
        raise DataError(f"out of memory at {settings.length} tokens; {hint}") from error


def _fitting(objective: Objective) -> int | None:
    """The largest half of the half that the failing batch can be trained with."""
    reranker = objective.settings.kind == "reranker"
    size = len(objective.course.last) if reranker else min(objective.settings.mini_batch or 32, 32)
    rows = objective.course.last
    while size > 1:
        size //= 2
        objective.settings = replace(objective.settings, mini_batch=10**6 if reranker else size)
        objective.course.last = rows[:size] if reranker else rows
        objective.model.zero_grad(set_to_none=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        try:
            device = next(objective.model.parameters()).device
            torch.autograd.backward(objective(torch.tensor([0], device=device)))
        except RuntimeError:
            continue
        return size
    return None


def _key(run: Run, model: str, settings: Settings, schedules: Sequence[Schedule], found: Sequence[TwoSided]) -> str:
    told = [s.told() for s in schedules] + [m.record() for m in found]
    others = (settings.near, *(getattr(s, "ranker", None) for s in schedules))
    held = [fingerprint(name) for name in others if name]
    text = json.dumps([foils.__version__, card.fingerprint(run), fingerprint(model), settings.facts(), told, *held])
    return hashlib.sha256(text.encode()).hexdigest()


def _begin(folder: Path, key: str, *, overwrite: bool) -> bool:
    """Prepare the folder; true if the same training is there, complete.

    Raises:
        DataError: it holds something else.
    """
    mark, done = folder / WORK / "key", folder / DONE
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file; -o names the folder of the model")
    if done.is_file() and json.loads(done.read_text(encoding="utf-8")).get("key") == key and not overwrite:
        return True
    ours = mark.is_file() and mark.read_text(encoding="utf-8") == key
    if int(os.environ.get("RANK", "0")):
        return False  # the first process looks after the folder
    if folder.is_dir() and any(folder.iterdir()) and not ours:
        if not overwrite:
            what = "another training" if done.is_file() or mark.is_file() else "other files"
            raise DataError(f"{folder} holds {what}; name another folder, or add --overwrite to replace a training")
        if not (done.is_file() or mark.is_file()):
            raise DataError(f"{folder} holds files that no training wrote; name another folder")
        shutil.rmtree(folder)
    write_text(mark, key)
    return False


def _read(folder: Path) -> Trained:
    facts = json.loads((folder / DONE).read_text(encoding="utf-8"))["result"]
    return Trained(**facts | {"history": tuple((int(s), float(v)) for s, v in facts["history"])})


def _finish(
    folder: Path,
    run: Run,
    model: str,
    settings: Settings,
    schedules: Sequence[Schedule],
    conductor: Conductor,
    objective: Objective,
    parts: _Parts,
    key: str,
) -> Trained:
    learner: Any = getattr(objective.model, "module", objective.model)
    kept = parts.steps
    if settings.keep == "best" and conductor.best is not None:
        kept = conductor.best[0]
        learner.load_state_dict(torch.load(folder / WORK / "best.pt", map_location="cpu", weights_only=True))
    if settings.blend < 1:
        load.blend(learner, load.load(model, replace(settings, layers=0), "cpu"), settings.blend)
        conductor.measure(kept, learner)
    if settings.lora:
        load.melt(learner)
    load.lengthen(learner)
    if settings.loss == "adore":
        documents = load.load(model, replace(settings, layers=0), "cpu")
        load.lengthen(documents)
        learner = routed(learner, documents)
    with quietly():
        learner.save_pretrained(str(folder), create_model_card=False)
    emptied = float(objective.emptied) / max(1, objective.seen)
    held = len(conductor.dev.queries) if conductor.dev else 0
    result = Trained(
        str(folder), parts.steps, len(parts.examples), parts.queries, held, tuple(conductor.history), kept, emptied
    )
    facts = {
        "kind": settings.kind,
        "version": foils.__version__,
        "fingerprint": card.fingerprint(run),
        "queries": parts.queries,
        "rows": len(parts.examples),
        "both": parts.both,
        "settings": settings.facts() | {"temperature": objective.temperature},
        "schedules": [s.told() for s in schedules],
        "scores": card.scores(conductor.history, kept, held, emptied, settings.blend),
    }
    card.write(folder, run, model, facts)
    write_text(folder / DONE, json.dumps({"key": key, "result": result.__dict__, "facts": facts}, indent=1))
    shutil.rmtree(folder / WORK, ignore_errors=True)
    return result
