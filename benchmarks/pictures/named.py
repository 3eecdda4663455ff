"""Recipes: what each selects for one query, and how much of all that it selects is false."""

from __future__ import annotations

import polars as pl

from foils import recipes
from foils.models.lsa import Lsa
from foils.pairs import Pairs
from pictures import fates, judged, svg, world

ASKING = ("rlhn", "rlhn-remove", "rlhn-hn-remove", "tinyv", "unime-v2")  # the others are shown without a judge


def plan(name: str) -> recipes.Plan:
    """LSA leads; a smaller LSA is the frozen one; the judge knows the truth."""
    judge = fates.truth_judge() if name in ASKING else None
    column = "metadata.links" if name == "bica" else ""
    return recipes.Plan((("dense", Lsa()), ("frozen", Lsa(dims=32))), judge=judge, column=column)


def picture(name: str) -> tuple[svg.Picture, str]:
    """The query's candidates by dense rank, those that are taken filled; the share of false ones over all queries."""
    recipe = recipes.named(name, plan(name))
    where = judged.asked()[0].collection
    # Each query of the almanac has an answer among its first 25 that is not labelled, so nothing is left of it.
    empty = name == "rlhn-remove"
    pairs = world.run(Pairs.start(where), recipe.steps) if empty else world.mined(where, recipe.steps)
    frame = world.rows(pairs)
    queries, docs = world.vectors()
    scores = docs @ queries[world.row_of(world.QUERY)]
    chosen = frame.filter(~pl.col("positive") & pl.col("dropped").is_null())
    drawn = svg.Picture(f"{name}: the {chosen.height} negatives of one query among its candidates, by dense rank")
    x, y = svg.Axis(1, 661, svg.LEFT + 6, svg.RIGHT, log=True), svg.Axis(0, 0.8, svg.BASE, svg.TOP)
    drawn.add(*svg.frame(x, y, ("dense rank, of 661", "cosine"), (1, 3, 10, 30, 100, 300), (0, 0.2, 0.4, 0.6, 0.8)))
    signs = [(row["place"], float(scores[row["doc"]]), world.fate(row)) for row in frame.iter_rows(named=True)]
    for place, score, sign in sorted(signs, key=lambda s: "okufp".index(s[2])):
        if sign != "o" or place <= 60:
            drawn.add(svg.mark(x(place), y(score), sign))
    share = 100 * world.false_share(pairs)
    asked = ", a judge that knows the truth" if name in ASKING else ""
    told = "every query has an unlabelled answer and goes" if empty else f"{share:.1f} % of all negatives are false"
    return drawn, told + asked
