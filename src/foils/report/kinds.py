"""Typed negatives: how many of each kind, an example of each with its edit and its twin, and what gives them away."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from foils.ledger import Ledger
from foils.made import MARK, is_made
from foils.pairs import Pairs
from foils.report.charts import bar
from foils.report.markup import code, details, section, table, text
from foils.show import ELLIPSIS, MINUS, count, plural, share

AROUND = 160  # characters that are shown on either side of the edits
LONGEST = 320  # of what was taken out
Record = Mapping[str, Any]

MEANING = {
    "polarity": "says the opposite",
    "near-miss": "names something else of the same sort",
    "temporal": "is about another time",
    "deletion": "has lost the sentence that answered",
    "false premise": "a query that assumes what is not so",
    "generated": "was written on the subject by a model that had not seen the answer",
    "graded": "was written to be close, and not to answer",
    "degraded": "no longer says that it is about what was asked",
}


def kinds(pairs: Pairs, made: Sequence[Record], ledger: Ledger) -> str:
    """The section; empty where nothing was made.

    Args:
        pairs: the finished table.
        made: the records of ``made.jsonl``; none: counts only.
        ledger: what ``foils make`` noted of words that give its negatives away.
    """
    rows = pairs.frame.filter(is_made(pairs) & pairs.live)
    if rows.height == 0:
        return ""
    counted = _counted(pairs, rows)
    total = pairs.frame.select(pairs.live.sum()).item()
    lead = (
        f"{plural(rows.height, 'negative')} ({share(rows.height, total)} of all) were made from known positives, so "
        "what is wrong with them is known. Rules on scores pass over them."
    )
    body = [
        [text(k), text(MEANING.get(k, "")), count(n), ", ".join(f"{text(o)} {count(m)}" for o, m in by)]
        for k, n, by in counted
    ]
    told = table(["kind", "what is wrong", "#negatives", "operators"], body, css="wide")
    ids = [(pairs.collection.corpus["id"], "doc"), (pairs.collection.queries["id"], "query")]
    there = {name for names, column in ids for name in names.gather(rows[column]).to_list()}
    found = _examples(pairs, [r for r in made if r["id"] in there])
    shown = "".join(_kind(kind, found[kind]) for kind, *_ in counted if kind in found)
    return section("kinds", "Typed negatives", lead, told, shown, _words(ledger))


def both(found: Sequence[Record]) -> str:
    """The section on two-sided pairs; empty where there are none.

    Args:
        found: the records of ``both.jsonl``.
    """
    counts = Counter(r["operator"] for r in found)
    if not counts:
        return ""
    lead = (
        f"{plural(len(found), 'pair')} of passages that differ in one thing, and a query for each, lie beside the run: "
        "no part of its table, but <code>foils train</code> trains on them, too."
    )
    chosen: dict[str, Record] = {}
    for record in sorted(found, key=lambda r: (len(r["passage"]), str(r.get("id")))):
        chosen.setdefault(record["operator"], record)
    shown = [_pair(chosen[operator]) for operator, _ in counts.most_common()]
    more = details(f"{plural(len(shown) - 1, 'more operator')}", "".join(shown[1:])) if shown[1:] else ""
    told = table(["operator", "#pairs"], [[code(o), count(n)] for o, n in counts.most_common()])
    return section("both", "Two-sided pairs", lead, told, shown[0], more)


def _pair(record: Record) -> str:
    parts = [
        ("Query", text(record["query"])),
        ("Passage that answers it", _cut(record["passage"])),
        ("Other query", text(record["counter"])),
        ("Passage that answers that", edited(record["changed"], record["edits"])),
        ("Written by", text(record["model"])),
    ]
    rows = "".join(f'<dt>{name}</dt><dd dir="auto">{html}</dd>' for name, html in parts if html)
    return f'<div class="typed"><p class="sub">{code(record["operator"])}</p><dl>{rows}</dl></div>'


def _counted(pairs: Pairs, rows: pl.DataFrame) -> list[tuple[str, int, list[tuple[str, int]]]]:
    """Kinds with their counts, and those of their operators, the most frequent first."""
    marks = [
        pl.lit(t[MARK]).gather(pl.col(c)) if MARK in t.columns else pl.lit(None, dtype=pl.String)
        for t, c in ((pairs.collection.corpus, "doc"), (pairs.collection.queries, "query"))
    ]
    by = (
        rows.select(kind=pl.col("kind").cast(pl.String), operator=pl.coalesce(marks)).group_by("kind", "operator").len()
    )
    by = by.sort("len", "operator", descending=[True, False])
    groups = {str(k[0]): part.select("operator", "len").rows() for k, part in by.group_by("kind", maintain_order=True)}
    sums = [(kind, sum(n for _, n in part), part) for kind, part in groups.items()]
    return sorted(sums, key=lambda s: (-s[1], s[0]))


def _examples(pairs: Pairs, made: Sequence[Record]) -> dict[str, list[str]]:
    """Per kind, an example of each operator: the shortest, so that it can be read."""
    chosen: dict[tuple[str, str], Record] = {}
    for record in made:
        key = record["kind"], record["operator"]
        if key not in chosen or _size(record) < _size(chosen[key]):
            chosen[key] = record
    collection = pairs.collection
    queries = _lookup(collection.queries["id"], collection.queries["text"], [r["query_id"] for r in chosen.values()])
    passages = _lookup(collection.corpus["id"], collection.passages, [r["source_id"] for r in chosen.values()])
    found: dict[str, list[str]] = {}
    for (kind, _), record in sorted(chosen.items()):
        asked, source = queries.get(record["query_id"], ""), passages.get(record["source_id"], "")
        found.setdefault(kind, []).append(_example(record, asked, source))
    return found


def _size(record: Record) -> tuple[bool, int, str]:
    return record["twin"] is None, len(record["text"]), record["id"]


def _lookup(ids: pl.Series, texts: pl.Series, wanted: Sequence[str]) -> dict[str, str]:
    rows = ids.is_in(list(wanted)).arg_true()
    return dict(zip(ids.gather(rows).to_list(), texts.gather(rows).to_list(), strict=True))


def _kind(kind: str, examples: Sequence[str]) -> str:
    more = details(f"{plural(len(examples) - 1, 'more operator')}", "".join(examples[1:])) if examples[1:] else ""
    return f"<h3>{text(kind[:1].upper() + kind[1:])}</h3>{examples[0]}{more}"


def _example(record: Record, query: str, source: str) -> str:
    of_query = record["side"] == "query"
    changed = edited(record["text"], record["edits"])
    if of_query:
        parts = [("Changed query", changed), ("Passage that does not answer it", _cut(source))]
    else:
        parts = [("Query", text(query)), ("Negative", changed)]
    if _sure(record["twin"]):
        name = "Twin: asks the same" if of_query else "Twin: still answers"
        parts.append((name, edited(record["twin"]["text"], record["twin"]["edits"])))
    parts += [("Why it is wrong", text(record["why"])), ("Checks", _checks(record))]
    parts += [("Written by", text(str(record.get("model") or "")))]
    rows = "".join(f'<dt>{name}</dt><dd dir="auto">{html}</dd>' for name, html in parts if html)
    return f'<div class="typed"><p class="sub">{code(record["operator"])}</p><dl>{rows}</dl></div>'


def _sure(twin: Record | None) -> bool:
    """A rule keeps the meaning; what a model wrote needs a check that says so, and none against."""
    if twin is None or "checks" not in twin:
        return twin is not None
    said = {check["passed"] for check in twin["checks"]}
    return True in said and False not in said


def _checks(record: Record) -> str:
    words = {True: "passed", False: "failed", None: "could not tell"}
    chips = [
        f'<span class="chip">{text(c["level"])} {text(c["by"])}: {words[c["passed"]]}</span>' for c in record["checks"]
    ]
    if record["safety"] is not None:
        chips.append(f'<span class="chip">{100 * record["safety"]:.0f}% of this operator were right when read</span>')
    return " ".join(chips)


def edited(changed: str, edits: Sequence[Record]) -> str:
    """A changed text as HTML: what stood there struck, what stands there now bold, and some text around.

    Args:
        changed: after the edits.
        edits: ``start``, ``old``, ``new``; places are those before any edit.

    Example:
        >>> edited("open in May", [{"start": 8, "end": 12, "old": "June", "new": "May"}])
        'open in <del>June</del><ins>May</ins>'
    """
    if not edits:
        return _cut(changed)
    parts: list[str] = []
    done, shift = 0, 0
    for edit in sorted(edits, key=lambda e: e["start"]):
        at = edit["start"] + shift
        parts.append(_between(changed[done:at], first=not parts))
        old = edit["old"] if len(edit["old"]) <= LONGEST else edit["old"][:LONGEST] + ELLIPSIS
        parts.append(f"<del>{text(old)}</del>" if old else "")
        parts.append(f"<ins>{text(edit['new'])}</ins>" if edit["new"] else "")
        done, shift = at + len(edit["new"]), shift + len(edit["new"]) - len(edit["old"])
    rest = changed[done:]
    return "".join(parts) + (text(rest) if len(rest) <= 2 * AROUND else text(rest[:AROUND]) + ELLIPSIS)


def _between(raw: str, *, first: bool) -> str:
    """Text before an edit; of a long one only what is near."""
    if len(raw) <= 2 * AROUND:
        return text(raw)
    return ELLIPSIS + text(raw[-AROUND:]) if first else f"{text(raw[:AROUND])} {ELLIPSIS} {text(raw[-AROUND:])}"


def _cut(raw: str) -> str:
    return text(raw) if len(raw) <= 3 * AROUND else text(raw[: 3 * AROUND]) + ELLIPSIS


def _words(ledger: Ledger) -> str:
    """What ``foils make`` found of words that tell made texts from real ones."""
    facts = next((e.facts for e in reversed(ledger.entries) if e.step == "make"), {})
    auc, told = facts.get("artefact AUC", ""), facts.get("give-away words (z)", "")
    found = re.findall(r"(?:^|, )(.+?) ([+-]\d+\.\d)(?=, |$)", told)
    if not auc:
        return ""
    blind = (
        f"A classifier that never sees the query tells made texts from their originals at an AUC of {text(auc)} "
        "(0.5 is chance, up to 0.6 is accepted)."
        if re.fullmatch(r"[\d.]+", auc)
        else "There are too few to tell whether a classifier that never sees the query could find them."
    )
    whole = facts.get("artefact AUC of whole texts", "")
    blind += f" Of whole texts that a model wrote: {text(whole)}." if whole else ""
    note = f'<p class="note">{blind}</p>'
    if not found:
        return f"<h3>Words that give them away</h3>{note}"
    most = max(abs(float(z)) for _, z in found) or 1.0
    rows = [
        [text(word), _tilt(float(z), most), z.replace("-", MINUS), "made" if float(z) > 0 else "original"]
        for word, z in found
    ]
    shown = table(["words", "", "#z", "more often in"], rows, css="bars", caption="Words that give them away")
    return shown + note


def _tilt(z: float, most: float) -> str:
    end = 50 + 50 * z / most
    return bar([("selected" if z > 0 else "left", min(50.0, end), max(50.0, end))], f"z {z:+.1f}")
