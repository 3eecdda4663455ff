"""The ladder: each rung keeps its check, fails what is wrong, and says nothing where it cannot tell."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from foils.engine import Local
from foils.errors import RecipeError
from foils.make.edits import Edit
from foils.make.item import Item, Written
from foils.make.nearmiss import Number
from foils.make.polarity import InsertNot
from foils.make.premise import QueryNumber
from foils.make.temporal import YearShift
from foils.make.verify import Corpus, Judged, Nli, Reading, ScorerDrop, Structure, pair, proven, verify
from foils.protocols import Verdict

ITEM = Item("When was the bridge opened?", "The bridge was opened in 1932 after long work. It is long.", "1932")
MADE = YearShift()(ITEM)
ASKED = Item("What are the signs of ataxia type 2?", "Ataxia type 2 shows signs early.")
CHANGED = QueryNumber()(ASKED)


def only(rung, item=ITEM, made=MADE):
    (after,) = verify([(item, made)], [rung])
    return after.checks[-1]


def test_structure_follows_the_edits():
    check = only(Structure())
    assert (check.level, check.passed) == ("L0", True)
    assert "route: answer" in check.found
    assert only(Structure(), made=replace(MADE, text=ITEM.passage)).passed is False
    assert only(Structure(), made=replace(MADE, text="something else")).passed is False
    wrong = replace(MADE, edits=(Edit(0, 3, "xxx", "y", "year"),), text="something else")
    assert "expects" in only(Structure(), made=wrong).found


def test_structure_finds_the_answer_that_is_still_there():
    item = replace_item(ITEM, passage=ITEM.passage + " The year 1932 was dry.")
    text = MADE.text + " The year 1932 was dry."
    assert only(Structure(), item, replace(MADE, text=text)).passed is False


def replace_item(item, **changes):
    return Item(**({"query": item.query, "passage": item.passage, "answer": item.answer} | changes))


def test_the_corpus_knows_other_positives():
    assert only(Corpus()).passed is True
    said = replace_item(ITEM, positives=("Read on. " + MADE.text.split(".")[0] + ", they say.",))
    assert "another known positive says the same" in only(Corpus(), said).found
    same = replace_item(ITEM, positives=(MADE.text.upper(),))
    assert "is another known positive" in only(Corpus(), same).found
    assert only(Corpus(passages=(MADE.text,))).passed is False
    assert only(Corpus(queries=(CHANGED.text,)), ASKED, CHANGED).passed is False


def test_every_check_is_kept_and_one_failure_is_enough():
    (after,) = verify([(ITEM, MADE)], [Structure(), Corpus(), Corpus(passages=(MADE.text,))])
    assert [c.level for c in after.checks] == ["L0", "L1", "L1"]
    assert not proven(after)
    assert proven(replace(after, checks=after.checks[:2]))


@dataclass(frozen=True)
class Table:
    """An entailment model that says what it is given."""

    rows: tuple
    name: str = "table"

    def probabilities(self, premises, hypotheses):
        return np.array([self.rows for _ in premises], dtype=np.float32)


@pytest.mark.parametrize(
    ("rows", "numbers", "polarity"),
    [
        ((0.95, 0.02, 0.03), True, True),
        # The model is blind to the number: that proves nothing; a negation it must see.
        ((0.10, 0.10, 0.80), None, False),
        ((0.02, 0.97, 0.01), False, False),
    ],
)
def test_entailment_both_ways(rows, numbers, polarity):
    assert only(Nli(Table(rows))).passed is numbers
    item = Item("The drug is tied to sleep.", "The drug is tied to sleep in mice.")
    assert only(Nli(Table(rows)), item, InsertNot()(item)).passed is polarity
    assert Nli(Table(rows))([]) == []


@pytest.mark.parametrize(("entailed", "passed"), [(0.9, False), (0.05, True)])
def test_what_was_degraded_must_no_longer_follow(entailed, passed):
    vague = replace(MADE, kind="degraded")
    assert only(Nli(Table((0.02, entailed, 0.98 - entailed))), made=vague).passed is passed


def test_a_whole_text_must_not_copy_another_positive_nor_hold_an_answer():
    whole = replace(MADE, edits=(), kind="generated", written=Written("m", "p"), gate={"route": "answer"})
    text = "Ferries crossed the river for many years before anybody thought of a bridge."
    assert only(Structure(), made=replace(whole, text=text)).passed is True
    assert only(Structure(), made=replace(whole, text=f"{text} That was in 1932.")).passed is False
    known = replace_item(ITEM, positives=(f"As is told, {text.lower()}",))
    assert "copies another known positive" in only(Corpus(), known, replace(whole, text=text)).found
    asked = replace_item(ITEM, answer=None)
    # A rule's proof stands against a reader that finds something; nothing stands behind a whole text.
    assert only(Reading(Finds(("river",))), asked, replace(whole, text=text)).passed is False
    assert only(Reading(Finds(("bridge",))), asked).passed is None


@dataclass(frozen=True)
class Silent:
    """A reader that cannot tell."""

    name: str = "silent"

    def answers(self, questions, passages):
        return [None for _ in passages]


def test_a_reader_that_cannot_tell_says_nothing():
    check = only(Reading(Silent()))
    assert (check.passed, check.found) == (None, "could not be read")


def test_roles_that_changed_sides_leave_the_answer_where_it_no_longer_answers():
    item = Item("Who beat Ben?", "Ana beat Ben at chess.", "Ana")
    edits = (Edit(0, 3, "Ana", "Ben", "role-swap"), Edit(9, 12, "Ben", "Ana", "role-swap"))
    gate = {"route": "answer", "symmetric": "no"}
    swapped = replace(MADE, text="Ben beat Ana at chess.", edits=edits, kind="near-miss", gate=gate)
    assert only(Structure(), item, swapped).passed is True
    assert only(Structure(), item, replace(swapped, gate={"route": "answer"})).passed is False


@dataclass(frozen=True)
class Overlap:
    """Scores a pair by the words that both hold."""

    unit: str = "logit"

    def check(self):
        return

    def facts(self):
        return {}

    def scores(self, queries, documents, engine):
        return np.array([len(set(q.split()) & set(d.split())) for q, d in zip(queries, documents, strict=True)])


def test_a_scorer_informs_and_never_rejects(engine):
    # The scorer sees the same words with the query either way.
    assert only(ScorerDrop(Overlap(), engine)).passed is None
    number = only(ScorerDrop(Overlap(), engine), ASKED, CHANGED)
    assert number.passed is None or number.passed is True
    assert "before" in number.found


@dataclass(frozen=True)
class Finds:
    """A reader that finds the first of its words that is in the passage."""

    words: tuple
    name: str = "finds"

    def answers(self, questions, passages):
        return [next((w for w in self.words if w in p), "") for p in passages]


def test_a_reader_must_not_find_the_answer():
    assert only(Reading(Finds(("1932",)))).passed is True
    assert only(Reading(Finds(("bridge",)))).passed is True
    kept = replace(MADE, text=ITEM.passage)
    assert only(Reading(Finds(("1932",))), made=kept).passed is False
    assert only(Reading(Finds(("early",))), ASKED, CHANGED).passed is None
    assert only(Reading(Finds(())), ASKED, CHANGED).passed is True


@dataclass(frozen=True)
class Says:
    """A judge with one opinion."""

    probability: float | None
    name: str = "says"
    families: frozenset = frozenset({"string"})

    def check(self):
        return

    def facts(self):
        return {}

    def verdicts(self, pairs, rows, engine):
        assert not pairs.frame["positive"].any()
        return [Verdict(self.probability, self.name, "so") for _ in rows]


@pytest.mark.parametrize(("probability", "passed"), [(0.1, True), (0.9, False), (None, None)])
def test_a_judge_must_not_call_it_relevant(probability, passed):
    assert only(Judged(Says(probability), Local())).passed is passed
    assert Judged(Says(probability), Local())([]) == []


def test_a_changed_query_is_paired_with_the_old_passage():
    assert pair(ASKED, CHANGED) == (CHANGED.text, ASKED.passage)
    assert pair(ITEM, MADE) == (ITEM.query, MADE.text)


def test_numbers_of_a_number_edit():
    item = Item("How many guards watch it?", "It is watched by 14 guards at night.", "14")
    assert only(Structure(), item, Number()(item)).passed is True


def test_a_model_without_the_three_labels_is_refused(tmp_path):
    from foils.make.nli import CrossEncoderNli
    from tiny import reranker

    folder = reranker(tmp_path, labels=2)
    with pytest.raises(RecipeError, match="contradiction, entailment, neutral"):
        CrossEncoderNli(str(folder)).probabilities(["a"], ["b"])


@pytest.mark.parametrize(("said", "passed"), [("巴黎", False), ("巴黎市", False), ("塞纳河", True)])
def test_a_reader_is_understood_where_words_are_not_parted(said, passed):
    item = Item("法国的首都是哪里?", "法国的首都是巴黎。", "巴黎")

    @dataclass(frozen=True)
    class Said:
        name: str = "said"

        def answers(self, questions, passages):
            return [said] * len(questions)

    assert only(Reading(Said()), item, replace(MADE, text="法国的首都巴黎在塞纳河畔。")).passed is passed
