"""Guidance in one evaluation a step: an adapter that stands for guidance, and which requests it may be used for.

Such an adapter was distilled from one base (`imagine-sound distil`) and is no choice by name but a speed. Its strength
is (w - 1) / 2 for guidance w: none at 1, where the base paints alone. This module reads what the file says of itself;
`merged.py` changes the network.
"""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.adapter_files import find_adapters
from core.generation.adapter_header import KIND, AdapterHeader, BadAdapter, adapter_kind, read_header
from core.generation.fingerprint import known_sha256
from core.recipe import Recipe

log = logging.getLogger(__name__)

GUIDANCE = "guidance"
"""The kind of adapter, as its file has it."""
PREFIX = KIND.removesuffix("kind")
MEASURED_NAME = "measured.json"
"""Beside the adapter: what `imagine-sound evaluate guidance` found."""
NOTES_NAME = ".base-sha256.json"


def strength_of(guidance: float) -> float:
    """How strong such an adapter is: nothing at guidance 1, 1 at 3."""
    return (guidance - 1) / 2


@dataclass(frozen=True)
class Measured:
    """What evaluation found of one adapter's file: decibels to two evaluations by number of steps, and with which other
    adapters, by the SHA-256 of their files, it may be combined."""

    decibels: Mapping[int, float]
    combines_with: frozenset[str] = frozenset()


@dataclass(frozen=True)
class GuidanceAdapter:
    """One that fits the base. `scale`: alpha over rank. `guidance`: the least and the most that it stands for.

    `negatives`: the negative prompts that it was distilled with, of which the prompt's style says which.
    """

    path: Path
    sha256: str
    scale: float
    guidance: tuple[float, float]
    negatives: frozenset[str]
    measured: Measured | None = None

    @property
    def short_name(self) -> str:
        """What recipes call it."""
        return self.sha256[:16]

    @property
    def says(self) -> str:
        """How close it comes to two evaluations."""
        if self.measured is None:
            return "not measured yet: `imagine-sound evaluate guidance` does"
        closeness = sorted(self.measured.decibels.items())
        return ", ".join(f"{decibels:.0f} dB to two evaluations at {steps} steps" for steps, decibels in closeness)

    def combining_with(self, adapter_sha256: str) -> "GuidanceAdapter":
        """The same, allowed beside another adapter, as for being measured."""
        before = self.measured or Measured({})
        return replace(self, measured=Measured(before.decibels, frozenset({*before.combines_with, adapter_sha256})))

    def strength(self, recipe: Recipe, adapter_sha256: str | None) -> float:
        """How strong it is for `recipe`: 0 where that takes two evaluations, and at guidance 1, where it takes one.

        `adapter_sha256`: of the file of the recipe's own adapter, if it has one.
        """
        low, high = self.guidance
        if not low <= recipe.guidance <= high or recipe.prompt.negative_text not in self.negatives:
            return 0.0
        if recipe.adapter is not None and not (self.measured and adapter_sha256 in self.measured.combines_with):
            return 0.0
        return strength_of(recipe.guidance)


def find_guidance(directory: Path, network: Path, *, only: str | None = None) -> GuidanceAdapter | None:
    """The guidance adapter in `directory` for the network whose files are in `network`; None if there is none.

    `only`: the name of the one that is meant, where others do not count.

    Those for other bases are refused in the log, with both hashes.
    """
    for name, path in find_adapters(directory).items():
        try:
            header = read_header(path)
            if adapter_kind(header) != GUIDANCE or only not in (None, name):
                continue
            base = known_sha256(network, path.parent / NOTES_NAME)
            return _fitting(path, header, base)
        except BadAdapter as error:
            log.warning("the adapter %s (%s) %s; it is not used", name, path, error)
    return None


def file_sha256(path: Path) -> str:
    """Of an adapter's file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_measured(path: Path, sha256: str) -> Measured | None:
    """What was found of the adapter at `path`; None if nothing was, of a file of that hash."""
    try:
        document = json.loads((path.parent / MEASURED_NAME).read_text(encoding="utf-8"))
        if document["adapter_sha256"] != sha256:
            return None
        return Measured(
            {int(steps): float(decibels) for steps, decibels in document["decibels"].items()},
            frozenset(map(str, document["combines_with"])),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _fitting(path: Path, header: AdapterHeader, base: str) -> GuidanceAdapter:
    """Raises BadAdapter where it is another base's, or does not say what it must."""
    said = {name.removeprefix(PREFIX): value for name, value in header.metadata.items() if name.startswith(PREFIX)}
    try:
        of, (low, high) = said["base_unet_sha256"], json.loads(said["guidance_range"])
        negatives: Sequence[str] = json.loads(said["negative"])
        recipe = json.loads(said["recipe"])
        scale = float(recipe["alpha"]) / float(recipe["rank"])
    except (KeyError, ValueError, TypeError, ZeroDivisionError) as error:
        raise BadAdapter("does not say which guidance it stands for") from error
    if of != base:
        raise BadAdapter(f"was distilled from another base: {of}, and this one is {base}")
    digest = file_sha256(path)
    return GuidanceAdapter(
        path, digest, scale, (float(low), float(high)), frozenset(negatives), read_measured(path, digest)
    )
