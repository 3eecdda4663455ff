"""The page of a probing: complete, escaped, without scripts, the differing words marked."""

from html.parser import HTMLParser

import numpy as np
import pytest

from foils.collection import Finding
from foils.probes.compare import compare
from foils.probes.differ import marked
from foils.probes.items import Probe
from foils.probes.measure import Answers, measure
from foils.probes.page import render
from foils.probes.session import Report

EVIL = "<script>alert('x')</script> & \x00"


class Reader(HTMLParser):
    """Collects tags, and checks that they nest."""

    def __init__(self):
        super().__init__()
        self.tags, self.open = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "rect"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def answers(probes, won, name="path/to/model"):
    right, wrong = np.array(won, dtype=float), 1 - np.array(won, dtype=float)
    twofold = np.array([p.second is not None for p in probes])
    return Answers(name, {}, tuple(probes), right, wrong, np.array(won, dtype=bool) & twofold, twofold)


def report(probes, won, against=None):
    sides = [answers(probes, won)] + ([answers(probes, against, "bm25")] if against else [])
    found = (Finding("probes whose right and wrong text are the same", 2, "kept; nothing can win them"),)
    differences = tuple(compare(*sides)) if against else ()
    return Report(tuple(sides), tuple(measure(a) for a in sides), differences, found)


PROBES = [
    Probe("set", "1", "p", "negation", f"who {EVIL}?", f"It burns {EVIL}.", f"It does not burn {EVIL}.", "It does."),
    Probe("set", "2", "p", "negation", "who not?", "It does not burn.", "It burns."),
    Probe("set", "3", "", "premise", "asked about Ana", "Ana sold it.", "Ana sold it.", wrong_query="asked about Ben"),
]


def read(html):
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader.tags


def test_the_page_holds_measures_differences_and_the_worst_pairs():
    html = render(report(PROBES, [0, 1, 0], against=[1, 1, 1]))
    tags = [t for t, _ in read(html)]
    assert tags.count("h1") == 1
    assert "By type: to/model" in html
    assert "By type: bm25" in html
    assert "The first is better at 0 types, worse at 0" in html
    assert "Worst of negation" in html
    assert "<mark>does not burn</mark>" in html
    assert "Which query does this text answer?" in html
    assert "asked about <mark>Ben</mark>" in html
    assert "nothing can win them" in html


def test_texts_are_escaped_and_nothing_is_loaded_or_run():
    html = render(report(PROBES, [0, 0, 0]))
    tags = read(html)
    assert not [t for t, _ in tags if t in ("script", "img", "link", "iframe", "object")]
    assert not [a for _, attrs in tags for a in attrs if a.startswith("on") or a in ("src",)]
    assert not [a for _, attrs in tags if not str(attrs.get("href", "#")).startswith("#") for a in attrs]
    assert "default-src 'none'" in html
    assert "\x00" not in html
    assert "prefers-color-scheme: dark" in html


def test_the_same_answers_give_the_same_bytes():
    assert render(report(PROBES, [0, 1, 0])) == render(report(PROBES, [0, 1, 0]))


def test_no_worst_pairs_where_none_are_wanted_or_none_were_lost():
    assert "Worst of" not in render(report(PROBES, [0, 1, 0]), 0)
    assert "Worst of" not in render(report(PROBES, [1, 1, 1]))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("Ana beat Ben", "Ben beat Ana", ("Ana <mark>beat Ben</mark>", "<mark>Ben beat</mark> Ana")),
        ("3,500 m", "3,500 ft", ("3,500 <mark>m</mark>", "3,500 <mark>ft</mark>")),
        ("the same", "the same", ("the same", "the same")),
        ("a < b", "a > b", ("a <mark>&lt;</mark> b", "a <mark>&gt;</mark> b")),
        ("他去了北京", "他去了上海", ("他去了<mark>北京</mark>", "他去了<mark>上海</mark>")),
        ("", "word", ("", "word")),
        ("one two three four", "five six seven four", ("one two three four", "five six seven four")),
    ],
)  # fmt: skip
def test_what_differs_is_marked(one, other, expected):
    assert all(part in side for part, side in zip(expected, marked(one, other), strict=True))


def test_what_is_far_from_a_difference_is_cut():
    filler = " ".join(f"w{n}" for n in range(300))
    one, other = marked(f"{filler} yes {filler} in {filler}", f"{filler} no {filler} out {filler}", around=5)
    assert "<mark>yes</mark>" in one
    assert "<mark>out</mark>" in other
    assert len(one.split()) < 40
    assert one.count("…") == 3
