"""Each query of a two-sided pair before both passages: real readers and judges behind a server, and what they refuse."""

import pytest

pytest.importorskip("httpx")

import authors
from chat_server import reply, serving
from foils.judges.llm import Llm
from foils.make.crossed import CROSSES, cases, crossed
from foils.make.edits import Edit
from foils.make.operators import Tally
from foils.make.reading import LlmReader
from foils.make.twosided import TwoSided
from foils.make.verify import pair
from foils.make.write import Helpers
from foils.models.llm import Budget, Chat, Pace

OLD, NEW = "was closed to ships in 1932", "went on receiving ships after 1932"
PASSAGE = f"The harbour of Ostby {OLD}. A museum stands there."
PAIR = TwoSided(
    "asked", "polarity", "since when can no vessel call at Ostby", PASSAGE,
    "Which port kept its traffic when 1932 was over?", PASSAGE.replace(OLD, NEW), (Edit(21, 48, OLD, NEW, "asked"),),
    "asked",
)  # fmt: skip


def put(script, reader=False, judge=True, **options):
    """What is left of the pair, the tally, and the requests."""
    tally = Tally()
    with serving(script) as server:
        chat = Chat(
            "m", server.url, key_env="", pace=Pace(concurrency=2, timeout=10.0, retries=1, backoff=0.001), **options
        )
        reads = LlmReader(chat, Helpers().engine) if reader else None
        left = crossed([PAIR], Helpers(None, None, reads, Llm(chat) if judge else None), tally)
    return left, dict(tally.counts), server.requests


def test_without_anybody_to_ask_all_stay():
    assert crossed([PAIR], Helpers(), Tally()) == [PAIR]


def test_four_questions_and_what_was_said_of_each():
    left, counts, requests = put(authors.paired(), reader=True)
    assert counts == {}
    assert len(requests) == 8
    assert [c.level for c in left[0].checks] == ["L3"] * 4 + ["L4"] * 4
    assert all(c.passed for c in left[0].checks)
    assert [c.found.partition(":")[0] for c in left[0].checks[:4]] == [f"{q} and {t}" for q, t, _ in CROSSES]
    assert TwoSided.restored(left[0].record()) == left[0]


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        (lambda q, p: True, "the other passage answers, too"),
        (lambda q, p: False, "its own passage does not answer"),
        (lambda q, p: not authors.holds(q, p), "its own passage does not answer"),
        (lambda q, p: authors.holds(q, p) or "no vessel" in q, "the other passage answers, too"),
        (lambda q, p: authors.holds(q, p) and "no vessel" in q, "its own passage does not answer"),
    ],
)
def test_one_answer_of_four_that_is_wrong_refuses_the_pair(answers, why):
    assert put(authors.paired(answers))[:2] == ([], {("asked", f"L4: {why}"): 1})
    left, counts, requests = put(authors.paired(reads=answers), reader=True)
    assert (left, counts) == ([], {("asked", f"L3: {why}"): 1})
    assert len(requests) == 4  # nobody is asked about what has failed


def test_who_cannot_tell_does_not_vouch():
    left, counts, _ = put(lambda request, nth: reply('{"quote": "x", "grade": null}'))
    assert (left, counts) == ([], {("asked", "neither read nor judged for sure"): 1})


def test_money_that_runs_out_is_no_verdict():
    left, counts, requests = put(authors.paired(), budget=Budget(1.0, 1.0, calls=2))
    assert (left, counts) == ([], {("asked", "L4: not asked, the money is spent"): 1})
    assert len(requests) == 2


def test_the_cases_are_the_texts_of_the_pair():
    assert [pair(*case) for case in cases(PAIR)] == [
        (PAIR.query, PAIR.passage), (PAIR.query, PAIR.changed), (PAIR.counter, PAIR.changed),
        (PAIR.counter, PAIR.passage),
    ]  # fmt: skip
