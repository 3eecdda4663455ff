"""Twins: the same kind of change, the meaning kept; one of every kind."""

import pytest

from foils.make.deletion import DeleteEvidence
from foils.make.edits import apply
from foils.make.entity import Cohyponym
from foils.make.item import Item
from foils.make.nearmiss import Duration, Number, UnitSwap
from foils.make.polarity import Affixal, Antonym, InsertNot, RemoveNot
from foils.make.premise import QueryDate, QueryExclusion, QueryNegation, QueryNumber
from foils.make.temporal import MonthShift, YearShift
from foils.make.twins import AFFIRM, with_twin


@pytest.mark.parametrize(
    ("operator", "query", "passage", "answer", "twin"),
    [
        (YearShift(), "When was it opened?", "The hall was opened in 1932 by the king.", "1932",
         "The hall was opened in the year 1932 by the king."),
        (YearShift(), "When was it opened?", "The hall was opened on May 5, 1932 by the king.", "1932",
         "The hall was opened on 5 May 1932 by the king."),
        (MonthShift(), "When was it opened?", "The hall was opened on 5 May 1932 by the king.", "May",
         "The hall was opened on May 5, 1932 by the king."),
        (Number(), "How many guards are there?", "There are 14 guards at the gate.", "14",
         "There are fourteen guards at the gate."),
        (Number(), "How many came?", "On that day 14,500 people came.", "14,500", "On that day 14500 people came."),
        (Number(), "What share came?", "Of the town 40% came to the feast.", "40%",
         "Of the town 40 percent came to the feast."),
        (Duration(), "How long did it take?", "The work took twelve days of the spring.", "twelve days",
         "The work took 12 days of the spring."),
        (UnitSwap(), "How long is it?", "The road is 5 km long and old.", "5 km", "The road is 5,000 m long and old."),
        (UnitSwap(), "How long is it?", "The film is 3 hours long and sad.", "3 hours",
         "The film is 180 minutes long and sad."),
        (RemoveNot(), "Who did not sign it?", "It was not signed by Norway in the end.", "Norway",
         "It wasn't signed by Norway in the end."),
        (Cohyponym(), "Where is it held?", "The market is held in Spain and is old.", "Spain",
         "The market is held in the country of Spain and is old."),
        (QueryDate(), "Who won the cup in 1990?", "Ann won the cup in 1990.", None, "Who won the cup in the year 1990?"),
        (QueryNumber(), "Which gate has 14 guards?", "The north gate has 14 guards.", None,
             "Which gate has fourteen guards?"),
        (QueryNegation(), "The drug is not tied to sleep.", "The drug is not tied to sleep at all.", None,
         "The drug isn't tied to sleep."),
        (QueryExclusion(), "Which market is held in Spain?", "The market is held in Spain each year.", None,
         "Which market is held in the country of Spain?"),
        (Affixal(), "Which mushroom of the wood is edible?", "The mushroom of the wood that is edible is the cap.", None,
         "The mushroom of the wood that is not inedible is the cap."),
        (Antonym(), "Which film began filming in high summer?", "Filming of the film began in high summer.", "high",
         "Filming of the film started in high summer."),
    ],
)  # fmt: skip
def test_a_twin_says_the_same(operator, query, passage, answer, twin):
    item = Item(query, passage, answer)
    made = with_twin(operator(item), item)
    assert made.twin is not None
    assert made.twin.text == twin
    original = item.query if made.side == "query" else item.passage
    assert apply(original, made.twin.edits) == twin
    assert made.text not in (original, twin)


def test_an_affirmation_stands_where_not_would():
    item = Item("The drug is tied to sleep.", "The drug is tied to sleep in mice.")
    made = with_twin(InsertNot()(item), item)
    assert made.twin.text in {f"The drug is {word} tied to sleep in mice." for word in AFFIRM}
    legal = Item("Who may hunt?", "Hunting is legal for Ann in the wood.", "Ann")
    assert with_twin(InsertNot()(legal), legal).twin.text == "Hunting is not illegal for Ann in the wood."


def test_another_sentence_is_deleted():
    item = Item("Who built the tower?", "The tower is old. It was built by Bo. Many see it. It has bells.", "Bo")
    made = with_twin(DeleteEvidence()(item), item)
    assert "Bo" not in made.text
    assert made.twin.text == "The tower is old. It was built by Bo. It has bells."


def test_degrees_are_not_converted():
    """Of a difference, *5 °C warmer*, the twin would say something else."""
    item = Item("How much warmer is it?", "It became warmer by 5 °C there.", "5 °C")
    twin = with_twin(Number()(item), item).twin
    assert twin is None or "°F" not in twin.text
