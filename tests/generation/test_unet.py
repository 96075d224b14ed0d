"""The painter runs what is compiled of its network, whatever the adapter, and pads rows only where it has to."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict

from core.generation.compiling import Part, TorchCompiler
from core.generation.defaults import Defaults
from core.generation.playground import ModelIdentity, PlaygroundModel, PlaygroundOptions
from core.generation.presets import PRESETS
from core.generation.protocol import GenerationRequest
from core.generation.unet import Compilation
from core.options import Compiling, Speed
from core.prompting.prompt import Prompt
from core.settings import CoreSettings

REQUEST = GenerationRequest(Prompt("a dog", ""), seed=3, steps=2)
QUICK = TorchCompiler({}, "eager")


def make_model(
    tiny_pipeline: Path, how: Compiling, make: Any = None, adapters: Path = Path("no-adapters")
) -> PlaygroundModel:
    options = PlaygroundOptions(
        Defaults(), PRESETS[Speed.EXACT], adapters, 0, compilation=Compilation(how, make=make or QUICK)
    )
    pipeline = StableDiffusionXLPipeline.from_pretrained(tiny_pipeline)
    return PlaygroundModel(pipeline, ModelIdentity("tiny", "1", False), options)


def paint(model: PlaygroundModel, request: GenerationRequest) -> torch.Tensor:
    state = model.prepare(request)
    while not model.is_finished(state):
        [state] = model.step([state])
    return state.member.latent


def compile_all(model: PlaygroundModel) -> int:
    count = 0
    while model.compile_next():
        count += 1
    return count


class Counting:
    """A Make whose code counts for how many rows it was run."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def __call__(self, part: Part, args: tuple[Any, ...], named: dict[str, Any], any_rows: bool) -> Callable[..., Any]:
        def code(module: torch.nn.Module, inputs: torch.Tensor, *args: Any, **named: Any) -> Any:
            self.rows.append(len(inputs))
            return part.function(module, inputs, *args, **named)

        return code


def test_parts_are_compiled_once_for_all_batches_and_sizes_one_by_one(tiny_pipeline: Path) -> None:
    model = make_model(tiny_pipeline, Compiling.AUTO, counting := Counting())
    expected = paint(make_model(tiny_pipeline, Compiling.OFF), REQUEST)
    assert torch.equal(paint(model, REQUEST), expected)
    assert counting.rows == [], "nothing is compiled on the way"
    parts = compile_all(model)
    assert parts == 8
    assert torch.equal(paint(model, REQUEST), expected)
    blocks = len(counting.rows) // 2
    states = [model.prepare(GenerationRequest(REQUEST.prompt, seed, 2)) for seed in range(3)]
    counting.rows.clear()
    model.step(states)
    assert counting.rows == [6] * blocks
    paint(model, GenerationRequest(REQUEST.prompt, 3, 2, size=(48, 32)))
    assert counting.rows == [6] * blocks, "another size is painted uncompiled"
    assert compile_all(model) == parts, "until it has been compiled as well"


def test_rows_are_padded_only_where_the_whole_is_compiled_for_one_number_of_them(tiny_pipeline: Path) -> None:
    """Beside a guided picture an unguided one needs one row only, yet three rows would be another number."""
    for how, rows in ((Compiling.AUTO, {3}), (Compiling.WHOLE, {4})):
        model = make_model(tiny_pipeline, how, counting := Counting())
        guided = model.prepare(REQUEST)
        unguided = model.prepare(GenerationRequest(REQUEST.prompt, seed=4, steps=2, guidance=1.0))
        model.step([guided, unguided])
        compile_all(model)
        model.step([guided, unguided])
        assert set(counting.rows) == rows


def test_where_compiling_fails_pictures_are_painted_uncompiled(
    tiny_pipeline: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def cannot_compile(*_: Any) -> Any:
        raise RuntimeError("no C compiler")

    model = make_model(tiny_pipeline, Compiling.WHOLE, cannot_compile)
    expected = paint(make_model(tiny_pipeline, Compiling.OFF), REQUEST)
    assert torch.equal(paint(model, REQUEST), expected)
    compile_all(model)
    assert "left as it is" in caplog.text
    assert torch.equal(paint(model, REQUEST), expected)


def test_adapters_that_are_loaded_swapped_or_put_down_after_compiling_are_what_is_painted_with(
    tiny_pipeline: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number, name in enumerate(("hands", "paws")):
        save_adapter(tiny_pipeline, tmp_path, name, seed=number)

    def ask(adapter: str | None) -> GenerationRequest:
        return GenerationRequest(REQUEST.prompt, 3, 2, adapter=adapter)

    used: tuple[str | None, ...] = (None, "hands", "paws", None, "hands", None, "paws")
    eager = make_model(tiny_pipeline, Compiling.OFF, adapters=tmp_path)
    expected = {name: paint(eager, ask(name)) for name in used}
    assert not torch.allclose(expected["hands"], expected["paws"], atol=1e-3)
    model = make_model(tiny_pipeline, Compiling.AUTO, adapters=tmp_path)
    compiled_before = 0
    for adapter in used:
        for _ in range(2):
            assert torch.allclose(paint(model, ask(adapter)), expected[adapter], atol=1e-5), adapter
            compile_all(model)
        assert model.compiled().as_it_is == 0
        if adapter == "paws":
            assert model.compiled().compiled == compiled_before, "a swap is no other network"
        compiled_before = model.compiled().compiled
    assert "uncompiled" not in caplog.text
    assert "each number of rows" not in caplog.text, "what is compiled fits"


def save_adapter(tiny_pipeline: Path, directory: Path, name: str, *, seed: int) -> None:
    torch.manual_seed(seed)
    pipeline = StableDiffusionXLPipeline.from_pretrained(tiny_pipeline)
    pipeline.unet.add_adapter(LoraConfig(r=4, init_lora_weights=False, target_modules=["to_q", "to_v"]))
    pipeline.save_lora_weights(
        directory, unet_lora_layers=get_peft_model_state_dict(pipeline.unet), weight_name=f"{name}.safetensors"
    )


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("auto", "auto"),
        ("on", "auto"),
        ("True", "auto"),
        ("off", "off"),
        ("false", "off"),
        (False, "off"),
        ("whole",) * 2,
    ],
)
def test_what_files_of_before_say_is_understood(said: object, meant: str) -> None:
    assert CoreSettings.model_validate({"compile_model": said}).compile_model == meant
