"""What operators take and give: an item, what was made of it, or the reason why nothing was."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from importlib.util import find_spec
from typing import Any, ClassVar, Literal, NamedTuple

from foils.make.dates import Date, Year, dates, years
from foils.make.edits import Edit, Span
from foils.make.pool import Entity, Pool, entities
from foils.make.values import Quantity, quantities
from foils.make.view import LONGEST, Text

Kind = Literal[
    "polarity", "near-miss", "temporal", "false premise", "deletion", "generated", "graded", "degraded", "twin"
]
Side = Literal["document", "query"]
ANY = frozenset({"any"})
ENGLISH = frozenset({"en"})
NAMED = re.compile(r"[A-Z][a-z]+ (?:[A-Z]\. )?[A-Z][a-z]")
UNLOCKS = {
    "lemminflect": "pip install 'foils[make]'",
    "textblob": "pip install 'foils[make]'",
    "spacy": "pip install spacy and an English pipeline with a parser, for instance en_core_web_sm",
    "wn": "pip install wn and an English lexicon for it, for instance python -m wn download oewn:2024",
    "corpus": "a collection to look for other values in",
    "endpoint": "--llm MODEL --base-url URL, a chat model behind an OpenAI-compatible endpoint",
    "httpx": "pip install 'foils[llm]'",
}


@dataclass(frozen=True, eq=False)
class Item:
    """A query, a passage that answers it, and what else is known.

    Args:
        query: the question or claim.
        passage: a known positive of it.
        answer: the words of the passage that answer, if known.
        positives: the texts of the query's other known positives.
        language: a code such as ``en``; empty: English is recognised, any other language is not told apart.
        pool: what the rest of the corpus holds: other entities, other periods.
        place: the caller's own numbers of query and passage.
    """

    query: str
    passage: str
    answer: str | None = None
    positives: tuple[str, ...] = ()
    language: str = ""
    pool: Pool | None = None
    place: tuple[int, int] = (0, 0)

    @cached_property
    def question(self) -> Text:
        """The query, read."""
        return Text(self.query)

    @cached_property
    def text(self) -> Text:
        """The passage, read."""
        return Text(self.passage)

    @cached_property
    def spoken(self) -> str:
        """The language: the one given, or ``en`` if the passage reads like English, else ``unknown``."""
        return self.language.lower().split("-")[0] or ("en" if self.text.english else "unknown")

    @cached_property
    def shares(self) -> tuple[tuple[Span, float], ...]:
        """Each sentence of the passage with the share of the query's content stems that it holds."""
        asked = self.question.content
        count = max(1, len(asked))
        return tuple((s, self.text.held(s, asked) / count) for s in self.text.sentences)

    @cached_property
    def names(self) -> tuple[Entity, ...]:
        """The names of the passage whose type is written on them."""
        return tuple(entities(self.text)) if NAMED.search(self.passage) else ()

    @cached_property
    def answers(self) -> tuple[Span, ...]:
        """Where the answer stands in the passage, at word boundaries, case ignored."""
        wanted = (self.answer or "").strip().lower()
        found: list[Span] = []
        place = self.text.low.find(wanted) if wanted else -1
        while place >= 0:
            end = place + len(wanted)
            around = self.passage[max(0, place - 1) : place], self.passage[end : end + 1]
            if not any(c.isalnum() for c in around):
                found.append(Span(place, end))
            place = self.text.low.find(wanted, place + 1)
        return tuple(found)

    @cached_property
    def numbers(self) -> tuple[Quantity, ...]:
        """The numbers of the passage."""
        return quantities(self.text)

    @cached_property
    def asked_numbers(self) -> tuple[Quantity, ...]:
        """The numbers of the query."""
        return quantities(self.question)

    @cached_property
    def years(self) -> tuple[Year, ...]:
        """The years of the passage."""
        return years(self.text)

    @cached_property
    def asked_years(self) -> tuple[Year, ...]:
        """The years of the query."""
        return years(self.question)

    @cached_property
    def dates(self) -> tuple[Date, ...]:
        """The months of the passage."""
        return dates(self.text)

    @cached_property
    def asked_dates(self) -> tuple[Date, ...]:
        """The months of the query."""
        return dates(self.question)

    def draw(self, salt: str, size: int) -> int:
        """A number below ``size`` that depends on the texts and the salt only."""
        raw = "\x00".join((self.query, self.passage, salt)).encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "little") % max(1, size)


class Check(NamedTuple):
    """One step of verification: its level (L0 to L4), whether it passed, by whom, and what was found.

    ``passed`` is null where the step could not tell.
    """

    level: str
    passed: bool | None
    by: str
    found: str = ""


class Written(NamedTuple):
    """A language model wrote it: which one, by which prompt (a fingerprint), and the level of relevance it aimed at.

    ``level`` is 3 (answers) to 0 (nothing to do with it); null where none was asked for.
    """

    model: str
    prompt: str
    level: int | None = None


class Twin(NamedTuple):
    """The hard positive: the same kind of change at the surface, the meaning kept.

    ``written`` says who wrote it, null for a rule; ``checks`` what models said of what was written.
    """

    text: str
    edits: tuple[Edit, ...]
    rule: str
    written: Written | None = None
    checks: tuple[Check, ...] = ()

    @property
    def sure(self) -> bool:
        """A rule keeps the meaning by construction; what a model wrote needs one that says so, and none against."""
        said = {c.passed for c in self.checks}
        return self.written is None or (True in said and False not in said)

    def record(self) -> dict[str, Any]:
        """Everything as plain values."""
        plain = {"text": self.text, "edits": [asdict(e) for e in self.edits], "rule": self.rule}
        if self.written is None:
            return plain
        return plain | self.written._asdict() | {"checks": [c._asdict() for c in self.checks]}


class Refused(NamedTuple):
    """Nothing was made, and why."""

    reason: str
    found: str = ""


@dataclass(frozen=True)
class Made:
    """A typed negative with its record.

    Args:
        operator: which one made it.
        kind: the type of the negative.
        side: what was changed: the ``document`` (a new negative for the query) or the ``query`` (for which the
            passage is the negative).
        text: the changed text.
        edits: from the original to the text; none for a text mined from the corpus.
        evidence: in the original passage: the sentence on which the answer rests.
        answer: in the original passage: where the answer stands, if it was given.
        gate: which conditions were looked at, and what let the edit through.
        why: the reason why it is wrong, in words.
        checks: the ladder of verification, as far as it was climbed.
        safety: measured share of this operator's negatives that are right; null: not measured.
        twin: the hard positive.
        written: who wrote it; null: a rule made it.
    """

    operator: str
    kind: Kind
    side: Side
    text: str
    edits: tuple[Edit, ...]
    evidence: Span
    answer: Span | None
    gate: dict[str, str]
    why: str
    checks: tuple[Check, ...] = ()
    safety: float | None = None
    twin: Twin | None = None
    written: Written | None = None

    @property
    def whole(self) -> bool:
        """A new text from beginning to end, no edit of a known one."""
        return self.written is not None and not self.edits

    def with_check(self, check: Check) -> Made:
        """The same with one more step of verification."""
        return replace(self, checks=(*self.checks, check))

    def record(self) -> dict[str, Any]:
        """Everything as plain values, for JSON and tables."""
        plain = asdict(replace(self, twin=None, written=None, checks=()))
        plain["checks"] = [c._asdict() for c in self.checks]
        plain["twin"] = None if self.twin is None else self.twin.record()
        del plain["written"]
        if self.written is None:
            return plain
        return plain | self.written._asdict() | {"change": "whole text" if self.whole else "edits"}


@dataclass(frozen=True)
class Operator(ABC):
    """One way of making a typed negative. Implement ``make``; it may rely on the language and on some text.

    Args:
        seed: draws other new values.
    """

    name: ClassVar[str]
    kind: ClassVar[Kind]
    side: ClassVar[Side] = "document"
    languages: ClassVar[frozenset[str]] = ENGLISH
    needs: ClassVar[frozenset[str]] = frozenset()
    seed: int = 0

    def missing(self) -> dict[str, str]:
        """What this machine lacks, and what would unlock the operator; a corpus is asked of the item, not here."""
        return {n: UNLOCKS[n] for n in sorted(self.needs - {"corpus"}) if find_spec(n) is None}

    def __call__(self, item: Item) -> Made | Refused:
        """Make a negative of an item, or say why not; never raises on odd texts."""
        if not item.query.strip() or not item.passage.strip():
            return Refused("empty text")
        if len(item.passage) > LONGEST:
            return Refused("too long", f"{len(item.passage):,} characters, at most {LONGEST:,}")
        if not self.languages & {"any", item.spoken}:
            return Refused("language", item.spoken)
        if "corpus" in self.needs and item.pool is None:
            return Refused("no corpus", UNLOCKS["corpus"])
        if self.needs and (lacking := self.missing()):
            return Refused("not installed", ", ".join(lacking))
        return self.make(item)

    @abstractmethod
    def make(self, item: Item) -> Made | Refused:
        """The operator itself."""

    def made(self, item: Item, text: str, edits: Sequence[Edit], found: Found) -> Made:
        """Fill in the record."""
        return Made(
            self.name,
            self.kind,
            self.side,
            text,
            tuple(sorted(edits)),
            found.evidence,
            found.answer,
            found.gate,
            found.why,
        )


class Found(NamedTuple):
    """What the gate let through, and why."""

    evidence: Span
    answer: Span | None
    gate: dict[str, str]
    why: str = ""


@dataclass(frozen=True)
class Reasons:
    """Why candidates were refused, to find out which reason a refusal of all should state."""

    met: list[Refused] = field(default_factory=list)

    def add(self, reason: str, found: str = "") -> None:
        """Note why one candidate was refused."""
        self.met.append(Refused(reason, found))

    def result(self, default: str = "no site") -> Refused:
        """The last reason noted; that nothing was aligned only if nothing more can be said."""
        telling = [r for r in self.met if r.reason != "not aligned"]
        return (telling or self.met or [Refused(default)])[-1]
