"""`imagine-sound story`: one recording becomes a film with its own sound; the film's path is the last line."""

import argparse
import asyncio
import signal
from contextlib import aclosing, suppress
from pathlib import Path

from core.cli.common import load_settings, read_style, require_file, shown_path
from core.cli.event_lines import print_line
from core.cli.output import check_output, free_name
from core.cli.story_events import print_story, watch_story
from core.engine import Engine
from core.errors import ExitCode
from core.files import copied_whole, written_whole
from core.generation.before_loading import check_options
from core.options import ImagineOptions, PictureCheck, Shape
from core.pictures import ENDINGS, poster_file
from core.settings import CoreSettings
from core.stories.story import StoryOptions, tell
from core.stories.workplace import remove_abandoned


def run(options: argparse.Namespace) -> int:
    """Make one film. Raises ImagineSoundError; for what is wrong with `options` before any model is loaded."""
    require_file(options.file)
    _check_out(options)
    settings, chosen = load_settings(), _chosen(options)
    check_options(chosen.imagine, settings)
    remove_abandoned()
    try:
        asyncio.run(_story(options, chosen, settings))
    except asyncio.CancelledError:  # by SIGTERM; Ctrl+C is main's business
        return ExitCode.INTERRUPTED
    return ExitCode.DONE


def _check_out(options: argparse.Namespace) -> Path:
    """Where the film goes by now, if it and its poster can be written: a free name may be taken while it is made.

    Raises WouldOverwrite, WrongSetting.
    """
    out: Path = options.out or free_name(f"{options.file.stem}-story", "mp4")
    check_output(out, [options.file], [".mp4"], replace=options.force)
    if options.poster is not None:
        check_output(options.poster, [options.file], ENDINGS, replace=options.force)
    return out


def _chosen(options: argparse.Namespace) -> StoryOptions:
    """Raises WrongSetting for an unknown style."""
    pictures = ImagineOptions(
        style=read_style(options.style),
        seed=options.seed,
        steps=options.steps,
        size=options.size,
        shape=None if options.shape is None else Shape(options.shape),
        adapter=options.adapter,
    )
    max_bytes = None if options.max_mb is None else int(options.max_mb * 1_000_000)
    return StoryOptions(pictures, max_bytes=max_bytes, captions=options.captions)


async def _story(options: argparse.Namespace, chosen: StoryOptions, settings: CoreSettings) -> None:
    task = asyncio.current_task()
    assert task is not None
    with suppress(NotImplementedError):  # Windows knows no SIGTERM
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with (
        Engine(settings) as engine,
        aclosing(tell(engine, options.file, chosen, check=PictureCheck.OFF)) as events,
    ):
        film = await (print_story(options.file, events) if options.json else watch_story(events))
        out = _check_out(options)
        await asyncio.to_thread(copied_whole, film.path, out)
        if options.poster is not None:
            painter = engine.loaded_info()
            model = painter.model if painter is not None else ""
            data = await asyncio.to_thread(poster_file, film.poster, options.poster.suffix, engine.sign, model)
            with written_whole(options.poster) as temporary:
                temporary.write_bytes(data)
    if options.json:
        print_line({"event": "saved", "path": str(out)} | ({"poster": str(options.poster)} if options.poster else {}))
    else:
        print(shown_path(out))
