"""Named recipes, one per paper; each is a function from a Plan to a Recipe, and nothing else than its steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from foils import recipes_truth
from foils.bands import MarginPos, PercPos, UniMe
from foils.dedup import ExactDuplicate, KnownPositive, NearDuplicate
from foils.detect import Detect
from foils.errors import RecipeError
from foils.evidence import NeighbourAgreement, PositiveWords, Specificity
from foils.limits import Deepen
from foils.neighbours import PositiveSimilarity
from foils.overlap import WordOverlap
from foils.protocols import Encoder, Judge, Scorer
from foils.relabel import Repair
from foils.risk.select import WithinRisk
from foils.rules import MmEmbed, Shift, SkipBest
from foils.score import Rerank, Rrf
from foils.select import DebCse, Quota, SimAns, Stride, Top, Uniform
from foils.sources.attribute import Attribute
from foils.sources.bm25 import Bm25
from foils.sources.dense import Dense
from foils.sources.random import Random
from foils.sources.runs import RunFile
from foils.sources.supplied import Supplied
from foils.sources.walk import Walk
from foils.steps import Recipe, Sampler, Short, Source, Step
from foils.weigh import Agreement


@dataclass(frozen=True)
class Plan:
    """What a named recipe is made for.

    Args:
        encoders: dense sources by name; the first leads: rules compare its scores.
        n: negatives per query.
        depth: candidates per source and query.
        seed: of all draws.
        short: policy for queries with too few survivors.
        scorer: a cross-encoder; recipes that do without ignore it.
        runs: imported rankings.
        column: what ``mm-embed`` compares (a column of the corpus) and ``bica`` follows (a column of links).
        judge: whom the recipes that ask a judge ask.
        risk: the largest share of false negatives that the user accepts; null: what the recipe says.
    """

    encoders: tuple[tuple[str, Encoder], ...]
    n: int = 8
    depth: int = 100
    seed: int = 0
    short: Short = "fewer"
    scorer: Scorer | None = None
    runs: tuple[RunFile, ...] = ()
    column: str = ""
    judge: Judge | None = None
    risk: float | None = None

    @property
    def lead(self) -> str:
        """Name of the leading dense source."""
        if not self.encoders:
            raise RecipeError("no encoder was given; every named recipe needs one (without a model: Lsa())")
        return self.encoders[0][0]

    @property
    def score(self) -> str:
        """The leading source's score column."""
        return f"{self.encoders[0][1].unit}.{self.lead}"

    @property
    def rank(self) -> str:
        """The leading source's rank column."""
        return f"rank.{self.lead}"

    def dense(self, depth: int = 0) -> tuple[Source, ...]:
        """All dense sources and imported runs."""
        depth = depth or self.depth
        return (*(Dense(name=name, depth=depth, encoder=e) for name, e in self.encoders), *self.runs)

    def sample(self, sampler: Sampler) -> Sampler:
        """The sampler with this plan's number, seed and policy."""
        return replace(sampler, n=self.n, seed=self.seed, short=self.short)


RISK = 0.05  # of the recipes that keep within a risk, where none is stated
CLEAN: tuple[Step, ...] = (KnownPositive(), ExactDuplicate())


def naive(plan: Plan) -> Recipe:
    """The first n of the leading ranking, known positives removed: what most people train on, and the baseline."""
    return Recipe((*plan.dense(), *CLEAN, plan.sample(Top(by=plan.rank))), "naive", "common practice")


def shifted(plan: Plan) -> Recipe:
    """Skips the first 10 ranks, then takes the first n (NV-Retriever's "Top-K shifted by N")."""
    steps = (*plan.dense(), *CLEAN, Shift(skip=10, rank=plan.rank), plan.sample(Top(by=plan.rank)))
    return Recipe(steps, "shifted", "NV-Retriever, arXiv:2407.15831")


def nv_retriever(plan: Plan) -> Recipe:
    """Keeps what scores below 95 % of the lowest positive, samples n from the first 10 survivors or as many as n."""
    pool = max(10, plan.n)
    rule = PercPos(ratio=0.95, score=plan.score)
    steps = (*plan.dense(), *CLEAN, rule, plan.sample(Uniform(pool=pool, by=plan.score)))
    return Recipe(steps, "nv-retriever", "NV-Retriever, arXiv:2407.15831")


def simans(plan: Plan) -> Recipe:
    """Draws candidates whose score is near the positive's; differences are standardised per query."""
    sampler = SimAns(score=plan.score, a=0.5, offset=0.0, standardise=True)
    return Recipe((*plan.dense(), *CLEAN, plan.sample(sampler)), "simans", "SimANS, arXiv:2210.11773")


def star(plan: Plan) -> Recipe:
    """Draws uniformly from the first 200 of the ranking."""
    steps = (*plan.dense(max(210, plan.depth)), *CLEAN, plan.sample(Uniform(pool=200, by=plan.rank)))
    return Recipe(steps, "star", "STAR, arXiv:2104.08051")


def r2anker(plan: Plan) -> Recipe:
    """Draws an equal share from the first 200 of each retriever, lexical and dense; agreement weighs."""
    sources = (Bm25(depth=200), *plan.dense(200))
    names = [s.name for s in sources]
    shares = tuple((name, plan.n // len(names) + (i < plan.n % len(names))) for i, name in enumerate(names))
    sampler = plan.sample(Quota(shares=shares, draw="uniform", pool=200, n=plan.n))
    return Recipe((*sources, *CLEAN, sampler, Agreement()), "r2anker", "R2anker, arXiv:2206.08063")


def lg_anna(plan: Plan) -> Recipe:
    """BM25 and dense fused by reciprocal ranks, reranked if there is a cross-encoder; keeps below 95 % of the positive.

    Without a cross-encoder the leading dense score stands in for the teacher's. A cross-encoder that gives logits, of
    which a share means nothing, keeps what scores below the positive instead.
    """
    sources: tuple[Step, ...] = (Bm25(depth=plan.depth), *plan.dense())
    teacher: tuple[Step, ...] = ()
    score = plan.score
    if plan.scorer is not None:
        score, teacher = f"{plan.scorer.unit}.reranker", (Rerank(scorer=plan.scorer, name="reranker"),)
    rule = MarginPos(margin=0.0, score=score) if score.startswith("logit.") else PercPos(ratio=0.95, score=score)
    steps = (*sources, Rrf(k=60), *CLEAN, *teacher, rule, plan.sample(Top(by="rrf.rrf")))
    return Recipe(steps, "lg-anna", "LG-ANNA-Embedding, arXiv:2506.07438")


def unime(plan: Plan) -> Recipe:
    """Drops what scores more than 0.1 above the positive, then takes the hardest."""
    steps = (*plan.dense(), *CLEAN, UniMe(above=0.1, score=plan.score), plan.sample(Top(by=plan.score)))
    return Recipe(steps, "unime", "UniME, arXiv:2504.17432")


def unime_v2(plan: Plan) -> Recipe:
    """Of the top 50, drops what a judge (or reranker, or encoder) puts within 0.01 of the positive, takes every 5th."""
    if plan.judge is not None:
        return recipes_truth.unime_v2(plan)
    teacher: tuple[Step, ...] = ()
    score = plan.score
    if plan.scorer is not None:
        score, teacher = f"{plan.scorer.unit}.reranker", (Rerank(scorer=plan.scorer, name="reranker"),)
    rule = MarginPos(margin=0.01, score=score)
    steps = (*plan.dense(50), *CLEAN, *teacher, rule, plan.sample(Stride(step=5, by=score)))
    return Recipe(steps, "unime-v2", "UniME-V2, arXiv:2510.13515")


def mm_embed(plan: Plan) -> Recipe:
    """Ranks below 45; and, where a column is named, documents of the wrong kind that rank above the positive."""
    wrong: tuple[Source, ...] = ()
    if plan.column:
        wrong = (Attribute(name="wrong", depth=50, column=plan.column, encoder=plan.encoders[0][1]),)
    window = MmEmbed(below=45, rank=plan.rank, wrong="rank.wrong" if wrong else "")
    depth = max(50, 45 + 3 * plan.n)
    steps = (*plan.dense(depth), *wrong, *CLEAN, window, plan.sample(Uniform()))
    return Recipe(steps, "mm-embed", "MM-Embed, arXiv:2411.02571")


def bica(plan: Plan) -> Recipe:
    """Walks along the links of the positive document, two hops, toward documents like the ones before."""
    column = plan.column or "links"
    walk = Walk(name="walk", depth=plan.depth, column=column, encoder=plan.encoders[0][1], seed=plan.seed)
    return Recipe((walk, *CLEAN, plan.sample(Top(by="rank.walk"))), "bica", "BiCA, arXiv:2511.08029")


def word2vec(plan: Plan) -> Recipe:
    """Random documents, popular ones more often: popularity to the power 0.75."""
    source = Random(depth=4 * plan.n, power=0.75, seed=plan.seed)
    return Recipe((source, *CLEAN, plan.sample(Top(by="rank.random"))), "word2vec", "word2vec, arXiv:1310.4546")


def debcse(plan: Plan) -> Recipe:
    """Looks alike on the surface, means something else: inverse-propensity draw."""
    sampler = DebCse(score=plan.score, surface="jaccard.words")
    return Recipe((*plan.dense(), *CLEAN, WordOverlap(), plan.sample(sampler)), "debcse", "DebCSE, CIKM 2023")


def skip_best(plan: Plan) -> Recipe:
    """Skips the 20 best by BM25 and dense together, then takes the hardest: the best of the rules without a detector.

    Lexical and dense evidence fail on different documents: a relevant one is rarely far down in both. Fails where most
    of the top is relevant (trecdl19): no rule gives hard and clean negatives there.
    """
    sources = (Bm25(depth=plan.depth), *plan.dense())
    evidence = tuple(s.score or f"rank.{s.name}" for s in sources)
    steps = (
        Supplied(),
        *sources,
        *CLEAN,
        NearDuplicate(),
        Rrf(ranks=evidence),
        SkipBest(skip=20),
        Deepen(want=plan.n),
        plan.sample(Top(by=plan.score)),
    )
    return Recipe(steps, "skip-best", "measured: docs/benchmarks.md")


def default(plan: Plan) -> Recipe:
    """Estimates how likely each candidate is relevant, and takes the hardest negatives within the stated risk.

    BM25 and every encoder find; the detector weighs what lies near the query and near the known positives. What a
    verdict and the detector find relevant becomes a positive, what is likely relevant goes, and of the rest each query
    gets its hardest negatives whose estimated share of false ones stays within the risk (0.05 where none is stated).
    Fails where the probabilities are not calibrated for this collection: without verdicts the risk is an estimate.
    """
    lead = plan.encoders[0][1]
    found = (Supplied(), Bm25(depth=plan.depth), *plan.dense(), *CLEAN, NearDuplicate())
    evidence = (PositiveSimilarity(lead), PositiveWords(), NeighbourAgreement(lead), Specificity(lead), Detect())
    risk = RISK if plan.risk is None else plan.risk
    draw = plan.sample(WithinRisk(risk=risk, by=plan.score))
    return Recipe((*found, *evidence, Repair(), draw), "default", "measured: docs/benchmarks.md")


RECIPES: dict[str, Callable[[Plan], Recipe]] = {
    "default": default,
    "skip-best": skip_best,
    "naive": naive,
    "shifted": shifted,
    "nv-retriever": nv_retriever,
    "simans": simans,
    "star": star,
    "r2anker": r2anker,
    "lg-anna": lg_anna,
    "unime": unime,
    "unime-v2": unime_v2,
    "mm-embed": mm_embed,
    "bica": bica,
    "word2vec": word2vec,
    "debcse": debcse,
    "rlhn-remove": recipes_truth.rlhn_remove,
    "rlhn-hn-remove": recipes_truth.rlhn_hn_remove,
    "rlhn": recipes_truth.rlhn,
    "tinyv": recipes_truth.tinyv,
    "rrra": recipes_truth.rrra,
    "cet": recipes_truth.cet,
    "pu-sar": recipes_truth.pu_sar,
    "tacred-intrinsic": recipes_truth.tacred_intrinsic,
    "tacred-extrinsic": recipes_truth.tacred_extrinsic,
    "dclr": recipes_truth.dclr,
    "cusa": recipes_truth.cusa,
    "gcse": recipes_truth.gcse,
}


def named(name: str, plan: Plan) -> Recipe:
    """The recipe of this name.

    Raises:
        RecipeError: there is none; lists those there are.
    """
    if name not in RECIPES:
        raise RecipeError(f"no recipe is called {name!r}; one of {', '.join(RECIPES)}, or the path of a .toml file")
    return RECIPES[name](plan)
