"""What is probed: a bi-encoder, a cross-encoder or BM25, seen as a function from pairs of texts to scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.collection import Collection, build
from foils.errors import DataError, RecipeError
from foils.pairs import Pairs
from foils.protocols import Encoder, Engine, Scorer
from foils.sources.bm25 import Bm25

As = Literal["bi-encoder", "cross-encoder"]
Scores = NDArray[np.float64]


class Subject(Protocol):
    """A model under test."""

    @property
    def name(self) -> str:
        """As the user named it."""
        ...

    def check(self) -> None:
        """Raise a FoilsError if it cannot be used; loads nothing heavy."""
        ...

    def facts(self) -> dict[str, str]:
        """Fingerprint and versions. Called after use."""
        ...

    def scores(self, queries: Sequence[str], texts: Sequence[str], engine: Engine) -> Scores:
        """Scores (n,) of n pairs of a query and a text, higher is better."""
        ...


@dataclass(frozen=True)
class BiEncoder:
    """Inner products of the vectors of query and text.

    Args:
        name: as the user named it.
        encoder: any encoder; every distinct text is encoded once per role.
    """

    name: str
    encoder: Encoder

    def check(self) -> None:
        """The encoder's own check."""
        self.encoder.check()

    def facts(self) -> dict[str, str]:
        """The encoder's facts."""
        return {"kind": "bi-encoder"} | self.encoder.facts()

    def scores(self, queries: Sequence[str], texts: Sequence[str], engine: Engine) -> Scores:
        """Inner products (n,), summed in double precision so that equal vectors tie and near ones do not."""
        where, query, text = _collection(queries, texts)
        asked = self.encoder.vectors(where, "query", None, engine)
        found = self.encoder.vectors(where, "document", None, engine)
        parts = [
            np.einsum("ij,ij->i", asked[query[i : i + 4096]].astype(float), found[text[i : i + 4096]].astype(float))
            for i in range(0, len(query), 4096)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)


@dataclass(frozen=True)
class CrossEncoder:
    """The scores of a model that reads query and text together.

    Args:
        name: as the user named it.
        scorer: any scorer of pairs.
    """

    name: str
    scorer: Scorer

    def check(self) -> None:
        """The scorer's own check."""
        self.scorer.check()

    def facts(self) -> dict[str, str]:
        """The scorer's facts."""
        return {"kind": "cross-encoder"} | self.scorer.facts()

    def scores(self, queries: Sequence[str], texts: Sequence[str], engine: Engine) -> Scores:
        """Scores (n,) in the unit of the scorer; each distinct pair is scored once."""
        distinct = {pair: n for n, pair in enumerate(dict.fromkeys(zip(queries, texts, strict=True)))}
        found = self.scorer.scores([q for q, _ in distinct], [t for _, t in distinct], engine)
        places = [distinct[pair] for pair in zip(queries, texts, strict=True)]
        return np.asarray(found, dtype=np.float64)[places]


@dataclass(frozen=True)
class Words:
    """BM25, its word statistics taken from all the texts that are scored.

    Args:
        name: as the user named it.
        ranker: with its parameters.
    """

    name: str = "bm25"
    ranker: Bm25 = field(default_factory=lambda: Bm25(title=False))

    def check(self) -> None:
        """The ranker's own check."""
        self.ranker.check()

    def facts(self) -> dict[str, str]:
        """Its parameters and the language that was found."""
        return {"kind": "bm25", "parameters": repr(self.ranker)} | self.ranker.facts()

    def scores(self, queries: Sequence[str], texts: Sequence[str], engine: Engine) -> Scores:
        """Scores (n,), 0 where no word is shared."""
        where, query, text = _collection(queries, texts)
        pairs = Pairs.start(where)
        filled = self.ranker.fill(pairs, engine).to_numpy().astype(np.float64)
        # The table is sorted by query and document, and so are the codes of its rows.
        codes = _codes(pairs.frame["query"].to_numpy(), pairs.frame["doc"].to_numpy())
        scores: Scores = filled[np.searchsorted(codes, _codes(query, text))]
        return scores


def subject(model: str, kind: str = "bi-encoder") -> Subject:
    """What a name on the command line stands for; nothing is loaded.

    Args:
        model: ``bm25``, ``lsa``, or a folder or id of a sentence-transformers model.
        kind: how a model is read: ``bi-encoder`` or ``cross-encoder``.

    Raises:
        RecipeError: there is no such kind.
        DataError: the model is of the other kind.
    """
    if kind not in get_args(As):
        raise RecipeError(f"--as {kind} is not known; one of {', '.join(get_args(As))}")
    if model in ("bm25", "lsa"):
        if kind == "cross-encoder":
            raise RecipeError(f"--as cross-encoder: {model} is none; leave it out, or write ./{model} for a folder")
        return Words() if model == "bm25" else _lsa()
    if kind == "cross-encoder":
        from foils.models.reranker import Reranker

        return CrossEncoder(model, Reranker(model=model))
    from foils.models.checkpoint import check_model, read_json
    from foils.models.encoder import SentenceEncoder

    check_model(model, "foils probe")
    config = read_json(model, "config.json") or {}
    architecture = str((config.get("architectures") or [""])[0])
    said = str((read_json(model, "config_sentence_transformers.json") or {}).get("model_type") or "")
    classifier = architecture.endswith("ForSequenceClassification") and read_json(model, "modules.json") is None
    if said == "CrossEncoder" or classifier:
        raise DataError(f"{model!r} is a {said or architecture}, not a bi-encoder; probe it with --as cross-encoder")
    # Texts of a probe differ by little: the rounding of 16 bits could decide between them.
    return BiEncoder(model, SentenceEncoder(model=model, precision="float32"))


def _lsa() -> BiEncoder:
    from foils.models.lsa import Lsa

    return BiEncoder("lsa", Lsa())


def _codes(query: NDArray[np.integer], text: NDArray[np.integer]) -> NDArray[np.int64]:
    return (query.astype(np.int64) << 32) | text.astype(np.int64)


def _collection(
    queries: Sequence[str], texts: Sequence[str]
) -> tuple[Collection, NDArray[np.int64], NDArray[np.int64]]:
    """The distinct texts as a collection in which every pair is labelled, and the rows of each pair."""
    asked = {text: n for n, text in enumerate(dict.fromkeys(queries))}
    found = {text: n for n, text in enumerate(dict.fromkeys(texts))}
    query = np.array([asked[q] for q in queries], dtype=np.int64)
    text = np.array([found[t] for t in texts], dtype=np.int64)
    corpus, asks = (
        pl.DataFrame({"id": [str(n) for n in side.values()], "text": list(side)}) for side in (found, asked)
    )
    labels = pl.DataFrame({"query_id": query, "doc_id": text, "grade": np.ones(len(query), dtype=np.int32)})
    return build(corpus, asks, labels.unique(["query_id", "doc_id"], maintain_order=True), name="probes"), query, text
