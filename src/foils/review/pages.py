"""The pages as HTML. Every text of the collection goes through ``text``, which escapes it and shows what is hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote, urlencode

from foils.report.markup import marked, matcher, table, text, words
from foils.review.agreement import Agreement
from foils.review.book import ANSWERS, CANNOT_TELL, NOT_RELEVANT, RELEVANT, Said
from foils.review.differ import NEAR, differing, edited
from foils.review.item import Item
from foils.review.queue import Filter
from foils.review.session import Risk
from foils.show import count, number, opening, plural, score, share

KEYS = {RELEVANT: "y", NOT_RELEVANT: "n", CANNOT_TELL: "c"}
SHORT = 1600


class State(NamedTuple):
    """What stands above every page.

    Args:
        title: of the run.
        by: who is at the page.
        done: verdicts of theirs.
        budget: verdicts that are wanted of them.
        risk: of the selection.
        status: what goes on in the background, or what came of it.
        problem: what went wrong there.
        busy: the run is being selected again.
        wanted: the filter; null: the queue.
        left: rows of the filter; null: the queue.
    """

    title: str
    by: str
    done: int
    budget: int
    risk: Risk
    status: str = ""
    problem: str = ""
    busy: bool = False
    wanted: Filter | None = None
    left: int | None = None


def address(wanted: Filter | None) -> str:
    """The query string that leads to a filter; empty for the queue."""
    if wanted is None:
        return ""
    return urlencode({k: v for k, v in wanted._asdict().items() if v != Filter._field_defaults[k]})


class Last(NamedTuple):
    """The decision before: what was decided, what the numbers and others say, and what the selection does with it."""

    item: Item
    said: Said
    others: Sequence[Said]


def person(by: str) -> str:
    """A name as people read it."""
    return by.removeprefix("human").removeprefix(":") or "you"


def review(state: State, shown: Item | None, last: Last | None, choices: Mapping[str, Sequence[str]]) -> str:
    """The page with the next pair."""
    body = _card(state, shown) if shown else _empty(state)
    title = f"{state.done + 1} of {state.budget}" if shown else "nothing left"
    return page(f"{title} · {state.title}", _head(state) + _filters(state, choices) + body + _before(state, last))


def _head(state: State) -> str:
    risk, done = state.risk, min(state.done, state.budget)
    estimate = "–" if risk.estimate is None else share(risk.estimate, 1)
    found = f", {count(risk.found)} found" if risk.found else ""
    spare = "disabled" if state.busy else ""
    notes = f'<p class="status" role="status">{text(state.status)}</p>' if state.status else ""
    notes += f'<p class="problem" role="alert">{text(state.problem)}</p>' if state.problem else ""
    return (
        f"<header><h1>{text(opening(state.title, 60))}</h1>"
        f"<dl><div><dt>Judged by {text(person(state.by))}</dt><dd>{count(state.done)} of {count(state.budget)}"
        f'<progress max="{state.budget}" value="{done}" aria-label="verdicts">{done}</progress></dd></div>'
        f"<div><dt>False among {count(risk.selected)} negatives</dt>"
        f"<dd>{estimate}<small> estimated{found}</small></dd></div></dl>"
        '<nav aria-label="Pages"><a href="/summary">Summary</a>'
        f'<form method="post" action="/select"><button {spare}>Select again</button></form></nav>{notes}</header>'
    )


def _filters(state: State, choices: Mapping[str, Sequence[str]]) -> str:
    wanted = state.wanted or Filter()
    menus = "".join(
        f'<label>{name.capitalize()}<select name="{name}"><option value="">any</option>'
        + "".join(
            f'<option value="{text(v)}"{" selected" if v == getattr(wanted, name) else ""}>{text(v)}</option>'
            for v in values
        )
        + "</select></label>"
        for name, values in choices.items()
    )
    opened = " open" if state.wanted is not None else ""
    found = "" if state.left is None else f'<p class="sub">{plural(state.left, "pair")}, nearest to one half first</p>'
    queue = '<a class="button" href="/">Back to the queue</a>' if state.wanted is not None else ""
    return (
        f'<div role="search"><details class="filters"{opened}><summary>Filter and search</summary>'
        f'<form method="get" action="/">{menus}'
        f'<label>Probability from<input name="low" type="number" min="0" max="1" step="any" value="{wanted.low:g}">'
        f'</label><label>to<input name="high" type="number" min="0" max="1" step="any" value="{wanted.high:g}"></label>'
        f'<label>Search <kbd>/</kbd><input name="search" type="search" data-key="/" value="{text(wanted.search)}">'
        f"</label><button>Show</button>{queue}</form>{found}</details></div>"
    )


def _card(state: State, shown: Item) -> str:
    query, candidate, legend = _texts(shown)
    positives = "".join(f"<li>{_passage(p, _marked(p, shown))}</li>" for p in shown.positives)
    known = "Known positive" if len(shown.positives) == 1 else "Known positives"
    left = f"<h3>{known}</h3><ul>{positives}</ul>" if positives else "<h3>No known positive</h3>"
    back = f'<input type="hidden" name="back" value="{text(address(state.wanted))}">'
    buttons = "".join(
        f'<button name="answer" value="{answer}" data-key="{KEYS[answer]}" class="{KEYS[answer]}">'
        f"{answer.capitalize()} <kbd>{KEYS[answer].upper()}</kbd></button>"
        for answer in ANSWERS
    )
    kind = f'<span class="chip">{text(shown.kind)}</span>' if shown.kind else ""
    # Exactly: what is shown of an id has its hidden characters replaced, and browsers change line ends.
    ids = (quote(i, safe="") for i in (shown.query_id, shown.doc_id))
    named = "".join(f'<input type="hidden" name="{n}" value="{i}">' for n, i in zip(("query", "doc"), ids, strict=True))
    return (
        f'<main><h2 id="query" dir="auto">{query}</h2><div class="sides">'
        f'<section class="known" aria-label="Known positives">{left}</section>'
        f'<section class="candidate" aria-labelledby="candidate"><h3 id="candidate">Candidate {kind}</h3>'
        f'{candidate}<p class="sub legend">{legend}</p>{_ranks(shown)}</section></div></main>'
        '<form class="decide" method="post" action="/decide" aria-label="Your decision">'
        f'<input type="hidden" name="row" value="{shown.row}">{named}{back}'
        '<p class="question">Does the candidate answer the query?</p>'
        f'<div class="buttons">{buttons}'
        '<button name="answer" value="skip" data-key="s" class="plain">Skip <kbd>S</kbd></button></div>'
        '<label class="note">Note <kbd>M</kbd><textarea name="note" rows="1" maxlength="2000" data-key="m"></textarea>'
        "</label></form>"
    )


def _texts(shown: Item) -> tuple[str, str, str]:
    """Query and candidate as HTML, and what the marks mean."""
    if shown.side == "query" and (edit := edited(shown.source, shown.query, 0)):
        return edit, _passage(shown.document), "The query was made: what changed in it is marked."
    query = text(shown.query)
    near = [shown.source] if shown.side == "document" else list(shown.positives[:1])
    for origin in near:
        if (edit := edited(origin, shown.document, 0 if shown.side else NEAR)) is not None:
            made = f"Made from a known positive: {text(shown.why)}." if shown.side and shown.why else ""
            return query, f'<p class="passage" dir="auto">{edit}</p>', made or "Marked: the edit of the known positive."
    marks = differing(shown.query, " ".join(shown.positives), shown.document, shown.dull)
    legend = "<mark>words</mark> of the query · <u>numbers and names</u> that the positives lack"
    return query, _passage(shown.document, marks if len(shown.document) <= SHORT else None, shown), legend


def _marked(raw: str, shown: Item) -> str | None:
    return marked(raw, matcher(words(shown.query[:2000]) - shown.dull)) if len(raw) <= SHORT else None


def _passage(raw: str, html: str | None = None, shown: Item | None = None) -> str:
    """A text to read: its opening, the rest on demand."""
    if len(raw) <= SHORT:
        return f'<p class="passage" dir="auto">{html or text(raw)}</p>'
    at = raw.rfind(" ", SHORT - 80, SHORT)
    at = at if at > 0 else SHORT
    known = " ".join(shown.positives) if shown else ""
    first, rest = ((differing(shown.query, known, p, shown.dull) if shown else text(p)) for p in (raw[:at], raw[at:]))
    return (
        f'<p class="passage" dir="auto">{first} …</p><details><summary>{count(len(raw) - at)} more characters'
        f'</summary><p class="passage" dir="auto">{rest}</p></details>'
    )


def _ranks(shown: Item) -> str:
    chips = [f"{text(s)} rank {count(r)}" for s, r in shown.found.items()]
    # What estimates relevance would anchor; it is shown once the person has decided.
    chips += [f"{text(c)} {score(c, v)}" for c, v in shown.scores.items() if c.partition(".")[0] != "prob"]
    found = "".join(f'<span class="chip">{chip}</span>' for chip in chips)
    return f'<details class="ranks"><summary>Ranks and scores</summary><p>{found}</p></details>' if chips else ""


def _before(state: State, last: Last | None) -> str:
    if last is None:
        return ""
    said, shown = last.said, last.item
    lines = [f'<span class="chip {KEYS[said.answer]}">{said.answer}</span>']
    lines += [f'<span class="chip">p(relevant) {number(shown.p)}</span>'] if shown.p is not None else []
    lines += [f'<span class="chip">{text(c)} {score(c, v)}</span>' for c, v in shown.scores.items() if c[:5] == "prob."]
    lines += [
        f'<span class="chip">{text(o.by)}: {o.answer}{"" if o.p is None or o.p in (0, 1) else f" ({o.p:.2f})"}'
        + (f" · {text(opening(o.note, 160))}" if o.note else "")
        + "</span>"
        for o in last.others
    ]
    note = f'<p class="sub">Note: {text(said.note)}</p>' if said.note else ""
    return (
        '<section class="last" aria-labelledby="last"><h3 id="last">Your last decision</h3>'
        f'<p dir="auto"><b>{text(opening(shown.query, 140))}</b> {text(opening(shown.document, 220))}</p>'
        f'<p class="chips">{"".join(lines)}<span class="chip">{text(shown.fate)}</span></p>{note}'
        f'<form method="post" action="/undo"><input type="hidden" name="back" value="{text(address(state.wanted))}">'
        '<button class="plain" data-key="u">Undo <kbd>U</kbd></button></form></section>'
    )


def _empty(state: State) -> str:
    what = "No pair is left that this filter shows." if state.wanted else "Nothing is left to ask."
    return f'<main><p class="lead">{what} Select again, and what you said steers the negatives.</p></main>'


def summary(state: State, agreed: Sequence[Agreement], counts: dict[str, dict[str, int]]) -> str:
    """The page with everyone's progress, agreement and what was measured."""
    risk = state.risk
    measured = (
        f"By the random part of {text(person(state.by))}: {text(str(risk.measured))}."
        if risk.measured is not None
        else "Nothing of the random part that is selected is answered yet, so there is no interval."
    )
    people = [[text(person(by)), *(count(c.get(a, 0)) for a in ANSWERS)] for by, c in counts.items()]
    rows = [
        [
            f"{text(person(a.one))} and {text(person(a.other))}",
            count(a.pairs),
            share(a.same, a.pairs),
            "–" if a.kappa is None else number(a.kappa),
        ]
        for a in agreed
    ]
    tables = table(["Who", "#Relevant", "#Not relevant", "#Cannot tell"], people, caption="Verdicts")
    tables += (
        table(["Two people", "#Pairs", "#Same answer", "#Cohen's kappa"], rows, caption="Agreement")
        if rows
        else '<p class="sub">Agreement is shown once two people have judged the same pair.</p>'
    )
    estimate = "unknown" if risk.estimate is None else share(risk.estimate, 1)
    body = (
        f'<main class="summary"><p class="lead">An estimated {estimate} of {count(risk.selected)} selected '
        f"negatives are false; people found {count(risk.found)} of them, which go when the run is selected again. "
        f"{measured}</p>"
        f'{tables}<form method="post" action="/person" class="row"><label>Who judges?<input name="person" '
        f'maxlength="40" value="{text(state.by.partition(":")[2])}"></label><button>Change</button></form>'
        '<p class="row"><a class="button" href="/">Go on judging</a><a class="button" href="/verdicts.jsonl">'
        'Verdicts as JSONL</a><a class="button" href="/argilla.json">Records for Argilla</a></p>'
        "</main>"
    )
    return page(f"Summary · {state.title}", _head(state) + body)


def page(title: str, body: str, head: str = "") -> str:
    """A whole page; scripts and styles come from this server only."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{text(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" '
        f'content="light dark"><link rel="icon" href="data:,">{head}<link rel="stylesheet" href="/page.css">'
        f'<script src="/page.js" defer></script></head><body>{body}</body></html>'
    )
