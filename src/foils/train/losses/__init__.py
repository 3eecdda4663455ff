"""Losses as pure functions of score matrices.

One convention holds everywhere: ``scores`` is (B, N), a row per query and a column per candidate; ``targets`` is
(B, N), above 0 where the candidate is a positive (booleans, or grades); a candidate with the score -inf is not there.
Row losses give (B,) values, so that a caller can weigh rows and take the mean; a row in which nothing is left to
compare costs 0 and has gradient 0. Scores in half precision are widened before anything is computed.
"""

from foils.train.losses.contrast import (
    codiemb_ir,
    info_nce,
    nonnegative,
    pair_logistic,
    proto_nce,
    soft_info_nce,
    symmetric_info_nce,
)
from foils.train.losses.debias import dcl, hasa, hcl, ifm
from foils.train.losses.distill import (
    ar2,
    ar2_adversarial,
    ar2_distillation,
    cusa,
    distil_kl,
    margin_mse,
    sycl,
    symmetric_kl,
)
from foils.train.losses.effects import neutralise, only_own, remove, soften, weigh
from foils.train.losses.geometry import cacr, hard_simple, ngame, relative_penalty, tolerance, uniformity
from foils.train.losses.pointwise import asl, dice, dpo_margin, nbpo, nbpo_surrogate, pseudo_negatives, spml
from foils.train.losses.ranking import adore, codiemb_sts, conan, cosent, pearson, pro, rank_kl
from foils.train.losses.suspects import bml, cluster_weights, dclr, gcse, mean_one, meow, prototype_temperatures

__all__ = [
    "adore",
    "ar2",
    "ar2_adversarial",
    "ar2_distillation",
    "asl",
    "bml",
    "cacr",
    "cluster_weights",
    "codiemb_ir",
    "codiemb_sts",
    "conan",
    "cosent",
    "cusa",
    "dcl",
    "dclr",
    "dice",
    "distil_kl",
    "dpo_margin",
    "gcse",
    "hard_simple",
    "hasa",
    "hcl",
    "ifm",
    "info_nce",
    "margin_mse",
    "mean_one",
    "meow",
    "nbpo",
    "nbpo_surrogate",
    "neutralise",
    "ngame",
    "nonnegative",
    "only_own",
    "pair_logistic",
    "pearson",
    "pro",
    "proto_nce",
    "prototype_temperatures",
    "pseudo_negatives",
    "rank_kl",
    "relative_penalty",
    "remove",
    "soft_info_nce",
    "soften",
    "spml",
    "sycl",
    "symmetric_info_nce",
    "symmetric_kl",
    "tolerance",
    "uniformity",
    "weigh",
]
