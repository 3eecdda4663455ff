"""foils evaluate."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from foils.cli.options import Cache, Json, Quiet, engine, print_json, print_table, refuse, say

MEASURES = "nDCG@10, MRR@10, R@100, AP@100 and Success@5"


class As(StrEnum):
    """What MODEL is."""

    auto = "auto"
    encoder = "encoder"
    reranker = "reranker"
    run = "run"


class Test(StrEnum):
    """Paired tests."""

    permutation = "permutation"
    t = "t"


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model (folder or id), bm25, lsa, or a run file.")],
    data: Annotated[str, typer.Argument(metavar="DATA", help="A BEIR folder or other labelled data; mteb:TASK.")],
    against: Annotated[
        list[str], typer.Option(help="What to compare with: as MODEL; NAME=... names it; repeat for several.")
    ] = [],  # noqa: B006
    kind: Annotated[As, typer.Option("--as", help="What MODEL is; a reranker orders the BM25 list.")] = As.auto,
    names: Annotated[
        list[str], typer.Option("--measure", "-m", help=f"By its ir_measures name; repeatable. Without: {MEASURES}.")
    ] = [],  # noqa: B006
    split: Annotated[str, typer.Option(help="Which qrels; without: test, or the only ones there are.")] = "",
    positives: Annotated[
        Path | None, typer.Option(help="Replaces the qrels; header: query-id corpus-id score.")
    ] = None,
    relevant_from: Annotated[int, typer.Option(min=1, help="The lowest grade that is relevant.")] = 1,
    complete: Annotated[bool, typer.Option("--complete", help="What has no label is not relevant.")] = False,
    depth: Annotated[
        int,
        typer.Option(min=1, help="Documents per query, and at least the deepest cutoff; a reranker orders so many."),
    ] = 100,
    dropout: Annotated[
        int, typer.Option(min=0, metavar="SEEDS", help="Label-dropout curve: draws per share of labels.")
    ] = 0,
    test: Annotated[Test, typer.Option(help="Of paired differences.")] = Test.permutation,
    per_query: Annotated[Path | None, typer.Option(help="Write every query's measures: .parquet or .tsv.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a report: one file, opens without a network.")] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="A folder for the rankings, as TREC runs.")] = None,
    precision: Annotated[str, typer.Option(help="Of encoding: auto, float32, float16, bfloat16 or openvino.")] = "auto",
    seed: Annotated[int, typer.Option(help="Of all random draws.")] = 0,
    cache: Cache = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure retrieval, compare models, and say what missing labels leave open."""
    from foils.evaluate.files import check_outputs, load, write_outputs
    from foils.evaluate.metrics import NAMES
    from foils.evaluate.result import Plan
    from foils.evaluate.result import evaluate as measure
    from foils.evaluate.systems import distinct, system

    plan = Plan(tuple(dict.fromkeys(names)) or NAMES, relevant_from, complete, depth, test.value, dropout, seed)
    plan.check()
    check_outputs(per_query, html, out)
    systems = distinct([system(model, kind.value, precision), *(system(a, "auto", precision) for a in against)])
    if not against:
        refuse({"--test": test is not Test.permutation}, "there is no second system; name one with --against")
    if all(one.kind != "encoder" for one in systems):
        refuse({"--precision": precision != "auto"}, "none of these systems encodes with a model; leave it out")
    for one in systems:
        one.check()
    collection = load(data, split=split, positives=positives, relevant_from=relevant_from)
    say(quiet, repr(collection))
    result = measure(collection, systems, plan, engine(cache, quiet))
    for note in result.notes:
        say(quiet, f"  {note}")
    write_outputs(result, per_query, html, out)
    if as_json:
        print_json(result.data())
    else:
        _print(result, [p for p in (per_query, html, out) if p])


def _print(result: Any, written: list[Path]) -> None:
    from foils.evaluate import text

    print_table(*text.means(result))
    for title, table in text.differences(result):
        sys.stdout.write(f"\n{title}\n")
        print_table(*table)
    if curve := text.curve(result):
        sys.stdout.write("\n")
        print_table(*curve)
    for sentence in result.warnings:
        sys.stdout.write(f"\n{sentence}\n")
    for path in written:
        sys.stdout.write(f"\nWrote {path}\n")
