"""From a folder to encoded training data: screen, choose, split, encode. Tells what became of each file.

Each part of the model is on the device only while it is needed: the text encoders first, then the network if it has to
paint, then the VAE.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from core.errors import InvalidHyperparameters, UnusableData
from core.finetuning.data.buckets import make_buckets, shared_buckets
from core.finetuning.data.encoding import (
    CachedImage,
    CachePlace,
    CaptionLength,
    cache_captions,
    cache_images,
    caption_length,
    encode_caption,
    encode_no_caption,
)
from core.finetuning.data.prior import PRIOR_PROMPTS, mixed_in, paint_prior, prior_settings
from core.finetuning.data.selection import GoodImage, Split, screen, split_up, stratified_sample
from core.finetuning.data.sources import Listing, Rejected
from core.finetuning.data.summary import DataSummary, bucket_counts, fates, lines_about
from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.model.network import Base, Caption, full_precision_vae
from core.finetuning.progress import Progress
from core.generation.fingerprint import weights_sha256

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
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Part:
    """Images to learn from, the base's own among them, and others to validate with."""

    training: tuple[CachedImage, ...]
    held_out: tuple[CachedImage, ...]
    """At most MAX_PROBES."""


@dataclass(frozen=True)
class PreparedData:
    """Everything that training needs of images and text.

    Where `halves` are given the images are few: then `held_out` are images that are learnt from, too, and how long to
    learn is to be found by learning from each half and validating with the other.
    """

    training: tuple[CachedImage, ...]
    held_out: tuple[CachedImage, ...]
    """At most MAX_PROBES."""
    halves: tuple[Part, ...]
    captions: dict[str, Path]
    no_caption: Caption
    generic: tuple[Caption, ...]
    sample_prompts: tuple[str, ...]
    samples: tuple[Caption, ...]
    summary: DataSummary
    key: str
    """Changes with the images, their captions and the base model."""

    def of_half(self, half: Part) -> "PreparedData":
        """The same, learning from one half only."""
        return replace(self, training=half.training, held_out=half.held_out, halves=())


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
    device: torch.device = CPU,
) -> PreparedData:
    """Encode on the device; afterwards the base has no text encoders. Raises UnusableData if too little is left."""
    place, side = CachePlace(cache, progress), resolution_of(hyperparameters, base)
    chosen = choose_images(listing, side, hyperparameters, progress)
    split, share = chosen.split, hyperparameters.prior_share
    sample_prompts = sample_prompts_for(prompts, [image.example.caption for image in split.held_out or split.training])
    captions = dict.fromkeys(image.example.caption for image in (*split.training, *split.held_out))
    texts = _encode_texts(base, [*captions, *(PRIOR_PROMPTS if share else ())], sample_prompts, place, device)
    base.pipeline.vae.to(device)
    prior: list[GoodImage] = []
    if share:
        base.pipeline.unet.to(device)
        prior = paint_prior(base, texts.captions, texts.no_caption, prior_settings(base, hyperparameters, side), place)
        base.pipeline.unet.to(CPU)
    mixed = mixed_in(prior, len(split.training), share)
    cached = _encode_images(base, split, mixed, hyperparameters, place)

    def part(of: Split) -> Part:
        learnt, probes = [*of.training, *mixed_in(prior, len(of.training), share)], of.held_out or of.training
        return Part(tuple(cached[image] for image in learnt), tuple(cached[image] for image in probes[:MAX_PROBES]))

    whole = part(split)
    summary = _summary(listing, chosen, texts.lengths[: len(captions)], cached, len(mixed), len(place.damaged))
    for line in lines_about(summary):
        progress.say(line)
    return PreparedData(
        training=whole.training,
        held_out=whole.held_out,
        halves=tuple(map(part, split.halves(hyperparameters.seed))) if split.is_cross_fitted else (),
        captions=texts.captions,
        no_caption=texts.no_caption,
        generic=texts.generic,
        sample_prompts=sample_prompts,
        samples=texts.samples,
        summary=summary,
        key=_data_key(whole.training, [cached[image] for image in split.held_out], base, sample_prompts),
    )


@dataclass(frozen=True)
class _Texts:
    """All that the text encoders are needed for; an entry and a length for each caption."""

    captions: dict[str, Path]
    lengths: tuple[CaptionLength, ...]
    no_caption: Caption
    generic: tuple[Caption, ...]
    samples: tuple[Caption, ...]


def _encode_texts(
    base: Base, captions: Sequence[str], sample_prompts: Sequence[str], place: CachePlace, device: torch.device
) -> _Texts:
    """Encode, and let go of the text encoders."""
    pipeline, parts = base.pipeline, ("text_encoder", "text_encoder_2")
    key = "".join(weights_sha256(base.directory / part) for part in parts)
    for part in parts:
        getattr(pipeline, part).to(device)
    texts = _Texts(
        cache_captions(captions, pipeline, key, place),
        tuple(caption_length(pipeline, caption) for caption in captions),
        encode_no_caption(pipeline),
        tuple(encode_caption(pipeline, prompt) for prompt in GENERIC_PROMPTS),
        tuple(encode_caption(pipeline, prompt) for prompt in sample_prompts),
    )
    pipeline.text_encoder = pipeline.text_encoder_2 = None
    return texts


def _encode_images(
    base: Base, chosen: Split, mixed: Sequence[GoodImage], hyperparameters: Hyperparameters, place: CachePlace
) -> dict[GoodImage, CachedImage]:
    """All that is chosen and mixed in, in sizes of which each has enough for a batch, in halves too."""
    least = hyperparameters.effective_batch * (2 if chosen.is_cross_fitted else 1)
    sizes = [(image.width, image.height) for image in dict.fromkeys((*chosen.training, *mixed))]
    buckets = shared_buckets(sizes, make_buckets(resolution_of(hyperparameters, base), base.size_step), least)
    images = list(dict.fromkeys((*chosen.training, *chosen.held_out, *mixed)))
    key = weights_sha256(base.directory / "vae")
    return dict(zip(images, cache_images(images, buckets, full_precision_vae(base), key, place), strict=True))


def sample_prompts_for(prompts: Sequence[str], captions: Sequence[str]) -> tuple[str, ...]:
    """Four prompts for the guard's pictures: the person's, else the first two captions; then generic ones."""
    own = list(prompts) or list(dict.fromkeys(captions))[: SAMPLES // 2]
    return tuple([*own[:SAMPLES], *GENERIC_PROMPTS][: max(SAMPLES, len(own[:SAMPLES]))])


@dataclass(frozen=True)
class Chosen:
    """What is taken, all that is good, and all that is left out."""

    split: Split
    good: tuple[GoodImage, ...]
    rejected: tuple[Rejected, ...]


def choose_images(listing: Listing, side: int, hyperparameters: Hyperparameters, progress: Progress) -> Chosen:
    """Open every image of the listing once, and split those that are good. Raises UnusableData below two."""
    with progress.task("Looking at images", len(listing.examples)) as advance:
        good, rejected = screen(listing.examples, min_side=side // 2, on_progress=advance)
    rejected = [*listing.rejected, *rejected]
    if len(good) < 2:
        raise UnusableData(
            f"Only {len(good)} of {len(listing.examples)} images can be used; at least two are needed. "
            f"Most were left out because: {rejected[0].reason if rejected else 'there are no more'}."
        )
    chosen = stratified_sample(good, hyperparameters.limit, hyperparameters.seed)
    parts = split_up(chosen, hyperparameters.held_out, hyperparameters.seed)
    return Chosen(parts, tuple(good), tuple(rejected))


def _summary(
    listing: Listing,
    chosen: Chosen,
    lengths: tuple[CaptionLength, ...],
    cached: Mapping[GoodImage, CachedImage],
    prior: int,
    damaged: int,
) -> DataSummary:
    split = chosen.split
    return DataSummary(
        folder=str(listing.folder),
        layout=listing.layout,
        licence=listing.licence,
        files=tuple(fates(listing, split, chosen.good, chosen.rejected)),
        training=len(split.training),
        held_out=len(split.held_out),
        prior=prior,
        split_by_subject=split.by_subject,
        is_cross_fitted=split.is_cross_fitted,
        captions=lengths,
        buckets=bucket_counts(cached[image] for image in (*split.training, *split.held_out)),
        damaged=damaged,
    )


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
