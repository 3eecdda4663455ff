"""Negation in and out, quantifiers, opposites and prefixes: where they go, where they must not."""

import pytest

from foils.make.edits import apply
from foils.make.item import Item, Made
from foils.make.negation import affirmative, insertion, removal
from foils.make.polarity import Affixal, Antonym, InsertNot, Quantifier, RemoveNot
from foils.make.view import Text
from foils.make.words import article, forms, opposites
from test_make_nearmiss import made, reason


def taken_out(sentence):
    text = Text(sentence)
    edits = removal(text, text.sentences[0])
    return edits if isinstance(edits, str) else apply(sentence, edits)


def put_in(sentence):
    text = Text(sentence)
    site = insertion(text, text.sentences[0])
    return site if isinstance(site, str) else sentence[: site.end] + " not" + sentence[site.end :]


@pytest.mark.parametrize(
    ("sentence", "after"),
    [
        ("The valve is opened at dawn.", "The valve is not opened at dawn."),
        ("The old mill has been closed.", "The old mill has not been closed."),
        ("The mill has a wheel.", "no auxiliary"),
        ("The valve is never opened.", "negator"),
        ("The valve may be opened.", "weak modal"),
        ("All valves are opened at dawn.", "quantifier before"),
        ("The valve is only opened at dawn.", "quantifier after"),
        ("A valve that is opened leaks.", "subordinate clause"),
        ("Is the valve open now?", "no auxiliary"),
        ("The valve opens.", "no auxiliary"),
    ],
)
def test_where_not_goes(sentence, after):
    assert put_in(sentence) == after


@pytest.mark.parametrize(
    ("sentence", "after"),
    [
        ("The valve is not opened at dawn.", "The valve is opened at dawn."),
        ("The valve isn't opened at dawn.", "The valve is opened at dawn."),
        ("The valve cannot be opened at dawn.", "The valve can be opened at dawn."),
        ("The valve won't open at dawn.", "The valve will open at dawn."),
        ("The valve does not open at dawn.", "The valve opens at dawn."),
        ("The miller did not carry the flour.", "The miller carried the flour."),
        ("The drug has no effect on mice.", "The drug has an effect on mice."),
        ("The drug has no known uses today.", "The drug has known uses today."),
        ("The valve is not only old but weak.", "not only"),
        ("The valve may not open at dawn.", "weak modal"),
        ("The valve is not opened by anyone.", "polarity item"),
        ("It is not a valve but a tap.", "polarity item"),
        ("Nobody said that it is not open.", "negator"),
        ("If it is not opened, it leaks.", "conditional"),
        ("The valve is opened at dawn.", "no negator"),
    ],
)
def test_how_not_comes_out(sentence, after):
    assert taken_out(sentence) == after


@pytest.mark.parametrize(
    ("verb", "aux", "form"),
    [("go", "does", "goes"), ("carry", "does", "carries"), ("stop", "did", "stopped"), ("occur", "did", "occurred"),
     ("write", "did", "wrote"), ("free", "did", "freed"), ("visit", "did", "visited"), ("watch", "does", "watches"),
     ("have", "does", "has"), ("open", "do", "open")],
)  # fmt: skip
def test_verbs_are_inflected(verb, aux, form):
    assert affirmative(verb, aux) == form


def test_a_claim_is_negated_in_its_evidence():
    text = "We studied mice for a year. The drug was associated with weight loss in mice. They slept well."
    result = made(InsertNot(), "The drug was associated with weight loss.", text)
    assert "was not associated" in result.text
    assert result.gate["route"] == "query"


@pytest.mark.parametrize(
    ("query", "text", "answer", "why"),
    [
        # Another sentence says it too, in other words of the query.
        ("The drug was associated with weight loss.",
         "The drug was associated with weight loss. The drug is linked with weight loss.", None, "said elsewhere"),
        # Taking part of a refuted claim: the edit would make the passage support it.
        ("The drug was not associated with weight loss.",
         "The drug was associated with weight loss in mice.", None, "query negated"),
        ("Who made the drug?", "The drug was made in Basel, and Roche, who sold it, was its owner.", "Roche",
         "answer outside the clause"),
        ("Who made the drug?", "The drug was made by Roche. It was sold by Roche too.", "Roche", "answer elsewhere"),
        ("Where was Ann Lee born?", "Ann Lee ( born 1910 in Rome ) was a French writer of books on Ann Lee.", None,
         "answer not known"),
        ("how many rooms has the hotel", "the hotel features 202 rooms and is the largest hotel in town .", None,
         "said elsewhere"),
        ("Who made the drug?", "One. Two. Three. Four. The drug was made by Roche.", None, "answer not known"),
    ],
)  # fmt: skip
def test_claims_that_must_stay(query, text, answer, why):
    assert reason(InsertNot(), query, text, answer) == why


def test_a_negated_answer_is_affirmed():
    text = "The treaty was not signed by Norway in the spring. It rained."
    assert "was signed by Norway" in made(RemoveNot(), "Who did not sign the treaty?", text, "Norway").text


@pytest.mark.parametrize(
    ("operator", "query", "text", "old", "new"),
    [
        (Antonym(), "What is the highest peak of the island?", "The highest peak of the island is Mt. Bel.", "highest", "lowest"),
        (Antonym(), "Exercise increases bone strength in mice.", "Exercise increases bone strength in old mice.", "increases", "decreases"),
        (Affixal(), "Which mushroom is edible when raw?", "The edible mushroom when raw is the field cap.", "edible", "inedible"),
        (Quantifier(), "Which birds never leave the lake?", "Swans never leave the lake for other birds.", "never", "always"),
    ],
)  # fmt: skip
def test_opposites(operator, query, text, old, new):
    result = made(operator, query, text)
    assert (result.edits[-1].old, result.edits[-1].new) == (old, new)


@pytest.mark.parametrize(
    ("operator", "query", "text", "why"),
    [
        (Antonym(), "What is the high court of the island?", "The high court of the island sits in Bel.", "fixed phrase"),
        (Antonym(), "Is the highest peak on the island?", "The highest peak of the island is Bel.", "yes/no question"),
        (Antonym(), "What is the highest peak?", "The highest tree grows below the peak of it.", "no such word"),
        (Antonym(), "Who sang the High Noon song?", "The song High Noon was sung by Ann in town.", "fixed phrase"),
        (Antonym(), "What is the highest peak of the island?", "The highest peak of the island is Bel, the lowest Mur.", "value elsewhere"),
        (Quantifier(), "Which are the most common birds?", "The most common birds are swans.", "fixed phrase"),
    ],
)  # fmt: skip
def test_opposites_that_must_stay(operator, query, text, why):
    assert reason(operator, query, text) == why


def test_forms_and_opposites():
    assert forms("freeze") == ("freeze", "freezes", "froze", "frozen", "freezing")
    assert opposites("antonyms")["rising"].word == "falling"
    assert opposites("antonyms")["rose"].word == "fell"
    assert opposites("antonyms")["victories"].word == "defeats"
    assert (article("unusual"), article("useful"), article("hour"), article("union")) == ("an", "a", "an", "a")


def test_an_article_follows_the_new_word():
    text = "It was an earlier start for the team in the rain."
    assert "a later start" in made(Antonym(), "Which team had an earlier start in the rain?", text).text


@pytest.mark.parametrize(
    ("sentence", "after"),
    [
        ("The king did not immediately respond to it.", "no verb after"),
        ("The king did not often respond to it.", "no verb after"),
        ("The king did not reply to it.", "The king replied to it."),
        ("Do not open the old valve.", "Open the old valve."),
        ("The couple had no children in Ostby.", "The couple had children in Ostby."),
        ("The couple had no furniture in Ostby.", "The couple had furniture in Ostby."),
        ("The mine has no serious effect on the lake.", "The mine has a serious effect on the lake."),
        ("The bird has no known natural enemies there.", "The bird has known natural enemies there."),
        ("The mine has no water supply in winter.", "The mine has a water supply in winter."),
        ("The team had no training in Ostby.", "The team had training in Ostby."),
        ("The camp had no clothing left.", "The camp had clothing left."),
        ("The mine has no training programme.", "The mine has a training programme."),
        ("The mine has no effect whatsoever.", "polarity item"),
    ],
)
def test_what_is_left_without_its_negator_is_good_english(sentence, after):
    assert taken_out(sentence) == after


def test_articles_go_by_sound():
    a = ("unimodal", "usual", "used", "uranium", "Ugandan", "unanimous", "unilateral", "one-sided", "Honduran", "DNA")
    an = ("unimportant", "unidentified", "uninformed", "urban", "honest", "honorary", "onerous", "NBA", "RNA")
    assert {article(w) for w in a} == {"a"}
    assert {article(w) for w in an} == {"an"}


@pytest.mark.parametrize(
    ("passage", "text"),
    [
        ("Smoking was allowed at the pub of Ostby.", "Smoking was forbidden at the pub of Ostby."),
        ("The war had ended before the strike.", "The war had begun before the strike."),
        ("The mayor allowed smoking at the pub.", "The mayor forbade smoking at the pub."),
    ],
)
def test_an_opposite_takes_the_form_of_its_place(passage, text):
    result = Antonym()(Item(passage, passage))
    assert isinstance(result, Made)
    assert result.text == text
    assert result.edits[-1].new in result.why


@pytest.mark.parametrize("phrase", ["near the abbey", "sold to Ann Lee", "borrowed from Ann Lee"])
def test_a_word_tied_to_its_preposition_stays(phrase):
    claim = f"The mill was {phrase} in the war."
    assert reason(Antonym(), claim, claim) == "fixed phrase"
