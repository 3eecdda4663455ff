"""A run whose documents try everything, and ``foils review`` as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from foils.collection import build
from foils.models.lsa import Lsa
from foils.recipes import Plan, default
from foils.run import mine

HOSTILE = (
    "<script>alert(1)</script> a river of 9 km",
    "\u202eevil\u202c \u2066bidi\u2069 river\u200f",
    "nul \x00 bell \x07 escape \x1b[31m river",
    "</p></main><form action=//evil.example><input name=row value=1>river",
    '" onmouseover="alert(1)" \' river & &lt;b&gt; <img src=x onerror=alert(1)>',
    "<a href=javascript:alert(1)>river</a> {{7*7}} ${7*7}",
)


def hostile(folder: Path) -> Path:
    """A small run over documents that hold markup, control and bidi characters."""
    texts = [f"{HOSTILE[i % len(HOSTILE)]} number {i}" for i in range(60)]
    docs = pl.DataFrame({"id": [f"d<{i}>" for i in range(60)], "text": texts})
    queries = pl.DataFrame(
        {"id": [f'q"{i}' for i in range(6)], "text": [f"<b>which</b> river {i} \u202e?" for i in range(6)]}
    )
    labels = pl.DataFrame(
        {"query_id": [f'q"{i}' for i in range(6)], "doc_id": [f"d<{i}>" for i in range(6)], "grade": [1] * 6}
    )
    plan = Plan((("lsa", Lsa(dims=8)),), n=4, depth=20)
    mine(build(docs, queries, labels, name="<i>hostile</i>"), default(plan), out=folder)
    return folder


@contextmanager
def served(folder: Path, *options: str):
    """The address of a page over a run, with its token; killed without warning at the end."""
    command = [sys.executable, "-m", "foils", "review", str(folder), "--quiet", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()
