"""`imagine-sound doctor`: what this machine has, what the settings choose, and what to do about what is missing."""

import argparse
import functools
import io
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.markup import escape

from core import catalogue
from core.cli.common import load_settings
from core.cli.doctor_machine import ask_hub, clock, data_disk, hub, models_disk, port
from core.cli.doctor_painters import painter
from core.cli.doctor_pictures import picture_check, signing
from core.cli.doctor_speech import scene, speech
from core.errors import DecoderUnusable, ExitCode, ImagineSoundError, ModelMissing, ModelUnusable, WrongSetting
from core.findings import Check, Finding, Mark, all_found
from core.generation.protocol import about
from core.located import LocatedModel
from core.log_lines import one_line
from core.models import ModelStore
from core.official import PLAYGROUND, PLAYGROUND_MODEL, TAESDXL
from core.options import Compiling
from core.settings import CoreSettings

COLOURS = {Mark.FINE: "green", Mark.BETTER: "yellow", Mark.WRONG: "red"}
FETCH = "`imagine-sound models pull` fetches what this machine can use"
WITHOUT_GPU = f"`imagine-sound models pull {catalogue.WITHOUT_GPU}` fetches a painter for machines without one"
CALLED = {Mark.FINE: "ok", Mark.BETTER: "could be better", Mark.WRONG: "wrong"}
WIDTH = max(map(len, CALLED.values()))


def run(options: argparse.Namespace) -> int:
    """Print what each check finds; 0 if nothing is wrong, else 2."""
    try:
        settings = load_settings()
    except WrongSetting as error:
        return show([("settings", Finding(Mark.WRONG, str(error)))], as_json=options.json)
    return show(all_found(checks(settings)), as_json=options.json)


def show(findings: Iterable[tuple[str, Finding]], *, as_json: bool) -> ExitCode:
    """Print the findings, as one JSON object or a line each as they come; says whether something is wrong."""
    console = Console(highlight=False, soft_wrap=True)
    shown = []
    for name, finding in findings:
        shown.append({"name": name, "mark": CALLED[finding.mark], "says": finding.sentence})
        if not as_json:
            mark = f"[{COLOURS[finding.mark]}]{CALLED[finding.mark]:<{WIDTH}}[/]"
            console.print(f"{mark} {name}: {escape(finding.sentence)}")
    is_well = all(finding["mark"] != CALLED[Mark.WRONG] for finding in shown)
    if as_json:
        print(json.dumps({"well": is_well, "findings": shown}, ensure_ascii=False))
    return ExitCode.DONE if is_well else ExitCode.BAD_INPUT


def checks(settings: CoreSettings) -> Iterator[tuple[str, Check]]:
    """Each check by name."""
    store = ModelStore(settings.model_copy(update={"download_models": False}))
    yield "machine", lambda: f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}"
    yield "cache", lambda: models_disk(settings)
    yield "data", lambda: data_disk(settings.data_dir)
    answer = functools.cache(lambda: ask_hub(settings))
    yield "hub", lambda: hub(answer(), settings)
    yield "clock", lambda: clock(asked.ahead_s if (asked := answer()) is not None else None)
    if (bind := settings.web_bind) is not None:
        yield "port", lambda: port(bind)
    yield "model files", lambda: _model_files(store)
    yield "ffmpeg", _ffmpeg
    yield "decoder", _decoder
    yield "hearing", lambda: _hearing(store)
    if settings.painters:
        for url in settings.painters:
            yield f"painter {url}", functools.partial(painter, url, settings)
    else:
        yield from _painted_here(settings, store)
    yield "enlarging", lambda: _enlarging(settings, store)
    yield "picture check", lambda: picture_check(settings, store)
    yield "signing", lambda: signing(settings)
    yield "speech", lambda: speech(settings, store)
    if settings.scene_url is not None:
        yield "scene", lambda: scene(settings)


def _painted_here(settings: CoreSettings, store: ModelStore) -> Iterator[tuple[str, Check]]:
    yield "driver", _driver
    yield "painting", lambda: _painting(settings, store)
    if _paints_playground_on_a_gpu(settings):
        yield "memory", lambda: _memory(settings)
    yield "recommended", lambda: _recommended(settings)
    yield "adapters", lambda: _adapters(settings)
    yield "speed", lambda: _speed(settings)
    yield "compiling", lambda: _compiling(settings)


def _driver() -> Finding:
    from core.generation.driver import driver_finding

    return driver_finding()


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


def _decoder() -> str | Finding:
    from core.hearing.audio import Clip, load_clip
    from core.hearing.decoding.decoder import find_ffmpeg
    from core.hearing.decoding.walls import walls_around
    from core.hearing.samples import siren

    recording = io.BytesIO()
    Clip(siren(seconds=1)).to_segment().export(recording, format="wav")
    load_clip(recording.getvalue())
    walls = walls_around(find_ffmpeg())
    if walls.missing:
        return Finding(Mark.BETTER, f"{walls.says()}; docs/recordings.md says what each wall needs.")
    return walls.says()


def _hearing(store: ModelStore) -> str | Finding:
    from core.hearing.ears import Ears

    located, models = store.yamnet(), store.ears()
    Ears(models).close()
    if located.is_miniature:
        return Finding(Mark.BETTER, f"{located.name}, a small model that stands in for YamNet; {FETCH}.")
    second = "" if len(models) == 1 else ", and yamnet-mini as its second ear"
    return f"{located.name} ({located.origin}){second}"


def _painting(settings: CoreSettings, store: ModelStore) -> str | Finding:
    from core.generation.loading import choose_device, device_name

    device = choose_device(settings.device)
    located = store.image_model(on_gpu=device.type == "cuda")
    says = f"{located.name} on {device_name(device)}: {located.why}{_values(located)}"
    if device.type == "cpu":
        says += _takes(located)
    if located.is_miniature:
        cure = WITHOUT_GPU if device.type == "cpu" else FETCH
        return Finding(Mark.BETTER, f"{says.removesuffix('.')}; {cure}.")
    return says


def _takes(located: LocatedModel) -> str:
    """About how long a picture takes on this processor, of painters whose operations are counted."""
    from core.generation.processor import seconds_of

    seconds = seconds_of(located.name)
    return "" if seconds is None else f"; a picture takes {about(seconds)} here"


def _values(located: LocatedModel) -> str:
    """What is known of a painter that a setting names."""
    if located.name == PLAYGROUND or located.is_miniature:
        return ""
    if known := catalogue.named(located.name):
        return (
            f"; {known.steps} steps, guidance {known.guidance:g}, about {known.gigabytes:g} GB of a GPU, "
            f"{known.official.licence}"
        )
    return (
        "; unless it states them in an imagine_sound.json, or its scheduler tells what it is, steps and guidance are "
        "its pipeline's own: its author's card says which are best"
    )


def _recommended(settings: CoreSettings) -> str:
    from core.generation.loading import choose_device
    from core.generation.placing import card_of

    device = choose_device(settings.device)
    total = card_of(device).total / 2**30 if device.type == "cuda" else None
    return f"{catalogue.recommended(total)} {'for this GPU' if total else 'without a GPU'}"


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
    from core.generation.presets import PRESETS
    from core.generation.residence import PLAYGROUND_SIZE, PLAYGROUND_WEIGHTS, Wanted, said

    deep_cache = PRESETS[settings.speed].has_deep_cache
    wanted = Wanted(settings.max_batch, PLAYGROUND_SIZE, settings.memory, deep_cache)
    return said(card_of(choose_device(settings.device)), PLAYGROUND_WEIGHTS, wanted)


def _enlarging(settings: CoreSettings, store: ModelStore) -> str | Finding:
    """It is nothing that has to be: what is missing is a finding, what is there and unusable is wrong."""
    from core.generation.loading import choose_device
    from core.generation.upscaling import load_upscaler

    device = choose_device(settings.device)
    try:
        located = store.upscaler(store.image_model(on_gpu=device.type == "cuda").name)
    except ModelMissing as error:
        if settings.upscale_model is not None:
            raise
        return Finding(Mark.BETTER, f"none: {error}")
    load_upscaler(located.path, device).close()
    return f"{located.name} ({located.origin}): {located.why}"


def _adapters(settings: CoreSettings) -> str:
    from core.generation.adapter_header import bad_adapters, choices

    wrong = bad_adapters(settings.adapters_dir)
    if wrong:
        said = "; ".join(one_line(f"{name} {why}") for name, why in wrong.items())
        raise ModelUnusable(f"in {settings.adapters_dir}: {said}. Remove or replace them.")
    return ", ".join(choices(settings.adapters_dir)) or f"none in {settings.adapters_dir}"


def _speed(settings: CoreSettings) -> str:
    from core.generation.adapter_header import adapters_for
    from core.generation.presets import PRESETS, WITH_ADAPTER

    says = PRESETS[settings.speed].says
    names = adapters_for("guidance", settings.adapters_dir) if settings.speed in WITH_ADAPTER else ()
    return f"{says}; or, where {', '.join(names)} fits the model, guidance in one evaluation a step" if names else says


def _compiling(settings: CoreSettings) -> str:
    """It is nothing that has to be: what cannot be compiled is painted with all the same."""
    from core.generation.compile_cache import held
    from core.generation.loading import choose_device

    if choose_device(settings.device).type != "cuda":
        return "nothing is compiled on a processor"
    if settings.compile_model is Compiling.OFF:
        return "nothing is compiled (COMPILE_MODEL=off)"
    what = (
        "all of the model at once, which takes minutes" if settings.compile_model is Compiling.WHOLE else "part by part"
    )
    compiler = shutil.which(os.environ.get("CC", "")) or shutil.which("gcc") or shutil.which("clang")
    says = f"with {compiler}" if compiler else "not possible, since there is no C compiler: install gcc"
    kept = held(settings.compile_cache)
    already = f"{kept / 1e6:.0f} MB of it are" if kept else "nothing of it is"
    return f"{what} while nobody waits, {says}; {already} in {settings.compile_cache}"
