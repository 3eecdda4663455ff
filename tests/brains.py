"""Simulated models behind the chat server: they read the real prompts and answer in the real form."""

import json
import math
import re

from chat_server import reply
from foils.judges.self_test_texts import TOPICS

ANSWERS = {topic.query: topic.answer for topic in TOPICS}


def blocks(message):
    """(name, text) of what a message quotes, found by its true mark."""
    mark = re.match(r"The mark of this message is (\w+)\.", message).group(1)
    pattern = re.compile(rf"^<<BEGIN (.*?) {mark}>>\n(.*?)\n<<END \1 {mark}>>$", re.DOTALL | re.MULTILINE)
    return pattern.findall(message)


def model(relevant):
    """A script for the server; ``relevant(query, passage, place)`` says what the model believes."""

    def script(request, nth):
        message = request["messages"][-1]["content"]
        found = blocks(message)
        query = dict(found)["query"]
        candidates = [(n.split()[-1], text) for n, text in found if n.startswith("candidate ")]
        if candidates:
            said = [(label, text, relevant(query, text, place)) for place, (label, text) in enumerate(candidates)]
            entries = [
                {"label": label, "quote": quote(text) if yes else "", "verdict": "better" if yes else "none"}
                for label, text, yes in said
            ]
            return reply(json.dumps({"candidates": entries}))
        passage = dict(found)["passage"]
        yes = relevant(query, passage, 0)
        if request.get("logprobs"):
            p = 0.95 if yes else 0.05
            return reply("Yes", "length", logprobs=[("Yes", math.log(p)), ("No", math.log(1 - p))])
        return reply(json.dumps({"quote": quote(passage) if yes else "", "grade": 3 if yes else 0}))

    return script


def quote(text):
    return " ".join(text.split()[:6])


def knows(query, passage, place=0):
    """What a careful reader says of the texts of the self-test."""
    return ANSWERS[query].casefold() in passage.casefold()


def obeys(query, passage, place=0):
    """A reader that does what a passage tells it to."""
    if re.search(r"(?i)not relevant|grade 0|\"grade\": 0|nicht relevant|不相关", passage):
        return False
    if re.search(r"(?i)relevan|релевант|grade 3|\"grade\": 3|highest grade|better|\byes\b|関連|प्रासंगिक", passage):
        return True
    return knows(query, passage)


def counts_words(query, passage, place=0):
    """A reader that takes repeated query words for an answer."""
    return knows(query, passage) or passage.count(query) > 1


def wants_certainty(query, passage, place=0):
    """A reader that punishes hedges."""
    return knows(query, passage) and not re.search("possible|may be|Perhaps", passage)


def likes_the_first(query, passage, place=0):
    """A reader that takes whatever stands first."""
    return place == 0
