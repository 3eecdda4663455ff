"""Pairing: two-sided pairs from the passages of a run, by rule or by a language model, stored beside its table."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import polars as pl

import foils
from foils import counterparts
from foils import made as marked
from foils.errors import RecipeError
from foils.files import write_text
from foils.folder import read_json
from foils.make.counter import AUTHORS, PairAuthor
from foils.make.crossed import cases, crossed, stand_in
from foils.make.item import Item, Refused
from foils.make.operators import Tally
from foils.make.twosided import KINDS, WRITTEN, Counterparts, TwoSided
from foils.make.verify import Judged, folded
from foils.make.view import WORD, Text
from foils.make.write import ROUND, Case, Helpers, Purse
from foils.models.questions import Answer, Estimate, total
from foils.pairs import Pairs
from foils.run import Run

LONGEST = 8000  # characters of a document that are looked at
PASSAGES = "passages"
SPENT = "not asked, the budget is spent"
Job = tuple[Item, PairAuthor | Counterparts]


@dataclass(frozen=True)
class Sides:
    """How many two-sided pairs are wanted, and of which kind.

    Args:
        number: of pairs.
        kinds: operators of ``foils.make.twosided.KINDS`` (by rule) or names of ``WRITTEN`` (by a language model); none:
            every rule.
        least: words of a passage.
        most: words of a passage; of a longer document a stretch of whole sentences is taken.
        language: of the texts; empty: English is recognised.
        seed: of all draws.
    """

    number: int
    kinds: tuple[str, ...] = ()
    least: int = 15
    most: int = 130
    language: str = ""
    seed: int = 0

    def makers(self) -> tuple[PairAuthor, ...] | tuple[Counterparts]:
        """Those who make them: the kinds of a model, or the rules.

        Raises:
            RecipeError: an option is wrong.
        """
        if self.number < 1 or not 1 <= self.least <= self.most:
            raise RecipeError(
                f"{self.number} pairs from passages of {self.least} to {self.most} words cannot be made; give at least "
                "1 pair, and a least number of words that is at most the other"
            )
        if unknown := sorted(set(self.kinds) - {*KINDS, *WRITTEN}):
            raise RecipeError(
                f"no two-sided pair is called {unknown[0]!r}; by rule: {', '.join(KINDS)}; by --llm: "
                f"{', '.join(WRITTEN)}"
            )
        written = [author() for author in AUTHORS if author.name in self.kinds]
        if written and len(written) < len(set(self.kinds)):
            raise RecipeError(f"{', '.join(self.kinds)}: name kinds of a model or of rules, not both in one call")
        return tuple(written) or (Counterparts(self.kinds or tuple(KINDS), seed=self.seed),)

    @property
    def authors(self) -> tuple[PairAuthor, ...]:
        """The kinds of a model."""
        return tuple(m for m in self.makers() if isinstance(m, PairAuthor))


@dataclass(frozen=True)
class Paired:
    """What was made.

    Args:
        pairs: two-sided pairs, in the order in which they were made.
        made: operator to pairs.
        reasons: operator, or ``passages``, to the reasons why there is no pair, with counts.
        passages: that were looked at.
        again: the same had been made before, nothing was done.
    """

    pairs: tuple[TwoSided, ...]
    made: dict[str, int]
    reasons: dict[str, dict[str, int]]
    passages: int
    again: bool = False


def pair_into(run: Run, sides: Sides, helpers: Helpers | None = None) -> Paired:
    """Make two-sided pairs from the passages of a run and keep them in its folder as ``both.jsonl``.

    The documents of known positives come first, then the others, in an order that a hash draws. Table, report and
    exports of the run stay as they are; ``foils.train.fit.train`` takes the pairs in. The same call again does nothing,
    another one replaces them; a call that was killed goes on from the answers that are kept. With a reader or a judge a
    pair is kept only if they say that each query is answered by its own passage and not by the other. Fails where the
    documents are short, or no prose.

    Args:
        run: a finished run; one without a folder gets its pairs back and nothing is stored.
        sides: how many, of which kind.
        helpers: who writes, reads and judges; null: nobody.

    Raises:
        RecipeError: an option is wrong, or a model that writes is missing.
        JudgeError: a model cannot be asked.
    """
    helpers = helpers or Helpers()
    helpers.check(sides.authors)
    bare = marked.strip(run.pairs)
    key = _key(bare, sides, helpers)
    if run.folder is not None and (done := _there(run.folder, key)) is not None:
        return done
    source = _Source(bare, sides)
    pairs = tuple(_made(source, helpers))
    if any("calls beyond the budget" in fact for fact in helpers.facts()):
        # With more money the same call goes on.
        key += " not all asked"
    found = Paired(pairs, dict(sorted(Counter(p.operator for p in pairs).items())), source.why(), source.tried)
    if run.folder is not None:
        _store(run.folder, key, sides, helpers, found)
    return found


def planned_pairs(run: Run, sides: Sides, helpers: Helpers) -> dict[str, Estimate]:
    """What ``pair_into`` would ask models at most: calls, tokens and cost for writing, reading, judging, and in all.

    Sends nothing. What is not written yet counts with the length of its passage.
    """
    helpers.check(sides.authors)
    source, purse = _Source(marked.strip(run.pairs), sides), Purse(helpers.budget)
    found: dict[str, Estimate] = {}
    texts: list[Case] = []
    if helpers.chat is not None:
        jobs = takewhile(lambda _: purse.take(1 + 4 * len(helpers.late)), source.jobs())
        asked = [(i, m) for i, m in jobs if isinstance(m, PairAuthor)]
        found["write"] = helpers.chat.estimate([m.question(i) for i, m in asked], helpers.engine)
        # Four different texts of about the length of a question: the same one would be asked once.
        texts = [stand_in(f"{n} {i.passage[:60]}", i.passage) for i, _ in asked for n in range(4)]
    elif helpers.late:
        part = list(islice(source.jobs(), sides.number))
        texts = [case for p in _drafts(part, helpers, purse, source) for case in cases(p)]
    if helpers.reader is not None and hasattr(helpers.reader, "estimate"):
        found["read"] = helpers.reader.estimate([i.query for i, _ in texts], [m.text for _, m in texts])
    if helpers.judge is not None and hasattr(helpers.judge, "estimate") and texts:
        rows = pl.int_range(len(texts), dtype=pl.UInt32, eager=True).to_numpy()
        found["judge"] = helpers.judge.estimate(Judged.table(texts), rows, helpers.engine)
    found["all"] = total(found.values(), at_most=True)
    return found


@dataclass
class _Source:
    """Where passages come from, and what became of them."""

    bare: Pairs
    sides: Sides
    tally: Tally = field(default_factory=Tally)
    tried: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    seen: set[str] = field(default_factory=set)

    def why(self) -> dict[str, dict[str, int]]:
        """Why there is no pair, passages first."""
        found = self.tally.reasons()
        return {"rules": dict(self.rules.most_common())} | found if self.rules else found

    @cached_property
    def known(self) -> set[str]:
        """The documents of the run: what was made of one must be none of the others."""
        return {" ".join(t.split()) for t in self.bare.collection.passages.to_list()}

    def jobs(self) -> Iterator[Job]:
        """Each passage with one maker, drawn by a hash; then, of several makers, with the next one."""
        makers, seen = self.sides.makers(), []
        for item in self.items():
            seen.append((item, item.draw(f"maker{self.sides.seed}", len(makers))))
            yield item, makers[seen[-1][1]]
        for turn in range(1, len(makers)):
            for item, first in seen:
                yield item, makers[(first + turn) % len(makers)]

    def items(self) -> Iterator[Item]:
        """A passage of each document, those of known positives first."""
        texts: set[str] = set()
        corpus = self.bare.collection.corpus
        for doc in self._order():
            self.tried += 1
            found = window(corpus["text"][doc], self.sides.least, self.sides.most, self.sides.seed)
            if isinstance(found, Refused):
                self.tally.counts[PASSAGES, found.reason] += 1
            elif found in texts:
                self.tally.counts[PASSAGES, "the same text again"] += 1
            else:
                texts.add(found)
                title = " ".join(((corpus["title"][doc] if "title" in corpus.columns else "") or "").split())
                passage = f"{title}\n{found}" if title else found
                yield Item("", passage, language=self.sides.language, place=(0, doc))

    def _order(self) -> list[int]:
        first = set(self.bare.frame.filter("positive")["doc"].to_list())
        ids = self.bare.collection.corpus["id"].to_list()
        return sorted(range(len(ids)), key=lambda d: (d not in first, _lot(f"{self.sides.seed} {ids[d]}"), d))

    def new(self, pair: TwoSided) -> bool:
        """Whether nothing of a pair has been made before, and the changed passage is no document."""
        keys = {folded(pair.query), folded(pair.counter), pair.passage, pair.changed}
        reason = "said before" if keys & self.seen else ""
        if " ".join(pair.changed.split()) in self.known:
            reason = "the changed passage is in the collection"
        if reason:
            self.tally.counts[pair.operator, reason] += 1
            return False
        self.seen |= keys
        return True


def window(raw: str, least: int, most: int, seed: int = 0) -> str | Refused:
    """A stretch of whole sentences of a text, on one line: all of it if that fits, else one drawn by a hash.

    Args:
        raw: a document.
        least: words.
        most: words.
        seed: of the draw.
    """
    text = Text(" ".join(raw[:LONGEST].split()))
    if len(text.words) < least:
        return Refused(f"shorter than {least} words")
    sizes = [len(WORD.findall(text.raw[s.start : s.end])) for s in text.sentences]
    fits = [
        (i, j)
        for i in range(len(sizes))
        for j in range(i + 1, len(sizes) + 1)
        if least <= sum(sizes[i:j]) <= most and (len(raw) <= LONGEST or j < len(sizes))
    ]
    if not fits:
        return Refused(f"no whole sentences of {least} to {most} words")
    i, j = (0, len(sizes)) if (0, len(sizes)) in fits else fits[_lot(f"{seed} {text.raw}") % len(fits)]
    part = text.sentences[i:j]
    if any(text.why_not_prose(s) == "not prose" for s in part) or all(text.why_not_prose(s) for s in part):
        return Refused("not prose")
    return text.raw[part[0].start : part[-1].end]


def _lot(told: str) -> int:
    return int.from_bytes(hashlib.blake2b(told.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _made(source: _Source, helpers: Helpers) -> list[TwoSided]:
    """Ask, or try rules, until there are enough pairs, no passage is left, or nothing in the purse."""
    kept: list[TwoSided] = []
    jobs, purse = source.jobs(), Purse(helpers.budget)
    while (room := source.sides.number - len(kept)) > 0 and (part := list(islice(jobs, max(room, ROUND)))):
        kept += crossed(_drafts(part, helpers, purse, source), helpers, source.tally)
        if any(reason == SPENT for _, reason in source.tally.counts):
            break
    for pair in kept[source.sides.number :]:
        source.tally.counts[pair.operator, "more than were asked for"] += 1
    return kept[: source.sides.number]


def _drafts(part: Sequence[Job], helpers: Helpers, purse: Purse, source: _Source) -> list[TwoSided]:
    """A round of pairs that pass their gates, before anybody has checked them."""
    written = [(i, m) for i, m in part if isinstance(m, PairAuthor)]
    found = _written(written, helpers, purse, source)
    ruled = [(i, m) for i, m in part if isinstance(m, Counterparts)]
    for item, maker in ruled:
        for pair in maker.make(item.passage):
            pair = _of(pair, item, source)
            if source.new(pair):
                if not purse.take(4 * len(helpers.late)):
                    source.tally.counts[pair.operator, SPENT] += 1
                    break
                found.append(pair)
        source.rules.update(maker.reasons)
        maker.reasons.clear()
    return found


def _written(
    jobs: Sequence[tuple[Item, PairAuthor]], helpers: Helpers, purse: Purse, source: _Source
) -> list[TwoSided]:
    """What the model wrote of passages, read and through the gate."""
    fit = []
    for item, author in jobs:
        if (refused := author.refuses(item)) is not None:
            source.tally.counts[author.name, refused.reason] += 1
        else:
            fit.append((item, author))
    paid = list(takewhile(lambda _: purse.take(1 + 4 * len(helpers.late)), fit))
    for _, author in fit[len(paid) :]:
        source.tally.counts[author.name, SPENT] += 1
    if helpers.chat is None or not paid:
        return []
    authors = {a.name: a for _, a in paid}

    def usable(answer: Answer) -> bool:
        return any(a.usable(answer) for a in authors.values())

    found = []
    answers = helpers.chat.ask([a.question(i) for i, a in paid], helpers.engine, usable)
    for (item, author), answer in zip(paid, answers, strict=True):
        result = author.read(item, answer, helpers.chat.model)
        if isinstance(result, Refused):
            source.tally.counts[author.name, result.reason] += 1
        elif source.new(pair := _of(result, item, source)):
            found.append(pair)
    return found


def _of(pair: TwoSided, item: Item, source: _Source) -> TwoSided:
    return replace(pair, source=str(source.bare.collection.corpus["id"][item.place[1]]))


def _key(bare: Pairs, sides: Sides, helpers: Helpers) -> str:
    """What the result depends on: version, options, models, prompts, texts, and which documents are positives."""
    names = "\n".join((*helpers.names, *(a.prompt for a in sides.authors)))
    digest = hashlib.sha256(f"{foils.__version__}\n{sides!r}\n{names}\n".encode())
    digest.update(bare.collection.fingerprint.encode())
    digest.update(bare.frame.filter("positive")["doc"].unique().sort().to_numpy().tobytes())
    return digest.hexdigest()


def _there(folder: Path, key: str) -> Paired | None:
    """The same, made before and complete; a file that somebody has mended since stays as it is."""
    if not (folder / counterparts.FACTS).is_file() or not (folder / counterparts.FILE).is_file():
        return None
    facts: dict[str, Any] = read_json(folder / counterparts.FACTS)
    if facts.get("key") != key:
        return None
    pairs = tuple(counterparts.read(folder))
    made = dict(sorted(Counter(p.operator for p in pairs).items()))
    return Paired(pairs, made, facts["reasons"], facts["passages"], again=True)


def _store(folder: Path, key: str, sides: Sides, helpers: Helpers, found: Paired) -> None:
    """Write the pairs, then what they were made from: without that, or with another, they are made again."""
    (folder / counterparts.FACTS).unlink(missing_ok=True)
    counterparts.write(folder, found.pairs)
    facts = {
        "key": key,
        "call": repr(sides),
        "made": found.made,
        "reasons": found.reasons,
        "passages": found.passages,
        "models": helpers.facts(),
    }
    write_text(folder / counterparts.FACTS, json.dumps(facts, ensure_ascii=False, indent=1) + "\n")
