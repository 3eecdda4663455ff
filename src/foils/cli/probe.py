"""foils probe."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from foils.cli.options import Cache, Json, Quiet, engine, print_json, print_table, refuse, say
from foils.errors import DataError


class Kind(StrEnum):
    """How a model is read."""

    bi_encoder = "bi-encoder"
    cross_encoder = "cross-encoder"


def probe(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's folder or id, or bm25, or lsa.")],
    data: Annotated[
        list[str], typer.Option("--data", help="A file or folder of probes, a run, or shipped; repeatable.")
    ] = [],  # noqa: B006
    kind: Annotated[Kind, typer.Option("--as", help="How MODEL is read.")] = Kind.bi_encoder,
    against: Annotated[str, typer.Option(help="A second model to compare with.")] = "",
    against_kind: Annotated[
        Kind | None, typer.Option("--against-as", help="How that one is read; default: as MODEL.")
    ] = None,
    worst: Annotated[int, typer.Option(min=0, help="Worst pairs of each type to show in HTML and JSON.")] = 5,
    html: Annotated[Path | None, typer.Option(help="Also write a page with the worst pairs to read.")] = None,
    cache: Cache = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Show by type what a model does not see: negations, numbers, roles, years."""
    from foils.files import write_text
    from foils.probes.page import render
    from foils.probes.session import probe as run_probes
    from foils.probes.subject import subject

    if not against:
        refuse({"--against-as": against_kind}, "there is no second model; name one with --against")
    if html is not None:
        _check_target(html)
    first = subject(model, kind.value)
    other = against_kind or (Kind.bi_encoder if against in ("bm25", "lsa") else kind)
    second = subject(against, other.value) if against else None
    found = run_probes(first, data, against=second, engine=engine(cache, quiet))
    for finding in found.findings:
        say(quiet, f"  {finding.count:,} {finding.what}: {finding.policy}")
    if html is not None:
        write_text(html, render(found, worst))
    if as_json:
        print_json(found.data(worst))
        return
    _print(found)
    if html is not None:
        sys.stdout.write(f"Open {html}\n")


def _check_target(path: Path) -> None:
    """A page that cannot be written must not cost an hour of encoding first."""
    folder = next(p for p in path.absolute().parents if p.exists())
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise DataError(f"cannot write {path}: the path of a file in a folder with write permission is needed")


def _print(found: Any) -> None:
    from foils.probes.told import DIFFERENCE, HEADER, LEGEND, difference, measures, names

    called = names(found)
    for name, rows in zip(called, found.rows, strict=True):
        sys.stdout.write(f"{name}\n")
        print_table(list(HEADER), [measures(row) for row in rows])
        sys.stdout.write("\n")
    if found.differences:
        sys.stdout.write(f"{called[0]} against {called[1]}\n")
        print_table(list(DIFFERENCE), [difference(d) for d in found.differences])
        sys.stdout.write("\n")
    sys.stdout.write(LEGEND + "\n")
