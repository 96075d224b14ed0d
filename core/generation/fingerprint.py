"""Which weights a model has: the SHA-256 of its network's files. An adapter that belongs to one base names it by this.

The hub's cache names large files by their hash, so that nothing has to be read there. Elsewhere it is reckoned once and
kept in a file of the caller's, by place, size and time of change.
"""

import hashlib
import json
import re
from contextlib import suppress
from pathlib import Path

from core.errors import WrongSetting
from core.files import written_whole

_HASH = re.compile("[0-9a-f]{64}")


def weight_files(component: Path, variant: str | None = None) -> list[Path]:
    """A component's weight files, in the order of their names."""
    return sorted(component.glob(f"*.{variant}.safetensors" if variant else "*.safetensors"))


def variant_of(component: Path) -> str | None:
    """Which weights of a component are read where there are several: those in half precision."""
    return "fp16" if any(component.glob("*.fp16.safetensors")) else None


def weights_sha256(component: Path, variant: str | None = None) -> str:
    """SHA-256 over a component's weight files, in the order of their names."""
    digest = hashlib.sha256()
    for path in weight_files(component, variant):
        with path.open("rb") as file:
            while block := file.read(1 << 24):
                digest.update(block)
    return digest.hexdigest()


def known_sha256(component: Path, notes: Path) -> str:
    """The same of the weights that are read, without reading them if `notes`, a JSON file, or their names tell it.

    Of no files it is that of nothing, which no network has.
    """
    variant = variant_of(component)
    files = weight_files(component, variant)
    if len(files) == 1 and (name := files[0].resolve().name) and _HASH.fullmatch(name):
        return name
    key = json.dumps([[str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns] for file in files])
    kept: dict[str, str] = {}
    with suppress(OSError, ValueError):
        kept = dict(json.loads(notes.read_text(encoding="utf-8")))
    if (found := kept.get(key)) and _HASH.fullmatch(found):
        return found
    reckoned = weights_sha256(component, variant)
    with suppress(WrongSetting), written_whole(notes) as temporary:  # where nothing can be kept it is reckoned again
        temporary.write_text(json.dumps({key: reckoned}), encoding="utf-8")
    return reckoned
