"""Numbers, units, years and months are found where they are, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foils.make import values
from foils.make.dates import dates, years
from foils.make.item import Item
from foils.make.nearmiss import candidates, elsewhere, fresh, groups, plausible, sensible
from foils.make.values import quantities, spelled, units
from foils.make.view import Text


def found(text):
    return [(q.text, q.value, q.unit.symbol if q.unit else q.sign or q.label) for q in quantities(Text(text))]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("about 1.5 million litres (400,000 gallons)", [("1.5", 1.5e6, "L"), ("400,000", 4e5, "gal")]),
        ("It is 60 m high and weighs 5kg.", [("60", 60, "m"), ("5", 5, "kg")]),
        ("type 2 diabetes in 30 % of them", [("2", 2, "type"), ("30", 30, "%")]),
        ("Sales of $5 million", [("5", 5e6, "$")]),
        ("twenty-one of 1500 people", [("twenty-one", 21, ""), ("1500", 1500, "")]),
        ("a 28-day cycle", [("28", 28, "d")]),
        ("IL-6 and p53, version 2.3.1, at 10:30, ratio 1:2, score 3-1, B-52", []),
        ("On 5 May 1996 they met", []),
        ("born in 1996", []),
        ("", []),
    ],
)
def test_numbers(text, numbers):
    assert found(text) == numbers


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("at least 14,000 votes", True),
        ("more than 60 people", True),
        ("in excess of 90 people", True),
        ("over the past 30 years", True),
        ("between 5 and 10 people", True),
        ("60 people or more", True),
        ("60 or more people", True),
        ("exactly 60 people", False),
    ],
)
def test_bounds(text, bound):
    assert quantities(Text(text))[0].bound is bound


def test_years_are_intervals():
    text = Text("Since 1996 it stood; until 1950 it did not. He ruled from 1509 to 1547, 1990-95, 1979 -- 80, in 1066.")
    assert [(y.value, y.first, y.last, y.link) for y in years(text)] == [
        (1996, 1996, 2049, "since"),
        (1950, 1000, 1950, "until"),
        (1509, 1509, 1547, "range"),
        (1547, 1509, 1547, "range"),
        (1990, 1990, 1995, "range"),
        (1979, 1979, 1980, "range"),
        (1066, 1066, 1066, ""),
    ]


@pytest.mark.parametrize("text", ["1500 people", "1996 km", "$1996", "1,996", "U+1996", "1996s", "route-1996", "1200%"])
def test_four_digits_that_are_no_year(text):
    assert years(Text(text)) == ()


def test_months():
    text = Text("On 5 May 1996, in March, on june 3rd , 2001 ; they may march in August.")
    assert [(d.number, d.day, d.year) for d in dates(text)] == [(4, 5, 1996), (2, 0, None), (5, 3, 2001), (7, 0, None)]


def test_new_numbers_are_as_round_and_far_enough():
    (number,) = quantities(Text("14,000 people came"))
    assert all(v % 1000 == 0 and abs(v - 14_000) >= 2_800 for v in candidates(number))
    assert spelled(9_000, number) == "9,000"
    (word,) = quantities(Text("Seven people came"))
    assert spelled(9, word) == "Nine"
    (half,) = quantities(Text("2.5 kg of it"))
    assert all(len(spelled(v, half).split(".")[1]) == 1 for v in candidates(half))


def test_absurd_values_are_rejected():
    (share,) = quantities(Text("80% of them"))
    assert sensible(60, share)
    assert not sensible(112, share)
    (hours,) = quantities(Text("in 60 hours"))
    assert not sensible(100, hours)


def test_unit_swaps_stay_near_and_change_the_value():
    (length,) = quantities(Text("60 km long"))
    assert plausible(length, "mi")
    assert not plausible(length, "nm")
    assert not plausible(length, "km")


def test_every_unit_has_neighbours_of_its_dimension():
    for unit in units().values():
        near = [units()[s] for s in unit.near if s in units()]
        assert all(n.dimension == unit.dimension and n.symbol != unit.symbol for n in near), unit.symbol


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("The wall is 1,000 m long, that is 1 km.", True),
        ("The wall is 100 km long, or 62 miles.", True),
        ("They were six. There are 6 towers.", True),
        ("The wall is 100 km long and 8 m high.", False),
    ],
)
def test_the_old_value_elsewhere(text, there):
    item = Item("How long is the wall?", text)
    group = next(iter(groups(item.numbers)))
    assert elsewhere(item, group) is there


def test_new_values_are_new_to_query_and_passage():
    item = Item("Are 3 or 4 towers left?", "Of 1 and 2 and 6 and 7 towers, 5 towers are left.")
    five = next(q for q in item.numbers if q.value == 5)
    new = fresh(item, five, "x")
    assert new is not None
    assert new not in {1, 2, 3, 4, 5, 6, 7}


PIECES = [
    *("at least", "more than", "the age of", "between 3 and", "as many as", "ca.", "about", "some", "~", "<", "≥", "$"),
    *(
        "weighs",
        "US$",
        "1,500",
        "12",
        "(12",
        "-12",
        "$5",
        "~5",
        "≥ 7",
        "2.5",
        "Three's",
        "o'two",
        "twenty-one",
        ",",
        "-",
    ),
]


@given(st.lists(st.sampled_from(PIECES), max_size=9).map(" ".join))
def test_shortcuts_change_no_number(text):
    """Places, bounds and estimates are what the whole patterns find, without looking everywhere."""
    plain = [m.span() for m in values.NUMBER.finditer(text) if text[m.start() - 1 : m.start()] != "'"]
    assert [m.span() for m in values._written(Text(text))] == plain
    for number in quantities(Text(text)):
        start, sign = number.span.start, number.sign in ("<", "≥")
        searched = values.BOUND.search(text, max(0, start - 24), start)
        assert number.bound >= (searched is not None) or sign
        assert number.about == bool(values.ABOUT.search(text, max(0, start - 18), start))
