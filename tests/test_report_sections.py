"""The parts of a report: where candidates went, probability against hardness, typed kinds, checks, side by side."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils import made as marked
from foils.collection import build
from foils.ledger import Entry, Ledger
from foils.make.edits import Edit, Span
from foils.make.item import Made, Twin, Written
from foils.make.twosided import Counterparts
from foils.make.verify import Check
from foils.pairs import Pairs
from foils.report import facts
from foils.report.charts import Series, columns, dots, draw
from foils.report.checks import QUERIES, REPAIRS, checks, look
from foils.report.kinds import both, edited, kinds
from foils.report.likely import EDGES, likely
from foils.report.options import cut, leading, wanted
from foils.report.origins import origins
from foils.report.plots import GAP, LINES, TALL, flow
from foils.report.risk import known, risk
from foils.report.samples import samples
from foils.writers import FORMATS
from test_report import HOSTILE, Page, ledger, page, tiny

RISKY = '[[step]]\nuse = "repair"\ncut = 0.5\n\n[[step]]\nuse = "within-risk"\nn = 2\nby = "bm25.bm25"\n'


def likely_pairs() -> Pairs:
    """The tiny run with a probability for every candidate: its document's number in tenths."""
    p = pl.when(~pl.col("positive")).then(pl.col("doc") / 10)
    return tiny().with_column("prob.detector", p).with_column("p_relevant", p)


def test_the_flow_counts_every_pair_once() -> None:
    pairs = tiny()
    numbers = facts.tally(pairs, facts.slim(pairs), ledger(pairs))
    # Oracle: q1: d0 bm25 (positive), d2 and d3 both (selected), d4 bm25 (not drawn); q2: d1 dense (positive), d2 bm25
    # (selected), d5 bm25 and d6 dense (perc-pos).
    assert numbers.flows == {
        (("bm25",), "positive"): 1, (("dense",), "positive"): 1, (("bm25", "dense"), "selected"): 2,
        (("bm25",), "selected"): 1, (("bm25",), "not drawn"): 1, (("bm25",), "perc-pos"): 1,
        (("dense",), "perc-pos"): 1,
    }  # fmt: skip
    told = Page(origins(numbers))
    assert ["bm25 and dense", "selected", "2"] in told.rows
    assert ["dense only", "known positives", "1"] in told.rows
    assert sum(int(row[2]) for row in told.rows if row and row[2]) == pairs.frame.height


def test_a_promoted_candidate_is_a_new_positive() -> None:
    pairs = tiny()
    at = (pl.col("query") == 0) & (pl.col("doc") == 3)
    kind = pl.when(at).then(pl.lit("promoted", dtype=pl.Categorical)).otherwise("kind")
    frame = pairs.frame.with_columns(kind=kind, positive=pl.col("positive") | at)
    pairs = Pairs(frame, pairs.collection)
    rows = Page(origins(facts.tally(pairs, facts.slim(pairs), ledger(pairs)))).rows
    assert ["bm25 and dense", "new positives", "1"] in rows
    assert ["bm25 and dense", "selected", "1"] in rows


@settings(max_examples=12, deadline=None)
@given(
    st.dictionaries(st.tuples(st.sampled_from("abcdefg"), st.sampled_from("uvwxyz")), st.integers(1, 10**7), min_size=1)
)
def test_a_flow_stays_in_its_frame_and_keeps_its_names_apart(links: Mapping[tuple[str, str], int]) -> None:
    svg = flow(links, dict.fromkeys("uvwxyz", "selected"))
    for side in (0, 1):
        names = {link[side] for link in links}
        heights = sorted(
            float(y) for name in names for y in re.findall(rf"translate\([\d.]+,(-?[\d.]+)\)\"[^>]*>{name}</text>", svg)
        )
        assert len(heights) == len(names)
        assert all(b - a >= LINES - 0.1 for a, b in zip(heights, heights[1:], strict=False))
        assert heights[0] > -GAP
        assert heights[-1] < TALL + GAP


def test_probability_against_hardness() -> None:
    pairs = likely_pairs()
    told = Page(likely(pairs, 2, "bm25.bm25", RISKY))
    cells = [row for row in told.rows if len(row) == 4 and " to " in row[0]]
    # Oracle: bm25 scores of q1's candidates: 8, 7, 6, so z = +-1.22 and 0, probabilities .2, .3, .4; of q2's: 5 and 4,
    # z = +-1, probabilities .2 (selected) and .5 (rejected); d6 has no bm25 score.
    assert [row[1:] for row in sorted(cells, key=lambda r: r[1:])] == [
        ["20% to 30%", "2", "2"],
        ["30% to 50%", "1", "0"],
        ["30% to 50%", "1", "1"],
        ["50% to 70%", "1", "0"],
    ]
    assert "repair drops from 50% on" in told.text
    risks = {row[0]: row[1:] for row in told.rows if len(row) == 5}
    # At 20 % only d2 of either query fits (p .2), at 30 % two of q1's (mean .25).
    assert risks["20%"][0] == "20.0%"
    assert risks["20%"][2] == "1.00"
    assert risks["1%"] == ["–", "–", "0.000", "0%"]


def test_no_probability_no_chart() -> None:
    assert likely(tiny(), 2, "bm25.bm25", RISKY) == ""
    assert risk(tiny(), known(tiny(), Ledger()), 2, None) == ""
    assert EDGES[0] == 0
    assert EDGES[-1] == 1


def test_an_estimate_without_verdicts_says_how_far_off_it_was() -> None:
    told = risk(likely_pairs(), known(likely_pairs(), Ledger()), 2, None)
    assert "five times too careful" in told
    assert "twelve times too bold" in told
    assert "factor of two" not in told


def test_the_leading_score_is_the_samplers() -> None:
    assert leading(RISKY, ("cos.dense", "bm25.bm25")) == "bm25.bm25"
    assert leading(RISKY, ("cos.dense",)) == "cos.dense"
    assert leading("not toml [", ("cos.dense",)) == "cos.dense"
    assert leading(RISKY, ()) is None
    assert (wanted(RISKY), cut(RISKY)) == (2, (0.5, "repair"))
    assert (wanted("not toml ["), cut("")) == (None, (None, ""))


def test_hardness_by_source() -> None:
    # Oracle: of bm25's selected negatives d2 and d3 of q1 can be compared with d0 (9): 8 - 9 and 7 - 9; q2's positive
    # has no bm25 score. Dense found the same two.
    table = facts.by_source(tiny(), "bm25.bm25")
    assert table.rows() == [("bm25", 2, -1.75, -1.5, -1.25), ("dense", 2, -1.75, -1.5, -1.25)]


def typed(text: str = "document 0 about cold") -> tuple[Pairs, list[dict[str, object]]]:
    """The tiny run with one made negative and its twin."""
    pairs = tiny()
    twin = Twin("the document 0 about heat", (Edit(0, 0, "", "the ", "introduced"),), "introduced")
    one = Made(
        "antonym", "polarity", "document", text, (Edit(17, 21, "heat", text[17:], "antonym"),), Span(0, 21), None,
        {}, "'heat' is now <something else>", (Check("L0", True, "structure", ""), Check("L2", None, "nli", "")),
        0.94, twin,
    )  # fmt: skip
    entry = marked.Entry(0, 0, one, None, text, 1)
    ids = {"id": entry.name(pairs.collection), "query_id": "q1", "source_id": "d0"}
    return marked.add(pairs, [entry], twins=True), [ids | one.record()]


@pytest.mark.parametrize("raw", ["who sailed there", *HOSTILE])
def test_two_sided_pairs_show_both_sides_and_obey_nothing(raw: str) -> None:
    (made,) = Counterparts(("negate",), forms=("claim",)).make("The old harbour was closed to ships in 1932.")
    texts = {name: f"{getattr(made, name)} {raw[:2000]}" for name in ("query", "counter", "passage", "changed")}
    written = replace(made, operator="asked", written=Written(raw, "p"), **texts)
    told = Page(html := both([m.record() for m in (made, made, written)]))
    assert "3 pairs" in "".join(told.words)
    assert told.rows[-2:] == [["negate", "2"], ["asked", "1"]]
    assert "<ins>" in html
    assert not {"script", "img", "b>"} & set(told.tags)
    assert not [n for _, n, _ in told.attributes if n.startswith("on")]
    assert both([]) == ""


def test_typed_kinds_show_edit_twin_reason_and_checks() -> None:
    pairs, records = typed()
    facts_ = {"artefact AUC": "0.585", "give-away words (z)": "in 2005 +1.7, a, b -2.3"}
    noted = Ledger((Entry("make", "make()", 9, 4, {}, 0.0, 0.0, facts_),))
    html = kinds(pairs, records, noted)
    told = Page(html)
    assert told.row("polarity")[1:] == ["says the opposite", "1", "antonym 1"]
    assert "document 0 about <del>heat</del><ins>cold</ins>" in html
    assert "<ins>the </ins>document 0 about heat" in html
    assert "&lt;something else&gt;" in html
    assert "L0 structure: passed" in told.text
    assert "L2 nli: could not tell" in told.text
    assert "94% of this operator were right when read" in told.text
    assert "heat flow in slabs" in told.text
    assert told.row("in 2005")[2:] == ["+1.7", "made"]
    assert told.row("a, b")[2:] == ["−2.3", "original"]
    assert "0.585" in told.text
    assert "document 0 about" not in kinds(pairs, (), noted)
    # A twin that a model wrote is shown only if a check says that it answers; so is who wrote it.
    unsure = [r | {"twin": r["twin"] | {"checks": [{"passed": None}]}, "model": "writer@1"} for r in records]  # type: ignore[operator]
    assert "<ins>the </ins>" not in kinds(pairs, unsure, noted)
    assert "writer@1" in kinds(pairs, unsure, noted)
    # An example stands in the run: a reader may have dropped it since.
    assert "about <del>" not in kinds(pairs, [r | {"id": "gone"} for r in records], noted)
    assert kinds(tiny(), (), noted) == ""


def test_made_negatives_are_no_rows_of_a_source_and_make_no_query_short() -> None:
    pairs, records = typed()
    _, told = page(pairs, made=records)
    assert ["made", "selected", "1"] in told.rows
    assert not [row for row in told.rows if row and row[0] == "made" and len(row) > 3]
    rows = facts.slim(pairs)
    assert facts.lengths(rows, "").most == 2
    assert facts.reuse(pairs, rows).uses == 3
    assert facts.tally(pairs, rows, Ledger()).made == 1


def test_edits_are_marked_in_their_place() -> None:
    edits = [{"start": 0, "end": 3, "old": "Not", "new": ""}, {"start": 9, "end": 9, "old": "", "new": "<b>"}]
    assert edited(" one t<b>wo end", edits) == "<del>Not</del> one t<ins>&lt;b&gt;</ins>wo end"
    long = "a" * 1000
    shown = edited(f"{long}X{long}", [{"start": 1000, "end": 1001, "old": long, "new": "X"}])
    assert len(shown) < 1000
    assert "<ins>X</ins>" in shown


@pytest.mark.parametrize("raw", HOSTILE)
def test_hostile_typed_texts_are_shown_and_obeyed_by_nothing(raw: str) -> None:
    pairs, records = typed(f"document 0 about {raw[:2000]}")
    told = Page(kinds(pairs, records, Ledger()))
    assert not {"script", "img", "b>"} & set(told.tags)
    assert not [n for _, n, _ in told.attributes if n.startswith("on")]


def audited(texts: list[str], *, hub: bool) -> Pairs:
    corpus = pl.DataFrame({"id": [f"d{i}" for i in range(len(texts))], "text": texts})
    asked = pl.DataFrame({"id": [f"q{i}" for i in range(120)], "text": [f"question {i}" for i in range(120)]})
    labels = pl.DataFrame({"query_id": asked["id"], "doc_id": [f"d{i}" for i in range(120)], "grade": [1] * 120})
    pairs = Pairs.start(build(corpus, asked, labels, name="audited"))
    found = pl.DataFrame(
        {"query": np.repeat(np.arange(120), 2), "doc": np.stack([np.arange(120, 240), np.full(120, 240)], 1).ravel()}
    ).select(pl.col("query").cast(pl.UInt32), pl.col("doc").cast(pl.UInt32), rank=pl.lit(1, dtype=pl.Int32))
    return pairs.add("bm25", found if hub else found.filter(pl.col("doc") < 240))


def checked(pairs: Pairs) -> Page:
    return Page(checks(look(pairs, facts.reuse(pairs, facts.slim(pairs))), 120))


def test_checks_find_copies_hubs_length_and_words() -> None:
    rng = np.random.default_rng(0)
    words = np.array([f"word{i}" for i in range(300)])
    plain = [" ".join(words[rng.integers(300, size=20)]) for _ in range(241)]
    told = checked(audited(plain, hub=True))
    # One document is a negative of all 120 queries, and nothing else is wrong.
    assert [row[0] for row in told.rows if row and row[0] in ("error", "warning", "note")] == ["warning"]
    assert "reuse-cap" in told.text
    texts = plain.copy()
    texts[120:240] = [f"{t} indeed {t}" for t in plain[120:240]]
    texts[130] = texts[10].upper()
    told = checked(audited(texts, hub=False))
    found = {row[1].split(" A ")[0]: row for row in told.rows if len(row) == 4 and row[0] in ("error", "warning")}
    copied = next(row for name, row in found.items() if name.startswith("Copies of a positive"))
    assert copied[0] == "error"
    assert copied[2].startswith("1 of 120 negatives")
    assert "exact-duplicate" in copied[3]
    assert any(name.startswith("Positives and negatives differ in length") for name in found)
    assert "Words that give the label away" in told.text
    assert any("indeed" in row for row in told.rows)
    assert QUERIES >= 120


def test_what_is_wrong_beyond_doubt_is_the_first_advice() -> None:
    pairs = tiny(["the same text"] * 3 + [f"document {i}" for i in range(7)])
    _, told = page(pairs)
    assert "negatives are wrong beyond doubt (copies of a positive under another id" in told.text


def test_formats_that_repairs_name_exist() -> None:
    named = re.findall(r"--to (\S+) -o \w+(\.\w+)", " ".join(REPAIRS.values()))
    assert named
    assert all(suffix in FORMATS[name].suffixes for name, suffix in named)


def test_checks_of_little_say_that_nothing_was_found() -> None:
    for pairs in (tiny(), Pairs.start(tiny().collection)):
        assert "Nothing was found." in checks(look(pairs, facts.reuse(pairs, facts.slim(pairs))), 2)


def test_positives_stand_beside_negatives_with_the_querys_words_marked() -> None:
    pairs = tiny(["heat flows where slabs are"] + [f"a slab of {i}, and heat" for i in range(9)])
    html = "".join(samples(pairs, "bm25.bm25"))
    told = Page(html)
    assert told.tags.count("details") == 4
    known_, negatives = re.findall(r'<div class="known">(.*?)</div><div>(.*?)</div></div>', html, re.DOTALL)[0]
    assert "Known positives" in known_
    assert "<mark>slabs</mark>" in known_
    assert "Selected negatives" in negatives
    assert "bm25.bm25 8.00 (−1.00)" in negatives
    assert "rank bm25 2, dense 1" in negatives


def test_charts_are_still_deterministic_and_follow_the_pages_colours() -> None:
    rows = ["1", "2", "<3>"], [1.0, 0.0, 1e6]
    svg = columns(*rows, x="x & y", y="how many", form=lambda v: f"{v:g}", whole=True)
    assert svg == columns(*rows, x="x & y", y="how many", form=lambda v: f"{v:g}", whole=True)
    assert svg.startswith('<svg class="chart" viewBox="0 0 ')
    assert 'fill="var(--selected)"' in svg
    assert "&lt;3&gt;" in svg
    assert "x &amp; y" in svg
    assert not re.search(r"xmlns|https?:|url\(|font-family|NaN", svg)
    Page(svg)
    Page(dots(["a"], [Series("only", "left", [None]), Series("two", "selected", [-1.0])], x="x", y="y"))


def test_hidden_characters_of_a_name_are_seen_in_a_chart() -> None:
    svg = draw(
        {"data": {"values": [{"a": "\u202egnp\x00"}]}, "mark": "text", "encoding": {"text": {"field": "a"}}}, "x"
    )
    assert "[U+202E]gnp␀" in svg


# Machado, Oliveira and Fernandes (2009): full protanopia, deuteranopia and tritanopia, on linear RGB.
SEEN = {
    "all": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


@pytest.mark.parametrize("eye", SEEN)
def test_fates_are_told_apart_by_every_eye(eye: str) -> None:
    css = files("foils.report").joinpath("page.css").read_text(encoding="utf-8")
    for scheme in css.split("@media")[:2]:
        hues = [re.search(rf"--{name}: #(\w{{6}})", scheme)[1] for name in ("positive", "selected", "left", "rejected")]
        rgb = np.array([[int(h[i : i + 2], 16) / 255 for i in (0, 2, 4)] for h in hues])
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        seen = np.clip(linear @ np.array(SEEN[eye]).T, 0, 1)
        xyz = seen @ np.array([[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]])
        x, y, z = (np.where(v > 0.008856, np.cbrt(v), 7.787 * v + 16 / 116) for v in (xyz / [0.9505, 1, 1.089]).T)
        lab = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)
        # A CIE76 difference of 2.3 can just be seen; 15 is another colour at a glance.
        apart = np.linalg.norm(lab[:, None] - lab[None], axis=2)[np.triu_indices(4, 1)]
        assert apart.min() > 15
