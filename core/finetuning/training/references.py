"""Eight pictures with the statistics of photographs, made in code: nobody's rights, the same on every machine.

A base that paints nonsense must not set its own standard, so the guard measures on pictures that it did not paint.
There are no photographs that this project may ship, and these stand in for them: spectra that fall as 1/f (Field,
1987), edges by occlusion as in the dead-leaves model (Lee, Mumford and Huang, 2001), and shaded balls under a light.
"""

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]
"""[height, width, 3], from −1 to 1."""

COUNT = 8


def references(side: int) -> list[Pixels]:
    """The eight pictures, each `side` pixels square."""
    draw = np.random.default_rng(1_987)
    clouds = [_clouds(side, slope, draw) for slope in (0.9, 1.1, 1.3)]
    leaves = [_leaves(side, smallest, draw) for smallest in (0.02, 0.05, 0.1)]
    return [*clouds, *leaves, _balls(side, 3, draw), _balls(side, 7, draw)]


def _clouds(side: int, slope: float, draw: np.random.Generator) -> Pixels:
    """Noise whose amplitude falls as 1/f to the power `slope`, mostly of one colour."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None, :])
    frequency[0, 0] = np.inf
    planes = [np.fft.ifft2(np.fft.fft2(draw.standard_normal((side, side))) / frequency**slope).real for _ in range(3)]
    light, first, second = (plane / plane.std() for plane in planes)
    picture = np.stack([light + 0.3 * first, light, light + 0.3 * second], axis=-1) * 0.4 + draw.uniform(-0.2, 0.2, 3)
    return _pixels(picture)


def _leaves(side: int, smallest: float, draw: np.random.Generator) -> Pixels:
    """Discs that hide one another, radii by the power law of scale invariance, each with a little shade."""
    rows, columns = np.mgrid[0:side, 0:side] / side
    picture = np.zeros((side, side, 3))
    for _ in range(400):
        radius = (draw.uniform(1 / 0.35**2, 1 / smallest**2)) ** -0.5
        row, column = draw.uniform(-0.1, 1.1, 2)
        inside = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
        shade = 0.15 * (rows - row + columns - column)[inside][:, None] / radius
        picture[inside] = draw.uniform(-0.9, 0.9) + draw.uniform(-0.25, 0.25, 3) + shade
    return _pixels(picture)


def _balls(side: int, count: int, draw: np.random.Generator) -> Pixels:
    """Shaded balls (Lambert's law) on a plane under a sky."""
    rows, columns = np.mgrid[0:side, 0:side] / side
    sky = np.stack([0.2 + 0.5 * rows, 0.4 + 0.3 * rows, 0.8 - 0.1 * rows], axis=-1)
    ground = np.stack([0.1 - 0.5 * rows, -0.6 * rows, -0.2 - 0.5 * rows], axis=-1)
    picture = np.where((rows > 0.55)[..., None], ground, sky) + 0.1 * _clouds(side, 1.0, draw)
    for _ in range(count):
        radius, row, column = draw.uniform(0.08, 0.22), draw.uniform(0.4, 0.8), draw.uniform(0.1, 0.9)
        across, down = (columns - column) / radius, (rows - row) / radius
        inside = across**2 + down**2 < 1
        height = np.sqrt(np.clip(1 - across**2 - down**2, 0, 1))
        lit = np.clip(-0.5 * across - 0.6 * down + 0.62 * height, 0.05, 1)[..., None]
        colour = draw.uniform(0.3, 1.0, 3)
        picture = np.where(inside[..., None], 2 * lit * colour - 1, picture)
    return _pixels(picture)


def _pixels(picture: NDArray[np.float64]) -> Pixels:
    return np.asarray(np.clip(picture, -1, 1), dtype=np.float32)
