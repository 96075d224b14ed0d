"""`imagine-sound demo`: three sample sounds, or your own, heard and painted, side by side on one page."""

import argparse
import asyncio
import shutil
from contextlib import aclosing
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import jinja2
from rich.console import Console

from core.cli.common import load_settings
from core.cli.imagine import watch_events
from core.cli.output import written_whole
from core.engine import Engine
from core.errors import ExitCode, WrongSetting
from core.events import HeardSummary
from core.hearing.palette import palette_of
from core.hearing.samples import DEMO, write_wav
from core.hearing.strip import strip_png
from core.hearing.timeline import clock, when_heard
from core.options import ImagineOptions
from core.pictures import to_png
from core.speech.spoken import Outcome, SaidScene, Spoken
from core.telling import scene_of

SAID = "Yesterday we went to the beach and my dog just ran into the water."
SEEN = SaidScene(("a dog running into the water",), place="at the beach", kind="story")
"""What the rules see in it; the demo has neither their library nor a recogniser's, since it is to be small."""
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


@dataclass(frozen=True)
class ShownWords:
    """What somebody says, on the page: the words, the scene in them, and what of it the painter does not know."""

    words: str
    scene: str
    left_out: str
    picture: str
    prompt: str


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
        said = None
        if sound is None:
            console.rule("somebody speaks", align="left")
            said = await _show_words(engine, directory)
            console.print(f"Said:   {said.words}\nScene:  {said.scene}\nPrompt: {said.prompt}", markup=False)
            console.print(f"Picture: {directory / said.picture}", markup=False)
    page = directory / "index.html"
    page.write_text(render(shown, said), encoding="utf-8")
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


async def _show_words(engine: Engine, directory: Path) -> ShownWords:
    """SAID as if it had been recognised: the row does without any recording."""
    heard = replace(HeardSummary.of_nothing(), spoken=Spoken(SAID, Outcome.SEEN, SEEN))
    options = ImagineOptions(seed=SEED)
    _, left_out = scene_of(heard, options, await engine.info())
    async with aclosing(engine.imagine(heard, options)) as events:
        _, picture = await watch_events(events)
    out = directory / "said.png"
    with written_whole(out) as temporary:
        temporary.write_bytes(to_png(picture))
    return ShownWords(SAID, ", ".join(SEEN.phrases), ", ".join(left_out), out.name, picture.recipe.prompt.text)


def render(shown: list[Shown], said: ShownWords | None = None) -> str:
    """The page as HTML."""
    template = resources.files("core").joinpath("cli", "demo.html.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(template).render(shown=shown, said=said)
