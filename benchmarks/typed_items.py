"""Queries with their positives, as ``foils make`` sees them: what the other typed benchmarks read."""

from __future__ import annotations

import hashlib
import json
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
from foils.offers import passage

DATA = Path(os.environ.get("FOILS_DATA", "../shared/data"))
NAMES = ("medquad", "wikiqa", "scifact", "nq_mini")
# Where the operators that find few sites in the four are sampled, too; the almanac comes with foils.
MORE = (
    "xquad_en", "mlquestions", "politifact_debates", "climate_fever", "hotpotqa_mini", "trecdl19", "noveleval2306",
    "almanac", "fever_symmetric", "nevir_dev", "timeqa_temporal_dev", "squad2_hardquery_dev",
)  # fmt: skip
GRADED = {"trecdl19": 2, "xquad_en": 2}
# Read without a pool: nothing of theirs is exchanged for a name or a period, and their corpora are large.
NAMELESS = ("mlquestions", "trecdl19")
# The dev part of SQuAD 2.0 as one JSON file: answers are known there, and it is in none of the folders of data.
SQUAD = Path(os.environ.get("FOILS_SQUAD", "squad2_dev.json"))
ALMANAC = Path(__file__).parent.parent / "examples" / "almanac"
# Questions and claims written about passages that hold what the rare operators change; see ``_written``.
WRITTEN = Path(__file__).parent / "written"
LISTS = ("antonyms", "affixal")
SPLITS = ("train", "dev", "test")


def items(name: str, most: int = 0) -> list[Item]:
    """Every query with every known positive, of all splits; ``most`` keeps the first ones in the order of a hash."""
    apart = _apart(name)
    if apart is not None:
        return apart
    found: dict[tuple[str, str], Item] = {}
    supporting = _supported(name)
    pool = None
    for split in SPLITS:
        try:
            collection = _read(name, split)
        except DataError:
            continue
        corpus, asked = collection.corpus, collection.queries["text"]
        pool = pool or Pool.build([] if name in NAMELESS else collection.passages.to_list())
        rows = list(collection.positives.select("query", "doc").iter_rows())
        texts = {d: passage(corpus, d) for d in {d for _, d in rows}}
        known: dict[int, list[int]] = {}
        for query, doc in rows:
            known.setdefault(query, []).append(doc)
        for query, doc in rows:
            if supporting is not None and (collection.queries["id"][query], corpus["id"][doc]) not in supporting:
                continue
            others = tuple(texts[d] for d in known[query] if d != doc)
            answer = _answer(collection, query, texts[doc])
            # Of two paragraphs that answer together, the one without the answer supports nothing alone.
            if name == "hotpotqa_mini" and answer is None:
                continue
            item = Item(asked[query], texts[doc], answer, others, "en", pool, (query, doc))
            found.setdefault((item.query, item.passage), item)
    if not found:
        raise SystemExit(f"{name} in {DATA} cannot be read; run from the repository, or set FOILS_DATA")
    ordered = sorted(found.values(), key=lambda i: i.draw("order", 2**62)) if most else list(found.values())
    return ordered[:most] if most else ordered


def _apart(name: str) -> list[Item] | None:
    """What is no collection: SQuAD, written queries, probe sets; null for a collection."""
    if name == "squad2_dev":
        return _squad()
    if name in written():
        return _written(name)
    return _probes(name) if (DATA / "probes" / f"{name}.jsonl").is_file() else None


def _read(name: str, split: str) -> Collection:
    """A collection; ``xquad_en``: the English part of xquad_multi."""
    if name == "almanac":
        return Collection.read(ALMANAC, split=split)
    if name != "xquad_en":
        return Collection.read(DATA / name, split=split, relevant_from=GRADED.get(name, 1))
    whole = Collection.read(DATA / "xquad_multi", split=split, relevant_from=GRADED[name])
    english = whole.queries["id"].str.starts_with("en-").to_numpy()
    return replace(whole, positives=whole.positives.filter(english[whole.positives["query"].to_numpy()]))


def _probes(name: str) -> list[Item]:
    """The true pairs of a probe set: here they are read as text to make negatives of, and the reading is a test."""
    found: dict[tuple[str, str], Item] = {}
    for line in (DATA / "probes" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        query, text = row.get("positive_query") or row["query"], row.get("passage") or row["positive"]
        answer = row.get("answer") or row.get("positive_answer") or None
        known = answer if answer and answer.lower() in text.lower() else None
        found.setdefault((query, text), Item(query, text, known, language="en", place=(len(found), len(found))))
    pool = Pool.build(list(dict.fromkeys(text for _, text in found)))
    return [replace(item, pool=pool) for item in found.values()]


def written() -> tuple[str, ...]:
    """The names of the files of written queries: ``written-unit`` and so on."""
    return tuple(f"written-{path.stem}" for path in sorted(WRITTEN.glob("*.jsonl")))


def _written(name: str) -> list[Item]:
    """Queries of ``written/OPERATOR.jsonl``, each with the stretch of a document that it was written about.

    A language model wrote them: it saw the passage and the number, word or clause to ask about, not the operators. A
    line has id, query, answer (null: none), collection, doc (its id there), start, end (in the text of the document)
    and hash (of the stretch, so that another edition of the collection shows).
    """
    lines = (WRITTEN / f"{name.removeprefix('written-')}.jsonl").read_text(encoding="utf-8").splitlines()
    asked = [json.loads(line) for line in lines]
    texts: dict[tuple[str, str], str] = {}
    for collection in {a["collection"] for a in asked}:
        wanted = {a["doc"] for a in asked if a["collection"] == collection}
        with (DATA / collection / "corpus.jsonl").open(encoding="utf-8") as corpus:
            for line in corpus:
                document = json.loads(line)
                if document["_id"] in wanted:
                    texts[collection, document["_id"]] = document["text"]
    found = []
    for number, a in enumerate(asked):
        text = texts[a["collection"], a["doc"]][a["start"] : a["end"]]
        if stamp(text) != a["hash"]:
            raise SystemExit(
                f"{a['id']} of {name}: the text of {a['doc']} in {a['collection']} is not that of its query"
            )
        answer = a["answer"] if a["answer"] and a["answer"].lower() in text.lower() else None
        found.append(Item(a["query"], text, answer, language="en", place=(number, number)))
    return found


def stamp(text: str) -> str:
    """A short hash of a passage."""
    return hashlib.blake2b(text.encode("utf-8"), digest_size=8).hexdigest()


def _squad() -> list[Item]:
    """The questions of SQuAD that have an answer, with the paragraph and the answer that most people gave."""
    found: dict[tuple[str, str], Item] = {}
    for article in json.loads(SQUAD.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            text = paragraph["context"]
            for asked in paragraph["qas"]:
                given = [a["text"] for a in asked["answers"]]
                if given:
                    answer, place = max(given, key=given.count), (len(found), len(found))
                    found.setdefault(
                        (asked["question"], text), Item(asked["question"], text, answer, language="en", place=place)
                    )
    return list(found.values())


def _answer(collection: Collection, query: int, text: str) -> str | None:
    """The known answer, where the collection gives one and the passage holds it."""
    given = collection.queries["metadata"][query] if "metadata" in collection.queries.columns else None
    answer = given.get("answer") if given else None
    return answer if answer and answer.lower() not in ("yes", "no") and answer.lower() in text.lower() else None


def _supported(name: str) -> set[tuple[str, str]] | None:
    """Of collections where a document that contradicts a claim counts as relevant: the pairs where it supports it."""
    if name == "scifact":
        lines = (DATA / name / "extras" / "stance_evidence.tsv").read_text(encoding="utf-8").splitlines()
        return {(c[0], c[1]) for c in (line.split("\t") for line in lines) if "SUPPORT" in c}
    if name == "climate_fever":
        lines = (DATA / name / "extras" / "votes.tsv").read_text(encoding="utf-8").splitlines()
        return {(c[0], c[1]) for c in (line.split("\t") for line in lines) if c[2] == "SUPPORTS"}
    return None


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
