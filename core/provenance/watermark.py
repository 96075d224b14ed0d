"""A mark in the noise that a picture starts from: its signs are one of 256 patterns that a secret key makes.

Whoever has the key finds the pattern again in a picture, as far as the noise can be read out of it; nobody else can
tell that it is there. The magnitudes stay what the seed draws, and over all keys each sign is as likely as the other
and independent of all else, so that the noise is distributed as it is without a mark (Yang et al. 2024, "Gaussian
Shading", arXiv 2404.04956). Which pattern it is, a keyed hash of the seed says, so that pictures do not share one.

Pure; it knows neither models nor files.
"""

import hashlib
import hmac
import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from core.recipe import Mark

PATTERNS = 256
KEY_BYTES = 32

RADEMACHER = 3.18
"""A weighted sum of random signs exceeds t, in its standard deviations, at most so much oftener than a normal variable
does, whatever the weights (Bentkus and Dzindzalieta 2015, "A tight Gaussian bound for weighted sums of Rademacher
random variables")."""
CLIPPED_AT = 3.0
"""Single values of a picture's noise count no more than this many standard deviations."""


@dataclass(frozen=True)
class Pattern:
    """What a picture is marked with: `mark` names it, `seed` makes its signs. It tells nothing of the key."""

    mark: Mark
    seed: bytes = field(repr=False)

    def signs(self, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        """1 or -1 for each site of a latent of `shape`."""
        sites = math.prod(shape)
        bits = np.unpackbits(np.frombuffer(hashlib.shake_256(self.seed).digest(-(-sites // 8)), np.uint8), count=sites)
        return (bits.astype(np.float32) * 2 - 1).reshape(shape)


@dataclass(frozen=True)
class Evidence:
    """How well a picture's noise fits `mark`, the best of those that were tried.

    `deviations`: the weighted agreement of its signs, in standard deviations of random ones. `p`: a bound on how likely
    any of them fits as well by chance, whatever the picture is.
    """

    mark: Mark
    deviations: float
    p: float


class MarkingKey:
    """The patterns of one secret of KEY_BYTES, and how to find them. `name` tells keys apart, and nothing of them."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(secret)}")
        self._secret = secret
        self.name = self._digest(b"name").hex()[:8]

    def pattern(self, number: int) -> Pattern:
        """The pattern `number`, from 0 to 255."""
        return Pattern(Mark(self.name, number), self._digest(b"pattern", number))

    def pattern_for(self, seed: int) -> Pattern:
        """The pattern for the composition that starts from `seed`."""
        return self.pattern(self._digest(b"choice", seed)[0])

    def evidence(self, noise: npt.NDArray[np.float32], mark: Mark | None = None) -> Evidence:
        """How well `noise`, shape (channels, height, width), as it was read out of a picture, fits the best of all
        patterns, or the one that `mark` names if it is of this key."""
        own = mark is not None and mark.key == self.name
        tried = [self.pattern(mark.pattern)] if own and mark is not None else list(map(self.pattern, range(PATTERNS)))
        values = _weights(noise)
        found = [float((values * pattern.signs(values.shape)).sum()) for pattern in tried]
        best = int(np.argmax(found))
        chance = RADEMACHER * math.erfc(found[best] / math.sqrt(2)) / 2
        return Evidence(tried[best].mark, found[best], min(1.0, len(tried) * chance))

    def _digest(self, purpose: bytes, number: int = 0) -> bytes:
        return hmac.digest(self._secret, purpose + number.to_bytes(8, "big"), "sha256")


def _weights(noise: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """`noise`, each channel around zero and none louder than the others, of norm 1; zeros where nothing differs."""
    values = noise.astype(np.float64) - noise.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
    values /= np.maximum(values.std(axis=(1, 2), keepdims=True), 1e-12)
    values = values.clip(-CLIPPED_AT, CLIPPED_AT)
    norm = float(np.linalg.norm(values))
    return values / norm if norm > 1e-6 else np.zeros_like(values)
