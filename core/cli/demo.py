"""`imagine-sound demo`: three sample sounds, or your own, heard and painted, side by side on one page."""

import argparse
import asyncio
import shutil
from contextlib import aclosing
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jinja2
from rich.console import Console

from core.cli.common import load_settings
from core.cli.imagine import watch_events
from core.cli.output import written_whole
from core.engine import Engine
from core.errors import ExitCode, WrongSetting
from core.hearing.palette import palette_of
from core.hearing.samples import DEMO, write_wav
from core.hearing.strip import strip_png
from core.hearing.timeline import clock, when_heard
from core.options import ImagineOptions
from core.pictures import to_png

SEED = 7
"""So that the demo paints the same pictures everywhere."""


@dataclass(frozen=True)
class Label:
    """Something that was heard: when it began, by the clock, and how sure that is, 0 to 1."""

    name: str
    begins: str
    certainty: float


@dataclass(frozen=True)
class Shown:
    """One sound on the page; the paths are relative to it."""

    title: str
    sound: str
    strip: str
    picture: str
    labels: tuple[Label, ...]
    prompt: str
    model: str
    seconds: float


def run(options: argparse.Namespace) -> int:
    """Make the page. Raises ImagineSoundError."""
    if options.sound is not None and not options.sound.is_file():
        raise WrongSetting(f"there is no file {options.sound}.")
    asyncio.run(_make(options.out, options.sound))
    return ExitCode.DONE


async def _make(directory: Path, sound: Path | None) -> None:
    console = Console(highlight=False, soft_wrap=True)
    sounds = await asyncio.to_thread(_lay_out, directory, sound)
    shown: list[Shown] = []
    # The demo shows what is there and fetches nothing, whatever the settings allow.
    settings = load_settings().model_copy(update={"download_models": False})
    if settings.image_model == "auto":
        settings = settings.model_copy(update={"device": "cpu"})
    async with Engine(settings) as engine:
        for title, path in sounds.items():
            console.rule(title, align="left")
            shown.append(await _show(engine, title, path, directory))
            console.print(f"Picture: {directory / shown[-1].picture}", markup=False)
    page = directory / "index.html"
    page.write_text(render(shown), encoding="utf-8")
    console.rule()
    console.print(f"All on one page: {page}", markup=False)
    console.print(f"[dim]Painted by {shown[0].model}. `imagine-sound imagine FILE` paints your own.[/]")


def _lay_out(directory: Path, sound: Path | None) -> dict[str, Path]:
    """The sounds by title, in `directory`: the samples, or a copy of `sound`."""
    directory.mkdir(parents=True, exist_ok=True)
    if sound is None:
        return {name: write_wav(directory / f"{name}.wav", make()) for name, make in DEMO.items()}
    copy = directory / sound.name
    if not (copy.exists() and copy.samefile(sound)):
        shutil.copy(sound, copy)
    return {sound.stem: copy}


async def _show(engine: Engine, title: str, path: Path, directory: Path) -> Shown:
    async with aclosing(engine.imagine(path, ImagineOptions(seed=SEED))) as events:
        heard, picture = await watch_events(events)
    assert heard is not None  # the stream of a recording begins with it
    summary = heard.summary
    strip = directory / f"{path.stem}-strip.png"
    strip.write_bytes(strip_png(await engine.weave(heard), palette_of(picture.image)))
    out = directory / f"{path.stem}.png"
    if out == path:  # a sound file may be called .png
        out = directory / f"{path.stem}-imagined.png"
    with written_whole(out) as temporary:
        temporary.write_bytes(to_png(picture))
    return Shown(
        title=title,
        sound=path.name,
        strip=strip.name,
        picture=out.name,
        labels=tuple(
            Label(category.name, clock(when_heard(category, summary.windows)[0].begin_s), category.certainty)
            for category in summary.top[:5]
        ),
        prompt=picture.recipe.prompt.text,
        model=picture.recipe.model,
        seconds=picture.seconds,
    )


def render(shown: list[Shown]) -> str:
    """The page as HTML."""
    template = resources.files("core").joinpath("cli", "demo.html.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(template).render(shown=shown)
