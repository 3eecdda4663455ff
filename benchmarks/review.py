"""How fast the review page is: ``python benchmarks/review.py [QUERIES] [VERDICTS]`` (a generated run, seed 0)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

import httpx
import numpy as np
import polars as pl

from foils.collection import Collection
from foils.folder import Folder
from foils.judging import learning
from foils.ledger import Ledger
from foils.models.lsa import Lsa
from foils.pairs import Pairs
from foils.recipe_file import dumps
from foils.recipes import Plan, naive
from foils.review.book import Book
from foils.run import VERDICTS, versions

PER_QUERY = 100


def generated(queries: int, folder: Path) -> None:
    """A finished run with 100 rows a query, its scores and its detector's probabilities drawn at random."""
    rng = np.random.default_rng(0)
    docs, rows = queries * 5, queries * PER_QUERY
    words = np.array([f"word{i}" for i in range(2000)])
    corpus = pl.DataFrame(
        {
            "id": [f"d{i}" for i in range(docs)],
            "text": [" ".join(w) for w in words[rng.integers(2000, size=(docs, 60))]],
        }
    )
    asked = pl.DataFrame(
        {
            "id": [f"q{i}" for i in range(queries)],
            "text": [" ".join(w) for w in words[rng.integers(2000, size=(queries, 8))]],
        }
    )
    query = np.repeat(np.arange(queries, dtype=np.uint32), PER_QUERY)
    # 100 different documents of every query: steps from a random start.
    step = np.arange(PER_QUERY, dtype=np.int64) * (docs // PER_QUERY - 1)
    doc = np.sort((rng.integers(docs, size=(queries, 1)) + step) % docs, axis=1).astype(np.uint32).ravel()
    positive = np.tile(np.arange(PER_QUERY) == 0, queries)
    labels = pl.DataFrame({"query": query[positive], "doc": doc[positive], "grade": np.ones(queries, dtype=np.int32)})
    collection = Collection(corpus, asked, labels, name="generated")
    p = rng.beta(0.3, 2.5, size=rows).astype(np.float32)
    frame = pl.DataFrame({"query": query, "doc": doc, "positive": positive}).with_columns(
        dropped=pl.when(~pl.col("positive") & pl.Series(rng.random(rows) > 0.08))
        .then(pl.lit("not drawn"))
        .cast(pl.Categorical),
        kind=pl.lit(None, dtype=pl.Categorical),
        judged_by=pl.lit(None, dtype=pl.Categorical),
        p_relevant=pl.when(~pl.col("positive")).then(pl.Series(p)),
        weight=pl.lit(None, dtype=pl.Float32),
        filled=pl.lit(None, dtype=pl.Categorical),
    )
    frame = frame.with_columns(
        pl.Series("prob.detector", p), pl.Series("rank.bm25", rng.permutation(rows).astype(np.int32))
    )
    frame = frame.with_columns(pl.Series("bm25.bm25", rng.gamma(2, 5, size=rows).astype(np.float32)))
    recipe = learning(naive(Plan((("bm25", Lsa()),), n=8)))
    Folder(folder, "generated").finish(Pairs(frame, collection), dumps(recipe), Ledger((), (), versions(), {}), "")


def judged(folder: Path, verdicts: int) -> float:
    """Give a run this many verdicts by another person, and the seconds that one more takes in the end."""
    from foils.protocols import Verdict
    from foils.run import Run

    run = Run.open(folder)
    rows = np.random.default_rng(1).choice(run.pairs.frame.height, verdicts, replace=False).astype(np.uint32)
    given = [Verdict(float(i % 9 == 0), "human:ben", "") for i in range(verdicts)]
    run.verdicts.add(run.pairs, rows, given, "human").write(folder / VERDICTS)
    book = Book(run.pairs, folder / VERDICTS)
    start = time.perf_counter()
    for row in range(1, 51):
        book.decide(row, "human:cleo", "relevant")
    return (time.perf_counter() - start) / 50


def paged(folder: Path, items: int) -> dict[str, float]:
    """Seconds until the page can be opened, until its first item, and from decision to next item."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "foils", "review", str(folder), "--person", "anna", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        address = str(server.stdout.readline()).strip() if server.stdout else ""
        with httpx.Client(trust_env=False, timeout=600) as client:
            client.get(address)
            base = address.partition("?")[0]
            started = time.perf_counter() - start
            page = client.get(base).text
            first = time.perf_counter() - start
            took, decide = [], []
            for _ in range(items):
                names = dict(re.findall(r'name="(row|query|doc)" value="([^"]*)"', page))
                begin = time.perf_counter()
                body = urlencode(names | {"answer": "not relevant"})
                headers = {"Origin": base.rstrip("/"), "Content-Type": "application/x-www-form-urlencoded"}
                client.post(f"{base}decide", content=body, headers=headers)
                decide.append(time.perf_counter() - begin)
                page = client.get(base).text
                took.append(time.perf_counter() - begin)
                time.sleep(0.3)
        server.terminate()
    return {
        "started": started,
        "first item": first,
        "decision, median": float(np.median(decide)),
        "next item, median": float(np.median(took)),
        "next item, 95th percentile": float(np.percentile(took, 95)),
        "next item, longest": max(took),
    }


def main() -> None:
    """Print what is measured."""
    queries, verdicts = (int(a) for a in (*sys.argv[1:], "10000", "10000")[:2])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "run"
        generated(queries, folder)
        print(f"{queries:,} queries, {queries * PER_QUERY:,} rows, {os.cpu_count()} cores")
        for label, seconds in paged(folder, 60).items():
            print(f"{label}: {1000 * seconds:,.0f} ms")
        print(f"one verdict on disk after {verdicts:,}: {1000 * judged(folder, verdicts):.1f} ms")
        for label, seconds in paged(folder, 30).items():
            print(f"after {verdicts:,} verdicts, {label}: {1000 * seconds:,.0f} ms")


if __name__ == "__main__":
    main()
