"""foils review."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from foils.cli.options import Cache, Json, Quiet, RunArgument, engine, from_user, print_json, refuse, say
from foils.errors import RecipeError


def review(
    context: typer.Context,
    run: RunArgument,
    person: Annotated[str, typer.Option(help="Who judges; the page can change it.")] = "",
    budget: Annotated[int, typer.Option(min=1, help="Verdicts wanted of each person.")] = 200,
    share: Annotated[float, typer.Option(min=0, max=1, help="Of the budget that is drawn at random.")] = 0.25,
    risk: Annotated[float | None, typer.Option(min=0, max=1, help="Share of false negatives to select within.")] = None,
    host: Annotated[str, typer.Option(help="An address of this machine only.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 0,
    browse: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    again: Annotated[bool, typer.Option("--select", help="Select again with the verdicts so far; no page.")] = False,
    bring: Annotated[
        Path | None,
        typer.Option("--import", metavar="FILE", help="Add verdicts: JSONL or Argilla's JSON; no page."),
    ] = None,
    export: Annotated[Path | None, typer.Option(metavar="FILE.jsonl", help="Write all verdicts; no page.")] = None,
    argilla: Annotated[Path | None, typer.Option(metavar="FILE.json", help="Write Argilla records; no page.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of random samples.")] = 0,
    cache: Cache = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Judge pairs on a page of this machine; what is said steers what is selected."""
    from foils.review import Plan, serve
    from foils.run import Run

    files = {"--import": bring, "--export": export, "--argilla": argilla}
    where = engine(cache, quiet)
    if again or any(files.values()):
        page = {"--open": browse} | from_user(context, "person", "port", "host", "budget", "share", "seed")
        refuse(page, "belongs to the page; leave it out")
        _without_page(Run.open(run), where, files, risk, again=again, as_json=as_json)
        return
    if as_json:
        raise RecipeError("--json: the page has no result to print; it goes with --select, --import and exports")

    def ready(address: str) -> None:
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()
        say(quiet, "Open this address in a browser; Ctrl-C ends the page. Every decision is kept as it is made.")
        if browse:
            import webbrowser

            webbrowser.open(address)

    plan = Plan(budget=budget, share=share, risk=risk, seed=seed)
    serve(Run.open(run), where, person=person, plan=plan, host=host, port=port, ready=ready)


def _without_page(
    run: Any, where: Any, files: dict[str, Path | None], risk: float | None, *, again: bool, as_json: bool
) -> None:
    """Verdicts in, selection anew, verdicts out, in this order."""
    from foils.files import write_text
    from foils.judging import select
    from foils.review import exchange
    from foils.review.book import Book
    from foils.run import VERDICTS

    if risk is not None and not again:
        raise RecipeError("--risk: selects within it; add --select")
    data: dict[str, Any] = {"run": str(run.folder)}
    lines = []
    if bring := files["--import"]:
        taken = exchange.take(Book(run.pairs, run.folder / VERDICTS), bring)
        data |= {"imported": taken.new, "known": taken.known, "foreign": taken.foreign}
        left_out = f"{taken.known:,} were there, {taken.foreign:,} are about other texts or pairs"
        lines.append(f"{taken.new:,} verdicts added, {left_out}")
    if again:
        before = run.pairs.counts().get("selected", 0)
        run = select(run, where, risk=risk)
        now = run.pairs.counts().get("selected", 0)
        data |= {"negatives": now, "before": before}
        lines.append(f"{now:,} negatives (before: {before:,})\nOpen {run.folder / 'report.html'}")
    for option, write in (("--export", exchange.jsonl), ("--argilla", exchange.argilla)):
        if target := files[option]:
            write_text(target, write(run.pairs, run.verdicts))
            data[option.removeprefix("--")] = str(target)
            lines.append(str(target))
    if as_json:
        print_json(data)
    else:
        sys.stdout.write("\n".join(lines) + "\n")
