"""The artefact guard: words that give made negatives away to someone who never sees the query."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foils.errors import DataError
from foils.make.edits import apply, inverse
from foils.make.item import Item, Made
from foils.make.verify import edited_sentence, sentences
from foils.make.view import Text

LIMIT = 0.60
LEAST = 10
AROUND = 25


class GiveAway(NamedTuple):
    """A run of words that stands more often on one side than chance explains."""

    words: str
    negatives: int
    positives: int
    z: float


class Artefacts(NamedTuple):
    """What the guard found.

    Args:
        auc: of the classifier, 0.5 is chance.
        negatives: texts on either side.
        positives: the same.
        words: the give-aways, the strongest first.
    """

    auc: float
    negatives: int
    positives: int
    words: tuple[GiveAway, ...]

    @property
    def clean(self) -> bool:
        """The classifier does not reach the limit."""
        return self.auc <= LIMIT


def sides(cases: Sequence[tuple[Item, Made]], *, twins: bool) -> tuple[list[str], list[str], NDArray[np.int64]]:
    """The changed sentences or queries, the originals (and twins), and a group per original (negatives first)."""
    negatives, positives = [], []
    groups: list[list[str]] = [[], []]
    for item, made in cases:
        original, changed = sentences(item, made)
        key = item.passage if made.side == "document" else item.query
        negatives.append(changed)
        groups[0].append(key)
        both = [original]
        if twins and made.twin is not None and made.twin.edits and made.kind != "deletion":
            both.append(_twin_sentence(made, original, item))
        positives += both
        groups[1] += [key] * len(both)
    numbers = {k: n for n, k in enumerate(dict.fromkeys([*groups[0], *groups[1]]))}
    return negatives, positives, np.array([numbers[k] for g in groups for k in g], dtype=np.int64)


def _twin_sentence(made: Made, original: str, item: Item) -> str:
    if made.twin is None or made.side == "query":
        return made.twin.text if made.twin else original
    text = made.twin.text
    assumed = Made(made.operator, made.kind, made.side, text, made.twin.edits, made.evidence, None, {}, "")
    return edited_sentence(assumed) if apply(text, inverse(made.twin.edits)) == item.passage else original


def guard(cases: Sequence[tuple[Item, Made]], *, twins: bool = False, seed: int = 0) -> Artefacts:
    """Train an n-gram classifier on made negatives against their originals, and see how far it gets.

    Runs of 1 to 3 words, logistic regression, five folds; an original, its twin and its negatives are in one fold, so
    that nothing is learnt by heart. SugarCrepe found blind models that beat real ones on negatives made by rule.

    Args:
        cases: items and what was made of them; deletions are left out, they add no words.
        twins: count the twins among the positives.
        seed: of the folds.

    Raises:
        DataError: fewer than ten originals are left.
    """
    edited = [(i, m) for i, m in cases if m.edits and m.kind != "deletion"]
    negatives, positives, groups = sides(edited, twins=twins)
    if len(set(groups.tolist())) < LEAST:
        raise DataError(f"the artefact guard needs negatives of at least {LEAST} originals, found {len(set(groups))}")
    auc = blind(negatives, positives, groups, seed)
    return Artefacts(auc, len(negatives), len(positives), give_aways(negatives, positives))


def blind(
    negatives: Sequence[str], positives: Sequence[str], groups: Sequence[int] | NDArray[np.int64], seed: int = 0
) -> float:
    """AUC of a classifier on runs of 1 to 3 words that never sees a query.

    Args:
        negatives: texts.
        positives: texts.
        groups: a number per text, negatives first; texts of one number are in one fold.
        seed: of the folds.
    """
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold

    texts = np.array([*negatives, *positives], dtype=object)
    labels = np.array([1] * len(negatives) + [0] * len(positives))
    scores = np.zeros(len(texts))
    for train, test in GroupKFold(5, shuffle=True, random_state=seed).split(texts, labels, groups):
        counts = CountVectorizer(ngram_range=(1, 3), min_df=2, binary=True, tokenizer=_words, token_pattern=None)
        model = LogisticRegression(max_iter=300, class_weight="balanced")
        model.fit(counts.fit_transform(texts[train]), labels[train])
        scores[test] = model.decision_function(counts.transform(texts[test]))
    return float(roc_auc_score(labels, scores))


def give_aways(negatives: Sequence[str], positives: Sequence[str], most: int = 20) -> tuple[GiveAway, ...]:
    """Words and pairs of words with the largest z-statistics.

    z = (p - p0) / sqrt(p0 (1 - p0) / n), with p the share of negatives among the n texts that hold the words and p0
    among all texts: "Generating Data to Mitigate Spurious Correlations" (Wu et al. 2022), after Gardner et al. 2021.
    """
    ours, theirs = _document_counts(negatives), _document_counts(positives)
    prior = len(negatives) / max(1, len(negatives) + len(positives))
    if not 0 < prior < 1:
        return ()
    found = []
    for words in ours.keys() | theirs.keys():
        one, two = ours[words], theirs[words]
        z = (one / (one + two) - prior) / np.sqrt(prior * (1 - prior) / (one + two))
        found.append(GiveAway(words, one, two, float(z)))
    return tuple(sorted(found, key=lambda g: (-abs(g.z), g.words))[:most])


def _words(text: str) -> list[str]:
    return [w.low for w in Text(text).words]


def _document_counts(texts: Sequence[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for text in texts:
        low = [w.low for w in Text(text).words]
        counts.update({*low, *(" ".join(p) for p in pairwise(low))})
    return counts


def balanced(cases: Sequence[tuple[Item, Made]], slack: float = 0.1, least: int = 2) -> list[tuple[Item, Made]]:
    """Leave out negatives until no word is added much more often than it is taken away, or the other way round.

    What makes *not* or *decreased* a give-away is that one direction is made more often than the other. Goes through
    the negatives in the order of a hash until nothing changes, and takes one in if every word that it adds or takes
    away stays within ``least + slack * n``, n being how often the word has been added or taken away so far.

    Args:
        cases: items and negatives; those without edits, deletions, and what a model wrote, pass.
        slack: the allowance of a word, as a share of its own traffic.
        least: what a word may be off at any rate.
    """
    net: Counter[tuple[str, str]] = Counter()
    traffic: Counter[tuple[str, str]] = Counter()
    left = sorted(range(len(cases)), key=lambda n: cases[n][0].draw(f"balance {cases[n][1].operator}", 2**62))
    kept: set[int] = set()
    while left:
        rest = []
        for number in left:
            words = _shifted(cases[number][1])
            if all(abs(net[w] + c) <= least + slack * (traffic[w] + 1) for w, c in words.items()):
                net.update(words)
                traffic.update(words.keys())
                kept.add(number)
            else:
                rest.append(number)
        # What was one-sided at first may have found its counterpart since.
        if len(rest) == len(left):
            break
        left = rest
    return [cases[n] for n in sorted(kept)]


def _shifted(made: Made) -> dict[tuple[str, str], int]:
    """Words, numbers and pairs of words that the edits add (1) and take away (-1), by side.

    Pairs, since a subject that many queries ask about would be changed the same way each time: *acute myeloid*.
    """
    # What a model wrote was paid for; how much its words give away is told, not cut.
    if made.kind == "deletion" or made.written is not None:
        return {}
    change: Counter[str] = Counter()
    for edit in inverse(made.edits):
        before, after = made.text[max(0, edit.start - AROUND) : edit.start], made.text[edit.end : edit.end + AROUND]
        # The inverse edit brings the old words back: what it puts in is what was taken away.
        change.update(_runs(f"{before}{edit.old}{after}"))
        change.subtract(_runs(f"{before}{edit.new}{after}"))
    return {(made.side, w): (c > 0) - (c < 0) for w, c in change.items() if c}


def _runs(text: str) -> list[str]:
    low = _words(text)
    return [*low, *(" ".join(p) for p in pairwise(low))]
