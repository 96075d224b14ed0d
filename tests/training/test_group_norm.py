"""The quick group normalisation is the stock one, only quicker."""

import torch
from torch import nn

from training.playground_mini.group_norm import QuickGroupNorm, quicken


def test_values_and_slopes_are_those_of_the_stock_one() -> None:
    torch.manual_seed(0)
    stock = nn.GroupNorm(4, 16)
    nn.init.normal_(stock.weight)
    nn.init.normal_(stock.bias)
    quick = nn.Sequential(nn.GroupNorm(4, 16))
    quick[0].load_state_dict(stock.state_dict())
    quicken(quick)
    assert isinstance(quick[0], QuickGroupNorm)
    picture, pull = torch.randn(2, 2, 16, 6, 5)
    slopes = []
    for norm in (stock, quick):
        x = picture.clone().requires_grad_()
        y = norm(x)
        torch.autograd.backward(y, pull)
        slopes.append((y.detach(), x.grad, *(parameter.grad for parameter in norm.parameters())))
    for mine, true in zip(slopes[1], slopes[0], strict=True):
        torch.testing.assert_close(mine, true, rtol=1e-4, atol=1e-5)
