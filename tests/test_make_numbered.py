"""Things that are numbered, and opposites that exclude each other."""

import pytest

from foils.make import numbered, opposed
from foils.make.deletion import DeleteEvidence, OtherPeriod
from foils.make.item import Item, Made, Refused
from foils.make.nearmiss import Number, UnitSwap
from foils.make.pool import Pool, entities
from foils.make.premise import QueryAntonym, QueryDate, QueryNumber
from foils.make.view import Text


@pytest.mark.parametrize(("value", "letters"), [(1, "I"), (4, "IV"), (9, "IX"), (14, "XIV"), (52, "LII"), (99, "XCIX")])
def test_roman_numerals(value, letters):
    assert numbered.roman(value) == letters


@pytest.mark.parametrize(
    ("value", "words"),
    [(2, {"2nd", "second"}), (13, {"13th", "thirteenth"}), (20, {"20th", "twentieth"}), (21, {"21st", "twenty-first"}),
     (30, {"30th", "thirtieth"}), (111, {"111th"})],
)  # fmt: skip
def test_ranks(value, words):
    assert numbered.ranks(value) == words


@pytest.mark.parametrize(
    ("query", "passage", "found"),
    [
        ("who sold the mill in world war 2", "The mill was sold by Ann in World War II.", True),
        ("who led the mill in season 8", "The eighth season of the mill was led by Ann.", True),
        ("who led the mill in season 8", "In Series 8 the mill was led by Ann.", True),
        ("what are the 5 parts of the mill", "The mill has five large round parts of wood.", True),
        ("what are the 5 parts of the mill", "The mill has five rooms. Its parts are of wood.", False),
        ("what area code is 479", "The area code 479 serves the mill.", True),
    ],
)
def test_where_a_number_is_said_in_another_form(query, passage, found):
    item = Item(query, passage)
    (number,) = item.asked_numbers
    assert bool(numbered.places(item, number, number.value)) is found


def test_a_new_number_stands_in_the_passage_in_no_form():
    item = Item("who led season 2 of the mill", "Ann led the second season of the mill, Bob the third, Cy Season IV.")
    (number,) = item.asked_numbers
    assert [v for v in (1, 3, 4, 5) if numbered.held(item, number, v)] == [3, 4]
    made = QueryNumber()(item)
    assert isinstance(made, Made)
    assert made.edits[0].new in ("1", "5")


@pytest.mark.parametrize(
    ("query", "passage", "text"),
    [
        ("what is the oldest mill of Lund", "Bel Mill of Lund was there before all others.", "youngest mill of Lund"),
        ("who has the most mills in Lund", "Ann holds 12 mills of Lund.", "the fewest mills"),
        ("when was the mill of Lund built", "The mill of Lund was put up by Ann in 1864.", "demolished"),
    ],
)
def test_opposites_that_the_passage_excludes(query, passage, text):
    made = QueryAntonym()(Item(query, passage))
    assert isinstance(made, Made)
    assert text in made.text


@pytest.mark.parametrize(
    ("query", "passage"),
    [
        ("what is the oldest mill of Lund", "Bel Mill of Lund was there before all others, the young one came last."),
        ("when was the mill of Lund built", "The mill of Lund was put up in 1864 and burnt in 1901."),
        ("when was the mill of Lund built", "The mill of Lund stood from 1864 to 1901."),
        ("how old is the mill of Lund", "The mill of Lund is 80 years of age."),
        ("what is the most recent mill of Lund", "Bel Mill of Lund was put up in 1864."),
        ("who sings the oldest song", "Ann sings The Oldest Song."),
    ],
)
def test_opposites_that_prove_nothing(query, passage):
    assert isinstance(QueryAntonym()(Item(query, passage)), Refused)


def test_every_event_names_another_one():
    assert all(new != old for old, (new, _) in opposed.events().items())
    assert opposed.events()["built"][0] == "demolished"
    assert opposed.events()["began"][0] == "ended"


def test_an_edition_that_the_passage_does_not_date():
    made = QueryDate()(
        Item("who won the world cup 2010", "In the final of the cup the bakers won 1-0 after extra time.")
    )
    assert isinstance(made, Made)
    assert made.edits[0].old == "2010"


def test_the_same_length_in_brackets_goes():
    item = Item("How long is the road to Lund?", "The road to Lund is 70 miles (113 km) long.", "70 miles")
    for operator in (Number(), UnitSwap()):
        made = operator(item)
        assert isinstance(made, Made)
        assert "113" not in made.text


def test_the_sentence_with_the_number_is_taken_out():
    passage = "The mill of Lund has 12 rooms in all. It stands by the sea. Its roof is of straw."
    made = DeleteEvidence()(Item("how many rooms does the mill of Lund have", passage))
    assert isinstance(made, Made)
    assert "12" not in made.text


def test_another_period_that_is_counted_from_this_one():
    told = ["Two years later the bakers of Ostby won the island cup, as in 2008."]
    item = Item("who won the island cup 2010", "The island cup of 2010 went to Ostby.", pool=Pool.build(told))
    assert OtherPeriod()(item) == Refused("no other period")


def test_names_that_are_longer_than_they_look():
    text = Text("They met John Paul II, Long Susan Gray and Mary Stone. The Mary Stone syndrome is rare.")
    assert [e.text for e in entities(text)] == ["Mary Stone"]
