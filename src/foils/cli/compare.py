"""foils compare."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from foils.cli.options import Json, print_json, print_table


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN RUN...", help="Run folders; the first is compared with.")],
    query: Annotated[str, typer.Option(help="A query id: every negative that it gained or lost.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Queries, or changes of one, to show.")] = 10,
    as_json: Json = False,
) -> None:
    """Put runs side by side: what each selected, and which query lost or gained which negative."""
    from foils.compare import compare as compare_runs
    from foils.run import Run
    from foils.show import visible

    found = compare_runs([Run.open(run) for run in runs], [str(run) for run in runs])
    if as_json:
        print_json(found.data() if not query else found.of(query).to_dicts())
        return
    if query:
        rows = [[visible(str(v)) for v in row] for row in found.of(query).head(limit).rows()]
        print_table(["run", "query", "document", "change", "in the other run"], rows)
        return
    share = [
        [
            r["run"], r["recipe"], f"{r['queries']:,}", f"{r['negatives']:,}", f"{r['per_query']:.2f}",
            f"{r['without']:,}",
            "–" if r["estimated_false"] is None else f"{100 * r['estimated_false']:.1f} %", f"{r['promoted']:,}",
        ]
        for r in found.runs.iter_rows(named=True)
    ]  # fmt: skip
    print_table(["run", "recipe", "queries", "negatives", "each", "without", "estimated false", "new positives"], share)
    for r in found.overlap.iter_rows(named=True):
        sys.stdout.write(
            f"\n{r['run']} against {runs[0]}: {r['shared']:,} negatives shared, {r['gained']:,} gained, "
            f"{r['lost']:,} lost (mean overlap per query {100 * r['jaccard']:.0f} %)\n"
        )
    most = found.most_changed(limit)
    if most.height:
        sys.stdout.write("\nMost changed:\n")
        print_table(["run", "query", "gained", "lost"], [[visible(str(v)) for v in row] for row in most.rows()])
        sys.stdout.write(f"Next: foils compare {' '.join(map(str, runs))} --query {visible(most['query_id'][0])}\n")
