"""The report in a real browser: nothing loaded, nothing wider than the screen, readable, accessible."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from foils import made, recipe_file
from foils.collection import Collection
from foils.making import Wish, make_into
from foils.models.lsa import Lsa
from foils.recipes import Plan, default
from foils.report import render
from foils.run import Run, mine

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("chromium is not installed (CHROMIUM names another path)", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="the python package playwright is not installed")

ALMANAC = Path(__file__).parent.parent / "examples" / "almanac"
# The smallest words of a chart as they stand on the screen, in pixels.
SMALLEST = """() => Math.min(...[...document.querySelectorAll('.chart text')].filter(t => t.getClientRects().length)
  .map(t => parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a))"""
# Words of a chart that stand outside of the page.
OUTSIDE = """() => [...document.querySelectorAll('.chart text')].filter(t => t.getClientRects().length)
  .filter(t => { const b = t.getBoundingClientRect(); return b.left < 0 || b.right > innerWidth })
  .map(t => t.textContent)"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default::ResourceWarning", "default::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """The report of a run with typed negatives, so that every section is on it."""
    folder = tmp_path_factory.mktemp("report")
    mined = mine(Collection.read(ALMANAC), default(Plan((("lsa", Lsa(dims=32)),), n=4, depth=20)), out=folder / "mined")
    make_into(mined, Wish(safety=0.0, side="both", twins=True), out=folder / "run")
    run = Run.open(folder / "run")
    html = render(
        run.pairs, title="almanac", recipe=recipe_file.dumps(run.recipe), ledger=run.ledger, made=made.read(run.folder)
    )
    assert len(html.encode()) < 400_000
    (folder / "report.html").write_text(html, encoding="utf-8")
    return folder / "report.html"


# Colours depend on the scheme, layout on the width.
@pytest.mark.parametrize(("scheme", "width"), [("dark", 1100), ("light", 390)])
def test_readable_and_accessible(browser, written, scheme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(60_000)
    problems, asked = [], []
    page.on("console", lambda m: problems.append(m.text) if m.type in ("error", "warning") else None)
    page.on("request", lambda r: asked.append(r.url))
    page.goto(written.as_uri())
    assert asked == [written.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"
    assert page.evaluate(SMALLEST) >= 11
    assert page.evaluate(OUTSIDE) == []
    assert page.locator("section").count() >= 10
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways when all is open"
    found = axe.Axe().run(page).response["violations"]
    assert [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in found] == []
    assert problems == []
    context.close()


def test_it_prints_in_black_on_white(browser, written, tmp_path):
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(written.as_uri())
    page.emulate_media(media="print")
    colours = "getComputedStyle(document.body).backgroundColor + getComputedStyle(document.body).color"
    assert page.evaluate(colours) == "rgb(255, 255, 255)rgb(0, 0, 0)"
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert len(page.pdf(format="A4")) > 50_000
    context.close()
