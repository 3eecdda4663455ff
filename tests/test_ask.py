"""Ask: whom, about what, and what is written."""

import pickle
from dataclasses import dataclass

import polars as pl
import pytest

from build import collection, scored
from foils.ask import Ask
from foils.errors import JudgeError, RecipeError
from foils.outcome import column
from foils.protocols import Judge, Verdict
from foils.verdicts import Verdicts

ANSWERS = {"d00": 0.95, "d01": 0.9, "d02": 0.2, "d03": None, "d04": 0.4}
ASKED = []


@dataclass(frozen=True)
class Table:
    """Answers by document id; notes what it was asked."""

    name: str = "table:one@1"
    families: frozenset = frozenset({"table"})
    flaw: str = ""

    def check(self):
        if self.flaw == "absent":
            raise JudgeError("no key")

    def facts(self):
        return {"judge": self.name}

    def verdicts(self, pairs, rows, engine):
        docs = pairs.collection.corpus["id"].gather(pairs.frame["doc"].gather(rows)).to_list()
        ASKED.extend(docs)
        said = [Verdict(ANSWERS.get(d, 0.0), self.name) for d in docs]
        if self.flaw == "fewer":
            return said[1:]
        return [Verdict(1.5, self.name) for _ in docs] if self.flaw == "wide" else said


@pytest.fixture
def pairs():
    ASKED.clear()
    return scored(collection(docs=8), {0: [(i, 0.9 - 0.1 * i) for i in range(6)]})


def told(after, name):
    return after.frame[name].cast(pl.Float64).round(3).to_list()


def test_it_is_a_judge():
    assert isinstance(Table(), Judge)


def test_live_candidates_are_asked_about_and_verdicts_written(pairs, engine):
    step = Ask(judge=Table())
    after = step(pairs, engine)
    assert sorted(ASKED) == ["d01", "d02", "d03", "d04", "d05"]
    assert told(after, "prob.table-one-1") == [None, 0.9, 0.2, None, 0.4, 0.0]
    assert told(after, "p_relevant") == told(after, "prob.table-one-1")
    assert after.frame["judged_by"].to_list() == [None, *["table:one@1"] * 2, None, *["table:one@1"] * 2]
    assert step.facts() == {"judge": "table:one@1", "asked": "5", "abstained": "1"}


def test_an_abstention_leaves_the_detectors_estimate(pairs, engine):
    pairs = pairs.with_column("p_relevant", pl.lit(0.7, dtype=pl.Float32))
    after = Ask(judge=Table())(pairs, engine)
    assert told(after, "p_relevant") == [0.7, 0.9, 0.2, 0.7, 0.4, 0.0]
    assert after.frame["judged_by"][3] is None


@pytest.mark.parametrize(
    ("by", "docs"), [("", ["d01", "d02"]), ("cos.dense", ["d01", "d02"]), ("prob.doubt", ["d04", "d05"])]
)
def test_the_first_of_each_query_are_asked_about(pairs, engine, by, docs):
    pairs = pairs.with_column("prob.doubt", pl.Series([0.0, 0.1, 0.2, 0.3, 0.4, 0.5], dtype=pl.Float32))
    after = Ask(judge=Table(), top=2, by=by)(pairs, engine)
    assert sorted(ASKED) == docs
    assert after.frame["judged_by"].null_count() == 4


def test_dropped_rows_are_not_asked_about(pairs, engine):
    Ask(judge=Table())(pairs.drop(pl.col("doc") > 2, "rule"), engine)
    assert sorted(ASKED) == ["d01", "d02"]


def test_nothing_is_asked_twice(pairs, engine):
    step = Ask(judge=Table())
    again = step(step(pairs, engine), engine)
    assert ASKED.count("d01") == 1
    assert ASKED.count("d03") == 2, "an abstention may be asked about again"
    assert step.facts()["asked"] == "6"
    assert again.frame["p_relevant"].to_list() == pytest.approx([None, 0.9, 0.2, None, 0.4, 0.0])


def test_no_live_candidate_no_question(pairs, engine):
    after = Ask(judge=Table(flaw="fewer"))(pairs.drop(pl.lit(value=True), "rule"), engine)
    assert ASKED == []
    assert after.frame["prob.table-one-1"].null_count() == 6


def test_the_collection_and_people_are_not_overruled(pairs, engine):
    by = pl.Series([None, "qrels", "human:ann", "human", "humanoid", "llm:a"], dtype=pl.Categorical)
    after = Ask(judge=Table())(pairs.with_column("judged_by", by), engine)
    assert sorted(ASKED) == ["d04", "d05"]
    assert after.frame["judged_by"].to_list()[1:] == ["qrels", "human:ann", "human", "table:one@1", "table:one@1"]


def test_a_second_judge_settles_and_the_first_stays_in_its_column(pairs, engine):
    after = Ask(judge=Table(name="table:two"))(Ask(judge=Table())(pairs, engine), engine)
    assert ASKED.count("d01") == 2
    assert told(after, "prob.table-one-1") == told(after, "prob.table-two")
    assert after.frame["judged_by"].unique().drop_nulls().to_list() == ["table:two"]


def test_positives_get_a_column_and_no_verdict(pairs, engine):
    after = Ask(judge=Table(), positives=True, name="teacher")(pairs, engine)
    assert told(after, "prob.teacher")[0] == 0.95
    assert after.frame["p_relevant"][0] is None
    assert after.frame["judged_by"][0] is None


def test_what_it_writes_is_what_stored_verdicts_would_mark(pairs, engine):
    after = Ask(judge=Table())(pairs, engine)
    rows = pairs.frame.select(pl.arg_where(pairs.live)).to_series().to_numpy()
    stored = Verdicts().add(pairs, rows, Table().verdicts(pairs, rows, engine), "table").mark(pairs)
    columns = ["p_relevant", "judged_by"]
    assert after.frame.select(columns).equals(stored.frame.select(columns))


def test_a_judge_that_errs_is_refused(pairs, engine):
    with pytest.raises(JudgeError, match="gave 4 verdicts on 5 pairs"):
        Ask(judge=Table(flaw="fewer"))(pairs, engine)
    with pytest.raises(JudgeError, match=r"gave the probability 1.5"):
        Ask(judge=Table(flaw="wide"))(pairs, engine)


@pytest.mark.parametrize(
    ("step", "error", "match"),
    [
        (Ask(), RecipeError, "judge is missing"),
        (Ask(judge=Table(), top=0), RecipeError, "top=0 asks nothing"),
        (Ask(judge=Table(), name="a b"), RecipeError, "letters, digits"),
        (Ask(judge=Table(flaw="absent")), JudgeError, "no key"),
    ],
)
def test_checked_before_anything_is_asked(step, error, match):
    with pytest.raises(error, match=match):
        step.check()


def test_a_copy_for_another_machine_starts_counting_anew(pairs, engine):
    step = Ask(judge=Table())
    step(pairs, engine)
    again = pickle.loads(pickle.dumps(step))  # noqa: S301
    assert again == step
    assert again.facts()["asked"] == "0"


def test_top_needs_an_order(engine):
    from foils.pairs import Pairs

    with pytest.raises(RecipeError, match="no source has ranked"):
        Ask(judge=Table(), top=2)(Pairs.start(collection()), engine)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("llm:Qwen3-32B@3f9a", "prob.llm-qwen3-32b-3f9a"), ("a/b.c_d", "prob.a-b-c-d"), ("--x--", "prob.x")],
)
def test_the_column_of_a_judge(name, expected):
    assert column(name) == expected
