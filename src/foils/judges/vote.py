"""Vote: several judges, one verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from foils.errors import RecipeError
from foils.judges.cases import abstain, check_judges, estimate, prefixed, short_hash
from foils.models.questions import Estimate, total
from foils.pairs import Pairs
from foils.protocols import Engine, Judge, Verdict

Rule = Literal["majority", "mean"]


@dataclass(frozen=True)
class Vote:
    """Asks several judges and takes the majority or the mean; an abstention is no vote.

    ``majority``: the share of judges that say relevant (a probability above one half); as many for as against is an
    abstention. ``mean``: the mean of the probabilities. Judges of one kind err together (GPT-4o and GPT-4 both miss
    12.0 % where independent errors would make 3.1 %; docs/judges.md), so vote over different kinds of evidence. Fails
    where all judges share a mistake.

    Args:
        judges: at least two.
        rule: ``majority`` or ``mean``.
        least: votes needed; with fewer it abstains.
    """

    judges: tuple[Judge, ...]
    rule: Rule = "majority"
    least: int = 1

    @property
    def name(self) -> str:
        """The rule and a hash of its judges."""
        return f"vote:{self.rule}-{len(self.judges)}@{short_hash(str(self.least), *(j.name for j in self.judges))}"

    @property
    def families(self) -> frozenset[str]:
        """All of its judges'."""
        return frozenset().union(*(j.families for j in self.judges))

    def check(self) -> None:
        """All judges must be ready."""
        check_judges("vote", self.judges, 2)
        if self.rule not in get_args(Rule):
            raise RecipeError(f"vote: rule={self.rule!r} is not known; one of {', '.join(get_args(Rule))}")
        if not 1 <= self.least <= len(self.judges):
            raise RecipeError(f"vote: least={self.least} of {len(self.judges)} judges")

    def facts(self) -> dict[str, str]:
        """Its judges' facts."""
        found = {"judge": self.name}
        for i, judge in enumerate(self.judges, 1):
            found |= prefixed(f"judge {i}", judge.facts())
        return found

    def estimate(self, pairs: Pairs, rows: NDArray[np.uint32], engine: Engine) -> Estimate:
        """The sum over its judges."""
        return total(estimate(judge, pairs, rows, engine) for judge in self.judges)

    def verdicts(self, pairs: Pairs, rows: NDArray[np.uint32], engine: Engine) -> list[Verdict]:
        """Ask every judge about every row."""
        ballots = zip(*(judge.verdicts(pairs, rows, engine) for judge in self.judges), strict=True)
        return [self.count(ballot) for ballot in ballots]

    def count(self, ballot: tuple[Verdict, ...]) -> Verdict:
        """The verdict of one pair."""
        votes = [v for v in ballot if v.probability is not None]
        why = "; ".join(f"{v.by}: {'abstains' if v.probability is None else f'{v.probability:.2f}'}" for v in ballot)
        if len(votes) < self.least:
            return abstain(self.name, f"{len(votes)} votes of {len(ballot)}: {why}")
        chances = [v.probability for v in votes if v.probability is not None]
        if self.rule == "mean":
            return Verdict(sum(chances) / len(chances), self.name, why)
        yes, no = sum(p > 0.5 for p in chances), sum(p < 0.5 for p in chances)
        if yes == no:
            return abstain(self.name, f"a tie: {why}")
        return Verdict(yes / (yes + no), self.name, why)
