"""The query side: one constraint changed that the passage states, to a value that it does not hold."""

import pytest

from foils.make.premise import QueryAntonym, QueryDate, QueryExclusion, QueryNegation, QueryNumber, QueryOrdinal
from test_make_nearmiss import made, reason

CURIE = "Marie Curie won her second Nobel Prize in 1911, for work on two metals found in Poland."


@pytest.mark.parametrize(
    ("operator", "query", "passage", "old"),
    [
        (QueryNumber(), "What are the signs of ataxia type 2?", "Ataxia type 2 shows signs early.", "2"),
        (QueryDate(), "Which prize did Curie win in 1911?", CURIE, "1911"),
        (QueryDate(), "Who ruled the island in 1520?", "Olaf ruled the island from 1509 to 1547.", "1520"),
        (QueryDate(), "Which feast is held in May?", "The feast of bread is held in May.", "May"),
        (QueryAntonym(), "what is the highest peak of the island", "The highest peak of the island is Bel.", "highest"),
        (QueryAntonym(), "who was the first woman to fly", "Ann was the first woman to fly.", "first"),
        (QueryExclusion(), "What work on metals was done in Poland?", CURIE, "Poland"),
        (QueryOrdinal(), "When did Curie win her second Nobel Prize?", CURIE, "second"),
    ],
)
def test_a_constraint_is_changed(operator, query, passage, old):
    result = made(operator, query, passage)
    assert result.side == "query"
    assert result.edits[-1].old == old
    assert result.edits[-1].new.lower() not in passage.lower()


def test_a_new_year_lies_in_no_period_of_the_passage():
    passage = "Olaf ruled the island from 1509 to 1547."
    for seed in range(20):
        changed = made(QueryDate(seed=seed), "Who ruled the island in 1546?", passage)
        assert not 1509 <= int(changed.edits[0].new) <= 1547


def test_claims_are_negated_both_ways():
    passage = "In mice the drug is associated with weight loss of a tenth."
    assert "is not associated" in made(QueryNegation(), "The drug is associated with weight loss.", passage).text
    none = "In mice the drug is not associated with weight loss at all."
    taken = made(QueryNegation(), "The drug is not associated with weight loss.", none)
    assert taken.text == "The drug is associated with weight loss."


@pytest.mark.parametrize(
    ("operator", "query", "passage", "why"),
    [
        (QueryNumber(), "What are the signs of ataxia type 2?", "Ataxia shows signs early.", "not aligned"),
        (QueryNumber(), "Did at least 30 guards come?", "At least 30 guards came.", "bound"),
        (QueryNumber(), "how many xbox 360 were sold", "70 million xbox 360 were sold.", "part of a name"),
        (QueryDate(), "Who ruled since 1509?", "Olaf ruled since 1509.", "bound"),
        (QueryAntonym(), "Is the highest peak Bel?", "The highest peak is Bel.", "yes/no question"),
        (
            QueryAntonym(),
            "what is the highest peak",
            "The highest peak is Bel, the lowest peak Mur.",
            "value elsewhere",
        ),
        (QueryAntonym(), "where is new york", "New York is on the coast.", "no constraint"),
        (QueryExclusion(), "who sang red river", "Ann sang Red River in the town.", "part of a name"),
        (
            QueryExclusion(),
            "what lies between Spain and France",
            "Andorra lies between Spain and France.",
            "two of a set",
        ),
        (QueryNegation(), "Who made the drug?", "The drug is made by Roche.", "no claim"),
        (QueryOrdinal(), "who won the third prize", "He won a prize in the town.", "not aligned"),
        (QueryNumber(), "how did stage 2 and then all other parts of the long race go", "Stage 2 came.", "not aligned"),
    ],
)
def test_constraints_that_must_stay(operator, query, passage, why):
    assert reason(operator, query, passage) == why


def test_a_new_year_is_in_no_decade_of_the_passage():
    passage = "The election in 1984 was won by Ann Lee. In the 1980s she was a weaver."
    news = {made(QueryDate(seed=s), "who won the election in 1984", passage).edits[0].new for s in range(12)}
    assert all(not year.startswith("198") for year in news)


def test_a_leap_day_is_asked_about_in_a_leap_year():
    passage = "On 29 February 2012 the mill of Ostby burned."
    query = "what happened on 29 February 2012 in Ostby"
    assert all(int(made(QueryDate(seed=s), query, passage).edits[0].new) % 4 == 0 for s in range(6))


def test_a_number_that_the_query_holds_twice_changes_twice():
    passage = "Ataxia type 2 shows signs early."
    result = made(QueryNumber(), "What are the signs of ataxia type 2, and is type 2 ataxia rare?", passage)
    assert len(result.edits) == 2
    assert "2" not in result.text


def test_a_month_moves_wherever_the_query_holds_it():
    passage = "The fair of Ostby was held between 3 May and 9 May."
    result = made(QueryDate(), "what was held between 3 May and 9 May in Ostby", passage)
    assert "May" not in result.text
    assert len({e.new for e in result.edits}) == 1


def test_an_ordinal_that_stands_twice_stays():
    passage = "Ann won the second race and the second prize."
    assert reason(QueryOrdinal(), "who won the second race and the second prize", passage) == "two of a set"


def test_a_number_that_the_query_converts_stays():
    query = "which lake lies at 5,000 feet (1,524 metres) above the sea"
    assert reason(QueryNumber(), query, "The lake lies at 5,000 feet above the sea.") == "no new value"


def test_one_in_so_many_may_be_more():
    passage = "It affects 1 in 30,000 to 50,000 people in Ostby."
    result = made(QueryNumber(), passage, passage)
    assert result.edits[0].old == "1"
    assert reason(QueryNumber(), "who walked 1 mile in Ostby", "Ann walked 1 mile in Ostby.") == "no new value"
