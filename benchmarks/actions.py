"""What the actions do with real verdicts of language models, on trecdl19.

    python benchmarks/actions.py [--top 25] [--n 8] [--data DIR]

43 queries, one known positive each; candidates of BM25, MiniLM and five strong retrievers (`extras/runs/`), the first
`--top` of each query by their best rank judged by UMBRELA with GPT-4o (grades, `extras/llm_judgments/`), relevant from
grade 2; the second model is a yes/no Llama-3.2. Then an action, then the 8 hardest by MiniLM. The detector is the
shipped one (level 0), or learns from those verdicts; "judged only" leaves out what no verdict covers. Scored against
NIST labels (relevant: grade 2 and 3), unjudged passages never; grade 1 is not counted, except under "strict", where a
promoted grade 1 is an error. Hardness: z of the true negatives, as in false_negatives.py. Intervals: Clopper-Pearson
over pairs, which are not independent within a query, so they are somewhat too narrow.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from false_negatives import World, load, minilm
from foils.ask import Ask
from foils.detect import Detect
from foils.engine import Local
from foils.evidence import PositiveWords
from foils.judges.replay import Replay
from foils.models.encoder import SentenceEncoder
from foils.neighbours import PositiveSimilarity
from foils.outcome import promoted, said
from foils.pairs import Pairs
from foils.recipes import CLEAN
from foils.relabel import DropRelevant, LeaveUnknown, Promote, Repair
from foils.risk.estimate import clopper_pearson
from foils.run import mine
from foils.select import Top
from foils.sources.bm25 import Bm25
from foils.sources.dense import Dense
from foils.sources.runs import RunFile
from foils.steps import Recipe, Step
from machine import describe

RETRIEVERS = ("tas_b", "splade_pp_ed", "openai_ada2", "repllama", "bm25_rm3")
SECOND = "prob.second"


def candidates(world: World, folder: Path, encoder: SentenceEncoder, engine: Local) -> Pairs:
    """What all retrievers find, with the evidence columns of the detector and no negative dropped but copies."""
    runs = (RunFile(name=n, path=str(folder / "runs" / f"{n}.tsv"), depth=50) for n in RETRIEVERS)
    sources = (Bm25(depth=50), Dense(encoder=encoder, depth=50), *runs)
    evidence = (PositiveSimilarity(encoder=encoder), PositiveWords())
    return mine(world.collection, Recipe((*sources, *CLEAN, *evidence)), engine=engine).pairs


def actions() -> dict[str, tuple[Step, ...]]:
    """Each action, strictest last."""
    return {
        "keep": (),
        "drop (HN-remove)": (DropRelevant(),),
        "leave unknown from 0.2 on": (LeaveUnknown(low=0.2, high=1.0), DropRelevant()),
        "promote on the verdict alone (RLHN), drop the rest": (Promote(), DropRelevant()),
        "repair, detector over 0.3 agrees": (Repair(agree=0.3),),
        "repair (detector over 0.5 agrees)": (Repair(),),
        "repair, a second model agrees": (Repair(evidence=(SECOND,)),),
        "repair, detector or second model agrees": (Repair(evidence=("prob.detector", SECOND)),),
    }


def scored(world: World, pairs: Pairs, where: pl.Expr) -> pl.DataFrame:
    """Rows with a NIST label, ``relevant`` (null: grade 1), and the yardstick's ``z``."""
    rows = pairs.frame.filter(where).select("query", "doc").join(world.truth, on=["query", "doc"])
    z = world.yardstick[rows["query"].to_numpy(), rows["doc"].to_numpy()]
    return rows.with_columns(z=pl.Series(z))


def share(relevant: pl.Series) -> str:
    """A rate with its interval, over what is not null."""
    n = relevant.count()
    if not n:
        return "–"
    found = clopper_pearson(int(relevant.sum()), n)
    return f"{100 * found.rate:.1f} ({100 * found.low:.0f}–{100 * found.high:.0f})"


def row(world: World, name: str, pairs: Pairs, steps: tuple[Step, ...], n: int, engine: Local) -> str:
    """One line of the table."""
    for step in (*steps, *CLEAN, Top(n=n, by="cos.dense")):
        pairs = step(pairs, engine)
    negatives, positives = scored(world, pairs, pairs.live), scored(world, pairs, promoted())
    live = pairs.live_per_query()["live"]
    z = negatives.filter(~pl.col("relevant"))["z"].mean()
    cells = [
        share(negatives["relevant"]),
        f"{z:.2f}" if isinstance(z, float) else "–",
        f"{live.sum() / max(int((live > 0).sum()), 1):.1f} · {100 * (live > 0).mean():.0f} %",
        f"{pairs.frame.select(promoted().sum()).item() / live.len():.1f}",
        share(positives["relevant"]),
        share(positives["relevant"].fill_null(value=False)),
    ]
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Print a markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FOILS_DATA", "../shared/data")))
    parser.add_argument("--top", type=int, default=25)
    parser.add_argument("--n", type=int, default=8)
    args = parser.parse_args()
    engine = Local(cache=Path.home() / ".cache" / "foils")
    encoder = SentenceEncoder(model=minilm(), precision="float32")
    world = load(args.data, "trecdl19", encoder, engine)
    folder = args.data / "trecdl19" / "extras"
    files = folder / "llm_judgments"
    found = candidates(world, folder, encoder, engine)
    umbrela = Replay(path=str(files / "umbrela_gpt4o.tsv"), relevant_from=2, family="llm:gpt-4o")
    other = Replay(path=str(files / "binary_llama3.2.tsv"), relevant_from=1, family="llm:llama-3.2")
    ask = Ask(judge=umbrela, top=args.top)
    first = Detect(level="shipped")(found, engine)
    second = Ask(judge=other, top=args.top, name=SECOND.removeprefix("prob."))(first, engine)
    judged = ask(second, engine)
    asked = int(ask.facts()["asked"].replace(",", "")) / judged.queries.size
    print(f"{describe()}\n\n{judged.queries.size} queries, {asked:.1f} verdicts each, seed-free\n")
    head = "| action | false negatives % (95 %) | hardness z | negatives · queries kept | promoted per query | "
    print(f"{head}precision % (95 %) | strict |\n|---|---|---|---|---|---|---|")
    plain = replace(judged, frame=judged.frame.drop(SECOND, ask.column, "prob.detector"))
    learned = Detect()(plain, engine)
    only = plain.with_column("p_relevant", pl.when(said()).then("p_relevant"))
    for name, steps in actions().items():
        print(row(world, name, judged, steps, args.n, engine), flush=True)
    for name, steps in {"drop": (DropRelevant(),), "promote": (Promote(), DropRelevant())}.items():
        print(row(world, f"{name}, judged only", only, steps, args.n, engine), flush=True)
    for name, steps in {"drop": (DropRelevant(),), "repair": (Repair(),)}.items():
        print(row(world, f"{name}, the detector learned from the verdicts", learned, steps, args.n, engine), flush=True)
    agree = np.corrcoef(*(judged.frame.drop_nulls([SECOND, ask.column])[c].to_numpy() for c in (SECOND, ask.column)))
    print(f"\ncorrelation of the two models' verdicts: {agree[0, 1]:.2f}")


if __name__ == "__main__":
    main()
