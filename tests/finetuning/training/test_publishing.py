"""What an adapter's pictures must be before it gets its name."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from core.errors import AdapterRefused
from core.finetuning.model.network import Caption
from core.finetuning.model.painting import EncodedPrompts, SampledPictures, SamplingSettings
from core.finetuning.training.publishing import Judged, check
from core.finetuning.training.spectrum import SampleStatistics

NOTHING = EncodedPrompts((), Caption(torch.empty(0), torch.empty(0)))


def judged(folder: Path, high_frequency: float | None) -> Judged:
    base = () if high_frequency is None else (SampleStatistics(0.5, high_frequency),) * 8
    return Judged(folder, NOTHING, SamplingSettings(2, 1.0, 32, 32), base)


@pytest.mark.parametrize(
    ("high_frequency", "passes"),
    [(None, False), (0.1, False), (0.9, True)],
    ids=["a base of which nothing is known", "a base that paints smoothly", "a base that paints noise itself"],
)
def test_a_limit_is_never_below_the_base(high_frequency: float | None, passes: bool, tmp_path: Path) -> None:
    image = Image.new("RGB", (8, 8), "red")
    image.save(tmp_path / "0.png")
    noise = 0.5 * torch.randn((1, 4, 16, 16), generator=torch.Generator().manual_seed(1))
    painted = SampledPictures((image,), noise)
    if passes:
        check(painted, judged(tmp_path, high_frequency), 0.5)
        return
    with pytest.raises(AdapterRefused, match="no picture"):
        check(painted, judged(tmp_path, high_frequency), 0.5)
