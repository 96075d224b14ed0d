"""Curves for a page, reckoned to places in a picture; the page's template draws them in its own colours. Pure."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 360, 200
"""Of a chart, in its own units; a narrow telephone shows them one to one."""
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 10, 24
"""Margins; the numbers of the axes are in two of them."""
WANTED_TICKS = 4
MOST_DOTS = 60
"""Of more points only the line is shown."""


@dataclass(frozen=True)
class Point:
    """A value at a step, with the ends of its interval where there is one."""

    step: int
    value: float
    low: float | None = None
    high: float | None = None

    @property
    def values(self) -> tuple[float, ...]:
        """All that has to be in the picture."""
        return tuple(value for value in (self.value, self.low, self.high) if value is not None and math.isfinite(value))


@dataclass(frozen=True)
class Tick:
    """A number on an axis, and where it is."""

    place: float
    text: str


@dataclass(frozen=True)
class Chart:
    """Polylines as SVG's `points`, bands of intervals, dots where they are few, and both axes."""

    lines: tuple[str, ...]
    bands: tuple[str, ...]
    points: tuple[tuple[float, float], ...]
    columns: tuple[Tick, ...]
    rows: tuple[Tick, ...]
    reference: float | None
    """Where the value is that everything is compared with."""


def chart(curves: Sequence[Sequence[Point]], reference: float | None = None) -> Chart:
    """Place curves of points in the order of their steps; a curve breaks where its value is not finite."""
    values = [value for curve in curves for point in curve for value in point.values]
    if reference is not None:
        values.append(reference)
    low, high = _range(values)
    last = max((point.step for curve in curves for point in curve), default=0) or 1

    def x(step: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * step / last, 1)

    def y(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low), 1)

    parts = [part for curve in curves for part in _unbroken(curve)]
    few = sum(map(len, parts)) <= MOST_DOTS
    return Chart(
        lines=tuple(" ".join(f"{x(point.step)},{y(point.value)}" for point in part) for part in parts),
        bands=tuple(_band(part, x, y) for part in parts if len(part) > 1 and any(p.low is not None for p in part)),
        points=tuple((x(point.step), y(point.value)) for part in parts for point in part) if few else (),
        columns=tuple(Tick(x(step), f"{step:g}") for step in ticks(0, last) if step == int(step)),
        rows=tuple(Tick(y(value), f"{value:.4g}") for value in ticks(low, high)),
        reference=None if reference is None else y(reference),
    )


def ticks(low: float, high: float) -> list[float]:
    """About four round numbers (1, 2 or 5 times a power of ten apart) from `low` to `high`."""
    rough = (high - low) / WANTED_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    apart = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.ceil(low / apart - 1e-9), math.floor(high / apart + 1e-9)
    return [round(number * apart, 12) for number in range(first, last + 1)]


def _range(values: Sequence[float]) -> tuple[float, float]:
    """From the least to the largest with a little air; never nothing."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    air = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return low - air, high + air


def _unbroken(curve: Sequence[Point]) -> Iterator[list[Point]]:
    part: list[Point] = []
    for point in curve:
        if math.isfinite(point.value):
            part.append(point)
        elif part:
            yield part
            part = []
    if part:
        yield part


def _band(part: Sequence[Point], x: Callable[[float], float], y: Callable[[float], float]) -> str:
    upper = [(point.step, point.value if point.high is None else point.high) for point in part]
    lower = [(point.step, point.value if point.low is None else point.low) for point in reversed(part)]
    return " ".join(f"{x(step)},{y(value)}" for step, value in (*upper, *lower))
