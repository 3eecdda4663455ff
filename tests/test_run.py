"""The run folder: complete, resumable after a kill, the same bytes every time."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from build import collection
from foils import recipes
from foils.ask import Ask
from foils.collection import Collection, build
from foils.errors import DataError, RecipeError
from foils.folder import MANIFEST, Folder
from foils.judges.cascade import Cascade
from foils.judges.cross_encoder import CrossEncoder
from foils.judges.replay import Replay
from foils.judges.sheet import Sheet
from foils.ledger import Ledger
from foils.models.encoder import SentenceEncoder
from foils.models.lsa import Lsa
from foils.models.reranker import Reranker
from foils.models.vectors import Vectors
from foils.recipes import Plan
from foils.relabel import DropRelevant, Promote
from foils.run import Run, _key, mine
from foils.select import Top
from foils.sources.dense import Dense
from foils.sources.runs import RunFile
from foils.steps import Recipe
from foils.verdicts import Verdicts

FILES = ("recipe.toml", "pairs.parquet", "report.html", "manifest.json", "collection/corpus.parquet")


def words(queries=30, docs=200) -> Collection:
    """Texts of made-up words with shared topics, so that searches find something."""
    topic = ["iron", "river", "poet", "planet", "treaty", "violin", "desert", "engine", "harbour", "senate"]
    texts = [f"{topic[i % 10]} {topic[(i * 7) % 10]} number {i} of {topic[(i // 10) % 10]}" for i in range(docs)]
    asked = [f"which {topic[i % 10]} and {topic[(i * 3) % 10]} number {i}" for i in range(queries)]
    return build(
        pl.DataFrame({"id": [f"d{i}" for i in range(docs)], "text": texts}),
        pl.DataFrame({"id": [f"q{i}" for i in range(queries)], "text": asked}),
        pl.DataFrame(
            {"query_id": [f"q{i}" for i in range(queries)], "doc_id": [f"d{i}" for i in range(queries)], "grade": 1}
        ),
        name="words",
    )


def digests(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}


def test_a_run_in_memory_and_a_run_folder_select_the_same(tmp_path):
    memory = mine(words(), recipes.naive)
    stored = mine(words(), recipes.naive, out=tmp_path / "run")
    opened = Run.open(tmp_path / "run")
    columns = ["query_id", "doc_id", "rank.lsa", "cos.lsa"]
    assert memory.negatives.select(columns).equals(stored.negatives.select(columns))
    assert memory.negatives.select(columns).equals(opened.negatives.select(columns))
    assert opened.recipe == stored.recipe
    assert opened.pairs.counts() == stored.pairs.counts()


def test_the_stored_table_reads_without_foils(tmp_path):
    mine(words(), recipes.r2anker, out=tmp_path / "run")
    stored = pl.read_parquet(tmp_path / "run" / "pairs.parquet")
    texts = pl.read_parquet(tmp_path / "run" / "collection" / "corpus.parquet")
    assert stored.columns[:7] == ["query_id", "doc_id", "query", "doc", "positive", "dropped", "origin"]
    assert texts["id"].gather(stored["doc"]).equals(stored["doc_id"], check_names=False)
    assert set(stored["origin"].drop_nulls().cast(pl.String)) <= {"bm25", "lsa", "bm25+lsa"}
    assert texts.height == stored["doc"].n_unique()


def test_two_runs_have_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        mine(words(), recipes.simans, out=tmp_path / name)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


def test_a_second_call_returns_the_finished_run(tmp_path):
    mine(words(), recipes.naive, out=tmp_path / "run")
    before = (tmp_path / "run" / "ledger.json").read_bytes()
    mine(words(), recipes.naive, out=tmp_path / "run")
    assert (tmp_path / "run" / "ledger.json").read_bytes() == before


def test_other_columns_and_the_order_of_the_file_are_part_of_a_run(tmp_path):
    bare = words()
    linked = replace(bare, corpus=bare.corpus.with_columns(links=pl.lit("d1")))
    other = replace(bare, corpus=bare.corpus.with_columns(links=pl.lit("d2")))
    answered = replace(bare, queries=bare.queries.with_columns(answers=pl.Series([["iron"]] * 30)))
    listed = [replace(bare, given=pl.DataFrame({"query": [0], "doc": [9], "position": [n]})) for n in (1, 2)]
    assert bare.extras == ""
    assert len({c.extras for c in (bare, linked, other, answered, *listed)}) == 6
    assert len({c.fingerprint for c in (bare, linked, other, answered, *listed)}) == 1
    mine(linked, recipes.naive, out=tmp_path / "run")
    mine(replace(linked), recipes.naive, out=tmp_path / "run")
    with pytest.raises(DataError, match="holds another run"):
        mine(other, recipes.naive, out=tmp_path / "run")


def test_what_a_file_of_the_recipe_holds_is_part_of_a_run(tmp_path):
    ranking = tmp_path / "run.trec"
    np.save(tmp_path / "d.npy", np.eye(200, 8, dtype=np.float32))
    np.save(tmp_path / "q.npy", np.eye(30, 8, dtype=np.float32))
    given = Vectors(tmp_path / "q.npy", tmp_path / "d.npy")
    recipe = Recipe((RunFile(path=str(ranking)), Dense(encoder=given), Top(n=2, by="rank.run")))
    ranking.write_text("q0 Q0 d5 1 2.0 x\nq0 Q0 d6 2 1.0 x\n")
    mine(words(), recipe, out=tmp_path / "run")
    mine(words(), recipe, out=tmp_path / "run")
    np.save(tmp_path / "d.npy", np.eye(200, 8, k=1, dtype=np.float32))
    with pytest.raises(DataError, match="holds another run"):
        mine(words(), recipe, out=tmp_path / "run")
    mine(words(), recipe, out=tmp_path / "run", overwrite=True)
    ranking.write_text("q0 Q0 d7 1 2.0 x\nq0 Q0 d8 2 1.0 x\n")
    with pytest.raises(DataError, match="holds another run"):
        mine(words(), recipe, out=tmp_path / "run")


def test_what_a_judge_reads_is_part_of_a_run(tmp_path):
    ranking, said = tmp_path / "run.trec", tmp_path / "said.tsv"
    ranking.write_text("q0 Q0 d5 1 2.0 x\nq0 Q0 d6 2 1.0 x\n")

    def run() -> Run:
        steps = (RunFile(path=str(ranking)), Ask(judge=Replay(str(said))), Top(n=2, by="rank.run"))
        return mine(words(), Recipe(steps), out=tmp_path / "run")

    said.write_text("query-id\tcorpus-id\tscore\nq0\td5\t1\n")
    assert run().negatives["p_relevant"].to_list() == [1.0, None]
    run()
    said.write_text("query-id\tcorpus-id\tscore\nq0\td5\t0\n")
    with pytest.raises(DataError, match="holds another run"):
        run()


def test_a_run_that_waits_for_a_sheet_reads_it_when_it_goes_on(tmp_path):
    ranking, sheet = tmp_path / "run.trec", tmp_path / "sheet.csv"
    ranking.write_text("q0 Q0 d5 1 2.0 x\nq0 Q0 d6 2 1.0 x\n")
    steps = (RunFile(path=str(ranking)), Ask(judge=Sheet(str(sheet))), DropRelevant(), Promote(), Top(n=2))
    with pytest.raises(DataError, match="2 not judged"):
        mine(words(), Recipe(steps), out=tmp_path / "run")
    pl.read_csv(sheet).with_columns(relevant=pl.Series(["yes", "no"])).write_csv(sheet)
    run = mine(words(), Recipe(steps), out=tmp_path / "run")
    assert run.negatives["doc_id"].to_list() == ["d6"]


def test_the_files_of_a_model_folder_are_part_of_a_run(tmp_path):
    bi, cross, weights = tmp_path / "bi", tmp_path / "cross", "model.safetensors"
    for folder in (bi, cross):
        folder.mkdir()
        (folder / weights).write_bytes(b"1")
    judge = Cascade(CrossEncoder(Reranker(str(cross))), Replay(tmp_path / "bi" / weights))
    recipe = Recipe((Dense(encoder=SentenceEncoder(str(bi))), Ask(judge=judge)))
    keys = [_key(words(), recipe, "", None)]
    for folder in (bi, cross):
        (folder / "README.md").write_text("says nothing about the output")
        keys.append(_key(words(), recipe, "", None))
        (folder / weights).write_bytes(b"2")
        keys.append(_key(words(), recipe, "", None))
    assert keys[0] == keys[1] != keys[2] == keys[3] != keys[4]


def test_a_part_without_a_model_reads_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = Recipe((Ask(judge=CrossEncoder(Reranker(""))),))
    key = _key(words(), recipe, "", None)
    (tmp_path / "pairs.parquet").write_text("what the run itself writes")
    assert _key(words(), recipe, "", None) == key


def test_a_run_keeps_only_its_last_state(tmp_path):
    pairs, folder = mine(words(), recipes.naive).pairs, Folder(tmp_path / "run", "key")
    folder.open()
    for step in (1, 4):
        folder.save(step, pairs, Ledger())
    assert [p.name for p in (tmp_path / "run" / ".work").glob("*.parquet")] == ["4.parquet"]
    assert folder.latest(pairs.collection)[0] == 4


def test_what_was_made_goes_with_the_run_and_verdicts_stay(tmp_path):
    mine(words(), recipes.naive, out=tmp_path / "run")
    made, kept = ("made.jsonl", "both.jsonl", "both.json"), "verdicts.parquet"
    Verdicts().write(tmp_path / "run" / kept)
    for name in made:
        (tmp_path / "run" / name).write_text("{}\n")
    mine(words(), recipes.simans, out=tmp_path / "run", overwrite=True)
    assert not [name for name in made if (tmp_path / "run" / name).exists()]
    assert (tmp_path / "run" / kept).exists()


def test_another_run_is_never_overwritten_unasked(tmp_path):
    mine(words(), recipes.naive, out=tmp_path / "run")
    with pytest.raises(DataError, match="holds another run"):
        mine(words(), recipes.simans, out=tmp_path / "run")
    assert mine(words(), recipes.simans, out=tmp_path / "run", overwrite=True).recipe.name == "simans"


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("do not lose me")
    with pytest.raises(DataError, match="holds other files"):
        mine(words(), recipes.naive, out=tmp_path)
    mine(words(), recipes.naive, out=tmp_path, overwrite=True)
    assert (tmp_path / "thesis.txt").read_text() == "do not lose me"


def test_an_output_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(DataError, match="is a file"):
        mine(words(), recipes.naive, out=tmp_path / "out")


def test_all_candidates_rejected_is_one_clear_sentence(tmp_path):
    plan = Plan(encoders=(("lsa", Lsa()),))
    steps = recipes.nv_retriever(plan).steps
    strict = tuple(type(s)(ratio=0.0, score="cos.lsa") if s.label == "perc-pos" else s for s in steps)
    with pytest.raises(DataError, match=r"no negative is left.*perc-pos"):
        mine(words(), type(recipes.naive(plan))(strict))


def test_depth_beyond_the_corpus_takes_what_there_is():
    run = mine(collection(2, 5), recipes.naive, negatives=50)
    assert run.pairs.live_per_query()["live"].max() <= 4


def test_an_unfinished_folder_says_so(tmp_path):
    Folder(tmp_path / "run", "key").open()
    with pytest.raises(DataError, match="unfinished run"):
        Run.open(tmp_path / "run")


def test_a_damaged_run_says_so(tmp_path):
    mine(words(), recipes.naive, out=tmp_path / "run")
    (tmp_path / "run" / "pairs.parquet").write_bytes(b"not parquet")
    with pytest.raises(DataError, match="is damaged"):
        Run.open(tmp_path / "run")


def test_models_do_not_go_with_a_finished_recipe():
    with pytest.raises(RecipeError, match="belong to a named recipe"):
        mine(words(), recipes.naive(Plan(encoders=(("lsa", Lsa()),))), encoder=Lsa())


def test_the_manifest_names_every_file_that_must_be_equal(tmp_path):
    mine(words(), recipes.naive, out=tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / MANIFEST).read_text())
    assert manifest["sha256"]["pairs.parquet"] == digests(tmp_path / "run")["pairs.parquet"]
    assert not (tmp_path / "run" / ".work").exists()


SCRIPT = """
import sys, time
sys.path.insert(0, {tests!r})
from test_run import words
from foils import folder, recipes, run
save = folder.Folder.save
def slow(self, step, *rest):
    save(self, step, *rest)
    print("saved", step, flush=True)
    time.sleep({pause})
folder.Folder.save = slow
run.mine(words(), recipes.r2anker, out={out!r})
print("done", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 2])
def test_a_killed_run_continues_and_ends_with_the_same_bytes(tmp_path, after):
    tests = str(Path(__file__).parent)
    whole = mine(words(), recipes.r2anker, out=tmp_path / "whole")
    killed = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(tests=tests, pause=30, out=str(tmp_path / "run"))],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert killed.stdout is not None
    if after == 1:
        assert "saved 1" in killed.stdout.readline()
        killed.send_signal(signal.SIGKILL)
    else:
        deadline = time.monotonic() + 120
        while not (tmp_path / "run" / ".work" / "key").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    assert not (tmp_path / "run" / MANIFEST).exists()
    again = mine(words(), recipes.r2anker, out=tmp_path / "run")
    assert digests(tmp_path / "run") == digests(tmp_path / "whole")
    assert again.pairs.counts() == whole.pairs.counts()


def test_finished_steps_are_not_run_again(tmp_path, monkeypatch):
    from foils.sources.bm25 import Bm25

    plan = Plan(encoders=(("lsa", Lsa()),))
    recipe = recipes.r2anker(plan)
    save = Folder.save

    def stop_after_first(self, step, *rest):
        save(self, step, *rest)
        raise KeyboardInterrupt

    monkeypatch.setattr(Folder, "save", stop_after_first)
    with pytest.raises(KeyboardInterrupt):
        mine(words(), recipe, out=tmp_path / "run")
    monkeypatch.setattr(Folder, "save", save)

    def refuse(self, pairs, engine):
        raise AssertionError("bm25 searched again")

    monkeypatch.setattr(Bm25, "find", refuse)
    run = mine(words(), recipe, out=tmp_path / "run")
    assert [e.step for e in run.ledger.entries][:2] == ["bm25", "lsa"]
