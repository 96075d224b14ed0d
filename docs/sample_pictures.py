"""Paints the page's three samples with the bundled painter: `python -m docs.sample_pictures`."""

import asyncio
from contextlib import aclosing
from pathlib import Path

from core.engine import Engine
from core.generation.protocol import Painted
from core.hearing.samples import DEMO, make_wav
from core.options import ImagineOptions
from core.settings import CoreSettings

OUT = Path(__file__).parents[1] / "core" / "web" / "static"
SIDE = 192
SEEDS = {"birdsong": 10, "siren": 3, "thunderstorm": 7}
"""Which of the first dozen look best beside each other."""


async def paint() -> None:
    """Each as a small WebP."""
    settings = CoreSettings(download_models=False, device="cpu", yamnet_model=None, image_model="auto")
    async with Engine(settings) as engine:
        for name, make in DEMO.items():
            async with aclosing(engine.imagine(make_wav(make()), ImagineOptions(seed=SEEDS[name]))) as events:
                async for event in events:
                    if isinstance(event, Painted):
                        event.picture.image.resize((SIDE, SIDE)).save(OUT / f"{name}.webp", quality=80)


if __name__ == "__main__":
    asyncio.run(paint())
