"""What is compiled runs in place of what it was compiled from, and only there; where that fails, nothing changes."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from torch import Tensor, nn

from core.errors import OutOfMemory
from core.generation import compiling
from core.generation.compile_cache import CompileCache, name_of
from core.generation.compiling import Part, PartCompiler, TorchCompiler, Variant, as_parts, distance
from core.generation.defaults import Defaults
from core.generation.playground import ModelIdentity, PlaygroundModel, PlaygroundOptions
from core.generation.presets import PRESETS
from core.generation.protocol import GenerationRequest
from core.generation.unet import Compilation
from core.options import Compiling, Speed
from core.prompting.prompt import Prompt

QUICK = TorchCompiler({}, "eager")
COMPILER = shutil.which("g++") or shutil.which("clang++") or shutil.which("c++")
CPU = torch.device("cpu")


class Block(nn.Module):
    """Of one width, and scaled."""

    def __init__(self, width: int, scale: float = 1.0) -> None:
        super().__init__()
        self.layer = nn.Linear(width, width)
        self.scale = scale

    def forward(self, values: Tensor) -> Tensor:
        return self.scale * torch.relu(self.layer(values))


class Choosy(nn.Module):
    """Does something else for two rows than for others: its code is for one number of rows."""

    def forward(self, values: Tensor) -> Tensor:
        return values + (1 if values.shape[0] == 2 else 2)


class Network(nn.Module):
    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, values: Tensor) -> Tensor:
        for block in self.blocks:
            values = block(values)
        return values


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


def prepared(network: nn.Module, make: compiling.Make = QUICK, cache: CompileCache | None = None) -> PartCompiler:
    compiler = PartCompiler(make, cache, any_rows=True)
    as_parts(network.requires_grad_(False), ("Block", "Choosy"), compiler)
    return compiler


def run(network: nn.Module, compiler: PartCompiler, rows: int, width: int = 8, kind: str = "bare") -> Tensor:
    with compiler.running(Variant(kind, rows, width)):
        result: Tensor = network(torch.ones(rows, width))
    return result


def compile_all(compiler: PartCompiler) -> int:
    count = 0
    while compiler.compile_next():
        count += 1
    return count


class Counting:
    """A Make whose code counts for how many rows it was run."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.rows: list[int] = []

    def __call__(self, part: Part, args: tuple[Any, ...], named: dict[str, Any], any_rows: bool) -> Callable[..., Any]:
        self.made.append(type(part.module).__name__)

        def code(module: nn.Module, values: Tensor) -> Any:
            self.rows.append(len(values))
            return part.function(module, values)

        return code


def test_nothing_is_compiled_while_the_network_runs() -> None:
    counting = Counting()
    network = Network(Block(8), Block(8))
    compiler = prepared(network, counting)
    for _ in range(3):
        run(network, compiler, 2)
    assert counting.made == []
    assert compiler.progress() == compiling.Progress(compiled=0, as_it_is=0, wanted=1)


def test_one_code_runs_all_blocks_of_a_kind_for_any_number_of_rows_but_one() -> None:
    counting = Counting()
    network = Network(Block(8), Block(8))
    compiler = prepared(network, counting)
    run(network, compiler, 16)
    assert compile_all(compiler) == 1
    for rows in (2, 3, 16):
        run(network, compiler, rows)
    assert counting.rows == [2, 2, 3, 3, 16, 16]
    run(network, compiler, 1)
    assert compile_all(compiler) == 1, "a row alone is another code"


def test_code_paints_with_the_weights_that_a_block_has_now() -> None:
    network = Network(Block(8), Block(8))
    compiler = prepared(network)
    run(network, compiler, 2)
    assert compile_all(compiler) == 1
    for block in network.blocks:
        assert isinstance(block, Block)
        block.layer.weight.data.fill_(0.5)  # in place, as a hot swap does
        block.layer.bias = nn.Parameter(torch.zeros(8), requires_grad=False)  # and as a new layer
    assert torch.equal(run(network, compiler, 5), torch.full((5, 8), 16.0))


def test_blocks_that_differ_in_anything_do_not_share_code() -> None:
    network = Network(Block(8), Block(8, scale=2.0), Block(8, scale=2))
    compiler = prepared(network)
    expected = run(network, compiler, 2)
    assert compile_all(compiler) == 3
    assert torch.allclose(run(network, compiler, 2), expected)
    assert compiler.progress() == compiling.Progress(3, 0, 0)


def test_another_kind_of_network_and_another_shape_have_code_of_their_own() -> None:
    network = Network(Block(8))
    compiler = prepared(network)
    run(network, compiler, 2)
    compile_all(compiler)
    block = network.blocks[0]
    assert isinstance(block, Block)
    block.layer = nn.Linear(8, 8, bias=False).requires_grad_(False)
    expected = torch.relu(block.layer(torch.ones(2, 8)))
    assert torch.allclose(run(network, compiler, 2, kind="with an adapter"), expected)
    assert compile_all(compiler) == 1
    assert torch.allclose(run(network, compiler, 2, kind="with an adapter"), expected)


def test_block_that_has_changed_unannounced_is_not_run_by_code_that_does_not_fit() -> None:
    network = Network(Block(8))
    compiler = prepared(network)
    run(network, compiler, 2)
    compile_all(compiler)
    block = network.blocks[0]
    assert isinstance(block, Block)
    block.scale = 3.0
    assert torch.allclose(run(network, compiler, 2), 3.0 * torch.relu(block.layer(torch.ones(2, 8))))


def test_what_is_compiled_for_one_number_of_rows_only_is_compiled_for_each(caplog: pytest.LogCaptureFixture) -> None:
    network = Network(Choosy())
    compiler = prepared(network)
    for rows, number in ((2, 1), (4, 1), (8, 1)):
        expected = torch.full((rows, 8), 2.0 if rows == 2 else 3.0)
        assert torch.equal(run(network, compiler, rows), expected)
        run(network, compiler, rows)
        assert compile_all(compiler) == number
        for _ in range(2):
            assert torch.equal(run(network, compiler, rows), expected)
    assert compiler.progress() == compiling.Progress(3, 0, 0)


def test_what_is_run_the_most_is_compiled_first() -> None:
    counting = Counting()
    network, wide = Network(Block(8)), Network(Choosy())
    compiler = prepared(network, counting)
    as_parts(wide, ("Choosy",), compiler)
    for _ in range(3):
        run(network, compiler, 2)
    run(wide, compiler, 2, width=100)
    run(network, compiler, 1)
    compile_all(compiler)
    assert counting.made == ["Choosy", "Block", "Block"]


def test_part_that_cannot_be_compiled_is_left_as_it_is_and_the_others_are_compiled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    counting = Counting()

    def make(part: Part, *rest: Any) -> Callable[..., Any]:
        if isinstance(part.module, Choosy):
            raise RuntimeError("no C compiler")
        return counting(part, *rest)

    network = Network(Block(8), Choosy())
    compiler = prepared(network, make)
    expected = run(network, compiler, 2)
    compile_all(compiler)
    assert compiler.progress() == compiling.Progress(1, 1, 0)
    for _ in range(3):
        assert torch.equal(run(network, compiler, 2), expected)
    assert not compiler.compile_next(), "it is not tried again"
    assert "cannot be compiled and is left as it is" in caplog.text
    assert counting.rows == [2, 2, 2]


def test_code_that_computes_something_else_is_not_used(caplog: pytest.LogCaptureFixture) -> None:
    def wrong(graph: torch.fx.GraphModule, _: Any) -> Callable[..., Any]:
        return lambda *inputs: tuple(1.5 * each for each in graph.forward(*inputs))

    network = Network(Block(8))
    compiler = prepared(network, TorchCompiler({}, wrong))  # type: ignore[arg-type]
    expected = run(network, compiler, 2)
    assert compiler.compile_next()
    assert torch.equal(run(network, compiler, 2), expected)
    assert compiler.progress() == compiling.Progress(0, 1, 0)
    assert "0.5 from what it was compiled from" in caplog.text


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), OutOfMemory()])
def test_short_memory_in_the_compiler_is_told_and_the_part_compiled_later(error: Exception) -> None:
    counting, errors = Counting(), [error]

    def make(*all_of_it: Any) -> Callable[..., Any]:
        if errors:
            raise errors.pop()
        return counting(*all_of_it)

    network = Network(Block(8))
    compiler = prepared(network, make)
    run(network, compiler, 2)
    with pytest.raises(type(error)):
        compiler.compile_next()
    assert compiler.compile_next()
    assert compiler.progress() == compiling.Progress(1, 0, 0)


def test_errors_of_what_is_compiled_are_the_painter_s_and_not_taken_for_a_misfit() -> None:
    def make(*_: Any) -> Callable[..., Any]:
        def code(*_: Any) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory")

        return code

    network = Network(Block(8))
    compiler = prepared(network, make)
    run(network, compiler, 2)
    compiler.compile_next()
    with pytest.raises(torch.OutOfMemoryError):
        run(network, compiler, 2)


def test_no_more_is_compiled_than_dynamo_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "MOST_COMPILED", 2)
    network = Network(Choosy())
    compiler = prepared(network, Counting())
    for width in range(1, 5):
        run(network, compiler, 2, width)
    assert compile_all(compiler) == 2
    assert torch._dynamo.config.accumulated_recompile_limit > compiling.MOST_COMPILED


class TestCache:
    def test_has_a_directory_for_each_architecture_and_none_for_each_place(self) -> None:
        name = name_of(CPU, {"channels": (320, 640), "_name_or_path": "/models/a"})
        assert name == name_of(CPU, {"_name_or_path": "/models/b", "channels": (320, 640)})
        assert name != name_of(CPU, {"channels": (320, 1280)})
        assert name.startswith(f"{torch.__version__}-cpu-")

    def test_where_compiling_fails_what_was_there_is_thrown_away_once(
        self, tmp_path: Path, own_environment: None, caplog: pytest.LogCaptureFixture
    ) -> None:
        rubbish = CompileCache(tmp_path, CPU, {}).place / "rubbish"
        rubbish.touch()

        def make(part: Part, *_: Any) -> Callable[..., Any]:
            if rubbish.exists():
                raise SyntaxError("invalid syntax")
            function: Callable[..., Any] = part.function
            return function

        network = Network(Block(8))
        compiler = prepared(network, make, CompileCache(tmp_path, CPU, {}))
        run(network, compiler, 2)
        assert compiler.compile_next()
        assert compiler.progress() == compiling.Progress(1, 0, 0)
        assert "thrown away" in caplog.text
        rubbish.touch()
        run(network, compiler, 1)
        assert compiler.compile_next()
        assert compiler.progress().as_it_is == 1, "what this process made is not the fault"

    def test_what_ended_a_process_is_thrown_away_at_the_next_start(
        self, tmp_path: Path, own_environment: None, caplog: pytest.LogCaptureFixture
    ) -> None:
        first = CompileCache(tmp_path, CPU, {})
        (first.place / "deadly").touch()
        with first.in_use():
            died = {path.relative_to(tmp_path): path.is_dir() for path in tmp_path.rglob("*")}
        assert sorted(died.values()) == [False, False, True]
        CompileCache(tmp_path, CPU, {})
        assert (first.place / "deadly").exists(), "an orderly end leaves it"
        [mark] = [tmp_path / path for path, is_directory in died.items() if path.name != "deadly" and not is_directory]
        mark.touch()
        CompileCache(tmp_path, CPU, {})
        assert not (first.place / "deadly").exists()
        assert not mark.exists()
        assert "COMPILE_MODEL=off" in caplog.text

    def test_without_a_place_all_is_compiled_all_the_same(self, tmp_path: Path, own_environment: None) -> None:
        (tmp_path / "file").touch()
        network = Network(Block(8))
        compiler = prepared(network, QUICK, CompileCache(tmp_path / "file" / "cache", CPU, {}))
        run(network, compiler, 2)
        assert compile_all(compiler) == 1


@pytest.fixture
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"):
        monkeypatch.setenv(name, os.environ.get(name, ""))


@pytest.mark.skipif(COMPILER is None, reason="there is no C++ compiler")
@pytest.mark.filterwarnings("ignore:.*torch.jit.*is deprecated:DeprecationWarning")  # inductor's own
def test_real_code_takes_each_of_50_steps_as_the_network_does_also_where_the_cache_is_damaged(
    tiny_pipeline: Path, tmp_path: Path, own_environment: None
) -> None:
    """Within two thousandths in bfloat16, each step from the same picture under way: over many steps, differences of
    two-byte floats grow like any others."""
    cache = tmp_path / "cache"

    def model(how: Compiling) -> PlaygroundModel:
        pipeline = StableDiffusionXLPipeline.from_pretrained(tiny_pipeline, dtype=torch.bfloat16)
        options = PlaygroundOptions(
            Defaults(), PRESETS[Speed.EXACT], tmp_path / "none", 0, compilation=Compilation(how, cache)
        )
        return PlaygroundModel(pipeline, ModelIdentity("tiny", "1", False), options)

    eager = model(Compiling.OFF)
    requests = [GenerationRequest(Prompt(text, ""), seed=3, steps=50, guidance=1.0) for text in ("a dog", "rain")]
    for parts in (2, 1):  # few, since each takes a C++ compiler seconds: one of each sort, then what is run the most
        states = [eager.prepare(request) for request in requests]
        compiled = model(Compiling.AUTO)
        compiled.step(states)
        for _ in range(parts):
            assert compiled.compile_next()
        assert (compiled.compiled().compiled, compiled.compiled().as_it_is) == (parts, 0)
        while not eager.is_finished(states[0]):
            got, states = compiled.step(states), eager.step(states)
            for one, other in zip(got, states, strict=True):
                assert 0 < distance(one.member.latent, other.member.latent) < 2e-3
        damage(cache)


def damage(cache: Path) -> None:
    """As after a power cut, or a full disk; and nothing of it is in this process any more."""
    files = [path for path in cache.rglob("*") if path.is_file()]
    assert {".so", ".cpp", ".py"} <= {path.suffix for path in files}
    for path in files:
        path.unlink()  # rather than to write into what is loaded
        path.write_bytes(b"rubbish")
    torch._dynamo.reset()
    torch._inductor.utils.clear_caches()
