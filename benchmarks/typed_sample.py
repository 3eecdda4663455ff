"""Typed negatives to read, per operator: those behind docs/safety.md.

    python benchmarks/typed_sample.py -o FOLDER [--each 100] [--seed 1] [--skip KEY ...] [--seen FILE ...] [--apart]

Draws from the four collections of ``typed_measure.py``, from those that hold the rarer sites (``MORE``) and from the
queries written for the rarest (``written/``), the collections in turn: at most one negative per query, at most a third
of an operator's sample with the same first three words. Queries that were read before for an operator (``--skip``:
earlier ``key.tsv`` files) are left out, as are those looked at while gates were changed (``--seen``: a query per line,
or operator, tab, query); operators named in ``--fill`` take looked-at queries once the others are used up, and
``key.tsv`` says so.

Writes ``PART_A.tsv`` and so on (id, operator, query, answer, passage, changed, hidden) in mixed order (``--apart``: one
part per operator), ``PART_A.hidden.tsv`` (id, query, answer, text) for a reader who must not see the edit, and
``key.tsv`` (id, operator, collection, fresh, query). Passages of more than 1,500 characters are cut to the sentences
around the edit and those that hold most of the query.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from foils.make.edits import Edit, Span
from foils.make.item import Item, Made
from foils.make.operators import CLASSES, make
from typed_items import MORE, NAMES, items, written

WHOLE = 1500
BEST = 2
PER_FILE = 100
LEFT_OUT = ("role-swap",)


class Case(NamedTuple):
    """A negative to read."""

    collection: str
    item: Item
    made: Made
    fresh: bool


def _flat(text: str) -> str:
    return " ".join(text.split())


def _kept(item: Item, spans: Sequence[Span]) -> list[Span]:
    """What of a passage is shown: everything, or the sentences around some spans and those near the query."""
    text = item.text
    if len(text.raw) <= WHOLE:
        return [Span(0, len(text.raw))]
    hit = {n for n, s in enumerate(text.sentences) if any(s.meets(e) or s.start <= e.start < s.end for e in spans)}
    near = sorted(range(len(text.sentences)), key=lambda n: -item.shares[n][1])[:BEST]
    chosen = sorted({0, *near} | {m for n in hit for m in (n - 1, n, n + 1) if 0 <= m < len(text.sentences)})
    kept: list[Span] = []
    for number in chosen:
        sentence = text.sentences[number]
        if kept and number - 1 in chosen:
            kept[-1] = Span(kept[-1].start, sentence.end)
        else:
            kept.append(sentence)
    return kept


def _written(raw: str, kept: Sequence[Span], edits: Iterable[Edit], marked: bool) -> str:
    """The kept parts of a text with the edits made, ``[old→new]`` where they are to be seen."""
    parts = []
    for span in kept:
        done, pieces = span.start, []
        for edit in sorted(edits):
            # A deletion takes the white space behind its sentence along, so that it may end behind the span.
            if not span.start <= edit.start <= span.end:
                continue
            pieces += [raw[done : edit.start], f"[{edit.old.strip()}→{edit.new}]" if marked else edit.new]
            done = edit.end
        parts.append(_flat("".join([*pieces, raw[done : max(done, span.end)]])))
    return " ... ".join(parts)


def shown(item: Item, made: Made, *, marked: bool) -> tuple[str, str, str]:
    """The query, the original passage and what became of it, as a reader sees them."""
    if made.side == "query":
        whole = [Span(0, len(item.query))]
        passage = _written(item.passage, _kept(item, [made.evidence]), (), False)
        return _flat(item.query), passage, _written(item.query, whole, made.edits, marked)
    if not made.edits:
        other = Item(item.query, made.text)
        passage = _written(item.passage, _kept(item, [made.evidence]), (), False)
        return _flat(item.query), passage, _written(made.text, _kept(other, ()), (), False)
    kept = _kept(item, [e.span for e in made.edits])
    passage = _written(item.passage, kept, (), False)
    return _flat(item.query), passage, _written(item.passage, kept, made.edits, marked)


def template(query: str) -> str:
    """The first three words: collections with generated queries repeat them."""
    return " ".join(query.lower().split()[:3])


def found(
    names: Sequence[str], only: Sequence[str], skip: set[tuple[str, str]], seen: set[tuple[str, str]]
) -> list[Case]:
    """Every negative that may be drawn."""
    chosen = [c() for c in CLASSES if c.name not in LEFT_OUT and (not only or c.name in only)]
    ready = [o for o in chosen if not o.missing()]
    cases = []
    for name in names:
        for item, made in make(items(name), ready)[0]:
            query = _flat(item.query)
            if (made.operator, query) not in skip:
                cases.append(Case(name, item, made, not seen & {(made.operator, query), ("", query)}))
    return cases


def draw(cases: Iterable[Case], each: int, seed: int, fill: Sequence[str]) -> dict[str, list[Case]]:
    """Operator to cases, the collections in turn, fresh ones first."""
    groups: dict[str, dict[tuple[bool, str], list[Case]]] = defaultdict(lambda: defaultdict(list))
    for case in cases:
        if case.fresh or case.made.operator in fill:
            groups[case.made.operator][not case.fresh, case.collection].append(case)
    picked = {}
    for operator, pools in sorted(groups.items()):
        for pool in pools.values():
            pool.sort(key=lambda c: c.item.draw(f"pick{seed}", 2**62), reverse=True)
        picked[operator] = _taken(pools, each, seed)
    return picked


def _taken(pools: dict[tuple[bool, str], list[Case]], each: int, seed: int) -> list[Case]:
    taken: list[Case] = []
    used: Counter[str] = Counter()
    asked: set[str] = set()
    for stale in (False, True):
        order = sorted(name for old, name in pools if old is stale)
        random.Random(seed).shuffle(order)
        while len(taken) < each and any(pools[stale, name] for name in order):
            for name in order:
                while pools[stale, name] and len(taken) < each:
                    case = pools[stale, name].pop()
                    start = template(case.item.query)
                    if case.item.query not in asked and used[start] < max(2, each // 3):
                        used[start] += 1
                        asked.add(case.item.query)
                        taken.append(case)
                        break
    return taken


def rows(path: Path) -> set[tuple[str, str]]:
    """Operator and query of an earlier ``key.tsv``, or of a list of queries (any operator)."""
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if lines[0][0] in ("number", "id"):
        return {(cells[1], cells[-1]) for cells in lines[1:]}
    return {(cells[0] if len(cells) > 1 else "", cells[-1]) for cells in lines}


def write(folder: Path, picked: dict[str, list[Case]], seed: int, apart: bool) -> None:
    """The files to read and the key; ``apart``: a part per operator, in the order of their names."""
    parts = [list(cases) for cases in picked.values()] if apart else [[c for cases in picked.values() for c in cases]]
    for cases in parts:
        random.Random(seed).shuffle(cases)
    if not apart:
        parts = [parts[0][first : first + PER_FILE] for first in range(0, len(parts[0]), PER_FILE)]
    key = ["id\toperator\tcollection\tfresh\tquery"]
    first = 0
    for letter, cases in enumerate(parts):
        part = chr(ord("A") + letter)
        seen = ["id\toperator\tquery\tanswer\tpassage\tchanged\thidden"]
        hidden = ["id\tquery\tanswer\ttext"]
        for number, case in enumerate(cases, first + 1):
            item, made = case.item, case.made
            query, passage, changed = shown(item, made, marked=True)
            blind = shown(item, made, marked=False)[2]
            answer, name = _flat(item.answer or ""), f"{part}{number}"
            seen.append("\t".join((name, made.operator, query, answer, passage, changed, blind)))
            asked, text = (blind, passage) if made.side == "query" else (query, blind)
            hidden.append("\t".join((name, asked, answer, text)))
            key.append("\t".join((name, made.operator, case.collection, "yes" if case.fresh else "no", query)))
        first += len(cases)
        (folder / f"PART_{part}.tsv").write_text("\n".join(seen) + "\n", encoding="utf-8")
        (folder / f"PART_{part}.hidden.tsv").write_text("\n".join(hidden) + "\n", encoding="utf-8")
    (folder / "key.tsv").write_text("\n".join(key) + "\n", encoding="utf-8")


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--collections", nargs="+", default=(*NAMES, *MORE, *written()))
    parser.add_argument("--operators", nargs="*", default=(), help="only these")
    parser.add_argument("--skip", type=Path, nargs="*", default=())
    parser.add_argument("--seen", type=Path, nargs="*", default=())
    parser.add_argument("--fill", nargs="*", default=())
    parser.add_argument("--each", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--apart", action="store_true", help="a part per operator")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    skip = {pair for path in options.skip for pair in rows(path)}
    seen = {pair for path in options.seen for pair in rows(path)}
    cases = found(options.collections, options.operators, skip, seen)
    picked = draw(cases, options.each, options.seed, options.fill)
    write(options.out, picked, options.seed, options.apart)
    for operator, taken in picked.items():
        per = Counter(c.collection for c in taken)
        print(f"{operator}: {len(taken)}, fresh {sum(c.fresh for c in taken)}, {dict(per)}")


if __name__ == "__main__":
    main()
