"""What the report costs: ``python benchmarks/report.py [QUERIES] [--sources N]`` (a generated run, seed 0).

Seconds and memory are those of ``foils report RUN`` in a process of its own, from the command to the file.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

import machine
from foils.folder import Folder
from foils.pairs import Pairs
from foils.run import Run
from review import PER_QUERY, generated

LIMITS = {"seconds": 30.0, "peak_mb": 2000.0, "page_mb": 3.0}


def wide(queries: int, sources: int, folder: Path) -> None:
    """A generated run with dense sources beside BM25, and with candidates that the detector had dropped."""
    generated(queries, folder)
    run = Run.open(folder)
    rng = np.random.default_rng(2)
    frame, rows = run.pairs.frame, run.pairs.frame.height
    for i in range(1, sources):
        there = pl.lit(pl.Series(rng.random(rows) < 0.6))
        rank = pl.lit(pl.Series(rng.integers(1, PER_QUERY + 1, size=rows).astype(np.int32)))
        cosine = pl.lit(pl.Series((0.9 * rng.beta(2, 5, size=rows)).astype(np.float32)))
        frame = frame.with_columns(
            pl.when(there).then(rank).alias(f"rank.dense{i}"), pl.when(there).then(cosine).alias(f"cos.dense{i}")
        )
    relevant = ~pl.col("positive") & pl.col("dropped").is_not_null() & (pl.col("p_relevant") >= 0.5)
    why = pl.when(relevant).then(pl.lit("likely relevant", dtype=pl.Categorical)).otherwise("dropped")
    recipe = (folder / "recipe.toml").read_text(encoding="utf-8")
    pairs = Pairs(frame.with_columns(dropped=why), run.pairs.collection)
    Folder(folder, "generated").finish(pairs, recipe, run.ledger, "")


def reported(folder: Path) -> dict[str, float]:
    """Seconds, peak memory and size of one ``foils report``."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "foils", "report", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
        # Waited for by hand: the usage of this child alone.
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"foils report ended with {child.returncode}")
    return {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_mb": used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6,
        "page_mb": (folder / "report.html").stat().st_size / 1e6,
    }


def main() -> None:
    """Print what is measured, and the limits."""
    ask = argparse.ArgumentParser()
    ask.add_argument("queries", type=int, nargs="?", default=10_000)
    ask.add_argument("--sources", type=int, default=3)
    ask.add_argument("--keep", type=Path, help="make the run in this folder, or measure the one that is there")
    told = ask.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = told.keep or Path(name) / "run"
        if not folder.exists():
            # In a process of its own: a child inherits the peak memory of the one that starts it.
            maker = multiprocessing.get_context("spawn").Process(target=wide, args=(told.queries, told.sources, folder))
            maker.start()
            maker.join()
        rows = pl.scan_parquet(folder / "pairs.parquet").select(pl.len()).collect().item()
        print(machine.describe())
        print(f"- {rows:,} rows; threads of polars: {pl.thread_pool_size()}")
        for key, value in reported(folder).items():
            print(f"{key}: {value:,.2f}" + (f" (limit {LIMITS[key]:g})" if key in LIMITS else ""))


if __name__ == "__main__":
    main()
