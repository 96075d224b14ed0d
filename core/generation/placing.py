"""A pipeline's parts put where the plan wants them, and what the plan has to know of the device and the parts.

What is planned, and why, is the business of `residence.py`.
"""

import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel

from core.generation.residence import Card, Home, Residence, Storage, Wanted, Weights, everything, plan

MOST_ON_A_PROCESSOR = 2
"""One picture keeps a processor busy, so more at once would only make everybody wait for everybody
(`python -m benchmarks.generation --miniature`)."""
TEXT_ENCODERS = ("text_encoder", "text_encoder_2")


def arranged(pipeline: StableDiffusionXLPipeline, device: torch.device, wanted: Wanted) -> Residence:
    """The plan for `pipeline`, which is not on `device` yet. Raises ModelUnusable where it does not fit."""
    if device.type != "cuda":
        return everything(min(wanted.batch, MOST_ON_A_PROCESSOR))
    return plan(card_of(device), weights_of(pipeline), wanted)


def place(pipeline: StableDiffusionXLPipeline, device: torch.device, residence: Residence) -> None:
    """Put the parts of `pipeline` where `residence` wants them. Raises what the device raises."""
    if residence.unet is Storage.FP8:
        store_in_fp8(pipeline.unet)
    for name, part in pipeline.components.items():
        if isinstance(part, torch.nn.Module) and not (residence.text_encoders is Home.PARKED and name in TEXT_ENCODERS):
            part.to(device)


def store_in_fp8(unet: UNet2DConditionModel) -> None:
    """Keep the weights of `unet` in one byte each; a layer that computes has its own in their former type.

    An adapter that is loaded afterwards would be made in the type of the weights beside it, rounded to one byte, in
    which nothing can be computed; peft asks a layer that has a `compute_dtype` for that instead.
    """
    compute_dtype = unet.dtype
    unet.enable_layerwise_casting(torch.float8_e4m3fn, compute_dtype=compute_dtype)
    for layer in unet.modules():
        weight = getattr(layer, "weight", None)
        if weight is not None and weight.dtype == torch.float8_e4m3fn:
            layer.compute_dtype = compute_dtype


def weights_of(pipeline: StableDiffusionXLPipeline) -> Weights:
    """Counted as they are, but for the autoencoder's, which the plan wants in two-byte floats."""
    encoders = sum(_bytes(getattr(pipeline, name)) for name in TEXT_ENCODERS)
    parameters = sum(weight.numel() for weight in pipeline.vae.parameters())
    return Weights(_bytes(pipeline.unet), encoders, 2 * parameters)


def card_of(device: torch.device) -> Card:
    """The GPU's memory now."""
    _, total = torch.cuda.mem_get_info(device)
    return Card(free_bytes(device), total, torch.cuda.is_bf16_supported(including_emulation=False))


def free_bytes(device: torch.device) -> int:
    """What can be had on a GPU: free, or kept by PyTorch for later."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def _bytes(part: torch.nn.Module) -> int:
    return sum(weight.numel() * weight.element_size() for weight in part.parameters())
