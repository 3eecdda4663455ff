"""Whole passages by a language model: from the query alone, and at four levels of relevance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from foils.make import gate, wording
from foils.make.item import Found, Item, Kind, Made, Twin, Written
from foils.make.verify import copied
from foils.make.writer import COPIED, Unfit, Writer, answers, fresh, known_answer, prose, shaped

LEVELS = ("3", "2", "1", "0")


@dataclass(frozen=True)
class QueryOnly(Writer):
    """Has a model write a hard negative that has seen the query only, never the positive.

    Don't Retrieve, Generate (arXiv:2504.21015). The prompt is ours [RECON: the paper's is not known]. Its first
    version found such negatives as good as those of BM25 or of a cross-encoder, its third (DistilBERT, generators of 4
    to 30 billion parameters) consistently worse: an addition to mined negatives, no replacement. Fails where the model
    writes a right answer without knowing it: without a judge or a reader nothing says that it did not.

    Args:
        words: to write; 0: as many as the positive has, rounded to tens, so that length gives nothing away.
    """

    name: ClassVar[str] = "query-only"
    kind: ClassVar[Kind] = "generated"
    keys: ClassVar[tuple[str, ...]] = ("passage", "open")
    once: ClassVar[bool] = True
    words: int = 0

    @property
    def template(self) -> str:
        """The words of the prompt."""
        return wording.QUERY_ONLY

    def parts(self, item: Item) -> list[tuple[str, str]]:
        """The query, and nothing else."""
        return [("query", item.query)]

    def ask(self, item: Item) -> str:
        """The instruction with the length and the shape."""
        return shaped(self.template, item, self.words)

    def draft(self, item: Item, reply: Mapping[str, Any], by: Written) -> tuple[Made, ...]:
        """The passage, if it is new and does not hold the known answer."""
        text = prose(reply["passage"], item)
        fresh(text, item)
        if answers(item, text):
            raise Unfit("the answer is in it", item.answer or "")
        left = " ".join(str(reply["open"]).split())[:200]
        why = "written from the query alone" + (f"; it leaves open: {left}" if left else "")
        return (self.made(text, (), _found(item, why, seen="the query"), by, None),)


@dataclass(frozen=True)
class Graded(Writer):
    """Has a model write four documents per query: answers in full, in part, not though close, not at all.

    SyCL, Beyond Contrastive Learning (arXiv:2503.23239): levels 3, 2, 1, 0 by Llama-3.3-70B, for a list-wise loss. The
    prompt is ours [RECON]; unlike the paper's it shows the known positive, so that the facts of levels 3 and 2 are not
    invented. Levels 1 and 0 become negatives, with level 3 and level 2 as their twins: binary training in the paper
    takes levels from 2 as positive. Fails where the model's level 1 answers after all: give a judge.

    Args:
        words: of each; 0: as many as the positive has, rounded to tens.
    """

    name: ClassVar[str] = "graded"
    kind: ClassVar[Kind] = "graded"
    keys: ClassVar[tuple[str, ...]] = LEVELS
    once: ClassVar[bool] = True
    yields: ClassVar[int] = 2
    words: int = 0

    @property
    def template(self) -> str:
        """The words of the prompt."""
        return wording.GRADED

    def ask(self, item: Item) -> str:
        """The instruction with the length and the shape."""
        return shaped(self.template, item, self.words)

    def draft(self, item: Item, reply: Mapping[str, Any], by: Written) -> tuple[Made, ...]:
        """Levels 1 and 0, with 3 and 2 as twins where those hold what they should."""
        texts = {int(level): prose(reply[level], item, f"level {level}") for level in LEVELS}
        for level in (1, 0):
            fresh(texts[level], item)
            if answers(item, texts[level]):
                raise Unfit(f"the answer is in level {level}", item.answer or "")
        for one, two in ((1, 3), (1, 2), (0, 1), (0, 2), (0, 3)):
            if copied(texts[one], texts[two]) > COPIED:
                raise Unfit("two levels are alike", f"{one} and {two}")
        found = []
        for level, better in ((1, 3), (0, 2)):
            twin = self._twin(item, texts[better], better, by)
            why = f"written at level {level} of 3: " + ("close, but no answer" if level else "another subject")
            let = _found(item, why, level=str(level), twin="kept" if twin else "refused")
            found.append(self.made(texts[level], (), let, by._replace(level=level), twin))
        return tuple(found)

    def _twin(self, item: Item, text: str, level: int, by: Written) -> Twin | None:
        missing = level == max(map(int, LEVELS)) and bool(item.answers) and not answers(item, text)
        copy = any(copied(text, known) > COPIED for known in (item.passage, *item.positives))
        return None if missing or copy else Twin(text, (), f"level {level}", by._replace(level=level))


def _found(item: Item, why: str, **tests: str) -> Found:
    answer = known_answer(item)
    route = {"route": "answer" if item.answers else "none"}
    return Found(item.text.sentence(answer.start) if answer else gate.best(item)[0], answer, route | tests, why)
