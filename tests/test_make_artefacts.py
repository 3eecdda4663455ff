"""The artefact guard: give-aways are found by hand-made cases, balance takes them away."""

import numpy as np
import pytest

from foils.errors import DataError
from foils.make.artefacts import balanced, give_aways, guard
from foils.make.item import Item
from foils.make.polarity import InsertNot, RemoveNot
from foils.make.temporal import YearShift

THINGS = [
    "valve",
    "gate",
    "mill",
    "bridge",
    "ferry",
    "lamp",
    "wheel",
    "tower",
    "bell",
    "pump",
    "saw",
    "door",
    "lock",
    "pipe",
    "tank",
    "drum",
    "kiln",
    "forge",
    "loom",
    "press",
]


def inserted(n=20):
    items = [Item(f"The {t} is tied to the clock.", f"The {t} is tied to the clock of the town.") for t in THINGS[:n]]
    return [(i, InsertNot()(i)) for i in items]


def removed(n=20):
    pairs = ((t, f"The {t} is not tied to the clock of the town.") for t in THINGS[:n])
    items = [Item(f"Which {t} is not tied to it?", text, "clock") for t, text in pairs]
    return [(i, RemoveNot()(i)) for i in items]


def test_one_sided_negation_gives_itself_away():
    found = guard(inserted())
    assert found.auc > 0.9
    assert not found.clean
    assert found.words[0].words in ("not", "is not", "not tied")
    assert found.words[0].z > 4


def test_negation_both_ways_gives_nothing_away():
    found = guard([*inserted(), *removed()])
    assert found.auc <= 0.6
    assert found.negatives == found.positives == 40


def test_twins_count_among_the_positives_when_asked():
    from foils.make.twins import with_twin

    cases = [(i, with_twin(m, i)) for i, m in inserted()]
    assert guard(cases, twins=True).positives == 40


def test_years_give_nothing_away():
    texts = [f"The {t} was opened in {1900 + 3 * n} by the king." for n, t in enumerate(THINGS)]
    items = [Item("When was it opened?", text, str(1900 + 3 * n)) for n, text in enumerate(texts)]
    assert guard([(i, YearShift()(i)) for i in items]).auc <= 0.6


def test_too_few_are_refused():
    with pytest.raises(DataError, match="at least 10 originals, found 3"):
        guard(inserted(3))


def test_z_statistics_by_hand():
    """8 of 10 texts with the word are negatives, half of all are: z = (0.8 - 0.5) / sqrt(0.25 / 10) = 1.897."""
    negatives = ["not a"] * 8 + ["b"] * 2
    positives = ["not a"] * 2 + ["b"] * 8
    words = {g.words: g for g in give_aways(negatives, positives)}
    assert words["not"].z == pytest.approx(0.3 / np.sqrt(0.025))
    assert (words["not"].negatives, words["not"].positives) == (8, 2)
    assert words["b"].z == pytest.approx(-0.3 / np.sqrt(0.025))
    assert give_aways([], []) == ()


def test_balance_keeps_both_directions_and_cuts_one():
    both = balanced([*inserted(), *removed()])
    assert 30 <= len(both) <= 40
    one = balanced(inserted())
    assert len(one) == 2
    assert len(balanced(inserted(), least=5)) == 5


def test_balance_does_not_depend_on_the_order():
    cases = [*inserted(), *removed(10)]
    ours = {m.text for _, m in balanced(cases)}
    assert ours == {m.text for _, m in balanced(cases[::-1])}
