"""Why `origin` is one dictionary column: writing 20 million rows of it, and of a list of names.

python benchmarks/origin.py [--rows 20000000]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from machine import describe


def main() -> None:
    """Print seconds per form."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000)
    rows = parser.parse_args().rows
    at = np.random.default_rng(0).integers(0, 3, rows).astype(np.uint32)
    names = [["bm25"], ["bm25", "dense"], ["dense"]]
    forms = {
        "dictionary of joined names": pl.Series(["+".join(n) for n in names]).cast(
            pl.Enum(["bm25", "bm25+dense", "dense"])
        ),
        "list of dictionary names": pl.Series(names, dtype=pl.List(pl.Enum(["bm25", "dense"]))),
        "list of strings": pl.Series(names, dtype=pl.List(pl.String)),
    }
    print(f"{describe()}\n\n{rows:,} rows\n\n| form | seconds |\n|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, values in forms.items():
            column = values.gather(at).to_frame("origin")
            start = time.perf_counter()
            column.write_parquet(Path(folder) / "origin.parquet", compression="lz4", row_group_size=1 << 17)
            print(f"| {name} | {time.perf_counter() - start:.2f} |")


if __name__ == "__main__":
    main()
