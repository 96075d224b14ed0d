"""The words that objectives, candidates and the network have in common. Knows nothing of any of them."""

from collections.abc import Callable
from typing import NewType

from torch import Tensor

Network = Callable[[Tensor, Tensor], Tensor]
"""(input [B, 4, h, w], time condition [B]) → output [B, 4, h, w], fp32; the text conditioning is bound already."""

RawLatents = NewType("RawLatents", Tensor)
"""What the VAE's encoder answers, before any scaling; [B, 4, h, w] fp32. The same for every kind of model."""
