"""The documentation site: it builds, loads nothing from elsewhere, shows every method, and its commands run."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import polars as pl
import pytest

import foils
from foils import registry

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
sys.path.insert(0, str(ROOT / "benchmarks"))
import gallery  # noqa: E402

# Other scripts of that folder have the names of packages that libraries look for.
sys.path.pop(0)

# What is drawn again: of each kind of picture one that takes well under a second.
SAMPLE = (
    "rule-shift",
    "rule-exact-duplicate",
    "sampler-stride",
    "weight-rank-weight",
    "score-rrf",
    "source-bm25",
    "judge-answer",
    "chat-chat-pace",
    "make-year",
    "loss-pair_logistic",
    "schedule-conan",
)
# One process for all commands of a page: starting Python anew for each would take most of the time.
DRIVER = """
import json, sys
from typer.main import get_command
from foils.cli import app
command = get_command(app)
for args in json.load(sys.stdin):
    try:
        command(args, prog_name="foils", standalone_mode=False)
    except BaseException as error:
        sys.exit(f"foils {' '.join(args)}: {type(error).__name__}: {error}")
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site") / "site"
    pytest.importorskip("mkdocs", reason="pip install 'foils[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    env = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_every_page_is_built(site):
    built = {p.stem for p in site.glob("*.html")}
    assert {p.stem for p in DOCS.glob("*.md")} <= built
    assert not list(site.rglob("*.sh"))


def test_no_page_loads_anything_from_elsewhere(site):
    """Links lead out, on request; fonts, scripts, styles and pictures do not come from there."""
    loads = re.compile(r"<(?:script|img|iframe)[^>]*\ssrc=\"?(?:https?:)?//|<link[^>]*\shref=\"?(?:https?:)?//[^>]*")
    for page in site.glob("*.html"):
        found = [m for m in loads.findall(page.read_text(encoding="utf-8")) if 'rel="canonical"' not in m]
        assert not found, (page.name, found[:2])
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(\s*[\"']?(?:https?:)?//|@import", sheet.read_text(encoding="utf-8")), sheet


@pytest.mark.slow
@pytest.mark.filterwarnings("default::ResourceWarning", "default::pytest.PytestUnraisableExceptionWarning")
def test_the_site_opens_from_a_disk_without_a_network(site):
    """In Chromium: only files are asked for, no script fails, no page is wider than a phone, the search finds."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("chromium is not installed (CHROMIUM names another path)")
    playwright = pytest.importorskip("playwright.sync_api", reason="the python package playwright is not installed")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
        asked, wrong = [], []
        page.on("request", lambda r: asked.append(r.url))
        page.on("pageerror", lambda e: wrong.append(str(e)))
        for name in ("index", "start", "concepts", "faq", "gallery", "gallery-training"):
            page.goto((site / f"{name}.html").as_uri())
            page.wait_for_load_state()
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
            if name in ("index", "faq"):
                found = axe.Axe().run(page).response["violations"]
                assert not [v["id"] for v in found if v["impact"] in ("serious", "critical")], name
        page.goto((site / "index.html").as_uri() + "?q=hardness")
        page.wait_for_selector("article.md-search-result__article", state="attached", timeout=20_000)
        browser.close()
    assert not wrong
    assert {url.partition(":")[0] for url in asked} <= {"file", "data", "blob", "about"}


def test_the_faq_has_an_answer_to_each_of_its_questions():
    parts = re.split(r"^## ", (DOCS / "faq.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert len(parts) == 22
    for part in parts:
        assert "```" in part, part
        assert "](" in part or "foils compare" in part, part


@pytest.mark.parametrize("method", list(gallery.shown()), ids=lambda m: f"{m.kind}-{m.name}")
def test_every_method_has_a_small_picture_with_a_title(method):
    file = gallery.file_of(method.kind, method.name)
    assert file.is_file(), f"run: python benchmarks/gallery.py {method.name}"
    raw = file.read_text(encoding="utf-8")
    assert len(raw.encode()) < 6_144
    root = ET.fromstring(raw)  # noqa: S314 (our own file)
    title = root.find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert len(title.text) > 15
    assert "prefers-color-scheme:dark" in raw
    assert not re.search(r"<script|href=|url\(", raw)


def test_no_picture_is_left_over():
    there = {p.name for p in gallery.FOLDER.glob("*.svg")} - {"legend.svg"}
    assert there == {gallery.file_of(m.kind, m.name).name for m in gallery.shown()}


@pytest.mark.parametrize("page", gallery.PAGES)
def test_the_gallery_is_that_of_the_docstrings_and_pictures(page):
    assert (DOCS / page).read_text(encoding="utf-8") == gallery.page(page), "run: python benchmarks/gallery.py legend"


def test_every_kind_has_its_place():
    assert {kind for _, _, kinds in gallery.PAGES.values() for kind in kinds} == set(gallery.SECTIONS)
    assert {*registry.METHODS, "recipe", "make"} <= set(gallery.SECTIONS)


@pytest.mark.parametrize("picture", SAMPLE)
def test_the_script_draws_the_same_again(picture):
    kind, _, name = picture.partition("-")
    there = gallery.file_of(kind, name).read_text(encoding="utf-8")
    number = re.compile(r"-?\d+(?:\.\d+)?")
    drawn = gallery.draw(kind, name)
    assert number.sub("", there) == number.sub("", drawn), f"run: python benchmarks/gallery.py {name}"
    # Another processor rounds other sums.
    before, now = ([float(n) for n in number.findall(svg)] for svg in (there, drawn))
    assert before == pytest.approx(now, abs=1), f"run: python benchmarks/gallery.py {name}"


def test_a_picture_shows_what_the_method_does():
    """Shift drops the first ten but the positive: hollow signs there, filled ones behind."""
    root = ET.fromstring(gallery.draw("rule", "shift"))  # noqa: S314
    marks = [e for e in root if e.get("class") in ("k", "o", "f", "u", "p") and e.tag.endswith(("circle", "path"))]

    def place(mark):
        return float(mark.get("cx") or re.match(r"M([\d.]+)", mark.get("d"))[1])

    order = [m.get("class") for m in sorted(marks, key=place)]
    assert order.count("p") == 1
    assert "p" in order[:11]
    assert {*order[:11]} == {"o", "u", "p"}
    assert {*order[11:]} == {"k", "f", "o"}
    assert order[11:].count("o") == 1  # a copy of another candidate


@pytest.mark.slow
def test_the_example_of_the_concepts_is_what_happens():
    """The numbers of the page are those of the run that it names."""
    page = (DOCS / "concepts.md").read_text(encoding="utf-8")
    almanac = ROOT / "examples" / "almanac"
    run = foils.mine(foils.Collection.read(almanac))
    where = run.pairs.collection
    truth = {tuple(row.split("\t")[:2]) for row in (almanac / "truth.tsv").read_text(encoding="utf-8").splitlines()}
    frame = run.pairs.frame.filter(pl.col("query") == where.queries["id"].to_list().index("q001"))
    frame = frame.filter(~pl.col("positive")).with_columns(id=pl.lit(where.corpus["id"]).gather(pl.col("doc")))
    found = {row["id"]: row for row in frame.iter_rows(named=True)}
    true = [row for name, row in found.items() if ("q001", name) in truth]
    assert f"find {len(found)} candidates, the four among them" in page
    assert len(true) == 4
    (leader,) = (row for row in true if row["dropped"] == "likely relevant")
    assert leader["rank.bm25"] == leader["rank.lsa"] == 1
    rest = [row["p_relevant"] for row in true if row is not leader]
    assert f"sure of that one ({leader['p_relevant']:.2f})" in page
    assert f"other three ({min(rest):.2f} to {max(rest):.2f})" in page
    assert f"unlikely ({found['mitterrand-5']['p_relevant']:.2f})" in page
    assert {row["dropped"] for row in true if row is not leader} == {"not drawn"}
    chosen = [name for name, row in found.items() if row["dropped"] is None]
    assert len(chosen) == 8
    assert not any(("q001", name) in truth for name in chosen)


def small(folder, questions=40, every=6):
    """A few questions of the almanac with their answers, and 100 passages more; the layout of the whole."""
    source = ROOT / "examples" / "almanac"
    (folder / "qrels").mkdir(parents=True)
    queries = (source / "queries.jsonl").read_text(encoding="utf-8").splitlines()[:questions]
    ids = {json.loads(q)["_id"] for q in queries}
    kept = {}
    for name in ("qrels/train.tsv", "truth.tsv"):
        head, *rows = (source / name).read_text(encoding="utf-8").splitlines()
        kept[name] = [r for r in rows if r.split("\t")[0] in ids and r.split("\t")[1] != "lost-1"]
        (folder / name).write_text("\n".join([head, *kept[name]]) + "\n", encoding="utf-8")
    wanted = {r.split("\t")[1] for r in kept["truth.tsv"]}
    docs = [json.loads(d) for d in (source / "corpus.jsonl").read_text(encoding="utf-8").splitlines()]
    chosen = [d for i, d in enumerate(docs) if d["_id"] in wanted or i % every == 0]
    for i, doc in enumerate(chosen):
        doc["language"] = ("en", "de")[i % 2]
    (folder / "queries.jsonl").write_text("\n".join(queries) + "\n", encoding="utf-8")
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, chosen)) + "\n", encoding="utf-8")
    return [r.split("\t") for r in kept["qrels/train.tsv"]], [d["_id"] for d in chosen]


def commands(page):
    """The lines of a page's shell blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def drive(lines, folder):
    """Run foils commands one after the other in a folder."""
    env = os.environ | {"FOILS_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    given = json.dumps([shlex.split(line)[1:] for line in lines])
    done = subprocess.run(
        [sys.executable, "-c", DRIVER], input=given, cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_the_commands_of_the_first_page_run(tmp_path):
    small(tmp_path / "examples" / "almanac")
    lines = [line for line in commands("start.md") if line.startswith("foils ")]
    verbs = ["mine", "mine", "explain", "explain", "compare", "judge", "export"]
    assert [line.split()[1] for line in lines] == verbs
    said = drive(lines, tmp_path)
    assert "estimated" in said
    assert "mitterrand-4 was found by" in said
    assert (tmp_path / "runs" / "almanac" / "report.html").is_file()
    rows = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) >= 100
    assert set(rows[0]) == {"query", "answer", "negative"}


@pytest.mark.slow
def test_the_commands_of_the_questions_run(tmp_path):
    """Those that load no model; commands with models are run by the tests of mine, judge and train, in tiny forms."""
    labels, docs = small(tmp_path / "data", questions=12)
    shutil.copy(tmp_path / "data" / "qrels" / "train.tsv", tmp_path / "labels.tsv")
    query, doc, _ = labels[0]
    ranking = [f"{q} Q0 {d} {r} {9 - r} engine" for q, _, _ in labels for r, d in enumerate(docs[:8], 1)]
    (tmp_path / "run.trec").write_text("\n".join(ranking) + "\n", encoding="utf-8")
    verdict = {"query_id": query, "doc_id": docs[0] if docs[0] != doc else docs[1], "by": "human:anna", "p_relevant": 0}
    (tmp_path / "verdicts.jsonl").write_text(json.dumps(verdict) + "\n", encoding="utf-8")
    batch, seen = [], 0
    for line in commands("faq.md"):
        if re.search(r"\b(MODEL|RERANKER)\b", line):
            continue
        shown = re.sub(r"\b(DATA|RUN)\b", lambda m: m[0].lower(), line)
        if shown.startswith("foils "):
            batch.append(shown)
            seen += 1
        else:
            drive(batch, tmp_path)
            batch = []
            subprocess.run(["sh", "-ec", shown], cwd=tmp_path, check=True)
    drive(batch, tmp_path)
    assert seen > 25
    assert (tmp_path / "runs" / "weighted" / "manifest.json").is_file()
