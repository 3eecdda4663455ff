"""The page on losses and the docstrings say what the code does."""

import doctest
import inspect
import re
from pathlib import Path

import pytest
import torch

from build import collection, scored
from foils.train import batches, clusters, halving, losses, masks, packing, vectors
from foils.train.losses import contrast, debias, distill, effects, geometry, pointwise, ranking, rows, suspects

PAGE = (Path(__file__).parent.parent / "docs" / "losses.md").read_text(encoding="utf-8")
FAMILIES = (contrast, debias, distill, effects, geometry, pointwise, ranking, suspects)
MODULES = (*FAMILIES, rows, batches, clusters, halving, masks, packing, vectors)


def public(module):
    found = inspect.getmembers(module, lambda f: inspect.isfunction(f) and f.__module__ == module.__name__)
    return {name: function for name, function in found if not name.startswith("_")}


FUNCTIONS = {name: getattr(losses, name) for name in losses.__all__} | public(vectors) | public(masks)


def test_the_package_names_every_loss():
    assert losses.__all__ == sorted(losses.__all__)
    # One part of hard_simple is shared within its family only.
    assert {name for family in FAMILIES for name in public(family)} - {"hardest"} == set(losses.__all__)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_the_page_names_every_function(name):
    assert f"`{name}`" in PAGE


def test_the_page_names_every_plan():
    plans = {n for n, c in vars(batches).items() if inspect.isclass(c) and issubclass(c, batches.Plan)} - {"Plan"}
    for name in plans:
        assert f"| `{name}` |" in PAGE


@pytest.mark.parametrize("row", re.findall(r"^\| `(\w+)` \|.*\|$", PAGE, flags=re.MULTILINE))
def test_the_defaults_of_the_page_are_those_of_the_code(row):
    line = next(line for line in PAGE.splitlines() if line.startswith(f"| `{row}` |"))
    said = set(re.findall(r"`(\w+=[^`]+)`", line.split(" | ")[-3 if row in FUNCTIONS else -2]))
    function = FUNCTIONS.get(row) or getattr(batches, row)
    options = inspect.signature(function).parameters.values()
    real = {f"{p.name}={p.default!r}" for p in options if p.default is not p.empty and p.default is not None}
    if row in FUNCTIONS:
        assert said == real
    else:
        assert said <= real


@pytest.mark.parametrize("name", sorted(set(losses.__all__) | set(public(vectors)) | set(public(masks))))
def test_every_argument_is_explained(name):
    text = inspect.getdoc(FUNCTIONS[name])
    for argument in inspect.signature(FUNCTIONS[name]).parameters:
        assert re.search(rf"^    {argument}: ", text, flags=re.MULTILINE), argument


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_examples_run(module):
    assert doctest.testmod(module, extraglobs={"torch": torch}).failed == 0


def test_the_code_of_the_page_runs():
    """Query 0's second positive and a copy above the margin go; the typed negative stays."""
    where = collection(queries=2, docs=4, positives=[("q0", "d00"), ("q0", "d03"), ("q1", "d01")])
    given = {
        "pairs": scored(where, {0: [(0, 0.9)], 1: [(1, 0.9)]}),
        "queries": torch.eye(2, 4),
        "documents": torch.tensor([[0.9, 0, 0, 0], [0, 0.9, 0, 0], [0.95, 0, 0, 0], [0.1, 0.1, 0, 0]]),
        "targets": torch.eye(2, 4),
        "query_ids": torch.tensor([0, 1]),
        "document_ids": torch.tensor([0, 1, 2, 3]),
        "owner": torch.tensor([0, 1, 0, 0]),
        "typed": torch.tensor([False, False, True, False]),
    }
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(code, given)  # noqa: S102
    assert given["suspect"].tolist() == [[False, False, False, True], [False] * 4]
    assert given["loss"].item() == pytest.approx(0.5 * (2.5 + 0.0789), abs=0.01)


def test_the_page_names_every_setting():
    from dataclasses import fields

    from foils.train.settings import Settings

    page = (Path(__file__).parent.parent / "docs" / "train.md").read_text(encoding="utf-8")
    table = page.split("## All settings")[1].split("## ")[0]
    named = {"kind": "--as", "mini_batch": "--mini-batch"}
    options = ("effort", "loss", "epochs", "batch", "negatives", "length", "lora", "seed")
    named |= {name: f"--{name}" for name in options}
    assert table.count("\n| `") == len(fields(Settings))
    assert [f.name for f in fields(Settings) if f"\n| `{named.get(f.name, f.name)}` |" not in table] == []
