"""Making: typed negatives for the queries of a run, from their own positives, into the run folder."""

from __future__ import annotations

import hashlib
import resource
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl

import foils
from foils import counterparts, recipe_file, report
from foils import made as marked
from foils.errors import DataError, RecipeError
from foils.files import write_bytes
from foils.folder import MANIFEST, Folder, read_json
from foils.ledger import Entry as Line
from foils.ledger import Ledger
from foils.made import Entry
from foils.make.artefacts import LEAST, balanced, blind, guard
from foils.make.item import Item, Made, Operator
from foils.make.operators import CLASSES, WRITERS, Tally, make, operators
from foils.make.pool import Pool
from foils.make.twosided import WRITTEN
from foils.make.verify import Corpus, Entailment
from foils.make.write import Helpers, Job, Purse, climb, estimate, plan, twins, write
from foils.make.writer import Writer
from foils.models.questions import Estimate
from foils.offers import corpus_of, fresh, items_of, without
from foils.pairs import Pairs
from foils.run import VERDICTS, Run

STEP = "make"
Sides = Literal["document", "query", "both"]
Case = tuple[Item, Made]


@dataclass(frozen=True)
class Wish:
    """What is to be made.

    Args:
        kinds: kinds or names of operators; none: all that are on.
        side: change the documents, the queries, or both.
        quota: made negatives as a share of all negatives.
        safety: the least measured safety; null: the operators that are on by default.
        twins: put the hard positives in as positives, too.
        language: of the texts; empty: English is recognised.
        seed: of all draws.
    """

    kinds: tuple[str, ...] = ()
    side: Sides = "document"
    quota: float = 0.15
    safety: float | None = None
    twins: bool = False
    language: str = ""
    seed: int = 0

    def __repr__(self) -> str:
        """The options that differ from the defaults."""
        told = (f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if getattr(self, f.name) != f.default)
        return f"{STEP}({', '.join(told)})"

    def operators(self) -> tuple[Operator, ...]:
        """The operators that are asked for, on, and runnable on this machine.

        Raises:
            RecipeError: an option is wrong, or no operator is left.
        """
        if not 0 < self.quota < 1:
            raise RecipeError(f"quota={self.quota:g} is no share of the negatives; needs more than 0 and less than 1")
        both: tuple[type[Operator] | type[Writer], ...] = (*CLASSES, *WRITERS)
        known = {c.name for c in both} | {c.kind for c in both}
        if sides := sorted(set(self.kinds) & set(WRITTEN)):
            raise RecipeError(f"{sides[0]} gives two-sided pairs, which lie beside the run; add --two-sided N")
        if unknown := sorted(set(self.kinds) - known):
            raise RecipeError(f"no kind and no operator is called {unknown[0]!r}; known: {', '.join(sorted(known))}")
        if self.side not in ("document", "query", "both"):
            raise RecipeError(f"side={self.side!r}; one of document, query, both")
        rules = set(self.kinds) & ({c.name for c in CLASSES} | {c.kind for c in CLASSES})
        if self.writers() and not rules:
            return ()
        able = operators(self.safety, seed=self.seed)
        wanted = [o for o in able if not self.kinds or {o.name, o.kind} & rules]
        sided = [o for o in wanted if self.side == "both" or o.side == self.side]
        lacking = {n: how for o in sided for n, how in o.missing().items()}
        if ready := tuple(o for o in sided if not o.missing()):
            return ready
        hint = "; ".join(f"{n}: {how}" for n, how in lacking.items()) or "see foils methods make, or lower the safety"
        raise RecipeError(
            f"no operator is left for {', '.join(self.kinds) or 'these options'} on side {self.side}: {hint}"
        )

    def writers(self) -> tuple[Writer, ...]:
        """The kinds of a language model that are named, by themselves or by a kind that no rule makes.

        Raises:
            RecipeError: they do not go with the other options.
        """
        ruled = {c.kind for c in CLASSES}
        named = tuple(c() for c in WRITERS if {c.name, *({c.kind} - ruled)} & set(self.kinds))
        if not named:
            return ()
        if self.side == "query":
            raise RecipeError(f"{named[0].name} makes documents; leave side=query out, or say both")
        if self.safety:
            raise RecipeError(
                f"safety={self.safety:g}: nobody has read what {named[0].name} makes; leave the safety out for it"
            )
        if {c.kind for c in named} == {"twin"} and set(self.kinds) <= {"paraphrase", "twin"}:
            raise RecipeError("paraphrase gives twins to negatives of other kinds; name one of them, too")
        return named


@dataclass(frozen=True)
class Making:
    """What was made.

    Args:
        run: with the made negatives in it.
        made: operator to negatives that passed every check.
        taken: operator to negatives that are in the run, within the quota.
        reasons: operator to the reasons why nothing was made, with counts.
        items: positives that were looked at.
        artefact: AUC of a classifier that never sees the query; null: too few to tell.
        words: what gives made negatives away, with z-statistics.
        again: the same had been made before, nothing was done.
        whole: AUC of such a classifier on whole texts that a model wrote; null: too few to tell.
    """

    run: Run
    made: dict[str, int]
    taken: dict[str, int]
    reasons: dict[str, dict[str, int]]
    items: int
    artefact: float | None = None
    words: tuple[str, ...] = ()
    again: bool = False
    whole: float | None = None


def make_into(
    run: Run,
    wish: Wish | None = None,
    *,
    nli: Entailment | None = None,
    helpers: Helpers | None = None,
    out: str | Path | None = None,
) -> Making:
    """Make typed negatives for the queries of a run and put them into it.

    What an earlier call made is replaced. Every negative has passed the gate and the ladder of ``docs/typed.md`` as
    far as models were given; it enters the run as a document marked ``made`` with its kind, is passed over by rules on
    scores, and its record stands in ``made.jsonl``. Fails where the known positives do not answer: a negative made of
    a wrong positive proves nothing.

    Args:
        run: a finished run.
        wish: what to make; null: the defaults.
        nli: an entailment model for level L2; null: that of the helpers, if any.
        helpers: the models that write and check, levels L2 to L4; null: levels L0 and L1 only.
        out: another run folder; null: the run's own, or memory for a run without one.

    Raises:
        RecipeError: an option is wrong, or no operator is left.
        DataError: ``out`` holds something else.
        JudgeError: a model cannot be asked.
    """
    wish, helpers = wish or Wish(), helpers or Helpers()
    helpers = replace(helpers, nli=nli) if nli is not None else helpers
    chosen, writers = wish.operators(), wish.writers()
    helpers.check(writers)
    bare = marked.strip(run.pairs)
    key = _key(bare, wish, helpers)
    target = Path(out) if out is not None else run.folder
    if (done := _there(run, target, key, chosen)) is not None:
        return done
    start = time.monotonic()
    offer = _offer(bare, wish, chosen, writers)
    taken = _taken(bare, offer, wish, helpers)
    pairs, entries = _put(bare, taken, wish)
    pairs = marked.heed(pairs, run.verdicts)
    made = dict(sorted(Counter(m.operator for _, m in taken).items()))
    making = Making(run, offer.tally.made(), made, offer.tally.reasons(), len(offer.items), *_blind(taken))
    making = replace(making, whole=_whole(taken, wish.twins))
    if any("not asked, the money" in why for found in making.reasons.values() for why in found):
        key += " not all asked"
    ledger = _told(run.ledger, pairs, wish, key, making, time.monotonic() - start, helpers)
    return replace(making, run=_store(replace(run, pairs=pairs, ledger=ledger), target, key, bare, entries))


def planned(run: Run, wish: Wish, helpers: Helpers) -> dict[str, Estimate]:
    """What ``make_into`` would ask models at most: calls, tokens and cost for writing, reading, judging, and in all.

    Sends nothing. Texts that are not written yet count with the length of their positive; fewer are asked for where
    the quota is filled before.
    """
    chosen, writers = wish.operators(), wish.writers()
    helpers.check(writers)
    bare = marked.strip(run.pairs)
    offer = _offer(bare, wish, chosen, writers)
    room = _room(bare, wish)
    return estimate(offer.jobs if room else (), turns(offer.cases, wish.seed)[:room], helpers)


class _Offer(NamedTuple):
    """What there is to choose from: items, what rules made of them, and what a model may be asked to write."""

    items: list[Item]
    cases: list[Case]
    jobs: list[Job]
    writers: tuple[Writer, ...]
    tally: Tally


def _offer(bare: Pairs, wish: Wish, chosen: Sequence[Operator], writers: tuple[Writer, ...]) -> _Offer:
    items = items_of(bare, wish.language)
    pool = Pool.build(bare.collection.passages.to_list()) if any("corpus" in o.needs for o in chosen) else None
    cases, tally = make([replace(i, pool=pool) for i in items], chosen, corpus_of(bare)) if chosen else ([], Tally())
    cases = fresh(bare, cases, tally)
    even = balanced(cases)
    for _, cut in without(cases, even):
        tally.counts[cut.operator, "one-sided"] += 1
    return _Offer(items, even, plan(items, writers, tally, wish.seed), writers, tally)


def _room(bare: Pairs, wish: Wish) -> int:
    """How many made negatives the quota leaves room for."""
    return int(wish.quota / (1 - wish.quota) * bare.frame.filter(bare.live).height)


def _taken(bare: Pairs, offer: _Offer, wish: Wish, helpers: Helpers) -> list[Case]:
    """What goes into the run: a model and rules share the room half and half, what one leaves the other takes."""
    room, purse = _room(bare, wish), Purse(helpers.budget)
    corpus = corpus_of(bare) if offer.jobs else Corpus()
    ours = room if not offer.cases else room // 2
    written = write(offer.jobs, ours, helpers, purse, corpus, offer.tally)
    drawn = _draw(offer.cases, room - len(written), helpers, purse, offer.tally, wish.seed)
    return twins([*written, *drawn], helpers, purse, offer.writers, offer.tally)


def _key(bare: Pairs, wish: Wish, helpers: Helpers) -> str:
    """What the result depends on: version, options, models, prompts, texts, and which negatives were selected."""
    names = "\n".join((*helpers.names, *(w.prompt for w in wish.writers())))
    digest = hashlib.sha256(f"{foils.__version__}\n{wish!r}\n{names}\n".encode())
    digest.update(bare.collection.fingerprint.encode())
    for column in ("query", "doc"):
        digest.update(bare.frame.filter(bare.live)[column].to_numpy().tobytes())
    return digest.hexdigest()


def _there(run: Run, target: Path | None, key: str, chosen: Sequence[Operator]) -> Making | None:
    """The same, made before and complete."""
    if target is None or not (target / MANIFEST).is_file():
        return None
    found = run if target == run.folder else Run.open(target)
    last = next((e for e in reversed(found.ledger.entries) if e.step == STEP), None)
    if last is None or last.facts.get("key") != key:
        if target != run.folder:
            raise DataError(f"{target} holds another run; name another folder with -o")
        return None
    taken = Counter(r["operator"] for r in marked.read(target))
    return Making(found, {}, dict(sorted(taken.items())), {}, 0, again=True)


def _draw(cases: Sequence[Case], room: int, helpers: Helpers, purse: Purse, tally: Tally, seed: int) -> list[Case]:
    """As many as there is room for: every query in turn, the rarer operator first."""
    order = turns(cases, seed)
    kept: list[Case] = []
    while order and len(kept) < room:
        part, order = order[: room - len(kept)], order[room - len(kept) :]
        paid = [c for c in part if purse.take(len(helpers.late))]
        for _, cut in part[len(paid) :]:
            tally.counts[cut.operator, "not asked, the budget is spent"] += 1
        kept += climb(paid, helpers, tally)
    return kept


def turns(cases: Sequence[Case], seed: int = 0) -> list[Case]:
    """The order of choice: one negative per query, then the second of every query, and so on.

    Within a query the operator that made fewest comes first; queries stand in the order of a hash.
    """
    counts = Counter(m.operator for _, m in cases)
    by_query: dict[int, list[Case]] = defaultdict(list)
    for case in cases:
        by_query[case[0].place[0]].append(case)
    ranked = []
    for group in by_query.values():
        group.sort(key=lambda c: (counts[c[1].operator], c[0].place, c[1].operator))
        start = group[0][0].draw(f"turn{seed}", 2**62)
        ranked += [(round_, start, case) for round_, case in enumerate(group)]
    return [case for *_, case in sorted(ranked, key=lambda r: (r[0], r[1], r[2][0].place))]


def _put(bare: Pairs, taken: Sequence[Case], wish: Wish) -> tuple[Pairs, list[Entry]]:
    places: Counter[int] = Counter()
    entries = []
    for item, found in sorted(taken, key=lambda c: (c[0].place, c[1].operator)):
        query, doc = item.place
        places[query] += 1
        title, text = _split(bare.collection.corpus, item, found)
        entries.append(Entry(query, doc, found, title, text, places[query]))
    return marked.add(bare, entries, twins=wish.twins), entries


def _split(corpus: pl.DataFrame, item: Item, found: Made) -> tuple[str | None, str]:
    """Title and text of a made document; the line end between them may be gone with a deletion."""
    if found.side == "query" or "title" not in corpus.columns or not corpus["title"][item.place[1]]:
        return None, found.text
    line = item.passage.find("\n")
    cut = not found.edits and "\n" not in found.text
    if cut or any(e.start <= line < e.end for e in found.edits):
        return None, found.text
    title, _, text = found.text.partition("\n")
    return title, text


def _blind(taken: Sequence[Case]) -> tuple[float | None, tuple[str, ...]]:
    edited = [(i, m) for i, m in taken if m.edits and m.kind != "deletion"]
    if len({i.passage for i, _ in edited}) < 5 * LEAST:
        return None, ()
    found = guard(edited)
    return found.auc, tuple(f"{g.words} {g.z:+.1f}" for g in found.words[:10])


def _whole(taken: Sequence[Case], twins: bool) -> float | None:
    """The same classifier on whole texts of a model against the positives that they stand beside."""
    written = [(i, m) for i, m in taken if m.whole]
    if len({i.passage for i, _ in written}) < 5 * LEAST:
        return None
    beside = [(i.passage, i.passage) for i, _ in written]
    if twins:
        beside += [(m.twin.text, i.passage) for i, m in written if m.twin is not None and m.twin.sure]
    groups = [i.passage for i, _ in written] + [g for _, g in beside]
    numbers = {g: n for n, g in enumerate(dict.fromkeys(groups))}
    return blind([m.text for _, m in written], [t for t, _ in beside], [numbers[g] for g in groups])


def _told(
    ledger: Ledger, pairs: Pairs, wish: Wish, key: str, making: Making, seconds: float, helpers: Helpers
) -> Ledger:
    """The ledger with one more line, which takes the place of an earlier one."""
    why: Counter[str] = Counter()
    for found in making.reasons.values():
        why.update(found)
    facts = {
        "key": key,
        "made and in the run": ", ".join(f"{n:,} {o}" for o, n in making.taken.items()) or "nothing",
        "nothing made": ", ".join(f"{n:,} {r}" for r, n in why.most_common(8)) or "never",
        "artefact AUC": "too few to tell" if making.artefact is None else f"{making.artefact:.3f}",
        "give-away words (z)": ", ".join(making.words) or "none",
    } | helpers.facts()
    if making.whole is not None:
        facts["artefact AUC of whole texts"] = f"{making.whole:.3f}"
    scale = 2**20 if sys.platform == "darwin" else 2**10
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale, 1)
    live = pairs.counts().get("selected", 0)
    line = Line(STEP, repr(wish), pairs.frame.height, live, {}, round(seconds, 3), peak, facts)
    kept = tuple(e for e in ledger.entries if e.step != STEP)
    return replace(ledger, entries=(*kept, line))


def _store(run: Run, target: Path | None, key: str, bare: Pairs, entries: Sequence[Entry]) -> Run:
    """Write the run; the records first, since they do no harm without it."""
    if target is None:
        return replace(run, folder=None)
    text = recipe_file.dumps(run.recipe)
    own = target == run.folder
    folder = Folder(target, str(read_json(target / MANIFEST)["key"]) if own else key)
    if not own:
        folder.open()
        for name in (VERDICTS, counterparts.FILE, counterparts.FACTS):
            if run.folder is not None and (run.folder / name).is_file():
                write_bytes(target / name, (run.folder / name).read_bytes())
    marked.write(target, bare.collection, entries)
    title, records = run.pairs.collection.name or "foils", marked.read(target)
    page = report.render(run.pairs, title=title, recipe=text, ledger=run.ledger, made=records)
    (folder.replace if own else folder.finish)(run.pairs, text, run.ledger, page)
    return replace(run, folder=target)
