"""What the kinds that a language model writes share: the contract, and the gate that every text of a model passes."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from typing import Any, ClassVar

from foils.errors import RecipeError
from foils.judges.cases import cut
from foils.judges.replies import Unreadable, read_object
from foils.make import gate, wording
from foils.make.edits import Edit, Span, apply
from foils.make.item import ANY, UNLOCKS, Found, Item, Kind, Made, Refused, Side, Twin, Written
from foils.make.lexicon import words
from foils.make.verify import copied, folded
from foils.make.view import LONGEST, Text, stands
from foils.models.questions import NOT_ASKED, Answer, Question, count_tokens

SHORTEST = 20
LONGEST_TITLE = 120
MOST_EDITS = 12
COPIED = 0.5
NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
CAPITAL = re.compile(r"(?<![.!?:]\s)(?<!^)(?<![\w'’])[A-ZÀ-Þ][\w-]+")
REFUSAL = re.compile(
    r"\W*(?:i['’]?m (?:sorry|unable|not able)|i am (?:sorry|unable|not able)|sorry\b|i can(?:not|['’]?t)\b|"
    r"as an? (?:ai|language model)|i apologi[sz]e|unfortunately, i\b)",
    re.IGNORECASE,
)
TASK = re.compile(
    r"<<\s*(?:BEGIN|END)\b|```|\b(?:hard negative|relevance level|(?:the|this|your) query|quoted material|"
    r"(?:this|the) passage (?:does|is|was|should|answers|mentions))\b",
    re.IGNORECASE,
)


class Unfit(Exception):
    """What a model wrote does not pass the gate."""

    def __init__(self, reason: str, found: str = "") -> None:
        super().__init__(reason)
        self.reason, self.found = reason, found


@dataclass(frozen=True)
class Author(ABC):
    """What a language model is asked to write: the words of the prompt, the quoted texts, the form of the reply.

    Args:
        characters: of a passage at most; what is beyond is not shown.
    """

    name: ClassVar[str]
    kind: ClassVar[Kind]
    keys: ClassVar[tuple[str, ...]]
    languages: ClassVar[frozenset[str]] = ANY
    needs: ClassVar[frozenset[str]] = frozenset({"endpoint", "httpx"})
    yields: ClassVar[int] = 1
    characters: int = 8000

    def missing(self) -> dict[str, str]:
        """What would unlock it: an endpoint, which is given with each call, and a package."""
        return {n: UNLOCKS[n] for n in sorted(self.needs) if n == "endpoint" or find_spec(n) is None}

    @property
    def prompt(self) -> str:
        """Name and fingerprint of the prompt."""
        return wording.fingerprint(self.name, self.template)

    @property
    @abstractmethod
    def template(self) -> str:
        """The words of the prompt."""

    def question(self, item: Item) -> Question:
        """What the model is asked."""
        parts, size = self.parts(item), count_tokens([item.passage])
        usual = 60 + (size * self.yields * 2)
        return Question(wording.messages(parts, self.ask(item)), 400 + 2 * usual, usual, self.prompt)

    def parts(self, item: Item) -> list[tuple[str, str]]:
        """The quoted texts: query and passage."""
        return [("query", item.query), ("passage", cut(item.passage, self.characters))]

    def ask(self, item: Item) -> str:
        """The instruction; it holds no text of the collection."""
        return self.template

    def reply(self, answer: Answer) -> Mapping[str, Any]:
        """The object of an answer.

        Raises:
            Unfit: there is none.
        """
        if answer.trouble:
            raise Unfit(_trouble(answer), answer.trouble)
        try:
            return read_object(answer.text or "", self.keys)
        except Unreadable as error:
            raise Unfit("unreadable answer", str(error)) from None

    def usable(self, answer: Answer) -> bool:
        """Whether the answer has the form that was asked for, whatever it says."""
        try:
            self.reply(answer)
        except Unfit:
            return False
        return True


@dataclass(frozen=True)
class Writer(Author):
    """One way of having a model write a typed negative. Implement ``template`` and ``draft``."""

    side: ClassVar[Side] = "document"
    once: ClassVar[bool] = False

    def refuses(self, item: Item) -> Refused | None:
        """Why nobody is asked about an item; null: it can be asked about."""
        if not item.query.strip() or not item.passage.strip():
            return Refused("empty text")
        if len(item.passage) > min(LONGEST, self.characters):
            return Refused("too long", f"{len(item.passage):,} characters, at most {self.characters:,}")
        return None

    def read(self, item: Item, answer: Answer, model: str) -> tuple[Made, ...] | Refused:
        """What was made of an answer, or why nothing was; an answer that cannot be read gives nothing."""
        try:
            return self.draft(item, self.reply(answer), Written(model, self.prompt))
        except Unfit as error:
            return Refused(error.reason, error.found)

    @abstractmethod
    def draft(self, item: Item, reply: Mapping[str, Any], by: Written) -> tuple[Made, ...]:
        """The negatives in a reply.

        Raises:
            Unfit: it does not pass the gate.
        """

    def made(self, text: str, edits: tuple[Edit, ...], found: Found, by: Written, twin: Twin | None) -> Made:
        """Fill in the record."""
        where = (found.evidence, found.answer, found.gate, found.why)
        return Made(self.name, self.kind, self.side, text, edits, *where, twin=twin, written=by)


def _trouble(answer: Answer) -> str:
    if answer.finish == "length":
        return "answer cut off"
    if answer.finish == NOT_ASKED:
        return "not asked, the money is spent"
    return "no text from the model" if answer.arrived else "no answer from the endpoint"


def shaped(template: str, item: Item, wanted: int) -> str:
    """A prompt with the length, as wanted or that of the positive in tens of words, and a title if that has one."""
    if wanted < 0:
        raise RecipeError(f"words={wanted} is no length; give a number from 1, or 0 for that of the positive")
    number = wanted or max(20, round(len(item.text.words) / 10) * 10)
    title = " The first line of a passage is its title, a few words." if titled(item) else ""
    return template.replace("{words}", str(number)).replace("{title}", title)


def known_answer(item: Item) -> Span | None:
    """Where the known answer stands in the sentence that holds most of the query."""
    return max(item.answers, key=lambda a: gate.share(item, a.start), default=None)


def answers(item: Item, text: str) -> bool:
    """The known answer stands in a text, at word boundaries if there are any; a number also in another notation."""
    wanted = " ".join((item.answer or "").lower().split())
    if not wanted:
        return False
    if stands(wanted, " ".join(text.lower().split())):
        return True
    return bool(NUMBER.fullmatch(wanted)) and wanted.replace(",", "") in numbers(text)


def numbers(text: str) -> set[str]:
    """The numbers in digits, without the commas of thousands."""
    return {n.replace(",", "") for n in NUMBER.findall(text)}


def titled(item: Item) -> bool:
    """The positive begins with a title on a line of its own, so what is written should, too."""
    title, _, text = item.passage.strip().partition("\n")
    return bool(text) and len(title) <= LONGEST_TITLE


def prose(value: object, item: Item, name: str = "passage") -> str:
    """A text of a model, on one line, or two where the positive has a title, if it can pass for one of the collection.

    Raises:
        Unfit: no text, a refusal, talk about the task, another language, far too long or short, or the query itself.
    """
    if not isinstance(value, str):
        raise Unfit("unreadable answer", f"{name} is a {type(value).__name__}")
    lines = [" ".join(line.split()) for line in value.splitlines() if line.strip()]
    text = f"{lines[0]}\n{' '.join(lines[1:])}" if titled(item) and len(lines) > 1 else " ".join(lines)
    if len(text) < SHORTEST:
        raise Unfit("empty answer" if not text else "too short", text)
    if REFUSAL.match(text) and not REFUSAL.match(item.passage):
        raise Unfit("the model refused", text[:80])
    own = f"{item.query} {item.passage}".lower()
    # A collection may well be about queries.
    if found := next((m[0] for m in TASK.finditer(text) if m[0].lower() not in own), ""):
        raise Unfit("speaks of the task", found)
    if item.spoken == "en" and not Text(text).english:
        raise Unfit("language", text[:80])
    if not len(item.passage) / 3 - 100 <= len(text) <= 3 * len(item.passage) + 200:
        raise Unfit("length", f"{len(text):,} characters, the positive has {len(item.passage):,}")
    if folded(text) == folded(item.query):
        raise Unfit("repeats the query")
    return text


def fresh(text: str, item: Item) -> None:
    """Raise unless a text is its own: neither the positive nor taken from a known one.

    Raises:
        Unfit: it is a copy.
    """
    if folded(text) == folded(item.passage):
        raise Unfit("equal to the positive")
    for known in (item.passage, *item.positives):
        if (share := copied(text, known)) > COPIED:
            raise Unfit("copies a known positive", f"{share:.0%} of its runs of words")


def edits_of(value: object, item: Item, rule: str) -> tuple[Edit, ...]:
    """Edits of the passage from a list of ``{"old", "new"}``.

    Raises:
        Unfit: they have another form, or do not stand in the passage exactly once.
    """
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_EDITS:
        raise Unfit("unreadable answer", f"the edits are {str(value)[:60]}")
    found = []
    for entry in value:
        if not isinstance(entry, dict) or set(entry) != {"old", "new"}:
            raise Unfit("unreadable answer", f"an edit is {str(entry)[:60]}")
        old, new = entry["old"], entry["new"]
        if not isinstance(old, str) or not isinstance(new, str) or not old.strip():
            raise Unfit("unreadable answer", f"an edit is {str(entry)[:60]}")
        if item.passage.count(old) != 1:
            raise Unfit("edit not in the passage", old[:60])
        place = item.passage.index(old)
        found.append(Edit(place, place + len(old), old, new, rule))
    ordered = tuple(sorted(found))
    if any(one.end > two.start for one, two in pairwise(ordered)):
        raise Unfit("edits overlap")
    return ordered


def names(text: str) -> set[str]:
    """Words with a capital that do not begin a sentence, in lower case."""
    return {m.lower() for m in CAPITAL.findall(text)}


def negators(text: str) -> int:
    """How many words turn a claim round."""
    low = Counter(re.findall(r"[a-z]+", text.lower().replace("n't", " not ").replace("n’t", " not ")))
    return sum(low[w] for w in words("polarity", "negator"))


def keeps(text: str, item: Item, made: str = "") -> None:
    """Raise unless a text plainly keeps what the positive says: numbers, names, negations and the known answer.

    Raises:
        Unfit: one of them is lost, added or turned round, or nothing has changed.
    """
    if folded(text) in (folded(item.passage), folded(made)):
        raise Unfit("twin: nothing changed")
    if numbers(text) != numbers(item.passage):
        raise Unfit("twin: numbers")
    low = text.lower()
    if lost := [n for n in sorted(names(item.passage)) if n not in low]:
        raise Unfit("twin: names", lost[0])
    if negators(text) != negators(item.passage):
        raise Unfit("twin: negation")
    if item.answers and not answers(item, text):
        raise Unfit("twin: answer")


def twin_of(value: object, item: Item, made: str, by: Written) -> tuple[Twin | None, str]:
    """The hard positive of a list of edits; without one, why not."""
    try:
        edits = edits_of(value, item, "reworded")
        text = apply(item.passage, edits)
        keeps(text, item, made)
    except Unfit as error:
        return None, error.reason.removeprefix("twin: ")
    return Twin(text, edits, "reworded", by), "kept"
