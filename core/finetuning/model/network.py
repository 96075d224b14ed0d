"""The base model on disk, its network with a LoRA adapter, and the stock pipeline that paints with both.

Knows the SDXL architecture's conditioning (two text encoders, pooled text, six size numbers), nothing of training.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import diffusers
import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline, UNet2DConditionModel
from diffusers.training_utils import cast_training_params
from peft import LoraConfig
from torch import Tensor

from core import hub
from core.errors import ModelUnusable, UnusableBase
from core.finetuning.hyperparameters import TARGET_MODULES, Hyperparameters, Precision
from core.finetuning.model.latents import Network
from core.finetuning.model.objective import Config
from core.generation.fingerprint import variant_of, weights_sha256
from core.generation.loading import quiet_libraries, refuse_pickles
from core.located import Origin
from core.models import ModelStore
from core.official import PLAYGROUND, PLAYGROUND_MODEL, pinned
from core.settings import CoreSettings

logger = logging.getLogger(__name__)

ADAPTER_NAME = "default"
DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Base:
    """A loaded base model and where it came from."""

    name: str
    """The hub name, or the directory's own; no path, for it goes into files that people share."""
    directory: Path
    pipeline: StableDiffusionXLPipeline
    fingerprint: str
    """SHA-256 over the network's weight files."""
    claimed_scheduler: Config
    """What the directory says of its scheduler; empty if there is none. The pipeline's may be a stand-in."""

    @property
    def native_resolution(self) -> int:
        """The side of the model's own pictures in pixels."""
        return int(self.pipeline.unet.config.sample_size) * self.latent_scale

    @property
    def latent_scale(self) -> int:
        """Pixels per latent, along one side."""
        return int(self.pipeline.vae_scale_factor)

    @property
    def size_step(self) -> int:
        """Picture sides are multiples of this, so that the network's down-sampling comes out even."""
        halvings = len(self.pipeline.unet.config.block_out_channels) - 1
        return max(self.latent_scale * int(2**halvings), self.native_resolution // 16)


@dataclass(frozen=True)
class Caption:
    """A caption as the network reads it: `text` [1, tokens, width], `pooled` [1, width]."""

    text: Tensor
    pooled: Tensor


@dataclass(frozen=True)
class TextConditioning:
    """What a batch is conditioned on: `text` [B, tokens, width], `pooled` [B, width], `time_ids` [B, 6]."""

    text: Tensor
    pooled: Tensor
    time_ids: Tensor

    def to(self, device: torch.device, dtype: torch.dtype) -> "TextConditioning":
        """Move and cast."""
        parts = (self.text, self.pooled, self.time_ids)
        return TextConditioning(*(part.to(device, dtype, non_blocking=True) for part in parts))

    def part(self, part: slice) -> "TextConditioning":
        """Some of the batch."""
        return TextConditioning(self.text[part], self.pooled[part], self.time_ids[part])

    def of_pictures(self, places: Sequence[int]) -> "TextConditioning":
        """Some of the batch, some perhaps several times."""
        chosen = list(places)
        return TextConditioning(self.text[chosen], self.pooled[chosen], self.time_ids[chosen])

    @classmethod
    def of(cls, captions: Sequence[Caption], time_ids: Sequence[tuple[float, ...]]) -> "TextConditioning":
        """Put captions and sizes together to a batch."""
        return cls(
            torch.cat([caption.text for caption in captions]),
            torch.cat([caption.pooled for caption in captions]),
            torch.tensor(time_ids, dtype=torch.float32),
        )


def default_base(settings: CoreSettings, *, cpu: bool) -> tuple[str, str | None]:
    """The model in the settings and its revision; auto is Playground v2.5, or on the CPU the miniature."""
    located = ModelStore(settings).image_model(on_gpu=not cpu)
    return located.name if located.origin is Origin.HUB else located.source, settings.image_model_revision


def load_base(name: str, revision: str | None, precision: Precision, *, hub_token: str | None = None) -> Base:
    """Load from a directory or the hub (cached there), on the CPU. Raises UnusableBase."""
    quiet_libraries()
    dtype = DTYPES[precision]
    try:
        directory = Path(name) if Path(name).is_dir() else _download(name, revision or pinned(name), hub_token)
        variant = variant_of(directory / "unet")
        refuse_pickles(directory)
        scheduler, claimed = _scheduler(directory / "scheduler" / "scheduler_config.json")
        pipeline = StableDiffusionXLPipeline.from_pretrained(
            directory, variant=variant, dtype=dtype, use_safetensors=True, scheduler=scheduler
        )
    except ModelUnusable as error:
        raise UnusableBase(str(error)) from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UnusableBase(
            f"The base model {name} cannot be loaded: it is no complete SDXL or Playground v2.5 model, or it could not "
            "be fetched. Give --base a diffusers directory or a hub name."
        ) from error
    if pipeline.unet.config.addition_embed_type != "text_time":
        raise UnusableBase(f"The base model {name} is not of the SDXL architecture; this trainer knows only that one.")
    pipeline.set_progress_bar_config(disable=True)
    for module in (pipeline.vae, pipeline.text_encoder, pipeline.text_encoder_2, pipeline.unet):
        module.requires_grad_(False).eval()
    shown = directory.resolve().name if Path(name).is_dir() else name
    return Base(shown, directory, pipeline, weights_sha256(directory / "unet", variant), claimed)


def _scheduler(config: Path) -> tuple[diffusers.SchedulerMixin, Config]:
    """The directory's scheduler with what its configuration says; a stand-in where there is none that can be made."""
    stand_in = diffusers.EDMDPMSolverMultistepScheduler()
    if not config.is_file():
        return stand_in, {}
    said: dict[str, object] = json.loads(config.read_text(encoding="utf-8"))
    try:
        scheduler = getattr(diffusers, str(said.get("_class_name"))).from_config(said)
    except Exception:  # a class that is not there, or whatever the arithmetic of diffusers' constructors raises
        logger.info("the scheduler %s cannot be made", said.get("_class_name"), exc_info=True)
        return stand_in, said
    return scheduler, {**scheduler.config, "_class_name": type(scheduler).__name__}


def full_precision_vae(base: Base) -> AutoencoderKL:
    """The VAE in fp32 where the base is; a second copy if the base was loaded in half."""
    vae = base.pipeline.vae
    if vae.dtype == torch.float32:
        return vae
    variant = variant_of(base.directory / "vae")
    copy = AutoencoderKL.from_pretrained(
        base.directory / "vae", variant=variant, dtype=torch.float32, use_safetensors=True
    )
    return copy.requires_grad_(False).eval().to(vae.device)


def _download(name: str, revision: str | None, token: str | None) -> Path:
    if name == PLAYGROUND and (fetched := hub.whole(PLAYGROUND_MODEL, revision)):
        return fetched
    download = partial(StableDiffusionXLPipeline.download, name, revision=revision, token=token, use_safetensors=True)
    try:
        return Path(download(variant="fp16"))
    except ValueError:
        logger.info("%s has no fp16 variant; fetching the full one", name)
        return Path(download())


def add_adapter(unet: UNet2DConditionModel, hyperparameters: Hyperparameters) -> None:
    """Add a LoRA that changes nothing yet; only it will learn, in fp32."""
    torch.manual_seed(hyperparameters.seed)  # peft draws the initial weights from the global generator
    unet.requires_grad_(False)
    unet.add_adapter(
        LoraConfig(
            r=hyperparameters.rank,
            lora_alpha=hyperparameters.alpha,
            init_lora_weights="gaussian",
            target_modules=list(TARGET_MODULES[hyperparameters.targets]),
        ),
        ADAPTER_NAME,
    )
    cast_training_params(unet, dtype=torch.float32)


def adapter_parameters(unet: UNet2DConditionModel) -> dict[str, torch.nn.Parameter]:
    """The adapter's parameters by name, in a fixed order."""
    return {name: parameter for name, parameter in unet.named_parameters() if ".lora_" in name}


def set_strength(unet: UNet2DConditionModel, strength: float) -> None:
    """What the adapter's output is multiplied with, beside alpha over rank, for the whole batch; 0 switches it off."""
    if strength == 0:
        unet.disable_adapters()
        return
    unet.enable_adapters()
    for layer in _adapted_layers(unet):
        layer.set_scale(ADAPTER_NAME, strength)  # type: ignore[operator]


def adapter_strength(unet: UNet2DConditionModel) -> float:
    """The largest ‖scale · B·A‖ / ‖W‖ of any adapted layer; above about 0.1 an adapter overrules its base."""
    return max((_relative_norm(layer) for layer in _adapted_layers(unet)), default=0.0)


def _adapted_layers(unet: UNet2DConditionModel) -> Iterator[torch.nn.Module]:
    return (module for module in unet.modules() if hasattr(module, "lora_A") and hasattr(module, "base_layer"))


@torch.no_grad()
def _relative_norm(layer: torch.nn.Module) -> float:
    factors = (layer.lora_A[ADAPTER_NAME].weight, layer.lora_B[ADAPTER_NAME].weight)  # type: ignore[index, union-attr]
    down, up = (factor.float().flatten(1) for factor in factors)  # of a convolution over a cell's neighbours
    change = torch.sqrt(torch.sum((up.T @ up) * (down @ down.T)).clamp(min=0)) * layer.scaling[ADAPTER_NAME]  # type: ignore[index]
    return float(change / layer.base_layer.weight.float().norm().clamp(min=1e-12))  # type: ignore[union-attr, operator]


def bind(unet: torch.nn.Module, conditioning: TextConditioning, dtype: torch.dtype) -> Network:
    """The network with its conditioning filled in."""

    def network(sample: Tensor, timestep: Tensor) -> Tensor:
        output: Tensor = unet(
            sample.to(dtype),
            timestep,
            encoder_hidden_states=conditioning.text,
            added_cond_kwargs={"text_embeds": conditioning.pooled, "time_ids": conditioning.time_ids},
            return_dict=False,
        )[0]
        return output.float()

    return network
