"""Local: heavy work in this process, with progress on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foils.protocols import Advance


@dataclass(frozen=True)
class Local:
    """Runs everything in this process.

    Args:
        cache: folder of the embedding cache; null: embeddings are not kept.
        quiet: no progress on stderr.
    """

    cache: Path | None = None
    quiet: bool = True

    def map(
        self, load: Callable[[], Callable[[Sequence[Any]], Sequence[Any]]], rows: Sequence[Any], batch: int, title: str
    ) -> list[Any]:
        """Apply the loaded work to batches of rows; results in the order of the rows."""
        results: list[Any] = []
        if len(rows) == 0:
            return results
        work = load()
        with self.track(title, len(rows)) as advance:
            for start in range(0, len(rows), batch):
                part = rows[start : start + batch]
                results.extend(work(part))
                advance(len(part))
        return results

    @contextmanager
    def track(self, title: str, total: int, unit: str = "") -> Iterator[Advance]:
        """A live bar on a terminal, a line every ten seconds elsewhere, nothing when quiet."""
        if self.quiet or total == 0:
            yield lambda n: None
        elif sys.stderr.isatty():
            with _bar(title, total, unit) as advance:
                yield advance
        else:
            yield _lines(title, total, unit)


@contextmanager
def _bar(title: str, total: int, unit: str) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Any) -> Text:
            return Text(f"{task.speed or 0:,.0f} {unit}/s".replace(" /s", "/s"))

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda n: progress.advance(task, n)


def _lines(title: str, total: int, unit: str, every: float = 10.0) -> Advance:
    start = last = time.monotonic()
    done = 0

    def advance(n: int) -> None:
        nonlocal done, last
        done += n
        now = time.monotonic()
        if now - last >= every:
            last = now
            rate = done / (now - start)
            left = (total - done) / rate if rate else 0.0
            line = f"{title}: {done:,} of {total:,} {unit}".rstrip()
            sys.stderr.write(f"{line}, {rate:,.0f}/s, {left:,.0f} s left\n")

    return advance
