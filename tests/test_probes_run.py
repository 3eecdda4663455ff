"""Probes of a run's own typed negatives."""

import json

import numpy as np
import pytest

from build import collection
from foils import made, recipe_file, recipes
from foils.engine import Local
from foils.errors import DataError
from foils.folder import MANIFEST, Folder, read_json
from foils.make.edits import Edit, Span
from foils.make.item import Check, Made, Twin, Written
from foils.probes.from_run import from_run, is_run
from foils.probes.measure import ask
from foils.probes.session import load
from foils.probes.subject import Words
from foils.protocols import Verdict
from foils.run import mine
from foils.verdicts import Verdicts


def entry(query, doc, side="document", text="text number 7", twin=None):
    edit = (Edit(12, 13, "0", "7", "number"),)
    built = Made("number", "near-miss", side, text, edit, Span(0, 13), None, {}, "another number", twin=twin)
    return made.Entry(query, doc, built, None, text, 1)


@pytest.fixture
def run(tmp_path):
    return mine(collection(queries=2), recipes.naive, out=tmp_path / "own", negatives=2, engine=Local())


def test_changed_documents_and_queries_become_probes(run):
    twin = Twin("text no. 0", (Edit(5, 11, "number", "no.", "same"),), "same")
    entries = [entry(0, 0, twin=twin), entry(1, 1, side="query", text="question 9")]
    made.write(run.folder, run.pairs.collection, entries)
    document, query = from_run(run.folder)
    assert document.set == query.set == "own"
    assert document.type == "near-miss/number"
    assert (document.query, document.right, document.wrong) == ("question 0", "text number 0", "text number 7")
    assert document.twin == "text no. 0"
    assert (query.query, query.wrong_query, query.right, query.wrong) == (
        "question 1",
        "question 9",
        "text number 1",
        "text number 1",
    )
    assert document.pair == query.pair == ""
    assert len(ask(load([run.folder]), Words(), Local()).right) == 2


def test_a_twin_that_is_the_positive_itself_asks_nothing_more(run):
    made.write(run.folder, run.pairs.collection, [entry(0, 0, twin=Twin("text number 0", (), "same"))])
    assert from_run(run.folder)[0].twin is None


def test_what_was_judged_relevant_is_no_probe_and_a_twin_must_be_sure(run):
    written = Written("m", "p")
    unsure = Twin("text no. 0", (), "paraphrase", written, (Check("L4", None, "j"),))
    entries = [entry(0, 0, twin=unsure), entry(1, 1, twin=unsure._replace(checks=(Check("L4", True, "j"),)))]
    pairs = made.add(run.pairs, entries)
    collection = run.pairs.collection
    made.write(run.folder, collection, entries)
    text = recipe_file.dumps(run.recipe)
    folder = Folder(run.folder, str(read_json(run.folder / MANIFEST)["key"]))
    folder.replace(pairs, text, run.ledger, "page")
    assert [p.twin for p in from_run(run.folder)] == [None, "text no. 0"]
    row = np.flatnonzero(pairs.frame.select(made.is_made(pairs)).to_series().to_numpy())[:1].astype(np.uint32)
    said = Verdicts().add(pairs, row, [Verdict(1.0, "human:ann")], "human")
    folder.replace(made.heed(pairs, said), text, run.ledger, "page")
    (left,) = from_run(run.folder)
    assert left.query == "question 1"


def test_a_run_without_made_negatives_says_how_to_get_them(run, tmp_path):
    assert is_run(run.folder)
    assert not is_run(tmp_path)
    with pytest.raises(DataError, match="foils make"):
        from_run(run.folder)


def test_records_that_do_not_belong_to_the_run_are_refused(run):
    record = dict.fromkeys(sorted(made.NEEDED), "") | {"id": "x", "query_id": "no", "source_id": "d00"}
    (run.folder / made.FILE).write_text(json.dumps(record) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 1: its query or its document is not in the run"):
        from_run(run.folder)
