"""The checkpoints that are known: what each paints best with, and how it is fetched.

The values stand in `catalogue.toml`, which says what they mean. This module knows no model library: a pipeline is to it
the name of a class and two configurations.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from core.fetching import ModelFile, OfficialModel


@dataclass(frozen=True)
class Marks:
    """By what a pipeline is recognised: its class, and values that its or its scheduler's configuration has."""

    pipeline: str
    config: Mapping[str, object]
    scheduler: Mapping[str, object]

    def fit(self, pipeline: str, config: Mapping[str, object], scheduler: Mapping[str, object]) -> bool:
        """Whether a pipeline of the class called `pipeline` has them all."""
        return (
            pipeline == self.pipeline
            and all(config.get(key) == value for key, value in self.config.items())
            and all(scheduler.get(key) == value for key, value in self.scheduler.items())
        )


@dataclass(frozen=True)
class KnownModel:
    """A checkpoint. `size`: width and height in pixels. `most_steps`: more make it worse, None if they do not.

    `is_guided`: whether guidance above 1 is of use; `gigabytes`: about what it needs of a GPU's memory; `tiny_decoder`:
    the small autoencoder that decodes its latents on a processor, empty where its own does.
    """

    short_name: str
    official: OfficialModel
    steps: int
    guidance: float
    size: tuple[int, int]
    gigabytes: float
    is_guided: bool = True
    most_steps: int | None = None
    tiny_decoder: str = ""
    marks: Marks | None = None

    @property
    def can_be_pulled(self) -> bool:
        """Whether it is known which of its files are needed."""
        return bool(self.official.files)


WITHOUT_GPU = "sd-turbo"
"""What `auto` paints with where there is no GPU, if it was fetched."""


@cache
def catalogue() -> Mapping[str, KnownModel]:
    """All of them by their short names."""
    stated = tomllib.loads(resources.files("core").joinpath("catalogue.toml").read_text(encoding="utf-8"))
    return MappingProxyType({short_name: _known(short_name, values) for short_name, values in stated.items()})


def named(name: str) -> KnownModel | None:
    """What has this short name or this name on the hub."""
    by_hub = {known.official.address: known for known in catalogue().values()}
    return catalogue().get(name) or by_hub.get(name)


def recognised(pipeline: str, config: Mapping[str, object], scheduler: Mapping[str, object]) -> KnownModel | None:
    """What a pipeline is by its class and configurations, whatever it is called: the one that paints likewise."""
    fitting = (known for known in catalogue().values() if known.marks and known.marks.fit(pipeline, config, scheduler))
    return next(fitting, None)


def recommended(gigabytes: float | None) -> str:
    """Which painters suit a GPU with so much memory, as it is sold; None for no GPU."""
    return next(says for least, says in _BY_CARD if (gigabytes or 0) >= least)


_BY_CARD = (
    (22, "Playground v2.5 (auto) or Z-Image-Turbo (IMAGE_MODEL=z-image-turbo)"),
    (15, "Z-Image-Turbo (IMAGE_MODEL=z-image-turbo) or Playground v2.5 (auto)"),
    (7.5, "Playground v2.5 (auto) or FLUX.2 klein 4B (IMAGE_MODEL=klein)"),
    (5.5, "Playground v2.5 (auto), which takes the least memory with MEMORY=small"),
    (0, "SD-Turbo (IMAGE_MODEL=sd-turbo, or auto once `imagine-sound models pull sd-turbo` has fetched it)"),
)
"""From so many GB on; a card of 24 reports a little less."""


def _known(short_name: str, stated: Mapping[str, Any]) -> KnownModel:
    marks = stated.get("known_by")
    return KnownModel(
        short_name,
        OfficialModel(
            name=stated["name"],
            address=stated["hub"],
            about_bytes=stated.get("download", 0),
            licence=stated["licence"],
            commit=stated.get("commit"),
            files=tuple(map(ModelFile, stated.get("files", ()))),
        ),
        steps=stated["steps"],
        guidance=stated["guidance"],
        size=(stated["size"][0], stated["size"][1]),
        gigabytes=stated["gigabytes"],
        is_guided=stated.get("guided", True),
        most_steps=stated.get("most_steps"),
        tiny_decoder=stated.get("tiny_decoder", ""),
        marks=Marks(marks["pipeline"], marks.get("config", {}), marks.get("scheduler", {})) if marks else None,
    )
