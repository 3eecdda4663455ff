"""The inverted index of a collection, kept while a run needs it more than once."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from foils.collection import Collection
from foils.sources.languages import LANGUAGES
from foils.sources.words import Detected, Vocabulary, detect

if TYPE_CHECKING:
    from foils.sources.postings import Postings


class Index(NamedTuple):
    """Words and postings of a collection, and which language each script was taken for."""

    vocabulary: Vocabulary
    postings: Postings
    detected: dict[str, Detected]


@lru_cache(maxsize=2)
def indexed(collection: Collection, language: str, title: bool, k1: float, b: float, method: str) -> Index:
    """The index of the documents; the options are those of ``Bm25``."""
    from foils.sources.postings import build

    texts = collection.passages if title else collection.corpus["text"]
    detected = detect(texts) if language == "auto" else {}
    chosen = {script: d.language for script, d in detected.items()}
    if language in LANGUAGES:
        chosen = {LANGUAGES[language].script: language}
    vocabulary = Vocabulary(chosen)
    bounds, numbers = vocabulary.number(texts, grow=True)
    return Index(vocabulary, build(bounds, numbers, len(vocabulary.numbers), k1, b, method), detected)
