"""Texts made comparable: case, width, white space and punctuation put aside; texts as sets of word runs."""

from __future__ import annotations

import string
import unicodedata
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

SPACELESS = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
PUNCTUATION = tuple(string.punctuation) + tuple("–—―‘’‚“”„…•·«»‹›¿¡§¶†‡°।॥،؛؟、。〈〉《》「」『』【】〜・")
BUCKETS = 1 << 22


def fold(texts: pl.Series) -> pl.Series:
    r"""NFKC, caseless, every run of white space one space, none at the ends.

    >>> fold(pl.Series(["Ａ  Straße\n"])).to_list()
    ['a strasse']
    """
    # Python's own normaliser: it knows at once that most texts need no work, and is several times faster here.
    folded = [unicodedata.normalize("NFKC", t).casefold() for t in texts.to_list()]
    spaced = pl.Series(texts.name, folded, dtype=pl.String).str.replace_all(r"\s{2,}|[^\S ]", " ")
    return spaced.str.strip_chars()


def words(texts: pl.Series) -> pl.Series:
    """Folded texts without punctuation: words, and single characters of scripts without spaces, one space between.

    >>> words(pl.Series(["U.S. Open, 2024", "東京 Tower"])).to_list()
    ['u s open 2024', '東 京 tower']
    """
    plain = fold(texts).str.replace_many(list(PUNCTUATION), [" "] * len(PUNCTUATION))
    apart = plain.str.replace_all(f"({SPACELESS})", " $1 ")
    return apart.str.replace_all(r"\s{2,}", " ").str.strip_chars()


def shingle_sets(texts: pl.Series, run: int = 3) -> csr_array:
    """Each text as the set of its runs of ``run`` words, hashed; a text with fewer words is one run.

    Args:
        texts: (n,) strings.
        run: words per shingle.

    Returns:
        (n, 2^62) boolean rows with sorted column numbers. Rare shingles have low numbers, so that the first columns
        of a row tell most about it.
    """
    from scipy.sparse import csr_array

    parts = [_hashed_runs(part, run) for part in texts.to_frame("t").iter_slices(50_000)]
    hashes = np.concatenate([h for h, _ in parts]) if parts else np.empty(0, dtype=np.uint64)
    counts = np.concatenate([c for _, c in parts]) if parts else np.empty(0, dtype=np.int64)
    bucket = (hashes & np.uint64(BUCKETS - 1)).astype(np.int64)
    common = np.minimum(np.bincount(bucket, minlength=BUCKETS), (1 << 14) - 1)[bucket]
    codes = (common << 48) | (hashes >> np.uint64(16)).astype(np.int64)
    offsets = np.concatenate(([0], np.cumsum(counts)))
    sets = csr_array((np.ones(codes.size, dtype=np.int32), codes, offsets), shape=(texts.len(), 1 << 62))
    sets.sum_duplicates()
    sets.data = np.ones(sets.nnz, dtype=np.int32)
    return sets


def _hashed_runs(part: pl.DataFrame, run: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The hashed runs of words of each text, in order, and how many each text has."""
    tokens = words(part["t"]).str.split(" ")
    tokens = part.select(t=pl.when(pl.lit(tokens.list.first()) != "").then(pl.lit(tokens)))["t"]
    lengths = tokens.list.len().fill_null(0).to_numpy().astype(np.int64)
    token = tokens.drop_nulls().explode().hash().to_numpy()
    ends = np.cumsum(lengths)
    end = np.repeat(ends, lengths)
    at = np.arange(token.size)
    counts = np.where(lengths > 0, np.maximum(lengths - run + 1, 1), 0)
    start = at[at < np.repeat(ends - lengths + counts, lengths)]
    hashed = token[start]
    for step in range(1, run):
        following = np.where(start + step < end[start], token[np.minimum(start + step, token.size - 1)], 0)
        hashed = (hashed ^ (hashed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9) + following.astype(np.uint64)
    mixed: NDArray[np.uint64] = (hashed ^ (hashed >> np.uint64(31))) * np.uint64(0x94D049BB133111EB)
    return mixed, counts


def first_shingles(sets: csr_array, threshold: float) -> pl.DataFrame:
    """The shingles of which two texts with a Jaccard index of at least ``threshold`` share one or more.

    Two such sets share at least ceil(threshold * size) members of either, so in one common order they meet within
    the first size - ceil(threshold * size) + 1 (the prefix filter; Chaudhuri, Ganti, Kaushik, ICDE 2006).

    Returns:
        ``item`` u32 (row of ``sets``), ``shingle`` i64; only shingles that several items have among their first.
    """
    sizes = np.diff(sets.indptr)
    kept = np.where(sizes > 0, sizes - np.ceil(threshold * sizes - 1e-9).astype(np.int64) + 1, 0)
    place = np.arange(sets.nnz) - np.repeat(sets.indptr[:-1], sizes)
    inside = place < np.repeat(kept, sizes)
    item = np.repeat(np.arange(sizes.size, dtype=np.uint32), sizes)[inside]
    table = pl.DataFrame({"item": item, "shingle": sets.indices[inside].astype(np.int64)})
    return table.filter(pl.col("shingle").is_duplicated())


def jaccard(sets: csr_array, left: NDArray[np.uint32], right: NDArray[np.uint32]) -> NDArray[np.float64]:
    """The exact Jaccard index of pairs of rows, in slices so that memory stays bounded.

    Args:
        sets: (n, m) boolean rows.
        left: (k,) rows.
        right: (k,) rows.
    """
    sizes = np.diff(sets.indptr)
    found = np.empty(left.size, dtype=np.float64)
    for start in range(0, left.size, 100_000):
        a, b = left[start : start + 100_000], right[start : start + 100_000]
        both = np.asarray(sets[a].multiply(sets[b]).sum(axis=1)).ravel()
        found[start : start + a.size] = both / np.maximum(sizes[a] + sizes[b] - both, 1)
    return found
