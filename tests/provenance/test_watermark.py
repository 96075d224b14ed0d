"""A mark changes nothing that anybody sees, and only the key finds it."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import stats

from core.errors import WrongSetting
from core.generation.sampler import starting_noise
from core.provenance.key_file import KEY_FILE, Marker, read, read_or_make
from core.provenance.watermark import MarkingKey, Pattern
from core.recipe import Mark

SHAPE = (4, 16, 16)
KEY = MarkingKey(bytes(range(32)))
OTHER = MarkingKey(bytes(32))


def test_marked_noise_is_distributed_as_noise() -> None:
    """Each site is normal, and no two go together: neither in one picture nor from one picture to the next."""
    seeds = {KEY.pattern_for(seed).mark: seed for seed in range(1000)}.values()  # one for each pattern
    noises = torch.stack([starting_noise(SHAPE, seed, pattern=KEY.pattern_for(seed)) for seed in seeds]).numpy()
    flat = noises.reshape(len(noises), -1).astype(np.float64)
    assert stats.kstest(flat.ravel(), "norm").pvalue > 1e-3
    neighbours = (noises[..., 1:] * noises[..., :-1]).mean(dtype=np.float64)
    following = (noises[1:] * noises[:-1]).mean(dtype=np.float64)
    for product, pairs in ((neighbours, noises[..., 1:].size), (following, noises[1:].size)):
        assert abs(product) * np.sqrt(pairs) < 4
    assert stats.kstest(flat.mean(axis=0) * np.sqrt(len(flat)), "norm").pvalue > 1e-3, "no site keeps its sign"


def test_pattern_replaces_signs_and_nothing_else() -> None:
    plain = starting_noise(SHAPE, 7)
    marked = starting_noise(SHAPE, 7, pattern=KEY.pattern_for(7))
    assert torch.equal(marked.abs(), plain.abs())
    assert torch.equal(marked.sign(), torch.from_numpy(KEY.pattern_for(7).signs(SHAPE)))


def test_pictures_that_are_near_each_other_share_pattern_and_noise() -> None:
    pattern = KEY.pattern_for(7)
    first = starting_noise(SHAPE, 7, pattern=pattern).flatten()
    near = starting_noise(SHAPE, 8, near=7, pattern=pattern).flatten()
    new = starting_noise(SHAPE, 8, pattern=KEY.pattern_for(8)).flatten()
    plain = torch.stack([starting_noise(SHAPE, 7).flatten(), starting_noise(SHAPE, 8, near=7).flatten()])
    assert torch.corrcoef(torch.stack([first, near]))[0, 1] > torch.corrcoef(plain)[0, 1] > 0.8
    assert abs(torch.corrcoef(torch.stack([first, new]))[0, 1]) < 0.15


def test_only_its_own_key_finds_a_mark_and_says_which() -> None:
    noise = starting_noise(SHAPE, 7, pattern=KEY.pattern_for(7)).numpy()
    found = KEY.evidence(noise)
    assert found.mark == KEY.pattern_for(7).mark
    assert found.p < 1e-30
    assert OTHER.evidence(noise).p > 1e-3
    claimed = KEY.evidence(noise, KEY.pattern_for(8).mark)
    assert claimed.p > 1e-3, "of what a recipe claims nothing else is tried"
    assert KEY.evidence(noise, OTHER.pattern_for(7).mark) == found, "another key's claim is no claim"


def test_chance_is_never_underestimated_whatever_the_picture_is() -> None:
    """The picture is fixed, and as odd as can be; the key is what is random."""
    rows = np.arange(16, dtype=np.float32)
    channels = (np.outer(rows, rows), np.exp(rows[:, None] - rows), np.eye(16), np.tile(rows, (16, 1)))
    odd = np.stack(channels).astype(np.float32)
    keys = [MarkingKey(number.to_bytes(32, "big")) for number in range(3000)]
    chances = np.array([key.evidence(odd, Mark(key.name, 0)).p for key in keys])
    for level in (0.5, 0.1, 0.01):
        assert np.mean(chances < level) < level + 3 * np.sqrt(level / 3000)


@pytest.mark.parametrize("noise", [np.zeros(SHAPE), np.ones(SHAPE), np.full(SHAPE, 1e-30)])
def test_what_has_no_noise_has_no_mark(noise: npt.NDArray[np.float64]) -> None:
    assert KEY.evidence(noise.astype(np.float32)).p == 1.0


def test_pattern_tells_neither_the_key_nor_another_pattern() -> None:
    patterns = [KEY.pattern(number) for number in range(256)]
    assert len({pattern.seed for pattern in patterns}) == 256
    assert KEY.pattern(3).seed.hex() not in repr(KEY.pattern(3))
    assert bytes(range(32)).hex() not in repr(vars(KEY.pattern(3)))
    signs = np.stack([pattern.signs((4096,)) for pattern in patterns])
    together = np.triu(signs @ signs.T / 4096, 1)
    assert np.abs(together).max() < 6 / np.sqrt(4096)


def test_key_of_another_length_is_none() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        MarkingKey(b"short")


def test_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    assert read(directory) is None
    made = read_or_make(directory)
    again = read(directory)
    assert again is not None
    assert again.name == made.name == read_or_make(directory).name
    assert (directory / KEY_FILE).stat().st_mode & 0o077 == 0
    assert [path.name for path in directory.iterdir()] == [KEY_FILE]


def test_process_that_comes_second_takes_the_key_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both had found none."""
    first = read_or_make(tmp_path)
    found = [None, read(tmp_path)]
    monkeypatch.setattr("core.provenance.key_file.read", lambda _: found.pop(0))
    assert read_or_make(tmp_path).name == first.name


def test_damaged_key_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_bytes(b"cut off")
    with pytest.raises(WrongSetting, match="damaged; bring it back from a copy, or delete it"):
        read_or_make(tmp_path)


def test_without_a_place_for_a_key_pictures_are_painted_and_the_log_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "data").write_text("a file where a directory should be")
    marker = Marker(tmp_path / "data")
    assert marker.pattern_for(1) is None
    assert "pictures are not marked" in caplog.text
    assert "WATERMARK=off" in caplog.text
    (tmp_path / "data").unlink()
    assert isinstance(marker.pattern_for(1), Pattern), "once there is one, they are"
