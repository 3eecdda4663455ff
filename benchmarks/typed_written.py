"""Passages to write queries about, for the operators that find too few sites in any collection.

    python benchmarks/typed_written.py --ask OPERATOR -o FOLDER [--most 220]   # in-OPERATOR.jsonl, where-OPERATOR.jsonl
    python benchmarks/typed_written.py --take OPERATOR FOLDER                  # from out-OPERATOR.jsonl

``--ask`` cuts stretches of whole sentences (35 to 130 words) out of prose in five collections, around something that
the operator may change: a quantity, a length of time, a quantifier, a negator, an ordinal. Those come first where the
operator makes a negative for the sentence itself as the query. Whoever writes gets id, text and ``about`` (the words to
ask about), and returns id, query and answer (null for a claim); they are told nothing of the operators. ``--take`` puts
``written/OPERATOR.jsonl`` together, with the place of each passage in its collection instead of its text.

A draw depends on the gates of its day, so a new one is another sample; the files in ``written/`` were drawn by an
earlier form of these rules. A language model wrote their queries. Every fourth (number divisible by four) was looked at
while gates were tightened, and is in no sample that was read.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from foils.make.edits import Span
from foils.make.item import Item, Made, Operator
from foils.make.nearmiss import Duration, UnitSwap, timed
from foils.make.negation import removal
from foils.make.polarity import Quantifier, RemoveNot, quantifiers
from foils.make.premise import QueryOrdinal
from foils.make.values import ORDINALS
from foils.make.view import Text
from typed_items import DATA, WRITTEN, stamp

SOURCES = ("nq_mini", "hotpotqa_mini", "trecdl19", "mlquestions", "medquad")
OPERATORS: dict[str, Operator] = {
    o.name: o for o in (UnitSwap(), Duration(), Quantifier(), RemoveNot(), QueryOrdinal())
}
SHORTEST, LONGEST = 35, 130
TRIED = 12
# The largest share of a sample that is about the same word.
ALIKE = 0.3
OPENING = re.compile(
    r"(?:it|its|this|that|these|those|they|their|he|she|his|her|such|however|but|and|also|then|there|here|for example"
    r"|therefore|thus|so|or|another|other|both|yes|no)\b",
    re.IGNORECASE,
)
LISTING = re.compile(r"https?:|www\.|@|[{}<>|\\=•·*_#]| - |…|\.\.\.|;\s|\b(?:click|I|my)\b|[a-z\d)]{2}\.[A-Za-z]")
IDLE = frozenset(
    ["of", "and", "or", "the", "a", "half", "to", "party", "parties", "person", "hand", "degree", "for", "is"]
)


class Found(NamedTuple):
    """A stretch of a document, and what in it is to be asked about."""

    works: bool
    collection: str
    doc: str
    start: int
    end: int
    about: str
    text: str


def sites(operator: str, item: Item) -> Iterator[tuple[int, str]]:
    """Where something stands that an operator may change."""
    text = item.text
    if operator in ("unit", "duration"):
        for q in item.numbers:
            if q.unit_span and not q.bound and q.text[:1].isdigit() and (operator == "unit" or timed(q)):
                yield q.span.start, text.raw[q.span.start : q.unit_span.end]
    elif operator == "quantifier":
        yield from ((w.start, w.text) for w in text.words if w.low in quantifiers())
    elif operator == "remove-not":
        for sentence in text.sentences:
            edits = removal(text, sentence)
            if not isinstance(edits, str):
                yield edits[0].start, edits[0].old.strip()
    else:
        for word, following in zip(text.words, text.words[1:], strict=False):
            if word.low in ORDINALS[1:] and word.text.islower() and following.low not in IDLE:
                yield word.start, f"{word.text} {following.text}"


def whole(text: Text, sentence: Span) -> bool:
    """A sentence of prose from its capital to its full stop."""
    piece = text.raw[sentence.start : sentence.end]
    ends = piece[:1].isupper() and piece.rstrip("\"'”’)")[-1:] in (".", "!")
    return ends and "\n" not in piece and text.why_not_prose(sentence) is None


def around(text: Text, place: int, aim: int) -> tuple[int, int] | None:
    """Whole sentences around a place, to read without what comes before them; null: there are none."""
    sentences = text.sentences
    first = last = next((n for n, s in enumerate(sentences) if s.start <= place < s.end), -1)
    if first < 0 or not whole(text, sentences[first]):
        return None

    def words() -> int:
        return len(text.raw[sentences[first].start : sentences[last].end].split())

    def dangling() -> bool:
        return OPENING.match(text.raw, sentences[first].start) is not None

    while words() < aim and last + 1 < len(sentences) and whole(text, sentences[last + 1]):
        last += 1
    while (words() < aim or dangling()) and first and whole(text, sentences[first - 1]):
        first -= 1
    start, end = sentences[first].start, sentences[last].end
    piece = text.raw[start:end]
    rough = LISTING.search(piece) or piece.count('"') % 2 or piece.count("(") != piece.count(")")
    fits = SHORTEST <= words() <= LONGEST and not dangling() and not rough
    return (start, end) if fits and Text(piece).english else None


def works(operator: str, passage: str, place: int, about: str) -> bool:
    """The operator makes a negative where the sentence itself is the claim, or a question for what it gives."""
    sentence = Text(passage).sentence(place)
    said = passage[sentence.start : sentence.end]
    if operator in ("unit", "duration"):
        opening = "How much: " if operator == "unit" else "How long: "
        item = Item(f"{opening}{said.replace(about, '')}?", passage, about, language="en")
    else:
        item = Item(f"Who {said}" if operator == "query-ordinal" else said, passage, language="en")
    return isinstance(OPERATORS[operator](item), Made)


def candidates(operator: str, collection: str, most: int) -> list[Found]:
    """One stretch per document, in the order of a hash, until enough of them work."""
    lines = (DATA / collection / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    documents = sorted(map(json.loads, lines), key=lambda d: hashlib.blake2b(d["_id"].encode()).digest())
    found: list[Found] = []
    said = set()
    for document in documents:
        raw, best = document["text"], None
        item = Item("", raw, place=(0, 0), language="en")
        aim = 45 + int(stamp(document["_id"]), 16) % 55
        for place, about in [*sites(operator, item)][:TRIED]:
            cut = around(item.text, place, aim)
            if cut is None or (best is not None and best.works):
                continue
            text = raw[cut[0] : cut[1]]
            good = works(operator, text, place - cut[0], about)
            best = Found(good, collection, document["_id"], *cut, about, text) if best is None or good else best
        if best is not None and best.text[:80] not in said:
            said.add(best.text[:80])
            found.append(best)
        if sum(f.works for f in found) >= most:
            break
    return sorted(found, key=lambda f: not f.works)


def ask(operator: str, folder: Path, most: int) -> None:
    """Write what to ask about: the collections in turn, those that work first."""
    pools = {name: candidates(operator, name, most) for name in SOURCES}
    used: Counter[str] = Counter()
    taken: list[Found] = []
    for good in (True, False):
        while len(taken) < most and any(p and p[0].works >= good for p in pools.values()):
            for pool in pools.values():
                if pool and pool[0].works >= good and len(taken) < most:
                    found = pool.pop(0)
                    word = found.about.lower().split()[-1]
                    if operator == "remove-not" or used[word] < ALIKE * most:
                        used[word] += 1
                        taken.append(found)
    rows = [{"id": f"{operator}-{n:03d}", **f._asdict()} for n, f in enumerate(taken, 1)]
    _write(folder / f"where-{operator}.jsonl", rows)
    _write(folder / f"in-{operator}.jsonl", [{k: r[k] for k in ("id", "text", "about")} for r in rows])
    print(f"{operator}: {len(taken)} passages, {sum(f.works for f in taken)} that work")


def take(operator: str, folder: Path) -> None:
    """Put what was written beside the place of its passage."""
    where = {r["id"]: r for r in _read(folder / f"where-{operator}.jsonl")}
    text = {r["id"]: r["text"] for r in _read(folder / f"in-{operator}.jsonl")}
    rows = []
    for said in _read(folder / f"out-{operator}.jsonl"):
        if said["id"] in where and said.get("query"):
            place = {k: where[said["id"]][k] for k in ("collection", "doc", "start", "end")}
            query, answer = " ".join(said["query"].split()), said.get("answer") or None
            rows.append({"id": said["id"], "query": query, "answer": answer, **place, "hash": stamp(text[said["id"]])})
    _write(WRITTEN / f"{operator}.jsonl", sorted(rows, key=lambda r: r["id"]))
    print(f"{operator}: {len(rows)} queries")


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")


def main() -> None:
    """Ask, or take what was written."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ask", choices=OPERATORS)
    parser.add_argument("--take", nargs=2, metavar=("OPERATOR", "FOLDER"))
    parser.add_argument("-o", "--out", type=Path, default=Path("written"))
    parser.add_argument("--most", type=int, default=220)
    options = parser.parse_args()
    if options.ask:
        ask(options.ask, options.out, options.most)
    elif options.take:
        take(options.take[0], Path(options.take[1]))


if __name__ == "__main__":
    main()
