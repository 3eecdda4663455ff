"""Two-sided pairs that a language model writes: a passage turned round or two things exchanged, and a question each."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, ClassVar

from foils.make import wording
from foils.make.edits import Edit, apply
from foils.make.item import Item, Kind, Refused, Written
from foils.make.lexicon import words
from foils.make.twosided import TwoSided
from foils.make.verify import folded
from foils.make.view import LONGEST, WORD, Text
from foils.make.writer import REFUSAL, TASK, Author, Unfit, edits_of, numbers, prose
from foils.models.questions import Question

MOST = 4  # edits
CHANGED = 0.5  # of the words of a passage that edits may replace
RUN = 5  # words in a row that a question may take from a passage
FEWEST, MANIEST = 3, 25  # words of a question
SHORTEST, LARGEST = 5, 30  # words of a sentence
GROUNDED = 0.5
ALIKE = 0.7
USUAL = 140  # tokens of a reply
ABOUT = re.compile(r"\b(?:(?:the|this|that) (?:passage|text|paragraph|excerpt)|as (?:stated|described) above)\b", re.I)


@dataclass(frozen=True)
class PairAuthor(Author):
    """One way of having a model write a two-sided pair about one passage. Implement ``template`` and ``draft``."""

    side: ClassVar[str] = "both"

    def refuses(self, item: Item) -> Refused | None:
        """Why nobody is asked about a passage; null: it can be asked about."""
        if not item.passage.strip():
            return Refused("empty text")
        if len(item.passage) > min(LONGEST, self.characters):
            return Refused("too long", f"{len(item.passage):,} characters")
        return None

    def parts(self, item: Item) -> list[tuple[str, str]]:
        """The passage, and nothing else: no query is needed."""
        return [("passage", item.passage)]

    def question(self, item: Item) -> Question:
        """What the model is asked."""
        return Question(wording.messages(self.parts(item), self.ask(item)), 400 + 2 * USUAL, USUAL, self.prompt)

    def read(self, item: Item, answer: Any, model: str) -> TwoSided | Refused:
        """The pair in an answer, or why there is none."""
        try:
            return self.draft(item, self.reply(answer), Written(model, self.prompt))
        except Unfit as error:
            return Refused(error.reason, error.found)

    @abstractmethod
    def draft(self, item: Item, reply: Mapping[str, Any], by: Written) -> TwoSided:
        """The pair in a reply.

        Raises:
            Unfit: it does not pass the gate.
        """

    def pair(self, item: Item, texts: tuple[str, str, str, str], edits: tuple[Edit, ...], by: Written) -> TwoSided:
        """Fill in the record; the texts are query, passage, counter, changed."""
        return TwoSided(self.name, self.kind, *texts, edits, "asked", written=by)


@dataclass(frozen=True)
class AskedCounterpart(PairAuthor):
    """Has a model turn one thing in a passage round by a negation, and ask one question for each side in other words.

    NevIR (Weller et al., EACL 2024) measures models on such pairs; counterfactually augmented data (Kaushik et al.,
    ICLR 2020) has people write them. The prompt is ours; for every passage it asks for one of five ways of turning it
    round, drawn by a hash, so that not all are turned round alike. Checked here: the edits, that the text has
    changed and is prose, and that neither question repeats the passage. Fails where a question is answered by both
    passages or by neither: give a judge or a reader.
    """

    name: ClassVar[str] = "asked"
    kind: ClassVar[Kind] = "polarity"
    keys: ClassVar[tuple[str, ...]] = ("edits", "q1", "q2")

    @property
    def template(self) -> str:
        """The words of the prompt."""
        return "\n".join((wording.COUNTER, *wording.WAYS, *wording.ASKING))

    def ask(self, item: Item) -> str:
        """The instruction, with a way of turning round and a way of asking."""
        way = wording.WAYS[item.draw("way", len(wording.WAYS))]
        form = wording.ASKING[item.draw("asking", len(wording.ASKING))]
        return wording.COUNTER.replace("{way}", way).replace("{form}", form)

    def draft(self, item: Item, reply: Mapping[str, Any], by: Written) -> TwoSided:
        """The passage, the changed one, and a question for each."""
        if reply["edits"] == []:
            raise Unfit("nothing to turn round")
        edits = edits_of(reply["edits"], item, self.name)
        changed = apply(item.passage, edits)
        # A model quotes more than it changes.
        replaced = sum(max(len(WORD.findall(e.old)), len(WORD.findall(e.new))) for e in _between(item.passage, changed))
        if len(edits) > MOST or replaced > CHANGED * max(20, len(item.text.words)):
            raise Unfit("changes too much", f"{len(edits)} edits, {replaced} words")
        if folded(changed) == folded(item.passage):
            raise Unfit("nothing has changed")
        told = prose(changed, item, "the changed passage")
        if told.split() != changed.split():
            raise Unfit("speaks of the task", told[:60])
        one, two = (_question(reply[key], item, (item.passage, changed)) for key in ("q1", "q2"))
        if folded(one) == folded(two):
            raise Unfit("equal questions", one)
        return self.pair(item, (one, item.passage, two, changed), edits, by)


@dataclass(frozen=True)
class AskedSwap(PairAuthor):
    """Has a model say a thing of a passage in one sentence, exchange two parties or properties, and reword both.

    PAWS (Zhang et al., NAACL 2019) and SugarCrepe++ (Dumpala et al., NeurIPS 2024) hold such pairs: the same words,
    another meaning. The documents are the two sentences, the queries their rewordings. The prompt is ours. Checked
    here: the sentence is in the passage's words, the second one in those of the first, no two are equal, numbers stay.
    Fails where the relation holds both ways (*met*) or where a rewording fits both: give a judge.
    """

    name: ClassVar[str] = "asked-swap"
    kind: ClassVar[Kind] = "near-miss"
    keys: ClassVar[tuple[str, ...]] = ("a", "b", "a2", "b2")

    @property
    def template(self) -> str:
        """The words of the prompt."""
        return "\n".join((wording.EXCHANGE, *wording.REWORDING))

    def ask(self, item: Item) -> str:
        """The instruction, with a way of rewording."""
        return wording.EXCHANGE.replace("{form}", wording.REWORDING[item.draw("form", len(wording.REWORDING))])

    def draft(self, item: Item, reply: Mapping[str, Any], by: Written) -> TwoSided:
        """The sentence, the exchanged one, and a rewording of each."""
        if not any(reply.values()):
            raise Unfit("nothing to exchange")
        a, b, a2, b2 = (_line(reply[key], item) for key in self.keys)
        for text in (a, b):
            if not SHORTEST <= len(WORD.findall(text)) <= LARGEST:
                raise Unfit("too short or too long", text[:80])
        for text in (a2, b2):
            if not FEWEST <= len(WORD.findall(text)) <= LARGEST:
                raise Unfit("too short or too long", text[:80])
        if len({folded(t) for t in (a, b, a2, b2)}) < 4:
            raise Unfit("two lines are equal")
        ours, theirs = Text(a).stemmed, Text(b).stemmed
        if len(ours & theirs) < ALIKE * max(len(ours), len(theirs)):
            raise Unfit("more than an exchange", b[:80])
        if len(Text(a).content & item.text.stemmed) < GROUNDED * len(Text(a).content):
            raise Unfit("not from the passage", a[:80])
        if any(numbers(x) - numbers(y) for x, y in ((a2, a), (b2, b))):
            raise Unfit("a new number")
        return self.pair(item, (a2, a, b2, b), _between(a, b, self.name), by)


AUTHORS: tuple[type[PairAuthor], ...] = (AskedCounterpart, AskedSwap)


def _line(value: object, item: Item) -> str:
    """A text of a model on one line.

    Raises:
        Unfit: no text, a refusal, talk about the task, or another language.
    """
    if not isinstance(value, str):
        raise Unfit("unreadable answer", f"a text is a {type(value).__name__}")
    text = " ".join(value.split())
    if not text:
        raise Unfit("empty answer")
    if REFUSAL.match(text):
        raise Unfit("the model refused", text[:80])
    low = item.passage.lower()
    if found := next((m[0] for p in (TASK, ABOUT) for m in p.finditer(text) if m[0].lower() not in low), ""):
        raise Unfit("speaks of the task", found)
    if item.spoken == "en" and _foreign(text):
        raise Unfit("language", text[:80])
    return text


def _foreign(text: str) -> bool:
    """Not English for sure; a few words as somebody types them into a search box may lack every function word."""
    found = WORD.findall(text.lower())
    known, other = (len(words("function", name).intersection(found)) for name in ("english", "foreign"))
    return sum(map(str.isascii, found)) < 0.7 * len(found) or other > max(1, known)


def _question(value: object, item: Item, passages: tuple[str, str]) -> str:
    """A question in words of its own.

    Raises:
        Unfit: it is none, or copies a passage.
    """
    text = _line(value, item)
    if not FEWEST <= len(WORD.findall(text)) <= MANIEST:
        raise Unfit("question too short or too long", text[:80])
    if longest := max((copies(text, p) for p in passages), key=len):
        raise Unfit("question copies the passage", longest)
    return text


def copies(question: str, passage: str, most: int = RUN) -> str:
    """The first run of more than so many words that stands in a passage, too; empty: there is none.

    Example:
        >>> copies("Who saw the old mill burn down?", "We saw the old mill burn down in May.", 5)
        'saw the old mill burn down'
    """
    asked, said = folded(question).split(), f" {folded(passage)} "
    runs = (" ".join(asked[n : n + most + 1]) for n in range(len(asked) - most))
    return next((r for r in runs if f" {r} " in said), "")


def _between(before: str, after: str, rule: str = "") -> tuple[Edit, ...]:
    """The edits from one text to another, word by word."""
    one, two = (re.findall(r"\w+|\s+|[^\w\s]", t) for t in (before, after))
    starts = [0]
    for token in one:
        starts.append(starts[-1] + len(token))
    found = []
    for tag, i, j, m, n in SequenceMatcher(None, one, two, autojunk=False).get_opcodes():
        if tag != "equal":
            found.append(Edit(starts[i], starts[j], "".join(one[i:j]), "".join(two[m:n]), rule))
    return tuple(found)
