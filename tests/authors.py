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
    "Turn one thing that the passage says round": "asked",
    "Find two things in the passage": "asked-swap",
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


def paired(answers=None, reads=None):
    """A model that writes two-sided pairs about the passages of ``test_pairing.harbours``, reads them and judges.

    ``answers(query, passage)`` says what the judge believes, ``reads`` what the reader finds; null: the truth.
    """

    def script(request, nth=0):
        what, found = kind(request), dict(blocks(request["messages"][-1]["content"]))
        passage = found["passage"]
        if what in ("asked", "asked-swap"):
            return reply(json.dumps(sides(what, passage)))
        if what == "read":
            yes = (reads or holds)(found["query"], passage)
            return reply(json.dumps({"answer": " ".join(passage.split()[:3]) if yes else ""}))
        yes = (answers or holds)(found["query"], passage)
        return reply(json.dumps({"quote": " ".join(passage.split()[:6]) if yes else "", "grade": 3 if yes else 0}))

    return script


def sides(what, passage):
    """What a careful model writes about a harbour."""
    town, year = re.search(r"harbour of (\w+)", passage)[1], re.search(r"in (\d+)\.", passage)[1]
    if what == "asked":
        old, new = f"was closed to ships in {year}", f"went on receiving ships after {year}"
        one, two = f"since when can no vessel call at {town}", f"Which port kept its traffic when {year} was over?"
        return {"edits": [{"old": old, "new": new}], "q1": one, "q2": two}
    return {
        "a": f"In {town} the baker sold the red boat to the miller.",
        "b": f"In {town} the miller sold the red boat to the baker.",
        "a2": f"Who in {town} got a boat from the baker?",
        "b2": f"Who in {town} got a boat from the miller?",
    }


def holds(query, passage):
    """The truth about a harbour, as ``sides`` asks for it."""
    if "boat" in query:
        return ("the baker sold" in passage) == ("from the baker" in query)
    return ("was closed" in passage) == ("no vessel" in query)
