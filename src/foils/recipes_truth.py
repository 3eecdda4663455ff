"""Named recipes of the papers on false negatives; each is a function from a Plan to a Recipe, as in foils.recipes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foils.ask import Ask
from foils.bands import UniMeV2
from foils.dedup import ExactDuplicate, KnownPositive
from foils.detect import Detect
from foils.doubt import Cet, Cusa, Dclr, Gcse, Rrra
from foils.errors import RecipeError
from foils.evidence import PositiveWords
from foils.judges.answer import AnswerJudge
from foils.judges.cascade import Cascade
from foils.neighbours import PositiveSimilarity
from foils.protocols import Judge
from foils.relabel import DropQuery, DropRelevant, Promote, Soften
from foils.rules import TopkAbs
from foils.score import Similarity, ZScore
from foils.select import Stride, Top, Uniform
from foils.sources.bm25 import Bm25
from foils.steps import Recipe, Step
from foils.suspects import TacredExtrinsic, TacredIntrinsic

if TYPE_CHECKING:
    from foils.recipes import Plan

CLEAN: tuple[Step, ...] = (KnownPositive(), ExactDuplicate())
RLHN = "RLHN, arXiv:2505.16967"
TACRED = "Noise in TACRED, arXiv:2311.12298"
LISTED = 25  # negatives of an instance that RLHN lists to its judge


def rlhn_remove(plan: Plan) -> Recipe:
    """Asks a judge about the first 25, and drops every query in which it finds a false negative: the worst variant."""
    steps = (*_listed(plan, "rlhn-remove"), DropQuery(most=0), DropRelevant(), _drawn(plan))
    return Recipe(steps, "rlhn-remove", RLHN)


def rlhn_hn_remove(plan: Plan) -> Recipe:
    """Asks a judge about the first 25 and drops those it finds relevant; queries with more than 7 of them go."""
    steps = (*_listed(plan, "rlhn-hn-remove"), DropQuery(most=7), DropRelevant(), _drawn(plan))
    return Recipe(steps, "rlhn-hn-remove", RLHN)


def rlhn(plan: Plan) -> Recipe:
    """Asks a judge about the first 25 and makes positives of those it finds relevant; queries with more than 7 go."""
    acts = (DropQuery(most=7), Promote(threshold=0.5), DropRelevant())
    return Recipe((*_listed(plan, "rlhn"), *acts, *CLEAN, _drawn(plan)), "rlhn", RLHN)


def unime_v2(plan: Plan) -> Recipe:
    """Of the top 50, drops what a judge puts within 0.01 of the positive, then takes every 5th by the judge's score."""
    ask = Ask(judge=_judge(plan, "unime-v2"), top=50, by=plan.rank, positives=True)
    rule, draw = UniMeV2(beta=0.01, score=ask.column), plan.sample(Stride(step=5, by=ask.column))
    return Recipe((*plan.dense(50), *CLEAN, ask, rule, draw), "unime-v2", "UniME-V2, arXiv:2510.13515")


def tinyv(plan: Plan) -> Recipe:
    """Looks for the answer in the document, and asks a judge only where it is not there; drops what either accepts."""
    judge = Cascade(cheap=AnswerJudge(), strong=_judge(plan, "tinyv"), ask="rejected")
    ask = Ask(judge=judge, top=LISTED, by=plan.rank)
    steps = (*plan.dense(), *CLEAN, ask, DropRelevant(), plan.sample(Top(by=plan.rank)))
    return Recipe(steps, "tinyv", "TinyV, arXiv:2505.14625")


def rrra(plan: Plan) -> Recipe:
    """Draws by similarity times the chance of being irrelevant, by a judge where there is one and the detector."""
    return Recipe((*_estimated(plan), plan.sample(Rrra(score=plan.score))), "rrra", "RRRA, arXiv:2508.11670")


def cet(plan: Plan) -> Recipe:
    """Takes the hardest, weighed by how likely annotators would have seen them: BM25 stands for what they saw."""
    weigh = (plan.sample(Top(by=plan.score)), Cet(score="z.bm25"))
    steps = (*_estimated(plan, ZScore(score="bm25.bm25")), *weigh)
    return Recipe(steps, "cet", "CET, arXiv:2209.05072")


def pu_sar(plan: Plan) -> Recipe:
    """Takes the hardest, weighed by a model learned from positives and unlabelled alone; worse than the detector.

    The weight is 1 - P(relevant), lower than with the paper's correction by the propensity, which ``PuSar`` makes
    where a table has a propensity column.
    """
    near = (PositiveSimilarity(encoder=plan.encoders[0][1]), PositiveWords())
    learned = (*near, Detect(level="shipped", unlabelled="sar-em"))
    steps = (Bm25(depth=plan.depth), *plan.dense(), *CLEAN, *learned, plan.sample(Top(by=plan.score)), Soften())
    return Recipe(steps, "pu-sar", "SAR-EM, ECML 2019")


def tacred_intrinsic(plan: Plan) -> Recipe:
    """Drops the nearest neighbours of the positives that the retriever misses, then takes the hardest."""
    mark = TacredIntrinsic(encoder=plan.encoders[0][1], rank=plan.rank)
    return _without(plan, mark, "tacred-intrinsic")


def tacred_extrinsic(plan: Plan) -> Recipe:
    """Drops candidates most of whose nearest known documents answer the query, then takes the hardest."""
    mark = TacredExtrinsic(encoder=plan.encoders[0][1])
    return _without(plan, mark, "tacred-extrinsic")


def dclr(plan: Plan) -> Recipe:
    """Takes the hardest, and weighs 0 what a frozen encoder puts within cosine 0.9 of the positive."""
    steps = (*_near(plan, "dclr"), plan.sample(Top(by=plan.score)), Dclr(score="cos.positive"))
    return Recipe(steps, "dclr", "DCLR, arXiv:2205.00656")


def cusa(plan: Plan) -> Recipe:
    """Takes the hardest, with soft targets by their likeness to the positive."""
    steps = (*_near(plan, "cusa"), plan.sample(Top(by=plan.score)), Cusa(score="cos.positive"))
    return Recipe(steps, "cusa", "CUSA, AAAI 2024")


def gcse(plan: Plan) -> Recipe:
    """Takes the hardest, with an offset where the model agrees with a frozen evaluator, the second encoder."""
    frozen = next((e for _, e in plan.encoders[1:]), None)
    if frozen is None or any(e.unit != "cos" for _, e in plan.encoders[:2]):
        raise RecipeError("gcse compares the cosines of two encoders: name the model first and the evaluator second")
    compare = (Similarity(encoder=frozen, name="frozen"), Gcse(score=plan.score, by="cos.frozen"))
    steps = (*plan.dense(), *CLEAN, *compare, plan.sample(Top(by=plan.score)))
    return Recipe(steps, "gcse", "GCSE, arXiv:2409.12887")


def _judge(plan: Plan, name: str) -> Judge:
    if plan.judge is None:
        raise RecipeError(f"{name} asks a judge, and none was given; foils methods lists them under judge")
    return plan.judge


def _listed(plan: Plan, name: str) -> tuple[Step, ...]:
    """Candidates, and a verdict on the first 25 of each query; the others are "not judged", and go as such."""
    return (*plan.dense(), *CLEAN, Ask(judge=_judge(plan, name), top=LISTED, by=plan.rank))


def _drawn(plan: Plan) -> Step:
    """RLHN trains on a few of the judged negatives, whichever."""
    return plan.sample(Uniform(by=plan.rank))


def _estimated(plan: Plan, *between: Step) -> tuple[Step, ...]:
    """Candidates with ``p_relevant``: of a judge about the first 25 where there is one, of the detector about all."""
    near = (PositiveSimilarity(encoder=plan.encoders[0][1]), PositiveWords())
    ask = (Ask(judge=plan.judge, top=LISTED, by=plan.rank),) if plan.judge is not None else ()
    return (Bm25(depth=plan.depth), *plan.dense(), *CLEAN, *near, Detect(), *ask, *between)


def _near(plan: Plan, name: str) -> tuple[Step, ...]:
    """Candidates with their similarity to the positive, by the leading encoder."""
    if plan.encoders and plan.encoders[0][1].unit != "cos":
        raise RecipeError(f"{name} compares documents by cosine; the leading encoder gives dot products")
    return (*plan.dense(), *CLEAN, PositiveSimilarity(encoder=plan.encoders[0][1]))


def _without(plan: Plan, mark: Step, name: str) -> Recipe:
    rule = TopkAbs(threshold=0.5, score=f"prob.{name}")
    return Recipe((*plan.dense(), *CLEAN, mark, rule, plan.sample(Top(by=plan.score))), name, TACRED)
