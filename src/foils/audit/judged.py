"""What verdicts on file say of a training file's negatives."""

from __future__ import annotations

import numpy as np
import polars as pl

from foils.audit.bias import Measure
from foils.audit.findings import Found
from foils.audit.slots import NEGATIVE
from foils.audit.table import Table
from foils.risk.estimate import hajek
from foils.verdicts import Verdicts, digest

RELEVANT = 0.5


def judged(table: Table, verdicts: Verdicts) -> tuple[list[Found], list[Measure]]:
    """Negatives that a judge found relevant, and the rate of them among those that were drawn at random.

    Verdicts are matched by the texts that they were given for, whatever the ids are now. A human's overrules a
    model's; of others the last counts; an abstention settles nothing.
    """
    said = verdicts.frame.filter(pl.col("p_relevant").is_not_null()).with_row_index("turn")
    if said.height == 0:
        return [], []
    last = said.sort(pl.col("family") == "human", "turn").group_by("texts").last()
    negatives = table.full.filter(pl.col("side") == NEGATIVE).select("entry", "query", "doc")
    pairs = negatives.unique(["query", "doc"]).sort("query", "doc")
    texts = zip(table.queries["text"].gather(pairs["query"]), table.passages.gather(pairs["doc"]), strict=True)
    keys = pairs.select("query", "doc", texts=pl.Series([digest(q, d) for q, d in texts], dtype=pl.String))
    known = keys.join(last.select("texts", "p_relevant", "by", "why", "draw", "chance"), on="texts", how="inner")
    relevant = known.filter(pl.col("p_relevant") >= RELEVANT)
    entries = negatives.join(relevant, on=["query", "doc"], how="inner").sort("entry")
    notes = tuple(f"{by}: {why}"[:200] for by, why in entries.select("by", "why").head(3).iter_rows())
    found = [Found("judged-relevant", entries["entry"].to_numpy().astype(np.int64), total=known.height, notes=notes)]
    random = known.filter((pl.col("draw") == "random") & pl.col("chance").is_not_null())
    if random.height < 2:
        return found, []
    rate = hajek(
        (random["p_relevant"] >= RELEVANT).cast(pl.Float64).to_numpy(), random["chance"].cast(pl.Float64).to_numpy()
    )
    by = ", ".join(sorted(random["by"].unique().to_list()))
    note = f"{random.height:,} verdicts drawn at random, by {by}"
    return found, [
        Measure("judged-relevant", "share of false negatives by verdicts", rate.rate, rate.low, rate.high, note)
    ]
