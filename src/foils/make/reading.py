"""Readers for level L3 of the ladder: a chat model, or a model tuned to find answers in passages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from foils.errors import MissingExtra, RecipeError
from foils.judges.cases import cut, short_hash
from foils.judges.replies import Unreadable, read_object
from foils.make import wording
from foils.make.verify import folded
from foils.make.view import UNSPACED, stands
from foils.models.questions import Answer, Client, Estimate, Question
from foils.protocols import Engine

LONGEST_ANSWER = 200
USUAL_ANSWER = 20
KEYS = ("answer",)


@dataclass(frozen=True)
class LlmReader:
    """Has a chat model answer a query from one passage alone, in words of the passage.

    What does not stand in the passage, is cut off or cannot be read is null, never "no answer". The prompt is ours.
    Fails where the model answers from what it knows and finds words to quote.

    Args:
        chat: the model.
        engine: where answers are kept.
        characters: of a passage at most.
    """

    chat: Client
    engine: Engine
    characters: int = 8000

    @property
    def name(self) -> str:
        """``reader:``, the model, and a hash of prompt and options."""
        return f"reader:{self.chat.model}@{short_hash(self.prompt, str(self.characters), self.chat.version)}"

    @property
    def prompt(self) -> str:
        """Name and fingerprint of the prompt."""
        return wording.fingerprint("read", wording.READ)

    def check(self) -> None:
        """The client must be ready; sends nothing."""
        self.chat.check()

    def facts(self) -> dict[str, str]:
        """The reader, the model, and what was spent."""
        return {"reader": self.name} | self.chat.facts()

    def questions(self, questions: Sequence[str], passages: Sequence[str]) -> list[Question]:
        """What would be asked."""
        texts = zip(questions, (cut(p, self.characters) for p in passages), strict=True)
        return [
            Question(
                wording.messages([("query", q), ("passage", p)], wording.READ),
                LONGEST_ANSWER,
                USUAL_ANSWER,
                self.prompt,
            )
            for q, p in texts
        ]

    def estimate(self, questions: Sequence[str], passages: Sequence[str]) -> Estimate:
        """Calls, tokens and cost of reading these; sends nothing."""
        return self.chat.estimate(self.questions(questions, passages), self.engine)

    def answers(self, questions: Sequence[str], passages: Sequence[str]) -> list[str | None]:
        """One answer per pair; empty: the passage does not answer; null: could not be told."""
        given = self.chat.ask(self.questions(questions, passages), self.engine, _usable)
        return [_read(a, cut(p, self.characters)) for a, p in zip(given, passages, strict=True)]


def _usable(answer: Answer) -> bool:
    try:
        read_object(answer.text or "", KEYS)
    except Unreadable:
        return False
    return not answer.trouble


def _read(answer: Answer, passage: str) -> str | None:
    if answer.trouble:
        return None
    try:
        said = read_object(answer.text or "", KEYS)["answer"]
    except Unreadable:
        return None
    if said is None or said == "":
        return ""
    if not isinstance(said, str) or not (words := folded(said)):
        return None
    known = folded(passage)
    there = f" {words} " in f" {known} " or (UNSPACED.search(words) is not None and stands(words, known))
    return said.strip() if there else None


@dataclass(frozen=True)
class QaReader:
    """Finds the answer with a model tuned on SQuAD 2: a span of the passage, or none where "none" scores higher.

    The rule of SQuAD 2.0 (Rajpurkar et al. 2018): the best start and end logits against those of the first token.
    Fails on passages longer than the model reads: what is beyond is not seen.

    Args:
        model: a folder, or a name that transformers knows; nothing is downloaded that was not named here.
        longest: tokens of an answer at most.
        batch: pairs per step.
    """

    model: str
    longest: int = 30
    batch: int = 16

    @property
    def name(self) -> str:
        """``qa:`` and the last part of the model's name."""
        return f"qa:{Path(self.model).name}"

    def check(self) -> None:
        """The package must be there."""
        _ = self._library

    def facts(self) -> dict[str, str]:
        """The model."""
        return {"reader": self.name}

    @cached_property
    def _library(self) -> Any:
        try:
            import transformers
        except ImportError as error:
            raise MissingExtra("transformers", "models", "reading answers off passages") from error
        return transformers

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        try:
            tokenizer = self._library.AutoTokenizer.from_pretrained(self.model)
            model = self._library.AutoModelForQuestionAnswering.from_pretrained(self.model)
        except (OSError, ValueError) as error:
            said = str(error).splitlines()[0][:200]
            raise RecipeError(f"{self.model} is no model that reads answers: {said}") from error
        return tokenizer, model.eval()

    def answers(self, questions: Sequence[str], passages: Sequence[str]) -> list[str | None]:
        """One answer per pair, empty where the model finds none."""
        found: list[str | None] = []
        for start in range(0, len(questions), self.batch):
            part = slice(start, start + self.batch)
            found += self._part(list(questions[part]), list(passages[part]))
        return found

    def _part(self, questions: list[str], passages: list[str]) -> list[str | None]:
        import torch

        tokenizer, model = self._loaded
        inputs = tokenizer(
            questions,
            passages,
            truncation="only_second",
            max_length=min(512, int(model.config.max_position_embeddings)),
            padding=True,
            return_offsets_mapping=True,
            return_tensors="pt",
        )
        offsets = inputs.pop("offset_mapping")
        with torch.no_grad():
            out = model(**inputs)
        found: list[str | None] = []
        for row, passage in enumerate(passages):
            inside = torch.tensor([s == 1 for s in inputs.sequence_ids(row)])
            place = self._span(out.start_logits[row], out.end_logits[row], inside)
            ends = None if place is None else (int(offsets[row][place[0]][0]), int(offsets[row][place[1]][1]))
            found.append("" if ends is None else passage[ends[0] : ends[1]])
        return found

    def _span(self, start: Any, end: Any, inside: Any) -> tuple[int, int] | None:
        """First and last token of the best span of the passage; null if no answer scores higher."""
        import torch

        if not bool(inside.any()):
            return None
        scores = start[:, None] + end[None, :]
        n = len(inside)
        allowed = torch.ones(n, n, dtype=torch.bool).triu().tril(self.longest - 1) & inside[:, None] & inside[None, :]
        best = int(scores.masked_fill(~allowed, float("-inf")).argmax())
        first, last = divmod(best, n)
        return None if bool(scores[first, last] <= scores[0, 0]) else (first, last)
