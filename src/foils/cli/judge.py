"""foils judge."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated, Any

import typer

from foils.cli.judges import JUDGES, Combine, made
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
    from_user,
    print_json,
    print_table,
    refuse,
    say,
)
from foils.errors import RecipeError


class Method(StrEnum):
    """How a risk is promised."""

    calibrated = "calibrated"
    proof = "proof"
    conformal = "conformal"


def judge(
    context: typer.Context,
    run: RunArgument,
    judges: Annotated[
        list[str], typer.Option("--judge", metavar="KIND[:WHAT]", help="Whom to ask; repeat and --combine several.")
    ] = [],  # noqa: B006
    budget: Annotated[int, typer.Option(min=0, help="Verdicts of this judge on this run, in all.")] = 200,
    risk: Annotated[float | None, typer.Option(min=0, max=1, help="Share of false negatives to keep within.")] = None,
    confidence: Annotated[
        float | None, typer.Option(help="Promise the risk at this confidence, by an independent judge; e.g. 0.9.")
    ] = None,
    method: Annotated[
        Method, typer.Option(help="Of the promise: calibrated; proof (trusts nothing); conformal (whole queries).")
    ] = Method.calibrated,
    audit: Annotated[int, typer.Option(min=0, help="Measure the selection on so many random pairs instead.")] = 0,
    combine: Annotated[
        Combine, typer.Option(help="Several judges: the first filters, both agree, or they vote.")
    ] = Combine.cascade,
    base_url: BaseUrl = "",
    key_env: KeyEnv = "",
    price_in: PriceIn = None,
    price_out: PriceOut = None,
    money: Money = None,
    family: Annotated[str, typer.Option(help="Of replayed verdicts: human, or a model's name.")] = "",
    complete: Annotated[bool, typer.Option("--complete", help="The replayed file names every relevant pair.")] = False,
    person: Annotated[str, typer.Option(help="Who fills in the sheet.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what it would ask and cost; send nothing.")] = False,
    self_test: Annotated[bool, typer.Option("--self-test", help="Measure what steers the judge, not the run.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of random samples.")] = 0,
    cache: Cache = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Spend verdicts where they change the negatives most; keep to a risk, measure it, or promise it."""
    from foils import judging
    from foils.run import Run

    opened = Run.open(run)
    where = engine(cache, quiet)
    chat: dict[str, Any] = {
        "--base-url": base_url,
        "--key-env": key_env,
        "--price-in": price_in,
        "--price-out": price_out,
        "--money": money,
    }
    if not judges:
        rest: dict[str, Any] = {"--audit": audit, "--confidence": confidence is not None, "--dry-run": dry_run}
        rest |= {"--self-test": self_test, "--family": family, "--complete": complete, "--person": person}
        _alone(opened, where, risk, rest | chat | from_user(context, "budget", "method", "combine"), as_json=as_json)
        return
    who = made(judges, combine, _encoder(opened), dict(chat, family=family, complete=complete, person=person))
    who.check()
    if len(judges) < 2:
        refuse(from_user(context, "combine"), "there is nothing to combine; name a second --judge")
    if confidence is None:
        refuse(from_user(context, "method"), "is how a risk is promised; add --confidence")
    rest = {"--confidence": confidence is not None}
    if self_test:
        rest |= {"--risk": risk is not None, "--audit": audit, **from_user(context, "budget")}
        refuse(rest, "--self-test measures the judge, not the run; leave it out")
        _self_test(who, where, opened, dry_run=dry_run, as_json=as_json)
    elif dry_run:
        refuse(
            rest | {"--audit": audit},
            "--dry-run prices what --budget buys, no audit and no promise; leave one of them out",
        )
        _dry_run(who, where, opened, budget, risk, seed, as_json=as_json)
    elif audit:
        rest |= {"--risk": risk is not None, **from_user(context, "budget")}
        refuse(rest, "--audit measures the selection as it is; leave it out")
        _audit(who, where, opened, audit, seed, as_json=as_json)
    elif confidence is not None:
        if risk is None:
            raise RecipeError("--confidence needs --risk: what share of false negatives is to be promised")
        _promise(who, where, opened, (risk, confidence, method.value), budget, seed, as_json=as_json)
    else:
        say(quiet, f"{who.name} judges where it changes the selection most")
        rounds = 1 if judges[0].startswith("sheet") else 4
        done = judging.judge(opened, who, where, budget=budget, risk=risk, rounds=rounds, seed=seed)
        _judged(done, opened, judges, as_json=as_json)


def _alone(run: Any, where: Any, risk: float | None, rest: dict[str, Any], *, as_json: bool) -> None:
    from foils import judging

    if risk is None:
        raise RecipeError(f"--judge is missing; one of {', '.join(JUDGES)}; or --risk R alone, to select again")
    refuse(rest, "needs --judge")
    now = judging.select(run, where, risk=risk)
    _show({"run": str(run.folder), "risk": risk, **_selected(now)}, _said(now, run), as_json)


def _encoder(run: Any) -> Any:
    from foils.steps import WithEncoder

    found = [step.encoder for step in run.recipe.steps if isinstance(step, WithEncoder)]
    return next((encoder for encoder in found if encoder is not None), None)


def _self_test(who: Any, where: Any, run: Any, *, dry_run: bool, as_json: bool) -> None:
    from foils.judges.self_test import self_test, self_test_estimate

    if dry_run:
        _show(self_test_estimate(who, where)._asdict(), "", as_json)
        return
    found = self_test(who, where)
    table = found.table()
    if as_json:
        print_json({"judge": found.judge, "steered": found.steered, "checks": table.to_dicts()})
        return
    rows = [
        [
            r["check"],
            f"{r['flips']} of {r['compared']}",
            "–" if r["rate"] is None else f"{100 * r['rate']:.0f} % ({100 * r['low']:.0f} to {100 * r['high']:.0f})",
            str(r["abstained"]),
            r["level"],
        ]
        for r in table.iter_rows(named=True)
    ]
    print_table(["change", "verdicts turned", "rate (95 %)", "abstained", "level"], rows)
    sys.stdout.write(
        f"{found.judge} {'is steered by what should not matter' if found.steered else 'was not steered for sure'}\n"
    )


def _dry_run(who: Any, where: Any, run: Any, budget: int, risk: float | None, seed: int, *, as_json: bool) -> None:
    from foils.judges.cases import estimate
    from foils.judging import planned

    now, rows = planned(run, who, where, budget=budget, risk=risk, seed=seed)
    found = estimate(who, now.pairs, rows, where)
    data = {"judge": who.name, "pairs": len(rows), **found._asdict()}
    cost = "unknown without --price-in and --price-out" if found.cost is None else f"{found.cost:.4f}"
    text = (
        f"{len(rows):,} pairs for {who.name}: {found.calls:,} calls ({found.cached:,} answered before), "
        f"about {found.tokens_in:,} tokens in, {found.tokens_out:,} out; cost {cost}\n"
    )
    _show(data, text, as_json)


def _audit(who: Any, where: Any, run: Any, size: int, seed: int, *, as_json: bool) -> None:
    from foils.promise import Waiting, audit

    try:
        found = audit(run, who, where, size=size, seed=seed)
    except Waiting as waiting:
        _wait(who, waiting.pairs, as_json)
        return
    rate = found.rate
    data: dict[str, Any] = {
        "rate": rate.rate,
        "low": rate.low,
        "high": rate.high,
        "confidence": rate.confidence,
        "pairs": rate.n,
        "false": found.found,
        "abstained": found.abstained,
    }
    more = ""
    if found.powered is not None:
        data["prediction_powered"] = [found.powered.rate, found.powered.low, found.powered.high]
        more = f"With the detector's help: {_percent(found.powered)} (prediction-powered).\n"
    sample = f"{rate.n:,} verdicts of {who.name}"
    text = (
        f"{_percent(rate)} of the selected negatives are false, by {sample} "
        f"({found.found:,} relevant, {found.abstained:,} could not be told and count as such; Clopper-Pearson).\n"
        + more
        + (f"Next: foils judge {run.folder} --risk R drops what was found.\n" if found.found else "")
    )
    _show(data, text, as_json)


def _promise(
    who: Any, where: Any, run: Any, wanted: tuple[float, float, Any], budget: int, seed: int, *, as_json: bool
) -> None:
    from foils.promise import Waiting, promise

    risk, confidence, method = wanted
    try:
        done = promise(run, who, where, risk=risk, budget=budget, confidence=confidence, method=method, seed=seed)
    except Waiting as waiting:
        _wait(who, waiting.pairs, as_json)
        return
    data = {"run": str(run.folder), "risk": risk, "confidence": confidence, "bound": done.bound, **_selected(done.run)}
    sure = "in the mean over repetitions" if method == "conformal" else f"with {100 * confidence:g} % confidence"
    text = (
        f"{done.selected:,} negatives, of which {sure} at most {100 * done.bound:.1f} % are false "
        f"({done.judged:,} verdicts of {who.name})\n"
    )
    _show(data, text, as_json)


def _judged(done: Any, before: Any, judges: list[str], *, as_json: bool) -> None:
    data = {
        "run": str(done.run.folder),
        "asked": done.asked,
        "relevant": done.relevant,
        "abstained": done.abstained,
        "waiting": done.waiting,
        **_selected(done.run),
    }
    text = f"{done.asked:,} verdicts: {done.relevant:,} relevant, {done.abstained:,} could not be told\n" + _said(
        done.run, before
    )
    if done.waiting:
        sheets = [spec.partition(":")[2] for spec in judges if spec.startswith("sheet:")]
        todo = f"fill in the column relevant of {sheets[0]} (yes, no or ?), then give" if sheets else "give"
        text += f"{done.waiting:,} pairs wait for an answer: {todo} the same command again\n"
    _show(data, text, as_json)


def _wait(who: Any, pairs: int, as_json: bool) -> None:
    where = who.facts().get("file", "the judge")
    todo = "fill in the column relevant (yes, no or ?), then give the same command again"
    text = f"{pairs:,} pairs wait in {where}: {todo}\n"
    _show({"waiting": pairs, "file": where}, text, as_json)


def _selected(run: Any) -> dict[str, Any]:
    counts = run.pairs.counts()
    chosen = run.pairs.negatives()["p_relevant"] if "p_relevant" in run.pairs.frame.columns else None
    expected = chosen.mean() if chosen is not None and chosen.null_count() < chosen.len() else None
    kinds = run.pairs.frame["kind"].cast(str)
    return {
        "negatives": counts.get("selected", 0),
        "positives": counts.get("positive", 0),
        "promoted": int((kinds == "promoted").sum()),
        "expected_false": None if expected is None else round(float(expected), 4),
        "report": str(run.folder / "report.html"),
    }


def _said(now: Any, before: Any) -> str:
    ours, theirs = _selected(now), _selected(before)
    expected = ours["expected_false"]
    share = "" if expected is None else f", of which an estimated {100 * expected:.1f} % are false"
    return (
        f"{ours['negatives']:,} negatives (before: {theirs['negatives']:,}){share}; {ours['promoted']:,} candidates "
        f"became positives\nOpen {ours['report']}\n"
    )


def _percent(found: Any) -> str:
    inside = f"{100 * found.low:.1f} to {100 * found.high:.1f}"
    return f"{100 * found.rate:.1f} % ({100 * found.confidence:g} % interval {inside})"


def _show(data: dict[str, Any], text: str, as_json: bool) -> None:
    if as_json:
        print_json(data)
    else:
        sys.stdout.write(text or "\n".join(f"{k}: {v}" for k, v in data.items()) + "\n")
