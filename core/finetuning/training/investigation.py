"""Gathers evidence about a loaded base model and a person's pictures, before any data is prepared or written.

What the base shows by itself is kept in the cache, named by all that it depends on: another run need not ask again.
"""

import hashlib
import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from core.files import written_whole
from core.finetuning.data.buckets import Bucket, fit
from core.finetuning.data.encoding import encode_caption
from core.finetuning.data.pictures import open_upright
from core.finetuning.data.prepare import GENERIC_PROMPTS
from core.finetuning.data.sources import Example
from core.finetuning.model.claim import Claim, candidates_beside
from core.finetuning.model.latents import Network, RawLatents
from core.finetuning.model.network import Base, TextConditioning, bind, full_precision_vae
from core.finetuning.model.objective import Objective
from core.finetuning.training.evidence import (
    STEPS,
    BaseEvidence,
    Evidence,
    judge_base,
    judge_pictures,
    measure_pictures,
    weigh,
)
from core.generation.fingerprint import weights_sha256

PICTURES = 16
CHUNK = 4
"""Pictures that go through the network at once."""
SEED = 77
VERSION = 1
"""Rises with each change of what is measured."""


def investigate(
    base: Base, claim: Claim, examples: Sequence[Example], cache: Path
) -> tuple[Objective, Evidence, str | None]:
    """The objective that the weights belong to, the figures, and a remark if the claim holds only nearly.

    Writes into `cache` only what has passed. Raises what the judges of `evidence` raise.
    """
    kept = cache / "evidence" / f"{_key(base, claim)}.json"
    known = BaseEvidence.from_dict(json.loads(kept.read_text())) if kept.is_file() else None
    found = known or _of_base(base, claim)
    remark = judge_base(found, claim.words)
    assert claim.objective is not None, "without one no claim holds"
    evidence = Evidence(found, _of_pictures(base, claim.objective, examples))
    if known is None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(kept) as temporary:
            temporary.write_text(json.dumps(found.as_dict()))
    return claim.objective, evidence, remark


def _of_base(base: Base, claim: Claim) -> BaseEvidence:
    vae = full_precision_vae(base)
    captions = [encode_caption(base.pipeline, prompt) for prompt in GENERIC_PROMPTS]
    side = float(base.native_resolution)
    conditioning = TextConditioning.of(captions, [(side, side, 0.0, 0.0, side, side)] * len(captions))
    grid, channels = base.native_resolution // base.latent_scale, int(base.pipeline.unet.config.in_channels)
    noise = torch.randn((len(captions), channels, grid, grid), generator=torch.Generator().manual_seed(SEED)).to(
        base.pipeline.unet.device
    )
    claimed = None if claim.objective is None else claim.objective.candidate()
    return weigh(
        claimed,
        candidates_beside(claim, base.pipeline.vae.config),
        _in_chunks(base, conditioning),
        noise,
        lambda raw: _through_vae(vae, raw),
    )


def _of_pictures(base: Base, objective: Objective, examples: Sequence[Example]) -> tuple[float, ...]:
    """R of up to 16 of the person's pictures; those that do not open are told of later, by who prepares the data."""
    order = list(examples)
    random.Random(SEED).shuffle(order)
    opened: list[tuple[Example, RawLatents, tuple[float, ...]]] = []
    side, vae = base.native_resolution, full_precision_vae(base)
    for example in order:
        if len(opened) == PICTURES:
            break
        try:
            picture = open_upright(example.path)
        except Exception:  # Pillow's decoders raise OSError, ValueError, SyntaxError, struct.error and others
            continue
        sizes = (float(picture.height), float(picture.width), 0.0, 0.0, float(side), float(side))
        pixels = torch.from_numpy(np.asarray(fit(picture, Bucket(side, side)), dtype=np.float32).copy())
        opened.append((example, _encoded(vae, pixels.permute(2, 0, 1)[None] / 127.5 - 1), sizes))
    if not opened:
        return ()
    captions = [encode_caption(base.pipeline, example.caption) for example, _, _ in opened]
    conditioning = TextConditioning.of(captions, [sizes for _, _, sizes in opened])
    raw = RawLatents(torch.cat([latents for _, latents, _ in opened]).to(base.pipeline.unet.device))
    ratios = measure_pictures(objective.candidate(), _in_chunks(base, conditioning), raw)
    return judge_pictures(ratios, [example.path.name for example, _, _ in opened])


def _in_chunks(base: Base, conditioning: TextConditioning) -> Network:
    """The network with its conditioning, a few pictures at a time."""
    unet = base.pipeline.unet
    dtype = unet.dtype
    conditioning = conditioning.to(unet.device, dtype)

    @torch.no_grad()
    def network(sample: Tensor, timestep: Tensor) -> Tensor:
        parts = [slice(start, start + CHUNK) for start in range(0, len(sample), CHUNK)]
        return torch.cat([bind(unet, conditioning.part(part), dtype)(sample[part], timestep[part]) for part in parts])

    return network


@torch.no_grad()
def _through_vae(vae: AutoencoderKL, raw: RawLatents) -> RawLatents:
    """To pictures, and back; one at a time."""
    pictures = (vae.decode(part[None].to(vae.device, vae.dtype)).sample.clamp(-1, 1) for part in raw)
    return RawLatents(torch.cat([_encoded(vae, picture) for picture in pictures]).to(raw.device))


@torch.no_grad()
def _encoded(vae: AutoencoderKL, pixels: Tensor) -> RawLatents:
    return RawLatents(vae.encode(pixels.to(vae.device, vae.dtype)).latent_dist.mean.float())


def _key(base: Base, claim: Claim) -> str:
    """All that the base's own evidence depends on."""
    parts = [weights_sha256(base.directory / part) for part in ("vae", "text_encoder", "text_encoder_2")]
    vae = {name: value for name, value in base.pipeline.vae.config.items() if not name.startswith("_")}
    claimed = None if claim.objective is None else repr(claim.objective.candidate().numbers)
    document = json.dumps(
        [VERSION, STEPS, base.fingerprint, parts, vae, claimed, str(base.pipeline.unet.dtype)],
        default=str,
        sort_keys=True,
    )
    return hashlib.sha256(document.encode()).hexdigest()[:32]
