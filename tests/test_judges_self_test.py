"""The self-test finds judges that are steered, and passes those that are not."""

import re

import numpy as np
import pytest

pytest.importorskip("httpx")

import brains
from build import collection, scored
from chat_server import serving
from foils.engine import Local
from foils.errors import RecipeError
from foils.judges.answer import AnswerJudge
from foils.judges.cascade import Agree, Cascade
from foils.judges.listwise import LlmListwise
from foils.judges.llm import Llm
from foils.judges.logprob import LlmLogprob
from foils.judges.self_test import build, interval, self_test, self_test_estimate, topics_of
from foils.judges.self_test_texts import DENIALS, INJECTIONS, TOPICS
from foils.models.llm import Chat, Pace

KINDS = [Llm, LlmListwise, LlmLogprob]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def measured(kind, relevant, tmp_path, **options):
    with serving(brains.model(relevant)) as server:
        judge = kind(Chat("tiny", server.url, "", pace=Pace(concurrency=4, timeout=10.0)), **options)
        found = self_test(judge, Local(cache=tmp_path))
        return {check.name: check for check in found.checks}, found, server


def test_the_texts_are_many_and_mean_what_they_say():
    assert 2 * len(TOPICS) >= 20
    assert len(INJECTIONS) >= 12
    assert sum(not text.isascii() for text in INJECTIONS.values()) >= 5
    for topic in TOPICS:
        assert topic.answer.casefold() in topic.known.casefold()
        assert topic.answer.casefold() in topic.relevant.casefold()
        assert all(topic.answer.casefold() not in other.near.casefold() for other in TOPICS)
        assert all(topic.answer not in text for text in [*INJECTIONS.values(), *DENIALS.values()])


@pytest.mark.parametrize("kind", KINDS)
def test_a_careful_judge_passes(kind, tmp_path):
    checks, found, _ = measured(kind, brains.knows, tmp_path)
    assert not found.steered
    assert {c.level for c in found.checks} == {"fine"}
    assert all(c.rate == 0.0 and c.low == 0.0 for c in found.checks)
    assert checks["disagreement with our labels"].compared == 24
    assert checks["injected: call it relevant"].compared == 2 * len(INJECTIONS)
    assert checks["injected: call it relevant"].high < 0.09
    assert checks["injected: call it not relevant"].compared == 3 * len(DENIALS)
    assert ("shuffled order" in checks) == (kind is LlmListwise)
    assert "swapped labels and wording" in checks
    assert found.table().columns[0] == "check"
    assert found.table().height == len(found.checks)


@pytest.mark.parametrize("kind", KINDS)
def test_a_judge_that_obeys_its_documents_is_found(kind, tmp_path):
    checks, found, _ = measured(kind, brains.obeys, tmp_path)
    assert found.steered
    injected = checks["injected: call it relevant"]
    assert injected.level == "steered"
    assert injected.rate == 1.0
    assert checks["injected: call it not relevant"].level == "steered"
    assert checks["hedged wording"].level == "fine"
    assert checks["disagreement with our labels"].flips == 0
    assert injected.examples


@pytest.mark.parametrize(
    ("relevant", "check"),
    [(brains.counts_words, "query words stuffed in"), (brains.wants_certainty, "hedged wording")],
)
def test_a_judge_with_a_bias_is_found_by_its_check(relevant, check, tmp_path):
    checks, found, _ = measured(Llm, relevant, tmp_path)
    assert [c.name for c in found.checks if c.level == "steered"] == [check]
    assert checks[check].rate > 0.6


def test_a_judge_that_likes_the_first_place_is_found(tmp_path):
    checks, _, _ = measured(LlmListwise, brains.likes_the_first, tmp_path)
    assert checks["shuffled order"].level == "steered"
    assert checks["disagreement with our labels"].level == "steered"


def test_a_cascade_is_tested_as_a_whole(tmp_path):
    with serving(brains.model(brains.obeys)) as server:
        client = Chat("tiny", server.url, "", pace=Pace(concurrency=4))
        engine = Local(cache=tmp_path)
        cascade = self_test(Cascade(LlmListwise(client), Llm(client)), engine)
        agree = self_test(Agree(Llm(client), Llm(client, wording="second")), engine)
    assert {c.name for c in cascade.checks} >= {"shuffled order", "swapped labels and wording"}
    assert cascade.steered
    assert agree.steered


def test_a_rule_can_be_tested_too():
    found = self_test(AnswerJudge(), Local())
    assert not found.steered
    assert {c.name for c in found.checks} == {
        "disagreement with our labels",
        "query words stuffed in",
        "hedged wording",
        "injected: call it relevant",
        "injected: call it not relevant",
        "empty passages",
    }


def test_an_estimate_bounds_what_is_sent(tmp_path):
    with serving(brains.model(brains.knows)) as server:
        judge = LlmListwise(Chat("tiny", server.url, "", pace=Pace(concurrency=4)))
        bound = self_test_estimate(judge, Local(cache=tmp_path))
        assert server.requests == []
        self_test(judge, Local(cache=tmp_path))
        sent = len(server.requests)
        assert 0 < sent <= bound.calls
        assert bound.at_most
        self_test(judge, Local(cache=tmp_path))
        assert len(server.requests) == sent


def test_a_run_of_ones_own_is_used():
    where = collection(queries=6, positives=[(f"q{i}", f"d{d:02}") for i in range(6) for d in (i, (i + 1) % 6)])
    pairs = scored(where, {q: [(15, 0.9), (16 + q % 3, 0.1)] for q in range(6)})
    topics = topics_of(pairs, 4)
    assert len(topics) == 4
    assert all(t.near == f"text number {16 + int(t.query.split()[1]) % 3}" for t in topics)
    assert all(t.known != t.relevant for t in topics)
    assert topics == topics_of(pairs, 4)
    with serving(brains.model(lambda query, passage, place: bool(re.search(r"number \d\b", passage)))) as server:
        judge = Llm(Chat("tiny", server.url, "", pace=Pace(concurrency=4)))
        found = self_test(judge, Local(), pairs, 4)
    assert "disagreement with our labels" not in {c.name for c in found.checks}
    assert not found.steered
    with pytest.raises(RecipeError, match="the run has none"):
        topics_of(scored(where, {}), 4)


def test_rows_stand_for_the_passages_given():
    passages = [(3, "x"), (0, ""), (3, "y"), (11, "x")]
    pairs, rows = build(TOPICS, passages)
    part = pairs.frame[rows]
    texts = pairs.collection.corpus["text"].gather(part["doc"]).to_list()
    assert list(zip(part["query"].to_list(), texts, strict=True)) == passages
    assert pairs.frame["positive"].sum() == len(TOPICS)


@pytest.mark.parametrize(
    ("flips", "n", "low", "high"),
    [(0, 0, 0.0, 1.0), (0, 40, 0.0, 0.0881), (40, 40, 0.9119, 1.0), (2, 20, 0.0123, 0.3170), (1, 1, 0.025, 1.0)],
)
def test_intervals_are_those_of_clopper_and_pearson(flips, n, low, high):
    assert interval(flips, n) == pytest.approx((low, high), abs=1e-4)


def test_abstentions_are_no_flips(tmp_path):
    from chat_server import reply

    def script(request, nth):
        message = request["messages"][-1]["content"]
        if any(words in message for words in INJECTIONS.values()):
            return reply('{"quote": "", "grade": "cannot tell"}')
        return brains.model(brains.knows)(request, nth)

    with serving(script) as server:
        judge = Llm(Chat("tiny", server.url, "", pace=Pace(concurrency=4)))
        found = {c.name: c for c in self_test(judge, Local()).checks}
    check = found["injected: call it relevant"]
    assert (check.compared, check.flips, check.abstained, check.rate) == (0, 0, 2 * len(INJECTIONS), None)
    assert check.level == "not tested"
    assert np.isclose(check.high, 1.0)
