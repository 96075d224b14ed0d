"""From a folder to encoded training data: list, screen, choose, split, encode. Tells what it left out.

Prior preservation: some of what the base model paints by itself is mixed into the training, so that it is not lost.
Without it, whatever the training images share (a white background, say) leaks into everything that the adapter paints.
The idea is DreamBooth's (Ruiz et al., arXiv 2208.12242). The guard measures on other prompts than these.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import InvalidHyperparameters, UnusableData
from core.finetuning.data.encoding import (
    CachedImage,
    cache_captions,
    cache_images,
    encode_caption,
    encode_no_caption,
    make_buckets,
)
from core.finetuning.data.selection import GoodImage, Split, screen, split, stratified_sample
from core.finetuning.data.sources import Example, Listing, Rejected
from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.model.network import Base, Caption, full_precision_vae, weights_sha256
from core.finetuning.model.painting import PictureFile, SamplingSettings, paint_files, usual_guidance
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
"""What the base model paints by itself, to be mixed into the training."""
PRIOR_FIRST_SEED = 500

GENERIC_PROMPTS = (
    "a red apple on a wooden table",
    "a mountain lake at sunrise",
    "a dog running on a beach",
    "a busy street in the rain at night",
    "a steam train crossing a bridge",
    "a cat sleeping on a windowsill",
    "a lighthouse in a storm",
    "a bowl of soup, studio photograph",
)
"""Captions that no training set is about; the base model paints them once, and must still know them later."""

MAX_PROBES = 16
"""Held-out images that the guard measures on; more would cost time and tell little more."""

SAMPLES = 4


@dataclass(frozen=True)
class DataSummary:
    """What a person should know about the data."""

    folder: str
    layout: str
    licence: str
    listed: int
    rejected: tuple[Rejected, ...]
    training: int
    held_out: int
    prior: int
    """How often a picture by the base itself comes in an epoch."""
    split_by_subject: bool
    captions: int
    buckets: tuple[tuple[str, int], ...]

    def as_metadata(self) -> dict[str, object]:
        """The part that goes into the adapter's file; no paths of the person's machine."""
        return {
            "folder": Path(self.folder).name,
            "layout": self.layout,
            "training_images": self.training,
            "held_out_images": self.held_out,
            "prior_images": self.prior,
            "split_by_subject": self.split_by_subject,
            "licence": self.licence,
        }


@dataclass(frozen=True)
class PreparedData:
    """Everything that training needs of images and text."""

    training: tuple[CachedImage, ...]
    held_out: tuple[CachedImage, ...]
    """At most MAX_PROBES."""
    captions: dict[str, Path]
    no_caption: Caption
    generic: tuple[Caption, ...]
    sample_prompts: tuple[str, ...]
    samples: tuple[Caption, ...]
    summary: DataSummary
    key: str
    """Changes with the images, their captions and the base model."""


def resolution_of(hyperparameters: Hyperparameters, base: Base) -> int:
    """The wanted picture side, or the model's own. Raises InvalidHyperparameters if the model cannot paint it."""
    resolution = hyperparameters.resolution or base.native_resolution
    if resolution % base.size_step:
        raise InvalidHyperparameters(f"--resolution must be a multiple of {base.size_step} for this model.")
    return resolution


def prepare(
    listing: Listing,
    base: Base,
    hyperparameters: Hyperparameters,
    cache: Path,
    prompts: Sequence[str],
    progress: Progress,
) -> PreparedData:
    """Encode with the base's VAE and text encoders where they are; raises UnusableData if too little is left."""
    resolution = resolution_of(hyperparameters, base)
    chosen, rejected = _choose(listing, resolution, hyperparameters, progress)
    buckets = make_buckets(resolution, base.size_step)
    vae_key, text_key = (
        weights_sha256(base.directory / "vae"),
        "".join(weights_sha256(base.directory / part) for part in ("text_encoder", "text_encoder_2")),
    )
    prior = _prior(base, vae_key, hyperparameters, resolution, cache, progress)
    everything = (*chosen.training, *chosen.held_out, *prior)
    with progress.task("Encoding images", len(everything)) as advance:
        cached = cache_images(everything, buckets, full_precision_vae(base), vae_key, cache / "images", advance)
    captions = list(dict.fromkeys(image.example.caption for image in everything))
    with progress.task("Encoding captions", len(captions)) as advance:
        paths = cache_captions(captions, base.pipeline, text_key, cache / "captions", advance)
    own, rest = cached[: len(chosen.training)], cached[len(chosen.training) :]
    held_out, prior_cached = tuple(rest[: len(chosen.held_out)]), rest[len(chosen.held_out) :]
    training = (*own, *mixed_in(prior_cached, len(own), hyperparameters.prior_share))
    sample_prompts = sample_prompts_for(prompts, held_out)
    summary = DataSummary(
        folder=str(listing.folder),
        layout=listing.layout,
        licence=listing.licence,
        listed=len(listing.examples) + len(listing.rejected),
        rejected=rejected,
        training=len(own),
        held_out=len(held_out),
        prior=len(training) - len(own),
        split_by_subject=chosen.by_subject,
        captions=len(captions),
        buckets=_bucket_counts([*own, *held_out]),
    )
    return PreparedData(
        training=training,
        held_out=held_out[:MAX_PROBES],
        captions=paths,
        no_caption=encode_no_caption(base.pipeline),
        generic=tuple(encode_caption(base.pipeline, prompt) for prompt in GENERIC_PROMPTS),
        sample_prompts=sample_prompts,
        samples=tuple(encode_caption(base.pipeline, prompt) for prompt in sample_prompts),
        summary=summary,
        key=_data_key(training, held_out, base, sample_prompts),
    )


def sample_prompts_for(prompts: Sequence[str], held_out: Sequence[CachedImage]) -> tuple[str, ...]:
    """Four prompts for the guard's pictures: the person's, else two held-out captions; then generic ones."""
    own = list(prompts) or list(dict.fromkeys(image.image.example.caption for image in held_out))[: SAMPLES // 2]
    return tuple([*own[:SAMPLES], *GENERIC_PROMPTS][: max(SAMPLES, len(own[:SAMPLES]))])


def mixed_in(prior: Sequence[CachedImage], own: int, share: float) -> list[CachedImage]:
    """So many of the prior's pictures, again and again if need be, that they are `share` of the whole."""
    wanted = round(own * share / (1 - share)) if prior else 0
    return [prior[number % len(prior)] for number in range(wanted)]


def _prior(
    base: Base, vae_key: str, hyperparameters: Hyperparameters, resolution: int, cache: Path, progress: Progress
) -> list[GoodImage]:
    """One picture for each prior prompt, kept in a folder named by network, VAE and settings; none if not wanted."""
    if hyperparameters.prior_share == 0:
        return []
    guidance = usual_guidance(base.pipeline.scheduler.config)
    settings = SamplingSettings(
        hyperparameters.sample_steps, guidance, resolution, resolution, hyperparameters.batch_size
    )
    key = f"{base.fingerprint} {vae_key} {settings.steps} {settings.guidance} {resolution}"
    folder = cache / "prior" / hashlib.sha256(key.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    files = [
        PictureFile(prompt, PRIOR_FIRST_SEED + number, folder / f"{number:02d}.png")
        for number, prompt in enumerate(PRIOR_PROMPTS)
    ]
    if missing := [file for file in files if not file.path.is_file()]:
        with progress.task("Painting what must not be forgotten", len(missing)) as advance:
            paint_files(base.pipeline, missing, settings, advance)
    return screen([Example(file.path, file.prompt) for file in files], min_side=1)[0]


def _choose(
    listing: Listing, resolution: int, hyperparameters: Hyperparameters, progress: Progress
) -> tuple[Split, tuple[Rejected, ...]]:
    with progress.task("Looking at images", len(listing.examples)) as advance:
        good, rejected = screen(listing.examples, min_side=resolution // 2, on_progress=advance)
    rejected = [*listing.rejected, *rejected]
    for reason, count in Counter(item.reason.split(" (")[0].split(" as ")[0] for item in rejected).items():
        progress.say(f"left out {count}: {reason}")
    if len(good) < 2:
        raise UnusableData(
            f"Only {len(good)} of {len(listing.examples)} images can be used; at least two are needed. "
            f"Most were left out because: {rejected[0].reason if rejected else 'there are no more'}."
        )
    chosen = stratified_sample(good, hyperparameters.limit, hyperparameters.seed)
    return split(chosen, hyperparameters.held_out, hyperparameters.seed), tuple(rejected)


def _bucket_counts(images: Iterable[CachedImage]) -> tuple[tuple[str, int], ...]:
    counts = Counter(image.fitting.bucket for image in images)
    return tuple((f"{bucket.width} × {bucket.height}", count) for bucket, count in sorted(counts.items()))


def _data_key(
    training: Sequence[CachedImage], held_out: Sequence[CachedImage], base: Base, prompts: Sequence[str]
) -> str:
    digest = hashlib.sha256(base.fingerprint.encode())
    for part in (training, held_out):
        for item in part:
            digest.update(f"{item.latents.name}\0{item.image.example.caption}\0".encode())
        digest.update(b"\n")
    digest.update("\0".join(prompts).encode())
    return digest.hexdigest()
