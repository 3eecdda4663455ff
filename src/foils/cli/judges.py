"""Judges from what is given on the command line."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from foils.cli.options import refuse
from foils.errors import RecipeError

JUDGES = {
    "llm:MODEL": "a chat model grades each pair 0 to 3 (--base-url)",
    "llm-listwise:MODEL": "a chat model sees candidates beside a known positive (--base-url)",
    "llm-logprob:MODEL": "yes or no by log-probabilities (--base-url)",
    "cross-encoder:MODEL": "a reranker of sentence-transformers",
    "replay:FILE": "verdicts from a file",
    "sheet:FILE.csv": "a person, in a spreadsheet",
    "answer": "looks for the query's answers in the document",
    "adapter": "learns from the run's own verdicts, on the run's encoder",
}


class Combine(StrEnum):
    """How several judges become one."""

    cascade = "cascade"
    agree = "agree"
    vote = "vote"


def made(specs: list[str], combine: Combine, encoder: Any, options: dict[str, Any]) -> Any:
    """The judge that these options describe.

    Args:
        specs: as given to ``--judge``.
        combine: what becomes of several.
        encoder: of the run, for the adapter; null: there is none.
        options: of endpoints (by their names on the command line), ``family``, ``complete`` and ``person``.

    Raises:
        RecipeError: a kind that is not known, or an option that nothing uses.
    """
    judges = [_one(spec, encoder, options) for spec in specs]
    llm = any(spec.startswith("llm") for spec in specs)
    if not llm:
        refuse({k: v for k, v in options.items() if k.startswith("--")}, "only a judge llm... asks an endpoint")
    if options["family"] and not any(s.startswith("replay") for s in specs):
        raise RecipeError("--family: only replayed verdicts need one")
    if options["complete"] and not any(s.startswith("replay") for s in specs):
        raise RecipeError("--complete: only a replayed file can name every relevant pair")
    if options["person"] and not any(s.startswith("sheet") for s in specs):
        raise RecipeError("--person: only a sheet is filled in by a person")
    if len(judges) == 1:
        return judges[0]
    from foils.judges.cascade import Agree, Cascade
    from foils.judges.vote import Vote

    if combine is Combine.vote:
        return Vote(tuple(judges))
    if len(judges) != 2:
        raise RecipeError(
            f"--combine {combine.value} takes two judges, {len(judges)} were given; vote takes any number"
        )
    if combine is Combine.cascade:
        return Cascade(*judges)
    # The same model twice is asked in two wordings.
    second = judges[1].reworded() if specs[0] == specs[1] and hasattr(judges[1], "reworded") else judges[1]
    return Agree(judges[0], second)


def _one(spec: str, encoder: Any, options: dict[str, Any]) -> Any:
    kind, _, what = spec.partition(":")
    wants = {key.partition(":")[0]: ":" in key for key in JUDGES}
    if kind not in wants:
        raise RecipeError(f"--judge {spec}: no such kind; one of {', '.join(JUDGES)}")
    if wants[kind] and not what:
        form = next(key for key in JUDGES if key.startswith(f"{kind}:"))
        raise RecipeError(f"--judge {spec}: write {form}")
    if kind.startswith("llm"):
        return _llm(kind, what, options)
    if kind == "cross-encoder":
        from foils.judges.cross_encoder import CrossEncoder
        from foils.models.reranker import Reranker

        return CrossEncoder(Reranker(model=what))
    if kind == "replay":
        from foils.judges.replay import Replay

        return Replay(what, family=options["family"], complete=options["complete"])
    if kind == "sheet":
        from foils.judges.sheet import Sheet

        return Sheet(what, person=options["person"])
    if kind == "answer":
        from foils.judges.answer import AnswerJudge

        return AnswerJudge()
    from foils.judges.adapter import AdapterJudge

    if encoder is None:
        raise RecipeError("--judge adapter learns on the vectors of the run's encoder, and its recipe has none")
    return AdapterJudge(encoder)


def _llm(kind: str, model: str, options: dict[str, Any]) -> Any:
    from foils.judges.listwise import LlmListwise
    from foils.judges.llm import Llm
    from foils.judges.logprob import LlmLogprob

    made: Any = {"llm": Llm, "llm-listwise": LlmListwise, "llm-logprob": LlmLogprob}[kind]
    return made(client(f"--judge {kind}:{model}", model, options))


def client(what: str, model: str, options: dict[str, Any]) -> Any:
    """A chat model as the options of endpoints say.

    Args:
        what: who wants it, as on the command line.
        model: its name.
        options: of endpoints, by their names on the command line; ``beside``: a client whose account it shares.

    Raises:
        RecipeError: there is no address.
    """
    from foils.models.llm import Budget, Chat

    if not options["--base-url"]:
        raise RecipeError(f"{what} needs --base-url, for instance http://localhost:8000/v1")
    if options.get("beside") is not None:
        return options["beside"].beside(model)
    budget = Budget(options["--price-in"], options["--price-out"], None, options["--money"])
    return Chat(model, options["--base-url"], options["--key-env"], budget=budget)
