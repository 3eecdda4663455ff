"""Two-sided pairs: what each query prefers is wrong for the other, by hand and by property."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils.errors import RecipeError
from foils.make.asking import asked, stretch
from foils.make.edits import Edit, apply, inverse
from foils.make.swaps import swaps
from foils.make.twosided import KINDS, Counterparts, both_ways
from foils.make.view import Text

PASSAGES = [
    "The old harbour was closed to ships in 1932. A museum stands there today.",
    "The new bridge has a railway on its lower deck. Cars use the upper deck.",
    "Wolves are not found on the northern island. Foxes live in the hills around the town.",
    "The library in the old town lends books without charge. It opens at ten.",
    "A small dog chased the old postman through the village. Nobody was hurt.",
    "The treaty was signed after the war had ended in Europe.",
    "Most of the early settlers came from the coast of Norway by ship.",
    "Sodium chloride is soluble in water and melts at a high temperature.",
]


def one(passage: str, *operators: str, form: str = "claim"):
    found = Counterparts(operators, forms=(form,)).make(passage)
    assert len(found) == 1, passage
    return found[0]


def test_a_clause_is_denied_on_both_sides():
    pair = one("The old harbour was closed to ships in 1932.", "negate")
    assert pair.query == "The old harbour was closed to ships in 1932"
    assert pair.changed in {f"The old harbour {w} closed to ships in 1932." for w in ("was not", "wasn't", "was never")}
    assert pair.counter in {f"The old harbour {w} closed to ships in 1932" for w in ("was not", "wasn't", "was never")}
    assert pair.kind == "polarity"


def test_a_denial_is_taken_back():
    pair = one("Wolves are not found on the northern island.", "affirm")
    assert (pair.query, pair.counter) == (
        "Wolves are not found on the northern island",
        "Wolves are found on the northern island",
    )
    assert pair.changed == "Wolves are found on the northern island."


@pytest.mark.parametrize(
    ("operator", "passage", "changed"),
    [
        ("lack", PASSAGES[1], "The new bridge lacks a railway on its lower deck. Cars use the upper deck."),
        ("quantifier", PASSAGES[3], "The library in the old town lends books with charge. It opens at ten."),
        (
            "order",
            "The treaty was signed after the great war in Europe.",
            "The treaty was signed before the great war in Europe.",
        ),
        ("affixal", PASSAGES[7], "Sodium chloride is insoluble in water and melts at a high temperature."),
    ],
)
def test_words_turn_the_sentence_round(operator, passage, changed):
    assert one(passage, operator).changed == changed


def test_a_question_leaves_out_the_subject():
    pair = one("The old harbour was closed to ships in 1932.", "negate", form="question")
    assert pair.query == "what was closed to ships in 1932"
    assert pair.counter.startswith("what was")
    assert "closed to ships in 1932" in pair.counter


def test_keywords_keep_what_denies():
    pair = one(PASSAGES[3], "quantifier", form="keywords")
    assert "without" in pair.query.split()
    assert "with" in pair.counter.split()


def test_swapped_things_and_their_passive():
    pytest.importorskip("textblob")
    pytest.importorskip("lemminflect")
    text = Text("A small dog chased the old postman through the village.")
    found = next(s for s in swaps(text, text.sentences[0]) if s.operator == "swap-object")
    assert apply(text.raw, found.edits) == "An old postman chased the small dog through the village."
    assert apply(text.raw, found.same).lower() == "the old postman was chased by a small dog through the village."
    assert apply(text.raw, found.turned).lower() == "the small dog was chased by an old postman through the village."


def test_swapped_properties():
    pytest.importorskip("textblob")
    text = Text("A woman in a red coat talks to a man in a blue shirt.")
    found = next(s for s in swaps(text, text.sentences[0]) if s.operator == "swap-attribute")
    assert apply(text.raw, found.edits) == "A woman in a blue coat talks to a man in a red shirt."
    assert apply(text.raw, found.same) == "A woman in a coat that is red talks to a man in a shirt that is blue."


@pytest.mark.parametrize(
    "sentence",
    [
        "The young mayor met the old teacher.",  # symmetric
        "The red car and the white house were sold.",  # joined: both orders say the same
        "The red car, a white house and the garden were sold.",
        "The dog chases the dogs.",  # the same thing twice
        "The old harbour is a modern museum.",  # is: the same the other way round
    ],
)
def test_what_holds_both_ways_is_not_swapped(sentence):
    pytest.importorskip("textblob")
    text = Text(sentence)
    assert [s for s in swaps(text, text.sentences[0]) if s.operator == "swap-object"] == []


@pytest.mark.parametrize(
    ("passage", "reason"),
    [
        ("If the old harbour was closed, ships went elsewhere.", "points elsewhere"),
        ("It was closed to ships in the year 1932.", "points elsewhere"),
        ('The mayor said "the harbour was closed" to the press.', "quoted or in brackets"),
        ("The harbour was closed to large ships. The harbour was closed to large ships in winter.", "said elsewhere"),
        ("Was the old harbour closed to ships in 1932?", "question"),
        ("Der alte Hafen wurde im Jahr 1932 geschlossen.", "not English"),
    ],
)
def test_why_nothing_is_made(passage, reason):
    maker = Counterparts(("negate",))
    assert maker.make(passage) == []
    assert maker.reasons[reason] >= 1


def test_the_opposite_word_must_not_stand_elsewhere():
    assert Counterparts(("antonym",)).make("The main gate is open to all cars. Trams use the closed gate.") == []


@pytest.mark.parametrize("options", [{"operators": ("nothing",)}, {"forms": ("poem",)}, {"per_passage": 0}])
def test_wrong_options_are_named(options):
    with pytest.raises(RecipeError, match=r"operators: negate.*forms: claim"):
        Counterparts(**options)


def test_the_same_again_and_each_text_once():
    maker = Counterparts()
    found = both_ways(PASSAGES * 2, maker)
    assert found == both_ways(PASSAGES, Counterparts())
    assert len({p.passage for p in found}) == len(found) >= 5


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([s for p in PASSAGES for s in p.split(". ")]), min_size=1, max_size=4), st.integers(0, 9)
)
def test_every_pair_can_be_turned_back(sentences, seed):
    passage = ". ".join(s.rstrip(".") for s in sentences) + "."
    for pair in Counterparts(seed=seed, per_passage=3).make(passage):
        assert pair.changed != pair.passage == passage
        assert apply(pair.changed, inverse(pair.edits)) == passage
        assert pair.query.lower() != pair.counter.lower()
        assert KINDS[pair.operator] == pair.kind


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200))
def test_odd_texts_make_no_harm(text):
    for pair in Counterparts(per_passage=5).make(text):
        assert pair.query.strip()
        assert pair.counter.strip()


def test_a_part_too_long_or_too_short_is_not_asked():
    long = Text("The " + "very " * 30 + "old harbour was closed to ships.")
    edit = Edit(long.raw.index("was") + 3, long.raw.index("was") + 3, "", " not", "negate")
    assert stretch(long, long.sentences[0], [edit]) is None
    short = Text("Ships were sunk.")
    assert stretch(short, short.sentences[0], [Edit(10, 10, "", " not", "negate")]) is None


def test_a_subordinate_clause_gives_no_question():
    text = Text("The man who built the old harbour was a sailor from Norway.")
    assert asked(text, text.sentences[0], [], "question") is None


def test_a_verb_is_not_given_a_prefix_that_only_adjectives_take():
    maker = Counterparts(("affixal",))
    assert not maker.make("The old linesman decided that the second of the three goals had been in.")
    assert maker.make("The border between the two northern valleys is undecided to this day.")


def made_of(passage: str, operator: str) -> set[str]:
    return {
        p.changed for seed in range(9) for p in Counterparts((operator,), forms=("claim",), seed=seed).make(passage)
    }


@pytest.mark.parametrize(
    "passage",
    [
        "The old mill was very popular in the 1990's among the farmers of the valley.",
        "The war of 1914–1918 destroyed the old mill of the small town completely.",
        "The last train of the day leaves the station at 10:59 in the evening.",
        "The hall of the old castle holds 500 or more people on a good day.",
        "The tower was built between 1880 and 1890 by the brothers of the abbey.",
        "The lowest temperature of the winter was −12 degrees in the old town.",
        "The World Cup 1998 hosts won the last match of the summer in the capital.",
    ],
)
def test_numbers_that_another_one_would_not_contradict_stay(passage):
    assert not made_of(passage, "number")


def test_a_day_a_year_and_a_share_stay_possible():
    days = made_of("The treaty was signed on 28 June in the hall of the old palace.", "number")
    assert days
    assert all(1 <= int(text.split(" June")[0].split()[-1]) <= 30 for text in days)
    years = made_of("In 2023 the new bridge over the river was opened to the public.", "number")
    assert years
    assert all(int(text.split()[1]) <= 2024 for text in years)
    assert (
        not made_of("The leap day of 29 February 2012 was a holiday in the old town.", "number")
        - {f"The leap day of {day} February 2012 was a holiday in the old town." for day in range(1, 30)}
        - {f"The leap day of 29 February {year} was a holiday in the old town." for year in (2004, 2008, 2016, 2020)}
    )


@pytest.mark.parametrize("opening", ["All of the settlers", "All the settlers", "Each of the settlers"])
def test_no_takes_the_place_of_a_quantifier_only_right_before_its_noun(opening):
    assert not made_of(f"{opening} of the valley came by ship from the coast.", "quantifier")


@pytest.mark.parametrize(
    "sentence",
    [
        "The mother of the king hated the sister then.",
        "The king hated the sister of the bishop then.",
        "Every student admires the teacher in the town.",
    ],
)
def test_the_passive_takes_nothing_along_that_belongs_to_another_thing(sentence):
    pytest.importorskip("lemminflect")
    text = Text(sentence)
    found = list(swaps(text, text.sentences[0]))
    assert not [s for s in found if s.operator == "swap-object" and s.same]
