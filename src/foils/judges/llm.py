"""Llm: a language model grades one passage at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foils.errors import RecipeError
from foils.judges import prompts
from foils.judges.asking import AskingEach
from foils.judges.cases import Case, abstain, cases, check_table, cut
from foils.judges.replies import Unreadable, read_grade, read_object
from foils.models.questions import Answer, Question
from foils.pairs import Pairs
from foils.protocols import Verdict

LONGEST_ANSWER = 400
USUAL_ANSWER = 50


@dataclass(frozen=True)
class Llm(AskingEach):
    """Asks a language model for a grade from 0 to 3, with a quote as evidence, or "cannot tell".

    The scale is that of UMBRELA (arXiv:2406.06519) and of TREC Deep Learning; the words are ours. Where the grade says
    that the passage answers (2 and 3), the quote must stand in it word for word, else the judge abstains; so it does
    on a cut, filtered or malformed answer. Fails towards "relevant" where a passage repeats the words of the query
    (measured on TREC DL 2019, docs/judges.md): run the self-test for your model.

    Args:
        chat: the model.
        wording: ``first`` or ``second``: other words, the choices in the opposite order. See ``Agree``.
        characters: of a document at most; what is beyond is not seen.
        references: known positives shown for comparison, at most; 0: none, as in UMBRELA.
        table: the probability of relevance for the grades 0, 1, 2, 3. The default is what NIST's assessors said of
            GPT-4o's UMBRELA grades in the top 20 of six retrievers (TREC DL 2019, where 47 % is relevant;
            benchmarks/judge_grades.py); other models and collections differ, so let the detector fit it.
    """

    references: int = 0
    table: tuple[float, float, float, float] = (0.04, 0.29, 0.71, 0.85)

    @property
    def kind(self) -> str:
        """Llm."""
        return "llm"

    @property
    def prompt(self) -> str:
        """A hash of the words."""
        return f"grade-{self.wording}-{prompts.version(prompts.GRADES[self.wording], prompts.GRADE_REPLY)}"

    @property
    def settings(self) -> tuple[str, ...]:
        """Length, references and the table."""
        return (str(self.characters), str(self.references), str(self.table))

    def check(self) -> None:
        """The table must rise."""
        super().check()
        check_table(self.kind, self.table, 4)
        if self.references < 0:
            raise RecipeError(f"llm: references={self.references}; give 0 or more")

    def questions(self, pairs: Pairs, rows: NDArray[np.uint32]) -> list[Question]:
        """One per pair."""
        return [self._question(case) for case in cases(pairs, rows, self.references)]

    def documents(self, pairs: Pairs, rows: NDArray[np.uint32]) -> Sequence[str]:
        """The documents as the model sees them."""
        return [cut(case.document, self.characters) for case in cases(pairs, rows)]

    def read(self, answer: Answer, document: str) -> Verdict:
        """Grade to probability; what cannot be read is an abstention."""
        if answer.trouble:
            return abstain(self.name, answer.trouble)
        try:
            grade, why = read_grade(answer.text or "", document)
        except Unreadable as error:
            return abstain(self.name, f"unreadable: {error}")
        if not isinstance(grade, int):
            return abstain(self.name, why)
        return Verdict(self.table[grade], self.name, why, grade)

    def usable(self, answer: Answer) -> bool:
        """An object of the asked form."""
        try:
            read_object(answer.text or "", ("quote", "grade"))
        except Unreadable:
            return False
        return not answer.trouble

    def _question(self, case: Case) -> Question:
        shown = [cut(p, self.characters) for p in case.positives]
        messages = prompts.grade_messages(case.query, cut(case.document, self.characters), shown, self.wording)
        return Question(messages, LONGEST_ANSWER, USUAL_ANSWER, self.prompt)
