"""Words of any script, and the language of a corpus."""

import itertools

import polars as pl
import pytest

from foils.sources.languages import LANGUAGES
from foils.sources.words import CHUNK, Vocabulary, detect, fold, split

ENGLISH = ["the cat is on the mat", "what is the name of the king", "he was in the house with her"]
GERMAN = ["die Katze ist auf der Matte", "wie ist der Name des Königs", "er war in dem Haus mit ihr"]


def words(texts, languages=None):
    vocabulary = Vocabulary(languages or {})
    bounds, numbers = vocabulary.number(pl.Series(texts, dtype=pl.String), grow=True)
    names = list(vocabulary.numbers)
    return [[names[n] for n in numbers[a:b]] for a, b in itertools.pairwise(bounds)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("x_is_y C3PO", ["x", "is", "y", "c3po"]),
        ("ＦＵＬＬ ｗｉｄｔｈ ﬁne", ["full", "width", "fine"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("İstanbul istanbul", ["istanbul", "istanbul"]),
        ("東京タワー", ["東京", "京タ", "タワ", "ワー"]),
        ("水", ["水"]),
        ("iPhone手機", ["iphone", "手機"]),
        ("한국어", ["한국", "국어"]),
        ("ไทย", ["ไท", "ทย"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("العَرَبِيّة لغة", ["العَرَبِيّة", "لغة"]),
        ("cafe\u0301", ["café"]),
        ("!? …", []),
        ("", []),
    ],
)
def test_words_are_folded_and_scripts_without_spaces_are_paired(text, expected):
    assert words([text]) == [expected]


def test_a_combining_mark_does_not_break_a_word():
    assert split(pl.Series(["में"])).to_list() == [["में"]]


def test_stop_words_go_and_endings_are_cut_in_the_chosen_language_only():
    assert words(["the running cats and кошки"], {"LATIN": "en"}) == [["run", "cat", "кошки"]]
    assert words(["the running cats"]) == [["the", "running", "cats"]]


def test_unknown_words_of_a_query_are_left_out_and_not_remembered():
    vocabulary = Vocabulary({})
    vocabulary.number(pl.Series(["red lamp"]), grow=True)
    assert vocabulary.number(pl.Series(["blue lamp", "green"]), grow=False)[1].tolist() == [1]
    assert vocabulary.number(pl.Series(["blue"]), grow=True)[1].tolist() == [2]
    assert vocabulary.number(pl.Series(["blue"]), grow=False)[1].tolist() == [2]


def test_many_texts_are_numbered_in_chunks_as_in_one():
    texts = [f"a{i % 7} b{i % 11}" for i in range(CHUNK + 3)]
    assert words(texts) == [t.split() for t in texts]


def test_no_texts_and_texts_without_words():
    assert words([]) == []
    assert words(["", "..."]) == [[], []]


def test_one_language_prevails():
    found = detect(pl.Series(ENGLISH * 5 + GERMAN))
    assert {s: d.language for s, d in found.items()} == {"LATIN": "en"}
    assert (found["LATIN"].votes, found["LATIN"].of) == (15, 18)


def test_in_a_mixed_corpus_no_language_is_chosen_for_the_script():
    assert detect(pl.Series(ENGLISH + GERMAN)) == {}


def test_each_script_has_its_own_language():
    russian = ["это дом и он не для нас", "что это за дом", "как и где он был"]
    found = detect(pl.Series(ENGLISH + russian))
    assert {s: d.language for s, d in found.items()} == {"CYRILLIC": "ru", "LATIN": "en"}


def test_foreign_names_in_a_chinese_text_are_no_language():
    assert detect(pl.Series(["他住在 Rio de la Plata 附近。" + "这是一个。" * 30])) == {}
    assert detect(pl.Series([], dtype=pl.String)) == {}


@pytest.mark.parametrize("code", [c for c, language in LANGUAGES.items() if language.function_words])
def test_every_language_recognises_its_own_function_words(code):
    script, _, function_words = LANGUAGES[code]
    assert detect(pl.Series([function_words]))[script].language == code
    assert words([function_words], {script: code}) == [[]]
    assert all(fold(w) == fold(fold(w)) for w in function_words.split())
