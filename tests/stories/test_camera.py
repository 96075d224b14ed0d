"""The camera moves slowly and evenly, through its cross-fades too, and never leaves the picture."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from core.stories.camera import MOST_ZOOM, Box, Shot, View, film_size, frames, views

GREY = Image.new("RGB", (64, 64), "grey")
LENGTHS = st.lists(st.floats(0.05, 40), min_size=1, max_size=8)


def shots_of(*lengths: float, balance: float = 0.0) -> list[Shot]:
    ends = np.cumsum(lengths)
    return [Shot(GREY, end - length, end, balance=balance) for length, end in zip(lengths, ends, strict=True)]


def path(shots: list[Shot], number: int) -> list[Box]:
    """Where the camera is in a shot, each hundredth of a second that it is seen."""
    moments = np.arange(0, shots[-1].ends_s, 0.01)
    return [view.box for at_s in moments for view in views(shots, float(at_s)) if view.number == number]


def edges(box: Box) -> tuple[float, float, float, float]:
    half = box.share / 2
    return box.x - half, box.y - half, box.x + half, box.y + half


@given(LENGTHS, st.floats(-1, 1), st.floats(0, 1))
def test_each_moment_shows_one_shot_or_two_and_nothing_beside_their_pictures(
    lengths: list[float], balance: float, share: float
) -> None:
    shots = shots_of(*lengths, balance=balance)
    seen = views(shots, share * shots[-1].ends_s)
    assert len(seen) in (1, 2)
    assert sum(view.weight for view in seen) == pytest.approx(1)
    for view in seen:
        assert min(edges(view.box)) >= -1e-9
        assert max(edges(view.box)) <= 1 + 1e-9


def test_a_cross_fade_takes_a_second_and_is_half_done_at_the_cut() -> None:
    shots = shots_of(5, 5)
    assert [view.number for view in views(shots, 4.49)] == [0]
    assert [view.number for view in views(shots, 5.51)] == [1]
    first, second = views(shots, 5.0)
    assert first.weight == second.weight == pytest.approx(0.5)
    weights = [views(shots, 4.5 + step / 50)[-1].weight for step in range(1, 50)]
    assert weights == sorted(weights)


def test_a_fade_is_no_longer_than_the_shorter_of_its_shots() -> None:
    shots = shots_of(5, 0.4, 5)
    assert [view.number for view in views(shots, 4.79)] == [0]
    assert [view.number for view in views(shots, 5.2)] == [1]
    assert [view.number for view in views(shots, 5.61)] == [2]


def test_the_zoom_goes_in_then_out_and_its_speed_never_changes() -> None:
    shots = shots_of(6, 6, 6)
    inwards, outwards = path(shots, 0), path(shots, 1)
    assert inwards[0].share == pytest.approx(1, abs=0.001)
    assert inwards[-1].share == pytest.approx(1 / MOST_ZOOM, abs=0.001)
    assert outwards[0].share == pytest.approx(1 / MOST_ZOOM, abs=0.001)
    assert outwards[-1].share == pytest.approx(1, abs=0.001)
    for boxes in (inwards, outwards):
        steps = [after.share / before.share for before, after in pairwise(boxes)]
        assert max(steps) - min(steps) < 1e-9


@pytest.mark.parametrize("balance", [-1.0, -0.4, 0.4, 1.0])
def test_the_camera_goes_to_where_it_sounds_from(balance: float) -> None:
    boxes = path(shots_of(6, 6, balance=balance), 1)
    steps = [after.x - before.x for before, after in pairwise(boxes)]
    assert all(step * balance > 0 for step in steps)
    assert max(steps) - min(steps) < 1e-9
    assert abs(boxes[-1].x - boxes[0].x) == pytest.approx(abs(balance) * (1 - 1 / MOST_ZOOM), abs=0.001)


def test_before_and_after_the_film_its_ends_are_seen() -> None:
    shots = shots_of(5, 5)
    assert views(shots, -1) == (View(0, Box(0.5, 0.5, 1.0), 1.0),)
    assert [view.number for view in views(shots, 11)] == [1]


@pytest.mark.parametrize(
    ("picture", "film"),
    [
        ((1024, 1024), (720, 720)),
        ((512, 512), (720, 720)),
        ((1344, 768), (1260, 720)),
        ((37, 53), (720, 1032)),
        ((1, 1), (720, 720)),
        ((4000, 100), (1920, 720)),
    ],
)
def test_the_shorter_side_is_720_and_both_are_even(picture: tuple[int, int], film: tuple[int, int]) -> None:
    assert film_size(Image.new("RGB", picture)) == film


def test_pictures_of_other_proportions_and_kinds_fill_the_film() -> None:
    images = [Image.new("RGB", (40, 40), "white"), Image.new("L", (80, 30), 255), Image.new("RGBA", (30, 90), "white")]
    shots = [Shot(image, n, n + 1) for n, image in enumerate(images)]
    for frame in frames(shots, (64, 36), iter([0.5, 1.5, 2.5]), lambda *_: None):
        assert (frame.size, frame.mode) == ((64, 36), "RGB")
        assert frame.getextrema() == ((255, 255),) * 3


@pytest.mark.parametrize("side", [512, 720, 806, 1024])
def test_nothing_shimmers(side: int) -> None:
    """How sharp a moving picture is does not change from frame to frame, whatever its pixels are to the film's."""
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (side, side), np.uint8))
    fine = noise.filter(ImageFilter.GaussianBlur(0.7))  # as fine as a picture is
    times = iter((np.arange(24) + 0.5) / 12)
    sharpness = [
        np.abs(np.diff(np.asarray(frame.convert("L"), np.float64), axis=1)).mean()
        for frame in frames([Shot(fine, 0, 10, balance=0.6)], (720, 720), times, lambda *_: None)
    ]
    assert np.abs(np.diff(sharpness)).max() / np.mean(sharpness) < 0.05
