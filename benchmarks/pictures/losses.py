"""Losses: how hard each pushes a negative down, as a function of that negative's score."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from foils.train import losses as of
from pictures import svg

POSITIVE, OTHERS = 0.6, (0.5, 0.3, 0.1, 0.0)  # the scores that stay as they are
GRID = [round(-0.2 + 0.02 * i, 2) for i in range(61)]
TARGETS = torch.tensor([[True, False, False, False, False, False]])
SUSPECT = torch.tensor([[False, True, False, False, False, False]])
TEACHER = torch.tensor([[0.8, 0.4, 0.4, 0.2, 0.1, 0.0]])
GOLD = torch.tensor([4.0, 0.0, 2.0, 1.0, 0.0, 0.0])
SQUARE = torch.eye(3, dtype=torch.bool)
NOISE = torch.full((1, 6), -1.0)

Cost = Callable[[Tensor], Tensor]
Curve = tuple[str, str, Sequence[float], Sequence[float]]


def row(x: Tensor) -> Tensor:
    """A query's scores: a positive, the negative in question, four others. (1, 6)."""
    fixed = torch.tensor([POSITIVE]), torch.tensor(OTHERS)
    return torch.cat((fixed[0], x.reshape(1), fixed[1])).unsqueeze(0)


def logits(x: Tensor) -> Tensor:
    """The same as logits of relevance: ten times as large, one half at 0.5."""
    return 10 * (row(x) - 0.5)


def square(x: Tensor) -> Tensor:
    """A batch of three queries and their documents, positives on the diagonal; one score is in question."""
    base = torch.full((3, 3), 0.3) + 0.3 * torch.eye(3)
    place = torch.zeros(3, 3)
    place[0, 1] = 1.0
    return base * (1 - place) + x * place


def groups(x: Tensor) -> Tensor:
    """Two queries, each with two positives and the negative in question. (2, 2, 3)."""
    base = torch.full((2, 2, 3), 0.3)
    base[0, 0, :2] = base[1, 1, :2] = POSITIVE
    place = torch.zeros(2, 2, 3)
    place[0, 0, 2] = 1.0
    return base * (1 - place) + x * place


COSTS: dict[str, Cost] = {
    "adore": lambda x: of.adore(row(x), TARGETS, sigma=10.0),
    "ar2": lambda x: of.ar2(row(x) / 0.05, TEACHER / 0.05, TARGETS),
    "ar2_adversarial": lambda x: of.ar2_adversarial(row(x) / 0.05, TEACHER / 0.05, TARGETS),
    "ar2_distillation": lambda x: of.ar2_distillation(row(x) / 0.05, TEACHER / 0.05),
    "asl": lambda x: of.asl(logits(x), TARGETS),
    "bml": lambda x: of.bml(square(x), torch.tensor([0, 0, 1])),
    "cacr": lambda x: of.cacr(row(x), TARGETS, sharpness=(1.0, 10.0)),
    "codiemb_ir": lambda x: of.codiemb_ir(groups(x), 2, temperature=0.05),
    "codiemb_sts": lambda x: of.codiemb_sts(row(x)[0], GOLD),
    "conan": lambda x: of.conan(row(x), TARGETS, torch.tensor([0.6, 0.2]), torch.tensor([1.0, 0.0])),
    "cosent": lambda x: of.cosent(row(x)[0], GOLD),
    "cusa": lambda x: of.cusa(square(x), (torch.eye(3),) * 2, (torch.eye(3) + 0.5 * (1 - torch.eye(3)),) * 2),
    "dcl": lambda x: of.dcl(row(x), TARGETS),
    "dclr": lambda x: of.dclr(row(x), TARGETS, SUSPECT & (row(x) > 0.9)),
    "dice": lambda x: of.dice(logits(x), TARGETS),
    "distil_kl": lambda x: of.distil_kl(row(x) / 0.05, TEACHER / 0.05),
    "dpo_margin": lambda x: of.dpo_margin(10 * row(x), 10 * TEACHER, TARGETS, beta=1.0),
    "gcse": lambda x: of.info_nce(of.gcse(row(x), torch.full((1, 6), 0.6), SUSPECT, alpha=2.0), TARGETS),
    "hard_simple": lambda x: of.hard_simple(row(x), TARGETS, quantile=0.4),
    "hasa": lambda x: of.hasa(10 * row(x), TARGETS, 10 * row(x)[:, 1:2], prior=0.05),
    "hcl": lambda x: of.hcl(row(x), TARGETS),
    "ifm": lambda x: of.ifm(row(x), TARGETS),
    "info_nce": lambda x: of.info_nce(row(x), TARGETS),
    "margin_mse": lambda x: of.margin_mse(row(x), TEACHER, TARGETS),
    "meow": lambda x: of.meow(row(x), TARGETS, torch.tensor([[1.0, 3.0, 1.0, 1.0, 1.0, 1.0]])),
    "nbpo": lambda x: of.nbpo(logits(x), NOISE, TARGETS),
    "nbpo_surrogate": lambda x: of.nbpo_surrogate(logits(x), NOISE, TARGETS),
    "neutralise": lambda x: of.info_nce(of.neutralise(row(x), SUSPECT), TARGETS),
    "ngame": lambda x: of.ngame(row(x), TARGETS),
    "only_own": lambda x: of.info_nce(of.only_own(row(x), torch.tensor([0, 0, 0, 1, 1, 1])), TARGETS),
    "pair_logistic": lambda x: of.pair_logistic(row(x), TARGETS, temperature=0.1),
    "pearson": lambda x: of.pearson(row(x)[0], GOLD),
    "pro": lambda x: of.pro(row(x)[0], GOLD),
    "proto_nce": lambda x: of.proto_nce(row(x), torch.tensor([0]), torch.full((6,), 0.1)),
    "rank_kl": lambda x: of.rank_kl(row(x)[0], GOLD),
    "remove": lambda x: of.info_nce(of.remove(row(x), SUSPECT), TARGETS),
    "soft_info_nce": lambda x: of.soft_info_nce(row(x), TARGETS + 0.2 * SUSPECT),
    "soften": lambda x: of.soft_info_nce(row(x), of.soften(TARGETS.float(), 0.3 * SUSPECT)),
    "spml": lambda x: of.spml(logits(x), TARGETS),
    "sycl": lambda x: of.sycl(square(x), SQUARE.float(), temperature=0.1),
    "symmetric_info_nce": lambda x: of.symmetric_info_nce(square(x), SQUARE),
    "symmetric_kl": lambda x: of.symmetric_kl(row(x), TEACHER, 0.05, 0.05),
    "weigh": lambda x: of.info_nce(of.weigh(row(x), 1 - 0.7 * SUSPECT.float()), TARGETS),
}
# What is set apart from the defaults or the common example, for the caption.
NOTES = {
    "adore": "sigma=10",
    "bml": "both rows in one cluster",
    "cacr": "negatives sharpened tenfold",
    "codiemb_sts": "graded pairs",
    "cosent": "graded pairs",
    "cusa": "a batch of three",
    "dclr": "a suspect above 0.9",
    "dpo_margin": "beta=1, logits",
    "gcse": "the frozen model says 0.6; alpha=2",
    "hard_simple": "quantile=0.4",
    "hasa": "prior=0.05; a suspect of itself",
    "margin_mse": "the teacher says 0.4",
    "meow": "weight 3",
    "neutralise": "on info_nce",
    "only_own": "on info_nce, three candidates left",
    "pearson": "graded pairs",
    "pro": "graded pairs",
    "proto_nce": "centres as candidates",
    "rank_kl": "graded pairs",
    "remove": "on info_nce",
    "soft_info_nce": "a target of 0.2",
    "soften": "probability 0.3, on soft_info_nce",
    "weigh": "weight 0.3, on info_nce",
}


def push(cost: Cost) -> list[float]:
    """The gradient with respect to the negative's score, over the grid; above 0: it is pushed down."""
    found = []
    for value in GRID:
        x = torch.tensor(value, dtype=torch.float64, requires_grad=True)
        total = cost(x).sum()
        (slope,) = torch.autograd.grad(total, x, allow_unused=True) if total.requires_grad else (None,)
        found.append(0.0 if slope is None else float(slope))
    return found


def picture(name: str) -> tuple[svg.Picture, str]:
    """The push of a loss, with that of InfoNCE for comparison; helpers have a curve of their own."""
    if name in CURVES:
        return curve(name, *CURVES[name]()), ""
    mine, plain = (_scaled(push(COSTS[n])) for n in (name, "info_nce"))
    low = min(0.0, *mine)
    x, y = svg.Axis(-0.2, 1.0, svg.LEFT + 6, svg.RIGHT), svg.Axis(low, 1.0, svg.BASE, svg.TOP)
    drawn = svg.Picture(f"{name}: the push on a negative by its score, as a share of the largest push")
    names = ("score of the negative", "push down, share of the largest")
    drawn.add(*svg.frame(x, y, names, (0, 0.2, 0.4, 0.6, 0.8, 1), svg.ticks(low, 1.0)))
    drawn.add(svg.mark(x(POSITIVE), svg.BASE, "p"))
    if name != "info_nce":
        drawn.add(svg.path([(x(a), y(b)) for a, b in zip(GRID, plain, strict=True)], "d"))
    return drawn.add(svg.path([(x(a), y(b)) for a, b in zip(GRID, mine, strict=True)], "c")), NOTES.get(name, "")


def _scaled(values: list[float]) -> list[float]:
    most = max(abs(v) for v in values) or 1.0
    return [v / most for v in values]


def curve(name: str, across: str, up: str, xs: Sequence[float], ys: Sequence[float]) -> svg.Picture:
    """A value over another one."""
    low, high = min(0.0, *ys), max(ys)
    x, y = svg.Axis(xs[0], xs[-1], svg.LEFT + 6, svg.RIGHT), svg.Axis(low, high, svg.BASE, svg.TOP)
    drawn = svg.Picture(f"{name}: {up} by {across}")
    drawn.add(*svg.frame(x, y, (across, up), svg.ticks(xs[0], xs[-1]), svg.ticks(low, high)))
    return drawn.add(svg.path([(x(a), y(b)) for a, b in zip(xs, ys, strict=True)], "c"))


def _angles() -> list[tuple[float, Tensor]]:
    """Four unit vectors on an arc that widens, in degrees."""
    arcs = [5.0 * i for i in range(1, 37)]
    turned = [torch.deg2rad(torch.tensor([0.0, arc / 3, 2 * arc / 3, arc])) for arc in arcs]
    return [(arc, torch.stack((t.cos(), t.sin()), 1)) for arc, t in zip(arcs, turned, strict=True)]


def _uniformity() -> Curve:
    arcs = _angles()
    return (
        "degrees that four vectors span",
        "uniformity",
        [a for a, _ in arcs],
        [float(of.uniformity(v)) for _, v in arcs],
    )


def _tolerance() -> Curve:
    arcs, labels = _angles(), torch.zeros(4, dtype=torch.long)
    values = [float(of.tolerance(v, labels)) for _, v in arcs]
    return "degrees that one class spans", "tolerance", [a for a, _ in arcs], values


def _relative() -> Curve:
    shares = [float(of.relative_penalty(row(torch.tensor(x)), TARGETS, 0.1)[0, 1]) for x in GRID]
    return "score of the negative", "its share of the push, T = 0.1", GRID, shares


def _mean_one() -> Curve:
    xs = [0.1 * i for i in range(1, 31)]
    where = ~TARGETS
    ys = [float(of.mean_one(torch.tensor([[1.0, x, 1.0, 1.0, 1.0, 1.0]]), where)[0, 1]) for x in xs]
    return "weight of one of five negatives", "weight after scaling", xs, ys


def _cluster_weights() -> Curve:
    xs = [0.0, 1.0, 2.0, 3.0, 4.0]
    rows = torch.zeros(4, 1, dtype=torch.long)
    ys = [
        float(of.cluster_weights(rows, torch.tensor([[1 if k < n else 0] for k in range(4)]))[0, 0]) for n in range(5)
    ]
    return "clusterings, of 4, that part the two", "weight", xs, ys


def _prototypes() -> Curve:
    xs = [0.1 * i for i in range(1, 21)]
    clusters = torch.tensor([0] * 10 + [1] * 10)
    near = torch.full((10,), 0.5)
    ys = [float(of.prototype_temperatures(torch.cat((torch.full((10,), x), near)), clusters, 2)[0]) for x in xs]
    return "distance to the centre, the other cluster’s 0.5", "temperature", xs, ys


def _pseudo() -> Curve:
    xs = [i / 20 for i in range(21)]
    p = torch.linspace(0.02, 0.9, 40).unsqueeze(1)
    blank = torch.full((40, 1), torch.nan)
    ys = [float((~of.pseudo_negatives(p, torch.zeros(40, 1), blank, x).isnan()).sum()) for x in xs]
    return "share", "of 40 unknown pairs settled as negative", xs, ys


def _nonnegative() -> Curve:
    xs = [-1 + 0.05 * i for i in range(41)]
    ys = [float(of.nonnegative(torch.tensor([x, 0.5]))[0]) for x in xs]
    return "first of two coordinates, the other 0.5", "after", xs, ys


CURVES: dict[str, Callable[[], Curve]] = {
    "cluster_weights": _cluster_weights,
    "mean_one": _mean_one,
    "nonnegative": _nonnegative,
    "prototype_temperatures": _prototypes,
    "pseudo_negatives": _pseudo,
    "relative_penalty": _relative,
    "tolerance": _tolerance,
    "uniformity": _uniformity,
}
