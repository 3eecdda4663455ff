"""Does training on negations cost queries that want what contradicts them? scifact's claims, by the stance of evidence.

    python benchmarks/typed_stance.py --cells typed_asked.jsonl

Of the cells of typed_asked.py with `--collections scifact`: the change of nDCG@10 over claims whose evidence supports
them, contradicts them, or that have none (`extras/stance_evidence.tsv`; claims with both are left out), with the p of a
paired t-test.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np
import polars as pl
from scipy.stats import ttest_1samp


def stances(data: Path) -> dict[str, str]:
    """The stance of each claim's evidence."""
    table = pl.read_csv(data / "scifact" / "extras" / "stance_evidence.tsv", separator="\t", infer_schema=False)
    told = table.group_by("query-id").agg(pl.col("label").unique())
    return {q: labels[0].lower() if len(labels) == 1 else "both" for q, labels in told.iter_rows()}


def main() -> None:
    """Print a row for every model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FOILS_DATA", "../shared/data")))
    parser.add_argument("--cells", type=Path, default=Path("typed_asked.jsonl"))
    args = parser.parse_args()
    of, models = stances(args.data), {}
    for line in args.cells.read_text(encoding="utf-8").splitlines():
        cell = json.loads(line)
        if cell["what"] == "ndcg" and cell["collection"] == "scifact":
            models[cell["variant"]] = cell["values"]
    before = models.pop("base")
    print("| model | supported | contradicted | without evidence |\n|---|---|---|---|")
    for name, values in models.items():
        cells = []
        for stance in ("support", "contradict", "none"):
            change = np.array([100 * (values[q] - before[q]) for q in values if of.get(q, "none") == stance])
            p = ttest_1samp(change, 0).pvalue
            cells.append(f"{change.mean():+.1f} (p {p:.2g}, {len(change)})")
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
