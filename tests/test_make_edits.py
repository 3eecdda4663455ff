"""Edits apply and revert exactly, whatever the text; texts of any kind are read without a crash."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from foils.errors import DataError
from foils.make.edits import Edit, Span, apply, inverse, like, moved
from foils.make.view import Text


def test_edits_apply_and_revert():
    text = "The war began in 1996 and ended in 1999."
    edits = [Edit(17, 21, "1996", "1990", "year"), Edit(35, 39, "1999", "1993", "year"), Edit(7, 7, "", " not", "x")]
    new = apply(text, edits)
    assert new == "The war not began in 1990 and ended in 1993."
    assert apply(new, inverse(edits)) == text


def test_moved_follows_a_span_through_edits():
    text = "one two three"
    edits = [Edit(0, 3, "one", "seven", "n"), Edit(8, 13, "three", "3", "n")]
    new = apply(text, edits)
    inside = moved(Span(4, 7), edits)
    assert new[inside.start : inside.end] == "two"
    whole = moved(Span(0, 13), edits)
    assert new[whole.start : whole.end] == new


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        ([Edit(0, 3, "one", "1", "n"), Edit(2, 4, "e ", "", "n")], "overlap"),
        ([Edit(0, 3, "two", "2", "n")], "expects 'two'"),
        ([Edit(0, 0, "", "a", "n"), Edit(0, 0, "", "b", "n")], "overlap"),
    ],
)
def test_edits_that_do_not_fit_are_refused(edits, said):
    with pytest.raises(DataError, match=said):
        apply("one two", edits)


def test_case_is_kept():
    assert (like("few", "Many"), like("few", "MANY"), like("few", "many"), like("few", "M")) == (
        "Few",
        "FEW",
        "few",
        "Few",
    )


@given(st.text(max_size=200), st.data())
def test_random_edits_revert(text, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), min_size=0, max_size=8, unique=True)))
    assume(len(cuts) >= 2)
    spans = list(zip(cuts[::2], cuts[1::2], strict=False))
    edits = [Edit(a, b, text[a:b], data.draw(st.text(max_size=5)), "any") for a, b in spans]
    new = apply(text, edits)
    assert apply(new, inverse(edits)) == text


@given(st.text(max_size=300))
def test_any_text_is_read(text):
    read = Text(text)
    assert len(read.low) == len(text)
    assert all(text[w.start : w.end] == w.text for w in read.words)
    spans = read.sentences
    assert all(0 <= a.start < a.end <= b.start for a, b in zip(spans, spans[1:], strict=False))
    assert isinstance(read.english, bool)
    for span in spans:
        read.why_not_prose(span)
        read.stems(span)


def test_sentences_keep_abbreviations_and_tokenised_texts():
    text = Text("Dr. Smith met U.S. officials at No. 5. He left. `` Yes , '' he said . the end came in 1996 .")
    assert [text.raw[s.start : s.end] for s in text.sentences] == [
        "Dr. Smith met U.S. officials at No. 5.",
        "He left.",
        "`` Yes , '' he said .",
        "the end came in 1996 .",
    ]


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("The war began in the summer.", True),
        ("De oorlog begon in de zomer van het jaar en het was koud.", False),
        ("Der Krieg begann im Sommer, und das war der Anfang.", False),
        ("戦争は夏に始まった。", False),
        ("", False),
        ("🎉🎉🎉", False),
    ],
)
def test_english_is_recognised(text, english):
    assert Text(text).english is english


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def f(x): return {x}", "not prose"),
        ("name | year | place", "not prose"),
        ("<p>The war began in 1996.</p>", "not prose"),
        ("Who came?", "fragment"),
        ("Who came to the town in 1996?", "question"),
        ("The war began in 1996.", None),
    ],
)
def test_what_is_no_prose_is_left_alone(text, reason):
    read = Text(text)
    assert read.why_not_prose(read.sentences[0]) == reason
