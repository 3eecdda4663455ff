"""foils audit."""

from __future__ import annotations

import os
import shutil
import sys
from enum import StrEnum
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer

from foils.cli.options import Json, Quiet, print_json, refuse, say
from foils.errors import DataError, RecipeError

BIG = 20_000_000
"""Bytes from which on the parts are named as they begin; smaller files take a few seconds."""
COLOURS = {"error": "1;31", "warning": "1;33", "note": "1;36", "faint": "2", "command": "32"}


class Short(StrEnum):
    """Policies for columns that must all hold a document."""

    fewer = "fewer"
    random = "random"


def audit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A training file of any tool.")],
    data: Annotated[
        Path | None, typer.Option(metavar="DATA", help="The collection it was mined from: its positives and texts.")
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Write the file repaired, in the same format; needs -o.")] = False,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="FILE", help="The repaired file.")] = None,
    risk: Annotated[
        float | None,
        typer.Option(
            metavar="R", help="Largest share of false negatives, for instance 0.05; --fix drops the likeliest."
        ),
    ] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write all of it as one HTML page.")] = None,
    verdicts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Verdicts of a judge: a run's verdicts.parquet.")
    ] = None,
    negatives: Annotated[
        int | None, typer.Option(min=1, help="Negatives that a row needs; default: as many as most rows have.")
    ] = None,
    margin: Annotated[
        float, typer.Option(help="How far below its positive a negative must stand by the file's own scores.")
    ] = 0.0,
    relevant_from: Annotated[int, typer.Option(help="The lowest label of a positive.")] = 1,
    sample: Annotated[int, typer.Option(min=0, help="Queries searched for false negatives; 0: none.")] = 1000,
    also: Annotated[
        list[str], typer.Option(metavar="FINDING", help="Repair this too, for instance near-positive; repeatable.")
    ] = [],  # noqa: B006
    skip: Annotated[list[str], typer.Option(metavar="FINDING", help="Leave this as it is; repeatable.")] = [],  # noqa: B006
    promote: Annotated[
        bool, typer.Option("--promote", help="What is known to answer becomes a positive where the row can hold it.")
    ] = False,
    short: Annotated[
        Short, typer.Option(help="Columns that must all hold a document: drop the row, or draw a random document.")
    ] = Short.fewer,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Check a training file of any tool, and repair it in its own format."""
    from foils.audit import audit as check
    from foils.engine import Local

    _check(file, out, report, fix, {"--also": also, "--skip": skip, "--promote": promote})
    if "false-negative" in also and risk is None:
        raise RecipeError("--also false-negative: say by --risk R how many may stay, for instance 0.05")
    found = check(
        file, data=data, verdicts=verdicts, risk=risk, negatives=negatives, margin=margin, relevant_from=relevant_from,
        sample=sample, engine=Local(quiet=quiet), tell=_teller(file, quiet),
    )  # fmt: skip
    fixed = None
    if fix and out is not None:
        fixed = found.fix(out, also=also, skip=skip, promote=promote, short=short.value)
    if report is not None:
        from foils.files import write_text

        write_text(report, found.html())
    if as_json:
        print_json(found.data() | {"fixed": None if fixed is None else fixed.data()})
        return
    width = min(shutil.get_terminal_size((100, 24)).columns, 120)
    sys.stdout.write(found.text(width, _style()))
    if fixed is not None:
        sys.stdout.write("\n" + fixed.text(width))
    if report is not None:
        sys.stdout.write(f"Open {report}\n")


def _check(file: Path, out: Path | None, report: Path | None, fix: bool, of_fix: dict[str, Any]) -> None:
    """What a wrong command is told before anything is read."""
    from foils.audit.fix import check_target
    from foils.audit.opening import opened
    from foils.audit.plan import chosen

    opened(file)
    if fix and out is None:
        raise RecipeError(f"--fix: -o FILE is missing, for instance -o {quote(f'fixed-{file.name}')}")
    if not fix:
        refuse({"-o": out}, "is the repaired file; add --fix, or name a page by --report")
        refuse(of_fix, "belongs to --fix, which is not there")
    if out is not None:
        check_target(file, out)
    for target in (out, report):
        if target is not None:
            _writable(target)
    chosen(of_fix["--also"], of_fix["--skip"])
    if report is not None:
        if report.suffix.lower() not in (".html", ".htm"):
            raise DataError(f"--report {report}: it is an HTML page; the name must end in .html")
        if report.resolve() in {file.resolve(), out.resolve() if out else None}:
            raise DataError(f"--report {report}: that is another file of this command; choose another name")


def _writable(path: Path) -> None:
    """An audit can take minutes: better told now."""
    there = next(parent for parent in path.resolve().parents if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise DataError(f"cannot write {path}: {there} is no folder that can be written")


def _teller(file: Path, quiet: bool) -> Any:
    big = file.stat().st_size >= BIG
    return (lambda part: say(quiet, f"audit: {part}")) if big else None


def _style() -> Any:
    """Colours on a terminal that wants them."""
    from foils.audit.text import plain

    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return plain
    return lambda words, kind: f"\x1b[{COLOURS[kind]}m{words}\x1b[0m"
