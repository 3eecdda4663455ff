"""All operators at once: the table, the safety that ships, odd texts, the examples."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils.errors import RecipeError
from foils.make.counter import AUTHORS
from foils.make.edits import apply, inverse
from foils.make.item import Item, Made, Refused
from foils.make.operators import CLASSES, WRITERS, Tally, make, operators, safety, table
from foils.make.pool import Pool
from foils.make.twins import with_twin
from foils.make.verify import Corpus

EXAMPLES = Path(__file__).parents[1] / "examples"
ALL = [cls() for cls in CLASSES if not cls().missing()]
POOL = Pool.build(["Helen Marsh led Benton College in 1940.", "The cup of 1986 was won by Lund."])
NEEDED = {"year": 0.95, "month": 0.95, "number": 0.95, "unit": 0.95, "insert-not": 0.9, "quantifier": 0.9}
ODD = [
    "", " ", "word", "1996", "?", "\u00a0\u2003", "🎉🎉 1996 🎉", "a" * 30_000, "戦争は1996年に始まった。終わった。",
    "Война началась в 1996 году. Она была долгой.", "def f(x):\n    return x == 1996 # not {the} end",
    "| year | winner |\n| 1996 | Ann |\n| 1997 | Bo |", "<p>The war <b>was</b> in 1996</p>&nbsp;", "\x00\ud800 was not 1996",
    "name\tyear\nAnn\t1996", "The. was. not. 1996.", "not not not not", "İ is not the last 5 km of 1996.", "1" * 400,
]  # fmt: skip


def check(item, result):
    """An edit applies and reverts exactly, and lies where the record says."""
    assert isinstance(result, Made | Refused)
    if isinstance(result, Refused):
        assert result.reason
        return
    original = item.query if result.side == "query" else item.passage
    assert result.text != original
    if result.edits:
        assert apply(original, result.edits) == result.text
        assert apply(result.text, inverse(result.edits)) == original
    assert 0 <= result.evidence.start <= result.evidence.end <= len(item.passage)
    twin = with_twin(result, item).twin
    assert twin is None or twin.text not in (result.text, original)


@pytest.mark.parametrize("operator", ALL, ids=lambda o: o.name)
def test_odd_texts_are_refused_with_a_reason(operator):
    for query in ODD:
        for passage in ODD:
            item = Item(query, passage, "1996", pool=POOL)
            result = operator(item)
            check(item, result)
            code = any(sign in passage for sign in "{|<\t")
            assert not (code and result.__class__ is Made and result.side == "document"), (query, passage, result)


@pytest.mark.parametrize("passage", [ODD[10], ODD[11], ODD[12], ODD[14]])
def test_tables_code_and_markup_are_not_edited(passage):
    _, tally = make([Item("When was the war of 1996?", passage, "1996")], ALL)
    documents = {o.name for o in ALL if o.side == "document"}
    assert not documents & set(tally.made())
    assert documents <= set(tally.reasons())


WORDS = st.sampled_from(
    [
        "the",
        "The",
        "is",
        "was",
        "not",
        "never",
        "5",
        "1996",
        "12,000",
        "km",
        "May",
        "June",
        "first",
        "highest",
        "in",
        "of",
        "and",
        "Ann",
        "Lee",
        "Spain",
        "copper",
        ".",
        ",",
        "?",
        "(",
        ")",
        "%",
        '"',
        "-",
        "increases",
        "no",
        "without",
        "3",
        "two",
        "million",
        "at",
        "least",
        "since",
        "until",
        "drug",
        "mice",
        "🎉",
        "é",
        "戦",
        "don't",
        "cannot",
    ]
)
PROSE = st.lists(WORDS, max_size=40).map(" ".join)


@settings(max_examples=150)
@given(st.one_of(PROSE, st.text(max_size=60)), st.one_of(PROSE, st.text(max_size=200)), st.one_of(st.none(), WORDS))
def test_any_text_goes_through_every_operator(query, passage, answer):
    item = Item(query, passage, answer, pool=POOL)
    for operator in ALL:
        if "lemminflect" not in operator.needs and "spacy" not in operator.needs:
            check(item, operator(item))


def test_reasons_are_counted():
    made, tally = make([Item("", "a"), Item("Who built it?", "It is old."), Item("Who?", "x" * 30_000)], ALL)
    assert made == []
    for operator in ALL:
        assert sum(tally.reasons()[operator.name].values()) == 3
        assert tally.reasons()[operator.name]["empty text"] == 1
        assert tally.reasons()[operator.name]["too long"] == 1


def test_other_languages_are_said_not_guessed():
    item = Item("Wann begann der Krieg?", "Der Krieg begann im Jahr 1996, und das war der Anfang.", "1996")
    for operator in ALL:
        result = operator(item)
        if "any" not in operator.languages:
            assert result == Refused("language", "unknown")
    assert "1996" not in next(o for o in ALL if o.name == "year")(item).text
    assert Item("q", "Der Krieg begann.", language="en-GB").spoken == "en"


def test_the_same_item_gives_the_same_negative_and_another_seed_another():
    item = Item("When was it opened?", "The hall was opened in 1932 by the king.", "1932")
    year = next(cls for cls in CLASSES if cls.name == "year")
    again = Item("When was it opened?", "The hall was opened in 1932 by the king.", "1932")
    assert year()(item).text == year()(again).text
    assert len({year(seed=s)(item).text for s in range(10)}) > 3


def test_operators_are_values():
    for operator in ALL:
        assert pickle.loads(pickle.dumps(operator)) == operator  # noqa: S301
        assert replace(operator, seed=3) == type(operator)(seed=3)
        assert type(operator).__doc__
        assert "Fails" in type(operator).__doc__


def test_names_are_different_and_in_the_table():
    names = [cls.name for cls in (*CLASSES, *WRITERS, *AUTHORS)]
    assert len(set(names)) == len(names)
    assert [row.name for row in table()] == names
    spacy = next(row for row in table() if row.name == "role-swap")
    assert spacy.missing == "" or "spacy" in spacy.missing


def test_the_shipped_safety_covers_the_operators_and_holds_the_thresholds():
    known = safety()
    # What is not in the table has not been read, and is off.
    assert set(known) <= {cls.name for cls in CLASSES}
    assert {cls.name for cls in CLASSES} - set(known) <= {"wordnet-antonym"}
    for name, entry in known.items():
        assert 0 <= entry.right <= entry.read
        assert entry.needed >= NEEDED.get(name, 0.85)
        assert entry.on == (entry.read >= 30 and entry.right / entry.read >= entry.needed)
    on = {o.name for o in operators()}
    assert on == {n for n, e in known.items() if e.on}
    assert on


def test_safety_chooses_operators():
    assert len(operators(0.0)) == len(CLASSES)
    high = operators(0.95)
    assert all(safety()[o.name].share >= 0.95 for o in high)
    assert len(high) < len(CLASSES)
    with pytest.raises(RecipeError, match="is no share"):
        operators(1.5)
    best = max(e.share for e in safety().values())
    if best < 1:
        with pytest.raises(RecipeError, match="no operator"):
            operators(1.0)


def test_make_puts_gate_checks_safety_and_twin_together():
    item = Item("When was it opened?", "The hall was opened in 1932 by the king. It is old.", "1932")
    chosen = [cls() for cls in CLASSES if cls.name in ("year", "number")]
    kept, tally = make([item], chosen)
    assert tally.made() == {"year": 1}
    ((_, made),) = kept
    assert [c.level for c in made.checks] == ["L0", "L1"]
    assert made.safety == safety()["year"].share
    assert made.twin is not None
    record = made.record()
    assert json.loads(json.dumps(record))["edits"][0]["old"] == "1932"
    assert record["twin"]["rule"] == "year-named"
    assert set(record) == {
        "operator",
        "kind",
        "side",
        "text",
        "edits",
        "evidence",
        "answer",
        "gate",
        "why",
        "checks",
        "safety",
        "twin",
    }
    blocked, tally = make([item], chosen, Corpus(passages=(made.text,)))
    assert blocked == []
    assert any(reason.startswith("L1") for reason in tally.reasons()["year"])


def test_a_limit_per_item():
    item = Item("The drug is tied to 5 kg of fat in 1996.", "The drug is tied to 5 kg of fat in 1996 for all mice.")
    everything, _ = make([item], ALL)
    assert len(everything) > 2
    assert len(make([item], ALL, per_item=2)[0]) == 2


def test_an_empty_tally():
    assert Tally().made() == {}
    assert Tally().reasons() == {}


def example(name):
    import importlib.util

    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, [json.loads(line) for line in (EXAMPLES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def test_the_examples_of_what_a_model_writes_are_what_comes_of_the_replies():
    module, stored = example("written")
    assert module.rows() == stored
    assert {row["operator"] for row in stored} == {cls.name for cls in WRITERS}
    assert all(row["twin"] for row in stored)
    assert all(row["negative"] for row in stored if row["operator"] != "paraphrase")


def test_the_examples_are_what_the_operators_make():
    module, stored = example("typed")
    assert [row["operator"] for row in stored] == [name for name, *_ in module.WRITTEN]
    assert {row["operator"] for row in stored} == {cls.name for cls in CLASSES}
    assert all(row["twin"] for row in stored)
    by_name = {row["operator"]: row for row in stored}
    for row in module.rows():
        assert by_name[row["operator"]] == row
