"""LlmLogprob: how much more probable "yes" is to a language model than "no"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foils.errors import RecipeError
from foils.judges import prompts
from foils.judges.asking import AskingEach
from foils.judges.cases import abstain, cases, cut
from foils.judges.replies import Unreadable, read_yes_no
from foils.models.questions import Answer, Question
from foils.pairs import Pairs
from foils.protocols import Verdict

TOKENS = 2


@dataclass(frozen=True)
class LlmLogprob(AskingEach):
    """Takes e^yes / (e^yes + e^no) of a language model's first word as the probability.

    UniME-V2 (AAAI 2026), where it serves as threshold and as soft label; one token per answer makes it cheap. Needs a
    server that gives log-probabilities. Fails as a probability: yes/no answers lean to "yes" (judging by GPT-4o on
    TREC DL 2019, docs/judges.md) and are over-confident, so let the detector calibrate them; no "cannot tell" exists.

    Args:
        chat: the model. One that thinks aloud has no first word to look at.
        wording: ``first`` or ``second``: other words, "No" before "Yes".
        characters: of a document at most; what is beyond is not seen.
        alternatives: log-probabilities asked for, 2 to 20.
    """

    alternatives: int = 20

    @property
    def kind(self) -> str:
        """Llm-logprob."""
        return "llm-logprob"

    @property
    def prompt(self) -> str:
        """A hash of the words."""
        return f"yes-no-{self.wording}-{prompts.version(prompts.YES_NO_ROLE, prompts.YES_NO[self.wording])}"

    def check(self) -> None:
        """The number of alternatives must be one that servers know."""
        super().check()
        if not 2 <= self.alternatives <= 20:
            raise RecipeError(f"llm-logprob: alternatives={self.alternatives}; servers give 2 to 20")

    def questions(self, pairs: Pairs, rows: NDArray[np.uint32]) -> list[Question]:
        """One per pair."""
        found = []
        for case in cases(pairs, rows):
            messages = prompts.yes_no_messages(case.query, cut(case.document, self.characters), self.wording)
            found.append(Question(messages, TOKENS, TOKENS, self.prompt, self.alternatives))
        return found

    def documents(self, pairs: Pairs, rows: NDArray[np.uint32]) -> Sequence[str]:
        """Nothing is quoted from them."""
        return [""] * len(rows)

    def read(self, answer: Answer, document: str) -> Verdict:
        """The ratio; without log-probabilities an abstention."""
        # Cut after a word or two is what was asked for.
        if answer.trouble and answer.finish != "length":
            return abstain(self.name, answer.trouble)
        try:
            return Verdict(read_yes_no(answer.logprobs), self.name, (answer.text or "").strip()[:20])
        except Unreadable as error:
            return abstain(self.name, f"unreadable: {error}")

    def usable(self, answer: Answer) -> bool:
        """Log-probabilities of yes and no."""
        return self.read(answer, "").probability is not None
