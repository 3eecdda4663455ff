"""Lsa: latent semantic analysis, the dense source that needs no model."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, fields
from functools import cached_property
from importlib.metadata import version
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils.collection import Collection
from foils.errors import RecipeError
from foils.protocols import Engine, Role

# Thai, Lao, Myanmar, Khmer, kana and Han are written without spaces: pairs of characters stand in for words.
SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
)
# Vowel signs and accents belong to the word, but Python does not count them as word characters.
MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff"
TOKEN = re.compile(f"([{SPACELESS}]+)|((?:(?![{SPACELESS}_])[\\w{MARKS}])+)")


def terms(text: str) -> list[str]:
    """The terms of a text: case-folded words in any script, characters and pairs of them where no spaces are written.

    Example:
        >>> terms("Dürer’s 2nd café")
        ['dürer', 's', '2nd', 'café']
        >>> terms("北京大学")
        ['北', '京', '大', '学', '北京', '京大', '大学']
    """
    found: list[str] = []
    for run, word in TOKEN.findall(unicodedata.normalize("NFKC", text).casefold()):
        if word:
            found.append(word)
        else:
            found.extend(run)
            found.extend(run[i : i + 2] for i in range(len(run) - 1))
    return found


@dataclass(frozen=True)
class Lsa:
    """Encode by TF-IDF and a truncated singular value decomposition of the corpus itself.

    Deerwester et al. (JASIS 1990): vectors are the rows of X V for the TF-IDF matrix X (1 + log tf, smoothed idf,
    rows of length 1) and its first ``dims`` right singular vectors V, scaled to length 1. The paper found 100
    dimensions good for 1,000 documents; a text without a known term gets a zero vector. Fails where query and document
    share no words and the corpus is too small to connect them; a trained encoder is better wherever one is at hand.

    Args:
        dims: dimensions, at most as many as there are documents or terms.
        seed: of the randomised decomposition.
    """

    dims: int = 256
    seed: int = 0

    @property
    def unit(self) -> Literal["cos", "dot"]:
        """Rows have length 1 (or 0)."""
        return "cos"

    def check(self) -> None:
        """Dimensions must be positive."""
        if self.dims < 1:
            raise RecipeError(f"lsa: dims={self.dims}; it must be at least 1")

    def facts(self) -> dict[str, str]:
        """Options and versions."""
        return {"model": repr(self), "unit": "cos", "scikit-learn": version("scikit-learn"), "scipy": version("scipy")}

    def vectors(
        self, collection: Collection, role: Role, rows: NDArray[np.uint32] | None, engine: Engine
    ) -> NDArray[np.float32]:
        """Vectors (n, d) float32; the decomposition is of all documents, whatever rows are asked for."""
        if collection not in self._fitted:
            with engine.track("lsa", collection.corpus.height, "documents") as advance:
                self._fitted[collection] = _fit(collection.passages, self.dims, self.seed)
                advance(collection.corpus.height)
        vectorizer, basis = self._fitted[collection]
        texts = collection.passages if role == "document" else collection.queries["text"]
        texts = texts if rows is None else texts.gather(rows)
        if vectorizer is None or texts.len() == 0:
            return np.zeros((texts.len(), basis.shape[1]), dtype=np.float32)
        found = np.asarray(vectorizer.transform(texts.to_list()) @ basis, dtype=np.float32)
        norms = np.linalg.norm(found, axis=1, keepdims=True)
        np.divide(found, norms, out=found, where=norms > 0)
        return found

    def __getstate__(self) -> dict[str, Any]:
        """The options only: a copy elsewhere fits again."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @cached_property
    def _fitted(self) -> WeakKeyDictionary[Collection, tuple[Any, NDArray[np.float32]]]:
        return WeakKeyDictionary()


def _fit(passages: pl.Series, dims: int, seed: int) -> tuple[Any, NDArray[np.float32]]:
    """The vectorizer and V, (terms, dims) float32; null where no document has a term."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.utils.extmath import randomized_svd

    vectorizer = TfidfVectorizer(analyzer=terms, sublinear_tf=True, dtype=np.float32)
    try:
        matrix = vectorizer.fit_transform(passages.to_list())
    except ValueError as error:
        if "empty vocabulary" in str(error):
            return None, np.zeros((0, 1), dtype=np.float32)
        raise
    rank = min(dims, *matrix.shape)
    _, _, basis = randomized_svd(matrix, n_components=rank, n_iter=4, random_state=seed)
    return vectorizer, np.ascontiguousarray(basis.T, dtype=np.float32)
