"""Rules about texts, controls, and typed negatives: lists and cards of words."""

from __future__ import annotations

import runpy
from collections import Counter
from collections.abc import Callable

import polars as pl

from foils import registry
from foils.bands import PercPos
from foils.collection import Collection, build
from foils.limits import Deepen, ReuseCap
from foils.make.edits import Edit
from foils.make.item import Item, Made
from foils.make.operators import CLASSES
from foils.make.twins import with_twin
from foils.make.twosided import TwoSided
from foils.models.lsa import Lsa
from foils.pairs import Pairs
from foils.select import Top
from foils.sources.dense import Dense
from pictures import svg, world

FOUND = {"query": pl.UInt32, "doc": pl.UInt32, "rank": pl.Int32}
POSITIVE = "Buenos Aires, 25 June 1978: Argentina beat the Netherlands 3-1 and won the World Cup."
LONG = (
    "Buenos Aires, 25 June 1978: after extra time Argentina beat the Netherlands 3-1 in the Monumental and won the "
    "World Cup for the first time, as hosts."
)
LISTS: dict[str, list[tuple[str, str]]] = {
    "exact-duplicate": [
        ("Final 1978", POSITIVE.upper()),
        ("", "Who won the 1978 World Cup?"),
        ("Kempes", "Mario Kempes scored twice in the final."),
        ("Kempes", "Mario Kempes scored twice in the final. "),
    ],
    "near-duplicate": [
        ("Final 1978", LONG.removesuffix(".") + " indeed."),
        ("Final 1974", "Munich, 7 July 1974: West Germany beat the Netherlands 2-1."),
        ("Kempes", "Mario Kempes of Valencia scored twice in the final of the year 1978."),
        ("Kempes", "Mario Kempes of Valencia scored twice in the final of the year 1978!"),
    ],
    "same-source": [
        ("World Cup 1978", "Peru lost 6-0 to the hosts in the second round."),
        ("World Cup 1974", "West Germany beat the Netherlands 2-1."),
        ("Mario Kempes", "He scored twice in the final."),
    ],
    "answer-string": [
        ("Kempes", "He scored twice for Argentina in the final."),
        ("Final 1974", "West Germany beat the Netherlands 2-1."),
        ("Runners-up", "The Netherlands lost two finals in a row."),
    ],
    "known-positive": [
        ("Kempes", "Mario Kempes scored twice in the final."),
        ("Final 1974", "West Germany beat the Netherlands 2-1."),
    ],
}


def stated(name: str) -> Pairs:
    """A query, its positive, and the candidates of ``LISTS``, in their order."""
    texts = [("World Cup 1978", LONG if name == "near-duplicate" else POSITIVE), *LISTS[name]]
    corpus = pl.DataFrame(
        {"id": [f"d{i}" for i in range(len(texts))], "title": [t for t, _ in texts], "text": [t for _, t in texts]}
    )
    queries = {"id": ["q0", "q1"], "text": ["Who won the 1978 World Cup?", "who won the 1978 world cup?"]}
    labels = {"query_id": ["q0", "q1"], "doc_id": ["d0", "d0"], "grade": [1, 1]}
    if name == "known-positive":
        labels["doc_id"] = ["d0", "d1"]
    where = build(corpus, pl.DataFrame(queries | {"answers": [["Argentina"]] * 2}), pl.DataFrame(labels))
    rows = [(0, i, i) for i in range(1, len(texts))]
    return Pairs.start(where).add("dense", pl.DataFrame(rows, schema=FOUND, orient="row"))


def listed(name: str) -> tuple[svg.Picture, str]:
    """What a rule about texts keeps and drops, with its reasons."""
    after = world.run(stated(name), (registry.load(name)(),))
    where: Collection = after.collection
    frame = after.frame.filter(pl.col("query") == 0)
    picture = svg.Picture(f"{name}: what is kept and what is dropped of {frame.height - 1} candidates")
    picture.height = 22 + 32 * frame.height
    for i, row in enumerate(frame.iter_rows(named=True)):
        title, body = where.corpus.row(row["doc"], named=True)["title"], where.corpus["text"][row["doc"]]
        y = 22 + 32 * i
        sign = "p" if row["positive"] else "k" if row["dropped"] is None else "o"
        reason = "positive" if row["positive"] else row["dropped"] or "kept"
        picture.add(svg.mark(13, y - 4, sign))
        picture.add(svg.text(26, y, _cut(f"{title}: {body}" if title else body, 43), "T" if sign != "o" else ""))
        picture.add(svg.text(26, y + 14, reason))
    return picture, ""


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"


def reuse_cap() -> tuple[svg.Picture, str]:
    """How often the most used documents are negatives, without the cap and with it."""
    sampler = Top(n=8, by="cos.dense")
    free = world.run(world.candidates(), (sampler,))
    capped = world.run(world.candidates(), (ReuseCap(sampler=sampler, cap=8),))
    before, after = (Counter(p.negatives()["doc"].to_list()) for p in (free, capped))
    docs = [d for d, _ in before.most_common(30)]
    high = before[docs[0]]
    x, y = svg.Axis(1, 30, svg.LEFT + 6, svg.RIGHT), svg.Axis(0, high, svg.BASE, svg.TOP)
    picture = svg.Picture(f"reuse-cap: the most used document is a negative of {high} queries, with a cap of 8 of 8")
    names = ("the 30 most used documents", "negatives of so many queries")
    picture.add(*svg.frame(x, y, names, (1, 10, 20, 30), svg.ticks(0, high)))
    for i, doc in enumerate(docs, 1):
        picture.add(svg.mark(x(i), y(before[doc]), "o"), svg.mark(x(i), y(after[doc]), "k"))
    return picture, "hollow: without, filled: cap=8"


def deepen() -> tuple[svg.Picture, str]:
    """How many candidates survive per query, before a deeper search and after it."""
    steps = (Dense(name="dense", depth=40, encoder=Lsa()), PercPos())
    short, deeper = (world.mined(world.almanac(), s) for s in (steps, (*steps, Deepen(want=20))))
    before, after = (sorted(p.live_per_query()["live"].to_list())[:100] for p in (short, deeper))
    high = max(after)
    x, y = svg.Axis(1, 100, svg.LEFT + 6, svg.RIGHT), svg.Axis(0, high, svg.BASE, svg.TOP)
    picture = svg.Picture("deepen: survivors of the 100 queries with the fewest, before and after a deeper search")
    names = ("the 100 queries with the fewest, in order", "candidates that survive")
    picture.add(*svg.frame(x, y, names, (1, 25, 50, 75, 100), svg.ticks(0, high)))
    for counts, css in ((before, "d"), (after, "c")):
        picture.add(svg.path([(x(i), y(n)) for i, n in enumerate(counts, 1)], css))
    return picture, "of 40 candidates, less those that perc-pos drops; dashed: before, line: after; want=20"


def typed(name: str) -> tuple[svg.Picture, str]:
    """A typed negative with its edit, and its twin."""
    written = runpy.run_path(str(world.ROOT / "examples" / "typed.py"))
    query, passage, answer = next(row[1:] for row in written["WRITTEN"] if row[0] == name)
    item = Item(query, passage, answer, pool=written["POOL"])
    operator = next(cls for cls in CLASSES if cls.name == name)()
    made = operator(item)
    if not isinstance(made, Made):
        lacking = "; ".join(f"{what}: {how}" for what, how in operator.missing().items())
        told = [("", query), ("", passage), ("F", f"refused where this was drawn, because it needs {lacking}")]
        rows = [(css, "".join(w for _, w in row)) for css, words in told for row in wrap([("", words)], 50)]
        return svg.card(f"{name}: {query} {passage} Refused: needs {lacking}", rows), ""
    made = with_twin(made, item)
    return card(name, made, query, passage), ""


def card(name: str, made: Made, query: str, passage: str) -> svg.Picture:
    """A made text with its edits, or as a whole, and its twin."""
    fixed, changed = (query, passage) if made.side == "document" else (passage, query)
    told = ("query", "passage") if made.side == "document" else ("passage", "query")
    picture = svg.Picture(f"{name}: {changed} becomes {made.text}")
    y = 20.0
    new = "other words, still right" if made.kind == "twin" else f"{told[1]}, {'changed' if made.edits else 'written'}"
    blocks = [(told[0], [("", fixed)]), (new, _marked(changed, made.edits) or [("N", made.text)])]
    if made.twin:
        blocks.append(("twin, still right", [("", made.twin.text)]))
    for label, pieces in blocks:
        picture.add(svg.text(10, y, label, "p" if "right" in label else "k" if label == new else ""))
        y += 15
        for row in wrap(pieces, 43 if pieces[0][0] == "N" else 50):
            picture.add(svg.spans(10, y, row))
            y += 14
        y += 7
    picture.height = round(y) - 6
    return picture


def sides(pair: TwoSided) -> svg.Picture:
    """Two passages, the second with its edits, and the query that each of them answers."""
    picture = svg.Picture(f"{pair.operator}: {pair.query} {pair.passage} Turned round: {pair.counter} {pair.changed}")
    y = 20.0
    blocks = [
        ("query, and the passage that answers it", [("", pair.query)], [("", pair.passage)]),
        ("query that the changed passage answers", [("N", pair.counter)], _marked(pair.passage, pair.edits)),
    ]
    for label, query, passage in blocks:
        picture.add(svg.text(10, y, label, "p"))
        y += 15
        for pieces in (query, passage):
            for row in wrap(pieces, 43 if pieces[0][0] == "N" else 50):
                picture.add(svg.spans(10, y, row))
                y += 14
            y += 4
        y += 4
    picture.height = round(y) - 6
    return picture


def _marked(source: str, edits: tuple[Edit, ...]) -> list[tuple[str, str]]:
    """The text in pieces: plain, struck (old), bold (new)."""
    pieces, at = [], 0
    for edit in sorted(edits, key=lambda e: e.start):
        between = " " if edit.old.strip() and edit.new.strip() else ""
        pieces += [("", source[at : edit.start]), ("S", edit.old), ("", between), ("N", edit.new)]
        at = edit.end
    return [(css, words) for css, words in (*pieces, ("", source[at:])) if words] if edits else []


def wrap(pieces: list[tuple[str, str]], wide: int) -> list[list[tuple[str, str]]]:
    """Pieces broken into lines at blanks."""
    rows: list[list[tuple[str, str]]] = [[]]
    length = 0
    for css, words in pieces:
        for token in words.replace(" ", " \0").split("\0"):
            if length + len(token.rstrip()) > wide and rows[-1] and token.strip(".,;:?! "):
                rows.append([])
                length = 0
            if token:
                rows[-1].append((css, token))
                length += len(token)
    return rows


CONTROLS: dict[str, Callable[[], tuple[svg.Picture, str]]] = {"reuse-cap": reuse_cap, "deepen": deepen}
