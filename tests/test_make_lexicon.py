"""The word lists: complete, consistent, with a licence note, in the wheel, and not taken from the probes."""

import json
import os
import re
from importlib.resources import files
from pathlib import Path

import pytest

from foils.errors import DataError
from foils.make.lexicon import mapping, table, words
from foils.make.values import units
from foils.make.words import opposites, synonyms

LISTS = sorted(p.name for p in files("foils.make.lexicon").iterdir() if p.name.endswith(".tsv"))
PROBES = Path(os.environ.get("FOILS_DATA", "/nowhere")) / "probes"
SHARED = Path(__file__).parents[2] / "shared" / "data" / "probes"
EXAMPLES = Path(__file__).parents[1] / "examples" / "typed.jsonl"


@pytest.mark.parametrize("name", LISTS)
def test_every_list_is_a_table_with_a_licence(name):
    text = files("foils.make.lexicon").joinpath(name).read_text(encoding="utf-8")
    assert "Licence: Apache-2.0" in text.splitlines()[0]
    rows = table(name.removesuffix(".tsv"))
    assert rows
    assert len(set(rows)) == len(rows)
    assert all(cell == cell.strip() and cell for row in rows for cell in row)


def test_sizes():
    assert len(table("antonyms")) >= 300
    assert len(table("affixal")) >= 300
    assert len(table("sets")) >= 40
    assert len(table("units")) >= 60


def test_an_unknown_list_is_refused():
    with pytest.raises(DataError, match="no list called 'nothing'"):
        table("nothing")


def test_no_word_is_its_own_opposite_and_none_is_both_synonym_and_opposite():
    for name in ("antonyms", "affixal"):
        for word, found in opposites(name).items():
            assert word not in (found.word, found.participle)
            assert synonyms().get(word) != found.word
    assert all(mapping(n)[w] != w for n in ("quantifiers", "temporal", "bounds") for w in mapping(n))


def test_a_sets_members_differ():
    for group, members in table("sets"):
        parts = [m.lower() for m in members.split("|")]
        assert len(set(parts)) == len(parts) >= 2, group


def test_units_of_a_dimension_convert_both_ways():
    kilometre, mile = units()["km"], units()["miles"]
    assert 62.137 * mile.factor == pytest.approx(100 * kilometre.factor, rel=1e-4)
    celsius, fahrenheit = units()["°C"], units()["°F"]
    assert 100 * celsius.factor + celsius.offset == pytest.approx(212 * fahrenheit.factor + fahrenheit.offset)
    assert 0 * celsius.factor + celsius.offset == pytest.approx(32 * fahrenheit.factor + fahrenheit.offset)


def test_groups_of_words():
    assert {"not", "never", "without"} <= words("polarity", "negator")
    assert "at all" in words("polarity", "npi")


def grams(text, n=8):
    low = re.findall(r"\w+", text.lower())
    return {tuple(low[i : i + n]) for i in range(len(low) - n + 1)}


def test_nothing_shipped_overlaps_the_probes():
    """8-grams of the lexicon and of the examples against the evaluation probes, which nothing may be made from."""
    folder = next((p for p in (PROBES, SHARED) if p.is_dir()), None)
    if folder is None:
        pytest.skip("the probes are not on this machine; FOILS_DATA names the folder that holds them")
    ours = set()
    for name in LISTS:
        for line in files("foils.make.lexicon").joinpath(name).read_text(encoding="utf-8").splitlines():
            ours |= grams(line)
    for line in EXAMPLES.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        for text in (row["query"], row["passage"], row["negative"], row["twin"] or ""):
            ours |= grams(text)
    assert len(ours) > 100
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            for field in ("query", "positive", "negative"):
                assert not grams(str(row.get(field) or "")) & ours, f"{path.name}: {row['id']}"
