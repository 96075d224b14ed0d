"""Prior preservation: some of what the base model paints by itself is mixed into the training, so that it is not lost.

Without it, whatever the training images share (a white background, say) leaks into everything that the adapter paints.
The idea is DreamBooth's (Ruiz et al., arXiv 2208.12242). The guard measures on other prompts than these.
"""

import hashlib
from pathlib import Path

from core.finetuning.datasets import Example
from core.finetuning.network import Base
from core.finetuning.painting import PictureFile, SamplingSettings, paint_files
from core.finetuning.progress import Progress

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
FIRST_SEED = 500


def paint_prior(base: Base, directory: Path, settings: SamplingSettings, progress: Progress) -> list[Example]:
    """One picture for each prompt, kept in `directory` under a name that holds base and settings."""
    key = f"{base.fingerprint} {settings.steps} {settings.guidance} {settings.width}"
    folder = directory / hashlib.sha256(key.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    files = [
        PictureFile(prompt, FIRST_SEED + number, folder / f"{number:02d}.png")
        for number, prompt in enumerate(PRIOR_PROMPTS)
    ]
    if missing := [file for file in files if not file.path.is_file()]:
        with progress.task("Painting what must not be forgotten", len(missing)) as advance:
            paint_files(base.pipeline, missing, settings, advance)
    return [Example(file.path, file.prompt) for file in files]
