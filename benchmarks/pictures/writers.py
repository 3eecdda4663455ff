"""What a language model writes: stated answers of a model, read and checked by the real writers."""

from __future__ import annotations

import json
from typing import Any

from foils.make.counter import AUTHORS
from foils.make.item import Item, Made
from foils.make.operators import WRITERS
from foils.make.twosided import TwoSided
from foils.models.questions import Answer
from pictures import svg
from pictures.lists import card, sides

MILL = Item(
    "Who built the water mill of Ostby?",
    "The water mill of Ostby was built by Anselm Rau in 1864. Its wheel is wide and turns all year.",
    "Anselm Rau",
)
SIEGE = Item("Who besieged Olaf in the fort?", "In spring Harald besieged Olaf in the fort of Lund.", "Harald")
FERRY = Item(
    "When does the night ferry leave in winter?", "The night ferry to Ostby leaves at 22:40 in winter.", "22:40"
)
HARBOUR = Item(
    "", "The old harbour of Ostby was closed to ships in 1932. Since the war a museum has stood on the quay."
)
WRITTEN: dict[str, tuple[Item, dict[str, Any]]] = {
    "query-only": (
        MILL,
        {
            "passage": "The mill stands by the harbour road of Ostby, and whoever built it chose oak for its wheel.",
            "open": "the builder",
        },
    ),
    "graded": (
        MILL,
        {
            "3": "It was Anselm Rau to whom Ostby owes the mill on the brook; the town was glad of it.",
            "2": "Ostby has had a mill since 1864, the work of a master from a nearby town on the coast.",
            "1": "Every morning the keeper of the mill in Ostby opens the sluice, and the wheel begins to turn.",
            "0": "A sourdough needs patience: feed it twice a day and keep the jar in a warm corner at night.",
        },
    ),
    "drop-constraint": (
        FERRY,
        {
            "constraint": "in winter",
            "edits": [{"old": "leaves at 22:40 in winter", "new": "leaves at 22:40"}],
            "twin": [{"old": "leaves at 22:40 in winter", "new": "departs in winter at 22:40"}],
        },
    ),
    "blur-entity": (
        MILL,
        {
            "mentions": ["Anselm Rau"],
            "blurred": "a master builder",
            "twin": [{"old": "built by Anselm Rau in 1864", "new": "built in 1864 by Anselm Rau"}],
        },
    ),
    "swap-roles": (
        SIEGE,
        {
            "one": "Harald",
            "two": "Olaf",
            "verb": "besieged",
            "twin": [{"old": "Harald besieged Olaf", "new": "Olaf was besieged by Harald"}],
        },
    ),
    "paraphrase": (
        MILL,
        {"passage": "In 1864 Anselm Rau gave the people of Ostby a water mill; all year one sees its wide wheel turn."},
    ),
    "asked": (
        HARBOUR,
        {
            "edits": [{"old": "was closed to ships in 1932", "new": "went on receiving ships after 1932"}],
            "q1": "Since when can no vessel call at Ostby?",
            "q2": "Where did vessels still call after 1932?",
        },
    ),
    "asked-swap": (
        Item("", "In spring Harald besieged Olaf in the fort of Lund."),
        {
            "a": "In spring Harald besieged Olaf in the fort.",
            "b": "In spring Olaf besieged Harald in the fort.",
            "a2": "Who lay before the fort in spring to get at Olaf?",
            "b2": "Who lay before the fort in spring to get at Harald?",
        },
    ),
}


def picture(name: str) -> tuple[svg.Picture, str]:
    """What came of a stated answer."""
    item, reply = WRITTEN[name]
    writer = next(cls for cls in (*WRITERS, *AUTHORS) if cls.name == name)()
    read = writer.read(item, Answer(json.dumps(reply), "stop"), "stated")
    if isinstance(read, TwoSided):
        return sides(read), "the model’s answer is stated"
    if not isinstance(read, tuple) or not all(isinstance(made, Made) for made in read):
        raise SystemExit(f"{name}: {read}")
    return card(name, read[0], item.query, item.passage), "the model’s answer is stated"
