"""What is kept on disk between runs: damage is found, precision is told apart, and neighbours do not meet."""

import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import torch
from PIL import Image

from core.cli.progress import ProgressBars
from core.errors import WrongSetting
from core.finetuning.data.cache import KeptInMemory, is_whole, read_entry, write_entry
from core.finetuning.data.prepare import PreparedData, prepare
from core.finetuning.data.prior import PRIOR_PROMPTS
from core.finetuning.data.sources import list_examples
from core.finetuning.hyperparameters import Hyperparameters, Precision
from core.finetuning.model.network import load_base
from core.finetuning.model.painting import PictureFile, SamplingSettings, paint_files
from core.finetuning.training.batches import BatchSource, TrainingPosition
from tests.finetuning.conftest import edm_objective, quick_hyperparameters

Prepare = Callable[..., PreparedData]
QUICK = quick_hyperparameters()


@pytest.fixture
def prepared(tiny_base: Path, drawings: Path, tmp_path: Path) -> Prepare:
    """Prepares the drawings with a cache of their own."""

    def run(hyperparameters: Hyperparameters = QUICK, precision: Precision = "fp32") -> PreparedData:
        base = load_base(str(tiny_base), None, precision)
        return prepare(list_examples(drawings), base, hyperparameters, tmp_path / "cache", (), ProgressBars())

    return run


@pytest.mark.parametrize("kind", ["images", "captions"])
@pytest.mark.parametrize("damage", ["cut off", "one bit", "empty"])
def test_a_damaged_entry_is_made_anew_and_counted(kind: str, damage: str, prepared: Prepare, tmp_path: Path) -> None:
    assert prepared().summary.damaged == 0
    entry = sorted((tmp_path / "cache" / kind).iterdir())[0]
    whole, wanted = entry.read_bytes(), read_entry(entry)
    changed = {"cut off": whole[:-10], "one bit": whole[:-10] + bytes([whole[-10] ^ 1]) + whole[-9:], "empty": b""}
    entry.write_bytes(changed[damage])
    assert prepared().summary.damaged == 1
    found = read_entry(entry)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    assert prepared().summary.damaged == 0


def test_a_damaged_picture_of_the_base_is_painted_anew_and_counted(prepared: Prepare, tmp_path: Path) -> None:
    hyperparameters = quick_hyperparameters(prior_share=0.5, sample_steps=1, batch_size=8)
    prepared(hyperparameters)
    (folder,) = (tmp_path / "cache" / "prior").iterdir()
    cut = folder / "03.png"
    whole = cut.read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    assert prepared(hyperparameters).summary.damaged == 1
    with Image.open(cut) as image:
        image.load()
    assert len(list(folder.iterdir())) == len(PRIOR_PROMPTS)


def test_captions_of_another_precision_are_other_entries(prepared: Prepare, tmp_path: Path) -> None:
    """Half-precision captions were read by whoever wanted full ones."""
    prepared(precision="bf16")
    prepared(precision="fp32")
    dtypes = {read_entry(path)["text"].dtype for path in (tmp_path / "cache" / "captions").iterdir()}
    assert dtypes == {torch.bfloat16, torch.float32}


def test_two_runs_may_write_one_entry_at_once(tmp_path: Path) -> None:
    path, start = tmp_path / "entry.safetensors", threading.Barrier(4)
    failed: list[Exception] = []

    def write() -> None:
        start.wait()
        try:
            for _ in range(20):
                write_entry({"a": torch.arange(1000.0)}, path)
        except Exception as error:
            failed.append(error)

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert not failed
    assert is_whole(path)
    assert [file.name for file in tmp_path.iterdir()] == ["entry.safetensors"]


def test_two_runs_may_paint_one_picture_at_once(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other run's half-written picture lies there under the name that ours would have had."""
    pipeline = load_base(str(tiny_base), None, "fp32").pipeline
    (tmp_path / "00.part").mkdir()
    paint_files(pipeline, [PictureFile("a dog", 1, tmp_path / "00.png")], SamplingSettings(1, 3.0, 32, 32))
    with Image.open(tmp_path / "00.png") as image:
        assert image.size == (32, 32)


def test_a_full_disk_is_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(WrongSetting, match="No space left on device"):
        write_entry({"a": torch.zeros(10)}, tmp_path / "entry.safetensors")
    assert not list(tmp_path.iterdir())


class TestKeptInMemory:
    def test_what_was_read_is_not_read_again_while_there_is_room(self, tmp_path: Path) -> None:
        entries = {tmp_path / f"{number}.safetensors": torch.full((4,), float(number)) for number in range(3)}
        for path, tensor in entries.items():
            write_entry({"mean": tensor}, path)
        kept = KeptInMemory(room=40)  # two entries of 16 bytes
        for path in entries:
            kept.read(path)
        first, second, third = entries
        first.unlink()
        second.unlink()
        assert all(torch.equal(kept.read(path)["mean"], entries[path]) for path in entries)
        third.unlink()
        with pytest.raises(FileNotFoundError):
            kept.read(third)


def test_batches_for_a_gpu_are_pinned(
    tiny_base: Path, drawings: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no GPU here: torch's own call is counted."""
    hyperparameters = quick_hyperparameters()
    base = load_base(str(tiny_base), None, "fp32")
    data = prepare(list_examples(drawings), base, hyperparameters, shared_cache, (), ProgressBars())
    pinned: list[torch.Size] = []

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        pinned.append(tensor.shape)
        return tensor

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    sources = [
        BatchSource(
            data.training, data.captions, data.no_caption, edm_objective(base.pipeline), hyperparameters, device
        )
        for device in (torch.device("cpu"), torch.device("cuda"))
    ]
    with closing(sources[0]) as on_cpu, closing(sources[1]) as on_gpu:
        (wanted,), (found,) = on_cpu.at(TrainingPosition(0)), on_gpu.at(TrainingPosition(0))
    assert torch.equal(wanted.latents, found.latents)
    assert len(pinned) >= 6, "latents, noise, levels, text, pooled text and sizes"
