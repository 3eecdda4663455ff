"""Judges without a model: rules, files, scores, and judges made of judges."""

import math
import os
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from build import collection, scored
from foils import registry
from foils.collection import build
from foils.engine import Local
from foils.errors import DataError, RecipeError
from foils.judges.answer import AnswerJudge
from foils.judges.cascade import Agree, Cascade
from foils.judges.cases import estimate
from foils.judges.cross_encoder import CrossEncoder, to_probability
from foils.judges.replay import Replay, read
from foils.judges.vote import Vote
from foils.models.questions import Estimate
from foils.protocols import Judge, Verdict
from foils.verdicts import Verdicts

DATA = Path(os.environ.get("FOILS_DATA", Path(__file__).parents[2] / "shared" / "data"))
ENGINE = Local()


@dataclass(frozen=True)
class Says:
    """A judge with fixed probabilities by document row; what it was asked about is kept outside."""

    chances: tuple
    label: str = "says"
    asked: list = None

    @property
    def name(self):
        return f"{self.label}@1"

    @property
    def families(self):
        return frozenset({self.label})

    def check(self):
        return None

    def facts(self):
        return {"judge": self.name}

    def estimate(self, pairs, rows, engine):
        return Estimate(calls=len(rows), cost=0.5 * len(rows))

    def verdicts(self, pairs, rows, engine):
        if self.asked is not None:
            self.asked.append(rows.tolist())
        docs = pairs.frame["doc"].gather(rows).to_list()
        return [Verdict(self.chances[d], self.name, f"doc {d}") for d in docs]


def table(queries=1, each=4):
    """Query i has the positive i; the candidates are the documents from 10 on."""
    where = collection(queries=queries)
    pairs = scored(where, {q: [(10 + i, 1 - i / 10) for i in range(each)] for q in range(queries)})
    return pairs, np.flatnonzero(~pairs.frame["positive"].to_numpy()).astype(np.uint32)


def says(*chances, label="says", asked=None):
    return Says((None,) * 10 + chances, label, asked)


def chances(judge, pairs, rows):
    found = judge.verdicts(pairs, rows, ENGINE)
    assert len(found) == len(rows)
    assert {v.by for v in found} <= {judge.name}
    return [v.probability for v in found]


@dataclass(frozen=True)
class Lengths:
    """Scores a pair by the number of words of both texts."""

    unit: str = "logit"

    def check(self):
        return None

    def facts(self):
        return {"scorer": "lengths"}

    def scores(self, queries, documents, engine):
        found = [len(f"{q} {d}".split()) for q, d in zip(queries, documents, strict=True)]
        return np.array(found, dtype=np.float32) / (10 if self.unit == "prob" else 1)


def test_cross_encoder_scores_become_probabilities():
    pairs, rows = table()
    assert chances(CrossEncoder(Lengths()), pairs, rows) == pytest.approx([1 / (1 + math.exp(-5))] * 4)
    half = CrossEncoder(Lengths(), temperature=2.0, threshold=5.0)
    assert chances(half, pairs, rows) == pytest.approx([0.5] * 4)
    assert chances(CrossEncoder(Lengths("prob")), pairs, rows) == pytest.approx([0.5] * 4)
    assert isinstance(half, Judge)
    assert len({half.name, CrossEncoder(Lengths()).name}) == 2


@pytest.mark.parametrize("unit", ["cos", "dot", "bm25"])
def test_cross_encoder_refuses_scores_without_a_probability(unit):
    with pytest.raises(RecipeError, match=f"gives {unit}"):
        CrossEncoder(Lengths(unit)).check()


@pytest.mark.parametrize("options", [{"temperature": 0}, {"temperature": math.nan}, {"threshold": math.inf}])
def test_cross_encoder_refuses_numbers_that_decide_nothing(options):
    with pytest.raises(RecipeError, match="temperature"):
        CrossEncoder(Lengths(), **options).check()


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.floats(0.01, 100), st.floats(-100, 100))
@settings(max_examples=100, derandomize=True)
def test_probabilities_keep_the_order_of_the_logits(scores, temperature, threshold):
    found = to_probability(np.array(sorted(scores)), temperature, threshold, prob=False)
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found) >= 0).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
@settings(max_examples=100, derandomize=True)
def test_a_probability_stays_what_it_is_by_default(values):
    assert to_probability(np.array(values), 1.0, 0.0, prob=True) == pytest.approx(np.clip(values, 1e-7, 1 - 1e-7))


def with_answers(answers):
    texts = ["It is the Blue Chair.", "A chair, blue", "see: U.S. Open, 2024", "blue, the chair"]
    where = build(
        pl.DataFrame({"id": [f"d{i}" for i in range(5)], "text": [*texts, "known"]}),
        pl.DataFrame({"id": ["q"], "text": ["what?"], "answers": pl.Series([answers])}),
        pl.DataFrame({"query_id": ["q"], "doc_id": ["d4"], "grade": [1]}),
    )
    pairs = scored(where, {0: [(i, 0.5) for i in range(4)]})
    return pairs, np.arange(4, dtype=np.uint32)


@pytest.mark.parametrize(
    ("answers", "hits"),
    [
        (["blue chair"], [0, 3]),
        ("blue chair", [0, 3]),
        (["a blue chair", "nothing"], [0, 3]),
        ({"text": ["BLUE-CHAIR"]}, [0, 3]),
        (["u s open"], [2]),
        (["lue chai"], []),
    ],
)
def test_answers_are_found_word_for_word(answers, hits):
    pairs, rows = with_answers(answers)
    assert [i for i, p in enumerate(chances(AnswerJudge(), pairs, rows)) if p == 0.9] == hits
    assert set(chances(AnswerJudge(), pairs, rows)) <= {0.1, 0.9}


@pytest.mark.parametrize("answers", [[], [""], ["the"], [None], None])
def test_queries_without_answers_get_no_verdict(answers):
    pairs, rows = with_answers(answers if answers is not None else pl.Series([None], dtype=pl.List(pl.String))[0])
    assert chances(AnswerJudge(), pairs, rows) == [None] * 4


def test_answers_need_a_column_and_probabilities_that_differ():
    pairs, rows = table()
    with pytest.raises(RecipeError, match="no column 'answers'; there are: id, text"):
        AnswerJudge().verdicts(pairs, rows, ENGINE)
    with pytest.raises(RecipeError, match="missing must be below found"):
        AnswerJudge(found=0.1, missing=0.1).check()


def written(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tsv", "query-id\tcorpus-id\tscore\nq0\td10\t3\nq0\td11\t1\nq0\td12\t-1\nq9\td99\t3\n"),
        ("a.csv", "qid,docid,label\nq0,d10,3\nq0,d11,1\nq0,d12,-1\n"),
        ("quoted.csv", '"query-id","corpus-id","score","why"\n"q0","d10","3","a, b"\n"q0","d11","1",""\nq0,d12,-1,\n'),
        (
            "ends.jsonl",
            '{"qid": "q0", "pid": "d10", "rel": 3, "why": "a\u2028b\x85c"}\n{"qid": "q0", "pid": "d11", "rel": 1}\n'
            '{"qid": "q0", "pid": "d12", "rel": -1}\n',
        ),
        ("a.trec", "q0 0 d10 3\nq0 0 d11 1\nq0 0 d12 -1\n"),
        ("tabs.trec", "q0\t0\td10\t3\nq0\t0\td11\t1\nq0\t0\td12\t-1\n"),
        (
            "a.jsonl",
            '{"query_id": "q0", "doc_id": "d10", "grade": 3, "why": "yes"}\n{"query_id": "q0", "doc_id": "d11", '
            '"grade": 1}\n\n{"query_id": "q0", "doc_id": "d12", "grade": null}\n',
        ),
        ("twice.tsv", "query-id\tcorpus-id\tscore\nq0\td10\t0\nq0\td11\t1\nq0\td10\t3\n"),
    ],
)
def test_verdicts_are_read_from_files(tmp_path, name, text):
    pairs, rows = table()
    judge = Replay(written(tmp_path, name, text), relevant_from=2)
    judge.check()
    assert chances(judge, pairs, rows) == [1.0, 0.0, None, None]
    found = judge.verdicts(pairs, rows, ENGINE)
    assert [v.grade for v in found[:2]] == [3, 1]
    assert found[3].why == "not in the file"
    by_table = Replay(judge.path, table=(0.0, 0.2, 0.5, 0.9))
    assert chances(by_table, pairs, rows)[:2] == [0.9, 0.2]
    assert judge.families == {f"file:{Path(name).stem}"}
    assert Replay(judge.path, family="llm:gpt-4o+human").families == {"llm:gpt-4o", "human"}
    assert by_table.name != judge.name
    assert pickle.loads(pickle.dumps(judge)) == judge  # noqa: S301


def test_probabilities_are_read_as_such(tmp_path):
    pairs, rows = table()
    path = tmp_path / "p.parquet"
    pl.DataFrame({"query_id": ["q0", "q0"], "doc_id": ["d10", "d11"], "p_relevant": [0.25, None]}).write_parquet(path)
    assert chances(Replay(path), pairs, rows) == [0.25, None, None, None]


def test_verdicts_of_a_run_are_replayed_as_they_settle(tmp_path):
    pairs, rows = table()
    kept = Verdicts().add(pairs, rows[:2], [Verdict(0.2, "llm:m@1"), Verdict(0.3, "llm:m@1")], "llm:m")
    kept = kept.add(pairs, rows[:1], [Verdict(1.0, "human")], "human")
    kept = kept.add(pairs, rows[:2], [Verdict(0.9, "llm:m@1"), Verdict(None, "llm:m@1", "cannot tell")], "llm:m")
    kept.write(tmp_path / "verdicts.parquet")
    judge = Replay(tmp_path / "verdicts.parquet")
    judge.check()
    assert chances(judge, pairs, rows) == [1.0, pytest.approx(0.3), None, None]
    assert judge.families == {"human", "llm:m"}
    other = scored(collection(docs=15), {0: [(3, 0.5)]})
    with pytest.raises(DataError, match="no verdict on a pair of this collection"):
        judge.verdicts(other, np.array([0], dtype=np.uint32), ENGINE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("query-id\tcorpus-id\tscore\n", "holds no verdicts"),
        ("query-id\tcorpus-id\nq0\td10\n", "has the columns query-id, corpus-id"),
        ("a\tb\tc\n1\t2\t3\n", "has the columns a, b, c"),
        ("query-id\tcorpus-id\tscore\nq0\td10\tyes\n", "'yes' for 'q0' and 'd10' is no number"),
        ("query-id\tcorpus-id\tscore\nq0\td10\tnan\n", "is no number"),
        ("query-id\tcorpus-id\tp\nq0\td10\t1.5\n", "1.5 is outside"),
        ("query-id\tcorpus-id\tscore\nx\ty\t1\n", "none of its 1 pairs is in the collection"),
        ('{"query_id": "q0"\n', "row 1 is no JSON"),
        ('{"query_id": "q0", "doc_id": "d", "grade": 1}\n[1]\n', "row 2 is no JSON object"),
        ("q0 0 d10 1\nq0 0 d11\n", "row 2 has 3 columns"),
    ],
)
def test_files_that_hold_no_verdicts_are_told(tmp_path, text, message):
    pairs, rows = table()
    path = written(tmp_path, "x.jsonl" if text.startswith("{") else "x.tsv", text)
    with pytest.raises(DataError, match=message):
        Replay(path).verdicts(pairs, rows, ENGINE)


def test_a_missing_or_broken_file_is_told(tmp_path):
    with pytest.raises(DataError, match="cannot read"):
        Replay(tmp_path / "absent.tsv").check()
    broken = tmp_path / "x.parquet"
    broken.write_bytes(b"PAR1 not really")
    with pytest.raises(DataError, match="cannot read"):
        Replay(broken).check()
    grades = written(tmp_path, "g.tsv", "query-id\tcorpus-id\tscore\nq0\td10\t5\n")
    with pytest.raises(RecipeError, match=r"table has 2 grades, but .* holds 5"):
        Replay(grades, table=(0.1, 0.9)).check()
    with pytest.raises(RecipeError, match="never fall"):
        Replay(grades, table=(0.9, 0.1)).check()


def test_real_judgments_of_language_models_are_read():
    path = DATA / "trecdl19" / "extras" / "llm_judgments" / "umbrela_gpt4o.tsv"
    if not path.exists():
        pytest.skip(f"{path} is not here; set FOILS_DATA")
    table = read(path)
    assert table.height > 9000
    assert set(table["grade"].unique()) == {0.0, 1.0, 2.0, 3.0}


@pytest.mark.parametrize(
    ("rule", "least", "ballot", "expected"),
    [
        ("majority", 1, (0.9, 0.8, 0.1), 2 / 3),
        ("majority", 1, (0.1, 0.2, 0.9), 1 / 3),
        ("majority", 1, (0.9, 0.1), None),
        ("majority", 1, (0.9, None, None), 1.0),
        ("majority", 2, (0.9, None, None), None),
        ("majority", 1, (None, None), None),
        ("majority", 1, (0.5, 0.5), None),
        ("majority", 1, (0.5, 0.9), 1.0),
        ("mean", 1, (0.9, 0.1, None), 0.5),
        ("mean", 1, (0.2, 0.4), 0.3),
        ("mean", 3, (0.2, 0.4, None), None),
    ],
)
def test_votes_are_counted_without_abstentions(rule, least, ballot, expected):
    pairs, rows = table(each=1)
    judge = Vote(tuple(says(p, label=f"j{i}") for i, p in enumerate(ballot)), rule, min(least, len(ballot)))
    judge.check()
    found = chances(judge, pairs, rows)[0]
    assert found is None if expected is None else found == pytest.approx(expected)
    assert judge.families == {f"j{i}" for i in range(len(ballot))}
    assert "judge 2: judge" in judge.facts()


def test_votes_need_voters():
    one = says(0.9)
    for judge in (Vote((one,)), Vote(()), Vote((one, one), rule="loudest"), Vote((one, one), least=3)):
        with pytest.raises(RecipeError, match="vote:"):
            judge.check()


def test_a_cascade_asks_the_strong_judge_where_the_cheap_one_flagged():
    """RLHN: flagged or unsure goes on; the strong verdict counts, its abstention too."""
    pairs, rows = table(each=6)
    asked = []
    cheap = says(0.9, 0.1, 0.5, None, 0.2, 0.8, label="cheap")
    strong = says(0.1, 0.9, 0.9, 0.3, 0.9, None, label="strong", asked=asked)
    judge = Cascade(cheap, strong)
    judge.check()
    assert chances(judge, pairs, rows) == [0.1, 0.1, 0.9, 0.3, 0.2, None]
    assert asked == [rows[[0, 2, 3, 5]].tolist()]
    assert judge.facts()["rows asked first"] == "6"
    assert judge.facts()["rows asked second"] == "4"
    assert judge.facts()["second said otherwise"] == "3"
    assert judge.families == {"cheap", "strong"}
    assert chances(Cascade(cheap, strong, unsure=False), pairs, rows) == [0.1, 0.1, 0.9, None, 0.2, None]


def test_a_cascade_asks_the_model_where_the_rule_rejects():
    """TinyV: what the rule accepts stands, what it rejects the model may turn."""
    pairs, rows = table(each=4)
    rule, model = says(0.9, 0.1, 0.1, None, label="rule"), says(0.0, 0.8, 0.2, 0.7, label="model")
    judge = Cascade(rule, model, ask="rejected")
    assert chances(judge, pairs, rows) == [0.9, 0.8, 0.2, 0.7]
    assert [v.why.split("@")[0] for v in judge.verdicts(pairs, rows, ENGINE)] == ["cheap rule"] + ["strong model"] * 3


def test_a_cascade_can_ask_about_whole_queries():
    pairs, rows = table(queries=3, each=3)
    asked = []
    judge = Cascade(says(0.1, 0.1, 0.1), says(0.9, 0.9, 0.9, asked=asked), per="query")
    assert chances(judge, pairs, rows) == [0.1] * 9
    assert asked == []

    @dataclass(frozen=True)
    class FlagsOne(Says):
        def verdicts(self, pairs, rows, engine):
            return [Verdict(0.9 if row == rows[4] else 0.1, self.name) for row in rows]

    strong = says(0.6, 0.7, 0.8, asked=asked)
    assert chances(Cascade(FlagsOne(()), strong, per="query"), pairs, rows) == [0.1] * 3 + [0.6, 0.7, 0.8] + [0.1] * 3
    assert asked == [rows[3:6].tolist()]


def test_agreement_is_needed_for_relevant_only():
    pairs, rows = table(each=5)
    asked = []
    judge = Agree(says(0.9, 0.9, 0.9, 0.1, None, label="one"), says(0.7, 0.2, None, 0.9, 0.9, label="two", asked=asked))
    judge.check()
    assert chances(judge, pairs, rows) == [0.7, None, None, 0.1, None]
    assert asked == [rows[:3].tolist()]
    assert judge.facts()["rows asked second"] == "3"
    with pytest.raises(RecipeError, match="always agrees with itself"):
        Agree(says(0.9), says(0.1)).check()


def test_judges_made_of_judges_check_and_estimate_their_parts():
    pairs, rows = table()
    a, b = says(*[0.9] * 4, label="a"), says(*[0.9] * 4, label="b")
    assert estimate(Vote((a, b)), pairs, rows, ENGINE) == Estimate(calls=8, cost=4.0)
    assert estimate(Cascade(a, b), pairs, rows, ENGINE) == Estimate(calls=8, cost=4.0, at_most=True)
    assert estimate(Agree(a, b), pairs, rows, ENGINE).at_most
    assert estimate(Cascade(b, AnswerJudge()), pairs, rows, ENGINE) == Estimate(calls=4, cost=2.0)
    for judge in (
        Cascade(a, AnswerJudge(found=0.0)),
        Vote((a, AnswerJudge(found=0.0))),
        Agree(a, AnswerJudge(found=0.0)),
        Cascade(a, b, ask="some"),
        Cascade(a, b, per="corpus"),
        Cascade(a, b, above=1.0),
        Agree(a, b, above=0.0),
    ):
        with pytest.raises(RecipeError):
            judge.check()


def test_no_rows_are_no_verdicts(tmp_path):
    pairs, _ = table()
    path = written(tmp_path, "a.tsv", "query-id\tcorpus-id\tscore\nq0\td10\t3\n")
    none = np.array([], dtype=np.uint32)
    a, b = says(label="a"), says(label="b")
    for judge in (CrossEncoder(Lengths()), Replay(path), Vote((a, b)), Cascade(a, b), Agree(a, b)):
        assert judge.verdicts(pairs, none, ENGINE) == []


def test_every_judge_has_few_options_and_documents_them():
    from dataclasses import fields

    for kind in ("judge", "chat"):
        for name in registry.METHODS[kind]:
            cls = registry.load(name)
            assert len(fields(cls)) <= 8, name
            assert all(f"{f.name}:" in cls.__doc__ for f in fields(cls)), name
            assert "Fails" in cls.__doc__, name
