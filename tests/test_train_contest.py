"""The rows of minimal pairs compare their own two documents, and only the sum of a pair is held."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize, softplus

from foils.errors import RecipeError
from foils.train.contest import Contest
from foils.train.losses import info_nce
from foils.train.objective import Batch
from foils.train.settings import Settings


def batch(rows, targets, own):
    targets, own = torch.tensor(targets, dtype=torch.float32), torch.tensor(own)
    docs = torch.arange(targets.shape[1])
    return Batch(np.array(rows), torch.arange(len(rows)), docs, targets, own, own & (targets == 0), None)


@pytest.fixture
def mixed():
    """Rows 4 and 7 are a pair over documents 0 and 2; row 1 has document 1."""
    partner = np.array([-1, -1, -1, -1, 7, -1, -1, 4])
    two = [[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[True, False, True], [False, True, False], [True, False, True]]
    return Contest(partner, 0.02), batch([4, 1, 7], *two)


def test_partners_are_found_where_they_stand(mixed):
    contest, both = mixed
    assert contest.mates(both.rows).tolist() == [2, 1, 0]
    assert contest.mates(np.array([7, 1])).tolist() == [0, 1]


def test_a_pair_is_a_contest_of_two_whatever_else_is_in_the_batch(mixed):
    contest, both = mixed
    scores = torch.tensor([[0.50, 0.90, 0.52], [0.3, 0.4, 0.2], [0.6, 0.9, 0.7]])
    kept = contest.alone(scores, both, 0.05)
    losses = info_nce(kept, both.targets, 0.05)
    # log(1 + exp((wrong - right) / 0.02)) for the pair, the loss of the batch for the other row.
    assert losses[0].item() == pytest.approx(softplus(torch.tensor(0.02 / 0.02)).item(), rel=1e-4)
    assert losses[2].item() == pytest.approx(softplus(torch.tensor(-0.10 / 0.02)).item(), rel=1e-4)
    assert losses[1].item() == pytest.approx(info_nce(scores, both.targets, 0.05)[1].item(), rel=1e-6)


def test_only_the_sum_of_a_pair_is_held(mixed):
    contest, both = mixed
    torch.manual_seed(0)
    queries, docs = normalize(torch.randn(3, 8), dim=-1), normalize(torch.randn(3, 8), dim=-1)
    q, d = contest.sums(queries, docs, both)
    torch.testing.assert_close(d[0], docs[0] + docs[2])
    torch.testing.assert_close(d[2], d[0])
    torch.testing.assert_close(q[0], queries[0] + queries[2])
    torch.testing.assert_close(torch.cosine_similarity(q[1], queries[1], dim=0), torch.tensor(1.0))
    # Exchanging the two changes each of them and not their sum.
    swapped = contest.sums(queries[[2, 1, 0]], docs[[2, 1, 0]], both)
    torch.testing.assert_close(swapped[0], q)
    torch.testing.assert_close(swapped[1], d)


def test_a_row_whose_partner_is_elsewhere_is_like_any_other(mixed):
    contest, _ = mixed
    alone = batch([4, 1], [[1, 0, 0], [0, 1, 0]], [[True, False, True], [False, True, False]])
    scores = torch.rand(2, 3)
    assert torch.equal(contest.alone(scores, alone, 0.05), scores)


@pytest.mark.parametrize("changed", [{"contest": -1.0}, {"contest": 0.02, "loss": "dcl"}])
def test_settings_that_do_not_go_together(changed):
    with pytest.raises(RecipeError, match="contest="):
        Settings(**changed).settled()
