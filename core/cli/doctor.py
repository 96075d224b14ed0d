"""`imagine-sound doctor`: what this machine has, what the settings choose, and what to do about what is missing."""

import argparse
import io
import os
import platform
import subprocess
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.markup import escape

from core.cli.common import load_settings
from core.cli.doctor_speech import scene, speech
from core.errors import DecoderUnusable, ExitCode, ImagineSoundError, ModelMissing, ModelUnusable
from core.fetching import free_bytes
from core.hub import hub_cache
from core.log_lines import one_line
from core.models import ModelStore, find_adapters
from core.official import PLAYGROUND_MODEL, TAESDXL
from core.settings import PLAYGROUND, CoreSettings


def run(options: argparse.Namespace) -> int:
    """Print each check; 0 if all is well, else 2."""
    settings = load_settings()
    console = Console(highlight=False, soft_wrap=True)
    well = True
    for name, check in checks(settings):
        try:
            console.print(f"[green]ok[/]    {name}: {escape(check())}")
        except ImagineSoundError as error:
            well = False
            console.print(f"[red]wrong[/] {name}: {escape(str(error))}")
    return ExitCode.DONE if well else ExitCode.BAD_INPUT


def checks(settings: CoreSettings) -> Iterator[tuple[str, Callable[[], str]]]:
    """Each check by name; it returns a finding or raises ImagineSoundError."""
    store = ModelStore(settings.model_copy(update={"download_models": False}))
    yield "machine", lambda: f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}"
    yield "cache", lambda: _cache(settings)
    yield "model files", lambda: _model_files(store)
    yield "ffmpeg", _ffmpeg
    yield "decoder", _decoder
    yield "hearing", lambda: _hearing(store)
    yield "painting", lambda: _painting(settings, store)
    if _paints_playground_on_a_gpu(settings):
        yield "memory", lambda: _memory(settings)
    yield "enlarging", lambda: _enlarging(settings, store)
    yield "speech", lambda: speech(settings, store)
    if settings.scene_url is not None:
        yield "scene", lambda: scene(settings)
    yield "adapters", lambda: _adapters(settings)
    yield "speed", lambda: _speed(settings)


def _cache(settings: CoreSettings) -> str:
    places = dict.fromkeys((settings.model_cache, hub_cache()))
    free = ", ".join(f"{free_bytes(place) / 1e9:.0f} GB free in {place}" for place in places)
    return f"{free} (Playground v2.5 needs {PLAYGROUND_MODEL.about_bytes / 1e9:.1f} GB in the last)"


def _model_files(store: ModelStore) -> str:
    """It is nothing that has to be: whether what the settings choose can be used is said where it is used."""
    says = []
    for official, locate in ((PLAYGROUND_MODEL, store.playground), (TAESDXL, store.taesdxl)):
        try:
            locate()
        except ModelMissing as error:
            says.append(str(error).removesuffix("."))
        else:
            says.append(f"{official.name} is whole")
    return "; ".join(says)


def _ffmpeg() -> str:
    from imageio_ffmpeg import get_ffmpeg_exe, get_ffmpeg_version

    try:
        return f"{get_ffmpeg_version()} ({get_ffmpeg_exe()})"
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        raise DecoderUnusable(f"{type(error).__name__}: {error}") from error


def _decoder() -> str:
    from core.hearing.audio import Clip, load_clip
    from core.hearing.decoding.decoder import find_ffmpeg
    from core.hearing.decoding.walls import walls_around
    from core.hearing.samples import siren

    recording = io.BytesIO()
    Clip(siren(seconds=1)).to_segment().export(recording, format="wav")
    load_clip(recording.getvalue())
    return walls_around(find_ffmpeg()).says()


def _hearing(store: ModelStore) -> str:
    from core.hearing.ears import Ears

    located, models = store.yamnet(), store.ears()
    Ears(models).close()
    second = "" if len(models) == 1 else ", and yamnet-mini as its second ear"
    return f"{located.name} ({located.origin}){second}"


def _painting(settings: CoreSettings, store: ModelStore) -> str:
    from core.generation.loading import choose_device, device_name

    device = choose_device(settings.device)
    located = store.image_model(on_gpu=device.type == "cuda")
    return f"{located.name} on {device_name(device)}: {located.why}"


def _paints_playground_on_a_gpu(settings: CoreSettings) -> bool:
    """Whether there is a plan for the memory, also before the model is fetched; another check looks at the device."""
    from core.generation.loading import choose_device

    try:
        return choose_device(settings.device).type == "cuda" and settings.image_model in ("auto", PLAYGROUND)
    except ImagineSoundError:
        return False


def _memory(settings: CoreSettings) -> str:
    from core.generation.loading import choose_device
    from core.generation.placing import card_of
    from core.generation.residence import PLAYGROUND_SIZE, PLAYGROUND_WEIGHTS, Wanted, said

    wanted = Wanted(settings.max_batch, PLAYGROUND_SIZE, settings.memory)
    return said(card_of(choose_device(settings.device)), PLAYGROUND_WEIGHTS, wanted)


def _enlarging(settings: CoreSettings, store: ModelStore) -> str:
    """It is nothing that has to be: what is missing is a finding, what is there and unusable is wrong."""
    from core.generation.loading import choose_device
    from core.generation.upscaling import load_upscaler

    device = choose_device(settings.device)
    try:
        located = store.upscaler(store.image_model(on_gpu=device.type == "cuda").name)
    except ModelMissing as error:
        if settings.upscale_model is not None:
            raise
        return f"none: {error}"
    load_upscaler(located.path, device).close()
    return f"{located.name} ({located.origin}): {located.why}"


def _adapters(settings: CoreSettings) -> str:
    from core.generation.adapter_header import bad_adapters

    wrong = bad_adapters(settings.adapters_dir)
    if wrong:
        said = "; ".join(one_line(f"{name} {why}") for name, why in wrong.items())
        raise ModelUnusable(f"in {settings.adapters_dir}: {said}. Remove or replace them.")
    return ", ".join(find_adapters(settings.adapters_dir)) or f"none in {settings.adapters_dir}"


def _speed(settings: CoreSettings) -> str:
    from core.generation.presets import PRESETS

    return PRESETS[settings.speed].says
