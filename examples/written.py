"""One negative and its twin per kind that a language model writes: ``python examples/written.py``.

No model ran here. The replies are written by hand in the form that a model returns; everything after that is what
``foils make`` does with a reply: the gate, levels L0 and L1, the record. Writes ``examples/written.jsonl``.
"""

import json
from pathlib import Path

from foils.make.item import Item, Refused
from foils.make.operators import WRITERS
from foils.make.verify import Corpus, Structure, proven, verify
from foils.models.questions import Answer

MILL = "The water mill of Ostby was built by Anselm Rau in 1864. Its wheel is five metres wide and turns all year."
SIEGE = "The war was short. In the second spring Harald besieged Olaf in the fort of Lund. Peace came in June."
FERRY = "The night ferry from Lund to Ostby leaves at 22:40 in winter. Bicycles travel free of charge."
# Kind, query, passage, answer, and a reply in the form that a model returns; written for foils.
REPLIES: list[tuple[str, str, str, str | None, dict[str, object]]] = [
    (
        "query-only",
        "Who built the water mill of Ostby?",
        MILL,
        "Anselm Rau",
        {
            "passage": "The water mill of Ostby stands where the brook meets the harbour road. Whoever built it chose "
            "oak for the wheel and slate for the roof, and visitors may watch the stones turn.",
            "open": "the name of the builder",
        },
    ),
    (
        "graded",
        "Who built the water mill of Ostby?",
        MILL,
        "Anselm Rau",
        {
            "3": "Anselm Rau is the man to whom Ostby owes its water mill; he put it up in 1864, wheel and all.",
            "2": "Ostby has had its water mill since 1864. A master from the region raised it, one of the Rau family.",
            "1": "Every morning the keeper of the mill in Ostby opens the sluice, and the wide wheel begins to turn.",
            "0": "A sourdough needs patience: feed it twice a day and keep the jar in a warm corner of the kitchen.",
        },
    ),
    (
        "drop-constraint",
        "When does the night ferry to Ostby leave in winter?",
        FERRY,
        "22:40",
        {
            "constraint": "in winter",
            "edits": [{"old": "leaves at 22:40 in winter", "new": "leaves at 22:40"}],
            "twin": [{"old": "leaves at 22:40 in winter", "new": "departs in winter at 22:40"}],
        },
    ),
    (
        "blur-entity",
        "Who built the water mill of Ostby?",
        MILL,
        "Anselm Rau",
        {
            "mentions": ["Anselm Rau"],
            "blurred": "a master builder",
            "twin": [{"old": "was built by Anselm Rau in 1864", "new": "is a work of Anselm Rau from 1864"}],
        },
    ),
    (
        "swap-roles",
        "Who besieged Olaf in the fort of Lund?",
        SIEGE,
        "Harald",
        {
            "one": "Harald",
            "two": "Olaf",
            "verb": "besieged",
            "twin": [
                {
                    "old": "In the second spring Harald besieged Olaf in the fort of Lund.",
                    "new": "In the second spring Olaf was besieged by Harald in the fort of Lund.",
                }
            ],
        },
    ),
    (
        "paraphrase",
        "Who built the water mill of Ostby?",
        MILL,
        "Anselm Rau",
        {
            "passage": "Anselm Rau put up the water mill of Ostby; that was in 1864. The wheel, five metres across, is "
            "in motion in every season.",
        },
    ),
]


def rows() -> list[dict[str, object]]:
    """One row per negative; a paraphrase has none, and is the twin of the one that was written from the query alone."""
    writers = {cls.name: cls() for cls in WRITERS}
    found: list[dict[str, object]] = []
    for name, query, passage, answer, reply in REPLIES:
        item = Item(query, passage, answer)
        result = writers[name].read(item, Answer(json.dumps(reply), "stop"), "written by hand")
        if isinstance(result, Refused):
            raise SystemExit(f"{name}: {result}")
        for made in verify([(item, m) for m in result], (Structure(), Corpus())):
            if not proven(made):
                raise SystemExit(f"{name}: {made.checks}")
            row = {"operator": name, "kind": made.kind, "side": made.side, "query": query, "passage": passage}
            row |= {"answer": answer, "negative": made.text, "level": made.written.level if made.written else None}
            found.append(row | {"why": made.why, "twin": made.twin.text if made.twin else None})
    reworded = found[-1]
    found[-1] = reworded | {"negative": None, "twin": reworded["negative"]}
    found[0]["twin"] = reworded["negative"]
    return found


if __name__ == "__main__":
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows()]
    Path(__file__).with_suffix(".jsonl").write_text("".join(lines), encoding="utf-8")
