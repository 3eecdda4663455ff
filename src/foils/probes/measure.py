"""How often a model takes the wrong text, by type, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foils.errors import DataError
from foils.probes.items import Contest, Probe
from foils.probes.subject import Scores, Subject
from foils.protocols import Engine
from foils.risk.estimate import Interval, clopper_pearson, cluster_robust

Flags = NDArray[np.bool_]
ALL = "all"


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model made of probes.

    Args:
        model: its name.
        facts: fingerprint and versions.
        probes: n of them.
        right: (n,) scores of the right texts.
        wrong: (n,) scores of the wrong texts.
        strict: (n,) whether both contests were won; where a probe has no second one, see ``twofold``.
        twofold: (n,) whether the probe has a second contest.
    """

    model: str
    facts: dict[str, str]
    probes: tuple[Probe, ...]
    right: Scores
    wrong: Scores
    strict: Flags
    twofold: Flags

    @property
    def won(self) -> Flags:
        """(n,) whether the right text got the higher score; a tie is not won."""
        return self.right > self.wrong


class Row(NamedTuple):
    """The measures of one type in one set.

    Args:
        set: of probes.
        type: of probe, or ``all``.
        n: probes.
        wrong: share of probes whose wrong text scores at least as high as the right one; chance 50 %.
        ties: how many of these scored exactly the same.
        pairs: how many pairs turn the same two texts round.
        paired: share of pairs with both won; chance 25 %.
        twofold: probes with a twin, or with two captions.
        strict: share of these with both contests won; chance 33 % with a twin.
    """

    set: str
    type: str
    n: int
    wrong: Interval
    ties: int
    pairs: int
    paired: Interval | None
    twofold: int
    strict: Interval | None


def ask(probes: Sequence[Probe], model: Subject, engine: Engine) -> Answers:
    """Put probes to a model.

    Args:
        probes: of one or several sets.
        model: what is probed.
        engine: where it runs.

    Raises:
        DataError: there are no probes, or a score is not finite.
    """
    if not probes:
        raise DataError("there are no probes; at least one is needed")
    first = np.zeros((len(probes), 2))
    second = np.zeros((len(probes), 2))
    # Set by set: what BM25 and LSA learn from the texts must not depend on what else is asked.
    for name in dict.fromkeys(p.set for p in probes):
        rows = [n for n, p in enumerate(probes) if p.set == name]
        first[rows], second[rows] = _scores([probes[n] for n in rows], model, engine)
    strict = (first[:, 0] > first[:, 1]) & (second[:, 0] > second[:, 1])
    twofold = np.array([p.second is not None for p in probes], dtype=np.bool_)
    return Answers(model.name, model.facts(), tuple(probes), first[:, 0], first[:, 1], strict, twofold)


def _scores(probes: Sequence[Probe], model: Subject, engine: Engine) -> tuple[Scores, Scores]:
    """Scores (n, 2) of right and wrong side in the first contest and in the second; zeros where there is none."""
    contests = [c for p in probes for c in (p.first, p.second) if c is not None]
    distinct = {ask: n for n, ask in enumerate(dict.fromkeys(side for c in contests for side in c))}
    scores = model.scores([q for q, _ in distinct], [t for _, t in distinct], engine)
    if not np.isfinite(scores).all():
        raise DataError(f"{model.name} gives scores that are not finite; it cannot be probed")

    def both(contest: Contest | None) -> list[float]:
        return [0.0, 0.0] if contest is None else [float(scores[distinct[side]]) for side in contest]

    return np.array([both(p.first) for p in probes]), np.array([both(p.second) for p in probes])


def groups(probes: Sequence[Probe]) -> dict[tuple[str, str], NDArray[np.int64]]:
    """Which probes make up each (set, type), in order; a set of several types gets a group ``all`` as well."""
    found: dict[tuple[str, str], list[int]] = {}
    for number, probe in enumerate(probes):
        found.setdefault((probe.set, probe.type), []).append(number)
    ordered: dict[tuple[str, str], NDArray[np.int64]] = {}
    for name in dict.fromkeys(p.set for p in probes):
        own = {key: np.array(rows) for key, rows in found.items() if key[0] == name}
        ordered |= own
        if len(own) > 1:
            ordered[name, ALL] = np.sort(np.concatenate(list(own.values())))
    return ordered


def clusters(probes: Sequence[Probe], rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Those rows by cluster: of one pair, or with the same query."""
    found: dict[tuple[str, str], list[int]] = {}
    for row in rows.tolist():
        found.setdefault(probes[row].cluster, []).append(row)
    return [np.array(members) for members in found.values()]


def measure(answers: Answers, confidence: float = 0.95) -> list[Row]:
    """The measures of every type of every set.

    Wrong preference and paired accuracy as in NevIR (Weller et al., EACL 2024), strict accuracy as in SugarCrepe++
    (Dumpala et al., NeurIPS 2024). Intervals are exact (Clopper-Pearson) where probes are independent; where several
    share their texts or their query they are those of ``cluster_robust``. Fails on a type with few probes: 60 give
    an interval of some 25 points.

    Args:
        answers: of one model.
        confidence: of the two-sided intervals.
    """
    return [_row(answers, key, rows, confidence) for key, rows in groups(answers.probes).items()]


def _row(answers: Answers, key: tuple[str, str], rows: NDArray[np.int64], confidence: float) -> Row:
    together = clusters(answers.probes, rows)
    paired = [members for members in together if answers.probes[members[0]].pair and len(members) > 1]
    both = sum(bool(answers.won[members].all()) for members in paired)
    twofold = rows[answers.twofold[rows]]
    return Row(
        *key,
        n=len(rows),
        wrong=share(~answers.won, together, confidence),
        ties=int((answers.right[rows] == answers.wrong[rows]).sum()),
        pairs=len(paired),
        paired=clopper_pearson(both, len(paired), confidence) if paired else None,
        twofold=len(twofold),
        strict=share(answers.strict, clusters(answers.probes, twofold), confidence) if len(twofold) else None,
    )


def share(flags: Flags, together: Sequence[NDArray[np.int64]], confidence: float = 0.95) -> Interval:
    """The share of true flags, its interval aware of what hangs together.

    Args:
        flags: (n,) of all probes.
        together: rows, by cluster.
        confidence: of the interval.
    """
    counts = np.array([float(flags[members].sum()) for members in together])
    sizes = np.array([float(len(members)) for members in together])
    if len(together) < 2 or (sizes == 1).all():
        return clopper_pearson(float(counts.sum()), float(sizes.sum()), confidence)
    return cluster_robust(counts, sizes, confidence=confidence)


def worst(answers: Answers, per_type: int = 5) -> dict[tuple[str, str], list[int]]:
    """The rows that were lost by the widest margin, per set and type, the worst first; ties count as lost."""
    gap = answers.right - answers.wrong
    found = {}
    for key, rows in groups(answers.probes).items():
        lost = rows[gap[rows] <= 0]
        if key[1] != ALL and len(lost):
            found[key] = lost[np.argsort(gap[lost], kind="stable")][:per_type].tolist()
    return found
