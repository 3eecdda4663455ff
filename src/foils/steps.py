"""What every method is: a small frozen dataclass that takes Pairs and gives Pairs."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.errors import RecipeError
from foils.pairs import Pairs, hash_uniform, known_positives
from foils.protocols import Encoder, Engine

Scope = Literal["row", "query", "all"]
Short = Literal["fewer", "relax", "random", "drop query"]

FILLS = {"query": pl.UInt32, "doc": pl.UInt32, "rank": pl.Int32, "wrong": pl.Boolean}


@dataclass(frozen=True)
class Step(ABC):
    """One method; its fields are its options, its repr is its recipe line.

    ``scope`` says what the step must see at once: ``row`` (nothing else), ``query`` (all rows of a query) or ``all``
    (the whole table; such a step may not run on a part of the queries). ``learns`` is true for a step that learns from
    verdicts, so that it runs again when there are new ones; other columns that are there are not computed twice.
    """

    scope: ClassVar[Scope] = "row"
    learns: ClassVar[bool] = False

    @property
    def label(self) -> str:
        """The name in ledgers, reasons and ``--set``: the class name in kebab case."""
        return kebab(type(self).__name__)

    @property
    def needs(self) -> frozenset[str]:
        """Columns read; by default every option called ``score``, ``rank`` or ``by`` that names a column."""
        named = (getattr(self, f.name) for f in fields(self) if f.name in ("score", "rank", "by"))
        return frozenset(v for v in named if isinstance(v, str) and "." in v)

    @property
    def adds(self) -> frozenset[str]:
        """Columns written."""
        return frozenset()

    def check(self) -> None:
        """Raise a FoilsError if options, paths or packages do not fit; called before any step runs or loads."""
        return

    def facts(self) -> dict[str, str]:
        """What the ledger records of this step's models; called after it ran."""
        return {}

    @abstractmethod
    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Do it."""


@dataclass(frozen=True)
class WithEncoder(Step):
    """What steps with an encoder share: it must be given, it is checked first, its facts are recorded."""

    encoder: Encoder | None = None

    @property
    def model(self) -> Encoder:
        """The encoder.

        Raises:
            RecipeError: none was given.
        """
        if self.encoder is None:
            raise RecipeError(f"{self.label}: encoder is missing; vectors are needed, for instance encoder=Lsa()")
        return self.encoder

    def check(self) -> None:
        """The encoder must be there and ready."""
        super().check()
        self.model.check()

    def facts(self) -> dict[str, str]:
        """The encoder's."""
        return self.encoder.facts() if self.encoder is not None else {}


@dataclass(frozen=True)
class Source(Step):
    """Finds candidates: implement ``find`` and, where pairs can be scored without a search, ``fill``.

    Every source has the fields ``name`` (rank column ``rank.<name>``) and ``depth`` (candidates per query).
    """

    scope: ClassVar[Scope] = "query"
    name: str = ""
    depth: int = 100

    @property
    def label(self) -> str:
        """The source's name."""
        return self.name

    @property
    def score(self) -> str | None:
        """The score column that this source writes, ``<unit>.<name>``; null if it only ranks."""
        return None

    @property
    def needs(self) -> frozenset[str]:
        """Nothing: sources come first."""
        return frozenset()

    @property
    def adds(self) -> frozenset[str]:
        """Rank and, where there is one, score."""
        return frozenset({f"rank.{self.name}"} | ({self.score} if self.score else set()))

    def check(self) -> None:
        """Depth must be positive, the name a plain word."""
        if self.depth < 1:
            raise RecipeError(f"{self.label}: depth={self.depth} finds nothing; it must be at least 1")
        if not re.fullmatch(r"[\w-]+", self.name):
            raise RecipeError(f"{type(self).__name__}: name={self.name!r}; use letters, digits, '-' and '_' only")

    @abstractmethod
    def find(self, pairs: Pairs, engine: Engine) -> pl.DataFrame:
        """Candidates of ``pairs.queries``: ``query`` u32, ``doc`` u32, ``rank`` i32, if scored ``score`` f32."""

    def fill(self, pairs: Pairs, engine: Engine) -> pl.Series | None:
        """This source's score for every row of the table, or null if only a search can give it."""
        return None

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Add the candidates."""
        return pairs.add(self.name, self.find(pairs, engine), self.score)


@dataclass(frozen=True)
class Rule(Step):
    """Drops candidates: one expression, true where a candidate goes.

    ``soft`` rules judge by a score or a rank: they pass over candidates that rest on proof (``kind`` is set) and
    may be relaxed when too few survive. Hard rules (known positives, duplicates) hold always.
    """

    soft: ClassVar[bool] = True

    @abstractmethod
    def drops(self, pairs: Pairs) -> pl.Expr:
        """True where a candidate goes; null (a comparison that cannot be made) drops as well."""

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Drop."""
        where = self.drops(pairs)
        if self.soft:
            where = pl.col("kind").is_null() & where.fill_null(value=True)
        return pairs.drop(where, self.label, soft=self.soft)


@dataclass(frozen=True)
class Sampler(Step):
    """Draws ``n`` negatives per query from the survivors: one log-weight per row, drawn by Gumbel top-k.

    A row that is not drawn is dropped as "not drawn". Queries with fewer than ``n`` survivors follow ``short``:
    ``fewer`` (take what there is), ``relax`` (take back what soft rules dropped, deepest ranks first), ``random``
    (documents of the corpus that no source found) or ``drop query``; rows taken that way are marked in ``filled``.
    """

    scope: ClassVar[Scope] = "query"
    noisy: ClassVar[bool] = True
    n: int = 8
    short: Short = "fewer"
    seed: int = 0

    def check(self) -> None:
        """At least one negative, a known policy."""
        if self.n < 1:
            raise RecipeError(f"{self.label}: n={self.n} draws nothing; it must be at least 1")
        if self.short not in get_args(Short):
            raise RecipeError(
                f"{self.label}: short={self.short!r} is not a policy; one of {', '.join(get_args(Short))}"
            )

    @abstractmethod
    def log_p(self, pairs: Pairs) -> pl.Expr:
        """The logarithm of each row's weight, up to a constant per query; null or NaN is never drawn."""

    def choose(self, pairs: Pairs) -> NDArray[np.bool_]:
        """The rows drawn: the ``n`` largest of log-weight plus Gumbel noise, per query."""
        return order(pairs, self.keys(pairs)) < self.n

    def keys(self, pairs: Pairs) -> NDArray[np.float64]:
        """What is ranked per query, NaN for rows that cannot be drawn."""
        values = pairs.frame.select(pl.when(pairs.live).then(self.log_p(pairs)).cast(pl.Float64)).to_series()
        keys: NDArray[np.float64] = values.fill_null(float("nan")).to_numpy()
        return keys + gumbel(pairs.uniform(self.seed)) if self.noisy else keys

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Draw, then treat short rows by the policy."""
        drawn = pairs.drop(~pl.lit(pl.Series(self.choose(pairs))), "not drawn")
        return settle(drawn, self.n, self.short, self.seed)


@dataclass(frozen=True)
class Weight(Step):
    """Writes the training weight of every selected negative: one expression, finite and not negative."""

    @property
    def adds(self) -> frozenset[str]:
        """The weight."""
        return frozenset({"weight"})

    @abstractmethod
    def weight(self, pairs: Pairs) -> pl.Expr:
        """The weight of each row."""

    def __call__(self, pairs: Pairs, engine: Engine) -> Pairs:
        """Write it where a negative is selected."""
        value = pl.when(pairs.live).then(self.weight(pairs)).cast(pl.Float32)
        weighed = pairs.with_column("weight", value)
        good = (pl.col("weight").is_finite() & (pl.col("weight") >= 0)).fill_null(value=False)
        bad = weighed.frame.filter(weighed.live & ~good)
        if bad.height:
            raise RecipeError(f"{self.label}: {bad.height:,} weights are missing, negative or not finite")
        return weighed


@dataclass(frozen=True)
class Recipe:
    """A tuple of steps, in order."""

    steps: tuple[Step, ...]
    name: str = ""
    paper: str = ""

    def check(self) -> None:
        """Check every step, and that each column it needs is written before it; loads no model.

        Raises:
            RecipeError: what is missing, and what is there.
        """
        if not any(isinstance(s, Source) for s in self.steps):
            raise RecipeError(f"recipe {self.name!r} has no source: nothing would be found")
        there: set[str] = set()
        for step in self.steps:
            step.check()
            missing = sorted(step.needs - there)
            if missing:
                found = ", ".join(sorted(there)) or "nothing yet"
                raise RecipeError(
                    f"{step.label} needs the column {missing[0]}, which no step before it writes; there are: {found}"
                )
            clash = sorted(step.adds & there) if isinstance(step, Source) else []
            if clash:
                raise RecipeError(f"two sources are called {step.label!r}; give one another name")
            there |= step.adds


def kebab(name: str) -> str:
    """CamelCase to kebab-case: ``SimAns`` to ``sim-ans``, ``KMeans`` to ``k-means``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()


def gumbel(uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard Gumbel noise from numbers in (0, 1): adding it to log-weights and taking the top draws by weight."""
    from foils import grouped

    return grouped.gumbel(uniform)


def order(pairs: Pairs, keys: NDArray[np.float64]) -> NDArray[np.int32]:
    """Each row's place (from 0) in its query by descending key, ties by document; rows with a NaN key come last.

    Rows with a NaN key get the largest int32, so that ``order(...) < n`` never takes them.
    """
    from foils.grouped import positions

    return positions(pairs.frame["query"].to_numpy(), keys)


def settle(pairs: Pairs, n: int, short: Short, seed: int) -> Pairs:
    """Apply the short-row policy to queries with fewer than ``n`` live negatives."""
    counts = pairs.live_per_query().filter(pl.col("live") < n)
    if short == "fewer" or counts.height == 0:
        return pairs
    if short == "drop query":
        lacking = pl.col("query").is_in(counts["query"].implode())
        return pairs.drop(lacking, "short row")
    missing = pairs.frame.select(pairs.per_query(counts.with_columns(live=n - pl.col("live")), "live")).to_series()
    if short == "random":
        return _fill_random(pairs, counts.with_columns(missing=n - pl.col("live")), seed)
    relaxable = pl.col("dropped").cast(pl.String).is_in(sorted(pairs.soft)) & ~pl.col("positive")
    depth = pl.when(relaxable).then(pairs.best_rank).cast(pl.Float64)
    keys = pairs.frame.select(depth).to_series().fill_null(float("nan")).to_numpy()
    rows = np.flatnonzero(order(pairs, keys) < missing.fill_null(0).to_numpy())
    return pairs.take_back(rows.astype(np.uint32), "relaxed")


def _fill_random(pairs: Pairs, short: pl.DataFrame, seed: int) -> Pairs:
    """Documents that are not in the query's rows, not made, and no copy of a known positive or of the query.

    The fills of an earlier selection come first, others are drawn uniformly.
    """
    corpus, collection = pairs.collection.corpus.height, pairs.collection
    passages, questions = collection.passages.to_list(), collection.queries["text"].to_list()
    rows, positives = (_docs(t.join(short, on="query", how="semi")) for t in (pairs.frame, known_positives(pairs)))
    made = set(pairs.made.to_list())
    fills = pl.DataFrame(schema=FILLS) if pairs.fills is None else pairs.fills
    earlier, wrong = _docs(fills.filter(~pl.col("wrong")).sort("rank")), _docs(fills.filter("wrong"))
    found: list[tuple[int, int, int]] = []
    by_hash = np.argsort(collection.doc_hash, kind="stable")
    for query, missing in short.select("query", "missing").iter_rows():
        known = positives.get(query, [])
        seen = {*rows[query], *known, *wrong.get(query, [])}
        same = {questions[query], *(passages[d] for d in known)}
        # A small corpus is put in random order as a whole, a large one is drawn from.
        whole = corpus <= 10_000
        tries = collection.doc_hash if whole else np.arange(20 * missing + len(seen), dtype=np.uint64)
        numbers = hash_uniform(np.full(tries.shape, collection.query_hash[query]), tries, seed)
        drawn = (np.argsort(numbers) if whole else by_hash[(numbers * corpus).astype(np.int64)]).tolist()
        docs = dict.fromkeys((*earlier.get(query, []), *drawn))
        fresh = [d for d in docs if d not in seen and d not in made and passages[d] not in same][:missing]
        found.extend((query, doc, rank) for rank, doc in enumerate(fresh, 1))
    schema = {"query": pl.UInt32, "doc": pl.UInt32, "rank": pl.Int32}
    grown = pairs.add("fill", pl.DataFrame(found, schema=schema, orient="row"))
    mark = pl.when(pl.col("rank.fill").is_not_null()).then(pl.lit("random", dtype=pl.Categorical))
    return replace(grown, frame=grown.frame.with_columns(filled=mark.otherwise(pl.col("filled"))))


def _docs(table: pl.DataFrame) -> dict[int, list[int]]:
    """The documents of each query, in the order of the rows."""
    return dict(table.group_by("query", maintain_order=True).agg("doc").iter_rows())
