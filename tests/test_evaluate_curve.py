"""The label-dropout curve: what stays in order, and what a biased choice of labels does."""

import os
from pathlib import Path

import polars as pl
import pytest

pytest.importorskip("ir_measures")

from foils.errors import DataError, RecipeError
from foils.evaluate import dropout
from foils.evaluate.curve import agreement

DATA = Path(os.environ.get("FOILS_DATA", Path(__file__).parents[2] / "shared" / "data"))


def world(queries=30, docs=20, relevant=6):
    """The better system ranks all relevant documents first, the worse one puts two others in front."""
    qrels, good, bad = {}, {}, {}
    for q in range(queries):
        ids = [f"{q}-{d:02}" for d in range(docs)]
        qrels[str(q)] = {d: int(i < relevant) for i, d in enumerate(ids)}
        good[str(q)] = {d: float(docs - i) for i, d in enumerate(ids)}
        turned = [*ids[relevant : relevant + 2], *ids[:relevant], *ids[relevant + 2 :]]
        bad[str(q)] = {d: float(docs - i) for i, d in enumerate(turned)}
    return {"good": good, "bad": bad}, qrels


def test_random_loss_lowers_the_values_and_keeps_the_order():
    runs, qrels = world()
    curve = dropout(runs, qrels, ("nDCG@10",), shares=(1.0, 0.5, 0.1), seeds=4)
    assert curve.filter(pl.col("share") == 1).height == 2
    assert curve.filter(pl.col("share") == 0.5).height == 8
    kept = agreement(curve)
    assert kept["kept"].to_list() == [1.0, 1.0, 1.0]
    good = curve.filter(pl.col("system") == "good").group_by("share").agg(pl.col("value").mean()).sort("share")
    assert good["value"].is_sorted()
    assert good["value"][-1] == 1.0


def test_smaller_shares_are_parts_of_larger_ones_and_seeds_differ():
    runs, qrels = world()
    curve = dropout(runs, qrels, ("NumRel",), shares=(0.2, 0.5), seeds=2)
    table = {(s, seed): q for s, seed, q in curve.filter(pl.col("system") == "good")["share", "seed", "queries"].rows()}
    assert table[0.2, 0] <= table[0.5, 0]
    again = dropout(runs, qrels, ("NumRel",), shares=(0.2, 0.5), seeds=2)
    assert again.equals(curve)
    wide = dropout(runs, qrels, ("nDCG@10",), shares=(0.3,), seeds=2)
    first, second = (wide.filter(pl.col("seed") == s)["value"].to_list() for s in (0, 1))
    assert first != second


def test_labels_chosen_by_a_system_turn_the_order():
    runs, qrels = world()
    # The worse system's own two favourites are the only ones left: both not relevant; then its first relevant one.
    chosen = dropout(runs, qrels, ("Judged@3",), shares=(0.15,), found_by="bad")
    values = dict(chosen.select("system", "value").iter_rows())
    assert values["bad"] == 1.0
    assert values["good"] < 0.5


def test_what_the_choosing_system_did_not_find_goes_first():
    runs = {"chooser": {"q": {"a": 1.0}}, "other": {"q": {"b": 1.0}}}
    curve = dropout(runs, {"q": {"a": 1, "b": 1}}, ("Success@1",), shares=(0.5,), found_by="chooser")
    assert curve.select("system", "value").rows() == [("chooser", 1.0), ("other", 0.0)]


def test_an_order_that_turns_is_counted():
    rows = [
        ("AP", 1.0, 0, "a", 9, 0.6), ("AP", 1.0, 0, "b", 9, 0.5),
        ("AP", 0.5, 0, "a", 9, 0.4), ("AP", 0.5, 0, "b", 9, 0.5),
        ("AP", 0.5, 1, "a", 9, 0.5), ("AP", 0.5, 1, "b", 9, 0.4),
        ("AP", 0.1, 0, "a", 9, 0.3), ("AP", 0.1, 0, "b", 9, 0.3),
    ]  # fmt: skip
    curve = pl.DataFrame(rows, ["measure", "share", "seed", "system", "queries", "value"], orient="row")
    assert agreement(curve).rows() == [("AP", 1.0, 1.0, 1.0), ("AP", 0.5, 0.0, 0.5), ("AP", 0.1, 0.0, 0.5)]


def test_wrong_requests():
    runs, qrels = world(queries=2)
    for bad in ({"shares": (0.0,)}, {"shares": (1.1,)}, {"shares": ()}, {"seeds": 0}):
        with pytest.raises(RecipeError, match="shares"):
            dropout(runs, qrels, **bad)
    with pytest.raises(DataError, match="found_by='z'"):
        dropout(runs, qrels, found_by="z")


@pytest.mark.slow
def test_deep_judgments_show_what_the_paper_showed():
    """TREC DL 2019, two real retrievers: labels that BM25 chose turn raw nDCG around, condensed lists resist."""
    folder = DATA / "trecdl19"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here; set FOILS_DATA")
    qrels = pl.read_csv(folder / "qrels" / "test.tsv", separator="\t", infer_schema=False).select(
        query_id="query-id", doc_id="corpus-id", grade=pl.col("score").cast(pl.Int32)
    )
    runs = {
        name: pl.read_csv(folder / "extras" / "runs" / f"{name}.tsv", separator="\t", infer_schema=False).select(
            query_id="query-id", doc_id="corpus-id", score=pl.col("score").cast(pl.Float64)
        )
        for name in ("bm25", "tas_b")
    }
    curve = dropout(runs, qrels, shares=(1.0, 0.1), found_by="bm25", relevant_from=2)
    kept = {(m, s): k for m, s, _, k in agreement(curve).iter_rows()}
    assert kept["nDCG@10", 1.0] == 1.0
    assert kept["nDCG@10", 0.1] == 0.0
    assert kept["nDCG'@10", 0.1] == 1.0
