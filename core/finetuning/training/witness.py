"""Remembers what the base model answered, and finds out later whether it still does. Knows nothing of training."""

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from core.errors import BaseChanged
from core.finetuning.model.network import Caption, TextConditioning, bind
from core.finetuning.model.objective import Objective

SEED = 4_711


class Witness:
    """What a network without an adapter answers to noise for one generic caption, at the objective's middle level."""

    def __init__(self, unet: UNet2DConditionModel, objective: Objective, caption: Caption) -> None:
        """Asks the network, which must have no adapter yet."""
        side, channels = int(unet.config.sample_size), int(unet.config.in_channels)
        self._seen = torch.randn((1, channels, side, side), generator=torch.Generator().manual_seed(SEED))
        levels = torch.tensor([objective.validation_levels[len(objective.validation_levels) // 2]])
        nothing = objective.raw_from_samples(torch.zeros_like(self._seen))
        self._condition = objective.question(nothing, levels, self._seen).condition
        self._text = TextConditioning.of([caption], [(float(side), float(side), 0.0, 0.0, float(side), float(side))])
        self._unet = unet
        self._answer = self._ask()

    def check_new_adapter(self) -> None:
        """A new adapter, switched on or off, must not change one bit. Raises BaseChanged."""
        self._compare("a new adapter, switched on, changes what the base paints")
        self.check_base()

    def check_base(self) -> None:
        """With the adapter off the network must be the base. Raises BaseChanged."""
        self._unet.disable_adapters()
        try:
            self._compare("with the adapter off the network is not the base any more")
        finally:
            self._unet.enable_adapters()

    def _compare(self, otherwise: str) -> None:
        if not torch.equal(self._ask(), self._answer):
            raise BaseChanged(f"Something is wrong with this machine or its libraries: {otherwise}. Nothing was saved.")

    @torch.no_grad()
    def _ask(self) -> Tensor:
        device, dtype = self._unet.device, self._unet.dtype
        network = bind(self._unet, self._text.to(device, dtype), dtype)
        return network(self._seen.to(device), self._condition.to(device)).cpu()
