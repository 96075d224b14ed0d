"""`imagine-sound demo`: three sample sounds, or your own, heard and painted, side by side on one page.

Of the samples a film is made, too: all three in a row.
"""

import argparse
import asyncio
import re
from contextlib import aclosing
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from urllib.parse import unquote

import jinja2
from rich.console import Console

from core.cli.common import load_settings, require_file
from core.cli.imagine import watch_events
from core.cli.output import OwnNames, check_directory
from core.cli.story_events import watch_story
from core.engine import Engine
from core.errors import ExitCode, RecordingTooLarge
from core.events import HeardSummary
from core.files import copied_whole, written_whole
from core.hearing.palette import palette_of
from core.hearing.samples import DEMO, in_a_row, make_wav
from core.hearing.strip import strip_png
from core.hearing.timeline import clock, when_heard
from core.options import ImagineOptions, PictureCheck
from core.pictures import poster_file, to_png
from core.settings import CoreSettings
from core.speech.spoken import Outcome, SaidScene, Spoken
from core.stories.story import StoryOptions, tell
from core.telling import scene_of

SAID = "Yesterday we went to the beach and my dog just ran into the water."
SEEN = SaidScene(("a dog running into the water",), place="at the beach", kind="story")
"""What the rules see in it; the demo has neither their library nor a recogniser's, since it is to be small."""
SEED = 7
"""So that the demo paints the same pictures everywhere."""
PAGE = "index.html"
TITLE = "<title>imagine-sound</title>"
"""By this an earlier demo's page is known."""
MADE = r' (?:src|poster)="([^"/]+)"'
"""By this the names of what it made."""


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
class Chapter:
    """A scene of the film: when it begins, by the clock and in seconds, and what is heard in it."""

    at: str
    begins_s: float
    title: str


@dataclass(frozen=True)
class ShownFilm:
    """The film of the samples on the page; the paths are relative to it. `size`: width and height in pixels."""

    film: str
    poster: str
    size: tuple[int, int]
    length: str
    chapters: tuple[Chapter, ...]


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
    # The demo shows what is there and fetches nothing, whatever the settings allow.
    settings = load_settings().model_copy(update={"download_models": False})
    if settings.image_model == "auto":
        settings = settings.model_copy(update={"device": "cpu"})
    if options.sound is not None:
        require_file(options.sound)
        size, most = options.sound.stat().st_size, settings.audio_limits.max_bytes
        if size > most:
            raise RecordingTooLarge(size, most)
    check_directory(options.out)
    names = _names_in(options.out)
    page = names.take(PAGE)
    sounds = _lay_out(options.out, names, options.sound)
    shown, said, film = asyncio.run(_make(settings, names, sounds, with_samples=options.sound is None))
    _write(page, render(shown, said, film).encode())
    console = Console(highlight=False, soft_wrap=True)
    console.rule()
    console.print(f"All on one page: {page}", markup=False)
    console.print(f"[dim]Painted by {shown[0].model}. `imagine-sound imagine FILE` paints your own.[/]")
    return ExitCode.DONE


async def _make(
    settings: CoreSettings, names: OwnNames, sounds: dict[str, Path], *, with_samples: bool
) -> tuple[list[Shown], ShownWords | None, ShownFilm | None]:
    """What was heard in `sounds` and painted, and `with_samples`, what somebody says, and a film of all in a row."""
    console = Console(highlight=False, soft_wrap=True)
    shown: list[Shown] = []
    async with Engine(settings) as engine:
        for title, path in sounds.items():
            console.rule(title, align="left")
            shown.append(await _show(engine, title, path, names))
            console.print(f"Picture: {path.with_name(shown[-1].picture)}", markup=False)
        if not with_samples:
            return shown, None, None
        console.rule("somebody speaks", align="left")
        said, picture = await _show_words(engine, names)
        console.print(f"Said:   {said.words}\nScene:  {said.scene}\nPrompt: {said.prompt}", markup=False)
        console.print(f"Picture: {picture}", markup=False)
        console.rule("the three sounds in a row", align="left")
        film, path = await _show_film(engine, names)
        console.print(f"Film:   {path}", markup=False)
        return shown, said, film


def _names_in(directory: Path) -> OwnNames:
    """Names for files in `directory`; those of an earlier demo's page, pictures and film may be used again."""
    try:
        earlier = (directory / PAGE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        earlier = ""
    if TITLE not in earlier:
        return OwnNames(directory)
    made = [name for tag in re.findall("<(?:img|video)[^>]*>", earlier) for name in re.findall(MADE, tag)]
    return OwnNames(directory, [PAGE, *map(unquote, made)])


def _lay_out(directory: Path, names: OwnNames, sound: Path | None) -> dict[str, Path]:
    """The sounds by title, in `directory`: the samples, or a copy of `sound`, unless it is there itself."""
    if sound is None:
        recordings = {f"{title}.wav": make_wav(make()) for title, make in DEMO.items()}
    elif (directory / sound.name).exists() and (directory / sound.name).samefile(sound):
        return {sound.stem: names.take_as_it_is(directory / sound.name)}
    else:
        recordings = {sound.name: sound.read_bytes()}
    return {
        Path(name).stem: _write(names.take(name, content=recording), recording)
        for name, recording in recordings.items()
    }


def _write(path: Path, content: bytes) -> Path:
    with written_whole(path) as temporary:
        temporary.write_bytes(content)
    return path


async def _show(engine: Engine, title: str, path: Path, names: OwnNames) -> Shown:
    async with aclosing(engine.imagine(path, ImagineOptions(seed=SEED), check=PictureCheck.OFF)) as events:
        heard, picture = await watch_events(events)
    assert heard is not None  # the stream of a recording begins with it
    summary = heard.summary
    strip = _write(
        names.take(f"{path.stem}-strip.png"), strip_png(await engine.weave(heard), palette_of(picture.image))
    )
    out = _write(names.take(f"{path.stem}.png"), to_png(picture, engine.sign))
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


async def _show_words(engine: Engine, names: OwnNames) -> tuple[ShownWords, Path]:
    """SAID as if it had been recognised, and its picture: the row does without any recording."""
    heard = replace(HeardSummary.of_nothing(), spoken=Spoken(SAID, Outcome.SEEN, SEEN))
    options = ImagineOptions(seed=SEED)
    _, left_out = scene_of(heard, options, await engine.info())
    async with aclosing(engine.imagine(heard, options, check=PictureCheck.OFF)) as events:
        _, picture = await watch_events(events)
    out = _write(names.take("said.png"), to_png(picture, engine.sign))
    said = ShownWords(SAID, ", ".join(SEEN.phrases), ", ".join(left_out), out.name, picture.recipe.prompt.text)
    return said, out


async def _show_film(engine: Engine, names: OwnNames) -> tuple[ShownFilm, Path]:
    """The samples in a row, as a film."""
    options = StoryOptions(ImagineOptions(seed=SEED))
    async with aclosing(tell(engine, make_wav(in_a_row()), options, check=PictureCheck.OFF)) as events:
        film = await watch_story(events)
        out = names.take("story.mp4")
        await asyncio.to_thread(copied_whole, film.path, out)
    poster = _write(names.take("story.jpg"), poster_file(film.poster, "jpg", engine.sign))
    chapters = tuple(Chapter(clock(scene.begins_s), round(scene.begins_s, 2), scene.title) for scene in film.scenes)
    return ShownFilm(out.name, poster.name, film.size, clock(film.duration_s), chapters), out


def render(shown: list[Shown], said: ShownWords | None = None, film: ShownFilm | None = None) -> str:
    """The page as HTML."""
    template = resources.files("core").joinpath("cli", "demo.html.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(template).render(shown=shown, said=said, film=film)
