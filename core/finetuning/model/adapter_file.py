"""Writing the adapter: as plain diffusers reads it, and in kohya's format for other programs.

Both files carry metadata: the base model and its hash, the data, the hyperparameters.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from diffusers.loaders.lora_base import LORA_ADAPTER_METADATA_KEY
from diffusers.training_utils import _collate_lora_metadata
from diffusers.utils import convert_all_state_dict_to_peft, convert_state_dict_to_kohya
from peft.utils import get_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.model.network import adapter_parameters

ADAPTER_FILE = "pytorch_lora_weights.safetensors"
METADATA_PREFIX = "imagine_sound."
READABLE = 0o644
"""safetensors writes files that only their owner can read; the bot may be another user."""


def set_adapter(unet: UNet2DConditionModel, weights: Mapping[str, Tensor]) -> None:
    """Put the weights of a checkpoint into the network."""
    with torch.no_grad():
        for name, parameter in adapter_parameters(unet).items():
            parameter.copy_(weights[name])


def save_adapter(unet: UNet2DConditionModel, directory: Path, metadata: Mapping[str, str]) -> Path:
    """Write the network's adapter in diffusers' format, fp32, whole or not at all."""
    directory.mkdir(parents=True, exist_ok=True)
    temporary = f".{ADAPTER_FILE}"
    StableDiffusionXLPipeline.save_lora_weights(
        directory,
        unet_lora_layers=get_peft_model_state_dict(unet),  # diffusers' own naming would know the attention layers only
        weight_name=temporary,
        **_collate_lora_metadata({"unet": unet}),
    )
    written = directory / temporary
    ours = {f"{METADATA_PREFIX}{name}": value for name, value in metadata.items()}
    save_file(load_file(written), written, metadata={**read_metadata(written), **ours})
    written.chmod(READABLE)
    path = directory / ADAPTER_FILE
    os.replace(written, path)
    return path


def save_kohya(adapter: Path, hyperparameters: Hyperparameters) -> Path:
    """Write the same adapter in kohya's format beside it; the file is named after the directory."""
    state = convert_state_dict_to_kohya(convert_all_state_dict_to_peft(load_file(adapter)))
    alpha = torch.tensor(hyperparameters.alpha, dtype=torch.float32)
    state = {name: alpha.clone() if name.endswith(".alpha") else value.contiguous() for name, value in state.items()}
    metadata = {name: value for name, value in read_metadata(adapter).items() if name != LORA_ADAPTER_METADATA_KEY}
    metadata |= {
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(hyperparameters.rank),
        "ss_network_alpha": str(hyperparameters.alpha),
    }
    path = adapter.with_name(f"{adapter.parent.name}-kohya.safetensors")
    save_file(state, path, metadata=metadata)
    path.chmod(READABLE)
    return path


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file."""
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})


def adapter_metadata(
    *,
    base_name: str,
    base_sha256: str,
    objective: str,
    evidence: Mapping[str, object],
    hyperparameters: Hyperparameters,
    data: Mapping[str, object],
    steps: int,
) -> dict[str, str]:
    """What an adapter should say about itself."""
    return {
        "base_model": base_name,
        "base_unet_sha256": base_sha256,
        "objective": objective,
        "evidence": json.dumps(dict(evidence)),
        "recipe": json.dumps(hyperparameters.as_dict()),  # so it is called in every adapter that there is
        "data": json.dumps(dict(data)),
        "steps": str(steps),
    }
