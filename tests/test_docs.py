"""The documents say what the code does."""

import re
from pathlib import Path

import pytest

from foils import catalogue, registry

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/*.md")])


def test_the_method_tables_are_those_of_the_docstrings():
    assert (ROOT / "docs" / "methods.md").read_text(encoding="utf-8") == catalogue.markdown(), (
        "run: foils methods --markdown > docs/methods.md"
    )


@pytest.mark.parametrize("name", sorted(registry.names()))
def test_every_method_has_an_effect_in_one_line(name):
    method = catalogue.describe(name, registry.names()[name])
    assert method.effect.endswith(".")
    assert 15 < len(method.effect) < 160


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_commands_in_the_pages_name_verbs_and_options_that_exist(page):
    from typer.main import get_command

    from foils.cli import app

    verbs = get_command(app).commands
    for verb, rest in re.findall(r"foils (\w+)((?: [^\n`|]*)?)", page.read_text(encoding="utf-8")):
        if verb not in verbs:
            continue
        known = {o for p in verbs[verb].params for o in p.opts} | {"--help"}
        for option in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", rest):
            assert option in known, f"foils {verb} has no {option}"


def test_the_ci_script_runs_the_readme_test_command():
    command = "pip install -c constraints.txt -e '.[dev]' && python -m pytest"
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
