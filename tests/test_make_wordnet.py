"""Opposites from WordNet: a small lexicon in the real package; without the package it says what unlocks it."""

import importlib.util

import pytest

from foils.make import wordnet
from foils.make.item import Item, Refused
from foils.make.wordnet import WordnetAntonym
from test_make_nearmiss import made, reason

TEXT = "The wharf of the town that is downwind is the old one."
LMF = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE LexicalResource SYSTEM "http://globalwordnet.github.io/schemas/WN-LMF-1.0.dtd">
<LexicalResource xmlns:dc="https://globalwordnet.github.io/schemas/dc/">
<Lexicon id="tiny" label="Tiny" language="en" email="a@b.c" license="none" version="1">
{entries}
<Synset id="tiny-1-a" ili="" partOfSpeech="a"/>
<Synset id="tiny-2-a" ili="" partOfSpeech="a"/>
</Lexicon>
</LexicalResource>
"""
ENTRY = (
    '<LexicalEntry id="tiny-{0}"><Lemma writtenForm="{0}" partOfSpeech="a"/><Sense id="tiny-{0}-s" synset="tiny-{1}-a">'
    '<SenseRelation relType="antonym" target="tiny-{2}-s"/></Sense></LexicalEntry>'
)


@pytest.fixture(autouse=True)
def forget():
    wordnet.lexicon.cache_clear()
    wordnet._antonym.cache_clear()
    yield
    wordnet.lexicon.cache_clear()
    wordnet._antonym.cache_clear()


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """The package with a lexicon of two adjectives, in a folder of its own."""
    wn = pytest.importorskip("wn", reason="the package wn is not installed")
    monkeypatch.setattr(wn.config, "data_directory", tmp_path)
    file = tmp_path / "tiny.xml"
    pairs = (("downwind", 1, "upwind"), ("upwind", 2, "downwind"))
    file.write_text(LMF.format(entries="\n".join(ENTRY.format(*p) for p in pairs)), encoding="utf-8")
    wn.add(file, progress_handler=None)


def test_an_adjective_that_no_list_has_is_turned_round(tiny):
    assert WordnetAntonym().missing() == {}
    result = made(WordnetAntonym(), "Which wharf of the town is downwind?", TEXT)
    assert result.text == TEXT.replace("downwind", "upwind")
    assert result.kind == "polarity"


def test_a_word_with_several_opposites_has_none(tiny):
    import wn

    entries = (ENTRY.format("annual", 1, "biennial"), ENTRY.format("biennial", 2, "annual"))
    third = ENTRY.format("perennial", 2, "annual")
    both = entries[0].replace("</Sense>", '<SenseRelation relType="antonym" target="many-perennial-s"/></Sense>')
    text = (
        LMF.format(entries="\n".join((both, entries[1], third))).replace("tiny-", "many-").replace('"tiny"', '"many"')
    )
    file = wn.config.data_directory / "many.xml"
    file.write_text(text, encoding="utf-8")
    wn.add(file, progress_handler=None)
    assert wordnet._antonym("annual", "many:1") is None
    assert wordnet._antonym("biennial", "many:1") == "annual"


def test_words_that_are_on_a_list_or_nowhere_stay(tiny):
    text = "The highest wharf of the town is the old one."
    assert reason(WordnetAntonym(), "Which wharf of the town is the highest?", text) == "no such word"
    assert reason(WordnetAntonym(), "which wharf of the town is downwind", TEXT.lower()) == "no capitals"


def test_without_a_lexicon_it_says_what_unlocks_it(tmp_path, monkeypatch):
    if importlib.util.find_spec("wn") is not None:
        import wn

        monkeypatch.setattr(wn.config, "data_directory", tmp_path)
    assert "pip install wn" in WordnetAntonym().missing()["wn"]
    assert WordnetAntonym()(Item("Which wharf is downwind?", TEXT)) == Refused("not installed", "wn")
