"""From a model's name or directory to a diffusers pipeline on its device, and the device's memory: errors that a person
can act on.

Knows how models are stored; how they paint is the business of `playground.py` and `stock.py`.
"""

import gc
import json
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import diffusers
import torch
import transformers
from diffusers import DiffusionPipeline, EDMDPMSolverMultistepScheduler, StableDiffusionXLPipeline
from huggingface_hub.utils import are_progress_bars_disabled, enable_progress_bars  # type: ignore[attr-defined]
from safetensors import SafetensorError, safe_open

from core import hub
from core.errors import ModelMissing, ModelUnusable, OutOfMemory
from core.generation.defaults import Defaults
from core.generation.memory_errors import is_out_of_memory
from core.generation.watch import USUAL_PATIENCE, within
from core.located import LocatedModel
from core.official import PLAYGROUND, PLAYGROUND_MODEL

log = logging.getLogger(__name__)

Result = TypeVar("Result")

PICKLES = frozenset({".bin", ".ckpt", ".pkl", ".pt", ".pth"})
PICKLES_ONLY = (
    "The weights in {} are pickles, which can run any code when they are read; set IMAGE_MODEL to a model with "
    "safetensors weights."
)
NO_SAFETENSORS = "Could not find the necessary `safetensors` weights"
"""What diffusers says of a model on the hub that has none."""
EDM_STATISTICS = ("edm_mean", "edm_std")
"""What a single-file checkpoint of Playground's kind calls the mean and deviation of its latents."""
NOT_EDM = (
    "{} is a single file without the {} of Playground v2.5, and would paint noise; set IMAGE_MODEL to a directory in "
    "diffusers' layout."
)


def choose_device(wanted: str) -> torch.device:
    """`auto` is CUDA where there is one. Raises ModelUnusable when CUDA is wanted and missing."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ModelUnusable("DEVICE is cuda but no CUDA GPU was found; install the driver or set DEVICE=cpu.")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def device_name(device: torch.device) -> str:
    """The device as a person knows it."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "the processor"


def native_size(pipeline: StableDiffusionXLPipeline, defaults: Defaults) -> tuple[int, int]:
    """Width and height in pixels of what it paints unless told otherwise."""
    side = pipeline.default_sample_size * pipeline.vae_scale_factor
    return defaults.size or (side, side)


def load_pipeline(
    model: LocatedModel, device: torch.device, *, offline: bool, hub_token: str | None = None
) -> DiffusionPipeline:
    """The pipeline of `model` on `device`. Raises what `read_pipeline` and `settle` raise."""
    pipeline = read_pipeline(model, device, offline=offline, hub_token=hub_token)
    settle(model, lambda: pipeline.to(device))
    return pipeline


def settle(model: LocatedModel, work: Callable[[], object]) -> None:
    """Do `work`, which puts `model` on its device. Raises ModelUnusable where its memory does not suffice, PainterLost
    where it does not answer."""
    try:
        within(USUAL_PATIENCE.loading_s, work)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise ModelUnusable(
                f"{model.name} cannot be put on this device ({error}); set DEVICE=cpu or IMAGE_MODEL to another."
            ) from error
        raise ModelUnusable(
            f"{model.name} does not fit into this GPU's memory; set DEVICE=cpu or IMAGE_MODEL to a smaller model."
        ) from error


def read_pipeline(
    model: LocatedModel,
    device: torch.device,
    *,
    offline: bool,
    hub_token: str | None = None,
    dtype: torch.dtype | None = None,
) -> DiffusionPipeline:
    """The pipeline of `model` in main memory, in floats of `dtype`, or what suits `device`: see `best_dtype`.

    Nothing in it is executed: weights are read from safetensors only, and no code that comes with a model is run.
    Raises ModelMissing if it cannot be found or fetched, ModelUnusable if it is no diffusers text-to-image model.
    """
    quiet_libraries()
    dtype = dtype or best_dtype(device)
    options: dict[str, Any] = {"torch_dtype": dtype, "local_files_only": offline, "use_safetensors": True}
    if Path(model.source).exists():
        refuse_pickles(Path(model.source))
    else:
        options |= {"revision": model.revision, "token": hub_token}
    try:
        pipeline = _from_pretrained(model, options)  # may fetch it, which takes as long as it takes
        if dtype == torch.float16 and hasattr(pipeline, "vae"):
            pipeline.vae.to(torch.float32)  # SDXL's decoder overflows in float16
    except OSError as error:
        log.warning("cannot load %s", model.source, exc_info=True)
        if NO_SAFETENSORS in str(error):
            raise ModelUnusable(PICKLES_ONLY.format(model.source)) from error
        if Path(model.source).exists():
            raise ModelUnusable(
                f"{model.source} is not a diffusers model directory, or not a whole one; set IMAGE_MODEL to "
                "one, or to auto."
            ) from error
        raise ModelMissing(
            f"The image model {model.source} is neither here nor could it be fetched; start with a network "
            "and DOWNLOAD_MODELS=on (`imagine-sound models pull` fetches Playground v2.5), or set IMAGE_MODEL to a "
            "directory."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError, ImportError, SafetensorError) as error:
        log.warning("cannot load %s", model.source, exc_info=True)
        raise ModelUnusable(
            f"{model.source} cannot be loaded as a diffusers model; set IMAGE_MODEL to another."
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def refuse_pickles(directory: Path) -> None:
    """Raises ModelUnusable where a part of the model in `directory` has weights as pickles only."""
    try:
        parts = [directory / name for name in json.loads((directory / "model_index.json").read_text())]
    except (OSError, ValueError, TypeError):
        return  # loading it will say what is wrong
    for part in (part for part in parts if part.is_dir()):
        endings = {file.suffix for file in part.iterdir()}
        if endings & PICKLES and ".safetensors" not in endings:
            raise ModelUnusable(PICKLES_ONLY.format(part))


def best_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 on CUDA, float16 on GPUs without it, float32 on the CPU."""
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def _from_pretrained(model: LocatedModel, options: dict[str, Any]) -> DiffusionPipeline:
    """The half-precision files where there are any, which are half the download, else the full ones, else one file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        if checkpoint := single_file(Path(model.source)):
            return _from_single_file(checkpoint, options)
        try:
            return DiffusionPipeline.from_pretrained(model.source, variant="fp16", **options)
        except ValueError:
            return DiffusionPipeline.from_pretrained(model.source, **options)


def single_file(source: Path) -> Path | None:
    """The checkpoint that `source` is, or holds alone instead of a pipeline's folders; None if it is something else."""
    if source.is_file():
        return source
    files = [] if (source / "model_index.json").exists() else list(source.glob("*.safetensors"))
    return files[0] if len(files) == 1 else None


def _from_single_file(checkpoint: Path, options: dict[str, Any]) -> DiffusionPipeline:
    """Only one of Playground's kind: its configuration is known, and painted by another's it would be noise.

    Raises ModelMissing without that configuration, ModelUnusable if it is none.
    """
    with safe_open(checkpoint, framework="pt") as file:
        lost = [name for name in EDM_STATISTICS if name not in file.keys()]  # noqa: SIM118
    if lost:
        raise ModelUnusable(NOT_EDM.format(checkpoint.name, f"latent statistics ({', '.join(lost)})"))
    config = hub.snapshot(PLAYGROUND_MODEL, PLAYGROUND_MODEL.commit)
    if config is None and options["local_files_only"]:
        raise ModelMissing(
            f"{checkpoint.name} is a single file without its configuration, which is Playground v2.5's; run "
            "`imagine-sound models pull playground`, or start with a network and DOWNLOAD_MODELS=on."
        )
    pipeline = StableDiffusionXLPipeline.from_single_file(
        str(checkpoint),
        config=str(config) if config else PLAYGROUND,
        revision=PLAYGROUND_MODEL.commit,
        torch_dtype=options["torch_dtype"],
        local_files_only=options["local_files_only"],
    )
    if not is_sdxl_edm(pipeline):
        raise ModelUnusable(NOT_EDM.format(checkpoint.name, "EDM scheduler"))
    if pipeline.vae.config.latents_mean is None or pipeline.vae.config.latents_std is None:
        raise ModelUnusable(NOT_EDM.format(checkpoint.name, "latent statistics"))
    return pipeline


def is_sdxl_edm(pipeline: DiffusionPipeline) -> bool:
    """Whether the batching engine can run it: SDXL's parts, and the EDM scheduler that `sampler.py` implements."""
    if type(pipeline) is not StableDiffusionXLPipeline:
        return False
    scheduler = pipeline.scheduler
    if not isinstance(scheduler, EDMDPMSolverMultistepScheduler):
        return False
    config = scheduler.config
    return (
        config.prediction_type == "epsilon"
        and config.sigma_schedule == "karras"
        and config.solver_order == 2
        and config.algorithm_type == "dpmsolver++"
        and config.solver_type == "midpoint"
        and config.final_sigmas_type == "zero"
        and not config.thresholding
    )


def quiet_libraries() -> None:
    """No bars for the seconds that loading from disk takes; downloads keep theirs."""
    had_bars = not are_progress_bars_disabled()
    diffusers.utils.logging.disable_progress_bar()
    diffusers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    if had_bars:
        enable_progress_bars()  # the hub client's, which transformers has switched off with its own


def within_memory(work: Callable[[], Result]) -> Result:
    """What `work` returns; any shortage of memory becomes OutOfMemory, raised once the failed tensors are free."""
    try:
        return work()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        log.debug("out of memory: %s", error)
    free_memory()  # outside the except block: the traceback, which holds the tensors, is gone by now
    raise OutOfMemory


def free_memory() -> None:
    """Give the device back what nothing refers to any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
