"""Selected negatives as files that trainers read unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from foils.collection import Finding
from foils.errors import RecipeError
from foils.pairs import Pairs
from foils.writers import columns, grouped, stores
from foils.writers.options import Format, Options
from foils.writers.output import write_all
from foils.writers.selection import Selection, select

__all__ = ["FORMATS", "Format", "Written", "export"]

_ST = "sentence-transformers"
_TABLES = (".jsonl", ".parquet")
_FLAT = (".jsonl", ".parquet", ".csv")
_DATASET = 'datasets.load_dataset("json", data_files="{path}", split="train")'

FORMATS: Mapping[str, Format] = {
    "st-triplet": Format(_ST, _DATASET, _FLAT, columns.triplet, takes=("sidecar",)),
    "st-n-tuple": Format(_ST, _DATASET, _FLAT, columns.n_tuple, "fixed", takes=("sidecar",)),
    "st-labeled-pair": Format(_ST, _DATASET, _FLAT, columns.labeled_pair, takes=("sidecar",)),
    "st-labeled-list": Format(_ST, _DATASET, _TABLES, columns.labeled_list, takes=("sidecar",)),
    "trl": Format("TRL", _DATASET, _FLAT, columns.preference),
    "flagembedding": Format(
        "FlagEmbedding, embedding models",
        "torchrun -m FlagEmbedding.finetune.embedder.encoder_only.base --train_data {path}",
        (".jsonl",),
        grouped.flagembedding,
        takes=("prompt",),
    ),
    "flagembedding-reranker": Format(
        "FlagEmbedding, rerankers",
        "torchrun -m FlagEmbedding.finetune.reranker.encoder_only.base --train_data {path}",
        (".jsonl",),
        grouped.flagembedding_reranker,
        takes=("prompt",),
    ),
    "tevatron": Format(
        "Tevatron",
        "python -m tevatron.retriever.driver.train --dataset_name json --dataset_path {path}",
        _TABLES,
        grouped.tevatron,
    ),
    "tevatron-ids": Format(
        "Tevatron, documents by id",
        "python -m tevatron.retriever.driver.train --dataset_name json --dataset_path {path} "
        "--corpus_name json --corpus_path {companion}",
        _TABLES,
        stores.tevatron_ids,
    ),
    "rlhn": Format("RLHN", _DATASET, _TABLES, grouped.rlhn),
    "dpr": Format("DPR", "python train_dense_encoder.py train_datasets=[{path}]", (".json",), grouped.dpr),
    "nemo": Format(
        "NeMo Automodel",
        'nemo_automodel.components.datasets.llm.retrieval_dataset.make_retrieval_dataset("{path}")',
        (".json",),
        stores.nemo,
    ),
    "nemo-inline": Format(
        "NeMo Automodel, texts inline",
        'nemo_automodel.components.datasets.llm.retrieval_dataset_inline.make_retrieval_dataset("{path}")',
        (".jsonl",),
        grouped.nemo_inline,
    ),
    "ms-swift": Format(
        "ms-swift, embedding models",
        "swift sft --task_type embedding --loss_type infonce --dataset {path}",
        (".jsonl",),
        grouped.ms_swift,
        takes=("prompt",),
    ),
    "ms-swift-reranker": Format(
        "ms-swift, rerankers",
        "swift sft --task_type reranker --loss_type listwise_reranker --dataset {path}",
        (".jsonl",),
        grouped.ms_swift_reranker,
        takes=("prompt",),
    ),
    "pylate-kd": Format(
        "PyLate",
        "train.set_transform(pylate.utils.KDProcessing(queries=queries, documents=documents).transform)",
        _TABLES,
        stores.pylate_kd,
        "fixed",
        needs_score=True,
    ),
    "gpl": Format(
        "GPL",
        'gpl.train(path_to_generated_data="{path}", ...)',
        (),
        stores.gpl,
        needs_score=True,
    ),
    "beir": Format(
        "BEIR and everything that reads it",
        'beir.datasets.data_loader.GenericDataLoader("{path}").load(split="train")',
        (),
        stores.beir,
        "whole",
    ),
    "trec-run": Format(
        "trec_eval, Tevatron, Pyserini",
        'ir_measures.read_trec_run("{path}")',
        (".trec", ".run", ".txt"),
        stores.trec_run,
        "whole",
    ),
}


@dataclass(frozen=True)
class Written:
    """What an export wrote.

    Args:
        format: its name.
        files: the paths, the main file (or the folder's main file) first.
        rows: of the main file.
        skipped: what was selected and is not in the files, how many, and why, with examples of query ids.
    """

    format: str
    files: tuple[Path, ...]
    rows: int
    skipped: tuple[Finding, ...] = ()


def export(
    pairs: Pairs,
    to: str,
    path: str | Path,
    *,
    scores: str | None = None,
    negatives: int | None = None,
    prompt: str | None = None,
    sidecar: bool = False,
) -> Written:
    """Write the selected negatives and their positives in a trainer's format: all of its files, or none.

    Formats with one positive per row get a row for each positive of a query; list formats get all of them. Negatives
    stand in order: by ``scores`` from high to low, without it by their best rank at any source; ties by document id.
    No negative occurs twice for a query, and none that is a positive of it, be it under another id with the same
    text. Title and text are joined by a space unless the format has a field for titles. The same pairs give the
    same bytes.

    Args:
        pairs: the negatives are the live rows, the positives the rows marked positive.
        to: a key of ``FORMATS``.
        path: of the file; its suffix chooses the kind of file. For ``gpl`` and ``beir`` of a folder.
        scores: a score column to write with the texts, and to order negatives by.
        negatives: at most so many per query, the first ones. Formats whose rows must have the same number take
            queries with exactly so many or more; null there: the number that keeps the most negatives.
        prompt: an instruction for the queries, for the formats of FlagEmbedding and ms-swift.
        sidecar: write ids, scores, weight, kind and origin to ``STEM.ids.jsonl``, line by line, for the formats of
            sentence-transformers, which take every column as a text or a label.

    Raises:
        RecipeError: no such format, score, or kind of file, or an option that the format has no place for.
        DataError: nothing is selected, a score is missing or not finite, or a file cannot be written.

    >>> import polars as pl, tempfile
    >>> from foils.collection import build
    >>> corpus = pl.DataFrame({"id": ["a", "b"], "text": ["Paris is in France.", "Lyon is in France."]})
    >>> queries = pl.DataFrame({"id": ["1"], "text": ["Where is Paris?"]})
    >>> labels = pl.DataFrame({"query_id": ["1"], "doc_id": ["a"], "grade": [1]})
    >>> schema = {"query": pl.UInt32, "doc": pl.UInt32, "rank": pl.Int32}
    >>> found = pl.DataFrame({"query": [0], "doc": [1], "rank": [1]}, schema)
    >>> pairs = Pairs.start(build(corpus, queries, labels)).add("bm25", found)
    >>> written = export(pairs, "st-triplet", Path(tempfile.mkdtemp()) / "train.jsonl")
    >>> print(written.files[0].read_text().strip())
    {"query":"Where is Paris?","answer":"Paris is in France.","negative":"Lyon is in France."}
    """
    path = Path(path)
    form = _check(to, path, scores, negatives, {"prompt": prompt is not None, "sidecar": sidecar})
    chosen = _limit(select(pairs, scores, whole=form.shape == "whole"), form, negatives)
    built = form.build(chosen, path, Options(prompt, sidecar))
    write_all(built.outputs)
    return Written(to, tuple(o.path for o in built.outputs), built.rows, chosen.skipped)


def _check(to: str, path: Path, scores: str | None, negatives: int | None, asked: Mapping[str, bool]) -> Format:
    if to not in FORMATS:
        raise RecipeError(f"there is no format {to!r}; known: {', '.join(FORMATS)}")
    form = FORMATS[to]
    if form.suffixes and path.suffix not in form.suffixes:
        raise RecipeError(f"{to} is written to {' or '.join(form.suffixes)} files, not to {path.name!r}")
    if not form.suffixes and path.suffix in (".jsonl", ".json", ".parquet", ".csv", ".tsv"):
        raise RecipeError(f"{to} is written to a folder; {path.name!r} looks like a file")
    if form.needs_score and scores is None:
        raise RecipeError(f"{to} has no meaning without scores; name a score column")
    if negatives is not None and negatives < 1:
        raise RecipeError(f"negatives={negatives} leaves none; it must be at least 1")
    for option, wanted in asked.items():
        if wanted and option not in form.takes:
            able = ", ".join(name for name, f in FORMATS.items() if option in f.takes)
            raise RecipeError(f"{to} has no place for {option}; formats that have: {able}")
    return form


def _limit(chosen: Selection, form: Format, negatives: int | None) -> Selection:
    if form.shape == "fixed":
        return chosen.exactly(negatives)
    return chosen.first(negatives) if negatives else chosen
