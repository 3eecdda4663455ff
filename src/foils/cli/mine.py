"""foils mine."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from foils.cli.judges import Combine, made
from foils.cli.options import Json, Quiet, from_user, print_json, print_table, refuse, say
from foils.errors import RecipeError


class Short(StrEnum):
    """Policies for queries with too few survivors."""

    fewer = "fewer"
    relax = "relax"
    random = "random"
    drop = "drop query"


def mine(
    context: typer.Context,
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A BEIR folder, table, dataset or training file.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The run folder to write.")],
    recipe: Annotated[
        str, typer.Option(help="A recipe's name (see foils methods recipe) or a .toml file.")
    ] = "default",
    encoder: Annotated[
        list[str], typer.Option(help="A sentence-transformers model, id or path; repeat for several. Without: lsa.")
    ] = [],  # noqa: B006
    reranker: Annotated[str, typer.Option(help="A cross-encoder, id or path, for recipes that use one.")] = "",
    judges: Annotated[
        list[str], typer.Option("--judge", metavar="KIND:WHAT", help="Whom recipes that ask a judge ask.")
    ] = [],  # noqa: B006
    base_url: Annotated[str, typer.Option(help="Of an OpenAI-compatible endpoint, for --judge llm:MODEL.")] = "",
    key_env: Annotated[str, typer.Option(help="Environment variable with its key; empty: it wants none.")] = "",
    risk: Annotated[
        float | None, typer.Option(min=0, max=1, help="The estimated share of false negatives to keep within.")
    ] = None,
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
        given: dict[str, Any] = {"--encoder": encoder, "--reranker": reranker, "--run": runs, "--column": column}
        given |= {"--judge": judges, "--base-url": base_url, "--key-env": key_env, "--risk": risk is not None}
        if recipe.endswith(".toml"):
            named = recipe_file.load(Path(recipe))
            given |= from_user(context, "negatives", "depth", "seed", "short", "precision")
            own = "names its own models, sources and options"
            refuse(given, f"{recipe} {own}; leave it out, use --set STEP.OPTION=VALUE, or change the file")
        else:
            encoders = _encoders(encoder, precision)
            files = tuple(RunFile(name=n, depth=depth, path=p, unit=u) for n, p, u in map(_run_file, runs))
            if not encoder:
                refuse({"--precision": precision != "auto"}, "lsa has none; it is for --encoder")
            judge = _judge(judges, base_url, key_env, encoders[0][1])
            plan = recipes.Plan(
                encoders, negatives, depth, seed, short.value, _reranker(reranker), files, column, judge, risk
            )
            named = recipes.named(recipe, plan)
            given = {"--column": column, "--run": runs, "--encoder": encoder[1:], **from_user(context, "depth")}
            _refuse_idle(recipe, plan, given)
            if not any(hasattr(step, "judge") for step in named.steps):
                refuse({"--judge": judges}, f"recipe {recipe} asks nobody; rlhn, tinyv, rrra and unime-v2 do")
            if not any(hasattr(step, "risk") for step in named.steps):
                refuse({"--risk": risk is not None}, f"recipe {recipe} keeps to no risk; default does")
            if not any(hasattr(step, "scorer") for step in named.steps):
                refuse({"--reranker": reranker}, f"recipe {recipe} uses none; lg-anna and unime-v2 do")
        return recipe_file.change(named, dict(map(_setting, settings)))

    chosen = settle()
    chosen.check()
    collection = Collection.read(data, split=split, positives=positives, relevant_from=relevant_from)
    say(quiet, repr(collection))
    for finding in collection.findings:
        say(quiet, f"  {finding.count:,} {finding.what}: {finding.policy}")
    folder = Path(cache) if cache else Path.home() / ".cache" / "foils"
    run = mine_run(collection, chosen, out=out, engine=Local(cache=folder, quiet=quiet), overwrite=overwrite)
    summary = _summary(run)
    if as_json:
        print_json(summary)
    else:
        _print_summary(summary)


def _refuse_idle(recipe: str, plan: Any, given: dict[str, Any]) -> None:
    """Raise for what was given and changes nothing in a named recipe."""
    from foils import recipes

    others = {
        "--column": replace(plan, column=""),
        "--run": replace(plan, runs=()),
        "--encoder": replace(plan, encoders=plan.encoders[:1]),
        "--depth": replace(plan, depth=plan.depth + 1),
    }
    named, idle = recipes.named(recipe, plan), {}
    for option, other in others.items():
        # A recipe that cannot do without it makes use of it.
        with suppress(RecipeError):
            idle[option] = given[option] and recipes.named(recipe, other) == named
    refuse(idle, f"it changes nothing in recipe {recipe}; leave it out")


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


def _judge(judges: list[str], base_url: str, key_env: str, encoder: Any) -> Any:
    endpoint = {"--base-url": base_url, "--key-env": key_env}
    if not judges:
        refuse(endpoint, "needs --judge llm:MODEL")
        return None
    options: dict[str, Any] = {**endpoint, "--price-in": None, "--price-out": None, "--money": None}
    return made(judges, Combine.cascade, encoder, options | {"family": "", "complete": False, "person": ""})


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


def _summary(run: Any) -> dict[str, Any]:
    counts, per_query = run.pairs.counts(), run.pairs.live_per_query()["live"]
    chosen = run.pairs.negatives()["p_relevant"]
    return {
        "run": str(run.folder),
        "recipe": run.recipe.name,
        "queries": per_query.len(),
        "negatives": counts.get("selected", 0),
        "per_query": round(float(per_query.mean() or 0), 2),
        "estimated_false": None if chosen.null_count() == chosen.len() else round(float(chosen.mean()), 4),
        "queries_without": int((per_query == 0).sum()),
        "fates": counts,
        "report": str(run.folder / "report.html"),
    }


def _print_summary(summary: dict[str, Any]) -> None:
    rows = [[fate, f"{n:,}"] for fate, n in sorted(summary["fates"].items(), key=lambda item: -item[1])]
    print_table(["fate", "pairs"], rows)
    false = summary["estimated_false"]
    doubt = "" if false is None else f"An estimated {100 * false:.1f} % of them are false; foils judge makes sure\n"
    sys.stdout.write(
        f"{summary['negatives']:,} negatives for {summary['queries']:,} queries ({summary['per_query']:g} each"
        f", {summary['queries_without']:,} queries without) by recipe {summary['recipe']}\n{doubt}"
        f"Open {summary['report']}\n"
        f"Next: foils export {summary['run']} --to st-triplet -o train.jsonl\n"
    )
