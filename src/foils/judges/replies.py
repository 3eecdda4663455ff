"""Answers of language models, read strictly: what does not fit the schema is no verdict, and never a "no"."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import polars as pl

from foils.texts import words

FENCE = re.compile(r"\A```(?:json)?[ \t]*\n(.*)\n[ \t]*```\Z", re.DOTALL)
CANNOT_TELL = "cannot tell"
QUOTE_WORDS = 3
MASS = 0.5


class Unreadable(Exception):
    """The answer is not what was asked for."""


class Reading(NamedTuple):
    """What an answer says of one document.

    Args:
        label: a grade, or one of better, worse, none; null: cannot tell.
        why: the quote, or the reason for null.
    """

    label: int | str | None
    why: str


def read_object(text: str, keys: Iterable[str]) -> dict[str, Any]:
    """The one JSON object of an answer, with exactly these keys; a code fence around it is taken off.

    Args:
        text: of the answer.
        keys: that the object must have.

    Raises:
        Unreadable: it is cut, has text around it, repeats a key, or has other keys.
    """
    bare = text.strip()
    fenced = FENCE.match(bare)
    try:
        found = json.loads(fenced.group(1) if fenced else bare, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"no JSON object: {str(error)[:80]}") from None
    wanted = set(keys)
    if not isinstance(found, dict) or set(found) != wanted:
        shown = sorted(found) if isinstance(found, dict) else type(found).__name__
        raise Unreadable(f"expected an object with {sorted(wanted)}, found {str(shown)[:80]}")
    return found


def read_grade(text: str, document: str) -> Reading:
    """A grade 0 to 3 with a quote, which must stand in the document where the grade says that it answers.

    Args:
        text: of the answer.
        document: as the model saw it.

    Raises:
        Unreadable: the schema is broken, or the quote of an answering passage does not stand in it.
    """
    found = read_object(text, ("quote", "grade"))
    grade, quote = found["grade"], _quote(found["quote"])
    if grade == CANNOT_TELL:
        return Reading(None, "the model cannot tell")
    if type(grade) is not int or not 0 <= grade <= 3:
        raise Unreadable(f"the grade is {str(grade)[:40]!r}")
    if grade >= 2:
        check_quote(quote, document)
    return Reading(grade, quote)


def read_list(text: str, documents: dict[str, str]) -> dict[str, Reading]:
    """Per label what a listwise answer says; labels that it invents are passed over, missing ones stay out.

    Args:
        text: of the answer.
        documents: label to text.

    Raises:
        Unreadable: the answer as a whole breaks the schema. One bad entry makes one document unreadable only.
    """
    entries = read_object(text, ("candidates",))["candidates"]
    if not isinstance(entries, list):
        raise Unreadable(f"the candidates are a {type(entries).__name__}")
    found: dict[str, Reading] = {}
    for entry in entries:
        label = entry.get("label") if isinstance(entry, dict) else None
        if not isinstance(label, str) or label not in documents:
            continue
        if label in found:
            found[label] = Reading(None, "the model gave two verdicts")
            continue
        try:
            found[label] = _entry(entry, documents[label])
        except Unreadable as error:
            found[label] = Reading(None, f"unreadable: {error}")
    return found


def read_yes_no(logprobs: list[dict[str, Any]] | None) -> float:
    """e^yes / (e^yes + e^no) at the first token, from the log-probabilities of its alternatives.

    UniME-V2 (AAAI 2026), section on the judge. Tokens are compared without case, spaces and punctuation, and variants
    are added up. Where only one of the two words is among the alternatives, the other has at most the probability of
    the last of them, and gets it.

    Args:
        logprobs: per token ``token``, ``logprob``, ``top_logprobs``.

    Raises:
        Unreadable: there are none, or yes and no have less than half of the probability.

    Example:
        >>> top = [{"token": "Yes", "logprob": math.log(0.6)}, {"token": " no", "logprob": math.log(0.2)}]
        >>> round(read_yes_no([{"token": "Yes", "logprob": math.log(0.6), "top_logprobs": top}]), 3)
        0.75
    """
    first = next((t for t in logprobs or () if _bare(t.get("token"))), None)
    top = (first or {}).get("top_logprobs")
    if not isinstance(top, list) or not top:
        raise Unreadable("the server gives no log-probabilities")
    mass = {"yes": 0.0, "no": 0.0}
    least = 1.0
    for token in top:
        value = token.get("logprob") if isinstance(token, dict) else None
        if not isinstance(value, (int, float)) or math.isnan(value):
            raise Unreadable("a log-probability is no number")
        share = math.exp(min(float(value), 0.0))
        least = min(least, share)
        if (word := _bare(token.get("token"))) in mass:
            mass[word] += share
    if sum(mass.values()) < MASS:
        raise Unreadable(f"yes and no have {sum(mass.values()):.0%} of the probability")
    yes, no = (value or least for value in mass.values())
    return yes / (yes + no)


def check_quote(quote: str, document: str) -> None:
    """Raise unless the quote has some words and stands in the document, but for case, spaces and punctuation."""
    said, there = words(pl.Series([quote, document])).to_list()
    if not said or (said.count(" ") + 1 < QUOTE_WORDS and said != there):
        raise Unreadable(f"the quote {quote[:40]!r} has too few words to be evidence")
    if f" {said} " not in f" {there} ":
        raise Unreadable(f"the quote {quote[:40]!r} does not stand in the passage")


def _entry(entry: dict[str, Any], document: str) -> Reading:
    if set(entry) != {"label", "quote", "verdict"}:
        raise Unreadable(f"an entry has {sorted(entry)}"[:120])
    verdict, quote = entry["verdict"], _quote(entry["quote"])
    if verdict == CANNOT_TELL:
        return Reading(None, "the model cannot tell")
    if verdict not in ("better", "worse", "none"):
        raise Unreadable(f"the verdict is {str(verdict)[:40]!r}")
    if verdict != "none":
        check_quote(quote, document)
    return Reading(verdict, quote)


def _quote(value: Any) -> str:
    if value is not None and not isinstance(value, str):
        raise Unreadable(f"the quote is a {type(value).__name__}")
    return value or ""


def _once(items: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(items)
    if len(found) != len(items):
        raise ValueError("a key stands there twice")
    return found


def _bare(token: Any) -> str:
    """A token as a word: without case, the marks that tokenisers put for a space, and punctuation."""
    return re.sub(r"[\W_ĠĊ▁]+", "", str(token or "")).casefold()
