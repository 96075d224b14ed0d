"""The page's three sounds that are made in code, each as a WAV, with a strip and a small picture to be seen before.

The pictures come with the package: the bundled painter painted them from these very sounds.
"""

import io
from dataclasses import dataclass
from functools import cache
from importlib import resources

from PIL import Image

from core.hearing.classifier import Prediction
from core.hearing.palette import palette_of
from core.hearing.samples import DEMO, make_wav
from core.hearing.strip import strip_png, weave

NOTHING_SAID = (Prediction(0, ()),)
"""Nobody speaks in them."""


@dataclass(frozen=True)
class Sample:
    """One of them; the pictures' addresses are the page's business."""

    name: str
    wav: bytes
    strip: bytes

    @property
    def title(self) -> str:
        """What it is called."""
        return self.name.capitalize()


@cache
def samples() -> dict[str, Sample]:
    """All by name. Takes half a second the first time: call it in a thread."""
    return {name: _made(name) for name in DEMO}


def _made(name: str) -> Sample:
    samples = DEMO[name]()
    picture = resources.files("core.web").joinpath("static", f"{name}.webp").read_bytes()
    palette = palette_of(Image.open(io.BytesIO(picture)))
    return Sample(name, make_wav(samples), strip_png(weave(samples, NOTHING_SAID), palette))
