"""Mining: run a recipe over a collection, in memory or into a run folder that survives a kill."""

from __future__ import annotations

import hashlib
import platform
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import polars as pl

import foils
from foils import recipe_file, recipes, report
from foils.ask import Ask
from foils.collection import Collection
from foils.engine import Local
from foils.errors import DataError, RecipeError
from foils.folder import Folder
from foils.ledger import Entry, Ledger
from foils.limits import Deepen
from foils.models.checkpoint import fingerprint
from foils.pairs import Pairs
from foils.protocols import Encoder, Engine, Judge, Scorer, Verdict
from foils.recipes import Plan
from foils.steps import Recipe, Source, Step
from foils.verdicts import Verdicts

VERDICTS = "verdicts.parquet"
HUGE = 1 << 30  # bytes of a file whose content is not hashed for the key of a run


@dataclass(frozen=True)
class Run:
    """What mining gave.

    Args:
        pairs: every candidate with its fate.
        recipe: what was run.
        ledger: what each step did.
        folder: where it is stored; null for a run in memory.
    """

    pairs: Pairs
    recipe: Recipe
    ledger: Ledger
    folder: Path | None = None

    @staticmethod
    def open(folder: str | Path) -> Run:
        """Read a run folder.

        Raises:
            DataError: there is no complete run.
        """
        pairs, text, ledger = Folder(Path(folder)).load()
        return Run(pairs, recipe_file.loads(text, f"{folder}/recipe.toml"), ledger, Path(folder))

    @property
    def verdicts(self) -> Verdicts:
        """All that judges said of this run, as ``verdicts.parquet`` in its folder keeps it."""
        return Verdicts() if self.folder is None else Verdicts.read(self.folder / VERDICTS)

    @property
    def negatives(self) -> pl.DataFrame:
        """The selected negatives with the ids of query and document first."""
        chosen, collection = self.pairs.negatives(), self.pairs.collection
        ids = (
            collection.queries["id"].gather(chosen["query"]).alias("query_id"),
            collection.corpus["id"].gather(chosen["doc"]).alias("doc_id"),
        )
        return chosen.select(*ids, pl.all())


def mine(
    collection: Collection,
    recipe: Recipe | Callable[[Plan], Recipe] = recipes.default,
    *,
    encoder: Encoder | None = None,
    scorer: Scorer | None = None,
    judge: Judge | None = None,
    negatives: int = 8,
    risk: float | None = None,
    out: str | Path | None = None,
    engine: Engine | None = None,
    overwrite: bool = False,
) -> Run:
    """Mine negatives.

    Args:
        collection: documents, queries, known positives.
        recipe: a recipe, or one of ``foils.recipes``, which is then made for ``encoder``, ``scorer`` and ``negatives``.
        encoder: of the dense source; null: ``Lsa``, which needs no model.
        scorer: a cross-encoder, for the recipes that use one.
        judge: whom the recipes that ask a judge ask.
        negatives: per query.
        risk: the largest estimated share of false negatives, for the recipes that keep to one; null: as they say.
        out: the run folder; null: keep the run in memory only. A killed run continues with the same call.
        engine: where heavy work runs; null: in this process, without a cache.
        overwrite: replace another run in ``out``.

    Raises:
        FoilsError: before anything is computed if options, columns or paths do not fit.
    """
    if not isinstance(recipe, Recipe):
        recipe = recipe(replace(_plan(encoder, scorer, negatives), judge=judge, risk=risk))
    elif any(option is not None for option in (encoder, scorer, judge, risk)):
        raise RecipeError("encoder, scorer, judge and risk belong to a named recipe; a Recipe already holds its own")
    recipe.check()
    engine = engine or Local()
    if out is None:
        pairs, ledger = _execute(recipe, collection, engine, None)
        return Run(pairs, recipe, ledger)
    text = recipe_file.dumps(recipe)
    folder = Folder(Path(out), _key(collection, recipe, text, engine.cache))
    if folder.open(overwrite=overwrite):
        return Run.open(out)
    pairs, ledger = _execute(recipe, collection, engine, folder)
    page = report.render(pairs, title=collection.name or "foils", recipe=text, ledger=ledger)
    _keep(recipe, pairs, Path(out) / VERDICTS)
    folder.finish(pairs, text, ledger, page)
    return Run(pairs, recipe, ledger, Path(out))


def _keep(recipe: Recipe, pairs: Pairs, path: Path) -> None:
    """Put what the recipe's judges said where all verdicts are, so that they are paid for once."""
    for step in recipe.steps:
        if not isinstance(step, Ask) or step.judge is None:
            continue
        by, name = pairs.frame["judged_by"].cast(pl.String), step.judge.name
        kept = Verdicts.read(path)
        there = kept.on(pairs).filter(pl.col("by") == name)["row"].to_numpy()
        rows = np.setdiff1d(np.flatnonzero((by == name).fill_null(value=False).to_numpy()), there).astype(np.uint32)
        said = [Verdict(p, name) for p in pairs.frame["p_relevant"].gather(rows).to_list()]
        kept.add(pairs, rows, said, "+".join(sorted(step.judge.families))).write(path)


def _plan(encoder: Encoder | None, scorer: Scorer | None, negatives: int) -> Plan:
    from foils.models.lsa import Lsa

    leader = ("lsa", Lsa()) if encoder is None else ("dense", encoder)
    return Plan(encoders=(leader,), n=negatives, scorer=scorer)


def _key(collection: Collection, recipe: Recipe, written: str, memo: Path | None) -> str:
    text = f"{foils.__version__}\n{collection.fingerprint}\n{collection.name}\n{written}"
    named = dict.fromkeys(path for part in _parts(recipe) for path in _reads(part))
    more = [collection.extras, *(fingerprint(str(p), memo) if p.is_dir() else _content(p) for p in named)]
    return hashlib.sha256("\n".join((text, *filter(None, more))).encode()).hexdigest()


def _parts(part: object) -> Iterator[object]:
    """The steps of a recipe and all that they are made of, in order."""
    if isinstance(part, tuple):
        for inner in part:
            yield from _parts(inner)
    elif is_dataclass(part):
        yield part
        for f in fields(part):
            yield from _parts(getattr(part, f.name))


def _reads(part: object) -> list[Path]:
    """The data files that a part of a recipe names, and the folder of its model."""
    own, model = [*getattr(part, "reads", ())], getattr(part, "model", None)
    # No name is no folder, but Path("") is the one that the process runs in.
    return [*own, Path(model)] if isinstance(model, str) and model and Path(model).is_dir() else own


def _content(path: Path) -> str:
    """What tells one content of a file from another; of a huge one only size and time."""
    try:
        told = path.stat()
        if told.st_size > HUGE:
            return f"{told.st_size} {told.st_mtime_ns}"
        with path.open("rb") as file:
            return f"{told.st_size} {hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}; the recipe needs this file") from error


def _execute(recipe: Recipe, collection: Collection, engine: Engine, folder: Folder | None) -> tuple[Pairs, Ledger]:
    saved = folder.latest(collection) if folder else None
    if saved:
        done, pairs, ledger = saved
    else:
        done, pairs = 0, Pairs.start(collection)
        ledger = Ledger((), collection.findings, versions(), _sizes(collection))
    edited = False
    for i, step in enumerate(recipe.steps[done:], done):
        before, start = pairs.counts(), time.monotonic()
        pairs = _run(recipe.steps, i, pairs, engine)
        ledger = replace(ledger, entries=(*ledger.entries, entry(step, before, pairs, time.monotonic() - start)))
        heavy = isinstance(step, (Source, Deepen)) or step.adds - {"weight"}
        # A table that a person edits is read again by the next call, so nothing that rests on it is kept.
        edited = edited or any(hasattr(part, "reread") for part in _parts(step))
        if folder and heavy and not edited:
            folder.save(i + 1, pairs, ledger)
    if pairs.frame.filter(pairs.live).height == 0:
        fates = (
            ", ".join(f"{n:,} {fate}" for fate, n in pairs.counts().items() if fate != "positive") or "nothing found"
        )
        raise DataError(
            f"no negative is left after the last step ({fates}); loosen the rules or search deeper (--depth)"
        )
    return pairs, ledger


def _sizes(collection: Collection) -> dict[str, int]:
    tables = {"documents": collection.corpus, "queries": collection.queries, "positives": collection.positives}
    return {name: table.height for name, table in tables.items()}


def _run(steps: tuple[Step, ...], i: int, pairs: Pairs, engine: Engine) -> Pairs:
    """One step; the last source of a block also has every source score the pairs that the others found."""
    step = steps[i]
    if isinstance(step, Deepen):
        return _deepen(step, steps[:i], pairs, engine)
    pairs = step(pairs, engine)
    last = isinstance(step, Source) and not (i + 1 < len(steps) and isinstance(steps[i + 1], Source))
    if last:
        for source in steps[: i + 1]:
            values = source.fill(pairs, engine) if isinstance(source, Source) else None
            if isinstance(source, Source) and source.score and values is not None:
                pairs = pairs.with_column(source.score, values)
    return pairs


def _deepen(step: Deepen, before: tuple[Step, ...], pairs: Pairs, engine: Engine) -> Pairs:
    for times in range(1, step.rounds + 1):
        short = step.short(pairs)
        if short.len() == 0:
            break
        again = step.restart(pairs, short)
        deeper = step.deeper(before, times)
        for i in range(len(deeper)):
            again = _run(deeper, i, again, engine)
        pairs = step.merge(pairs, again, short)
    return pairs


def entry(step: Step, before: dict[str, int], pairs: Pairs, seconds: float) -> Entry:
    """What the ledger says of a step that has just run."""
    after = pairs.counts()
    dropped = {k: n - before.get(k, 0) for k, n in after.items() if k not in ("positive", "selected")}
    # ru_maxrss counts kilobytes on Linux and bytes on macOS.
    scale = 2**20 if sys.platform == "darwin" else 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale
    return Entry(
        step=step.label,
        repr=repr(step),
        rows=pairs.frame.height,
        live=after.get("selected", 0),
        dropped={k: n for k, n in dropped.items() if n > 0},
        seconds=round(seconds, 3),
        peak_mb=round(peak, 1),
        facts=step.facts(),
    )


def versions() -> dict[str, str]:
    """Versions of what takes part in a run."""
    found = {"foils": foils.__version__, "python": platform.python_version(), "platform": platform.platform()}
    for package in ("numpy", "polars", "scikit-learn", "numba", "torch", "sentence-transformers"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
