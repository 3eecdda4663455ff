"""Numbers, units, closed sets and names: what is edited, what is left alone, and why."""

import pytest

from foils.make.edits import apply, inverse
from foils.make.entity import Cohyponym, EntitySwap, QueryEntity
from foils.make.item import Item, Made, Refused
from foils.make.nearmiss import Duration, Number, UnitSwap
from foils.make.pool import Pool, entities
from foils.make.view import Text


def reason(operator, *args, **more):
    result = operator(Item(*args, **more))
    assert isinstance(result, Refused), result
    return result.reason


def made(operator, *args, **more):
    item = Item(*args, **more)
    result = operator(item)
    assert isinstance(result, Made), result
    original = item.query if result.side == "query" else item.passage
    assert apply(original, result.edits) == result.text
    assert apply(result.text, inverse(result.edits)) == original
    return result


DAM = "The dam was built by hand. It holds 60 million litres and is watched by 14 guards."


def test_a_number_that_answers_is_changed():
    result = made(Number(), "How many guards watch the dam?", DAM, "14")
    assert result.gate["route"] == "answer"
    assert "14" not in result.text
    assert "60 million" in result.text
    assert result.answer is not None
    assert DAM[result.answer.start : result.answer.end] == "14"


def test_a_number_that_the_query_names_is_changed_everywhere():
    text = "Stage 2 is hard. Riders fear stage 2 because of the wind."
    result = made(Number(), "Who won stage 2 of the race?", text)
    assert result.gate["route"] == "query"
    assert len(result.edits) == 2
    assert len({e.new for e in result.edits}) == 1


@pytest.mark.parametrize(
    ("query", "text", "answer", "why"),
    [
        ("How many came?", "At least 14,000 people came.", "14,000", "bound"),
        ("How many came?", "Over the past 30 days people came.", "30", "bound"),
        (
            "How many guards are there?",
            "There are 14 guards, for 14 is a lucky number.",
            "14 guards",
            "value elsewhere",
        ),
        ("How many guards are there?", "The fourteen gates have 14 guards today.", "14", "value elsewhere"),
        ("How many guards are there?", "There were never 14 guards at the gate.", "14", "negator before"),
        ("How many guards are there?", 'He said "there are 14 guards" to her.', "14", "quoted"),
        ("How many guards are there?", "If 14 guards came, the gate would hold.", "14", "conditional"),
        ("How many guards are there?", "Are there 14 guards at the gate?", "14", "question"),
        ("Who built the dam?", DAM, None, "no number asked about"),
        ("Who built the 3 dams?", DAM, None, "not aligned"),
        ("How many guards are there?", "guards | 14 | gate", "14", "not prose"),
    ],
)
def test_numbers_that_must_stay(query, text, answer, why):
    operator = Duration() if "days" in text else Number()
    assert reason(operator, query, text, answer) == why


def test_without_an_answer_the_only_fitting_number_counts():
    text = "The old hotel features 202 rooms and a garden with many trees."
    assert made(Number(), "how many rooms does the old hotel have", text).gate["route"] == "expected"
    two = "The old hotel features 202 rooms. The old hotel had 90 rooms once."
    assert reason(Number(), "how many rooms does the old hotel have", two) == "not aligned"


def test_a_length_of_time_is_temporal_work():
    text = "The king ruled for twelve years and died at sea."
    assert reason(Number(), "How long did the king rule?", text, "twelve years") == "no number"
    result = made(Duration(), "How long did the king rule?", text, "twelve years")
    assert result.kind == "temporal"


def test_a_unit_is_exchanged_for_a_near_one():
    result = made(UnitSwap(), "How heavy is the bell?", "The bell of the tower weighs 4 kg and is old.", "4 kg")
    assert result.edits[0].old == "kg"
    assert result.edits[0].new in {"g", "lb", "t"}
    long = made(UnitSwap(), "How far is it?", "The road to the sea is 12 kilometres long.", "12 kilometres")
    assert long.edits[0].new in {"miles", "metres"}


def test_numbers_work_in_any_language_written_with_digits():
    text = "Der Turm der Stadt ist alt. Er hat 348 Stufen und zwei Glocken."
    assert made(Number(), "Wie viele Stufen hat der Turm?", text, "348").edits[0].old == "348"
    assert reason(UnitSwap(), "Wie viele Stufen hat der Turm?", text, "348") == "language"


@pytest.mark.parametrize(
    ("query", "text", "answer", "old"),
    [
        ("Which metal is it made of?", "The old bell is made of copper.", "copper", "copper"),
        ("When is the market held in Spain?", "In Spain the market is held on the square.", None, "Spain"),
    ],
)
def test_members_of_closed_sets(query, text, answer, old):
    result = made(Cohyponym(), query, text, answer)
    assert [e.old for e in result.edits] == [old]
    assert result.edits[0].new not in text


@pytest.mark.parametrize(
    ("query", "text", "answer", "why"),
    [
        ("When is the market held in Spain?", "In Spain the Spanish market is held.", None, "value elsewhere"),
        ("Which countries?", "The market tours Spain and France in summer.", "Spain", "two of a set"),
        ("Is the market held in Spain?", "In Spain the market is held.", None, "yes/no question"),
        ("Who sang it?", "In Spain the market is held.", None, "no member of a set"),
    ],
)
def test_members_that_must_stay(query, text, answer, why):
    assert reason(Cohyponym(), query, text, answer) == why


POOL = Pool.build(
    [
        "Mary Stone founded Harrow University with John Field.",
        "Helen Marsh taught at Benton University.",
        "Robert Hall met Peter Lund.",
    ]
)


def test_names_are_typed_by_what_is_written_on_them():
    text = Text("Mary Stone of Harrow University saw the Stanley Cup, and David Copper of Rome Street.")
    assert [(e.text, e.sort) for e in entities(text)] == [
        ("Mary Stone", "person f"),
        ("David Copper", "person m"),
        ("Harrow University", "University"),
    ]


def test_a_name_is_exchanged_for_one_of_its_type_from_the_corpus():
    text = "The school was led by Susan Gray for years. Gray wrote its rules."
    result = made(EntitySwap(), "Who led the school?", text, "Susan Gray", pool=POOL)
    assert result.edits[0].new in {"Mary Stone", "Helen Marsh"}
    assert [e.old for e in result.edits] == ["Susan Gray", "Gray"]
    asked = made(QueryEntity(), "What did Susan Gray write for the school rules?", text, pool=POOL)
    assert asked.side == "query"


def test_without_a_corpus_names_stay():
    assert reason(EntitySwap(), "Who led it?", "It was led by Susan Gray.", "Susan Gray") == "no corpus"
    nickname = "The school was led by Susan Gray. Everybody called her Susan."
    assert reason(EntitySwap(), "Who led the school?", nickname, "Susan Gray", pool=POOL) == "value elsewhere"


@pytest.mark.parametrize(
    ("operator", "passage", "answer", "why"),
    [
        # With another number the noun would be in the wrong form.
        (Number(), "The bridge of Ostby is 1 mile long.", "1", "no new value"),
        (Duration(), "The ride to Ostby lasts 1 hour in summer.", "1 hour", "no new value"),
        # 40 below zero is the same in both units, and brackets hold another number than for 5 above it.
        (UnitSwap(), "It was −40 °C in Ostby then.", "40 °C", "no unit"),
        (Number(), "It was -5 °C in Ostby then.", "5 °C", "no number"),
        # A difference is converted otherwise than a temperature.
        (Number(), "It is warmer by 2 °C (3.6 °F) in Ostby now.", "2 °C", "value elsewhere"),
    ],
)
def test_numbers_that_cannot_be_exchanged(operator, passage, answer, why):
    assert reason(operator, "What is it in Ostby?", passage, answer) == why


def test_a_name_is_exchanged_wherever_the_query_holds_it_and_as_a_whole_only():
    passage = "Ann Lee built the mill of Ostby. It stands by the river."
    pool = Pool.build([passage, "Mary Brook sold the boat."])
    result = made(QueryEntity(), "Who paid Ann Lee for the mill that Ann Lee built?", passage, pool=pool)
    assert result.text == "Who paid Mary Brook for the mill that Mary Brook built?"
    assert reason(QueryEntity(), "What mill did Ann Leeds build?", passage, pool=pool) == "no constraint"


def test_a_set_of_initials_takes_its_own_article():
    result = made(Cohyponym(), "Which league is it in?", "It is an NHL team of the north.", "NHL")
    assert result.text.split()[2:4] == [{"N": "an", "M": "an"}[result.edits[-1].new[0]], result.edits[-1].new]


def test_a_country_with_an_article_gives_way_to_one_with_an_article():
    passage = "Ostby is in the Netherlands near the sea."
    assert made(Cohyponym(), "Where is Ostby?", passage, "Netherlands").edits[0].new == "Philippines"
    news = {
        made(Cohyponym(seed=s), "Where is Ostby?", "Ostby is in Spain now.", "Spain").edits[0].new for s in range(99)
    }
    assert not news & {"Netherlands", "Philippines"}


def test_a_name_in_a_longer_one_with_a_hyphen_is_another():
    passage = "Ann Lee built the mill of Ostby. It stands by the river."
    pool = Pool.build([passage, "Mary Brook sold the boat."])
    result = made(QueryEntity(), "Who paid Ann Lee and Ann Lee-Brown for the mill?", passage, pool=pool)
    assert result.text == "Who paid Mary Brook and Ann Lee-Brown for the mill?"
