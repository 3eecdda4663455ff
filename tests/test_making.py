"""Making: into the run and out again, the quota, the same command twice, a kill in the middle, every exporter."""

import json
from dataclasses import replace

import polars as pl
import pytest

from foils import made as marked
from foils import making, recipes
from foils.collection import build
from foils.engine import Local
from foils.errors import DataError, RecipeError
from foils.folder import Folder
from foils.judging import select
from foils.making import Wish, make_into
from foils.offers import passage
from foils.run import Run, mine
from foils.writers import FORMATS, export

TOWNS = ["Ostby", "Lund", "Harrow", "Benton", "Vik", "Marsh", "Elby", "Torp", "Skov", "Rode", "Holm", "Dal"]
NOUNS = ["mill", "bridge", "chapel", "market"]


def towns(title=True):
    """Queries about years and numbers, each with one answering document."""
    docs, queries, labels = [], [], []
    for n, town in enumerate(TOWNS):
        for k, noun in enumerate(NOUNS):
            key = f"{town.lower()}-{noun}"
            year, steps = 1810 + 7 * n + 31 * k, 113 + 29 * n + k
            text = (
                f"The old {noun} of {town} was opened in {year}. It is a quiet place, and {steps} steps lead up to it."
            )
            docs.append({"id": key, "title": f"Sights of {town}", "text": text})
            ask = (
                f"When was the {noun} of {town} opened?"
                if k % 2
                else f"How many steps lead up to the {noun} of {town}?"
            )
            queries.append({"id": f"q-{key}", "text": ask, "answers": [str(year) if k % 2 else str(steps)]})
            labels.append({"query_id": f"q-{key}", "doc_id": key, "grade": 2})
    corpus = pl.DataFrame(docs) if title else pl.DataFrame(docs).drop("title")
    return build(corpus, pl.DataFrame(queries), pl.DataFrame(labels), name="towns")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("making") / "run"
    return mine(towns(), recipes.naive, negatives=4, out=folder)


@pytest.fixture
def run(stored, tmp_path):
    """A copy of the run that a test may change."""
    folder = tmp_path / "run"
    return Run.open(make_into(stored, Wish(safety=0.0, kinds=("month", "year")), out=folder).run.folder)


ALL = Wish(safety=0.0, kinds=("year", "number"))


def test_made_negatives_enter_the_run_as_marked_documents(stored, tmp_path):
    done = make_into(stored, ALL, out=tmp_path / "more")
    opened = Run.open(tmp_path / "more")
    corpus = opened.pairs.collection.corpus
    fresh = corpus.filter(pl.col("made").is_not_null())
    assert fresh.height == sum(done.taken.values()) > 10
    assert set(fresh["made"]) == {"year", "number"}
    assert fresh["title"].str.starts_with("Sights of ").all()
    rows = opened.pairs.frame.filter(pl.col("rank.made").is_not_null())
    assert set(rows["kind"].cast(pl.String)) == {"temporal", "near-miss"}
    assert rows.filter(opened.pairs.live).height == fresh.height
    assert opened.pairs.counts()["selected"] == stored.pairs.counts()["selected"] + fresh.height
    records = {r["id"]: r for r in marked.read(tmp_path / "more")}
    assert set(records) == set(fresh["id"])
    for made_id, title, text in fresh.select("id", "title", "text").iter_rows():
        record = records[made_id]
        assert record["text"] == f"{title}\n{text}"
        assert {"edits", "evidence", "answer", "gate", "why", "checks", "safety", "twin"} <= set(record)
        (edit,) = record["edits"]
        source = passage(opened.pairs.collection.corpus, corpus["id"].to_list().index(record["source_id"]))
        assert source[edit["start"] : edit["end"]] == edit["old"]
        assert record["answer"] is not None


def test_the_table_stored_says_where_they_come_from(stored, tmp_path):
    make_into(stored, ALL, out=tmp_path / "more")
    table = pl.read_parquet(tmp_path / "more" / "pairs.parquet").filter(pl.col("doc_id").str.starts_with("made-"))
    assert set(table["origin"].cast(pl.String)) == {"made"}
    assert table["dropped"].null_count() == table.height


@pytest.mark.parametrize("quota", [0.05, 0.15, 0.5])
def test_the_quota_holds(stored, quota):
    done = make_into(replace(stored, folder=None), replace(ALL, quota=quota))
    live = done.run.pairs.counts()["selected"]
    assert sum(done.taken.values()) <= quota * live
    mined = stored.pairs.counts()["selected"]
    assert sum(done.taken.values()) == min(int(quota / (1 - quota) * mined), sum(done.made.values()))


def test_every_query_gets_one_before_any_gets_two(stored):
    everything = Wish(safety=0.0, quota=0.2)
    done = make_into(replace(stored, folder=None), everything)
    frame = done.run.pairs.frame.filter(pl.col("rank.made").is_not_null())
    per_query = frame.group_by("query").len()["len"]
    assert per_query.max() == 1
    assert per_query.sum() == frame.height


def test_the_same_command_again_is_a_no_op(run):
    before = {p: p.stat().st_mtime_ns for p in sorted(run.folder.rglob("*")) if p.is_file()}
    again = make_into(run, Wish(safety=0.0, kinds=("month", "year")))
    assert again.again
    assert {p: p.stat().st_mtime_ns for p in sorted(run.folder.rglob("*")) if p.is_file()} == before


def test_another_wish_replaces_what_was_made(run):
    first = run.pairs.collection.corpus["made"].drop_nulls()
    assert set(first) == {"year"}
    second = make_into(run, Wish(safety=0.0, kinds=("number",)))
    corpus = Run.open(run.folder).pairs.collection.corpus
    assert set(corpus["made"].drop_nulls()) == {"number"}
    assert [e.step for e in Run.open(run.folder).ledger.entries].count("make") == 1
    assert not second.again


def test_strip_gives_back_the_run_that_was(stored, run):
    bare = marked.strip(run.pairs)
    plain = Run.open(stored.folder).pairs
    assert bare.frame.sort("query", "doc").equals(plain.frame.sort("query", "doc"))
    assert bare.collection.corpus.equals(plain.collection.corpus)
    assert bare.collection.positives.equals(plain.collection.positives)
    assert marked.strip(plain) is plain


def test_a_kill_leaves_the_old_run_and_the_same_command_ends_with_the_same_bytes(stored, tmp_path, monkeypatch):
    one, two = (make_into(stored, Wish(safety=0.0, kinds=("number",)), out=tmp_path / n).run for n in ("a", "b"))
    make_into(one, ALL)
    write, calls = Folder._write, []

    def die(self, *args):
        write(self, *args)
        calls.append(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(Folder, "_write", die)
    with pytest.raises(KeyboardInterrupt):
        make_into(two, ALL)
    monkeypatch.undo()
    assert calls
    after = make_into(Run.open(tmp_path / "b"), ALL)
    assert after.run.pairs.counts() == Run.open(tmp_path / "a").pairs.counts()
    for name in ("pairs.parquet", "collection/corpus.parquet", "collection/queries.parquet", "made.jsonl"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_twins_are_positives_of_their_query(stored):
    done = make_into(replace(stored, folder=None), replace(ALL, twins=True))
    pairs = done.run.pairs
    twins = pairs.frame.filter(pl.col("kind").cast(pl.String) == marked.TWIN)
    assert 0 < twins.height <= sum(done.taken.values())
    assert twins["positive"].all()
    known = pairs.collection.positives.join(twins.select("query", "doc"), on=["query", "doc"])
    assert known.height == twins.height
    assert set(known["grade"]) == {2}


def test_changed_queries_are_marked_and_have_the_passage_as_negative(stored):
    wish = Wish(safety=0.0, side="query", kinds=("query-date",), quota=0.5)
    asked = towns()
    queries = asked.queries.with_columns(text=pl.lit("In which year, such as 1810, was the mill of Ostby opened?"))
    one = queries[:1]
    texts = pl.DataFrame(
        {"query_id": one["id"], "doc_id": ["ostby-mill"], "grade": [1]},
    )
    collection = build(asked.corpus, one, texts, name="one")
    run = mine(collection, recipes.naive, negatives=4)
    done = make_into(run, wish)
    pairs = done.run.pairs
    made = pairs.collection.queries.filter(pl.col("made").is_not_null())
    assert made["made"].to_list() == ["query-date"]
    row = pairs.frame.filter(pl.col("query") == 1)
    assert row["doc"].to_list() == [asked.corpus["id"].to_list().index("ostby-mill")]
    assert row["kind"].cast(pl.String).to_list() == ["false premise"]
    assert not row["positive"].any()
    assert stored.pairs.collection.queries.height > 1


@pytest.mark.parametrize("to", sorted(FORMATS))
def test_every_exporter_takes_them(run, tmp_path, to):
    form = FORMATS[to]
    path = tmp_path / (f"x{form.suffixes[0]}" if form.suffixes else "x")
    scores = "cos.lsa" if form.needs_score else None
    written = export(run.pairs, to, path, scores=scores)
    texts = "".join(f.read_text(encoding="utf-8", errors="ignore") for f in written.files if f.suffix != ".parquet")
    if scores:
        assert any(f.what == "made negatives without a score" for f in written.skipped)
    else:
        made = run.pairs.collection.corpus.filter(pl.col("made").is_not_null())
        assert any(t[:60] in texts or i in texts for i, t in made.select("id", "text").iter_rows())


@pytest.mark.parametrize("to", ["tevatron", "flagembedding", "trl", "rlhn"])
def test_formats_with_extras_carry_the_kind(run, tmp_path, to):
    path = tmp_path / "x.jsonl"
    export(run.pairs, to, path)
    assert '"temporal"' in path.read_text(encoding="utf-8")


def test_the_sidecar_carries_the_kind(run, tmp_path):
    written = export(run.pairs, "st-triplet", tmp_path / "x.jsonl", sidecar=True)
    kinds = [json.loads(line)["neg_kind"] for line in written.files[1].read_text(encoding="utf-8").splitlines()]
    assert {"temporal", "mined"} == set(kinds)


def test_the_ledger_counts_why_nothing_was_made(run):
    (line,) = [e for e in run.ledger.entries if e.step == "make"]
    assert line.facts["made and in the run"].endswith(" year")
    assert "no month" in line.facts["nothing made"] or "not aligned" in line.facts["nothing made"]


def test_no_title_is_needed(tmp_path):
    run = mine(towns(title=False), recipes.naive, negatives=4)
    done = make_into(run, ALL)
    assert "title" not in done.run.pairs.collection.corpus.columns
    assert sum(done.taken.values()) > 10


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (Wish(quota=0.0), "no share"),
        (Wish(quota=1.0), "no share"),
        (Wish(safety=0.0, kinds=("colour",)), "no kind and no operator"),
        (Wish(safety=0.0, kinds=("year",), side="query"), "no operator is left"),
        (Wish(safety=2.0), "is no share"),
        (Wish(safety=0.0, side="left"), "one of document, query, both"),
    ],
)
def test_wrong_wishes_are_refused_first(stored, wish, message):
    with pytest.raises(RecipeError, match=message):
        make_into(stored, wish)


def test_another_run_is_never_overwritten(stored, run):
    with pytest.raises(DataError, match="holds another run"):
        make_into(stored, ALL, out=run.folder)


def test_an_id_that_is_taken_is_an_error(stored):
    done = make_into(replace(stored, folder=None), ALL)
    taken = done.run.pairs.collection.corpus["id"].to_list()[-1]
    collection = stored.pairs.collection
    corpus = collection.corpus.with_columns(
        id=pl.when(pl.col("id") == collection.corpus["id"][0]).then(pl.lit(taken)).otherwise("id")
    )
    clash = replace(stored.pairs, collection=replace(collection, corpus=corpus))
    with pytest.raises(DataError, match="a text of its own"):
        make_into(replace(stored, pairs=clash, folder=None), ALL)


class Stubborn:
    """An entailment model that finds no contradiction in every second pair."""

    name = "nli:half"

    def probabilities(self, premises, hypotheses):
        import numpy as np

        even = np.array([hash(p[-1]) * 0 + len(p) % 2 for p in premises])
        return np.stack([np.where(even, 0.98, 0.01), np.where(even, 0.01, 0.97), np.where(even, 0.01, 0.02)], axis=1)


def test_an_entailment_model_is_asked_before_one_is_taken(stored):
    plain = make_into(replace(stored, folder=None), replace(ALL, quota=0.5))
    checked = make_into(replace(stored, folder=None), replace(ALL, quota=0.5), nli=Stubborn())
    assert 0 < sum(checked.taken.values()) < sum(plain.taken.values())
    assert sum(r.get("L2: not a contradiction", 0) for r in checked.reasons.values()) > 0


def test_aside_and_back(run):
    bare, rows = marked.aside(run.pairs)
    assert rows.height + bare.frame.height == run.pairs.frame.height
    assert marked.back(bare, rows).frame.equals(run.pairs.frame)
    assert making.STEP == "make"


def test_selecting_again_leaves_made_negatives_alone(run):
    typed = run.pairs.negatives().filter(pl.col("kind").is_not_null()).height
    assert typed > 0
    after = select(run, Local(), risk=0.02).pairs.negatives()
    assert after.filter(pl.col("kind").is_not_null()).height == typed
    mined = after.filter(pl.col("kind").is_null())["p_relevant"]
    assert mined.len() == 0 or mined.mean() <= 0.02


def test_a_record_is_one_line_whatever_its_texts_hold(tmp_path):
    record = dict.fromkeys(sorted(marked.NEEDED), "") | {"id": "made-1", "text": "one\u2028line\x85of\x1ctext"}
    (tmp_path / marked.FILE).write_text(json.dumps(record, ensure_ascii=False) + "\n", encoding="utf-8")
    assert marked.read(tmp_path) == [record]


@pytest.mark.parametrize(("line", "message"), [("5", "line 1 is no object"), ('{"id": "x"}', "line 1 lacks kind, op")])
def test_a_record_that_is_none_is_told(tmp_path, line, message):
    (tmp_path / marked.FILE).write_text(line + "\n")
    with pytest.raises(DataError, match=message):
        marked.read(tmp_path)
