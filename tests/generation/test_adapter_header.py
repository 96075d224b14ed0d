"""A bad adapter is known by its header, named when the program starts, and refused with one sentence when chosen."""

import asyncio
import json
import logging
import struct
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from diffusers.utils import convert_all_state_dict_to_peft, convert_state_dict_to_diffusers, convert_state_dict_to_kohya
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save, save_file
from torch import Tensor

from bot import __main__ as program
from bot.settings import BotSettings
from core.cli.main import main
from core.errors import InvalidOptions
from core.generation.adapter_header import (
    MOST_HEADER_BYTES,
    MOST_RANK,
    BadAdapter,
    bad_adapters,
    check_layers,
    read_header,
)
from core.generation.adapters import Adapters, _sizes
from core.settings import CoreSettings

LAYER = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
RANK = 4


@pytest.fixture(scope="module")
def pipeline(tiny_pipeline: Path) -> StableDiffusionXLPipeline:
    return StableDiffusionXLPipeline.from_pretrained(tiny_pipeline)


@pytest.fixture(scope="module")
def trained(tiny_pipeline: Path) -> dict[str, Tensor]:
    """A whole adapter's weights, as peft names them."""
    unet = StableDiffusionXLPipeline.from_pretrained(tiny_pipeline).unet
    unet.add_adapter(
        LoraConfig(r=RANK, init_lora_weights=False, target_modules=["to_q", "to_out.0", "conv1", "proj_in"])
    )
    return {f"unet.{name}": value.contiguous() for name, value in get_peft_model_state_dict(unet).items()}


def lora(rank: int = RANK, layer: str = LAYER, inputs: int = 32, outputs: int = 32) -> dict[str, Tensor]:
    return {f"{layer}.lora_A.weight": torch.zeros(rank, inputs), f"{layer}.lora_B.weight": torch.zeros(outputs, rank)}


@pytest.mark.parametrize("naming", ["peft", "diffusers", "kohya"])
def test_a_good_adapter_is_known_by_whatever_names_its_layers_have(
    naming: str, trained: Mapping[str, Tensor], pipeline: StableDiffusionXLPipeline, tmp_path: Path
) -> None:
    weights = dict(trained)
    if naming == "diffusers":
        weights = convert_state_dict_to_diffusers(weights)
        weights = {name: value.contiguous() for name, value in weights.items()}
    elif naming == "kohya":
        weights = convert_state_dict_to_kohya(convert_all_state_dict_to_peft(weights))
    save_file(weights, tmp_path / "good.safetensors", metadata={"ss_tag_frequency": "x" * 100_000})

    header = read_header(tmp_path / "good.safetensors")
    check_layers(header, _sizes(pipeline.unet))

    assert header.rank == RANK
    assert len(header.layers) == len(trained) / 2


def file_of(header: object, data: bytes = b"", *, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(shape: list[int], first: int, last: int, dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}


def pair(**changes: dict[str, object]) -> dict[str, object]:
    """The header of a small LoRA; its data are 64 bytes."""
    return {
        f"{LAYER}.lora_A.weight": changes.get("down", tensor([1, 8], 0, 32)),
        f"{LAYER}.lora_B.weight": changes.get("up", tensor([8, 1], 32, 64)),
    }


DATA = bytes(64)
BAD = {
    "empty": (b"", "is damaged"),
    "no header": (b"not weights", "is damaged"),
    "a header longer than the file": (file_of(pair(), DATA, length=10**6), "is damaged"),
    "a header of 2**64 bytes": (file_of(pair(), DATA, length=2**64 - 1), "is damaged"),
    "a header beyond the limit": (file_of(json.dumps(pair()).encode().ljust(MOST_HEADER_BYTES + 1)), "is damaged"),
    "nested lists": (file_of(b"[" * 100_000, DATA), "is damaged"),
    "a list": (file_of([]), "is damaged"),
    "no tensors": (file_of({}), "is no LoRA"),
    "metadata only": (file_of({"__metadata__": {"a": "b"}}), "is no LoRA"),
    "offsets beyond the file": (file_of(pair(up=tensor([8, 1], 32, 64)), DATA[:40]), "is damaged"),
    "negative offsets": (file_of(pair(up=tensor([8, 1], -32, 0)), DATA), "is damaged"),
    "overlapping offsets": (file_of(pair(up=tensor([8, 1], 16, 48)), DATA), "is damaged"),
    "the same bytes twice": (file_of(pair(up=tensor([8, 1], 0, 32)), DATA[:32]), "is damaged"),
    "bytes that are nobody's": (file_of(pair(), DATA + b"more"), "is damaged"),
    "a shape that is larger than its bytes": (file_of(pair(down=tensor([1, 9], 0, 32)), DATA), "is damaged"),
    "a shape that overflows": (file_of(pair(down=tensor([2**62, 2**62], 0, 32)), DATA), "is damaged"),
    "a type of its own": (file_of(pair(down=tensor([1, 8], 0, 32, "PICKLE")), DATA), "is damaged"),
    "whole numbers": (file_of(pair(down=tensor([1, 8], 0, 32, "I32")), DATA), "is damaged"),
    "offsets in words": (file_of(pair(down={"dtype": "F32", "shape": [1, 8], "data_offsets": ["0", "32"]}), DATA),
                         "is damaged"),
    "half of a pair": (save({f"{LAYER}.lora_A.weight": torch.zeros(1, 8)}), "is damaged"),
    "ranks that differ": (save({**lora(4), f"{LAYER}.lora_B.weight": torch.zeros(32, 5)}), "is damaged"),
    "rank 0": (save(lora(0)), "has rank 0"),
    "a huge rank": (save(lora(MOST_RANK + 1)), f"has rank {MOST_RANK + 1}, and at most {MOST_RANK} is taken"),
    "a whole network": (save({"unet.conv_in.weight": torch.zeros(4, 4)}), "is no LoRA"),
    "an endless name": (save(lora(layer="unet." + "a" * 1000)), "is damaged"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_known_before_anything_of_it_is_loaded(kind: str, tmp_path: Path) -> None:
    data, why = BAD[kind]
    (tmp_path / "bad.safetensors").write_bytes(data)

    assert list(bad_adapters(tmp_path)) == ["bad"]
    assert why in bad_adapters(tmp_path)["bad"]


OTHERS = {
    "another width": lora(inputs=640, outputs=640),
    "a layer that is not there": lora(layer="unet.down_blocks.7.attentions.0.to_q"),
    "another kind of model": lora(layer="transformer.single_transformer_blocks.0.attn.to_q"),
    "kohya's of another model": lora(layer="lora_unet_double_blocks_0_img_attn_qkv"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_an_adapter_of_another_model_is_named_at_the_start_and_refused_with_a_sentence(
    kind: str, pipeline: StableDiffusionXLPipeline, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_file(OTHERS[kind], tmp_path / "theirs.safetensors")

    choices = Adapters(pipeline, tmp_path, hot_swap=False)

    assert "the adapter theirs" in caplog.text
    assert "was made for another model" in caplog.text
    with pytest.raises(InvalidOptions) as told:
        choices.use("theirs")
    assert str(told.value) == "The adapter theirs cannot be loaded: it was made for another model; choose another."


@pytest.fixture
def spoilt(tmp_path: Path) -> Path:
    """A directory with a good adapter and two bad ones, one with a name that would forge a line of the log."""
    directory = tmp_path / "adapters"
    directory.mkdir()
    save_file(lora(), directory / "good.safetensors")
    (directory / "broken.safetensors").write_bytes(b"not weights")
    (directory / "two\nlines.safetensors").write_bytes(b"")
    return directory


async def test_the_bot_names_bad_adapters_when_it_starts(
    spoilt: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stop_at_once(*_: object) -> int:
        return 0

    monkeypatch.setattr(program, "_connect", stop_at_once)
    monkeypatch.setattr(asyncio.get_running_loop(), "add_signal_handler", lambda *_: None)
    caplog.set_level(logging.WARNING, "bot")

    await program.run(BotSettings(_env_file=None, data_dir=tmp_path / "data"), CoreSettings(adapters_dir=spoilt))

    named = [record.getMessage() for record in caplog.records if record.name == "bot"]
    assert [line.split(" in ")[0] for line in named] == ["the adapter broken", "the adapter two\nlines"]
    assert all(line.endswith("is damaged; whoever chooses it is told so") for line in named)


def test_doctor_names_bad_adapters(
    spoilt: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from core.cli import doctor

    checks = dict(doctor.checks(CoreSettings(adapters_dir=spoilt)))
    monkeypatch.setattr(doctor, "checks", lambda _: [("adapters", checks["adapters"])])
    monkeypatch.setattr("core.cli.main.set_up_logging", lambda: None)

    assert main(["doctor"]) == 2
    said = capsys.readouterr().out
    assert "broken is damaged; two\\nlines is damaged. Remove or replace them." in said
    assert "good" not in said


def test_knowing_a_bad_adapter_loads_no_model_library() -> None:
    code = "import sys, core.generation.adapter_header; print('torch' in sys.modules, 'safetensors' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False False\n"


GOOD = save(lora(), metadata={"format": "pt"})


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_whatever_the_file_is_there_is_a_header_or_the_one_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, 500))
        content[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    path = tmp_path_factory.getbasetemp() / "mutant.safetensors"
    path.write_bytes(content)
    with suppress(BadAdapter):
        read_header(path)
