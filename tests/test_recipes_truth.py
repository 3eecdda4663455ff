"""The recipes of the papers on false negatives, on the almanac, whose whole truth is known."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from foils import recipes, recipes_truth
from foils.collection import Collection
from foils.engine import Local
from foils.errors import DataError, RecipeError
from foils.judges.replay import Replay
from foils.models.lsa import Lsa
from foils.outcome import promoted
from foils.recipes import Plan
from foils.run import mine
from foils.writers import export

ALMANAC = Path(__file__).parents[1] / "examples" / "almanac"
ASKING = ["rlhn_remove", "rlhn_hn_remove", "rlhn", "unime_v2", "tinyv"]
ESTIMATING = ["rrra", "cet"]
ALONE = ["tacred_intrinsic", "tacred_extrinsic", "dclr", "cusa", "pu_sar"]


@cache
def almanac() -> Collection:
    return Collection.read(ALMANAC)


@cache
def truth() -> pl.DataFrame:
    table = pl.read_csv(ALMANAC / "truth.tsv", separator="\t", columns=["query-id", "corpus-id"])
    return table.select(query_id="query-id", doc_id="corpus-id")


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    """Verdicts on every pair, as people gave them."""
    where = almanac()
    every = where.queries.select(pl.col("id").alias("query-id")).join(
        where.corpus.select(pl.col("id").alias("corpus-id")), how="cross"
    )
    yes = truth().select(pl.col("query_id").alias("query-id"), pl.col("doc_id").alias("corpus-id"), score=pl.lit(1))
    path = tmp_path_factory.mktemp("verdicts") / "people.tsv"
    said = every.join(yes, on=["query-id", "corpus-id"], how="left").fill_null(0)
    said.with_columns(p_relevant=pl.col("score").cast(pl.Float64)).write_csv(path, separator="\t")
    return Replay(path=str(path), family="human")


def plan(judge=None, **options):
    return Plan(encoders=(("lsa", Lsa()),), judge=judge, **options)


def run(name, judge=None):
    recipe = getattr(recipes_truth, name)(plan(judge))
    return mine(almanac(), recipe)


def false_share(found):
    chosen = found.negatives
    return chosen.join(truth(), on=["query_id", "doc_id"], how="semi").height / chosen.height


@pytest.fixture(scope="module")
def naive():
    return mine(almanac(), recipes.naive(plan()))


def test_naive_negatives_are_false_often_enough_for_a_test(naive):
    assert false_share(naive) > 0.2


@pytest.mark.parametrize("name", ["rlhn_hn_remove", "rlhn"])
def test_a_judge_that_knows_leaves_no_false_negative(name, judge):
    assert false_share(run(name, judge)) == 0


def test_rlhn_promotes_what_the_judge_finds_and_keeps_the_queries(judge, tmp_path):
    relabelled, removed = (run(n, judge) for n in ("rlhn", "rlhn_hn_remove"))
    frame = relabelled.pairs.frame.filter(promoted())
    where = relabelled.pairs.collection
    found = frame.select(
        query_id=pl.lit(where.queries["id"]).gather("query"), doc_id=pl.lit(where.corpus["id"]).gather("doc")
    )
    assert found.height > 300
    assert found.join(truth(), on=["query_id", "doc_id"], how="anti").height == 0
    assert set(frame["judged_by"].cast(pl.String)) == {judge.name}
    assert removed.pairs.frame.filter(promoted()).height == 0
    kept = [(r.pairs.live_per_query()["live"] > 0).sum() for r in (relabelled, removed)]
    assert kept == [300, 300]
    written = export(relabelled.pairs, "st-triplet", tmp_path / "train.jsonl")
    rows = pl.read_ndjson(written.files[0])
    assert rows.select("query", "answer").unique().height == 300 + found.height


def test_the_variant_remove_leaves_nothing_where_every_query_has_a_false_negative(judge):
    with pytest.raises(DataError, match="drop-query"):
        run("rlhn_remove", judge)


def test_tinyv_asks_the_judge_only_where_the_rule_says_no(judge):
    """The answer is the title of the known positive: every document that holds it goes without a question."""
    where = almanac()
    first = where.positives.unique("query", maintain_order=True).sort("query")
    titles = where.corpus["title"].gather(first["doc"]).to_list()
    where = replace(where, queries=where.queries.with_columns(answers=pl.Series([[t] for t in titles])))
    found = mine(where, recipes_truth.tinyv(plan(judge)))
    facts = next(e.facts for e in found.ledger.entries if e.step == "ask")
    assert int(facts["rows asked second"]) < int(facts["rows asked first"]) == 7500
    assert false_share(found) == 0
    told = found.pairs.frame.filter(pl.col("dropped") == "judged relevant")
    assert told.height > 600


def test_unime_v2_compares_with_what_the_judge_says_of_the_positive(judge):
    found = run("unime_v2", judge)
    column = next(c for c in found.pairs.scores if c.startswith("prob."))
    assert found.pairs.frame.filter("positive")[column].to_list() == [1.0] * found.pairs.frame["positive"].sum()
    assert false_share(found) == 0


@pytest.mark.parametrize("name", ESTIMATING)
def test_estimates_come_from_a_judge(name, judge, naive):
    assert false_share(run(name, judge)) <= false_share(naive)


def test_cet_weighs_false_negatives_less(judge):
    found = run("cet", judge).negatives
    assert found["weight"].is_between(0, 1).all()
    false = found.join(truth(), on=["query_id", "doc_id"], how="semi")["weight"].mean()
    true = found.join(truth(), on=["query_id", "doc_id"], how="anti")["weight"].mean()
    assert false < true


@pytest.mark.parametrize("name", ["pu_sar", "cet"])
def test_weights_without_a_judge(name):
    found = run(name).negatives
    assert found["weight"].is_between(0, 1).all()
    assert found["weight"].n_unique() > 100


def test_dclr_takes_what_is_near_the_positive_out():
    recipe = recipes_truth.dclr(plan())
    near = replace(recipe, steps=(*recipe.steps[:-1], replace(recipe.steps[-1], phi=0.5)))
    found = mine(almanac(), near).negatives
    assert 0 < (found["weight"] == 0).sum() < found.height
    assert found["weight"].to_list() == (found["cos.positive"] <= 0.5).cast(pl.Float32).to_list()


def test_cusa_targets_sum_to_one():
    found = run("cusa").pairs
    sums = found.frame.filter(pl.col("positive") | found.live).group_by("query").agg(pl.col("prob.cusa").sum())
    assert sums["prob.cusa"].to_list() == pytest.approx([1.0] * 300, abs=1e-5)


@pytest.mark.parametrize("name", ["tacred_intrinsic", "tacred_extrinsic"])
def test_suspects_go(name, naive):
    assert false_share(run(name)) < false_share(naive)


def test_gcse_compares_two_encoders():
    two = Plan(encoders=(("lsa", Lsa()), ("other", Lsa(dims=32))))
    recipe = recipes_truth.gcse(two)
    found = mine(almanac(), recipe).negatives
    offset = found["logit.gcse"].cast(pl.Float64)
    higher = found["cos.lsa"] > found["cos.frozen"]
    assert offset.null_count() == 0
    assert (offset.filter(higher) == 0).all()
    assert offset.filter(~higher).is_between(-20.0, 0).all()
    with pytest.raises(RecipeError, match="two encoders"):
        recipes_truth.gcse(plan())


@pytest.mark.parametrize("name", ASKING)
def test_without_a_judge_it_says_so(name):
    with pytest.raises(RecipeError, match="asks a judge"):
        getattr(recipes_truth, name)(plan())


@pytest.mark.parametrize("name", ESTIMATING)
def test_without_a_judge_the_detector_estimates(name):
    assert "detect" in [s.label for s in getattr(recipes_truth, name)(plan()).steps]


@pytest.mark.parametrize("name", [*ASKING, *ESTIMATING, *ALONE])
def test_recipes_check_and_name_themselves(name, judge):
    recipe = getattr(recipes_truth, name)(plan(judge, n=5, seed=3))
    recipe.check()
    assert recipe.name == name.replace("_", "-")
    assert recipe.paper
    sampler = next(s for s in recipe.steps if hasattr(s, "short"))
    assert (sampler.n, sampler.seed) == (5, 3)


def test_runs_twice_alike(judge):
    recipe = recipes_truth.rlhn(plan(judge))
    first, again = (mine(almanac(), recipe, engine=Local()).pairs.frame for _ in range(2))
    assert first.equals(again)
