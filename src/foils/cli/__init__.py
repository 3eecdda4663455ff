"""The command line: thin doors to the library, one verb each."""

from __future__ import annotations

import signal
import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from foils.cli.audit import audit
from foils.cli.compare import compare
from foils.cli.evaluate import evaluate
from foils.cli.export import export
from foils.cli.judge import judge
from foils.cli.look import explain, methods, report
from foils.cli.make import make
from foils.cli.mine import mine
from foils.cli.probe import probe
from foils.cli.review import review
from foils.cli.train import train
from foils.errors import FoilsError

app = typer.Typer(
    name="foils",
    help="Find, check and select the negatives that retrievers, embedding models and rerankers learn from.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

for verb in (mine, audit, make, judge, review, explain, report, compare, export, train, evaluate, probe, methods):
    app.command()(verb)


class Interrupted(BaseException):
    """Ctrl-C; not KeyboardInterrupt, which the command-line library would turn into a bare "Aborted"."""


def main() -> None:
    """Run the command line: 0 done, 1 an error that a sentence explains, 2 wrong usage, 130 interrupted."""
    signal.signal(signal.SIGINT, _interrupt)
    for stream in (sys.stdout, sys.stderr):
        # A pipe on Windows knows few characters: a result must not be lost over a minus sign or a document's text.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except FoilsError as error:
        sys.stderr.write(f"foils: {error}\n")
        sys.exit(1)
    except Interrupted:
        sys.stderr.write("foils: interrupted; give the same command again, what was finished is kept\n")
        sys.exit(130)
    except MemoryError:
        sys.stderr.write("foils: out of memory; take fewer queries or documents at a time (mine: a smaller --depth)\n")
        sys.exit(1)


def _interrupt(number: int, frame: object) -> None:
    raise Interrupted


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
