"""Every method by name: ``name -> "module:Class"``, loaded on demand; other packages add theirs as entry points."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from typing import Any

from foils.errors import RecipeError

GROUP = "foils.methods"

METHODS: dict[str, dict[str, str]] = {
    "source": {
        "bm25": "foils.sources.bm25:Bm25",
        "dense": "foils.sources.dense:Dense",
        "random": "foils.sources.random:Random",
        "links": "foils.sources.links:Links",
        "walk": "foils.sources.walk:Walk",
        "attribute": "foils.sources.attribute:Attribute",
        "clusters": "foils.sources.clusters:Clusters",
        "run-file": "foils.sources.runs:RunFile",
        "supplied": "foils.sources.supplied:Supplied",
    },
    "encoder": {
        "lsa": "foils.models.lsa:Lsa",
        "sentence-encoder": "foils.models.encoder:SentenceEncoder",
        "vectors": "foils.models.vectors:Vectors",
    },
    "scorer": {
        "reranker": "foils.models.reranker:Reranker",
    },
    "chat": {
        "chat": "foils.models.llm:Chat",
        "chat-decoding": "foils.models.llm:Decoding",
        "chat-pace": "foils.models.llm:Pace",
        "chat-budget": "foils.models.llm:Budget",
    },
    "judge": {
        "llm": "foils.judges.llm:Llm",
        "llm-listwise": "foils.judges.listwise:LlmListwise",
        "llm-logprob": "foils.judges.logprob:LlmLogprob",
        "cross-encoder": "foils.judges.cross_encoder:CrossEncoder",
        "replay": "foils.judges.replay:Replay",
        "sheet": "foils.judges.sheet:Sheet",
        "answer": "foils.judges.answer:AnswerJudge",
        "adapter": "foils.judges.adapter:AdapterJudge",
        "vote": "foils.judges.vote:Vote",
        "cascade": "foils.judges.cascade:Cascade",
        "agree": "foils.judges.cascade:Agree",
    },
    "score": {
        "similarity": "foils.score:Similarity",
        "rerank": "foils.score:Rerank",
        "rrf": "foils.score:Rrf",
        "z-score": "foils.score:ZScore",
        "positive-similarity": "foils.neighbours:PositiveSimilarity",
        "word-overlap": "foils.overlap:WordOverlap",
        "positive-words": "foils.evidence:PositiveWords",
        "neighbour-agreement": "foils.evidence:NeighbourAgreement",
        "specificity": "foils.evidence:Specificity",
        "detect": "foils.detect:Detect",
        "ask": "foils.ask:Ask",
        "tacred-intrinsic": "foils.suspects:TacredIntrinsic",
        "tacred-extrinsic": "foils.suspects:TacredExtrinsic",
        "gcse": "foils.doubt:Gcse",
        "cusa": "foils.doubt:Cusa",
    },
    "rule": {
        "shift": "foils.rules:Shift",
        "skip-best": "foils.rules:SkipBest",
        "rank-window": "foils.rules:RankWindow",
        "topk-abs": "foils.rules:TopkAbs",
        "score-range": "foils.rules:ScoreRange",
        "margin-pos": "foils.bands:MarginPos",
        "perc-pos": "foils.bands:PercPos",
        "band": "foils.bands:Band",
        "uni-me": "foils.bands:UniMe",
        "uni-me-v2": "foils.bands:UniMeV2",
        "mm-embed": "foils.rules:MmEmbed",
        "ecdf-threshold": "foils.bands:EcdfThreshold",
        "known-positive": "foils.dedup:KnownPositive",
        "exact-duplicate": "foils.dedup:ExactDuplicate",
        "near-duplicate": "foils.dedup:NearDuplicate",
        "same-source": "foils.dedup:SameSource",
        "answer-string": "foils.dedup:AnswerString",
        "drop-relevant": "foils.relabel:DropRelevant",
        "leave-unknown": "foils.relabel:LeaveUnknown",
    },
    "sampler": {
        "top": "foils.select:Top",
        "uniform": "foils.select:Uniform",
        "sim-ans": "foils.select:SimAns",
        "stride": "foils.select:Stride",
        "top-one-sampled": "foils.select:TopOneSampled",
        "deb-cse": "foils.select:DebCse",
        "mmr": "foils.diverse:Mmr",
        "k-means": "foils.diverse:KMeans",
        "quota": "foils.select:Quota",
        "within-risk": "foils.risk.select:WithinRisk",
        "rrra": "foils.doubt:Rrra",
    },
    "control": {
        "reuse-cap": "foils.limits:ReuseCap",
        "deepen": "foils.limits:Deepen",
    },
    "weight": {
        "uniform-weight": "foils.weigh:UniformWeight",
        "agreement": "foils.weigh:Agreement",
        "rank-weight": "foils.weigh:RankWeight",
        "score-weight": "foils.weigh:ScoreWeight",
        "soften": "foils.relabel:Soften",
        "dclr": "foils.doubt:Dclr",
        "cet": "foils.doubt:Cet",
        "pu-sar": "foils.doubt:PuSar",
    },
    "action": {
        "promote": "foils.relabel:Promote",
        "demote": "foils.relabel:Demote",
        "drop-query": "foils.relabel:DropQuery",
        "repair": "foils.relabel:Repair",
    },
}


def names() -> dict[str, str]:
    """Every method's name and kind, entry points of other packages included."""
    found = {name: kind for kind, methods in METHODS.items() for name in methods}
    for point in entry_points(group=GROUP):
        found.setdefault(point.name, "plugin")
    return found


def load(name: str) -> Any:
    """The class of a method.

    Raises:
        RecipeError: no method has this name; lists the nearest ones.
    """
    for methods in METHODS.values():
        if name in methods:
            module, _, attribute = methods[name].partition(":")
            return getattr(importlib.import_module(module), attribute)
    for point in entry_points(group=GROUP):
        if point.name == name:
            return point.load()
    raise RecipeError(f"no method is called {name!r}; known: {', '.join(sorted(names()))}")


def name_of(method: object) -> str:
    """The registered name of a method's class.

    Raises:
        RecipeError: the class is not registered, so a recipe file could not name it.
    """
    path = f"{type(method).__module__}:{type(method).__qualname__}"
    for methods in METHODS.values():
        for name, target in methods.items():
            if target == path:
                return name
    for point in entry_points(group=GROUP):
        if point.value == path:
            return point.name
    raise RecipeError(f"{path} is not registered, so a recipe cannot name it; add an entry point in group {GROUP!r}")
