"""Which objective do these weights belong to? Asked of the weights themselves, before anything is trained.

Each candidate paints pictures with its own sampler, and then has to predict on them. The measure is R: the network's
loss over that of the best multiple of its own input, which is what a network does that knows nothing. Only for what it
was trained for is R small on what it paints. What the directory claims is one of the candidates, no more.

Knows nothing of schedulers, files or pipelines: networks come as functions.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from core.errors import ObjectiveMismatch, UnusableBase, UnusableData
from core.finetuning.model.candidates import Candidate, noised, paint
from core.finetuning.model.latents import Network, RawLatents
from core.finetuning.training.spectrum import statistics_of, white_noise_share

KNOWS = 0.7
"""R on its own pictures at or below which a network knows what it is asked. Measured: 0.10 on the bundled miniature and
0.35 on the tests' model for what they were trained for; the best wrong one of another family has 0.63 and 0.96."""
NOWHERE_WORSE = 1.25
"""And R may not be above this at any level: rectified flow has 0.63 on the miniature for one level's 0.05, but 1.6 at
another. A little above 1 is usual for a weak network of the right kind, where its own pictures drift."""
NEAR_TIE = 1.3
"""A claim is believed up to so many times the best candidate's R: another sigma_data may be as good on a weak model."""
RETURN = 2.0
"""How many times worse R may be on own pictures that have been decoded and encoded again. Measured: 1.4 on the
miniature, 0.9 on the tests' model; on the miniature 2.5 to 11 with another model's latent statistics or scaling."""
PICTURES_KNOWN = 0.9
"""R on the person's pictures, at one of the two least noisy levels. More noise says nothing about pictures that the
model does not know: a right objective may have 1.6 there."""
STD_BOUNDS = (0.5, 2.0)
"""The samples' standard deviation, in units of what the candidate's clean latents have: 0.25 to 1.0 for EDM."""
NOISE_BOUND = 0.65
"""The samples' mean share of high frequencies, as a part of white noise's. Half would be right for a grid of 128 × 128
latents; the miniature's 16 × 16 hold half by themselves (0.39 of 0.81), and with wrong objectives 0.87 and more."""
STEPS = 10
WORST_FILES = 3

ReturnTrip = Callable[[RawLatents], RawLatents]
"""Through the VAE to pictures and back."""


@dataclass(frozen=True)
class Finding:
    """What one candidate has for itself: R at five levels, from little to much noise, on pictures that it painted."""

    name: str
    family: str
    own: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """The geometric mean of R; infinite if any is not finite."""
        if not all(math.isfinite(value) for value in self.own):
            return math.inf
        return math.exp(sum(math.log(max(value, 1e-9)) for value in self.own) / len(self.own))

    @property
    def knows(self) -> bool:
        """Whether the network predicts anything, asked like this."""
        return self.ratio <= KNOWS and max(self.own) <= NOWHERE_WORSE


@dataclass(frozen=True)
class BaseEvidence:
    """What the base model shows by itself, without anybody's pictures. `claimed` is None if the claim is unknown."""

    claimed: Finding | None
    others: tuple[Finding, ...]
    returned: float
    """R of what is claimed on its own pictures after the VAE, geometric mean."""
    std: float
    """The mean standard deviation of the claimed objective's samples, in units of what it should be."""
    high_frequency: float
    """Their mean share of high frequencies, as a part of white noise's."""

    @property
    def best(self) -> Finding:
        """The candidate with the least R; the claimed one among equals."""
        return min((item for item in (self.claimed, *self.others) if item is not None), key=lambda item: item.ratio)

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> "BaseEvidence":
        """The reverse of `as_dict`."""
        claimed, others = values["claimed"], values["others"]
        return cls(
            None if claimed is None else _finding(claimed),  # type: ignore[arg-type]
            tuple(_finding(other) for other in others),  # type: ignore[attr-defined]
            *(float(values[name]) for name in ("returned", "std", "high_frequency")),  # type: ignore[arg-type]
        )


@dataclass(frozen=True)
class Evidence:
    """What was found before a training: of the base model, and R of the person's pictures at the least noisy levels."""

    base: BaseEvidence
    pictures: tuple[float, ...]

    def as_metadata(self) -> dict[str, object]:
        """The figures for the report and the adapter's file."""
        return {
            "candidates": {
                item.name: round(item.ratio, 3) if math.isfinite(item.ratio) else None
                for item in (self.base.claimed, *self.base.others)
                if item is not None
            },
            "after_the_vae": round(self.base.returned, 3),
            "samples_std": round(self.base.std, 3),
            "samples_high_frequencies": round(self.base.high_frequency, 3),
            "pictures": [round(value, 3) for value in self.pictures],
        }


def weigh(
    claimed: Candidate | None, others: Sequence[Candidate], network: Network, noise: Tensor, return_trip: ReturnTrip
) -> BaseEvidence:
    """Let each candidate paint from white `noise`, [8, 4, h, w], and measure it on what it painted."""
    findings = {candidate: _own(candidate, network, noise) for candidate in others}
    rest = tuple(finding for finding, _ in findings.values())
    if claimed is None:
        return BaseEvidence(None, rest, math.inf, math.inf, math.inf)
    finding, painted = _own(claimed, network, noise)
    if not finding.knows:
        return BaseEvidence(finding, rest, math.inf, math.inf, math.inf)
    returned = claimed.space.enter(return_trip(claimed.space.leave(painted)))
    after = Finding(finding.name, finding.family, _ratios(claimed, network, returned))
    statistics = statistics_of(painted)
    count, white = len(statistics), white_noise_share(noise.shape[2], noise.shape[3])
    return BaseEvidence(
        finding,
        rest,
        after.ratio,
        sum(item.std for item in statistics) / count / claimed.deviation,
        sum(item.high_frequency for item in statistics) / count / white,
    )


def judge_base(found: BaseEvidence, claim: str) -> str | None:
    """Whether the claim holds; a remark if it holds only nearly. `claim`: who says what, for the sentence.

    Raises UnusableBase if the network predicts nothing that is known, ObjectiveMismatch if it is not what is claimed.
    """
    best, claimed = found.best, found.claimed
    if not best.knows:
        raise UnusableBase(
            f"This network predicts nothing that I know (the nearest is {best.name}, {_said(best)}; "
            f"{KNOWS:g} is the most); I do not train it."
        )
    if claimed is None or not claimed.knows or claimed.ratio > NEAR_TIE * best.ratio:
        against = "" if claimed is None else f" ({_said(claimed)})"
        same_family = claimed is not None and claimed.family == best.family
        way_out = f", or say --objective {_OPTION[best.family]}" if best.family in _OPTION and not same_family else ""
        kind = f"an {best.name} model" if same_family else f"{_ARTICLE[best.family]} {best.family} model"
        raise ObjectiveMismatch(
            f"The weights are those of {kind} ({_said(best)}), but {claim}{against}. Take the complete model{way_out}."
        )
    if not found.returned <= RETURN * claimed.ratio:
        raise ObjectiveMismatch(
            f"The network's own pictures do not survive the VAE ({_said(claimed)} before, {found.returned:.2f} after): "
            "latents_mean, latents_std or scaling_factor in vae/config.json are another model's. "
            "Take the complete model."
        )
    if not (STD_BOUNDS[0] <= found.std <= STD_BOUNDS[1] and found.high_frequency <= NOISE_BOUND):
        raise UnusableBase(
            f"What the base model paints is no picture (contrast {found.std:.2f} of what it should be, "
            f"{found.high_frequency:.0%} of white noise's high frequencies); I do not train it."
        )
    if best.ratio < claimed.ratio and best.name != claimed.name:
        return f"{best.name} fits the weights as well ({_said(best)}, {_said(claimed)} for what is claimed)"
    return None


def measure_pictures(candidate: Candidate, network: Network, raw: RawLatents) -> tuple[tuple[float, ...], ...]:
    """R of each picture at the two least noisy levels: what the network is given beside `raw` is bound already."""
    clean = candidate.space.enter(raw)
    columns = [_losses(candidate, network, clean, index) for index in range(2)]
    ratios = [(loss / blind.clamp(min=1e-12)).tolist() for loss, blind in columns]
    return tuple(zip(*ratios, strict=True))


def judge_pictures(ratios: Sequence[Sequence[float]], names: Sequence[str]) -> tuple[float, ...]:
    """The mean R at each level, over the pictures called `names`. Raises UnusableData if they look like noise."""
    means = tuple(sum(column) / len(column) for column in zip(*ratios, strict=True))
    if not min(means) < PICTURES_KNOWN:
        worst = sorted(zip(ratios, names, strict=True), key=lambda pair: -min(pair[0]))[:WORST_FILES]
        raise UnusableData(
            f"Your pictures look like noise to the model ({min(means):.2f} of what knowing nothing would lose, at most "
            f"{PICTURES_KNOWN:g} is usual); the worst are {', '.join(name for _, name in worst)}."
        )
    return means


def blind_loss(seen: Tensor, target: Tensor) -> Tensor:
    """The loss, per picture, of the best multiple of the network's own input: of knowing nothing. [B]."""
    seen, target = seen.float(), target.float()
    across = (seen * target).mean(dim=(1, 2, 3)).square() / seen.square().mean(dim=(1, 2, 3)).clamp(min=1e-12)
    return target.square().mean(dim=(1, 2, 3)) - across


def _own(candidate: Candidate, network: Network, noise: Tensor) -> tuple[Finding, Tensor]:
    painted = paint(candidate, network, noise, STEPS)
    return Finding(candidate.name, candidate.family.value, _ratios(candidate, network, painted)), painted


def _ratios(candidate: Candidate, network: Network, clean: Tensor) -> tuple[float, ...]:
    found = [_losses(candidate, network, clean, index) for index in range(len(candidate.levels))]
    return tuple(float(loss.sum() / blind.sum().clamp(min=1e-12)) for loss, blind in found)


@torch.no_grad()
def _losses(candidate: Candidate, network: Network, clean: Tensor, index: int) -> tuple[Tensor, Tensor]:
    """The network's loss and the blind one, [B], at the candidate's level of that index, with fixed noise."""
    level = candidate.levels[index]
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(index)).to(clean.device)
    seen, target = noised(candidate, clean, noise, level)
    answer = network(seen, torch.full((len(seen),), candidate.condition(level), device=seen.device))
    return (answer - target).square().mean(dim=(1, 2, 3)), blind_loss(seen, target)


_OPTION = {"EDM": "edm", "SDXL": "discrete"}
_ARTICLE = {"EDM": "an", "SDXL": "an", "rectified flow": "a"}


def _said(finding: Finding) -> str:
    """Its R in a sentence; noise painted in the wrong way may go beyond any number."""
    return f"{finding.ratio:.2f}" if finding.ratio < 10 else "10 and more"


def _finding(values: Mapping[str, object]) -> Finding:
    return Finding(str(values["name"]), str(values["family"]), tuple(values["own"]))  # type: ignore[arg-type]
