"""Whether a picture was painted here, by all that it carries: its metadata and the mark in its noise.

It asks the engine for the noise and the key for its patterns, and knows neither how the one is read nor how the others
are made. What it says is for people; that nothing is found proves nothing.
"""

import asyncio
import io
import logging
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from core.engine import Engine
from core.errors import (
    KeyUnusable,
    NoPicture,
    NotInspectedInTime,
    PictureTooLarge,
    TooManyInspections,
    WrongSetting,
)
from core.generation.limits import shaped
from core.generation.protocol import GeneratorInfo, InspectionRequest
from core.log_lines import one_line
from core.options import Shape
from core.pictures import KEY
from core.provenance.bounds import MOST_BYTES, UnreadablePicture
from core.provenance.credentials import read as read_credentials
from core.provenance.key_file import read_all
from core.provenance.manifest import Manifest, is_installed, read_manifest
from core.provenance.picture_text import text_in
from core.provenance.watermark import Evidence, MarkingKey
from core.provenance.xmp import TRAINED_MEDIA
from core.recipe import Mark, Recipe, from_json

log = logging.getLogger(__name__)

CERTAIN = 1e-6
"""A fit that is less likely than this by chance is none."""
CERTAIN_OF_MINIATURE = 1e-3
"""The same for the bundled miniature, whose noise has 1024 sites instead of 65,536 (`python -m benchmarks.marking`)."""
LARGEST_ODDS = 1_000_000_000
"""Larger ones say no more to anybody."""
MOST_PIXELS = 64_000_000
MOST_SIDE = 2048
"""Larger pictures are made smaller at once: the painter would do so anyway."""
DECODED_AT_ONCE = 2
"""One of MOST_PIXELS takes half a gigabyte meanwhile."""
UNFINISHED_A_PERSON, UNFINISHED = 4, 50
"""So many pictures at most are looked at or wait for it."""
KINDS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
"""Pictures whose pixels are looked at, of an animated one the first."""


class Verdict(StrEnum):
    """What can be said of a picture."""

    PAINTED_HERE = "painted here"
    SIGNED_HERE = "signed here"
    PIXELS_DIFFER = "pixels differ"
    NOT_MARKED = "not marked"
    OTHER_KEY = "other key"
    A_MODEL = "a model"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Attribution:
    """`recipe` and `says_model`: what its metadata tells, which anybody can write. `evidence`: what its pixels tell,
    None where they were not looked at. `manifest`: what a C2PA manifest in it says, None where there is none."""

    verdict: Verdict
    recipe: Recipe | None
    says_model: bool
    evidence: Evidence | None
    manifest: Manifest | None = None

    @property
    def sentence(self) -> str:
        """The verdict, for people."""
        verdict = _SENTENCES[self.verdict].format(odds=self.odds)
        return verdict if self.manifest is None else f"{verdict}; {_told_of(self.manifest)}"

    @property
    def odds(self) -> str:
        """In one of how many pictures chance explains what its pixels tell, at most; no more than LARGEST_ODDS."""
        return f"{min(1 / max(self.evidence.p, 1e-30), LARGEST_ODDS):,.0f}" if self.evidence is not None else "1"

    def plain(self) -> dict[str, object]:
        """For JSON."""
        evidence = None if self.evidence is None else asdict(self.evidence)
        manifest = None if self.manifest is None else asdict(self.manifest)
        return {"verdict": self.verdict, "says_model": self.says_model, "evidence": evidence, "manifest": manifest}


_SENTENCES = {
    Verdict.PAINTED_HERE: "painted here: its noise carries a mark of this key (by chance at most 1 in {odds})",
    Verdict.SIGNED_HERE: "painted here: it is as it was when this program signed it",
    Verdict.PIXELS_DIFFER: "it carries a recipe of this program, marked by this key, but its pixels do not match",
    Verdict.NOT_MARKED: "it carries a recipe of this program for a picture without a mark, which anybody can write",
    Verdict.OTHER_KEY: "it carries a recipe of this program with another key's mark, which only that key can confirm",
    Verdict.A_MODEL: "its metadata says that a model made it, but nothing that it was this program",
    Verdict.NOTHING: "nothing was found, which proves nothing: marks can be lost",
}


def _told_of(manifest: Manifest) -> str:
    """A manifest as the end of a sentence."""
    if not manifest.is_readable:
        return "it has a C2PA manifest that cannot be read, or more than one"
    if not manifest.is_intact:
        return "its C2PA manifest does not hold: the file was changed since it was signed, or the signature is none"
    by = (
        "this program's certificate"
        if manifest.is_own
        else f"“{one_line(manifest.signer)}”, for whom nobody vouches here"
    )
    says = "says that a model made it" if manifest.says_model else "does not say that a model made it"
    return f"its C2PA manifest, signed by {by}, is intact and {says}"


class Inspector:
    """Tells of pictures what can be said of them, few at once. `directory`: where the keys are."""

    def __init__(self, engine: Engine, directory: Path) -> None:
        self._engine = engine
        self._directory = directory
        self._decoding = asyncio.Semaphore(DECODED_AT_ONCE)
        self._unfinished: Counter[str] = Counter()

    async def inspect(
        self, source: Path | bytes, *, passes: int = 1, user: str = "", within_s: float | None = None
    ) -> Attribution:
        """What can be said of the picture in a file, or in its bytes.

        `passes`: how many evaluations of the network it may take. `user`: whom the painter's queue is fair to;
        `within_s`: how long it may take, None for as long as it takes. Raises NoPicture, PictureTooLarge,
        InvalidOptions where the painter cannot tell, NotInspectedInTime, TooManyInspections, KeyUnusable, and what
        `Engine.inspect` raises.
        """
        if self._unfinished[user] >= UNFINISHED_A_PERSON or self._unfinished.total() >= UNFINISHED:
            raise TooManyInspections
        self._unfinished[user] += 1
        try:
            async with asyncio.timeout(within_s):
                return await self._inspect(source, passes, user)
        except TimeoutError as error:
            raise NotInspectedInTime(seconds=f"{within_s:g}") from error
        finally:
            self._unfinished[user] -= 1
            self._unfinished += Counter()  # forgets who has none

    async def _inspect(self, source: Path | bytes, passes: int, user: str) -> Attribution:
        async with self._decoding:
            opened = await asyncio.to_thread(_opened, source, self._own_certificate)
        try:
            keys = await asyncio.to_thread(read_all, self._directory)
        except WrongSetting as error:
            log.error("pictures cannot be known again: %s", error)
            raise KeyUnusable from error
        names = {key.name for key in keys}
        recipe = opened.recipe
        mark = None if recipe is None else recipe.mark
        if not keys:
            return Attribution(_by_metadata(opened, names), recipe, opened.says_model, None, opened.manifest)
        info = await self._engine.info()
        request = InspectionRequest(opened.image, size=_nearest_size(opened.image, info), passes=passes, user=user)
        if recipe is not None and mark is not None and mark.key in names:
            request = replace(request, prompt=recipe.prompt, size=recipe.size)
        noise = await self._engine.inspect(request)
        evidence = await asyncio.to_thread(_best, keys, noise, mark)
        found = evidence.p < (CERTAIN_OF_MINIATURE if info.is_miniature else CERTAIN)
        verdict = Verdict.PAINTED_HERE if found else _by_metadata(opened, names)
        return Attribution(verdict, recipe, opened.says_model, evidence, opened.manifest)

    def _own_certificate(self) -> str | None:
        """What is signed with here; None where nothing is, or it cannot be read."""
        if not is_installed():
            return None
        try:
            own = read_credentials(self._directory)
        except WrongSetting as error:
            log.error("signed pictures cannot be known again: %s", error)
            return None
        return None if own is None else own.certificate


@dataclass(frozen=True)
class _Opened:
    """A picture's pixels, no side longer than MOST_SIDE, and what its metadata tell."""

    image: Image.Image
    recipe: Recipe | None
    says_model: bool
    manifest: Manifest | None


def _best(keys: Sequence[MarkingKey], noise: npt.NDArray[np.float32], mark: Mark | None) -> Evidence:
    """Of all `keys`, or the one that `mark` names; the bound on chance is for as many keys as were tried."""
    named = [key for key in keys if mark is not None and mark.key == key.name] or keys
    best = min((key.evidence(noise, mark) for key in named), key=lambda evidence: evidence.p)
    return replace(best, p=min(1.0, best.p * len(named)))


def _by_metadata(opened: _Opened, keys: Collection[str]) -> Verdict:
    """The verdict on a picture whose pixels tell nothing."""
    if opened.manifest is not None and opened.manifest.is_intact and opened.manifest.is_own:
        return Verdict.SIGNED_HERE
    if opened.recipe is None:
        return Verdict.A_MODEL if opened.says_model else Verdict.NOTHING
    if opened.recipe.mark is None:
        return Verdict.NOT_MARKED
    return Verdict.PIXELS_DIFFER if opened.recipe.mark.key in keys else Verdict.OTHER_KEY


def _nearest_size(image: Image.Image, info: GeneratorInfo) -> tuple[int, int]:
    """Of the sizes that the model paints unless told otherwise the one of the most similar shape."""
    sizes = [info.size, *(shaped(shape, info) for shape in Shape)]
    ratio = image.width / image.height
    return min(sizes, key=lambda size: abs(size[0] / size[1] - ratio))


def _opened(source: Path | bytes, own_certificate: Callable[[], str | None]) -> _Opened:
    """Blocks. Raises NoPicture, PictureTooLarge."""
    if isinstance(source, Path) and not source.is_file():  # a pipe may have no end
        raise NoPicture
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
            image, kind, says_model = _decoded(file)
            manifest = read_manifest(file, kind, own_certificate())
            says_model = says_model or (manifest is not None and manifest.is_intact and manifest.says_model)
            return _Opened(image, _recipe(file), says_model, manifest)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, EOFError) as error:
        raise NoPicture from error


def _decoded(file: BinaryIO) -> tuple[Image.Image, str, bool]:
    """The pixels, the file's media type, and whether XMP says that a model made it. Raises PictureTooLarge, and as
    Pillow does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is lower
        with Image.open(file, formats=KINDS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise PictureTooLarge(width=image.width, height=image.height, most_million=MOST_PIXELS // 1_000_000)
            xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
            words = xmp.encode() if isinstance(xmp, str) else bytes(xmp)
            pixels = image.convert("RGB")
            pixels.thumbnail((MOST_SIDE, MOST_SIDE), Image.Resampling.LANCZOS)
            return pixels, Image.MIME[str(image.format)], TRAINED_MEDIA.encode() in words[:MOST_BYTES]


def _recipe(file: BinaryIO) -> Recipe | None:
    """The recipe in the picture; None where there is none, or a damaged one."""
    try:
        text = text_in(file, KEY)
        return None if text is None else from_json(text)
    except (UnreadablePicture, ValueError):
        return None
