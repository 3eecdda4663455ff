"""The desk: what several who judge one run at the same time leave in its file."""

import threading
from dataclasses import dataclass

import numpy as np
import polars as pl

from build import collection, scored
from foils.collection import build
from foils.desk import Desk
from foils.engine import Local
from foils.judges.sheet import Sheet
from foils.pairs import Pairs
from foils.protocols import Verdict
from foils.review.book import RELEVANT, Book
from foils.run import VERDICTS
from foils.verdicts import Verdicts

ROWS = np.arange(8, dtype=np.uint32)


@dataclass(frozen=True)
class Says:
    name: str

    @property
    def families(self):
        return frozenset({self.name})

    def verdicts(self, pairs, rows, engine):
        return [Verdict(0.25, self.name) for _ in rows]


def table():
    return scored(collection(docs=9), {0: [(i, 0.1 * i) for i in range(9)]})


def desk(tmp_path, judge) -> Desk:
    path = tmp_path / VERDICTS
    return Desk(judge, Local(), Verdicts.read(path), path, batch=1)


def test_judges_and_a_person_at_once_lose_nothing(tmp_path):
    pairs = table()
    book, desks = Book(pairs, tmp_path / VERDICTS), [desk(tmp_path, Says(f"llm:{name}")) for name in "ab"]
    work = [threading.Thread(target=d.ask, args=(pairs, ROWS, ["chosen"] * 8)) for d in desks]
    work.append(threading.Thread(target=lambda: [book.decide(int(row), "human:ann", RELEVANT) for row in ROWS]))
    [t.start() for t in work]
    [t.join() for t in work]
    kept = Verdicts.read(tmp_path / VERDICTS).frame
    assert dict(kept["by"].value_counts().rows()) == {"llm:a": 8, "llm:b": 8, "human:ann": 8}


def test_what_others_wrote_meanwhile_stays(tmp_path):
    pairs, late = table(), desk(tmp_path, Says("llm:a"))
    Book(pairs, tmp_path / VERDICTS).decide(3, "human:ann", RELEVANT)
    late.ask(pairs, ROWS[:2], ["random", "chosen"], np.array([0.5, np.nan]))
    kept = Verdicts.read(tmp_path / VERDICTS).frame
    assert kept["by"].to_list() == ["human:ann", "llm:a", "llm:a"]
    assert kept["chance"].to_list() == [None, 0.5, None]
    assert late.verdicts.frame.equals(kept)


def test_a_corrected_cell_of_a_sheet_is_the_new_answer(tmp_path):
    pairs, file = table(), tmp_path / "sheet.csv"
    draw, chance = ["random"] * 3, np.full(3, 0.5)

    def ask(*cells):
        if cells:
            sheet = pl.read_csv(file).with_columns(relevant=pl.Series(cells, dtype=pl.String))
            file.write_text(sheet.write_csv(), encoding="utf-8")
        return desk(tmp_path, Sheet(file)).ask(pairs, ROWS[:3], draw, chance).tolist()

    ask()
    assert ask("yes", "no", "no") == [1.0, 0.0, 0.0]
    np.testing.assert_equal(ask("no", "?", ""), [0.0, np.nan, 0.0])
    np.testing.assert_equal(ask(), [0.0, np.nan, 0.0])
    kept = Verdicts.read(tmp_path / VERDICTS).frame
    assert kept["p_relevant"].to_list() == [None] * 3 + [1.0, 0.0, 0.0] + [0.0, None]
    assert kept[-2:].select("by", "draw", "chance").rows() == [("human", "random", 0.5)] * 2


def test_a_spreadsheet_that_takes_ids_for_numbers_loses_no_answer(tmp_path):
    where = build(
        pl.DataFrame({"id": ["001", "002"], "text": ["it melts", "it shines"]}),
        pl.DataFrame({"id": ["07"], "text": ["when does it melt"]}),
        pl.DataFrame({"query_id": ["07"], "doc_id": ["001"], "grade": [1]}),
    )
    found = pl.DataFrame(
        {"query": [0], "doc": [1], "rank": [1]}, schema={"query": pl.UInt32, "doc": pl.UInt32, "rank": pl.Int32}
    )
    pairs, sheet = Pairs.start(where).add("run", found), Sheet(tmp_path / "sheet.csv")
    rows = np.array([1], dtype=np.uint32)
    assert sheet.verdicts(pairs, rows, Local())[0].probability is None
    opened = pl.read_csv(sheet.path)
    assert opened.select("query_id", "doc_id").row(0) == (7, 2)
    assert opened["texts"].str.starts_with("x").all()
    opened.with_columns(relevant=pl.lit("yes")).write_csv(sheet.path)
    assert sheet.verdicts(pairs, rows, Local())[0].probability == 1.0
