"""foils audit as a user meets it: real processes, real exit codes."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

GOOD = {
    "query": "who rang the bell",
    "pos": ["the sexton rang the bell"],
    "neg": ["the bell is of bronze", "a tower has stairs"],
}
BAD = GOOD | {"query": "who rang the other bell", "neg": ["The sexton rang the bell ", "a tower has stairs"]}


def foils(*args: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"COLUMNS": "100", "NO_COLOR": "1"}
    # Quiet: on a busy machine a search that takes ten seconds says so.
    command = [sys.executable, "-m", "foils", "audit", *map(str, args), *(["--quiet"] if args else [])]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my train.jsonl").write_text("".join(json.dumps(r) + "\n" for r in (GOOD, BAD)), encoding="utf-8")
    return tmp_path


def test_the_command_that_a_finding_names_repairs_it(folder: Path) -> None:
    first = foils("my train.jsonl", cwd=folder)
    assert first.returncode == 0, first.stderr
    assert first.stderr == ""
    assert first.stdout.startswith("my train.jsonl: 2 rows, 2 queries, 2 positives, 4 negatives; 1 error\n")
    assert "ERROR copy-of-positive: copies of a positive under another id or in another spelling" in first.stdout
    assert "    row 2: who rang the other bell\n" in first.stdout
    command = first.stdout.split("repair: foils audit ")[1].splitlines()[0]
    assert command == "'my train.jsonl' --fix -o 'fixed-my train.jsonl'"
    second = foils("my train.jsonl", "--fix", "-o", "fixed-my train.jsonl", cwd=folder)
    assert second.returncode == 0, second.stderr
    assert "wrote fixed-my train.jsonl: 2 of 2 rows\n  1 copy-of-positive: dropped\n" in second.stdout
    lines = (folder / "fixed-my train.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines[0] == json.dumps(GOOD)
    assert json.loads(lines[1]) == BAD | {"neg": ["a tower has stairs"]}
    third = foils("fixed-my train.jsonl", cwd=folder)
    assert "copy-of-positive" not in third.stdout


def test_json_and_the_page(folder: Path) -> None:
    done = foils("my train.jsonl", "--json", "--report", "page.html", "--fix", "-o", "out.jsonl", cwd=folder)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["findings"][0]["key"] == "copy-of-positive"
    assert told["fixed"] == {
        "path": "out.jsonl", "rows": 2, "before": 2, "notes": [], "risk": None,
        "changes": [{"key": "copy-of-positive", "action": "dropped", "times": 1}],
    }  # fmt: skip
    page = (folder / "page.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "The sexton rang the bell" in page


def test_a_risk_is_stated_and_kept(folder: Path) -> None:
    rng = random.Random(3)
    nouns = [
        "river",
        "house",
        "train",
        "garden",
        "window",
        "letter",
        "bridge",
        "winter",
        "market",
        "teacher",
        "forest",
        "kitchen",
    ]
    words = [noun + end for noun in nouns for end in ("", "s", "er", "ing", "ly")]
    rows = []
    for _ in range(60):
        right = rng.sample(words, 12)
        hidden = " ".join([*rng.sample(right, 10), "hidden"])
        wrong = [" ".join(rng.sample(words, 12)) for _ in range(3)]
        rows.append({"query": " ".join(right[:4]), "pos": [" ".join(right)], "neg": [hidden, *wrong]})
    (folder / "many.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    done = foils("many.jsonl", "--risk", "0.05", "--fix", "-o", "less.jsonl", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["risk"]["state"] == "above"
    assert told["risk"]["low"] < told["risk"]["rate"] < told["risk"]["high"]
    assert "shipped detector" in told["risk"]["why"]
    assert told["fixed"]["risk"]["rate"] <= 0.05
    kept = [json.loads(line)["neg"] for line in (folder / "less.jsonl").read_text(encoding="utf-8").splitlines()]
    assert sum(len(neg) for neg in kept) == told["fixed"]["risk"]["negatives"]
    before, after = 60 / 240, sum("hidden" in t for neg in kept for t in neg) / sum(map(len, kept))
    assert after < before


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("none.jsonl",), "none.jsonl does not exist"),
        ((".",), "is a folder"),
        (("notes.md",), "notes.md is no file that foils reads"),
        (("empty.jsonl",), "is empty"),
        (("words.jsonl",), "cannot be read"),
        (("my train.jsonl", "-o", "x.jsonl"), "add --fix"),
        (("my train.jsonl", "--fix"), "-o 'fixed-my train.jsonl'"),
        (("my train.jsonl", "--promote"), "--promote: belongs to --fix"),
        (("my train.jsonl", "--fix", "-o", "my train.jsonl"), "is the file itself"),
        (("my train.jsonl", "--fix", "-o", "x.csv"), "x.csv must end in .jsonl"),
        (("my train.jsonl", "--fix", "-o", "notes.md/x.jsonl"), "is no folder that can be written"),
        (("my train.jsonl", "--fix", "-o", "x.jsonl", "--also", "typo"), "no fix is called 'typo'"),
        (("my train.jsonl", "--fix", "-o", "x.jsonl", "--also", "false-negative"), "--risk R"),
        (("my train.jsonl", "--risk", "5"), "must be a share"),
        (("my train.jsonl", "--risk", "0.05"), "of 2 queries"),
        (("my train.jsonl", "--data", "nowhere"), "nowhere"),
        (("my train.jsonl", "--verdicts", "nowhere.parquet"), "nowhere.parquet does not exist"),
        (("my train.jsonl", "--report", "x.pdf"), "must end in .html"),
    ],
)
def test_mistakes_get_one_sentence_and_exit_code_1(folder: Path, args: tuple[str, ...], message: str) -> None:
    (folder / "empty.jsonl").touch()
    (folder / "notes.md").write_text("# Notes\n", encoding="utf-8")
    (folder / "words.jsonl").write_text("not a row\nnor this\n", encoding="utf-8")
    before = (folder / "my train.jsonl").read_bytes()
    done = foils(*args, cwd=folder)
    assert done.returncode == 1, done.stderr
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert (folder / "my train.jsonl").read_bytes() == before
    assert not (folder / "x.jsonl").exists()


def test_wrong_usage_is_exit_code_2(folder: Path) -> None:
    assert foils(cwd=folder).returncode == 2
    assert foils("my train.jsonl", "--negatives", "0", cwd=folder).returncode == 2
    assert foils("my train.jsonl", "--short", "never", cwd=folder).returncode == 2
