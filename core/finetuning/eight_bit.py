"""The 8-bit AdamW of bitsandbytes, which is an optional library."""

import torch

from core.errors import InvalidRecipe


def adamw_8bit(
    parameters: list[torch.nn.Parameter], learning_rate: float, betas: tuple[float, float], weight_decay: float
) -> torch.optim.Optimizer:
    """Raises InvalidRecipe if bitsandbytes is not installed."""
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError as error:
        raise InvalidRecipe(
            "--optimizer adamw8bit needs the library bitsandbytes: pip install bitsandbytes, or use --optimizer adamw."
        ) from error
    optimizer: torch.optim.Optimizer = AdamW8bit(parameters, lr=learning_rate, betas=betas, weight_decay=weight_decay)
    return optimizer
