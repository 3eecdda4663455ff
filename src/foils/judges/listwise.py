"""LlmListwise: a language model compares the candidates of a query with its known positives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foils.errors import RecipeError
from foils.judges import prompts
from foils.judges.asking import Asking
from foils.judges.cases import Case, abstain, cases, check_table, cut, known_positives, short_hash
from foils.judges.replies import Reading, Unreadable, read_list, read_object
from foils.models.questions import Answer, Question
from foils.pairs import Pairs
from foils.protocols import Engine, Verdict

LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
PER_CANDIDATE = 160
USUAL_PER_CANDIDATE = 40
GRADES = {"none": 0, "worse": 2, "better": 3}


class Group(NamedTuple):
    """The candidates of one call, in the order shown.

    Args:
        cases: the pairs.
        references: known positives, none of them among the candidates.
        labels: of each; four letters without meaning.
        documents: label to text, as the model sees it.
    """

    cases: tuple[Case, ...]
    references: tuple[str, ...]
    labels: tuple[str, ...]
    documents: dict[str, str]


@dataclass(frozen=True)
class LlmListwise(Asking):
    """Asks a language model which candidates of a query are as good as its known positives, worse, or no answer.

    RLHN ("Hard Negatives, Hard Lessons", EMNLP Findings 2025), with what its published code lacks: the order is
    shuffled and told in ``why``, labels mean nothing, at most ten candidates stand in one call, every candidate has
    its own entry with a quote that must stand in it, "cannot tell" is a choice, and a candidate whose entry is
    missing, double or malformed gets no verdict rather than "clean". Fails on queries without a known positive:
    there is nothing to compare with, so it abstains.

    Args:
        chat: the model.
        wording: ``first`` or ``second``: other words, the choices in the opposite order.
        characters: of a document at most; what is beyond is not seen.
        references: known positives in view, at most; RLHN shows all.
        size: candidates per call, at most.
        seed: of the order and the labels.
        table: the probability of relevance for none, worse and better. Not measured: let the detector fit it.
    """

    characters: int = 4000
    references: int = 3
    size: int = 10
    seed: int = 0
    table: tuple[float, float, float] = (0.1, 0.6, 0.9)

    @property
    def kind(self) -> str:
        """Llm-listwise."""
        return "llm-listwise"

    @property
    def prompt(self) -> str:
        """A hash of the words."""
        return f"list-{self.wording}-{prompts.version(prompts.LIST[self.wording], prompts.LIST_REPLY)}"

    @property
    def settings(self) -> tuple[str, ...]:
        """All that changes what is shown or what an answer means."""
        return tuple(str(v) for v in (self.characters, self.references, self.size, self.seed, self.table))

    def check(self) -> None:
        """Sizes must be positive, the table must rise."""
        super().check()
        check_table(self.kind, self.table, 3)
        if not 1 <= self.size <= 25:
            raise RecipeError(f"llm-listwise: size={self.size}; 1 to 25 candidates fit into a call")
        if self.references < 1:
            raise RecipeError(
                f"llm-listwise: references={self.references}; at least one known positive is compared with"
            )

    def questions(self, pairs: Pairs, rows: NDArray[np.uint32]) -> list[Question]:
        """One per group."""
        return [self._question(group) for group in self.groups(pairs, rows)]

    def reordered(self) -> LlmListwise:
        """The same judge, showing the candidates in another order."""
        return replace(self, seed=self.seed + 1)

    def groups(self, pairs: Pairs, rows: NDArray[np.uint32]) -> list[Group]:
        """The calls: candidates of each query in an order that a hash gives, cut into parts of like size.

        The order of the rows of a query does not matter; queries come as they do in ``rows``, so that a budget is
        spent from the front; pairs without a known positive are in no group.
        """
        queries = pairs.frame["query"].gather(rows)
        known = known_positives(pairs, queries)
        of_query: dict[int, dict[int, Case]] = {}
        for query, case in zip(queries.to_list(), cases(pairs, rows), strict=True):
            of_query.setdefault(query, {})[case.row] = case
        found = []
        for query, members in of_query.items():
            ordered = sorted(members.values(), key=self._place)
            calls = -(-len(ordered) // self.size)
            for part in np.array_split(np.arange(len(ordered)), calls):
                shown = [ordered[i] for i in part]
                others = [d for d in known.get(query, []) if d not in {c.doc for c in shown}]
                texts = pairs.collection.passages.gather(others[: self.references]).to_list()
                if texts:
                    found.append(self._group(shown, texts))
        return found

    def verdicts(self, pairs: Pairs, rows: NDArray[np.uint32], engine: Engine) -> list[Verdict]:
        """Ask group by group; one verdict per row."""
        groups = self.groups(pairs, rows)
        answers = self.chat.ask([self._question(g) for g in groups], engine, self._usable)
        given: dict[int, Verdict] = {}
        for group, answer in zip(groups, answers, strict=True):
            given |= self.read(answer, group)
        lonely = abstain(self.name, "the query has no other known positive to compare with")
        return [given.get(row, lonely) for row in rows.tolist()]

    def read(self, answer: Answer, group: Group) -> dict[int, Verdict]:
        """The verdicts in an answer, by row of the table."""
        readings: dict[str, Reading] = {}
        missing = answer.trouble
        if not missing:
            try:
                readings, missing = read_list(answer.text or "", group.documents), "the model left it out"
            except Unreadable as error:
                missing = f"unreadable: {error}"
        verdicts = {}
        for place, (case, label) in enumerate(zip(group.cases, group.labels, strict=True), 1):
            found, why = readings.get(label, Reading(None, missing))
            if isinstance(found, str):
                at = f"{found}, place {place} of {len(group.cases)}: {why}".rstrip(": ")
                p = self.table[list(GRADES).index(found)]
                verdicts[case.row] = Verdict(p, self.name, at, GRADES[found])
            else:
                verdicts[case.row] = abstain(self.name, why)
        return verdicts

    def _place(self, case: Case) -> str:
        return short_hash(str(self.seed), case.query, case.document, size=8)

    def _group(self, members: Sequence[Case], references: Sequence[str]) -> Group:
        documents: dict[str, str] = {}
        for case in members:
            turn = 0
            while (label := _label(str(self.seed), str(turn), case.query, case.document)) in documents:
                turn += 1
            documents[label] = cut(case.document, self.characters)
        known = tuple(cut(text, self.characters) for text in references)
        return Group(tuple(members), known, tuple(documents), documents)

    def _question(self, group: Group) -> Question:
        shown = list(group.documents.values())
        messages = prompts.list_messages(group.cases[0].query, group.references, group.labels, shown, self.wording)
        n = len(group.cases)
        return Question(messages, PER_CANDIDATE * n + 100, USUAL_PER_CANDIDATE * n, self.prompt)

    def _usable(self, answer: Answer) -> bool:
        try:
            read_object(answer.text or "", ("candidates",))
        except Unreadable:
            return False
        return not answer.trouble


def _label(*texts: str) -> str:
    """Four consonants: no word, no order, no meaning."""
    number = int(short_hash("label", *texts), 16)
    letters = ""
    for _ in range(4):
        number, at = divmod(number, len(LETTERS))
        letters += LETTERS[at]
    return letters
