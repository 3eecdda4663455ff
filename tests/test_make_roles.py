"""Role swaps where a parser is installed, negation with do where a tagger is; else they say what is missing."""

import importlib.util

import pytest

from foils.errors import MissingExtra
from foils.make.dosupport import InsertDoNot
from foils.make.item import Item, Refused
from foils.make.roles import RoleSwap, passive, pipelines, roles
from foils.make.view import Text
from test_make_nearmiss import made, reason

parsed = pytest.mark.skipif(not pipelines(), reason="no spaCy pipeline is installed")
tagged = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("textblob", "lemminflect"))), reason="foils[make] is not installed"
)
TEXT = "The war was short. Wellington defeated Napoleon at Waterloo in 1815."


@parsed
def test_the_two_sides_of_a_verb_are_swapped():
    result = made(RoleSwap(), "Who defeated Napoleon at Waterloo?", TEXT, "Wellington")
    assert result.text.endswith("Napoleon defeated Wellington at Waterloo in 1815.")
    item = Item("Who defeated Napoleon at Waterloo?", TEXT, "Wellington")
    twin = passive(item, item.text.sentences[1])
    assert twin is not None
    assert twin.new == "Napoleon was defeated by Wellington"


@parsed
def test_symmetric_verbs_stay():
    text = "The war was short. Wellington met Napoleon at Waterloo in 1815."
    assert reason(RoleSwap(), "Who met Napoleon at Waterloo?", text, "Wellington") == "symmetric verb"


@pytest.mark.skipif(bool(pipelines()), reason="a spaCy pipeline is installed")
def test_without_a_parser_it_says_what_unlocks_it():
    assert "spacy" in RoleSwap().missing()
    assert RoleSwap()(Item("Who defeated Napoleon at Waterloo?", TEXT, "Wellington")) == Refused(
        "not installed", "spacy"
    )
    with pytest.raises(MissingExtra, match="spacy"):
        roles(Text(TEXT), Text(TEXT).sentences[1])


@tagged
@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("The main valve opens at dawn, before the town wakes.", "The main valve does not open at dawn"),
        ("The main valve opened at dawn in the old town.", "The main valve did not open at dawn"),
    ],
)
def test_a_verb_without_auxiliary_is_negated_with_do(text, after):
    assert made(InsertDoNot(), "The main valve opens at dawn.", text).text.startswith(after)


@tagged
def test_be_takes_no_do():
    text = "I am the main valve that opens the dam at dawn."
    assert reason(InsertDoNot(), "The main valve opens the dam at dawn.", text) in ("auxiliary", "subordinate clause")
