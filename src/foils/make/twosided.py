"""Two passages that differ in one thing, and a query for each: what each query prefers is wrong for the other."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from itertools import pairwise
from typing import Any, NamedTuple

from foils.errors import RecipeError
from foils.make import gate
from foils.make.asking import FORMS, Form, asked, stretch
from foils.make.beside import WHOLE
from foils.make.dates import LENGTHS, dates, may_become, years
from foils.make.dosupport import supported
from foils.make.edits import Edit, Span, apply
from foils.make.flip import exchange, tied
from foils.make.item import Check, Kind, Written
from foils.make.lexicon import mapping, words
from foils.make.negation import clause, insertion, removal
from foils.make.polarity import Quantifier, quantifiers
from foils.make.swaps import swaps
from foils.make.temporal import LATEST
from foils.make.values import AFTER_BOUND, BOUND, PERCENT
from foils.make.view import Text, Word
from foils.make.words import BE, opposites, stem

SHORT = {
    "is": "isn't", "are": "aren't", "was": "wasn't", "were": "weren't", "has": "hasn't", "have": "haven't",
    "had": "hadn't", "does": "doesn't", "do": "don't", "did": "didn't", "can": "can't", "will": "won't",
    "should": "shouldn't", "must": "mustn't",
}  # fmt: skip
LACKING = {"has": "lacks", "have": "lack", "had": "lacked", "lacks": "has", "lack": "have", "lacked": "had"}
NUMBER = re.compile(r"(?<![\w.,$£€%/:'’–−—-])(\d{1,3}(?:,\d{3})+|\d{1,4})(?![\w%/:-]|[.,]\d|\s?[–−—-]\s?\d|['’]s\b)")
AGAIN = 0.5
ADJECTIVAL = frozenset(
    ["a", "an", "the", "any", "some", "no", "very", "highly", "still", "remained", "became", "seems"]
)
KINDS: dict[str, Kind] = {
    "negate": "polarity",
    "affirm": "polarity",
    "lack": "polarity",
    "quantifier": "polarity",
    "antonym": "polarity",
    "affixal": "polarity",
    "order": "temporal",
    "number": "near-miss",
    "swap-attribute": "near-miss",
    "swap-object": "near-miss",
}
# Written by a language model (``foils.make.counter``), not by rule.
WRITTEN: dict[str, Kind] = {"asked": "polarity", "asked-swap": "near-miss"}


class Turn(NamedTuple):
    """One way of turning a sentence round.

    Args:
        operator: a name of ``KINDS``.
        edits: of the passage.
        same: edits that put the sentence as it is into other words, for its query; none: as it stands.
        turned: edits from the sentence as it is to the query of the changed one.
    """

    operator: str
    edits: tuple[Edit, ...]
    same: tuple[Edit, ...]
    turned: tuple[Edit, ...]


@dataclass(frozen=True)
class TwoSided:
    """Two queries and two passages: each query is answered by its own passage and not by the other.

    Args:
        operator: which change parts them, a name of ``KINDS`` or ``WRITTEN``.
        kind: of the change.
        query: asks for what the passage says.
        passage: as it was given.
        counter: asks for what the changed passage says.
        changed: the passage after the edits.
        edits: from the passage to the changed one.
        form: of both queries.
        source: id of the document that the passage is from; empty: not known.
        written: who wrote it; null: a rule made it.
        checks: what a reader or a judge said of each query with each passage.
    """

    operator: str
    kind: Kind
    query: str
    passage: str
    counter: str
    changed: str
    edits: tuple[Edit, ...]
    form: Form
    source: str = ""
    written: Written | None = None
    checks: tuple[Check, ...] = ()

    def record(self) -> dict[str, Any]:
        """Everything as plain values; ``restored`` reads it back."""
        who = Written("", "") if self.written is None else self.written
        plain = asdict(replace(self, written=None, checks=()))
        del plain["written"]
        return plain | {"model": who.model, "prompt": who.prompt, "checks": [c._asdict() for c in self.checks]}

    @staticmethod
    def restored(record: Mapping[str, Any]) -> TwoSided:
        """A pair from its record.

        Raises:
            KeyError, TypeError: something is missing, or of another form.
        """
        texts = {name: str(record[name]) for name in ("operator", "query", "passage", "counter", "changed")}
        model = record.get("model") or ""
        return TwoSided(
            **texts,
            kind=record["kind"],
            edits=tuple(Edit(**edit) for edit in record.get("edits", ())),
            form=record.get("form", "asked"),
            source=record.get("source") or "",
            written=Written(model, record.get("prompt") or "") if model else None,
            checks=tuple(Check(**check) for check in record.get("checks", ())),
        )


@dataclass(frozen=True)
class Counterparts:
    """Makes two-sided rows out of passages alone: no query is needed, and none is trusted.

    NevIR (Weller et al., EACL 2024) measures models on such pairs; counterfactually augmented data (Kaushik et al.,
    ICLR 2020) trains on them. Here a sentence of the passage is turned round by rule, and both queries are the sentence
    itself, before and after, as a claim, a question for its subject, or keywords. Since the query is what the passage
    says, the gate is short: the sentence is prose, holds no second negator, quotation or condition; no other sentence
    says half of it again; the opposite word stands nowhere else. Fails where the sentence means nothing out of its
    place, and where the tagger errs (swaps, negation with *do*). Published defaults: none, the rules are ours.

    Args:
        operators: names of ``KINDS``.
        per_passage: at most so many pairs a passage, of different sentences.
        forms: of the queries.
        seed: of all draws.

    Example:
        >>> made = Counterparts(("negate",), forms=("claim",)).make("The old valve is opened at dawn by hand.")
        >>> made[0].query, made[0].counter
        ('The old valve is opened at dawn by hand', "The old valve isn't opened at dawn by hand")
    """

    operators: tuple[str, ...] = tuple(KINDS)
    per_passage: int = 1
    forms: tuple[Form, ...] = FORMS
    seed: int = 0
    reasons: Counter[str] = field(default_factory=Counter, compare=False, repr=False)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.operators) - set(KINDS)) + sorted(set(self.forms) - set(FORMS))
        if written := sorted(set(self.operators) & set(WRITTEN)):
            raise RecipeError(f"{written[0]} is written by a language model: foils make --two-sided N --llm MODEL")
        if unknown or not self.operators or not self.forms or self.per_passage < 1:
            raise RecipeError(
                f"{', '.join(map(repr, unknown)) or 'nothing'} cannot be made; operators: {', '.join(KINDS)}; forms: "
                f"{', '.join(FORMS)}; per_passage at least 1"
            )

    def make(self, passage: str) -> list[TwoSided]:
        """The pairs of a passage; ``reasons`` counts why sentences gave none."""
        text = Text(passage)
        made: list[TwoSided] = []
        if not text.english:
            self.reasons["not English"] += 1
            return []
        for sentence in sorted(text.sentences, key=lambda s: self._lot(passage, f"sentence {s.start}", 2**40)):
            if len(made) >= self.per_passage:
                break
            problem = _unfit(text, sentence)
            if problem:
                self.reasons[problem] += 1
                continue
            found = self._of(text, sentence)
            if found is None:
                self.reasons["no site"] += 1
            else:
                made.append(found)
        return made

    def _of(self, text: Text, sentence: Span) -> TwoSided | None:
        """The first turn, in an order that is drawn, for which both queries have a form."""
        turns = [t for t in self._turns(text, sentence) if t.operator in self.operators]
        # One kind of change, then one of its sites: what has most sites must not crowd out the others.
        names = sorted({t.operator for t in turns}, key=lambda n: self._lot(text.raw, f"{n} {sentence.start}", 2**40))
        turns.sort(key=lambda t: (names.index(t.operator), self._lot(text.raw, repr(t.edits), 2**40)))
        for turn in turns:
            part = stretch(text, sentence, (*turn.edits, *turn.same, *turn.turned))
            if part is None or _overlap(turn):
                continue
            for form in sorted(self.forms, key=lambda f: self._lot(text.raw, f"{f} {turn.edits[0].start}", 2**40)):
                if form == "keywords" and turn.operator.startswith("swap"):
                    continue
                one, two = (asked(text, part, e, form) for e in (turn.same, turn.turned))
                changed = apply(text.raw, turn.edits)
                if one and two and one.lower() != two.lower() and changed != text.raw:
                    kind = KINDS[turn.operator]
                    return TwoSided(turn.operator, kind, one, text.raw, two, changed, turn.edits, form)
        return None

    def _turns(self, text: Text, sentence: Span) -> Iterator[Turn]:
        yield from self._negations(text, sentence)
        yield from _opposites(text, sentence)
        yield from _numbers(text, sentence, self._lot(text.raw, f"number {sentence.start}", 997))
        if {"swap-attribute", "swap-object"} & set(self.operators) and _tagger():
            for swap in swaps(text, sentence):
                yield Turn(swap.operator, swap.edits, swap.same, swap.turned)

    def _negations(self, text: Text, sentence: Span) -> Iterator[Turn]:
        if not clause(text, sentence, sentence.end).span:
            return
        site = insertion(text, sentence)
        if not isinstance(site, str):
            ways = _denials(site)
            one, two = (ways[self._lot(text.raw, f"{w} {site.start}", len(ways))] for w in ("passage", "query"))
            yield Turn("negate", (one,), (), (two,))
        elif site == "no auxiliary" and _tagger():
            edit = supported(text, sentence, "negate")
            if edit is not None:
                yield Turn("negate", (edit,), (), (_contracted(edit),))
        out = removal(text, sentence)
        if not isinstance(out, str):
            yield Turn("affirm", tuple(out), (), tuple(out))
        for number in range(text.index(sentence.start), text.index(sentence.end) - 1):
            word, following = text.words[number], text.words[number + 1]
            if word.low in LACKING and following.low in ("a", "an", "the") and word.text.islower():
                edits = (Edit(*word.span, word.text, LACKING[word.low], "lack"),)
                yield Turn("lack", edits, (), edits)

    def _lot(self, passage: str, salt: str, size: int) -> int:
        raw = f"{self.seed}\x00{salt}\x00{passage}".encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "little") % size


def _tagger() -> bool:
    """Whether the packages of ``foils[make]`` are there."""
    return all(find_spec(name) is not None for name in ("lemminflect", "textblob"))


def _unfit(text: Text, sentence: Span) -> str | None:
    """Why a sentence proves nothing once it is turned round."""
    inside = text.within(sentence)
    if problem := text.why_not_prose(sentence):
        return problem
    if not 6 <= len(inside) <= 40:
        return "too short or too long"
    if inside[0].low in words("turning", "elsewhere") or inside[0].low in words("polarity", "clause"):
        return "points elsewhere"
    if {w.low for w in inside} & words("polarity", "conditional"):
        return "conditional"
    raw = text.raw[sentence.start : sentence.end]
    if set(raw) & set('"“”()[]') or "``" in raw:
        return "quoted or in brackets"
    mine = text.stems(sentence)
    others = (s for s in text.sentences if s != sentence)
    if any(text.held(s, mine) >= AGAIN * max(1, len(mine)) for s in others):
        return "said elsewhere"
    return None


def _denials(site: Word) -> list[Edit]:
    """Ways of denying behind an auxiliary."""
    plain = Edit(site.end, site.end, "", "not" if site.low == "can" else " not", "negate")
    short = Edit(site.start, site.end, site.text, SHORT[site.low], "negate")
    never, longer = (Edit(site.end, site.end, "", w, "negate") for w in (" never", " no longer"))
    if site.low in ("does", "do", "did", "should", "must", "will"):
        return [plain, short]
    return [plain, short, never, longer] if site.low in ("is", "are") else [plain, short, never]


def _contracted(edit: Edit) -> Edit:
    new = edit.new
    for aux in ("does", "did", "do"):
        new = new.replace(f"{aux} not ", f"{SHORT[aux]} ") if new.startswith(f"{aux} not ") else new
    return Edit(edit.start, edit.end, edit.old, new, edit.rule)


def _opposites(text: Text, sentence: Span) -> Iterator[Turn]:
    """Words with an opposite that stands nowhere else in the passage."""
    negated = gate.negated(text, sentence)
    for number in range(text.index(sentence.start), text.index(sentence.end)):
        word = text.words[number]
        for operator, new in _exchanges(word.low):
            against = {stem(w) for w in new.lower().split()}
            there = sum(stem(w.low) == stem(word.low) for w in text.words) > 1
            if there or tied(text, number) or (negated and operator != "quantifier") or _held(text, against):
                continue
            if (operator == "affixal" and _verb(text, number)) or (new == "no" and Quantifier().fits(text, number)):
                continue
            edits = tuple(exchange(text, number, new, operator))
            yield Turn(operator, edits, (), edits)


def _verb(text: Text, number: int) -> bool:
    """*The linesman decided that ...*: there is no verb *to undecide*, only something that is undecided."""
    before = text.words[number - 1].low if number else ""
    return text.words[number].low.endswith("ed") and before not in BE | ADJECTIVAL


def _held(text: Text, stems: set[str]) -> bool:
    return any(stem(w.low) in stems for w in text.words)


def _exchanges(word: str) -> Iterator[tuple[str, str]]:
    for name, operator in (("affixal", "affixal"), ("antonyms", "antonym")):
        if (found := opposites(name).get(word)) is not None:
            yield operator, found.word
    if word in quantifiers():
        yield "quantifier", quantifiers()[word]
    if word in mapping("temporal") and " " not in mapping("temporal")[word]:
        yield "order", mapping("temporal")[word]


def _numbers(text: Text, sentence: Span, lot: int) -> Iterator[Turn]:
    """A number that stands once: a year becomes another one nearby, any other a larger or smaller one."""
    for match in NUMBER.finditer(text.raw, sentence.start, sentence.end):
        span, old, value = Span(*match.span()), match[1], int(match[1].replace(",", ""))
        before = text.words[text.index(span.start) - 1].low if text.index(span.start) else ""
        if text.raw.count(old) > 1 or before in words("turning", "bound") or value < 2 or _bounded(text, span):
            continue
        year = any(y.span == span for y in years(text))
        # "World Cup 1998 hosts": whether a year or a count is meant cannot be told.
        if not year and 1800 <= value <= LATEST and "," not in old:
            continue
        shift = 1 + lot % 9 if year else max(1, round(value * (0.2 + (lot % 7) / 10)))
        both = (value - shift, value + shift) if lot % 2 and value > shift else (value + shift, value - shift)
        for new in both:
            told = f"{new:,}" if "," in old else str(new)
            if told not in text.raw and len(told) == len(old) and _possible(text, span, value, new, year):
                edits = (Edit(*span, old, told, "number"),)
                yield Turn("number", edits, (), edits)
                break


def _bounded(text: Text, span: Span) -> bool:
    """Another number would not contradict it: *500 or more*, *since 1990*, *between 1880 and 1890*."""
    if any(y.span == span and y.link for y in years(text)):
        return True
    before = BOUND.search(text.raw, max(0, span.start - 24), span.start)
    return before is not None or AFTER_BOUND.match(text.raw[span.end : span.end + 24]) is not None


def _possible(text: Text, span: Span, old: int, new: int, year: bool) -> bool:
    """The month has such a day, the year is not to come, no more than all are counted."""
    known = dates(text)
    if year:
        return new <= max(LATEST, old) and may_become(known, old, new)
    if any(d.span.holds(span) and not 1 <= new <= LENGTHS[d.number] for d in known):
        return False
    return new <= WHOLE or PERCENT.match(text.raw, span.end) is None


def _overlap(turn: Turn) -> bool:
    """Two edits of one side touch the same characters."""
    for side in (turn.edits, turn.same, turn.turned):
        ordered = sorted(side)
        if any(b.start < a.end or a.span == b.span for a, b in pairwise(ordered)):
            return True
    return False


def both_ways(passages: Sequence[str], maker: Counterparts) -> list[TwoSided]:
    """The pairs of many passages, each text and each query once.

    Args:
        passages: texts.
        maker: with its operators.
    """
    seen: set[str] = set()
    found = []
    for passage in passages:
        for pair in maker.make(passage):
            keys = {pair.query.lower(), pair.counter.lower(), pair.passage, pair.changed}
            if not keys & seen:
                seen |= keys
                found.append(pair)
    return found
