"""How much better the bundled upscaler enlarges than resizing does: `python -m benchmarks.upscaling --out FILE`.

The bundled painter paints pictures of subjects that the upscaler has never seen. Each is made half as large, enlarged
again, and compared with what it was: peak signal-to-noise ratio, beside that of Lanczos. Twice: for pictures that are
shown as they were painted (made half as large by area), and for those that are shown enlarged (made a quarter as large,
and doubled by Lanczos).
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from PIL import Image
from PIL.Image import Resampling

from core.generation.upscaling import load_upscaler
from core.located import MINIATURE_PAINTER
from core.models import ModelStore
from core.settings import CoreSettings
from training.upscaler_mini.pictures import held_out_labels, painted

SEED = 9_000


def reduced(image: Image.Image) -> Image.Image:
    """Half as large by area: a picture that is shown as it was painted."""
    return image.reduce(2)


def reduced_and_shown_larger(image: Image.Image) -> Image.Image:
    """Half as large, from a quarter: a picture that is shown enlarged."""
    return image.reduce(4).resize((image.width // 2, image.height // 2), Resampling.LANCZOS)


KINDS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "shown as painted": reduced,
    "shown enlarged": reduced_and_shown_larger,
}


def psnr(one: Image.Image, other: Image.Image) -> float:
    """Peak signal-to-noise ratio of two RGB pictures, in dB."""
    difference = np.asarray(one, np.float64) - np.asarray(other, np.float64)
    return float(10 * np.log10(255**2 / np.square(difference).mean()))


def compare(
    pictures: list[Image.Image],
    shrink: Callable[[Image.Image], Image.Image],
    enlarge: Callable[[Image.Image], Image.Image],
) -> dict[str, float]:
    """The mean of `enlarge` and of Lanczos over `pictures`, in dB, and in how many of them `enlarge` is better."""
    pairs = []
    for picture in pictures:
        small = shrink(picture)
        pairs.append((psnr(enlarge(small), picture), psnr(small.resize(picture.size, Resampling.LANCZOS), picture)))
    ours, lanczos = (mean(values) for values in zip(*pairs, strict=True))
    return {
        "upscaler_db": round(ours, 2),
        "lanczos_db": round(lanczos, 2),
        "gain_db": round(ours - lanczos, 2),
        "least_gain_db": round(min(one - other for one, other in pairs), 2),
        "better_in": sum(one > other for one, other in pairs),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.upscaling", description=__doc__)
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    torch.set_num_threads(1)

    upscaler = load_upscaler(ModelStore(CoreSettings()).upscaler(MINIATURE_PAINTER).path, torch.device("cpu"))
    pictures = [image.convert("RGB") for image in painted(held_out_labels(), chosen.pictures, SEED)]
    results: dict[str, object] = {"pictures": len(pictures), "pixels": list(pictures[0].size)}
    for kind, shrink in KINDS.items():
        results[kind] = compare(pictures, shrink, lambda small: upscaler.enlarge(small, 2))
    began = time.monotonic()
    upscaler.enlarge(pictures[0].resize((512, 512)), 2)
    results["seconds_from_512_to_1024_on_one_core"] = round(time.monotonic() - began, 2)
    text = json.dumps(results, indent=2)
    print(text)
    if chosen.out is not None:
        chosen.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
