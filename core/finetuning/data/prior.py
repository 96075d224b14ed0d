"""Prior preservation: some of what the base model paints by itself is mixed into the training, so that it is not lost.

Without it, whatever the training images share (a white background, say) leaks into everything that the adapter paints.
The idea is DreamBooth's (Ruiz et al., arXiv 2208.12242). The guard measures on other prompts than these.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from core.finetuning.data.encoding import CachePlace, read_caption
from core.finetuning.data.pictures import UnreadablePicture, open_upright
from core.finetuning.data.selection import GoodImage, screen
from core.finetuning.data.sources import Example
from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.model.network import Base, Caption
from core.finetuning.model.painting import (
    EncodedPrompts,
    PictureFile,
    SamplingSettings,
    paint_files,
    pipeline_without_encoders,
    usual_guidance,
)
from core.generation.fingerprint import weights_sha256

PRIOR_PROMPTS = (
    "a dog in a garden",
    "a cat on a street",
    "a bird in a forest",
    "a horse in a field",
    "a car on a country road",
    "a motorcycle in the city",
    "a train in a station",
    "a fishing boat at sea",
    "a guitar on a stage",
    "a piano in a large hall",
    "a violin on a chair",
    "waves on a beach",
    "rain on a window",
    "a thunderstorm over fields",
    "a waterfall in the mountains",
    "a desert at noon",
    "a forest path in autumn",
    "a snowy village at night",
    "a castle on a hill",
    "a clock tower",
    "a city skyline",
    "a portrait of a woman",
    "an old man with a beard",
    "a child running through a park",
    "people laughing at a table",
    "a robot in a workshop",
    "an astronaut, detailed illustration",
    "an owl in a tree",
    "a bowl of fruit, still life",
    "a chocolate cake on a plate",
    "a vase of flowers, watercolour painting",
    "a stack of books, oil painting",
)
"""What the base model paints by itself, to be mixed into the training."""
PRIOR_FIRST_SEED = 500


def paint_prior(
    base: Base, captions: Mapping[str, Path], no_caption: Caption, settings: SamplingSettings, place: CachePlace
) -> list[GoodImage]:
    """One picture for each prior prompt, kept in a folder named by network, VAE and settings.

    `captions` has an entry for each prompt. What was damaged on disk is painted anew.
    """
    vae = weights_sha256(base.directory / "vae")
    key = f"{base.fingerprint} {vae} {settings.steps} {settings.guidance} {settings.height}"
    folder = place.directory / "prior" / hashlib.sha256(key.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    files = [
        PictureFile(prompt, PRIOR_FIRST_SEED + number, folder / f"{number:02d}.png")
        for number, prompt in enumerate(PRIOR_PROMPTS)
    ]
    for file in files:
        if file.path.is_file() and not _can_be_read(file.path):
            place.damaged.append(file.path)
            file.path.unlink()
    if missing := [file for file in files if not file.path.is_file()]:
        with place.progress.task("Painting what must not be forgotten", len(missing)) as advance:
            paint_files(
                pipeline_without_encoders(base),
                missing,
                settings,
                advance,
                lambda prompts: EncodedPrompts(tuple(read_caption(captions[one]) for one in prompts), no_caption),
            )
    return screen([Example(file.path, file.prompt) for file in files], min_side=1)[0]


def prior_settings(base: Base, hyperparameters: Hyperparameters, side: int) -> SamplingSettings:
    """As the guard paints."""
    guidance = usual_guidance(base.pipeline.scheduler.config)
    return SamplingSettings(hyperparameters.sample_steps, guidance, side, side, hyperparameters.batch_size)


def mixed_in(prior: Sequence[GoodImage], own: int, share: float) -> list[GoodImage]:
    """So many of the prior's pictures, again and again if need be, that they are `share` of the whole."""
    wanted = round(own * share / (1 - share)) if prior else 0
    return [prior[number % len(prior)] for number in range(wanted)]


def _can_be_read(path: Path) -> bool:
    try:
        open_upright(path)
    except UnreadablePicture:
        return False
    return True
