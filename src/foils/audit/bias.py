"""What tells positives from negatives without the query: wording, single words, length, source."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from foils.audit.findings import Found
from foils.audit.measure import Estimate, auc, cramer, one_sided_words, over_folds
from foils.audit.sample import Twins
from foils.audit.table import Table
from foils.show import share
from foils.texts import words

FEW = 100
"""Pairs of documents below which nothing is said."""
BLIND = 0.6
"""The AUC that a classifier without the query may reach (typed negatives reach more where rules left traces)."""
FOLDS = 5
RARE = 20
WORD = r"\S+"
LONGEST = 2000


class Measure(NamedTuple):
    """A number of the whole file, shown whether or not it is a finding."""

    key: str
    name: str
    value: float
    low: float
    high: float
    note: str


def wording(table: Table, pairs: Twins) -> tuple[list[Found], list[Measure]]:
    """How well an n-gram classifier that never sees a query tells negatives from positives, and by which words."""
    if len(pairs.positive) < FEW:
        return [], []
    texts = table.passages.gather(np.concatenate([pairs.positive, pairs.negative])).str.slice(0, LONGEST)
    plain = words(texts)
    blind = blind_auc(plain, table.body.gather(np.concatenate([pairs.positive, pairs.negative])))
    note = f"{len(pairs.positive):,} pairs, {FOLDS} folds"
    measure = Measure("give-away", "AUC of a classifier that never sees the query", *blind, note)
    found = []
    if blind.low > BLIND:
        told = f"AUC {blind.value:.3f} (95 %: {blind.low:.3f}-{blind.high:.3f}), {note}; .5 is chance"
        shown = pairs.negative_entry[:3]
        found.append(
            Found(
                "give-away", shown, count=2 * len(pairs.positive), total=2 * len(pairs.positive),
                extra={"measure": told, "shown": shown},
            )
        )  # fmt: skip
    return [*found, *_words(plain, pairs)], [measure]


def blind_auc(plain: pl.Series, bodies: pl.Series) -> Estimate:
    """Cross-validated AUC of word and word-pair features, logistic regression by averaged gradient descent.

    Both documents of a query are in one fold, and a text that was trained on is not tested on.

    Args:
        plain: n positives, then n negatives, as bare words.
        bodies: hashes of their texts.
    """
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import SGDClassifier

    n = plain.len() // 2
    hashed = HashingVectorizer(n_features=1 << 18, ngram_range=(1, 2), token_pattern=WORD, alternate_sign=False)
    matrix = hashed.transform(plain.to_list())
    label, fold = np.repeat([0, 1], n), np.tile(np.arange(n) % FOLDS, 2)
    parts = []
    for held in range(FOLDS):
        train = fold != held
        test = ~train & ~bodies.is_in(bodies.filter(pl.Series(train)).implode()).to_numpy()
        if len(np.unique(label[test])) < 2:
            continue
        model = SGDClassifier(loss="log_loss", alpha=1e-5, max_iter=10, tol=None, average=True, random_state=0)
        values = model.fit(matrix[train], label[train]).decision_function(matrix[test])
        parts.append(auc(values[label[test] == 0], values[label[test] == 1]))
    return over_folds(parts) if parts else Estimate(0.5, 0.0, 1.0)


def _words(plain: pl.Series, pairs: Twins) -> list[Found]:
    n = len(pairs.positive)
    held = pl.DataFrame({"word": plain.str.split(" "), "side": np.repeat([0, 1], n)})
    held = held.with_columns(pl.col("word").list.unique()).explode("word").filter(pl.col("word") != "")
    counts = held.group_by("word").agg(no=pl.col("side").sum(), n=pl.len()).filter(pl.col("n") >= RARE).sort("word")
    if counts.height == 0:
        return []
    negative = counts["no"].to_numpy().astype(np.float64)
    positive = counts["n"].to_numpy().astype(np.float64) - negative
    z, critical = one_sided_words(positive, negative)
    counted = counts.with_columns(z=pl.Series(z), share=pl.col("no") / pl.col("n"))
    told = counted.filter((pl.col("z").abs() > critical) & ((pl.col("share") - 0.5).abs() >= 0.15))
    if told.height == 0:
        return []
    best = told.sort(pl.col("z").abs(), "word", descending=[True, False]).head(20)
    ordered = best.select("word", "no", "n", "z").iter_rows()
    rows = tuple((word, f"{n - no:,}", f"{no:,}", f"{value:+.1f}") for word, no, n, value in ordered)
    first = best["word"][0]
    side = 1 if best["z"][0] > 0 else 0
    holders = np.flatnonzero(plain.str.split(" ").list.contains(first).to_numpy()[n * side : n * (side + 1)])[:3]
    shown = (pairs.negative_entry if side else pairs.positive_entry)[holders]
    return [
        Found(
            "give-away-words", shown, count=told.height, total=counts.height,
            notes=tuple(f"holds {first!r}, {'negative' if side else 'positive'}" for _ in shown),
            extra={
                "measure": f"|z| over {critical:.1f} (.01, Bonferroni over {counts.height:,} words in at least {RARE} "
                f"of {2 * n:,} documents) and a share of negatives outside 35-65 %",
                "table": (("word", "#positives", "#negatives", "#z"), *rows),
            },
        )
    ]  # fmt: skip


def length(table: Table, pairs: Twins) -> tuple[list[Found], list[Measure]]:
    """Whether a negative is longer or shorter than the positive of its query."""
    if len(pairs.positive) < FEW:
        return [], []
    sizes = table.passages.str.len_chars()
    yes, no = (sizes.gather(rows).to_numpy().astype(np.float64) for rows in (pairs.positive, pairs.negative))
    value, variance = auc(yes, no)
    half = 1.96 * variance**0.5
    low, high = max(0.0, value - half), min(1.0, value + half)
    note = (
        f"median {np.median(yes):,.0f} characters of positives, {np.median(no):,.0f} of negatives; {len(yes):,} pairs"
    )
    measure = Measure("length-bias", "probability that a negative is longer than a positive", value, low, high, note)
    if low <= 0.6 and high >= 0.4:
        return [], [measure]
    ratio = np.log((no + 1) / (yes + 1))
    far = np.argsort(-ratio if low > 0.6 else ratio, kind="stable")[:3]
    shown = pairs.negative_entry[far]
    told = f"a negative is longer in {100 * value:.0f} % (95 %: {100 * low:.0f}-{100 * high:.0f} %); {note}"
    notes = tuple(f"{no[i]:,.0f} characters, positive {yes[i]:,.0f}" for i in far)
    extra = {"measure": told}
    return [Found("length-bias", shown, notes=notes, count=2 * len(yes), total=2 * len(yes), extra=extra)], [measure]


def source(table: Table) -> list[Found]:
    """Whether a field of the documents (source, list, kind, ...) has other values among negatives."""
    found = []
    for name, part in sorted(_fields(table).items()):
        counts = part.group_by("value").agg(yes=(pl.col("side") == 0).sum(), no=(pl.col("side") == 1).sum())
        counts = counts.sort("no", "yes", "value", descending=True)
        both = counts["yes"].sum() >= FEW and counts["no"].sum() >= FEW
        if not both or not 2 <= counts.height <= 50:
            continue
        v = cramer(counts.select("yes", "no").to_numpy().astype(np.float64))
        if v < 0.3:
            continue
        yes, no = int(counts["yes"].sum()), int(counts["no"].sum())
        rows = tuple((str(k), share(a, yes), share(b, no)) for k, a, b in counts.head(12).iter_rows())
        shown = part.filter((pl.col("side") == 1) & (pl.col("value") == counts["value"][0]))["entry"].head(3).to_numpy()
        found.append(
            Found(
                "source-bias", shown.astype(np.int64), count=yes + no, total=yes + no,
                notes=tuple(f"{name}: {counts['value'][0]}" for _ in shown),
                extra={
                    "measure": f"{name}: Cramér's V {v:.2f} over {yes + no:,} documents (0 none, 1 complete; "
                    "shown from .3)",
                    "table": ((name, "#of positives", "#of negatives"), *rows),
                },
            )
        )  # fmt: skip
    return found


def _fields(table: Table) -> dict[str, pl.DataFrame]:
    """Per field: ``entry``, ``side``, ``value``. The beginning of an id, up to its first digit, is a field too."""
    full = table.full
    names = pl.Series("id", table.ids, dtype=pl.String).str.extract(r"^([^\d]+?)[-_:/#]?\d")
    named = full.filter(pl.col("id") >= 0).select("entry", "side", value=pl.lit(names).gather(pl.col("id")))
    fields = {"beginning of the id": named.drop_nulls()}
    traits = table.traits.join(full.select("entry", "side"), on="entry", how="inner")
    return fields | {str(key[0]): part.select("entry", "side", "value") for key, part in traits.group_by("name")}
