"""foils export."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from foils.cli.options import Json, RunArgument, print_json


def export(
    run: RunArgument,
    to: Annotated[str, typer.Option(help="The format, for instance st-triplet; a wrong name lists all.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The file, or folder, to write.")],
    scores: Annotated[
        str, typer.Option(help="A score column to write along, for instance cos.dense; p_relevant: soft labels.")
    ] = "",
    negatives: Annotated[
        int, typer.Option(help="At most so many per query, exactly so in fixed columns; 0: all, or what keeps most.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Write a training file that a trainer reads unchanged."""
    from foils.run import Run
    from foils.writers import export as write

    written = write(Run.open(run).pairs, to, out, scores=scores or None, negatives=negatives or None)
    if as_json:
        print_json(asdict(written))
        return
    sys.stdout.write(f"{written.rows:,} rows in {', '.join(map(str, written.files))}\n")
    for finding in written.skipped:
        sys.stdout.write(f"  {finding.count:,} {finding.what}: {finding.policy}\n")
