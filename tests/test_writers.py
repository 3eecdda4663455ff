"""Exports: golden files byte for byte, order, what is left out, and errors before anything is written."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils.collection import build
from foils.errors import DataError, RecipeError
from foils.pairs import Pairs
from foils.writers import FORMATS, export

GOLDEN = Path(__file__).parent / "golden" / "exports"
FOUND = {"query": pl.UInt32, "doc": pl.UInt32, "rank": pl.Int32, "score": pl.Float32}

CORPUS = pl.DataFrame(
    {
        "id": ["d1", "d2", "d3", "d4", "d5", "d6"],
        "title": ["Tūla", "", None, 'Café "Noir"', "T5", "T6"],
        "text": ["one", "two\nlines", "three, 3", "vier \\ back\u2028sep 🙂", "five\ttab\r", "six"],
    }
)
QUERIES = pl.DataFrame({"id": ["q1", "q2", "q3"], "text": ['wer "ist"?', "zwei\nZeilen", "three"]})
LABELS = pl.DataFrame(
    {
        "query_id": ["q1", "q1", "q2", "q3", "q3"],
        "doc_id": ["d1", "d2", "d3", "d6", "d1"],
        "grade": [1, 2, 1, 1, 0],
    }
)
SCORES = {
    (0, 0): 0.75,
    (0, 1): 0.625,
    (0, 3): 0.875,
    (0, 4): 0.5,
    (0, 5): 0.5,
    (1, 0): 0.25,
    (1, 2): 0.5,
    (1, 5): 0.125,
}


def found(*rows):
    return pl.DataFrame(rows, FOUND, orient="row")


def scored(pairs, scores, name="cos.enc"):
    """The scores by (query row, document row), as a column."""
    rows = [(q, d, s) for (q, d), s in scores.items()]
    table = pl.DataFrame(rows, {"query": pl.UInt32, "doc": pl.UInt32, "s": pl.Float32}, orient="row")
    joined = pairs.frame.join(table, on=["query", "doc"], how="left", maintain_order="left")
    return pairs.with_column(name, joined["s"])


def make(corpus=CORPUS, queries=QUERIES, labels=LABELS):
    """Two positives for q1, too few negatives for q2, none for q3; d4 and d5 found by both sources."""
    pairs = Pairs.start(build(corpus, queries, labels, name="tiny"))
    pairs = pairs.add("bm25", found((0, 5, 3, 1), (0, 3, 1, 9), (0, 4, 2, 5), (1, 0, 1, 4)))
    pairs = pairs.add("dense", found((0, 4, 1, 0.5), (0, 3, 2, 0.9), (1, 5, 1, 0.1)))
    return scored(pairs, SCORES)


@pytest.fixture
def pairs():
    return make()


def weighted(pairs):
    """Weights on all but one negative, and one negative with a kind."""
    first = (pl.col("query") == 0) & (pl.col("doc") == 3)
    some = pairs.live & ~first
    pairs = pairs.with_column("weight", pl.when(some).then(pl.lit(0.5, dtype=pl.Float32)))
    return pairs.with_column("kind", pl.when(first).then(pl.lit("judged", dtype=pl.Categorical)))


def place(folder, name):
    form = FORMATS[name]
    return folder / f"train{form.suffixes[0]}" if form.suffixes else folder


def rows_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def files_under(folder):
    return {p.relative_to(folder).as_posix(): p for p in sorted(folder.rglob("*")) if p.is_file()}


CASES = [
    *((name, name, {}) for name, form in FORMATS.items() if not form.needs_score),
    *((f"{name}-scores", name, {"scores": "cos.enc"}) for name in FORMATS),
    ("st-n-tuple-3", "st-n-tuple", {"negatives": 3, "sidecar": True}),
    ("st-labeled-pair-sidecar", "st-labeled-pair", {"scores": "cos.enc", "sidecar": True}),
    ("st-labeled-list-sidecar", "st-labeled-list", {"negatives": 1, "sidecar": True}),
    ("flagembedding-prompt", "flagembedding", {"prompt": 'Find "it": '}),
    ("ms-swift-prompt", "ms-swift", {"prompt": "Find it", "negatives": 1}),
]


@pytest.mark.parametrize(("case", "name", "options"), CASES, ids=[c[0] for c in CASES])
def test_golden_files(pairs, tmp_path, case, name, options):
    """Byte for byte; Parquet by content. FOILS_WRITE_GOLDEN=1 writes them anew, to be read before they are kept."""
    written = export(weighted(pairs), name, place(tmp_path, name), **options)
    made = files_under(tmp_path)
    assert {p.resolve() for p in written.files} == {p.resolve() for p in made.values()}
    golden = GOLDEN / case
    if os.environ.get("FOILS_WRITE_GOLDEN"):
        for where, file in made.items():
            to = golden / where.replace(".parquet", ".jsonl")
            to.parent.mkdir(parents=True, exist_ok=True)
            pl.read_parquet(file).write_ndjson(to) if where.endswith(".parquet") else to.write_bytes(file.read_bytes())
    assert set(files_under(golden)) == {where.replace(".parquet", ".jsonl") for where in made}
    for where, file in made.items():
        if where.endswith(".parquet"):
            told = pl.read_parquet(file).write_ndjson()
            assert told == (golden / where).with_suffix(".jsonl").read_bytes().decode("utf-8")
        else:
            assert file.read_bytes() == (golden / where).read_bytes(), where


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_pairs_give_the_same_bytes(pairs, tmp_path, name):
    bytes_of = []
    for run in ("a", "b"):
        export(weighted(pairs), name, place(tmp_path / run, name), scores="cos.enc")
        bytes_of.append({where: p.read_bytes() for where, p in files_under(tmp_path / run).items()})
    assert bytes_of[0] == bytes_of[1]


@pytest.mark.parametrize("name", FORMATS)
def test_the_order_of_rows_in_the_table_does_not_matter(pairs, tmp_path, name):
    shuffled = Pairs(pairs.frame.sample(fraction=1.0, shuffle=True, seed=3), pairs.collection)
    for run, given_pairs in (("a", pairs), ("b", shuffled)):
        export(given_pairs, name, place(tmp_path / run, name), scores="cos.enc")
    assert {w: p.read_bytes() for w, p in files_under(tmp_path / "a").items()} == {
        w: p.read_bytes() for w, p in files_under(tmp_path / "b").items()
    }


@pytest.mark.parametrize("name", [n for n, f in FORMATS.items() if len(f.suffixes) > 1 and ".parquet" in f.suffixes])
def test_parquet_holds_the_same_rows_as_jsonl(pairs, tmp_path, name):
    export(pairs, name, tmp_path / "a.jsonl", scores="cos.enc")
    export(pairs, name, tmp_path / "a.parquet", scores="cos.enc")
    lines = rows_of(tmp_path / "a.jsonl")
    table = json.loads(pl.read_parquet(tmp_path / "a.parquet").write_json())
    assert table == lines


@pytest.mark.parametrize("name", [n for n, f in FORMATS.items() if ".csv" in f.suffixes])
def test_csv_holds_every_text_unchanged(pairs, tmp_path, name):
    import csv

    export(pairs, name, tmp_path / "a.csv")
    export(pairs, name, tmp_path / "a.jsonl")
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    plain = [
        {k: " ".join(v) if isinstance(v, list) else str(v) for k, v in row.items()}
        for row in rows_of(tmp_path / "a.jsonl")
    ]
    assert table == plain


def test_lists_do_not_go_into_csv(pairs, tmp_path):
    with pytest.raises(RecipeError, match=r"cannot hold the lists of 'scores'; use \.jsonl or \.parquet"):
        export(pairs, "st-triplet", tmp_path / "a.csv", scores="cos.enc")
    assert not (tmp_path / "a.csv").exists()


# Order


def negatives_of(pairs, tmp_path, **options):
    export(pairs, "flagembedding", tmp_path / "o.jsonl", **options)
    return {row["query_id"]: row["neg_id"] for row in rows_of(tmp_path / "o.jsonl")}


def test_negatives_stand_by_best_rank_and_ties_by_document_id(pairs, tmp_path):
    # Oracle: best ranks of q1 are d4: min(1, 2) = 1, d5: min(2, 1) = 1, d6: 3.
    assert negatives_of(pairs, tmp_path)["q1"] == ["d4", "d5", "d6"]


def test_negatives_stand_by_score_where_one_is_given(pairs, tmp_path):
    upside = scored(pairs, SCORES | {(0, 3): 0.0625, (0, 5): 0.75})
    assert negatives_of(upside, tmp_path, scores="cos.enc")["q1"] == ["d6", "d5", "d4"]


def test_probabilities_become_soft_labels(pairs, tmp_path):
    doubt = pl.when(pl.col("doc") == 3).then(0.5).otherwise(0.125).cast(pl.Float32)
    judged = Pairs(pairs.frame.with_columns(p_relevant=doubt), pairs.collection)
    export(judged, "flagembedding", tmp_path / "a.jsonl", scores="p_relevant")
    row = rows_of(tmp_path / "a.jsonl")[0]
    assert set(row["pos_scores"]) == {1.0}
    assert dict(zip(row["neg_id"], row["neg_scores"], strict=True)) == {"d4": 0.5, "d5": 0.125, "d6": 0.125}


def test_equal_scores_stand_by_document_id(pairs, tmp_path):
    assert negatives_of(scored(pairs, dict.fromkeys(SCORES, 0.5)), tmp_path, scores="cos.enc")["q1"] == [
        "d4",
        "d5",
        "d6",
    ]


def test_a_number_of_negatives_takes_the_first(pairs, tmp_path):
    assert negatives_of(pairs, tmp_path, negatives=2) == {"q1": ["d4", "d5"], "q2": ["d1", "d6"]}


def test_positives_stand_by_grade(pairs, tmp_path):
    export(pairs, "flagembedding", tmp_path / "a.jsonl")
    assert rows_of(tmp_path / "a.jsonl")[0]["pos_id"] == ["d2", "d1"]


def test_one_row_per_positive_or_all_in_a_list(pairs, tmp_path):
    assert export(pairs, "st-n-tuple", tmp_path / "a.jsonl").rows == 3
    assert export(pairs, "ms-swift", tmp_path / "a.jsonl").rows == 3
    assert export(pairs, "flagembedding", tmp_path / "a.jsonl").rows == 2
    assert export(pairs, "st-labeled-list", tmp_path / "a.jsonl").rows == 2


# What is left out


def skipped(written):
    return {f.what: (f.count, f.examples) for f in written.skipped}


def test_queries_without_negatives_are_left_out_and_told(pairs, tmp_path):
    written = export(pairs, "st-triplet", tmp_path / "a.jsonl")
    assert skipped(written) == {"queries without a selected negative": (1, ("q3",))}


def test_a_tuple_is_never_padded(pairs, tmp_path):
    written = export(pairs, "st-n-tuple", tmp_path / "a.jsonl", negatives=3)
    assert skipped(written)["queries with fewer than 3 negatives"] == (1, ("q2",))
    rows = rows_of(tmp_path / "a.jsonl")
    assert [list(r) for r in rows] == [["query", "answer", "negative_1", "negative_2", "negative_3"]] * 2
    assert all(text for r in rows for text in r.values())


def test_without_a_number_the_tuple_keeps_the_most_negatives(pairs, tmp_path):
    # Oracle: 1 each for 2 queries = 2, 2 each for 2 queries = 4, 3 for one query = 3.
    export(pairs, "st-n-tuple", tmp_path / "a.jsonl")
    assert list(rows_of(tmp_path / "a.jsonl")[0])[2:] == ["negative_1", "negative_2"]


def test_too_many_negatives_asked_for(pairs, tmp_path):
    with pytest.raises(DataError, match="no query has 4 negatives, the most is 3"):
        export(pairs, "st-n-tuple", tmp_path / "a.jsonl", negatives=4)


def test_dropped_rows_are_not_exported(pairs, tmp_path):
    rest = pairs.drop(pl.col("doc") == 3, "band")
    assert negatives_of(rest, tmp_path)["q1"] == ["d5", "d6"]


def test_a_relabelled_pair_is_a_positive_and_no_negative(pairs, tmp_path):
    turned = (pl.col("query") == 0) & (pl.col("doc") == 3)
    relabelled = Pairs(pairs.frame.with_columns(positive=pl.col("positive") | turned), pairs.collection)
    export(relabelled, "flagembedding", tmp_path / "a.jsonl")
    row = rows_of(tmp_path / "a.jsonl")[0]
    assert row["pos_id"] == ["d2", "d1", "d4"]
    assert row["neg_id"] == ["d5", "d6"]


def test_a_known_positive_is_never_a_negative_even_if_the_table_says_so(pairs, tmp_path):
    wrong = pairs.frame.with_columns(positive=pl.col("positive") & ~((pl.col("query") == 0) & (pl.col("doc") == 1)))
    written = export(Pairs(wrong, pairs.collection), "flagembedding", tmp_path / "a.jsonl")
    assert skipped(written)["negatives that are positives of their query"][0] == 1
    assert "d2" not in rows_of(tmp_path / "a.jsonl")[0]["neg_id"]


def test_copies_of_positives_and_of_negatives_under_other_ids_are_left_out(tmp_path):
    copies = pl.DataFrame({"id": ["p", "p2", "n", "n2", "m"], "text": ["yes", "yes", "no", "no", "other"]})
    labels = pl.DataFrame({"query_id": ["q1"], "doc_id": ["p"], "grade": [1]})
    pairs = Pairs.start(build(copies, QUERIES, labels))
    pairs = pairs.add("bm25", found(*((0, d, d, 1) for d in (1, 2, 3, 4))))
    written = export(pairs, "flagembedding", tmp_path / "a.jsonl")
    assert rows_of(tmp_path / "a.jsonl")[0]["neg_id"] == ["n", "m"]
    assert skipped(written) == {
        "negatives with the text of a positive": (1, ()),
        "negatives with the text of another negative": (1, ()),
    }


def test_nothing_selected(pairs, tmp_path):
    with pytest.raises(DataError, match="nothing to export: of 9 pairs no negative"):
        export(pairs.drop(pl.lit(value=True), "band"), "st-triplet", tmp_path / "a.jsonl")
    assert list(tmp_path.iterdir()) == []


# Columns of foils


def test_extra_columns_appear_only_where_there_is_something_to_tell(pairs, tmp_path):
    export(pairs, "flagembedding", tmp_path / "a.jsonl")
    assert list(rows_of(tmp_path / "a.jsonl")[0]) == [
        "query",
        "pos",
        "neg",
        "query_id",
        "pos_id",
        "neg_id",
        "neg_origin",
    ]
    export(weighted(pairs), "flagembedding", tmp_path / "b.jsonl")
    row = rows_of(tmp_path / "b.jsonl")[0]
    assert row["neg_weight"] == [1.0, 0.5, 0.5]
    assert row["neg_kind"] == ["judged", "mined", "mined"]
    assert row["neg_origin"] == [["bm25", "dense"], ["bm25", "dense"], ["bm25"]]


def test_a_negative_that_fills_a_short_row_says_so(pairs, tmp_path):
    rest = pairs.drop(pl.col("doc") == 3, "band", soft=True)
    row = rest.frame.select(pl.arg_where(pl.col("dropped").is_not_null())).to_series().to_numpy()
    export(rest.take_back(row, "relax"), "flagembedding", tmp_path / "a.jsonl")
    assert rows_of(tmp_path / "a.jsonl")[0]["neg_filled"] == ["relax", "no", "no"]


def test_a_column_of_the_users_own_may_be_called_made(tmp_path):
    pairs = make(corpus=CORPUS.with_columns(made=pl.lit("by hand")))
    export(pairs, "st-triplet", tmp_path / "a.jsonl", scores="cos.enc")
    export(make(), "st-triplet", tmp_path / "b.jsonl", scores="cos.enc")
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


def test_negatives_of_no_source(pairs, tmp_path):
    bare = Pairs(pairs.frame.drop("rank.bm25", "rank.dense"), pairs.collection)
    export(bare, "flagembedding", tmp_path / "a.jsonl")
    row = rows_of(tmp_path / "a.jsonl")[0]
    assert row["neg_id"] == ["d4", "d5", "d6"]
    assert "neg_origin" not in row
    export(bare, "gpl", tmp_path / "gpl", scores="cos.enc")
    assert rows_of(tmp_path / "gpl" / "hard-negatives.jsonl")[0]["neg"] == {"foils": ["d4", "d5", "d6"]}


@pytest.mark.parametrize("name", FORMATS)
def test_a_corpus_without_titles(tmp_path, name):
    pairs = make(CORPUS.drop("title"))
    export(pairs, name, place(tmp_path, name), scores="cos.enc")
    assert files_under(tmp_path)


def test_tevatron_has_titles_only_where_the_corpus_has(tmp_path):
    # Its loader puts a blank before the text wherever there is a title field, be it empty.
    export(make(CORPUS.drop("title")), "tevatron", tmp_path / "a.jsonl")
    assert list(rows_of(tmp_path / "a.jsonl")[0]["positive_passages"][0]) == ["docid", "text"]


def test_answers_of_the_queries_are_kept(tmp_path):
    answers = pl.Series([["a", "b"], None, []], dtype=pl.List(pl.String))
    export(make(queries=QUERIES.with_columns(answers=answers)), "dpr", tmp_path / "a.json")
    assert [r["answers"] for r in json.loads((tmp_path / "a.json").read_text("utf-8"))] == [["a", "b"], []]


def test_a_negative_counts_once_for_gpl_under_its_best_source(pairs, tmp_path):
    export(pairs, "gpl", tmp_path / "g", scores="cos.enc")
    first = rows_of(tmp_path / "g" / "hard-negatives.jsonl")[0]
    assert first == {"qid": "q1", "pos": ["d2", "d1"], "neg": {"bm25": ["d4", "d6"], "dense": ["d5"]}}


def test_gpl_margins(pairs, tmp_path):
    export(pairs, "gpl", tmp_path / "g", scores="cos.enc")
    rows = [line.split("\t") for line in (tmp_path / "g" / "gpl-training-data.tsv").read_text().splitlines()]
    margins = {(p, n): float(m) for q, p, n, m in rows if q == "q1"}
    # Oracle: 0.625 - 0.875, 0.75 - 0.875, 0.625 - 0.5, 0.75 - 0.5.
    assert margins == {
        ("d2", "d4"): -0.25, ("d1", "d4"): -0.125, ("d2", "d5"): 0.125, ("d1", "d5"): 0.25,
        ("d2", "d6"): 0.125, ("d1", "d6"): 0.25,
    }  # fmt: skip


def test_two_nemo_exports_name_their_corpora_by_content(pairs, tmp_path):
    names = []
    for number in (1, 2, 2):
        export(pairs, "nemo", tmp_path / f"{len(names)}" / "train.json", negatives=number)
        names.append(json.loads((tmp_path / f"{len(names)}" / "train.json").read_text("utf-8"))["data"][0]["corpus_id"])
    assert names[0] != names[1] == names[2]


# Errors, before anything is written


def untouched(folder):
    return list(folder.iterdir()) == []


def test_an_unknown_format_lists_the_known_ones(pairs, tmp_path):
    with pytest.raises(RecipeError, match="no format 'st'; known: st-triplet, st-n-tuple"):
        export(pairs, "st", tmp_path / "a.jsonl")


@pytest.mark.parametrize(
    ("name", "file", "match"),
    [
        ("flagembedding", "a.parquet", r"is written to \.jsonl files, not to 'a.parquet'"),
        ("st-labeled-list", "a.csv", r"\.jsonl or \.parquet files"),
        ("nemo", "a.jsonl", r"\.json files"),
        ("beir", "a.jsonl", "to a folder; 'a.jsonl' looks like a file"),
    ],
)
def test_a_wrong_kind_of_file(pairs, tmp_path, name, file, match):
    with pytest.raises(RecipeError, match=match):
        export(pairs, name, tmp_path / file)
    assert untouched(tmp_path)


def test_an_unknown_score_lists_the_columns(pairs, tmp_path):
    with pytest.raises(RecipeError, match=r"no score 'logit\.ce'; score columns of these pairs: cos\.enc"):
        export(pairs, "st-triplet", tmp_path / "a.jsonl", scores="logit.ce")


@pytest.mark.parametrize("name", [n for n, f in FORMATS.items() if f.needs_score])
def test_formats_that_need_scores_say_so(pairs, tmp_path, name):
    with pytest.raises(RecipeError, match="no meaning without scores"):
        export(pairs, name, place(tmp_path, name))


@pytest.mark.parametrize(("option", "able"), [("prompt", "flagembedding"), ("sidecar", "st-triplet")])
def test_options_without_a_place(pairs, tmp_path, option, able):
    with pytest.raises(RecipeError, match=f"no place for {option}; formats that have: {able}"):
        export(pairs, "dpr", tmp_path / "a.json", **{option: "x" if option == "prompt" else True})


def test_no_negatives_asked_for(pairs, tmp_path):
    with pytest.raises(RecipeError, match="negatives=0 leaves none"):
        export(pairs, "dpr", tmp_path / "a.json", negatives=0)


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("doc", "what"), [(3, "1 of 5 selected negatives"), (1, "1 of 3 positives")])
def test_a_score_that_is_missing_or_not_finite_stops_the_export(pairs, tmp_path, value, doc, what):
    hit = (pl.col("query") == 0) & (pl.col("doc") == doc)
    frame = pairs.frame.with_columns(
        pl.when(hit).then(pl.lit(value, dtype=pl.Float32)).otherwise("cos.enc").alias("cos.enc")
    )
    with pytest.raises(DataError, match=f"{what} have no finite cos.enc"):
        export(Pairs(frame, pairs.collection), "flagembedding", tmp_path / "a.jsonl", scores="cos.enc")
    assert untouched(tmp_path)


def test_a_weight_that_is_not_finite_stops_the_export(pairs, tmp_path):
    frame = pairs.frame.with_columns(weight=pl.lit(math.nan, dtype=pl.Float32))
    with pytest.raises(DataError, match="5 of 5 selected negatives have no finite weight"):
        export(Pairs(frame, pairs.collection), "flagembedding", tmp_path / "a.jsonl")


def test_scores_of_unused_pairs_do_not_matter(pairs, tmp_path):
    # q3 has no negative: that its positive has no score is of no concern.
    assert pairs.frame.filter((pl.col("query") == 2) & pl.col("positive"))["cos.enc"].to_list() == [None]
    assert export(pairs, "flagembedding", tmp_path / "a.jsonl", scores="cos.enc").rows == 2


@pytest.mark.parametrize(("name", "id_", "file"), [("trec-run", "a b", "a.run"), ("gpl", "a\tb", "g")])
def test_ids_that_a_format_cannot_hold(pairs, tmp_path, name, id_, file):
    odd = make(CORPUS.with_columns(id=pl.col("id").replace("d4", id_)), labels=LABELS)
    with pytest.raises(DataError, match=r"the id .* cannot be exported"):
        export(odd, name, tmp_path / file, scores="cos.enc")
    assert untouched(tmp_path)


def test_quotes_in_ids_stay_as_they_are_in_a_run(tmp_path):
    odd = make(CORPUS.with_columns(id=pl.col("id").replace("d4", 'd"4')))
    export(odd, "trec-run", tmp_path / "a.run")
    assert (tmp_path / "a.run").read_text().splitlines()[0] == 'q1 Q0 d"4 1 3 foils'


def test_a_place_that_cannot_be_written_leaves_no_file_of_the_export(pairs, tmp_path):
    (tmp_path / "queries.train.jsonl").mkdir()
    with pytest.raises(DataError, match=r"cannot write .*queries\.train\.jsonl: it is a folder"):
        export(pairs, "pylate-kd", tmp_path / "train.jsonl", scores="cos.enc")
    assert [p.name for p in tmp_path.iterdir()] == ["queries.train.jsonl"]


FULL = """
import resource, sys
import polars as pl
from foils.collection import build
from foils.errors import DataError
from foils.pairs import Pairs
from foils.writers import export
corpus = pl.DataFrame({"id": ["a", "b"], "text": ["x" * 9000, "y" * 9000]})
queries = pl.DataFrame({"id": ["q"], "text": ["z"]})
labels = pl.DataFrame({"query_id": ["q"], "doc_id": ["a"], "grade": [1]})
found = pl.DataFrame({"query": [0], "doc": [1], "rank": [1]}, {"query": pl.UInt32, "doc": pl.UInt32, "rank": pl.Int32})
pairs = Pairs.start(build(corpus, queries, labels)).add("bm25", found)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
cases = (("st-triplet", "a.jsonl"), ("st-triplet", "a.parquet"), ("tevatron-ids", "b.jsonl"), ("dpr", "c.json"))
for name, file in cases:
    try:
        export(pairs, name, sys.argv[1] + "/" + file)
    except DataError as error:
        sys.stderr.write(f"{error}\\n")
"""


def test_no_room_is_one_line_each_and_leaves_nothing(tmp_path):
    pytest.importorskip("resource")
    command = [sys.executable, "-c", FULL, str(tmp_path)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()
    # The compressed Parquet file of this text is small enough.
    assert len(lines) == 3
    assert all(line.startswith("cannot write ") and "File too large" in line for line in lines)
    assert [p.name for p in tmp_path.iterdir()] == ["a.parquet"]


def test_beir_keeps_grades_and_takes_a_relabelled_judgment_as_positive(pairs, tmp_path):
    turned = (pl.col("query") == 2) & (pl.col("doc") == 0)
    pairs = pairs.add("more", found((2, 0, 1, 1)))
    export(
        Pairs(pairs.frame.with_columns(positive=pl.col("positive") | turned), pairs.collection), "beir", tmp_path / "b"
    )
    lines = (tmp_path / "b" / "qrels" / "train.tsv").read_text(encoding="utf-8").splitlines()
    assert lines == ["query-id\tcorpus-id\tscore", "q1\td1\t1", "q1\td2\t2", "q2\td3\t1", "q3\td1\t1", "q3\td6\t1"]


def test_nothing_heavy_is_loaded():
    heavy = {"torch", "numba", "sklearn", "datasets", "scipy"}
    code = f"import sys, foils.writers; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@settings(max_examples=25, deadline=None)
@given(
    texts=st.lists(
        st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda t: t.strip()),
        min_size=3,
        max_size=3,
        unique=True,
    ),
    name=st.sampled_from(["st-triplet", "flagembedding", "tevatron", "dpr", "nemo-inline", "ms-swift"]),
)
def test_any_text_survives(tmp_path_factory, texts, name):
    corpus = pl.DataFrame({"id": ["a", "b"], "text": texts[:2]})
    queries = pl.DataFrame({"id": ["q"], "text": texts[2:]})
    labels = pl.DataFrame({"query_id": ["q"], "doc_id": ["a"], "grade": [1]})
    pairs = Pairs.start(build(corpus, queries, labels)).add("bm25", found((0, 1, 1, 1)))
    file = place(tmp_path_factory.mktemp("any"), name)
    export(pairs, name, file)
    raw = file.read_bytes().decode("utf-8")
    row = json.loads(raw)[0] if name == "dpr" else json.loads(raw)
    assert raw.count("\n") == (3 if name == "dpr" else 1)

    def leaves(value):
        if isinstance(value, dict | list):
            return [leaf for v in (value.values() if isinstance(value, dict) else value) for leaf in leaves(v)]
        return [value]

    assert set(texts) <= set(leaves(row))


def test_every_format_tells_what_it_is():
    for name, form in FORMATS.items():
        assert form.summary.endswith("."), name
        assert "{path}" in form.load or name == "pylate-kd", name


def test_the_page_of_the_docs_names_every_format():
    page = (Path(__file__).parents[1] / "docs" / "formats-export.md").read_text(encoding="utf-8")
    table = page.partition("## Formats")[2].partition("STEM is")[0]
    named = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    assert named == list(FORMATS)
