"""What the verbs share: options, tables and JSON on stdout, notes on stderr."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from foils.errors import RecipeError

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder made by foils mine.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
Cache = Annotated[
    Path | None, typer.Option(envvar="FOILS_CACHE", help="Embedding cache; default: the user's cache folder.")
]
BaseUrl = Annotated[str, typer.Option(help="Of an OpenAI-compatible endpoint, up to /v1.")]
KeyEnv = Annotated[str, typer.Option(help="Environment variable with its key; empty: it wants none.")]
PriceIn = Annotated[float | None, typer.Option(help="Per million tokens sent.")]
PriceOut = Annotated[float | None, typer.Option(help="Per million tokens received.")]
Money = Annotated[float | None, typer.Option(help="Never spend more than this on this call.")]


def refuse(options: dict[str, Any], reason: str) -> None:
    """Nothing that a user gave is ignored in silence."""
    for option, value in options.items():
        if value:
            raise RecipeError(f"{option}: {reason}")


def from_user(context: typer.Context, *names: str) -> dict[str, bool]:
    """For options that have a default: whether the user gave them."""
    sources = {name: context.get_parameter_source(name) for name in names}
    return {f"--{n}": s is not None and s.name not in ("DEFAULT", "DEFAULT_MAP") for n, s in sources.items()}


def print_table(header: list[str], rows: list[list[str]]) -> None:
    """A plain table on stdout."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(soft_wrap=False)
    shown = Table(*header, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        shown.add_row(*(Text(cell) for cell in row))
    console.print(shown)


def print_json(value: Any) -> None:
    """JSON on stdout."""
    narrow = not (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    sys.stdout.write(json.dumps(value, ensure_ascii=narrow, indent=1, default=str) + "\n")


def say(quiet: bool, line: str) -> None:
    """A note on stderr."""
    if not quiet:
        sys.stderr.write(line + "\n")


def engine(cache: Path | None, quiet: bool) -> Any:
    """This process, with the user's cache."""
    from foils.engine import Local

    return Local(cache=cache or Path.home() / ".cache" / "foils", quiet=quiet)
