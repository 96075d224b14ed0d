"""How long people are told to wait: learnt from the pictures painted last."""

from core.pace import LOOKED_BACK, Pace


def test_nothing_is_claimed_before_a_picture_has_been_painted() -> None:
    assert Pace().seconds_until(3) is None


def test_each_place_takes_as_long_as_it_usually_did() -> None:
    pace = Pace()
    pace.learn(1, 4.0)
    pace.learn(3, 15.0)
    pace.learn(2, 400.0)  # one that waited for the model to be loaded

    assert pace.seconds_until(1) == 5.0
    assert pace.seconds_until(4) == 20.0


def test_what_is_long_past_does_not_count() -> None:
    pace = Pace()
    pace.learn(1, 1000.0)
    for _ in range(LOOKED_BACK):
        pace.learn(1, 2.0)

    assert pace.seconds_until(1) == 2.0


def test_until_a_picture_was_painted_the_painter_s_own_estimate_counts() -> None:
    pace = Pace()
    assert pace.seconds_until(3, estimate=10.0) == 30
    pace.learn(position=1, seconds=4.0)
    assert pace.seconds_until(3, estimate=10.0) == 12
