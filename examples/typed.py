"""Write one typed negative and its twin per operator: ``python examples/typed.py`` writes ``examples/typed.jsonl``."""

import json
from pathlib import Path

from foils.make.item import Item, Made
from foils.make.operators import CLASSES
from foils.make.pool import Pool
from foils.make.twins import with_twin

MILL = "The water mill of Ostby is not open in winter. It was built by Anselm Rau in 1864. Its wheel is 5 m wide."
CUPS = [
    "The island cup of 2010 was won by a team of bakers from Ostby.",
    "The island cup of 2006 was won by a team of fishers from Lund.",
    "Helen Marsh led Benton College when the war ended.",
    "Mary Stone paid for the roof of Harrow College.",
]
POOL = Pool.build(CUPS)
# Operator, query, passage, answer; written for foils.
WRITTEN: list[tuple[str, str, str, str | None]] = [
    ("insert-not", "The ferry to Lund is tied to the tide.", "The old ferry to Lund is tied to the tide.", None),
    ("remove-not", "When is the water mill of Ostby closed?", MILL, "winter"),
    (
        "insert-do-not",
        "The night ferry leaves from the north pier.",
        "The night ferry leaves from the north pier.",
        None,
    ),
    ("quantifier", "Which geese never cross the bay?", "Grey geese never cross the bay before the first frost.", None),
    ("antonym", "what is the highest peak of the island", "The highest peak of the island is Bel, a bare rock.", None),
    ("affixal", "Which mushroom of the wood is edible?", "The mushroom of the wood that is edible is the cap.", None),
    (
        "wordnet-antonym",
        "Which hill of the island is wooded?",
        "The hill of the island that is wooded is often white.",
        None,
    ),
    ("number", "How many steps lead to the tower?", "The tower is old, and 348 steps lead to its bell.", "348"),
    (
        "duration",
        "How long did the siege last?",
        "The siege of the fort lasted twelve weeks of the winter.",
        "twelve weeks",
    ),
    ("unit", "How wide is the wheel of the mill?", "The wheel of the old mill is 5 km from the sea.", "5 km"),
    ("co-hyponym", "Which metal is the bell made of?", "The bell of the tower is made of copper and is old.", "copper"),
    ("entity", "Who led the school in the war?", "In the war the school was led by Susan Gray.", "Susan Gray"),
    ("role-swap", "Who defeated Olaf at Lund?", "The war was short. Harald defeated Olaf at Lund.", "Harald"),
    ("year", "When was the bridge of Ostby opened?", "The bridge of Ostby was opened on May 5, 1932.", "1932"),
    ("month", "When is the feast of bread held?", "The feast of bread has been held since 5 May 1932.", "May"),
    (
        "order",
        "Who was the first woman to sail alone?",
        "Ann was the first woman to sail alone, and began young.",
        None,
    ),
    ("other-period", "Who won the island cup of 2010?", CUPS[0], None),
    ("delete-evidence", "Who built the water mill?", MILL, "Anselm Rau"),
    ("query-number", "Who won stage 2 of the island race?", "Ann won stage 2 of the island race by 14 seconds.", None),
    ("query-date", "Who ruled the island in 1520?", "Olaf ruled the island from 1509 to 1547.", None),
    ("query-antonym", "what is the highest peak of the island", "The highest peak of the island is Bel.", None),
    ("query-negation", "The drug is not tied to sleep.", "The drug is not tied to sleep in these mice.", None),
    ("query-exclusion", "When is the market held in Spain?", "The market is held in Spain each year in May.", None),
    ("query-ordinal", "who often sailed in the second ship", "Ann sailed in the second ship of the fleet.", None),
    ("query-entity", "When did Susan Gray often lead the school?", "Susan Gray led the school in the war.", None),
]


def rows() -> list[dict[str, object]]:
    """One row per operator that this machine can run."""
    operators = {cls.name: cls() for cls in CLASSES}
    found: list[dict[str, object]] = []
    for name, query, passage, answer in WRITTEN:
        if operators[name].missing():
            continue
        item = Item(query, passage, answer, pool=POOL)
        made = operators[name](item)
        if not isinstance(made, Made):
            raise SystemExit(f"{name}: {made}")
        made = with_twin(made, item)
        row = {
            "operator": name,
            "kind": made.kind,
            "side": made.side,
            "query": query,
            "passage": passage,
            "answer": answer,
        }
        twin = made.twin.text if made.twin else None
        found.append(row | {"negative": made.text, "why": made.why, "twin": twin})
    return found


if __name__ == "__main__":
    stored = Path(__file__).with_suffix(".jsonl")
    # What this machine cannot run stays as it was written on one that can.
    known = {row["operator"]: row for row in map(json.loads, stored.read_text(encoding="utf-8").splitlines())}
    known |= {row["operator"]: row for row in rows()}
    lines = [json.dumps(known[name], ensure_ascii=False) + "\n" for name, *_ in WRITTEN if name in known]
    stored.write_text("".join(lines), encoding="utf-8")
