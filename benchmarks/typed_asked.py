"""Do pairs that a language model wrote close the blind spot? As typed_training.py, on `counterparts/` instead of rules.

    python benchmarks/typed_asked.py [--seeds 0 1] [--cells FILE] [--work DIR] [--develop] [--shares 1 0.8]

All pairs are in `counterparts/`; a language model wrote them, without any probe; what shares eight words in a row
with one is left out. `negation`: passages of `nq_mini`, `hotpotqa_mini`, `medquad` and `mlquestions`, in each one
thing turned round, and two questions in other words than the passage, one for each version. `negation-long`,
`negation-more`: about 110 words, smaller changes, and mostly two questions with the same answer, as NevIR's
annotators were asked for. `negation-implied`: the questions ask for what follows from the change. `negation-own`,
`-own-more`, `-own-further`: the passages are the model's, too. `swaps`, `swaps-captions`, `swaps-photos`,
`swaps-scenes`, `swaps-light`: scenes and facts with two parties or properties exchanged, each version in two wordings.
`frames`: scenes with open slots, which frames.py fills. Passages and edits are named by document and place: no text of
a collection is in the files. General rows: queries and positives of five collections with a BM25 negative, cut to 500
characters.

The training is that of `foils train`: both rows of a pair in one batch, compared with each other alone (`contest`),
all else held near the model as it came (`anchor`). Each further round (`--rounds 2`) begins with the model of the last
one; `--shares` moves its weights back (WiSE-FT), toward MiniLM, from round 4 on toward those that the round began with.
Rounds 4 to 7 hold the scores of MiniLM, and rehearse documents, no query and no label, of the four collections that
are reported by default and of two that settings are chosen on; round 7 of scifact, too. `--develop` measures on pairs
from `trecdl19` and `noveleval2306`, on swaps of another writer, and on four small collections that are not reported:
settings were chosen there. Cells are kept as in typed_training.py.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from false_negatives import minilm
from foils.collection import Collection
from foils.counterparts import add_both
from foils.engine import Local
from foils.ledger import Ledger
from foils.make.edits import Edit, apply
from foils.make.twosided import TwoSided
from foils.make.view import Text
from foils.pairs import Pairs
from foils.run import Run
from foils.sources.bm25 import Bm25
from foils.steps import Recipe
from foils.train.fit import train
from foils.train.settings import Settings
from frames import drawn
from machine import describe
from typed_training import (
    SOURCES,
    Cells,
    Probed,
    asked,
    blended,
    brief,
    joined,
    mined,
    ndcg,
    probe_table,
    probed_cell,
    retrieval_table,
    sampled,
    small,
    stamp,
    whole,
)

COUNTERPARTS = Path(__file__).parent / "counterparts"
SPLITS = {"hotpotqa_mini": "test", "trecdl19": "test", "noveleval2306": "test"}
DEVELOP = ("nq_mini", "mlquestions", "cosqa", "adi")
REHEARSED = ("cacm", "cranfield", "cisi", "npl", "adi", "cosqa")
QUERIES, CUT = 800, 500
SETTINGS = Settings(
    epochs=1, batch=48, rate=2e-4, negatives=1, length=224, doubt="keep", holdout=0.0, evaluations=0, keep="last",
    batches="together", precision="bfloat16", dropout=0.0, anchor=4.0, contest=0.02,
)  # fmt: skip


@dataclass(frozen=True)
class Round:
    """A training on some of the files; each but the first begins with the last one's model.

    Args:
        negations: files of passages.
        swaps: files of captions.
        settings: of the training.
        words: a passage is cut to the sentences around its edits, at least so many words; 0: not cut.
        begin: share of the last round's weights to begin with, the rest MiniLM's.
        queries: general rows of each source, at most so many.
        rehearsed: collections whose documents stand beside the batches, to be held; the anchor holds to MiniLM then.
        frames: pictures drawn of each frame of captions.
        redrawn: added to the seed of the pictures, for others than an earlier round's.
        most: documents of each rehearsed collection, drawn at random; 0: all.
    """

    negations: tuple[str, ...]
    swaps: tuple[str, ...]
    settings: Settings
    words: int = 0
    begin: float = 1.0
    queries: int = QUERIES
    rehearsed: tuple[str, ...] = ()
    frames: int = 0
    redrawn: int = 0
    most: int = 0


ROUNDS = (
    Round(("negation", "negation-long"), ("swaps",), SETTINGS, 70),
    Round(("negation-implied", "negation-more", "negation-long"), ("swaps-captions", "swaps"), SETTINGS, 90),
    Round(("negation-own",), ("swaps-captions",), replace(SETTINGS, anchor=6.0), begin=0.8),
    Round(
        ("negation-own", "negation-own-more", "negation-implied", "negation-more"),
        ("swaps-photos", "swaps-captions", "swaps"),
        replace(SETTINGS, anchor=2.0, holds="scores", rehearse=24),
        words=90,
        queries=400,
        rehearsed=REHEARSED,
    ),
    Round(
        ("negation-own-further",),
        ("swaps-photos",),
        replace(SETTINGS, anchor=3.0, holds="scores", rehearse=32),
        queries=100,
        rehearsed=REHEARSED,
    ),
    Round(
        ("negation-own-further", "negation-own-more", "negation-more"),
        ("swaps-scenes", "swaps-light", "swaps-photos", "swaps-captions", "swaps"),
        replace(SETTINGS, anchor=3.0, holds="scores", rehearse=24),
        words=60,
        begin=0.5,
        queries=100,
        rehearsed=REHEARSED,
        frames=8,
    ),
    Round(
        ("negation-own-further", "negation-more"),
        ("swaps-light", "swaps-scenes"),
        replace(SETTINGS, anchor=5.0, holds="scores", rehearse=32),
        words=60,
        queries=200,
        rehearsed=(*REHEARSED, "scifact"),
        frames=3,
        redrawn=100,
        most=3000,
    ),
)


def lines(name: str) -> Iterator[dict[str, Any]]:
    """What was written."""
    for line in (COUNTERPARTS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield from ({"text": row["text"]} | pair for pair in row["pairs"]) if "pairs" in row else (row,)


def negations(data: Path, name: str, words: int = 0) -> list[TwoSided]:
    """Passages with one thing turned round, and the question for each version; cut around the edits, if so wanted."""
    rows, found = list(lines(name)), []
    texts: dict[str, dict[str, str]] = {}
    for collection in {r["collection"] for r in rows if "collection" in r}:
        read = Collection.read(data / collection, split=SPLITS.get(collection, "train"))
        texts[collection] = dict(zip(read.corpus["id"], read.passages, strict=True))
    for row in rows:
        passage = row.get("text") or " ".join(texts[row["collection"]][row["doc"]][row["start"] : row["end"]].split())
        first, last = around(passage, row["edits"], words)
        places = [(e["start"] - first, e["end"] - first, e["new"]) for e in row["edits"]]
        passage = passage[first:last]
        edits = tuple(Edit(start, end, passage[start:end], new, "asked") for start, end, new in places)
        changed = apply(passage, edits)
        found.append(TwoSided("asked", "polarity", row["q1"], passage, row["q2"], changed, edits, "asked"))
    return found


def around(passage: str, edits: list[dict[str, Any]], words: int) -> tuple[int, int]:
    """Whole sentences around the edits: what comes behind first, then what comes before."""
    sentences = Text(passage).sentences if words else ()
    touched = [n for n, s in enumerate(sentences) if any(e["start"] < s.end and e["end"] > s.start for e in edits)]
    if not touched:
        return 0, len(passage)
    first, last = touched[0], touched[-1]
    while len(passage[sentences[first].start : sentences[last].end].split()) < words:
        if last + 1 < len(sentences):
            last += 1
        elif first:
            first -= 1
        else:
            break
    start, end = sentences[first].start, sentences[last].end
    return min(start, *(e["start"] for e in edits)), max(end, *(e["end"] for e in edits))


def swaps(name: str) -> list[TwoSided]:
    """Each version by its other wording."""
    return [
        TwoSided("asked-swap", "near-miss", r["a2"], r["a"], r["b2"], r["b"], (), "asked")
        for r in lines(name)
    ]  # fmt: skip


def begun(data: Path, work: Path, seed: int, rounds: int) -> str:
    """What a round begins with: MiniLM, or the last round's model, moved back if so wanted."""
    return minilm() if rounds == 1 else str(moved(data, work, seed, rounds - 1, ROUNDS[rounds - 1].begin))


def moved(data: Path, work: Path, seed: int, rounds: int, share: float) -> Path:
    """A round's model with its weights moved back: toward MiniLM, or toward where a late round began."""
    folder = trained(data, work, seed, rounds)[0]
    late = bool(ROUNDS[rounds - 1].rehearsed) and share < 1
    return blended(folder, share, base=begun(data, work, seed, rounds) if late else minilm())


def trained(data: Path, work: Path, seed: int, rounds: int) -> tuple[Path, dict[str, Any]]:
    """The model of a seed after so many rounds, and what it was trained on."""
    this = ROUNDS[rounds - 1]
    folder = work / f"asked-{seed}-{rounds}-{stamp(this.settings)}"
    notes = folder.with_suffix(".json")
    if not notes.exists():
        model = begun(data, work, seed, rounds)
        table, facts = material(data, seed, this)
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
        run, order = Run(table, Recipe((Bm25(),), "typed training"), Ledger()), seed + 100 * (rounds - 1)
        told = replace(this.settings, seed=order, near=minilm() if this.rehearsed else "")
        done = train(run, model, folder, told, device="cpu", overwrite=True, quiet=False)
        notes.write_text(
            json.dumps(facts | {"rows": done.rows, "steps": done.steps, "settings": this.settings.facts()})
        )
    return folder, json.loads(notes.read_text())


def shared(args: argparse.Namespace, seed: int, share: float) -> tuple[Path, dict[str, Any]]:
    """The model of a seed with its weights moved back, toward MiniLM or where the round began, and its facts."""
    facts = trained(args.data, args.work, seed, args.rounds)[1]
    return moved(args.data, args.work, seed, args.rounds, share), facts


def material(data: Path, seed: int, of: Round) -> tuple[Pairs, dict[str, int]]:
    """General rows and written pairs in one table; the general rows are drawn anew for each seed."""
    probed = Probed.of(data / "probes")
    collections = [sampled(data, name, seed, probed, of.queries) for name in SOURCES]
    shorter = [replace(c, corpus=c.corpus.with_columns(pl.col("text").str.slice(0, CUT))) for c in collections]
    pairs = [p for name in of.negations for p in negations(data, name, of.words)]
    pairs += [p for name in of.swaps for p in swaps(name)]
    pairs += [p for p in drawn(of.frames, seed + of.redrawn) if not probed.touches(f"{p.passage} {p.changed}")]
    facts = {"queries": sum(c.positives["query"].n_unique() for c in collections), "pairs": len(pairs)}
    general = joined([mined(c, seed).pairs for c in shorter])
    for name in of.rehearsed:
        found = whole(data, name)
        told = pl.DataFrame({"id": [f"{name}-{i}" for i in found.corpus["id"]], "text": found.passages})
        told = told.sample(min(told.height, of.most), seed=seed) if of.most else told
        corpus = pl.concat([general.collection.corpus, told])
        general = replace(general, collection=replace(general.collection, corpus=corpus))
    return add_both(general, pairs), facts


def held(data: Path, work: Path) -> list[Path]:
    """Probes to develop on."""
    made = {n: negations(data, f"{n}-dev") for n in ("negation", "negation-long")} | {"swaps": swaps("swaps-dev")}
    paths = []
    for name, pairs in made.items():
        rows = [
            {"q1": m.query, "q2": m.counter, "doc1": m.passage, "doc2": m.changed, "type": name, "id": str(n)}
            for n, m in enumerate(pairs)
        ]
        paths.append(work / f"held_{name}.jsonl")
        paths[-1].write_text("".join(json.dumps(row) + "\n" for row in rows))
    return paths


def develop(args: argparse.Namespace, engine: Local) -> None:
    """One training, measured on what is not reported."""
    for share in args.shares:
        path, facts = shared(args, args.seeds[0], share)
        model = str(path)
        print({k: v for k, v in facts.items() if k != "settings"})
        print(f"share {share:g}: {json.dumps(brief(probed_cell(model, held(args.data, args.work), engine)))}")
        for name in DEVELOP:
            collection = small(whole(args.data, name, ("train", "test") if name == "adi" else ("test",)))
            means = [100 * float(np.mean(list(ndcg(m, collection, engine).values()))) for m in (minilm(), model)]
            print(f"  {name}: {means[0]:.2f} > {means[1]:.2f}", flush=True)


class Kept(Cells):
    """Cells whose variant says how they were trained."""

    def seed(self, what: str, variant: str, seed: int, **key: Any) -> dict[str, Any] | None:
        """The cell of a trained model."""
        return self.get(what=what, variant=variant, seed=seed, **key)


def compute(args: argparse.Namespace, cells: Kept, engine: Local) -> list[tuple[str, str]]:
    """All cells that are missing; names of the variants, one for each share."""
    names = []
    for share in args.shares:
        variant = f"asked {args.rounds} {share:g}"
        for seed in args.seeds:
            model, facts = shared(args, seed, share)
            names.append((variant, model.name))
            for name in args.probes:
                key = {"what": "probe", "variant": variant, "seed": seed, "name": model.name, "set": name}
                if cells.get(**key) is None:
                    found = probed_cell(str(model), [asked(args, name)], engine)
                    cells.put(**key, facts=facts, **found)
                    print(variant, seed, brief(found), flush=True)
            for name in args.collections:
                for key, path in (
                    ({"variant": "base", "seed": 0, "name": ""}, minilm()),
                    ({"variant": variant, "seed": seed, "name": model.name}, str(model)),
                ):
                    if cells.get(what="ndcg", **key, collection=name) is None:
                        values = ndcg(path, whole(args.data, name), engine)
                        cells.put(what="ndcg", **key, collection=name, values=values)
                        print(key, name, round(float(np.mean(list(values.values()))), 4), flush=True)
    return names


def main() -> None:
    """Compute the cells that are missing, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FOILS_DATA", "../shared/data")))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--rounds", type=int, default=1, choices=range(1, 1 + len(ROUNDS)))
    parser.add_argument("--shares", nargs="+", type=float, default=[1.0], help="of the trained weights in the result")
    parser.add_argument("--collections", nargs="*", default=["cacm", "cranfield", "cisi", "npl"])
    parser.add_argument("--probes", nargs="+", default=["nevir_dev", "sugarcrepe_pp"])
    parser.add_argument("--swaps", action="store_true", help="of SugarCrepe++ ask the swaps only")
    parser.add_argument("--cells", type=Path, default=Path("typed_asked.jsonl"))
    parser.add_argument("--work", type=Path, default=Path("typed_asked"))
    parser.add_argument("--develop", action="store_true")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    engine = Local(cache=Path.home() / ".cache" / "foils")
    if args.develop:
        develop(args, engine)
        return
    cells = Kept(args.cells)
    names = dict(compute(args, cells, engine))
    print(describe())
    for variant in names:
        print(f"\n{probe_table(cells, variant, args.seeds, args.probes)}")
        print(f"\n{retrieval_table(cells, variant, args.seeds, args.collections)}")


if __name__ == "__main__":
    main()
