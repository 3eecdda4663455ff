"""The models that pays.py starts from: all-MiniLM-L6-v2, and a weaker one without layers.

    pip install --no-deps wordllama==0.4.0.post1

WordLlama l2_supercat (Miller 2024; in that wheel, MIT as stated) is a table of 32,000 vectors of 256 numbers, made of
the token embeddings of Llama 2 70B, phi 3 and others; a text is the mean of its tokens' vectors, whatever their order.
Only its files are read, none of its code runs.
"""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path

from false_negatives import minilm

BASES = ("minilm", "wordllama")


def folder_of(base: str, cache: Path) -> str:
    """Where sentence-transformers finds a base.

    Args:
        base: ``minilm`` or ``wordllama``.
        cache: a folder to keep what has to be converted in.
    """
    return minilm() if base == "minilm" else str(_static(cache / "wordllama-l2-supercat-256"))


def _static(folder: Path) -> Path:
    """The wheel's vectors and tokenizer as a sentence-transformers folder; converted once."""
    if folder.exists():
        return folder
    from safetensors.torch import load_file
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding
    from tokenizers import Tokenizer

    # Looked up, not imported: importing it sets up logging and needs packages that reading two files does not.
    found = importlib.util.find_spec("wordllama")
    if found is None or found.origin is None:
        raise SystemExit("--base wordllama needs its wheel; run: pip install --no-deps wordllama==0.4.0.post1")
    package = Path(found.origin).parent
    tokenizer = Tokenizer.from_file(str(package / "tokenizers" / "l2_supercat_tokenizer_config.json"))
    weights = load_file(package / "weights" / "l2_supercat_256.safetensors")["embedding.weight"]
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, weights.float()), Normalize()], device="cpu")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        whole = Path(made) / "model"
        model.save_pretrained(str(whole), create_model_card=False)
        whole.rename(folder)
    return folder
