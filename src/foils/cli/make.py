"""foils make."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from foils.cli.options import Json, Quiet, RunArgument, print_json, print_table, say


class Side(StrEnum):
    """What is changed."""

    document = "document"
    query = "query"
    both = "both"


def make(
    run: RunArgument,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Another run folder; without, the run itself gains them.")
    ] = None,
    kinds: Annotated[
        list[str],
        typer.Option(
            help="A kind or an operator (see foils methods make); repeat, or part by commas. Without: all on."
        ),
    ] = [],  # noqa: B006
    side: Annotated[Side, typer.Option(help="Change documents, queries, or both.")] = Side.document,
    quota: Annotated[float, typer.Option(help="Made negatives as a share of all negatives.")] = 0.15,
    safety: Annotated[
        float | None, typer.Option(help="Only operators whose measured safety reaches this; without: those on.")
    ] = None,
    nli: Annotated[
        str, typer.Option(help="An entailment cross-encoder, id or path, that must see a contradiction.")
    ] = "",
    twins: Annotated[bool, typer.Option("--twins", help="Add the hard positives, too, as positives.")] = False,
    language: Annotated[str, typer.Option(help="Of the texts, such as en; without, English is recognised.")] = "",
    seed: Annotated[int, typer.Option(help="Of all random draws.")] = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Make typed negatives of the positives: each with its edit, the reason why it is wrong, and a twin."""
    from foils.make.nli import CrossEncoderNli
    from foils.making import Wish, make_into
    from foils.run import Run

    named = tuple(part.strip() for each in kinds for part in each.split(",") if part.strip())
    wish = Wish(named, side.value, quota, safety, twins, language, seed)
    wish.operators()
    making = make_into(Run.open(run), wish, nli=CrossEncoderNli(nli) if nli else None, out=out)
    if making.again:
        say(quiet, "the same was made before; nothing was done")
    summary = _summary(making)
    if as_json:
        print_json(summary)
    else:
        _print(summary)


def _summary(making: Any) -> dict[str, Any]:
    live = making.run.pairs.counts().get("selected", 0)
    taken = sum(making.taken.values())
    return {
        "run": str(making.run.folder),
        "positives": making.items,
        "made": making.made,
        "taken": making.taken,
        "negatives": live,
        "share": round(taken / max(1, live), 4),
        "nothing_made": making.reasons,
        "artefact_auc": making.artefact,
        "give_away_words": list(making.words),
        "again": making.again,
    }


def _print(summary: dict[str, Any]) -> None:
    names = sorted({*summary["made"], *summary["taken"], *summary["nothing_made"]})
    rows = []
    for name in names:
        reasons = list(summary["nothing_made"].get(name, {}).items())[:4]
        told = ", ".join(f"{n:,} {reason}" for reason, n in reasons)
        rows.append([name, f"{summary['made'].get(name, 0):,}", f"{summary['taken'].get(name, 0):,}", told])
    print_table(["operator", "made", "in the run", "nothing made, why"], rows)
    auc = summary["artefact_auc"]
    blind = "" if auc is None else f"; a classifier that never sees the query tells them at AUC {auc:.2f}"
    sys.stdout.write(
        f"{sum(summary['taken'].values()):,} made negatives, "
        f"{summary['share']:.1%} of {summary['negatives']:,}{blind}\n"
        f"Read {summary['run']}/made.jsonl\n"
    )
