"""From a cold start to the first picture: nothing is collected while libraries come, and the painter is made while a
recording is heard."""

import functools
import gc
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

import pytest

from core.engine import Engine
from core.errors import ModelMissing, NothingHeard, RecordingError
from core.events import Event
from core.generation.protocol import ImageGenerator
from core.hearing.samples import silence, write_wav
from core.importing import without_collections
from core.models import ModelStore
from core.options import ImagineOptions
from core.settings import CoreSettings

COLD = """
import gc, json, sys
from core.cli.main import main
before = gc.get_stats()[2]["collections"]
done = main(["imagine", sys.argv[1], "--steps", "2", "--out", sys.argv[2]])
full = gc.get_stats()[2]["collections"] - before
print(json.dumps([done, full, gc.get_freeze_count(), gc.isenabled(), sorted(sys.modules)]))
"""
UNUSED = {
    "a bot": {"discord", "aiohttp", "sqlalchemy", "alembic"},
    "charts and listening to words": {"matplotlib", "faster_whisper", "ctranslate2", "spacy"},
    "enlarging": {"spandrel", "torchvision"},
    "fine-tuning and FP8": {"core.finetuning.run", "torchao", "bitsandbytes"},
    "compiling": {"torch._inductor.compile_fx", "triton"},
}


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, int, int, bool, set[str]]:
    """What `imagine-sound imagine` leaves: exit code, full collections, spared objects, whether there are collections,
    modules."""
    from core.hearing.samples import siren

    place = tmp_path_factory.mktemp("cold")
    arguments = [str(write_wav(place / "siren.wav", siren(seconds=2))), str(place / "siren.png")]
    ran = subprocess.run([sys.executable, "-c", COLD, *arguments], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    done, full, spared, collecting, modules = json.loads(ran.stdout.splitlines()[-1])
    assert done == 0, ran.stderr
    return done, full, spared, collecting, set(modules)


def test_a_picture_from_a_cold_start_needs_few_collections(cold: tuple[int, int, int, bool, set[str]]) -> None:
    """Without sparing there are nine full ones, each through up to half a million objects."""
    done, full, spared, collecting, _ = cold
    assert done == 0
    assert full <= 2
    assert spared > 300_000
    assert collecting


@pytest.mark.parametrize("use", UNUSED)
def test_a_picture_from_a_cold_start_imports_nothing_that_it_does_not_use(
    use: str, cold: tuple[int, int, int, bool, set[str]]
) -> None:
    assert not UNUSED[use] & cold[-1] - _loaded_by("torch._dynamo")


@functools.cache
def _loaded_by(library: str) -> set[str]:
    """What is loaded with it: the part of PyTorch that diffusers asks for loads Triton where it is, for GPUs."""
    command = f"import json, sys, {library}; print(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, timeout=300, check=True)
    return set(json.loads(ran.stdout.splitlines()[-1]))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_collections_begin_again_when_the_last_has_left(order: tuple[int, int]) -> None:
    stacks = [ExitStack(), ExitStack()]
    for stack in stacks:
        stack.enter_context(without_collections())
    stacks[order[0]].close()
    assert not gc.isenabled()
    stacks[order[1]].close()
    assert gc.isenabled()


def test_nothing_is_spared_where_all_is_imported_already() -> None:
    before = gc.get_freeze_count()
    with without_collections():
        import json  # noqa: F401
    assert gc.get_freeze_count() == before


def test_who_wants_no_collections_gets_none_afterwards_either() -> None:
    gc.disable()
    try:
        with without_collections():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_an_import_that_fails_leaves_collections_on() -> None:
    with pytest.raises(ImportError), without_collections():
        import_module("core.there_is_no_such_module")
    assert gc.isenabled()


class _Ears(ModelStore):
    """A store whose ears take until `ready`."""

    def __init__(self, settings: CoreSettings, ready: threading.Event) -> None:
        super().__init__(settings)
        self._ready = ready

    def ears(self) -> tuple[Path, ...]:
        assert self._ready.wait(30)
        return super().ears()


async def _read(engine: Engine, source: Path) -> list[Event]:
    return [event async for event in engine.imagine(source, ImagineOptions(steps=2, seed=1))]


def _missing(made: threading.Event, count: list[int]) -> Callable[[CoreSettings, ModelStore], ImageGenerator]:
    def make(settings: CoreSettings, models: ModelStore) -> ImageGenerator:
        count.append(1)
        made.set()
        raise ModelMissing("there is none")

    return make


async def test_the_painter_is_made_while_the_recording_is_heard(settings: CoreSettings, siren_wav: Path) -> None:
    """Here nothing is heard before the painter has been begun."""
    made, count = threading.Event(), list[int]()
    async with Engine(settings, models=_Ears(settings, made), make_generator=_missing(made, count)) as engine:
        with pytest.raises(ModelMissing):
            await _read(engine, siren_wav)
        assert len(count) == 1  # what failed ahead is told, and not tried again for the same picture
        with pytest.raises(ModelMissing):
            await _read(engine, siren_wav)
        assert len(count) == 2


async def test_no_painter_is_made_for_what_cannot_be_painted(
    settings: CoreSettings, siren_wav: Path, tmp_path: Path
) -> None:
    made, count = threading.Event(), list[int]()
    quiet = write_wav(tmp_path / "quiet.wav", silence(seconds=1))
    wrong = tmp_path / "wrong.wav"
    wrong.write_text("no sound")
    async with Engine(settings, make_generator=_missing(made, count)) as engine:
        with pytest.raises(NothingHeard):
            await _read(engine, quiet)
        with pytest.raises(RecordingError):
            await _read(engine, wrong)
        await engine.hear(siren_wav)
        assert not count


async def test_for_a_recording_that_cannot_be_read_no_ears_are_made(settings: CoreSettings, tmp_path: Path) -> None:
    asked: list[str] = []

    class Store(ModelStore):
        def ears(self) -> tuple[Path, ...]:
            asked.append("ears")
            return super().ears()

    wrong = tmp_path / "wrong.wav"
    wrong.write_text("no sound")
    async with Engine(settings, models=Store(settings)) as engine:
        with pytest.raises(RecordingError):
            await engine.hear(wrong)
        assert not asked
        await engine.ears()
        assert asked == ["ears"]
