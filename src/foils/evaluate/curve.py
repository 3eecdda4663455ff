"""The label-dropout curve: what a measure says as judgments are taken away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import polars as pl

from foils.collection import hash_ids
from foils.errors import DataError, RecipeError
from foils.evaluate.metrics import measures
from foils.evaluate.tables import Qrels, Run, labels, ranked
from foils.pairs import hash_uniform

SHARES = (1.0, 0.8, 0.6, 0.4, 0.2, 0.1)
CURVE = {
    "measure": pl.String,
    "share": pl.Float64,
    "seed": pl.Int64,
    "system": pl.String,
    "queries": pl.UInt32,
    "value": pl.Float64,
}


def dropout(
    runs: Mapping[str, Run],
    qrels: Qrels,
    names: Sequence[str] = ("nDCG@10", "nDCG'@10"),
    *,
    shares: Sequence[float] = SHARES,
    seeds: int = 10,
    relevant_from: int = 1,
    found_by: str = "",
) -> pl.DataFrame:
    """Measure every run again with a part of the judgments only.

    D-MERIT (arXiv:2406.16048, section 5) did so to show that an order of systems found with one label per query can be
    wrong: with random labels little is lost, with labels that one of the systems chose, much. A judgment is kept if a
    hash of query, document and seed lies below the share, so smaller shares are parts of larger ones; with
    ``found_by`` the judgments that this system ranks best are kept instead, and all unranked ones go first.

    A query without a relevant document left is not measured. Fails to show what was never judged: the curve starts at
    the labels that there are.

    Args:
        runs: name to run, as in ``measures``.
        qrels: as in ``measures``.
        names: of the measures.
        shares: of the judgments, from 0 (not included) to 1.
        seeds: repetitions per share; a share of 1 needs one, and so does ``found_by``.
        relevant_from: the lowest grade that is relevant.
        found_by: the system that chose the labels; empty: chance.

    Returns:
        A row per measure, share, seed and system: ``queries`` measured, mean ``value``.

    Raises:
        DataError: ``found_by`` is not among the runs.
        RecipeError: a share or the number of seeds is out of range.
    """
    if any(not 0 < share <= 1 for share in shares) or seeds < 1 or not shares:
        raise RecipeError(f"shares={tuple(shares)}, seeds={seeds}: shares lie above 0 and up to 1, seeds is at least 1")
    if found_by and found_by not in runs:
        raise DataError(f"found_by={found_by!r} is not among the runs {', '.join(runs)}")
    judged = labels(qrels)
    rankings = {name: ranked(run) for name, run in runs.items()}
    rows = []
    for seed in range(1 if found_by else seeds):
        place = _by_rank(judged, rankings[found_by]) if found_by else _by_chance(judged, seed)
        for share in shares:
            if share == 1 and seed:
                continue
            kept = judged.filter(place < share)
            if kept.filter(pl.col("grade") >= relevant_from).height == 0:
                continue
            for name, ranking in rankings.items():
                table = measures(ranking, kept, names, relevant_from=relevant_from)
                for measure in names:
                    known = table[measure].drop_nulls()
                    mean = known.mean() if known.len() else None
                    rows.append((measure, share, seed, name, known.len(), mean))
    return pl.DataFrame(rows, schema=CURVE, orient="row")


def agreement(curve: pl.DataFrame) -> pl.DataFrame:
    """How often the order of two systems stays as it is with all judgments.

    Returns:
        A row per measure and share: ``tau`` (Kendall's, mean over seeds; with two systems 1 or -1 per seed) and
        ``kept`` (share of pairs of systems and seeds whose order stays; equal values count half, for both).
    """
    rows = []
    for (measure,), part in curve.group_by("measure", maintain_order=True):
        full = dict(part.filter((pl.col("share") == 1) & (pl.col("seed") == 0)).select("system", "value").iter_rows())
        for (share,), at in part.group_by("share", maintain_order=True):
            signs = []
            for _, one in at.group_by("seed"):
                now = dict(one.select("system", "value").iter_rows())
                signs += [
                    np.sign(now[a] - now[b]) * np.sign(full[a] - full[b])
                    for a, b in combinations(now, 2)
                    if None not in (now[a], now[b], full.get(a), full.get(b))
                ]
            tau = float(np.mean(signs)) if signs else None
            rows.append((measure, share, tau, None if tau is None else (1 + tau) / 2))
    schema = {"measure": pl.String, "share": pl.Float64, "tau": pl.Float64, "kept": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _by_chance(judged: pl.DataFrame, seed: int) -> pl.Series:
    queries, docs = hash_ids(judged["query_id"].to_list()), hash_ids(judged["doc_id"].to_list())
    return pl.Series(hash_uniform(queries, docs, seed))


def _by_rank(judged: pl.DataFrame, ranking: pl.DataFrame) -> pl.Series:
    """Per judgment its place in the ranking of its query, as a share of the query's judgments, in [0, 1)."""
    found = judged.join(ranking, on=["query_id", "doc_id"], how="left", maintain_order="left")
    order = pl.struct(pl.col("rank").fill_null(2**32 - 1), "doc_id").rank("ordinal").over("query_id")
    return found.select((order - 1) / pl.len().over("query_id")).to_series()
