"""`imagine-sound imagine`: one recording, one picture; the picture's path is the last line."""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from core.cli.common import (
    load_settings,
    note_text,
    read_style,
    remarks,
    require_file,
    show_progress,
    shown_path,
    spoken_lines,
)
from core.cli.event_lines import line_of, print_line
from core.cli.output import check_output, free_name
from core.engine import Engine
from core.errors import ExitCode, PaintingError, WrongSetting
from core.events import Event, Heard, HeardSummary, Understood
from core.files import written_whole
from core.generation.before_loading import check_enlarging, check_options
from core.generation.limits import size_again
from core.generation.protocol import Loading, Painted, Painting, Picture, Queued, about
from core.log_lines import one_line
from core.options import ImagineOptions, PictureCheck
from core.pictures import ENDINGS, read_recipe, to_file
from core.provenance.key_file import read
from core.recipe import Recipe
from core.settings import CoreSettings
from core.speech.spoken import Spoken


def run(options: argparse.Namespace) -> int:
    """Paint one picture. Raises ImagineSoundError; for what is wrong with `options` before any model is loaded."""
    if options.file is not None and options.recipe is not None:
        raise WrongSetting("name a recording, or a picture to paint again with --recipe.")
    if options.file is None and options.recipe is None and options.said is None and options.prompt is None:
        raise WrongSetting("name a recording, words with --said or --prompt, or a picture with --recipe.")
    source: Path | None = options.file or options.recipe
    if source is not None:
        require_file(source)
    _check_out(options)
    recipe = read_recipe(options.recipe) if options.recipe else None
    settings, chosen = load_settings(), _chosen(options)
    check_options(replace(chosen, adapter=chosen.adapter or recipe.adapter) if recipe else chosen, settings)
    if options.larger is not None:
        check_enlarging(settings)
    asyncio.run(_imagine(options, chosen, recipe, settings))
    return ExitCode.DONE


def _out(options: argparse.Namespace) -> Path:
    """Where the picture goes by now: a free name may be taken while it is painted."""
    source: Path | None = options.file or options.recipe
    chosen: Path | None = options.out
    return chosen or free_name(f"{source.stem}-imagined" if source else "imagined", "png")


def _check_out(options: argparse.Namespace) -> Path:
    """The same, if it can be written. Raises WouldOverwrite, WrongSetting."""
    out = _out(options)
    inputs = [source for source in (options.file, options.recipe) if source is not None]
    check_output(out, inputs, ENDINGS, replace=options.force)
    return out


def _chosen(options: argparse.Namespace) -> ImagineOptions:
    """Raises WrongSetting for an unknown style."""
    return ImagineOptions(
        style=read_style(options.style),
        prompt=options.prompt,
        seed=options.seed,
        steps=options.steps,
        guidance=options.guidance,
        size=options.size,
        adapter=options.adapter,
        near=options.near,
        said=options.said,
    )


async def _imagine(
    options: argparse.Namespace, chosen: ImagineOptions, recipe: Recipe | None, settings: CoreSettings
) -> None:
    async with Engine(settings) as engine:
        if recipe is None:
            events = engine.imagine(options.file or HeardSummary.of_nothing(), chosen, check=PictureCheck.OFF)
        else:
            events = _again(engine, recipe, chosen)
        times = await _times(engine, recipe, options.larger)
        if times is not None:
            events = _larger(engine, events, times)
        async with aclosing(events):
            picture = await (print_events(options.file, events) if options.json else _watch(events))
        out = _check_out(options)
        with written_whole(out) as temporary:
            temporary.write_bytes(await asyncio.to_thread(to_file, picture, out.suffix, engine.sign))
    print(json.dumps({"event": "saved", "path": str(out)}) if options.json else shown_path(out))


async def _again(engine: Engine, recipe: Recipe, chosen: ImagineOptions) -> AsyncGenerator[Event, None]:
    info = await engine.info()
    painted_by = f"{recipe.model} {recipe.revision} (SPEED={recipe.speed})"
    paints_now = f"{info.model} {info.revision} (SPEED={info.speed})"
    if paints_now != painted_by:
        print(
            f"imagine-sound: painted by {painted_by}, to be painted by {paints_now}: it will look different.",
            file=sys.stderr,
        )
    size = chosen.size or size_again(recipe, info)
    if chosen.size is None and size != recipe.size:
        print(
            f"imagine-sound: to be painted at {size[0]}x{size[1]}: {recipe.size[0]}x{recipe.size[1]} would be a part "
            "of a picture by now; --size chooses another size.",
            file=sys.stderr,
        )
    again = ImagineOptions(
        seed=recipe.seed if chosen.seed is None else chosen.seed,
        steps=recipe.steps if chosen.steps is None else chosen.steps,
        guidance=recipe.guidance if chosen.guidance is None else chosen.guidance,
        size=size,
        adapter=chosen.adapter or recipe.adapter,
        near=recipe.near if chosen.near is None else chosen.near,
        marked=await asyncio.to_thread(_can_mark, engine.settings, recipe),
    )
    async with aclosing(engine.paint(recipe.prompt, again, heard=recipe.heard, check=PictureCheck.OFF)) as events:
        async for event in events:
            if isinstance(event, Painted) and event.picture.recipe.guided_by != recipe.guided_by:
                print(
                    f"imagine-sound: it was {_guided(recipe)}, and now {_guided(event.picture.recipe)}.",
                    file=sys.stderr,
                )
            yield event


def _guided(recipe: Recipe) -> str:
    """How guidance was made, for a sentence."""
    once = "guided in one evaluation a step"
    return "guided in two evaluations a step" if recipe.guided_by is None else f"{once} ({recipe.guided_by})"


def _can_mark(settings: CoreSettings, recipe: Recipe) -> bool:
    """Whether `recipe` is of a marked picture that can be marked again so; if it cannot, that is said."""
    if recipe.mark is None:
        return False
    key = read(settings.data_dir) if settings.watermark else None
    if key is not None and key.name == recipe.mark.key:
        return True
    print(
        "imagine-sound: its noise was marked with another key, or WATERMARK is off: it is painted without a mark, and "
        "will look different.",
        file=sys.stderr,
    )
    return False


async def _times(engine: Engine, recipe: Recipe | None, wanted: int | None) -> int | None:
    """How many times the picture is to be enlarged, None for not at all.

    Raises ModelMissing where that is asked for and nothing enlarges it; a recipe that wants it is painted all the same.
    """
    in_recipe = 1 if recipe is None else recipe.enlarged
    if wanted is None and in_recipe == 1:
        return None
    painter = (await engine.info()).model
    if wanted is not None:
        engine.upscaler(painter)  # said before anything is painted, where it was not known before
        return wanted
    if engine.can_enlarge(painter):
        return in_recipe
    print(
        f"imagine-sound: to be painted in its original size: nothing here makes the pictures of {painter} larger; "
        "`imagine-sound doctor` says why.",
        file=sys.stderr,
    )
    return None


async def _larger(engine: Engine, events: AsyncGenerator[Event, None], times: int) -> AsyncGenerator[Event, None]:
    """`events` of a picture, and then those of the same picture being enlarged."""
    async with aclosing(events):
        async for event in events:
            if not isinstance(event, Painted):
                yield event
                continue
            small = event.picture
            async with aclosing(engine.enlarge(small.image, small.recipe, times, check=PictureCheck.OFF)) as enlarging:
                async for step in enlarging:
                    yield Painted(replace(step.picture, notes=small.notes)) if isinstance(step, Painted) else step


async def _watch(events: AsyncGenerator[Event, None]) -> Picture:
    _, picture = await watch_events(events)
    return picture


async def watch_events(events: AsyncGenerator[Event, None]) -> tuple[Heard | None, Picture]:
    """Show what was heard and a progress bar; returns what was heard (None of a recipe) and the picture."""
    heard: Heard | None = None
    is_told = False
    out = Console(highlight=False, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not show_progress()) as progress:
        task = progress.add_task("hearing", total=None)
        async for event in events:
            match event:
                case Heard(summary):
                    heard = event
                    top = ", ".join(f"{category.name} ({category.certainty:.2f})" for category in summary.top[:3])
                    out.print(f"Heard:  {top}", markup=False)
                    for remark in remarks(summary):
                        out.print(f"        {remark}", markup=False)
                    out.print(f"Prompt: {summary.prompt.text}", markup=False)
                case Understood():
                    for line in spoken_lines(event):
                        out.print(line, markup=False)
                    out.print(f"Prompt: {event.prompt.text}", markup=False)
                case Loading(arrived):
                    doing = "loading the model" if arrived is None else f"fetching the model, {arrived:.0%}"
                    progress.update(task, description=doing)
                case Queued(position, picture_s):
                    if picture_s is not None and not is_told:
                        out.print(f"Time:   {about(picture_s)} a picture here", markup=False)
                        is_told = True
                    progress.update(task, description=f"waiting, number {position}")
                case Painting(step, steps):
                    progress.update(task, description="painting", completed=step, total=steps)
                case Painted(picture):
                    for note in picture.notes:
                        out.print(f"Note:   {one_line(note_text(note))}", markup=False)
                    if picture.recipe.guided_by is not None:
                        out.print("Note:   Guided in one evaluation a step.", markup=False)
                    return heard, picture
    raise PaintingError("The painting ended without a picture; please try again.")


async def print_events(file: Path | None, events: AsyncGenerator[Event, None]) -> Picture:
    """Each event as one line of JSON; returns the picture."""
    async for event in events:
        match event:
            case Heard(summary):
                plain = TypeAdapter(HeardSummary).dump_python(summary, mode="json")
                line: dict[str, object] = {"event": "heard", "file": str(file), **plain}
            case Understood(spoken, _, prompt, left_out):
                said = TypeAdapter(Spoken).dump_python(spoken, mode="json")
                line = {"event": "understood", "spoken": said, "prompt": prompt.text, "left_out": left_out}
            case Loading() | Queued() | Painting() | Painted():
                line = line_of(event)
        print_line(line)
        if isinstance(event, Painted):
            return event.picture
    raise PaintingError("The painting ended without a picture; please try again.")
