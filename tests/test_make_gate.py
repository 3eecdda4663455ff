"""The gate: what saves a passage that was edited, found by reading; the sentences are written for foils."""

import pytest

from foils.make import gate
from foils.make.edits import Span
from foils.make.item import Item, Made, Refused
from foils.make.nearmiss import Number
from foils.make.polarity import Affixal, Antonym, InsertNot
from foils.make.premise import QueryNegation, QueryNumber
from foils.make.temporal import MonthShift, YearShift


def reason(operator, query, passage, answer=None):
    result = operator(Item(query, passage, answer, language="en"))
    return result.reason if isinstance(result, Refused) else "made"


@pytest.mark.parametrize(
    ("operator", "query", "passage", "why"),
    [
        (Affixal(), "What is hereditary marsh fever?", "Hereditary marsh fever (HMF) is a mild illness.", "alias"),
        (Affixal(), "What is hereditary marsh fever?", "Hereditary marsh fever is a mild illness.", "made"),
        (Affixal(), "What is hereditary marsh fever?", "Hereditary marsh fever\nIt is a mild illness.", "said elsewhere"),
        (Antonym(), "what is the highest peak of the island", "The highest peak of the island is Bel. It is high.", "made"),
        (Number(), "What is marsh fever type 2?", "Marsh fever type 2 (MF2) is a mild illness.", "alias"),
        (Number(), "What is marsh fever type 2?", "Marsh fever type 2, or MFA II, is a mild illness.", "alias"),
        (Number(), "What is marsh fever type 2?", "Marsh fever type 2 is a mild illness.", "made"),
        (Number(), "Where are the ten rules of Ostby kept?", "The ten rules of Ostby are kept in the hall.", "part of a name"),
        (Number(), "Does the hall have 12 doors?", "The hall of Ostby has 12 doors.", "yes/no question"),
        (Number(), "how many rooms are in the hall", "The hall has 90 rooms and 12 doors.", "not aligned"),
        (Number(), "Which guests under the age of 18 came?", "Guests under the age of 18 came by boat.", "bound"),
        (YearShift(), "Who won the battle of Lund in 1297?", "In 1297 Harald won the battle of Lund.", "not aligned"),
        (YearShift(), "Who won the cup of Lund in 1997?", "In 1997 Harald won the cup of Lund.", "made"),
        (YearShift(), "When did the tax of Lund end?", "The tax of Lund was cut in 2015. The rule took effect in 2016.", "not aligned"),
        (YearShift(), "When did the tax of Lund end?", "The tax of Lund was ended in 2015.", "made"),
        (YearShift(), "When was the roll of Lund baked?", "The roll of Lund was baked in 1972, first in the late 1960s.", "not aligned"),
        (MonthShift(), "When was Ann Lee at the hall?", "Ann Lee, born in May 1951, was at the hall in 1987.", "not aligned"),
        (InsertNot(), "Who played the queen?", "Ann Lee is known for her role as the queen.", "answer not known"),
        (InsertNot(), "what is a day hall?", "A day hall is a house for children.", "made"),
        (InsertNot(), "what is the name of the hall?", "A day hall is a house for children.", "answer not known"),
        (QueryNumber(), "who is the writer of two old dads", "Ann wrote the book called Two Old Dads.", "part of a name"),
        (QueryNegation(), "the layer of the eye is called", "The layer of the eye is called the uvea.", "no claim"),
        (QueryNegation(), "The drug lowers the pulse.", "The drug lowers the pulse of all mice.", "made"),
    ],
)  # fmt: skip
def test_what_saves_a_passage(operator, query, passage, why):
    if operator.missing() or (isinstance(operator, QueryNegation) and why == "made"):
        pytest.importorskip("textblob")
        pytest.importorskip("lemminflect")
    assert reason(operator, query, passage) == why


def test_an_answer_behind_a_comma_is_told_anyway():
    passage = "The chapel is a stone house, built in 1864 by Anselm Rau."
    assert reason(InsertNot(), "Who built the chapel?", passage, "Anselm Rau") == "answer outside the clause"
    plain = "The chapel was built by Anselm Rau."
    assert reason(InsertNot(), "Who built the chapel?", plain, "Anselm Rau") == "made"


def test_do_support_negates_a_claim():
    pytest.importorskip("textblob")
    pytest.importorskip("lemminflect")
    item = Item("The drug lowers the pulse.", "The drug lowers the pulse of all mice.")
    made = QueryNegation()(item)
    assert isinstance(made, Made)
    assert made.text == "The drug does not lower the pulse."


def test_season_numbers_are_ordinals_too():
    item = Item("When did season 2 of the show start?", "The second season of the show started in May.")
    made = QueryNumber()(item)
    assert isinstance(made, Made)
    assert "season 2" not in made.text
    held = Item(
        "When did season 2 of the show start?", "The second season of the show, not the first, third or fourth season."
    )
    result = QueryNumber()(held)
    assert isinstance(result, Refused) or "season 5" in result.text


def test_heading_and_again():
    item = Item("What is marsh fever?", "Marsh fever\nMarsh fever is mild. The fever of the marsh is old.")
    assert gate.heading(item, [Span(0, 5)])
    assert not gate.heading(item, [Span(0, 5), Span(13, 18)])
    assert gate.again(item, [Span(0, 5), Span(13, 18)])
    assert not gate.heading(Item("q", "no heading here"), [Span(0, 2)])
