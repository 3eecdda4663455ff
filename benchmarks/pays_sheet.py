"""Which pairs a reader should judge, as sheets; and what readers wrote, as verdicts.

    python benchmarks/pays_sheet.py --out DIR [--collections cranfield cisi cacm npl trecdl19] [--budget 600]
    python benchmarks/pays_sheet.py --out DIR --collect DIR/pays_cranfield.*.tsv ...
    python benchmarks/pays_sheet.py --agreement

A sheet is made from the run of `default` over all queries with one known positive; the detector's coefficients come
from the other collections, and hidden labels are not read. Of the budget (600, at most 10 a query) a third goes where
`foils judge` would put it, a quarter of that at random; two thirds go to the likeliest positives, because a found
positive is worth more than a dropped negative. `pays_<collection>.tsv`: id (query|document), query, known positive,
candidate, in random order within a query. `--collect` reads lines `id<TAB>grade` (0 to 3, or ?) and writes
`verdicts/<collection>.tsv`. `--agreement` compares those with the hidden labels, grade 2 and more as relevant.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foils import recipes
from foils.desk import Desk
from foils.engine import Local
from foils.judges.replay import Replay
from foils.judging import next_batch, pool
from foils.recipes import Plan
from foils.run import Run
from pays_worlds import CACHE, CLOSED, kept, mined, world

VERDICTS = Path(__file__).parent / "verdicts"
PER_QUERY, ACTIVE, WORDS = 10, 1 / 3, {"positive": 120, "candidate": 200}
ABOUT = {
    "cranfield": "Abstracts of aeronautics papers; the query is a research question of an engineer. Relevant: the "
    "paper helps to answer the question (a full answer, or results or methods one would want to read for it); a paper "
    "on the same flow or structure that says nothing on the question is not.",
    "cisi": "Abstracts from library and information science; the query is a question or a long description of an "
    "interest. Relevant: the paper treats what is asked; a paper from the same broad field on something else is not.",
    "cacm": "Titles, some with abstracts, of computer science papers (1958-1979); the query is an information need of "
    "a researcher. Relevant: by title and abstract the paper treats what is asked; often only a title is there.",
    "npl": "Titles and short abstracts on physics and electronics, all in small letters; the query is a short "
    "technical topic. Relevant: the paper treats that topic or its central part, not just one of its words.",
    "trecdl19": "Passages from the web; the query was typed into a search engine. Relevant (2): the passage has some "
    "answer to the query, even if unclear or among other things; 3: it is dedicated to it and answers it exactly.",
    "medquad": "Answers of health institutes' pages, most of them about one aspect (symptoms, causes, treatment, "
    "inheritance, outlook) of one disease; the query is a question. Relevant: the text answers what is asked of the "
    "disease that is asked about; another aspect of it, or the same aspect of another disease, is related (1).",
    "mlquestions": "Passages from the web on machine learning and statistics; the query was typed into a search "
    "engine. Relevant: the passage has an answer to the question, even if among other things.",
    "scifact": "Abstracts of biomedical papers; the query is a claim. Relevant: the abstract reports evidence for or "
    "against the claim (2: for a part of it, or for other conditions); the same topic without such evidence is 1.",
}
NOTE = """What to read: pays_<collection>.tsv, tab-separated with a header: id, query, known_positive, candidate.
The known positive is a document that is known to be relevant: an example of what counts, nothing more.
Judge whether the candidate is relevant to the query, by itself; it need not say the same as the known positive.

    0  not about it
    1  related, but does not answer
    2  answers in part; relevant
    3  fully relevant
    ?  cannot tell

Texts are cut to {positive} (known positive) and {candidate} words (candidate); order within a query is random.
Write one line per pair, id<TAB>grade, to a file pays_<collection>.<anything>.tsv beside the sheet (several readers of
one sheet: several files). Judge each pair from its texts alone. Which collections the texts come from:

"""


def likeliest(run: Run, taken: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    """``taken`` and the likeliest positives beside them, at most ten a query in all."""
    free = pool(run.pairs)
    p = free.frame["p_relevant"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    open_ = free.frame.select(free.live).to_series().to_numpy() & np.isfinite(p)
    query = free.frame["query"].to_numpy()
    asked, found = np.bincount(query[taken], minlength=int(query.max()) + 1), taken.copy()
    for row in np.argsort(-np.where(open_, p, -1), kind="stable"):
        if found.sum() >= size or not open_[row]:
            break
        if not found[row] and asked[query[row]] < PER_QUERY:
            found[row] = True
            asked[query[row]] += 1
    return found


def chosen(run: Run, engine: Local, budget: int) -> tuple[NDArray[np.bool_], int]:
    """The rows worth a verdict, and how many of them active judging picked."""
    with tempfile.TemporaryDirectory() as place:
        # Nobody has answered yet; what the judge is called says how well it is expected to judge.
        empty = Path(place) / "none.tsv"
        empty.write_text("query_id\tdoc_id\tgrade\n", encoding="utf-8")
        desk = Desk(Replay(empty, relevant_from=2, family="llm:readers"), engine)
        rows = next_batch(run, desk, round(ACTIVE * budget), 0.25, 0).rows
    taken = np.zeros(run.pairs.frame.height, dtype=np.bool_)
    asked: dict[int, int] = {}
    for row, query in zip(rows.tolist(), run.pairs.frame["query"].gather(rows).to_list(), strict=True):
        taken[row] = asked.setdefault(query, 0) < PER_QUERY
        asked[query] += 1
    return likeliest(run, taken, budget), int(taken.sum())


def cut(text: str, words: int) -> str:
    """The first words of a text, on one line."""
    parts = text.replace('"', "'").split()
    return " ".join(parts[:words]) + (" ..." if len(parts) > words else "")


def sheet(run: Run, rows: NDArray[np.bool_]) -> pl.DataFrame:
    """The table for the reader."""
    c, rng = run.pairs.collection, np.random.default_rng(0)
    first = c.positives.sort("query", "doc").unique("query", keep="first")
    shown = dict(zip(first["query"].to_list(), c.passages.gather(first["doc"]).to_list(), strict=True))
    pairs = run.pairs.frame.filter(pl.Series(rows)).select("query", "doc")
    pairs = pairs.with_columns(lot=pl.Series(rng.random(pairs.height))).sort("query", "lot")
    lines = [
        {
            "id": f"{c.queries['id'][q]}|{c.corpus['id'][d]}",
            "query": cut(c.queries["text"][q], 10**6),
            "known_positive": cut(shown[q], WORDS["positive"]),
            "candidate": cut(c.passages[d], WORDS["candidate"]),
        }
        for q, d in pairs.select("query", "doc").iter_rows()
    ]
    return pl.DataFrame(lines)


def collect(files: list[Path], out: Path) -> None:
    """Grades of readers into one file a collection; of several grades for a pair the median, rounded down."""
    grades: dict[str, dict[tuple[str, str], list[int]]] = {}
    for path in files:
        there = grades.setdefault(path.name.removeprefix("pays_").split(".")[0], {})
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            pair, _, grade = line.partition("\t")
            grade = grade.split("\t")[0].strip()
            query, bar, doc = pair.strip().partition("|")
            if pair.strip().lower() in ("id", ""):
                continue
            if not bar or grade not in ("0", "1", "2", "3", "?"):
                raise SystemExit(f"{path}, line {number}: {line[:60]!r} is not id<TAB>grade with a grade 0 to 3 or ?")
            found = there.setdefault((query, doc), [])
            if grade != "?":
                found.append(int(grade))
    out.mkdir(exist_ok=True)
    for name, pairs in grades.items():
        rows = [(q, d, str(sorted(g)[(len(g) - 1) // 2]) if g else "") for (q, d), g in sorted(pairs.items())]
        text = "".join("\t".join(row) + "\n" for row in [("query_id", "doc_id", "grade"), *rows])
        (out / f"{name}.tsv").write_text(text, encoding="utf-8")
        counts = {grade: sum(row[2] == grade for row in rows) for grade in ("0", "1", "2", "3", "")}
        print(f"{name}: {len(rows)} pairs, grades {counts}")


def agreement(name: str, data: Path) -> str:
    """A row of a table: how often the grades of a collection are right."""
    where = world(data, name, "1")
    table = pl.read_csv(VERDICTS / f"{name}.tsv", separator="\t", infer_schema=False).drop_nulls("grade")
    place = [{v: i for i, v in enumerate(frame["id"])} for frame in (where.collection.queries, where.collection.corpus)]
    keys = [place[0][q] * len(place[1]) + place[1][d] for q, d in table.select("query_id", "doc_id").iter_rows()]
    truth, grade = np.isin(keys, where.relevant), table["grade"].cast(pl.Int64).to_numpy()
    yes = grade >= 2
    right, chance = float((yes == truth).mean()), yes.mean() * truth.mean() + (1 - yes.mean()) * (1 - truth.mean())
    shares = " | ".join(f"{100 * truth[grade == g].mean():.0f}" for g in range(4))
    return (
        f"| {name} | {len(truth)} | {100 * truth.mean():.0f} | {100 * yes[truth].mean():.0f} | "
        f"{100 * (1 - yes[~truth].mean()):.0f} | {shares} | {(right - chance) / (1 - chance):.2f} |"
    )


def main() -> None:
    """Write sheets, or collect what was read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FOILS_DATA", "../shared/data")))
    parser.add_argument("--collections", nargs="+", default=[*CLOSED, "trecdl19"], choices=list(ABOUT))
    parser.add_argument("--budget", type=int, default=600)
    parser.add_argument("--out", type=Path, default=Path())
    parser.add_argument("--agreement", action="store_true")
    parser.add_argument("--collect", type=Path, nargs="+", metavar="FILE")
    args = parser.parse_args()
    if args.agreement:
        print("| collection | pairs | relevant % | found % | refused % | of grade 0 | of 1 | of 2 | of 3 | kappa |")
        print("|---" * 10 + "|")
        for name in args.collections:
            if (VERDICTS / f"{name}.tsv").exists():
                print(agreement(name, args.data))
        return
    if args.collect:
        collect(args.collect, VERDICTS)
        return
    args.out.mkdir(parents=True, exist_ok=True)
    engine = Local(cache=CACHE)
    for name in args.collections:
        where = world(args.data, name, "1")
        run = mined(where, recipes.default, Plan((("dense", kept("minilm")),), n=4), engine).run
        budget = min(args.budget, PER_QUERY * where.collection.positives["query"].n_unique())
        rows, active = chosen(run, engine, budget)
        table = sheet(run, rows)
        table.write_csv(args.out / f"pays_{name}.tsv", separator="\t", quote_style="never")
        p = run.pairs.frame.filter(pl.Series(rows))["p_relevant"]
        print(f"{name}: {table.height} pairs, {active} by active judging; expected relevant {p.sum():.0f}", flush=True)
    about = "\n\n".join(f"{name}: {text}" for name, text in ABOUT.items())
    (args.out / "PAYS_README").write_text(NOTE.format(**WORDS) + about + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
