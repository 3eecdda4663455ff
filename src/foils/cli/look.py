"""foils explain, report and methods: look at a run, and at what there is."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from foils.cli.options import Json, RunArgument, print_json, print_table, refuse
from foils.errors import RecipeError


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
        print_json(shown.data())
    else:
        sys.stdout.write(shown.text(width=shutil.get_terminal_size((120, 24)).columns) + "\n")


def report(
    run: RunArgument,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Where to write it.")] = None,
    as_json: Json = False,
) -> None:
    """Write the report of a run again: one HTML file."""
    from foils import counterparts, made, recipe_file
    from foils.files import write_text
    from foils.report import render
    from foils.run import Run

    opened = Run.open(run)
    target = out or run / "report.html"
    title, recipe = opened.pairs.collection.name or "foils", recipe_file.dumps(opened.recipe)
    sides = [pair.record() for pair in counterparts.read(run)]
    page = render(opened.pairs, title=title, recipe=recipe, ledger=opened.ledger, made=made.read(run), sides=sides)
    write_text(target, page)
    if as_json:
        print_json({"run": str(run), "report": str(target)})
    else:
        sys.stdout.write(f"{target}\n")


def methods(
    name: Annotated[str, typer.Argument(metavar="[NAME|KIND]", help="A method, or a kind such as rule.")] = "",
    markdown: Annotated[bool, typer.Option("--markdown", help="The tables of docs/methods.md.")] = False,
    as_json: Json = False,
) -> None:
    """List every method: what it does, its paper, its options, where it fails."""
    from foils import catalogue

    if markdown:
        refuse({"--json": as_json, name: bool(name)}, "--markdown prints the tables of all methods; leave it out")
        sys.stdout.write(catalogue.markdown())
        return
    if name == catalogue.MAKE:
        _operators(as_json)
        return
    found = [m for m in catalogue.methods() if name in ("", m.kind, m.name)]
    if not found:
        raise RecipeError(f"no method and no kind is called {name!r}; foils methods lists them all")
    if as_json:
        print_json([m.__dict__ for m in found])
    elif name in {m.name for m in found} and len(found) == 1:
        options = "\n".join(f"  {k} = {v}" for k, v in found[0].options.items())
        sys.stdout.write(f"{found[0].name} ({found[0].kind})\n\n{found[0].text}\n\nDefaults:\n{options}\n")
    else:
        print_table(["kind", "name", "effect", "reference"], [[m.kind, m.name, m.effect, m.reference] for m in found])


def _operators(as_json: bool) -> None:
    """What foils make can do on this machine, and what would unlock the rest."""
    from foils.make.operators import table

    rows = table()
    if as_json:
        print_json([row._asdict() for row in rows])
        return
    unlocks = dict(part.split(": ", 1) for r in rows for part in r.missing.split("; ") if part)
    shown = [
        [
            r.name,
            r.kind,
            r.side,
            r.languages,
            r.safety,
            "on" if r.on else "off",
            f"needs {', '.join(n for n in unlocks if f'{n}: ' in r.missing)}" if r.missing else "yes",
        ]
        for r in rows
    ]
    print_table(["operator", "kind", "side", "languages", "right of read", "default", "runs here"], shown)
    sys.stdout.write("".join(f"{name} is unlocked by: {how}\n" for name, how in unlocks.items()))
    sys.stdout.write(
        "foils methods OPERATOR tells what one does and where it fails; docs/safety.md how they were read.\n"
    )


def _steps(run: Any) -> dict[str, str]:
    """The recipe line of the step behind each reason."""
    return {reason: entry.repr for entry in run.ledger.entries for reason in entry.dropped}
