"""Queries with their positives, as ``foils make`` sees them: what the other typed benchmarks read."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from foils.collection import Collection
from foils.errors import DataError
from foils.make.flip import fixed
from foils.make.item import Item
from foils.make.lexicon import words
from foils.make.pool import Pool
from foils.make.words import opposites
from foils.making import passage

DATA = Path(os.environ.get("FOILS_DATA", "../shared/data"))
NAMES = ("medquad", "wikiqa", "scifact", "nq_mini")
LISTS = ("antonyms", "affixal")
SPLITS = ("train", "dev", "test")


def items(name: str, most: int = 0) -> list[Item]:
    """Every query with every known positive, of all splits; ``most`` keeps the first ones in the order of a hash."""
    found: dict[tuple[str, str], Item] = {}
    supporting = _supported() if name == "scifact" else None
    pool = None
    for split in SPLITS:
        try:
            collection = _read(name, split)
        except DataError:
            continue
        corpus, asked = collection.corpus, collection.queries["text"]
        pool = pool or Pool.build(collection.passages.to_list() if name != "xquad_en" else [])
        rows = list(collection.positives.select("query", "doc").iter_rows())
        texts = {d: passage(corpus, d) for d in {d for _, d in rows}}
        known: dict[int, list[int]] = {}
        for query, doc in rows:
            known.setdefault(query, []).append(doc)
        for query, doc in rows:
            if supporting is not None and (collection.queries["id"][query], corpus["id"][doc]) not in supporting:
                continue
            others = tuple(texts[d] for d in known[query] if d != doc)
            item = Item(asked[query], texts[doc], positives=others, language="en", pool=pool, place=(query, doc))
            found.setdefault((item.query, item.passage), item)
    if not found:
        raise SystemExit(f"{name} in {DATA} cannot be read; run from the repository, or set FOILS_DATA")
    ordered = sorted(found.values(), key=lambda i: i.draw("order", 2**62)) if most else list(found.values())
    return ordered[:most] if most else ordered


def _read(name: str, split: str) -> Collection:
    """A collection; ``xquad_en``: the English part of xquad_multi."""
    if name != "xquad_en":
        return Collection.read(DATA / name, split=split)
    whole = Collection.read(DATA / "xquad_multi", split=split, relevant_from=2)
    english = whole.queries["id"].str.starts_with("en-").to_numpy()
    return replace(whole, positives=whole.positives.filter(english[whole.positives["query"].to_numpy()]))


def _supported() -> set[tuple[str, str]]:
    """Of scifact, where a document that contradicts a claim counts as relevant: the pairs where it supports it."""
    lines = (DATA / "scifact" / "extras" / "stance_evidence.tsv").read_text(encoding="utf-8").splitlines()
    cells = [line.split("\t") for line in lines]
    return {(c[0], c[1]) for c in cells if "SUPPORT" in c}


def carries(query: str) -> set[str]:
    """What of number, date, negation, unit and listed antonym a query carries."""
    item = Item(query, "")
    found = set()
    if item.asked_numbers:
        found.add("number")
    if item.asked_years or item.asked_dates:
        found.add("date")
    if any(q.unit for q in item.asked_numbers):
        found.add("unit")
    low = set(re.findall(r"[a-z]+", query.lower().replace("n't", " not ")))
    if low & words("polarity", "negator"):
        found.add("negation")
    listed = [n for n, w in enumerate(item.question.words) if any(w.low in opposites(t) for t in LISTS)]
    if any(not fixed(item.question, n) for n in listed):
        found.add("antonym")
    return found
