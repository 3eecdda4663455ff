"""foils review as a user gives it: a real server, who may reach it, and the verbs without a page."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import polars as pl
import pytest

from foils.collection import build
from foils.engine import Local
from foils.models.lsa import Lsa
from foils.recipes import Plan, naive
from foils.review import Session
from foils.review.app import Guard, application
from foils.run import Run
from foils.run import mine as mine_run
from review_server import hostile, served

httpx = pytest.importorskip("httpx", reason="the extra llm is not installed")
pytest.importorskip("uvicorn", reason="the extra review is not installed")
testclient = pytest.importorskip("starlette.testclient", reason="the extra review is not installed")
responses = pytest.importorskip("starlette.responses", reason="the extra review is not installed")


@pytest.fixture(scope="module")
def mined(tmp_path_factory) -> Path:
    return hostile(tmp_path_factory.mktemp("cli_review") / "run")


@pytest.fixture(scope="module")
def address(mined):
    with served(mined, "--person", "anna") as found:
        yield found


def base(address: str) -> str:
    return address.partition("/?")[0]


@pytest.fixture
def client(address):
    with httpx.Client(base_url=base(address), trust_env=False, timeout=60) as found:
        assert found.get(address).status_code == 200
        yield found


def form(page: str) -> dict[str, str]:
    return {k: unescape(v) for k, v in re.findall(r'name="(row|query|doc)" value="([^"]*)"', page)}


def post(client, path: str, data=None, **headers):
    sent = {"Origin": str(client.base_url).rstrip("/")} | headers
    return client.post(path, data=data or {}, headers={k: v for k, v in sent.items() if v})


def test_without_the_token_nothing_is_shown(address):
    for path in (
        "/",
        "/summary",
        "/verdicts.jsonl",
        "/argilla.json",
        "/page.js",
        "/?token=",
        "/?token=wrong",
        "/nothing",
    ):
        answer = httpx.get(base(address) + path, trust_env=False)
        assert answer.status_code == 403, path
        assert "set-cookie" not in answer.headers
    token = address.partition("token=")[2]
    assert httpx.get(f"{base(address)}/", cookies={"foils-review": token}, trust_env=False).status_code == 403


def test_the_token_becomes_a_strict_cookie_that_scripts_cannot_read(address):
    answer = httpx.get(address, trust_env=False)
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert address.partition("token=")[2] not in answer.text + cookie
    assert len(address.partition("token=")[2]) >= 32


def test_two_pages_in_one_browser_do_not_lock_each_other_out():
    def opened(token):
        return testclient.TestClient(Guard(responses.PlainTextResponse("in"), token), base_url="http://127.0.0.1")

    pages = {token: opened(token) for token in ("one", "two")}
    jar = {name: value for token, page in pages.items() for name, value in page.get(f"/?token={token}").cookies.items()}
    sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())}
    for page in pages.values():
        page.cookies.clear()
        assert page.get("/").status_code == 403
        assert page.get("/", headers=sent).text == "in"


def browser(run: Run, person: str = ""):
    """A page of a run, opened with its token."""
    token = secrets.token_hex(4)
    found = testclient.TestClient(application(Session(run, Local()), token, person), base_url="http://127.0.0.1")
    assert found.get(f"/?token={token}").status_code == 200
    return found


def strange(folder: Path) -> Run:
    """A run of one query, whose ids hold characters that cannot be seen."""
    docs = pl.DataFrame({"id": [f"d\t{i}\n\u202e%41" for i in range(9)], "text": [f"river {i}" for i in range(9)]})
    queries = pl.DataFrame({"id": ["q\x1b"], "text": ["which river"]})
    known = pl.DataFrame({"query_id": ["q\x1b"], "doc_id": [docs["id"][0]], "grade": [1]})
    return mine_run(build(docs, queries, known), naive(Plan((("lsa", Lsa(dims=4)),), n=2, depth=8)), out=folder)


def test_two_runs_in_one_browser_keep_their_people_apart(tmp_path):
    run = strange(tmp_path / "run")
    first, second = browser(run, "anna"), browser(strange(tmp_path / "another"), "ben")
    post(first, "/person", {"person": "cleo"})
    for page, who in ((second, "ben"), (browser(run, "anna"), "cleo"), (browser(run, "dora"), "dora")):
        page.cookies.update(first.cookies)
        assert f"Judged by {who}" in page.get("/").text


def test_ids_with_hidden_characters_can_be_decided_on(tmp_path):
    run = strange(tmp_path / "run")
    page = browser(run, "anna")
    data = form(page.get("/?fate=selected").text)
    post(page, "/decide", data | {"answer": "relevant"})
    last = Run.open(tmp_path / "run").verdicts.frame.filter(p_relevant=1.0)
    assert last["query_id"].to_list() == ["q\x1b"]
    assert last["doc_id"][0] in run.negatives["doc_id"]


def test_a_decision_on_a_page_of_before_goes_to_its_pair_or_is_refused(tmp_path):
    run = strange(tmp_path / "run")
    page = browser(run, "anna")
    data = form(page.get("/?fate=selected").text) | {"answer": "relevant"}
    post(page, "/decide", data | {"row": str(int(data["row"]) - 1)})
    said = Run.open(tmp_path / "run").verdicts.frame.filter(p_relevant=1.0)
    assert said["doc_id"].to_list() == [unquote(data["doc"])]
    gone = post(page, "/decide", data | {"doc": "y"})
    assert (gone.status_code, "not in the run any more" in gone.text) == (400, True)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "", "[::1"])
def test_other_names_for_this_machine_are_refused(client, host):
    assert client.get("/", headers={"Host": host}).status_code in (400, 421)


def test_a_forwarded_port_is_the_same_machine(client):
    assert client.get("/", headers={"Host": "localhost:8123"}).status_code == 200
    assert client.get("/", headers={"Host": "[::1]:8123"}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1", "http://localhost:1", ""])
def test_forms_of_other_pages_are_refused(client, mined, origin):
    data = form(client.get("/").text) | {"answer": "relevant"}
    before = Run.open(mined).verdicts.frame.filter(by="human:anna")["p_relevant"].count()
    assert post(client, "/decide", data, Origin=origin).status_code == 403
    assert Run.open(mined).verdicts.frame.filter(by="human:anna")["p_relevant"].count() == before


def test_other_methods_too_large_forms_and_nonsense_are_refused(client):
    origin = {"Origin": str(client.base_url).rstrip("/")}
    assert client.request("OPTIONS", "/decide", headers={"Origin": "http://evil.example"}).status_code == 403
    assert client.request("DELETE", "/", headers=origin).status_code == 405
    assert client.get("/decide").status_code == 405
    assert post(client, "/decide", {"row": "1", "note": "x" * 70_000}).status_code == 413
    assert post(client, "/decide", {"row": "-1"}).status_code == 400
    assert post(client, "/decide", {"row": "9" * 40, "answer": "relevant"}).status_code == 400
    assert client.get("/?low=nan&high=x&kind=%00&source=..%2F..&search=%ff").status_code == 200
    assert client.get("/?row=99999999999").status_code == 200
    assert client.get("/..%2f..%2fpyproject.toml").status_code == 404


def test_every_answer_forbids_what_the_page_does_not_need(client):
    for path in ("/", "/summary", "/page.js", "/nothing", "/verdicts.jsonl"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert not [h for h in headers if h.startswith("access-control")]
        assert "server" not in headers


def test_documents_cannot_become_markup_or_hide_anything(client):
    seen = set()
    for _ in range(25):
        page = client.get("/").text
        assert page.count("<script") == 1
        assert not re.search(r"<(img|a href=java|form action=|i>|b>which)|\son\w+=\"", page)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", page)
        seen |= {mark for mark in ("alert(1)", "[U+202E]", "␀", "onmouseover", "javascript:") if mark in page}
        post(client, "/decide", form(page) | {"answer": "cannot tell", "note": "<script>\u202e'\""})
    assert seen >= {"alert(1)", "[U+202E]"}
    assert "<script>" not in client.get("/").text.replace('<script src="/page.js" defer></script>', "")


def test_a_decision_is_on_disk_when_the_next_item_shows(client, mined):
    for answer, p in (("relevant", 1.0), ("not relevant", 0.0), ("cannot tell", None)):
        data = form(client.get("/").text)
        moved = post(client, "/decide", data | {"answer": answer})
        assert (moved.status_code, moved.headers["location"]) == (303, "/")
        last = Run.open(mined).verdicts.frame.filter(by="human:anna").row(-1, named=True)
        assert (last["query_id"], last["doc_id"], last["p_relevant"]) == (
            unquote(data["query"]),
            unquote(data["doc"]),
            p,
        )
    post(client, "/undo")
    assert Run.open(mined).verdicts.frame.row(-1, named=True)["why"] == "undone"


def test_what_others_said_is_hidden_until_one_has_decided(mined, tmp_path):
    shutil.copytree(mined, tmp_path / "run")
    (tmp_path / "run" / "verdicts.parquet").unlink(missing_ok=True)
    run = Run.open(tmp_path / "run")
    ids = run.negatives.row(0, named=True)
    said = {k: ids[k] for k in ("query_id", "doc_id")} | {"by": "llm:oracle", "p_relevant": 0.9, "why": "SECRET"}
    (tmp_path / "v.jsonl").write_text(json.dumps(said))
    assert call("review", run.folder, "--import", tmp_path / "v.jsonl")[0] == 0
    frame = run.pairs.frame.with_row_index("row")
    row = int(frame.filter((frame["query"] == ids["query"]) & (frame["doc"] == ids["doc"]))["row"][0])
    with served(run.folder) as address, httpx.Client(base_url=base(address), trust_env=False, timeout=60) as client:
        client.get(address)
        page = client.get(f"/?row={row}").text
        assert "SECRET" not in page
        assert "oracle" not in page
        assert "prob.detector" not in page
        post(client, "/decide", form(page) | {"answer": "not relevant"})
        after = client.get("/").text
        assert "SECRET" in after
        assert "llm:oracle: relevant (0.90)" in after
        assert "prob.detector" in after


def test_two_people_and_their_agreement(client):
    pages = []
    for person in ("ben & co", "cleo"):
        assert post(client, "/person", {"person": person}).status_code == 303
        data = form(client.get("/?fate=selected").text) | {"answer": "relevant"}
        pages.append(data["row"])
        post(client, "/decide", data)
    assert pages[0] == pages[1]
    page = client.get("/summary").text
    assert "ben co and cleo" in page
    assert "Cohen" in page


def call(*args) -> tuple[int, str, str]:
    done = subprocess.run([sys.executable, "-m", "foils", *map(str, args)], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_selecting_importing_and_exporting_need_no_page(mined, tmp_path):
    shutil.copytree(mined, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    ids = run.negatives.select("query_id", "doc_id").row(0, named=True)
    (tmp_path / "in.jsonl").write_text(json.dumps(ids | {"by": "human:x", "p_relevant": 1}))
    code, out, _ = call(
        "review", run.folder, "--import", tmp_path / "in.jsonl", "--select", "--export", tmp_path / "o.jsonl", "--json"
    )
    data = json.loads(out)
    assert (code, data["imported"]) == (0, 1)
    again = Run.open(run.folder)
    assert tuple(ids.values()) not in again.negatives.select("query_id", "doc_id").rows()
    assert len((tmp_path / "o.jsonl").read_text().splitlines()) == again.verdicts.frame.height


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--host", "0.0.0.0"], "this machine only"),  # noqa: S104
        (["--select", "--open"], "belongs to the page"),
        (["--select", "--share", "0.25"], "--share: belongs to the page"),
        (["--json"], "no result to print"),
        (["--export", "x", "--risk", "0.1"], "add --select"),
        (["--import", "missing.jsonl"], "cannot read verdicts"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_runs(mined, options, message):
    code, _, err = call("review", mined, *options)
    assert (code, err.count("\n")) == (1, 1)
    assert message in err
