"""The headline: what came out, and the one thing to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from foils.explain import NOT_DRAWN
from foils.report.checks import Check
from foils.report.facts import Ahead, Lengths, Reuse, Tally
from foils.report.markup import code, text
from foils.show import count, number, plural, share

# Reasons that rest on identity and not on a suspicion: they do not guard against unlabelled positives.
IDENTITY = ("known-positive", "same-source", "short row", "reuse cap", NOT_DRAWN)
COPIES = ("duplicate", "equals the query")


def headline(numbers: Tally, lengths: Lengths, advice: list[str], sure: tuple[str, str, str] | None = None) -> str:
    """The tiles on top of the page, and what to do next."""
    selected = numbers.fates["selected"]
    mean = (selected - numbers.made) / lengths.queries if lengths.queries else 0.0
    rejected = {reason: n for reason, n in numbers.reasons.items() if reason != NOT_DRAWN}
    most = max(rejected.items(), key=lambda item: item[1], default=None)
    tiles = [
        ("Queries mined", count(lengths.queries), plural(numbers.known, "known positive")),
        (
            "Negatives selected",
            count(selected),
            f"{share(selected, numbers.candidates)} of {plural(numbers.candidates, 'candidate')}"
            + (f"; {count(numbers.made)} were made" if numbers.made else ""),
        ),
        (
            "Per query",
            number(mean) if mean % 1 else count(round(mean)),
            _spread(lengths),
        ),
        (
            "Short rows",
            count(lengths.short),
            f"{share(lengths.short, lengths.queries)} of queries; {count(lengths.empty)} without any"
            if lengths.short
            else "every query has enough",
        ),
        (
            "Rejected most by",
            f'<span class="word">{text(most[0])}</span>' if most else "–",
            f"{share(most[1], numbers.candidates)} of candidates" if most else "no step rejected any",
        ),
    ]
    if sure is not None:
        # What matters most in the place of what matters least.
        tiles = [sure, *tiles[:-1]]
    shown = "".join(f"<div><dt>{name}</dt><dd>{value}</dd><dd class=sub>{sub}</dd></div>" for name, value, sub in tiles)
    rest = "".join(f"<li>{a[:1].upper()}{a[1:]}</li>" for a in advice[1:3])
    also = f'<p class="also">Worth a look as well:</p><ul>{rest}</ul>' if rest else ""
    return f'<dl class="tiles">{shown}</dl>\n<div class="next" role="note"><p><b>Next:</b> {advice[0]}</p>{also}</div>'


def _spread(lengths: Lengths) -> str:
    if lengths.least == lengths.most == lengths.target:
        return "the same for every query"
    return f"from {count(lengths.least)} to {count(lengths.most)}; {count(lengths.target)} wanted"


def advise(
    numbers: Tally,
    lengths: Lengths,
    reuse: Reuse,
    ahead: Mapping[str, Ahead],
    basis: str | None = None,
    wrong: Sequence[Check] = (),
) -> list[str]:
    """What to do next, the most urgent first; never empty.

    Args:
        numbers: pairs by fate.
        lengths: negatives per query.
        reuse: of documents.
        ahead: negatives above positives, by score.
        basis: what an estimate of false negatives rests on; null: nothing was estimated.
        wrong: what the checks found to be wrong beyond doubt.
    """
    # Where a detector has spoken, a score above the positive's is not news.
    doubt = _ahead(ahead) if basis is None else _unjudged(numbers, basis)
    told = [
        _nothing(numbers),
        _wrong(wrong),
        _short(numbers, lengths),
        _unguarded(numbers),
        doubt,
        _hub(lengths, reuse),
    ]
    found = [t for t in told if t]
    if numbers.fates["selected"]:
        found.append(
            'read a few of the <a href="#samples">sampled queries</a>; if the selected negatives are wrong answers, '
            f"write them for your trainer with {code('foils export')}."
        )
    return found


def _nothing(numbers: Tally) -> str:
    if numbers.fates["selected"]:
        return ""
    if not numbers.candidates:
        return "no source found any candidate: check the recipe's sources, and that documents and queries fit together."
    reason, n = max(numbers.reasons.items(), key=lambda item: item[1])
    lost = f"{code(reason)} dropped {count(n)} of {plural(numbers.candidates, 'candidate')}"
    return f"no negative is left: {lost}; loosen it, or raise {code('--depth')}."


def _wrong(wrong: Sequence[Check]) -> str:
    if not wrong:
        return ""
    worst = wrong[0]
    return f'{text(worst.said)}: see the <a href="#checks">checks</a>, which say what repairs it.'


def _unjudged(numbers: Tally, basis: str) -> str:
    if not numbers.fates["selected"] or basis != "no verdicts":
        return ""
    return (
        "the share of false negatives is an estimate that rests on no verdict: let somebody judge 50 pairs with "
        f"{code('foils review RUN')}, and the detector learns from them."
    )


def _short(numbers: Tally, lengths: Lengths) -> str:
    if not numbers.fates["selected"] or lengths.short <= 0.02 * lengths.queries:
        return ""
    rejected = {reason: n for reason, n in numbers.reasons.items() if _guards(reason)}
    why = max(rejected.items(), key=lambda item: item[1], default=None)
    cause = (
        f"; {code(why[0])} rejects most ({share(why[1], numbers.candidates)} of candidates): loosen it, or"
        if why
        else ";"
    )
    few = f"{count(lengths.short)} of {plural(lengths.queries, 'query', 'queries')}"
    return (
        f"{few} have fewer than {plural(lengths.target, 'negative')}"
        f'{cause} raise {code("--depth")}; see <a href="#short">short rows</a>.'
    )


def _unguarded(numbers: Tally) -> str:
    if not numbers.fates["selected"] or any(map(_guards, numbers.reasons)):
        return ""
    return (
        "no step rejected suspected false negatives: documents that answer the query without being labelled may be "
        f"among the negatives; add a rule such as {code('perc-pos')} or {code('band')} to the recipe."
    )


def _guards(reason: str) -> bool:
    return reason not in IDENTITY and not any(word in reason for word in COPIES)


def _ahead(ahead: Mapping[str, Ahead]) -> str:
    worst = max(ahead.items(), key=lambda item: item[1].every / max(1, item[1].compared), default=None)
    if worst is None or worst[1].every <= 0.1 * worst[1].compared:
        return ""
    name, found = worst
    return (
        f"{share(found.every, found.compared)} of the selected negatives score at least as high as every positive of "
        f'their query by {code(name)}: <a href="#samples">read some</a>, or put a {code("band")} on that score.'
    )


def _hub(lengths: Lengths, reuse: Reuse) -> str:
    if not reuse.hubs.height:
        return ""
    times = int(reuse.hubs["times"][0])
    if times < 20 or times <= 0.03 * lengths.queries:
        return ""
    return (
        f"one document is a negative of {plural(times, 'query', 'queries')} ({share(times, lengths.queries)}): "
        f'see <a href="#reuse">reuse</a>, and consider {code("reuse-cap")}.'
    )
