"""Having a language model write: whom to ask about what, how many questions that may take, what becomes of answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any

from foils.engine import Local
from foils.errors import RecipeError
from foils.make.item import Item, Made, Refused, Twin
from foils.make.operators import Tally
from foils.make.rewritten import Paraphrase
from foils.make.verify import Corpus, Entailment, Judged, Nli, Reader, Reading, Rung, Structure, verify
from foils.make.writer import Author, Writer
from foils.models.questions import NOT_ASKED, Answer, Client, Estimate, total
from foils.protocols import Engine, Judge

Case = tuple[Item, Made]
Job = tuple[Item, Writer]
ROUND = 8
AGAINST = {"L2": "not a contradiction", "L3": "the reader finds the answer", "L4": "judged relevant"}


@dataclass(frozen=True)
class Helpers:
    """The models that write and check; whoever is null is not asked.

    Args:
        chat: writes.
        nli: L2, tells contradiction from entailment.
        reader: L3, reads answers off passages.
        judge: L4, says whether a document answers.
        engine: where they run and answers are kept.
        budget: texts to write and pairs to read or judge, in all. What is answered already counts, too: a killed call
            that goes on ends where it would have ended.
    """

    chat: Client | None = None
    nli: Entailment | None = None
    reader: Reader | None = None
    judge: Judge | None = None
    engine: Engine = field(default_factory=Local)
    budget: int = 200

    def check(self, writers: Sequence[Author]) -> None:
        """Whoever is needed must be there and ready; sends nothing.

        Raises:
            FoilsError: a model, an address, a key or a package is missing, or a number is wrong.
        """
        if self.budget < 0:
            raise RecipeError(f"budget={self.budget}: it cannot be negative")
        if writers and self.chat is None:
            raise RecipeError(
                f"{writers[0].name} is written by a language model, and none was given; "
                "give --llm MODEL and --base-url URL of an OpenAI-compatible endpoint"
            )
        if self.chat is not None and not writers:
            raise RecipeError("a model to write was given, but no kind that it writes; see foils methods make")
        for helper in (self.chat, self.reader, self.judge):
            if helper is not None and hasattr(helper, "check"):
                helper.check()

    @property
    def rungs(self) -> list[Rung]:
        """L2 to L4, as far as there are models."""
        found: list[Rung] = [] if self.nli is None else [Nli(self.nli)]
        return [*found, *self.late]

    @property
    def late(self) -> list[Rung]:
        """L3 and L4."""
        found: list[Rung] = [] if self.reader is None else [Reading(self.reader)]
        return found if self.judge is None else [*found, Judged(self.judge, self.engine)]

    @property
    def names(self) -> tuple[str, ...]:
        """Everyone by name and version, for the key of a run."""
        chat = "" if self.chat is None else f"{self.chat.model} {self.chat.version}"
        checkers = (self.nli, self.reader, self.judge)
        return (chat, *("" if h is None else h.name for h in checkers), str(self.budget))

    def facts(self) -> dict[str, str]:
        """What each of them took, under its part."""
        found: dict[str, str] = {}
        for part, helper in (("written by", self.chat), ("read by", self.reader), ("judged by", self.judge)):
            told: Any = getattr(helper, "facts", None)
            if told is not None:
                found |= {f"{part}: {k}": v for k, v in told().items() if k != "decoding"}
        return found


@dataclass
class Purse:
    """Questions that may still be asked."""

    left: int

    def take(self, questions: int) -> bool:
        """Pay for some, all of them or none."""
        if questions > self.left:
            return False
        self.left -= questions
        return True


def plan(items: Sequence[Item], writers: Sequence[Writer], tally: Tally, seed: int = 0) -> list[Job]:
    """Who is asked about what, in which order: every query once, then every query a second time, and so on.

    Args:
        items: a positive each.
        writers: kinds; those that need one question per query get its first positive.
        tally: counts what cannot be asked about.
        seed: of the order.
    """
    by_query: dict[int, list[Job]] = defaultdict(list)
    for item in items:
        first = not any(i is not item for i, _ in by_query[item.place[0]])
        for writer in writers:
            if isinstance(writer, Paraphrase) or (writer.once and not first):
                continue
            if (refused := writer.refuses(item)) is not None:
                tally.counts[writer.name, refused.reason] += 1
            else:
                by_query[item.place[0]].append((item, writer))
    ranked = []
    for jobs in by_query.values():
        jobs.sort(key=lambda j: (j[0].draw(f"write{seed} {j[1].name}", 2**62), j[0].place))
        start = jobs[0][0].draw(f"turn{seed}", 2**62) if jobs else 0
        ranked += [(turn, start, job) for turn, job in enumerate(jobs)]
    return [job for *_, job in sorted(ranked, key=lambda r: (r[0], r[1], r[2][0].place))]


def write(jobs: Sequence[Job], room: int, helpers: Helpers, purse: Purse, corpus: Corpus, tally: Tally) -> list[Case]:
    """Ask until there is no room left, nobody left to ask about, or nothing left in the purse.

    Args:
        jobs: whom to ask about what, in order.
        room: negatives at most.
        helpers: who writes and checks.
        purse: pays for each text to write and each pair to read or judge.
        corpus: level L1.
        tally: counts what was made and why nothing was.
    """
    kept: list[Case] = []
    waiting = list(jobs)
    while waiting and len(kept) < room:
        size = min(len(waiting), max(room - len(kept), ROUND))
        part, waiting = waiting[:size], waiting[size:]
        paid = list(takewhile(lambda j: purse.take(1 + j[1].yields * len(helpers.late)), part))
        for _, writer in part[len(paid) :]:
            tally.counts[writer.name, "not asked, the budget is spent"] += 1
        kept += climb(_proven(_answered(paid, helpers, tally), corpus, tally), helpers, tally)
    for _, made in kept[room:]:
        tally.counts[made.operator, "over the quota"] += 1
    return kept[:room]


def _answered(jobs: Sequence[Job], helpers: Helpers, tally: Tally) -> list[Case]:
    """What the model wrote, read and through the gate."""
    found: list[Case] = []
    for (item, writer), answer in zip(jobs, _ask(jobs, helpers), strict=True):
        result = writer.read(item, answer, helpers.chat.model if helpers.chat else "")
        if isinstance(result, Refused):
            tally.counts[writer.name, result.reason] += 1
        else:
            found += [(item, made) for made in result]
    return found


def _ask(jobs: Sequence[Job], helpers: Helpers) -> list[Answer]:
    if helpers.chat is None or not jobs:
        return []
    writers = {w.name: w for _, w in jobs}

    def usable(answer: Answer) -> bool:
        return any(w.usable(answer) for w in writers.values())

    return helpers.chat.ask([w.question(i) for i, w in jobs], helpers.engine, usable)


def _proven(cases: Sequence[Case], corpus: Corpus, tally: Tally) -> list[Case]:
    """L0 and L1."""
    kept = []
    for (item, _), made in zip(cases, verify(cases, (Structure(), corpus)), strict=True):
        failed = next((c for c in made.checks if c.passed is False), None)
        if failed is None:
            tally.counts[made.operator, "made"] += 1
            kept.append((item, made))
        else:
            tally.counts[made.operator, f"{failed.level}: {failed.found}"] += 1
    return kept


def climb(cases: Sequence[Case], helpers: Helpers, tally: Tally) -> list[Case]:
    """L2 to L4: nobody is asked about what has failed already; what fails is counted.

    Of what a rule made an abstention says nothing. What a model wrote rests on no proof: where there is a reader or a
    judge, one of them must have said that it does not answer.
    """
    left = list(cases)
    for rung in helpers.rungs:
        checked = verify(left, [rung]) if left else []
        left = _left(left, checked, tally)
    return [c for c in left if not helpers.late or _confirmed(c[1], tally)]


def _left(cases: Sequence[Case], checked: Sequence[Made], tally: Tally) -> list[Case]:
    kept = []
    for (item, _), made in zip(cases, checked, strict=True):
        last = made.checks[-1]
        unasked = last.passed is None and last.found.startswith(NOT_ASKED)
        if last.passed is False or unasked:
            why = AGAINST[last.level] if last.passed is False else "not asked, the money is spent"
            tally.counts[made.operator, f"{last.level}: {why}"] += 1
            tally.counts[made.operator, "made"] -= 1
        else:
            kept.append((item, made))
    return kept


def _confirmed(made: Made, tally: Tally) -> bool:
    if made.written is None or any(c.passed for c in made.checks if c.level in ("L3", "L4")):
        return True
    tally.counts[made.operator, "neither read nor judged for sure"] += 1
    tally.counts[made.operator, "made"] -= 1
    return False


def twins(cases: Sequence[Case], helpers: Helpers, purse: Purse, writers: Sequence[Writer], tally: Tally) -> list[Case]:
    """Hard positives of a model: written for document negatives that have none, and put to the reader and the judge.

    Args:
        cases: negatives that were taken.
        helpers: who writes and checks.
        purse: pays.
        writers: with a ``Paraphrase`` among them twins are written.
        tally: counts.
    """
    found = list(cases)
    for writer in writers:
        if isinstance(writer, Paraphrase):
            found = _paraphrased(found, writer, helpers, purse, tally)
    asked = [n for n, (_, m) in enumerate(found) if m.twin is not None and m.twin.written is not None]
    asked = [n for n in asked if purse.take(len(helpers.late))]
    for rung in helpers.late:
        checks = rung([(found[n][0], _as_negative(found[n][1])) for n in asked])
        for n, check in zip(asked, checks, strict=True):
            item, made = found[n]
            if made.twin is not None:
                # What speaks against a negative speaks for a positive.
                said = check._replace(passed=None if check.passed is None else not check.passed)
                found[n] = item, replace(made, twin=made.twin._replace(checks=(*made.twin.checks, said)))
    return found


def _as_negative(made: Made) -> Made:
    text = made.twin.text if made.twin is not None else made.text
    return replace(made, text=text, edits=(), written=None, twin=None)


def _paraphrased(cases: Sequence[Case], writer: Paraphrase, helpers: Helpers, purse: Purse, tally: Tally) -> list[Case]:
    lacking = [n for n, (i, m) in enumerate(cases) if m.side == "document" and not m.twin and not writer.refuses(i)]
    lacking = [n for n in lacking if purse.take(1)]
    answers = _ask([(cases[n][0], writer) for n in lacking], helpers)
    found = list(cases)
    for n, answer in zip(lacking, answers, strict=True):
        item, made = cases[n]
        result = writer.read(item, answer, helpers.chat.model if helpers.chat else "")
        if isinstance(result, Refused):
            tally.counts[writer.name, result.reason] += 1
        for written in () if isinstance(result, Refused) else result:
            tally.counts[writer.name, "made"] += 1
            found[n] = item, replace(made, twin=Twin(written.text, (), writer.name, written.written))
    return found


def estimate(jobs: Sequence[Job], cases: Sequence[Case], helpers: Helpers) -> dict[str, Estimate]:
    """What writing and checking would take at most, by part; sends nothing.

    What is not written yet is counted with the text of its positive.

    Args:
        jobs: what a model would be asked to write.
        cases: negatives made by rule that would be checked.
        helpers: who writes and checks.
    """
    purse = Purse(helpers.budget)
    asked = [j for j in jobs if purse.take(1 + j[1].yields * len(helpers.late))]
    known = [c for c in cases if purse.take(len(helpers.late))]
    texts = [*known, *((i, _stand_in(i, w)) for i, w in asked for _ in range(w.yields))]
    found: dict[str, Estimate] = {}
    if helpers.chat is not None:
        found["write"] = helpers.chat.estimate([w.question(i) for i, w in asked], helpers.engine)
    if helpers.reader is not None and hasattr(helpers.reader, "estimate"):
        found["read"] = helpers.reader.estimate([i.query for i, _ in texts], [m.text for _, m in texts])
    if helpers.judge is not None and hasattr(helpers.judge, "estimate") and texts:
        import numpy as np

        table, rows = Judged.table(texts), np.arange(len(texts), dtype=np.uint32)
        found["judge"] = helpers.judge.estimate(table, rows, helpers.engine)
    found["all"] = total(found.values(), at_most=True)
    return found


def _stand_in(item: Item, writer: Writer) -> Made:
    nothing = item.text.sentence(0)
    return Made(writer.name, writer.kind, "document", item.passage, (), nothing, None, {}, "")
