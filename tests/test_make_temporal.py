"""Years, months, order, other periods, and the deletion of the evidence."""

import pytest

from foils.make.dates import years
from foils.make.deletion import DeleteEvidence, OtherPeriod
from foils.make.pool import Pool
from foils.make.temporal import MonthShift, Order, YearShift
from foils.make.values import quantities
from foils.make.view import Text
from test_make_nearmiss import made, reason

BRIDGE = "The bridge was opened in 1932 after long work. A second track came in 1951."


def test_the_year_that_answers_moves():
    result = made(YearShift(), "When was the bridge opened?", BRIDGE, "1932")
    assert "1932" not in result.text
    assert "1951" in result.text
    assert 1 <= abs(int(result.edits[0].new) - 1932) <= 9


@pytest.mark.parametrize(
    ("text", "answer", "direction"),
    [
        ("The bridge has carried trains since 1932 without a break.", "1932", 1),
        ("The bridge carried trains until 1932 and then cars.", "1932", -1),
    ],
)
def test_open_periods_move_so_that_the_old_year_falls_out(text, answer, direction):
    result = made(YearShift(), "When did the bridge carry trains?", text, answer)
    assert (int(result.edits[0].new) - 1932) * direction > 0
    (year,) = years(Text(result.text))
    assert not year.holds(1932)


def test_a_range_moves_until_it_is_disjoint():
    text = "King Olaf ruled the island from 1509 to 1547 and built the fort."
    result = made(YearShift(), "Who ruled the island in 1520?", text)
    first, last = (int(e.new) for e in result.edits)
    assert last - first == 38
    assert last < 1509 or first > 1547


@pytest.mark.parametrize(
    ("query", "text", "answer", "why"),
    [
        ("When was it opened?", "It was opened in 1932, and the 1932-33 season began.", "1932", "bound"),
        ("When was it opened?", "It was opened circa 1932 by the old queen.", "1932", "bound"),
        ("When was it opened?", "It was not opened in 1932 but later.", "1932", "negator before"),
        ("Who paid for it?", BRIDGE, None, "no date asked about"),
        ("Who paid for it in 1999?", BRIDGE, None, "not aligned"),
        ("When was it opened?", "The bridge was opened long ago by a queen.", "1932", "no year"),
    ],
)
def test_years_that_must_stay(query, text, answer, why):
    assert reason(YearShift(), query, text, answer) == why


def test_no_year_moves_into_the_future():
    for seed in range(20):
        result = made(YearShift(seed=seed), "When was it opened?", "The hall was opened in 2023 by the king.", "2023")
        assert int(result.edits[0].new) <= 2024


def test_the_month_moves_and_its_day_exists():
    for seed in range(20):
        text = "The feast is held on 31 March in the village."
        result = made(MonthShift(seed=seed), "When is the feast held?", text, "31 March")
        assert result.edits[0].new in {"January", "May", "July", "August", "October", "December"}
    twice = "The feast is held on 31 March. Come in Mar. or later."
    assert reason(MonthShift(), "When is the feast held?", twice, "31 March") == "value elsewhere"


def test_order_turns_at_the_aligned_head_only():
    text = "Ann was the first woman of the town who flew alone."
    assert made(Order(), "Who was the first woman of the town to fly alone?", text).edits[0].new == "last"
    other = "Ann, who flew alone from the first day, was a woman of the town."
    assert reason(Order(), "Who was the first woman of the town to fly alone?", other) in (
        "no such word",
        "not aligned",
    )


def test_another_period_is_mined():
    corpus = [
        "The cup final of 1990 was held in Rome.",
        "The cup final of 1986 was held in Quito.",
        "The cup final was held in Oslo from 1988 to 1992.",
    ]
    result = made_of(corpus)
    assert result.text == corpus[1]
    assert result.edits == ()
    assert "1986" in result.why


def made_of(corpus):
    from foils.make.item import Item

    item = Item("Where was the cup final of 1990 held?", corpus[0], pool=Pool.build(corpus))
    return OtherPeriod()(item)


def test_the_evidence_is_deleted_and_nothing_of_the_answer_left():
    text = "The tower is old. It was built by Anselm of Bex in stone. Many visit it. It has a bell."
    result = made(DeleteEvidence(), "Who built the tower?", text, "Anselm of Bex")
    assert result.text == "The tower is old. Many visit it. It has a bell."
    assert "Anselm" not in result.text


@pytest.mark.parametrize(
    ("text", "answer", "why"),
    [
        (
            "It was built by Anselm of Bex. Anselm came from Bex. It is old. It has a bell.",
            "Anselm of Bex",
            "answer elsewhere",
        ),
        ("It was built by Anselm of Bex.", "Anselm of Bex", "too short"),
        ("It is old. It has a bell. Many visit it.", "Anselm of Bex", "answer not in passage"),
        ("It is old. It has a bell. Many visit it.", None, "answer not known"),
    ],
)
def test_evidence_that_cannot_be_deleted(text, answer, why):
    assert reason(DeleteEvidence(), "Who built the tower?", text, answer) == why


@pytest.mark.parametrize("seed", range(4))
def test_a_leap_day_stays_in_a_leap_year(seed):
    result = made(YearShift(seed=seed), "When was the feast?", "The feast was on 29 February 2012 here.", "2012")
    assert int(result.edits[0].new) % 4 == 0


@pytest.mark.parametrize(
    "text", ["It ran in the 1990's and was loved.", "It was taken with 1500 soldiers on the field.", "World in 1990s."]
)
def test_decades_and_counts_are_no_years(text):
    assert years(Text(text)) == ()


def test_a_year_before_a_verb_or_behind_in_is_one():
    assert [y.value for y in years(Text("The World Cup 1998 was held there. In 1999 farmers left."))] == [1998, 1999]


@pytest.mark.parametrize(
    "text", ["It became a 1976 miniseries.", "In May 1976 elections were held.", "Its 1976 elections were fair."]
)
def test_a_year_before_a_plural_that_it_cannot_count_is_one(text):
    assert [y.value for y in years(Text(text))] == [1976]
    assert not quantities(Text(text))


def test_a_decade_goes_on_telling_of_its_year():
    passage = "The harbour cup of 1984 was won by Ann Lee. In the 1980s she was a weaver."
    assert reason(YearShift(), "Who won the harbour cup in 1984?", passage) == "value elsewhere"


def test_a_short_month_tells_it_again():
    passage = "The mill was opened in September 1990. In Sept. it was full."
    assert reason(MonthShift(), "When was the mill opened?", passage, "September") == "value elsewhere"
