"""Word overlap in several scripts."""

import polars as pl
import pytest

from foils.collection import build
from foils.engine import Local
from foils.overlap import WordOverlap
from foils.pairs import Pairs


@pytest.mark.parametrize(
    ("query", "text", "expected"),
    [
        ("the red house", "The house", 2 / 3),
        ("the the the", "the", 1.0),
        ("东京大学", "东京", 0.5),
        ("a b", "c d", 0.0),
        ("?!", "...", 0.0),
        ("الكتاب الجديد", "الكتاب", 0.5),
    ],
)
def test_overlap_of_word_sets(query, text, expected):
    where = build(
        pl.DataFrame({"id": ["d"], "text": [text]}),
        pl.DataFrame({"id": ["q"], "text": [query]}),
        pl.DataFrame({"query_id": ["q"], "doc_id": ["d"], "grade": [1]}),
    )
    frame = WordOverlap()(Pairs.start(where), Local()).frame
    assert frame["jaccard.words"][0] == pytest.approx(expected)
