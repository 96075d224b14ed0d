"""How likely a picture should not be shown to everybody: by a classifier of images from the hub, on the processor.

Any model with a label for such pictures will do. It knows neither where the model comes from nor what is done about it.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from PIL.Image import Image
from safetensors import SafetensorError

from core.errors import ModelUnusable
from core.generation.loading import quiet_libraries

UNFIT_LABELS = frozenset({"nsfw", "porn", "hentai", "sexy", "unsafe"})
"""What makers of such models call what should not be shown, in small letters."""

Look = Callable[[Image], float]
"""A picture's probability, 0 to 1, of being one that should not be shown. Blocks; any thread, one at a time."""


def load_picture_check(path: Path) -> Look:
    """The classifier in the directory `path`, as `save_pretrained` writes it. Raises ModelUnusable."""
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    quiet_libraries()
    try:
        processor = AutoImageProcessor.from_pretrained(path, local_files_only=True)
        model = AutoModelForImageClassification.from_pretrained(path, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelUnusable(f"The picture check in {path} cannot be loaded; {CURE}.") from error
    unfit = [number for number, label in model.config.id2label.items() if label.lower() in UNFIT_LABELS]
    if not unfit:
        raise ModelUnusable(f"The model in {path} has no label for pictures that should not be shown; {CURE}.")
    model.eval()

    @torch.inference_mode()
    def look(image: Image) -> float:
        pixels = processor(images=image.convert("RGB"), return_tensors="pt")
        chances = model(**pixels).logits.float().softmax(-1)[0]
        return float(chances[unfit].sum())

    return look


CURE = "remove it and run `imagine-sound models pull picture-check`"
