import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foils.models import cache as module
from foils.models.cache import cached, open_folder, text_keys
from foils.models.checkpoint import fingerprint

TEXTS = ["one", "two", "three", "two", "four", "one", ""]


def maker(texts, made, size=2):
    def make(missing):
        for start in range(0, len(missing), size):
            where = missing[start : start + size]
            made.extend(texts[i] for i in where)
            yield where, np.array([[len(texts[i]), sum(map(ord, texts[i]))] for i in where], dtype=np.float32)

    return make


def expected(texts):
    return np.array([[len(t), sum(map(ord, t))] for t in texts], dtype=np.float32)


def test_each_distinct_text_is_made_once_and_rows_keep_their_order(tmp_path):
    folder = open_folder(tmp_path, {"model": "a"})
    made = []
    first = cached(folder, text_keys(TEXTS), maker(TEXTS, made))
    np.testing.assert_array_equal(first, expected(TEXTS))
    assert sorted(made) == sorted(set(TEXTS))
    more = [*TEXTS, "five", "six"]
    made.clear()
    np.testing.assert_array_equal(cached(folder, text_keys(more), maker(more, made)), expected(more))
    assert sorted(made) == ["five", "six"]


def test_without_a_folder_nothing_is_kept_but_duplicates_are_made_once():
    made = []
    np.testing.assert_array_equal(cached(None, text_keys(TEXTS), maker(TEXTS, made)), expected(TEXTS))
    assert len(made) == len(set(TEXTS))


def test_no_rows_make_nothing(tmp_path):
    assert cached(open_folder(tmp_path, {}), text_keys([]), maker([], [])).shape == (0, 0)


def test_any_difference_of_the_key_is_another_folder(tmp_path):
    what = {"fingerprint": "f", "prompt": "", "max_length": "None", "precision": "float32"}
    folders = {open_folder(tmp_path, what | {k: "other"}) for k in what} | {open_folder(tmp_path, what)}
    assert len(folders) == len(what) + 1
    assert json.loads((open_folder(tmp_path, what) / "key.json").read_text()) == what


def test_columns_are_not_run_together():
    keys = text_keys(["ab", "a", "ab"], ["c", "bc", "c"])
    assert keys[0] != keys[1]
    assert keys[0] == keys[2]
    assert keys.dtype.itemsize == 16


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "foreign"])
def test_a_damaged_shard_is_made_again(tmp_path, damage):
    folder = open_folder(tmp_path, {"model": "a"})
    keys = text_keys(TEXTS)
    cached(folder, keys, maker(TEXTS, []))
    (shard,) = folder.glob("*.npy")
    raw = bytearray(shard.read_bytes())
    if damage == "cut":
        shard.write_bytes(raw[:-9])
    elif damage == "flip":
        raw[-1] ^= 1
        shard.write_bytes(raw)
    elif damage == "empty":
        shard.write_bytes(b"")
    else:
        shard.rename(folder / "notes.npy")
    made = []
    np.testing.assert_array_equal(cached(folder, keys, maker(TEXTS, made)), expected(TEXTS))
    assert len(made) == len(set(TEXTS))
    made.clear()
    cached(folder, keys, maker(TEXTS, made))
    assert not made


def test_an_error_in_the_middle_keeps_what_was_made(tmp_path):
    folder = open_folder(tmp_path, {"model": "a"})
    keys = text_keys(TEXTS)

    def fails(missing):
        parts = maker(TEXTS, [])(missing)
        yield next(parts)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        cached(folder, keys, fails)
    made = []
    np.testing.assert_array_equal(cached(folder, keys, maker(TEXTS, made)), expected(TEXTS))
    assert len(made) == len(set(TEXTS)) - 2


def test_many_rows_are_written_in_several_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FLUSH_ROWS", 4)
    folder = open_folder(tmp_path, {})
    texts = [f"text {i}" for i in range(11)]
    cached(folder, text_keys(texts), maker(texts, []))
    names = sorted(p.name[:5] for p in folder.glob("*.npy"))
    assert names == ["00000", "00001", "00002"]


def test_a_large_result_lies_in_a_file_and_is_equal(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "IN_MEMORY_BYTES", 8)
    folder = open_folder(tmp_path, {})
    rows = cached(folder, text_keys(TEXTS), maker(TEXTS, []))
    assert isinstance(rows, np.memmap)
    np.testing.assert_array_equal(rows, expected(TEXTS))
    assert sorted(p.suffix for p in folder.iterdir()) == [".json", ".npy"]


def test_two_processes_may_write_at_once(tmp_path):
    code = (
        "import sys, time, numpy as np\n"
        "from pathlib import Path\n"
        "from foils.models import cache\n"
        "cache.FLUSH_ROWS = 5\n"
        "texts = [f'text {i}' for i in range(int(sys.argv[2]), int(sys.argv[3]))]\n"
        "def make(missing):\n"
        "    for i in missing:\n"
        "        time.sleep(0.005)\n"
        "        yield np.array([i]), np.array([[float(texts[i][5:])]], dtype=np.float32)\n"
        "cache.cached(cache.open_folder(Path(sys.argv[1]), {}), cache.text_keys(texts), make)\n"
    )
    spans = (("0", "60"), ("30", "90"))
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), *span]) for span in spans]
    assert [p.wait() for p in running] == [0, 0]
    texts = [f"text {i}" for i in range(90)]
    rows = cached(open_folder(tmp_path, {}), text_keys(texts), maker(texts, made := []))
    np.testing.assert_array_equal(rows[:, 0], np.arange(90))
    assert not made


@given(st.lists(st.text(max_size=6)), st.lists(st.text(max_size=6)))
def test_property_the_cache_never_changes_a_result(tmp_path_factory, before, after):
    folder = open_folder(tmp_path_factory.mktemp("cache"), {})
    cached(folder, text_keys(before), maker(before, []))
    rows = cached(folder, text_keys(after), maker(after, []))
    assert len(rows) == len(after)
    if after:
        np.testing.assert_array_equal(rows, expected(after))


def test_fingerprint_changes_with_weights_tokenizer_and_settings_only(tmp_path):
    model, memo = tmp_path / "model", tmp_path / "memo"
    (model / "1_Pooling").mkdir(parents=True)
    files = ("model.safetensors", "tokenizer.json", "1_Pooling/config.json")
    for name in files:
        (model / name).write_text("a")
    known = fingerprint(model, memo)
    assert known == fingerprint(str(model), memo) == fingerprint(model)
    (model / "README.md").write_text("changed")
    (model / ".cache").write_text("changed")
    assert fingerprint(model, memo) == known
    for name in files:
        # The same size, and the very next moment: only the content differs.
        (model / name).write_text("b")
        assert fingerprint(model, memo) != known
        (model / name).write_text("a")
        assert fingerprint(model, memo) == known
    (model / "tokenizer.json").rename(model / "tokenizer_config.json")
    assert fingerprint(model, memo) != known


def test_fingerprint_remembers_settled_files_and_survives_a_broken_memo(tmp_path, monkeypatch):
    from foils.models import checkpoint

    model, memo = tmp_path / "model", tmp_path / "memo"
    model.mkdir()
    (model / "model.safetensors").write_text("a")
    monkeypatch.setattr(checkpoint, "SETTLED", -1e9)
    known = fingerprint(model, memo)
    read = []
    monkeypatch.setattr(checkpoint, "_hash_file", lambda path: read.append(path) or "other")
    assert fingerprint(model, memo) == known
    assert not read
    (memo / "fingerprints.json").write_text("{broken")
    assert fingerprint(model, memo) != known
    assert read
