"""The chat client, against a server that speaks the real protocol."""

import json
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("httpx")

from chat_server import Drip, Drop, Half, Raw, error, reply, serving
from foils.engine import Local
from foils.errors import DataError, FoilsError, JudgeError, MissingExtra, RecipeError
from foils.models.llm import Budget, Chat, Decoding, Pace
from foils.models.llm_account import Account
from foils.models.llm_cache import AnswerCache
from foils.models.llm_wire import Gate, Job, Trouble, read_reply, retry_after
from foils.models.questions import Answer, Estimate, Question, count_tokens, total

KEY = "sk-test-0123456789abcdef"
FAST = Pace(concurrency=2, timeout=10.0, retries=3, backoff=0.001)


def question(text="hello", **options):
    return Question((("system", "be brief"), ("user", text)), 50, 10, "p1", **options)


def numbered(n):
    return [question(f"question {i}") for i in range(n)]


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("FOILS_TEST_KEY", KEY)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def chat(server, **options):
    return Chat("tiny", server.url, **({"key_env": "FOILS_TEST_KEY", "pace": FAST} | options))


def always(what):
    return lambda request, nth: what


def scripted(*steps):
    """These, one after the other, then an echo of the question."""
    return lambda request, nth: steps[nth] if nth < len(steps) else reply(request["messages"][-1]["content"])


echo = scripted()


def ask_one(script, engine=None, **options):
    with serving(script) as server:
        client = chat(server, **options)
        answer = client.ask([question()], engine or Local())[0]
        return answer, server, client


def test_the_request_is_what_the_protocol_says():
    answer, server, client = ask_one(echo)
    assert answer == Answer("hello", "stop", 100, 20, True)
    assert server.requests == [
        {
            "model": "tiny",
            "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}],
            "temperature": 0.0,
            "max_tokens": 50,
        }
    ]
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert client.facts()["tokens in"] == "100"
    assert client.facts()["calls"] == "1"


def test_decoding_reaches_the_server():
    extra = '{"max_tokens": null, "max_completion_tokens": 9, "top_p": 0.5}'
    _, server, _ = ask_one(echo, decoding=Decoding(temperature=0.1, max_tokens=7, seed=5, extra=extra))
    found = {k: v for k, v in server.requests[0].items() if k not in ("messages", "model")}
    assert found == {"temperature": 0.1, "seed": 5, "max_completion_tokens": 9, "top_p": 0.5}


def test_no_key_is_sent_where_none_is_named():
    _, server, _ = ask_one(echo, key_env="")
    assert "Authorization" not in server.headers[0]


@pytest.mark.parametrize(
    "trouble",
    [
        error(429),
        error(500),
        error(503),
        error(408),
        error(409),
        error(529),
        Drop,
        Half,
        Raw(b"<html>"),
        Raw(b'{"choices": []}'),
        Raw(b'{"error": {"message": "overloaded"}}'),
        Raw(b"[" * 100_000),
    ],
    ids=str,
)
def test_passing_trouble_is_retried(trouble):
    answer, server, client = ask_one(scripted(trouble, trouble))
    assert answer.text == "hello"
    assert len(server.requests) == 3
    assert client.facts()["retries"] == "2"


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_question_that_the_server_refuses_is_asked_once(status):
    answer, server, client = ask_one(always(error(status, "too long")))
    assert answer.finish == "refused"
    assert "too long" in answer.trouble
    assert len(server.requests) == 1
    assert "calls" not in client.facts()


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "refuses the key in FOILS_TEST_KEY"),
        (402, "out of credit"),
        (403, "refuses the key"),
        (404, "no such model"),
        (308, "redirects"),
    ],
)
def test_what_no_question_would_survive_stops_at_once(status, message):
    with serving(always(error(status, f"wrong key {KEY}", {"Location": "http://elsewhere/"}))) as server:
        with pytest.raises(JudgeError, match=message) as caught:
            chat(server, pace=replace(FAST, concurrency=1)).ask(numbered(50), Local())
        assert len(server.requests) == 1
        assert KEY not in str(caught.value)


def test_an_account_without_credit_stops_at_once():
    with serving(always(error(429, "insufficient_quota", code="insufficient_quota"))) as server:
        with pytest.raises(JudgeError, match="out of credit"):
            chat(server).ask([question()], Local())
        assert len(server.requests) == 1


def test_a_server_that_never_answers_is_an_error():
    with serving(always(error(500))) as server:
        with pytest.raises(JudgeError, match="answers nothing: HTTP 500: try later"):
            chat(server).ask([question()], Local())
        assert len(server.requests) == 4


def test_nobody_at_the_address_is_an_error():
    with serving(echo) as server:
        client = chat(server, pace=replace(FAST, retries=1))
    with pytest.raises(JudgeError, match="cannot connect to http://127"):
        client.ask([question()], Local())


def test_ten_failures_in_a_row_stop_the_rest():
    with serving(lambda request, nth: echo(request, nth) if nth < 5 else error(500)) as server:
        client = chat(server, pace=replace(FAST, concurrency=1, retries=0))
        with pytest.raises(JudgeError, match="10 questions in a row"):
            client.ask(numbered(100), Local())
        assert len(server.requests) == 15


def test_ten_refusals_at_first_stop_the_rest():
    with serving(always(error(400, "max_tokens is not supported"))) as server:
        client = chat(server, pace=replace(FAST, concurrency=1))
        with pytest.raises(JudgeError, match=r"takes none of the first 10 questions.*max_tokens is not supported"):
            client.ask(numbered(100), Local())
        assert len(server.requests) == 10
    with serving(lambda request, nth: error(400) if nth else echo(request, nth)) as server:
        assert len(chat(server, pace=replace(FAST, concurrency=1)).ask(numbered(30), Local())) == 30


def test_what_a_model_never_takes_can_be_asked_again(tmp_path):
    def script(request, nth):
        return echo(request, nth) if request["messages"][-1]["content"] == "hello" else error(400, "too long")

    with serving(script) as server:
        chat(server).ask([question()], Local(cache=tmp_path))
        answers = chat(server).ask(numbered(12), Local(cache=tmp_path))
    assert {a.finish for a in answers} == {"refused"}


def test_single_failures_do_not_stop_the_rest():
    bad = {3, 9, 20}
    script = lambda request, nth: (  # noqa: E731
        error(400) if int(request["messages"][-1]["content"].split()[-1]) in bad else echo(request, nth)
    )
    with serving(script) as server:
        answers = chat(server).ask(numbered(30), Local())
    assert [i for i, a in enumerate(answers) if not a.arrived] == sorted(bad)
    assert answers[4].text == "question 4"


def test_unreadable_answers_stop_the_rest_before_it_is_paid():
    with serving(always(reply("Sure! I think it is relevant."))) as server:
        with pytest.raises(JudgeError, match=r"none of the first 20 answers .* can be read.*'Sure!"):
            chat(server, pace=replace(FAST, concurrency=1)).ask(numbered(500), Local(), lambda a: False)
        assert len(server.requests) == 20
    with serving(echo) as server:
        usable = lambda a: a.text == "question 10"  # noqa: E731
        assert len(chat(server, pace=replace(FAST, concurrency=1)).ask(numbered(60), Local(), usable)) == 60


def test_a_pause_that_the_server_asks_for_is_kept():
    _, server, _ = ask_one(scripted(error(429, headers={"Retry-After": "0.15"})))
    assert server.times[1] - server.times[0] >= 0.15


def test_a_pause_holds_back_all_requests():
    now = [0.0]
    waits = []

    def wait(seconds):
        waits.append(seconds)
        now[0] += seconds
        return False

    gate = Gate(None, wait, lambda: now[0])
    assert gate.enter()
    gate.pause(7.5)
    assert gate.enter()
    assert now[0] == 7.5
    gate.pause(1.0)
    gate.pause(0.5)
    assert gate.enter()
    assert now[0] == 8.5


def test_a_long_pause_is_told_not_slept():
    patience = pytest.raises(JudgeError, match="wants a pause of 7,200 s")
    with serving(always(error(429, headers={"Retry-After": "7200"}))) as server, patience:
        chat(server).ask([question()], Local())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("-3", 0.0),
        ("12", 12.0),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 20.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_in_seconds_or_as_a_date(value, seconds):
    assert retry_after(value, 100.0) == seconds


def test_requests_per_minute_are_spaced():
    now, waits = [0.0], []

    def wait(seconds):
        waits.append(seconds)
        now[0] += seconds
        return False

    gate = Gate(30.0, wait, lambda: now[0])
    assert all(gate.enter() for _ in range(4))
    assert now[0] == pytest.approx(6.0)


def test_a_stopped_gate_lets_nothing_through():
    stop = threading.Event()
    stop.set()
    assert not Gate(None, stop.wait).enter()


def test_backoff_is_full_jitter(monkeypatch):
    with serving(always(error(500))) as server:
        client = chat(server, pace=replace(FAST, retries=8, backoff=1.0))
        delays = []
        monkeypatch.setattr(Gate, "enter", lambda self: setattr(self, "wait", lambda s: bool(delays.append(s))) or True)
        with pytest.raises(JudgeError):
            client.ask([question()], Local())
    assert len(delays) == 8
    assert all(0 <= d <= min(30.0, 2.0**n) for n, d in enumerate(delays, 1))
    assert len(set(delays)) == 8


def test_a_silent_server_times_out_and_may_have_charged():
    released = threading.Event()

    def script(request, nth):
        released.wait(10)
        return reply("late")

    with serving(script) as server:
        client = chat(server, pace=replace(FAST, timeout=0.1, retries=1), budget=Budget(1.0, 1.0))
        with pytest.raises(JudgeError, match=r"no answer within 0\.1 s"):
            client.ask([question()], Local())
        released.set()
    assert client.facts()["calls of unknown fate"] == "2"
    assert float(client.facts()["cost"]) > 0


def test_a_dripping_server_does_not_hold_a_thread():
    with serving(always(Drip)) as server:
        client = chat(server, pace=replace(FAST, timeout=0.15, retries=0))
        start = time.monotonic()
        with pytest.raises(JudgeError, match="no whole answer within"):
            client.ask([question()], Local())
        assert time.monotonic() - start < 5


def test_cut_and_filtered_answers_arrive_as_such_and_are_kept(tmp_path):
    for what, trouble in (
        (reply('{"grade": 0', "length"), "cut at the limit"),
        (reply(None, "content_filter"), "no text (content_filter)"),
        (reply("  ", "stop"), "no text (stop)"),
    ):
        engine = Local(cache=tmp_path / what["choices"][0]["finish_reason"])
        with serving(always(what)) as server:
            for _ in range(2):
                answer = chat(server).ask([question()], engine)[0]
                assert trouble in answer.trouble
            assert len(server.requests) == 1


def test_an_answer_that_the_server_broke_off_is_asked_for_again(tmp_path):
    for finish in ("error", "abort"):
        answer, server, client = ask_one(scripted(reply("", finish)), Local(cache=tmp_path / finish))
        assert (answer.text, len(server.requests)) == ("hello", 2)
        assert client.facts()["calls of unknown fate"] == "1"


def test_tokens_are_estimated_where_the_server_does_not_count():
    answer, _, client = ask_one(always(reply("four words of text", usage=None)))
    assert not answer.counted
    assert answer.tokens_in == count_tokens(["be brief", "hello"]) == 20
    assert client.facts()["answers with estimated tokens"] == "1"


def test_content_in_parts_and_broken_surrogates_are_read():
    parts = reply([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])
    assert ask_one(always(parts))[0].text == "ab"
    raw = json.dumps(reply("X")).replace('"X"', '"\\ud800!"').encode()
    assert ask_one(always(Raw(raw)))[0].text == "?!"


def test_log_probabilities_are_kept(tmp_path):
    body = reply("Yes", "length", logprobs=[("Yes", -0.1), ("No", -2.4)])
    with serving(always(body)) as server:
        for _ in range(2):
            answer = chat(server).ask([question(logprobs=5)], Local(cache=tmp_path))[0]
            assert [t["token"] for t in answer.logprobs[0]["top_logprobs"]] == ["Yes", "No"]
        assert len(server.requests) == 1
        assert server.requests[0]["top_logprobs"] == 5


def test_concurrency_is_used_and_bounded():
    barrier = threading.Barrier(4)

    def script(request, nth):
        if nth < 4:
            barrier.wait(10)
        return echo(request, nth)

    with serving(script) as server:
        answers = chat(server, pace=replace(FAST, concurrency=4)).ask(numbered(40), Local())
        assert server.peak == 4
    assert [a.text for a in answers] == [f"question {i}" for i in range(40)]


def test_equal_questions_are_asked_once():
    with serving(echo) as server:
        answers = chat(server).ask([question("a"), question("b"), question("a")], Local())
        assert [a.text for a in answers] == ["a", "b", "a"]
        assert sorted(server.paid) == ["a", "b"]


def test_answers_are_kept_by_everything_that_they_depend_on(tmp_path):
    engine = Local(cache=tmp_path)
    with serving(echo) as server:
        client = chat(server)
        client.ask([question()], engine)
        for other in (
            replace(client, model="other"),
            replace(client, decoding=Decoding(temperature=0.5)),
            replace(client, decoding=Decoding(seed=1)),
            replace(client, decoding=Decoding(max_tokens=9)),
        ):
            other.ask([question()], engine)
        client.ask([question("other")], engine)
        client.ask([question()._replace(prompt="p2")], engine)
        client.ask([question(logprobs=3)], engine)
        assert len(server.requests) == 8
        same = replace(client, pace=Pace(), budget=Budget(1, 1), key_env="", base_url=server.url + "/")
        same.ask([question()], engine)
        pickle.loads(pickle.dumps(client)).ask([question()], engine)  # noqa: S301
        assert len(server.requests) == 8


def test_without_a_folder_answers_live_as_long_as_the_client():
    with serving(echo) as server:
        client = chat(server)
        client.ask([question()], Local())
        client.ask([question()], Local())
        assert len(server.requests) == 1
        chat(server).ask([question()], Local())
        assert len(server.requests) == 2


def test_a_damaged_cache_is_told(tmp_path):
    (tmp_path / "llm").mkdir()
    (tmp_path / "llm" / "answers.sqlite").write_bytes(b"not a database, by any means" * 100)
    with pytest.raises(DataError, match="cannot keep answers"):
        AnswerCache(tmp_path)


def test_the_first_answer_under_a_key_stays(tmp_path):
    cache = AnswerCache(tmp_path)
    cache.put("k", "m", "p", Answer("one", "stop"))
    AnswerCache(tmp_path).put("k", "m", "p", Answer("two", "stop"))
    assert cache.get(["k", "absent"]) == {"k": Answer("one", "stop")}
    many = [f"k{i}" for i in range(1200)]
    for key in many[::100]:
        cache.put(key, "m", "p", Answer(key, "length", 1, 2, False, [{"token": "a"}]))
    assert sorted(cache.get(many)) == sorted(many[::100])
    assert cache.get(["k100"])["k100"] == Answer("k100", "length", 1, 2, False, [{"token": "a"}])


def test_a_budget_of_calls_is_kept_before_dispatch(tmp_path):
    engine = Local(cache=tmp_path)
    with serving(echo) as server:
        client = chat(server, pace=replace(FAST, concurrency=8), budget=Budget(calls=5))
        answers = client.ask(numbered(12), engine)
        assert len(server.requests) == 5
        assert [a.finish for a in answers] == ["stop"] * 5 + ["not asked"] * 7
        assert client.ask(numbered(12), engine)[:5] == answers[:5]
        assert len(server.requests) == 5
        assert client.facts()["calls beyond the budget"] == "14"
        # A new process has a new budget, and does not pay for what is there.
        again = chat(server, budget=Budget(calls=5)).ask(numbered(12), engine)
        assert [a.finish for a in again] == ["stop"] * 10 + ["not asked"] * 2


def test_a_budget_of_money_is_never_exceeded():
    """Worst price of a call: 34 bytes and 50 tokens make 0.84; true price: 0.8."""
    with serving(always(reply("x" * 40, usage=(30, 50)))) as server:
        budget = Budget(price_in=10_000.0, price_out=10_000.0, money=6.0)
        client = chat(server, pace=replace(FAST, concurrency=4), budget=budget)
        answers = client.ask(numbered(10), Local())
        assert len(server.requests) == 7
    assert [a.arrived for a in answers] == [True] * 7 + [False] * 3
    assert float(client.facts()["cost"]) == pytest.approx(5.6)


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_longest_answer_of_extra_counts_for_the_budget(name):
    """Of 10 a call of at most 500 tokens is affordable twice, where one of 50 would be ten times."""
    with serving(always(reply("x", usage=(0, 500)))) as server:
        budget = Budget(price_in=0.0, price_out=10_000.0, money=10.0)
        extra = json.dumps({"max_tokens": None, name: 500})
        client = chat(server, budget=budget, decoding=Decoding(extra=extra), pace=replace(FAST, concurrency=4))
        answers = client.ask(numbered(5), Local())
    assert [a.arrived for a in answers] == [True, True, False, False, False]
    with pytest.raises(RecipeError, match="needs a longest answer"):
        replace(client, decoding=Decoding(extra='{"max_tokens": null}')).check()


def test_what_the_server_did_not_take_is_given_back():
    with serving(scripted(error(400), error(500), error(500))) as server:
        client = chat(server, pace=replace(FAST, concurrency=1), budget=Budget(calls=2))
        answers = client.ask(numbered(3), Local())
        assert [a.finish for a in answers] == ["refused", "stop", "stop"]


@pytest.mark.parametrize("paid", [True, False])
def test_accounts_balance(paid):
    account = Account(1.0, 1.0, most_money=1.0)
    worst = account.reserve(400_000, 0)
    assert account.reserve(700_000, 0) is None
    (account.lose if paid else account.release)(worst)
    assert account.calls == int(paid)
    assert (account.reserve(700_000, 0) is None) is paid
    assert account.money + account.held == pytest.approx(0.4 if paid else 0.7)


def test_an_estimate_sends_nothing_and_knows_what_is_there(tmp_path, monkeypatch):
    engine = Local(cache=tmp_path)
    with serving(echo) as server:
        client = chat(server, budget=Budget(price_in=2.0, price_out=10.0))
        client.ask(numbered(4), engine)
        sent = len(server.requests)
        monkeypatch.delenv("FOILS_TEST_KEY")
        found = client.estimate([*numbered(10), question("question 9")], engine)
        assert len(server.requests) == sent
    tokens = 6 * count_tokens(["be brief", "question 0"])
    assert found == Estimate(6, 5, tokens, 60, pytest.approx((2 * tokens + 10 * 60) / 1e6))
    assert Chat("m", "http://h/v1").estimate(numbered(1), Local()).cost is None
    assert total([found, found._replace(cost=None)]).cost is None


def test_the_key_is_nowhere(tmp_path, capfd):
    def leaky(request, nth):
        if nth == 0:
            return error(500, f"Bearer {KEY} is overloaded")
        if nth == 1:
            return error(400, f"your key {KEY} cannot do this")
        return reply(f"the key was {KEY}")

    with serving(leaky) as server:
        client = chat(server, pace=replace(FAST, concurrency=1))
        answers = client.ask(numbered(3), Local(cache=tmp_path, quiet=False))
        said = [repr(answers), repr(client), str(client.facts()), pickle.dumps(client).decode("latin-1")]
    assert answers[0].error == "HTTP 400: your key *** cannot do this"
    assert answers[1].text == "the key was ***"
    files = [p.read_bytes().decode("latin-1") for p in tmp_path.rglob("*") if p.is_file()]
    assert files
    said += [*files, *capfd.readouterr()]
    assert not any(KEY in text for text in said)


def test_a_placeholder_for_a_key_does_not_spoil_answers(monkeypatch):
    monkeypatch.setenv("FOILS_TEST_KEY", "hell")
    assert ask_one(echo)[0].text == "hello"


@pytest.mark.parametrize("key", ["sk\nX-Evil: 1", "schlüssel", "a\x1bb"])
def test_a_key_that_fits_no_header_is_refused_without_quoting_it(key, monkeypatch):
    monkeypatch.setenv("FOILS_TEST_KEY", key)
    with pytest.raises(JudgeError, match="no HTTP header") as caught:
        Chat("m", "http://h/v1", "FOILS_TEST_KEY").check()
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"model": ""}, RecipeError, "model is empty"),
        ({"base_url": "localhost:8000"}, RecipeError, "no address"),
        ({"base_url": "ftp://h/v1"}, RecipeError, "no address"),
        ({"base_url": "http://user:secret@h/v1"}, RecipeError, "more than an address"),
        ({"base_url": "http://h/v1?key=secret"}, RecipeError, "more than an address"),
        ({"key_env": "FOILS_NOT_SET"}, JudgeError, "FOILS_NOT_SET .* is not set"),
        ({"pace": Pace(concurrency=0)}, RecipeError, "concurrency from 1"),
        ({"pace": Pace(timeout=0)}, RecipeError, "timeout above 0"),
        ({"pace": Pace(per_minute=0)}, RecipeError, "lets nothing pass"),
        ({"budget": Budget(money=1.0)}, RecipeError, "needs price_in"),
        ({"budget": Budget(calls=-1)}, RecipeError, "cannot be negative"),
        ({"decoding": Decoding(temperature=-1)}, RecipeError, "temperature from 0"),
        ({"decoding": Decoding(extra="{")}, RecipeError, "no JSON"),
        ({"decoding": Decoding(extra='{"stream": true}')}, RecipeError, "without messages"),
        ({"decoding": Decoding(extra="[1]")}, RecipeError, "JSON object"),
    ],
)
def test_wrong_options_are_told_before_anything_is_sent(options, kind, message):
    with pytest.raises(kind, match=message) as caught:
        Chat(**({"model": "m", "base_url": "http://h/v1", "key_env": "FOILS_TEST_KEY"} | options)).check()
    assert "secret" not in str(caught.value)


def test_a_missing_package_names_its_extra(monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'foils\[llm\]'"):
        Chat("m", "http://h/v1", "FOILS_TEST_KEY").check()


def test_replies_are_read_from_any_shape_or_not_at_all():
    job = Job({}, ("text",), 5, "k", "p")
    for bad in ("null", "[]", '{"choices": [{}]}', '{"choices": [{"message": null}]}', "", '{"choices": "x"}'):
        with pytest.raises(Trouble, match="no chat completion"):
            read_reply(bad, job)
    odd = {"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": "many"}}
    assert read_reply(json.dumps(odd), job) == Answer("x", "stop", 9, 9, False)


def test_the_repr_is_a_recipe_line():
    client = Chat("m", "http://h/v1", pace=Pace(concurrency=2))
    assert eval(repr(client)) == client  # noqa: S307
    assert hash(client) == hash(pickle.loads(pickle.dumps(client)))  # noqa: S301
    assert issubclass(JudgeError, FoilsError)


PROGRAM = """
import sys
from foils.engine import Local
from foils.models.llm import Chat, Pace
from foils.models.questions import Question
from pathlib import Path
questions = [Question((("user", f"question {i}"),), 50, 10, "p1") for i in range(30)]
client = Chat("tiny", sys.argv[1], "", pace=Pace(concurrency=4, timeout=30.0))
print(len(client.ask(questions, Local(cache=Path(sys.argv[2])))), flush=True)
"""


def program(server, folder):
    code = textwrap.dedent(PROGRAM)
    clean = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}
    return subprocess.Popen(
        [sys.executable, "-c", code, server.url, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean,
    )


def rows(folder):
    file = sqlite3.connect(Path(folder) / "llm" / "answers.sqlite")
    try:
        return file.execute("select count(*) from answers").fetchone()[0]
    finally:
        file.close()


def test_a_client_beside_another_is_paid_from_its_account():
    with serving(echo) as server:
        one = chat(server, budget=Budget(1.0, 1.0, calls=3), pace=replace(FAST, concurrency=1))
        two = one.beside("other")
        assert two == replace(one, model="other")
        assert len([a for a in one.ask(numbered(2), Local()) if a.arrived]) == 2
        assert [a.finish for a in two.ask(numbered(3), Local())] == ["stop", "not asked", "not asked"]
        assert {r["model"] for r in server.requests} == {"tiny", "other"}
    assert one.facts()["calls"] == two.facts()["calls"] == "3"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "Ctrl-C"])
def test_killed_and_resumed_nothing_is_paid_twice(how, tmp_path):
    """The server answers 12 questions and holds the next four; then the process dies."""
    holding, release = threading.Event(), threading.Event()
    holding.set()

    def script(request, nth):
        if holding.is_set() and nth >= 12:
            release.wait(30)
            if how == signal.SIGKILL:
                return Drop
        return echo(request, nth)

    with serving(script) as server:
        first = program(server, tmp_path)
        server.wait_for(16)
        assert rows(tmp_path) == 12
        first.send_signal(how)
        if how == signal.SIGKILL:
            first.wait(20)
        else:
            # In flight when it was interrupted: paid, so it is waited for and kept.
            time.sleep(1.0)
        holding.clear()
        release.set()
        out, err = first.communicate(timeout=30)
        assert first.returncode != 0
        assert out == ""
        assert how == signal.SIGKILL or "KeyboardInterrupt" in err
        assert rows(tmp_path) == (12 if how == signal.SIGKILL else 16)
        assert len(server.requests) == 16
        again = program(server, tmp_path)
        out, err = again.communicate(timeout=30)
        assert (out, err) == ("30\n", "")
        assert sorted(server.paid) == sorted(f"question {i}" for i in range(30))
