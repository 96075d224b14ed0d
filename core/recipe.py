"""A picture's recipe inside its PNG: all that is needed to paint it again.

JSON under one text key of the PNG's metadata. Knows the fields, not the models.
"""

import io
import json
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from core.errors import InvalidOptions
from core.generation import Picture
from core.prompting import Prompt

KEY = "imagine-sound"

XMP_KEY = "XML:com.adobe.xmp"
"""Where PNG keeps XMP (XMP specification part 3, section 1.1.5)."""

MADE_BY_A_MODEL = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    ' Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"/>'
    '</rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
)
"""XMP that says so to whoever reads metadata (IPTC Photo Metadata Standard, Digital Source Type)."""


@dataclass(frozen=True)
class Recipe:
    """What was painted and how; `size` in pixels, width and height, before any enlarging."""

    prompt: Prompt
    seed: int
    steps: int
    guidance: float
    size: tuple[int, int]
    model: str
    revision: str
    adapter: str | None
    heard: tuple[str, ...]
    speed: str = "exact"


def recipe_of(picture: Picture) -> Recipe:
    """The recipe of `picture`."""
    return Recipe(
        prompt=picture.prompt,
        seed=picture.seed,
        steps=picture.steps,
        guidance=picture.guidance,
        size=picture.size,
        model=picture.model,
        revision=picture.revision,
        adapter=picture.adapter,
        heard=picture.heard,
        speed=picture.speed,
    )


def to_json(recipe: Recipe) -> str:
    """`recipe` as one line of JSON."""
    return json.dumps(
        {
            "prompt": recipe.prompt.text,
            "negative_prompt": recipe.prompt.negative_text,
            "seed": recipe.seed,
            "steps": recipe.steps,
            "guidance": recipe.guidance,
            "size": list(recipe.size),
            "model": recipe.model,
            "revision": recipe.revision,
            "adapter": recipe.adapter,
            "heard": list(recipe.heard),
            "speed": recipe.speed,
        },
        ensure_ascii=False,
    )


def from_json(text: str) -> Recipe:
    """The recipe in `text`. Raises ValueError, KeyError or TypeError where it is none."""
    stated = json.loads(text)
    width, height = stated["size"]
    adapter = stated["adapter"]
    return Recipe(
        prompt=Prompt(str(stated["prompt"]), str(stated["negative_prompt"])),
        seed=int(stated["seed"]),
        steps=int(stated["steps"]),
        guidance=float(stated["guidance"]),
        size=(int(width), int(height)),
        model=str(stated["model"]),
        revision=str(stated["revision"]),
        adapter=None if adapter is None else str(adapter),
        heard=tuple(str(name) for name in stated["heard"]),
        speed=str(stated.get("speed", "exact")),
    )


def to_png(picture: Picture) -> bytes:
    """`picture` as PNG with its recipe."""
    info = PngInfo()
    info.add_itxt(KEY, to_json(recipe_of(picture)))
    info.add_itxt(XMP_KEY, MADE_BY_A_MODEL)
    buffer = io.BytesIO()
    picture.image.save(buffer, "PNG", pnginfo=info, optimize=True)
    return buffer.getvalue()


def read_recipe(path: Path) -> Recipe:
    """The recipe in the PNG at `path`. Raises InvalidOptions if there is none."""
    try:
        with Image.open(path) as image:
            text = getattr(image, "text", {}).get(KEY)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InvalidOptions(f"{path} is not a picture that I can read; name a PNG that imagine-sound made.") from error
    if text is None:
        raise InvalidOptions(f"There is no recipe in {path}; only PNG files that imagine-sound made carry one.")
    try:
        return from_json(text)
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidOptions(f"The recipe in {path} is damaged; name another picture.") from error
