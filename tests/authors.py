"""Simulated models that write, behind the chat server: they read the real prompts and answer in the real form."""

import json
import re

from brains import blocks
from chat_server import reply

KINDS = {
    "many of the query's own words": "query-only",
    "Write four passages": "graded",
    "Choose one constraint": "drop-constraint",
    "Choose the one named thing": "blur-entity",
    "one party does something": "swap-roles",
    "Write it again in other words": "paraphrase",
    "Answer the query from the passage alone": "read",
}


def kind(request):
    """Which kind a request asks for; empty: it is a judge's."""
    message = request["messages"][-1]["content"]
    return next((name for words, name in KINDS.items() if words in message), "")


def author(request, nth=0):
    """What a careful model writes about the texts of ``test_making.towns``."""
    found = dict(blocks(request["messages"][-1]["content"]))
    query, passage = found["query"], found.get("passage", "")
    town = re.search(r"\bof ([A-Z]\w+)", query).group(1)
    noun = re.search(r"(mill|bridge|chapel|market)", query).group(1)
    year, steps = (re.search(p, passage + " in 0, 0 steps").group(1) for p in (r"in (\d+)", r"(\d+) steps"))
    lead = f"About {town}\n" if "first line of a passage is its title" in request["messages"][-1]["content"] else ""
    text = {
        "query-only": {
            "passage": f"{lead}Few who come to {town} leave without a look at the {noun}. Guides tell how "
            f"the {noun} was opened with songs, and children run up and down beside it all summer.",
            "open": "the number or the year",
        },
        "graded": {
            "3": f"Asked about the {noun}, people in {town} say: {'; '.join(re.findall(r'[0-9]+', passage))}.",
            "2": f"A quiet place with a long stairway: that is the {noun} that {town} has had for many generations.",
            "1": f"In {town} the keeper of the {noun} sweeps its stairs in the morning and locks them in the evening.",
            "0": f"Sourdough wants patience, and a warm kitchen; of {len(town)} bakers in winter all will say so.",
        },
        "drop-constraint": {
            "constraint": f"of {town}",
            "edits": [
                {"old": f"Sights of {town}", "new": "Sights"},
                {"old": f"{noun} of {town} was", "new": f"{noun} was"},
            ],
            "twin": [{"old": "It is a quiet place", "new": "The place is quiet"}],
        },
        "blur-entity": {
            "mentions": [town],
            "blurred": "a small town",
            "twin": [{"old": "It is a quiet place", "new": "The place is quiet"}],
        },
        "paraphrase": {
            "passage": f"{town} opened its old {noun} in {year}. To get up there one climbs {steps} steps; "
            "the Sights are silent."
        },
        "read": {"answer": (year if query.startswith("When") else steps).removeprefix("0")},
    }[kind(request)]
    return reply(json.dumps(text))


def judged(relevant):
    """A script that writes as the author does, and judges as ``relevant(query, passage)`` says."""

    def script(request, nth):
        if kind(request):
            return author(request, nth)
        found = dict(blocks(request["messages"][-1]["content"]))
        yes = relevant(found["query"], found["passage"])
        words = " ".join(found["passage"].split()[:6])
        return reply(json.dumps({"quote": words if yes else "", "grade": 3 if yes else 0}))

    return script
