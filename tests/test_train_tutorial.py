"""The tutorial, from top to bottom, in its small form: its own commands, with a tiny model in MiniLM's place."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tiny

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
# 220 of the 300 questions, and batches that a test can wait for.
SMALL = {"foils train": " --batch 16 --length 32 --device cpu"}


@pytest.mark.slow
def test_the_tutorial_runs_from_top_to_bottom(tmp_path):
    pytest.importorskip("ir_measures")
    (tmp_path / "examples").mkdir()
    subprocess.run(["cp", "-r", str(ROOT / "examples" / "almanac"), str(tmp_path / "examples")], check=True)
    labels = tmp_path / "examples" / "almanac" / "qrels" / "train.tsv"
    lines = labels.read_text().splitlines()
    labels.write_text(
        "\n".join([lines[0], *(line for line in lines[1:] if line.split("\t")[1] != "lost-1")][:221]) + "\n"
    )
    model = tiny.encoder(tmp_path)
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if not line.startswith("pip ")]
    assert [line.split()[1] for line in lines if line.startswith("foils ")] == [
        "mine",
        "report",
        "explain",
        "train",
        "evaluate",
    ]
    script = "\n".join("MODEL=model/model" if line.startswith("MODEL=") else line for line in lines)
    for start, more in SMALL.items():
        script = re.sub(rf"^({start} .*)$", rf"\1{more}", script, flags=re.MULTILINE)
    script = script.replace("model/model", model)
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "FOILS_CACHE": str(tmp_path / "cache"),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    done = subprocess.run(
        ["sh", "-ec", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "held-out queries" in done.stdout
    assert (tmp_path / "models" / "almanac" / "README.md").is_file()
    assert (tmp_path / "minilm.html").is_file()
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    found = subprocess.run(
        [sys.executable, "-c", code + "print(queries.shape)"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "(1, 32)"


def test_the_page_on_training_names_every_loss_schedule_and_dial():
    from foils.train.objective import LOSSES, TAUGHT
    from foils.train.remine import Remine
    from foils.train.schedule import Conan, Dbpm, Hardness, Risk
    from foils.train.settings import EFFORT, RERANKER
    from foils.train.turns import Ar2

    page = (ROOT / "docs" / "train.md").read_text(encoding="utf-8")
    for name in (*LOSSES, *TAUGHT):
        assert f"`{name}`" in page or f"`--loss {name}`" in page, name
    for kind in (Remine, Conan, Dbpm, Hardness, Risk, Ar2):
        (row,) = re.findall(rf"^\| `{kind.name}` \|.*$", page, flags=re.MULTILINE)
        said = dict(re.findall(r"`(\w+)=([^`]+)`", row.rpartition(" | ")[2]))
        made = kind()
        for option, value in said.items():
            real = getattr(made, option)
            assert option == "ranker" or type(real)(value) == real or value == str(real).lower(), (kind.name, option)
    dial = {"epochs": "epochs", "tokens per text": "length", "evaluations": "evaluations"}
    for words, name in dial.items():
        assert f"| {words} | {' | '.join(str(EFFORT[e][name]) for e in EFFORT)} |" in page
    for words, name in {"rows per step": "batch", "negatives per row": "negatives"}.items():
        cells = " | ".join(f"{EFFORT[e][name]} ({RERANKER[e][name]})" for e in EFFORT)
        assert f"| {words}, retriever (reranker) | {cells} |" in page
