"""Judging: verdicts go where they matter, are kept, never asked twice, and steer what is selected."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest

from foils.collection import Collection
from foils.engine import Local
from foils.errors import JudgeError, RecipeError
from foils.folder import NEXT, WORK
from foils.judging import filtered_by, judge, learning, planned, select
from foils.models.lsa import Lsa
from foils.promise import Waiting, audit, promise
from foils.protocols import Verdict
from foils.recipes import Plan, default, naive
from foils.review.book import RELEVANT, Book
from foils.run import VERDICTS, Run, mine
from foils.verdicts import keys

ALMANAC = Path(__file__).parent.parent / "examples" / "almanac"


@dataclass(frozen=True)
class Knows:
    """A judge that decides by a hash of the texts, and remembers whom it was asked about."""

    name: str = "knows@1"
    family: str = "llm:knows"
    share: float = 0.3
    stops: int = 10**9
    asked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def families(self):
        return frozenset({self.family})

    def check(self):
        pass

    def facts(self):
        return {"judge": self.name}

    def verdicts(self, pairs, rows, engine):
        ids = keys(pairs, rows)
        said = []
        for q, d, texts in ids.iter_rows():
            if len(self.asked) >= self.stops:
                raise KeyboardInterrupt
            self.asked.append((q, d))
            said.append(Verdict(float(int(texts[:6], 16) / 16**6 < self.share), self.name, "by hash"))
        return said


@pytest.fixture(scope="module")
def mined(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("judging") / "run"
    plan = Plan((("lsa", Lsa(dims=32)),), n=4, depth=20, risk=0.1)
    mine(Collection.read(ALMANAC), default(plan), out=folder)
    return folder


@pytest.fixture
def run(mined, tmp_path) -> Run:
    shutil.copytree(mined, tmp_path / "run")
    return Run.open(tmp_path / "run")


def test_verdicts_are_kept_and_the_same_call_asks_nothing(run):
    who = Knows()
    done = judge(run, who, Local(), budget=60)
    assert done.asked == len(who.asked) == len(set(who.asked)) == 60
    assert Run.open(run.folder).verdicts.frame.height == 60
    before = {p.name: p.read_bytes() for p in run.folder.iterdir() if p.is_file()}
    again = judge(Run.open(run.folder), who, Local(), budget=60)
    assert (again.asked, len(who.asked)) == (0, 60)
    assert before == {p.name: p.read_bytes() for p in run.folder.iterdir() if p.is_file()}


def test_what_was_judged_relevant_is_no_negative(run):
    done = judge(run, Knows(share=1.0), Local(), budget=40)
    bad = done.run.verdicts.on(done.run.pairs)
    live = done.run.pairs.frame.select(done.run.pairs.live).to_series()
    assert bad.height == done.relevant == 40
    assert not live.gather(bad["row"]).any()


def test_some_verdicts_are_drawn_at_random_with_their_chances(run):
    judge(run, Knows(), Local(), budget=80, share=0.5)
    table = Run.open(run.folder).verdicts.frame
    drawn = table.filter(pl.col("draw") == "random")
    assert drawn.height == 20  # half of 80 do not fit into the first of four rounds
    assert drawn["chance"].is_between(0, 1, closed="right").all()
    assert table.filter(pl.col("draw") == "chosen")["chance"].null_count() == 60


def test_killed_in_the_middle_nothing_is_asked_twice(run, mined, tmp_path):
    stopped = Knows(stops=30)
    with pytest.raises(KeyboardInterrupt):
        judge(run, stopped, Local(), budget=120, rounds=2)
    kept = Run.open(run.folder).verdicts.frame.height
    assert kept == 0  # batches of 64: the first was not complete
    shutil.copytree(mined, tmp_path / "other")
    whole, later = Knows(), Knows(stops=100)
    judge(Run.open(tmp_path / "other"), whole, Local(), budget=120, rounds=1)
    with pytest.raises(KeyboardInterrupt):
        judge(Run.open(run.folder), later, Local(), budget=120, rounds=1)
    assert Run.open(run.folder).verdicts.frame.height == 64
    rest = Knows()
    judge(Run.open(run.folder), rest, Local(), budget=120, rounds=1)
    assert len(rest.asked) == 56
    assert not set(rest.asked) & set(Run.open(run.folder).verdicts.frame[:64].select("query_id", "doc_id").rows())


def test_a_replacement_cut_short_is_finished_by_the_next_reader(run, mined):
    done = judge(run, Knows(), Local(), budget=40)
    new = {p.relative_to(run.folder): p.read_bytes() for p in run.folder.rglob("*") if p.is_file()}
    old = {p.relative_to(mined): p.read_bytes() for p in mined.rglob("*") if p.is_file()}
    for name, content in old.items():  # as it is when the power fails after the first file has moved
        place = run.folder if name.name == "recipe.toml" else run.folder / WORK / NEXT
        (run.folder / name).write_bytes(new[name] if place == run.folder else content)
        if place != run.folder:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(new[name])
    assert Run.open(run.folder).pairs.frame.equals(Run.open(done.run.folder).pairs.frame)
    assert not (run.folder / WORK).exists()
    assert {p.relative_to(run.folder): p.read_bytes() for p in run.folder.rglob("*") if p.is_file()} == new


def test_a_replacement_that_was_not_written_whole_is_ignored(run):
    before = Run.open(run.folder).pairs.frame
    half = run.folder / WORK / NEXT
    half.mkdir(parents=True)
    (half / "pairs.parquet").write_bytes(b"half")
    assert Run.open(run.folder).pairs.frame.equals(before)


def test_the_risk_can_be_changed_without_a_judge(run):
    few = select(run, Local(), risk=0.005)
    many = select(Run.open(run.folder), Local(), risk=0.2)
    shares = [float(r.pairs.negatives()["p_relevant"].mean()) for r in (few, many)]
    assert shares[0] <= 0.005 < shares[1] <= 0.2
    assert Run.open(run.folder).recipe.steps[-1].risk == 0.2


def test_a_recipe_without_a_detector_gets_one(tmp_path):
    mine(Collection.read(ALMANAC), naive(Plan((("lsa", Lsa(dims=16)),), n=4, depth=20)), out=tmp_path / "run")
    done = judge(Run.open(tmp_path / "run"), Knows(share=0.1), Local(), budget=30, risk=0.1)
    assert "prob.detector" in done.run.pairs.frame.columns
    assert [type(s).__name__ for s in learning(done.run.recipe).steps][-3:] == ["Detect", "Repair", "WithinRisk"]
    assert done.run.pairs.negatives()["p_relevant"].mean() <= 0.1


def test_a_plan_asks_nobody(run):
    who = Knows()
    now, rows = planned(run, who, Local(), budget=50)
    assert len(rows) == 50
    assert who.asked == []
    assert now.pairs.frame.select(now.pairs.live).height == run.pairs.frame.height


def test_an_audit_measures_and_changes_nothing(run):
    before = run.pairs.frame
    found = audit(run, Knows(share=0.2), Local(), size=100)
    assert found.rate.n == 100
    assert found.rate.low <= found.rate.rate <= found.rate.high
    now = Run.open(run.folder)
    assert now.pairs.frame.equals(before)
    assert now.ledger.entries[-1].facts["false"] == str(found.found)
    rows = now.verdicts.frame
    assert rows["query_id"].n_unique() == 100  # one pair per query
    assert (rows["draw"] == "audit").all()


def test_an_audit_of_one_pair_counts_it(run):
    found = audit(run, Knows(share=0.0), Local(), size=1)
    assert (found.rate.n, found.found, found.powered) == (1, 0, None)


def test_what_the_detector_was_told_does_not_sharpen_the_rate(run):
    who = Knows(name="human", family="human", share=0.1)
    assert audit(run, who, Local()).powered is not None
    now = select(Run.open(run.folder), Local())
    assert audit(now, who, Local()).powered is None


def test_a_judge_never_audits_itself(run):
    judge(run, Knows(), Local(), budget=30)
    with pytest.raises(JudgeError, match="llm:knows took part in the filtering"):
        audit(Run.open(run.folder), Knows(name="knows@2"), Local())
    other = audit(Run.open(run.folder), Knows(name="other@1", family="llm:other"), Local(), size=50)
    assert other.rate.n == 50
    # What a model measured does not filter either, so it may measure again; what a person found does filter.
    again = select(Run.open(run.folder), Local())
    assert "other@1" not in set(again.pairs.frame["judged_by"].cast(pl.String).drop_nulls())
    assert "llm:other" not in filtered_by(again.recipe, again.verdicts)


def test_a_promise_selects_within_the_risk(run):
    who = Knows(name="human", family="human", share=0.02)
    made = promise(run, who, Local(), risk=0.2, budget=100)
    assert made.bound <= 0.2
    now = Run.open(run.folder)
    live = now.pairs.frame.select(now.pairs.live).to_series()
    said = now.verdicts.on(now.pairs)
    assert not live.gather(said.filter(pl.col("p_relevant") >= 0.5)["row"]).any()
    assert int(live.sum()) == made.selected
    assert now.ledger.entries[-1].facts["risk"] == "0.2"
    calls = len(who.asked)
    promise(now, who, Local(), risk=0.2, budget=100)
    assert len(who.asked) == calls


def test_a_judge_never_audits_its_own_promise(run):
    who, other = (Knows(name=f"{name}@1", family=f"llm:{name}", share=0.02) for name in ("one", "other"))
    promised = promise(run, who, Local(), risk=0.2, budget=100).run
    with pytest.raises(JudgeError, match="llm:one took part in the filtering"):
        audit(promised, who, Local(), size=20)
    assert audit(promised, other, Local(), size=20).rate.n == 20
    assert audit(select(Run.open(run.folder), Local()), who, Local(), size=20).rate.n == 20


@pytest.mark.parametrize("risk", [0.05, 0.0])
def test_nothing_is_promised_where_everything_is_relevant(run, risk):
    with pytest.raises(JudgeError, match="nothing can be promised"):
        promise(run, Knows(name="human", family="human", share=1.0), Local(), risk=risk, budget=60)


def test_a_person_fills_in_a_sheet(run, tmp_path):
    from foils.judges.sheet import Sheet

    sheet = Sheet(tmp_path / "sheet.csv")
    first = judge(run, sheet, Local(), budget=20, rounds=1)
    assert (first.waiting, first.asked) == (20, 0)
    text = (tmp_path / "sheet.csv").read_text(encoding="utf-8-sig")
    assert text.count("\n") >= 21
    again = judge(Run.open(run.folder), sheet, Local(), budget=20, rounds=1)
    assert again.waiting == 20
    assert (tmp_path / "sheet.csv").read_text(encoding="utf-8-sig") == text
    table = pl.read_csv(text.encode())
    said = ["yes", "no", "?"] * 6 + ["", ""]
    filled = table.with_columns(relevant=pl.Series(said))
    (tmp_path / "sheet.csv").write_text(filled.write_csv(), encoding="utf-8")
    done = judge(Run.open(run.folder), sheet, Local(), budget=20, rounds=1)
    assert (done.relevant, done.abstained, done.waiting) == (6, 6, 2)
    settled = Run.open(run.folder).verdicts.settled(Run.open(run.folder).pairs)
    assert settled.height == 12
    corrected = filled.with_columns(relevant=pl.Series(["no", *said[1:]]))
    (tmp_path / "sheet.csv").write_text(corrected.write_csv(), encoding="utf-8")
    done = judge(Run.open(run.folder), sheet, Local(), budget=20, rounds=1)
    assert (done.asked, done.relevant, done.waiting) == (1, 0, 2)


def test_what_a_person_says_meanwhile_is_kept_and_not_counted(run):
    pair = Book(run.pairs, run.folder / VERDICTS)

    @dataclass(frozen=True)
    class Slow(Knows):
        def verdicts(self, pairs, rows, engine):
            pair.decide(0, "human:ann", RELEVANT)
            return super().verdicts(pairs, rows, engine)

    done = judge(run, Slow(), Local(), budget=10, rounds=1)
    assert done.asked == 10
    assert Run.open(run.folder).verdicts.frame["by"].to_list() == ["human:ann"] + ["knows@1"] * 10


def test_a_promise_waits_for_a_person(run, tmp_path):
    from foils.judges.sheet import Sheet

    with pytest.raises(Waiting, match="20 pairs wait"):
        promise(run, Sheet(tmp_path / "s.csv"), Local(), risk=0.1, budget=100)
    assert Run.open(run.folder).pairs.frame.equals(run.pairs.frame)


def test_wrong_numbers_are_refused_before_anything_is_asked(run):
    who = Knows()
    with pytest.raises(RecipeError, match="budget=-1"):
        judge(run, who, Local(), budget=-1)
    with pytest.raises(RecipeError, match="risk=2"):
        judge(run, who, Local(), risk=2)
    with pytest.raises(RecipeError, match="confidence=90 must lie between 0 and 1"):
        promise(run, who, Local(), risk=0.1, confidence=90)
    with pytest.raises(RecipeError, match=r"confidence=0\.5 must lie between 0\.5 and 1"):
        promise(run, who, Local(), risk=0.1, confidence=0.5, method="proof")
    with pytest.raises(RecipeError, match="risk=5 is no share"):
        promise(run, who, Local(), risk=5)
    assert who.asked == []


def test_a_run_in_memory_is_judged_in_memory():
    held = mine(Collection.read(ALMANAC), default(Plan((("lsa", Lsa(dims=16)),), n=4, depth=20)))
    done = judge(held, Knows(), Local(), budget=20)
    assert done.asked == 20
    assert held.verdicts.frame.height == 0
    assert done.run.folder is None
