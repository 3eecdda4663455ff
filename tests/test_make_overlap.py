"""Nothing that ships with foils stands in the probe sets: no run of eight words in common."""

import json
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROBES = Path(os.environ.get("FOILS_DATA", ROOT.parent / "shared" / "data")) / "probes"
RUN = 8
WORD = re.compile(r"[^\W_]+")
SHIPPED = sorted(
    p
    for folder in ("examples", "src/foils/make/lexicon", "src/foils/probes")
    for p in (ROOT / folder).rglob("*")
    if p.suffix in (".jsonl", ".tsv", ".py", ".md", ".txt")
)


def runs(text, size=RUN):
    words = [w.lower() for w in WORD.findall(text)]
    return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}


def texts(value):
    """All strings in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def test_runs_of_words():
    assert runs("a b c", 2) == {("a", "b"), ("b", "c")}
    assert runs("a b", 3) == set()
    assert list(texts({"a": ["x", {"b": "y"}], "c": 3})) == ["x", "y"]


def test_nothing_shipped_is_in_the_probe_sets():
    files = sorted(PROBES.glob("*.jsonl"))
    if not files:
        pytest.skip(f"no probe sets in {PROBES}; set FOILS_DATA to look")
    ours = {run: path.name for path in SHIPPED for run in runs(path.read_text(encoding="utf-8"))}
    assert len(ours) > 1000
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            for text in texts(json.loads(line)):
                shared = runs(text) & ours.keys()
                assert not shared, (file.name, ours[next(iter(shared))], " ".join(next(iter(shared))))
