"""Do typed negatives close the blind spot? Train all-MiniLM-L6-v2 on made rows, probe it, and see what retrieval costs.

    python benchmarks/typed_training.py [--seeds 0 1 2] [--variants typed mined] [--cells FILE] [--work DIR] [--develop]

Training data: `foils mine` (BM25, first 10 ranks skipped) and `foils make` (document side, twins) on training queries
of five collections, and two-sided pairs (`foils.make.twosided`) from passages of the same collections. Passages,
queries and orders are drawn anew for each seed. No text of `probes/`, of the shipped probes, or of a collection that is
reported is used; a training passage that shares eight words in a row with a probe is left out.

The model is trained by `foils.train`, then asked the probes against the model as it came (`foils probe --against`),
and nDCG@10 is measured on five collections (`foils evaluate`), all their queries, in bfloat16, before and after alike.
`--develop` asks the shipped probes and two small collections only: settings were chosen on those.

A cell is a line of `--cells`; cells that are there are not computed again, so a longer run continues a shorter one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pickle
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from sentence_transformers import SentenceTransformer

from false_negatives import minilm
from foils.collection import Collection
from foils.counterparts import add_both
from foils.dedup import ExactDuplicate, KnownPositive
from foils.engine import Local
from foils.evaluate.paired import compare
from foils.evaluate.result import Plan, evaluate
from foils.evaluate.systems import System
from foils.ledger import Ledger
from foils.make.twosided import Counterparts, TwoSided
from foils.make.view import Text
from foils.making import Wish, make_into
from foils.pairs import Pairs
from foils.probes.compare import holm
from foils.probes.session import load, probe
from foils.probes.subject import subject
from foils.rules import Shift
from foils.run import Run, mine
from foils.select import Top
from foils.sources.bm25 import Bm25
from foils.steps import Recipe
from foils.train.fit import train
from foils.train.load import blend
from foils.train.settings import Settings
from machine import describe

SOURCES = ("medquad", "mlquestions", "nq_mini", "wikiqa", "hotpotqa_mini")
REPORTED = ("cacm", "cranfield", "cisi", "npl", "scifact")
DEVELOP = ("politifact_debates", "nq_mini")
PROBES = ("nevir_dev", "sugarcrepe_pp", "fever_symmetric", "squad2_hardquery_dev", "timeqa_temporal_dev")
GRADE = {"cranfield": 2}
SETTINGS = Settings(
    epochs=1, batch=16, rate=2e-4, negatives=1, length=64, doubt="keep", holdout=0.0, evaluations=0, keep="last",
    batches="together", precision="bfloat16", anchor=20.0,
)  # fmt: skip
SHARE = 1.0  # of the trained weights
RARE = ("lack", "affirm", "swap-attribute", "order", "affixal", "quantifier")


@dataclass(frozen=True)
class Dose:
    """What a variant trains on, and how.

    Args:
        queries: training queries of each collection.
        passages: tried for two-sided pairs.
        quota: two-sided pairs by what is changed; what needs a rare word is asked for less often.
        settings: of the training.
    """

    queries: int
    passages: int
    quota: Mapping[str, int]
    settings: Settings


WEAK = {
    "negate": 200, "affirm": 40, "lack": 20, "quantifier": 55, "antonym": 70, "affixal": 50, "order": 30,
    "number": 25, "swap-object": 100, "swap-attribute": 60,
}  # fmt: skip
STRONG = {
    "negate": 320, "affirm": 70, "lack": 30, "quantifier": 90, "antonym": 120, "affixal": 80, "order": 45,
    "number": 45, "swap-object": 150, "swap-attribute": 100,
}  # fmt: skip
# typed: held near MiniLM; middle: more rows, held less; strong: the same, not held; mined: no made negatives.
VARIANTS = {
    "typed": Dose(40, 3000, WEAK, SETTINGS),
    "middle": Dose(60, 5000, STRONG, replace(SETTINGS, anchor=5.0)),
    "strong": Dose(60, 5000, STRONG, replace(SETTINGS, anchor=0.0)),
    "mined": Dose(300, 0, {}, SETTINGS),
}
LONGEST = 45  # words of a window, so that its end is read within 64 tokens
LENGTHS = (0.4, 0.3, 0.2, 0.1, 0.0)  # shares of windows of 1, 2, 3, 4, and 6 sentences
SMALL = 400  # documents of a collection to develop on
HELD = "trecdl19"  # where held-out pairs to develop on are from
GRAM = 8
WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Material:
    """What a seed trains on.

    Args:
        pairs: one table.
        facts: how much of what.
    """

    pairs: Pairs
    facts: dict[str, Any]


@dataclass(frozen=True)
class Probed:
    """Texts that must not be trained on, as runs of eight words.

    Args:
        grams: hashes.
    """

    grams: frozenset[int]

    @staticmethod
    def of(probes: Path) -> Probed:
        """All probes, the shipped ones too."""
        found: set[int] = set()
        for one in load(["shipped", probes]):
            for text in (one.query, one.right, one.wrong, one.twin or "", one.wrong_query or ""):
                found.update(_grams(text))
        return Probed(frozenset(found))

    def touches(self, text: str) -> bool:
        """The text shares eight words in a row with a probe."""
        return any(g in self.grams for g in _grams(text))


def _grams(text: str) -> Iterator[int]:
    words = WORD.findall(text.lower())
    return (hash(tuple(words[i : i + GRAM])) for i in range(len(words) - GRAM + 1))


def sampled(data: Path, name: str, seed: int, probed: Probed, queries: int) -> Collection:
    """A collection with some of its training queries; documents that touch a probe are nobody's positive."""
    whole = Collection.read(data / name, split="test" if name == "hotpotqa_mini" else "train")
    keep = np.array([not probed.touches(t) for t in whole.passages.to_list()])
    known = whole.positives.filter(pl.Series(keep).gather(whole.positives["doc"]))
    asked = known["query"].unique().sort().to_numpy()
    drawn = np.random.default_rng([seed, len(asked)]).permutation(asked)[:queries]
    mine_ = pl.Series(drawn, dtype=pl.UInt32).implode()
    return replace(whole, positives=known.filter(pl.col("query").is_in(mine_)), negatives=whole.negatives.clear())


def mined(collection: Collection, seed: int) -> Run:
    """Two negatives a query by BM25, the first ten left out."""
    steps = (Bm25(depth=40), KnownPositive(), ExactDuplicate(), Shift(skip=10, rank="rank.bm25"))
    return mine(collection, Recipe((*steps, Top(n=2, by="rank.bm25", seed=seed)), "shifted"))


def windows(
    passages: Sequence[str],
    rng: np.random.Generator,
    probed: Probed,
    shares: tuple[float, ...] = LENGTHS,
    longest: int = LONGEST,
) -> Iterator[str]:
    """A stretch of whole sentences of each passage, of one sentence up to six, most of them short."""
    for number in rng.permutation(len(passages)):
        text = Text(passages[number][:4000])
        if not text.sentences or not text.english:
            continue
        first = int(rng.integers(len(text.sentences)))
        last = min(len(text.sentences), first + int(rng.choice([1, 2, 3, 4, 6], p=shares)))
        cut = text.raw[text.sentences[first].start : text.sentences[last - 1].end]
        if 6 <= len(WORD.findall(cut)) <= longest and not probed.touches(cut):
            yield " ".join(cut.split())


def two_sided(texts: Iterator[str], seed: int, quota: Mapping[str, int], most: int) -> list[TwoSided]:
    """Pairs until every quota is filled or the passages are used up; rare changes are tried first."""
    left, found, seen = Counter(quota), [], set[str]()
    for text, _ in zip(texts, range(most), strict=False):
        for names in (RARE, tuple(n for n in quota if n not in RARE)):
            open_ = tuple(n for n in names if left[n] > 0)
            made = Counterparts(open_, seed=seed).make(text) if open_ else []
            fresh = [m for m in made if not {m.query.lower(), m.counter.lower(), m.passage} & seen]
            for one in fresh:
                left[one.operator] -= 1
                seen |= {one.query.lower(), one.counter.lower(), one.passage}
            found += fresh
            if made:
                break
    return found


def joined(parts: Sequence[Pairs]) -> Pairs:
    """One table of several, with the texts that it needs and no others."""
    corpora: list[pl.DataFrame] = []
    asks: list[pl.DataFrame] = []
    labels, frames, docs, queries = [], [], 0, 0
    for number, part in enumerate(parts):
        rows = part.frame.filter(pl.col("positive") | part.live)
        rows = rows.filter(pl.col("positive").any().over("query"))
        tables = {}
        for side, texts, ids, at in (
            ("doc", part.collection.passages, part.collection.corpus["id"], docs),
            ("query", part.collection.queries["text"], part.collection.queries["id"], queries),
        ):
            used = rows[side].unique().sort()
            new = pl.int_range(at, at + len(used), dtype=pl.UInt32, eager=True)
            tables[side] = pl.DataFrame({side: used, "new": new})
            told = pl.DataFrame({"id": [f"{number}-{i}" for i in ids.gather(used)], "text": texts.gather(used)})
            (corpora if side == "doc" else asks).append(told)
        for side, table in tables.items():
            rows = rows.join(table, on=side, maintain_order="left").drop(side).rename({"new": side})
        frames.append(rows)
        labels.append(rows.filter("positive").select("query", "doc", grade=pl.lit(1, dtype=pl.Int32)))
        docs, queries = docs + tables["doc"].height, queries + tables["query"].height
    collection = Collection(pl.concat(corpora), pl.concat(asks), pl.concat(labels), name="typed training")
    first = parts[0].frame.columns
    wanted = [c for c in first if "." not in c] + ["rank.bm25", "rank.made"]
    frame = pl.concat([f.select(c for c in wanted if c in f.columns) for f in frames], how="diagonal")
    return Pairs(frame.sort("query", "doc"), collection)


def material(data: Path, seed: int, variant: str) -> Material:
    """Everything that a seed trains on: mined rows alone, or with made negatives, twins and two-sided pairs."""
    start, probed, dose = time.monotonic(), Probed.of(data / "probes"), VARIANTS[variant]
    collections = [sampled(data, name, seed, probed, dose.queries) for name in SOURCES]
    runs = [mined(c, seed) for c in collections]
    facts: dict[str, Any] = {"queries": sum(c.positives["query"].n_unique() for c in collections)}
    if not dose.quota:
        return Material(joined([r.pairs for r in runs]), facts)
    makings = [make_into(r, Wish(quota=0.5, twins=True, language="en", seed=seed)) for r in runs]
    made = Counter(name for m in makings for name, n in m.taken.items() for _ in range(n))
    passages = [t for c in collections for t in c.passages.to_list()]
    pairs = two_sided(windows(passages, np.random.default_rng([seed, 1]), probed), seed, dose.quota, dose.passages)
    facts |= {"made": dict(sorted(made.items())), "two_sided": dict(sorted(Counter(p.operator for p in pairs).items()))}
    table = add_both(joined([m.run.pairs for m in makings]), pairs)
    return Material(table, facts | {"seconds_data": round(time.monotonic() - start, 1)})


def kept(data: Path, work: Path, seed: int, variant: str) -> Material:
    """The material of a seed, from the folder of work if it was made before."""
    path = work / f"{variant}-{seed}.pickle"
    if not path.exists():
        path.write_bytes(pickle.dumps(material(data, seed, variant)))
    found: Material = pickle.loads(path.read_bytes())  # noqa: S301
    return found


def stamp(settings: Settings) -> str:
    """A short name of the settings, whatever the seed."""
    usual = Settings().facts() | {"seed": settings.seed}
    told = json.dumps({k: v for k, v in settings.facts().items() if v != usual[k]}, sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:8]


def trained(data: Path, work: Path, seed: int, variant: str, settings: Settings) -> tuple[Path, dict[str, Any]]:
    """The model of a seed, and what it was trained on; its name says the settings, so that none is trained twice."""
    folder = work / f"{variant}-{seed}-{stamp(settings)}"
    notes = folder.with_suffix(".json")
    if not notes.exists():
        found = kept(data, work, seed, variant)
        run = Run(found.pairs, Recipe((Bm25(),), "typed training"), Ledger())
        start = time.monotonic()
        # Mining may have changed it; on a busy machine threads that wait for each other take most of the time.
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
        done = train(run, minilm(), folder, replace(settings, seed=seed), device="cpu", overwrite=True, quiet=False)
        facts = found.facts | {"rows": done.rows, "steps": done.steps, "seconds": round(time.monotonic() - start, 1)}
        notes.write_text(json.dumps(facts | {"settings": settings.facts()}))
    return folder, json.loads(notes.read_text())


def probed_cell(model: str, sources: Sequence[str | Path], engine: Local) -> dict[str, Any]:
    """Measures of a model, and its differences to MiniLM as it came."""
    found = probe(subject(model), sources, against=subject(minilm()), engine=engine)
    plain = found.data(0)
    rows = [r for r in plain["measures"] if r["model"] == model]
    base = [r for r in plain["measures"] if r["model"] != model]
    return {"measures": rows, "base": base, "differences": plain["differences"]}


def whole(data: Path, name: str, splits: Sequence[str] = ("train", "test")) -> Collection:
    """A collection with the labels of all its splits."""
    there = [s for s in splits if (data / name / "qrels" / f"{s}.tsv").exists()]
    parts = [Collection.read(data / name, split=s, relevant_from=GRADE.get(name, 1)) for s in there]
    positives = (
        pl.concat([p.positives for p in parts]).unique(["query", "doc"], maintain_order=True).sort("query", "doc")
    )
    return replace(parts[0], positives=positives, negatives=parts[0].negatives.clear())


def small(collection: Collection) -> Collection:
    """Only the documents that answer a query, to develop on."""
    used = collection.positives["doc"].unique().sort()[:SMALL]
    table = pl.DataFrame({"doc": used, "new": pl.int_range(len(used), dtype=pl.UInt32, eager=True)})
    positives = (
        collection.positives.join(table, on="doc").select("query", doc="new", grade="grade").sort("query", "doc")
    )
    return replace(collection, corpus=collection.corpus[used], positives=positives)


def ndcg(model: str, collection: Collection, engine: Local) -> dict[str, float]:
    """nDCG@10 of each query over the whole collection."""
    system = System("model", "encoder", model, "bfloat16")
    plan = Plan(("nDCG@10",), relevant_from=GRADE.get(collection.name, 1), complete=True)
    table = evaluate(collection, [system], plan, engine).values["model"]
    return {q: round(v, 6) for q, v in table.select("query_id", "nDCG@10").iter_rows()}


class Cells:
    """Results in a file, one a line.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self.rows = [json.loads(line) for line in lines]

    def get(self, **key: Any) -> dict[str, Any] | None:
        """The cell with this key, if it was computed."""
        return next((r for r in self.rows if all(r.get(k) == v for k, v in key.items())), None)

    def seed(self, what: str, variant: str, seed: int, **key: Any) -> dict[str, Any] | None:
        """The cell of a trained model, of the settings that are in force."""
        name = blended(Path(f"{variant}-{seed}-{stamp(VARIANTS[variant].settings)}"), SHARE, named=True).name
        return self.get(what=what, variant=variant, seed=seed, name=name, **key)

    def put(self, **cell: Any) -> dict[str, Any]:
        """Keep one."""
        self.rows.append(cell)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(cell) + "\n")
        return cell


def compute(args: argparse.Namespace, cells: Cells, engine: Local) -> None:
    """All cells that are missing: training and probes of every seed first, retrieval after."""
    models = {("base", 0, ""): minilm()}
    for seed in args.seeds:
        for variant in args.variants:
            folder, facts = trained(args.data, args.work, seed, variant, VARIANTS[variant].settings)
            folder = blended(folder, SHARE)
            models[variant, seed, folder.name] = str(folder)
            for name in args.probes:
                key = {"what": "probe", "variant": variant, "seed": seed, "name": folder.name, "set": name}
                if cells.get(**key) is None:
                    found = probed_cell(str(folder), [asked(args, name)], engine)
                    cells.put(**key, facts=facts, **found)
                    print(seed, facts["seconds"], brief(found), flush=True)
    for name in args.collections:
        collection = whole(args.data, name)
        for (variant, seed, named), model in models.items():
            key = {"what": "ndcg", "variant": variant, "seed": seed, "name": named, "collection": name}
            if cells.get(**key) is None:
                values = ndcg(model, collection, engine)
                cells.put(**key, values=values)
                print(key, round(float(np.mean(list(values.values()))), 4), flush=True)


def asked(args: argparse.Namespace, name: str) -> Path:
    """The file of a probe set; of SugarCrepe++ only its swaps, where only these are asked for."""
    path: Path = args.data / "probes" / f"{name}.jsonl"
    if name != "sugarcrepe_pp" or not args.swaps:
        return path
    target: Path = args.work / "swaps" / path.name
    target.parent.mkdir(exist_ok=True)
    lines = path.read_text(encoding="utf-8").splitlines()
    target.write_text("".join(f"{line}\n" for line in lines if json.loads(line)["subtype"].startswith("swap")))
    return target


def brief(found: dict[str, Any]) -> dict[str, str]:
    """Wrong, paired and strict in percent, before and after, by type."""
    told = {}
    for old, new in zip(found["base"], found["measures"], strict=True):
        values = [(old[k], new[k]) for k in ("wrong", "paired", "strict") if new[k]]
        told[f"{new['set']}/{new['type']}"] = " ".join(
            f"{100 * a['rate']:.1f}>{100 * b['rate']:.1f}" for a, b in values
        )
    return told


def develop(args: argparse.Namespace, engine: Local) -> None:
    """One training with the settings given, measured on what is not reported."""
    changed = dict(text.split("=", 1) for text in args.change)
    settings = replace(VARIANTS[args.variants[0]].settings, **{k: json.loads(v) for k, v in changed.items()})
    folder, facts = trained(args.data, args.work, args.seeds[0], args.variants[0], settings)
    print({k: facts[k] for k in facts if k != "settings"})
    held = held_out(args.data, args.work)
    for share in args.blends:
        model = str(blended(folder, share))
        print(f"blend {share:g}\n{json.dumps(brief(probed_cell(model, ['shipped', held], engine)), indent=0)}")
        for name in DEVELOP:
            collection = small(whole(args.data, name, ("test",)))
            means = [float(np.mean(list(ndcg(m, collection, engine).values()))) for m in (minilm(), model)]
            print(f"{name}: {means[0]:.4f} > {means[1]:.4f}", flush=True)


def blended(folder: Path, share: float, *, named: bool = False, base: str | None = None) -> Path:
    """The model with its weights moved back toward MiniLM's or another's; ``named``: only where it would be."""
    target = folder.with_name(f"{folder.name}-blend-{share:g}")
    if share == 1 or named:
        return folder if share == 1 else target
    if not target.exists():
        model, before = (SentenceTransformer(m, device="cpu") for m in (str(folder), base or minilm()))
        blend(model, before, share)
        model.save_pretrained(str(target), create_model_card=False)
    return target


def held_out(data: Path, work: Path) -> Path:
    """Probes out of two-sided pairs, from passages of a collection that nothing is trained on."""
    path = work / "held_out.jsonl"
    if not path.exists():
        passages = Collection.read(data / HELD, split="test").passages.to_list()[:4000]
        rng, wanted = np.random.default_rng(7), {name: n // 12 for name, n in STRONG.items()}
        made = two_sided(
            windows(passages, rng, Probed(frozenset()), shares=(0, 0.1, 0.3, 0.3, 0.3), longest=110), 7, wanted, 5000
        )
        lines = [
            {"q1": m.query, "q2": m.counter, "doc1": m.passage, "doc2": m.changed, "type": m.operator, "id": str(n)}
            for n, m in enumerate(made)
        ]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def probe_table(cells: Cells, variant: str, seeds: Sequence[int], sets: Sequence[str]) -> str:
    """By type: before with its interval, after as mean and range of seeds, and how many seeds differ from before."""
    lines = [
        f"| set | type | measure | probes | before (95 %) | {variant}: mean of seeds (range) | seeds with p < .05 |",
        "|---" * 7 + "|",
    ]
    for name in sets:
        found = [c for s in seeds if (c := cells.seed("probe", variant, s, set=name))]
        for number, old in enumerate(found[0]["base"] if found else []):
            p = [d for c in found for d in c["differences"] if d["type"] == old["type"]]
            for measure in ("wrong", "paired", "strict"):
                if not old[measure]:
                    continue
                after = [100 * c["measures"][number][measure]["rate"] for c in found]
                told = f"{sum(d['significant'] for d in p)} of {len(found)}" if p and measure != "strict" else "–"
                rate, low, high = (f"{100 * old[measure][k]:.1f}" for k in ("rate", "low", "high"))
                spread = f"{np.mean(after):.1f} ({min(after):.1f} to {max(after):.1f})"
                what = f"| {name} | {old['type']} | {measure} % | {old['n']:,} |"
                lines.append(f"{what} {rate} ({low} to {high}) | {spread} | {told} |")
    return "\n".join(lines)


def retrieval_table(cells: Cells, variant: str, seeds: Sequence[int], names: Sequence[str]) -> str:
    """nDCG@10 before and after, seeds averaged per query, paired over queries, Holm over the collections."""
    lines = [f"| collection | queries | before | {variant} | difference (95 %) | p (Holm) |", "|---" * 6 + "|"]
    rows, means = [], []
    for name in names:
        before = cells.get(what="ndcg", variant="base", seed=0, collection=name)
        after = [c for s in seeds if (c := cells.seed("ndcg", variant, s, collection=name))]
        if before is None or not after:
            continue
        ids = sorted(before["values"])
        value = np.array([[c["values"][q] for q in ids] for c in after]).mean(0)
        old = np.array([before["values"][q] for q in ids])
        tables = {m: pl.DataFrame({"query_id": ids, "nDCG": v}) for m, v in (("after", value), ("before", old))}
        row = compare(tables, [("after", "before")]).row(0, named=True)
        rows.append((name, len(ids), old.mean(), value.mean(), row, len(after)))
        means.append(value.mean() - old.mean())
    p = holm([r[4]["p"] for r in rows])
    for (name, n, old, new, row, count), q in zip(rows, p, strict=True):
        told = f"{100 * row['difference']:+.2f} ({100 * row['low']:+.2f} to {100 * row['high']:+.2f})"
        lines.append(f"| {name} | {n} | {old:.4f} | {new:.4f} ({count} seeds) | {told} | {q:.3g} |")
    return "\n".join([*lines, "", f"mean difference {100 * float(np.mean(means)):+.2f} points" if means else ""])


def main() -> None:
    """Compute the cells that are missing, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FOILS_DATA", "../shared/data")))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", default=["typed"], choices=list(VARIANTS))
    parser.add_argument("--collections", nargs="*", default=list(REPORTED))
    parser.add_argument("--swaps", action="store_true", help="of SugarCrepe++ ask the swaps only")
    parser.add_argument("--probes", nargs="+", default=list(PROBES))
    parser.add_argument("--cells", type=Path, default=Path("typed_training.jsonl"))
    parser.add_argument("--work", type=Path, default=Path("typed_training"))
    parser.add_argument("--develop", action="store_true")
    parser.add_argument("--blends", nargs="+", type=float, default=[1.0], help="with --develop")
    parser.add_argument("--change", nargs="*", default=[], metavar="SETTING=JSON", help="with --develop")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    engine = Local(cache=Path.home() / ".cache" / "foils")
    if args.develop:
        develop(args, engine)
        return
    cells = Cells(args.cells)
    compute(args, cells, engine)
    print(f"{describe()}\n\nshare of the trained weights: {SHARE:g}")
    for variant in args.variants:
        facts = [c["facts"] for s in args.seeds if (c := cells.seed("probe", variant, s, set=args.probes[0]))]
        print(f"\n{variant}\n{json.dumps(facts)}\n")
        print(probe_table(cells, variant, args.seeds, args.probes))
        print("\n" + retrieval_table(cells, variant, args.seeds, args.collections))


if __name__ == "__main__":
    main()
