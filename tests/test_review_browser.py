"""The review page in a real browser: by keyboard alone, over a killed server, and as accessible as can be checked."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from foils.collection import Collection
from foils.models.lsa import Lsa
from foils.recipes import Plan, default
from foils.run import Run, mine
from review_server import hostile, served

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("chromium is not installed (CHROMIUM names another path)", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="the python package playwright is not installed")
pytest.importorskip("uvicorn", reason="the extra review is not installed")

ALMANAC = Path(__file__).parent.parent / "examples" / "almanac"
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
def mined(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("browser") / "run"
    mine(Collection.read(ALMANAC), default(Plan((("lsa", Lsa(dims=32)),), n=4, depth=20)), out=folder)
    return folder


@pytest.fixture
def run(mined, tmp_path) -> Path:
    shutil.copytree(mined, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1100, "height": 760})
    found = context.new_page()
    found.set_default_timeout(60_000)
    found.problems = []
    found.on("console", lambda m: found.problems.append(m.text) if m.type in ("error", "warning") else None)
    found.on("pageerror", lambda e: found.problems.append(str(e)))
    found.on("dialog", lambda d: found.problems.append("a dialog") or d.dismiss())
    yield found
    context.close()


def begin(page, address: str) -> None:
    page.goto(address)
    page.wait_for_selector("form.decide")
    page.wait_for_load_state()  # the script of the keys runs after the page is read


def press(page, key: str) -> tuple[str, str]:
    """Press a key, wait for the next item; the pair that stood there."""
    pair = tuple(page.locator(f'form.decide input[name="{n}"]').input_value() for n in ("query", "doc"))
    with page.expect_navigation():
        page.keyboard.press(key)
    return pair


def standing(folder: Path) -> dict[tuple[str, str], float | None]:
    frame = Run.open(folder).verdicts.frame.filter(by="human:anna")
    return {
        (r["query_id"], r["doc_id"]): r["p_relevant"] for r in frame.iter_rows(named=True) if r["why"] != "not asked"
    }


def test_twenty_items_by_keyboard_over_a_killed_server(page, run):
    keys, given = "ynncynnnyc" * 2, {}
    meaning = {"y": 1.0, "n": 0.0, "c": None}
    for part in (keys[:9], keys[9:]):
        with served(run, "--person", "anna") as address:
            begin(page, address)
            for key in part:
                pair = press(page, key)
                assert pair not in given
                given[pair] = meaning[key]
                assert standing(run) == given  # the server is killed between two of them, and nothing is missing
    assert len(given) == 20
    assert page.problems == []


def test_undo_skip_notes_and_search_by_keyboard(page, run):
    with served(run, "--person", "anna") as address:
        begin(page, address)
        page.keyboard.press("m")
        page.keyboard.type("my note")
        page.keyboard.press("Enter")  # in a note, it is no answer
        page.keyboard.press("Escape")
        pair = press(page, "y")
        assert standing(run) == {pair: 1.0}
        assert page.locator(".last").inner_text().count("my note") == 1
        assert press(page, "u") != pair
        assert press(page, "n") == pair
        assert standing(run) == {pair: 0.0}
        skipped = press(page, "s")
        assert press(page, "n") != skipped
        page.keyboard.press("/")
        page.keyboard.type("river")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert "river" in page.locator("main").inner_text().lower()
        assert "search=river" in page.url
        press(page, "n")
        assert "search=river" in page.url
        with page.expect_navigation():
            page.click("text=Select again")
        page.wait_for_function("() => true")
        for _ in range(100):
            page.reload()
            if "selected again" in page.locator("body").inner_text():
                break
            page.wait_for_timeout(200)
        assert "selected again" in page.locator("[role=status]").inner_text()
    assert page.problems == []


def test_hostile_documents_run_nothing(page, tmp_path):
    with served(hostile(tmp_path / "run"), "--person", "anna") as address:
        begin(page, address)
        for _ in range(12):
            press(page, "n")
            assert page.locator("form").count() == 4
            assert page.locator("main script, main img, main a").count() == 0
    assert page.problems == []


def test_the_focus_goes_round_in_reading_order(page, run):
    with served(run, "--person", "anna") as address:
        begin(page, address)
        seen = []
        for _ in range(10):
            page.keyboard.press("Tab")
            seen.append(page.evaluate("(document.activeElement.innerText || document.activeElement.name).trim()"))
    names = ["Summary", "Select again", "Filter and search", "Ranks and scores", "Relevant Y", "Not relevant N"]
    names += ["Cannot tell C", "Skip S", "note"]
    assert [s.replace("\n", " ") for s in seen[: len(names)]] == names


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1100, 390])
def test_axe_finds_nothing_serious(browser, run, scheme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(60_000)
    with served(run, "--person", "anna") as address:
        begin(page, address)
        press(page, "n")
        root = address.partition("?")[0]
        for path in ("", "?search=river", "summary"):
            page.goto(root + path)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"
            found = axe.Axe().run(page).response["violations"]
            assert [(v["id"], [n["html"] for n in v["nodes"]]) for v in found] == []
    context.close()
