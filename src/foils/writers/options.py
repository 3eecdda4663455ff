"""What a format is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from foils.writers.output import Output
from foils.writers.selection import Selection


@dataclass(frozen=True)
class Options:
    """What the user can ask of a format beyond scores and number of negatives.

    Args:
        prompt: an instruction for the query, for formats that have a field for it.
        sidecar: a second file with ids, scores and extras, line by line, for formats that cannot hold them.
    """

    prompt: str | None = None
    sidecar: bool = False


@dataclass(frozen=True)
class Built:
    """The rows of the main file, and the files, the main one first."""

    rows: int
    outputs: tuple[Output, ...]


@dataclass(frozen=True)
class Format:
    """A trainer's file format.

    Args:
        trainer: who reads it.
        load: the code or command that loads it there; ``{path}`` stands for the file, ``{companion}`` for the
            one beside it.
        suffixes: of the file; empty: the path is a folder.
        build: makes the files; the first line of its docstring says what a row is.
        shape: ``queries`` (a query needs a positive and a negative), ``fixed`` (and all rows as many negatives),
            ``whole`` (negatives as a list of their own; nothing is left out).
        needs_score: it has no meaning without scores.
        takes: names of the options that it has a place for.
    """

    trainer: str
    load: str
    suffixes: tuple[str, ...]
    build: Callable[[Selection, Path, Options], Built]
    shape: Literal["queries", "fixed", "whole"] = "queries"
    needs_score: bool = False
    takes: tuple[Literal["prompt", "sidecar"], ...] = ()

    @property
    def summary(self) -> str:
        """What a row is, in one line."""
        return (self.build.__doc__ or "").partition("\n")[0]
