"""The script and the language of texts, and negatives in another one than query and positives."""

from __future__ import annotations

import polars as pl

from foils.audit.findings import Found
from foils.audit.slots import NEGATIVE, POSITIVE
from foils.audit.table import Table
from foils.sources.languages import LANGUAGES
from foils.sources.words import fold, split

SCRIPTS = (
    "Latin", "Cyrillic", "Greek", "Arabic", "Hebrew", "Devanagari", "Bengali", "Tamil", "Telugu", "Thai", "Hangul",
    "Han", "Armenian", "Georgian", "Khmer", "Myanmar", "Ethiopic",
)  # fmt: skip
OPENING = 400
PART = 50_000


def tongues(table: Table) -> list[Found]:
    """Negatives whose script or language is neither the query's nor that of any positive of their row.

    Files made to be cross-lingual are left alone: there the positives are in another language than the query too.
    Script: the one of most letters in the first 400 characters. Language: the one of most function words, at least
    three and a tenth of the words, twice as many as of any other; undecided texts are never a mismatch.
    """
    docs, queries = table.passages.str.slice(0, OPENING), table.queries["text"].str.slice(0, OPENING)
    script = (scripts(docs), scripts(queries))
    others = _mismatch(table, *script)
    found = [Found("script-mismatch", others["entry"].to_numpy().astype("int64"), notes=_notes(others))]
    language = (languages(docs), languages(queries))
    others = _mismatch(table, *language).join(others, on="entry", how="anti")
    return [*found, Found("language-mismatch", others["entry"].to_numpy().astype("int64"), notes=_notes(others))]


def scripts(texts: pl.Series) -> pl.Series:
    """The script of most letters of each text; null where there are fewer than three. Kana counts as Han.

    >>> scripts(pl.Series(["hello there", "привет всем", "42", "東京タワー"])).to_list()
    ['Latin', 'Cyrillic', None, 'Han']
    """
    table = texts.alias("t").to_frame().with_row_index()
    plain = table.filter(pl.col("t").str.len_bytes() == pl.col("t").str.len_chars())
    rest = table.join(plain, on="index", how="anti")
    letters = plain.select(
        "index", script=pl.when(pl.col("t").str.contains(r"[A-Za-z].*?[A-Za-z].*?[A-Za-z]")).then(pl.lit("Latin"))
    )
    names = {s: rf"[\p{{{s}}}\p{{Hiragana}}\p{{Katakana}}]" if s == "Han" else rf"\p{{{s}}}" for s in SCRIPTS}
    counts = rest.with_columns(**{s: pl.col("t").str.count_matches(pattern) for s, pattern in names.items()})
    most = pl.max_horizontal(SCRIPTS)
    chosen = pl.when(most >= 3).then(
        pl.concat_list(SCRIPTS).list.arg_max().replace_strict(dict(enumerate(SCRIPTS)), return_dtype=pl.String)
    )
    both = pl.concat([letters, counts.select("index", script=chosen)])
    return both.sort("index")["script"]


def languages(texts: pl.Series) -> pl.Series:
    """The language of most function words of each text, as a code; null where it is not clear.

    >>> languages(pl.Series(["The house of the king is old and it was built on a hill", "Rhein 2"])).to_list()
    ['en', None]
    """
    owners = [(fold(word), code) for code, (_, _, listed) in LANGUAGES.items() for word in set(listed.split())]
    known = pl.DataFrame(owners, schema={"word": pl.String, "code": pl.String}, orient="row").unique()
    parts = [_languages(part, known) for part in texts.alias("t").to_frame().iter_slices(PART)]
    return pl.concat(parts) if parts else pl.Series("code", [], dtype=pl.String)


def _languages(part: pl.DataFrame, known: pl.DataFrame) -> pl.Series:
    listed = split(part["t"].str.to_lowercase()).to_frame("word").with_row_index()
    words = listed.explode("word").drop_nulls()
    total = words.group_by("index").len("words")
    votes = words.join(known, on="word").group_by("index", "code").len("votes")
    ranked = votes.sort("index", "votes", "code", descending=[False, True, False])
    best = ranked.group_by("index", maintain_order=True).agg(
        code=pl.col("code").first(), most=pl.col("votes").first(), next=pl.col("votes").slice(1, 1).first()
    )
    clear = best.join(total, on="index").filter(
        (pl.col("most") >= 3)
        & (pl.col("most") >= pl.col("words") / 10)
        & (pl.col("most") >= 2 * pl.col("next").fill_null(0))
    )
    return listed.select("index").join(clear, on="index", how="left", maintain_order="left")["code"]


def _mismatch(table: Table, docs: pl.Series, queries: pl.Series) -> pl.DataFrame:
    full = table.full.select(
        "entry", "record", "side",
        own=pl.lit(docs).gather(pl.col("doc")), asked=pl.lit(queries).gather(pl.col("query")),
    ).drop_nulls("own")  # fmt: skip
    positives = full.filter(pl.col("side") == POSITIVE).select("record", "own").unique()
    negatives = full.filter((pl.col("side") == NEGATIVE) & (pl.col("own") != pl.col("asked").fill_null("")))
    # Without a positive whose language is known there is nothing to differ from.
    told = negatives.join(positives.select("record").unique(), on="record", how="semi")
    return told.join(positives, on=["record", "own"], how="anti").sort("entry")


def _notes(others: pl.DataFrame) -> tuple[str, ...]:
    return tuple(
        f"{own}, query {asked or 'not told'}" for own, asked in others.select("own", "asked").head(3).iter_rows()
    )
