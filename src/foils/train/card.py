"""The model card: what the model was trained on, at which risk, and how it did."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import polars as pl

from foils.pairs import Pairs
from foils.run import Run

CARD = """---
library_name: sentence-transformers
pipeline_tag: {pipeline}
base_model: {base}
tags:
- sentence-transformers
- {tag}
- foils
---

# {title}

Trained with [foils](https://pypi.org/project/foils/) {version} from `{base}` on the run `{run}`.

```python
{usage}
```

## What it was trained on

- run: fingerprint `{fingerprint}`, recipe `{recipe}`, collection `{collection}`
- {queries:,} queries, {rows:,} rows, {negatives:,} selected negatives{both}
- {risk}

## How it was trained

| setting | value |
|---|---|
{settings}

Schedules: {schedules}.

## How it did

{scores}
"""
USAGE = {
    "retriever": (
        "from sentence_transformers import SentenceTransformer\n\n"
        'model = SentenceTransformer("{folder}")\n'
        'queries = model.encode_query(["..."])\n'
        'documents = model.encode_document(["..."])\n'
        "model.similarity(queries, documents)"
    ),
    "reranker": (
        "from sentence_transformers import CrossEncoder\n\n"
        'model = CrossEncoder("{folder}")\n'
        'model.predict([("query", "document")])'
    ),
}


def fingerprint(run: Run) -> str:
    """A hash of a run's table, recipe and collection; an audit, which writes another report, changes nothing.

    Args:
        run: from a folder or in memory.
    """
    if run.folder is not None:
        manifest = json.loads((run.folder / "manifest.json").read_text(encoding="utf-8"))
        held = manifest.get("sha256", manifest)
        text = json.dumps({name: value for name, value in held.items() if name != "report.html"}, sort_keys=True)
    else:
        text = run.pairs.collection.fingerprint + str(run.pairs.frame.hash_rows().sum()) + repr(run.recipe)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def risk(pairs: Pairs) -> str:
    """How many of the selected negatives are false, as far as the run knows: one sentence.

    A detector's probability is an estimate; what a judge or a person has seen is counted apart.
    """
    chosen = pairs.negatives()
    judged = chosen.filter(pl.col("judged_by").is_not_null())
    open_ = chosen.filter(pl.col("judged_by").is_null() & pl.col("p_relevant").is_not_null())
    if not chosen.height:
        return "risk: no negatives were selected"
    parts = []
    if open_.height:
        mean = float(open_["p_relevant"].mean() or 0)  # type: ignore[arg-type]
        parts.append(
            f"an estimated {100 * mean:.1f} % of {open_.height:,} unjudged negatives are false (mean probability of "
            "the detector; an estimate, not a count)"
        )
    if judged.height:
        parts.append(
            f"{judged.height:,} negatives carry a judgment ({', '.join(sorted(judged['judged_by'].unique()))})"
        )
    if not parts:
        parts.append("nothing supports a claim about false negatives: the run has neither probabilities nor verdicts")
    return "risk: " + "; ".join(parts)


def scores(history: list[tuple[int, float]], kept: int, held: int, emptied: float, blend: float = 1.0) -> str:
    """The evaluations as a table and in words."""
    if not history:
        why = "No evaluation was wanted" if held else "No query was held out"
        lines = [f"{why}, so nothing was measured during training."]
    else:
        lines = [f"nDCG@10 on {held:,} held-out queries, each ranking its own candidates:", "", "| step | nDCG@10 |"]
        lines += ["|---|---|", *(f"| {s}{' (kept)' if s == kept else ''} | {v:.4f} |" for s, v in history)]
        if kept == 0:
            lines += ["", "**No evaluation beat the model before training: these are its weights, unchanged.**"]
        if blend < 1:
            lines += ["", f"The score of the kept weights is that of the result, with a share of {blend:g} of them."]
    if emptied:
        lines += ["", f"{100 * emptied:.1f} % of the rows had no negative left after the masks and taught nothing."]
    return "\n".join(lines)


def write(folder: Path, run: Run, model: str, facts: dict[str, Any]) -> None:
    """Write README.md.

    Args:
        folder: of the model.
        run: that it was trained on.
        model: the base.
        facts: ``kind``, ``version``, ``fingerprint``, ``queries``, ``rows``, ``both`` (two-sided pairs), ``settings``,
            ``schedules``, ``scores``.
    """
    from foils.files import write_text

    kind = facts["kind"]
    table = "\n".join(f"| {name} | {value} |" for name, value in facts["settings"].items())
    text = CARD.format(
        pipeline="text-ranking" if kind == "reranker" else "sentence-similarity",
        tag="cross-encoder" if kind == "reranker" else "sentence-transformer",
        base=model,
        title=folder.name,
        version=facts["version"],
        run=run.folder.name if run.folder else "in memory",
        usage=USAGE[kind].format(folder=folder.name),
        fingerprint=facts["fingerprint"],
        recipe=run.recipe.name or "unnamed",
        collection=run.pairs.collection.name or "unnamed",
        queries=facts["queries"],
        rows=facts["rows"],
        negatives=run.pairs.negatives().height,
        both=f"; among the rows those of {facts['both']:,} two-sided pairs" if facts["both"] else "",
        risk=risk(run.pairs),
        settings=table,
        schedules=", ".join(facts["schedules"]) or "none",
        scores=facts["scores"],
    )
    write_text(folder / "README.md", text)
