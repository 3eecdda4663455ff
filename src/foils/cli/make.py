"""foils make."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from foils.cli.judges import Combine, client
from foils.cli.judges import made as made_judge
from foils.cli.options import (
    BaseUrl,
    Cache,
    Json,
    KeyEnv,
    Money,
    PriceIn,
    PriceOut,
    Quiet,
    RunArgument,
    engine,
    print_json,
    print_table,
    refuse,
    say,
)
from foils.errors import RecipeError

QUOTA = 0.15
AGAIN = "the same was made before; nothing was done"
JUDGES = ("llm", "llm-logprob", "cross-encoder", "answer")


class Side(StrEnum):
    """What is changed."""

    document = "document"
    query = "query"
    both = "both"


def make(
    run: RunArgument,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Another run folder; without, the run itself gains them.")
    ] = None,
    kinds: Annotated[
        list[str],
        typer.Option(
            help="A kind or an operator (see foils methods make); repeat, or part by commas. Without: all on."
        ),
    ] = [],  # noqa: B006
    two_sided: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, help="N two-sided pairs instead, beside the run; kinds asked, asked-swap need --llm."
        ),
    ] = 0,
    side: Annotated[Side, typer.Option(help="Change documents, queries, or both.")] = Side.document,
    quota: Annotated[float, typer.Option(help="Made negatives as a share of all negatives.")] = QUOTA,
    safety: Annotated[
        float | None, typer.Option(help="Only operators whose measured safety reaches this; without: those on.")
    ] = None,
    llm: Annotated[str, typer.Option(metavar="MODEL", help="A chat model that writes what --kinds names.")] = "",
    nli: Annotated[
        str, typer.Option(help="L2: an entailment cross-encoder, id or path, that must see a contradiction.")
    ] = "",
    reader: Annotated[
        str, typer.Option(metavar="llm:MODEL|qa:MODEL", help="L3: a reader that must not find the answer.")
    ] = "",
    judges: Annotated[
        list[str],
        typer.Option("--judge", metavar="KIND[:WHAT]", help="L4: must not say that it answers; repeat, --combine."),
    ] = [],  # noqa: B006
    combine: Annotated[
        Combine, typer.Option(help="Several judges: the first filters, both agree, or they vote.")
    ] = Combine.cascade,
    base_url: BaseUrl = "",
    key_env: KeyEnv = "",
    price_in: PriceIn = None,
    price_out: PriceOut = None,
    money: Money = None,
    budget: Annotated[int, typer.Option(min=0, help="Texts to write and pairs to read or judge, in all.")] = 200,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what it would ask and cost; send nothing.")] = False,
    twins: Annotated[bool, typer.Option("--twins", help="Add the hard positives, too, as positives.")] = False,
    language: Annotated[str, typer.Option(help="Of the texts, such as en; without, English is recognised.")] = "",
    seed: Annotated[int, typer.Option(help="Of all random draws.")] = 0,
    cache: Cache = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Make typed negatives of the positives: each with its edit, the reason why it is wrong, and a twin."""
    from foils.making import Wish, make_into, planned
    from foils.pairing import Sides
    from foils.run import Run

    named = tuple(part.strip() for each in kinds for part in each.split(",") if part.strip())
    endpoint = {
        "--base-url": base_url,
        "--key-env": key_env,
        "--price-in": price_in,
        "--price-out": price_out,
        "--money": money,
    }
    if two_sided:
        changed = {"--side": side is not Side.document, "--quota": quota != QUOTA, "--safety": safety is not None}
        given = {"--out": out, "--nli": nli, "--twins": twins} | changed
        refuse(given, "is for negatives that go into the run; two-sided pairs lie beside it (--two-sided)")
        helpers = _helpers(llm, nli, reader, judges, combine, endpoint, engine(cache, quiet), budget)
        _two_sided(run, Sides(two_sided, named, language=language, seed=seed), helpers, dry_run, quiet, as_json)
        return
    wish = Wish(named, side.value, quota, safety, twins, language, seed)
    wish.operators()
    helpers = _helpers(llm, nli, reader, judges, combine, endpoint, engine(cache, quiet), budget)
    helpers.check(wish.writers())
    if dry_run:
        _dry_run(planned(Run.open(run), wish, helpers), helpers, as_json)
        return
    if helpers.chat is not None and not helpers.late:
        say(quiet, "nobody checks whether what is written answers the query; --judge or --reader does")
    making = make_into(Run.open(run), wish, helpers=helpers, out=out)
    if making.again:
        say(quiet, AGAIN)
    summary = _summary(making)
    if as_json:
        print_json(summary)
    else:
        _print(summary)


def _two_sided(run: Path, sides: Any, helpers: Any, dry_run: bool, quiet: bool, as_json: bool) -> None:
    """Two-sided pairs, into a file of the run folder."""
    from foils.pairing import pair_into, planned_pairs
    from foils.run import Run

    helpers.check(sides.authors)
    if dry_run:
        _dry_run(planned_pairs(Run.open(run), sides, helpers), helpers, as_json)
        return
    if helpers.chat is not None and not helpers.late:
        say(quiet, "nobody checks which passage answers which question; --judge or --reader does")
    found = pair_into(Run.open(run), sides, helpers)
    if found.again:
        say(quiet, AGAIN)
    if as_json:
        told = {"run": str(run), "asked_for": sides.number, "pairs": len(found.pairs), "passages": found.passages}
        print_json(told | {"made": found.made, "nothing_made": found.reasons, "again": found.again})
        return
    rows = [
        [name, f"{found.made[name]:,}" if name in found.made else "", _why(found.reasons.get(name, {}))]
        for name in sorted({*found.made, *found.reasons})
    ]
    print_table(["operator", "made", "nothing made, why"], rows)
    sys.stdout.write(
        f"{len(found.pairs):,} two-sided pairs of {sides.number:,} asked for, from {found.passages:,} documents\n"
        f"Read {run}/both.jsonl; foils train {run} trains on them, too\n"
    )


def _helpers(
    llm: str,
    nli: str,
    reader: str,
    judges: list[str],
    combine: Combine,
    endpoint: dict[str, Any],
    where: Any,
    budget: int,
) -> Any:
    """The models that write and check, those at the endpoint on one account."""
    from foils.make.nli import CrossEncoderNli
    from foils.make.reading import LlmReader, QaReader
    from foils.make.write import Helpers

    if wrong := next((j for j in judges if j.partition(":")[0] not in JUDGES), ""):
        raise RecipeError(f"--judge {wrong}: made texts are judged by one of {', '.join(JUDGES)}")
    asking = bool(llm) or reader.startswith("llm:") or any(j.startswith("llm") for j in judges)
    if not asking:
        refuse(endpoint, "only --llm, --reader llm:MODEL and --judge llm:MODEL ask an endpoint")
    chat = client(f"--llm {llm}", llm, endpoint) if llm else None
    kind, _, model = reader.partition(":")
    if reader and (kind not in ("llm", "qa") or not model):
        raise RecipeError(f"--reader {reader}: write llm:MODEL or qa:MODEL")
    first = chat
    reads: Any = QaReader(model) if kind == "qa" else None
    if kind == "llm":
        first = client(f"--reader {reader}", model, endpoint | {"beside": chat})
        reads = LlmReader(first, where)
    if first is None and (asked := next((j for j in judges if j.startswith("llm")), "")):
        first = client(f"--judge {asked}", asked.partition(":")[2], endpoint)
    # The judge's own check refuses an address that nobody needs; here somebody else may.
    told = endpoint if any(j.startswith("llm") for j in judges) else dict.fromkeys(endpoint)
    options = {**told, "beside": first, "family": "", "complete": False, "person": ""}
    judge = made_judge(judges, combine, None, options) if judges else None
    return Helpers(chat, CrossEncoderNli(nli) if nli else None, reads, judge, where, budget)


def _dry_run(plan: dict[str, Any], helpers: Any, as_json: bool) -> None:
    data = {"budget": helpers.budget, **{part: found._asdict() for part, found in plan.items()}}
    if as_json:
        print_json(data)
        return
    rows = []
    for part, found in plan.items():
        cost = "unknown without --price-in and --price-out" if found.cost is None else f"{found.cost:.4f}"
        rows.append(
            [part, f"{found.calls:,}", f"{found.cached:,}", f"{found.tokens_in:,}", f"{found.tokens_out:,}", cost]
        )
    print_table(["at most", "calls", "answered before", "tokens in, about", "tokens out, about", "cost"], rows)
    sys.stdout.write("Nothing was sent. Fewer are asked where the quota is filled before.\n")


def _summary(making: Any) -> dict[str, Any]:
    live = making.run.pairs.counts().get("selected", 0)
    taken = sum(making.taken.values())
    return {
        "run": str(making.run.folder),
        "positives": making.items,
        "made": making.made,
        "taken": making.taken,
        "negatives": live,
        "share": round(taken / max(1, live), 4),
        "nothing_made": making.reasons,
        "artefact_auc": making.artefact,
        "artefact_auc_whole": making.whole,
        "give_away_words": list(making.words),
        "again": making.again,
    }


def _why(reasons: dict[str, int]) -> str:
    """The most frequent reasons."""
    return ", ".join(f"{n:,} {reason}" for reason, n in list(reasons.items())[:4])


def _print(summary: dict[str, Any]) -> None:
    names = sorted({*summary["made"], *summary["taken"], *summary["nothing_made"]})
    rows = []
    for name in names:
        told = _why(summary["nothing_made"].get(name, {}))
        rows.append([name, f"{summary['made'].get(name, 0):,}", f"{summary['taken'].get(name, 0):,}", told])
    print_table(["operator", "made", "in the run", "nothing made, why"], rows)
    blind = ""
    for part, auc in (("", summary["artefact_auc"]), (" (whole texts)", summary["artefact_auc_whole"])):
        blind += "" if auc is None else f"; a classifier that never sees the query tells them{part} at AUC {auc:.2f}"
    sys.stdout.write(
        f"{sum(summary['taken'].values()):,} made negatives, "
        f"{summary['share']:.1%} of {summary['negatives']:,}{blind}\n"
        f"Read {summary['run']}/made.jsonl\n"
    )
