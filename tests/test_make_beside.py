"""Edits beside the point: each case was right in form, and a reader still found the answer in the passage."""

import pytest

from foils.make.dosupport import InsertDoNot
from foils.make.item import Item
from foils.make.nearmiss import Duration, Number, UnitSwap
from foils.make.polarity import Quantifier, RemoveNot
from foils.make.premise import QueryOrdinal
from foils.make.values import quantities
from foils.make.view import Text
from test_make_nearmiss import made, reason


@pytest.mark.parametrize(
    ("query", "text", "answer", "why"),
    [
        # The question asks for no number, and the rest of the answer stays.
        ("What tools did the baker own?", "The baker owned two wooden rolling pins.", "two wooden rolling pins", 0),
        # Other numbers give it: the rest of a whole, a share, what is missing to a hundred.
        ("How many seats are empty?", "Of 90 seats in the hall 83 are taken and 7 are empty.", "7", 1),
        ("What percentage of sheep is black?", "Of 400 sheep 120 are black, around 30% of the flock.", "30%", 1),
        ("What percentage of the wool is sold?", "The farm keeps 20% of its wool; 80% of the wool is sold.", "80%", 1),
        # A sentence that holds more of the query has a number of the same kind.
        (
            "How many men did Orlov send to the fort?",
            "A company of 40 men left the town early. Orlov led 500 men to the fort in spring.",
            "40",
            2,
        ),
        # The rank tells which stage it is, or the stage that follows does.
        ("What is stage 1 of the race?", "Stage 1 of the race is the first, a prologue.", None, 1),
        ("What is stage 3 of the race?", "Stage 3 of the race is hilly. Riders go on to stage 4.", None, 1),
        # What the number qualifies is named behind it.
        ("When was the channel 9 drama aired?", "In 1999 the Channel 9 drama series Black Hill was aired.", None, 0),
        (
            "The paper says that 2 waves form a wave.",
            "The paper says that 2 waves form a third wave.",
            None,
            1,
        ),
    ],
)
def test_numbers_that_change_nothing(query, text, answer, why):
    said = ("beside the point", "value elsewhere", "said elsewhere")[why]
    assert reason(Number(), query, text, answer) == said


@pytest.mark.parametrize(
    ("query", "text", "answer"),
    [
        ("How many seats are empty?", "The hall has many seats, of which 7 are empty.", "7"),
        ("What percentage of sheep is black?", "Of 400 sheep 120 are old, and around 50% are black.", "50%"),
        ("What was the population of the town?", "The population of the town was 4,300.", "4,300"),
        ("What is stage 3 of the race?", "Stage 3 of the race is hilly. Stage 8 is flat.", None),
    ],
)
def test_numbers_that_are_the_point(query, text, answer):
    made(Number(), query, text, answer)


def test_a_length_that_the_years_tell_again_stays():
    assert reason(Duration(), "How long did he reign?", "He reigned for 8 years, from 1311 to 1319.", "8 years") == (
        "value elsewhere"
    )
    made(Duration(), "How long did he reign?", "He reigned for 8 years and was crowned in 1311.", "8 years")


@pytest.mark.parametrize("operator", [Duration(), UnitSwap()])
def test_the_biggest_in_so_many_years_is_a_bound(operator):
    query = "The harvest was the biggest in 45 years."
    assert reason(operator, query, "The harvest was the biggest in 45 years.") == "bound"
    made(operator, "The harvest took 45 years.", "The harvest took 45 years.")


def test_a_measure_picks_nothing_where_the_question_holds_a_name():
    text = "The Grey Fever stayed in Europe for three years before it went on to Persia."
    for query in ("the grey fever stayed in europe for three years then went where", "What stayed for three years?"):
        operators = (Duration(), UnitSwap())
        if "grey" in query:
            assert {reason(o, query, text) for o in operators} == {"beside the point"}
        else:
            for operator in operators:
                made(operator, query, text)


def test_a_measure_in_brackets_or_with_its_short_form_stays():
    assert reason(Number(), "how many eggs in a 16 oz cake", "A cake (16 oz) has many eggs.") == "beside the point"
    text = "The fleet emitted 918 million tonnes (Mt) of gas."
    assert reason(UnitSwap(), "The fleet emitted 918 million tonnes of gas.", text) == "value elsewhere"


def test_a_number_in_words_before_initials_measures_nothing():
    query, text = "Doctors know two TB infections.", "The doctors of the town know two TB infections today."
    assert reason(UnitSwap(), query, text) == "not aligned"


@pytest.mark.parametrize(
    ("query", "text", "why"),
    [
        # What it qualifies is another thing than in the query.
        ("The pony of the farm is usually small.", "The pony of the farm is usually small and brown.", None),
        ("A pony is usually an animal.", "A pony is an animal, usually kept on farms.", "not aligned"),
        ("The farm was run by many hands.", "The farm was run by many hands, including Ann.", "said elsewhere"),
        ("The ponies of the farm usually eat hay.", "The ponies of the farm usually eat only hay.", "said elsewhere"),
        ("The farm closed many years ago.", "The farm closed many years ago.", "fixed phrase"),
        ("what are ponies usually fed", "Ponies are usually fed hay, but they also get oats.", "said elsewhere"),
        ("what is the farm called where many ponies live", "Many ponies live on the farm.", "beside the point"),
        ("Hay is kept between each wall.", "Hay is kept between each wall.", "no subject after"),
        ("Each pony has a box.", "Each pony has a box.", None),
        ("Hay is as often sold as oats.", "Hay is as often sold as oats.", "fixed phrase"),
        ("Mud ruins 5 percent of all hooves.", "Mud ruins 5 percent of all hooves.", "fixed phrase"),
        (
            "The cart of the farm runs without wires.",
            "A cart is wireless. The cart of the farm runs without wires.",
            "said elsewhere",
        ),
        (
            "Ponies usually eat hay at night.",
            "Ponies usually eat hay at night. Hay is what ponies want.",
            "said elsewhere",
        ),
    ],
)
def test_quantifiers(query, text, why):
    if why is None:
        made(Quantifier(), query, text)
    else:
        assert reason(Quantifier(), query, text) == why


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("why are ponies not ridden", "Ponies are not ridden because their backs are weak."),
        ("what is not known about the fire", "The cause of the fire is not known. It stays unknown to this day."),
        ("which animals are not fed in summer", "In summer ponies are not fed. They are fed only in winter."),
    ],
)
def test_a_denial_that_is_told_again_stays(query, text):
    assert isinstance(reason(RemoveNot(), query, text), str)


def test_a_quantifier_of_a_long_answer_stays():
    text = "The farm got its name because it had lost many herds."
    assert reason(Quantifier(), "Why did the farm get its name?", text, "it had lost many herds") == "beside the point"
    made(Quantifier(), "How many herds had the farm lost?", text, "many herds")


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("how many ponies are not fed in summer", "Half of the ponies are not fed in summer."),
        ("which animals are not fed in summer", "In summer ponies are not fed, as there is grass."),
        ("which animals are not fed in summer", "Unlike cows, the ponies are not fed in summer."),
        ("which animals are not fed in summer", "In summer ponies are not fed. Instead grass is left for them."),
        ("what are not the only animals fed in winter", "Ponies are not the only animals fed in winter."),
    ],
)
def test_a_denial_that_is_explained_stays(query, text):
    assert isinstance(reason(RemoveNot(), query, text), str)


def test_a_denial_told_once_is_turned_round():
    result = made(RemoveNot(), "which animals are not fed in summer", "In summer ponies are not fed.")
    assert result.text == "In summer ponies are fed."


def test_ordinals_of_yes_no_questions_and_of_numbered_rows_stay():
    text = "The second type of dough is sour."
    assert reason(QueryOrdinal(), "Is the second type of dough sour?", text) == "yes/no question"
    query = "what is the second type of dough"
    free = {made(QueryOrdinal(seed), query, text).edits[0].new for seed in range(12)}
    assert free == {"third", "fourth"}
    numbered = f"{text} Type 3 dough is sweet."
    assert {made(QueryOrdinal(seed), query, numbered).edits[0].new for seed in range(12)} == {"fourth"}


def test_numbers_of_texts_that_were_cut_into_words():
    found = {q.text: q for q in quantities(Text("He made a 63 - yard kick at ninety - nine and five - day trips."))}
    assert set(found) == {"63", "five"}
    assert found["63"].unit is not None
    assert found["63"].unit.symbol == "yd"
    times, days = quantities(Text("Take it five times a day for 5 days."))
    assert not times.same(days)
    assert [q.bound for q in quantities(Text("It is given to 5-to-14-year-olds."))] == [True]


def test_a_name_with_a_number_stays():
    item = ("The HD 36 dropped the cockpit.", "The HD 36 dropped the cockpit of the old plane.")
    assert reason(Number(), *item) == "part of a name"
    assert Item(*item).asked_numbers


@pytest.mark.parametrize(
    ("query", "text", "answer", "why"),
    [
        # No verbs: nouns that look like one, and participles.
        ("A line of toy bears leans on a wall.", "A line of toy bears leaning on a wall.", None, "no verb"),
        ("The loads lost in March belonged to Ann.", "The loads lost in March belonged to Ann.", None, "no verb"),
        ("The old farm includes a mill.", "The old farm includes a mill.", None, "said elsewhere"),
        (
            "What did he join?",
            "He joined the Black Hill club and stayed with them.",
            "the Black Hill club",
            "said elsewhere",
        ),
        ("What did he join?", "He joined the Black Hill club.", "the Black Hill club", None),
    ],
)
def test_verbs_that_are_none_or_are_denied_in_vain(query, text, answer, why):
    pytest.importorskip("lemminflect")
    pytest.importorskip("textblob")
    if why is None:
        assert "did not join" in made(InsertDoNot(), query, text, answer).text
    else:
        assert reason(InsertDoNot(), query, text, answer) == why


@pytest.mark.parametrize(
    "text",
    [
        "He was born on Jan. 5, 1998 in Rome.",
        "It was led by Lt. Col. Brown.",
        "It was opened by Gov. Smith in Sept. 1990.",
    ],
)
def test_an_abbreviation_ends_no_sentence(text):
    assert len(Text(text).sentences) == 1
