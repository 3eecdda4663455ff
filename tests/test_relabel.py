"""Actions: what goes, for which reason, what becomes a positive, and that it can be taken back."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from build import collection, scored
from foils.collection import build
from foils.dedup import ExactDuplicate
from foils.engine import Local
from foils.errors import RecipeError
from foils.folder import Folder
from foils.ledger import Ledger
from foils.outcome import belief, column, likely, promoted
from foils.outcome import given as own
from foils.pairs import Pairs
from foils.relabel import Demote, DropQuery, DropRelevant, LeaveUnknown, Promote, Repair, Soften
from foils.select import Top
from foils.writers import FORMATS, export

LLM, OTHER, QRELS, HUMAN = "llm:big@1", "cross-encoder:small@2", "qrels", "human:ann"


def table(p, by=None, detector=None, dropped=None, kind=None, positives=None):
    """One query; document 0 is its positive, document i has the i-th probability."""
    n = len(p)
    pairs = scored(collection(docs=n + 3, positives=positives), {0: [(i, 0.9 - 0.01 * i) for i in range(n + 1)]})

    def spread(values, dtype):
        return pl.Series([None, *(values or [None] * n)], dtype=dtype)

    pairs = pairs.with_column("p_relevant", spread(p, pl.Float32))
    pairs = pairs.with_column("judged_by", spread(by, pl.Categorical))
    pairs = pairs.with_column("dropped", spread(dropped, pl.Categorical))
    pairs = pairs.with_column("kind", spread(kind, pl.Categorical))
    return pairs.with_column("prob.detector", spread(detector, pl.Float32))


def fates(pairs):
    told = pl.when("positive").then(pl.coalesce("kind", pl.lit("positive"))).otherwise(pl.col("dropped"))
    return pairs.frame.select(told.cast(pl.String).fill_null("live")).to_series().to_list()[1:]


def test_the_reason_says_who_found_it_relevant(engine):
    pairs = table([0.9, 0.9, 0.4, None, 0.5], by=[LLM, None, LLM, None, None])
    after = DropRelevant(threshold=0.5)(pairs, engine)
    assert fates(after) == ["judged relevant", "likely relevant", "live", "not judged", "likely relevant"]
    assert fates(DropRelevant(missing="keep")(pairs, engine))[3] == "live"


def test_a_typed_negative_falls_to_a_verdict_only(engine):
    pairs = table([0.9, 0.9, None], by=[LLM, None, None], kind=["polarity"] * 3)
    assert fates(DropRelevant()(pairs, engine)) == ["judged relevant", "live", "live"]


def test_what_is_dropped_as_relevant_is_not_taken_back_for_a_short_row(engine):
    after = Top(n=3, short="relax")(DropRelevant()(table([0.9, 0.1, 0.8]), engine), engine)
    assert fates(after) == ["likely relevant", "live", "likely relevant"]


def test_the_unknown_are_left_out_and_keep_their_soft_label(engine):
    pairs = table([0.1, 0.2, 0.49, 0.5, None])
    after = LeaveUnknown(low=0.2, high=0.5)(pairs, engine)
    assert fates(after) == ["live", "unknown", "unknown", "live", "unknown"]
    assert after.frame["p_relevant"].equals(pairs.frame["p_relevant"])


def test_soften_weighs_by_one_minus_p(engine):
    pairs = table([0.25, 1.0, None, 0.25], kind=[None, None, None, "polarity"])
    weights = Soften()(pairs, engine).frame["weight"].to_list()
    assert weights == pytest.approx([None, 0.75, 0.0, 1.0, 1.0])
    squared = Soften(floor=0.1, power=2)(pairs, engine).frame["weight"].to_list()
    assert squared[1:3] == pytest.approx([0.5625, 0.1])


@pytest.mark.parametrize(("flagged", "most", "goes"), [(7, 7, False), (8, 7, True), (8, 8, False), (9, 8, True)])
def test_a_query_with_too_many_flagged_goes(engine, flagged, most, goes):
    """Published: more than 7 in the paper, more than 8 in the code of RLHN."""
    pairs = table([0.9] * flagged + [0.1], by=[LLM] * (flagged + 1))
    after = DropQuery(most=most)(pairs, engine)
    assert (after.negatives().height == 0) == goes
    assert set(fates(after)) == ({"drop-query"} if goes else {"live"})


def test_flagged_are_counted_before_and_after_they_are_dropped_or_promoted(engine):
    pairs = table([0.9] * 8 + [0.1], by=[LLM] * 9)
    for step in (DropRelevant(), Promote()):
        assert DropQuery(most=7)(step(pairs, engine), engine).negatives().height == 0
        assert DropQuery(most=8)(step(pairs, engine), engine).negatives().height == 1


def test_dropping_every_query_with_one_flagged_is_the_variant_remove(engine):
    assert DropQuery(most=0)(table([0.9, 0.1]), engine).negatives().height == 0
    assert DropQuery(most=0)(table([0.4, 0.1]), engine).negatives().height == 2


def test_promote_takes_verdicts_and_leaves_estimates(engine):
    pairs = table([0.9, 0.9, 0.4], by=[LLM, None, LLM])
    assert fates(Promote()(pairs, engine)) == ["promoted", "live", "live"]
    assert fates(Promote(judged=False)(pairs, engine)) == ["promoted", "promoted", "live"]
    by_score = Promote(threshold=0.5, score="prob.detector", judged=False)
    assert fates(by_score(table([None] * 2, detector=[0.7, 0.2]), engine)) == ["promoted", "live"]


def test_promotion_reaches_what_soft_rules_dropped_and_nothing_that_rests_on_proof(engine):
    dropped = [None, "skip-best", "not drawn", "unknown", "exact-duplicate", "drop-query", None]
    pairs = table([0.9] * 7, by=[LLM] * 7, dropped=dropped, kind=[None] * 6 + ["polarity"])
    pairs = replace(pairs, soft=frozenset({"skip-best"}))
    after = Promote()(pairs, engine)
    assert fates(after) == ["promoted"] * 4 + ["exact-duplicate", "drop-query", "live"]
    assert after.frame["was"].to_list() == [None, None, "skip-best", "not drawn", "unknown", None, None, None]
    assert after.frame.filter(own())["doc"].to_list() == [0]
    assert after.frame.filter(promoted())["judged_by"].unique().to_list() == [LLM]


def test_what_is_promoted_is_known_to_the_rules_on_copies(engine):
    corpus = pl.DataFrame({"id": ["a", "b", "c"], "text": ["old oak", "red lamp", "red lamp"]})
    where = build(
        corpus,
        pl.DataFrame({"id": ["q"], "text": ["lamp"]}),
        pl.DataFrame({"query_id": ["q"], "doc_id": ["a"], "grade": [1]}),
    )
    pairs = scored(where, {0: [(0, 0.9), (1, 0.8), (2, 0.7)]})
    pairs = pairs.with_column("p_relevant", pl.Series([None, 0.9, None], dtype=pl.Float32))
    pairs = pairs.with_column("judged_by", pl.Series([None, LLM, None], dtype=pl.Categorical))
    after = ExactDuplicate()(Promote()(pairs, engine), engine)
    assert after.frame["dropped"].to_list() == [None, None, "duplicate of a positive"]


def test_demote_takes_promotions_back(engine):
    pairs = table([0.9, 0.9, 0.1], by=[LLM] * 3, dropped=[None, "not drawn", None])
    back = Demote()(Promote()(pairs, engine), engine)
    assert_frame_equal(back.frame.drop("was"), pairs.frame)
    assert_frame_equal(Demote()(pairs, engine).frame.drop("was"), pairs.frame)


def test_repair_promotes_where_two_kinds_agree_and_drops_the_rest(engine):
    pairs = table(
        [0.9, 0.9, 0.9, 0.6, 0.9, 0.2, 0.9, 0.9],
        by=[LLM, LLM, None, LLM, HUMAN, LLM, "humanoid@1", QRELS],
        detector=[0.6, 0.4, 0.9, 0.9, 0.1, 0.9, 0.1, None],
    )
    assert fates(Repair()(pairs, engine)) == [
        "promoted",
        "judged relevant",
        "likely relevant",
        "judged relevant",
        "promoted",
        "live",
        "judged relevant",
        "judged relevant",
    ]


def test_belief_is_bayes_rule_for_a_model_and_the_verdict_for_a_person(engine):
    pairs = table([1.0, 0.0, 0.7, 1.0, 0.2, 0.0], by=[LLM, LLM, LLM, HUMAN, None, QRELS], detector=[0.3] * 6)
    said = pairs.frame.select(belief(pl.col("prob.detector"))).to_series().to_list()[1:]
    odds = 0.3 / 0.7
    expected = [odds * 0.85 / 0.15, odds * 0.15 / 0.85, odds * 0.7 / 0.3]
    assert said == pytest.approx([*(o / (1 + o) for o in expected), 1.0, 0.2, 0.0], abs=1e-6)


@pytest.mark.parametrize(("judged", "found"), [(4, [False] * 5), (5, [True] * 5)])
def test_an_estimate_counts_as_found_once_verdicts_taught_the_detector(engine, judged, found):
    where = collection(queries=5, docs=20)
    pairs = scored(where, {q: [(d, 0.9 - d / 40) for d in range(10, 13)] for q in range(5)})
    taught = (pl.col("doc") == 10) & (pl.col("query") < judged)
    pairs = pairs.with_column("judged_by", pl.when(taught).then(pl.lit(LLM, dtype=pl.Categorical)))
    estimate = pl.when(pl.col("doc") == 11).then(0.6).otherwise(0.1).cast(pl.Float32)
    pairs = pairs.with_column("prob.detector", estimate)
    pairs = pairs.with_column("p_relevant", pl.when(taught).then(0.0).otherwise("prob.detector"))
    assert pairs.frame.filter(likely(pairs, 0.5))["doc"].to_list() == []
    told = DropRelevant()(pairs, engine)
    marked = told.frame.with_columns(found=likely(told, 0.5))
    assert marked.filter(pl.col("doc") == 11)["found"].to_list() == found
    assert not marked.filter(pl.col("doc") != 11)["found"].any()


def test_found_is_what_verdict_and_detector_make_likely_together(engine):
    pairs = table([1.0, 1.0, 0.0, 1.0, 0.9], by=[LLM, LLM, LLM, HUMAN, None], detector=[0.2, 0.1, 0.95, 0.01, 0.9])
    told = DropRelevant()(pairs, engine)
    assert told.frame.select(likely(told, 0.5)).to_series().to_list()[1:] == [True, False, False, True, False]
    alone = told.with_column("prob.detector", pl.lit(None, dtype=pl.Float32))
    assert alone.frame.select(likely(alone, 0.5)).to_series().to_list()[1:] == [False, False, False, True, False]
    without = replace(told, frame=told.frame.drop("prob.detector"))
    assert without.frame.select(likely(without, 0.5)).to_series().to_list()[1:] == [False, False, False, True, False]


def test_the_judges_own_column_is_no_second_opinion(engine):
    pairs = table([0.9, 0.9], by=[LLM, OTHER])
    for by in (LLM, OTHER):
        pairs = pairs.with_column(column(by), pl.Series([None, 0.9, 0.9], dtype=pl.Float32))
    assert fates(Repair(evidence=(column(LLM),))(pairs, engine)) == ["judged relevant", "promoted"]
    assert fates(Repair(evidence=(column(LLM), column(OTHER)))(pairs, engine)) == ["promoted", "promoted"]


@pytest.mark.parametrize(
    ("step", "match"),
    [
        (DropRelevant(threshold=1.2), "threshold=1.2 must lie between 0 and 1"),
        (DropRelevant(missing="no"), "missing='no'; one of drop, keep"),
        (LeaveUnknown(low=0.5, high=0.5), "must lie below high"),
        (Soften(floor=-1), "floor=-1"),
        (Soften(power=0), "power=0 must be over 0"),
        (DropQuery(most=-1), "most=-1"),
        (Promote(score="cos.dense"), "no probability"),
        (Promote(threshold=float("nan")), "threshold=nan"),
        (Repair(promote=0.4), "must not lie below cut"),
        (Repair(evidence=("cos.dense",)), "must name columns prob"),
        (Repair(evidence=()), "must name columns prob"),
    ],
)
def test_options_that_make_no_sense(step, match):
    with pytest.raises(RecipeError, match=match):
        step.check()


def random_table(rng):
    n = int(rng.integers(1, 12))
    pick = lambda values: [values[i] for i in rng.integers(len(values), size=n)]  # noqa: E731
    pairs = table(
        pick([None, 0.0, 0.2, 0.5, 0.8, 0.9, 1.0]),
        by=pick([None, None, LLM, HUMAN, OTHER]),
        detector=pick([None, 0.1, 0.5, 0.9]),
        dropped=pick([None, None, "soft", "hard", "not drawn"]),
        kind=pick([None, None, None, "polarity"]),
    )
    return replace(pairs, soft=frozenset({"soft"}))


ACTIONS = [Promote(), Promote(judged=False), Repair(), Repair(missing="keep"), DropQuery(most=1), DropRelevant()]


@pytest.mark.parametrize("step", ACTIONS, ids=repr)
@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_action_touches_rows_positives_judgments_or_hard_drops(step, seed):
    pairs = random_table(np.random.default_rng(seed))
    after = step(pairs, Local()).frame
    before = pairs.frame
    same = ["query", "doc", "p_relevant", "judged_by", "cos.dense", "prob.detector", "filled"]
    assert_frame_equal(after[same], before[same])
    assert after.filter(before["positive"]).filter(own()).height == before["positive"].sum()
    new = after.with_columns(was_kind=before["kind"], was_out=before["dropped"]).filter(promoted())
    assert new["was_kind"].null_count() == new.height
    assert new["dropped"].null_count() == new.height
    assert "hard" not in new["was_out"].to_list()
    out = before["dropped"].is_not_null() & ~after["positive"]
    assert_frame_equal(after.filter(out)[["dropped"]], before.filter(out)[["dropped"]])
    left = after.filter(~pl.col("positive") & pl.col("dropped").is_null() & pl.col("kind").is_null())
    if isinstance(step, (Repair, DropRelevant)):
        assert (left["p_relevant"].drop_nulls() < 0.5).all()
    if isinstance(step, (Promote, Repair)):
        back = Demote()(step(pairs, Local()), Local()).frame.filter(before["dropped"].is_not_null())
        assert_frame_equal(
            back[["positive", "kind", "dropped"]],
            before.filter(before["dropped"].is_not_null())[["positive", "kind", "dropped"]],
        )


def exported(pairs, folder, name):
    form = FORMATS[name]
    export(pairs, name, folder / f"train{form.suffixes[0]}" if form.suffixes else folder, scores="cos.dense")
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("name", FORMATS)
def test_every_writer_exports_a_promoted_positive_as_if_it_were_labelled(engine, tmp_path, name):
    labels = [("q0", "d00")]
    pairs = table([0.9, 0.1, 0.2], by=[LLM] * 3, positives=labels)
    labelled = table([None, 0.1, 0.2], by=[None, LLM, LLM], positives=[*labels, ("q0", "d01")])
    promoted_pairs = Promote()(pairs, engine)
    assert exported(promoted_pairs, tmp_path / "promoted", name) == exported(labelled, tmp_path / "labelled", name)
    back = Demote()(promoted_pairs, engine)
    assert exported(back, tmp_path / "back", name) == exported(pairs, tmp_path / "before", name)


def test_a_promoted_pair_starts_no_query_of_its_own(engine):
    """``Pairs.start`` knows the collection's positives only: a promotion never becomes the user's label."""
    pairs = Promote()(table([0.9, 0.1], by=[LLM] * 2), engine)
    assert Pairs.start(pairs.collection).frame["doc"].to_list() == [0]


def test_a_promotion_survives_the_run_folder_and_can_be_taken_back_there(engine, tmp_path):
    pairs = Promote()(table([0.9, 0.1], by=[LLM] * 2, dropped=["not drawn", None]), engine)
    folder = Folder(tmp_path / "run", "key")
    folder.open()
    folder.finish(pairs, "", Ledger((), (), {}, {}), "")
    again, _, _ = Folder(tmp_path / "run").load()
    columns = ["positive", "kind", "judged_by", "p_relevant", "was"]
    assert again.frame.select(columns).equals(pairs.frame.select(columns))
    assert again.collection.positives["doc"].to_list() == [0], "the collection knows the given positives only"
    export(again, "beir", tmp_path / "beir")
    assert (tmp_path / "beir" / "qrels" / "train.tsv").read_text().splitlines()[1:] == ["q0\td00\t1", "q0\td01\t1"]
    assert fates(Demote()(again, engine)) == ["not drawn", "live"]
