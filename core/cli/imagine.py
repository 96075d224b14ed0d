"""`imagine-sound imagine`: one recording, one picture; the picture's path is the last line."""

import argparse
import asyncio
import base64
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
    show_progress,
    shown_path,
    spoken_lines,
)
from core.cli.output import check_output, free_name, written_whole
from core.engine import Engine
from core.errors import ExitCode, PaintingError, WrongSetting
from core.events import Event, Heard, HeardSummary, Understood
from core.generation.limits import size_again
from core.generation.protocol import Loading, Painted, Painting, Picture, Queued
from core.log_lines import one_line
from core.options import ImagineOptions
from core.pictures import read_recipe, to_png
from core.recipe import Recipe, to_json
from core.speech.spoken import Spoken


def run(options: argparse.Namespace) -> int:
    """Paint one picture. Raises ImagineSoundError."""
    if options.file is not None and options.recipe is not None:
        raise WrongSetting("name a recording, or a picture to paint again with --recipe.")
    if options.file is None and options.recipe is None and options.said is None and options.prompt is None:
        raise WrongSetting("name a recording, words with --said or --prompt, or a picture with --recipe.")
    source: Path | None = options.file or options.recipe
    out: Path = options.out or free_name(f"{source.stem}-imagined" if source else "imagined", "png")
    check_output(out, [source] if source else [], replace=options.force)
    asyncio.run(_imagine(options, out))
    return ExitCode.DONE


async def _imagine(options: argparse.Namespace, out: Path) -> None:
    recipe = read_recipe(options.recipe) if options.recipe else None
    async with Engine(load_settings()) as engine:
        events = _again(engine, recipe, options) if recipe else _from_recording(engine, options)
        times = await _times(engine, recipe, options.larger)
        if times is not None:
            events = _larger(engine, events, times)
        async with aclosing(events):
            picture = await (print_events(options.file, events) if options.json else _watch(events))
    sources = [source for source in (options.file, options.recipe) if source is not None]
    check_output(out, sources, replace=options.force)  # painting takes a while
    with written_whole(out) as temporary:
        temporary.write_bytes(to_png(picture))
    print(json.dumps({"event": "saved", "path": str(out)}) if options.json else shown_path(out))


async def _from_recording(engine: Engine, options: argparse.Namespace) -> AsyncGenerator[Event, None]:
    if options.file is not None and not options.file.is_file():
        raise WrongSetting(f"there is no file {options.file}.")
    chosen = ImagineOptions(
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
    source: Path | HeardSummary = options.file or HeardSummary.of_nothing()
    async with aclosing(engine.imagine(source, chosen)) as events:
        async for event in events:
            yield event


async def _again(engine: Engine, recipe: Recipe, options: argparse.Namespace) -> AsyncGenerator[Event, None]:
    info = await engine.info()
    painted_by = f"{recipe.model} {recipe.revision} (SPEED={recipe.speed})"
    paints_now = f"{info.model} {info.revision} (SPEED={info.speed})"
    if paints_now != painted_by:
        print(
            f"imagine-sound: painted by {painted_by}, to be painted by {paints_now}: it will look different.",
            file=sys.stderr,
        )
    size = options.size or size_again(recipe, info)
    if options.size is None and size != recipe.size:
        print(
            f"imagine-sound: to be painted at {size[0]}x{size[1]}: {recipe.size[0]}x{recipe.size[1]} would be a part "
            "of a picture by now; --size chooses another size.",
            file=sys.stderr,
        )
    chosen = ImagineOptions(
        seed=recipe.seed if options.seed is None else options.seed,
        steps=recipe.steps if options.steps is None else options.steps,
        guidance=recipe.guidance if options.guidance is None else options.guidance,
        size=size,
        adapter=options.adapter or recipe.adapter,
        near=recipe.near if options.near is None else options.near,
    )
    async with aclosing(engine.paint(recipe.prompt, chosen, heard=recipe.heard)) as events:
        async for event in events:
            yield event


async def _times(engine: Engine, recipe: Recipe | None, wanted: int | None) -> int | None:
    """How many times the picture is to be enlarged, None for not at all.

    Raises ModelMissing where that is asked for and nothing enlarges it; a recipe that wants it is painted all the same.
    """
    in_recipe = 1 if recipe is None else recipe.enlarged
    if wanted is None and in_recipe == 1:
        return None
    painter = (await engine.info()).model
    if wanted is not None:
        engine.upscaler(painter)  # said before anything is painted
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
            async with aclosing(engine.enlarge(small.image, small.recipe, times)) as enlarging:
                async for step in enlarging:
                    yield Painted(replace(step.picture, notes=small.notes)) if isinstance(step, Painted) else step


async def _watch(events: AsyncGenerator[Event, None]) -> Picture:
    _, picture = await watch_events(events)
    return picture


async def watch_events(events: AsyncGenerator[Event, None]) -> tuple[Heard | None, Picture]:
    """Show what was heard and a progress bar; returns what was heard (None of a recipe) and the picture."""
    heard: Heard | None = None
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
                case Queued(position):
                    progress.update(task, description=f"waiting, number {position}")
                case Painting(step, steps):
                    progress.update(task, description="painting", completed=step, total=steps)
                case Painted(picture):
                    for note in picture.notes:
                        out.print(f"Note:   {one_line(note_text(note))}", markup=False)
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
            case Loading(arrived):
                line = {"event": "loading"} | ({} if arrived is None else {"arrived": arrived})
            case Queued(position):
                line = {"event": "queued", "position": position}
            case Painting(step, steps, preview):
                line = {"event": "painting", "step": step, "steps": steps}
                if preview is not None:
                    line["preview_jpeg"] = base64.b64encode(preview).decode()
            case Painted(picture):
                recipe = json.loads(to_json(picture.recipe))
                notes = [note_text(note) for note in picture.notes]
                line = {"event": "painted", "seconds": round(picture.seconds, 2), "notes": notes, **recipe}
                print(json.dumps(line, ensure_ascii=False), flush=True)
                return picture
        print(json.dumps(line, ensure_ascii=False), flush=True)
    raise PaintingError("The painting ended without a picture; please try again.")
