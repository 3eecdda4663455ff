"""One suite over every registered method: what a step may and may not do to the table."""

import hashlib
import importlib.util
import pickle
from dataclasses import MISSING, dataclass, fields, replace

import numpy as np
import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from foils import registry
from foils.collection import build
from foils.engine import Local
from foils.errors import RecipeError
from foils.pairs import Pairs
from foils.protocols import Verdict
from foils.steps import Rule, Step, kebab

SETTINGS = settings(max_examples=20, deadline=None, derandomize=True, phases=[Phase.generate])
SEED = st.integers(0, 2**32 - 1)
FOUND = {"query": pl.UInt32, "doc": pl.UInt32, "rank": pl.Int32}
WORDS = ["red", "lamp", "blue", "chair", "old", "oak", "table", "is", "not", "here"]
QUERIES, DOCS = 4, 12


def noise(text: str, n: int) -> np.ndarray:
    """Numbers that depend on the text only."""
    seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
    return np.random.default_rng(seed).standard_normal(n)


@dataclass(frozen=True)
class TextEncoder:
    """Unit vectors: the sum of fixed vectors of the words, so that texts alike are near each other."""

    unit: str = "cos"

    def check(self):
        return None

    def facts(self):
        return {"encoder": "words"}

    def vectors(self, collection, role, rows, engine):
        texts = collection.queries["text"] if role == "query" else collection.passages
        texts = texts.to_list() if rows is None else texts.gather(rows).to_list()
        sums = np.array([sum((noise(w, 8) for w in t.split()), noise(t, 8) / 10) for t in texts])
        return (sums / np.linalg.norm(sums, axis=1, keepdims=True)).astype(np.float32).reshape(len(texts), 8)


@dataclass(frozen=True)
class PairScorer:
    """A logit that depends on the two texts only."""

    unit: str = "logit"

    def check(self):
        return None

    def facts(self):
        return {"scorer": "pairs"}

    def scores(self, queries, documents, engine):
        pairs = zip(queries, documents, strict=True)
        return np.array([noise(f"{q}\n{d}", 1)[0] for q, d in pairs], dtype=np.float32)


@dataclass(frozen=True)
class PairJudge:
    """A verdict that depends on the two texts only; of some pairs it cannot tell."""

    name: str = "words@1"
    families: frozenset = frozenset({"string"})

    def check(self):
        return None

    def facts(self):
        return {"judge": "words"}

    def verdicts(self, pairs, rows, engine):
        part = pairs.frame[rows]
        questions = pairs.collection.queries["text"].gather(part["query"])
        texts = zip(questions, pairs.collection.passages.gather(part["doc"]), strict=True)
        said = [noise(f"{q}\n{d}", 1)[0] for q, d in texts]
        return [Verdict(None if abs(s) < 0.3 else float(s > 0), "words@1") for s in said]


def run_file(folder) -> str:
    """Two of four queries; one document twice, one that does not exist."""
    path = folder / "run.trec"
    lines = ["q0 Q0 d03 1 9.5 x", "q0 Q0 d05 2 8.5 x", "q0 Q0 zz 3 8 x", "q0 Q0 d01 4 7 x", "q2 Q0 d03 1 3 x"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


# What a method cannot do without; every other method must work as it stands.
MINIMAL = {
    "dense": lambda folder: {"encoder": TextEncoder()},
    "attribute": lambda folder: {"encoder": TextEncoder(), "column": "language"},
    "walk": lambda folder: {"encoder": TextEncoder(), "column": "links"},
    "clusters": lambda folder: {"encoder": TextEncoder()},
    "run-file": lambda folder: {"name": "run", "path": run_file(folder)},
    "similarity": lambda folder: {"encoder": TextEncoder(), "name": "words"},
    "positive-similarity": lambda folder: {"encoder": TextEncoder()},
    "neighbour-agreement": lambda folder: {"encoder": TextEncoder()},
    "specificity": lambda folder: {"encoder": TextEncoder()},
    "rerank": lambda folder: {"scorer": PairScorer(), "name": "ce"},
    "z-score": lambda folder: {"score": "cos.dense"},
    "ask": lambda folder: {"judge": PairJudge()},
    "tacred-intrinsic": lambda folder: {"encoder": TextEncoder(), "beyond": 2},
    "tacred-extrinsic": lambda folder: {"encoder": TextEncoder()},
    "same-source": lambda folder: {"column": "title"},
    "mmr": lambda folder: {"encoder": TextEncoder()},
    "k-means": lambda folder: {"encoder": TextEncoder()},
    "reuse-cap": lambda folder: {"sampler": registry.load("uniform")(n=2), "cap": 1},
}
SMALL = {"n": 2, "depth": 5, "skip": 2, "below": 2, "clusters": 3}


def here(name: str) -> bool:
    target = next(methods[name] for methods in registry.METHODS.values() if name in methods)
    module = target.partition(":")[0]
    return all(importlib.util.find_spec(module.rsplit(".", i)[0]) for i in range(module.count(".") - 1, -1, -1))


def registered(*kinds: str):
    names = [n for kind in kinds for n in registry.METHODS[kind]]
    absent = pytest.mark.skip(reason="its module is not written yet")
    return pytest.mark.parametrize("name", [n if here(n) else pytest.param(n, marks=absent) for n in names])


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("contract")


def make(name: str, folder, small: bool = True) -> Step:
    cls = registry.load(name)
    given_options = MINIMAL[name](folder) if name in MINIMAL else {}
    known = {f.name for f in fields(cls)}
    if small:
        given_options = {k: v for k, v in SMALL.items() if k in known} | given_options
    return cls(**given_options)


def world(labels, texts, judged=()):
    """Four queries, the third and the fourth with the same text; documents over few words, so that copies occur."""
    titles = [WORDS[len(t) % 3] if t else "" for t in texts]
    corpus = {
        "id": [f"d{i:02}" for i in range(DOCS)],
        "text": [t or f"alone {i}" for i, t in enumerate(texts)],
        "title": titles,
        "language": [("en", "de", None)[i % 3] for i in range(DOCS)],
        "links": [[f"d{(i * 5 + 1) % DOCS:02}", f"d{(i + 3) % DOCS:02}"] for i in range(DOCS)],
    }
    queries = {
        "id": [f"q{i}" for i in range(QUERIES)],
        "text": ["red lamp", "old oak table", "Where is it?", "where is IT?"],
        "answers": [["lamp"], [], None, ["the blue chair", "oak"]],
        "language": ["en", "de", "en", None],
    }
    rows = [(f"q{q}", f"d{d:02}", 1) for q, d in labels] + [(f"q{q}", f"d{d:02}", 0) for q, d in judged]
    table = pl.DataFrame(rows, schema=["query_id", "doc_id", "grade"], orient="row")
    return build(pl.DataFrame(corpus), pl.DataFrame(queries), table)


def random_collection(rng):
    labels = {(int(rng.integers(QUERIES)), int(rng.integers(DOCS))) for _ in range(rng.integers(1, 9))}
    judged = {(int(rng.integers(QUERIES)), int(rng.integers(DOCS))) for _ in range(rng.integers(0, 4))}
    texts = [" ".join(rng.choice(WORDS, size=rng.integers(0, 5))) for _ in range(DOCS)]
    return world(sorted(labels), texts, sorted(judged))


def random_table(rng, columns=frozenset()):
    """Random pairs: two sources, scores with nulls and ties, some proven, some dropped before."""
    pairs = Pairs.start(random_collection(rng))
    for source in ("dense", "bm25"):
        found = [(q, rng.permutation(DOCS)[: rng.integers(0, DOCS + 1)].tolist()) for q in pairs.queries.tolist()]
        rows = [(q, doc, rank) for q, docs in found for rank, doc in enumerate(docs, 1)]
        pairs = pairs.add(source, pl.DataFrame(rows, schema=FOUND, orient="row"))
    n = pairs.frame.height

    def column(values):
        return [values[i] for i in rng.integers(len(values), size=n)]

    for score in sorted({"cos.dense", "cos.other", *(c for c in columns if not c.startswith("rank."))}):
        low = 0.0 if score.split(".")[0] in ("prob", "jaccard") else -0.5
        pairs = pairs.with_column(
            score, pl.Series(column([None, low, 0.1, 0.25, 0.5, 0.55, 0.75, 0.9]), dtype=pl.Float32)
        )
    for name, mark in (("kind", "polarity"), ("dropped", "earlier")):
        marks = pl.Series(column([None, None, None, None, mark]), dtype=pl.Categorical)
        pairs = pairs.with_column(name, pl.when(~pl.col("positive")).then(pl.coalesce(pl.col(name), pl.lit(marks))))
    return pairs


def part(pairs: Pairs, queries) -> Pairs:
    return replace(pairs, frame=pairs.frame.filter(pl.col("query").is_in(list(queries))))


def by_id(pairs: Pairs) -> pl.DataFrame:
    """What a step decided, in terms of ids."""
    ids = {
        "q": pl.lit(pairs.collection.queries["id"]).gather(pl.col("query")),
        "d": pl.lit(pairs.collection.corpus["id"]).gather(pl.col("doc")),
    }
    return pairs.frame.select("positive", "dropped", "weight", **ids).sort("q", "d")


def close(left: pl.DataFrame, right: pl.DataFrame) -> None:
    assert_frame_equal(left, right, check_column_order=False, rel_tol=1e-5, abs_tol=1e-6)


def permuted(pairs: Pairs, docs: list[int]) -> Pairs:
    """The same table over a corpus in another order: ``docs[i]`` is the old row of the new document i."""
    new = pl.Series(np.argsort(docs).astype(np.uint32))
    old = pairs.collection

    def renumber(table):
        return table.with_columns(doc=pl.lit(new).gather(pl.col("doc"))).sort("query", "doc")

    where = replace(old, corpus=old.corpus[docs], positives=renumber(old.positives), negatives=renumber(old.negatives))
    return replace(pairs, collection=where, frame=renumber(pairs.frame))


STEPS = ("rule", "sampler", "control", "weight", "score")


@registered(*STEPS)
@SETTINGS
@given(seed=SEED)
def test_rows_stay_and_what_is_out_stays_out(name, folder, seed):
    step = make(name, folder)
    rng = np.random.default_rng(seed)
    pairs = random_table(rng, step.needs)
    after = step(pairs, Local())
    keys = ["query", "doc", "positive"]
    assert after.frame.select(keys).equals(pairs.frame.select(keys))
    assert after.collection is pairs.collection
    before_out = pairs.frame["dropped"].is_not_null()
    assert after.frame.filter(before_out)["dropped"].equals(pairs.frame.filter(before_out)["dropped"])
    assert after.frame.filter("positive")["dropped"].null_count() == after.frame["positive"].sum()
    assert after.frame.filter("positive")["weight"].null_count() == after.frame["positive"].sum()
    untouched = [c for c in pairs.frame.columns if c not in {"dropped", "filled", *step.adds}]
    assert after.frame.select(untouched).equals(pairs.frame.select(untouched))
    assert set(after.frame.columns) - set(pairs.frame.columns) <= set(step.adds)
    assert set(step.adds) <= set(after.frame.columns)


@registered(*STEPS, "action")
@SETTINGS
@given(seed=SEED)
def test_parts_by_query_equal_the_whole(name, folder, seed):
    step = make(name, folder)
    rng = np.random.default_rng(seed)
    pairs = random_table(rng, step.needs)
    if step.scope == "all":
        return
    queries = pairs.queries.tolist()
    half = {q for q in queries if rng.random() < 0.5}
    parts = [step(part(pairs, q), Local()).frame for q in (half, set(queries) - half) if q]
    close(pl.concat(parts).sort("query", "doc"), step(pairs, Local()).frame)


@registered("rule", "sampler", "weight", "score", "action")
@SETTINGS
@given(seed=SEED)
def test_twice_is_once(name, folder, seed):
    step = make(name, folder)
    once = step(random_table(np.random.default_rng(seed), step.needs), Local())
    close(step(once, Local()).frame, once.frame)


@registered("rule", "sampler", "weight")
@SETTINGS
@given(seed=SEED)
def test_the_order_of_the_corpus_does_not_matter(name, folder, seed):
    """Ties go by row, so scores and best ranks are made distinct first."""
    step = make(name, folder)
    rng = np.random.default_rng(seed)
    pairs = random_table(rng, step.needs)
    row = pl.int_range(pl.len()) / (100.0 * pairs.frame.height)
    for score in pairs.scores:
        pairs = pairs.with_column(score, (pl.col(score) / 2 + row).cast(pl.Float32))
    pairs = pairs.with_column("rank.bm25", pl.lit(None, dtype=pl.Int32))
    ranked = pl.coalesce("rank.dense", DOCS + pl.int_range(pl.len(), dtype=pl.Int32).over("query"))
    pairs = pairs.with_column("rank.dense", ranked.cast(pl.Int32))
    docs = rng.permutation(DOCS).tolist()
    close(by_id(step(permuted(pairs, docs), Local())), by_id(step(pairs, Local())))


@registered("rule")
@SETTINGS
@given(seed=SEED)
def test_soft_rules_drop_what_they_cannot_compare_and_pass_what_is_proven(name, folder, seed):
    step = make(name, folder)
    rng = np.random.default_rng(seed)
    pairs = random_table(rng, step.needs)
    after = step(pairs, Local())
    left = after.negatives()
    if not step.soft:
        assert after.soft == pairs.soft
        return
    assert after.soft - pairs.soft <= {step.label}
    mined = left.filter(pl.col("kind").is_null())
    assert all(mined[column].null_count() == 0 for column in step.needs)
    proven = pairs.negatives().filter(pl.col("kind").is_not_null())
    assert left.filter(pl.col("kind").is_not_null()).height == proven.height
    if hasattr(step, "reference"):
        scored = pairs.frame.filter(pl.col("positive") & pl.col(step.score).is_not_null())["query"].to_list()
        assert set(mined["query"]) <= set(scored)


@registered("sampler")
@SETTINGS
@given(seed=SEED)
def test_samplers_draw_no_more_than_asked(name, folder, seed):
    step = make(name, folder)
    rng = np.random.default_rng(seed)
    pairs = random_table(rng, step.needs)
    assert step(pairs, Local()).live_per_query()["live"].max() <= step.n
    other = step(pairs, Local())
    assert other.frame.equals(step(pairs, Local()).frame)


@registered("source")
@SETTINGS
@given(seed=SEED)
def test_sources_rank_from_one_without_gaps(name, folder, seed):
    step = make(name, folder)
    rng = np.random.default_rng(seed)
    pairs = Pairs.start(random_collection(rng))
    half = {q for q in range(QUERIES) if rng.random() < 0.5}
    found = step.find(pairs, Local())
    assert found.schema["query"] == pl.UInt32
    assert found.schema["doc"] == pl.UInt32
    assert found.select("query", "doc").is_unique().all()
    assert set(found["query"]) <= set(pairs.queries.tolist())
    for _, rows in found.group_by("query"):
        assert sorted(rows["rank"]) == list(range(1, rows.height + 1))
        assert rows.height <= step.depth
    after = step(pairs, Local())
    assert set(step.adds) <= set(after.frame.columns)
    assert after.frame.filter("positive").height == pairs.frame.height
    close(step(pairs, Local()).frame, after.frame)
    if step.scope == "all":
        return
    groups = [q for q in (half & set(pairs.queries.tolist()), set(pairs.queries.tolist()) - half) if q]
    parts = [step.find(part(pairs, q), Local()) for q in groups]
    close(pl.concat(parts).sort("query", "rank"), found.sort("query", "rank"))


@registered("source")
@SETTINGS
@given(seed=SEED)
def test_sources_score_every_row_as_their_search_does(name, folder, seed):
    step = make(name, folder)
    pairs = step(Pairs.start(random_collection(np.random.default_rng(seed))), Local())
    filled = step.fill(pairs, Local())
    if filled is None or step.score is None:
        return
    table = pairs.frame.with_columns(filled=filled).filter(pl.col(step.score).is_not_null())
    assert table["filled"].to_list() == pytest.approx(table[step.score].to_list(), abs=1e-4)


@registered("source", *STEPS, "action")
def test_repr_and_pickle_rebuild_the_step(name, folder):
    step = make(name, folder, small=False)
    names = [n for methods in registry.METHODS.values() for n in methods if here(n)]
    namespace = {cls.__name__: cls for cls in map(registry.load, names)} | globals()
    namespace |= {cls.__name__: cls for cls in (type(folder),)}
    assert eval(repr(step), namespace) == step  # noqa: S307
    again = pickle.loads(pickle.dumps(step))  # noqa: S301
    assert again == step
    assert hash(again) == hash(step)
    assert registry.name_of(step) == name


@registered("source", *STEPS, "action")
def test_options_are_few_documented_and_have_defaults(name, folder):
    cls = registry.load(name)
    first = (cls.__doc__ or "").strip().splitlines()[0]
    assert first.endswith(".")
    assert len(first) > 20
    assert not first.startswith(f"{cls.__name__}(")
    options = [f for f in fields(cls) if f.init]
    assert len(options) <= 8
    needed = {f.name for f in options if f.default is MISSING and f.default_factory is MISSING}
    assert needed <= set(MINIMAL[name](folder) if name in MINIMAL else ())
    assert all(f"{f.name}:" in cls.__doc__ for f in options), "an option is not in Args"
    make(name, folder, small=False).check()


@registered("source", *STEPS, "action")
def test_methods_say_when_they_fail(name):
    """The table of methods in the docs is made from these texts."""
    cls = registry.load(name)
    assert "Fails" in cls.__doc__ or "fails" in cls.__doc__ or "Reconstruction:" in cls.__doc__


@registered(*STEPS, "action")
def test_the_label_is_the_registered_name(name, folder):
    assert make(name, folder).label == name
    assert kebab(type(make(name, folder)).__name__) == name


def test_hard_rules_are_those_on_texts_ids_and_verdicts():
    hard = {n for n in registry.METHODS["rule"] if issubclass(registry.load(n), Rule) and not registry.load(n).soft}
    assert hard == {
        "known-positive",
        "exact-duplicate",
        "near-duplicate",
        "same-source",
        "answer-string",
        "drop-relevant",
        "leave-unknown",
    }


def test_an_unknown_method_is_refused():
    with pytest.raises(RecipeError, match=r"known:.*band"):
        registry.load("bnad")
