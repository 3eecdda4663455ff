"""The command line: thin doors to the library, one verb each."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from foils.errors import FoilsError, RecipeError

app = typer.Typer(
    name="foils",
    help="Find, check and select the negatives that retrievers, embedding models and rerankers learn from.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder made by foils mine.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]


class Short(StrEnum):
    """Policies for queries with too few survivors."""

    fewer = "fewer"
    relax = "relax"
    random = "random"
    drop = "drop query"


@app.command()
def mine(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A BEIR folder, table, dataset or training file.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The run folder to write.")],
    recipe: Annotated[
        str, typer.Option(help="A recipe's name (see foils methods recipe) or a .toml file.")
    ] = "default",
    encoder: Annotated[
        list[str], typer.Option(help="A sentence-transformers model, id or path; repeat for several. Without: lsa.")
    ] = [],  # noqa: B006
    reranker: Annotated[str, typer.Option(help="A cross-encoder, id or path, for recipes that use one.")] = "",
    runs: Annotated[
        list[str], typer.Option("--run", metavar="NAME=FILE", help="An imported ranking; NAME=FILE:UNIT keeps scores.")
    ] = [],  # noqa: B006
    negatives: Annotated[int, typer.Option(min=1, help="Negatives per query.")] = 8,
    depth: Annotated[int, typer.Option(min=1, help="Candidates per source and query.")] = 100,
    short: Annotated[Short, typer.Option(help="Queries with too few survivors.")] = Short.fewer,
    split: Annotated[str, typer.Option(help="Which qrels of a BEIR folder, which split of a dataset.")] = "train",
    positives: Annotated[
        Path | None, typer.Option(help="Replaces the qrels; header: query-id corpus-id score.")
    ] = None,
    relevant_from: Annotated[int, typer.Option(help="The lowest grade of a positive.")] = 1,
    column: Annotated[str, typer.Option(help="The corpus column that mm-embed compares, or that bica follows.")] = "",
    precision: Annotated[str, typer.Option(help="Of encoding: auto, float32, float16, bfloat16 or openvino.")] = "auto",
    settings: Annotated[
        list[str], typer.Option("--set", metavar="STEP.OPTION=VALUE", help="Override an option of a step; repeatable.")
    ] = [],  # noqa: B006
    seed: Annotated[int, typer.Option(help="Of all random draws.")] = 0,
    cache: Annotated[
        Path | None, typer.Option(envvar="FOILS_CACHE", help="Embedding cache; default: the user's cache folder.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace another run in the folder.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Mine negatives: from a labelled collection to a run folder with a report."""
    from foils import recipe_file, recipes
    from foils.collection import Collection
    from foils.engine import Local
    from foils.run import mine as mine_run
    from foils.sources.runs import RunFile

    def settle() -> Any:
        given = {"--encoder": encoder, "--reranker": reranker, "--run": runs, "--column": column}
        if recipe.endswith(".toml"):
            named = recipe_file.load(Path(recipe))
            _refuse(given, f"{recipe} names its own models and sources; leave it out, or change the file")
        else:
            encoders = _encoders(encoder, precision)
            files = tuple(RunFile(name=n, depth=depth, path=p, unit=u) for n, p, u in map(_run_file, runs))
            plan = recipes.Plan(encoders, negatives, depth, seed, short.value, _reranker(reranker), files, column)
            named = recipes.named(recipe, plan)
            if not any(hasattr(step, "scorer") for step in named.steps):
                _refuse({"--reranker": reranker}, f"recipe {recipe} uses none; lg-anna and unime-v2 do")
        return recipe_file.change(named, dict(map(_setting, settings)))

    chosen = settle()
    chosen.check()
    collection = Collection.read(data, split=split, positives=positives, relevant_from=relevant_from)
    _say(quiet, repr(collection))
    for finding in collection.findings:
        _say(quiet, f"  {finding.count:,} {finding.what}: {finding.policy}")
    folder = Path(cache) if cache else Path.home() / ".cache" / "foils"
    run = mine_run(collection, chosen, out=out, engine=Local(cache=folder, quiet=quiet), overwrite=overwrite)
    summary = _summary(run)
    if as_json:
        _print_json(summary)
    else:
        _print_summary(summary)


@app.command()
def explain(
    run: RunArgument,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="A query id.")],
    document: Annotated[str, typer.Option("--document", "-d", help="One document: why it is in or out.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Candidates to show.")] = 30,
    as_json: Json = False,
) -> None:
    """Show every candidate of one query: scores, ranks, fate, reason."""
    from foils.explain import explain as explain_pairs
    from foils.run import Run

    opened = Run.open(run)
    shown = explain_pairs(opened.pairs, query, limit=limit, doc_id=document or None, steps=_steps(opened))
    if as_json:
        _print_json(shown.data())
    else:
        sys.stdout.write(shown.text(width=shutil.get_terminal_size((120, 24)).columns) + "\n")


@app.command()
def report(
    run: RunArgument, out: Annotated[Path | None, typer.Option("-o", "--out", help="Where to write it.")] = None
) -> None:
    """Write the report of a run again: one HTML file."""
    from foils import recipe_file
    from foils.files import write_text
    from foils.report import render
    from foils.run import Run

    opened = Run.open(run)
    target = out or run / "report.html"
    title = opened.pairs.collection.name or "foils"
    write_text(target, render(opened.pairs, title=title, recipe=recipe_file.dumps(opened.recipe), ledger=opened.ledger))
    sys.stdout.write(f"{target}\n")


@app.command()
def export(
    run: RunArgument,
    to: Annotated[str, typer.Option(help="The format, for instance st-triplet; a wrong name lists all.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The file, or folder, to write.")],
    scores: Annotated[str, typer.Option(help="A score column to write along, for instance cos.dense.")] = "",
    negatives: Annotated[
        int, typer.Option(help="Negatives per row of formats with fixed columns; 0: the most common.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Write a training file that a trainer reads unchanged."""
    from foils.run import Run
    from foils.writers import export as write

    written = write(Run.open(run).pairs, to, out, scores=scores or None, negatives=negatives or None)
    if as_json:
        _print_json(asdict(written))
        return
    sys.stdout.write(f"{written.rows:,} rows in {', '.join(map(str, written.files))}\n")
    for finding in written.skipped:
        sys.stdout.write(f"  {finding.count:,} {finding.what}: {finding.policy}\n")


@app.command()
def methods(
    name: Annotated[str, typer.Argument(metavar="[NAME|KIND]", help="A method, or a kind such as rule.")] = "",
    markdown: Annotated[bool, typer.Option("--markdown", help="The tables of docs/methods.md.")] = False,
    as_json: Json = False,
) -> None:
    """List every method: what it does, its paper, its options, where it fails."""
    from foils import catalogue

    if markdown:
        sys.stdout.write(catalogue.markdown())
        return
    found = [m for m in catalogue.methods() if name in ("", m.kind, m.name)]
    if not found:
        raise RecipeError(f"no method and no kind is called {name!r}; foils methods lists them all")
    if as_json:
        _print_json([m.__dict__ for m in found])
    elif name in {m.name for m in found} and len(found) == 1:
        options = "\n".join(f"  {k} = {v}" for k, v in found[0].options.items())
        sys.stdout.write(f"{found[0].name} ({found[0].kind})\n\n{found[0].text}\n\nDefaults:\n{options}\n")
    else:
        _print_table(["kind", "name", "effect", "reference"], [[m.kind, m.name, m.effect, m.reference] for m in found])


class Interrupted(BaseException):
    """Ctrl-C; not KeyboardInterrupt, which the command-line library would turn into a bare "Aborted"."""


def main() -> None:
    """Run the command line: 0 done, 1 an error that a sentence explains, 2 wrong usage, 130 interrupted."""
    signal.signal(signal.SIGINT, _interrupt)
    try:
        app()
    except FoilsError as error:
        sys.stderr.write(f"foils: {error}\n")
        sys.exit(1)
    except Interrupted:
        sys.stderr.write("foils: interrupted; the same command continues where it stopped\n")
        sys.exit(130)
    except MemoryError:
        sys.stderr.write("foils: out of memory; mine with a smaller --depth, or split the queries\n")
        sys.exit(1)


def _interrupt(number: int, frame: object) -> None:
    raise Interrupted


def _refuse(options: dict[str, Any], reason: str) -> None:
    """Nothing that a user gave is ignored in silence."""
    for option, value in options.items():
        if value:
            raise RecipeError(f"{option}: {reason}")


def _version(asked: bool) -> None:
    if asked:
        from foils import __version__

        sys.stdout.write(f"foils {__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    return None


def _encoders(models: list[str], precision: str) -> tuple[tuple[str, Any], ...]:
    if not models:
        from foils.models.lsa import Lsa

        return (("lsa", Lsa()),)
    from foils.models.encoder import SentenceEncoder

    names = ["dense" if i == 0 else f"dense{i + 1}" for i in range(len(models))]
    return tuple((n, SentenceEncoder(model=m, precision=precision)) for n, m in zip(names, models, strict=True))  # type: ignore[arg-type]


def _reranker(model: str) -> Any:
    if not model:
        return None
    from foils.models.reranker import Reranker

    return Reranker(model=model)


def _run_file(text: str) -> tuple[str, str, str | None]:
    from foils.pairs import UNITS

    name, equals, path = text.partition("=")
    if not equals or not name or not path:
        raise RecipeError(f"--run {text}: write NAME=FILE, or NAME=FILE:UNIT with a unit of {', '.join(UNITS)}")
    front, colon, unit = path.rpartition(":")
    return (name, front, unit) if colon and unit in UNITS else (name, path, None)


def _setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or "." not in key:
        raise RecipeError(f"--set {text}: write STEP.OPTION=VALUE, for instance perc-pos.ratio=0.9")
    return key, value


def _steps(run: Any) -> dict[str, str]:
    """The recipe line of the step behind each reason."""
    return {reason: entry.repr for entry in run.ledger.entries for reason in entry.dropped}


def _summary(run: Any) -> dict[str, Any]:
    counts, per_query = run.pairs.counts(), run.pairs.live_per_query()["live"]
    return {
        "run": str(run.folder),
        "recipe": run.recipe.name,
        "queries": per_query.len(),
        "negatives": counts.get("selected", 0),
        "per_query": round(float(per_query.mean() or 0), 2),
        "queries_without": int((per_query == 0).sum()),
        "fates": counts,
        "report": str(run.folder / "report.html"),
    }


def _print_summary(summary: dict[str, Any]) -> None:
    rows = [[fate, f"{n:,}"] for fate, n in sorted(summary["fates"].items(), key=lambda item: -item[1])]
    _print_table(["fate", "pairs"], rows)
    sys.stdout.write(
        f"{summary['negatives']:,} negatives for {summary['queries']:,} queries ({summary['per_query']:g} each"
        f", {summary['queries_without']:,} queries without) by recipe {summary['recipe']}\n"
        f"Open {summary['report']}\n"
        f"Next: foils export {summary['run']} --to st-triplet -o train.jsonl\n"
    )


def _print_table(header: list[str], rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(soft_wrap=False)
    shown = Table(*header, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        shown.add_row(*(Text(cell) for cell in row))
    console.print(shown)


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1, default=str) + "\n")


def _say(quiet: bool, line: str) -> None:
    if not quiet:
        sys.stderr.write(line + "\n")
